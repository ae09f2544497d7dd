"""Rasters of a run as cloud-optimised GeoTIFF, one file for each UTM zone, or for each of its distant parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.shutil import copy as copy_raster
from rasterio.windows import Window
from scipy import ndimage

from pipeline.areas.lattice import PIXEL_M, TILE_M, TILE_PX, Tile, utm_name
from pipeline.change import states
from pipeline.errors import StoreError

Colour = tuple[int, int, int, int]

_SQUARE_TILES = 8

# Colour-blind-safe (Okabe and Ito 2008), as on the map; red, green, blue, alpha.
_QUIET, _UNSEEN = (245, 242, 232, 255), (170, 170, 170, 255)
CLASS_COLOURS: Mapping[int, Colour] = {
    states.OTHER: _QUIET,
    states.BARE: (213, 94, 0, 255),
    states.POND: (0, 114, 178, 255),
    states.SEASONAL: (240, 228, 66, 255),
    states.WATERS_EDGE: (86, 180, 233, 255),
    states.OUTSIDE: (0, 0, 0, 0),
    states.NOT_OBSERVED: _UNSEEN,
}
STATE_RASTER_COLOURS: Mapping[int, Colour] = {
    states.UNDISTURBED: _QUIET,
    states.CONTINUING: (0, 114, 178, 255),
    states.NEW: (213, 94, 0, 255),
    states.RECOVERED: (0, 158, 115, 255),
    states.NOT_OBSERVED_BEFORE: (200, 200, 200, 255),
    states.NOT_OBSERVED_AFTER: _UNSEEN,
    states.NOT_OBSERVED_BOTH: (130, 130, 130, 255),
    states.WATER_LEVEL: (86, 180, 233, 255),
    states.STATE_OUTSIDE: (0, 0, 0, 0),
}


def write_cog(
    path: Path,
    tiles: Mapping[Tile, NDArray[Any]],
    *,
    nodata: int,
    colormap: Mapping[int, Colour] | None = None,
    description: str = "",
    tags: Mapping[str, str] | None = None,
) -> tuple[Path, ...]:
    """Write tiles (512, 512) of one dtype as COGs; `class_2021.tif` becomes `class_2021_33N.tif` and so on.

    Each file covers the bounding box of its zone's tiles; blocks without a tile are left out of the file and read
    as `nodata`. Where some lie more than 40 to 80 km from the others, each part is a file of its own, named by its
    first tile (`class_2021_33N-081-0102.tif`): GDAL goes through the empty ground between. With a colour map (uint8
    only) overviews take the most frequent value, otherwise the nearest. Tiles are read from the mapping one at a
    time, so a lazy mapping keeps memory low. Bytes depend on the arguments alone. The file appears under its name
    when it is whole. Returns the paths, sorted; raises StoreError if a file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    written = []
    for name, members in _parts(sorted(tiles)):
        target, epsg = path.with_name(f"{path.stem}_{name}{path.suffix}"), members[0].epsg
        with _told(target), TemporaryDirectory(prefix=f".{target.stem}-", dir=path.parent) as folder:
            mosaic, cog = Path(folder) / "mosaic.tif", Path(folder) / "cog.tif"
            _write_mosaic(mosaic, epsg, members, tiles, nodata, colormap, description, tags or {})
            copy_raster(
                str(mosaic),
                str(cog),
                driver="COG",
                BLOCKSIZE=TILE_PX,
                COMPRESS="DEFLATE",
                PREDICTOR="NO" if colormap else "STANDARD",
                OVERVIEW_RESAMPLING="MODE" if colormap else "NEAREST",
                SPARSE_OK="TRUE",
                NUM_THREADS="1",
            )
            cog.replace(target)
        written.append(target)
    return tuple(written)


@contextmanager
def _told(target: Path) -> Iterator[None]:
    """What GDAL says of a full disk, in words; it has errors of its own beside those of the system."""
    try:
        yield
    except (RasterioError, CPLE_BaseError) as error:
        found = " ".join(str(error).split())
        raise StoreError(f"{target} cannot be written ({found}); free space, then run again") from error


def _parts(tiles: list[Tile]) -> list[tuple[str, list[Tile]]]:
    """Tiles by UTM zone and, within it, by which squares of eight tiles touch; with the name of each part."""
    zones: dict[int, list[Tile]] = {}
    for tile in tiles:
        zones.setdefault(tile.epsg, []).append(tile)
    parts = []
    for epsg, members in sorted(zones.items()):
        square = np.array([(tile.row, tile.col) for tile in members]) // _SQUARE_TILES
        row, col = (square - square.min(axis=0)).T
        grid = np.zeros((row.max() + 1, col.max() + 1), bool)
        grid[row, col] = True
        labels, count = ndimage.label(grid, np.ones((3, 3)))  # type: ignore[attr-defined]
        groups: dict[int, list[Tile]] = {}
        for tile, label in zip(members, labels[row, col].tolist(), strict=True):
            groups.setdefault(label, []).append(tile)
        parts += [(utm_name(epsg) if count == 1 else group[0].id, group) for group in groups.values()]
    return parts


def _write_mosaic(
    path: Path,
    epsg: int,
    members: list[Tile],
    tiles: Mapping[Tile, NDArray[Any]],
    nodata: int,
    colormap: Mapping[int, Colour] | None,
    description: str,
    tags: Mapping[str, str],
) -> None:
    west, east = min(t.col for t in members), max(t.col for t in members) + 1
    south, north = min(t.row for t in members), max(t.row for t in members) + 1
    first = tiles[members[0]]
    profile = {
        "driver": "GTiff",
        "dtype": first.dtype,
        "count": 1,
        "width": (east - west) * TILE_PX,
        "height": (north - south) * TILE_PX,
        "crs": f"EPSG:{epsg}",
        "transform": Affine(PIXEL_M, 0, west * TILE_M, 0, -PIXEL_M, north * TILE_M),
        "nodata": nodata,
        "tiled": True,
        "blockxsize": TILE_PX,
        "blockysize": TILE_PX,
        "sparse_ok": True,
        "compress": "deflate",
        "zlevel": 1,
        "bigtiff": "if_safer",
    }
    with rasterio.open(path, "w", **profile) as file:
        if colormap:
            file.write_colormap(1, dict(sorted(colormap.items())))
        if description:
            file.set_band_description(1, description)
        file.update_tags(**dict(sorted(tags.items())))
        for tile in members:
            window = Window((tile.col - west) * TILE_PX, (north - 1 - tile.row) * TILE_PX, TILE_PX, TILE_PX)
            file.write(np.ascontiguousarray(tiles[tile]), 1, window=window)
