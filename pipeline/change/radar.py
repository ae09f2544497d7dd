"""Sentinel-1 as a second witness: what the rise of a period's minimum backscatter says of a change that optics saw."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.change.clusters import Cluster
from pipeline.config import Period
from pipeline.imagery.radar_raster import DB_SCALE, RADAR_NODATA, to_power

# Of the ground, measured from an orbit in both periods, before that orbit has a say.
MEASURED_SHARE = 0.5
# Between the middles of two periods, by the calendar: farther apart, the ground differs by rain and crops alone.
SAME_SEASON_DAYS = 45
_YEAR_DAYS = 365.25


def same_season(periods: Sequence[Period], before: int, after: int) -> int | None:
    """The latest period up to `before` that lies in the season of `after`, by index; None if there is none."""
    for period in range(before, -1, -1):
        apart = abs(_middle(periods[after]) - _middle(periods[period])) % _YEAR_DAYS
        if min(apart, _YEAR_DAYS - apart) <= SAME_SEASON_DAYS:
            return period
    return None


def _middle(period: Period) -> float:
    return (period.start.toordinal() + period.end.toordinal()) / 2


def rise(earlier: NDArray[np.int16], later: NDArray[np.int16]) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Rise of each pixel (…) between two periods, dB x 100, and where it is known; from (2, …) ground and surroundings.

    Rain and leaves raise backscatter far and wide: what the surroundings rose is taken off. What they fell is not
    added, so that drying around a place that stayed as it was does not read as digging.
    """
    known = _known(earlier, later)
    ground, around = later.astype(np.int32) - earlier
    return np.where(known, ground - np.maximum(around, 0), 0), known


def mean_rise_db(earlier: NDArray[np.int16], later: NDArray[np.int16], area_m2: NDArray[np.float64]) -> float | None:
    """Rise of an object of n pixels between two periods, in dB; from (2, n) ground and surroundings, and areas (n,).

    The ground is averaged in linear power: ponds return next to nothing, and as decibels a few of them would
    outweigh the spoil around them. What the surroundings rose is taken off as in `rise`. Told to 0.01 dB, as it is
    measured; None where less than half of the ground was measured in both periods.
    """
    known = _known(earlier, later)
    if not known.any() or area_m2[known].sum() < MEASURED_SHARE * area_m2.sum():
        return None
    weights = area_m2[known]
    before, after = (float(np.average(to_power(part[0, known]), weights=weights)) for part in (earlier, later))
    around = float(np.average(later[1, known].astype(np.int64) - earlier[1, known], weights=weights)) / DB_SCALE
    return round(10 * math.log10(after / before) - max(around, 0.0), 2)


def _known(earlier: NDArray[np.int16], later: NDArray[np.int16]) -> NDArray[np.bool_]:
    known: NDArray[np.bool_] = ((earlier != RADAR_NODATA) & (later != RADAR_NODATA)).all(axis=0)
    return known


def rises_db(cluster: Cluster, ground: NDArray[np.bool_], before: int, after: int) -> tuple[float | None, float | None]:
    """Rise of some pixels, (k,), between two periods, in dB, seen ascending and descending; see `mean_rise_db`.

    The mean over an object is what beats speckle: a pixel's rise alone says little.
    """
    own, area_m2 = cluster.radar[..., ground], cluster.area_m2[ground]
    ascending, descending = (mean_rise_db(own[before, orbit], own[after, orbit], area_m2) for orbit in (0, 1))
    return ascending, descending


def agrees(rises: Sequence[float | None], threshold_db: float) -> bool:
    """Whether radar speaks for a change: an orbit rises by the threshold, and no orbit falls.

    The threshold is that of Forkuor et al. (2020), Remote Sensing 12, 911. An orbit that measured too little says
    nothing, neither for nor against.
    """
    known = [value for value in rises if value is not None]
    return any(value >= threshold_db for value in known) and all(value >= 0 for value in known)


def speaks_for(
    cluster: Cluster,
    ground: NDArray[np.bool_],
    periods: Sequence[Period],
    before: int,
    after: int,
    threshold_db: float,
) -> bool:
    """Whether Sentinel-1 agrees that `ground` was newly disturbed between two periods, against the same season."""
    reference = same_season(periods, before, after)
    return reference is not None and agrees(rises_db(cluster, ground, reference, after), threshold_db)
