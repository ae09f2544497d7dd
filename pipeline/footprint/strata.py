"""Strata: the ground of a run cut into parts that are sampled at rates of their own; each pixel is in one."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from scipy import ndimage
from shapely.geometry.base import BaseGeometry

from pipeline.areas import PIXEL_M, TILE_PX, Tile, lonlat_bounds, project
from pipeline.areas.geometry import BadGeometry, place_of, polygon_of
from pipeline.areas.reading import describe, load_features
from pipeline.change.states import CONTINUING, NEW, RECOVERED, UNDISTURBED, WATER_LEVEL
from pipeline.errors import BadInput, Problems

MAX_BUFFER_M = 5000
MAX_WIDTH_M = 10_000
_DEG_PER_M = 1 / 110_000

# In the order in which ground is given away: what belongs to two strata belongs to the first.
STRATA = {
    "new": "mapped as new workings",
    "recovered": "mapped as recovered",
    "stable": "mapped as workings at both dates",
    "buffer": "near mapped ground",
    "drainage": "drainage corridor",
    "rest": "all other ground",
}
NAMES = tuple(STRATA)
NOT_IN_FRAME = len(NAMES)
_NEW, _RECOVERED, _STABLE, _BUFFER, _DRAINAGE, _REST = range(len(NAMES))
MAPPED = {NEW: _NEW, RECOVERED: _RECOVERED, CONTINUING: _STABLE}


def strata_of(
    state: NDArray[np.uint8], near_mapped: NDArray[np.bool_], near_drainage: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Stratum of each pixel as an index into NAMES, same shape, from its change state.

    NOT_IN_FRAME is ground that was not observed in both periods, or that is not watched.
    """
    stratum = np.full(state.shape, NOT_IN_FRAME, np.uint8)
    quiet = (state == UNDISTURBED) | (state == WATER_LEVEL)
    stratum[quiet] = _REST
    stratum[quiet & near_drainage] = _DRAINAGE
    stratum[quiet & near_mapped] = _BUFFER
    for code, number in MAPPED.items():
        stratum[state == code] = number
    return stratum


def is_mapped(state: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether a pixel is on the map as workings in either period, from its change state; same shape."""
    mapped: NDArray[np.bool_] = np.isin(state, list(MAPPED))
    return mapped


def within(mapped: NDArray[np.bool_], distance_m: float) -> NDArray[np.bool_]:
    """Pixels whose centre lies within a distance of the centre of a mapped one, same shape.

    Ground beyond the array is not looked at: pad it by `halo_px(distance_m)`.
    """
    if distance_m <= 0 or not mapped.any():
        return np.zeros(mapped.shape, np.bool_)
    apart = ndimage.distance_transform_edt(~mapped)  # type: ignore[attr-defined]
    near: NDArray[np.bool_] = apart * PIXEL_M <= distance_m
    return near


def halo_px(distance_m: float) -> int:
    """Pixels around a tile that a distance reaches into."""
    return math.ceil(distance_m / PIXEL_M)


class Corridor(Protocol):
    """Ground along drainage, on all sides of it by `width_m`; `file` and `sha256` tell what it follows."""

    @property
    def file(self) -> str: ...  # noqa: D102
    @property
    def sha256(self) -> str: ...  # noqa: D102
    @property
    def width_m(self) -> float: ...  # noqa: D102

    def corridor(self, tile: Tile) -> NDArray[np.bool_]:
        """Pixels of a tile (512, 512) in the corridor."""
        ...


def require_width(width_m: float) -> None:
    """Raises BadInput unless a corridor can be so wide."""
    if not 0 < width_m <= MAX_WIDTH_M:
        raise BadInput(f"--drainage-width {width_m:g}: expected more than 0 and up to {MAX_WIDTH_M} m")


@dataclass(frozen=True)
class Drainage:
    """Lines and polygons of a drainage layer in longitude and latitude, each with `width_m` of ground on all sides."""

    file: str
    sha256: str
    width_m: float
    shapes: tuple[BaseGeometry, ...]

    @classmethod
    def read(cls, path: Path, width_m: float) -> Drainage:
        """The layer of a GeoJSON file; raises Problems that names every feature at fault, or BadInput."""
        require_width(width_m)
        shapes, problems = [], []
        for number, feature in enumerate(load_features(path), start=1):
            try:
                shapes.append(_shape_of(feature))
            except BadGeometry as error:
                problems.append(f"{describe(feature, number)}: {error}")
        if not shapes and not problems:
            problems.append("holds no feature; give lines or polygons of rivers, or leave --drainage away")
        if problems:
            raise Problems(f"drainage layer {path}", problems)
        return cls(path.name, hashlib.sha256(path.read_bytes()).hexdigest(), width_m, tuple(shapes))

    def corridor(self, tile: Tile) -> NDArray[np.bool_]:
        """Pixels of a tile (512, 512) whose centre lies within `width_m` of the layer, measured in the tile's UTM."""
        inside = np.zeros((TILE_PX, TILE_PX), np.bool_)
        window = window_around(tile, self.width_m)
        hits = self._tree.query(window, "intersects")
        # Cut to the window first: a river of a whole country is projected only where it is near.
        parts = [shapely.intersection(self.shapes[hit], window) for hit in sorted(hits.tolist())]
        near = [shapely.buffer(project(part, tile.epsg), self.width_m) for part in parts if not part.is_empty]
        if near:
            geobox = tile.geobox
            inside |= rasterize(near, geobox.shape, transform=geobox.affine, dtype=np.uint8) > 0
        return inside

    @cached_property
    def _tree(self) -> shapely.STRtree:
        return shapely.STRtree(self.shapes)


def window_around(tile: Tile, width_m: float) -> BaseGeometry:
    """Lon/lat box around a tile and what lies within a width of it."""
    west, south, east, north = lonlat_bounds(tile.epsg, tile.geobox)
    up = width_m * _DEG_PER_M
    across = up / max(math.cos(math.radians(max(abs(south), abs(north)))), 0.05)
    return shapely.box(west - across, south - up, east + across, north + up)


def _shape_of(feature: Any) -> BaseGeometry:
    geometry = feature.get("geometry") if isinstance(feature, dict) else None
    if not isinstance(geometry, dict):
        raise BadGeometry("has no geometry; export the layer as GeoJSON (RFC 7946)")
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind in ("Polygon", "MultiPolygon"):
        return polygon_of(geometry)
    if kind not in ("LineString", "MultiLineString"):
        raise BadGeometry(f"its geometry is of type {kind!r}: a drainage layer holds lines and polygons")
    lines = [coordinates] if kind == "LineString" else coordinates
    if not isinstance(lines, list) or not lines:
        raise BadGeometry("its geometry is empty: draw the line or remove the feature")
    return shapely.MultiLineString([_line(line) for line in lines])


def _line(line: Any) -> list[tuple[float, float]]:
    if not isinstance(line, list) or len(line) < 2:
        raise BadGeometry("a line needs at least two positions")
    places = [place_of(position) for position in line]
    for lon, lat in places:
        if abs(lon) > 180 or abs(lat) > 90:
            raise BadGeometry(f"{lon:g}, {lat:g} is no place: write [longitude, latitude] in degrees (EPSG:4326)")
    return places
