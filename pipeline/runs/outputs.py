"""The files of a run, written from what was assembled."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

import pipeline
from pipeline.areas import NOT_WATCHED, Tile, zone_index, zones_of
from pipeline.change import CLASS_NAMES, OUTSIDE, STATE_NAMES, STATE_OUTSIDE, RunRecord, same_season
from pipeline.errors import StoreError
from pipeline.footprint import Provenance, delve_csv
from pipeline.imagery import LAYERS, NODATA, Block
from pipeline.reports import (
    CLASS_COLOURS,
    STATE_RASTER_COLOURS,
    RunResult,
    changes_geojson,
    sites_geojson,
    write_cog,
    write_map,
)
from pipeline.runs.assemble import Assembled
from pipeline.runs.manifest import Work
from pipeline.runs.radar import RadarOutcome
from pipeline.runs.stack import LazyTiles
from pipeline.runs.store import Store, write_whole
from pipeline.runs.tasks import MAP, TileOutcome, load_composite
from pipeline.runs.terrain import TABLE, TERRAIN, terrain_csv, terrain_keys
from pipeline.runs.tile_steps import CLASSES


def run_result(work: Work, assembled: Assembled, run_id: str, store: Store) -> RunResult:
    """What the reports tell of a run."""
    plan = work.plan
    config = plan.file.config
    composites: dict[tuple[Tile, str], str] = {}
    scenes: dict[Tile, dict[str, tuple[str, ...]]] = {}
    for item, outcome in zip(plan.work, work.outcomes, strict=True):
        if isinstance(outcome, TileOutcome):
            composites[item.tile, item.period.name] = outcome.composite_key
            unread = {skipped.scene_id for skipped in outcome.skipped if skipped.failed}
            ids = tuple(scene.id for scene in item.looks.period if scene.id not in unread)
            scenes.setdefault(item.tile, {})[item.period.name] = ids

    radar_scenes = _radar_scenes(work)

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


def write_outputs(folder: Path, result: RunResult, work: Work, assembled: Assembled, store: Store) -> None:
    """Write every report and raster of a run below a folder; raises StoreError if it cannot be written."""
    try:
        write_whole(folder / "changes.geojson", changes_geojson(result).encode())
        write_whole(folder / "sites.geojson", sites_geojson(result).encode())
        write_whole(folder / "registration.csv", assembled.registration.encode())
        write_whole(folder / "footprint.csv", assembled.footprint.to_csv().encode())
        write_whole(folder / "footprint.json", assembled.footprint.to_json().encode())
        write_whole(folder / "trends.csv", assembled.trends.to_csv().encode())
        write_whole(folder / "trends.json", assembled.trends.to_json().encode())
        write_whole(folder / "delve.csv", _delve(result, work, assembled).encode())
        _write_rasters(folder / "rasters", result, work, assembled, store)
        write_map(result, folder / "map.html", work.plan.file.config.reports.max_chips)
    except OSError as error:
        raise StoreError(f"the outputs cannot be written to {folder}: {error.strerror}; free space") from error


def _delve(result: RunResult, work: Work, assembled: Assembled) -> str:
    licence = work.plan.file.config.footprint.licence
    provenance = Provenance.of_run(result.programme, result.run_id, work.plan.source.name, licence)
    return delve_csv(result.footprint, assembled.trends.places, result.periods, provenance)


def _write_rasters(folder: Path, result: RunResult, work: Work, assembled: Assembled, store: Store) -> None:
    tags = {"run_id": result.run_id, "generated_by": result.generated_by}

    def classes(plane: int) -> LazyTiles:
        return LazyTiles(assembled.class_keys, lambda _, key: store.get_plane(CLASSES, key, plane))

    def probability(_: Tile, key: str) -> NDArray[np.uint16]:
        bare, pond = store.get_planes(MAP, key)
        return np.where(bare == NODATA, NODATA, bare + pond).astype(np.uint16)

    def looks(tile: Tile, key: str) -> NDArray[np.uint16]:
        return load_composite(store, key, tile).looks

    for number, period in enumerate(result.periods):
        name = f"class_{period.name}.tif"
        legend = _legend(CLASS_NAMES)
        write_cog(folder / name, classes(number), nodata=OUTSIDE, colormap=CLASS_COLOURS, description=legend, tags=tags)
        done = [o for o in work.outcomes if isinstance(o, TileOutcome) and o.period == period.name]
        if done:
            maps = LazyTiles({o.tile: o.map_key for o in done}, probability)
            legend = "probability of workings x 10000"
            write_cog(folder / f"probability_{period.name}.tif", maps, nodata=NODATA, description=legend, tags=tags)
            counts = LazyTiles({o.tile: o.composite_key for o in done}, looks)
            name = f"clear-looks_{period.name}.tif"
            write_cog(folder / name, counts, nodata=NODATA, description="number of clear looks", tags=tags)
    zones = [(zone.zone_id, zone.name) for zone in zones_of(result.areas)]
    numbered = {0: "unassigned", **dict(enumerate((name for _, name in zones), 1))}
    write_cog(
        folder / "zone.tif",
        LazyTiles(assembled.class_keys, lambda tile, _: zone_index(tile, result.areas)),
        nodata=NOT_WATCHED,
        description=_legend(numbered),
        tags={**tags, "zones": json.dumps(zones)},
    )
    if result.before is not None:
        name = f"change_{result.before.name}_{result.after.name}.tif"
        plane, legend = classes(len(result.periods)), _legend(STATE_NAMES)
        write_cog(
            folder / name, plane, nodata=STATE_OUTSIDE, colormap=STATE_RASTER_COLOURS, description=legend, tags=tags
        )


def write_terrain(folder: Path, result: RunResult, work: Work, record: RunRecord, store: Store) -> None:
    """Write the layers of terrain and what they are at the sites; nothing where the run has no elevation."""
    keys = terrain_keys(work.terrain)
    if not keys:
        return
    write_whole(folder / TABLE, terrain_csv(record, keys, store).encode())
    tags = {"run_id": result.run_id, "generated_by": result.generated_by, "elevation": work.plan.terrain.name}
    for number, (name, scale) in enumerate(LAYERS.items()):
        layer = _layer(keys, work.plan.tiles, number, store)
        title = f"{name} x {scale}" if scale > 1 else name
        path = folder / "rasters" / f"{name.rpartition('_')[0].replace('_', '-')}.tif"
        write_cog(path, layer, nodata=NODATA, description=title, tags=tags)


def _layer(keys: Mapping[Block, str], tiles: Sequence[Tile], number: int, store: Store) -> LazyTiles:
    """One layer of the tiles whose block is stored; of the blocks the last ones asked for stay in memory."""
    read = lru_cache(maxsize=16)(lambda key: store.get_plane(TERRAIN, key, number)[np.newaxis])
    named = {tile: keys[Block.of(tile)] for tile in tiles if Block.of(tile) in keys}
    return LazyTiles(named, lambda tile, key: Block.of(tile).on_tile(read(key), tile)[0])


def _legend(names: Mapping[int, str]) -> str:
    return "; ".join(f"{code} {name}" for code, name in names.items())
