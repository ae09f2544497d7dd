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
    river = _meander(rng, width, height, 1.0 if valley else 0.75)
    streams: list[tuple[Line, float]] = []
    taken = [river]

    def grow(start: Line, heading: float, length: float, width_m: float) -> Line:
        line = _wander(rng, start, heading, length, np.concatenate(taken))
        if len(line) > 15:
            streams.append((line, width_m))
            taken.append(line)
        return line

    spacing = 900.0 if valley else 800.0
    at, side = spacing * rng.random(), 1
    while at < width:
        start = river[int(np.argmin(np.abs(river[:, 0] - at)))]
        heading = side * (math.pi / 2 + (rng.random() - 0.5) * 1.1)
        trunk = grow(start, heading, 2400 + 3400 * rng.random(), 3.5 + 4 * rng.random())
        for share in (0.3, 0.52, 0.7, 0.86):
            if rng.random() < 0.8:
                knee = trunk[int(share * (len(trunk) - 1))]
                turn_by = (1 if rng.random() < 0.5 else -1) * (0.6 + 0.6 * rng.random())
                branch = grow(knee, heading + turn_by, 500 + 1700 * rng.random(), 2.0 + 2 * rng.random())
                twig = branch[int(0.5 * (len(branch) - 1))]
                grow(twig, heading + turn_by * (rng.random() - 0.6), 400 + 700 * rng.random(), 2.0)
        at += spacing * (0.6 + 0.8 * rng.random())
        side = -side
    return Drainage(river, 34.0 if valley else 20.0, tuple(streams))


def _meander(rng: np.random.Generator, width: float, height: float, swing: float) -> Line:
    """A sine-generated curve (Langbein and Leopold 1966): the heading swings along the channel, bend by bend."""
    middle, lean = height * (0.44 + 0.12 * rng.random()), height * (0.10 + 0.08 * rng.random())
    turn, reach = 2 * math.pi * rng.random(), width * (0.75 + 0.4 * rng.random())

    def axis(x: float) -> float:
        return middle + lean * math.sin(turn + 2 * math.pi * x / reach)

    x, y, phase = -600.0, axis(-600.0), 2 * math.pi * rng.random()
    amplitude, wavelength = 1.0, 900.0
    points = [(x, y)]
    while x < width + 600:
        along = math.atan((axis(x + 200) - axis(x)) / 200) - 0.6 * math.tanh((y - axis(x)) / 500)
        heading = along + swing * amplitude * math.sin(phase)
        x, y = round(x + 12 * math.cos(heading), 3), round(y + 12 * math.sin(heading), 3)
        points.append((x, y))
        turned = phase + 2 * math.pi * 12 / wavelength
        if int(turned / math.pi) > int(phase / math.pi):  # a new bend begins while the heading is level
            amplitude, wavelength = 0.35 + 1.25 * rng.random(), 480 + 950 * rng.random()
        phase = turned
    return np.array(points)


def _wander(rng: np.random.Generator, start: Line, heading: float, length: float, taken: Line) -> Line:
    """A watercourse from its mouth upwards; it ends where it would come within 240 m of another."""
    steps = int(length / 20)
    points, turn = [start], 0.0
    for step, bend in enumerate(normals(rng, steps)):
        turn = 0.88 * turn + 0.24 * float(bend)
        ahead = np.array([math.cos(heading + turn), math.sin(heading + turn)])
        points.append(np.round(points[-1] + 20.0 * ahead, 2))
        away = taken - points[-1]
        if step > 16 and float((away[:, 0] ** 2 + away[:, 1] ** 2).min()) < 240.0**2:
            break
    return np.asarray(np.array(points), np.float64)
