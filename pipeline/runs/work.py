"""The tasks of a plan that read scenes."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.imagery import Block, RadarFinder
from pipeline.runs.plan import Plan
from pipeline.runs.radar import RadarTask
from pipeline.runs.store import Store
from pipeline.runs.tasks import TileTask
from pipeline.runs.terrain import terrain_of


def tile_tasks(plan: Plan, surfaces: Mapping[Block, str], store: Store) -> list[TileTask]:
    """A map of each tile and period; `surfaces` are the keys of stored blocks of terrain."""
    return [
        TileTask(
            item.tile,
            item.period.name,
            item.looks,
            plan.file.config.imagery,
            plan.source,
            plan.model,
            plan.model_sha256,
            store,
            terrain_of(plan.terrain, surfaces, item.tile),
        )
        for item in plan.work
    ]


def radar_tasks(plan: Plan, store: Store) -> list[RadarTask]:
    """Statistics of Sentinel-1 of each tile and period; none where the source has none."""
    source = plan.source
    if not plan.radar.scenes or not isinstance(source, RadarFinder):
        return []
    return [
        RadarTask(item.tile, item.period.name, scenes, plan.file.config.radar, source, store)
        for item, scenes in zip(plan.work, plan.radar.work, strict=True)
    ]
