from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from pipeline.change import build_changes, build_sites, classify, merge
from pipeline.config import Change
from tests.change_ground import BARREN, GREEN, SETTINGS, UNSEEN, day, ground, periods

EPOCH = date(1970, 1, 1)
UNIT = Change(minimum_mapping_unit_ha=0.04, isolated=0.8)


def changes(grounds, before, after, with_settings=SETTINGS):
    zones = classify(grounds, with_settings)
    times = periods(grounds[0].periods)
    return build_changes(zones, build_sites(zones, times, with_settings), times, with_settings, before, after)


def states(*maps, before=-2, after=-1, with_settings=SETTINGS, **more):
    return [
        change.state
        for change in changes([ground(*maps, **more)], before % len(maps), after % len(maps), with_settings)
    ]


def only(*maps, before=0, after=1, with_settings=SETTINGS, **more):
    (change,) = changes([ground(*maps, **more)], before, after, with_settings)
    return change


@pytest.mark.parametrize(
    ("maps", "expected"),
    [
        ([[[0, 0]], [[90, 90]]], ["new"]),
        ([[[90, 90]], [[90, 90]]], ["continuing"]),
        ([[[90, 90]], [[0, 0]]], ["recovered"]),
        ([[[90, 90]], [[0, 0]], [[90, 90]]], ["reopened"]),
        ([[[90, 90]], [[0, 0]], [[0, 0]]], []),
        # Not observed before is never new, not observed after never recovered.
        ([[[UNSEEN, UNSEEN]], [[90, 90]]], []),
        ([[[90, 90]], [[UNSEEN, UNSEEN]]], []),
        ([[[90, 90]], [[UNSEEN, UNSEEN]], [[90, 90]]], []),
        # Half of the ground is enough to tell, less is not.
        ([[[UNSEEN, 0]], [[90, 90]]], ["new"]),
        ([[[UNSEEN, UNSEEN, 0]], [[90, 90, 90]]], []),
        ([[[90, 90]], [[UNSEEN, 0]]], ["recovered"]),
        ([[[90, 90, 90]], [[UNSEEN, UNSEEN, 0]]], []),
        # Doubt in one of the periods is no change.
        ([[[65, 65]], [[90, 90]]], ["continuing"]),
        ([[[90, 90]], [[55, 55]]], ["continuing"]),
        ([[[55, 55]], [[90, 90]]], ["new"]),
        # One doubtful pixel before is not a site before.
        ([[[65, 0, 0]], [[90, 90, 90]]], ["new"]),
        ([[[65, 0, 0]], [[65, 0, 0]], [[90, 90, 90]]], ["new"]),
        ([[[65, 0, 0]], [[65, UNSEEN, UNSEEN]], [[90, 90, 90]]], ["continuing"]),
    ],
)
def test_states_of_a_site_between_the_last_two_periods(maps, expected):
    assert states(*maps) == expected


def test_seasonal_ground_is_no_change():
    greens = [(None, GREEN), (None, GREEN)]
    assert states([[0, 0]], [[90, 90]], greenest=greens) == []


def test_one_period_has_nothing_to_compare_with():
    assert changes([ground([[90, 90]])], -1, 0) == ()


OLD = np.zeros((6, 9), int)
OLD[:, :3] = 90


def grown(rows, cols, value=90):
    later = OLD.copy()
    later[rows, cols] = value
    return later


def test_a_new_part_of_two_pixels_breadth_expands_a_site():
    assert states(OLD, grown(slice(2, 4), slice(3, 5)), with_settings=UNIT) == ["expanded"]


def test_a_new_part_that_does_not_touch_expands_the_site_it_is_linked_to():
    assert states(OLD, grown(slice(2, 4), slice(5, 7)), with_settings=UNIT) == ["expanded"]


def test_a_rim_of_one_pixel_is_no_expansion_but_its_area_is_told():
    change = only(OLD, grown(slice(0, 6), 3), with_settings=UNIT)
    assert change.state == "continuing"
    assert (change.area_gain_ha, change.area_loss_ha, change.area_ha) == pytest.approx((0.06, 0.0, 0.24))


