"""Training is reproducible, holds regions out, and says what it did."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from pipeline.disturbance import MODELS_DIR, Model, evaluate, limits_of, load_model, train, training
from pipeline.disturbance.labels import Labels
from pipeline.disturbance.tree_classifier import TreeClassifier
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
        train(data, tmp_path / folder / "small", seed=3)
    names = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert [name.name for name in names] == ["index.json", "card.json", "card.md", "model.json", "trees.npz"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_what_was_trained_loads_by_name_and_knows_its_labels(data, tmp_path):
    card = train(data, tmp_path / "out" / "small")
    model = load_model("small", tmp_path / "out")
    assert model.sha256 == card["sha256"]
    assert card["cross_validation"]["pixels"]["disturbed"]["iou"] > 0.9
    assert evaluate(model, data)["pixels"]["pond"]["f1"] > 0.9
    assert limits_of(tmp_path / "out" / "small") == tuple(card["limits"])
    assert json.loads((tmp_path / "out" / "small" / "card.json").read_text()) == card


def test_the_card_says_where_its_labels_lie_and_claims_no_origin_it_does_not_know(data, tmp_path):
    card = train(data, tmp_path / "small")
    assert card["data"]["bounds"] == [10.5, 4.5, 21.5, 4.5]
    page = (tmp_path / "small" / "card.md").read_text()
    assert "between longitudes 10.5 and 21.5" in page
    assert "Amazon" not in page


def test_labels_on_which_no_patch_is_judged_make_a_card_all_the_same(data, tmp_path):
    rows = (data / "masks.csv").read_text().replace("no_mining", "unsure").replace(",mining,", ",unsure,")
    (data / "masks.csv").write_text(rows)
    card = train(data, tmp_path / "small")
    assert any("not known of those with mining" in line for line in card["limits"])


def test_a_second_model_joins_the_index(data, tmp_path):
    for name in ("first", "second"):
        train(data, tmp_path / name)
    assert load_model("first", tmp_path).name == "first"
    assert load_model("second", tmp_path).name == "second"


def test_a_patch_is_judged_by_trees_that_never_saw_its_cell(data, monkeypatch):
    # Two places a cell: folds that split cells would show.
    labels = replace(Labels.read(data), lonlat=np.column_stack([np.arange(N_PLACES) // 2 + 0.5] * 2))
    seen = []

    def remember(samples, seed):
        seen.append(set(samples.patch.tolist()))
        return load_model("trees").classifier.forest

    monkeypatch.setattr(training, "fit", remember)
    training.cross_validate(training.draw(labels, 0), labels, 0)
    held_out = [set(range(N_PLACES)) - known for known in seen]
    assert sorted(place for fold in held_out for place in fold) == list(range(N_PLACES))
    for known, fold in zip(seen, held_out, strict=True):
        assert not {place // 2 for place in known} & {place // 2 for place in fold}


def test_every_patch_weighs_the_same_and_unsure_pixels_do_not_count(data):
    samples = training.draw(Labels.read(data), 0)
    assert len(set(np.bincount(samples.patch).tolist())) == 1
    assert set(samples.classes.tolist()) == {0, 1, 2}


def test_light_scales_all_bands_alike_and_haze_falls_with_wavelength():
    rng = np.random.default_rng(0)
    dark = training.vary(np.zeros((6, 1, 1), np.uint16), rng)[:, 0, 0].astype(int)
    assert (np.diff(dark) <= 0).all()
    image = np.full((6, 1, 2), 5000, np.uint16)
    image[5, 0, 1] = 2500
    swir = training.vary(image, rng)[5, 0].astype(int)
    assert abs(swir[0] - 2 * swir[1]) <= 10


def test_labels_without_ponds_cannot_train(data):
    samples = training.draw(Labels.read(data), 0)
    with pytest.raises(BadInput, match="all three classes"):
        training.fit(replace(samples, classes=np.minimum(samples.classes, 1)), 0)


def test_the_shipped_model_is_what_training_gives(shared_data):
    labels = Labels.read(shared_data / "amazon_mining")
    forest = training.fit(training.draw(labels, 0), 0)
    assert Model.of("trees", TreeClassifier(forest)).sha256 == load_model("trees").sha256


def test_spectra_without_surroundings_are_judged_alone(shared_data):
    card = json.loads((MODELS_DIR / "trees" / "card.json").read_text())
    africa = training.false_alarms(load_model("trees"), shared_data / "africa_spectra")
    assert africa == card["africa"]
    assert {region: row["samples"] for region, row in africa.items()} == {
        "eastern": 4444,
        "sahel": 6153,
        "western": 2113,
    }
