"""Trees and a network asked together."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from pipeline.disturbance import HALO_PX, Model
from pipeline.disturbance.blend import BlendClassifier, blend
from pipeline.errors import ModelError
from pipeline.imagery.scene import NODATA
from tests.labels import StumpLearner, small_labels
from tests.networks import UNET, classifier, unet


def one_pixel(bare, pond):
    return np.array([[[bare]], [[pond]]], np.uint16)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((3000, 0), (3000, 0), (3000, 0)),  # of one mind
        ((9000, 0), (1000, 0), (5000, 0)),  # as sure of yes as of no
        # Odds of 9 and of 1 make odds of 3; half of the two sums is pond.
        ((9000, 0), (0, 5000), (4821, 2679)),
        ((10_000, 0), (5000, 0), (9930, 0)),  # certainty counts as 0.999951
    ],
)
def test_odds_are_averaged_as_geometric_means(first, second, expected):
    got = blend(one_pixel(*first), one_pixel(*second))[:, 0, 0].tolist()
    assert got == list(expected)


def test_two_of_one_mind_are_left_as_they_are():
    alone = np.stack([np.arange(10_001), np.zeros(10_001)]).astype(np.uint16)[:, None]
    assert (blend(alone, alone) == alone).all()


def test_the_order_of_the_two_does_not_matter():
    rng = np.random.default_rng(3)
    first, second = (rng.integers(0, 5000, (2, 9, 11)).astype(np.uint16) for _ in range(2))
    assert (blend(first, second) == blend(second, first)).all()


def test_where_either_saw_nothing_nothing_is_said():
    first, second = one_pixel(4000, 0), one_pixel(NODATA, NODATA)
    assert (blend(first, second) == NODATA).all()
    assert (blend(second, first) == NODATA).all()


@pytest.fixture
def model():
    return Model.of("both", BlendClassifier(StumpLearner().fit(small_labels(), 0), classifier(unet(), **UNET)))


def test_a_folder_holds_both_parts_and_gives_the_same_answers(model, tmp_path):
    model.save(tmp_path / "both")
    again = Model.load(tmp_path / "both", model.sha256)
    image = small_labels().reflectance[0]
    assert again.kind == "blend"
    assert (again.predict(image, 0) == model.predict(image, 0)).all()
    assert len(np.unique(again.predict(image, 0))) > 10


def test_either_file_is_checked(model, tmp_path):
    for name in ("trees.npz", "network.onnx"):
        model.save(tmp_path / name / "both")
        file = tmp_path / name / "both" / name
        file.write_bytes(file.read_bytes()[:-1])
        with pytest.raises(ModelError, match=rf"{re.escape(name)} is not the file"):
            Model.load(tmp_path / name / "both")


def test_a_blend_must_describe_both_parts(model, tmp_path):
    model.save(tmp_path / "both")
    path = tmp_path / "both" / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "trees": None}))
    with pytest.raises(ModelError, match="its trees and its network"):
        Model.load(tmp_path / "both")


def test_a_tile_with_its_halo_answers_as_the_mosaic_does(model):
    rng = np.random.default_rng(0)
    mosaic = rng.integers(200, 5000, (6, 512 + 2 * HALO_PX, 1024 + 2 * HALO_PX)).astype(np.uint16)
    mosaic[:, rng.random(mosaic.shape[1:]) < 0.01] = NODATA
    whole = model.predict(mosaic, HALO_PX)
    tiles = [model.predict(mosaic[:, :, left : left + 512 + 2 * HALO_PX], HALO_PX) for left in (0, 512)]
    assert (np.concatenate(tiles, axis=2) == whole).all()
