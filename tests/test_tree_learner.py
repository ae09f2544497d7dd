"""Trees are fitted to patches that weigh the same, under other light and haze, and come out the same each time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.disturbance import Model, load_model
from pipeline.disturbance.labels import Labels
from pipeline.disturbance.tree_learner import TreeLearner, draw, fit_forest, vary
from pipeline.errors import BadInput
from tests.labels import small_labels


def test_every_patch_weighs_the_same_and_unsure_pixels_do_not_count():
    samples = draw(small_labels(), 0)
    assert len(set(np.bincount(samples.patch).tolist())) == 1
    assert set(samples.classes.tolist()) == {0, 1, 2}


def test_light_scales_all_bands_alike_and_haze_falls_with_wavelength():
    rng = np.random.default_rng(0)
    dark = vary(np.zeros((6, 1, 1), np.uint16), rng)[:, 0, 0].astype(int)
    assert (np.diff(dark) <= 0).all()
    image = np.full((6, 1, 2), 5000, np.uint16)
    image[5, 0, 1] = 2500
    swir = vary(image, rng)[5, 0].astype(int)
    assert abs(swir[0] - 2 * swir[1]) <= 10


def test_labels_without_ponds_cannot_train():
    samples = draw(small_labels(), 0)
    with pytest.raises(BadInput, match="all three classes"):
        fit_forest(replace(samples, classes=np.minimum(samples.classes, 1)), 0)


def test_the_shipped_trees_are_what_training_gives(shared_data):
    labels = Labels.read(shared_data / "amazon_mining")
    assert Model.of("trees", TreeLearner().fit(labels, 0)).sha256 == load_model("trees").sha256
