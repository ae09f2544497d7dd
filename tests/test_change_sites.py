from datetime import date, timedelta

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.areas.lattice import Tile, from_lonlat, project
from pipeline.change import build_sites, classify, merge
from pipeline.config import Change
from tests.change_ground import BARREN, GREEN, SETTINGS, UNSEEN, day, ground, periods

EPOCH = date(1970, 1, 1)


def sites(*grounds, with_settings=SETTINGS):
    return build_sites(classify(grounds, with_settings), periods(grounds[0].periods), with_settings)


def only(*maps, **more):
    (site,) = sites(ground(*maps, **more))
    return site


def test_a_site_is_named_by_its_strongest_pixel_in_the_first_period_that_shows_it():
    site = only([[0, 0, 0], [80, 90, 90]], [[99, 80, 80], [80, 90, 90]])
    assert site.site_id == "PW-33N-50001-039998"
    # That pixel's south-west corner, in tens of metres.
    assert project(site.geometry.buffer(1e-6), 32633).covers(shapely.Point(500010, 399980))


def test_parts_closer_than_the_link_are_one_site_and_others_are_not():
    assert len(sites(ground([[90, 90, 0, 0, 90, 90]]))) == 1
    assert len(sites(ground([[90, 90, 0, 0, 0, 90, 90]]))) == 2


def test_parts_of_different_periods_are_one_site():
    site = only([[90, 90, 0, 0, 0]], [[0, 0, 90, 90, 0]])
    assert [(p.bare_ha, p.pond_ha) for p in site.periods] == [(0.02, 0.0), (0.02, 0.0)]


def test_ground_lies_in_hectares_of_true_area_by_class():
    site = only([[90, 90, 90]], pond=[[0, 1, 1]], area=98.5)
    assert (site.periods[0].bare_ha, site.periods[0].pond_ha) == pytest.approx((0.00985, 0.0197))


def test_a_site_of_a_period_tells_how_much_was_seen():
    first, second = only([[90, 90, 60, 60]], [[UNSEEN, 0, 0, UNSEEN]], looks=7).periods
    assert (first.observed_share, second.observed_share) == (1.0, 0.5)
    assert (first.probability, second.probability) == (pytest.approx(0.75), None)
    assert (first.clear_looks, second.clear_looks) == (7, 3)
    assert second.last_observed == EPOCH + timedelta(days=day(1, 3))


def test_a_period_without_a_look_has_no_last_day():
    assert only([[90, 90]], [[UNSEEN, UNSEEN]]).periods[1].last_observed is None


@pytest.mark.parametrize(
    ("maps", "state", "status", "first_seen"),
    [
        ([[[90, 90]]], "active", "provisional", "p0"),
        ([[[0, 0]], [[90, 90]]], "active", "provisional", "p1"),
        ([[[90, 90]], [[UNSEEN, UNSEEN]], [[90, 90]]], "active", "confirmed", "p0"),
        ([[[90, 90]], [[0, 0]]], "recovered", "provisional", "p0"),
        ([[[90, 90]], [[90, 90]], [[0, 0]]], "recovered", "provisional", "p0"),
        ([[[90, 90]], [[0, 0]], [[0, 0]]], "recovered", "confirmed", "p0"),
        ([[[90, 90]], [[0, 0]], [[UNSEEN, UNSEEN]]], "not observed", "provisional", "p0"),
        ([[[90, 90]], [[0, UNSEEN]]], "recovered", "provisional", "p0"),
        ([[[90, 90, 90]], [[0, UNSEEN, UNSEEN]]], "not observed", "provisional", "p0"),
    ],
)
def test_the_state_of_a_site_is_that_of_the_last_period(maps, state, status, first_seen):
    site = only(*maps)
    assert (site.state, site.status, site.first_seen) == (state, status, first_seen)


def test_a_site_opened_after_a_median_that_did_not_show_it_and_before_one_that_did():
    site = only([[0, 0]], [[UNSEEN, UNSEEN]], [[90, 90]])
    assert site.last_clear_undisturbed == EPOCH + timedelta(days=day(0, 1))
    assert site.first_clear_disturbed == EPOCH + timedelta(days=day(2, 2))


def test_a_site_mostly_not_observed_before_has_no_undisturbed_day():
    assert only([[0, UNSEEN, UNSEEN]], [[90, 90, 90]]).last_clear_undisturbed is None
    assert only([[0, UNSEEN]], [[90, 90]]).last_clear_undisturbed == EPOCH + timedelta(days=day(0, 1))


def test_a_doubtful_trace_before_does_not_make_a_site_older():
    site = only([[65, 0, 0]], [[90, 95, 90]])
    assert (site.first_seen, site.status, site.site_id) == ("p1", "provisional", "PW-33N-50001-039999")
    assert site.periods[0].bare_ha == 0.01
    assert site.last_clear_undisturbed == EPOCH + timedelta(days=day(0, 1))


