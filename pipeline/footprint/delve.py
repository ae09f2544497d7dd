"""The footprint as a table of country-level indicators, in the shape that Delve's country tables have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.config import Period
from pipeline.footprint.areas_by_zone import Footprint, FootprintRow
from pipeline.footprint.counting import M2_PER_HA
from pipeline.footprint.layers import TOTAL
from pipeline.footprint.tables import write_table
from pipeline.footprint.trends import Estimates

COLUMNS = ("country", "admin1", "year", "indicator", "value", "low", "high", "unit", "method", "source", "licence")
DISTURBED, ESTIMATED = "disturbed ground, mapped", "disturbed ground, estimated"
GAIN, LOSS = (
    "newly disturbed ground since the period before, mapped",
    "recovered ground since the period before, mapped",
)
WATCHED, OBSERVED = "watched ground", "share of watched ground observed"
_SAMPLE = "stratified random sample with reference labels (Stehman 2014; Olofsson et al. 2014), 95 % interval"

# Country (ISO 3166-1 alpha-3) and first-level unit, empty where not known.
Place = tuple[str, str]


@dataclass(frozen=True)
class Provenance:
    """Where the figures of a table come from and under which terms they are given."""

    source: str
    licence: str

    @classmethod
    def of_run(cls, programme: str, run_id: str, imagery: str, licence: str) -> Provenance:
        """That of a run; `imagery` is the name of its source of scenes."""
        simulated = imagery == "simulation"
        seen = "simulated imagery" if simulated else "Sentinel-2"
        terms = licence or "terms not stated by the programme"
        return cls(
            f"placerwatch, programme {programme}, run {run_id}, {seen}",
            terms if simulated else f"{terms}; contains modified Copernicus Sentinel data",
        )


def delve_csv(
    footprint: Footprint,
    places: Mapping[str, Place],
    periods: Sequence[Period],
    provenance: Provenance,
    estimates: Estimates | None = None,
) -> str:
    """Declared zones and unassigned ground by country and first-level unit, a line for each period and indicator.

    `places` are those of the zones by their id, and of "unassigned".

    `year` is that in which the period ends; `method` names the period, so that periods of one year stay apart. Mapped
    figures have no interval. An estimate is told where it covers all watched ground of its place: that of the one zone
    there, or that of the programme ("total") where all of it lies in one place.
    """
    rows = [row for row in footprint.of() if row.zone_id != TOTAL and row.watched_ha]
    by_place: dict[Place, set[str]] = {}
    for row in rows:
        by_place.setdefault(places.get(row.zone_id, ("", "")), set()).add(row.zone_id)
    records: list[dict[str, str | float | None]] = []
    for place in sorted(by_place):
        unit = next(iter(by_place[place])) if len(by_place[place]) == 1 else None
        names = [name for name in (unit, TOTAL if len(by_place) == 1 else None) if name]
        for period in periods:
            here = [row for row in rows if row.period == period.name and row.zone_id in by_place[place]]
            found = next(
                (estimates[n, period.name] for n in names if estimates and (n, period.name) in estimates), None
            )
            head: dict[str, str | float | None] = {
                "country": place[0],
                "admin1": place[1],
                "year": str(period.end.year),
                "source": provenance.source,
                "licence": provenance.licence,
            }
            records += [{**head, **line} for line in _lines(here, period, found)]
    return write_table(COLUMNS, records)


def _lines(
    rows: Sequence[FootprintRow], period: Period, estimate: tuple[float, float, float] | None
) -> list[dict[str, str | float | None]]:
    watched = _sum([row.watched_ha for row in rows]) or 0.0
    seen = watched - (_sum([row.not_observed_ha for row in rows]) or 0.0)
    both = sum((row.both_observed_share or 0.0) * row.watched_ha for row in rows) / watched
    where = f"map of {period.name} ({period.start} to {period.end}) at 10 m"
    counted = f"counted on the {where}, on the {100 * seen / watched:.1f} % of {watched:.1f} ha that were observed"
    compared = f"counted on the {where} and on that of the period before, on the {100 * both:.1f} % observed in both"
    lines = [
        _line(DISTURBED, _sum([row.disturbed_ha for row in rows]), "ha", counted),
        _line(GAIN, _sum([row.gain_ha for row in rows]), "ha", compared),
        _line(LOSS, _sum([row.loss_ha for row in rows]), "ha", compared),
        _line(WATCHED, watched, "ha", f"true area on the ellipsoid, {period.name}"),
        _line(OBSERVED, round(100 * seen / watched, 2), "%", f"at least one clear look in {period.name}"),
    ]
    if estimate is not None:
        area, low, high = (round(figure, 4) for figure in estimate)
        lines.insert(1, _line(ESTIMATED, area, "ha", f"{_SAMPLE}, {period.name}") | {"low": low, "high": high})
    # No figure, no line: what was not seen is told by the share observed.
    return [line for line in lines if line["value"] is not None]


def _line(indicator: str, value: float | None, unit: str, method: str) -> dict[str, str | float | None]:
    return {"indicator": indicator, "value": value, "low": None, "high": None, "unit": unit, "method": method}


def _sum(figures: Sequence[float | None]) -> float | None:
    """Sum of hectares printed to the square metre, exact to it; None if no ground was seen."""
    seen = [figure for figure in figures if figure is not None]
    return sum(round(figure * M2_PER_HA) for figure in seen) / M2_PER_HA if seen else None
