"""Sites: each cluster of disturbed ground, told over all periods."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry

from pipeline.areas.lattice import from_lonlat
from pipeline.change.clusters import Cluster, Followed, clusters, day_of
from pipeline.change.confidence import confidence, mean_probability
from pipeline.change.objects import Classified
from pipeline.change.site import Site, SitePeriod, SiteState, Status
from pipeline.change.states import BARE, POND
from pipeline.config import Change, Period

# Of the ground that was disturbed, observed without disturbance, before it is called recovered.
OBSERVED_SHARE = 0.5
NEIGHBOUR_M = 1000.0


def build_sites(
    zones: Sequence[Classified], periods: Sequence[Period], settings: Change, followed: Followed | None = None
) -> tuple[Site, ...]:
    """Every site of the classified ground of all UTM zones, sorted by id; rules in docs/change.md."""
    found = clusters(zones, settings, followed)
    whole = [cluster.geometry(np.ones(cluster.row.size, bool)) for cluster in found]
    home = np.array([cluster.epsg[0] for cluster in found], np.int64)
    ended = np.array([cluster.merged_into is not None for cluster in found], bool)
    near = count_neighbours(home, np.array(whole, object), ended)
    return tuple(
        _site(cluster, geometry, count, periods, settings)
        for cluster, geometry, count in zip(found, whole, near, strict=True)
    )


def _site(cluster: Cluster, geometry: BaseGeometry, near: int, periods: Sequence[Period], settings: Change) -> Site:
    disturbed = cluster.disturbed
    shown = int(np.flatnonzero(disturbed.any(axis=1))[-1])
    last = len(periods) - 1
    state: SiteState = "active"
    status: Status = "confirmed" if periods_shown(cluster) >= 2 else "provisional"
    if cluster.merged_into is not None:
        state = "merged"
    elif shown < last:
        state = "recovered" if is_gone(cluster, shown, last) else "not observed"
        if state == "recovered":
            status = "confirmed" if periods_gone(cluster, shown, shown + 1) >= 2 else "provisional"
    opening = opening_interval(cluster)
    return Site(
        site_id=cluster.site_id,
        geometry=geometry,
        zone=_zone_of(cluster),
        state=state,
        status=status,
        confidence=confidence(cluster, shown, disturbed[shown], status, settings),
        first_seen=periods[int(np.argmax(cluster.stands))].name,
        periods=tuple(_site_period(cluster, i, period.name) for i, period in enumerate(periods)),
        last_clear_undisturbed=opening[0],
        first_clear_disturbed=opening[1],
        sites_within_1km=near,
        tiles=cluster.tiles(np.ones(cluster.row.size, bool)),
        parent=cluster.parent,
        merged_into=cluster.merged_into,
    )


def _site_period(cluster: Cluster, period: int, name: str) -> SitePeriod:
    ground = np.ones(cluster.row.size, bool)
    disturbed = cluster.disturbed[period]
    return SitePeriod(
        period=name,
        bare_ha=cluster.hectares(disturbed & (cluster.classes[period] == BARE)),
        pond_ha=cluster.hectares(disturbed & (cluster.classes[period] == POND)),
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


def periods_shown(cluster: Cluster) -> int:
    """How many periods show the site's ground disturbed; before it broke off, under another name."""
    first, ground = _first_ground(cluster)
    earlier = cluster.mapped[first:] & ground
    own = int(np.argmax(cluster.stands))
    unit = cluster.hectares(ground) / 2
    return int(cluster.stands.sum()) + sum(cluster.hectares(m) >= unit for m in earlier[: own - first])


def _first_ground(cluster: Cluster) -> tuple[int, NDArray[np.bool_]]:
    """The first period of the ground, (k,), on which the site first stands.

    The ground of a site that broke off from another was opened under the other's name: from that period on most of
    it was held by others without a break.
    """
    first = int(np.argmax(cluster.stands))
    ground = cluster.disturbed[first]
    others = cluster.held & ~cluster.own
    while first > 0 and cluster.share(others[first - 1], ground) >= 0.5:
        first -= 1
    return first, ground


def opening_interval(cluster: Cluster) -> tuple[date | None, date | None]:
    """Last clear undisturbed and first clear disturbed day of the ground disturbed in the first period that stands.

    The first is None where less than half of that ground was seen undisturbed before: the rest may be older.
    """
    first, ground = _first_ground(cluster)
    opened = cluster.mapped[first] & ground
    undisturbed: list[date] = []
    left, whole = opened.copy(), np.zeros_like(opened)
    for period in range(first - 1, -1, -1):
        seen = left & cluster.observed[period]
        day = day_of(cluster.days[period, 1, seen & ~cluster.mapped[period]])
        undisturbed += [day] if day else []
        whole |= seen & ~cluster.mapped[period]
        left &= ~seen
    known = cluster.share(whole, opened) >= OBSERVED_SHARE
    return min(undisturbed, default=None) if known else None, day_of(cluster.days[first, 2, opened])


def _zone_of(cluster: Cluster) -> int:
    """Declared zone that holds most of a site's area; the lower index wins a tie."""
    return int(np.argmax(np.bincount(cluster.zone, cluster.area_m2)))


def _project(transformer: Transformer, xy: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))


def count_neighbours(home: NDArray[np.integer], shapes: NDArray[np.object_], ended: NDArray[np.bool_]) -> list[int]:
    """Number of other sites less than 1 km away, measured in the UTM zone `home` of each; those that `ended` are none.

    `shapes` are lon/lat geometries; all (n,).
    """
    count = np.zeros(len(shapes), np.int64)
    bounds = shapely.bounds(shapes) if len(shapes) else np.zeros((0, 4))
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
        other = (answer != at[asked]) & ~ended[reachable[answer]]
        count[own] = np.bincount(asked[other], minlength=own.size)
    return [int(n) for n in count]
