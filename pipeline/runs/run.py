"""One run of a programme, from its plan to a folder of sealed outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TypeVar

from pipeline.areas import areas_hash, overlaps
from pipeline.config_file import read_config
from pipeline.errors import StoreError
from pipeline.footprint import Layer
from pipeline.imagery import Block
from pipeline.reports import read_register
from pipeline.runs.assemble import RunTasks, assemble
from pipeline.runs.clock import Clock
from pipeline.runs.dating import date_openings
from pipeline.runs.estimate import estimate_run, require_within
from pipeline.runs.execute import Executor, Failure, Threads, open_executor, require_executor
from pipeline.runs.fetching import Fetcher
from pipeline.runs.keys import change_key, run_key
from pipeline.runs.manifest import Work
from pipeline.runs.plan import Plan, make_plan, open_programme_source, with_source
from pipeline.runs.progress import Reporter, Silent
from pipeline.runs.radar import RadarOutcome, run_radar
from pipeline.runs.registering import enter, keep, register_note, register_path
from pipeline.runs.run_folder import Finished, earlier_run, nothing_new, write_run
from pipeline.runs.scene_cache import cached
from pipeline.runs.stack import stacks
from pipeline.runs.store import Store
from pipeline.runs.tasks import SceneTask, TileOutcome, run_scene, run_tile
from pipeline.runs.terrain import TerrainOutcome, run_terrain, terrain_keys, terrain_tasks
from pipeline.runs.work import radar_tasks, tile_tasks

# Tasks of which the scenes are fetched while as many as there are workers compute.
_LEAD = 4
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class RunOptions:
    """What the command line may set beside the config; None leaves the config's word."""

    as_of: date
    out: Path
    executor: str | None = None
    workers: int | None = None
    scheduler: str | None = None
    source: str | None = None


def plan_programme(path: Path, options: RunOptions, reporter: Reporter) -> Plan:
    """Read a config and resolve it to scenes; reads no pixels."""
    file = with_source(read_config(path), options.source)
    return make_plan(file, open_programme_source(file, options.out / file.config.programme, reporter), options.as_of)


def run_programme(path: Path, options: RunOptions, reporter: Reporter | None = None) -> Finished:
    """Run a programme; see RunOptions. A run whose inputs were all seen before does nothing and says so.

    Raises BadInput, SourceUnavailable, ModelError or StoreError. Tiles and scenes that fail do not raise:
    they are named in the manifest and the exit code is 3.
    """
    reporter = reporter or Silent()
    clock = Clock()
    file = with_source(read_config(path), options.source)
    settings = file.config.run
    kind = options.executor or settings.executor
    workers = settings.workers if options.workers is None else options.workers
    require_executor(kind, workers)  # before a search that may take minutes
    home = options.out / file.config.programme
    for warning in overlaps(file.areas):
        reporter.say(f"note: {warning}")
    with clock.step("plan"):
        reporter.say(f"{file.config.title or file.config.programme}: looking for scenes")
        plan = make_plan(file, open_programme_source(file, home, reporter), options.as_of)
    store = Store(home / "store")
    if file.config.fetch.max_gb or file.config.fetch.max_processing_units:
        require_within(estimate_run(plan, home), file.config.fetch)
    register_file = register_path(file, home)
    register = read_register(register_file)  # a damaged one is told before the work, not after
    plan = replace(plan, source=cached(plan.source, store))
    skipped = len({scene for scenes in plan.left_out.values() for scene in scenes} - {s.id for s in plan.scenes})
    with (
        open_executor(kind, workers, options.scheduler) as executor,
        Fetcher(plan.source, file.config.fetch.in_flight, workers + _LEAD, skipped) as fetcher,
    ):
        run_tasks = partial(_map, executor, reporter, fetcher)
        with clock.step("terrain"):
            # What is fetched is fetched here: other machines need no account, and what is spent is counted.
            here = partial(_map, Threads(workers), reporter, fetcher) if plan.terrain.remote else run_tasks
            terrain = _make_terrain(plan, store, here, reporter)
        with clock.step("maps"):
            surfaces = terrain_keys(terrain)
            plan, rejected, outcomes = _make_maps(plan, surfaces, store, run_tasks)
        with clock.step("radar"):
            radar = _make_radar(plan, store, run_tasks)
        keys = [_keys(outcome) for outcome in outcomes]
        backscatter = [outcome.key if isinstance(outcome, RadarOutcome) else "" for outcome in radar]
        floor = file.config.footprint.min_observed_share
        areas_key = areas_hash(file.areas)
        maps_key = change_key(
            keys, areas_key, plan.periods, file.config.change, file.layers, floor, file.config.radar, backscatter
        )
        failed = Work(plan, rejected, outcomes, frozenset(), radar=radar, terrain=terrain).failed
        run_hash = run_key(maps_key, file, options.as_of, plan.limits, failed, sorted(surfaces.values()))
        earlier = earlier_run(home, run_hash)
        if earlier is not None:
            return nothing_new(home, earlier, register_file)
        run_id = f"{options.as_of}-{run_hash[:8]}"
        with clock.step("change"):
            tiles = stacks(outcomes, plan.tiles, len(plan.periods), file.areas, file.config.change, store, radar)
            layers = (Layer.of_zones(file.areas), *file.layers)
            assembled = assemble(
                tiles,
                plan.periods,
                layers,
                file.config.change,
                file.config.footprint,
                file.config.radar,
                maps_key,
                run_tasks,
            )
        with clock.step("dating"):
            assembled, dating = date_openings(assembled, plan, outcomes, file.config.change, store, run_tasks)
    work = Work(plan, rejected, outcomes, assembled.unseen, dating, radar, fetcher.tally, workers, terrain)
    with clock.step("register"):
        assembled, record = enter(assembled, work, run_hash, run_id, register)
    for sums in assembled.sums[1:]:
        if sums.shared:
            reporter.say(
                f"note: layer {sums.layer.name!r}: {sums.shared_ha:,.2f} ha lie in more than one unit; they "
                "count for the one that stands first in its file"
            )
    reporter.say("writing rasters, reports and the map")
    finished = write_run(home, run_id, maps_key, work, assembled, record, register_note(register, record), store, clock)
    keep(record, register_file)
    return finished


