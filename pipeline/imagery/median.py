"""Masked median of a stack of looks by a sorting network over uint16.

Masked numbers become 65535 and sort to the end, so one branch-free network serves every pixel. It runs over
blocks of pixels, which the compiler turns into vector minima and maxima.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.imagery.parallel import spans
from pipeline.imagery.scene import NODATA

_LANES = 128
# Over water and shadow the red falls to nothing and NDVI is noise. Of 6,260 African spectra with NDVI above 0.45 one
# has less than 0.12 in the near infrared.
_DARKEST_GREEN = 1000.0


@lru_cache(maxsize=64)
def sorting_network(size: int) -> NDArray[np.int64]:
    """Comparators (pairs, 2) that sort `size` numbers: merge exchange (Batcher 1968; Knuth, TAOCP 3, 5.2.2 M)."""
    pairs: list[tuple[int, int]] = []
    top = 1 << max((size - 1).bit_length() - 1, 0)
    p = top if size > 1 else 0
    while p > 0:
        q, r, d = top, 0, p
        while True:
            pairs.extend((i, i + d) for i in range(size - d) if i & p == r)
            if q == p:
                break
            d, q, r = q - p, q >> 1, p
        p >>= 1
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def masked_median(
    stack: NDArray[np.uint16], clear: NDArray[np.bool_], threads: int = 2
) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Lower and upper median over time of the clear looks of each band and pixel.

    `stack` is (time, band, y, x), at most 254 looks, clear values below 65535; `clear` is (time, y, x). Both
    results are (band, y, x), 65535 where no look is clear. Their mean equals `np.nanmedian` exactly.
    """
    times, bands, height, width = stack.shape
    pixels = height * width
    lower = np.full((bands, pixels), NODATA, dtype=np.uint16)
    upper = np.full((bands, pixels), NODATA, dtype=np.uint16)
    if times:
        flat, mask = stack.reshape(times, bands, pixels), clear.reshape(times, pixels)
        pairs = sorting_network(times)
        spans(lambda begin, end: _median_span(flat, mask, pairs, begin, end, lower, upper), pixels, threads)
    shape = bands, height, width
    return lower.reshape(shape), upper.reshape(shape)


def midpoint(lower: NDArray[np.uint16], upper: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Mean of two uint16 planes, a half rounded to even: `np.rint` of the median."""
    total = lower.astype(np.uint32) + upper
    half = total >> 1
    return (half + (total & half & 1)).astype(np.uint16)


@njit(cache=True, nogil=True)
def _median_span(stack, clear, pairs, begin, end, lower, upper):  # type: ignore[no-untyped-def]
    times, bands, _ = stack.shape
    block = np.empty((times, _LANES), dtype=np.uint16)
    count = np.empty(_LANES, dtype=np.int64)
    for start in range(begin, end, _LANES):
        n = min(_LANES, end - start)
        count[:] = 0
        for t in range(times):
            seen = clear[t, start : start + n]
            for k in range(n):
                count[k] += seen[k]
        for band in range(bands):
            for t in range(times):
                seen = clear[t, start : start + n]
                values = stack[t, band, start : start + n]
                row = block[t]
                for k in range(n):
                    row[k] = values[k] if seen[k] else np.uint16(NODATA)
            for c in range(pairs.shape[0]):
                first, second = block[pairs[c, 0]], block[pairs[c, 1]]
                for k in range(_LANES):
                    x, y = first[k], second[k]
                    first[k] = min(x, y)
                    second[k] = max(x, y)
            for k in range(n):
                if count[k] > 0:
                    lower[band, start + k] = block[(count[k] - 1) // 2, k]
                    upper[band, start + k] = block[count[k] // 2, k]


def look_days(clear: NDArray[np.bool_], days: NDArray[np.uint16]) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Number of clear looks (y, x) and days (4, y, x) of the first, lower-median, upper-median and last of them.

    `clear` is (time, y, x) and `days` (time,) ascending; days are 65535 where no look is clear.
    """
    times, height, width = clear.shape
    planes = np.full((4, height * width), NODATA, dtype=np.uint16)
    looks = clear.sum(axis=0, dtype=np.uint16)
    _days_of(clear.reshape(times, height * width), days, looks.ravel(), planes)
    return looks, planes.reshape(4, height, width)


@njit(cache=True, nogil=True)
def _days_of(clear, days, looks, planes):  # type: ignore[no-untyped-def]
    times, pixels = clear.shape
    seen = np.zeros(pixels, dtype=np.int64)
    for t in range(times):
        for k in range(pixels):
            if not clear[t, k]:
                continue
            n, at = np.int64(looks[k]), seen[k]
            if at == 0:
                planes[0, k] = days[t]
            if at == (n - 1) // 2:
                planes[1, k] = days[t]
            if at == n // 2:
                planes[2, k] = days[t]
            planes[3, k] = days[t]
            seen[k] = at + 1


@njit(cache=True, nogil=True)
def greener(red, nir, clear, best):  # type: ignore[no-untyped-def]
    """Raise `best` (y, x) to the NDVI of a look where it is clear; (NDVI + 1) x 10 000, 65535 is not seen yet.

    Ground darker than 0.10 in the near infrared is seen, but not green: at most NDVI 0.
    """
    height, width = red.shape
    for y in range(height):
        for x in range(width):
            if clear[y, x]:
                r, n = np.float64(red[y, x]), np.float64(nir[y, x])
                value = np.uint16(np.rint((n - r) / (n + r) * 10000.0 + 10000.0))
                if n < _DARKEST_GREEN:
                    value = min(value, np.uint16(10000))
                if best[y, x] == NODATA or value > best[y, x]:
                    best[y, x] = value
