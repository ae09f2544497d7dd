"""Texture of ground: how rough it is around a pixel, and whether its edges run one way; sums in moving windows."""

from __future__ import annotations

import numpy as np
from numba import njit

SCALE = 1000  # a channel of 1.0
FOCAL_SCALE = 10_000  # a focal mean or deviation of 1.0
RATIO = FOCAL_SCALE // SCALE
# A gradient is the difference of the two neighbours; one of 1400 is steep enough, and its square over the widest window
# still fits 32 bits. Gradients much below FAINT have no direction worth telling.
STEEP = 1400
FAINT = 20


@njit(cache=True, nogil=True, error_model="numpy")
def slide(column, radius, first, before, total):  # type: ignore[no-untyped-def]
    """Sums of width 2 radius + 1 along a line of column sums; centres start at `first`; `before` is room to work in.

    `before[radius + x]` is the sum of all columns left of `x`, so that a window is one difference, whichever it is.
    It may pass 32 bits and begin anew; a window's sum fits, and so does the difference.
    """
    width = column.shape[0]
    before[: radius + 1] = 0
    run = np.int64(0)
    for x in range(width):
        run += column[x]
        before[radius + 1 + x] = np.int32(run)
    before[radius + 1 + width : 2 * radius + 1 + width] = np.int32(run)
    left, right = before[first:], before[first + 2 * radius + 1 :]
    for i in range(total.shape[0]):
        total[i] = np.int32(right[i] - left[i])


@njit(cache=True, nogil=True, error_model="numpy")
def gradients_of(planes, seen, step, top, end, gradients):  # type: ignore[no-untyped-def]
    """Differences (plane, 2, y, x) of the neighbours `step` to each side, across and along; 0 where one is not seen."""
    height, width = seen.shape
    for y in range(max(top, step), min(end, height - step)):
        for k in range(gradients.shape[0]):
            here, above, below = planes[k, y], planes[k, y - step], planes[k, y + step]
            across, along = gradients[k, 0, y], gradients[k, 1, y]
            for x in range(step, width - step):
                known = seen[y, x] & seen[y, x - step] & seen[y, x + step] & seen[y - step, x] & seen[y + step, x]
                across[x] = min(max(here[x + step] - here[x - step], -STEEP), STEEP) if known else 0
                along[x] = min(max(below[x] - above[x], -STEEP), STEEP) if known else 0


@njit(cache=True, nogil=True, error_model="numpy")
def texture(gradients, seen, halo, radii, top, end, out):  # type: ignore[no-untyped-def]
    """Coherence and roughness (feature, y, x) of each plane, window by window, for rows `top` to `end`."""
    height, width = seen.shape
    n_planes = gradients.shape[0]
    cols = out.shape[2]
    n_radii = radii.shape[0]
    # Sums over the columns of a window of products of gradients: along x, along y, mixed.
    sums = np.zeros((n_radii, n_planes, 3, width), np.int32)
    count = np.zeros((n_radii, width), np.int32)
    n = np.empty(cols, np.int32)
    xx = np.empty(cols, np.int32)
    yy = np.empty(cols, np.int32)
    xy = np.empty(cols, np.int32)
    before = np.empty(width + 2 * radii.max() + 1, np.int32)
    for i in range(top, end):
        y = i + halo
        f = 0
        for s in range(n_radii):
            radius = radii[s]
            for row in range(y + radius if i > top else y - radius, y + radius + 1):
                if 0 <= row < height:
                    _add_products(gradients, seen, row, np.int32(1), count[s], sums[s])
            if i > top and y - radius - 1 >= 0:
                _add_products(gradients, seen, y - radius - 1, np.int32(-1), count[s], sums[s])
            slide(count[s], radius, halo, before, n)
            for k in range(n_planes):
                slide(sums[s, k, 0], radius, halo, before, xx)
                slide(sums[s, k, 1], radius, halo, before, yy)
                slide(sums[s, k, 2], radius, halo, before, xy)
                for x in range(cols):
                    a, b = np.float64(xx[x]), np.float64(yy[x])
                    both, across, mixed = a + b, a - b, 2.0 * np.float64(xy[x])
                    straight = np.sqrt(across * across + mixed * mixed)
                    share = straight / (both + FAINT * FAINT * np.float64(n[x]) + 1.0)
                    out[f, i, x] = np.int16(FOCAL_SCALE * share)
                    out[f + 1, i, x] = np.int16(RATIO * np.sqrt(both / max(np.float64(n[x]), 1.0)))
                f += 2


@njit(cache=True, nogil=True, error_model="numpy")
def _add_products(gradients, seen, row, sign, count, sums):  # type: ignore[no-untyped-def]
    width = seen.shape[1]
    for x in range(width):
        count[x] += sign * seen[row, x]
    for k in range(gradients.shape[0]):
        across, along = gradients[k, 0, row], gradients[k, 1, row]
        xx, yy, xy = sums[k, 0], sums[k, 1], sums[k, 2]
        # Two loops: multiplying by the sign as well would take as long as the rest.
        if sign > 0:
            for x in range(width):
                a, b = np.int32(across[x]), np.int32(along[x])
                xx[x] += a * a
                yy[x] += b * b
                xy[x] += a * b
        else:
            for x in range(width):
                a, b = np.int32(across[x]), np.int32(along[x])
                xx[x] -= a * a
                yy[x] -= b * b
                xy[x] -= a * b
