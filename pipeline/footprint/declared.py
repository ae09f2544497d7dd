"""Declared production and exports: one record for a place, commodity, type, flow and span of days."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import Problems
from pipeline.footprint.capacity_inputs import UNITS, place_of
from pipeline.footprint.ground import Place, RunGround
from pipeline.footprint.tables import Row, Table, read_table

ARTISANAL, LARGE_SCALE = "artisanal", "large-scale"
TYPES = (ARTISANAL, LARGE_SCALE)
FLOWS = ("production", "exports")
# Carats or grams in one of each unit; no unit of mass stands for carats of stones, nor carats for gold.
_IN_UNIT = {"diamonds": {"ct": 1.0}, "gold": {"g": 1.0, "kg": 1000.0}}
_COLUMNS = ("commodity", "type", "flow", "start", "end", "value", "unit", "source")
_YEARS = (1900, 2100)
# Days of a reporting period, shortest and longest, and how many make a year.
_LENGTHS = {"month": (28, 31, 12), "quarter": (90, 92, 4), "half-year": (181, 184, 2), "year": (365, 366, 1)}


class Series(NamedTuple):
    """What declarations must share to have one history."""

    place: Place
    commodity: str
    type: str
    flow: str


@dataclass(frozen=True)
class Declaration:
    """A declared figure in carats (diamonds) or grams (gold), for the days `start` to `end`, both included."""

    series: Series
    start: date
    end: date
    value: float
    source: str

    @property
    def days(self) -> int:
        """Days of the span."""
        return (self.end - self.start).days + 1

    @property
    def length(self) -> str:
        """Month, quarter, half-year or year; "" where the days make none of them."""
        return next((name for name, (least, most, _) in _LENGTHS.items() if least <= self.days <= most), "")

    @property
    def unit(self) -> str:
        """Carats or grams."""
        return UNITS[self.series.commodity]


@dataclass(frozen=True)
class Declared:
    """All declarations of a file, by series and time, and the file's SHA-256."""

    rows: tuple[Declaration, ...]
    sha256: str = ""

    def histories(self) -> list[tuple[Series, tuple[Declaration, ...]]]:
        """Declarations of each series in time order."""
        return [(series, tuple(rows)) for series, rows in groupby(self.rows, key=lambda row: row.series)]


def periods_a_year(length: str) -> int:
    """How many months, quarters, half-years or years make a year."""
    return _LENGTHS[length][2]


def read_declared(path: Path, run: RunGround) -> Declared:
    """Declarations in a CSV file, for the zones of a run and any country (docs/production.md has its columns).

    Raises BadInput if the file cannot be read, Problems with every mistake, its line and its remedy. Spans of one
    series that overlap are a mistake: the same stones would be counted twice.
    """
    table = read_table(path, _COLUMNS, ("zone_id", "country", "note"))
    rows: list[tuple[Declaration, Row]] = []
    for row in table.rows:
        found = _declaration(table, row, run)
        if found is not None:
            rows.append((found, row))
    rows.sort(key=lambda pair: (pair[0].series, pair[0].start, pair[0].end))
    for (before, first), (after, row) in pairwise(rows):
        if before.series == after.series and after.start <= before.end:
            table.problem(
                row, f"its days overlap those of line {first.line}, of the same place, type and flow; keep one"
            )
    if problems := table.finish():
        raise Problems(str(path), problems)
    return Declared(tuple(found for found, _ in rows), hashlib.sha256(path.read_bytes()).hexdigest())


def _declaration(table: Table, row: Row, run: RunGround) -> Declaration | None:
    """A row as a declaration; None, with each of its problems noted, where it is none."""
    place = place_of(table, row, run, may_be_all=False)
    commodity = table.choice(row, "commodity", tuple(UNITS))
    kind, flow = table.choice(row, "type", TYPES), table.choice(row, "flow", FLOWS)
    start, end = table.day(row, "start"), table.day(row, "end")
    value, scale = table.number(row, "value"), _scale(table, row, commodity) if commodity else None
    if start and end and (end < start or not _YEARS[0] <= start.year <= end.year <= _YEARS[1]):
        table.problem(row, f"start {start} and end {end}: write the first and the last day, from {_YEARS[0]} on")
        return None
    if not row.cells["source"]:
        table.problem(row, "source is empty; say who declared it and where it stands")
        return None
    if not (place and commodity and kind and flow and start and end) or value is None or scale is None:
        return None
    return Declaration(Series(place, commodity, kind, flow), start, end, value * scale, row.cells["source"])


def _scale(table: Table, row: Row, commodity: str) -> float | None:
    units, text = _IN_UNIT[commodity], row.cells["unit"].lower()
    if text not in units:
        table.problem(
            row, f"unit {row.cells['unit'][:40]!r}: for {commodity} write {' or '.join(units)}; convert the value"
        )
    return units.get(text)


@dataclass(frozen=True)
class Year:
    """Declarations of one series that make up twelve months without gap, and their sum."""

    start: date
    end: date
    value: float


def whole_years(history: Sequence[Declaration]) -> tuple[list[Year], list[Declaration]]:
    """Years that a history (in time order) tells in full, and the declarations that are part of none.

    A declaration of 365 or 366 days is a year of its own; others are a year where they fill a calendar year exactly.
    """
    years = [Year(row.start, row.end, row.value) for row in history if row.length == "year"]
    rest: list[Declaration] = []
    for year, group in groupby((row for row in history if row.length != "year"), key=lambda row: row.start.year):
        rows = list(group)
        first, last = date(year, 1, 1), date(year, 12, 31)
        # They do not overlap, so as many days as the year has leave no gap.
        if rows[-1].end <= last and sum(row.days for row in rows) == (last - first).days + 1:
            years.append(Year(first, last, sum(row.value for row in rows)))
        else:
            rest += rows
    return sorted(years, key=lambda year: year.start), rest


def covered(rows: Iterable[Declaration], first: date, last: date) -> list[Declaration]:
    """Declarations whose days meet a span."""
    return [row for row in rows if row.start <= last and row.end >= first]
