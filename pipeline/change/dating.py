"""When digging began: from single looks at an opened place to the two clear looks that bound its first day.

Each look gives one number, how far the gained ground has come from what it was to what it is now: 0 before, 1 after.
Digging is taken to begin on some day and to go on evenly for anything from a day to a year. How well each
such history explains the looks tells how likely each day is; noise is what the looks of either period show.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from pipeline.change.candidates import PROBABILITY_SCALE
from pipeline.imagery.scene import NODATA

# How long digging may take until the ground looks as it does in the later period, days; each is as likely. A place that
# grows all the time takes the whole year between two dry seasons, and its first looks show next to nothing.
DURATIONS_DAYS = (1, 30, 60, 90, 120, 150, 180, 240, 300, 360)
# A look must show this share of the gained ground to speak for it, as a period must to claim a recovery.
SEEN_SHARE = 0.5
# Looks that each period must have: of fewer no noise can be told.
PERIOD_LOOKS = 2
# Rise of the mean probability below which the looks do not tell before from after.
LEAST_RISE = 0.1
# Least noise of a look's mean probability before and after. Real ground that nobody digs varies so much over a year.
NOISE_BEFORE, NOISE_AFTER = 0.10, 0.05
# Digging is not even: how far a half-dug place may be from where an even pace would have it.
UNEVENNESS = 0.25
# Student's t with few degrees of freedom: of real looks at undug ground one in twenty is far off.
_FREEDOM = 2
# Left out at each end: of the days on which digging may have begun the interval holds 95 %, as is asked of it.
TAIL = 0.025


def bounding_looks(
    days: NDArray[np.integer], probability: NDArray[np.uint16], bounds: tuple[int, int], periods: tuple[int, int]
) -> tuple[int, int] | None:
    """Days of the last look before digging began and of the first look after, days since 1970-01-01.

    `days` (look,) ascend; `probability` (look, pixel) is that of disturbance x 10 000 over the gained ground, NODATA
    where a look is not clear. Of the looks up to day `periods[0]` half or more show the ground undisturbed, of those
    from `periods[1]` on half or more disturbed; it is known to be undisturbed on day `bounds[0]` and disturbed on
    `bounds[1]`, and the answer never leaves these. It is the pair of looks about the middle 95 % of the days on which
    digging may have begun. None where a period has fewer than two looks, or where they do not tell the two apart.
    """
    low, high = bounds
    share = (probability != NODATA).mean(axis=1) if probability.shape[1] else np.zeros(len(days))
    told = progress(days[share >= SEEN_SHARE], probability[share >= SEEN_SHARE], periods)
    if told is None or high <= low:
        return None
    looks, reached, noise = told
    first_day = np.arange(low + 1, high + 1)
    chance = np.cumsum(_likelihood(looks, reached, noise, first_day))
    earliest, latest = first_day[np.searchsorted(chance, [TAIL, 1 - TAIL]).clip(max=len(first_day) - 1)]
    before, after = looks[looks < earliest], looks[looks >= latest]
    return max(int(before.max(initial=low)), low), min(int(after.min(initial=high)), high)


def progress(
    days: NDArray[np.integer], probability: NDArray[np.uint16], periods: tuple[int, int]
) -> tuple[NDArray[np.integer], NDArray[np.float64], tuple[float, float]] | None:
    """Days of the usable looks, how far the ground had come at each (0 before, 1 after), and the noise of each period.

    Each pixel is measured between its own medians of the two periods, so that a look that shows a part of the ground
    is held against that part. None where the looks do not suffice; see `bounding_looks`.
    """
    before, after = days <= periods[0], days >= periods[1]
    if min(before.sum(), after.sum()) < PERIOD_LOOKS:
        return None
    level = np.where(probability == NODATA, np.nan, probability / PROBABILITY_SCALE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a pixel that no look shows
        start, end = np.nanmedian(level[before], axis=0), np.nanmedian(level[after], axis=0)
    rise = end - start
    known = ~np.isnan(rise)
    if not known.any() or rise[known].mean() < LEAST_RISE:
        return None
    seen = known & ~np.isnan(level)
    whole = np.where(seen, rise, 0.0).sum(axis=1)
    gone = np.where(seen, level - start, 0.0).sum(axis=1)
    # A look at pixels that rose little would be all noise.
    usable = (seen.sum(axis=1) >= SEEN_SHARE * known.sum()) & (whole >= SEEN_SHARE * LEAST_RISE * known.sum())
    before, after, days, reached = before[usable], after[usable], days[usable], gone[usable] / whole[usable]
    if min(before.sum(), after.sum()) < PERIOD_LOOKS:
        return None
    mean_rise = float(rise[known].mean())
    noise = (
        max(_spread(reached[before]), NOISE_BEFORE / mean_rise),
        max(_spread(reached[after] - 1), NOISE_AFTER / mean_rise),
    )
    return days, reached, noise


def _spread(residual: NDArray[np.float64]) -> float:
    """Standard deviation by the median absolute residual, of which one wild look in two does not decide."""
    return 1.4826 * float(np.median(np.abs(residual)))


def _likelihood(
    looks: NDArray[np.integer],
    reached: NDArray[np.float64],
    noise: tuple[float, float],
    first_day: NDArray[np.integer],
) -> NDArray[np.float64]:
    """How likely each day is to be the first, (day,), in all 1."""
    lengths = np.array(DURATIONS_DAYS)[np.newaxis, :, np.newaxis]
    dug = np.clip((looks - first_day[:, np.newaxis, np.newaxis] + 1) / lengths, 0.0, 1.0)
    scale = np.sqrt((1 - dug) * noise[0] ** 2 + dug * noise[1] ** 2 + (UNEVENNESS * 4 * dug * (1 - dug)) ** 2)
    residual = (reached - dug) / scale
    log = (-np.log(scale) - (_FREEDOM + 1) / 2 * np.log1p(residual**2 / _FREEDOM)).sum(axis=-1)
    weight = np.exp(log - log.max()).sum(axis=-1)
    share: NDArray[np.float64] = weight / weight.sum()
    return share
