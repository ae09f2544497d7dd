"""From stored maps of all periods to sites, changes, class rasters and areas: the part that looks across tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline import config
from pipeline.areas import TILE_PX, Area, Tile, cell_area_m2, zone_index
from pipeline.change import (
    RADAR_HALO_PX,
    Candidates,
    Classified,
    EncodedGround,
    Event,
    Frame,
    RisenGround,
    Site,
    SiteChange,
    build_changes,
    build_events,
    build_sites,
    candidates_of_tile,
    class_raster,
    classify,
    clusters,
    encode_ground,
    follow,
    hold_margins,
    merge,
    radar_claims,
    registration_csv,
    risen_ground,
    same_season,
    set_water_apart,
    state_raster,
)
from pipeline.errors import StoreError
from pipeline.footprint import (
    CommonGround,
    Footprint,
    Layer,
    LayerSums,
    TileAreas,
    Trends,
    UnitsNear,
    build_trends,
    common_ground,
    entering_periods,
    footprint_of,
    sum_common,
    sum_layers,
    tile_areas,
)
from pipeline.imagery import NODATA, PLANE_NAMES, Composite, RadarComposite, ShiftSeries
from pipeline.runs.execute import Failure
from pipeline.runs.radar import RadarOutcome, load_radar
from pipeline.runs.store import Store, content_key
from pipeline.runs.tasks import MAP, TileOutcome, load_composite, load_padded

T = TypeVar("T")
R = TypeVar("R")


class RunTasks(Protocol):
    """Carries a function over tasks and shows progress under a label."""

    def __call__(self, function: Callable[[T], R], tasks: Sequence[T], label: str) -> list[R | Failure]:
        """Results in the order of the tasks."""
        ...


CLASSES = "classes"


@dataclass(frozen=True)
class Stack:
    """The stored results of one tile, a pair of keys (composite, map) for each period; None where a task failed.

    `backscatter` has the key of the radar statistics of each period, empty where there are none.
    """

    tile: Tile
    keys: tuple[tuple[str, str] | None, ...]
    areas: tuple[Area, ...]
    settings: config.Change
    store: Store
    backscatter: tuple[str, ...] = ()

    @property
    def zone(self) -> NDArray[np.int16]:
        """Zone index of each pixel, (512, 512)."""
        return zone_index(self.tile, self.areas)

    def maps(self) -> list[NDArray[np.uint16]]:
        """Probabilities (2, 512, 512) of each period; a failed task was not observed."""
        blank = np.full((2, TILE_PX, TILE_PX), NODATA, np.uint16)
        return [self.store.get_planes(MAP, pair[1]) if pair else blank for pair in self.keys]

    def composites(self) -> Iterator[Composite]:
        """Composites of each period with their halo, one after the other."""
        for pair in self.keys:
            yield load_padded(self.store, pair[0], self.tile) if pair else _unobserved(self.tile)

    def composite(self, period: int) -> Composite:
        """The composite of one period on the tile."""
        pair = self.keys[period]
        return load_composite(self.store, pair[0], self.tile) if pair else _unobserved(self.tile)

    def radar(self) -> Iterator[RadarComposite]:
        """Radar statistics of each period on the tile, one after the other; nothing if no period has any."""
        if any(self.backscatter):
            for key in self.backscatter:
                yield load_radar(self.store, key, self.tile).cropped(RADAR_HALO_PX)


def _unobserved(tile: Tile) -> Composite:
    planes = np.full((len(PLANE_NAMES), TILE_PX, TILE_PX), NODATA, np.uint16)
    planes[[i for i, name in enumerate(PLANE_NAMES) if "looks" in name or name == "rescued"]] = 0
    return Composite.from_planes(tile.geobox, planes)


def stacks(
    outcomes: Sequence[TileOutcome | Failure],
    tiles: Sequence[Tile],
    n_periods: int,
    areas: tuple[Area, ...],
    settings: config.Change,
    store: Store,
    radar: Sequence[RadarOutcome | Failure] = (),
) -> tuple[Stack, ...]:
    """Outcomes in the order tile by tile, period by period, gathered by tile."""
    pairs = [(o.composite_key, o.map_key) if isinstance(o, TileOutcome) else None for o in outcomes]
    backscatter = [o.key if isinstance(o, RadarOutcome) else "" for o in radar]
    found = []
    for i, tile in enumerate(tiles):
        own = slice(i * n_periods, (i + 1) * n_periods)
        found.append(Stack(tile, tuple(pairs[own]), areas, settings, store, tuple(backscatter[own])))
    return tuple(found)


def find_candidates(stack: Stack) -> tuple[Candidates, Frame]:
    """The pixels of one tile that look disturbed in any period, and how its periods lie to each other."""
    series = ShiftSeries()

    def composites() -> Iterator[Composite]:
        for composite in stack.composites():
            series.add(composite)
            yield composite

    found = candidates_of_tile(
        stack.tile, stack.maps(), composites(), stack.zone, cell_area_m2(stack.tile), stack.settings, stack.radar()
    )
    return found, Frame.of(series.found)


@dataclass(frozen=True)
class RisenTask:
    """One tile, and the periods between which its backscatter is compared; `before` is that which is told."""

    stack: Stack
    radar: config.Radar
    reference: int
    before: int
    after: int


def find_risen(task: RisenTask) -> RisenGround | None:
    """Ground of a tile that optics did not see in the later period and whose backscatter rose; None without radar."""
    stack = task.stack
    keys = stack.backscatter[task.reference], stack.backscatter[task.after]
    if not all(keys):
        return None
    earlier, later = (load_radar(stack.store, key, stack.tile) for key in keys)
    unseen = ~stack.composite(task.after).observed
    looks = stack.composite(task.before).looks
    return risen_ground(stack.tile, earlier, later, unseen, looks, stack.zone, cell_area_m2(stack.tile), task.radar)


@dataclass(frozen=True)
class TileLayer:
    """What a tile needs of a layer: the units about it, and how many the whole layer has. The first is the zones'."""

    near: UnitsNear
    n_units: int


