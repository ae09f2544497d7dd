"""Scores of probabilities against masks, small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from pipeline.disturbance.labels import Labels
from pipeline.disturbance.scores import MIN_CELLS, classify, reliability, score


def labels(mask, verdict=None, note=None, cell=None, **more):
    mask = np.array(mask, np.uint8)
    lonlat = [((i if cell is None else cell[i]) + 0.5, 0.5) for i in range(len(mask))]
    pixels = np.zeros((len(mask), 6, *mask.shape[1:]), np.uint16)
    return Labels.of(pixels, mask, lonlat, verdict=verdict, note=note, **more)


def sure(called):
    """Probabilities 1 and 0 that call bare what is 1, pond what is 2."""
    called = np.array(called)
    return np.stack([called == 1, called == 2], axis=1).astype(float)


def test_pixels_and_patches_are_counted():
    truth = labels(
        [[[1, 1, 2, 0, 255]], [[0, 0, 0, 0, 0]], [[0, 0, 0, 0, 0]]],
        ["mining", "no_mining", "no_mining"],
        ["", "a town", "forest"],
    )
    bare = np.array([[[0.9, 0.2, 0.1, 0.7, 0.9]], [[0.0, 0.6, 0, 0, 0]], [[0.1] * 5]])
    pond = np.array([[[0.0, 0.2, 0.8, 0.1, 0.0]], [[0.0, 0.1, 0, 0, 0]], [[0.1] * 5]])
    got = score(np.stack([bare, pond], axis=1), truth)
    # Called: patch 1 bare, other, pond, bare (unsure left out); patch 2 one bare; patch 3 none.
    assert got["pixels"]["disturbed"]["iou"] == 0.4  # 2 of 5
    assert got["pixels"]["bare"] == {
        "iou": 0.25,
        "f1": 0.4,
        "precision": 0.3333,
        "recall": 0.5,
        "false_alarm_share": 0.1667,
        "iou_95": None,  # three cells
        "f1_95": None,
    }
    assert got["pixels"]["pond"]["iou"] == 1.0
    assert (got["patches"]["sensitivity"], got["patches"]["specificity"]) == (1.0, 0.5)
    assert (got["patches"]["mining"], got["patches"]["no_mining"]) == (1, 2)
    assert got["kinds"]["towns"]["patches"]["specificity"] == 0.0
    assert got["kinds"]["fish ponds"]["patches"]["sensitivity"] is None


def test_what_was_not_observed_is_not_judged():
    truth = labels([[[1, 1, 0, 0]]], ["mining"])
    probability = sure([[[1, 0, 0, 0]]])
    probability[0, :, 0, 1] = np.nan
    got = score(probability, truth)
    assert got["pixels"]["disturbed"]["recall"] == 1.0
    assert sum(bin_["pixels"] for bin_ in got["reliability"]["bins"]) == 3


def test_surroundings_do_not_make_a_patch_mining():
    mask = np.full((1, 5, 5), 255)
    mask[0, 2, 2] = 0
    called = np.ones((1, 5, 5), int)
    called[0, 2, 2] = 0
    assert score(sure(called), labels(mask, ["no_mining"], halo_px=2))["patches"]["specificity"] == 1.0
    assert score(sure(called), labels(mask, ["no_mining"]))["patches"]["specificity"] == 0.0


def test_the_threshold_is_met_in_the_units_of_the_map():
    # 0.4999 + 0.0001 is a little less than 0.5 in binary.
    assert classify(np.array([0.4999, 0.0001]).reshape(1, 2, 1, 1)).item() == 1
    assert classify(np.array([0.4998, 0.0001]).reshape(1, 2, 1, 1)).item() == 0


def test_where_every_cell_is_alike_the_interval_is_a_point():
    got = score(sure([[[1, 1, 0, 1]]] * 7), labels([[[1, 1, 1, 0]]] * 7))
    assert got["pixels"]["disturbed"]["iou_95"] == [0.5, 0.5]


@pytest.mark.parametrize("right", [80, 50])
def test_the_interval_of_independent_patches_is_the_binomial_one(right):
    called = [[[1]]] * right + [[[0]]] * (100 - right)
    got = score(sure(called), labels([[[1]]] * 100, ["mining"] * 100))
    low, high = binom.ppf((0.025, 0.975), 100, right / 100) / 100
    assert got["patches"]["sensitivity_95"] == pytest.approx([low, high], abs=0.011)


def test_patches_of_one_cell_are_drawn_together():
    # 20 cells of 50 patches, each cell wholly right or wholly wrong: the spread is that of 20 draws, not of 1000.
    cell = np.repeat(np.arange(20), 50)
    called = np.where(cell % 2, 1, 0).reshape(-1, 1, 1)
    got = score(sure(called), labels([[[1]]] * 1000, ["mining"] * 1000, cell=cell))
    low, high = binom.ppf((0.025, 0.975), 20, 0.5) / 20
    assert got["patches"]["sensitivity_95"] == pytest.approx([low, high], abs=0.051)


def test_intervals_repeat_and_need_enough_cells():
    rng = np.random.default_rng(3)
    mask, called = rng.integers(0, 2, (2, 12, 4, 4))
    for cells, known in ((MIN_CELLS - 1, False), (MIN_CELLS, True)):
        truth = labels(mask, cell=np.arange(12) % cells)
        interval = score(sure(called), truth)["pixels"]["disturbed"]["iou_95"]
        assert (interval is not None) == known
        assert interval == score(sure(called), truth)["pixels"]["disturbed"]["iou_95"]


def test_regions_are_told_apart():
    truth = labels([[[1]], [[1]], [[0]]], region=["west", "east", "elsewhere"])
    got = score(sure([[[1]], [[0]], [[0]]]), truth)["regions"]
    assert list(got) == ["east", "west", "elsewhere"]
    assert [got[name]["pixels"]["disturbed"]["recall"] for name in got] == [0.0, 1.0, None]


def test_objects_are_counted_by_their_size():
    # Patch 1: three pixels by corners (0.03 ha), two of them called; a false object of one pixel beside.
    # Patch 2: ten pixels (0.1 ha) of which four are called; an object on unsure ground.
    mask = np.zeros((2, 4, 12), int)
    called = np.zeros_like(mask)
    for i in range(3):
        mask[0, i, i] = 1
    called[0, :2, :2] = [[1, 0], [0, 2]]
    called[0, 3, 11] = 1
    mask[1, 0, :10] = 2
    called[1, 0, :4] = 1
    mask[1, 3] = 255
    called[1, 3, 5:8] = 1
    got = score(sure(called), labels(mask))["sizes"]
    assert got["0 to 0.1 ha"] == {
        "objects": 1,
        "found": 1.0,
        "found_95": None,
        "pixel_recall": 0.6667,
        "called_objects": 3,
        "false_objects": 1,
    }
    assert (got["0.1 to 0.5 ha"]["objects"], got["0.1 to 0.5 ha"]["found"]) == (1, 0.0)
    assert got["0.1 to 0.5 ha"]["pixel_recall"] == 0.4


def test_objects_do_not_reach_from_patch_to_patch():
    got = score(sure(np.ones((3, 2, 2), int)), labels(np.ones((3, 2, 2))))["sizes"]
    assert got["0 to 0.1 ha"]["objects"] == 3


def test_calibration_error_weighs_each_bin_by_its_pixels():
    mask = np.array([[[0, 1, 1, 255, 0]]], np.uint8)
    got = reliability(np.array([[[0.05, 0.95, 1.0, 0.5, 0.95]]]), mask)
    # One pixel of 0.05 that is other; three of mean 0.9667 of which two are disturbed.
    assert got["expected_calibration_error"] == round((0.05 + 3 * (2.9 / 3 - 2 / 3)) / 4, 4)
    assert [b["pixels"] for b in got["bins"]] == [1, 0, 0, 0, 0, 0, 0, 0, 0, 3]
