"""The analyst's table: every input of a capacity range with its low, mode and high, its source and year."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pipeline.errors import Problems
from pipeline.footprint.ground import ALL, COUNTRY, Place, RunGround
from pipeline.footprint.tables import MAX_NUMBER, Row, Table, read_table

UNITS = {"diamonds": "ct", "gold": "g"}
GRADES = {"diamonds": "ct_per_m3", "gold": "g_per_m3"}
LABOUR, FOOTPRINT = "labour", "footprint"
MINERS, NEW_AREA = "miners", "new_area_ha"
# Counted, not measured: one number for many zones would be counted once in each.
COUNTS = (MINERS, NEW_AREA)
_BEFORE_GRADE = {
    LABOUR: (MINERS, "days_per_year", "m3_gravel_per_miner_day"),
    FOOTPRINT: (NEW_AREA, "dug_fraction", "gravel_thickness_m", "recovery"),
}
_MOST = {"days_per_year": 366.0, "dug_fraction": 1.0, "recovery": 1.0}
_COLUMNS = ("commodity", "route", "input", "low", "mode", "high", "source", "year")
_YEARS = (1900, 2100)


def inputs_of(commodity: str, route: str) -> tuple[str, ...]:
    """Inputs of a route, in the order in which they are multiplied."""
    return (*_BEFORE_GRADE[route], GRADES[commodity])


@dataclass(frozen=True)
class Input:
    """One row: an input of a route for a zone, a country or all zones; `period` "" stands for every period."""

    place: Place
    commodity: str
    route: str
    name: str
    period: str
    low: float
    mode: float
    high: float
    source: str
    year: int
    note: str = ""

    @property
    def key(self) -> tuple[Place, str, str, str, str]:
        """What makes the row one of its kind in the table; its random numbers hang on it."""
        return self.place, self.commodity, self.route, self.name, self.period


@dataclass(frozen=True)
class InputTable:
    """All rows of a table, in an order that does not depend on the file's, and the file's SHA-256."""

    inputs: tuple[Input, ...]
    sha256: str = ""

    def find(self, places: Sequence[Place], commodity: str, route: str, name: str, period: str) -> Input | None:
        """The row for the first of some places that has one, that of the period before that of every period."""
        wanted = ((place, commodity, route, name, p) for place in places for p in dict.fromkeys((period, "")))
        return next((self._by_key[key] for key in wanted if key in self._by_key), None)

    @cached_property
    def _by_key(self) -> dict[tuple[Place, str, str, str, str], Input]:
        return {item.key: item for item in self.inputs}

    def commodities(self) -> list[str]:
        """Commodities of which the table has at least one row."""
        return sorted({item.commodity for item in self.inputs})


def read_inputs(path: Path, run: RunGround) -> InputTable:
    """The table in a CSV file, for the zones and periods of a run (docs/production.md has its columns).

    Raises BadInput if the file cannot be read, Problems with every mistake, its line and its remedy.
    """
    table = read_table(path, _COLUMNS, ("zone_id", "country", "period", "note"))
    inputs: dict[tuple[Place, str, str, str, str], Input] = {}
    lines: dict[tuple[Place, str, str, str, str], int] = {}
    for row in table.rows:
        item = _input(table, row, run)
        if item is None:
            continue
        if item.key in inputs:
            table.problem(row, f"{item.name} of {item.place} was given in line {lines[item.key]} already; keep one")
        inputs[item.key], lines[item.key] = item, row.line
    if problems := table.finish():
        raise Problems(str(path), problems)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return InputTable(tuple(inputs[key] for key in sorted(inputs)), digest)


def _input(table: Table, row: Row, run: RunGround) -> Input | None:
    """A row as an input; None, with each of its problems noted, where it is none."""
    place = place_of(table, row, run, may_be_all=True)
    commodity, route = table.choice(row, "commodity", tuple(UNITS)), table.choice(row, "route", tuple(_BEFORE_GRADE))
    name = _input_name(table, row, commodity, route) if commodity and route else None
    most = _MOST.get(name or "", MAX_NUMBER)
    low, mode, high = (table.number(row, column, most) for column in ("low", "mode", "high"))
    if low is not None and mode is not None and high is not None and not low <= mode <= high:
        table.problem(row, f"low {low:g}, mode {mode:g}, high {high:g} do not rise; write low <= mode <= high")
        return None
    source, year = row.cells["source"], _year(table, row)
    if not source:
        table.problem(row, "source is empty; say where the numbers come from")
    period = row.cells.get("period", "")
    comparisons = [window.name for window in run.windows[1:]]
    if period and period not in comparisons:
        table.problem(
            row,
            f"period {period[:40]!r} is none that the run compares with one before; "
            f"write one of: {', '.join(comparisons) or 'none in this run'}, or leave it empty",
        )
        return None
    if name in COUNTS and place == ALL:
        table.problem(row, f"{name} for all zones would be counted in each of them; give it by zone or by country")
        return None
    if name == NEW_AREA and not period:
        if len(comparisons) != 1:
            table.problem(row, f"{name} is ground of one period; write it in a column 'period'")
            return None
        period = comparisons[0]
    if not (place and commodity and route and name and source and year is not None):
        return None
    if low is None or mode is None or high is None:
        return None
    return Input(place, commodity, route, name, period, low, mode, high, source, year, row.cells.get("note", ""))


def _input_name(table: Table, row: Row, commodity: str, route: str) -> str | None:
    name, known = row.cells["input"].lower(), inputs_of(commodity, route)
    if name in known:
        return name
    grade = GRADES[commodity]
    if name in ("grade", *GRADES.values()):
        unit = UNITS[commodity]
        table.problem(row, f"input {name!r}: for {commodity}, counted in {unit}, write the grade as {grade}")
    else:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"write one of: {', '.join(known)}"
        table.problem(row, f"input {row.cells['input'][:40]!r} is none of the {route} route; {hint}")
    return None


def _year(table: Table, row: Row) -> int | None:
    text = row.cells["year"]
    if text.isascii() and text.isdigit() and len(text) == 4 and _YEARS[0] <= int(text) <= _YEARS[1]:
        return int(text)
    table.problem(row, f"year {text[:40]!r} is not a year of a source; write it like 2019")
    return None


def place_of(table: Table, row: Row, run: RunGround, *, may_be_all: bool) -> Place | None:
    """The zone or country of a row; None, with the problem noted, unless exactly one is given and known."""
    zone, country = row.cells.get("zone_id", ""), row.cells.get("country", "").upper()
    every = ", or 'all'" if may_be_all else ""
    if bool(zone) == bool(country):
        table.problem(row, f"write either a zone_id{every} or a country, not {'both' if zone else 'neither'}")
    elif zone in run.zones:
        return Place("zone", zone)
    elif may_be_all and zone.lower() == ALL.id:
        return ALL
    elif zone:
        table.problem(row, f"zone_id {zone[:40]!r} is none of the run; write one of: {', '.join(run.zones)}{every}")
    elif COUNTRY.fullmatch(country):
        return Place("country", country)
    else:
        table.problem(row, f"country {country[:40]!r} is no ISO 3166-1 alpha-3 code; write it like CAF")
    return None
