"""Hand-made elevation: tiles on the grid of Copernicus DEM GLO-30, and rasters on the lattice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from affine import Affine
from pyproj import Transformer

from tests.rasters import write_plane

STEP = 1 / 3600  # degrees of a pixel of GLO-30


def glo30_tile(
    folder: Path, lat: int, lon: int, surface: Callable[[np.ndarray, np.ndarray], np.ndarray], rows: slice, cols: slice
) -> Path:
    """A part of the GLO-30 tile whose south-west corner is (lat, lon), of elevation `surface(lon, lat)`.

    Pixel centres lie on whole degrees: the first row at lat + 1, the first column at lon.
    """
    x = lon + np.arange(cols.start, cols.stop) * STEP
    y = lat + 1 - np.arange(rows.start, rows.stop) * STEP
    values = surface(*np.meshgrid(x, y)).astype(np.float32)
    transform = Affine(STEP, 0, x[0] - STEP / 2, 0, -STEP, y[0] + STEP / 2)
    return write_plane(folder / f"Copernicus_DSM_COG_10_N{lat:02d}_00_E{lon:03d}_00_DEM.tif", values, transform)


def centres(geobox) -> tuple[np.ndarray, np.ndarray]:
    """Easting and northing (y, x) of pixel centres, metres."""
    height, width = geobox.shape
    to_ground = geobox.affine
    x, y = to_ground.c + (np.arange(width) + 0.5) * to_ground.a, to_ground.f + (np.arange(height) + 0.5) * to_ground.e
    return tuple(np.meshgrid(x, y))


def lonlat(geobox) -> tuple[np.ndarray, np.ndarray]:
    """Longitude and latitude (y, x) of pixel centres, degrees."""
    return Transformer.from_crs(geobox.crs.epsg, 4326, always_xy=True).transform(*centres(geobox))
