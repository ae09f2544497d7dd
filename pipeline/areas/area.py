"""Declared areas: zones with dated statuses and a boundary vintage."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from shapely.geometry.base import BaseGeometry


@dataclass(frozen=True)
class Status:
    """What a zone was declared to be, from a date on (`since` None: from an unknown day; `note` says more)."""

    status: str
    since: date | None
    source: str
    note: str = ""


@dataclass(frozen=True)
class Area:
    """One feature of an areas file; `geometry` in longitude and latitude (degrees).

    `role` is "zone" (reported under its own name) or "extent" (watched, and counted as unassigned).
    """

    zone_id: str
    name: str
    geometry: BaseGeometry
    role: str = "zone"
    statuses: tuple[Status, ...] = ()
    boundary_vintage: str = ""
    boundary_source: str = ""
    properties: dict[str, Any] = field(default_factory=dict)

    def status_at(self, day: date) -> str:
        """The latest status whose date is not after `day`; `undated` ones count as oldest; "unknown" if none."""
        known = [s for s in self.statuses if s.since is None or s.since <= day]
        return max(known, key=lambda s: s.since or date.min).status if known else "unknown"
