"""A set grid over the globe: cells of about equal side that stand for places in a public release."""

from __future__ import annotations

import math
from dataclasses import dataclass

import shapely
from shapely.geometry.base import BaseGeometry

_KM_PER_DEGREE = 111.195
_BAND = 5.0  # degrees of latitude in which cells stand above each other


@dataclass(frozen=True, order=True)
class Cell:
    """One cell: its row from the south pole and its column from 180 W, both from 0."""

    row: int
    col: int

    @property
    def name(self) -> str:
        """A name that says no more than the cell itself."""
        return f"cell-{self.row:05d}-{self.col:05d}"


@dataclass(frozen=True)
class Grid:
    """Rows at least `side_km` high, each cut into as many equal columns as make cells at least so wide."""

    side_km: float

    @property
    def _step(self) -> float:
        return 180 / max(1, math.floor(180 * _KM_PER_DEGREE / self.side_km))

    def _columns(self, row: int) -> int:
        # By the end of the band that is nearer to a pole: cells are nowhere narrower than the side.
        south = math.floor((row * self._step - 90) / _BAND) * _BAND
        narrow = min(max(abs(south), abs(south + _BAND + self._step)), 90)
        return max(1, math.floor(360 * _KM_PER_DEGREE * math.cos(math.radians(narrow)) / self.side_km))

    def cell(self, lon: float, lat: float) -> Cell:
        """The cell that a place lies in."""
        row = min(int((lat + 90) // self._step), round(180 / self._step) - 1)
        columns = self._columns(row)
        return Cell(row, min(int((lon + 180) / 360 * columns), columns - 1))

    def outline(self, cell: Cell) -> BaseGeometry:
        """The cell in lon/lat."""
        width, south = 360 / self._columns(cell.row), cell.row * self._step - 90
        west = cell.col * width - 180
        return shapely.box(west, south, west + width, south + self._step)

    def around(self, shape: BaseGeometry) -> BaseGeometry:
        """A box of whole cells about a shape."""
        west, south, east, north = shape.bounds
        corners = [self.outline(self.cell(x, y)) for x in (west, east) for y in (south, north)]
        return shapely.box(*shapely.total_bounds(corners))
