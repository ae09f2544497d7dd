"""Features of a pixel and of the ground around it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.disturbance.features import HALO_PX, N_FEATURES, RADII, compute, feature_names
from pipeline.errors import BadInput
from pipeline.imagery.scene import NODATA

NAMES = feature_names()
FOREST = (300, 500, 300, 2700, 1500, 600)
SOIL = (1200, 1800, 2400, 2900, 3800, 3300)
POND = (1000, 1500, 1600, 900, 300, 200)


def feature(features, name):
    return features[NAMES.index(name)]


def ground(height, width, spectrum):
    return np.broadcast_to(np.array(spectrum, np.uint16)[:, None, None], (6, height, width)).copy()


def some_ground(height, width):
    pixels = hnp.arrays(np.uint16, (6, height, width), elements=st.integers(0, NODATA), fill=st.just(np.uint16(700)))
    gaps = hnp.arrays(np.bool_, (height, width), fill=st.just(False))
    return st.builds(lambda values, gap: np.where(gap, np.uint16(NODATA), values), pixels, gaps)


def test_indices_follow_their_formulas():
    got = compute(ground(1, 1, SOIL), 0)[:, 0, 0]
    # (a - b) / (a + b + 1), in thousandths, cut towards zero; worked by hand from SOIL.
    assert got[NAMES.index("ndvi")] == 94  # (2900 - 2400) / 5301
    assert got[NAMES.index("mndwi")] == -357  # (1800 - 3800) / 5601
    assert got[NAMES.index("visible")] == 285  # (5400 - 3000) / 8401
    assert got[NAMES.index("bsi")] == 203  # (6200 - 4100) / 10301... against B08 + B02


def test_windows_average_the_pixels_they_hold():
    image = ground(1, 3, SOIL)
    image[:, 0, 2] = POND
    share = feature(compute(image, 0), "water_share3")
    assert share.tolist() == [[0, 3333, 5000]]


def test_a_uniform_place_has_no_deviation_and_is_its_own_surroundings():
    got = compute(ground(5, 9, POND), 0)
    for name in NAMES:
        if "_sd" in name or "_above" in name:
            assert not feature(got, name).any(), name
    assert (feature(got, "ndvi_mean31") == 10 * feature(got, "ndvi")).all()


def test_the_deviation_of_two_pixels_is_half_their_difference():
    image = ground(1, 2, SOIL)
    image[:, 0, 1] = FOREST
    got = compute(image, 0)
    ndvi = feature(got, "ndvi").astype(int)
    assert feature(got, "ndvi_sd3").tolist() == [[5 * abs(ndvi[0, 0] - ndvi[0, 1])] * 2]


def test_pixels_not_observed_do_not_enter_a_window():
    image = ground(4, 4, SOIL)
    image[:, 1:, :] = NODATA
    alone = compute(ground(1, 4, SOIL), 0)
    assert (compute(image, 0)[:, :1] == alone).all()


def test_one_missing_band_is_a_pixel_not_observed():
    image = ground(3, 3, SOIL)
    image[4, 1, 1] = NODATA
    got = compute(image, 0)
    assert not got[:, 1, 1].any()
    assert (got[:, 0, 0] == compute(ground(1, 1, SOIL), 0)[:, 0, 0]).all()


def test_brighter_illumination_leaves_the_indices_as_they_are():
    dim = compute(ground(3, 3, SOIL), 0)[:, 1, 1].astype(int)
    bright = compute(ground(3, 3, tuple(2 * band for band in SOIL)), 0)[:, 1, 1].astype(int)
    brightness = [name.startswith(("visible", "infrared")) for name in NAMES]
    assert abs(bright - dim)[~np.array(brightness)].max() <= 10


def test_windows_fit_in_the_halo():
    assert max(RADII) <= HALO_PX


@settings(max_examples=25, deadline=None)
@given(image=some_ground(41, 47), row=st.integers(0, 4), column=st.integers(0, 6))
def test_a_tile_with_its_halo_gives_the_numbers_of_the_mosaic(image, row, column):
    halo, side = max(RADII), 6
    mosaic = compute(image, halo)
    tile = np.ascontiguousarray(image[:, row : row + side + 2 * halo, column : column + side + 2 * halo])
    inside = compute(tile, halo)
    assert (inside == mosaic[:, row : row + side, column : column + side]).all()


@settings(max_examples=25, deadline=None)
@given(image=some_ground(7, 5))
def test_windows_equal_their_definition(image):
    got = compute(image, 0)
    seen = (image != NODATA).all(axis=0)
    bsi = feature(got, "bsi").astype(np.int64)
    for y, x in zip(*np.nonzero(seen), strict=True):
        window = (slice(max(0, y - 3), y + 4), slice(max(0, x - 3), x + 4))
        values = bsi[window][seen[window]]
        assert abs(feature(got, "bsi_mean7")[y, x] - 10 * values.mean()) < 1 + 1e-6
    ndvi = feature(got, "ndvi").astype(np.int64)
    for y, x in zip(*np.nonzero(seen), strict=True):
        window = (slice(max(0, y - 1), y + 2), slice(max(0, x - 1), x + 2))
        assert abs(feature(got, "ndvi_sd3")[y, x] - 10 * ndvi[window][seen[window]].std()) < 1 + 1e-6


@pytest.mark.parametrize(
    ("image", "halo"),
    [
        (np.zeros((5, 9, 9), np.uint16), 0),
        (np.zeros((6, 9, 9), np.int16), 0),
        (np.zeros((6, 9, 9), np.uint16), 5),
        (np.zeros((6, 9, 9), np.uint16), -1),
    ],
)
def test_other_arrays_are_refused(image, halo):
    with pytest.raises(BadInput):
        compute(image, halo)


def test_there_is_a_name_for_each_feature():
    assert len(NAMES) == N_FEATURES == len(set(NAMES))
