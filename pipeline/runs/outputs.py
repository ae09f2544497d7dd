"""The files of a run, written from what was assembled."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

import pipeline
from pipeline.areas import NOT_WATCHED, Tile, zone_index, zones_of
from pipeline.change import CLASS_NAMES, OUTSIDE, STATE_NAMES, STATE_OUTSIDE, RunRecord, same_season
from pipeline.config import Period
from pipeline.errors import StoreError
from pipeline.footprint import Provenance, delve_csv
from pipeline.imagery import LAYERS, NODATA, Block
from pipeline.reports import (
    CLASS_COLOURS,
    STATE_RASTER_COLOURS,
    RasterFile,
    RunResult,
    SceneRead,
    result_json,
    write_cog,
    write_pages,
    write_stac,
    write_tables,
)
from pipeline.runs.assemble import Assembled
from pipeline.runs.manifest import Work
from pipeline.runs.radar import RadarOutcome
from pipeline.runs.stack import LazyTiles
from pipeline.runs.store import Store, write_whole
from pipeline.runs.tasks import MAP, TileOutcome, load_composite
from pipeline.runs.terrain import TABLE, TERRAIN, terrain_csv, terrain_keys
from pipeline.runs.tile_steps import CLASSES

RESULT = "result.json"


def composite_keys(work: Work) -> dict[tuple[Tile, str], str]:
    """Under which key the store has the composite of a tile and a period."""
    done = zip(work.plan.work, work.outcomes, strict=True)
    return {(i.tile, i.period.name): o.composite_key for i, o in done if isinstance(o, TileOutcome)}


def run_result(work: Work, assembled: Assembled, run_id: str, key: str, store: Store) -> RunResult:
    """What the reports tell of a run; `key` is the hash of all that decides its outputs."""
    plan = work.plan
    config = plan.file.config
    composites = composite_keys(work)
    scenes: dict[Tile, dict[str, tuple[str, ...]]] = {}
    for item, outcome in zip(plan.work, work.outcomes, strict=True):
        if isinstance(outcome, TileOutcome):
            unread = {skipped.scene_id for skipped in outcome.skipped if skipped.failed}
            ids = tuple(scene.id for scene in item.looks.period if scene.id not in unread)
            scenes.setdefault(item.tile, {})[item.period.name] = ids

    radar_scenes = _radar_scenes(work)
    read = {scene for periods in scenes.values() for ids in periods.values() for scene in ids}

    def composite_of(tile: Tile, period: str) -> NDArray[np.uint16] | None:
        key = composites.get((tile, period))
        return None if key is None else load_composite(store, key, tile).reflectance

    watched = next(row for row in assembled.footprint.rows[::-1] if row.zone_id == "total")
    return RunResult(
        programme=config.programme,
        title=config.title,
        run_id=run_id,
        as_of=plan.as_of,
        periods=plan.periods,
        areas=plan.file.areas,
        changes=assembled.changes,
        sites=assembled.sites,
        footprint=assembled.footprint,
        totals={"observed_share": watched.observed_share},
        # Of a path only the name: where it lies is nobody else's business.
        model={"name": PurePath(config.disturbance.model).name, "sha256": plan.model_sha256},
        generated_by=f"placerwatch {pipeline.__version__}",
        scenes=scenes,
        limits=plan.limits,
        composite_of=composite_of,
        radar_scenes=radar_scenes,
        trends=assembled.trends,
        scene_list=tuple(
            SceneRead(scene.id, scene.acquired.date(), scene.baseline or "")
            for scene in sorted(plan.scenes, key=lambda scene: (scene.acquired, scene.id))
            if scene.id in read
        ),
        key=key,
    )


def _radar_scenes(work: Work) -> dict[Tile, tuple[str, ...]]:
    """Sentinel-1 scenes of the last period and of that of the same season which it is compared with, by tile."""
    plan, last = work.plan, len(work.plan.periods) - 1
    reference = same_season(plan.periods, last - 1, last)
    if reference is None:
        return {}
    compared = {plan.periods[reference].name, plan.periods[last].name}
    found: dict[Tile, tuple[str, ...]] = {}
    for item, scenes, outcome in zip(plan.work, plan.radar.work, work.radar, strict=False):
        if isinstance(outcome, RadarOutcome) and item.period.name in compared:
            unread = {skipped.scene_id for skipped in outcome.skipped}
            found[item.tile] = found.get(item.tile, ()) + tuple(s.id for s in scenes if s.id not in unread)
    return found


def write_outputs(
    folder: Path, result: RunResult, work: Work, assembled: Assembled, store: Store, terrain: Sequence[RasterFile]
) -> None:
    """Write every report and raster of a run below a folder; raises StoreError if it cannot be written.

    `terrain` are rasters that are there already, for the catalogue.
    """
    try:
        write_tables(folder, result)
        write_whole(folder / RESULT, result_json(result, composite_keys(work)).encode())
        write_whole(folder / "registration.csv", assembled.registration.encode())
        write_whole(folder / "footprint.csv", assembled.footprint.to_csv().encode())
        write_whole(folder / "footprint.json", assembled.footprint.to_json().encode())
        write_whole(folder / "trends.csv", assembled.trends.to_csv().encode())
        write_whole(folder / "trends.json", assembled.trends.to_json().encode())
        write_whole(folder / "delve.csv", _delve(result, work, assembled).encode())
        rasters = _write_rasters(folder / "rasters", result, work, assembled, store)
        write_stac(folder / "stac", result, [*rasters, *terrain])
        reports = work.plan.file.config.reports
        write_pages(folder, result, reports.languages, reports.languages[0], reports.max_chips)
    except OSError as error:
        raise StoreError(f"the outputs cannot be written to {folder}: {error.strerror}; free space") from error


def _delve(result: RunResult, work: Work, assembled: Assembled) -> str:
    licence = work.plan.file.config.footprint.licence
    provenance = Provenance.of_run(result.programme, result.run_id, work.plan.source.name, licence)
    return delve_csv(result.footprint, assembled.trends.places, result.periods, provenance)


def _write_rasters(folder: Path, result: RunResult, work: Work, assembled: Assembled, store: Store) -> list[RasterFile]:
    written: list[RasterFile] = []
    tags = {"run_id": result.run_id, "generated_by": result.generated_by}

    def write(name: str, spans: Sequence[Period], tiles: LazyTiles, nodata: int, legend: str, **more: Any) -> None:
        paths = write_cog(folder / f"{name}.tif", tiles, nodata=nodata, description=legend, **{"tags": tags, **more})
        title = name.replace("_", " ")
        written.extend(RasterFile(path, spans[0].start, spans[-1].end, title) for path in paths)

    def classes(plane: int) -> LazyTiles:
        return LazyTiles(assembled.class_keys, lambda _, key: store.get_plane(CLASSES, key, plane))

    def probability(_: Tile, key: str) -> NDArray[np.uint16]:
        bare, pond = store.get_planes(MAP, key)
        return np.where(bare == NODATA, NODATA, bare + pond).astype(np.uint16)

    def looks(tile: Tile, key: str) -> NDArray[np.uint16]:
        return load_composite(store, key, tile).looks

    for number, period in enumerate(result.periods):
        legend = _legend(CLASS_NAMES)
        write(f"class_{period.name}", [period], classes(number), OUTSIDE, legend, colormap=CLASS_COLOURS)
        done = [o for o in work.outcomes if isinstance(o, TileOutcome) and o.period == period.name]
        if done:
            maps = LazyTiles({o.tile: o.map_key for o in done}, probability)
            write(f"probability_{period.name}", [period], maps, NODATA, "probability of workings x 10000")
            counts = LazyTiles({o.tile: o.composite_key for o in done}, looks)
            write(f"clear-looks_{period.name}", [period], counts, NODATA, "number of clear looks")
    zones = [(zone.zone_id, zone.name) for zone in zones_of(result.areas)]
    numbered = {0: "unassigned", **dict(enumerate((name for _, name in zones), 1))}
    index = LazyTiles(assembled.class_keys, lambda tile, _: zone_index(tile, result.areas))
    more = {"tags": {**tags, "zones": json.dumps(zones)}}
    write("zone", result.periods, index, NOT_WATCHED, _legend(numbered), **more)
    if result.before is not None:
        name, legend = f"change_{result.before.name}_{result.after.name}", _legend(STATE_NAMES)
        spans, plane = [result.before, result.after], classes(len(result.periods))
        write(name, spans, plane, STATE_OUTSIDE, legend, colormap=STATE_RASTER_COLOURS)
    return written


def write_terrain(folder: Path, result: RunResult, work: Work, record: RunRecord, store: Store) -> list[RasterFile]:
    """Write the layers of terrain and what they are at the sites; nothing where the run has no elevation."""
    keys = terrain_keys(work.terrain)
    if not keys:
        return []
    written: list[RasterFile] = []
    write_whole(folder / TABLE, terrain_csv(record, keys, store).encode())
    tags = {"run_id": result.run_id, "generated_by": result.generated_by, "elevation": work.plan.terrain.name}
    for number, (name, scale) in enumerate(LAYERS.items()):
        layer = _layer(keys, work.plan.tiles, number, store)
        title = f"{name} x {scale}" if scale > 1 else name
        path = folder / "rasters" / f"{name.rpartition('_')[0].replace('_', '-')}.tif"
        paths = write_cog(path, layer, nodata=NODATA, description=title, tags=tags)
        start, end = result.periods[0].start, result.periods[-1].end
        written += [RasterFile(file, start, end, title) for file in paths]
    return written


def _layer(keys: Mapping[Block, str], tiles: Sequence[Tile], number: int, store: Store) -> LazyTiles:
    """One layer of the tiles whose block is stored; of the blocks the last ones asked for stay in memory."""
    read = lru_cache(maxsize=16)(lambda key: store.get_plane(TERRAIN, key, number)[np.newaxis])
    named = {tile: keys[Block.of(tile)] for tile in tiles if Block.of(tile) in keys}
    return LazyTiles(named, lambda tile, key: Block.of(tile).on_tile(read(key), tile)[0])


def _legend(names: Mapping[int, str]) -> str:
    return "; ".join(f"{code} {name}" for code, name in names.items())
