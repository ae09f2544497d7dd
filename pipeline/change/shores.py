"""Water's edge: ground that moves with the level of a river or lake, told apart from workings and from recovery."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.areas.lattice import PIXEL_M
from pipeline.change.objects import Classified
from pipeline.change.states import NOT_OBSERVED, WATERS_EDGE, is_disturbed
from pipeline.config import Change

# Water this near to workings is theirs: a pit that fills, a pond that is dug away.
NEAR_M = 30.0


def set_water_apart(zones: Sequence[Classified], settings: Change) -> tuple[Classified, ...]:
    """Classes in which ground that the water uncovered or covered is neither workings nor recovered.

    A pixel is water's edge in a period

    - if it is mapped there, and was open water of a wide body when it was last observed, away from workings: bars and
      shores fall dry. It stays so while it is mapped, until it is seen as other ground;
    - if it was mapped, or water's edge, when last observed, and is now open water of a wide body, away from workings.

    Away: none within 30 m in the period in which it is water. Without a look of the water nothing is set apart.
    """
    return tuple(_set_apart(zone, settings) for zone in zones)


def _set_apart(zone: Classified, settings: Change) -> Classified:
    if settings.wide_water_ha == 0:
        return zone
    classes = zone.classes.copy()
    was_mapped = np.zeros(classes.shape[1], bool)
    was_edge, was_wet = was_mapped.copy(), was_mapped.copy()
    for period, now in enumerate(classes):
        seen, mapped = now != NOT_OBSERVED, is_disturbed(now)
        wet = zone.candidates.water[period] & seen
        at = np.flatnonzero(wet)
        wet[at] = ~_near(zone, at, mapped)
        covered = wet & ~mapped & (was_mapped | was_edge)
        uncovered = mapped & (was_wet | was_edge)
        now[covered | uncovered] = WATERS_EDGE
        was_mapped = np.where(seen, mapped & ~uncovered, was_mapped)
        was_edge = np.where(seen, covered | uncovered, was_edge)
        was_wet = np.where(seen, wet, was_wet)
    return replace(zone, classes=classes, capped=zone.capped & is_disturbed(classes))


def _near(zone: Classified, at: NDArray[np.int64], mapped: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which of the pixels `at` have a mapped pixel (n,) whose centre lies within 30 m of their own."""
    row, col = zone.candidates.row.astype(np.int64), zone.candidates.col.astype(np.int64)
    stride = 1 << 24
    workings: NDArray[Any] = (row * stride + col)[mapped]
    reach = int(NEAR_M // PIXEL_M)
    near = np.zeros(at.size, bool)
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            if math.hypot(dy, dx) * PIXEL_M <= NEAR_M:
                near |= np.isin((row[at] + dy) * stride + col[at] + dx, workings, assume_unique=True)
    return near
