"""Named regions: what a model is held out from, and what its figures are told by."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pipeline.areas.reading import describe, load_features
from pipeline.errors import Problems

# The region of places that no region holds; it is never held out.
ELSEWHERE = "elsewhere"

# The Amazon basin south of the equator by longitude alone, west and east edge of each block in degrees. 69 W follows
# the border of Peru with Brazil and Bolivia where there are places (Madre de Dios lies west of it), 59 W the divide
# between Madeira and Tapajos (the Juruena lies east of it).
# peru: Peru, and Ecuador beside it. western-brazil: Japura, Negro, Madeira, and the Andean foot of Bolivia.
# tapajos-east: Tapajos with Juruena and Teles Pires, Xingu, Tocantins, and the coast.
BLOCKS = {"peru": (-80.0, -69.0), "western-brazil": (-69.0, -59.0), "tapajos-east": (-59.0, -44.0)}
_SOUTH, _NORTH = -18.0, 0.0


@dataclass(frozen=True)
class Region:
    """A named polygon or multipolygon in longitude and latitude (degrees)."""

    name: str
    geometry: BaseGeometry


def block_of(lon: float, lat: float) -> str:
    """The country block of a place (degrees) in the Amazon basin south of the equator; ELSEWHERE outside it."""
    inside = (name for name, (west, east) in BLOCKS.items() if west <= lon < east and _SOUTH <= lat < _NORTH)
    return next(inside, ELSEWHERE)


def read_regions(path: Path) -> tuple[Region, ...]:
    """Regions of a GeoJSON file: polygons with a `name`; features of one name are one region.

    Raises Problems that names every feature at fault, or BadInput if the file cannot be read.
    """
    problems: list[str] = []
    regions = []
    for number, feature in enumerate(load_features(path), start=1):
        where = describe(feature, number)
        properties = feature.get("properties") if isinstance(feature, dict) else None
        name = properties.get("name") if isinstance(properties, dict) else None
        if not isinstance(name, str) or not 1 <= len(name.strip()) <= 60 or name.strip() == ELSEWHERE:
            problems.append(f"{where}: give it a 'name' of up to 60 letters, other than {ELSEWHERE!r}")
            continue
        try:
            geometry = shapely.from_geojson(json.dumps(feature.get("geometry")))
        except (shapely.errors.GEOSException, ValueError) as error:
            problems.append(f"{where}: its geometry cannot be read ({str(error)[:80]}); export the layer as GeoJSON")
            continue
        fault = _fault(geometry)
        if fault:
            problems.append(f"{where}: {fault}")
        else:
            regions.append(Region(name.strip(), geometry))
    if not regions and not problems:
        problems.append("declares no region; add polygons with a 'name'")
    if problems:
        raise Problems(f"regions in {path}", problems)
    return tuple(regions)


def _fault(geometry: BaseGeometry | None) -> str | None:
    if geometry is None or geometry.geom_type not in ("Polygon", "MultiPolygon") or geometry.is_empty:
        return "a region is a Polygon or a MultiPolygon; draw one"
    if not np.isfinite(shapely.get_coordinates(geometry)).all():
        return "its coordinates are not finite; write [longitude, latitude] in degrees"
    west, south, east, north = geometry.bounds
    if west < -180 or east > 180 or south < -90 or north > 90:
        return "its coordinates are not degrees; reproject the layer to WGS 84 (EPSG:4326)"
    if not geometry.is_valid:
        return f"it is not valid ({shapely.is_valid_reason(geometry)[:80]}); run 'Fix geometries' in QGIS"
    return None


def regions_of(lonlat: NDArray[np.float64], regions: Sequence[Region]) -> list[str]:
    """Name of the first region that holds each place (place, 2) in degrees, ELSEWHERE where none does."""
    names = [ELSEWHERE] * len(lonlat)
    points = shapely.points(lonlat)
    for region in reversed(regions):
        shapely.prepare(region.geometry)
        for i in np.flatnonzero(shapely.covers(region.geometry, points)):
            names[i] = region.name
    return names
