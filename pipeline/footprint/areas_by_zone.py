"""Footprint: hectares by zone, period and class, with the ground that was not observed.

Areas are counted in whole square millimetres. Sums of whole numbers are exact, so neither the order of tiles nor
the way ground is cut into them can change a figure, and zones + unassigned = total holds exactly.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from pipeline.areas.area import Area, zones_of
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
)
from pipeline.config import Period
from pipeline.errors import AreaBalanceError

CLASSES = (OTHER, BARE, POND, SEASONAL, NOT_OBSERVED)
STATES = (UNDISTURBED, CONTINUING, NEW, RECOVERED, NOT_OBSERVED_BEFORE, NOT_OBSERVED_AFTER, NOT_OBSERVED_BOTH)
_MM2_PER_M2 = 1_000_000
_M2_PER_HA = 10_000
UNASSIGNED, TOTAL = "unassigned", "total"


@dataclass(frozen=True)
class TileAreas:
    """Watched ground of one tile in whole square millimetres, int64; zone 0 is unassigned.

    classes  (T, zones + 1, 5)      by zone and class, in the order of CLASSES
    states   (T - 1, zones + 1, 7)  by zone and change state since the period before, in the order of STATES
    total    (T, 5)                 by class, counted without looking at zones
    """

    classes: NDArray[np.int64]
    states: NDArray[np.int64]
    total: NDArray[np.int64]

    def periods_unseen(self) -> list[int]:
        """Periods, counted from 0, in which none of the tile's watched ground was observed."""
        seen = self.total.sum(axis=1) - self.total[:, CLASSES.index(NOT_OBSERVED)]
        return np.flatnonzero(seen == 0).tolist()


def tile_areas(
    tile: Tile,
    class_raster: NDArray[np.uint8],
    zone: NDArray[np.int16],
    cell_area: NDArray[np.float64],
    n_zones: int,
) -> TileAreas:
    """Areas of a tile from its classes (T, y, x), its zone index (y, x) and its cell areas (y, x) in square metres.

    Raises AreaBalanceError if watched ground bears a code that is no class, or a zone that is not declared.
    """
    watched = zone >= 0
    own = zone[watched].astype(np.int64)
    area = np.rint(cell_area[watched] * _MM2_PER_M2)
    classes = class_raster[:, watched]
    if own.size and own.max() > n_zones:
        raise AreaBalanceError(f"tile {tile.id}: zone index {own.max()} on the raster, {n_zones} zones declared")
    unknown = np.setdiff1d(classes, CLASSES)
    if unknown.size:
        raise AreaBalanceError(f"tile {tile.id}: watched ground bears the codes {unknown.tolist()}, which are no class")
    states = [state_raster(classes[t], classes[t + 1]) for t in range(len(classes) - 1)]
    return TileAreas(
        classes=np.stack([_by_zone(own, plane, area, n_zones, CLASSES) for plane in classes]),
        states=np.stack([_by_zone(own, plane, area, n_zones, STATES) for plane in states])
        if states
        else np.zeros((0, n_zones + 1, len(STATES)), np.int64),
        total=np.array([[area[plane == code].sum() for code in CLASSES] for plane in classes]).astype(np.int64),
    )


def _by_zone(
    zone: NDArray[np.int64], codes: NDArray[np.uint8], area: NDArray[np.float64], n_zones: int, order: Sequence[int]
) -> NDArray[np.int64]:
    slot = np.zeros(256, np.int64)
    slot[list(order)] = np.arange(len(order))
    size = (n_zones + 1) * len(order)
    # Whole numbers below 2**53: the float64 sums of bincount are exact.
    sums = np.bincount(zone * len(order) + slot[codes], area, size)
    return sums.astype(np.int64).reshape(n_zones + 1, len(order))


@dataclass(frozen=True)
class FootprintRow:
    """One zone in one period, hectares in steps of 0.0001; None, never 0, where nothing was seen.

    `zone_id` is "unassigned" for watched ground in no zone and "total" for all watched ground. `gain_ha`,
    `loss_ha` and `stable_ha` compare with the period before, on ground observed in both: `both_observed_share`.
    They are None where that is none, and classes are None where the period observed none of the ground.
    """

    zone_id: str
    zone_name: str
    period: str
    bare_ha: float | None
    pond_ha: float | None
    disturbed_ha: float | None
    seasonal_ha: float | None
    other_ha: float | None
    not_observed_ha: float
    watched_ha: float
    observed_share: float | None
    gain_ha: float | None
    loss_ha: float | None
    stable_ha: float | None
    both_observed_share: float | None


