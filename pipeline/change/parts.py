"""Broad parts: ground gained or lost that is more than a margin moving."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.change.outlines import local_mask

_EIGHT = np.ones((3, 3), bool)


def has_broad_part(
    epsg: NDArray[np.int32],
    row: NDArray[np.int32],
    col: NDArray[np.int32],
    area_m2: NDArray[np.float64],
    unit_m2: float,
    seeds: NDArray[np.bool_] | None = None,
) -> bool:
    """Whether pixels, (n,) each, hold a connected part of `unit_m2` after an opening with a 2 x 2 square.

    With `seeds` that part must hold one of them. Ground gained or lost by shifting a site one pixel in any direction
    never holds such a square. Each UTM zone is looked at by itself.
    """
    for code in np.unique(epsg):
        at = np.flatnonzero(epsg == code)
        mask, top, left = local_mask(row[at], col[at])
        parts, count = ndimage.label(_opened(mask), _EIGHT)  # type: ignore[attr-defined]
        part = parts[row[at] - top, col[at] - left]
        large = np.bincount(part, area_m2[at], count + 1) >= unit_m2
        if seeds is not None:
            large &= np.bincount(part, seeds[at], count + 1) > 0
        if large[1:].any():
            return True
    return False


def _opened(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    squares = mask[:-1, :-1] & mask[1:, :-1] & mask[:-1, 1:] & mask[1:, 1:]
    opened = np.zeros_like(mask)
    for down in (0, 1):
        for right in (0, 1):
            opened[down : down + squares.shape[0], right : right + squares.shape[1]] |= squares
    return opened
