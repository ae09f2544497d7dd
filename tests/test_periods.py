"""Periods written as rules: what they expand to, and what is refused."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.config import Config
from pipeline.periods import Period, PeriodRule, describe_periods, expand, with_origin

AS_OF = date(2023, 1, 15)


def rule(written) -> PeriodRule:
    return PeriodRule.model_validate(written)


def names(written, as_of=AS_OF) -> list[str]:
    return [period.name for period in rule(written).periods(as_of)]


def config(*written) -> Config:
    return Config.model_validate(
        {"programme": "x", "areas": ["a.geojson"], "periods": list(written), "source": {"kind": "stac"}}
    )


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Dec-Mar every year from 2019", ["2019-20", "2020-21", "2021-22", "2022-23"]),
        ({"every": "year", "from": "12-01", "to": "03-31", "since": 2021}, ["2021-22", "2022-23"]),
        ({"every": "year", "from": "02-01", "to": "04-15", "since": 2021}, ["2021", "2022"]),
        ("quarterly from 2022", ["2022-Q1", "2022-Q2", "2022-Q3", "2022-Q4", "2023-Q1"]),
        ("every quarter since 2022-02-01 until 2022-10", ["2022-Q2", "2022-Q3"]),
        ("half-yearly from 2022", ["2022-H1", "2022-H2", "2023-H1"]),
        ("monthly from 2022-10", ["2022-10", "2022-11", "2022-12", "2023-01"]),
        ("every year from 2021", ["2021", "2022", "2023"]),
        ("december – january every year from 2021 to 2022", ["2021-22"]),
        (
            {"every": "year", "from": "Dec", "to": "Mar", "since": 2021, "name": "dry-{end_year}.{end_year2}"},
            ["dry-2022.22", "dry-2023.23"],
        ),
        ({"every": "month", "since": "2022-12", "name": "m{start_month}-{start_year}"}, ["m12-2022", "m01-2023"]),
    ],
)
def test_a_rule_makes_the_periods_that_have_begun(written, expected):
    assert names(written) == expected


def test_a_season_under_way_is_whole_and_one_not_begun_is_not_there():
    season = rule("Dec-Mar every year from 2021")
    assert season.periods(date(2022, 11, 30))[-1] == Period(name="2021-22", start="2021-12-01", end="2022-03-31")
    assert season.periods(date(2022, 12, 1))[-1] == Period(name="2022-23", start="2022-12-01", end="2023-03-31")
    assert season.periods(date(2021, 11, 30)) == ()


def test_a_month_at_the_end_of_a_season_means_its_last_day_in_leap_years_too():
    ends = [p.end for p in rule("Jan-Feb every year from 2019").periods(date(2021, 1, 1))]
    assert ends == [date(2019, 2, 28), date(2020, 2, 29), date(2021, 2, 28)]


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("Dec-Mar from 2019", "is not a rule; write"),
        ("now and then from 2019", "is not a rule"),
        ("fortnightly from 2019", "is not a rule"),
        ("Dez-Mar every year from 2019", "'Dez' is not a day of the year"),
        ("02-29 to 03-31 every year from 2019", "29 February is not in every year"),
        ("02-30 to 03-31 every year from 2019", "there is no day 02-30"),
        ("12-01 to 13-01 every year from 2019", "there is no day 13-01"),
        ("Jan-Mar every quarter from 2019", "every quarter has none"),
        ("monthly from 2022 until 2021", "until (2021-12-31) lies before since (2022-01-01)"),
        ("Dec-Mar every year from 2022 until 2022", "no whole period lies between"),
        ("monthly from 1999", "the year 1999 is not between 2015"),
        ("monthly from 2022-13", "since"),
        ({"every": "year", "from": "12-01", "since": 2019}, "give both from and to"),
        ({"every": "week", "since": 2019}, "'year', 'half-year', 'quarter' or 'month'"),
        ({"every": "month", "since": 19}, "19 is not a year"),
        ({"every": "month", "since": True}, "True is not a year"),
        ({"every": "month"}, "since"),
        ({"every": "month", "since": 2020, "to": "03-31"}, "give both from and to"),
        ({"every": "month", "since": 2020, "name": "{start_year.__class__}"}, "{start_year.__class__} is not known"),
        ({"every": "month", "since": 2020, "name": "../{start_year}"}, "use letters, digits"),
        ({"every": "year", "from": "12-01", "to": "11-30", "since": 2020, "name": "a{b"}, "use letters, digits"),
    ],
)
def test_nonsense_is_refused_in_words(written, says):
    with pytest.raises(ValidationError) as caught:
        rule(written)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (("Dec-Mar every year from 2019", "quarterly from 2022"), "'2022-Q1' starts before '2021-22' ends"),
        # The rule meets the single period only years after both begin.
        (
            ({"name": "flood", "start": "2031-01-05", "end": "2031-01-09"}, "Jan-Feb every year from 2020"),
            "'flood' starts before '2031' ends",
        ),
        (("Jan-Feb every year from 2020", "Jun-Jul every year from 2020"), "share a name: '2020'"),
        (({"every": "month", "since": 2020, "name": "m{start_month}"},), "share a name: 'm01'"),
        (
            (
                {"name": "a", "start": "2021-01-01", "end": "2021-02-01"},
                {"name": "b", "start": "2021-02-01", "end": "2021-03-01"},
            ),
            "'b' starts before 'a' ends",
        ),
    ],
)
def test_periods_that_meet_or_share_a_name_are_refused(written, says):
    with pytest.raises(ValidationError) as caught:
        config(*written)
    assert says in str(caught.value)


def test_rules_and_single_periods_stand_in_one_list_by_time():
    periods = config(
        "Jun-Jul every year from 2021 until 2022",
        {"name": "flood", "start": "2021-09-01", "end": "2021-09-30"},
        {"every": "year", "from": "Dec", "to": "Jan", "since": 2020, "name": "dry-{start_year}"},
    ).periods
    assert [p.name for p in expand(periods, AS_OF)] == [
        *("dry-2020", "2021", "flood", "dry-2021", "2022", "dry-2022"),
    ]
    origin = {p.name: made_by.every if made_by else None for p, made_by in with_origin(periods, AS_OF)}
    assert origin["flood"] is None
    assert origin["dry-2020"] == "year"
    assert list(describe_periods(periods, AS_OF)) == [
        "Jun to Jul every year from 2021-01-01 until 2022-12-31: 2 by 2023-01-15 (2021, 2022)",
        "flood: 2021-09-01 to 2021-09-30",
        "Dec to Jan every year from 2020-01-01: 3 by 2023-01-15 (dry-2020, dry-2021, dry-2022)",
    ]


rules = st.builds(
    lambda every, season, since, length: {
        "every": every,
        "since": since,
        **({"until": since + timedelta(days=length)} if length else {}),
        **({"from": season[0], "to": season[1]} if every == "year" and season else {}),
    },
    st.sampled_from(["year", "half-year", "quarter", "month"]),
    st.none() | st.sampled_from([("Dec", "Feb"), ("12-15", "03-31"), ("Jan", "Feb"), ("06-01", "06-01")]),
    st.dates(date(2015, 1, 1), date(2040, 12, 31)),
    st.none() | st.integers(800, 6000),
)


@given(rules, st.dates(date(2015, 1, 1), date(2060, 12, 31)))
def test_periods_of_a_rule_are_apart_named_once_within_its_bounds_and_only_ever_added(written, as_of):
    made = rule(written).periods(as_of)
    assert all(a.end < b.start for a, b in pairwise(made))
    assert len({p.name for p in made}) == len(made)
    assert all(p.start >= written["since"] and p.start <= as_of for p in made)
    assert all(p.end <= written.get("until", date.max) for p in made)
    assert rule(written).periods(as_of + timedelta(days=400))[: len(made)] == made


@given(rules)
def test_a_rule_told_in_a_line_reads_back_as_itself(written):
    assert rule(rule(written).describe()) == rule(written)


def test_ten_years_of_months_are_one_hundred_and_twenty_periods():
    made = config("monthly from 2016 until 2025").periods
    assert len(expand(made, date(2026, 1, 1))) == 120
