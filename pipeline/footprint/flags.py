"""Flags on declared figures: statistical oddities for a person to look into, each with what it is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from pipeline.errors import BadInput
from pipeline.footprint.capacity import Capacity, Range
from pipeline.footprint.capacity_inputs import FOOTPRINT, LABOUR
from pipeline.footprint.capacity_table import plain
from pipeline.footprint.declared import ARTISANAL, Declaration, Declared, Series, covered, whole_years
from pipeline.footprint.ground import Place, RunGround, Window
from pipeline.footprint.jumps import jump_of

FLAG, CLEAR, NOT_JUDGED = "flag", "no flag", "not judged"
# What each flag is, and what it is not.
CODES = {
    "above-capacity": (
        "The declared artisanal figure of a year lies above P95 of the capacity range.",
        "It is no proof of goods from elsewhere: inputs of the range may be too low, and exports may come from stocks.",
    ),
    "below-capacity": (
        "The declared artisanal figure of a year lies below P5 of the capacity range.",
        "It is no proof of undeclared goods: capacity is what could be, and ground or hands may have given less.",
    ),
    "jump": (
        "The declared figure lies far from the median of the same series' own earlier figures.",
        "It is no proof of a wrong figure: new deposits, prices, rules or a change of reporting also make jumps.",
    ),
    "declared-unseen": (
        "Something was declared for a time in which no disturbed ground was mapped there.",
        "It is no proof that nothing was dug: workings smaller than a pixel, or hidden by forest, are not mapped.",
    ),
    "seen-undeclared": (
        "Disturbed ground was mapped in a time for which nothing was declared there.",
        "It is no proof of undeclared production: commodity and activity cannot be seen, and maps have false alarms.",
    ),
}
CHECKS = ("capacity", "jump", "declared-unseen", "seen-undeclared")


@dataclass(frozen=True)
class Rules:
    """From which share of ground observed the flags that rest on imagery are judged, and what counts as disturbed."""

    least_observed_share: float = 0.5
    least_disturbed_ha: float = 1.0

    def __post_init__(self) -> None:
        """Raise BadInput for rules that make no sense."""
        if not 0 < self.least_observed_share <= 1:
            raise BadInput(f"--min-observed {self.least_observed_share:g}: expected more than 0 and at most 1")
        if not 0 < self.least_disturbed_ha <= 1e6:
            raise BadInput(f"--min-disturbed-ha {self.least_disturbed_ha:g}: expected more than 0 and up to 1000000")


@dataclass(frozen=True)
class Judgement:
    """One check of a series over some days: a flag with its code, no flag, or why it is not judged.

    What was seen and not declared has a place only: the other names of its series are "".
    """

    series: Series
    start: date
    end: date
    check: str
    verdict: str
    text: str
    code: str = ""
    route: str = ""
    value: float | None = None
    score: float | None = None


def judge_declared(run: RunGround, declared: Declared, capacity: Capacity | None, rules: Rules) -> list[Judgement]:
    """Every check of every declaration, and of zones and countries that declared nothing; by place, then time."""
    found: list[Judgement] = []
    for series, history in declared.histories():
        found += _against_capacity(run, series, history, capacity)
        found += _jumps(series, history)
    found += _declared_unseen(run, declared, rules)
    found += _seen_undeclared(run, declared, rules)
    return sorted(found, key=lambda j: (j.series, j.start, j.end, CHECKS.index(j.check), j.route))


def _against_capacity(
    run: RunGround, series: Series, history: Sequence[Declaration], capacity: Capacity | None
) -> Iterator[Judgement]:
    """Whole years of artisanal figures against the range of each route."""
    years, rest = whole_years(history)
    why = "no capacity range without a table of inputs (--inputs)" if capacity is None else ""
    if series.type != ARTISANAL:
        why = "only artisanal figures are compared with artisanal capacity"
    if why or capacity is None:
        yield Judgement(series, history[0].start, history[-1].end, "capacity", NOT_JUDGED, why)
        return
    for row in rest:
        why = f"{row.days} days; capacity is compared with whole years, and other days of that year are missing"
        yield Judgement(series, row.start, row.end, "capacity", NOT_JUDGED, why, value=row.value)
    for year in years:
        window = run.window_of(year.start, year.end)
        for route in (LABOUR, FOOTPRINT):
            item = capacity.find(series.place, series.commodity, route, window.name if window else "")
            if not isinstance(item, Range):
                reason = item.reason if item else f"no range by {route} for that place and time"
                verdict, text, code = NOT_JUDGED, reason, ""
            else:
                verdict, text, code = _within(year.value, item)
            yield Judgement(
                series, year.start, year.end, "capacity", verdict, text, code=code, route=route, value=year.value
            )


def _within(value: float, item: Range) -> tuple[str, str, str]:
    p5, _, p95 = item.percentiles
    code = "above-capacity" if value > p95 else "below-capacity" if value < p5 else ""
    text = f"{plain(value)} declared, range {plain(p5)} to {plain(p95)} {item.unit} (P5 to P95)"
    if item.place.kind == "country" and item.zones:
        text += f", of {', '.join(item.zones)} only: other ground of the country is not in the range"
    return (FLAG if code else CLEAR), text, code


def _jumps(series: Series, history: Sequence[Declaration]) -> Iterator[Judgement]:
    for number, row in enumerate(history):
        found = jump_of(row, history[:number])
        verdict = NOT_JUDGED if found.beyond is None else FLAG if found.beyond else CLEAR
        code = "jump" if found.beyond else ""
        yield Judgement(series, row.start, row.end, "jump", verdict, found.text, code, "", row.value, found.score)


@dataclass(frozen=True)
class _Seen:
    """Disturbed ground of a place in a window, or why it cannot be told."""

    disturbed_ha: float
    gain_ha: float | None
    why_not: str


def _seen(run: RunGround, place: Place, window: Window, rules: Rules) -> _Seen:
    zones = run.zones_of(place)
    if not zones:
        return _Seen(0, None, f"no zone of the run is known to lie in {place}; name the areas file with --areas")
    ground = [run.ground[zone, window.name] for zone in zones]
    watched = sum(g.watched_ha for g in ground)
    share = sum(g.observed_ha for g in ground) / watched if watched else 0.0
    asked = rules.least_observed_share
    # Rounded as it is printed: 0.4 ha of 0.8 is half.
    why = "" if round(share, 6) >= asked else f"{share:.0%} of its ground was observed, {asked:.0%} are asked for"
    gains = [g.gain_ha for g in ground if g.gain_ha is not None]
    gain = sum(gains) if gains else None
    return _Seen(sum(g.disturbed_ha or 0 for g in ground), gain, why)


def _only_watched(run: RunGround, place: Place) -> str:
    return "" if place.kind == "zone" else f" in {', '.join(run.zones_of(place))}, the zones watched there"


def _declared_unseen(run: RunGround, declared: Declared, rules: Rules) -> Iterator[Judgement]:
    for row in declared.rows:
        if row.value > 0:
            verdict, text = _unseen(run, row, rules)
            code = "declared-unseen" if verdict == FLAG else ""
            yield Judgement(row.series, row.start, row.end, "declared-unseen", verdict, text, code, value=row.value)


def _unseen(run: RunGround, row: Declaration, rules: Rules) -> tuple[str, str]:
    """Verdict on a declaration above 0 by the ground mapped in its time, and why."""
    window = run.window_of(row.start, row.end)
    if window is None:
        return NOT_JUDGED, "no period of the run covers half of that time"
    seen = _seen(run, row.series.place, window, rules)
    if seen.why_not:
        return NOT_JUDGED, seen.why_not
    return (
        FLAG if seen.disturbed_ha < rules.least_disturbed_ha else CLEAR,
        f"{plain(row.value)} {row.unit} declared, {plain(seen.disturbed_ha)} ha of disturbed ground mapped in "
        f"{window.name}{_only_watched(run, row.series.place)}; {rules.least_disturbed_ha:g} ha count as seen",
    )


def _seen_undeclared(run: RunGround, declared: Declared, rules: Rules) -> Iterator[Judgement]:
    """Every watched zone, if some zone declares, and every country of a zone, if some country does."""
    kinds = {row.series.place.kind for row in declared.rows}
    zones = [Place("zone", zone) for zone in run.zones] if "zone" in kinds else []
    named = {row.series.place.id for row in declared.rows if row.series.place.kind == "country"}
    codes = sorted({*run.countries.values(), *named}) if "country" in kinds else []
    first, last = min(row.start for row in declared.rows), max(row.end for row in declared.rows)
    for place in [*zones, *(Place("country", code) for code in codes)]:
        own = [row for row in declared.rows if row.series.place == place]
        country = run.countries.get(place.id) if place.kind == "zone" else None
        # A country that is not known may be any of those that declared something.
        above = [r for r in declared.rows if r.series.place.kind == "country" and country in (r.series.place.id, None)]
        for window in run.windows:
            told = [row for row in covered(own, window.first, window.last) if row.value > 0]
            whole = [row for row in covered(above, window.first, window.last) if row.value > 0]
            seen = _seen(run, place, window, rules)
            verdict, code = NOT_JUDGED, ""
            days = (min(window.last, last) - max(window.first, first)).days + 1
            if 2 * days < (window.last - window.first).days + 1:
                text = "the declared figures tell of less than half of that time"
            elif seen.why_not:
                text = seen.why_not
            elif place.kind == "zone" and whole and not told:
                codes_told = ", ".join(sorted({row.series.place.id for row in whole}))
                text = f"declared for {codes_told} as a whole, not by zone"
                text += "" if country else "; if the zone lies elsewhere, name the areas file with --areas"
            else:
                flagged = not told and seen.disturbed_ha >= rules.least_disturbed_ha
                verdict, code = (FLAG, "seen-undeclared") if flagged else (CLEAR, "")
                what = ", ".join(sorted({row.series.commodity for row in told})) or "nothing"
                new = "new part not known" if seen.gain_ha is None else f"{plain(seen.gain_ha)} ha of it new"
                text = (
                    f"{plain(seen.disturbed_ha)} ha of disturbed ground mapped{_only_watched(run, place)}, "
                    f"{new}; {what} declared; "
                    f"{rules.least_disturbed_ha:g} ha count as seen"
                )
            yield Judgement(
                Series(place, "", "", ""), window.first, window.last, "seen-undeclared", verdict, text, code
            )
