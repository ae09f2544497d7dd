"""The study of opening dates: what counts as the true opening, and what is drawn into real looks."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from benchmarks.dating import Dated, _openings
from benchmarks.dating_real import drawn
from pipeline.config import Period
from pipeline.imagery import NODATA

BEFORE = Period(name="a", start=date(2021, 12, 1), end=date(2022, 3, 31))
AFTER = Period(name="b", start=date(2022, 12, 1), end=date(2023, 3, 31))


def complex_(a_ha: float, b_ha: float, opened: str, reopened: str | None = None) -> dict:
    return {"bare_ha": {"a": a_ha, "b": b_ha}, "pond_ha": {"a": 0, "b": 0}, "opened": opened, "reopened": reopened}


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        (complex_(0, 1, "2022-06-05"), [date(2022, 6, 5)]),
        (complex_(0, 1, "2018-01-01", "2022-08-01"), [date(2022, 8, 1)]),
        (complex_(0.1, 1, "2021-06-05"), []),
        (complex_(0, 0, "2022-06-05"), []),
    ],
)
def test_an_opening_lies_between_the_middle_days_of_two_periods(properties, expected):
    assert list(_openings(properties, BEFORE, AFTER)) == expected


def test_both_ends_of_an_interval_hold_the_opening():
    days = [date(2022, 6, day) for day in (4, 5, 9)]
    assert Dated("PW", days[1], days[1], days[2], "looks", 4).right
    assert Dated("PW", days[2], days[1], days[2], "looks", 4).right
    assert not Dated("PW", days[0], days[1], days[2], "looks", 4).right


def test_an_opening_is_drawn_pixel_after_pixel_and_never_under_cloud():
    days = np.array([9, 10, 14, 15, 20])
    looks = np.full((5, 2), 100, np.uint16)
    looks[4, 1] = NODATA
    opened = drawn(days, looks, 10, 10, np.random.default_rng(0))
    assert (opened[:, 0] > 3_000).tolist() == [False, True, True, True, True]
    assert (opened[:4, 1] > 3_000).tolist() == [False, False, False, True]
    assert opened[4, 1] == NODATA
