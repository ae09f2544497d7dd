"""Counting ground: a tile's square millimetres by unit, period, class and state, and their sums over all tiles.

Areas are whole square millimetres. Sums of whole numbers are exact, so neither the order of tiles nor the way ground
is cut into them can change a figure, and units + ground in none = total holds exactly in each layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.areas.lattice import Tile
from pipeline.change import state_raster
from pipeline.change.states import (
    BARE,
    CONTINUING,
    NEW,
    NOT_OBSERVED,
    NOT_OBSERVED_AFTER,
    NOT_OBSERVED_BEFORE,
    NOT_OBSERVED_BOTH,
    OTHER,
    POND,
    RECOVERED,
    SEASONAL,
    UNDISTURBED,
    WATER_LEVEL,
    WATERS_EDGE,
)
from pipeline.config import Period
from pipeline.errors import AreaBalanceError
from pipeline.footprint.layers import Layer

CLASSES = (OTHER, BARE, POND, SEASONAL, WATERS_EDGE, NOT_OBSERVED)
SEEN_IN_BOTH = (UNDISTURBED, CONTINUING, NEW, RECOVERED, WATER_LEVEL)
STATES = (*SEEN_IN_BOTH, NOT_OBSERVED_BEFORE, NOT_OBSERVED_AFTER, NOT_OBSERVED_BOTH)
MM2_PER_M2 = 1_000_000
M2_PER_HA = 10_000

Index = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class UnitAreas:
    """Watched ground of one tile by the units of one layer, in whole square millimetres, int64.

    units    (k,)           numbers of the units that have ground in the tile, ascending; 0 is ground in no unit
    classes  (T, k, 6)      by unit and class, in the order of CLASSES
    states   (T - 1, k, 8)  by unit and change state since the period before, in the order of STATES
    opened   (T, k)         workings on ground that was seen in an earlier period, and in none of them as workings
    seen_twice (k,)         ground told of in two periods or more: where an opening could have been seen
    shared   ground that more than one unit claims; it counts for the first
    """

    units: NDArray[np.int64]
    classes: NDArray[np.int64]
    states: NDArray[np.int64]
    opened: NDArray[np.int64]
    seen_twice: NDArray[np.int64]
    shared: int


@dataclass(frozen=True)
class TileAreas:
    """Watched ground of one tile: by the units of each layer, and `total` (T, 6) by class without looking at units."""

    layers: tuple[UnitAreas, ...]
    total: NDArray[np.int64]

    def periods_unseen(self) -> list[int]:
        """Periods, counted from 0, in which none of the tile's watched ground was observed."""
        seen = self.total.sum(axis=1) - self.total[:, CLASSES.index(NOT_OBSERVED)]
        return np.flatnonzero(seen == 0).tolist()


def tile_areas(
    tile: Tile,
    class_raster: NDArray[np.uint8],
    indices: Sequence[Index],
    cell_area: NDArray[np.float64],
    n_units: Sequence[int],
    shared: Sequence[NDArray[np.bool_] | None] = (),
) -> TileAreas:
    """Areas of a tile from its classes (T, y, x), the unit index (y, x) of each layer and its cell areas (y, x) in m².

    An index is -1 outside the watch, 0 in no unit, i >= 1 in the i-th; `shared` marks ground that several units of a
    layer claim. Raises AreaBalanceError if watched ground bears a code that is no class, or a unit that is not
    declared, or if the layers do not watch the same ground.
    """
    watched = indices[0] >= 0
    area = np.rint(cell_area[watched] * MM2_PER_M2)
    classes = class_raster[:, watched]
    unknown = np.setdiff1d(classes, CLASSES)
    if unknown.size:
        raise AreaBalanceError(f"tile {tile.id}: watched ground bears the codes {unknown.tolist()}, which are no class")
    states = [state_raster(classes[t], classes[t + 1]) for t in range(len(classes) - 1)]
    opened, seen_twice = _openings(classes)
    layers = []
    for number, (index, count) in enumerate(zip(indices, n_units, strict=True)):
        if not np.array_equal(index >= 0, watched):
            raise AreaBalanceError(f"tile {tile.id}: layer {number + 1} does not cover the watched ground once")
        units, own = np.unique(index[watched], return_inverse=True)
        if units.size and units[-1] > count:
            raise AreaBalanceError(f"tile {tile.id}: unit {units[-1]} on the raster, {count} declared")
        twice = shared[number] if number < len(shared) else None
        layers.append(
            UnitAreas(
                units=units.astype(np.int64),
                classes=_stacked((_by_code(own, plane, area, units.size, CLASSES) for plane in classes), units.size, 6),
                states=_stacked((_by_code(own, plane, area, units.size, STATES) for plane in states), units.size, 8),
                opened=np.stack([_within(own, mask, area, units.size) for mask in opened]),
                seen_twice=_within(own, seen_twice, area, units.size),
                shared=0 if twice is None else int(area[twice[watched]].sum()),
            )
        )
    total = np.array([[area[plane == code].sum() for code in CLASSES] for plane in classes])
    return TileAreas(tuple(layers), total.astype(np.int64))


