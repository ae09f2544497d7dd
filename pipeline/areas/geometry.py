"""Checks of one declared polygon: each answers with what is wrong and what to do about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import shapely
from odc.geo.data import ocean_geojson
from shapely.geometry.base import BaseGeometry

from pipeline.areas.area import geodesic_area_km2
from pipeline.areas.lattice import COVERAGE_LAT

# Larger than any sub-prefecture or region that is monitored; a typing error soon exceeds it.
MAX_AREA_KM2 = 100_000.0
MIN_AREA_KM2 = 1e-4
# Two places nearer than this may well be declared in one file; swapped axes throw them farther apart.
_NEAR_DEG = 5.0

Place = tuple[float, float]


class BadGeometry(Exception):
    """What is wrong with one polygon, and the remedy."""


def polygon_of(geometry: Any, max_km2: float = MAX_AREA_KM2, min_km2: float = MIN_AREA_KM2) -> BaseGeometry:
    """The polygon or multipolygon of a GeoJSON geometry member, in longitude and latitude (degrees), 2-D.

    Raises BadGeometry if it is empty, of another kind, not closed, not finite, outside the globe or the
    coverage of Sentinel-2, crosses itself, spans the antimeridian, or is too large or too small.
    """
    if geometry is None:
        raise BadGeometry("its geometry is empty: draw the polygon or remove the feature")
    if not isinstance(geometry, dict):
        raise BadGeometry("its geometry is not a GeoJSON object: export the layer as GeoJSON (RFC 7946)")
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind not in ("Polygon", "MultiPolygon"):
        raise BadGeometry(f"its geometry is of type {kind!r}: an area must be a Polygon or a MultiPolygon")
    parts = [coordinates] if kind == "Polygon" else coordinates
    if not isinstance(parts, list) or not parts or not all(isinstance(part, list) and part for part in parts):
        raise BadGeometry("its geometry is empty: draw the polygon or remove the feature")
    polygons = []
    for part in parts:
        outer, *holes = [_ring(ring) for ring in part]
        polygons.append(shapely.Polygon(outer, holes))
    result = polygons[0] if kind == "Polygon" else shapely.MultiPolygon(polygons)
    _check_degrees(result)
    _check_shape(result, max_km2, min_km2)
    return result


def _ring(ring: Any) -> list[Place]:
    if not isinstance(ring, list) or not ring:
        raise BadGeometry("it has an empty ring: draw the polygon or remove the feature")
    places = [place_of(position) for position in ring]
    if places[0] != places[-1]:
        raise BadGeometry(
            f"a ring is not closed: it starts at {_at(places[0])} and ends at {_at(places[-1])}; "
            "repeat the first position at the end"
        )
    if len(places) < 4:
        raise BadGeometry(f"a ring has {len(places)} positions: a closed ring needs at least four")
    return places


def place_of(position: Any) -> Place:
    """Longitude and latitude of a GeoJSON position; raises BadGeometry if it is none or not finite."""
    numbers = position[:2] if isinstance(position, list) else []
    if len(numbers) < 2 or any(isinstance(n, bool) or not isinstance(n, int | float) for n in numbers):
        raise BadGeometry(f"{str(position)[:60]!r} is not a position: write [longitude, latitude] in degrees")
    # Integers are compared before conversion: a huge one has no float.
    if any(not -1e9 < n < 1e9 for n in numbers):
        raise BadGeometry(
            f"position {str(position)[:60]} is not finite or far off the globe: write [longitude, latitude] in degrees"
        )
    return float(numbers[0]), float(numbers[1])


def _check_degrees(geometry: BaseGeometry) -> None:
    west, south, east, north = geometry.bounds
    extent = f"x from {west:g} to {east:g}, y from {south:g} to {north:g}"
    if max(abs(west), abs(east)) <= 90 < max(abs(south), abs(north)) <= 180:
        raise BadGeometry(
            f"longitude and latitude are in the wrong order ({extent}: no latitude exceeds 90); "
            "write each position as [longitude, latitude]"
        )
    if max(abs(west), abs(east)) > 180 or max(abs(south), abs(north)) > 90:
        raise BadGeometry(f"its coordinates are not degrees ({extent}): reproject the layer to WGS 84 (EPSG:4326)")
    if east - west > 180:
        raise BadGeometry(
            f"it spans {east - west:g} degrees of longitude: if it crosses the antimeridian, declare what lies on "
            "either side as two areas"
        )


def _check_shape(geometry: BaseGeometry, max_km2: float, min_km2: float) -> None:
    reason = shapely.is_valid_reason(geometry)
    if reason != "Valid Geometry":
        raise BadGeometry(_invalid(reason))
    south, north = geometry.bounds[1], geometry.bounds[3]
    if south < COVERAGE_LAT[0] or north > COVERAGE_LAT[1]:
        raise BadGeometry(
            f"it reaches from {south:g} to {north:g} degrees of latitude: Sentinel-2 covers land from "
            f"{COVERAGE_LAT[0]:g} to {COVERAGE_LAT[1]:g}; cut it to that"
        )
    area = geodesic_area_km2(geometry)
    if area > max_km2:
        raise BadGeometry(
            f"it covers {area:,.0f} km2, more than the {max_km2:,.0f} km2 one area may have: "
            "look for a mistyped coordinate, or declare several smaller areas"
        )
    if area < min_km2:
        raise BadGeometry(f"it covers {area * 1e6:.3g} m2, less than one pixel of 100 m2: draw a larger polygon")


def _invalid(reason: str) -> str:
    what, _, place = reason.rstrip("]").partition("[")
    at = f" at {_at((float(place.split()[0]), float(place.split()[1])))}" if place else ""
    if what in ("Self-intersection", "Ring Self-intersection"):
        return f"its outline crosses itself{at}: move the vertex there, or run 'Fix geometries' in QGIS"
    return f"it is not a valid polygon ({what.lower()}{at}): run 'Fix geometries' in QGIS or redraw it"


def _at(place: Place) -> str:
    return f"{place[0]:.6g}, {place[1]:.6g}"


def swapped_order(geometry: BaseGeometry, hint: Place | None, others: Sequence[Place]) -> str | None:
    """Why a polygon seems to have latitude before longitude, or None.

    `hint` is the place (longitude, latitude) that the feature itself states; it settles the question. Without
    one, the centres of the file's other areas and the oceans are asked.
    """
    here = geometry.centroid.x, geometry.centroid.y
    there = here[1], here[0]
    if abs(there[1]) > 90:
        return None
    if hint is not None:
        if math.dist(here, hint) > 1.0 and math.dist(there, hint) < math.dist(here, hint) / 2:
            return f"its centre is {_at(here)}, but its stated centre is {_at(hint)}"
        return None
    if others:
        middle = (_median([place[0] for place in others]), _median([place[1] for place in others]))
        if math.dist(here, middle) > _NEAR_DEG and math.dist(there, middle) < math.dist(here, middle) / 2:
            return f"its centre {_at(here)} is far from the file's other areas, and {_at(there)} is near them"
    flipped = shapely.transform(geometry, lambda xy: xy[:, ::-1])
    if _at_sea(geometry) and not shapely.intersects(_ocean(), flipped):
        return f"it lies at sea ({_at(here)}), and {_at(there)} is on land"
    return None


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def _at_sea(geometry: BaseGeometry) -> bool:
    return bool(shapely.contains(_ocean(), geometry))


@lru_cache(maxsize=1)
def _ocean() -> BaseGeometry:
    """Natural Earth's oceans (1:110 million, public domain), as odc-geo brings them."""
    shapes = [shapely.geometry.shape(feature["geometry"]) for feature in ocean_geojson()["features"]]
    ocean = shapely.union_all(shapely.make_valid(shapes))
    shapely.prepare(ocean)
    return ocean
