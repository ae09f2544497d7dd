"""Reads of Sentinel-1 rasters on the lattice, in dB x 100: exactly where grids agree, else bilinear in linear power."""

from __future__ import annotations

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj.exceptions import ProjError
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from pipeline.errors import SceneRejected
from pipeline.imagery.bilinear import bilinear
from pipeline.imagery.radar_items import Backscatter, RadarScene
from pipeline.imagery.ranges import RangeClient
from pipeline.imagery.raster import Raster, epsg_of, opened, short_name

RADAR_NODATA = -32768
DB_SCALE = 100
# Backscatter of land lies between; anything else is a border artefact or no backscatter at all.
LOWEST_DB, HIGHEST_DB = -60.0, 40.0
_MARGIN_PX = 2  # that bilinear interpolation reads around a window
_MOST_WINDOW_PX = 1 << 25


def read_polarisations(scene: RadarScene, geobox: GeoBox, client: RangeClient | None = None) -> NDArray[np.int16]:
    """Both polarisations of a scene whose bands are files, (2, y, x); see RadarFinder.read_radar."""
    return np.stack([read_backscatter(band, geobox, client) for band in scene.bands])


def read_backscatter(band: Backscatter, geobox: GeoBox, client: RangeClient | None = None) -> NDArray[np.int16]:
    """One polarisation on a lattice geobox, (y, x), dB x 100; -32768 outside the file and where it has no data.

    A grid of whole lattice pixels is read as it is (coarser pixels repeated); any other is interpolated in linear
    power, because a mean of decibels is no mean of backscatter. Raises SceneRejected.
    """
    with opened(band.href, client) as raster:
        src = raster.src
        _require_backscatter(src, band)
        to_source = ~src.transform * geobox.affine
        if src.crs is None:
            raise SceneRejected(f"{short_name(band.href)} has no grid; terrain-corrected backscatter is needed")
        if src.crs.to_epsg() == epsg_of(geobox) and (step := _whole_step(to_source)):
            return _decibels(_repeated(raster, geobox, to_source, step), src.nodata, band)
        try:
            return _warped(raster, geobox, band)
        except (RasterioError, ProjError) as error:
            raise SceneRejected(f"{short_name(band.href)} cannot be brought to the lattice ({error})") from error


def from_power(power: NDArray[np.float64]) -> NDArray[np.int16]:
    """Linear power as dB x 100; -32768 where it is not a number or outside what land scatters."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return _stored(10 * np.log10(power))


def to_power(backscatter: NDArray[np.int16]) -> NDArray[np.float64]:
    """Linear power of dB x 100; 0 where there is none."""
    return np.where(backscatter == RADAR_NODATA, 0.0, 10.0 ** (backscatter / (10.0 * DB_SCALE)))


def _require_backscatter(src: DatasetReader, band: Backscatter) -> None:
    if src.crs is None and src.gcps[0]:
        raise SceneRejected(
            f"{short_name(band.href)} has ground control points and no grid: a raw ground-range product (GRD), not "
            "calibrated, not corrected for terrain; give radiometrically terrain-corrected backscatter (RTC)"
        )
    kind = np.dtype(src.dtypes[0]).kind
    if kind not in "iuf" or (kind != "f" and not band.in_db):
        raise SceneRejected(
            f"{short_name(band.href)} holds {src.dtypes[0]} numbers that its item does not call dB; calibrated, "
            "terrain-corrected backscatter is needed (raster:bands unit dB, or real numbers of linear power)"
        )


def _whole_step(to_source: Affine) -> int | None:
    """Lattice pixels a side of a source pixel, None unless the grids agree edge by edge."""
    if to_source.b or to_source.d or to_source.a != to_source.e or not 0 < to_source.a <= 1:
        return None
    step = round(1 / to_source.a)
    edges = to_source.c * step, to_source.f * step
    agree = abs(step * to_source.a - 1) < 1e-9 and all(abs(edge - round(edge)) < 1e-6 for edge in edges)
    return step if agree else None


def _repeated(raster: Raster, geobox: GeoBox, to_source: Affine, step: int) -> NDArray[np.float64]:
    """A window as it is stored, NaN outside the file."""
    src = raster.src
    height, width = geobox.shape
    row = (round(to_source.f * step) + np.arange(height)) // step
    col = (round(to_source.c * step) + np.arange(width)) // step
    rows, cols = (row >= 0) & (row < src.height), (col >= 0) & (col < src.width)
    out = np.full((height, width), np.nan)
    if rows.any() and cols.any():
        row, col = row[rows], col[cols]
        window = Window(col[0], row[0], col[-1] - col[0] + 1, row[-1] - row[0] + 1)
        out[np.ix_(rows, cols)] = raster.read([1], window)[0][np.ix_(row - row[0], col - col[0])]
    return out


def _warped(raster: Raster, geobox: GeoBox, band: Backscatter) -> NDArray[np.int16]:
    src = raster.src
    west, south, east, north = transform_bounds(f"EPSG:{epsg_of(geobox)}", src.crs, *geobox.boundingbox)
    corners = [~src.transform * corner for corner in ((west, north), (east, north), (west, south), (east, south))]
    cols, rows = np.array(corners).T
    left, top = int(np.floor(cols.min())) - _MARGIN_PX, int(np.floor(rows.min())) - _MARGIN_PX
    right, bottom = int(np.ceil(cols.max())) + _MARGIN_PX, int(np.ceil(rows.max())) + _MARGIN_PX
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, src.width), min(bottom, src.height)
    if left >= right or top >= bottom:
        return np.full(geobox.shape, RADAR_NODATA, np.int16)
    if (right - left) * (bottom - top) > _MOST_WINDOW_PX:
        raise SceneRejected(f"{short_name(band.href)} is much finer than 10 m; resample it to the lattice")
    window = Window(left, top, right - left, bottom - top)
    power = _power(raster.read([1], window)[0].astype(np.float64), src.nodata, band)
    return from_power(bilinear(power, top, left, src.transform, src.crs, geobox))


def _decibels(raw: NDArray[np.float64], nodata: float | None, band: Backscatter) -> NDArray[np.int16]:
    values = _measured(raw, nodata) * band.scale
    return _stored(values) if band.in_db else from_power(values)


def _power(raw: NDArray[np.float64], nodata: float | None, band: Backscatter) -> NDArray[np.float64]:
    """Linear power, NaN where it is not what land scatters."""
    values = _measured(raw, nodata) * band.scale
    power = 10 ** (values / 10) if band.in_db else values
    lowest, highest = 10 ** (LOWEST_DB / 10), 10 ** (HIGHEST_DB / 10)
    return np.where((power >= lowest) & (power <= highest), power, np.nan)


def _measured(raw: NDArray[np.float64], nodata: float | None) -> NDArray[np.float64]:
    return np.where(np.isfinite(raw) & (raw != (np.nan if nodata is None else nodata)), raw, np.nan)


def _stored(decibels: NDArray[np.float64]) -> NDArray[np.int16]:
    good = (decibels >= LOWEST_DB) & (decibels <= HIGHEST_DB)
    return np.where(good, np.rint(np.where(good, decibels, 0.0) * DB_SCALE), RADAR_NODATA).astype(np.int16)
