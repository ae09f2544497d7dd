"""CSV as people's spreadsheets save it, checked cell by cell, and CSV that no spreadsheet takes for formulas."""

from __future__ import annotations

import csv
import difflib
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from pipeline.errors import BadInput

MAX_BYTES = 16 * 2**20
MAX_ROWS = 100_000
MAX_NUMBER = 1e12
_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]{1,3})?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


@dataclass(frozen=True)
class Row:
    """One record: the line of the file it begins on (from 1) and its cells, stripped, by column."""

    line: int
    cells: Mapping[str, str]


@dataclass
class Table:
    """Records of a CSV file, the problems found in it so far, and how its numbers are written.

    Semicolons or tabs between cells go with decimal points or decimal commas, one of the two in a file.
    """

    name: str
    rows: list[Row]
    problems: list[str]
    delimiter: str = ","
    _signs: dict[str, int] = field(default_factory=dict)

    def problem(self, row: Row, message: str) -> None:
        """Note what is wrong with a record and what to do."""
        self.problems.append(f"line {row.line}: {message}")

    def number(self, row: Row, column: str, most: float = MAX_NUMBER) -> float | None:
        """A cell as a number from 0 to `most`; None, with the problem noted, where it is none."""
        text = row.cells[column]
        if not text:
            self.problem(row, f"{column} is empty; write a number")
        elif not (match := _NUMBER.fullmatch(text)):
            self.problem(row, f"{column} {text[:40]!r} is not a number; write it like 12000 or 0.25, no other signs")
        elif match[1] and match[1][0] == "," and self.delimiter == ",":
            self.problem(row, f"{column} {text[:40]!r} has a comma; write a decimal point, and no thousands signs")
        else:
            if match[1]:
                self._signs.setdefault(match[1][0], row.line)
            value = float(text.replace(",", "."))
            if value < 0:
                self.problem(row, f"{column} {text[:40]} is negative; no such quantity can be")
            elif not math.isfinite(value) or value > most:
                self.problem(row, f"{column} {text[:40]} is above {most:g}; check its unit")
            else:
                return value + 0.0  # -0.0 becomes 0.0
        return None

    def day(self, row: Row, column: str) -> date | None:
        """A cell as a day; None, with the problem noted, where it is none."""
        text = row.cells[column]
        try:
            if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
                return date.fromisoformat(text)
        except ValueError:
            pass
        self.problem(row, f"{column} {text[:40]!r} is not a day; write it like 2024-03-31")
        return None

    def choice(self, row: Row, column: str, choices: Sequence[str]) -> str | None:
        """A cell as one of some words, whatever its case; None, with the problem noted, where it is none of them."""
        text = row.cells[column].lower()
        if text in choices:
            return text
        self.problem(row, f"{column} {row.cells[column][:40]!r} is not known; write one of: {', '.join(choices)}")
        return None

    def finish(self) -> list[str]:
        """All problems, with what only the whole file shows."""
        if len(self._signs) > 1:
            lines = " and ".join(f"{sign!r} in line {line}" for sign, line in sorted(self._signs.items()))
            self.problems.append(f"both decimal signs are used ({lines}); use one, and no thousands signs")
        return self.problems


def read_table(path: Path, required: Sequence[str], optional: Sequence[str] = ()) -> Table:
    """Records of a CSV file with a header of these columns, in any order and case; empty records are left out.

    Commas, semicolons or tabs part the cells; a byte order mark is passed over. Raises BadInput if the file cannot
    be read as text or has not these columns; what is wrong with single records is noted in the table.
    """
    text = _text_of(path)
    header_line = text.split("\n", 1)[0]
    delimiter = next((sign for sign in "\t;" if sign in header_line), ",")
    problems: list[str] = []
    rows: list[Row] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        problems += _header_problems(header, required, optional)
        if problems:
            raise BadInput(f"{path}: line 1: {'; '.join(problems)}")
        line = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                if len(rows) >= MAX_ROWS:
                    raise BadInput(f"{path}: more than {MAX_ROWS} records; this is not a table of an analyst's inputs")
                _add_row(rows, problems, line, header, cells)
            line = reader.line_num + 1
    except csv.Error as error:
        problems.append(f"line {reader.line_num}: not CSV ({error}); check its quotation marks")
    if not rows and not problems:
        problems.append("no record below the header; add some")
    return Table(str(path), rows, problems, delimiter)


def _text_of(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadInput(f"{path}: larger than {MAX_BYTES // 2**20} MiB; this is not a table of an analyst's inputs")
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: not UTF-8 text; save it as CSV UTF-8") from error


def _header_problems(header: Sequence[str], required: Sequence[str], optional: Sequence[str]) -> list[str]:
    known = (*required, *optional)
    problems = [f"column {name!r} is missing" for name in required if name not in header]
    problems += [f"column {name!r} is there twice" for name in dict.fromkeys(header) if header.count(name) > 1]
    for name in header:
        if name and name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
            problems.append(f"column {name[:40]!r} is not known; {hint}")
    return problems


def _add_row(rows: list[Row], problems: list[str], line: int, header: Sequence[str], cells: Sequence[str]) -> None:
    # Spreadsheets end records with empty cells of columns that were once there.
    if any(cell.strip() for cell in cells[len(header) :]) or len(cells) < len(header):
        problems.append(f"line {line}: {len(cells)} cells under {len(header)} columns; quote text that holds commas")
        return
    found = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if name}
    for name, cell in found.items():
        if _CONTROL.search(cell):
            problems.append(f"line {line}: {name} holds a line break or control sign; write plain text on one line")
            return
    rows.append(Row(line, found))


def write_table(columns: Sequence[str], records: Iterable[Mapping[str, str | float | None]]) -> str:
    """CSV (RFC 4180, LF line ends); None is empty, and text that a spreadsheet would run gets an apostrophe before it.

    Numbers are written as they are: round them first.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for record in records:
        writer.writerow([_cell(record[column]) for column in columns])
    return text.getvalue()


def _cell(value: str | float | None) -> str:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return "" if value is None else f"{value:.12g}"


def rounded(value: float, digits: int = 4) -> float:
    """A number with so many significant digits."""
    return float(f"{value:.{digits}g}")
