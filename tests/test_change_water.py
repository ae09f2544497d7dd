"""Water's edge: what a river lays bare is not dug, what it covers is not recovered, and pits keep their ponds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.change import build_changes, build_sites, classify, merge, set_water_apart
from pipeline.change.states import BARE, NOT_OBSERVED, OTHER, POND, WATERS_EDGE
from pipeline.change.water import open_water, wide_water
from pipeline.config import Change
from pipeline.imagery.scene import NODATA
from tests.change_ground import SETTINGS, UNSEEN, drawn, ground, periods

# Reflectance x 10 000 in B02 B03 B04 B08 B11 B12.
TURBID_RIVER = (900, 1200, 1300, 900, 250, 150)
CLEAR_LAKE = (500, 450, 300, 150, 60, 40)
FOREST = (250, 450, 300, 3000, 1500, 700)
SAND = (1800, 2300, 2800, 3300, 4000, 3600)
WET_SPOIL = (1000, 1300, 1600, 1800, 1500, 1100)


def picture(water: np.ndarray, wet=TURBID_RIVER, dry=FOREST) -> np.ndarray:
    return np.where(water, np.array(wet)[:, None, None], np.array(dry)[:, None, None]).astype(np.uint16)


def classes(*maps, water, with_settings: Change = SETTINGS, **more) -> list:
    zones = set_water_apart(classify([ground(*maps, water=water, **more)], with_settings), with_settings)
    return drawn(zones[0], np.array(maps[0]).shape).tolist()


@pytest.mark.parametrize(
    ("spectrum", "expected"),
    [(TURBID_RIVER, True), (CLEAR_LAKE, True), (FOREST, False), (SAND, False), (WET_SPOIL, False)],
)
def test_rivers_and_lakes_are_water_forest_sand_and_spoil_are_not(spectrum: tuple[int, ...], expected: bool) -> None:
    assert open_water(np.array(spectrum, np.uint16)[:, None, None]).item() is expected
    # By the formula as published, on reflectance between 0 and 1.
    _, green, _, nir, swir1, swir2 = (value / 10_000 for value in spectrum)
    assert (4 * (green - swir1) - (0.25 * nir + 2.75 * swir2) > 0) is expected


def test_ground_without_a_look_is_no_water() -> None:
    assert not open_water(np.full((6, 2, 2), NODATA, np.uint16)).any()


def test_a_body_is_wide_from_two_hectares_on_counted_through_corners() -> None:
    water = np.zeros((80, 90), bool)
    water[5:15, 5:15] = True
    water[15:25, 15:24] = True
    water[25, 23] = True
    at = np.array([7, 24, 60]), np.array([8, 20, 60])
    assert wide_water(picture(water), at, Change()).tolist() == [False, False, False]
    water[24, 24:33] = True
    assert wide_water(picture(water), at, Change()).tolist() == [True, True, False]
    assert wide_water(picture(water), at, Change(wide_water_ha=2.01)).tolist() == [False, False, False]


def test_a_river_of_one_pixel_is_not_wide_however_long() -> None:
    water = np.zeros((20, 500), bool)
    water[10] = True
    assert not wide_water(picture(water), (np.array([10]), np.array([250])), Change()).any()


@given(arrays(bool, (90, 90)), st.integers(33, 56), st.integers(33, 56), st.integers(0, 20), st.integers(0, 20))
def test_what_lies_beyond_the_reach_does_not_matter(water: np.ndarray, row: int, col: int, top: int, left: int) -> None:
    at = np.array([row]), np.array([col])
    cut = picture(water)[:, row - 32 : row + 33, col - 32 : col + 33]
    settings = Change(wide_water_ha=1.0)
    assert wide_water(picture(water), at, settings) == wide_water(cut, (np.array([32]), np.array([32])), settings)


RIVER = [[1, 1, 1, 1]]
DRY = [[0, 0, 0, 0]]
NONE = [[0, 0, 0, 0]]


def test_a_bar_that_falls_dry_is_waters_edge_and_stays_so() -> None:
    bar = [[0, 90, 90, 0]]
    maps = classes(NONE, bar, bar, water=[RIVER, DRY, DRY])
    assert maps == [
        [[OTHER] * 4],
        [[OTHER, WATERS_EDGE, WATERS_EDGE, OTHER]],
        [[OTHER, WATERS_EDGE, WATERS_EDGE, OTHER]],
    ]


def test_a_pond_that_the_river_turns_into_is_waters_edge() -> None:
    maps = classes(NONE, [[0, 90, 90, 0]], water=[RIVER, RIVER], pond=[[0, 0.9, 0.9, 0]])
    assert maps[1] == [[OTHER, WATERS_EDGE, WATERS_EDGE, OTHER]]


def test_ground_that_was_not_water_is_new_workings_beside_it() -> None:
    maps = classes(NONE, [[90, 90, 90, 90]], water=[[[0, 0, 1, 1]], DRY])
    assert maps[1] == [[BARE, BARE, WATERS_EDGE, WATERS_EDGE]]


def test_grown_over_and_dug_afterwards_is_workings() -> None:
    maps = classes(NONE, [[0, 90, 90, 0]], NONE, [[0, 90, 90, 0]], water=[RIVER, DRY, DRY, DRY])
    assert maps[1][0][1] == WATERS_EDGE
    assert maps[3] == [[OTHER, BARE, BARE, OTHER]]


def test_a_pond_within_thirty_metres_of_workings_belongs_to_them() -> None:
    def dug_away(gap: int) -> list:
        before = [[90, 90] + [0] * gap + [0, 0]]
        after = [[90, 90] + [0] * gap + [90, 90]]
        pond = [[0, 0] + [0] * gap + [1, 1]]
        return classes(before, after, water=[pond, np.zeros_like(pond)])[1][0][-2:]

    assert dug_away(1) == [BARE, BARE]
    assert dug_away(2) == [BARE, WATERS_EDGE]
    assert dug_away(3) == [WATERS_EDGE, WATERS_EDGE]


def test_workings_that_a_river_covers_are_not_recovered_and_nothing_new_when_it_falls() -> None:
    dug = [[0, 90, 90, 0]]
    maps = classes(dug, NONE, NONE, dug, water=[DRY, RIVER, RIVER, DRY])
    edge = [[OTHER, WATERS_EDGE, WATERS_EDGE, OTHER]]
    assert maps == [[[OTHER, BARE, BARE, OTHER]], edge, edge, edge]


def test_workings_that_turn_to_forest_are_recovered() -> None:
    assert classes([[0, 90, 90, 0]], NONE, water=[DRY, DRY])[1] == [[OTHER] * 4]


def test_a_period_without_a_look_is_passed_over() -> None:
    maps = classes(NONE, [[UNSEEN] * 4], [[0, 90, 90, 0]], water=[RIVER, DRY, DRY])
    assert maps[1:] == [[[OTHER, NOT_OBSERVED, NOT_OBSERVED, OTHER]], [[OTHER, WATERS_EDGE, WATERS_EDGE, OTHER]]]


def test_the_rule_can_be_switched_off() -> None:
    off = SETTINGS.model_copy(update={"wide_water_ha": 0.0})
    assert classes(NONE, [[0, 90, 90, 0]], water=[RIVER, DRY], with_settings=off)[1] == [[OTHER, BARE, BARE, OTHER]]


def told(*maps, water) -> list[str]:
    zones = set_water_apart(classify([ground(*maps, water=water)], SETTINGS), SETTINGS)
    times = periods(len(maps))
    sites = build_sites(zones, times, SETTINGS)
    return [c.state for c in build_changes(zones, sites, times, SETTINGS, len(maps) - 2, len(maps) - 1)]


def test_no_change_is_told_of_what_water_moves() -> None:
    dug = [[0, 90, 90, 0]]
    assert told(NONE, dug, water=[DRY, DRY]) == ["new"]
    assert told(NONE, dug, water=[RIVER, DRY]) == []
    assert told(dug, NONE, water=[DRY, DRY]) == ["recovered"]
    assert told(dug, NONE, water=[DRY, RIVER]) == []


grounds = arrays(np.int64, (3, 4, 6), elements=st.sampled_from([UNSEEN, 0, 60, 90]))
waters = arrays(bool, (3, 4, 6))


@given(grounds, waters)
def test_only_mapped_or_once_mapped_ground_is_moved_and_nothing_is_added_to_the_map(
    maps: np.ndarray, water: np.ndarray
) -> None:
    plain = np.array(classes(*maps, water=np.zeros_like(water)))
    moved = np.array(classes(*maps, water=water))
    changed = plain != moved
    assert (moved[changed] == WATERS_EDGE).all()
    assert not (changed & (plain == NOT_OBSERVED)).any()
    assert not changed[0].any()
    once_mapped = np.logical_or.accumulate(np.isin(plain, (BARE, POND)), axis=0)
    assert not (changed & ~once_mapped).any()


def test_two_parts_and_one_whole_say_the_same() -> None:
    before, after, wet = [[90, 0, 0, 0, 0, 0]], [[90, 0, 0, 0, 90, 90]], [[0, 0, 0, 0, 1, 1]]
    cuts = [
        ground(
            *(np.array(m)[:, part] for m in (before, after)), left=50000 + start, water=np.array([wet, wet])[:, :, part]
        )
        for start, part in ((0, slice(0, 3)), (3, slice(3, 6)))
    ]
    whole = set_water_apart(classify([ground(before, after, water=[wet, wet])], SETTINGS), SETTINGS)
    joined = set_water_apart(classify([merge(cuts)], SETTINGS), SETTINGS)
    assert drawn(whole[0], (1, 6)).tolist() == drawn(joined[0], (1, 6)).tolist()