def test_a_new_part_below_the_mapping_unit_is_no_expansion():
    larger = Change(minimum_mapping_unit_ha=0.05, isolated=0.8)
    assert states(OLD, grown(slice(2, 4), slice(3, 5)), with_settings=larger) == ["continuing"]


def test_a_new_part_without_a_strong_pixel_is_no_expansion():
    assert states(OLD, grown(slice(2, 4), slice(3, 5), 79), with_settings=UNIT) == ["continuing"]


shapes = arrays(bool, (9, 9)).filter(lambda mask: mask.any())


@settings(deadline=None)
@given(shapes, st.sampled_from([-1, 0, 1]), st.sampled_from([-1, 0, 1]))
def test_moving_every_site_by_one_pixel_expands_and_opens_nothing(shape, down, right):
    shape = np.pad(ndimage.binary_opening(shape, np.ones((2, 2))), 2)
    moved = np.roll(shape, (down, right), (0, 1))
    found = states(np.where(shape, 90, 0), np.where(moved, 90, 0), with_settings=UNIT)
    assert set(found) <= {"continuing"}


def test_areas_of_a_change_are_those_of_its_pixels():
    change = only(
        [[90, 90, 90, UNSEEN, 0]],
        [[0, 90, UNSEEN, 90, 90]],
        pond=[[0, 0, 0, 0, 1]],
        area=101.0,
    )
    hectare = 0.0101
    assert (change.area_ha, change.area_gain_ha, change.area_loss_ha) == pytest.approx((3 * hectare, hectare, hectare))
    assert (change.bare_ha, change.pond_ha) == pytest.approx((2 * hectare, hectare))
    assert change.observed_share == pytest.approx(3 / 5)


def test_the_recovered_ground_is_what_of_the_earlier_period_was_seen_gone():
    change = only([[90, 80, 90]], [[0, 0, UNSEEN]], pond=[[0, 1, 0]])
    assert (change.area_ha, change.area_loss_ha, change.area_gain_ha) == pytest.approx((0.02, 0.02, 0))
    assert (change.bare_ha, change.pond_ha) == pytest.approx((0.01, 0.01))
    assert change.gain_geometry is None
    assert change.probability == pytest.approx(0.85, abs=1e-4)
    assert change.geometry.equals(only([[90, 80]], [[0, 0]]).geometry)
    assert change.observed_share == pytest.approx(2 / 3)


def days(period, which):
    return EPOCH + timedelta(days=day(period, which))


def test_new_ground_opened_between_the_medians_of_the_two_periods():
    change = only([[0, 0]], [[90, 90]])
    assert (change.last_clear_undisturbed, change.first_clear_disturbed) == (days(0, 1), days(1, 2))
    assert change.last_observed == days(1, 3)


def test_ground_not_observed_before_dates_nothing():
    grounds = ground([[0, 0, 0, UNSEEN]], [[90, 90, 90, 90]])
    grounds.days[1, 2] = [400, 500, 600, 100]
    grounds.days[0, 1] = [40, 30, 50, 65535]
    (change,) = changes([grounds], 0, 1)
    assert (change.last_clear_undisturbed, change.first_clear_disturbed) == (
        EPOCH + timedelta(days=30),
        EPOCH + timedelta(days=400),
    )


def test_a_continuing_site_keeps_the_dates_of_its_opening():
    change = only([[0, 0]], [[90, 90]], [[90, 90]], before=1, after=2)
    assert (change.last_clear_undisturbed, change.first_clear_disturbed) == (days(0, 1), days(1, 2))
    assert change.last_observed == days(2, 3)