def _indices(tile: Tile, zone: NDArray[np.int16], layers: Sequence[TileLayer]) -> list[NDArray[Any]]:
    """Unit of each pixel in each layer; that of the zones is known."""
    return [zone, *(layer.near.index(tile, zone >= 0) for layer in layers[1:])]


@dataclass(frozen=True)
class FinishTask:
    """One tile with the classes (T, n) that the object step gave to its candidates, and its part of each layer."""

    stack: Stack
    candidates: Candidates
    classes: NDArray[np.uint8]
    key: str
    layers: tuple[TileLayer, ...]


def finish_tile(task: FinishTask) -> TileAreas:
    """Store the class of every pixel and period and its last change state, and measure their areas."""
    stack, zone = task.stack, task.stack.zone
    observed = np.stack([probability[0] != NODATA for probability in stack.maps()])
    n_periods = len(stack.keys)
    classes = class_raster(stack.tile, n_periods, observed, zone, task.candidates, task.classes)
    planes = classes
    if n_periods > 1:
        planes = np.concatenate([classes, state_raster(classes[-2], classes[-1])[np.newaxis]])
    names = [f"class of period {i + 1}" for i in range(n_periods)] + ["change state"] * (len(planes) - n_periods)
    stack.store.put_planes(CLASSES, task.key, planes, stack.tile.geobox, names, {})
    return tile_areas(
        stack.tile,
        classes,
        _indices(stack.tile, zone, task.layers),
        cell_area_m2(stack.tile),
        [layer.n_units for layer in task.layers],
        [layer.near.shared(stack.tile) for layer in task.layers],
    )


@dataclass(frozen=True)
class CommonTask:
    """One tile with the periods (T, units + 1) that enter the trend of each unit of each layer, the programme first."""

    stack: Stack
    key: str
    layers: tuple[TileLayer, ...]
    enters: tuple[NDArray[np.bool_], ...]


def find_common_ground(task: CommonTask) -> list[CommonGround]:
    """Ground that was observed in every entering period, of the programme and of the units of each layer."""
    stack, zone = task.stack, task.stack.zone
    classes = stack.store.get_planes(CLASSES, task.key)[: len(stack.keys)]
    indices = [np.minimum(zone, 0), *_indices(stack.tile, zone, task.layers)]
    area = cell_area_m2(stack.tile)
    return [common_ground(classes, index, area, enters) for index, enters in zip(indices, task.enters, strict=True)]


@dataclass(frozen=True)
class Assembled:
    """What all maps together tell; `sums` are those of the zones, then of each layer.

    `class_keys` name the stored classes of each tile; `unseen` are tiles of which a period, by number, shows no
    watched ground at all; `registration` is the table of shifts, CSV; `grounds` has the pixels that each site held.
    """

    sites: tuple[Site, ...]
    changes: tuple[SiteChange, ...]
    events: tuple[Event, ...]
    grounds: Mapping[str, EncodedGround]
    footprint: Footprint
    trends: Trends
    sums: tuple[LayerSums, ...]
    class_keys: Mapping[Tile, str]
    unseen: frozenset[tuple[Tile, int]]
    registration: str


