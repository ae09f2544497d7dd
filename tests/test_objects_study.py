"""The study of the object step on grounds small enough to draw."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.objects import (
    RULES,
    SMOOTHINGS,
    bilateral,
    guided,
    majority,
    narrow_workings,
    on_the_map,
    reconstructed,
    score,
)
from pipeline.config import Change
from pipeline.disturbance.labels import Labels

SOIL, FOREST = (800, 1100, 1500, 2100, 3200, 2700), (250, 400, 250, 3000, 1500, 650)
FLAT = np.empty((6, 7, 9), np.uint16)
FLAT[:] = np.array(SOIL, np.uint16)[:, None, None]


def drawn(*rows: str) -> np.ndarray:
    """Probabilities of a drawing: a digit is tenths, a dot 0."""
    return np.array([[0.0 if c == "." else int(c) / 10 for c in row] for row in rows])


def labels_of(mask: np.ndarray, **more: object) -> Labels:
    return Labels.of(np.full((len(mask), 6, *mask.shape[1:]), 1000, np.uint16), mask, np.zeros((len(mask), 2)), **more)


def test_narrow_is_what_no_square_of_three_fits_and_an_edge_makes_nothing_narrow():
    mask = np.zeros((1, 7, 9), np.uint8)
    mask[0, 1:4, 1:4] = 1  # a square of three
    mask[0, 2, 4:8] = 2  # a ditch from it
    mask[0, 5:, 0:2] = 1  # two wide, cut by the corner of the patch
    assert np.argwhere(narrow_workings(mask)[0]).tolist() == [[2, 4], [2, 5], [2, 6], [2, 7]]


def test_the_rules_of_the_change_room_decide_what_stands_on_the_map():
    weak_lone = drawn("6666", "6666", "6666")
    seeded = drawn("6666", "6966", "666.")
    small = drawn("....", ".99.", "....")
    out = on_the_map(np.stack([weak_lone, seeded, small]), Change())
    assert [int(plane.sum()) for plane in out] == [0, 11, 0]


def test_patches_vouch_for_nothing_in_each_other():
    doubtful, sure = np.full((4, 4), 0.85), np.full((4, 4), 0.95)
    assert [plane.all() for plane in on_the_map(np.stack([doubtful, sure, doubtful]), Change())] == [False, True, False]


def test_without_rules_the_threshold_alone_decides():
    assert on_the_map(drawn("456")[np.newaxis], None)[0].tolist() == [[False, True, True]]


@pytest.mark.parametrize("name", SMOOTHINGS)
def test_even_probability_on_even_ground_stays_as_it_is(name):
    even = np.full((7, 9), 0.7)
    assert SMOOTHINGS[name](even, FLAT) == pytest.approx(even)


@pytest.mark.parametrize("how", [bilateral, guided])
def test_smoothing_by_the_picture_stops_at_its_edges(how):
    picture = FLAT.copy()
    picture[:, :, 5:] = np.array(FOREST, np.uint16)[:, None, None]
    probability = np.zeros((7, 9))
    probability[:, :5] = 0.9
    by_picture, blind = how(probability, picture), how(probability, FLAT)
    assert by_picture[3, 4] > 0.8 > blind[3, 4]
    assert by_picture[3, 5] < 0.1 < blind[3, 5]


def test_the_majority_rule_fills_a_hole_and_drops_a_dot():
    plane = drawn("999......", "949......", "999......", ".........", "......9..", ".........", ".........")
    out = majority(plane, FLAT) >= 0.5
    assert out[1, 1]
    assert not out[4, 6]


def test_opening_by_reconstruction_keeps_the_tail_of_a_body_and_drops_a_line_alone():
    plane = drawn(".........", ".99......", ".9999999.", ".........", ".........", ".9999999.", ".........")
    out = reconstructed(plane, FLAT) >= 0.5
    # The body is nowhere two wide but at its head; it stays whole.
    assert out[2, 7]
    assert not out[5].any()


def test_a_map_is_scored_by_pixel_patch_and_narrow_ground():
    mask = np.zeros((2, 7, 5), np.uint8)
    mask[0, 0, 0], mask[0, 3] = 255, 1
    mapped = np.zeros((2, 7, 5), bool)
    mapped[0, 0, 0] = mapped[0, 3, :4] = mapped[0, 0, 4] = True
    own = score(mapped, labels_of(mask, verdict=["mining", "no_mining"]))
    assert own.iou == pytest.approx(4 / 6)
    assert own.f1 == pytest.approx(8 / 10)
    assert own.narrow == pytest.approx(4 / 5)
    assert (own.sensitivity, own.specificity) == (1, 1)
    assert own.gain_95(own) == (0, 0)


def test_every_rule_that_is_compared_is_a_valid_setting():
    for rule in RULES.values():
        assert rule is None or Change.model_validate(rule.model_dump()) == rule