def test_a_site_of_the_first_period_has_no_undisturbed_day():
    assert only([[90, 90]], [[90, 90]]).last_clear_undisturbed is None


def test_the_zone_with_most_of_the_area_has_the_site():
    assert only([[90, 90, 90]], zone=[[2, 1, 2]]).zone == 2
    assert only([[90, 90]], zone=[[2, 1]]).zone == 1


def test_a_site_names_every_tile_it_touches():
    top, left = Tile(32633, 97, 78).origin_px
    site = only([[90, 90], [0, 90]], top=top - 1, left=left - 1)
    assert site.tiles == (Tile(32633, 96, 79), Tile(32633, 97, 78), Tile(32633, 97, 79))


def test_sites_within_a_kilometre_are_counted():
    row = np.zeros((1, 320), int)
    row[0, [0, 1, 101, 102, 204, 205]] = 90
    found = sites(ground(row), with_settings=Change(minimum_mapping_unit_ha=0.02))
    assert [site.sites_within_1km for site in found] == [1, 1, 0]


SQUARE = np.full((5, 4), 90)
DOUBTFUL = SQUARE - 6
DOUBTFUL[2, 1] = 95


@pytest.mark.parametrize(
    ("maps", "more", "confidence"),
    [
        ([SQUARE, SQUARE], {}, "high"),
        ([SQUARE], {}, "high"),
        ([DOUBTFUL], {}, "low"),
        ([DOUBTFUL, DOUBTFUL], {}, "high"),
        ([SQUARE[:4]], {}, "low"),
        ([SQUARE], {"looks": 2}, "low"),
        ([SQUARE], {"greenest": (GREEN, None)}, "low"),
        ([SQUARE], {"greenest": (BARREN, None)}, "high"),
    ],
)
def test_confidence_is_high_only_where_all_the_evidence_is_there(maps, more, confidence):
    (site,) = sites(ground(*maps, **({"looks": 3} | more)), with_settings=Change())
    assert site.confidence == confidence


masks = arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))).filter(lambda mask: mask.any())


@settings(deadline=None)
@given(masks, st.sampled_from([(32633, 16.0), (32629, -6.4), (32733, 14.0)]))
def test_outlines_are_valid_closed_right_handed_and_cover_exactly_the_pixels(mask, place):
    epsg, lon = place
    lat = -4.2 if epsg > 32700 else 4.2
    x, y = from_lonlat(epsg).transform(lon, lat)
    top, left = int(-y // 10), int(x // 10)
    wide = Change(minimum_mapping_unit_ha=0, link_m=200, isolated=0.8)
    (site,) = sites(ground(np.where(mask, 90, 0), epsg=epsg, top=top, left=left), with_settings=wide)
    assert site.geometry.is_valid
    coordinates = shapely.get_coordinates(site.geometry)
    assert np.array_equal(np.round(coordinates, 6), coordinates)
    for polygon in shapely.get_parts(site.geometry):
        assert polygon.exterior.is_ccw
        assert not any(hole.is_ccw for hole in polygon.interiors)
    row, col = np.nonzero(mask)
    x, y = (left + col) * 10, -(top + row) * 10
    pixels = shapely.union_all(shapely.box(x, y - 10, x + 10, y))
    back = shapely.transform(site.geometry, lambda xy: np.column_stack(from_lonlat(epsg).transform(xy[:, 0], xy[:, 1])))
    assert shapely.symmetric_difference(back, pixels).area < 0.02 * pixels.area


def test_a_site_across_a_zone_meridian_is_one():
    x, y = from_lonlat(32629).transform(-6 - 5 / 110_000, 8.2)
    west = ground([[90, 90], [90, 90]], epsg=32629, top=int(-y // 10), left=int(x // 10) - 1, zone=1)
    x, y = from_lonlat(32630).transform(-6 + 5 / 110_000, 8.2)
    east = ground([[95, 90, 90], [90, 90, 90]], epsg=32630, top=int(-y // 10), left=int(x // 10), zone=2)
    (site,) = sites(east, west)
    assert site.site_id.startswith("PW-30N-")
    assert site.zone == 2
    assert {tile.epsg for tile in site.tiles} == {32629, 32630}
    assert site.geometry.is_valid
    assert site.geometry.bounds[0] < -6 < site.geometry.bounds[2]
    assert project(site.geometry, 32630).area == pytest.approx(1000, rel=0.2)


percent_maps = arrays(np.int32, (3, 6, 9), elements=st.sampled_from([UNSEEN, 0, 60, 85, 95]))


@settings(deadline=None, max_examples=40)
@given(percent_maps, st.integers(1, 8), st.randoms(use_true_random=False))
def test_sites_do_not_depend_on_tiles_or_their_order(maps, cut, random):
    parts = [ground(*maps[:, :, :cut]), ground(*maps[:, :, cut:], left=50000 + cut)]
    random.shuffle(parts)
    assert sites(merge(parts)) == sites(ground(*maps))
