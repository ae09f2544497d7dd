"""Opening dates from single looks: which places are dated, what is read for them, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from rasterio.features import geometry_mask
from shapely.geometry.base import BaseGeometry

from pipeline import config
from pipeline.areas import TILE_PX, Tile, project
from pipeline.change import Site, SiteChange
from pipeline.change.dating import bounding_looks
from pipeline.change.states import NOT_OBSERVED, is_disturbed
from pipeline.imagery import NODATA, LookPlan, Scene
from pipeline.runs.assemble import Assembled, RunTasks
from pipeline.runs.execute import Failure
from pipeline.runs.plan import Plan
from pipeline.runs.store import Store
from pipeline.runs.tasks import TileOutcome
from pipeline.runs.tile_steps import CLASSES
from pipeline.runs.windows import LOOKS, WindowOutcome, WindowTask, boxes, covers, read_window

Told = TypeVar("Told", Site, SiteChange)
_EPOCH = date(1970, 1, 1)
_OPENED = ("new", "expanded", "reopened")


@dataclass(frozen=True)
class Opening:
    """Ground gained between two periods, by number, as a mask (512, 512) of each tile; and what bounds it by them."""

    site_id: str
    before: int
    after: int
    bounds: tuple[date, date]
    ground: Mapping[Tile, NDArray[np.bool_]]

    @property
    def name(self) -> tuple[str, int]:
        """What tells it from every other opening."""
        return self.site_id, self.after

    @property
    def pixels(self) -> int:
        """How many pixels were gained."""
        return sum(int(mask.sum()) for mask in self.ground.values())


@dataclass(frozen=True)
class Dating:
    """What became of the openings: how many were dated by looks and by periods, and the windows that were read.

    `windows` are rows for the manifest; `failed` what could not be read, with reasons; `left` the openings beyond
    `max_dated`.
    """

    by_looks: int = 0
    by_periods: int = 0
    left: int = 0
    windows: tuple[dict[str, Any], ...] = ()
    failed: tuple[dict[str, str], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "by_looks": self.by_looks,
            "by_periods": self.by_periods,
            "left": self.left,
            "windows": list(self.windows),
            "unread": len(self.failed),
        }


NOTHING_DATED = Dating()


def _numbers(days: tuple[date, date]) -> tuple[int, int]:
    return (days[0] - _EPOCH).days, (days[1] - _EPOCH).days


@dataclass
class _Series:
    """The looks at one opening: per day the probability of each of its pixels, NODATA where it is not clear."""

    pixels: int
    looks: dict[int, NDArray[np.uint16]] = field(default_factory=dict)

    def add(self, day: int, start: int, probability: NDArray[np.uint16]) -> None:
        """Enter a look at the pixels from `start` on; where two passes fell on a day the first clear one stays."""
        look = self.looks.setdefault(day, np.full(self.pixels, NODATA, np.uint16))
        part = look[start : start + probability.size]
        np.copyto(part, probability, where=part == NODATA)

    def bounded(self, bounds: tuple[date, date], periods: tuple[date, date]) -> tuple[date, date] | None:
        """The dates of the two looks that bound the opening; None if the looks do not tell."""
        if not self.looks:
            return None
        days = np.array(sorted(self.looks))
        stack = np.stack([self.looks[day] for day in days.tolist()])
        found = bounding_looks(days, stack, _numbers(bounds), _numbers(periods))
        return None if found is None else (_EPOCH + timedelta(found[0]), _EPOCH + timedelta(found[1]))


def date_openings(
    assembled: Assembled,
    plan: Plan,
    outcomes: Sequence[TileOutcome | Failure],
    settings: config.Change,
    store: Store,
    run_tasks: RunTasks,
) -> tuple[Assembled, Dating]:
    """Bound each opening by single looks where they suffice; elsewhere the bounds of the periods stay.

    Changes that opened ground are dated, and sites of which an earlier period saw the ground.
    """
    names = [period.name for period in plan.periods]
    found = _openings(assembled, names, store)

    def about(opening: Opening) -> tuple[date, date]:
        return plan.periods[opening.before].end, plan.periods[opening.after].start

    chosen = found if settings.dating == "looks" else []
    chosen = sorted(chosen, key=lambda opening: (-opening.pixels, opening.name))[: settings.max_dated]
    tasks, members = _tasks(chosen, plan, outcomes, store)
    results = run_tasks(read_window, tasks, "looks at openings") if tasks else []
    series = {opening.name: _Series(opening.pixels) for opening in chosen}
    incomplete: set[tuple[str, int]] = set()
    for task, own, result in zip(tasks, members, results, strict=True):
        if isinstance(result, Failure):
            incomplete.update(opening.name for opening in own)
        elif result.key is not None:
            _enter(store, task, own, result, series)
    dated = {
        opening.name: bounds
        for opening in chosen
        if opening.name not in incomplete and (bounds := series[opening.name].bounded(opening.bounds, about(opening)))
    }
    report = Dating(
        by_looks=len(dated),
        by_periods=len(found) - len(dated),
        left=len(found) - len(chosen) if settings.dating == "looks" else 0,
        windows=tuple(
            _row(task, own, result, names) for task, own, result in zip(tasks, members, results, strict=True)
        ),
        failed=tuple(_failures(tasks, results)),
    )
    return _told(assembled, dated, names), report


def _openings(assembled: Assembled, names: Sequence[str], store: Store) -> list[Opening]:
    """Every opening that its periods bound on both sides, each once, sorted."""
    found: dict[tuple[str, int], Opening] = {}
    last = len(names) - 1
    for change in assembled.changes:
        if change.state in _OPENED and change.gain_geometry is not None:
            bounds = change.last_clear_undisturbed, change.first_clear_disturbed
            ground = _masks(change.gain_geometry, change.tiles)
            _enter_opening(found, change.site_id, last - 1, last, bounds, ground)
    grown = {site.merged_into for site in assembled.sites}
    for site in assembled.sites:
        first = names.index(site.first_seen)
        # Of sites that broke off from others or took others in, part of the first ground was opened elsewhere.
        if first and (site.site_id, first) not in found and site.parent is None and site.site_id not in grown:
            ground = {}
            for tile, mask in _masks(site.geometry, site.tiles).items():
                classes = store.get_planes(CLASSES, assembled.class_keys[tile])[first - 1 : first + 1]
                before, after = classes
                ground[tile] = mask & is_disturbed(after) & ~is_disturbed(before) & (before != NOT_OBSERVED)
            bounds = site.last_clear_undisturbed, site.first_clear_disturbed
            _enter_opening(found, site.site_id, first - 1, first, bounds, ground)
    return [found[name] for name in sorted(found)]


def _enter_opening(
    found: dict[tuple[str, int], Opening],
    site_id: str,
    before: int,
    after: int,
    bounds: tuple[date | None, date | None],
    ground: Mapping[Tile, NDArray[np.bool_]],
) -> None:
    held = {tile: mask for tile, mask in ground.items() if mask.any()}
    low, high = bounds
    if held and low is not None and high is not None:
        found[site_id, after] = Opening(site_id, before, after, (low, high), held)


def _masks(geometry: BaseGeometry, tiles: Iterable[Tile]) -> dict[Tile, NDArray[np.bool_]]:
    """Pixels of some tiles whose centre lies in a lon/lat geometry that was drawn around pixels."""
    shape = TILE_PX, TILE_PX
    return {
        tile: geometry_mask([project(geometry, tile.epsg)], shape, tile.geobox.transform, invert=True) for tile in tiles
    }


def _tasks(
    openings: Sequence[Opening], plan: Plan, outcomes: Sequence[TileOutcome | Failure], store: Store
) -> tuple[list[WindowTask], list[list[Opening]]]:
    """The windows to read, by tile and pair of periods, and the openings of which each shows a part."""
    looks = _looks_by_tile(plan, outcomes)
    terrain = {outcome.tile: outcome.terrain for outcome in outcomes if isinstance(outcome, TileOutcome)}
    groups: dict[tuple[Tile, int, int], list[Opening]] = {}
    for opening in openings:
        for tile in opening.ground:
            groups.setdefault((tile, opening.before, opening.after), []).append(opening)
    tasks: list[WindowTask] = []
    members: list[list[Opening]] = []
    for (tile, before, after), own in sorted(groups.items(), key=lambda group: group[0]):
        spans = _spans(looks[tile, before], looks[tile, after])
        own = sorted(own, key=lambda opening: opening.name)
        left = list(own)
        for box in boxes([opening.ground[tile] for opening in own]):
            shown = [opening for opening in left if covers(box, opening.ground[tile])]
            left = [opening for opening in left if opening not in shown]
            members.append(shown)
            tasks.append(
                WindowTask(
                    tile,
                    box,
                    spans,
                    plan.file.config.imagery,
                    plan.source,
                    plan.model,
                    plan.model_sha256,
                    store,
                    terrain.get(tile),
                )
            )
    return tasks, members


def _looks_by_tile(plan: Plan, outcomes: Sequence[TileOutcome | Failure]) -> dict[tuple[Tile, int], LookPlan]:
    """The looks of each tile and period, by number, without scenes that could not be read there."""
    number = {period.name: index for index, period in enumerate(plan.periods)}
    looks = {}
    for item, outcome in zip(plan.work, outcomes, strict=True):
        skipped = outcome.skipped if isinstance(outcome, TileOutcome) else ()
        gone = {scene.scene_id for scene in skipped if scene.failed}
        sides = (
            tuple(scene for scene in side if scene.id not in gone)
            for side in (item.looks.period, item.looks.before, item.looks.after)
        )
        looks[item.tile, number[item.period.name]] = LookPlan(*sides)
    return looks


def _spans(earlier: LookPlan, later: LookPlan) -> tuple[tuple[Scene, ...], ...]:
    """The looks of the earlier period, those between, and those of the later one, each scene once."""
    own = {scene.id for scene in earlier.period + later.period}
    between = {scene.id: scene for scene in earlier.after + later.before if scene.id not in own}
    if earlier.period:
        between = {name: scene for name, scene in between.items() if scene.acquired > earlier.period[-1].acquired}
    if later.period:
        between = {name: scene for name, scene in between.items() if scene.acquired < later.period[0].acquired}
    ordered = sorted(between.values(), key=lambda scene: (scene.acquired, scene.id))
    return earlier.period, tuple(ordered), later.period


def _enter(
    store: Store,
    task: WindowTask,
    own: Sequence[Opening],
    result: WindowOutcome,
    series: Mapping[tuple[str, int], _Series],
) -> None:
    """Put the looks at a window into the series of the openings that it shows."""
    assert result.key is not None
    planes = store.get_planes(LOOKS, result.key)
    top, bottom, left, right = task.box
    for opening in own:
        # Pixels are numbered tile by tile; the window covers all of the opening on its tile.
        start = sum(int(opening.ground[tile].sum()) for tile in sorted(opening.ground) if tile < task.tile)
        mask = opening.ground[task.tile][top:bottom, left:right]
        for day, plane in zip(result.days, planes, strict=True):
            series[opening.name].add(day, start, plane[mask])


def _row(
    task: WindowTask, own: Sequence[Opening], result: WindowOutcome | Failure, names: Sequence[str]
) -> dict[str, Any]:
    """A window as a row of the manifest."""
    row: dict[str, Any] = {
        "tile": task.tile.id,
        "window": list(task.box),
        "between": [names[own[0].before], names[own[0].after]],
        "sites": [opening.site_id for opening in own],
    }
    if isinstance(result, Failure):
        return {**row, "state": "failed", "reason": result.reason}
    state = "reused" if result.reused else "computed"
    return {**row, "state": state, "looks": result.key, "scenes": list(result.scenes), "seconds": result.seconds}


def _failures(tasks: Sequence[WindowTask], results: Sequence[WindowOutcome | Failure]) -> Iterable[dict[str, str]]:
    """Each window or scene that could not be read, once a tile."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for task, result in zip(tasks, results, strict=True):
        if isinstance(result, Failure):
            rows[task.tile.id, result.reason] = {"tile": task.tile.id, "reason": f"dating: {result.reason}"}
        else:
            for item in (item for item in result.skipped if item.failed):
                place = {"tile": task.tile.id, "scene": item.scene_id}
                rows[task.tile.id, item.scene_id] = {**place, "reason": f"dating: {item.reason}"}
    return [rows[key] for key in sorted(rows)]


def _told(assembled: Assembled, dated: Mapping[tuple[str, int], tuple[date, date]], names: Sequence[str]) -> Assembled:
    """Sites and changes with the dates that looks gave them."""
    first = {name: index for index, name in enumerate(names)}
    sites = tuple(_dated(site, dated.get((site.site_id, first[site.first_seen]))) for site in assembled.sites)
    opened = {site.site_id: site for site in sites}
    changes = []
    for change in assembled.changes:
        bounds = dated.get((change.site_id, len(names) - 1)) if change.state in _OPENED else None
        site = opened.get(change.site_id)
        if change.state not in _OPENED and site is not None and site.dated_by == "looks":
            # What continues or recovered is told with the opening of its site.
            bounds = dated.get((site.site_id, first[site.first_seen]))
        changes.append(_dated(change, bounds))
    return replace(assembled, sites=sites, changes=tuple(changes))


def _dated(told: Told, bounds: tuple[date, date] | None) -> Told:
    if bounds is None:
        return told
    return replace(told, last_clear_undisturbed=bounds[0], first_clear_disturbed=bounds[1], dated_by="looks")
