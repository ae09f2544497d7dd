"""Sentinel-1 in a run: which scenes serve which tile and period, and their statistics, stored as maps are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from time import perf_counter

import numpy as np

from pipeline import config
from pipeline.areas import Tile, lonlat_bounds
from pipeline.change import RADAR_HALO_PX
from pipeline.config_file import ConfigFile
from pipeline.errors import AccessRefused, SourceUnavailable
from pipeline.imagery import (
    RADAR_NODATA,
    RadarComposite,
    RadarFinder,
    RadarScene,
    Skipped,
    Source,
    build_radar,
    touches,
)
from pipeline.runs.keys import radar_key
from pipeline.runs.scene_cache import Wanted
from pipeline.runs.searches import joined_boxes, joined_spans
from pipeline.runs.store import Store

RADAR = "radar"
_AROUND_DEG = 0.06  # beyond an area, so that halos and surroundings are found


@dataclass(frozen=True)
class RadarPlan:
    """The Sentinel-1 scenes of each tile and period, in the order of the plan's work; empty where there are none."""

    work: tuple[tuple[RadarScene, ...], ...] = ()
    skipped: tuple[Skipped, ...] = ()

    @property
    def scenes(self) -> tuple[RadarScene, ...]:
        """Every scene that some tile uses, once, by time."""
        used = {scene.id: scene for scenes in self.work for scene in scenes}
        return tuple(sorted(used.values(), key=lambda scene: (scene.acquired, scene.id)))


def plan_radar(
    source: Source, file: ConfigFile, tiles: Sequence[Tile], periods: Sequence[config.Period], as_of: date
) -> RadarPlan:
    """Find the scenes of every period up to a day.

    A source without Sentinel-1 gives none. One that does not answer is named as failed, and the run goes on with
    optical imagery alone: what it tells is then incomplete, not wrong.
    """
    settings = file.config.radar
    if settings.use == "off" or not isinstance(source, RadarFinder):
        return RadarPlan()
    found: dict[str, RadarScene] = {}
    skipped: dict[Skipped, None] = {}
    spans = [(period.start, min(period.end, as_of)) for period in periods]
    for reach in joined_boxes([area.geometry.bounds for area in file.areas], _AROUND_DEG):
        for start, end in joined_spans(spans):
            try:
                answer = source.find_radar(reach, start, end, settings.collection)
            except AccessRefused:
                raise
            except SourceUnavailable as error:
                reason = f"{error}; or set radar.use to off"
                return RadarPlan(skipped=(Skipped(settings.collection, reason, failed=True),))
            found.update({scene.id: scene for scene in answer.scenes})
            skipped.update(dict.fromkeys(answer.skipped))
    scenes = sorted(found.values(), key=lambda scene: (scene.acquired, scene.id))
    work = []
    for tile in tiles:
        box = lonlat_bounds(tile.epsg, tile.padded(_reach_px(settings)))
        near = [scene for scene in scenes if scene.bbox is None or touches(scene.bbox, box)]
        work += [tuple(s for s in near if start <= s.acquired.date() <= end) for start, end in spans]
    return RadarPlan(tuple(work), tuple(skipped))


def _reach_px(settings: config.Radar) -> int:
    """How far beyond its tile a task reads, pixels."""
    return RADAR_HALO_PX + settings.multilook_px // 2 + round(settings.surroundings_m / 10)


@dataclass(frozen=True)
class RadarTask:
    """The looks of one tile and period; picklable, so that it runs anywhere."""

    tile: Tile
    period: str
    scenes: tuple[RadarScene, ...]
    settings: config.Radar
    source: RadarFinder
    store: Store

    def wanted(self) -> list[Wanted]:
        """Every look on the tile and its surroundings; nothing if the statistics are stored."""
        if self.store.report(RADAR, radar_key(self.tile, self.scenes, self.settings, RADAR_HALO_PX)) is not None:
            return []
        return [Wanted(scene, self.tile, _reach_px(self.settings)) for scene in self.scenes]


@dataclass(frozen=True)
class RadarOutcome:
    """What became of a task: "none" without scenes, else "computed" or "reused"; the key is empty where there is none.

    `measured_share` is the share of the tile with a minimum from at least one track.
    """

    tile: Tile
    period: str
    state: str
    key: str = ""
    measured_share: float = 0.0
    skipped: tuple[Skipped, ...] = field(default=())
    seconds: float = 0.0


def run_radar(task: RadarTask) -> RadarOutcome:
    """Bring one tile of one period to stored statistics of backscatter, if they are not there yet."""
    start = perf_counter()
    if not task.scenes:
        return RadarOutcome(task.tile, task.period, "none")
    key = radar_key(task.tile, task.scenes, task.settings, RADAR_HALO_PX)
    seal = task.store.seal(RADAR, key)
    skipped: tuple[Skipped, ...] = ()
    state = "reused"
    if seal is None:
        state = "computed"
        composite, skipped = build_radar(task.source, task.scenes, task.tile.padded(RADAR_HALO_PX), task.settings)
        broken = {item.scene_id for item in skipped}
        if not composite.lines:
            return RadarOutcome(task.tile, task.period, state, skipped=skipped)
        # What lacks a broken scene is stored as what it is, so the next run tries that scene again.
        key = radar_key(task.tile, [s for s in task.scenes if s.id not in broken], task.settings, RADAR_HALO_PX)
        minima = composite.minima()
        share = float((minima != RADAR_NODATA).any(axis=0).mean())
        seal = {"lines": list(composite.lines), "measured_share": share}
        task.store.put_planes(RADAR, key, composite.to_planes(), composite.geobox, composite.names, seal)
    return RadarOutcome(
        tile=task.tile,
        period=task.period,
        state=state,
        key=key,
        measured_share=seal["measured_share"],
        skipped=skipped,
        seconds=round(perf_counter() - start, 3),
    )


def load_radar(store: Store, key: str, tile: Tile) -> RadarComposite:
    """Stored statistics of a tile with its halo, without looks if the key is empty; raises StoreError."""
    geobox = tile.padded(RADAR_HALO_PX)
    if not key:
        return RadarComposite.empty(geobox)
    planes = store.get_planes(RADAR, key)
    seal = store.seal(RADAR, key) or {}
    return RadarComposite.from_planes(geobox, seal["lines"], np.asarray(planes))
