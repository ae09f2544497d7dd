"""Trends: how the workings of each unit grew, told only of ground that was seen in every period compared."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from pipeline.change.states import NEW
from pipeline.config import Period
from pipeline.errors import BadInput
from pipeline.footprint.areas_by_zone import share
from pipeline.footprint.counting import M2_PER_HA, MM2_PER_M2, SEEN_IN_BOTH, STATES, CommonGround, LayerSums
from pipeline.footprint.kendall import MIN_POINTS, mann_kendall, theil_sen
from pipeline.footprint.layers import TOTAL, UNASSIGNED, ZONES
from pipeline.footprint.tables import write_table

SCHEMA_VERSION = "1.0"
LEVEL = 0.05
_DAYS_PER_YEAR = 365.25
_MM2_PER_HA = MM2_PER_M2 * M2_PER_HA
_BOTH = [STATES.index(state) for state in SEEN_IN_BOTH]
_GAIN = STATES.index(NEW)
# Estimated area and the ends of its interval, hectares; by (unit, period), see `unit_key`.
Interval = tuple[float, float, float]
Estimates = Mapping[tuple[str, str], Interval]


@dataclass(frozen=True)
class TrendPoint:
    """One period of a unit, hectares. Mapped area has no interval: only an estimate from reference samples has.

    `disturbed_ha` is mapped on all that the period saw; `common_disturbed_ha` on the ground that every entering period
    saw. The estimate is None where none was made.
    """

    period: str
    start: str
    end: str
    observed_share: float | None
    enters: bool
    disturbed_ha: float | None
    common_disturbed_ha: float | None
    estimated_ha: float | None = None
    low_ha: float | None = None
    high_ha: float | None = None


@dataclass(frozen=True)
class Trend:
    """The trend of one unit; docs/footprint.md explains each field. Hectares, shares of its watched ground, years."""

    layer: str
    zone_id: str
    zone_name: str
    country: str
    admin1: str
    watched_ha: float
    periods: int
    first_period: str
    last_period: str
    left_out: tuple[str, ...]
    common_share: float | None
    first_ha: float | None
    last_ha: float | None
    trend: str
    slope_ha_per_year: float | None
    slope_low: float | None
    slope_high: float | None
    slope_percent_per_year: float | None
    kendall_s: int | None
    p_value: float | None
    test: str
    onset: str
    onset_after: str
    onset_note: str
    gain_latest_ha: float | None
    gain_latest_share: float | None
    rank_latest: int | None
    opened_ha: float | None
    opened_share: float | None
    rank_opened: int | None
    series: tuple[TrendPoint, ...]


@dataclass(frozen=True)
class Trends:
    """Trends of the programme, then of the units of each layer as declared, each layer's unassigned ground last."""

    units: tuple[Trend, ...]
    min_observed_share: float

    def to_csv(self) -> str:
        """One line a unit, without the series; periods left out are parted by spaces."""
        columns = [field.name for field in fields(Trend) if field.name != "series"]
        return write_table(columns, ({**asdict(unit), "left_out": " ".join(unit.left_out)} for unit in self.units))

    def to_json(self) -> str:
        """All of it, each unit with its series."""
        document = {
            "schema_version": SCHEMA_VERSION,
            "min_observed_share": self.min_observed_share,
            "level": LEVEL,
            "interval": "of slopes: 95 %, Sen 1968; mapped area has none, estimated area that of its reference sample",
            "units": [asdict(unit) for unit in self.units],
        }
        return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Trends:
        """What `to_json` wrote; raises BadInput if it is not that."""
        try:
            found = _TRENDS.validate_json(text)
        except ValidationError as error:
            raise BadInput(f"trends.json is not as a run writes it ({error.error_count()} faults)") from error
        if not found.units or not found.units[0].series:
            raise BadInput("trends.json tells of no ground; run the programme again")
        return found

    @property
    def zones(self) -> tuple[Trend, ...]:
        """The programme, the declared zones and unassigned ground."""
        return tuple(unit for unit in self.units if unit.layer == ZONES)

    @property
    def places(self) -> dict[str, tuple[str, str]]:
        """Country and first-level unit of each zone and of unassigned ground, empty where not declared."""
        return {unit.zone_id: (unit.country, unit.admin1) for unit in self.zones}

    @property
    def periods(self) -> tuple[Period, ...]:
        """The periods of the run."""
        series = self.units[0].series
        return tuple(Period.model_validate({"name": p.period, "start": p.start, "end": p.end}) for p in series)

    def with_estimates(self, estimates: Estimates) -> Trends:
        """The same trends with estimated areas and their intervals beside the mapped ones; raises BadInput."""
        for (unit, period), (area, low, high) in estimates.items():
            if not (all(map(isfinite, (area, low, high))) and 0 <= low <= area <= high):
                raise BadInput(f"estimate of {unit} in {period}: {area} ha within {low} to {high} is no interval")
        known = {(unit_key(unit.layer, unit.zone_id), point.period) for unit in self.units for point in unit.series}
        if unknown := sorted(set(estimates) - known):
            raise BadInput(f"estimate of {unknown[0][0]} in {unknown[0][1]}: the run has no such unit and period")
        return replace(self, units=tuple(replace(unit, series=_estimated(unit, estimates)) for unit in self.units))


