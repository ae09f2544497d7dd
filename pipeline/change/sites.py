"""Sites: each cluster of disturbed ground, told over all periods."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import Literal

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry

from pipeline.areas.lattice import from_lonlat
from pipeline.change.clusters import Cluster, clusters, day_of
from pipeline.change.confidence import confidence, mean_probability
from pipeline.change.objects import Classified
from pipeline.change.site import Site, SitePeriod, Status
from pipeline.change.states import BARE, POND
from pipeline.config import Change, Period

# Of the ground that was disturbed, observed without disturbance, before it is called recovered.
OBSERVED_SHARE = 0.5
NEIGHBOUR_M = 1000.0


def build_sites(zones: Sequence[Classified], periods: Sequence[Period], settings: Change) -> tuple[Site, ...]:
    """Every site of the classified ground of all UTM zones, sorted by id; rules in docs/change.md."""
    found = clusters(zones, settings)
    whole = [cluster.geometry(np.ones(cluster.row.size, bool)) for cluster in found]
    near = _neighbours(found, whole)
    return tuple(
        _site(cluster, geometry, count, periods, settings)
        for cluster, geometry, count in zip(found, whole, near, strict=True)
    )


def _site(cluster: Cluster, geometry: BaseGeometry, near: int, periods: Sequence[Period], settings: Change) -> Site:
    disturbed = cluster.disturbed
    last = int(np.flatnonzero(disturbed.any(axis=1))[-1])
    state: Literal["active", "recovered", "not observed"] = "active"
    status: Status = "confirmed" if cluster.stands.sum() >= 2 else "provisional"
    if last < len(periods) - 1:
        gone = periods_gone(cluster, last, last + 1)
        state = "recovered" if is_gone(cluster, last, len(periods) - 1) else "not observed"
        if state == "recovered":
            status = "confirmed" if gone >= 2 else "provisional"
    opening = opening_interval(cluster)
    return Site(
        site_id=cluster.site_id,
        geometry=geometry,
        zone=_zone_of(cluster),
        state=state,
        status=status,
        confidence=confidence(cluster, last, disturbed[last], status, settings),
        first_seen=periods[int(np.argmax(cluster.stands))].name,
        periods=tuple(_site_period(cluster, i, period.name) for i, period in enumerate(periods)),
        last_clear_undisturbed=opening[0],
        first_clear_disturbed=opening[1],
        sites_within_1km=near,
        tiles=cluster.tiles(np.ones(cluster.row.size, bool)),
    )


def _site_period(cluster: Cluster, period: int, name: str) -> SitePeriod:
    ground = np.ones(cluster.row.size, bool)
    disturbed = cluster.disturbed[period]
    return SitePeriod(
        period=name,
        bare_ha=cluster.hectares(cluster.classes[period] == BARE),
        pond_ha=cluster.hectares(cluster.classes[period] == POND),
        observed_share=cluster.share(cluster.observed[period], ground),
        probability=mean_probability(cluster, period, disturbed) if disturbed.any() else None,
        clear_looks=cluster.median_looks(period, ground),
        last_observed=day_of(cluster.days[period, 3], latest=True),
    )


def is_gone(cluster: Cluster, shown: int, period: int) -> bool:
    """Whether `period` shows no disturbance and saw enough of the ground disturbed in period `shown`."""
    if cluster.disturbed[period].any():
        return False
    return cluster.share(cluster.observed[period], cluster.disturbed[shown]) >= OBSERVED_SHARE


def periods_gone(cluster: Cluster, shown: int, start: int) -> int:
    """How many periods from `start` on show the ground of period `shown` gone, until it is disturbed again."""
    count = 0
    for period in range(start, len(cluster.classes)):
        if cluster.disturbed[period].any():
            break
        count += is_gone(cluster, shown, period)
    return count


def opening_interval(cluster: Cluster) -> tuple[date | None, date | None]:
    """Last clear undisturbed and first clear disturbed day of the ground disturbed in the first period that stands.

    The first is None where less than half of that ground was seen undisturbed before: the rest may be older.
    """
    first = int(np.argmax(cluster.stands))
    opened = cluster.disturbed[first]
    undisturbed: list[date] = []
    left, whole = opened.copy(), np.zeros_like(opened)
    for period in range(first - 1, -1, -1):
        seen = left & cluster.observed[period]
        day = day_of(cluster.days[period, 1, seen & ~cluster.disturbed[period]])
        undisturbed += [day] if day else []
        whole |= seen & ~cluster.disturbed[period]
        left &= ~seen
    known = cluster.share(whole, opened) >= OBSERVED_SHARE
    return min(undisturbed, default=None) if known else None, day_of(cluster.days[first, 2, opened])


def _zone_of(cluster: Cluster) -> int:
    """Declared zone that holds most of a site's area; the lower index wins a tie."""
    return int(np.argmax(np.bincount(cluster.zone, cluster.area_m2)))


def _project(transformer: Transformer, xy: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))


def _neighbours(found: Sequence[Cluster], geometries: Sequence[BaseGeometry]) -> list[int]:
    """Number of other sites less than 1 km away, measured in the UTM zone of each site's first pixel."""
    home = np.array([cluster.epsg[0] for cluster in found], np.int64)
    shapes = np.array(geometries, object)
    count = np.zeros(len(found), np.int64)
    bounds = shapely.bounds(shapes) if len(found) else np.zeros((0, 4))
    for epsg in np.unique(home):
        own = np.flatnonzero(home == epsg)
        west, south = bounds[own, :2].min(axis=0) - 0.1
        east, north = bounds[own, 2:].max(axis=0) + 0.1
        reachable = np.flatnonzero(
            (bounds[:, 2] >= west) & (bounds[:, 0] <= east) & (bounds[:, 3] >= south) & (bounds[:, 1] <= north)
        )
        local = shapely.transform(shapes[reachable], partial(_project, from_lonlat(int(epsg))))
        tree = shapely.STRtree(local)
        at = np.searchsorted(reachable, own)
        asked, answer = tree.query(local[at], predicate="dwithin", distance=NEIGHBOUR_M)
        count[own] = np.bincount(asked[answer != at[asked]], minlength=own.size)
    return [int(n) for n in count]
