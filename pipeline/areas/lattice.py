"""The lattice: one 10 m grid per UTM zone, cut into fixed tiles of 512 x 512 pixels.

Pixel edges lie on multiples of 10 m, as Sentinel-2's own do. Ground is owned by the UTM zone in whose
six-degree strip the pixel centre falls, so an area that crosses a zone meridian or the equator is counted once.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Proj, Transformer
from shapely.geometry.base import BaseGeometry

from pipeline.errors import BadInput, LatticeMismatch

PIXEL_M = 10
TILE_PX = 512
TILE_M = PIXEL_M * TILE_PX
# Sentinel-2's regular acquisition plan covers land between 56 S and 83 N; UTM itself ends at 84 N.
COVERAGE_LAT = (-56.0, 83.0)

_TILE_ID = re.compile(r"(\d{2})([NS])-(\d{3})-(\d{4})")


@dataclass(frozen=True, order=True)
class Tile:
    """A 512 x 512 block of the lattice: `col` and `row` count blocks east and north from the zone's origin."""

    epsg: int
    col: int
    row: int

    @property
    def id(self) -> str:
        """Name such as `33N-081-0102` (UTM zone, column, row)."""
        return f"{utm_name(self.epsg)}-{self.col:03d}-{self.row:04d}"

    @classmethod
    def from_id(cls, name: str) -> Tile:
        """The tile of a name; raises BadInput if it is not one."""
        match = _TILE_ID.fullmatch(name)
        if match is None or not 1 <= int(match[1]) <= 60:
            raise BadInput(f"tile {name!r}: expected a name such as 33N-081-0102")
        return cls(int(match[1]) + (32600 if match[2] == "N" else 32700), int(match[3]), int(match[4]))

    @property
    def geobox(self) -> GeoBox:
        """Geobox of shape (512, 512)."""
        return self.padded(0)

    def padded(self, halo_px: int) -> GeoBox:
        """Geobox with `halo_px` more pixels on each side, on the same lattice."""
        left = self.col * TILE_M - halo_px * PIXEL_M
        top = (self.row + 1) * TILE_M + halo_px * PIXEL_M
        side = TILE_PX + 2 * halo_px
        return GeoBox.from_bbox(
            (left, top - side * PIXEL_M, left + side * PIXEL_M, top), crs=f"EPSG:{self.epsg}", shape=(side, side)
        )

    @property
    def origin_px(self) -> tuple[int, int]:
        """Lattice row and column of the north-west pixel (row counts south from the zone's false origin)."""
        return -(self.row + 1) * TILE_PX, self.col * TILE_PX


def utm_name(epsg: int) -> str:
    """`33N` for EPSG:32633, `33S` for EPSG:32733."""
    return f"{epsg % 100:02d}{'N' if epsg // 100 == 326 else 'S'}"


def utm_epsg(lon: float, lat: float) -> int:
    """EPSG code of the UTM zone that owns a place (degrees); a meridian belongs to the zone east of it."""
    zone = min(math.floor((lon + 180.0) / 6.0) + 1, 60)
    return (32600 if lat >= 0 else 32700) + zone


def strip_bounds(epsg: int) -> tuple[float, float, float, float]:
    """West, south, east, north (degrees) of the strip a UTM zone owns."""
    west = (epsg % 100 - 1) * 6.0 - 180.0
    south, north = (0.0, 84.0) if epsg // 100 == 326 else (-80.0, 0.0)
    return west, south, west + 6.0, north


@lru_cache(maxsize=64)
def to_lonlat(epsg: int) -> Transformer:
    """Transformer from a UTM zone (easting, northing in metres) to longitude and latitude (degrees)."""
    return Transformer.from_crs(epsg, 4326, always_xy=True)


@lru_cache(maxsize=64)
def from_lonlat(epsg: int) -> Transformer:
    """Transformer from longitude and latitude (degrees) to a UTM zone (metres)."""
    return Transformer.from_crs(4326, epsg, always_xy=True)


def lonlat_bounds(epsg: int, geobox: GeoBox) -> tuple[float, float, float, float]:
    """West, south, east, north (degrees) of a geobox of a UTM zone."""
    bounds: tuple[float, float, float, float] = to_lonlat(epsg).transform_bounds(*geobox.boundingbox.bbox)
    return bounds


