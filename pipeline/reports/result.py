"""What a finished run hands to the reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.areas.area import Area, zones_of
from pipeline.areas.lattice import Tile
from pipeline.change.site import Site, SiteChange, State
from pipeline.config import Period
from pipeline.footprint import Footprint, FootprintRow, Trends
from pipeline.footprint.areas_by_zone import TOTAL
from pipeline.reports.reviews import Review

# The order of states in every list, table and legend.
STATES: tuple[State, ...] = ("new", "expanded", "reopened", "continuing", "recovered")


@dataclass(frozen=True)
class SceneRead:
    """One scene of the run: its id, the day it was acquired, and its processing baseline where that is known."""

    scene_id: str
    acquired: date
    baseline: str = ""


@dataclass(frozen=True)
class RunResult:
    """All that the reports tell of one run. Changes are those between the last two periods.

    areas         in declared order; a zone index i of a site or change is the i-th of `zones_of(areas)`, from 1
    totals        numbers that no feature carries: `observed_share` (of the watched ground, last period), left out or
                  None where not known; others are passed on as they are
    model         "name" and "sha256"
    scenes        ids of the scenes read, by tile and period name
    radar_scenes  ids of the Sentinel-1 scenes that the last change was measured with, by tile
    limits        sentences: what the run cannot see, with measured figures
    trends        the footprint over time, with estimated areas where there are any; None where it was not told
    scene_list    every optical scene, by day
    reviews       what reviewers decided, by the id of the change and by that of its site
    delayed       whether later periods of the run are kept back from a public release
    key           SHA-256 of all that decides the run's outputs; its first eight digits end the run's id
    composite_of  reflectance x 10 000, (6, 512, 512) in the order of BANDS, NODATA where not observed, of a tile
                  and a period name; None where there is none
    """

    programme: str
    title: str
    run_id: str
    as_of: date
    periods: tuple[Period, ...]
    areas: tuple[Area, ...]
    changes: tuple[SiteChange, ...]
    sites: tuple[Site, ...]
    footprint: Footprint
    totals: Mapping[str, float | None]
    model: Mapping[str, str]
    generated_by: str
    scenes: Mapping[Tile, Mapping[str, tuple[str, ...]]]
    limits: tuple[str, ...]
    composite_of: Callable[[Tile, str], NDArray[np.uint16] | None]
    release: Literal["restricted", "public"] = "restricted"
    radar_scenes: Mapping[Tile, tuple[str, ...]] = field(default_factory=dict)
    trends: Trends | None = None
    scene_list: tuple[SceneRead, ...] = ()
    key: str = ""
    delayed: bool = False
    reviews: Mapping[str, Review] = field(default_factory=dict)

    @property
    def before(self) -> Period | None:
        """The period that changes are measured from; None where the run has one period only."""
        return self.periods[-2] if len(self.periods) > 1 else None

    @property
    def after(self) -> Period:
        """The last period."""
        return self.periods[-1]

    @property
    def heading(self) -> str:
        """The title, or the programme's name where it has none."""
        return self.title or self.programme

    @property
    def watched(self) -> FootprintRow:
        """All watched ground in the last period."""
        return next(row for row in self.footprint.rows[::-1] if row.zone_id == TOTAL)

    def zone(self, index: int) -> Area | None:
        """The declared zone of an index; None for 0, unassigned ground."""
        return zones_of(self.areas)[index - 1] if index > 0 else None
