"""Reports: change report and site list as GeoJSON, rasters as COG, the map, and the lines that end a run."""

from pipeline.reports.geojson import changes_geojson, sites_geojson
from pipeline.reports.map import write_map
from pipeline.reports.plain import summary
from pipeline.reports.rasters import CLASS_COLOURS, STATE_RASTER_COLOURS, write_cog
from pipeline.reports.register_gpkg import read_register, write_register
from pipeline.reports.result import RunResult

__all__ = [
    "CLASS_COLOURS",
    "STATE_RASTER_COLOURS",
    "RunResult",
    "changes_geojson",
    "read_register",
    "sites_geojson",
    "summary",
    "write_cog",
    "write_map",
    "write_register",
]
