"""Periods of a programme: spans of dates written one by one, or as rules that go on from year to year."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import islice, pairwise
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Every = Literal["year", "half-year", "quarter", "month"]
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$"
FIRST_YEAR, LAST_YEAR = 2015, 2099  # Sentinel-2A was launched in June 2015

_MONTHS: Mapping[Every, int] = {"year": 12, "half-year": 6, "quarter": 3, "month": 1}
_DEFAULT_NAMES: Mapping[Every, str] = {
    "year": "{start_year}",
    "half-year": "{start_year}-H{half}",
    "quarter": "{start_year}-Q{quarter}",
    "month": "{start_year}-{start_month}",
}
# Not calendar.month_name, which speaks the language of the machine.
_MONTH_NAMES = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_MONTH_NUMBERS = {word.lower(): i for i, name in enumerate(_MONTH_NAMES, 1) for word in (name, name[:3])}
_WORDS: Mapping[str, Every] = {
    **dict.fromkeys(("yearly", "annually", "year"), "year"),
    **dict.fromkeys(("half-yearly", "half-year"), "half-year"),
    **dict.fromkeys(("quarterly", "quarter"), "quarter"),
    **dict.fromkeys(("monthly", "month"), "month"),
}
_WHEN = r"(\d{4}(?:-\d{2}(?:-\d{2})?)?)"
_DAY = r"([a-z]+|\d{2}-\d{2})"
_TEXT = re.compile(
    rf"(?:{_DAY}\s*(?:-|–|\bto\b)\s*{_DAY}\s+)?(?:every\s+)?([a-z-]+)\s+(?:from|since)\s+{_WHEN}"
    rf"(?:\s+(?:until|to)\s+{_WHEN})?",
    re.IGNORECASE,
)
_TEXT_EXAMPLES = '"Dec-Mar every year from 2019", "quarterly from 2022" or "monthly from 2021-07 until 2023"'
# No rule is looked at further ahead than this when its overlaps are sought: seasons repeat from year to year.
_LOOK_AHEAD = timedelta(days=800)


class Period(BaseModel):
    """One span of dates that becomes one map."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=NAME_PATTERN, description="a short name of letters, digits, dots, hyphens")
    start: date = Field(description="first day")
    end: date = Field(description="last day, included")

    @model_validator(mode="after")
    def _ordered(self) -> Period:
        if self.end < self.start:
            raise ValueError(f"period {self.name!r} ends ({self.end}) before it starts ({self.start})")
        return self

    def describe(self) -> str:
        """Its name and days in a line."""
        return f"{self.name}: {self.start} to {self.end}"


