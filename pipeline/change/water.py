"""Open water of rivers and lakes, as the composite of a period shows it."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.areas.lattice import PIXEL_M
from pipeline.config import Change
from pipeline.imagery.scene import BANDS, NODATA

# As far as a composite reaches beyond its tile: the answer for a pixel is then the same whichever tile holds it.
REACH_PX = 32

_GREEN, _NIR, _SWIR1, _SWIR2 = (BANDS.index(band) for band in ("B03", "B08", "B11", "B12"))


def open_water(reflectance: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Open water (y, x) of a composite (6, y, x): AWEI for ground without deep shadow is positive (Feyisa et al. 2014).

    AWEI_nsh = 4 (green - SWIR1) - (0.25 NIR + 2.75 SWIR2); its sign does not depend on the scale of reflectance.
    """
    green, nir, swir1, swir2 = (reflectance[band].astype(np.int64) for band in (_GREEN, _NIR, _SWIR1, _SWIR2))
    water: NDArray[np.bool_] = (16 * (green - swir1) > nir + 11 * swir2) & (reflectance[0] != NODATA)
    return water


def wide_water(
    reflectance: NDArray[np.uint16], at: tuple[NDArray[np.intp], NDArray[np.intp]], settings: Change
) -> NDArray[np.bool_]:
    """Which pixels `at` (rows, cols) of a composite (6, y, x) are open water of a wide body, (n,).

    Wide: through eight neighbours and within 320 m north, south, east and west the pixel joins `wide_water_ha` of open
    water, nominal cells. A pixel less than 32 from the edge of the composite sees the less of it.
    """
    least = max(math.ceil(settings.wide_water_ha * 10_000 / PIXEL_M**2), 1)
    wide: NDArray[np.bool_] = _wide(open_water(reflectance), at[0], at[1], least)
    return wide


@njit(cache=True, nogil=True)
def _wide(water, rows, cols, least):  # type: ignore[no-untyped-def]
    height, width = water.shape
    out = np.zeros(rows.size, np.bool_)
    seen = np.full((height, width), -1, np.int32)
    stack_y, stack_x = np.empty(least + 8, np.int32), np.empty(least + 8, np.int32)
    for k in range(rows.size):
        row, col = rows[k], cols[k]
        if not water[row, col]:
            continue
        top, bottom = max(row - REACH_PX, 0), min(row + REACH_PX, height - 1)
        left, right = max(col - REACH_PX, 0), min(col + REACH_PX, width - 1)
        stack_y[0], stack_x[0] = row, col
        seen[row, col] = k
        size, count = 1, 1
        while size > 0 and count < least:
            size -= 1
            y, x = stack_y[size], stack_x[size]
            for dy in range(-1, 2):
                for dx in range(-1, 2):
                    j, i = y + dy, x + dx
                    if j < top or j > bottom or i < left or i > right or not water[j, i] or seen[j, i] == k:
                        continue
                    seen[j, i] = k
                    stack_y[size], stack_x[size] = j, i
                    size += 1
                    count += 1
        out[k] = count >= least
    return out
