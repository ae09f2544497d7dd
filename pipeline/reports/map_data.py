"""What the scripts of the map read: changes and sites in columns, outlines as whole numbers, zones, pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.reports.chips import RENDERINGS, Chip, Gallery
from pipeline.reports.geojson import changes_geojson, geometry_json, site_features
from pipeline.reports.language import Language
from pipeline.reports.result import RunResult

# Okabe and Ito (2008): told apart by people with any of the common colour deficiencies.
STATE_COLOURS = {
    "new": "#D55E00",
    "expanded": "#E69F00",
    "reopened": "#CC79A7",
    "continuing": "#0072B2",
    "recovered": "#009E73",
}
CHIP_FOLDER = "map_chips"
_MICRO = 1_000_000
_LEFT_OUT = ("scenes", "zone_id", "zone_name", "zone_status", "boundary_vintage", "commodity", "review", "release")
Rings = list[list[int]]


def map_data(
    gallery: Gallery, features: Sequence[Mapping[str, Any]], chips: Sequence[Chip], language: Language
) -> dict[str, Any]:
    """All that the page needs beside pictures and reviews; with `chips.folder` empty the pictures are in the page."""
    result = gallery.result
    drawn = [feature for feature in features if feature["geometry"] is not None]
    numbers = {chip.change_id: number for number, chip in enumerate(chips)}
    return {
        "run": {
            "programme": result.programme,
            "run_id": result.run_id,
            "as_of": result.as_of.isoformat(),
            "public": result.release == "public",
            # What decisions are about: they are taken back for this change report alone.
            "changes_sha256": hashlib.sha256(changes_geojson(replace(result, reviews={})).encode()).hexdigest(),
        },
        "periods": [{"name": p.name, "start": p.start.isoformat(), "end": p.end.isoformat()} for p in result.periods],
        "colours": STATE_COLOURS,
        "changes": _changes(result, drawn),
        "sites": _sites(result),
        "zones": _zones(result, language),
        "chips": {
            "folder": "",
            "numbers": [numbers.get(feature["id"], -1) for feature in drawn],
            "bounds": [_corners(chip.bounds) for chip in chips],
            "side_m": [round(chip.side_m) for chip in chips],
        },
        # Of a public release the pixels are no part.
        "unseen": gallery.unseen if result.release == "restricted" else [],
        "bounds": _bounds(result),
    }


def chip_name(number: int, period: int, rendering: str) -> str:
    """File of a picture, relative to the page."""
    return f"{CHIP_FOLDER}/{number:04d}-{period}-{rendering}.png"


def chip_files(result: RunResult, chips: Sequence[Chip]) -> dict[str, bytes]:
    """The pictures by the name of their file."""
    return {
        chip_name(number, p, rendering.name): chip.pictures[period.name, rendering.name]
        for number, chip in enumerate(chips)
        for p, period in enumerate(result.periods)
        for rendering in RENDERINGS
    }


def rings_of(geometry: Mapping[str, Any] | None) -> Rings:
    """Rings of a GeoJSON polygon or multipolygon in microdegrees, each vertex as the step from the one before.

    The closing vertex is left out; holes are rings like the others, filled by the even-odd rule.
    """
    if geometry is None:
        return []
    polygons = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
    rings = []
    for ring in (ring for polygon in polygons for ring in polygon):
        steps: list[int] = []
        x = y = 0
        for lon, lat in ring[:-1]:
            nx, ny = round(lon * _MICRO), round(lat * _MICRO)
            steps += (nx - x, ny - y)
            x, y = nx, ny
        rings.append(steps)
    return rings


def _changes(result: RunResult, features: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    gains = {
        change.change_id: rings_of(geometry_json(change.gain_geometry))
        for change in result.changes
        if change.state == "expanded" and change.gain_geometry is not None
    }
    zones = {zone.zone_id: number for number, zone in enumerate(result.areas) if zone.role == "zone"}
    names = [name for name in (features[0]["properties"] if features else {}) if name not in _LEFT_OUT]
    columns = {name: [feature["properties"][name] for feature in features] for name in names}
    # Without a change there is no feature to take the names from, and the page asks for these.
    for name in ("change_id", "site_id", "state", "confidence", "area_ha", "area_gain_ha", "area_loss_ha"):
        columns.setdefault(name, [])
    return columns | {
        "zone": [zones.get(feature["properties"]["zone_id"], -1) for feature in features],
        "rings": [rings_of(feature["geometry"]) for feature in features],
        "gain": [gains.get(feature["id"]) or None for feature in features],
    }


def _sites(result: RunResult) -> dict[str, list[Any]]:
    features = [feature for feature in site_features(result) if feature["geometry"] is not None]
    periods = [feature["properties"]["periods"] for feature in features]
    return {
        "site_id": [feature["id"] for feature in features],
        "hectares": [
            [None if p["bare_ha"] is None else round(p["bare_ha"] + p["pond_ha"], 4) for p in own] for own in periods
        ],
        "observed": [[p["observed_share"] for p in own] for own in periods],
        "rings": [rings_of(feature["geometry"]) for feature in features],
    }


def _zones(result: RunResult, language: Language) -> list[dict[str, Any]]:
    rows = {row.zone_id: row for row in result.footprint.of() if row.period == result.after.name}
    told = []
    for area in result.areas:
        row = rows.get(area.zone_id)
        told.append(
            {
                "name": area.name,
                "zone_id": area.zone_id,
                "role": area.role,
                "status": language.word(area.status_at(result.as_of)) if area.role == "zone" else "",
                "vintage": area.boundary_vintage,
                "source": area.boundary_source,
                "disturbed_ha": row.disturbed_ha if row else None,
                "watched_ha": row.watched_ha if row else None,
                "observed_share": row.observed_share if row else None,
                "bounds": _corners(area.geometry.bounds),
                "rings": rings_of(geometry_json(area.geometry)),
            }
        )
    return told


def _bounds(result: RunResult) -> list[list[float]]:
    """South-west and north-east corner of what is shown first: the changes, or the areas where there are none."""
    shapes = [change.geometry for change in result.changes] or [area.geometry for area in result.areas]
    west, south, east, north = zip(*(shape.bounds for shape in shapes), strict=True)
    return [[min(south), min(west)], [max(north), max(east)]]


def _corners(bounds: Sequence[float]) -> list[list[float]]:
    west, south, east, north = (round(degrees, 7) for degrees in bounds)
    return [[south, west], [north, east]]