def _make_terrain(
    plan: Plan, store: Store, run_tasks: RunTasks, reporter: Reporter
) -> tuple[TerrainOutcome | Failure, ...]:
    """Bring the terrain of every block to the store; nothing where elevation is not in use."""
    for line in plan.terrain.limits:
        reporter.say(f"note: {line}")
    tasks = terrain_tasks(plan.terrain, plan.file.config.elevation, store)
    outcomes = tuple(run_tasks(run_terrain, tasks, "terrain")) if tasks else ()
    for outcome in outcomes:
        if isinstance(outcome, TerrainOutcome) and not outcome.known_share:
            reporter.say(f"note: {plan.terrain.name} has no elevation of {outcome.block.id}")
    return outcomes


def _make_maps(
    plan: Plan, surfaces: Mapping[Block, str], store: Store, run_tasks: RunTasks
) -> tuple[Plan, dict[str, str], tuple[TileOutcome | Failure, ...]]:
    """Check every scene, then bring every tile of every period to a stored map.

    Returns the plan without the scenes that were rejected, those with their reasons, and what became of each task.
    """
    scenes = plan.scenes
    answers = run_tasks(run_scene, [SceneTask(s, plan.source, store) for s in scenes], "scenes checked")
    rejected = {
        scene.id: answer.reason if isinstance(answer, Failure) else answer
        for scene, answer in zip(scenes, answers, strict=True)
        if answer is not None
    }
    plan = plan.without(tuple(rejected))
    outcomes = run_tasks(run_tile, tile_tasks(plan, surfaces, store), "maps")
    if outcomes and all(isinstance(outcome, Failure) for outcome in outcomes):
        # Nothing can be told of any place: this is a failed run, not an incomplete one.
        raise StoreError(f"every task failed; the first said: {outcomes[0].reason}")  # type: ignore[union-attr]
    return plan, rejected, tuple(outcomes)


def _make_radar(plan: Plan, store: Store, run_tasks: RunTasks) -> tuple[RadarOutcome | Failure, ...]:
    """Bring Sentinel-1 of every tile of every period to stored statistics; nothing where the source has none."""
    tasks = radar_tasks(plan, store)
    return tuple(run_tasks(run_radar, tasks, "radar")) if tasks else ()


def _map(
    executor: Executor, reporter: Reporter, fetcher: Fetcher, function: Callable[[T], R], tasks: Sequence[T], label: str
) -> list[R | Failure]:
    ready = fetcher.ahead(tasks)
    with reporter.step(label, len(tasks), None if ready is None else fetcher.told) as advance:
        return executor.map(function, tasks, advance, ready)


def _keys(outcome: TileOutcome | Failure) -> list[str]:
    return [outcome.composite_key, outcome.map_key] if isinstance(outcome, TileOutcome) else []
