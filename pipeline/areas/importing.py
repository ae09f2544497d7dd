"""Adding official boundaries to an areas file, by name, with where they came from."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import shapely

from pipeline.areas.area import Area
from pipeline.areas.catalogues import Origin, fetch_boundary
from pipeline.areas.geometry import BadGeometry, polygon_of
from pipeline.areas.naming import ID_KEYS, LEVEL_KEYS, NAME_KEYS, choose, plain, text_of
from pipeline.areas.reading import load_features, read_areas
from pipeline.errors import BadInput, Problems
from pipeline.hashing import sha256_of


def import_boundary(
    name: str,
    source: str,
    country: str,
    out: Path,
    base_url: str | None = None,
    *,
    level: str | None = None,
    zone_id: str | None = None,
    expected_sha256: str | None = None,
) -> Area:
    """Fetch the official boundary of a place and add it to the areas file `out`.

    `name` is compared without case and accents; the record's id works too. `source` is "whosonfirst" or
    "geoboundaries"; `country` an ISO 3166 code, of two letters for the first and of three for the second (either,
    for the countries that this monitor was made for). `level` is a placetype there (such as `county`), an
    `ADM` level here (default ADM2). SHA-256 of the bytes received, licence and vintage are recorded.

    Raises BadInput if the name is unknown or ambiguous or the boundary unusable, SourceUnavailable if the source
    does not answer or its bytes differ from `expected_sha256`.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".import-") as folder:
        feature, origin = fetch_boundary(name, source, country, base_url, level, Path(folder), expected_sha256)
    return _add(feature, origin, name, zone_id, out)


def import_from_file(
    name: str,
    file: Path,
    out: Path,
    *,
    level: str | None = None,
    zone_id: str | None = None,
    licence: str = "not stated",
    vintage: str = "",
) -> Area:
    """Add the boundary of a name in a GeoJSON file to the areas file `out`; otherwise as `import_boundary`."""
    feature = choose(load_features(file), name, level, str(file))
    origin = Origin(f"file {file.name}", "", sha256_of(file), licence, "", vintage)
    return _add(feature, origin, name, zone_id, out)


def _add(feature: dict[str, Any], origin: Origin, name: str, zone_id: str | None, out: Path) -> Area:
    identifier, official = text_of(feature, ID_KEYS), text_of(feature, NAME_KEYS) or name
    try:
        geometry = polygon_of(feature.get("geometry"))
    except BadGeometry as error:
        raise BadInput(f"{origin.url or origin.name}: the boundary of {official!r} cannot be used: {error}") from None
    properties = {
        "zone_id": zone_id or plain(official).replace(" ", "-"),
        "name": official,
        "role": "zone",
        "statuses": [],
        "boundary_vintage": origin.vintage or "not stated",
        "boundary_source": origin.name + (f", record {identifier}" if identifier else ""),
        "boundary_level": text_of(feature, LEVEL_KEYS),
        "source_url": origin.url,
        "source_sha256": origin.sha256,
        "licence": origin.licence,
        "attribution": origin.attribution,
    }
    features = load_features(out) if out.exists() else []
    shape = json.loads(shapely.to_geojson(shapely.orient_polygons(geometry)))
    features.append({"type": "Feature", "properties": properties, "geometry": shape})
    temporary = out.with_name(f".{out.name}.partial")
    try:
        document = {"type": "FeatureCollection", "features": features}
        temporary.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        area = read_areas([temporary])[-1]
        temporary.replace(out)
    except Problems as error:
        told = [problem.replace(str(temporary), str(out)) for problem in error.problems]
        raise Problems(f"{out} with {official!r} added", told) from None
    finally:
        temporary.unlink(missing_ok=True)
    return area
