"""Elevation from Copernicus DEM GLO-30 or any other GeoTIFFs of metres: files found, joined and laid on the lattice.

GLO-30 comes in tiles of one degree (EPSG:4326) whose pixel centres lie on whole degrees and which do not overlap, so
tiles of one grid are joined before anything is interpolated: a tile alone would be guessed beyond its last centre.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj.exceptions import ProjError
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from pipeline.errors import BadInput, SceneRejected
from pipeline.imagery.bilinear import bilinear
from pipeline.imagery.folder import sampled
from pipeline.imagery.items import bbox_of, href_of, object_of, scene_id, text_of
from pipeline.imagery.ranges import RangeClient
from pipeline.imagery.raster import Raster, epsg_of, opened, short_name
from pipeline.imagery.remote import HEADER_BYTES
from pipeline.imagery.scene import Bbox, RequestCost, Skipped, touches

GLO30_FILES = "Copernicus_DSM_*_DEM.tif"  # what tiles of GLO-30 are called
LOWEST_M, HIGHEST_M = -500.0, 9000.0  # land lies between; anything else is a void or no elevation at all
_LAYERS_OF_GLO30 = ("_EDM", "_FLM", "_HEM", "_WBM")  # masks that GLO-30 is delivered with
_ASSETS = ("data", "elevation")
_METRES = ("", "m", "metre", "metres", "meter", "meters")
_MARGIN_PX = 2  # that bilinear interpolation reads around a window
_MOST_WINDOW_PX = 1 << 25
_MOST_BLOCK_PX = 1 << 26
_MOST_FILES = 20_000
_MOST_GRIDS = 16  # each is held in memory
_ASKED_PX = 1 << 18  # in one request, about
_PER_METRE = 100  # elevations are kept in whole centimetres


@runtime_checkable
class ElevationSource(Protocol):
    """Where elevation comes from. Instances are picklable: tasks carry them to workers."""

    def read_elevation(self, geobox: GeoBox) -> NDArray[np.float32]:
        """Elevation (y, x) in metres on a geobox of a UTM zone, NaN where unknown.

        Raises SceneRejected if what is there cannot be read or is no elevation.
        """
        ...


@dataclass(frozen=True)
class DemFile:
    """One raster of elevation: its name, where it lies, what tells its content from another, and its lon/lat box."""

    name: str
    href: str
    version: str
    bbox: Bbox | None = None


@dataclass(frozen=True)
class DemFiles:
    """Rasters of elevation in a folder or of a STAC API, sorted by name; where two overlap the first one speaks.

    `skipped` are those that cannot serve, with reasons; `client` opens those on the internet. It is an ElevationSource.
    """

    name: str
    files: tuple[DemFile, ...]
    skipped: tuple[Skipped, ...] = ()
    client: RangeClient | None = field(default=None, compare=False)

    def near(self, geobox: GeoBox) -> tuple[DemFile, ...]:
        """The files that may reach a geobox."""
        box = transform_bounds(f"EPSG:{epsg_of(geobox)}", "EPSG:4326", *geobox.pad(16).boundingbox)
        return tuple(file for file in self.files if file.bbox is None or touches(file.bbox, box))

    def elevation_cost(self, geobox: GeoBox) -> RequestCost:
        """What reading a geobox of 30 m costs, as pixels of GLO-30 before compression; nothing for files on disk."""
        files, pixels = len(self.near(geobox)), math.prod(geobox.shape)
        if self.client is None or not files:
            return RequestCost()
        return RequestCost(2 * files + pixels // _ASKED_PX, bytes=files * HEADER_BYTES + 4 * pixels)

    def read_elevation(self, geobox: GeoBox) -> NDArray[np.float32]:
        """See ElevationSource. Interpolated bilinearly, in whole centimetres."""
        out = np.full(geobox.shape, np.nan)
        mosaics: list[_Mosaic] = []
        for file in self.near(geobox):
            with opened(file.href, self.client) as raster:
                src = raster.src
                _require_elevation(src)
                mosaic = next((known for known in mosaics if known.takes(src)), None)
                if mosaic is None:
                    if len(mosaics) == _MOST_GRIDS:
                        raise SceneRejected(f"{self.name} has more than {_MOST_GRIDS} grids here; join its files first")
                    mosaic = _Mosaic.of(src, geobox)
                    mosaics.append(mosaic)
                mosaic.enter(raster)
        for mosaic in mosaics:
            fresh = mosaic.laid_on(geobox)
            np.copyto(out, fresh, where=np.isnan(out))
        metres: NDArray[np.float32] = (np.rint(out * _PER_METRE) / _PER_METRE).astype(np.float32)
        return metres


class _Mosaic:
    """The part of one source grid that a geobox needs, (y, x) in metres, NaN where no file has it."""

    def __init__(self, crs: Any, transform: Affine, left: int, top: int, shape: tuple[int, int]) -> None:
        self.crs, self.transform, self.left, self.top = crs, transform, left, top
        self.values = np.full(shape, np.nan, np.float32)

    @classmethod
    def of(cls, src: DatasetReader, geobox: GeoBox) -> _Mosaic:
        """Empty, on the grid of a file; raises SceneRejected if so many pixels are needed that memory would end."""
        west, south, east, north = _bounds(src, f"EPSG:{epsg_of(geobox)}", src.crs, tuple(geobox.boundingbox))
        cols, rows = zip(*(~src.transform * (x, y) for x in (west, east) for y in (south, north)), strict=True)
        if not all(math.isfinite(number) for number in (*cols, *rows)):
            raise SceneRejected(f"{short_name(src.name)} cannot be brought to the lattice; its grid lies elsewhere")
        left, top = math.floor(min(cols)) - _MARGIN_PX, math.floor(min(rows)) - _MARGIN_PX
        shape = math.ceil(max(rows)) + _MARGIN_PX - top, math.ceil(max(cols)) + _MARGIN_PX - left
        if shape[0] * shape[1] > _MOST_WINDOW_PX:
            raise SceneRejected(f"{short_name(src.name)} is much finer than 30 m; resample it to 10 to 30 m")
        return cls(src.crs, src.transform, left, top, shape)

    def takes(self, src: DatasetReader) -> bool:
        """Whether a file lies on this grid."""
        if src.crs != self.crs:
            return False
        step = ~self.transform * src.transform
        whole = all(abs(edge - round(edge)) < 0.01 for edge in (step.c, step.f))
        return whole and abs(step.a - 1) < 1e-6 and abs(step.e - 1) < 1e-6

    def enter(self, raster: Raster) -> None:
        """Take in what a file of this grid has and no earlier one had."""
        src = raster.src
        step = ~self.transform * src.transform
        col, row = round(step.c) - self.left, round(step.f) - self.top
        height, width = self.values.shape
        r0, r1, c0, c1 = max(row, 0), min(row + src.height, height), max(col, 0), min(col + src.width, width)
        if r0 >= r1 or c0 >= c1:
            return
        raw = raster.read([1], Window(c0 - col, r0 - row, c1 - c0, r1 - r0))[0].astype(np.float64)
        if src.nodata is not None:
            raw[raw == src.nodata] = np.nan
        metres = raw * src.scales[0] + src.offsets[0]
        with np.errstate(invalid="ignore"):
            metres[~((metres >= LOWEST_M) & (metres <= HIGHEST_M))] = np.nan
        part = self.values[r0:r1, c0:c1]
        np.copyto(part, metres.astype(np.float32), where=np.isnan(part))

    def laid_on(self, geobox: GeoBox) -> NDArray[np.float64]:
        """What is known, on a geobox: bilinear, unknown where half of the weight or more is."""
        if np.isnan(self.values).all():
            return np.full(geobox.shape, np.nan)
        try:
            return bilinear(self.values, self.top, self.left, self.transform, self.crs, geobox)
        except ProjError as error:
            raise SceneRejected(f"elevation in {str(self.crs)[:60]} cannot be brought to the lattice") from error


def folder_dem(root: Path, pattern: str = "*.tif") -> DemFiles:
    """The rasters of elevation anywhere below a folder; raises BadInput if it is none.

    Masks that GLO-30 is delivered with are passed over. What cannot be opened or is no elevation is skipped by name.
    """
    if not root.is_dir():
        raise BadInput(f"elevation folder {root} does not exist; check elevation.source in the config")
    files: list[DemFile] = []
    skipped: list[Skipped] = []
    for path in sorted(root.rglob(pattern)):
        if path.stem.upper().endswith(_LAYERS_OF_GLO30):
            continue
        if len(files) + len(skipped) == _MOST_FILES:
            raise BadInput(f"elevation folder {root} holds more than {_MOST_FILES} files; give one with fewer")
        name = path.relative_to(root).as_posix()
        try:
            files.append(_file_of(path, name, root))
        except SceneRejected as error:
            skipped.append(Skipped(name, str(error), failed=True))
    return DemFiles(f"folder {root.name}", tuple(files), tuple(skipped))


def _file_of(path: Path, name: str, root: Path) -> DemFile:
    if not path.resolve().is_relative_to(root.resolve()):
        raise SceneRejected(f"{name} leads out of the elevation folder; move the file into it")
    with opened(str(path)) as raster:
        _require_elevation(raster.src)
        box = _bounds(raster.src, raster.src.crs, "EPSG:4326", tuple(raster.src.bounds))
    return DemFile(name, str(path), sampled(path).hex()[:16], box)


def _bounds(src: DatasetReader, crs: Any, other: Any, box: tuple[float, ...]) -> Bbox:
    """A box in another CRS; raises SceneRejected if there is no way from one to the other."""
    try:
        found: Bbox = transform_bounds(crs, other, *box)
    except (RasterioError, CPLE_BaseError) as error:
        raise SceneRejected(f"the CRS of {short_name(src.name)} has no place on earth; write its grid again") from error
    return found


def is_dem_of(item: Mapping[str, Any], collection: str) -> bool:
    """Whether an item is of the collection that was asked for: a server may answer with another."""
    return bool(item.get("collection", collection) == collection)


def dem_from_item(item: Mapping[str, Any], resolve: Callable[[str], str]) -> DemFile:
    """The raster of a STAC item of a DEM; `resolve` turns an href into a place that may be opened.

    Raises SceneRejected if the item lacks it or cannot be understood.
    """
    name = scene_id(item)
    assets, properties = object_of(item, "assets"), object_of(item, "properties")
    key = next((key for key in _ASSETS if key in assets), None)
    if key is None:
        raise SceneRejected(f"has none of the assets {', '.join(_ASSETS)}; its assets are {sorted(assets)[:40]}")
    version = " ".join(part for part in (name, text_of(properties, "updated", "created")) if part)
    try:
        return DemFile(name, resolve(href_of(object_of(assets, key), key)), version, bbox_of(item))
    except (ValueError, OverflowError) as error:
        raise SceneRejected(f"the item cannot be understood ({str(error)[:120]})") from error


def _require_elevation(src: DatasetReader) -> None:
    """Raises SceneRejected unless a raster is one band of metres on a north-up grid that says where it lies."""
    name = short_name(src.name)
    kind = np.dtype(src.dtypes[0])
    if src.count != 1 or kind.kind not in "iuf" or kind.itemsize < 2:
        raise SceneRejected(
            f"{name} holds {src.count} bands of {src.dtypes[0]} numbers; elevation is one band of metres"
        )
    if str(src.units[0] or "").lower() not in _METRES:
        raise SceneRejected(f"{name} is in {str(src.units[0])[:20]!r}; elevation in metres is needed")
    transform = src.transform
    if src.crs is None or transform.b or transform.d or transform.a <= 0 or transform.e >= 0:
        raise SceneRejected(f"{name} has no CRS or is not north-up; write it as a GeoTIFF with its grid")
    if math.prod(src.block_shapes[0]) > _MOST_BLOCK_PX:
        raise SceneRejected(f"{name} is stored in blocks of {src.block_shapes[0]} pixels; rewrite it in 512 x 512")
