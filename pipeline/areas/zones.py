"""Zones on the raster: which pixel belongs to which declared zone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from shapely.geometry.base import BaseGeometry

from pipeline.areas.area import Area, geodesic_area_km2, zones_of
from pipeline.areas.lattice import PIXEL_M, TILE_PX, Tile, owned, project, strip_bounds, tiles_of, to_lonlat

NOT_WATCHED = -1
UNASSIGNED = 0
_MARGIN_DEG = 0.01


def watch_tiles(areas: Sequence[Area]) -> list[Tile]:
    """Every tile that holds a pixel of an area, once, sorted."""
    touched = sorted({tile for area in areas for tile in tiles_of(area.geometry)})
    return [tile for tile in touched if (zone_index(tile, areas) != NOT_WATCHED).any()]


def zone_index(tile: Tile, areas: Sequence[Area]) -> NDArray[np.int16]:
    """Zone of each pixel of a tile by its centre, (512, 512).

    -1 not watched (outside every area, or owned by another UTM zone), 0 unassigned (in an extent only),
    i >= 1 the i-th of `zones_of(areas)`; where zones overlap the first declared has the ground.
    """
    window = _lonlat_window(tile)
    zones = zones_of(areas)
    numbered = [(area, UNASSIGNED) for area in areas if area.role != "zone"]
    # Later shapes are burnt over earlier ones, so the first zone comes last.
    numbered += [(zone, number) for number, zone in reversed(list(enumerate(zones, start=1)))]
    shapes = []
    for area, number in numbered:
        part = shapely.intersection(area.geometry, window)
        if part.area > 0:
            shapes.append((project(part, tile.epsg), number))
    index: NDArray[np.int16] = np.full((TILE_PX, TILE_PX), NOT_WATCHED, dtype=np.int16)
    if shapes:
        rasterize(shapes, out=index, transform=tile.geobox.transform)
        index[~owned(tile)] = NOT_WATCHED
    return index


def overlaps(areas: Sequence[Area]) -> tuple[str, ...]:
    """One warning for each pair of zones that share at least a pixel of ground, in declared order."""
    zones = zones_of(areas)
    if len(zones) < 2:
        return ()
    tree = shapely.STRtree([zone.geometry for zone in zones])
    pairs = sorted(
        {(min(a, b), max(a, b)) for a, b in tree.query([z.geometry for z in zones], "intersects").T.tolist() if a != b}
    )
    found = []
    for first, second in pairs:
        shared = geodesic_area_km2(shapely.intersection(zones[first].geometry, zones[second].geometry))
        if shared * 1e6 >= PIXEL_M**2:
            found.append(
                f"zones {zones[first].zone_id!r} and {zones[second].zone_id!r} overlap on {shared:.2f} km2: "
                f"that ground counts for {zones[first].zone_id!r}, which is declared first"
            )
    return tuple(found)


def _lonlat_window(tile: Tile) -> BaseGeometry:
    """Lon/lat box around a tile, within its UTM strip, with a margin so that no cut runs through an owned pixel."""
    bounds = tile.geobox.boundingbox
    edge = np.linspace(0.0, 1.0, 17)
    x, y = np.meshgrid(bounds.left + edge * bounds.span_x, bounds.bottom + edge * bounds.span_y)
    lon, lat = to_lonlat(tile.epsg).transform(x, y)
    tile_box = shapely.box(lon.min(), lat.min(), lon.max(), lat.max())
    window: BaseGeometry = shapely.intersection(tile_box, shapely.box(*strip_bounds(tile.epsg)))
    return window.buffer(_MARGIN_DEG, join_style="mitre")
