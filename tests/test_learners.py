"""Ways to learn, compared on the same folds."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.learners import NdviRule, StackedLearner, TabularLearner, extra_trees, judge, logistic, tell_cards
from pipeline.disturbance.card import read_card
from pipeline.disturbance.holdout import cells_of, folds_of
from pipeline.disturbance.training import train
from pipeline.errors import ModelError
from tests.labels import StumpLearner, small_labels


def test_a_rule_that_is_right_everywhere_has_an_iou_of_one():
    found = judge(NdviRule(), small_labels(), 0)
    assert found["pixels"]["disturbed"]["iou"] == 1
    assert found["patches"] == {**found["patches"], "sensitivity": 1, "specificity": 1}
    assert found["megapixels_per_second"] > 0


def test_a_rule_that_calls_forest_too_is_told_so():
    labels = small_labels()
    labels.reflectance[1::2, 3] = labels.reflectance[1::2, 2]  # forest without its infrared, in patches without mining
    found = judge(NdviRule(), labels, 0)
    dug = int(np.isin(labels.mask, (1, 2)).sum())
    wrong = int((labels.mask[1::2] == 0).sum())
    assert found["pixels"]["disturbed"]["iou"] == pytest.approx(dug / (dug + wrong), abs=1e-4)
    assert found["patches"]["specificity"] == 0


@pytest.mark.parametrize(
    "learner",
    [TabularLearner(extra_trees), TabularLearner(logistic), StackedLearner(StumpLearner(), logistic)],
    ids=["extra trees", "logistic", "stacked"],
)
def test_what_is_plain_to_see_is_learnt_in_every_way(learner):
    found = judge(learner, small_labels(), 0)
    assert found["pixels"]["disturbed"]["iou"] > 0.9


def test_cards_tell_the_comparison_and_the_margin(tmp_path):
    train(small_labels(), StumpLearner(), tmp_path / "small", workers=1)
    other = judge(NdviRule(), small_labels(), 0)
    other["pixels"]["disturbed"]["iou"] = 0.25
    (tmp_path / "comparison.json").write_text(json.dumps({"models": {"a rule": other}}))
    tell_cards(tmp_path)
    card = read_card(tmp_path / "small")
    own = card["cross_validation"]["pixels"]["disturbed"]["iou"]
    assert set(card["comparison"]) == {"`small`", "a rule"}
    assert card["comparison"]["a rule"]["IoU"] == 0.25
    assert f"a rule, the best of the others, 0.250: it leads by {own - 0.25:.3f}" in card["choice"]
    page = (tmp_path / "small" / "card.md").read_text()
    assert card["choice"] in page
    assert "| a rule | 0.25 |" in page


def test_a_folder_without_models_is_refused(tmp_path):
    (tmp_path / "comparison.json").write_text(json.dumps({"models": {}}))
    with pytest.raises(ModelError):
        tell_cards(tmp_path)


def test_the_same_folds_are_judged_whoever_learns():
    labels = small_labels()
    seen = []

    class Spy(NdviRule):
        def fit(self, labels, seed):
            seen.append(labels.lonlat[:, 0].tolist())
            return self

    judge(Spy(), labels, 0)
    assert seen == [labels.lonlat[fold.known, 0].tolist() for fold in folds_of(cells_of(labels)[1])]
