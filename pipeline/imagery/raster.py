"""Reads of single rasters on the lattice: pixel-aligned windows, nodata as 0, nothing resampled but 20 m to 10 m."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from pipeline.areas.lattice import PIXEL_M
from pipeline.config import Fetch
from pipeline.errors import LatticeMismatch, SceneRejected
from pipeline.imagery.ranges import RangeClient, plain_address
from pipeline.imagery.remote import RemoteFile

GDAL = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_NUM_THREADS": "1",
}
# Reflectance below -0.2 is not a measurement but a fill value that the file does not declare (-9999, -32768).
LOWEST = -2000.0
_COARSEST_M = 60
_REMOTE = "remote-file"
# A window costs whole blocks; a file that is one huge block would be read in full for each.
_MOST_BLOCK_PX = 1 << 26
_MOST_WHOLE_PX = 1 << 27


@dataclass(frozen=True)
class Grid:
    """Where a raster lies: UTM zone, pixel size in lattice pixels, lattice column and row of its corner, shape."""

    epsg: int
    step: int
    col: int
    row: int
    height: int
    width: int


class Raster:
    """An open raster; of a file on the internet, what a window needs is fetched before GDAL asks for it."""

    def __init__(self, src: DatasetReader, file: RemoteFile | None) -> None:
        self.src = src
        self._file = file

    def read(self, indexes: Sequence[int], window: Window, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Bands of a window, (band, y, x)."""
        if self._file is not None and self.src.driver == "GTiff":
            self._file.prefetch(_blocks(self.src, indexes, window))
        try:
            pixels: NDArray[Any] = self.src.read(list(indexes), window=window, out=out)
        except RasterioError as error:
            if self._file is not None and self._file.error is not None:
                raise self._file.error from error
            raise
        return pixels


@contextmanager
def opened(href: str, client: RangeClient | None = None, **options: str) -> Iterator[Raster]:
    """An open GeoTIFF (or JPEG 2000, by its name); SceneRejected names a file that does not open or breaks.

    `options` are those of the driver.
    """
    # No other format is tried: a VRT would let one file name others.
    driver = "JP2OpenJPEG" if is_jpeg2000(href) else "GTiff"
    file = RemoteFile(client or RangeClient(Fetch()), href) if "://" in href else None
    try:
        with rasterio.Env(**GDAL), _dataset(href, file, driver, options) as src:
            yield Raster(src, file)
    except (RasterioError, OSError) as error:
        if file is not None and file.error is not None:
            raise file.error from error
        found = _line(re.sub(rf"/vsi\w+/{_REMOTE}", "the file", str(error)).replace(href, short_name(href)))
        raise SceneRejected(f"{short_name(href)} cannot be read ({found}); fetch the file again") from error


def is_jpeg2000(href: str) -> bool:
    """Whether a file is JPEG 2000, by its name."""
    return (urlsplit(href).path if "://" in href else href).lower().endswith(".jp2")


def _dataset(href: str, file: RemoteFile | None, driver: str, options: Mapping[str, str]) -> Any:
    if file is None:
        return rasterio.open(href, driver=driver, **options)

    def opener(path: str, mode: str = "rb") -> Any:  # noqa: ARG001 (rasterio gives it)
        if path != _REMOTE:
            raise FileNotFoundError(path)  # what GDAL would look for beside the file
        return file.cursor()

    return rasterio.open(_REMOTE, driver=driver, opener=opener, **options)


