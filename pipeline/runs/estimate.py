"""What a run would fetch and how long it would take, before it fetches a pixel."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pipeline import config
from pipeline.errors import BadInput
from pipeline.imagery import RadarScene, RequestCost, Scene, Source
from pipeline.runs.fetching import Reads
from pipeline.runs.inspect import read_manifest
from pipeline.runs.plan import Plan
from pipeline.runs.scene_cache import CachedSource, Wanted, cached
from pipeline.runs.store import Store
from pipeline.runs.tasks import COMPOSITE, MAP, SceneTask, TileTask
from pipeline.runs.terrain import TERRAIN, TerrainTask, terrain_tasks
from pipeline.runs.work import radar_tasks, tile_tasks


@dataclass(frozen=True)
class Rates:
    """Wall seconds of one read and of one computed task, as an earlier run had them; None where it did none."""

    run_id: str
    read_s: float | None
    task_s: float | None


@dataclass(frozen=True)
class Estimate:
    """Reads of scenes on tiles (`reads` to fetch, `kept` in the store), what the first would cost, tasks to compute.

    `blocks` are those of which elevation is fetched; they are part of the cost.
    """

    reads: int
    kept: int
    cost: RequestCost
    tasks: int
    remote: bool
    rates: Rates | None = None
    blocks: int = 0

    @property
    def fetching_s(self) -> float | None:
        """Seconds of fetching at the rate of an earlier run."""
        return None if self.rates is None or self.rates.read_s is None else self.reads * self.rates.read_s

    @property
    def computing_s(self) -> float | None:
        """Seconds of computing at the rate of an earlier run."""
        return None if self.rates is None or self.rates.task_s is None else self.tasks * self.rates.task_s

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "to_fetch": self.reads,
            "kept": self.kept,
            "blocks_of_elevation": self.blocks,
            **asdict(self.cost),
            "tasks": self.tasks,
            "seconds_fetching": self.fetching_s,
            "seconds_computing": self.computing_s,
            "rates_of": self.rates and self.rates.run_id,
        }

    def describe(self) -> list[str]:
        """In words, a line each."""
        lines = []
        if not self.remote:
            lines.append("  to fetch: nothing, the scenes lie on disk")
        else:
            lines.append(
                f"  to fetch: {self.reads} reads of scenes; {self.kept} more are in the store and cost nothing"
            )
        if self.blocks:
            lines.append(f"  elevation to fetch: {self.blocks} block{'s' * (self.blocks > 1)} of 31 km")
        if self.remote or self.blocks:
            units = f", {self.cost.processing_units:,.0f} processing units" if self.cost.processing_units else ""
            lines.append(f"  by estimate {self.cost.requests:,} requests{units}, {self.cost.bytes / 1e9:,.2f} GB")
        if self.rates is None:
            lines.append(f"  time: no run yet to go by; {self.tasks} tiles and periods to compute")
        else:
            fetching = "" if not self.remote else f"fetching {_time(self.fetching_s)}, "
            lines.append(
                f"  time: {fetching}computing {_time(self.computing_s)}, at the rates of run {self.rates.run_id}"
                + ("; they overlap" if self.remote else "")
            )
        return lines


def estimate_run(plan: Plan, home: Path) -> Estimate:
    """What a run of a plan would fetch into the store below a programme's folder, and how long it would take."""
    store = Store(home / "store")
    source = cached(plan.source, store)
    behind = replace(plan, source=source)
    # Blocks are keyed by their files, so what is stored under them is known before they are made.
    terrain = terrain_tasks(plan.terrain, plan.file.config.elevation, store)
    surfaces = {task.block: task.key for task in terrain}
    maps, radar = tile_tasks(behind, surfaces, store), radar_tasks(behind, store)
    reading: list[Reads] = [*(SceneTask(scene, source, store) for scene in plan.scenes), *maps, *radar]
    reads = kept = 0
    cost = RequestCost()
    if isinstance(source, CachedSource):
        found: dict[tuple[str, int], Wanted] = {}
        for task in reading:
            for wanted in task.wanted():
                found.setdefault((source.key(wanted), wanted.margin_px), wanted)
        missing = [wanted for wanted in found.values() if not source.holds(wanted)]
        reads, kept = len(missing), len(found) - len(missing)
        paid = {_paid_with(plan.source, wanted): wanted for wanted in missing}
        cost = sum((_cost(plan.source, wanted) for wanted in paid.values()), RequestCost())
    missing_blocks = [task for task in terrain if store.report(TERRAIN, task.key) is None]
    cost = sum(map(_elevation_cost, missing_blocks), cost)
    blocks = len(missing_blocks) if plan.terrain.remote else 0
    tasks = sum(not _is_mapped(task) for task in maps) + sum(bool(task.wanted()) for task in radar)
    return Estimate(reads, kept, cost, tasks, source.remote, _rates(home), blocks)


