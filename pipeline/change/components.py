"""Connected components of sparse lattice pixels, within one UTM zone and across the border of two.

Pixels are sorted by (row, col). A neighbourhood is given by its half-widths: pixels that lie `d` rows apart are
neighbours if their columns differ by at most `widths[d]`. Rows are merged two at a time with moving pointers, so
the cost is pixels x rows of the neighbourhood, whatever its width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipeline.areas.lattice import PIXEL_M, from_lonlat, strip_bounds, to_lonlat

_BLOCK_PX = 64
_METRES_PER_DEGREE = 110_000.0  # a little less than a degree of latitude anywhere


class Pixels(NamedTuple):
    """Pixels of one UTM zone, int32 (n,) each, sorted by (row, col)."""

    epsg: int
    row: NDArray[np.int32]
    col: NDArray[np.int32]


def reach(distance_m: float) -> NDArray[np.int64]:
    """Half-widths of the pixels whose edges are less than `distance_m` apart; 10 m and less: the eight neighbours."""
    gap = max(distance_m / PIXEL_M, 1.0)
    widths = [math.ceil(math.sqrt(gap**2 - max(rows - 1, 0) ** 2)) for rows in range(math.ceil(gap) + 1)]
    return np.array(widths, np.int64)


def label(row: NDArray[np.int32], col: NDArray[np.int32], widths: NDArray[np.int64]) -> NDArray[np.int32]:
    """Component of each pixel, (n,), numbered from 0 in the order of each component's first pixel.

    Pixels must be sorted by (row, col); repeated pixels fall together. `widths` must not rise.
    """
    if not row.size:
        return np.zeros(0, np.int32)
    margin = int(widths.max())
    # Room on both sides of each row, so that a window never runs into the next one.
    stride = int(col.max()) - int(col.min()) + 2 * margin + 2
    key = (row.astype(np.int64) - int(row.min())) * stride + (col.astype(np.int64) - int(col.min())) + margin
    labels: NDArray[np.int32] = _label(key, widths, stride)
    return labels


@njit(cache=True, nogil=True)
def _find(parent, i):  # type: ignore[no-untyped-def]
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True, nogil=True)
def _union(parent, i, j):  # type: ignore[no-untyped-def]
    a = _find(parent, i)
    b = _find(parent, j)
    # The smaller index stays root: a component is named by its first pixel.
    if a < b:
        parent[b] = a
    elif b < a:
        parent[a] = b


@njit(cache=True, nogil=True)
def _label(key, widths, stride):  # type: ignore[no-untyped-def]
    n = key.size
    parent = np.arange(n).astype(np.int32)
    for i in range(1, n):
        if key[i] - key[i - 1] <= widths[0]:
            _union(parent, i - 1, i)
    for rows in range(1, widths.size):
        width = widths[rows]
        low = 0
        high = 0
        for i in range(n):
            centre = key[i] - rows * stride
            while key[low] < centre - width:
                low += 1
            while key[high] <= centre + width:
                high += 1
            # Within a row neighbours are linked already, and a window has room for one wider gap at most:
            # its first and last pixel stand for all between.
            if low < high:
                _union(parent, i, low)
                _union(parent, i, high - 1)
    labels = np.empty(n, np.int32)
    count = 0
    for i in range(n):
        root = _find(parent, i)
        if root == i:
            labels[i] = count
            count += 1
        else:
            labels[i] = labels[root]
    return labels


def connect(zones: Sequence[Pixels], distance_m: float) -> tuple[list[NDArray[np.int64]], int]:
    """Components over several UTM zones of pixels whose edges are less than `distance_m` apart, and their number.

    Numbered from 0 in the order of zones and of each component's first pixel. The strips of two zones are cut
    at pixel centres, which can leave a gap of up to a pixel, so across a border 10 m more are bridged; there the
    pixels of one zone are looked at on the lattice of the other.
    """
    widths = reach(distance_m)
    labels: list[NDArray[np.int64]] = []
    count = 0
    for pixels in zones:
        own = label(pixels.row, pixels.col, widths).astype(np.int64)
        labels.append(own + count)
        count += int(own.max()) + 1 if own.size else 0
    edges = [
        _border_edges(zones[a], zones[b], labels[a], labels[b], distance_m)
        for a in range(len(zones))
        for b in range(a + 1, len(zones))
        if _adjacent(zones[a].epsg, zones[b].epsg) and zones[a].row.size and zones[b].row.size
    ]
    pairs = np.concatenate(edges, axis=1) if edges else np.zeros((2, 0), np.int64)
    if not pairs.size:
        return labels, count
    graph = coo_array((np.ones(pairs.shape[1], np.int8), (pairs[0], pairs[1])), shape=(count, count))  # type: ignore[no-untyped-call]
    joined = connected_components(graph, directed=False)[1]
    _, first, inverse = np.unique(joined, return_index=True, return_inverse=True)
    rank = np.empty(first.size, np.int64)
    rank[np.argsort(first)] = np.arange(first.size)
    renamed = rank[inverse]
    return [renamed[own] for own in labels], int(first.size)


def _adjacent(epsg: int, other: int) -> bool:
    """Whether two UTM zones share a border: neighbours around the globe, or north and south of the equator."""
    return (epsg % 100 - other % 100) % 60 in (0, 1, 59)


def _border_edges(
    a: Pixels, b: Pixels, label_a: NDArray[np.int64], label_b: NDArray[np.int64], distance_m: float
) -> NDArray[np.int64]:
    near_a, near_b = _near_strip(a, b.epsg, distance_m), _near_strip(b, a.epsg, distance_m)
    lon, lat = to_lonlat(b.epsg).transform((b.col[near_b] + 0.5) * PIXEL_M, -(b.row[near_b] + 0.5) * PIXEL_M)
    x, y = from_lonlat(a.epsg).transform(lon, lat)
    row = np.concatenate([a.row[near_a], np.floor(-np.asarray(y) / PIXEL_M)]).astype(np.int32)
    col = np.concatenate([a.col[near_a], np.floor(np.asarray(x) / PIXEL_M)]).astype(np.int32)
    component = np.concatenate([label_a[near_a], label_b[near_b]])
    order = np.lexsort((component, col, row))
    component = component[order]
    joined = label(row[order], col[order], reach(distance_m + PIXEL_M))
    _, first = np.unique(joined, return_index=True)
    return np.unique(np.stack([component[first[joined]], component]), axis=1)


def _near_strip(pixels: Pixels, other_epsg: int, distance_m: float) -> NDArray[np.int64]:
    """Indices of pixels in blocks that come near the strip of another UTM zone."""
    block_row, block_col = pixels.row // _BLOCK_PX, pixels.col // _BLOCK_PX
    blocks, block_of = np.unique(block_row.astype(np.int64) * 2**20 + block_col, return_inverse=True)
    x = (blocks % 2**20 + 0.5) * _BLOCK_PX * PIXEL_M
    y = -(blocks // 2**20 + 0.5) * _BLOCK_PX * PIXEL_M
    lon, lat = to_lonlat(pixels.epsg).transform(x, y)
    west, south, east, north = strip_bounds(other_epsg)
    margin = (distance_m + _BLOCK_PX * PIXEL_M) / _METRES_PER_DEGREE
    off_lon = np.abs((lon - (west + east) / 2 + 180) % 360 - 180) - (east - west) / 2
    near = off_lon * np.cos(np.radians(lat)) <= margin
    near &= (lat >= south - margin) & (lat <= north + margin)
    return np.flatnonzero(near[block_of])
