"""Margins: a picture that lies beside the others changes nothing, and ground that did change stays changed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.areas.lattice import Tile
from pipeline.change import Frame, classify, hold_margins, merge, registration_csv
from pipeline.change.margins import margin_of_shift
from pipeline.change.states import BARE, NOT_OBSERVED, OTHER, POND, SEASONAL
from pipeline.config import Change
from pipeline.imagery import Shift
from tests.change_ground import SETTINGS, UNSEEN, drawn, ground, periods

TILE = Tile(32633, 97, 78)  # holds row -40000, column 50000
EAST = Tile(32633, 98, 78)
TOP, LEFT = TILE.origin_px
AT = {"top": TOP + 10, "left": LEFT + 20}


def at(down: float, right: float) -> Shift:
    return Shift(down, right, 0.02, 40)


def held(*maps, shifts, with_settings: Change = SETTINGS, **more):
    shape = np.array(maps[0]).shape
    classified = classify([ground(*maps, **AT, **more)], with_settings)
    (zone,), areas = hold_margins(classified, {TILE: Frame.of(shifts)}, with_settings)
    return drawn(zone, shape, **AT).tolist(), areas


def test_the_reference_is_the_period_nearest_to_all_others() -> None:
    frame = Frame.of([at(0, 0), at(1, 0), at(1.1, 0), None, at(0.9, 0.1)])
    assert frame.reference == 1
    assert frame.shifts[0].tolist() == [-1, 0]
    assert np.isnan(frame.shifts[3]).all()
    assert frame.is_off(Change()).tolist() == [True, False, False, False, False]


def test_of_two_periods_the_first_is_the_reference_and_of_none_nothing_is_off() -> None:
    assert Frame.of([at(0, 0), at(0, 1)]).reference == 0
    assert not Frame.of([None, None]).is_off(Change()).any()


def test_an_object_moved_east_by_a_pixel_is_drawn_where_it_was() -> None:
    maps, areas = held([[0, 90, 90, 90, 0]], [[0, 0, 90, 90, 90]], shifts=[at(0, 0), at(0, 1)])
    assert maps == [[[OTHER, BARE, BARE, BARE, OTHER]]] * 2
    assert areas == {(TILE, 1): 200.0}


def test_without_a_known_shift_or_with_a_small_one_nothing_is_held() -> None:
    for shifts in ([at(0, 0), None], [at(0, 0), at(0.3, 0.3)]):
        maps, areas = held([[0, 90, 90, 90, 0]], [[0, 0, 90, 90, 90]], shifts=shifts)
        assert maps[1] == [[OTHER, OTHER, BARE, BARE, BARE]]
        assert areas == {}


def test_ground_on_the_other_side_of_the_shift_is_new() -> None:
    maps, _ = held([[0, 90, 90, 90, 0]], [[90, 90, 90, 90, 0]], shifts=[at(0, 0), at(0, 1)])
    assert maps[1] == [[BARE, BARE, BARE, BARE, OTHER]]


def test_ground_broader_than_the_shift_is_new() -> None:
    before = [[90, 90, 0, 0, 0], [90, 90, 0, 0, 0]]
    after = [[90, 90, 90, 90, 0], [90, 90, 90, 90, 0]]
    maps, _ = held(before, after, shifts=[at(0, 0), at(0, 1)])
    assert maps[1] == [[BARE, BARE, BARE, BARE, OTHER]] * 2


def test_a_period_before_the_reference_is_corrected_towards_it() -> None:
    shifts = [at(0, 0), at(0, -1), at(0, -1)]
    maps, areas = held([[0, 90, 90, 90]], [[90, 90, 90, 0]], [[90, 90, 90, 0]], shifts=shifts)
    assert maps == [[[BARE, BARE, BARE, OTHER]]] * 3
    assert list(areas) == [(TILE, 0)]


def test_a_pond_held_is_a_pond_and_ground_not_observed_stays_so() -> None:
    before = [[90, 90, 90, 60, 90]]
    after = [[0, 90, 90, UNSEEN, 90]]
    maps, _ = held(before, after, shifts=[at(0, 0), at(0, 1)], pond=[[0.9, 0, 0, 0, 0]])
    assert maps[1] == [[POND, BARE, BARE, NOT_OBSERVED, BARE]]


def test_ground_that_moved_onto_seasonal_ground_is_not_lost() -> None:
    known = np.array([[OTHER, BARE, BARE, OTHER]], np.uint8)
    now = np.array([[OTHER, OTHER, BARE, SEASONAL]], np.uint8)
    assert margin_of_shift(now, known, (0, 1)).tolist() == [[False, True, False, False]]
    now = np.array([[OTHER, OTHER, SEASONAL, SEASONAL]], np.uint8)
    assert margin_of_shift(now, known, (0, 1)).tolist() == [[False, True, True, False]]


def test_two_periods_without_a_look_between_are_compared_across_them() -> None:
    shifts = [at(0, 0), None, at(0, 1)]
    maps, _ = held([[0, 90, 90, 0]], [[UNSEEN, UNSEEN, UNSEEN, UNSEEN]], [[0, 0, 90, 90]], shifts=shifts)
    assert maps[2] == [[OTHER, BARE, BARE, OTHER]]


def test_an_object_across_two_tiles_is_held_in_both_whatever_their_order() -> None:
    edge = EAST.origin_px[1]
    before, after = [[0, 90, 90, 0]], [[0, 0, 90, 90]]
    parts = [ground(before, after, top=TOP, left=edge - 2)]
    classified = classify([merge(parts)], SETTINGS)
    frame = Frame.of([at(0, 0), at(0, 1)])
    for tiles in ((TILE, EAST), (EAST, TILE)):
        (zone,), areas = hold_margins(classified, dict.fromkeys(tiles, frame), SETTINGS)
        assert drawn(zone, (1, 4), TOP, edge - 2)[1].tolist() == [[OTHER, BARE, BARE, OTHER]]
        assert areas == {(TILE, 1): 100.0, (EAST, 1): 100.0}


shapes = arrays(bool, (9, 11))
steps = st.tuples(st.integers(-2, 2), st.integers(-2, 2))


@given(shapes, steps)
def test_any_shape_moved_by_its_shift_is_no_change(shape: np.ndarray, step: tuple[int, int]) -> None:
    known, now = np.zeros((2, 15, 17), np.uint8)
    known[3:12, 3:14] = shape
    now[3 + step[0] : 12 + step[0], 3 + step[1] : 14 + step[1]] = shape
    margin = margin_of_shift(now, known, step)
    assert np.array_equal(np.where(margin, known, now), known)


@given(arrays(np.uint8, (7, 8), elements=st.sampled_from([OTHER, BARE, POND, NOT_OBSERVED])), shapes, steps)
def test_only_changed_and_observed_ground_is_margin_and_none_without_a_shift(
    now: np.ndarray, shape: np.ndarray, step: tuple[int, int]
) -> None:
    known = np.where(shape[:7, :8], BARE, OTHER).astype(np.uint8)
    margin = margin_of_shift(now, known, step)
    assert not (margin & ((now == NOT_OBSERVED) | (np.isin(now, (BARE, POND)) == (known == BARE)))).any()
    assert not margin_of_shift(now, known, (0, 0)).any()


def test_the_table_tells_each_tile_and_period() -> None:
    frames = {TILE: Frame.of([at(0, 0), at(0.25, 0), None, at(0, 1.2)])}
    text = registration_csv(frames, {(TILE, 3): 12_345.0}, periods(4))
    assert text.splitlines()[1:] == [
        f"{TILE.id},p0,reference,0.00,0.00,0.020,40,0.0000",
        f"{TILE.id},p1,within,0.25,0.00,0.020,40,0.0000",
        f"{TILE.id},p2,undetermined,,,,,",
        f"{TILE.id},p3,held,0.00,1.20,0.020,40,1.2345",
    ]


@pytest.mark.parametrize("limit", [0.2, 0.6])
def test_how_far_is_too_far_is_a_setting(limit: float) -> None:
    settings = Change(minimum_mapping_unit_ha=0.02, isolated=0.8, max_shift_px=limit)
    _, areas = held([[0, 90, 90]], [[0, 0, 90]], shifts=[at(0, 0), at(0, 0.5)], with_settings=settings)
    assert ((TILE, 1) in areas) == (limit < 0.5)
