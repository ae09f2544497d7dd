"""Official boundaries by name: from Who's On First, from geoBoundaries, or from a file of features.

Formats: Who's On First country databases (SQLite, tables `spr` and `geojson`) as Geocode Earth distributes them;
geoBoundaries API, `api/current/gbOpen/<ISO3>/<level>/`, which names a GeoJSON file by `gjDownloadURL`.
"""

from __future__ import annotations

import bz2
import difflib
import json
import re
import sqlite3
import tempfile
import unicodedata
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import shapely

from pipeline.areas.area import Area
from pipeline.areas.download import fetch, sha256_of
from pipeline.areas.geometry import BadGeometry, polygon_of
from pipeline.areas.reading import load_features, parse_features, read_areas
from pipeline.errors import BadInput, Problems, SourceUnavailable

BASE_URLS = {
    "whosonfirst": "https://data.geocode.earth/wof/dist/sqlite",
    "geoboundaries": "https://www.geoboundaries.org",
}
_MAX_DATABASE_BYTES = 2 * 2**30
_NAME_KEYS = ("name", "wof:name", "shapeName", "NAME")
_ID_KEYS = ("wof_id", "wof:id", "shapeID")
_LEVEL_KEYS = ("wof:placetype", "placetype_local", "placetype", "shapeType")


@dataclass(frozen=True)
class _Origin:
    """Where candidate features came from, as it will stand in the properties of the imported area."""

    name: str
    url: str
    sha256: str
    licence: str
    attribution: str
    vintage: str = ""


def import_boundary(
    name: str,
    source: Literal["whosonfirst", "geoboundaries"],
    country: str,
    out: Path,
    base_url: str | None = None,
    *,
    level: str | None = None,
    zone_id: str | None = None,
    expected_sha256: str | None = None,
) -> Area:
    """Fetch the official boundary of a place and add it to the areas file `out`.

    `name` is compared without case and accents; the record's id works too. `country` is an ISO 3166 code, of two
    letters for Who's On First and of three for geoBoundaries. `level` is a placetype there (such as `county`), an
    `ADM` level here (default ADM2). SHA-256 of the bytes received, licence and vintage are recorded.

    Raises BadInput if the name is unknown or ambiguous or the boundary unusable, SourceUnavailable if the source
    does not answer or its bytes differ from `expected_sha256`.
    """
    base = (base_url or BASE_URLS[source]).rstrip("/")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".import-") as folder:
        if source == "whosonfirst":
            feature, origin = _whosonfirst(name, _code(country, 2, source), base, level, Path(folder), expected_sha256)
        else:
            feature, origin = _geoboundaries(
                name, _code(country, 3, source), base, level, Path(folder), expected_sha256
            )
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
    origin = _Origin(f"file {file.name}", "", sha256_of(file), licence, "", vintage)
    return _add(feature, origin, name, zone_id, out)


def choose(features: Sequence[Any], name: str, level: str | None, where: str) -> dict[str, Any]:
    """The one feature of a name (or id); raises BadInput that lists the candidates otherwise."""
    usable = [f for f in features if isinstance(f, dict) and isinstance(f.get("properties"), dict)]
    at_level = [f for f in usable if level is None or level in (f["properties"].get(key) for key in _LEVEL_KEYS)]
    wanted = plain(name)
    found = [f for f in at_level if name == _text(f, _ID_KEYS)]
    found = found or [f for f in at_level if plain(_text(f, _NAME_KEYS)) == wanted]
    # A record without a polygon cannot be meant while another of the same name has one.
    found = [f for f in found if _is_polygon(f)] or found
    if len(found) == 1:
        return found[0]
    if found:
        raise BadInput(f"{where}: {len(found)} places are named {name!r}; give the id of one: {_listing(found)}")
    names = {plain(_text(f, _NAME_KEYS)): f for f in at_level}
    close = [names[key] for key in difflib.get_close_matches(wanted, [*names], n=5, cutoff=0.6)]
    levels = sorted({_text(f, _LEVEL_KEYS) for f in usable} - {""})
    hint = f"did you mean {_listing(close)}?" if close else f"levels there: {', '.join(levels) or 'none'}"
    raise BadInput(f"{where}: no place is named {name!r}{f' at level {level!r}' if level else ''}; {hint}")


