"""Public collections of official boundaries, and the one feature of a name in them.

Who's On First: a country's database (SQLite, tables `spr` and `geojson`) as Geocode Earth distributes it.
geoBoundaries: `api/current/gbOpen/<ISO3>/<level>/` answers a record that names a GeoJSON file by `gjDownloadURL`.
"""

from __future__ import annotations

import bz2
import json
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.areas.download import fetch
from pipeline.areas.naming import choose, plain
from pipeline.areas.reading import parse_features
from pipeline.errors import BadInput, SourceUnavailable

BASE_URLS = {
    "whosonfirst": "https://data.geocode.earth/wof/dist/sqlite",
    "geoboundaries": "https://www.geoboundaries.org",
}
# ISO 3166 codes, of three letters and of two, of the countries that this monitor was made for.
_CODES = {"CAF": "CF", "CIV": "CI", "COD": "CD", "GHA": "GH", "GIN": "GN", "LBR": "LR", "SLE": "SL"}
_MAX_DATABASE_BYTES = 2 * 2**30


@dataclass(frozen=True)
class Origin:
    """Where candidate features came from, as it will stand in the properties of the imported area."""

    name: str
    url: str
    sha256: str
    licence: str
    attribution: str
    vintage: str = ""


def fetch_boundary(
    name: str, source: str, country: str, base_url: str | None, level: str | None, folder: Path, expected: str | None
) -> tuple[dict[str, Any], Origin]:
    """The feature of a name in a collection, fetched into `folder`; as `import_boundary` tells."""
    if source not in BASE_URLS:
        raise BadInput(f"source {source!r} is not known; use one of: {', '.join(BASE_URLS)}")
    base = (base_url or BASE_URLS[source]).rstrip("/")
    if source == "whosonfirst":
        return _whosonfirst(name, _code(country, 2, source), base, level, folder, expected)
    return _geoboundaries(name, _code(country, 3, source), base, level, folder, expected)


def _whosonfirst(
    name: str, country: str, base: str, level: str | None, folder: Path, expected: str | None
) -> tuple[dict[str, Any], Origin]:
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
    return feature, Origin("Who's On First", url, digest, "CC0 1.0", "Who's On First", vintage)


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
) -> tuple[dict[str, Any], Origin]:
    url = f"{base}/api/current/gbOpen/{country}/{level or 'ADM2'}/"
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
    return feature, Origin(
        "geoBoundaries gbOpen", str(link), digest, licence, credit, str(record.get("boundaryYearRepresented") or "")
    )


def _code(country: str, letters: int, source: str) -> str:
    code = country.upper()
    code = _CODES.get(code, code) if letters == 2 else {two: three for three, two in _CODES.items()}.get(code, code)
    if re.fullmatch(rf"[A-Z]{{{letters}}}", code):
        return code
    example = "CF" if letters == 2 else "CAF"
    raise BadInput(f"country {country!r}: {source} needs the ISO 3166 code of {letters} letters, such as {example}")
