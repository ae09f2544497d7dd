"""The steps of change and footprint that look at one tile with all of its periods; each runs anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import config
from pipeline.areas import Tile, cell_area_m2
from pipeline.change import (
    Candidates,
    Frame,
    RisenGround,
    candidates_of_tile,
    class_raster,
    risen_ground,
    state_raster,
)
from pipeline.footprint import CommonGround, TileAreas, UnitsNear, common_ground, tile_areas
from pipeline.imagery import NODATA, Composite, ShiftSeries
from pipeline.runs.radar import load_radar
from pipeline.runs.stack import Stack

CLASSES = "classes"


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