def plain(text: str) -> str:
    """A name without case, accents and punctuation, as names are compared."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return " ".join(re.findall(r"[^\W_]+", bare))


def _whosonfirst(
    name: str, country: str, base: str, level: str | None, folder: Path, expected: str | None
) -> tuple[dict[str, Any], _Origin]:
    url = f"{base}/whosonfirst-data-admin-{country.lower()}-latest.db.bz2"
    packed, database = folder / "wof.db.bz2", folder / "wof.db"
    digest = fetch(url, packed, expected_sha256=expected)
    _unpack(packed, database, url)
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            records = connection.execute(
                "SELECT id, name, placetype FROM spr WHERE is_current != 0 AND is_deprecated != 1 ORDER BY id"
            ).fetchall()
            listed = [
                {"properties": {"wof:id": str(i), "wof:name": str(n), "wof:placetype": str(p)}} for i, n, p in records
            ]
            wanted = plain(name)
            # Only what may be meant is read whole: the bodies make up most of the database.
            for record in listed:
                properties = record["properties"]
                if name == properties["wof:id"] or plain(properties["wof:name"]) == wanted:
                    record.update(_body(connection, properties["wof:id"], url))
            feature = choose(listed, name, level, url)
    except sqlite3.Error as error:
        raise SourceUnavailable(f"{url}: is not a Who's On First database ({error})") from error
    vintage = _record_date(feature["properties"].get("wof:lastmodified"))
    return feature, _Origin("Who's On First", url, digest, "CC0 1.0", "Who's On First", vintage)


def _record_date(modified: Any) -> str:
    try:
        return f"record of {datetime.fromtimestamp(modified, UTC):%Y-%m-%d}"
    except (TypeError, ValueError, OverflowError, OSError):
        return ""


def _body(connection: sqlite3.Connection, identifier: str, url: str) -> dict[str, Any]:
    columns = {row[1] for row in connection.execute("PRAGMA table_info(geojson)")}
    alternative = "AND is_alt = 0" if "is_alt" in columns else ""
    row = connection.execute(f"SELECT body FROM geojson WHERE id = ? {alternative}", (identifier,)).fetchone()  # noqa: S608 (fixed text)
    if row is None:
        return {}
    where = f"{url}: record {identifier}"
    body = parse_features(str(row[0]).encode(), where)[:1]
    if not body or not isinstance(body[0], dict) or not isinstance(body[0].get("properties"), dict):
        raise SourceUnavailable(f"{where}: is not a GeoJSON feature")
    return {"properties": body[0]["properties"], "geometry": body[0].get("geometry")}


def _unpack(packed: Path, database: Path, url: str) -> None:
    try:
        with bz2.open(packed) as stream, database.open("wb") as target:
            while block := stream.read(2**20):
                target.write(block)
                if target.tell() > _MAX_DATABASE_BYTES:
                    raise SourceUnavailable(f"{url}: unpacks to more than {_MAX_DATABASE_BYTES // 2**30} GiB")
    except (OSError, EOFError) as error:
        raise SourceUnavailable(f"{url}: cannot be unpacked ({error}); try again later") from error


def _geoboundaries(
    name: str, country: str, base: str, level: str | None, folder: Path, expected: str | None
) -> tuple[dict[str, Any], _Origin]:
    url = f"{base}/api/current/gbOpen/{country.upper()}/{level or 'ADM2'}/"
    answer, shapes = folder / "answer.json", folder / "shapes.geojson"
    fetch(url, answer)
    try:
        record = json.loads(answer.read_bytes())
        link = record["gjDownloadURL"]
    except (ValueError, TypeError, KeyError) as error:
        raise SourceUnavailable(
            f"{url}: the answer names no 'gjDownloadURL'; try another level, such as ADM3"
        ) from error
    digest = fetch(str(link), shapes, expected_sha256=expected)
    feature = choose(parse_features(shapes.read_bytes(), str(link)), name, None, str(link))
    licence = str(record.get("boundaryLicense") or "CC BY 4.0")
    origin = str(record.get("boundarySource") or record.get("boundarySource-1") or "").strip()
    credit = f"geoBoundaries (www.geoboundaries.org), Runfola et al. 2020{f'; {origin}' if origin else ''}"
    return feature, _Origin(
        "geoBoundaries gbOpen", str(link), digest, licence, credit, str(record.get("boundaryYearRepresented") or "")
    )


def _add(feature: dict[str, Any], origin: _Origin, name: str, zone_id: str | None, out: Path) -> Area:
    identifier, official = _text(feature, _ID_KEYS), _text(feature, _NAME_KEYS) or name
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
        "boundary_level": _text(feature, _LEVEL_KEYS),
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


def _code(country: str, letters: int, source: str) -> str:
    if re.fullmatch(rf"[A-Za-z]{{{letters}}}", country):
        return country
    example = "CF" if letters == 2 else "CAF"
    raise BadInput(f"country {country!r}: {source} needs the ISO 3166 code of {letters} letters, such as {example}")


def _text(feature: dict[str, Any], keys: Sequence[str]) -> str:
    properties = feature["properties"]
    return next((str(properties[key]) for key in keys if properties.get(key)), "")


def _is_polygon(feature: dict[str, Any]) -> bool:
    geometry = feature.get("geometry")
    return isinstance(geometry, dict) and geometry.get("type") in ("Polygon", "MultiPolygon")


def _listing(features: Sequence[dict[str, Any]]) -> str:
    def label(feature: dict[str, Any]) -> str:
        details = [text for text in (_text(feature, _LEVEL_KEYS), _text(feature, _ID_KEYS)) if text]
        return f"{_text(feature, _NAME_KEYS)} ({', '.join(details)})"

    return "; ".join(label(feature) for feature in features)
