"""Terrain from elevation: slope, height above the nearest drainage, and distance to it.

Depressions are filled (Wang and Liu 2006, pyflwdir) and water runs to the neighbour down the steepest slope (D8,
O'Callaghan and Mark 1984); on flat ground it takes the way by which the fill found it. Drainage is where enough ground
lies upstream, and the height above it is that over the drainage cell which water from the place meets first (HAND,
Rennó et al. 2008, Nobre et al. 2011), on the filled surface.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyflwdir
from numba import njit
from numpy.typing import NDArray
from pyflwdir import dem
from scipy import ndimage

_PER_METRE = 100  # in whole centimetres filling is exact in the library's 32-bit numbers
_NO_FLOW, _OUTLET = 247, 0
_CODES = np.array([[32, 64, 128], [16, 0, 1], [8, 4, 2]], np.uint8)  # D8 by row and column of the neighbour
_height_above = njit(dem.height_above_nearest_drain)  # the library leaves this loop to the interpreter


@dataclass(frozen=True)
class Terrain:
    """Layers (y, x) float32 of one surface, NaN where unknown.

    The height is unknown where water leaves the surface before it meets drainage; the distance is the straight line
    to the nearest drainage cell, whichever way water runs.
    """

    slope_deg: NDArray[np.float32]
    height_above_drainage_m: NDArray[np.float32]
    distance_to_drainage_m: NDArray[np.float32]


def build_terrain(elevation_m: NDArray[np.float32], cell_m: float, drainage_km2: float) -> Terrain:
    """The terrain of a surface (y, x), NaN where unknown; `drainage_km2` is the upstream area at which drainage begins.

    Water leaves at the edge of the array and at unknown ground.
    """
    height, distance = _drained(elevation_m, cell_m, drainage_km2)
    return Terrain(slope_deg(elevation_m, cell_m), height, distance)


def slope_deg(elevation_m: NDArray[np.float32], cell_m: float) -> NDArray[np.float32]:
    """Slope in degrees, same shape, by the weighted differences of the eight neighbours (Horn 1981).

    NaN at the edge of the array and where one of the nine is unknown.
    """
    out = np.full(elevation_m.shape, np.nan, np.float32)
    z = elevation_m.astype(np.float64)
    if min(z.shape) < 3:
        return out
    west = z[:-2, :-2] + 2 * z[1:-1, :-2] + z[2:, :-2]
    east = z[:-2, 2:] + 2 * z[1:-1, 2:] + z[2:, 2:]
    north = z[:-2, :-2] + 2 * z[:-2, 1:-1] + z[:-2, 2:]
    south = z[2:, :-2] + 2 * z[2:, 1:-1] + z[2:, 2:]
    rise = np.hypot(east - west, north - south) / (8 * cell_m)
    out[1:-1, 1:-1] = np.where(np.isnan(z[1:-1, 1:-1]), np.nan, np.degrees(np.arctan(rise)))
    return out


def _drained(
    elevation_m: NDArray[np.float32], cell_m: float, drainage_km2: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    known = np.isfinite(elevation_m)
    nowhere = np.full(elevation_m.shape, np.nan, np.float32)
    if not known.any():
        return nowhere, nowhere
    filled, ways = dem.fill_depressions(np.rint(elevation_m * _PER_METRE).astype(np.float32), nodata=np.nan)
    _steepen(filled, ways)
    flow = pyflwdir.from_array(ways, ftype="d8", check_ftype=False)
    drainage = flow.upstream_area("cell") * (cell_m**2 / 1e6) >= drainage_km2
    if not drainage.any():
        return nowhere, nowhere
    flat = drainage.ravel()
    height = _height_above(flow.idxs_ds, flow.idxs_seq, flat, filled.ravel()) / _PER_METRE
    # One step down on the whole way: from ground to drainage. Where there is none, water left before.
    meets = flat | (_height_above(flow.idxs_ds, flow.idxs_seq, flat, (~flat).astype(np.float32)) == 1)
    height = np.where(meets, height, np.nan).reshape(known.shape)
    height[~known] = np.nan
    distance = ndimage.distance_transform_edt(~drainage) * cell_m  # type: ignore[attr-defined]
    return height.astype(np.float32), np.where(known, distance, np.nan).astype(np.float32)


@njit(cache=True, nogil=True)
def _steepen(filled, ways):  # type: ignore[no-untyped-def]
    """Turn each way down the steepest slope, where the filled surface falls at all; outlets stay.

    No way turns in a circle: each goes lower, or on level ground the way that the fill came.
    """
    height, width = filled.shape
    for r in range(height):
        for c in range(width):
            if ways[r, c] == _OUTLET or ways[r, c] == _NO_FLOW:
                continue
            best = 0.0
            for dr in range(-1, 2):
                for dc in range(-1, 2):
                    y, x = r + dr, c + dc
                    if 0 <= y < height and 0 <= x < width and ways[y, x] != _NO_FLOW:
                        fall = (filled[r, c] - filled[y, x]) / np.sqrt(max(dr * dr + dc * dc, 1))
                        if fall > best:
                            best = fall
                            ways[r, c] = _CODES[dr + 1, dc + 1]
