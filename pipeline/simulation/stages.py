"""Stages of worked ground: what a cell of a complex is on a day, by the days that its history holds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

NEVER = 32_000  # a day that does not come
UNDUG, BARE, POND, YOUNG, OLD = range(5)
_YOUNG_DAYS = 300
_REFILL_DAYS = 45  # a pit that held water fills again some weeks after it is dug again


@njit(cache=True, nogil=True, inline="always")
def stage(day, opens, ponds, regrows, reopens):  # type: ignore[no-untyped-def]
    """Stage of one cell: undug, bare, under water, young or old regrowth."""
    if day < opens:
        return UNDUG
    if day >= reopens:
        return POND if ponds < NEVER and day >= reopens + _REFILL_DAYS else BARE
    if day >= regrows:
        return YOUNG if day < regrows + _YOUNG_DAYS else OLD
    return POND if day >= ponds else BARE


@njit(cache=True, nogil=True)
def _stages(day, opens, ponds, regrows, reopens):  # type: ignore[no-untyped-def]
    out = np.empty(opens.shape, np.uint8)
    for y in range(opens.shape[0]):
        for x in range(opens.shape[1]):
            out[y, x] = stage(day, opens[y, x], ponds[y, x], regrows[y, x], reopens[y, x])
    return out


def stages(day: int, layers: tuple[NDArray[Any], ...]) -> NDArray[np.uint8]:
    """Stage of each cell (y, x) on a day; `layers` are the days of opening, flooding, regrowth and reopening."""
    found: NDArray[np.uint8] = _stages(day, *layers)
    return found
