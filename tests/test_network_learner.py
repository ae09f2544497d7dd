"""Networks are fitted with PyTorch, which only those who train them have."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.disturbance.labels import UNSURE
from pipeline.errors import BadInput
from pipeline.imagery.scene import NODATA
from tests.labels import FOREST, SOIL, WATER, small_labels

torch = pytest.importorskip("torch", reason="needs PyTorch, which only training a network needs (extra `network`)")

from pipeline.disturbance.network_learner import (  # noqa: E402
    CLASSES,
    IGNORED,
    NetworkLearner,
    UNet,
    _classes,
    _inputs,
    _turn,
    _zoom,
)

QUICK = NetworkLearner(epochs=60, batch=4, learning_rate=1e-2, light=0.1, zoom=0.0, cut_mix=0.0)


def test_it_learns_what_is_plain_to_see():
    labels = small_labels()
    network = QUICK.fit(labels, 0)
    answers = np.stack([network.predict(image, 0) for image in labels.reflectance]).astype(int)
    disturbed = answers.sum(axis=1) >= 5000
    sure = labels.mask != UNSURE
    assert (disturbed == (labels.mask > 0))[sure].mean() > 0.95
    assert ((answers[:, 1] > answers[:, 0]) == (labels.mask == 2))[sure & (labels.mask > 0)].mean() > 0.9


def test_the_same_seed_gives_the_same_bytes_and_another_does_not():
    once, again, other = (NetworkLearner(epochs=1, batch=4).fit(small_labels(), seed).files() for seed in (1, 1, 2))
    assert once == again
    assert once != other


def test_labels_without_ponds_cannot_train():
    labels = small_labels()
    labels.mask[labels.mask == 2] = 1
    with pytest.raises(BadInput, match="all three classes"):
        QUICK.fit(labels, 0)


def test_ground_that_is_not_workings_is_told_apart_by_water_and_green():
    image = np.array([FOREST, SOIL, WATER, SOIL, WATER, SOIL, SOIL], np.float32).T[None, :, None, :]
    image[..., 6] = 0
    mask = np.array([[[0, 0, 0, 1, 2, UNSURE, 0]]], np.uint8)
    names = [*CLASSES, "ignored"]
    told = [names[number] if number != IGNORED else "ignored" for number in _classes(image, mask)[0, 0]]
    assert told == ["vegetation", "bare ground", "water", "bare", "pond", "ignored", "ignored"]


def test_what_was_not_observed_is_nothing_but_unobserved():
    image = torch.full((1, 6, 2, 2), 1500.0)
    image[..., 0, 1] = 0
    planes = _inputs(image)
    assert (planes[0, :, 0, 1] == 0).all()
    assert planes[0, -1].tolist() == [[1, 0], [1, 1]]
    assert (planes[0, :6, 0, 0] == 0).all()  # the logarithm of the reflectance that counts as middling


def test_light_that_scales_all_bands_leaves_the_differences_alone():
    image = torch.rand(1, 6, 4, 4) * 3000 + 500
    assert torch.allclose(_inputs(image)[:, 6:10], _inputs(2 * image)[:, 6:10], atol=1e-6)


def test_a_picture_and_its_classes_turn_and_zoom_together():
    plane = torch.arange(16).reshape(1, 4, 4)
    picture = torch.stack([plane, plane], 1).float()
    for turns in range(4):
        assert (_turn(picture, turns, True)[:, 0] == _turn(plane, turns, True)).all()
    assert (_zoom(picture, 1.2)[:, 1] == _zoom(plane, 1.2)).all()
    assert _zoom(plane, 1.0).tolist() == plane.tolist()
    assert _zoom(plane, 2.0)[0, 0].tolist() == [5, 5, 6, 6]  # the middle fills the picture


def test_each_pixel_of_a_square_has_its_own_answer():
    torch.manual_seed(0)
    scores = UNet(16).eval()(torch.rand(2, 6, 8, 12) * 3000 + 100)
    assert scores.shape == (2, len(CLASSES), 8, 12)
    assert (scores[..., 0, 0] != scores[..., 0, 1]).all()


def test_sides_that_are_no_multiple_are_filled_up_unobserved():
    labels = small_labels()
    odd = type(labels).of(labels.reflectance[..., :19, :17].copy(), labels.mask[..., :19, :17].copy(), **kept(labels))
    odd.reflectance[:, :, 0, 0] = NODATA
    network = NetworkLearner(epochs=1, batch=4).fit(odd, 0)
    answer = network.predict(odd.reflectance[0], 0)
    assert answer.shape == (2, 19, 17)
    assert (answer[:, 0, 0] == NODATA).all()
    assert (answer[:, 1:, 1:] <= 10_000).all()


def kept(labels):
    return {name: getattr(labels, name) for name in ("lonlat", "verdict", "note", "region", "windows", "provenance")}
