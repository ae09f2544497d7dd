"""Seasonal ground: what looks dug in the dry season and greens up within the year is not workings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.change.candidates import PROBABILITY_SCALE, Candidates
from pipeline.config import Change
from pipeline.imagery.scene import NODATA


def seasonal_ground(candidates: Candidates, settings: Change) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which disturbed-looking pixels are seasonal, and which are workings whose season was not seen; (T, n) each.

    A pixel that reaches `weak` is judged by its greenest look after the period: `green_ndvi` or more is
    seasonal, less is workings if the season was seen: in `min_season_looks` looks far enough from the period.
    If it was not seen after, the looks before decide: seen and never green is workings;
    green and disturbed-looking in the period before is seasonal, for it greened between the two; anything
    else is taken for workings, and marked so that its confidence stays low.
    """
    weak = round(settings.weak * PROBABILITY_SCALE)
    green = round((settings.green_ndvi + 1) * 10_000)
    looks_disturbed = candidates.probability >= weak
    before, after = candidates.greenest[:, 0], candidates.greenest[:, 1]
    green_before = (before != NODATA) & (before >= green)
    green_after = (after != NODATA) & (after >= green)
    # One look just after the dry season shows dry fields: it is no evidence that they stay bare.
    enough = candidates.season_looks >= settings.min_season_looks
    seen_before, seen_after = enough[:, 0] | green_before, enough[:, 1] | green_after
    looked_disturbed_last = np.zeros_like(looks_disturbed)
    looked_disturbed_last[1:] = looks_disturbed[:-1]
    greened_between = ~seen_after & green_before & looked_disturbed_last
    seasonal = looks_disturbed & (green_after | greened_between)
    capped = looks_disturbed & ~seasonal & ~seen_after & (green_before | ~seen_before)
    return seasonal, capped
