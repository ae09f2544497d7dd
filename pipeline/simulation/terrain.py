"""Terrain: the drawn extent, and the drainage that forest, roads and workings follow.

Coordinates inside the simulation are metres east and south of the extent's north-west corner.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize
from scipy import ndimage
from shapely.geometry.base import BaseGeometry

from pipeline.areas.lattice import from_lonlat, to_lonlat
from pipeline.simulation.noise import enlarge, normals, stream
from pipeline.simulation.scenario import CELL_M, FINE_PER_PIXEL, PAD_CELLS, Granule, Scenario

Line = NDArray[np.float64]


@dataclass(frozen=True)
class Extent:
    """Drawn ground: north-west corner (m, in the UTM zone `epsg`) and size in cells of 2.5 m."""

    epsg: int
    left: int
    top: int
    cols: int
    rows: int

    @property
    def shape(self) -> tuple[int, int]:
        """Size in cells (rows, columns)."""
        return self.rows, self.cols

    @property
    def size_m(self) -> tuple[float, float]:
        """Width and height in metres."""
        return self.cols * CELL_M, self.rows * CELL_M


def extent_of(scenario: Scenario) -> Extent:
    """The ground to draw: all granules with their padding, in the zone of the first, edges on multiples of 20 m."""
    home = scenario.granules[0].epsg
    pad = PAD_CELLS * CELL_M
    corners = [_corners(granule, home, pad) for granule in scenario.granules]
    west, south, east, north = shapely.total_bounds(shapely.MultiPoint(np.concatenate(corners)))
    left, top = math.floor(west / 20) * 20, math.ceil(north / 20) * 20
    width, height = math.ceil((east - left) / 20) * 20, math.ceil((top - south) / 20) * 20
    return Extent(home, left, top, round(width / CELL_M), round(height / CELL_M))


def _corners(granule: Granule, home: int, pad: float) -> Line:
    xs = np.array([granule.left - pad, granule.left + granule.cols * 10 + pad])
    ys = np.array([granule.top + pad, granule.top - granule.rows * 10 - pad])
    x, y = (a.ravel() for a in np.meshgrid(xs, ys))
    if granule.epsg != home:
        x, y = from_lonlat(home).transform(*to_lonlat(granule.epsg).transform(x, y))
    return np.asarray(np.round(np.column_stack([x, y]), 3), np.float64)


def burn_in(
    shapes: Iterable[tuple[BaseGeometry, int]], shape: tuple[int, int], cell_m: float = CELL_M
) -> NDArray[np.uint8]:
    """Shapes with values drawn on a grid (y, x); 0 elsewhere, later shapes over earlier ones."""
    pairs = [(geometry, value) for geometry, value in shapes if not geometry.is_empty]
    if not pairs:
        return np.zeros(shape, np.uint8)
    return np.asarray(rasterize(pairs, shape, transform=Affine.scale(cell_m), dtype="uint8"))


@dataclass(frozen=True)
class Drainage:
    """Centre lines (n, 2) of the river and its streams, with widths in metres."""

    river: Line
    river_width_m: float
    streams: tuple[tuple[Line, float], ...]

    def distances(self, shape: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Distance in metres of each cell (y, x) to the river's and to the nearest stream's centre line."""
        coarse = (shape[0] // FINE_PER_PIXEL, shape[1] // FINE_PER_PIXEL)
        cell = CELL_M * FINE_PER_PIXEL
        lines = [[shapely.LineString(self.river)], [shapely.LineString(line) for line, _ in self.streams]]
        grids = []
        for group in lines:
            drawn = burn_in(((line.buffer(cell * 0.6), 1) for line in group), coarse, cell)
            away = ndimage.distance_transform_edt(drawn == 0)  # type: ignore[attr-defined]
            grids.append(enlarge((away * cell).astype(np.float32), FINE_PER_PIXEL))
        return grids[0], grids[1]


def make_drainage(scenario: Scenario, size_m: tuple[float, float]) -> Drainage:
    """A meandering river from west to east, and streams that join it through tributaries of two orders."""
    width, height = size_m
    rng = stream(scenario.seed, "drainage")
    valley = scenario.landscape == "valley"
    along = np.arange(-600.0, width + 600.0, 15.0)
    y = height * (0.42 + 0.16 * rng.random()) + (along - width / 2) * (rng.random() - 0.5) * 0.25
    x = along.copy()
    for wavelength, across, shear in ((4200, 330, 0), (1750, 210, 120), (820, 105, 95), (390, 26, 18)):
        phase, stretch = rng.random() * 2 * math.pi, 0.85 + 0.3 * rng.random()
        turn = 2 * math.pi * along / (wavelength * stretch) + phase
        y = y + (1.0 if valley else 0.7) * across * np.sin(turn)
        x = x + shear * np.sin(2 * turn + 0.6)
    river = np.asarray(np.round(np.column_stack([x, y]), 2), np.float64)
    streams: list[tuple[Line, float]] = []
    spacing = 1150.0 if valley else 1000.0
    at, side = spacing * rng.random(), 1
    while at < width:
        start = river[int(np.argmin(np.abs(river[:, 0] - at)))]
        heading = side * (math.pi / 2 + (rng.random() - 0.5) * 0.9)
        trunk = _wander(rng, start, heading, 1400 + 3400 * rng.random())
        streams.append((trunk, 3.5 + 4 * rng.random()))
        for share in (0.35, 0.62, 0.8):
            if rng.random() < 0.75:
                knee = trunk[int(share * (len(trunk) - 1))]
                turn_by = (1 if rng.random() < 0.5 else -1) * (0.6 + 0.5 * rng.random())
                branch = _wander(rng, knee, heading + turn_by, 500 + 1500 * rng.random())
                streams.append((branch, 2.0 + 2 * rng.random()))
        at += spacing * (0.6 + 0.8 * rng.random())
        side = -side
    return Drainage(river, 34.0 if valley else 20.0, tuple(streams))


def _wander(rng: np.random.Generator, start: Line, heading: float, length: float) -> Line:
    steps = int(length / 20)
    bends = normals(rng, steps)
    points, turn = [start], 0.0
    for bend in bends:
        turn = 0.86 * turn + 0.16 * float(bend)
        points.append(points[-1] + 20.0 * np.array([math.cos(heading + turn), math.sin(heading + turn)]))
    return np.asarray(np.round(np.array(points), 2), np.float64)
