"""Small grounds for the tests of change: probabilities drawn as rasters, everything else plain."""

from datetime import date

import numpy as np

from pipeline.change import Candidates
from pipeline.config import Change, Period
from pipeline.imagery.radar_raster import RADAR_NODATA
from pipeline.imagery.scene import NODATA

UNSEEN = -1
BARREN, GREEN = 0.2, 0.7

# Two pixels make an object; nothing is isolated unless a test says so.
SETTINGS = Change(minimum_mapping_unit_ha=0.02, isolated=0.8)


def periods(count):
    return tuple(
        Period(name=f"p{year}", start=date(2020 + year, 1, 1), end=date(2020 + year, 3, 31)) for year in range(count)
    )


def day(period, which):
    """Days since 1970 of the first, lower-median, upper-median and last look (which = 0 to 3) of a period."""
    return (date(2020 + period, 1, 1) - date(1970, 1, 1)).days + 10 * which


def ground(
    *maps,
    pond=None,
    greenest=(None, BARREN),
    looks=5,
    season_looks=None,
    zone=0,
    epsg=32633,
    top=-40000,
    left=50000,
    area=100.0,
    radar=None,
    around=(0.0,),
    water=None,
):
    """Candidates of percent maps (y, x), one a period, -1 unobserved; pixels below 50 % in all periods fall away.

    `pond` is the share of the probability that is pond (y, x); `greenest` NDVI before and after, one pair or one
    a period, each side seen in three looks unless `season_looks` gives others; the north-west pixel is (top, left) on
    the lattice. `radar` is dB of the minimum, one (ascending, descending) pair a period with numbers or maps (y, x),
    None where unknown; `around` that of its surroundings; `water` marks open water of a wide body, one map (y, x) a
    period.
    """
    percent = np.array(maps, np.int32)
    at = np.nonzero(percent.max(axis=0) >= 50)
    p = percent[:, at[0], at[1]]
    n = at[0].size
    wet = np.zeros(n) if pond is None else np.array(pond, float)[at]
    unseen = p < 0
    in_pond = np.rint(p * 100 * wet).astype(np.int32)
    pairs = [greenest] * len(maps) if not isinstance(greenest, list) else greenest
    green = np.array([[NODATA if v is None else round((v + 1) * 10_000) for v in pair] for pair in pairs], np.uint16)
    seen = np.where(green == NODATA, 0, 3) if season_looks is None else np.broadcast_to(season_looks, green.shape)
    days = np.array([[day(t, which) for which in range(4)] for t in range(len(maps))], np.uint16)
    return Candidates(
        epsg=epsg,
        row=(at[0] + top).astype(np.int32),
        col=(at[1] + left).astype(np.int32),
        bare=np.where(unseen, NODATA, p * 100 - in_pond).astype(np.uint16),
        pond=np.where(unseen, NODATA, in_pond).astype(np.uint16),
        looks=np.where(unseen, 0, looks).astype(np.uint16),
        days=np.where(unseen[:, None], NODATA, days[:, :, None]).astype(np.uint16),
        greenest=np.repeat(green[:, :, None], n, axis=2),
        season_looks=np.repeat(seen[:, :, None], n, axis=2).astype(np.uint16),
        radar=backscatter(radar, percent.shape, around)[..., at[0], at[1]],
        water=np.zeros(p.shape, bool) if water is None else np.array(water, bool)[:, at[0], at[1]],
        zone=np.broadcast_to(np.array(zone, np.int16), percent.shape[1:])[at].astype(np.int16),
        area_m2=np.full(n, area),
    )


def backscatter(pairs, shape, around):
    """Planes (T, 2, 2, y, x) of dB x 100 from an (ascending, descending) pair of numbers, maps or None a period.

    The surroundings are at `around` dB, one a period or one for all, wherever the ground is known.
    """
    planes = np.full((shape[0], 2, 2, *shape[1:]), RADAR_NODATA, np.int16)
    for period, pair in enumerate(pairs or ()):
        for orbit, decibels in enumerate(pair):
            if decibels is not None:
                planes[period, orbit, 0] = np.rint(np.array(decibels) * 100)
                planes[period, orbit, 1] = round(around[min(period, len(around) - 1)] * 100)
    return planes


def drawn(classified, shape, top=-40000, left=50000):
    """Classes of a ground as rasters (T, y, x) again; 0 where a pixel was no candidate."""
    candidates = classified.candidates
    raster = np.zeros((candidates.periods, *shape), np.uint8)
    raster[:, candidates.row - top, candidates.col - left] = classified.classes
    return raster
