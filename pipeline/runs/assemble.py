"""From stored maps of all periods to sites, changes, class rasters and areas: the part that looks across tiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline import config
from pipeline.areas import TILE_PX, Tile
from pipeline.change import (
    Candidates,
    Classified,
    EncodedGround,
    Event,
    Site,
    SiteChange,
    build_changes,
    build_events,
    build_sites,
    classify,
    clusters,
    encode_ground,
    follow,
    hold_margins,
    merge,
    radar_claims,
    registration_csv,
    same_season,
    set_water_apart,
)
from pipeline.errors import StoreError
from pipeline.footprint import (
    Footprint,
    Layer,
    LayerSums,
    Trends,
    build_trends,
    entering_periods,
    footprint_of,
    sum_common,
    sum_layers,
)
from pipeline.runs.execute import Failure
from pipeline.runs.stack import Stack
from pipeline.runs.store import content_key
from pipeline.runs.tile_steps import (
    CommonTask,
    FinishTask,
    RisenTask,
    TileLayer,
    find_candidates,
    find_common_ground,
    find_risen,
    finish_tile,
)

T = TypeVar("T")
R = TypeVar("R")


class RunTasks(Protocol):
    """Carries a function over tasks and shows progress under a label."""

    def __call__(self, function: Callable[[T], R], tasks: Sequence[T], label: str) -> list[R | Failure]:
        """Results in the order of the tasks."""
        ...


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
