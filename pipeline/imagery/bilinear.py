"""Bilinear interpolation on the lattice that no window can change: each pixel centre is projected by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from pipeline.imagery.raster import epsg_of

_ROWS = 256  # interpolated at once, to keep memory low


def bilinear(
    values: NDArray[np.floating[Any]], top: int, left: int, transform: Affine, crs: Any, geobox: GeoBox
) -> NDArray[np.float64]:
    """Part of a grid on a lattice geobox, (y, x); unknown (NaN) where half of the weight or more is.

    `values` (y, x) begin at row `top` and column `left` of the grid that `transform` and `crs` describe. GDAL's warper
    interpolates between the ends of a window's rows, whatever tolerance it is given, so a pixel would depend on the
    window that asks. Raises ProjError if the grid lies nowhere on earth.
    """
    to_source = Transformer.from_crs(epsg_of(geobox), crs.to_wkt(), always_xy=True)
    to_pixel = ~(transform * Affine.translation(0.5, 0.5))
    ground, (height, width) = geobox.affine, geobox.shape
    x = ground.c + ground.a * (np.arange(width) + 0.5)
    out = np.empty(geobox.shape)
    for first in range(0, height, _ROWS):
        y = ground.f + ground.e * (np.arange(first, min(first + _ROWS, height)) + 0.5)
        east, north = to_source.transform(*np.meshgrid(x, y))
        col = to_pixel.a * east + to_pixel.b * north + to_pixel.c
        row = to_pixel.d * east + to_pixel.e * north + to_pixel.f
        out[first : first + _ROWS] = _between(values, top, left, row, col)
    return out


def _between(
    values: NDArray[np.floating[Any]], top: int, left: int, row: NDArray[np.float64], col: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Values at rows and columns of the whole grid, between pixel centres."""
    height, width = values.shape
    # What is no number is not inside.
    inside = (row > top - 1) & (row < top + height) & (col > left - 1) & (col < left + width)
    row, col = np.where(inside, row, top - 1.0), np.where(inside, col, left - 1.0)
    above, before = np.floor(row), np.floor(col)
    total, known = np.zeros(row.shape), np.zeros(row.shape)
    for dy in (0, 1):
        for dx in (0, 1):
            weight = (1 - np.abs(row - above - dy)) * (1 - np.abs(col - before - dx))
            y, x = above.astype(np.intp) + dy - top, before.astype(np.intp) + dx - left
            there = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            value = values[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
            weight[~there | np.isnan(value)] = 0
            total += weight * np.nan_to_num(value)
            known += weight
    found: NDArray[np.float64] = np.where(known > 0.5, total / np.maximum(known, 0.5), np.nan)
    return found
