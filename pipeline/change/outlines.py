"""Outlines of pixels, and the tiles that hold them."""

from __future__ import annotations

import numpy as np
import rasterio.features
import shapely
from affine import Affine
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from pipeline.areas.lattice import PIXEL_M, TILE_PX, Tile, to_lonlat

_DEGREE_DECIMALS = 6


def tiles_of(epsg: NDArray[np.int32], row: NDArray[np.int32], col: NDArray[np.int32]) -> tuple[Tile, ...]:
    """Tiles that hold some pixels, sorted."""
    blocks = np.stack([epsg, col // TILE_PX, -(row // TILE_PX) - 1])
    return tuple(Tile(*map(int, block)) for block in np.unique(blocks, axis=1).T)


def geometry_of(epsg: NDArray[np.int32], row: NDArray[np.int32], col: NDArray[np.int32]) -> BaseGeometry:
    """Outline of some pixels in lon/lat, valid, six decimals, exterior rings counterclockwise (RFC 7946)."""
    parts = []
    for code in np.unique(epsg):
        own = epsg == code
        parts.append(_outline(int(code), row[own], col[own]))
    whole = shapely.set_precision(shapely.union_all(parts), 10.0**-_DEGREE_DECIMALS)
    rounded = shapely.transform(whole, lambda xy: np.round(xy, _DEGREE_DECIMALS))
    return shapely.orient_polygons(shapely.normalize(rounded), exterior_cw=False)


def local_mask(row: NDArray[np.int32], col: NDArray[np.int32]) -> tuple[NDArray[np.bool_], int, int]:
    """Pixels as a mask of their bounding box, with the lattice row and column of its north-west corner."""
    top, left = int(row.min()), int(col.min())
    mask = np.zeros((int(row.max()) - top + 1, int(col.max()) - left + 1), bool)
    mask[row - top, col - left] = True
    return mask, top, left


def _outline(epsg: int, row: NDArray[np.int32], col: NDArray[np.int32]) -> BaseGeometry:
    mask, top, left = local_mask(row, col)
    transform = Affine(PIXEL_M, 0, left * PIXEL_M, 0, -PIXEL_M, -top * PIXEL_M)
    rings = rasterio.features.shapes(mask.astype(np.uint8), mask, connectivity=4, transform=transform)
    # Diagonal neighbours meet in a point, where a ring may touch itself: legal once it is split there.
    polygons = shapely.make_valid(
        MultiPolygon([Polygon(edge, holes) for edge, *holes in (ring["coordinates"] for ring, _ in rings)])
    )
    project = to_lonlat(epsg)
    return shapely.transform(polygons, lambda xy: np.column_stack(project.transform(xy[:, 0], xy[:, 1])))
