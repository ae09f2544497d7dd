"""Scores of probabilities against masks, small enough to count by hand."""

from __future__ import annotations

import numpy as np

from pipeline.disturbance.labels import Labels
from pipeline.disturbance.scores import reliability, score


def labels(mask, verdict, note):
    mask = np.array(mask, np.uint8)
    lonlat = [(cell + 0.5, 0.5) for cell in range(len(mask))]
    return Labels.of(np.zeros((len(mask), 6, *mask.shape[1:]), np.uint16), mask, lonlat, verdict=verdict, note=note)


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
    }
    assert got["pixels"]["pond"]["iou"] == 1.0
    assert got["patches"] == {"mining": 1, "no_mining": 2, "sensitivity": 1.0, "specificity": 0.5}
    assert got["kinds"]["towns"]["patches"]["specificity"] == 0.0
    assert got["kinds"]["fish ponds"]["patches"]["sensitivity"] is None


def test_calibration_error_weighs_each_bin_by_its_pixels():
    mask = np.array([[[0, 1, 1, 255, 0]]], np.uint8)
    got = reliability(np.array([[[0.05, 0.95, 1.0, 0.5, 0.95]]]), mask)
    # One pixel of 0.05 that is other; three of mean 0.9667 of which two are disturbed.
    assert got["expected_calibration_error"] == round((0.05 + 3 * (2.9 / 3 - 2 / 3)) / 4, 4)
    assert [b["pixels"] for b in got["bins"]] == [1, 0, 0, 0, 0, 0, 0, 0, 0, 3]
