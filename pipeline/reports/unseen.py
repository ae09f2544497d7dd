"""Watched ground that a period did not see, coarse enough to be hatched on a map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from pipeline.areas.lattice import TILE_PX, Tile, tiles_of, to_lonlat
from pipeline.imagery.scene import NODATA
from pipeline.reports.result import RunResult

CELLS = 32  # on a side of a tile: 160 m each
_PX = TILE_PX // CELLS
Rectangle = tuple[int, int, int, int]


def unseen_ground(result: RunResult) -> list[dict[str, Any]]:
    """Tiles with watched ground that a period did not see.

    `corners` are lon/lat from the north-west, clockwise; `periods` has, by the number of a period, first row, first
    column, last row and last column (both beyond) of each rectangle of cells. A cell of 160 m is unseen where its
    centre is watched and most of its pixels have no clear look.
    """
    areas = [area.geometry for area in result.areas]
    for area in areas:
        shapely.prepare(area)
    told = []
    for tile in sorted({tile for area in areas for tile in tiles_of(area)}):
        watched = _watched(tile, areas)
        if not watched.any():
            continue
        periods = {}
        for number, period in enumerate(result.periods):
            cells = rectangles(watched & _unseen(result.composite_of(tile, period.name)))
            if cells:
                periods[str(number)] = [edge for cell in cells for edge in cell]
        if periods:
            told.append({"corners": _corners(tile), "side": CELLS, "periods": periods})
    return told


def _watched(tile: Tile, areas: Sequence[shapely.Geometry]) -> NDArray[np.bool_]:
    lon, lat = _places(tile, (np.arange(CELLS) + 0.5) / CELLS)
    inside = np.zeros((CELLS, CELLS), np.bool_)
    for area in areas:
        inside |= shapely.contains_xy(area, lon, lat)
    return inside


def _unseen(composite: NDArray[np.uint16] | None) -> NDArray[np.bool_]:
    if composite is None:
        return np.ones((CELLS, CELLS), np.bool_)
    missing = (composite == NODATA).any(axis=0).reshape(CELLS, _PX, CELLS, _PX)
    most: NDArray[np.bool_] = missing.mean(axis=(1, 3)) > 0.5
    return most


def rectangles(mask: NDArray[np.bool_]) -> list[Rectangle]:
    """Rectangles that cover the True cells of a mask (y, x), each cell once: runs of a row, joined downwards."""
    found: list[Rectangle] = []
    growing: dict[tuple[int, int], int] = {}
    for row in range(len(mask) + 1):
        line = mask[row] if row < len(mask) else np.zeros(mask.shape[1], np.bool_)
        edges = np.flatnonzero(np.diff(line.astype(np.int8), prepend=0, append=0)).tolist()
        runs = set(zip(edges[::2], edges[1::2], strict=True))
        ended = sorted(growing.keys() - runs)
        found += [(growing.pop(run), run[0], row, run[1]) for run in ended]
        growing |= dict.fromkeys(runs - growing.keys(), row)
    return sorted(found)


def _corners(tile: Tile) -> list[list[float]]:
    lon, lat = (np.round(axis, 6) for axis in _places(tile, np.array([0.0, 1.0])))
    return [[float(lon[r, c]), float(lat[r, c])] for r, c in ((0, 0), (0, 1), (1, 1), (1, 0))]


def _places(tile: Tile, share: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Longitudes and latitudes (y, x) at shares of a tile's sides, from its north-west corner."""
    box = tile.geobox.boundingbox
    x, y = np.meshgrid(box.left + share * box.span_x, box.top - share * box.span_y)
    lon, lat = to_lonlat(tile.epsg).transform(x, y)
    return np.asarray(lon), np.asarray(lat)
