import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.areas.lattice import from_lonlat
from pipeline.change import classify, merge
from pipeline.change.objects import hold_steady
from pipeline.config import Change
from tests.change_ground import BARREN, GREEN, SETTINGS, UNSEEN, drawn, ground


def classes(*maps, with_settings=SETTINGS, **more):
    return drawn(classify([ground(*maps, **more)], with_settings)[0], np.shape(maps[0])).tolist()


def test_weak_ground_joins_a_strong_seed_and_stays_out_without_one():
    assert classes(
        [
            [60, 0, 0, 0, 70],
            [0, 80, 0, 0, 70],
            [0, 0, 55, 0, 79],
            [49, 0, 0, 0, 70],
        ]
    ) == [
        [
            [1, 0, 0, 0, 0],
            [0, 1, 0, 0, 0],
            [0, 0, 1, 0, 0],
            [0, 0, 0, 0, 0],
        ]
    ]


def test_an_object_below_the_mapping_unit_is_not_mapped():
    raster = [[90, 0, 90], [0, 0, 90]]
    assert classes(raster) == [[[0, 0, 1], [0, 0, 1]]]
    assert classes(raster, area=99.9) == [[[0, 0, 0], [0, 0, 0]]]


def test_the_likelier_of_bare_and_pond_names_the_pixel_and_bare_wins_a_tie():
    assert classes([[90, 90, 90]], pond=[[0.9, 0.5, 0.1]]) == [[[2, 1, 1]]]


def test_ground_not_observed_is_not_other():
    assert classes([[90, 90, UNSEEN]], [[UNSEEN, 90, 90]]) == [[[1, 1, 255]], [[255, 1, 1]]]


def test_seasonal_ground_is_set_aside_before_objects_are_formed():
    assert classes([[90, 90]], greenest=(None, GREEN)) == [[[3, 3]]]


LONELY = Change(minimum_mapping_unit_ha=0.02, isolated=0.9, isolation_m=50)


def test_a_lone_object_needs_a_seed_that_is_sure():
    assert classes([[85, 85]], with_settings=LONELY) == [[[0, 0]]]
    assert classes([[85, 90]], with_settings=LONELY) == [[[1, 1]]]


def test_a_sure_object_vouches_for_one_within_the_distance_and_through_it_for_the_next():
    assert classes([[95, 95, 0, 0, 0, 0, 85, 85, 0, 0, 0, 0, 85, 85]], with_settings=LONELY)[0][0].count(1) == 6
    assert classes([[95, 95, 0, 0, 0, 0, 0, 85, 85, 0, 0, 0, 0, 85, 85]], with_settings=LONELY)[0][0].count(1) == 2


def test_two_doubtful_objects_do_not_vouch_for_each_other():
    assert classes([[85, 85, 0, 85, 85]], with_settings=LONELY) == [[[0, 0, 0, 0, 0]]]


def test_what_is_too_small_to_be_mapped_vouches_for_nothing():
    assert classes([[95, 0, 0, 85, 85]], with_settings=LONELY) == [[[0, 0, 0, 0, 0]]]


def steady(mapped, percent, with_settings=SETTINGS):
    p = np.array(percent, np.int16)[:, None] * 100
    p[p < 0] = -1
    held = hold_steady(np.array(mapped, bool)[:, None], p >= 5000, p, with_settings)
    return held[:, 0].astype(int).tolist()


def test_mapped_ground_stays_until_it_falls_below_weak():
    assert steady([1, 0, 0], [95, 55, 49]) == [1, 1, 0]


def test_ground_that_rose_by_less_than_the_band_was_there_before():
    assert steady([0, 1], [65, 90]) == [1, 1]
    assert steady([0, 1], [60, 90]) == [0, 1]
    assert steady([0, 1], [49, 55]) == [0, 1]


def test_holding_passes_over_periods_without_a_look():
    assert steady([1, 0, 0], [90, -1, 60]) == [1, 0, 1]
    assert steady([0, 0, 1], [70, -1, 90]) == [1, 0, 1]


def test_holding_goes_back_step_by_step_while_the_ground_stays_in_doubt():
    assert steady([0, 0, 1], [55, 70, 90]) == [1, 1, 1]


def test_hovering_about_the_seed_threshold_is_no_change():
    assert classes([[79, 79]], [[81, 81]], [[79, 79]]) == [[[1, 1]]] * 3


def test_an_object_cut_by_a_zone_meridian_is_judged_whole():
    x, y = from_lonlat(32629).transform(-6 - 5 / 110_000, 8.2)
    west = ground([[60, 60]], epsg=32629, top=int(-y // 10), left=int(x // 10) - 1)
    x, y = from_lonlat(32630).transform(-6 + 5 / 110_000, 8.2)
    east = ground([[90]], epsg=32630, top=int(-y // 10), left=int(x // 10))
    found = classify([east, west], Change(minimum_mapping_unit_ha=0.03))
    assert [zone.epsg for zone in found] == [32629, 32630]
    assert [zone.classes.tolist() for zone in found] == [[[1, 1]], [[1]]]
    assert not classify([west], Change(minimum_mapping_unit_ha=0.02))[0].disturbed.any()


def test_nothing_is_classified_where_nothing_was_found():
    assert classify([], SETTINGS) == ()
    assert classify([ground([[10, 10]])], SETTINGS)[0].classes.shape == (1, 0)


percent_maps = arrays(np.int32, (2, 7, 9), elements=st.sampled_from([UNSEEN, 10, 49, 50, 60, 79, 80, 90, 95]))


@settings(deadline=None)
@given(percent_maps, st.integers(1, 8), st.randoms(use_true_random=False))
def test_cutting_the_ground_into_tiles_in_any_order_changes_nothing(maps, cut, random):
    whole = ground(*maps)
    parts = [ground(*maps[:, :, :cut]), ground(*maps[:, :, cut:], left=50000 + cut)]
    random.shuffle(parts)
    one, other = classify([whole], LONELY)[0], classify([merge(parts)], LONELY)[0]
    assert np.array_equal(one.classes, other.classes)
    assert np.array_equal(one.candidates.row, other.candidates.row)


@settings(deadline=None)
@given(percent_maps, st.sampled_from([(None, None), (BARREN, None), (GREEN, BARREN), (None, GREEN)]))
def test_a_pixel_is_not_observed_exactly_where_its_map_is(maps, greenest):
    found = classify([ground(*maps, greenest=greenest)], SETTINGS)[0]
    assert np.array_equal(found.classes == 255, found.candidates.probability < 0)
    assert not (found.disturbed & (found.candidates.probability < 5000)).any()
