"""Declared areas: zones with dated statuses and a boundary vintage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import shapely
from pyproj import Geod
from shapely.geometry.base import BaseGeometry

_GEOD = Geod(ellps="WGS84")


@dataclass(frozen=True)
class Status:
    """What a zone was declared to be, from a date on (`since` None: from an unknown day; `note` says more).

    Where only the month or the year is known, `since` is its last day, from which the status is certain, and
    `since_text` keeps what was declared (`2016-05`).
    """

    status: str
    since: date | None
    source: str
    note: str = ""
    since_text: str = ""


@dataclass(frozen=True)
class Area:
    """One feature of an areas file; `geometry` in longitude and latitude (degrees).

    `role` is "zone" (reported under its own name) or "extent" (watched, and counted as unassigned). `country` (ISO
    3166-1 alpha-3) and `admin1` (first-level unit, by name) are empty where the file does not say.
    """

    zone_id: str
    name: str
    geometry: BaseGeometry
    role: str = "zone"
    statuses: tuple[Status, ...] = ()
    boundary_vintage: str = ""
    boundary_source: str = ""
    country: str = ""
    admin1: str = ""
    properties: dict[str, Any] = field(default_factory=dict)

    def status_at(self, day: date) -> str:
        """The latest status whose date is not after `day`; `undated` ones count as oldest; "unknown" if none."""
        known = [s for s in self.statuses if s.since is None or s.since <= day]
        return max(known, key=lambda s: s.since or date.min).status if known else "unknown"

    @property
    def area_km2(self) -> float:
        """True area on the WGS 84 ellipsoid, square kilometres."""
        return geodesic_area_km2(self.geometry)


def geodesic_area_km2(geometry: BaseGeometry) -> float:
    """Area of lon/lat polygons on the WGS 84 ellipsoid, square kilometres; edges straight in lon/lat, as RFC 7946.

    Points and lines in a collection have none.
    """
    polygons = [part for part in shapely.get_parts(geometry) if part.geom_type == "Polygon"]
    # Geodesics replace the edges, so these are cut short enough to lie on them.
    dense = shapely.orient_polygons(shapely.segmentize(polygons, 0.01))
    return sum(float(_GEOD.geometry_area_perimeter(polygon)[0]) for polygon in dense) / 1e6


def zones_of(areas: Sequence[Area]) -> tuple[Area, ...]:
    """Areas that are reported under their own name, in declared order: the i-th has number i in `zone_index`."""
    return tuple(area for area in areas if area.role == "zone")


def areas_hash(areas: Sequence[Area]) -> str:
    """SHA-256 of what decides where is watched and how ground is assigned: order, ids, roles and geometries."""
    parts = [[a.zone_id, a.role, shapely.to_wkb(a.geometry, hex=True, byte_order=1)] for a in areas]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
