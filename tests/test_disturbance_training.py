"""Training is reproducible, holds regions out, and says what it did."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pipeline.disturbance import MODELS_DIR, Model, evaluate, limits_of, load_model, train, training
from pipeline.disturbance.features import compute
from pipeline.disturbance.labels import Labels
from pipeline.errors import BadInput

N_PLACES = 12


@pytest.fixture
def data(tmp_path):
    """Places with a bare square and a pond in it, in green ground; a folder of labels."""
    folder = tmp_path / "labels"
    folder.mkdir()
    rng = np.random.default_rng(1)
    mask = np.zeros((N_PLACES, 20, 20), np.uint8)
    mask[::2, 3:13, 4:16] = 1
    mask[::2, 5:9, 6:11] = 2
    spectra = np.array(
        [(300, 500, 300, 2700, 1500, 600), (1200, 1800, 2400, 2900, 3800, 3300), (1000, 1500, 1600, 900, 300, 200)]
    )
    pixels = (spectra[mask] * rng.uniform(0.9, 1.1, (*mask.shape, 6))).astype(np.int16)
    mask[:, 0, :3] = 255
    names = np.array([f"p{i}" for i in range(N_PLACES)])
    np.savez(folder / "patches.npz", sample_id=names, t0=pixels, t1=pixels)
    np.savez(folder / "masks.npz", sample_id=names, time=np.array(["t0"] * N_PLACES), mask=mask)
    places = [f"p{i},{10 + i}.5,4.5" for i in range(N_PLACES)]
    (folder / "patches.csv").write_text("sample_id,longitude,latitude\n" + "\n".join(places) + "\n")
    drawn = [f"p{i},t0,{'no_mining' if i % 2 else 'mining'},1,{'forest' if i % 2 else 'pits'}" for i in range(N_PLACES)]
    (folder / "masks.csv").write_text("sample_id,time,patch,interpreters,note\n" + "\n".join(drawn) + "\n")
    return folder


def test_the_same_labels_and_seed_give_the_same_files(data, tmp_path):
    for folder in ("a", "b"):
        train(data, tmp_path / folder / "small.npz", seed=3)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["index.json", "small.card.json", "small.md", "small.npz"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_what_was_trained_loads_by_name_and_knows_its_labels(data, tmp_path):
    card = train(data, tmp_path / "out" / "small.npz")
    model = load_model("small", tmp_path / "out")
    assert model.sha256 == card["sha256"]
    assert card["cross_validation"]["pixels"]["disturbed"]["iou"] > 0.9
    assert evaluate(model, data)["pixels"]["pond"]["f1"] > 0.9
    assert limits_of(tmp_path / "out" / "small.npz") == tuple(card["limits"])
    assert json.loads((tmp_path / "out" / "small.card.json").read_text()) == card


def test_a_second_model_joins_the_index(data, tmp_path):
    for name in ("first", "second"):
        train(data, tmp_path / f"{name}.npz")
    assert load_model("first", tmp_path).name == "first"
    assert load_model("second", tmp_path).name == "second"


def test_a_patch_is_judged_by_trees_that_never_saw_its_cell(data, monkeypatch):
    labels = Labels.read(data)
    features = np.stack([compute(patch, 0) for patch in labels.reflectance])
    seen = []

    def remember(known, mask, seed):
        seen.append({patch.tobytes() for patch in known})
        return Model.load(MODELS_DIR / "default.npz").forest

    monkeypatch.setattr(training, "fit", remember)
    training.cross_validate(features, labels, 0)
    held_out = [[i for i, patch in enumerate(features) if patch.tobytes() not in known] for known in seen]
    assert sorted(i for fold in held_out for i in fold) == list(range(N_PLACES))


def test_labels_without_ponds_cannot_train(data):
    labels = Labels.read(data)
    features = np.stack([compute(patch, 0) for patch in labels.reflectance])
    with pytest.raises(BadInput, match="all three classes"):
        training.fit(features, np.where(labels.mask == 2, 1, labels.mask), 0)


def test_a_model_file_must_be_named_npz(data, tmp_path):
    with pytest.raises(BadInput, match=r"\.npz"):
        train(data, tmp_path / "model.pkl")


def test_the_shipped_model_is_what_training_gives(shared_data):
    labels = Labels.read(shared_data / "amazon_mining")
    features = np.stack([compute(patch, 0) for patch in labels.reflectance])
    forest = training.fit(features, labels.mask, 0)
    assert Model.from_forest("default", forest).sha256 == load_model("default").sha256


def test_spectra_without_surroundings_are_judged_alone(shared_data):
    card = json.loads((MODELS_DIR / "default.card.json").read_text())
    africa = training.false_alarms(load_model("default"), shared_data / "africa_spectra")
    assert africa == card["africa"]
    assert {region: row["samples"] for region, row in africa.items()} == {
        "eastern": 4444,
        "sahel": 6153,
        "western": 2113,
    }
