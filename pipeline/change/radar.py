"""Sentinel-1 as a second witness: what the rise of a period's minimum backscatter says of a change that optics saw."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.change.candidates import RADAR_NODATA
from pipeline.change.clusters import Cluster

# Of the ground, measured from an orbit in both periods, before that orbit has a say.
MEASURED_SHARE = 0.5
DB_SCALE = 100


def rises_db(cluster: Cluster, ground: NDArray[np.bool_], before: int, after: int) -> tuple[float | None, float | None]:
    """Mean rise of some pixels, (k,), between two periods, in dB, seen ascending and descending.

    The mean over an object is what beats speckle: a pixel's rise alone says little. None where an orbit
    measured less than half of the ground in both periods.
    """
    return tuple(_rise(cluster, ground, orbit, before, after) for orbit in (0, 1))  # type: ignore[return-value]


def _rise(cluster: Cluster, ground: NDArray[np.bool_], orbit: int, before: int, after: int) -> float | None:
    earlier, later = cluster.radar[before, orbit], cluster.radar[after, orbit]
    measured = ground & (earlier != RADAR_NODATA) & (later != RADAR_NODATA)
    if not ground.any() or cluster.share(measured, ground) < MEASURED_SHARE:
        return None
    rise = later[measured].astype(np.int64) - earlier[measured]
    return float(np.average(rise, weights=cluster.area_m2[measured])) / DB_SCALE


def agrees(rises: tuple[float | None, float | None], threshold_db: float) -> bool:
    """Whether radar speaks for a change: an orbit rises by the threshold, and no orbit falls.

    The threshold is that of Forkuor et al. (2020), Remote Sensing 12, 911. An orbit that measured too little says
    nothing, neither for nor against.
    """
    known = [rise for rise in rises if rise is not None]
    return any(rise >= threshold_db for rise in known) and all(rise >= 0 for rise in known)
