"""Trends of units as they are told and stored, with estimated areas beside the mapped ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from math import isfinite

from pydantic import TypeAdapter, ValidationError

from pipeline.config import Period
from pipeline.errors import BadInput
from pipeline.footprint.layers import ZONES
from pipeline.footprint.tables import write_table

SCHEMA_VERSION = "1.0"
LEVEL = 0.05  # of the test below which a trend is shown
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