_TRENDS = TypeAdapter(Trends)


def unit_key(layer: str, unit_id: str) -> str:
    """How an estimate names a unit: a declared zone by its id, a unit of another layer as `layer/unit`."""
    return unit_id if layer == ZONES else f"{layer}/{unit_id}"


def _estimated(unit: Trend, estimates: Estimates) -> tuple[TrendPoint, ...]:
    points = []
    for point in unit.series:
        found = estimates.get((unit_key(unit.layer, unit.zone_id), point.period))
        area, low, high = (round(figure, 4) for figure in found) if found else (None, None, None)
        points.append(replace(point, estimated_ha=area, low_ha=low, high_ha=high))
    return tuple(points)


def entering_periods(sums: LayerSums, min_share: float) -> NDArray[np.bool_]:
    """Whether a period enters the trend of a unit, (T, n + 1): it saw at least `min_share` of the unit's ground."""
    enters: NDArray[np.bool_] = (sums.seen >= min_share * sums.watched) & (sums.watched > 0)
    return enters


def build_trends(
    layers: Sequence[LayerSums],
    common: Sequence[CommonGround],
    enters: Sequence[NDArray[np.bool_]],
    periods: Sequence[Period],
    mapping_unit_ha: float,
    min_share: float,
) -> Trends:
    """Trends of all watched ground (the first of `layers`, without units), then of each layer's units that are watched.

    `common` is the ground of each unit that was observed in all periods that `enters` names.
    """
    programme, *others = layers
    trends = [_Unit(programme, common[0], enters[0], 0, periods, mapping_unit_ha, min_share).trend(_Named(TOTAL))]
    for sums, ground, entering in zip(others, common[1:], enters[1:], strict=True):
        watched = sums.watched
        units = [
            _Unit(sums, ground, entering, i, periods, mapping_unit_ha, min_share).trend(
                _Named(unit.zone_id, unit.name, unit.country, unit.admin1)
            )
            for i, unit in enumerate(sums.layer.units, start=1)
            if watched[i]
        ]
        latest = _ranks([unit.gain_latest_ha for unit in units], [unit.gain_latest_share for unit in units], min_share)
        opened = _ranks([unit.opened_ha for unit in units], [unit.opened_share for unit in units], min_share)
        trends += [
            replace(unit, rank_latest=a, rank_opened=b) for unit, a, b in zip(units, latest, opened, strict=True)
        ]
        if watched[0]:
            rest = _Named(UNASSIGNED, "", *sums.layer.elsewhere)
            trends.append(_Unit(sums, ground, entering, 0, periods, mapping_unit_ha, min_share).trend(rest))
    return Trends(tuple(trends), min_share)


def _ranks(gains: Sequence[float | None], shares: Sequence[float | None], min_share: float) -> list[int | None]:
    """Rank by gain, largest first, equals alike; none without gain, nor where too little ground was compared."""
    ranked = [gain if gain and (seen or 0) >= min_share else None for gain, seen in zip(gains, shares, strict=True)]
    found = [gain for gain in ranked if gain is not None]
    return [None if gain is None else 1 + sum(other > gain for other in found) for gain in ranked]


class _Named(NamedTuple):
    """What a unit is called, and where it lies."""

    zone_id: str
    zone_name: str = ""
    country: str = ""
    admin1: str = ""


