"""Pictures of changed places in every period, in true and in short-wave infrared colour."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from PIL import Image
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.warp import reproject

from pipeline.areas.lattice import PIXEL_M, Tile, tiles_of
from pipeline.change.site import SiteChange
from pipeline.imagery.scene import BANDS, NODATA
from pipeline.reports.result import RunResult

MIN_SIDE_M = 800.0
MARGIN_M = 250.0
MAX_SIDE_PX = 144
COLOURS = 128  # in one picture; keeps a map of sixty places small

_MERCATOR = Transformer.from_crs(4326, 3857, always_xy=True)


@dataclass(frozen=True)
class Rendering:
    """Three bands as red, green and blue; one stretch for all pictures, so that before and after compare."""

    name: str
    bands: tuple[str, str, str]
    low: int
    high: int
    gamma: float


TRUE_COLOUR = Rendering("true", ("B04", "B03", "B02"), 150, 3000, 1.5)
INFRARED = Rendering("infrared", ("B11", "B08", "B04"), 200, 4500, 1.2)
RENDERINGS = (TRUE_COLOUR, INFRARED)


@dataclass(frozen=True)
class Chip:
    """Square PNG pictures of one place in EPSG:3857; `pictures` by (period name, rendering name).

    `bounds` are west, south, east, north in degrees; `side_m` is true ground. Not observed is transparent.
    """

    change_id: str
    bounds: tuple[float, float, float, float]
    side_m: float
    pictures: dict[tuple[str, str], bytes]


def most_changed(changes: Iterable[SiteChange]) -> list[SiteChange]:
    """Changes with most hectares gained or lost first, those that go on unchanged last."""
    return sorted(changes, key=lambda c: (c.state == "continuing", -max(c.area_gain_ha, c.area_loss_ha), c.change_id))


def make_chips(result: RunResult, limit: int) -> tuple[Chip, ...]:
    """Chips of the `limit` places that changed most, those with most hectares gained or lost first."""
    return chips_of(result, most_changed(result.changes)[:limit], [period.name for period in result.periods])


def chips_of(result: RunResult, changes: Sequence[SiteChange], periods: Sequence[str]) -> tuple[Chip, ...]:
    """Chips of some changes in some periods, in the order of the changes."""
    # Neighbouring places share tiles; 24 composites of 3 MB are kept.
    composite_of = lru_cache(maxsize=24)(result.composite_of)
    chips = {
        change.change_id: _chip(change, periods, composite_of)
        for change in sorted(changes, key=lambda c: (c.tiles, c.change_id))
    }
    return tuple(chips[change.change_id] for change in changes)


def _chip(
    change: SiteChange, periods: Sequence[str], composite_of: Callable[[Tile, str], NDArray[np.uint16] | None]
) -> Chip:
    west, south, east, north = shapely.transform(change.geometry, _to_mercator).bounds
    x, y = (west + east) / 2, (south + north) / 2
    scale = 1 / np.cos(np.radians(_MERCATOR.transform(x, y, direction="INVERSE")[1]))
    side_m = max(MIN_SIDE_M, max(east - west, north - south) / scale + 2 * MARGIN_M)
    size = min(round(side_m / PIXEL_M), MAX_SIDE_PX)
    half = side_m * scale / 2
    lon, lat = _MERCATOR.transform([x - half, x + half], [y - half, y + half], direction="INVERSE")
    transform = Affine(2 * half / size, 0, x - half, 0, -2 * half / size, y + half)
    tiles = tiles_of(shapely.box(lon[0], lat[0], lon[1], lat[1]))
    pictures = {}
    for period in periods:
        planes = np.full((len(BANDS), size, size), NODATA, dtype=np.uint16)
        for tile in tiles:
            composite = composite_of(tile, period)
            if composite is not None:
                _lay(planes, transform, tile, composite)
        for rendering in RENDERINGS:
            pictures[period, rendering.name] = png(planes, rendering)
    return Chip(change.change_id, (lon[0], lat[0], lon[1], lat[1]), float(side_m), pictures)


def _to_mercator(lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack(_MERCATOR.transform(lonlat[:, 0], lonlat[:, 1]))


def _lay(planes: NDArray[np.uint16], transform: Affine, tile: Tile, composite: NDArray[np.uint16]) -> None:
    """Fill what is still NODATA in `planes` from one tile; nearest neighbour, so no value is invented."""
    part = np.full_like(planes, NODATA)
    reproject(
        composite,
        part,
        src_transform=tile.geobox.transform,
        src_crs=f"EPSG:{tile.epsg}",
        src_nodata=NODATA,
        dst_transform=transform,
        dst_crs="EPSG:3857",
        dst_nodata=NODATA,
        resampling=Resampling.nearest,
    )
    np.copyto(planes, part, where=planes == NODATA)


def png(planes: NDArray[np.uint16], rendering: Rendering) -> bytes:
    """Reflectance x 10 000 (6, y, x) as a PNG of few colours; a pixel not observed in any band is transparent."""
    bands = planes[[BANDS.index(name) for name in rendering.bands]]
    unseen = (bands == NODATA).any(axis=0)
    stretched = np.clip((bands.astype(np.float64) - rendering.low) / (rendering.high - rendering.low), 0, 1)
    rgb = np.rint(255 * stretched ** (1 / rendering.gamma)).astype(np.uint8)
    rgb[:, unseen] = 0
    image = Image.fromarray(np.ascontiguousarray(np.moveaxis(rgb, 0, -1))).quantize(
        COLOURS - 1, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
    )
    index = np.asarray(image).copy()
    index[unseen] = COLOURS - 1
    picture = Image.fromarray(index)
    palette = bytes(image.getpalette() or [])[: 3 * (COLOURS - 1)]
    picture.putpalette(palette.ljust(3 * COLOURS, b"\0"))
    buffer = BytesIO()
    picture.save(buffer, format="PNG", optimize=True, transparency=COLOURS - 1)
    return buffer.getvalue()
