import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from pipeline.areas.lattice import from_lonlat
from pipeline.change.components import Pixels, connect, label, reach

masks = arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)))


def pixels_of(mask):
    row, col = np.nonzero(mask)
    return row.astype(np.int32), col.astype(np.int32)


@settings(deadline=None)
@given(masks)
def test_eight_neighbours_are_joined_as_scipy_joins_them(mask):
    row, col = pixels_of(mask)
    expected = ndimage.label(mask, np.ones((3, 3)))[0][row, col] - 1
    found = label(row, col, reach(10))
    # Both number components by their first pixel in (row, col) order.
    _, first = np.unique(expected, return_index=True)
    rank = np.argsort(np.argsort(first))
    assert found.tolist() == rank[np.unique(expected, return_inverse=True)[1]].tolist()


@settings(deadline=None)
@given(masks, st.sampled_from([15, 20, 30, 42, 50, 70]))
def test_pixels_are_joined_when_their_edges_are_closer_than_the_distance(mask, distance_m):
    row, col = pixels_of(mask)
    apart = [np.maximum(np.abs(np.subtract.outer(i, i)) - 1, 0) * 10.0 for i in (row, col)]
    near = np.hypot(*apart) < distance_m
    while True:
        wider = (near.astype(int) @ near) > 0
        if np.array_equal(wider, near):
            break
        near = wider
    found = label(row, col, reach(distance_m))
    assert np.array_equal(np.equal.outer(found, found), near)


def test_half_widths_of_a_neighbourhood():
    assert reach(0).tolist() == [1, 1]
    assert reach(10).tolist() == [1, 1]
    assert reach(30).tolist() == [3, 3, 3, 3]
    assert reach(50).tolist() == [5, 5, 5, 5, 4, 3]


def test_no_pixels_have_no_components():
    none = np.zeros(0, np.int32)
    assert label(none, none, reach(10)).size == 0
    assert connect([Pixels(32633, none, none)], 30)[1] == 0
    assert connect([], 30) == ([], 0)


def test_a_row_end_is_no_neighbour_of_the_next_row_start():
    row, col = np.array([0, 1], np.int32), np.array([9, 0], np.int32)
    assert label(row, col, reach(10)).tolist() == [0, 1]


def pixel_at(lon, lat, epsg):
    x, y = from_lonlat(epsg).transform(lon, lat)
    return np.array([np.floor(-y / 10)], np.int32), np.array([np.floor(x / 10)], np.int32)


METRE = 1 / 110_000


@pytest.mark.parametrize(
    ("west", "east", "lon", "lat"),
    [(32629, 32630, -6.0, 8.2), (32633, 32634, 18.0, 4.1), (32660, 32601, 180.0, 12.0)],
)
def test_pixels_that_touch_across_a_zone_meridian_are_one_component(west, east, lon, lat):
    left = Pixels(west, *pixel_at(lon - 5 * METRE, lat, west))
    right = Pixels(east, *pixel_at(lon + 5 * METRE, lat, east))
    labels, count = connect([left, right], 10)
    assert (count, [own.tolist() for own in labels]) == (1, [[0], [0]])


def test_pixels_that_touch_across_the_equator_are_one_component():
    north = Pixels(32633, *pixel_at(15.0, 5 * METRE, 32633))
    south = Pixels(32733, *pixel_at(15.0, -5 * METRE, 32733))
    assert connect([north, south], 10)[1] == 1


def test_pixels_apart_across_a_zone_meridian_stay_apart():
    left = Pixels(32629, *pixel_at(-6 - 5 * METRE, 8.2, 32629))
    right = Pixels(32630, *pixel_at(-6 + 60 * METRE, 8.2, 32630))
    assert connect([left, right], 10)[1] == 2
    assert connect([left, right], 80)[1] == 1


def test_a_join_across_the_border_joins_whole_components():
    far = pixel_at(-6 - 4000 * METRE, 8.2, 32629)
    near = pixel_at(-6 - 5 * METRE, 8.2, 32629)
    bridge = np.arange(far[1][0], near[1][0] + 1, dtype=np.int32)
    left = Pixels(32629, np.full(bridge.size, near[0][0], np.int32), bridge)
    right = Pixels(32630, *pixel_at(-6 + 5 * METRE, 8.2, 32630))
    labels, count = connect([left, right], 10)
    assert count == 1
    assert set(labels[0]) == set(labels[1]) == {0}