def _blocks(src: DatasetReader, indexes: Sequence[int], window: Window) -> list[tuple[int, int]]:
    """Offset and size in its file of each block that a window of some bands touches; absent blocks have none."""
    found = set()
    for index in indexes:
        high, wide = src.block_shapes[index - 1]
        rows = range(window.row_off // high, (window.row_off + window.height - 1) // high + 1)
        cols = range(window.col_off // wide, (window.col_off + window.width - 1) // wide + 1)
        for row, col in itertools.product(rows, cols):
            place = [src.get_tag_item(f"BLOCK_{what}_{col}_{row}", "TIFF", bidx=index) for what in ("OFFSET", "SIZE")]
            if all(place):
                found.add((int(place[0]), int(place[1])))
    return sorted(found)


def grid_of(src: DatasetReader, name: str) -> Grid:
    """The grid of an open raster, told by its name if it is none of ours.

    Raises SceneRejected, with the remedy, unless it is north-up UTM (WGS 84) with square pixels of a whole
    number of lattice pixels and edges on multiples of 10 m.
    """
    epsg = src.crs.to_epsg() if src.crs else None
    remedy = "reproject it to the UTM zone of the place, 10 m pixels with edges on multiples of 10 m"
    if epsg is None or epsg // 100 not in (326, 327) or not 1 <= epsg % 100 <= 60:
        raise SceneRejected(f"{name} is not in UTM (found {_line(str(src.crs))}); {remedy}")
    a, b, left, d, e, top = tuple(src.transform)[:6]
    is_square = b == 0 and d == 0 and e == -a and PIXEL_M <= a <= _COARSEST_M
    if not is_square or a % PIXEL_M:
        raise SceneRejected(
            f"{name} is rotated, or its pixels are not 10 to 60 m in steps of 10 m ({a:g} x {-e:g} m); {remedy}"
        )
    if math.prod(src.block_shapes[0]) > _MOST_BLOCK_PX:
        raise SceneRejected(
            f"{name} is stored in blocks of {src.block_shapes[0]} pixels; rewrite it in 512 x 512 blocks"
        )
    if not (0 <= left <= 1_000_000 and 0 <= top <= 10_000_000):
        raise SceneRejected(f"{name} has its corner at {left:g}, {top:g}, outside a UTM zone; {remedy}")
    col, row = left / PIXEL_M, -top / PIXEL_M
    if col != round(col) or row != round(row):
        raise SceneRejected(f"{name} has its corner at {left:g}, {top:g}, off the 10 m lattice; {remedy}")
    return Grid(epsg, round(a / PIXEL_M), round(col), round(row), src.height, src.width)


def epsg_of(geobox: GeoBox) -> int:
    """EPSG code of a lattice geobox; raises LatticeMismatch if it has none."""
    code = geobox.crs.epsg if geobox.crs else None
    if code is None:
        raise LatticeMismatch(f"{geobox!r} is not on the lattice of a UTM zone")
    return int(code)


def read_window(
    href: str,
    indexes: Sequence[int],
    scale: float,
    geobox: GeoBox,
    out: NDArray[np.uint16],
    *,
    is_class: bool = False,
    client: RangeClient | None = None,
) -> None:
    """Lay bands of one file on a lattice geobox: fills `out` (band, y, x), 0 outside the file and where it has no data.

    Pixels of 20 m or more are repeated (nearest). Raises SceneRejected if the file cannot be laid on the geobox.
    """
    height, width = geobox.shape
    with opened(href, client) as raster:
        src = raster.src
        grid = grid_of(src, short_name(href))
        if grid.epsg != epsg_of(geobox):
            raise SceneRejected(
                f"{short_name(href)} lies in EPSG:{grid.epsg}, the tile in EPSG:{epsg_of(geobox)}; "
                "grids of two zones are never combined"
            )
        col = round(geobox.affine.c / PIXEL_M) - grid.col
        row = round(-geobox.affine.f / PIXEL_M) - grid.row
        r0, r1 = max(row, 0), min(row + height, grid.height * grid.step)
        c0, c1 = max(col, 0), min(col + width, grid.width * grid.step)
        if (r1 - r0, c1 - c0) != (height, width):
            out[:] = 0
        if r0 >= r1 or c0 >= c1:
            return
        s = grid.step
        rows, cols = (r0 // s, math.ceil(r1 / s)), (c0 // s, math.ceil(c1 / s))
        window = Window(cols[0], rows[0], cols[1] - cols[0], rows[1] - rows[0])
        if s == 1 and (r1 - r0, c1 - c0) == (height, width) and set(src.dtypes) == {"uint16"}:
            raw = raster.read(indexes, window, out)
        else:
            raw = raster.read(indexes, window)
        stored = as_stored(raw, src.nodata, scale, is_class=is_class)
    if stored is out:
        return
    if s > 1:
        stored = stored.repeat(s, axis=1).repeat(s, axis=2)
    top, left = r0 - rows[0] * s, c0 - cols[0] * s
    out[:, r0 - row : r1 - row, c0 - col : c1 - col] = stored[:, top : top + r1 - r0, left : left + c1 - c0]


def read_thinned(
    href: str, index: int, scale: float, side_px: int, *, is_class: bool = False, client: RangeClient | None = None
) -> NDArray[np.uint16]:
    """One whole band thinned to at most `side_px` a side (from overviews where the file has them), (y, x)."""
    # The overviews of JPEG 2000 are averages, which of two classes make a third.
    options = {"OVERVIEW_LEVEL": "NONE"} if is_class and is_jpeg2000(href) else {}
    with opened(href, client, **options) as raster:
        src = raster.src
        grid_of(src, short_name(href))
        if options and src.height * src.width > _MOST_WHOLE_PX:
            raise SceneRejected(f"{short_name(href)} has {src.height} x {src.width} pixels; no granule is so large")
        shrink = max(src.height, src.width, side_px) / side_px
        shape = max(1, round(src.height / shrink)), max(1, round(src.width / shrink))
        raw = src.read(index, out_shape=shape)
        return as_stored(raw, src.nodata, scale, is_class=is_class)


def as_stored(raw: NDArray[Any], nodata: float | None, scale: float, *, is_class: bool = False) -> NDArray[np.uint16]:
    """Numbers of any type as uint16, reflectance x 10 000, with 0 for no data.

    Real measurements at or below zero become 1, so that dark ground stays apart from no data. In a scene
    classification (`is_class`) whatever is not 0 to 254, or is the file's nodata, is 0: ground without a class was
    not classified as clear.
    """
    if raw.dtype.kind not in "iuf":
        raise SceneRejected(f"a band holds {raw.dtype} numbers; integers or real numbers are needed")
    fill = 0.0 if nodata is None or math.isnan(nodata) else float(nodata)
    if is_class:
        return np.where((raw >= 0) & (raw < 255) & (raw != fill), raw, 0).astype(np.uint16)
    if raw.dtype == np.uint16 and fill == 0.0 and scale == 1.0:
        return raw.astype(np.uint16, copy=False)
    values = raw.astype(np.float64)
    missing = ~np.isfinite(values) | (values == fill)
    values = np.rint(np.where(missing, 0.0, values) * scale)
    missing |= values < LOWEST
    return np.where(missing, 0.0, np.clip(values, 1.0, 65535.0)).astype(np.uint16)


def short_name(href: str) -> str:
    """A remote address without its secrets, or the end of a local path: reasons read alike on every machine."""
    return _line(plain_address(href) if "://" in href else "/".join(PurePath(href).parts[-2:]))


def _line(text: str) -> str:
    """One line of printable text, short enough for a manifest; of a long one the end stays."""
    line = "".join(c if c.isprintable() else " " for c in text)
    return line if len(line) <= 160 else "…" + line[-159:]