@dataclass(frozen=True)
class _Unit:
    """Sums of one unit of a layer."""

    sums: LayerSums
    common: CommonGround
    entering: NDArray[np.bool_]
    number: int
    periods: Sequence[Period]
    mapping_unit_ha: float
    min_share: float

    def trend(self, named: _Named) -> Trend:
        """All that is told of the unit, without its ranks."""
        i, n = self.number, len(self.periods)
        watched = int(self.sums.watched[i])
        enters = self.entering[:, i]
        names = [period.name for period in self.periods]
        entered = [name for name, enter in zip(names, enters, strict=True) if enter]
        common_share = share(int(self.common.ground[i]), watched) if entered else None
        on_common = [_ha(self.common.disturbed[t, i]) for t in np.flatnonzero(enters)] if common_share else []
        moved = self.sums.states[n - 2, i] if n > 1 else np.zeros(len(STATES), np.int64)
        both, twice = int(moved[_BOTH].sum()), int(self.sums.seen_twice[i])
        return Trend(
            layer=self.sums.layer.name,
            **named._asdict(),
            watched_ha=_ha(watched),
            periods=len(entered),
            first_period=entered[0] if entered else "",
            last_period=entered[-1] if entered else "",
            left_out=tuple(name for name in names if name not in entered),
            common_share=common_share,
            first_ha=on_common[0] if on_common else None,
            last_ha=on_common[-1] if on_common else None,
            **self._growth(on_common, common_share),
            **self._onset(),
            gain_latest_ha=_ha(moved[_GAIN]) if both else None,
            gain_latest_share=share(both, watched) if n > 1 else None,
            rank_latest=None,
            opened_ha=_ha(self.sums.opened[:, i].sum()) if twice else None,
            opened_share=share(twice, watched) if n > 1 else None,
            rank_opened=None,
            series=self._series(on_common),
        )

    def _growth(self, areas: Sequence[float], common_share: float | None) -> dict[str, Any]:
        nothing = dict.fromkeys(_GROWTH) | {"test": ""}
        if common_share is None:
            return nothing | {"trend": "not observed"}
        if len(self.entering[:, self.number].nonzero()[0]) < MIN_POINTS:
            return nothing | {"trend": "too few periods"}
        if common_share < self.min_share:
            return nothing | {"trend": "too little common ground"}
        middle = [
            (period.start.toordinal() + period.end.toordinal()) / 2 / _DAYS_PER_YEAR
            for period, enter in zip(self.periods, self.entering[:, self.number], strict=True)
            if enter
        ]
        test, slope = mann_kendall(areas), theil_sen(middle, areas)
        level = float(np.median(areas))
        shown = test.p < LEVEL
        return {
            "trend": ("rising" if test.s > 0 else "falling") if shown else "no trend shown",
            "slope_ha_per_year": _rounded(slope.value),
            "slope_low": _rounded(slope.low),
            "slope_high": _rounded(slope.high),
            "slope_percent_per_year": _rounded(100 * slope.value / level, 2) if level else None,
            "kendall_s": test.s,
            "p_value": _rounded(test.p, 6),
            "test": test.method,
        }

    def _onset(self) -> dict[str, Any]:
        """First period with workings of a mapping unit on ground seen without them, after one that saw enough."""
        i = self.number
        least = max(self.mapping_unit_ha * _MM2_PER_HA, 1)
        first = next((t for t, mm2 in enumerate(self.sums.disturbed[:, i]) if mm2 >= least), None)
        found = {"onset": "", "onset_after": ""}
        if first is None:
            seen = bool(self.entering[:, i].any())
            return found | {"onset_note": "no workings mapped" if seen else "not observed enough"}
        before = [t for t in range(first) if self.entering[t, i]]
        if not before or self.sums.opened[first, i] < least:
            return found | {"onset_note": f"there when first seen, {self.periods[first].name}"}
        after = self.periods[before[-1]].name
        return {"onset": self.periods[first].name, "onset_after": after, "onset_note": "opened"}

    def _series(self, on_common: Sequence[float]) -> tuple[TrendPoint, ...]:
        i, common = self.number, iter(on_common)
        watched = int(self.sums.watched[i])
        points = []
        for t, period in enumerate(self.periods):
            seen, enters = int(self.sums.seen[t, i]), bool(self.entering[t, i])
            points.append(
                TrendPoint(
                    period=period.name,
                    start=period.start.isoformat(),
                    end=period.end.isoformat(),
                    observed_share=share(seen, watched),
                    enters=enters,
                    disturbed_ha=_ha(self.sums.disturbed[t, i]) if seen else None,
                    common_disturbed_ha=next(common, None) if enters else None,
                )
            )
        return tuple(points)


_GROWTH = (
    "slope_ha_per_year",
    "slope_low",
    "slope_high",
    "slope_percent_per_year",
    "kendall_s",
    "p_value",
)


def _ha(mm2: int | np.int64) -> float:
    """Hectares in steps of 0.0001, that is of a square metre."""
    return ((int(mm2) + MM2_PER_M2 // 2) // MM2_PER_M2) / M2_PER_HA


def _rounded(value: float | None, digits: int = 4) -> float | None:
    return None if value is None else round(value, digits) + 0.0
