"""Reports: map and dossier in several languages, tables and rasters for others' tools, and the lines that end a run."""

from pipeline.reports.files import write_pages, write_tables
from pipeline.reports.geojson import changes_geojson, sites_geojson
from pipeline.reports.map import write_map
from pipeline.reports.plain import summary
from pipeline.reports.rasters import CLASS_COLOURS, STATE_RASTER_COLOURS, write_cog
from pipeline.reports.register_gpkg import read_register, write_register
from pipeline.reports.release import publish
from pipeline.reports.result import RunResult, SceneRead
from pipeline.reports.stac import RasterFile, write_stac
from pipeline.reports.stored import read_result, result_json

__all__ = [
    "CLASS_COLOURS",
    "STATE_RASTER_COLOURS",
    "RasterFile",
    "RunResult",
    "SceneRead",
    "changes_geojson",
    "publish",
    "read_register",
    "read_result",
    "result_json",
    "sites_geojson",
    "summary",
    "write_cog",
    "write_map",
    "write_pages",
    "write_register",
    "write_stac",
    "write_tables",
]
