"""Trees are fitted to patches that weigh the same, under other light and haze, and come out the same each time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.disturbance import Model, load_model
from pipeline.disturbance.features import ABSENT, EVIDENCE, compute, feature_names
from pipeline.disturbance.labels import Labels
from pipeline.disturbance.tree_classifier import TreeClassifier
from pipeline.disturbance.tree_learner import TreeLearner, draw, fit_boosters, vary
from pipeline.disturbance.trees import Forest, sigmoid
from pipeline.errors import BadInput
from pipeline.imagery.scene import NODATA
from tests.labels import SOIL, small_labels

SLOPE = feature_names().index("slope_deg")


def test_every_patch_weighs_the_same_and_unsure_pixels_do_not_count():
    samples = draw(small_labels(), 0)
    assert len(set(np.bincount(samples.patch).tolist())) == 1
    assert set(samples.classes.tolist()) == {0, 1, 2}


def test_pixels_that_were_not_observed_are_not_learnt():
    labels = small_labels()
    labels.reflectance[:, 4, :, 5:] = NODATA
    assert (draw(labels, 0).features != 0).any(axis=1).all()


def test_a_patch_without_a_label_adds_nothing():
    labels = small_labels()
    labels.mask[3] = 255
    assert 3 not in draw(labels, 0).patch
    labels.mask[:] = 255
    with pytest.raises(BadInput, match="no pixel"):
        draw(labels, 0)


def test_light_scales_all_bands_alike_and_haze_falls_with_wavelength():
    rng = np.random.default_rng(0)
    dark = vary(np.zeros((6, 1, 1), np.uint16), rng)[:, 0, 0].astype(int)
    assert (np.diff(dark) <= 0).all()
    image = np.full((6, 1, 2), 5000, np.uint16)
    image[5, 0, 1] = 2500
    swir = vary(image, rng)[5, 0].astype(int)
    assert abs(swir[0] - 2 * swir[1]) <= 10


def test_what_was_not_observed_stays_so_under_other_light():
    image = np.full((6, 1, 2), 5000, np.uint16)
    image[:, 0, 1] = NODATA
    varied = vary(image, np.random.default_rng(0))
    assert (varied[:, 0, 1] == NODATA).all()
    assert (varied[:, 0, 0] != NODATA).all()


def test_labels_without_ponds_cannot_train():
    samples = draw(small_labels(), 0)
    with pytest.raises(BadInput, match="all three classes"):
        fit_boosters(replace(samples, classes=np.minimum(samples.classes, 1)), 0)


def test_the_same_labels_and_seed_give_the_same_bytes_and_another_seed_does_not():
    first, again, other = (TreeLearner().fit(small_labels(), seed).files() for seed in (3, 3, 4))
    assert first == again
    assert first != other


def on_slopes(slope_of_workings):
    """Soil everywhere: only the slope tells workings (and ponds, steeper still) from what is not."""
    labels = small_labels()
    reflectance = np.empty_like(labels.reflectance)
    reflectance[:] = np.array(SOIL, np.uint16)[:, None, None]
    # The same workings in every patch, so that its light tells nothing either.
    mask = np.repeat(np.where(labels.mask[:1] == 255, 0, labels.mask[:1]), len(labels.mask), axis=0)
    slope = np.choose(mask, [12.0, slope_of_workings, slope_of_workings / 2]).astype(np.float32)
    return replace(labels, reflectance=reflectance, mask=mask, evidence={"slope_deg": slope})


def test_evidence_decides_where_the_bands_cannot():
    labels = on_slopes(2.0)
    classifier = TreeLearner().fit(labels, 0)
    slope = np.array([[2.0, 12.0]], np.float32)
    soil = labels.reflectance[0, :, :1, :2].copy()
    flat, steep = classifier.predict(soil, 0, {"slope_deg": slope}).astype(int).sum(axis=0)[0]
    assert flat > 9000
    assert steep < 1000


def test_trees_learn_with_evidence_live_without_it():
    labels = on_slopes(2.0)
    soil = labels.reflectance[0, :, :1, :2].copy()
    classifier = TreeLearner().fit(labels, 0)
    without = classifier.predict(soil, 0).astype(int).sum(axis=0)
    unknown = classifier.predict(soil, 0, {"slope_deg": np.full((1, 2), np.nan, np.float32)}).astype(int).sum(axis=0)
    # As often workings as the labels say of soil whose slope is not known: neither surely so nor surely not.
    share = float((draw(labels, 0).classes > 0).mean())
    assert abs(without / 10_000 - share).max() < 0.1
    assert (without == unknown).all()


def test_evidence_is_left_out_of_some_variants_and_of_no_original():
    samples = draw(on_slopes(2.0), 0)
    absent = samples.features[:, SLOPE] == ABSENT
    assert 0.1 < absent.mean() < 0.6
    _, first = np.unique(samples.patch, return_index=True)  # of each patch the original is drawn first
    assert not absent[first].any()


def test_trees_without_evidence_ignore_it():
    labels = small_labels()
    classifier = TreeLearner().fit(labels, 0)
    slope = {"slope_deg": np.full(labels.mask[0].shape, 30, np.float32)}
    assert (classifier.predict(labels.reflectance[0], 0, slope) == classifier.predict(labels.reflectance[0], 0)).all()


def test_evidence_of_an_unknown_name_is_refused_in_training():
    labels = replace(small_labels(), evidence={"rain": np.zeros((12, 20, 20), np.float32)})
    with pytest.raises(BadInput, match=f"'rain'.*{next(iter(EVIDENCE))}"):
        draw(labels, 0)


def test_the_shipped_trees_are_what_training_gives_and_answer_as_scikit_learn_does(shared_data):
    labels = Labels.read(shared_data / "amazon_mining")
    boosters = fit_boosters(draw(labels, 0), 0)
    forest = Forest.from_sklearn(boosters)
    assert Model.of("trees", TreeClassifier(forest)).sha256 == load_model("trees").sha256
    for image in labels.reflectance[::97]:
        seen = compute(image, 0).reshape(len(feature_names()), -1)
        for booster, score in zip(boosters, forest.scores(seen), strict=True):
            assert abs(booster.decision_function(seen.T) - score).max() < 1e-9
            assert abs(booster.predict_proba(seen.T)[:, 1] - sigmoid(score)).max() < 1e-9
