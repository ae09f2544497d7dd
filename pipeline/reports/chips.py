"""Pictures of changed places in every period, in true and in short-wave infrared colour."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from io import BytesIO
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from PIL import Image
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.warp import reproject
from shapely.geometry.base import BaseGeometry

from pipeline.areas.lattice import PIXEL_M, Tile, tiles_of
from pipeline.change.site import SiteChange
from pipeline.imagery.scene import BANDS, NODATA
from pipeline.reports.result import RunResult
from pipeline.reports.unseen import unseen_ground

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


class Gallery:
    """What the pages of a run draw from its pixels: made once, however many pages and languages show it."""

    def __init__(self, result: RunResult) -> None:
        self.result = result
        self._made: dict[tuple[str, str], dict[tuple[str, str], bytes]] = {}
        # Neighbouring places share tiles; 24 composites of 3 MB are kept.
        self._composite_of = lru_cache(maxsize=24)(result.composite_of)

    @cached_property
    def unseen(self) -> list[dict[str, Any]]:
        """Watched ground that a period did not see; see unseen_ground."""
        return unseen_ground(self.result)

    def most_changed(self, limit: int) -> tuple[Chip, ...]:
        """Chips in every period of the `limit` places that changed most, those with most hectares first."""
        return self.chips(most_changed(self.result.changes)[:limit], [period.name for period in self.result.periods])

    def chips(self, changes: Sequence[SiteChange], periods: Sequence[str]) -> tuple[Chip, ...]:
        """Chips of some changes in some periods, in the order of the changes."""
        by_tile = sorted(changes, key=lambda c: (c.tiles, c.change_id))
        made = {change.change_id: self._chip(change, periods) for change in by_tile}
        return tuple(made[change.change_id] for change in changes)

    def _chip(self, change: SiteChange, periods: Sequence[str]) -> Chip:
        frame = _Frame.around(change.geometry)
        pictures: dict[tuple[str, str], bytes] = {}
        for period in periods:
            key = change.change_id, period
            if key not in self._made:
                planes = frame.planes(period, self._composite_of)
                self._made[key] = {(period, r.name): png(planes, r) for r in RENDERINGS}
            pictures |= self._made[key]
        return Chip(change.change_id, frame.bounds, frame.side_m, pictures)


@dataclass(frozen=True)
class _Frame:
    """The square that a chip shows: its bounds (west, south, east, north) in degrees, grid and tiles."""

    bounds: tuple[float, float, float, float]
    side_m: float
    size: int
    transform: Affine
    tiles: tuple[Tile, ...]

    @classmethod
    def around(cls, geometry: BaseGeometry) -> _Frame:
        """The square about a place, with a margin."""
        west, south, east, north = shapely.transform(geometry, _to_mercator).bounds
        x, y = (west + east) / 2, (south + north) / 2
        scale = 1 / np.cos(np.radians(_MERCATOR.transform(x, y, direction="INVERSE")[1]))
        side_m = max(MIN_SIDE_M, max(east - west, north - south) / scale + 2 * MARGIN_M)
        size = min(round(side_m / PIXEL_M), MAX_SIDE_PX)
        half = side_m * scale / 2
        lon, lat = _MERCATOR.transform([x - half, x + half], [y - half, y + half], direction="INVERSE")
        transform = Affine(2 * half / size, 0, x - half, 0, -2 * half / size, y + half)
        tiles = tuple(tiles_of(shapely.box(lon[0], lat[0], lon[1], lat[1])))
        return cls((lon[0], lat[0], lon[1], lat[1]), float(side_m), size, transform, tiles)

    def planes(self, period: str, composite_of: Callable[[Tile, str], NDArray[np.uint16] | None]) -> NDArray[np.uint16]:
        """Reflectance x 10 000 (6, y, x) of a period; 65535 where it was not observed."""
        planes = np.full((len(BANDS), self.size, self.size), NODATA, dtype=np.uint16)
        for tile in self.tiles:
            composite = composite_of(tile, period)
            if composite is not None:
                _lay(planes, self.transform, tile, composite)
        return planes


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
