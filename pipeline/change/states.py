"""Class and change-state rasters of a tile, and their codes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.areas.lattice import TILE_PX, Tile
from pipeline.change.candidates import Candidates

OTHER, BARE, POND, SEASONAL, WATERS_EDGE, OUTSIDE, NOT_OBSERVED = 0, 1, 2, 3, 4, 254, 255
CLASS_NAMES = {
    OTHER: "other",
    BARE: "bare workings",
    POND: "pond in workings",
    SEASONAL: "seasonal",
    WATERS_EDGE: "water's edge",
    OUTSIDE: "outside the watch",
    NOT_OBSERVED: "not observed",
}

UNDISTURBED, CONTINUING, NEW, RECOVERED = 0, 1, 2, 3
NOT_OBSERVED_BEFORE, NOT_OBSERVED_AFTER, NOT_OBSERVED_BOTH, WATER_LEVEL, STATE_OUTSIDE = 4, 5, 6, 7, 255
STATE_NAMES = {
    UNDISTURBED: "undisturbed",
    CONTINUING: "continuing",
    NEW: "new",
    RECOVERED: "recovered",
    NOT_OBSERVED_BEFORE: "not observed before",
    NOT_OBSERVED_AFTER: "not observed after",
    NOT_OBSERVED_BOTH: "not observed in both",
    WATER_LEVEL: "water level",
    STATE_OUTSIDE: "outside the watch",
}


def is_disturbed(classes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether a pixel is on the map as workings, bare or pond; same shape."""
    disturbed: NDArray[np.bool_] = (classes == BARE) | (classes == POND)
    return disturbed


def class_raster(
    tile: Tile,
    periods: int,
    observed: NDArray[np.bool_],
    zone: NDArray[np.int16],
    candidates: Candidates,
    classes: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """Classes of a tile, uint8 (T, 512, 512), coded as in CLASS_NAMES.

    `observed` is (T, 512, 512); `candidates` and their `classes` (T, n) may cover the tile's whole UTM zone.
    """
    raster = np.where(observed, OTHER, NOT_OBSERVED).astype(np.uint8)
    top, left = tile.origin_px
    # Sorted by row: the tile's rows are one slice.
    start, stop = np.searchsorted(candidates.row, [top, top + TILE_PX])
    col = candidates.col[start:stop]
    inside = np.flatnonzero((col >= left) & (col < left + TILE_PX)) + start
    for period in range(periods):
        raster[period, candidates.row[inside] - top, candidates.col[inside] - left] = classes[period, inside]
    raster[:, zone < 0] = OUTSIDE
    return raster


def state_raster(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Change state of each pixel from its classes in two periods, uint8 of the same shape.

    0 undisturbed, 1 continuing, 2 new, 3 recovered, 4 not observed before, 5 not observed after,
    6 not observed in both, 7 water level, 255 outside the watch. Seasonal ground and water's edge count as undisturbed,
    but between workings and water's edge nothing is claimed: that is state 7.
    """
    state: NDArray[np.uint8] = _STATES[before, after]
    return state


def _state_table() -> NDArray[np.uint8]:
    disturbed = is_disturbed(np.arange(256).astype(np.uint8))
    table = np.full((256, 256), UNDISTURBED, np.uint8)
    table[np.ix_(disturbed, disturbed)] = CONTINUING
    table[np.ix_(~disturbed, disturbed)] = NEW
    table[np.ix_(disturbed, ~disturbed)] = RECOVERED
    table[WATERS_EDGE, disturbed] = table[disturbed, WATERS_EDGE] = WATER_LEVEL
    table[NOT_OBSERVED, :] = NOT_OBSERVED_BEFORE
    table[:, NOT_OBSERVED] = NOT_OBSERVED_AFTER
    table[NOT_OBSERVED, NOT_OBSERVED] = NOT_OBSERVED_BOTH
    table[OUTSIDE, :] = table[:, OUTSIDE] = STATE_OUTSIDE
    return table


_STATES = _state_table()
