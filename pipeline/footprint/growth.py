"""How the workings of each unit grew, told only of ground that was seen in every period compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.change.states import NEW
from pipeline.config import Period
from pipeline.footprint.areas_by_zone import share
from pipeline.footprint.counting import M2_PER_HA, MM2_PER_M2, SEEN_IN_BOTH, STATES, CommonGround, LayerSums
from pipeline.footprint.kendall import MIN_POINTS, mann_kendall, theil_sen
from pipeline.footprint.layers import TOTAL, UNASSIGNED
from pipeline.footprint.trends import LEVEL, Trend, TrendPoint, Trends

_DAYS_PER_YEAR = 365.25
_MM2_PER_HA = MM2_PER_M2 * M2_PER_HA
_BOTH = [STATES.index(state) for state in SEEN_IN_BOTH]
_GAIN = STATES.index(NEW)


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