def project(geometry: BaseGeometry, epsg: int) -> BaseGeometry:
    """A lon/lat geometry in a UTM zone, its edges densified to 0.01 degrees so that they stay true."""
    dense = shapely.segmentize(geometry, 0.01)
    forward = from_lonlat(epsg)
    return shapely.transform(dense, lambda xy: np.column_stack(forward.transform(xy[:, 0], xy[:, 1])))


def tiles_of(geometry: BaseGeometry) -> list[Tile]:
    """Tiles that a lon/lat geometry touches, each UTM zone cut at its strip, sorted."""
    west, _, east, _ = geometry.bounds
    tiles: set[Tile] = set()
    zones = range(utm_epsg(west, 0.0) % 100, utm_epsg(east, 0.0) % 100 + 1)
    for zone in zones:
        for base in (32600, 32700):
            epsg = base + zone
            part = shapely.intersection(geometry, shapely.box(*strip_bounds(epsg)))
            if part.area == 0:
                continue
            tiles.update(_tiles_in_zone(project(part, epsg), epsg))
    return sorted(tiles)


def _tiles_in_zone(geometry: BaseGeometry, epsg: int) -> list[Tile]:
    west, south, east, north = geometry.bounds
    cols = np.arange(math.floor(west / TILE_M), math.floor(east / TILE_M) + 1)
    rows = np.arange(math.floor(south / TILE_M), math.floor(north / TILE_M) + 1)
    col, row = (a.ravel() for a in np.meshgrid(cols, rows))
    boxes = shapely.box(col * TILE_M, row * TILE_M, (col + 1) * TILE_M, (row + 1) * TILE_M)
    shapely.prepare(geometry)
    # Interiors must meet: a tile that only shares an edge with the area holds none of its pixels.
    hit = shapely.intersects(geometry, boxes) & ~shapely.touches(geometry, boxes)
    return [Tile(epsg, int(c), int(r)) for c, r in zip(col[hit], row[hit], strict=True)]


def owned(tile: Tile) -> NDArray[np.bool_]:
    """Mask (512, 512) of pixels whose centre lies in the strip of the tile's UTM zone."""
    index, ends = np.arange(TILE_PX), np.array([0, TILE_PX - 1])
    rim = np.concatenate([_in_strip(tile, ends, index).ravel(), _in_strip(tile, index, ends).ravel()])
    # A strip has no holes: where it holds the whole rim of a tile it holds the tile, and most tiles are such.
    return np.ones((TILE_PX, TILE_PX), dtype=bool) if rim.all() else _in_strip(tile, index, index)


def _in_strip(tile: Tile, rows: NDArray[np.int_], cols: NDArray[np.int_]) -> NDArray[np.bool_]:
    x = tile.col * TILE_M + (cols + 0.5) * PIXEL_M
    y = (tile.row + 1) * TILE_M - (rows + 0.5) * PIXEL_M
    lon, lat = to_lonlat(tile.epsg).transform(*np.meshgrid(x, y))
    west, south, east, north = strip_bounds(tile.epsg)
    inside: NDArray[np.bool_] = (lon >= west) & (lon < east) & (lat >= south) & (lat < north)
    return inside


def cell_area_m2(tile: Tile) -> NDArray[np.float64]:
    """True area on the WGS 84 ellipsoid of each pixel, (512, 512), square metres.

    The areal scale of transverse Mercator is evaluated by PROJ on a 17 x 17 grid of pixel centres and
    interpolated linearly; its curvature over 320 m is 1e-9 of the value.
    """
    knots = np.linspace(0, TILE_PX - 1, 17)
    x = tile.col * TILE_M + (knots + 0.5) * PIXEL_M
    y = (tile.row + 1) * TILE_M - (knots + 0.5) * PIXEL_M
    grid_x, grid_y = np.meshgrid(x, y)
    lon, lat = to_lonlat(tile.epsg).transform(grid_x, grid_y)
    scale = np.asarray(Proj(tile.epsg).get_factors(lon, lat).areal_scale)
    index = np.arange(TILE_PX)
    along = np.array([np.interp(index, knots, line) for line in PIXEL_M**2 / scale])
    return np.array([np.interp(index, knots, column) for column in along.T]).T.copy()


def require_same(a: GeoBox, b: GeoBox) -> None:
    """Raise LatticeMismatch unless two geoboxes are equal in shape, transform and CRS."""
    if a != b:
        raise LatticeMismatch(f"rasters on different grids may not be combined: {a!r} against {b!r}")