def require_within(estimate: Estimate, limits: config.Fetch) -> None:
    """Raise BadInput if a run would go beyond the limits of its config."""
    asked = (
        ("max_gb", limits.max_gb, estimate.cost.bytes / 1e9, "GB"),
        ("max_processing_units", limits.max_processing_units, estimate.cost.processing_units, "processing units"),
    )
    terrain = f", blocks of elevation: {estimate.blocks}" if estimate.blocks else ""
    for name, limit, would, unit in asked:
        if limit is not None and would > limit:
            raise BadInput(
                f"the run would fetch about {would:,.2f} {unit} ({estimate.reads} reads of scenes; {estimate.kept} "
                f"more are in the store{terrain}), and fetch.{name} is {limit:g}; raise it, or set a smaller area, "
                "fewer periods or a lower imagery.max_scenes. Nothing was fetched"
            )


def _paid_with(source: Source, wanted: Wanted) -> Hashable:
    """Reads of which this is equal are paid for once: granules of one overpass, at a source that mosaics them."""
    overpass_of: Callable[[Scene | RadarScene], str] | None = getattr(source, "overpass_of", None)
    if overpass_of is None or wanted.tile is None:
        return wanted.scene.id, wanted.tile, wanted.margin_px
    return overpass_of(wanted.scene), isinstance(wanted.scene, RadarScene), wanted.tile, wanted.margin_px


def _cost(source: Source, wanted: Wanted) -> RequestCost:
    """What a source says that a read costs; nothing if it cannot tell."""
    if isinstance(wanted.scene, RadarScene):
        radar: Callable[..., RequestCost] | None = getattr(source, "radar_cost", None)
        return RequestCost() if radar is None else radar(wanted.scene, wanted.shape)
    optical: Callable[..., RequestCost] | None = getattr(source, "cost", None)
    if optical is None:
        return RequestCost()
    shape = wanted.shape
    if wanted.tile is None:  # a source may give a smaller look than was asked for
        shape = (min(wanted.side_px, getattr(source, "overview_px", wanted.side_px)),) * 2
    return optical(wanted.scene, len(wanted.planes), shape)


def _elevation_cost(task: TerrainTask) -> RequestCost:
    """What the elevation of a block costs; nothing if its source cannot tell."""
    of: Callable[..., RequestCost] | None = getattr(task.source, "elevation_cost", None)
    return RequestCost() if of is None else of(task.block.window)


def _is_mapped(task: TileTask) -> bool:
    key = task.composite_key
    return task.store.report(COMPOSITE, key) is not None and task.store.report(MAP, task.map_key(key)) is not None


def _rates(home: Path) -> Rates | None:
    """The rates of the last run that fetched or computed anything."""
    folders: Sequence[Path] = sorted((home / "runs").glob("[!.]*"), key=lambda path: path.stat().st_mtime, reverse=True)
    read_s = task_s = name = None
    for folder in folders:
        try:
            manifest = read_manifest(folder)
            fetch, workers = manifest["fetch"], manifest["fetch"]["computing"]["workers"]
            if read_s is None and fetch["fetched"]:
                read_s, name = fetch["seconds"] / fetch["fetched"], name or manifest["run_id"]
            if task_s is None and fetch["computing"]["tasks"]:
                computing = fetch["computing"]
                task_s, name = computing["seconds"] / computing["tasks"] / workers, name or manifest["run_id"]
        except (BadInput, KeyError, TypeError, ZeroDivisionError):
            continue  # a run of an earlier version, or a folder that is none
    return None if name is None else Rates(str(name), read_s, task_s)


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "unknown (no run did it yet)"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