@pytest.mark.parametrize(
    ("maps", "status"),
    [
        ([[[0, 0]], [[90, 90]]], "provisional"),
        ([[[0, 0]], [[90, 90]], [[90, 90]]], "confirmed"),
        ([[[0, 0]], [[90, 90]], [[UNSEEN, UNSEEN]]], "provisional"),
        ([[[0, 0]], [[90, 90]], [[0, 0]]], "provisional"),
        ([[[0, 0]], [[90, 90]], [[0, 0]], [[90, 90]]], "confirmed"),
        ([[[90, 90]], [[90, 90]]], "confirmed"),
        ([[[90, 90]], [[0, 0]]], "provisional"),
        ([[[90, 90]], [[0, 0]], [[0, 0]]], "confirmed"),
        ([[[90, 90]], [[0, 0]], [[UNSEEN, UNSEEN]], [[0, 0]]], "confirmed"),
        ([[[90, 90]], [[0, 0]], [[90, 90]], [[0, 0]]], "provisional"),
    ],
)
def test_a_change_is_confirmed_when_a_second_period_shows_it(maps, status):
    assert only(*maps).status == status


SQUARE = np.full((5, 4), 90)
DOUBTFUL = SQUARE - 6
DOUBTFUL[2, 1] = 95
EMPTY = np.zeros((5, 4), int)


@pytest.mark.parametrize(
    ("maps", "more", "confidence"),
    [
        ([EMPTY, SQUARE], {}, "high"),
        ([EMPTY, DOUBTFUL], {}, "low"),
        ([EMPTY, DOUBTFUL, DOUBTFUL], {}, "high"),
        ([EMPTY[:4], SQUARE[:4]], {}, "low"),
        ([EMPTY, SQUARE], {"looks": 2}, "low"),
        ([EMPTY, SQUARE], {"greenest": (GREEN, None)}, "low"),
        ([SQUARE, EMPTY], {}, "high"),
    ],
)
def test_confidence_of_a_change_asks_for_all_the_evidence(maps, more, confidence):
    change = only(*maps, **({"looks": 3, "with_settings": Change()} | more))
    assert change.confidence == confidence


def test_few_looks_before_leave_a_new_site_in_doubt():
    grounds = ground(EMPTY, SQUARE)
    grounds.looks[0] = 2
    (change,) = changes([grounds], 0, 1)
    assert change.confidence == "low"
    assert (change.clear_looks_before, change.clear_looks_after) == (2, 5)


def test_a_change_is_named_by_its_site_and_periods():
    change = only([[0, 0]], [[90, 95]])
    assert change.change_id == "PW-33N-50001-039999-p0-p1"
    assert change.site_id == "PW-33N-50001-039999"
    assert change.sensors == ("S2",)


percent_maps = arrays(np.int32, (3, 6, 9), elements=st.sampled_from([UNSEEN, 0, 60, 85, 95]))


@settings(deadline=None, max_examples=40)
@given(percent_maps, st.integers(1, 8), st.randoms(use_true_random=False))
def test_changes_do_not_depend_on_tiles_or_their_order(maps, cut, random):
    parts = [ground(*maps[:, :, :cut]), ground(*maps[:, :, cut:], left=50000 + cut)]
    random.shuffle(parts)
    assert changes([merge(parts)], 1, 2) == changes([ground(*maps)], 1, 2)


@settings(deadline=None, max_examples=40)
@given(percent_maps, st.sampled_from([(None, None), (BARREN, None), (GREEN, BARREN)]))
def test_a_period_without_a_look_reports_nothing(maps, greenest):
    maps[1] = UNSEEN
    candidates = ground(*maps, greenest=greenest)
    assert changes([candidates], 0, 1) == ()
    assert changes([candidates], 1, 2) == ()


@settings(deadline=None, max_examples=40)
@given(percent_maps)
def test_gain_less_loss_is_the_difference_of_the_maps_where_all_was_seen(maps):
    maps = np.maximum(maps, 0)
    candidates = ground(*maps)
    disturbed = classify([candidates], SETTINGS)[0].disturbed
    balance = sum(change.area_gain_ha - change.area_loss_ha for change in changes([candidates], 0, 1))
    assert balance == pytest.approx((disturbed[1].sum() - disturbed[0].sum()) * 0.01, abs=1e-9)
