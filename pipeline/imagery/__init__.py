"""Imagery: scenes from a source, their radiometry and masks, and the composite of a period on a tile."""

from __future__ import annotations

from pathlib import Path

from pipeline import config
from pipeline.errors import BadInput
from pipeline.imagery.composite import PLANE_NAMES, Composite, build_composite
from pipeline.imagery.elevation import GLO30_FILES, DemFiles, ElevationSource, folder_dem
from pipeline.imagery.folder import FolderSource
from pipeline.imagery.looks import LookPlan, choose_looks
from pipeline.imagery.radar import RadarComposite, build_radar
from pipeline.imagery.radar_items import RadarFinder, RadarList, RadarScene
from pipeline.imagery.radar_raster import RADAR_NODATA
from pipeline.imagery.radiometry import DarkFloor, check_scene
from pipeline.imagery.registration import Shift, ShiftSeries, estimate_shift
from pipeline.imagery.safe_source import SafeSource, products_in
from pipeline.imagery.scene import (
    BANDS,
    NODATA,
    SCL,
    Asset,
    Bbox,
    Finder,
    RequestCost,
    Scene,
    SceneList,
    Skipped,
    Source,
    namesakes,
    newest_versions,
    touches,
)
from pipeline.imagery.stac import StacSource, access_of
from pipeline.imagery.terrain_block import BLOCK_PX, LAYERS, Block, in_units

__all__ = [
    "BANDS",
    "BLOCK_PX",
    "GLO30_FILES",
    "LAYERS",
    "NODATA",
    "PLANE_NAMES",
    "RADAR_NODATA",
    "SCL",
    "Asset",
    "Bbox",
    "Block",
    "Composite",
    "DarkFloor",
    "DemFiles",
    "ElevationSource",
    "Finder",
    "FolderSource",
    "LookPlan",
    "RadarComposite",
    "RadarFinder",
    "RadarList",
    "RadarScene",
    "RequestCost",
    "SafeSource",
    "Scene",
    "SceneList",
    "Shift",
    "ShiftSeries",
    "Skipped",
    "Source",
    "StacSource",
    "build_composite",
    "build_radar",
    "check_scene",
    "choose_looks",
    "estimate_shift",
    "folder_dem",
    "in_units",
    "namesakes",
    "newest_versions",
    "open_source",
    "products_in",
    "touches",
]


def open_source(settings: config.SourceConfig, base: Path, fetch: config.Fetch) -> Source:
    """The source that a config names; `base` is the folder that relative paths start from.

    Raises BadInput for a simulation whose archive is not made yet: make it, then open it as a folder.
    """
    if isinstance(settings, config.StacSource):
        access = access_of(settings, fetch)
        return StacSource(settings.url, settings.collections, settings.assets, fetch, access=access)
    if isinstance(settings, config.SafeSource):
        return SafeSource(base / settings.path)
    if isinstance(settings, config.SentinelHubSource):
        # Loaded with what it needs only where it is used.
        from pipeline.imagery.sentinelhub import SentinelHubSource

        return SentinelHubSource(settings, fetch)
    if isinstance(settings, config.FolderSource):
        return FolderSource(base / settings.path, None if settings.offset == "metadata" else int(settings.offset))
    if settings.archive is None or not (base / settings.archive).is_dir():
        raise BadInput(f"the archive of simulation {settings.scenario!r} is not made yet; run `placerwatch simulate`")
    return FolderSource(base / settings.archive, name="simulation")
