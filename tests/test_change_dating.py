"""From looks at an opened place to the two that bound its first day."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.change.dating import bounding_looks, progress
from pipeline.imagery.scene import NODATA

# Ten days apart; the earlier period ends on day 30, the later begins on day 170.
DAYS = np.arange(10, 201, 10)
BOUNDS = LOW, HIGH = 30, 170


def looks(levels: list[float], pixels: int = 5) -> np.ndarray:
    """The same probability on every pixel, one level a look."""
    return np.repeat(np.round(np.array(levels) * 10_000).astype(np.uint16)[:, None], pixels, axis=1)


def sudden(first_disturbed: int, low: float = 0.02, high: float = 0.92) -> np.ndarray:
    return looks([high if day >= first_disturbed else low for day in DAYS])


def slow(opened: int, days: int) -> np.ndarray:
    return looks([0.02 + 0.9 * float(np.clip((day - opened) / days, 0, 1)) for day in DAYS])


def test_a_sudden_opening_lies_between_its_two_looks():
    last, first = bounding_looks(DAYS, sudden(100), BOUNDS, BOUNDS)
    assert (last, first) == (90, 100)


def test_one_hazy_look_before_the_opening_does_not_date_it():
    stack = sudden(100)
    stack[4] = 7_000  # day 50
    last, first = bounding_looks(DAYS, stack, BOUNDS, BOUNDS)
    assert first == 100
    assert last in (80, 90)


def test_one_look_that_misses_the_workings_does_not_move_the_opening():
    stack = sudden(100)
    stack[12] = 200  # day 130
    assert bounding_looks(DAYS, stack, BOUNDS, BOUNDS)[1] == 100


@pytest.mark.parametrize("opened", [52, 75, 98])
@pytest.mark.parametrize("days", [30, 60, 110])
def test_a_slow_opening_is_bounded_though_its_first_looks_show_little(opened, days):
    stack = np.clip(slow(opened, days), 0, 10_000)
    last, first = bounding_looks(DAYS, stack, BOUNDS, BOUNDS)
    assert last < opened <= first
    assert first <= opened + days


def test_the_noise_of_the_periods_looks_widens_the_interval():
    wave = np.where(np.arange(len(DAYS)) % 2, 0.12, 0.0)
    calm = bounding_looks(DAYS, slow(80, 60), BOUNDS, BOUNDS)
    noisy_levels = np.clip(slow(80, 60)[:, 0] / 10_000 + wave, 0, 1)
    noisy = bounding_looks(DAYS, looks(list(noisy_levels)), BOUNDS, BOUNDS)
    assert noisy[1] - noisy[0] > calm[1] - calm[0]


def test_a_gap_between_clear_looks_is_never_narrowed():
    keep = (DAYS <= 60) | (DAYS >= 140)
    assert bounding_looks(DAYS[keep], sudden(100)[keep], BOUNDS, BOUNDS)[1] == 140
    assert bounding_looks(DAYS[keep], sudden(100)[keep], BOUNDS, BOUNDS)[0] <= 60


def test_looks_that_show_less_than_half_of_the_ground_do_not_speak():
    stack = sudden(100)
    stack[9, :3] = NODATA  # day 100: two pixels of five are left
    stack[8, :2] = NODATA  # day 90: three
    found = bounding_looks(DAYS, stack, BOUNDS, BOUNDS)
    without = np.delete(np.arange(len(DAYS)), 9)
    assert found == bounding_looks(DAYS[without], stack[without], BOUNDS, BOUNDS)
    assert found[1] == 110


def test_a_look_at_a_part_of_the_ground_is_held_against_that_part():
    # Three pixels rise from 0.1 to 0.9, two from 0.1 to 0.3: seen alone, the three are not "more than all".
    stack = np.full((len(DAYS), 5), 1_000, np.uint16)
    stack[DAYS >= 100] = [9_000, 9_000, 9_000, 3_000, 3_000]
    stack[15, 3:] = NODATA
    days, reached, _ = progress(DAYS, stack, BOUNDS)
    assert reached[days == 160] == pytest.approx(1)
    assert reached[days == 90] == pytest.approx(0)


@pytest.mark.parametrize(("low", "high"), [(10, 170), (5, 170), (30, 200), (30, 400)])
def test_with_fewer_than_two_looks_in_a_period_there_is_no_answer(low, high):
    assert bounding_looks(DAYS, sudden(100), BOUNDS, (low, high)) is None


def test_ground_that_hardly_rose_is_not_dated():
    assert bounding_looks(DAYS, sudden(100, 0.50, 0.58), BOUNDS, BOUNDS) is None


def test_unseen_ground_is_not_dated():
    unseen = np.full((len(DAYS), 4), NODATA, np.uint16)
    assert bounding_looks(DAYS, unseen, BOUNDS, BOUNDS) is None
    assert bounding_looks(DAYS, unseen[:, :0], BOUNDS, BOUNDS) is None


def test_a_month_without_a_look_leaves_room_for_digging_that_the_last_look_could_not_show():
    day = [(date(2021, month, 3) - date(1970, 1, 1)).days for month in range(1, 13)]
    stack = looks([0.05] * 6 + [0.9] * 6)
    assert bounding_looks(np.array(day), stack, (day[1], day[10]), (day[2], day[9])) == (day[4], day[6])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.one_of(st.just(NODATA), st.integers(0, 10_000)), min_size=4, max_size=4), min_size=20, max_size=20
    ),
    st.permutations(range(4)),
)
def test_any_looks_give_bounds_within_those_of_the_periods_and_the_order_of_pixels_does_not_matter(rows, order):
    stack = np.array(rows, np.uint16)
    found = bounding_looks(DAYS, stack, BOUNDS, BOUNDS)
    if found is not None:
        assert LOW <= found[0] < found[1] <= HIGH
        assert set(found) <= set(DAYS.tolist())
    assert bounding_looks(DAYS, stack[:, order], BOUNDS, BOUNDS) == found
