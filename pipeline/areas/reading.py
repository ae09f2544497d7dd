"""Reading areas files: GeoJSON of declared areas, checked as a whole before any of it is used."""

from __future__ import annotations

import calendar
import difflib
import json
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from pipeline.areas.area import Area, Status
from pipeline.areas.geometry import BadGeometry, Place, place_of, polygon_of, swapped_order
from pipeline.errors import BadInput, Problems

MAX_FILE_BYTES = 64 * 2**20
# Rows of the footprint that are no zone; a zone of that name would be told with their figures.
_RESERVED = ("unassigned", "total")
_ZONE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}")
_COUNTRY = re.compile(r"[A-Z]{3}")
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")
# What the 2008 GeoJSON `crs` member may say without meaning anything but longitude and latitude.
_WGS84 = re.compile(r"(urn:ogc:def:crs:)?(OGC:?[\d.]*:?CRS84|EPSG:?[\d.]*:?4326)", re.IGNORECASE)


def read_areas(paths: Sequence[Path], zones: Sequence[str] = ()) -> tuple[Area, ...]:
    """Areas that GeoJSON files declare, in their order; `zones` keeps those of these ids (empty: all).

    Raises Problems that lists every problem of every file, each with its file, feature and remedy.
    """
    problems: list[str] = []
    areas: list[Area] = []
    named: dict[str, str] = {}
    for path in paths:
        try:
            features = load_features(path)
        except BadInput as error:
            problems.append(str(error))
            continue
        if not features:
            problems.append(f"{path}: declares no area; add a feature with a polygon and a 'zone_id'")
        read: list[tuple[str, Area]] = []
        for number, feature in enumerate(features, start=1):
            where = f"{path}: {describe(feature, number)}"
            area, found = _read_feature(feature)
            problems.extend(f"{where}: {problem}" for problem in found)
            if area is None:
                continue
            if area.zone_id in named:
                problems.append(
                    f"{where}: zone_id {area.zone_id!r} was already given to {named[area.zone_id]}; "
                    "give each feature its own"
                )
            else:
                named[area.zone_id] = f"{path.name}, {describe(feature, number)}"
            read.append((where, area))
        problems.extend(_wrong_order(read))
        areas.extend(area for _, area in read)
    # A feature that could not be read may be the one that is asked for: unknown names are told last.
    problems.extend(_unknown(zones, [area.zone_id for area in areas]) if areas else ())
    if problems:
        raise Problems("areas", problems)
    return tuple(area for area in areas if not zones or area.zone_id in zones)


def load_features(path: Path) -> list[Any]:
    """Features of a GeoJSON file, unchecked; raises BadInput if it cannot be read as longitude and latitude."""
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise BadInput(
                f"{path}: is {size / 2**20:.0f} MiB; areas files may have {MAX_FILE_BYTES // 2**20}: simplify it"
            )
        return parse_features(path.read_bytes(), str(path))
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file; check 'areas' in the config") from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror})") from error


def parse_features(content: bytes, name: str) -> list[Any]:
    """Features of a GeoJSON document, unchecked; raises BadInput that starts with `name`."""
    try:
        document = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{name}: is not GeoJSON ({str(error)[:120]}); export the layer as GeoJSON (RFC 7946)") from None
    kind = document.get("type") if isinstance(document, dict) else None
    if kind == "Feature":
        document = {"features": [document]}
    elif kind != "FeatureCollection":
        raise BadInput(f"{name}: is not a FeatureCollection (type {kind!r}); export the layer as GeoJSON (RFC 7946)")
    crs = document.get("crs")
    if crs is not None and not _WGS84.fullmatch(_crs_name(crs)):
        raise BadInput(
            f"{name}: its coordinate system is {_crs_name(crs)[:60]!r}; reproject the layer to WGS 84 (EPSG:4326)"
        )
    features = document.get("features")
    if not isinstance(features, list):
        raise BadInput(f"{name}: has no list of 'features'; export the layer as GeoJSON (RFC 7946)")
    return features


def _crs_name(crs: Any) -> str:
    properties = crs.get("properties") if isinstance(crs, dict) else None
    return str(properties.get("name") if isinstance(properties, dict) else crs)


def describe(feature: Any, number: int) -> str:
    """How an error names a feature: by its place in the file (from 1) and its id or name."""
    properties = feature.get("properties") if isinstance(feature, dict) else None
    properties = properties if isinstance(properties, dict) else {}
    label = next((properties[key] for key in ("zone_id", "name") if properties.get(key)), None)
    return f"feature {number}" + (f" ({str(label)[:60]})" if label is not None else "")


