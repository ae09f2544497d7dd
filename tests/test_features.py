"""Features of a pixel and of the ground around it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.disturbance.features import (
    ABSENT,
    EVIDENCE,
    HALO_PX,
    N_FEATURES,
    REACH_PX,
    compute,
    feature_groups,
    feature_names,
)
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
        if any(part in name for part in ("_sd", "_above31", "_coherence", "_roughness")):
            assert not feature(got, name).any(), name
    for name in ("ndvi_mean31", "ndvi_max31", "ndvi_min5"):
        assert (feature(got, name) == 10 * feature(got, "ndvi")).all(), name


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
    assert REACH_PX <= HALO_PX


@settings(max_examples=25, deadline=None)
@given(image=some_ground(43, 49), row=st.integers(0, 4), column=st.integers(0, 6))
def test_a_tile_with_its_halo_gives_the_numbers_of_the_mosaic(image, row, column):
    halo, side = REACH_PX, 6
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


def stripes(along):
    """Soil and forest in stripes of three pixels, 40 x 40, running down (`along` 1) or across (0)."""
    number = np.indices((40, 40))[along] // 3 % 2
    return np.where(number[None], ground(40, 40, SOIL), ground(40, 40, FOREST))


@pytest.mark.parametrize("along", [0, 1])
def test_edges_that_run_one_way_are_coherent(along):
    middle = compute(stripes(along), 0)[:, 20, 20]
    assert middle[NAMES.index("ndvi_coherence15")] > 9900


def test_edges_that_run_every_way_are_not():
    tiles = np.indices((40, 40)).sum(axis=0) // 2 % 2
    board = np.where(np.kron(np.indices((10, 10)).sum(axis=0) % 2, np.ones((4, 4), int)), 1, 0)
    image = np.where(board[None], ground(40, 40, SOIL), ground(40, 40, FOREST))
    assert compute(image, 0)[NAMES.index("ndvi_coherence15"), 20, 20] < 500
    diagonal = np.where(tiles[None], ground(40, 40, SOIL), ground(40, 40, FOREST))
    assert compute(diagonal, 0)[NAMES.index("ndvi_coherence15"), 20, 20] > 9000


def test_roughness_is_the_root_of_the_mean_squared_gradient():
    image = ground(9, 9, SOIL)
    image[:, :, 5:] = ground(9, 4, FOREST)
    got = compute(image, 0)
    ndvi = feature(got, "ndvi").astype(int)
    step = abs(ndvi[4, 8] - ndvi[4, 0])
    # In the 7 x 7 window of the middle, two of seven columns (4 and 5) have the step between their neighbours.
    assert abs(feature(got, "ndvi_roughness7")[4, 4] - 10 * step * np.sqrt(2 / 7)) < 2


def test_a_gradient_beside_ground_not_observed_counts_as_none():
    image = ground(9, 9, SOIL)
    image[:, :, 5:] = ground(9, 4, FOREST)
    image[:, :, 4:6] = NODATA
    assert not feature(compute(image, 0), "ndvi_roughness15").any()


@settings(max_examples=25, deadline=None)
@given(image=some_ground(12, 9))
def test_extremes_equal_their_definition(image):
    got = compute(image, 0)
    seen = (image != NODATA).all(axis=0)
    for name in ("ndvi", "infrared"):
        plane = 10 * feature(got, name).astype(int)
        for y, x in zip(*np.nonzero(seen), strict=True):
            window = (slice(max(0, y - 4), y + 5), slice(max(0, x - 4), x + 5))
            values = plane[window][seen[window]]
            assert feature(got, f"{name}_max9")[y, x] == values.max()
            assert feature(got, f"{name}_min9")[y, x] == values.min()


@settings(max_examples=15, deadline=None)
@given(image=some_ground(8, 11))
def test_turned_ground_has_turned_features(image):
    turned = compute(np.ascontiguousarray(image[:, ::-1].transpose(0, 2, 1)), 0)
    straight = compute(image, 0)[:, ::-1].transpose(0, 2, 1)
    assert abs(turned.astype(int) - straight).max() <= 1


def test_threads_do_not_change_a_number():
    rng = np.random.default_rng(4)
    image = rng.integers(100, 5000, (6, 37, 23)).astype(np.uint16)
    assert (compute(image, 3, threads=1) == compute(image, 3, threads=4)).all()


def test_evidence_is_told_in_whole_numbers_and_as_absent_where_unknown():
    slope = np.array([[1.234, np.nan, 1e9]], np.float32)
    got = compute(ground(1, 3, SOIL), 0, evidence={"slope_deg": slope})
    assert feature(got, "slope_deg").tolist() == [[123, ABSENT, 32767]]
    assert (feature(got, "s1_minimum_db") == ABSENT).all()


def test_evidence_is_read_inside_the_halo():
    backscatter = -np.arange(20, dtype=np.float32).reshape(4, 5)
    got = compute(ground(4, 5, SOIL), 1, evidence={"s1_minimum_db": backscatter})
    assert feature(got, "s1_minimum_db").tolist() == [[-600, -700, -800], [-1100, -1200, -1300]]


@pytest.mark.parametrize("evidence", [{"rain": np.zeros((3, 3), np.float32)}, {"slope_deg": np.zeros((2, 3))}])
def test_evidence_that_does_not_fit_is_refused(evidence):
    with pytest.raises(BadInput, match=f"evidence '{next(iter(evidence))}'"):
        compute(ground(3, 3, SOIL), 0, evidence=evidence)


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
    assert tuple(EVIDENCE) == feature_groups()["evidence"]
