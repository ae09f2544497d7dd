"""Declared areas and the lattice they are watched on: the door of the room."""

from pipeline.areas.area import Area, Status, areas_hash, geodesic_area_km2, zones_of
from pipeline.areas.importing import import_boundary, import_from_file
from pipeline.areas.lattice import (
    COVERAGE_LAT,
    PIXEL_M,
    TILE_PX,
    Tile,
    cell_area_m2,
    from_lonlat,
    lonlat_bounds,
    owned,
    project,
    require_same,
    tiles_of,
    to_lonlat,
    utm_epsg,
    utm_name,
)
from pipeline.areas.listing import AreaRow, list_areas
from pipeline.areas.reading import read_areas
from pipeline.areas.zones import NOT_WATCHED, UNASSIGNED, overlaps, watch_tiles, zone_index

__all__ = [
    "COVERAGE_LAT",
    "NOT_WATCHED",
    "PIXEL_M",
    "TILE_PX",
    "UNASSIGNED",
    "Area",
    "AreaRow",
    "Status",
    "Tile",
    "areas_hash",
    "cell_area_m2",
    "from_lonlat",
    "geodesic_area_km2",
    "import_boundary",
    "import_from_file",
    "list_areas",
    "lonlat_bounds",
    "overlaps",
    "owned",
    "project",
    "read_areas",
    "require_same",
    "tiles_of",
    "to_lonlat",
    "utm_epsg",
    "utm_name",
    "watch_tiles",
    "zone_index",
    "zones_of",
]