def _openings(classes: NDArray[np.uint8]) -> tuple[list[NDArray[np.bool_]], NDArray[np.bool_]]:
    """Pixels that open in each period, and pixels seen in two periods or more; classes (T, n)."""
    looks, worked = np.zeros(classes.shape[1], np.int32), np.zeros(classes.shape[1], bool)
    opened = []
    for plane in classes:
        now = (plane == BARE) | (plane == POND)
        opened.append(now & (looks > 0) & ~worked)
        worked |= now
        looks += _told(plane)
    return opened, looks > 1


def _told(plane: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where a period tells whether ground is worked: not unseen, and not a margin that the water may have moved."""
    told: NDArray[np.bool_] = (plane != NOT_OBSERVED) & (plane != WATERS_EDGE)
    return told


def _stacked(parts: Iterable[NDArray[np.int64]], units: int, codes: int) -> NDArray[np.int64]:
    found = list(parts)
    return np.stack(found) if found else np.zeros((0, units, codes), np.int64)


def _by_code(
    own: NDArray[np.intp], codes: NDArray[np.uint8], area: NDArray[np.float64], units: int, order: Sequence[int]
) -> NDArray[np.int64]:
    slot = np.zeros(256, np.int64)
    slot[list(order)] = np.arange(len(order))
    # Whole numbers below 2**53: the float64 sums of bincount are exact.
    sums = np.bincount(own * len(order) + slot[codes], area, units * len(order))
    return sums.astype(np.int64).reshape(units, len(order))


def _within(own: NDArray[np.intp], mask: NDArray[np.bool_], area: NDArray[np.float64], units: int) -> NDArray[np.int64]:
    return np.bincount(own[mask], area[mask], units).astype(np.int64)


@dataclass(frozen=True)
class LayerSums:
    """All watched ground by the units of one layer, in whole square millimetres; unit 0 is ground in no unit.

    classes (T, n + 1, 6), states (T - 1, n + 1, 8), opened (T, n + 1), seen_twice (n + 1,), shared: see UnitAreas.
    """

    layer: Layer
    classes: NDArray[np.int64]
    states: NDArray[np.int64]
    opened: NDArray[np.int64]
    seen_twice: NDArray[np.int64]
    shared: int

    @property
    def watched(self) -> NDArray[np.int64]:
        """Watched ground of each unit, (n + 1,)."""
        ground: NDArray[np.int64] = self.classes[0].sum(axis=-1)
        return ground

    @property
    def seen(self) -> NDArray[np.int64]:
        """Observed ground of each period and unit, (T, n + 1)."""
        ground: NDArray[np.int64] = self.watched - self.classes[:, :, CLASSES.index(NOT_OBSERVED)]
        return ground

    @property
    def disturbed(self) -> NDArray[np.int64]:
        """Bare workings and ponds of each period and unit, (T, n + 1)."""
        ground: NDArray[np.int64] = self.classes[:, :, [CLASSES.index(BARE), CLASSES.index(POND)]].sum(axis=-1)
        return ground

    @property
    def shared_ha(self) -> float:
        """Hectares that more than one unit claims, in steps of 0.0001."""
        return round(self.shared / (MM2_PER_M2 * M2_PER_HA), 4)

    def merged(self) -> LayerSums:
        """The same ground as if the layer had no units: all of it under number 0."""
        return LayerSums(
            layer=Layer(self.layer.name, ()),
            classes=self.classes.sum(axis=1, keepdims=True),
            states=self.states.sum(axis=1, keepdims=True),
            opened=self.opened.sum(axis=1, keepdims=True),
            seen_twice=self.seen_twice.sum(keepdims=True),
            shared=self.shared,
        )


def sum_layers(
    per_tile: Mapping[Tile, TileAreas], layers: Sequence[Layer], periods: Sequence[Period]
) -> tuple[LayerSums, ...]:
    """Sums of all tiles by layer, in the order of `layers`.

    Raises AreaBalanceError unless in each layer, period and class units + ground in none = total, to the square
    millimetre, the total being counted by itself on the rasters.
    """
    n = len(periods)
    total = np.zeros((n, len(CLASSES)), np.int64)
    for tile, areas in per_tile.items():
        if areas.total.shape != total.shape or len(areas.layers) != len(layers):
            raise AreaBalanceError(
                f"tile {tile.id}: counted for {len(areas.total)} periods and {len(areas.layers)} layers, "
                f"asked for {n} and {len(layers)}"
            )
        total += areas.total
    found = []
    for number, layer in enumerate(layers):
        units = len(layer.units) + 1
        sums = LayerSums(
            layer=layer,
            classes=np.zeros((n, units, len(CLASSES)), np.int64),
            states=np.zeros((max(n - 1, 0), units, len(STATES)), np.int64),
            opened=np.zeros((n, units), np.int64),
            seen_twice=np.zeros(units, np.int64),
            shared=sum(areas.layers[number].shared for areas in per_tile.values()),
        )
        for tile, areas in per_tile.items():
            part = areas.layers[number]
            if part.units.size and part.units[-1] >= units:
                raise AreaBalanceError(
                    f"tile {tile.id}: layer {layer.name!r} counts unit {part.units[-1]} of {units - 1}"
                )
            sums.classes[:, part.units] += part.classes
            sums.states[:, part.units] += part.states
            sums.opened[:, part.units] += part.opened
            sums.seen_twice[part.units] += part.seen_twice
        _require_balance(sums, total, periods)
        found.append(sums)
    return tuple(found)


def _require_balance(sums: LayerSums, total: NDArray[np.int64], periods: Sequence[Period]) -> None:
    for t, period in enumerate(periods):
        where = f"layer {sums.layer.name!r}, period {period.name}"
        added = sums.classes[t].sum(axis=0)
        if not np.array_equal(added, total[t]):
            units_ha, rasters_ha = ((mm2 / (MM2_PER_M2 * M2_PER_HA)).tolist() for mm2 in (added, total[t]))
            raise AreaBalanceError(
                f"{where}: units and unassigned ground add up to {units_ha} ha by class, "
                f"the rasters hold {rasters_ha} ha; the stored areas of a tile are damaged"
            )
        if t and not np.array_equal(sums.states[t - 1].sum(axis=1), sums.classes[t].sum(axis=1)):
            raise AreaBalanceError(f"{where}: change states do not cover the ground of each unit once")


@dataclass(frozen=True)
class CommonGround:
    """Ground of each unit that every period which enters its trend observed, and none at the water's edge, in mm².

    units (k,) ascending; ground (k,); disturbed (T, k): bare workings and ponds on that ground in each period that
    enters, 0 in others.
    """

    units: NDArray[np.int64]
    ground: NDArray[np.int64]
    disturbed: NDArray[np.int64]


def common_ground(
    class_raster: NDArray[np.uint8], index: Index, cell_area: NDArray[np.float64], enters: NDArray[np.bool_]
) -> CommonGround:
    """Common ground of a tile: classes (T, y, x), unit index and cell areas in m² (y, x), and `enters` (T, n + 1)."""
    watched = index >= 0
    area = np.rint(cell_area[watched] * MM2_PER_M2)
    units, own = np.unique(index[watched], return_inverse=True)
    classes, asked = class_raster[:, watched], enters[:, units]
    common: NDArray[np.bool_] = np.take(asked.any(axis=0), own)
    for plane, entering in zip(classes, asked, strict=True):
        common &= _told(plane) | ~entering[own]
    worked = [
        _within(own, common & entering[own] & ((plane == BARE) | (plane == POND)), area, units.size)
        for plane, entering in zip(classes, asked, strict=True)
    ]
    return CommonGround(units.astype(np.int64), _within(own, common, area, units.size), np.stack(worked))


def sum_common(parts: Iterable[CommonGround], sums: LayerSums) -> CommonGround:
    """Common ground of all tiles for each unit of a layer; the order of `parts` does not matter."""
    shape = sums.disturbed.shape
    total = CommonGround(np.arange(shape[1]), np.zeros(shape[1], np.int64), np.zeros(shape, np.int64))
    for part in parts:
        total.ground[part.units] += part.ground
        total.disturbed[:, part.units] += part.disturbed
    return total