def _read_feature(feature: Any) -> tuple[Area | None, list[str]]:
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        return None, ["is not a GeoJSON Feature; export the layer as GeoJSON (RFC 7946)"]
    properties = feature.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    problems = []
    zone_id = properties.get("zone_id")
    if zone_id is None:
        problems.append("has no 'zone_id'; add a short one to its properties, such as \"carnot\"")
    elif not isinstance(zone_id, str) or not _ZONE_ID.fullmatch(zone_id):
        problems.append(
            f"zone_id {str(zone_id)[:60]!r} cannot be used; write up to 60 letters a-z, digits, '-', '_' or '.' as text"
        )
    elif zone_id in _RESERVED:
        problems.append(f"zone_id {zone_id!r} names a sum in the footprint table; choose another")
    role = properties.get("role", "zone")
    if role not in ("zone", "extent"):
        problems.append(f'role {str(role)[:60]!r} is not known; write "zone" or "extent"')
    statuses, bad_statuses = _statuses(properties.get("statuses"))
    problems.extend(bad_statuses)
    texts = {}
    for key in ("name", "boundary_vintage", "boundary_source", "country", "admin1"):
        value = properties.get(key)
        if value is not None and not isinstance(value, str):
            problems.append(f"'{key}' must be text in quotes, found {str(value)[:60]!r}")
        texts[key] = value if isinstance(value, str) else ""
    if texts["country"] and not _COUNTRY.fullmatch(texts["country"]):
        problems.append(f'country {texts["country"][:60]!r} is not an ISO 3166-1 alpha-3 code; write one such as "CAF"')
    try:
        geometry = polygon_of(feature.get("geometry"))
    except BadGeometry as error:
        return None, [*problems, str(error)]
    if problems:
        return None, problems
    return Area(
        zone_id=str(zone_id),
        name=texts["name"] or str(zone_id),
        geometry=geometry,
        role=str(role),
        statuses=statuses,
        boundary_vintage=texts["boundary_vintage"],
        boundary_source=texts["boundary_source"],
        country=texts["country"],
        admin1=texts["admin1"],
        properties=properties,
    ), []


def _statuses(value: Any) -> tuple[tuple[Status, ...], list[str]]:
    if value is None:
        return (), []
    if not isinstance(value, list):
        return (), ["'statuses' must be a list of {status, since, source, note}"]
    statuses, problems = [], []
    for number, entry in enumerate(value, start=1):
        if not isinstance(entry, dict) or not isinstance(entry.get("status"), str) or not entry["status"]:
            problems.append(
                f'status {number} has no \'status\' text; write {{"status": ..., "since": ..., "source": ...}}'
            )
            continue
        since, known = entry.get("since"), _certain_from(entry.get("since"))
        if since is not None and known is None:
            problems.append(
                f"status {number} ({entry['status'][:60]}): since {str(since)[:60]!r} is not a date; "
                'write "2016-09-19", "2016-09", "2016", or null where no date is known'
            )
            continue
        text = [str(entry.get(key) or "") for key in ("source", "note")]
        statuses.append(Status(entry["status"], known, text[0], text[1], str(since or "")))
    return tuple(statuses), problems


def _certain_from(since: Any) -> date | None:
    """The day from which a status is certain: the last of the month or year where no more is known."""
    match = _DATE.fullmatch(since) if isinstance(since, str) else None
    if match is None:
        return None
    try:
        year, month = int(match[1]), int(match[2] or 12)
        return date(year, month, int(match[3] or calendar.monthrange(year, month)[1]))
    except (ValueError, calendar.IllegalMonthError):
        return None


def _wrong_order(read: Sequence[tuple[str, Area]]) -> list[str]:
    centres: list[Place] = [(area.geometry.centroid.x, area.geometry.centroid.y) for _, area in read]
    problems = []
    for number, (where, area) in enumerate(read):
        reason = swapped_order(area.geometry, _stated_centre(area), centres[:number] + centres[number + 1 :])
        if reason:
            problems.append(
                f"{where}: longitude and latitude seem to be in the wrong order: {reason}; write each position as "
                '[longitude, latitude], or state "centre": [longitude, latitude] in its properties if it is right'
            )
    return problems


def _stated_centre(area: Area) -> Place | None:
    centre = area.properties.get("centre")
    try:
        return place_of(centre) if centre is not None else None
    except BadGeometry:
        return None


def _unknown(zones: Sequence[str], known: Sequence[str]) -> list[str]:
    problems = []
    for zone in zones:
        if zone not in known:
            close = difflib.get_close_matches(zone, known, n=1, cutoff=0.5)
            meant = f"; did you mean {close[0]!r}?" if close else "."
            problems.append(f"zone {zone!r} is not declared{meant} Declared: {', '.join(known)}")
    return problems
