"""Blocks that terrain is computed on: fixed on the lattice, so that no tile's terrain depends on who asks for it.

A block is 6 x 6 tiles, 30.72 km a side, of cells of 30 m. It is computed on a window that reaches 15.36 km farther on
all sides, and only its own cells are kept. Where a large river comes in from beyond the window its upstream area is
too small; it still counts as drainage once the ground of the window that it drains exceeds the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from pipeline.areas.lattice import PIXEL_M, TILE_M, TILE_PX, Tile, utm_name
from pipeline.imagery.elevation import ElevationSource
from pipeline.imagery.scene import NODATA

CELL_M = 30  # that GLO-30 has
# Names of the layers, and whole numbers to a unit in which they are stored.
LAYERS = {"slope_deg": 100, "height_above_drainage_m": 10, "distance_to_drainage_m": 1}
BLOCK_TILES = 6
BLOCK_CELLS = BLOCK_TILES * TILE_M // CELL_M
MARGIN_CELLS = 512
_STEP = CELL_M // PIXEL_M
BLOCK_PX = BLOCK_TILES * TILE_PX


@dataclass(frozen=True, order=True)
class Block:
    """A block of tiles: `col` and `row` count blocks east and north from the zone's origin."""

    epsg: int
    col: int
    row: int

    @classmethod
    def holding(cls, epsg: int, row: int, col: int) -> Block:
        """The block that holds a pixel of the lattice."""
        return cls(epsg, col // BLOCK_PX, -(row // BLOCK_PX) - 1)

    @classmethod
    def of(cls, tile: Tile) -> Block:
        """The block that holds a tile."""
        return cls.holding(tile.epsg, *tile.origin_px)

    @property
    def id(self) -> str:
        """Name such as `33N-block-013-0017`."""
        return f"{utm_name(self.epsg)}-block-{self.col:03d}-{self.row:04d}"

    @property
    def geobox(self) -> GeoBox:
        """Geobox of its own cells, (1024, 1024)."""
        left, bottom = (number * BLOCK_TILES * TILE_M for number in (self.col, self.row))
        side = BLOCK_TILES * TILE_M
        box = left, bottom, left + side, bottom + side
        return GeoBox.from_bbox(box, crs=f"EPSG:{self.epsg}", shape=(BLOCK_CELLS, BLOCK_CELLS))

    @property
    def window(self) -> GeoBox:
        """Geobox that it is computed on, (2048, 2048)."""
        return self.geobox.pad(MARGIN_CELLS)

    def build(self, source: ElevationSource, drainage_km2: float) -> NDArray[np.uint16]:
        """Its layers (3, 1024, 1024) in the order and the units of LAYERS, 65535 where unknown.

        Raises SceneRejected if the elevation cannot be read.
        """
        # Loading the hydrology takes a third of a second, which a run without elevation need not wait for.
        from pipeline.imagery.terrain import build_terrain

        terrain = build_terrain(source.read_elevation(self.window), CELL_M, drainage_km2)
        inner = np.s_[MARGIN_CELLS:-MARGIN_CELLS, MARGIN_CELLS:-MARGIN_CELLS]
        return np.stack([_stored(getattr(terrain, name)[inner], scale) for name, scale in LAYERS.items()])

    def on_tile(self, layers: NDArray[np.uint16], tile: Tile) -> NDArray[np.uint16]:
        """Layers of one of its tiles, (3, 512, 512)."""
        (top, left), index = tile.origin_px, np.arange(TILE_PX)
        return self.at(layers, top + index[:, np.newaxis], left + index)

    def at(self, layers: NDArray[np.uint16], row: NDArray[np.int64], col: NDArray[np.int64]) -> NDArray[np.uint16]:
        """Layers (3, …) at pixels of the lattice that lie in it: each has the cell that its centre lies in."""
        cell_row, cell_col = row // _STEP + (self.row + 1) * BLOCK_CELLS, col // _STEP - self.col * BLOCK_CELLS
        found: NDArray[np.uint16] = layers[:, cell_row, cell_col]
        return found


def in_units(layers: NDArray[np.uint16]) -> dict[str, NDArray[np.float32]]:
    """Stored layers (3, …) by name in degrees and metres, NaN where unknown."""
    return {
        name: np.where(plane == NODATA, np.nan, plane / scale).astype(np.float32)
        for plane, (name, scale) in zip(layers, LAYERS.items(), strict=True)
    }


def _stored(plane: NDArray[np.float32], scale: int) -> NDArray[np.uint16]:
    known = np.isfinite(plane)
    number = np.clip(np.rint(np.where(known, plane, 0) * scale), 0, NODATA - 1)
    return np.where(known, number, NODATA).astype(np.uint16)
