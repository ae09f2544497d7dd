"""Sites and what changed at them, as every report tells it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from shapely.geometry.base import BaseGeometry

from pipeline.areas.lattice import Tile

State = Literal["new", "expanded", "continuing", "recovered", "reopened"]
SiteState = Literal["active", "recovered", "not observed", "merged"]
Status = Literal["provisional", "confirmed"]
Confidence = Literal["low", "high", "highest"]
# What the opening dates rest on: single looks, or the median days of the periods.
DatedBy = Literal["looks", "periods"]


@dataclass(frozen=True)
class SitePeriod:
    """One site in one period; hectares are true ground area of its pixels.

    `observed_share` is the share of the site's ground that was observed; `probability` the mean over its
    disturbed pixels (None if none); `clear_looks` the median over its pixels.
    """

    period: str
    bare_ha: float
    pond_ha: float
    observed_share: float
    probability: float | None
    clear_looks: int
    last_observed: date | None


@dataclass(frozen=True)
class Site:
    """A place of disturbed ground followed over all periods.

    `geometry` (lon/lat) covers the ground that it held in any period; `zone` indexes the declared zones from 1, 0 is
    unassigned; `state` is that of the last period: "active", "recovered", "not observed" or "merged", then into
    `merged_into`. `parent` is the site on whose ground it came up: it broke off from it, or opened on what it had left.
    `sites` is how many it stands for: more than one only where a public release tells several as one.
    """

    site_id: str
    geometry: BaseGeometry
    zone: int
    state: SiteState
    status: Status
    confidence: Confidence
    first_seen: str
    periods: tuple[SitePeriod, ...]
    last_clear_undisturbed: date | None
    first_clear_disturbed: date | None
    sites_within_1km: int
    tiles: tuple[Tile, ...]
    dated_by: DatedBy = "periods"
    parent: str | None = None
    merged_into: str | None = None
    sites: int = 1


@dataclass(frozen=True)
class SiteChange:
    """What happened at one site between two periods; the fields of changes.geojson that pixels decide.

    `geometry` (lon/lat) is the disturbed ground of the later period; if recovered, what of the earlier was seen gone;
    `gain_geometry` all newly disturbed pixels, None if there are none. `probability` is the mean over the evidence: the
    gain of new, expanded and reopened sites, else the ground of `geometry`; None where radar alone claims the change,
    which says neither bare nor pond. The dates bound the opening of that
    ground (docs/change.md); a date is None where no clear look bounds the interval. `sites` is as in Site.
    """

    change_id: str
    site_id: str
    state: State
    status: Status
    confidence: Confidence
    probability: float | None
    area_ha: float
    area_gain_ha: float
    area_loss_ha: float
    bare_ha: float
    pond_ha: float
    last_clear_undisturbed: date | None
    first_clear_disturbed: date | None
    last_observed: date | None
    clear_looks_before: int
    clear_looks_after: int
    observed_share: float
    sensors: tuple[str, ...]
    zone: int
    sites_within_1km: int
    geometry: BaseGeometry
    gain_geometry: BaseGeometry | None
    tiles: tuple[Tile, ...]
    dated_by: DatedBy = "periods"
    sites: int = 1

    @property
    def by_radar_alone(self) -> bool:
        """Whether no optical look speaks for it: told, and counted nowhere else."""
        return self.sensors == ("S1",)