def assemble(
    tiles: Sequence[Stack],
    periods: Sequence[config.Period],
    layers: Sequence[Layer],
    settings: config.Change,
    footprint: config.Footprint,
    radar: config.Radar,
    key: str,
    run_tasks: RunTasks,
) -> Assembled:
    """Join the maps of all tiles and periods; `layers` begin with that of the declared zones.

    Raises StoreError if a tile's stored results cannot be read back.
    """
    found = _whole(run_tasks(find_candidates, tiles, "candidates"))
    by_zone: dict[int, list[Candidates]] = {}
    for stack, (part, _) in zip(tiles, found, strict=True):
        by_zone.setdefault(stack.tile.epsg, []).append(part)
    frames = {stack.tile: frame for stack, (_, frame) in zip(tiles, found, strict=True)}
    classified, held = hold_margins(classify([merge(p) for p in by_zone.values()], settings), frames, settings)
    classified = set_water_apart(classified, settings)
    followed = follow(classified, settings)
    sites = build_sites(classified, periods, settings, followed)
    before, after = len(periods) - 2, len(periods) - 1
    changes = build_changes(classified, sites, periods, settings, before, after, radar, followed)
    events = build_events(classified, periods, settings, followed)
    grounds = {cluster.site_id: encode_ground(cluster) for cluster in clusters(classified, settings, followed)}
    reference = same_season(periods, before, after)
    if reference is not None and any(any(stack.backscatter) for stack in tiles):
        risen_tasks = [RisenTask(stack, radar, reference, before, after) for stack in tiles]
        risen = [part for part in _whole(run_tasks(find_risen, risen_tasks, "radar alone")) if part is not None]
        changes += radar_claims(risen, classified, sites, periods, settings, radar, before, after)
    zones = {zone.epsg: zone for zone in classified}
    class_keys = {stack.tile: content_key(change=key, tile=stack.tile.id) for stack in tiles}
    parts = [tuple(TileLayer(layer.near(s.tile), len(layer.units)) for layer in layers) for s in tiles]
    tasks = [
        FinishTask(s, *_part(zones[s.tile.epsg], s.tile), class_keys[s.tile], part)
        for s, part in zip(tiles, parts, strict=True)
    ]
    measured = _whole(run_tasks(finish_tile, tasks, "classes"))
    per_tile = dict(zip(class_keys, measured, strict=True))
    unseen = frozenset((tile, t) for tile, part in per_tile.items() for t in part.periods_unseen())
    sums = sum_layers(per_tile, layers, periods)
    told = (sums[0].merged(), *sums)
    enters = tuple(entering_periods(part, footprint.min_observed_share) for part in told)
    common_tasks = [CommonTask(s, class_keys[s.tile], p, enters) for s, p in zip(tiles, parts, strict=True)]
    by_tile = _whole(run_tasks(find_common_ground, common_tasks, "trends"))
    common = [sum_common((found[i] for found in by_tile), part) for i, part in enumerate(told)]
    trends = build_trends(told, common, enters, periods, settings.minimum_mapping_unit_ha, footprint.min_observed_share)
    registration = registration_csv(frames, held, periods)
    return Assembled(
        sites=sites,
        changes=changes,
        events=events,
        grounds=grounds,
        footprint=footprint_of(sums, periods),
        trends=trends,
        sums=sums,
        class_keys=class_keys,
        unseen=unseen,
        registration=registration,
    )


def _whole(results: Sequence[R | Failure]) -> list[R]:
    """The results; the step looks across tiles, so one that is missing would make all the others wrong."""
    for result in results:
        if isinstance(result, Failure):
            raise StoreError(f"sites could not be put together: {result.reason}")
    return [result for result in results if not isinstance(result, Failure)]


def _part(zone: Classified, tile: Tile) -> tuple[Candidates, NDArray[np.uint8]]:
    """The candidates of one tile and their classes."""
    top, left = tile.origin_px
    row, col = zone.candidates.row, zone.candidates.col
    start, stop = np.searchsorted(row, [top, top + TILE_PX])
    inside = np.flatnonzero((col[start:stop] >= left) & (col[start:stop] < left + TILE_PX)) + start
    arrays: dict[str, Any] = {
        field.name: value[..., inside]
        for field in fields(Candidates)
        if isinstance(value := getattr(zone.candidates, field.name), np.ndarray)
    }
    return replace(zone.candidates, **arrays), zone.classes[:, inside]


class LazyTiles(Mapping[Tile, NDArray[Any]]):
    """Rasters of many tiles, each read by its key when asked for, so that a mosaic never lies in memory."""

    def __init__(self, names: Mapping[Tile, str], read: Callable[[Tile, str], NDArray[Any]]) -> None:
        self.names, self.read = dict(names), read

    def __getitem__(self, tile: Tile) -> NDArray[Any]:
        return self.read(tile, self.names[tile])

    def __iter__(self) -> Iterator[Tile]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)