@dataclass(frozen=True)
class Footprint:
    """Rows by period, then zones as declared, unassigned, total.

    Ground of each zone, period and class is rounded to the square metre once; every other figure of the table is
    a sum of those, so printed zones and unassigned add up to the printed total to the last digit.
    """

    rows: tuple[FootprintRow, ...]

    def to_csv(self) -> str:
        """The table as CSV (RFC 4180, LF line ends): hectares with four decimals, shares with six."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([field.name for field in fields(FootprintRow)])
        for row in self.rows:
            writer.writerow([_printed(name, value) for name, value in asdict(row).items()])
        return text.getvalue()

    def to_json(self) -> str:
        """The table as a JSON list of objects, keys as the columns of the CSV."""
        return json.dumps([asdict(row) for row in self.rows], indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _printed(name: str, value: str | float | None) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return f"{value:.6f}" if name.endswith("_share") else f"{value:.4f}"


def build_footprint(per_tile: Mapping[Tile, TileAreas], areas: Sequence[Area], periods: Sequence[Period]) -> Footprint:
    """Footprint of all tiles; the zones of `areas` name the indices 1, 2, ... in their order.

    Raises AreaBalanceError unless zones + unassigned = total, to the square millimetre, in each period and class,
    the total being counted by itself on the rasters.
    """
    zones = [(zone.zone_id, zone.name) for zone in zones_of(areas)]
    shape = (len(zones) + 1, len(CLASSES))
    classes = np.zeros((len(periods), *shape), np.int64)
    states = np.zeros((max(len(periods) - 1, 0), len(zones) + 1, len(STATES)), np.int64)
    total = np.zeros((len(periods), len(CLASSES)), np.int64)
    for tile in sorted(per_tile):
        part = per_tile[tile]
        if part.classes.shape != classes.shape or part.states.shape != states.shape:
            raise AreaBalanceError(
                f"tile {tile.id}: counted for {part.classes.shape[0]} periods and {part.classes.shape[1] - 1} zones, "
                f"asked for {len(periods)} and {len(zones)}"
            )
        classes += part.classes
        states += part.states
        total += part.total
    _require_balance(classes, states, total, periods)
    rows = []
    for t, period in enumerate(periods):
        # From here on whole square metres.
        ground = _rounded(classes[t])
        moved = _rounded(states[t - 1]) if t else None
        for i, (zone_id, name) in enumerate(zones, 1):
            rows.append(_row(zone_id, name, period.name, ground[i], None if moved is None else moved[i]))
        rows.append(_row(UNASSIGNED, "", period.name, ground[0], None if moved is None else moved[0]))
        rows.append(_row(TOTAL, "", period.name, ground.sum(axis=0), None if moved is None else moved.sum(axis=0)))
    return Footprint(tuple(rows))


def _require_balance(
    classes: NDArray[np.int64], states: NDArray[np.int64], total: NDArray[np.int64], periods: Sequence[Period]
) -> None:
    for t, period in enumerate(periods):
        added = classes[t].sum(axis=0)
        if not np.array_equal(added, total[t]):
            zones_ha, rasters_ha = ((mm2 / (_MM2_PER_M2 * _M2_PER_HA)).tolist() for mm2 in (added, total[t]))
            raise AreaBalanceError(
                f"period {period.name}: zones and unassigned add up to {zones_ha} ha by class, "
                f"the rasters hold {rasters_ha} ha; the stored areas of a tile are damaged"
            )
        if t and not np.array_equal(states[t - 1].sum(axis=1), classes[t].sum(axis=1)):
            raise AreaBalanceError(f"period {period.name}: change states do not cover the ground of each zone once")


def _rounded(mm2: NDArray[np.int64]) -> NDArray[np.int64]:
    return (mm2 + _MM2_PER_M2 // 2) // _MM2_PER_M2


def _row(
    zone_id: str, name: str, period: str, ground: NDArray[np.int64], moved: NDArray[np.int64] | None
) -> FootprintRow:
    other, bare, pond, seasonal, unseen = (int(m2) for m2 in ground)
    watched = other + bare + pond + seasonal + unseen
    seen = watched - unseen
    classes = {
        "bare_ha": bare,
        "pond_ha": pond,
        "disturbed_ha": bare + pond,
        "seasonal_ha": seasonal,
        "other_ha": other,
    }
    change = dict.fromkeys(("gain_ha", "loss_ha", "stable_ha"), 0)
    both, compared = 0, 0
    if moved is not None:
        by_state = dict(zip(STATES, (int(m2) for m2 in moved), strict=True))
        compared = sum(by_state.values())
        both = sum(by_state[state] for state in (UNDISTURBED, CONTINUING, NEW, RECOVERED))
        change = {"gain_ha": by_state[NEW], "loss_ha": by_state[RECOVERED], "stable_ha": by_state[CONTINUING]}
    return FootprintRow(
        zone_id=zone_id,
        zone_name=name,
        period=period,
        **{name: m2 / _M2_PER_HA if seen else None for name, m2 in classes.items()},
        not_observed_ha=unseen / _M2_PER_HA,
        watched_ha=watched / _M2_PER_HA,
        observed_share=_share(seen, watched),
        **{name: m2 / _M2_PER_HA if both else None for name, m2 in change.items()},
        both_observed_share=_share(both, compared),
    )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None
