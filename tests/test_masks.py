"""Which looks are clear."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from pipeline.config import Imagery
from pipeline.imagery.masks import NO_SCL, clear_look, clear_looks, dilate

EXACT = Imagery(cloud_dilation_m=0, shadow_dilation_m=0)
TAILINGS = (1800, 2200, 2600, 3000, 3600, 3000)  # bright, B11 twice B02 and above B08
CLOUD = (6000, 6000, 6000, 6200, 4200, 3000)


@pytest.mark.parametrize(
    ("scl", "is_clear"),
    [(0, 0), (1, 0), (2, 1), (3, 0), (4, 1), (5, 1), (6, 1), (7, 1), (8, 0), (9, 0), (10, 0), (11, 0), (NO_SCL, 1)],
)
def test_each_class_is_clear_or_not(scl, is_clear):
    clear = clear_look(np.ones((1, 2), bool), np.array([[scl, 4]], np.uint8), EXACT)
    assert clear.tolist() == [[bool(is_clear), True]]


def test_an_unmeasured_pixel_is_not_clear():
    assert not clear_look(np.zeros((1, 1), bool), np.array([[4]], np.uint8), EXACT).any()


def test_dilation_is_a_disc():
    mask = np.zeros((9, 11), bool)
    mask[4, 5] = True
    drawn = ["".join("#" if v else "." for v in row) for row in dilate(mask, 30)]
    assert drawn == [
        "...........",
        ".....#.....",
        "...#####...",
        "...#####...",
        "..#######..",
        "...#####...",
        "...#####...",
        ".....#.....",
        "...........",
    ]


@pytest.mark.parametrize("radius_m", [10, 25, 60, 145])
def test_dilation_equals_that_of_scipy(radius_m):
    mask = np.random.default_rng(radius_m).random((50, 71)) > 0.995
    dy, dx = np.mgrid[-15:16, -15:16] * 10
    assert (dilate(mask, radius_m) == binary_dilation(mask, dx**2 + dy**2 <= radius_m**2)).all()


def test_cloud_and_shadow_reach_as_far_as_each_is_told_to():
    scl = np.full((1, 9), 4, np.uint8)
    scl[0, 0], scl[0, 8] = 9, 3
    clear = clear_look(np.ones((1, 9), bool), scl, Imagery(cloud_dilation_m=30, shadow_dilation_m=10))
    assert clear[0].astype(int).tolist() == [0, 0, 0, 0, 1, 1, 1, 0, 0]


def looks_of(spectra, scl):
    """Stack of one row of pixels: spectra (time, x, band), scl (time, x)."""
    stack = np.array(spectra, np.uint16).transpose(0, 2, 1)[:, :, np.newaxis, :].copy()
    flags = np.array(scl, np.uint8)[:, np.newaxis, :]
    return stack, np.ones(flags.shape, bool), flags


def test_bright_ground_that_is_called_cloud_in_most_looks_is_given_back():
    stack, valid, scl = looks_of([[TAILINGS]] * 5, [[9], [9], [8], [9], [5]])
    clear, rescued = clear_looks(stack, valid, scl, EXACT)
    assert clear.ravel().tolist() == [True] * 5
    assert rescued.tolist() == [[4]]


def test_the_ring_around_bright_ground_comes_back_with_it_and_a_real_cloud_keeps_its_own():
    grass = (500, 800, 600, 3000, 2000, 1000)
    row = [TAILINGS, grass, grass, grass]
    scl = [[9, 4, 4, 4]] * 4
    scl[3] = [9, 4, 4, 9]
    spectra = [row, row, row, [TAILINGS, grass, grass, CLOUD]]
    settings = Imagery(cloud_dilation_m=10, shadow_dilation_m=0)
    clear, rescued = clear_looks(*looks_of(spectra, scl), settings)
    assert clear[:, 0].astype(int).tolist() == [[1, 1, 1, 1]] * 3 + [[1, 1, 0, 0]]
    assert rescued.tolist() == [[4, 4, 0, 0]]


def test_ground_that_is_hidden_by_a_different_flagged_neighbour_in_each_look_is_given_back():
    scl = [[9, 5, 5, 5], [5, 5, 8, 5], [5, 9, 5, 5], [5, 5, 5, 9]]
    settings = Imagery(cloud_dilation_m=30, shadow_dilation_m=0)
    clear, rescued = clear_looks(*looks_of([[TAILINGS] * 4] * 4, scl), settings)
    assert clear.all()
    assert rescued.min() >= 3


def test_white_sand_whose_infrared_exceeds_its_short_wave_infrared_is_given_back():
    sand = (2000, 2400, 2800, 3258, 2539, 2100)
    clear, _ = clear_looks(*looks_of([[sand]] * 4, [[9], [9], [9], [5]]), EXACT)
    assert clear.all()


def test_ground_under_real_cloud_in_most_looks_stays_hidden():
    stack, valid, scl = looks_of([[CLOUD]] * 4 + [[TAILINGS]], [[9]] * 4 + [[5]])
    clear, rescued = clear_looks(stack, valid, scl, EXACT)
    assert clear.ravel().tolist() == [False] * 4 + [True]
    assert rescued.sum() == 0


def test_a_hazy_look_at_rescued_ground_stays_hidden():
    haze = (3200, 3500, 3800, 4400, 4600, 3700)
    stack, valid, scl = looks_of([[TAILINGS]] * 4 + [[haze]], [[9]] * 5)
    clear, rescued = clear_looks(stack, valid, scl, EXACT)
    assert clear.ravel().tolist() == [True] * 4 + [False]
    assert rescued.tolist() == [[4]]


def test_ground_called_cloud_in_few_looks_is_not_given_back():
    stack, valid, scl = looks_of([[TAILINGS]] * 5, [[9], [9], [5], [5], [5]])
    clear, rescued = clear_looks(stack, valid, scl, EXACT)
    assert clear.ravel().tolist() == [False, False, True, True, True]
    assert rescued.sum() == 0


def test_the_safeguard_can_be_switched_off():
    stack, valid, scl = looks_of([[TAILINGS]] * 5, [[9]] * 5)
    clear, rescued = clear_looks(stack, valid, scl, EXACT.model_copy(update={"rescue_bright_ground": False}))
    assert not clear.any()
    assert rescued.sum() == 0


def test_two_looks_are_too_few_to_tell_ground_from_cloud():
    clear, _ = clear_looks(*looks_of([[TAILINGS]] * 2, [[9]] * 2), EXACT)
    assert not clear.any()


def test_hardly_any_real_cloud_would_be_given_back(shared_data):
    netcdf = pytest.importorskip("netCDF4")
    folder = shared_data / "tanzania_belgium" / "belgium_00002806639B424A"
    bands = {}
    for path in sorted(folder.glob("S2_*.nc")):
        with netcdf.Dataset(path) as data:
            data.set_auto_maskandscale(False)
            bands.update({b: data[b][:] for b in ("B02", "B8A", "B11", "SCL") if b in data.variables})
    blue = bands["B02"][:, ::2, ::2]
    stack = np.full((len(blue), 6, *blue.shape[1:]), 1000, np.uint16)
    stack[:, 0], stack[:, 3], stack[:, 4] = blue, bands["B8A"], bands["B11"]
    valid = ((stack > 0) & (stack < 65535)).all(axis=1)
    flagged = np.isin(bands["SCL"], (8, 9)) & valid
    _, rescued = clear_looks(stack, valid, bands["SCL"], EXACT.model_copy(update={"rescue_share": 0.3}))
    assert flagged.sum() > 40_000
    assert rescued.sum() / flagged.sum() < 0.02