class PeriodRule(BaseModel):
    """Periods that return: every calendar year, half-year, quarter or month, or a season of each year.

    Written as a mapping, or as text such as "Dec-Mar every year from 2019". A season named by months goes from the
    first day of one to the last day of the other; where it ends before it starts, it ends in the next year.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    every: Every = Field(description="year, half-year, quarter or month of the calendar")
    start: str | None = Field(default=None, alias="from", description="first day of a season: MM-DD, or a month")
    end: str | None = Field(default=None, alias="to", description="last day of a season: MM-DD, or a month")
    since: date = Field(description="no period starts earlier: a year, YYYY-MM or a day")
    until: date | None = Field(default=None, description="no period ends later; without it the rule goes on")
    name: str = Field(
        default="",
        max_length=80,
        description="of {start_year}, {end_year}, {end_year2}, {start_month}, {end_month}, {half}, {quarter} and text",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return _parsed(value) if isinstance(value, str) else value

    @field_validator("start", "end")
    @classmethod
    def _a_day_of_each_year(cls, value: str | None) -> str | None:
        return None if value is None else _canonical(value)

    @field_validator("since", "until", mode="before")
    @classmethod
    def _whole_years(cls, value: Any, info: Any) -> Any:
        return _bound(value, last=info.field_name == "until")

    @field_validator("since", "until")
    @classmethod
    def _in_the_time_of_sentinel_2(cls, value: date | None) -> date | None:
        if value is not None and not FIRST_YEAR <= value.year <= LAST_YEAR:
            raise ValueError(f"the year {value.year} is not between {FIRST_YEAR} and {LAST_YEAR}")
        return value

    @model_validator(mode="after")
    def _sensible(self) -> PeriodRule:
        if (self.start is None) != (self.end is None):
            raise ValueError("give both from and to, or neither: a season has two ends")
        if self.start is not None and self.every != "year":
            raise ValueError(f"from and to name a season of each year; every {self.every} has none, leave them out")
        if self.until is not None and self.until < self.since:
            raise ValueError(f"until ({self.until}) lies before since ({self.since})")
        if self.until is not None and not self.periods(self.until):
            raise ValueError(f"no whole period lies between since ({self.since}) and until ({self.until})")
        if _reaches_itself(self):
            raise ValueError(f"the season {self.start} to {self.end} is longer than a year less a day; shorten it")
        for first, last in islice(self._spans(), 1):
            self._name(first, last)
        return self

    def periods(self, as_of: date) -> tuple[Period, ...]:
        """Its periods that start by `as_of`, in order; one that is under way has its whole span."""
        found = []
        for first, last in self._spans():
            if first > as_of or (self.until is not None and last > self.until):
                break
            found.append(Period(name=self._name(first, last), start=first, end=last))
        return tuple(found)

    def describe(self) -> str:
        """The rule in a line, as it may be written in a config."""
        season = f"{self.start} to {self.end} " if self.start else ""
        until = f" until {self.until}" if self.until else ""
        return f"{season}every {self.every} from {self.since}{until}"

    def _spans(self) -> Iterator[tuple[date, date]]:
        """First and last days from `since` on, without regard to `until`."""
        for year in range(self.since.year, LAST_YEAR + 1):
            if self.start is not None and self.end is not None:
                first = _day_in(self.start, year, last=False)
                last = _day_in(self.end, year, last=True)
                spans = [(first, last if last >= first else _day_in(self.end, year + 1, last=True))]
            else:
                step = _MONTHS[self.every]
                months = range(1, 13, step)
                spans = [(date(year, m, 1), _month_end(year, m + step - 1)) for m in months]
            yield from ((first, last) for first, last in spans if first >= self.since)

    def _name(self, first: date, last: date) -> str:
        template = self.name or _DEFAULT_NAMES[self.every]
        if not self.name and first.year != last.year:
            template = "{start_year}-{end_year2}"
        known = {
            "start_year": str(first.year),
            "end_year": str(last.year),
            "end_year2": f"{last.year % 100:02d}",
            "start_month": f"{first.month:02d}",
            "end_month": f"{last.month:02d}",
            "half": str((first.month + 5) // 6),
            "quarter": str((first.month + 2) // 3),
        }

        def fill(match: re.Match[str]) -> str:
            if match[1] not in known:
                raise ValueError(f"name: {{{match[1]}}} is not known; write {', '.join(f'{{{k}}}' for k in known)}")
            return known[match[1]]

        # Not str.format, which would follow attributes of what a config names.
        name = re.sub(r"\{([^{}]*)\}", fill, template)
        if not re.match(NAME_PATTERN, name):
            raise ValueError(f"name {template!r} gives {name!r}; use letters, digits, dots, hyphens, 40 at most")
        return name


def expand(given: Sequence[Period | PeriodRule], as_of: date) -> tuple[Period, ...]:
    """Every period that starts by `as_of`, by its first day; explicit ones and those of rules alike."""
    return tuple(period for period, _ in with_origin(given, as_of))


def with_origin(given: Sequence[Period | PeriodRule], as_of: date) -> tuple[tuple[Period, PeriodRule | None], ...]:
    """As `expand`, each period beside the rule that made it; None if it was written out."""
    found: list[tuple[Period, PeriodRule | None]] = []
    for item in given:
        if isinstance(item, PeriodRule):
            found += [(period, item) for period in item.periods(as_of)]
        elif item.start <= as_of:
            found.append((item, None))
    return tuple(sorted(found, key=lambda pair: (pair[0].start, pair[0].end, pair[0].name)))


def describe_periods(given: Sequence[Period | PeriodRule], as_of: date) -> Iterator[str]:
    """A line for each period and each rule, and for a rule what it makes by a day."""
    for item in given:
        made = item.periods(as_of) if isinstance(item, PeriodRule) else ()
        names = ", ".join(period.name for period in made[:3])
        names += f" to {made[-1].name}" if len(made) > 3 else ""
        told = f": {len(made)} by {as_of} ({names})" if made else f": none by {as_of}"
        yield item.describe() + (told if isinstance(item, PeriodRule) else "")


def require_apart(given: Sequence[Period | PeriodRule]) -> None:
    """Raises ValueError if two periods, now or in any later year, share a name or a day."""
    known = [item.end if isinstance(item, Period) else item.until or item.since for item in given]
    if not known:
        return
    periods = expand(given, max(known) + _LOOK_AHEAD)
    for before, after in pairwise(periods):
        if after.start <= before.end:
            raise ValueError(f"period {after.name!r} starts before {before.name!r} ends; periods may not overlap")
    first: dict[str, Period] = {}
    for period in periods:
        other = first.setdefault(period.name, period)
        if other is not period:
            raise ValueError(
                f"two periods share a name: {period.name!r} of {other.start} and of {period.start}; "
                "give one rule a name, such as 'dry-{start_year}'"
            )


def _parsed(text: str) -> dict[str, Any]:
    match = _TEXT.fullmatch(text.strip())
    every = _WORDS.get(match[3].lower()) if match else None
    if match is None or every is None:
        raise ValueError(f"{text[:60]!r} is not a rule; write {_TEXT_EXAMPLES}")
    parts = {"every": every, "from": match[1], "to": match[2], "since": match[4], "until": match[5]}
    return {key: value for key, value in parts.items() if value is not None}


def _canonical(text: str) -> str:
    """MM-DD as it is, or a month as its three letters."""
    month = _MONTH_NUMBERS.get(text.lower())
    if month is not None:
        return _MONTH_NAMES[month - 1][:3]
    if not re.fullmatch(r"\d{2}-\d{2}", text):
        raise ValueError(f"{text[:20]!r} is not a day of the year; write MM-DD, or a month such as Dec")
    if text == "02-29":
        raise ValueError("29 February is not in every year; write 02-28, or Feb for the month's last day")
    try:
        date(2001, int(text[:2]), int(text[3:]))
    except ValueError as error:
        raise ValueError(f"there is no day {text}; write month and day as MM-DD") from error
    return text


def _bound(value: Any, *, last: bool) -> Any:
    """A year or a month as its first or last day; anything else is left to be read as a day."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if re.fullmatch(r"\d{4}", text):
        value = date(int(text), 12, 31) if last else date(int(text), 1, 1)
    elif re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text):
        year, month = int(text[:4]), int(text[5:])
        value = _month_end(year, month) if last else date(year, month, 1)
    elif isinstance(value, int | float):
        raise ValueError(f"{value} is not a year; write YYYY, YYYY-MM or YYYY-MM-DD")
    return value


def _month_end(year: int, month: int) -> date:
    return date(year, month, calendar.monthrange(year, month)[1])


def _day_in(text: str, year: int, *, last: bool) -> date:
    month = _MONTH_NUMBERS.get(text.lower())
    if month is not None:
        return _month_end(year, month) if last else date(year, month, 1)
    return date(year, int(text[:2]), int(text[3:]))


def _reaches_itself(rule: PeriodRule) -> bool:
    """Whether a season of one year goes on when that of the next begins."""
    spans = iter(rule._spans())
    (_, last), (first, _) = next(spans), next(spans, (date.max, date.max))
    return first <= last
