"""Models as files: hashed, checked before use, and equal to what scikit-learn says."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier

from pipeline.disturbance import HALO_PX, MODELS_DIR, Model, find_model, limits_of, load_model
from pipeline.disturbance import model as model_module
from pipeline.disturbance.card import make_limits, to_markdown
from pipeline.disturbance.features import N_FEATURES
from pipeline.disturbance.model import write_index
from pipeline.disturbance.tree_classifier import TreeClassifier
from pipeline.disturbance.trees import Forest, sigmoid
from pipeline.errors import BadInput, ModelError
from pipeline.imagery.scene import NODATA


def stump(threshold=5, low=-2.0, high=3.0):
    """One tree for each output: `low` where the first feature is at most the threshold."""
    return Forest(
        baseline=np.array([0.5, 0.0]),
        output=np.array([0, 1], np.int32),
        start=np.array([0, 3, 4], np.int32),
        feature=np.array([0, -1, -1, -1], np.int16),
        threshold=np.array([threshold, 0, 0, 0], np.int16),
        left=np.array([1, 0, 0, 0], np.int32),
        right=np.array([2, 0, 0, 0], np.int32),
        value=np.array([0.0, low, high, -1.0]),
    )


def fitted(n_leaves=31):
    rng = np.random.default_rng(5)
    x = rng.integers(-300, 300, (3000, 7)).astype(np.int16)
    signal = x[:, 0] * x[:, 3] / 100 + x[:, 5]
    options = {"max_leaf_nodes": n_leaves, "min_samples_leaf": 5, "early_stopping": False, "random_state": 0}
    first = HistGradientBoostingClassifier(max_iter=20, **options).fit(x, signal > 30)
    second = HistGradientBoostingClassifier(max_iter=9, **options).fit(x, x[:, 1] > signal)
    return first, second, x


def model_of(forest, name="small"):
    return Model.of(name, TreeClassifier(forest))


@pytest.fixture
def saved(tmp_path):
    model_of(stump()).save(tmp_path / "small")
    return tmp_path / "small"


def with_arrays(folder, **changes):
    """The model with some arrays replaced, and named by their new hash."""
    with np.load(folder / "trees.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    np.savez(folder / "trees.npz", **{**arrays, **changes})
    return renamed(folder)


def renamed(folder):
    """The model with the hash of trees.npz as it is now."""
    return with_metadata(folder, files={"trees.npz": hashlib.sha256((folder / "trees.npz").read_bytes()).hexdigest()})


def with_metadata(folder, **changes):
    """The model with some metadata replaced; None takes a key out."""
    metadata = json.loads((folder / "model.json").read_text()) | changes
    kept = {key: value for key, value in metadata.items() if value is not None}
    (folder / "model.json").write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    return folder


def test_a_tree_goes_left_up_to_its_threshold():
    features = np.array([[4, 5, 6]], np.int16)
    assert stump().scores(features).tolist() == [[-1.5, -1.5, 3.5], [-1.0, -1.0, -1.0]]


@pytest.mark.parametrize("n_leaves", [2, 31, 32])
def test_scores_and_probabilities_equal_scikit_learn(n_leaves):
    first, second, x = fitted(n_leaves)
    scores = Forest.from_sklearn([first, second]).scores(np.ascontiguousarray(x.T))
    for booster, score in zip((first, second), scores, strict=True):
        assert (score == booster.decision_function(x)).all()
        assert abs(sigmoid(score) - booster.predict_proba(x)[:, 1]).max() < 1e-9


@settings(max_examples=30, deadline=None)
@given(width=st.integers(1, 150), begin=st.integers(0, 100))
def test_a_score_does_not_depend_on_the_pixels_around_it(width, begin):
    first, second, x = FITTED
    forest = Forest.from_sklearn([first, second])
    features = np.ascontiguousarray(x.T)
    assert (
        forest.scores(features)[:, begin : begin + width] == forest.scores(features[:, begin : begin + width])
    ).all()


FITTED = fitted()


def test_a_saved_model_comes_back_the_same(saved):
    model = Model.load(saved)
    assert (model.name, model.kind) == ("small", "trees")
    assert model.sha256 == model_of(stump()).sha256
    for name, array in stump().arrays().items():
        assert (model.classifier.forest.arrays()[name] == array).all()


def test_the_hash_of_a_model_is_that_of_its_metadata_file(saved):
    assert Model.load(saved).sha256 == hashlib.sha256((saved / "model.json").read_bytes()).hexdigest()


def test_the_same_model_gives_the_same_bytes(saved, tmp_path):
    Model.load(saved).save(tmp_path / "again")
    for name in ("model.json", "trees.npz"):
        assert (tmp_path / "again" / name).read_bytes() == (saved / name).read_bytes()


def test_an_altered_metadata_file_is_refused(saved):
    promised = Model.load(saved).sha256
    with_metadata(saved, name="other")
    with pytest.raises(ModelError, match=f"expected SHA-256 {promised}, found"):
        Model.load(saved, promised)


def test_altered_arrays_are_refused(saved):
    data = bytearray((saved / "trees.npz").read_bytes())
    data[-200] ^= 1
    (saved / "trees.npz").write_bytes(bytes(data))
    with pytest.raises(ModelError, match=r"trees\.npz is not the file that model\.json names"):
        Model.load(saved)


@pytest.mark.parametrize("name", ["model.json", "trees.npz"])
def test_a_missing_file_is_named(saved, name):
    (saved / name).unlink()
    with pytest.raises(ModelError, match=f"{name} cannot be read"):
        Model.load(saved)


def test_a_file_too_large_to_be_a_model_is_not_read(saved, monkeypatch):
    monkeypatch.setattr(model_module, "MAX_BYTES", 1000)
    with pytest.raises(ModelError, match="larger than 1000 bytes"):
        Model.load(saved)


def test_files_that_the_model_does_not_name_do_not_matter(saved):
    (saved / "card.json").write_text("{")
    (saved / "setup.py").write_text("raise SystemExit")
    assert Model.load(saved).name == "small"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format": "placerwatch-model-9"}, "format 'placerwatch-model-9'; this version reads 'placerwatch-model-1'"),
        ({"format": None}, "format 'None'"),
        ({"kind": "oracle"}, "kind 'oracle'; this version reads trees, network"),
        ({"kind": ["trees"]}, r"kind \"\['trees'\]\""),
        ({"name": 7}, "has no name"),
        ({"bands": ["B02", "B03", "B04", "B08"]}, "made with other bands"),
        ({"bands": ["B03", "B02", "B04", "B08", "B11", "B12"]}, "made with other bands"),
        ({"features": ["ndvi"]}, "made with other features"),
        ({"outputs": None}, "made with other outputs"),
        ({"files": {}}, "has the file 'trees.npz' and no other"),
        ({"files": {"trees.npz": "00", "more.npz": "00"}}, "has the file 'trees.npz' and no other"),
        ({"files": {"../trees.npz": "00"}}, "has the file 'trees.npz' and no other"),
        ({"files": {"trees.npz": 3}}, "not the file that"),
        ({"files": ["trees.npz"]}, "has the file 'trees.npz' and no other"),
        ({"note": "hand-made"}, "not as placerwatch writes it"),
    ],
    ids=str,
)
def test_metadata_of_another_kind_are_refused(saved, changes, says):
    with pytest.raises(ModelError, match=says):
        Model.load(with_metadata(saved, **changes))


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, "3", "null", '{"format": NaN}', "\xff"])
def test_metadata_that_are_no_metadata_are_refused(saved, text):
    (saved / "model.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelError, match=r"model\.json"):
        Model.load(saved)


@pytest.mark.parametrize(
    "changes",
    [
        {"left": np.array([0, 0, 0, 0], np.int32)},  # its own child
        {"left": np.array([2, 0, 0, 0], np.int32)},  # two ways to one node
        {"right": np.array([3, 0, 0, 0], np.int32)},  # into the next tree
        {"right": np.array([-1, 0, 0, 0], np.int32)},
        {"feature": np.array([N_FEATURES, -1, -1, -1], np.int16)},
        {"feature": np.array([-2, -1, -1, -1], np.int16)},
        {"value": np.array([0, np.nan, 0, 0])},
        {"value": np.zeros(5)},
        {"value": np.zeros(4, np.float32)},
        {"baseline": np.zeros(3)},
        {"output": np.array([1, 0], np.int32)},
        {"output": np.array([0, 2], np.int32)},
        {"start": np.array([0, 3, 900], np.int32)},
        {"start": np.array([0, 5, 4], np.int32)},
        {"start": np.array([0, -1, 4], np.int32)},
        {"more": np.zeros(3)},
    ],
    ids=str,
)
def test_arrays_that_are_no_trees_are_refused(saved, changes):
    with pytest.raises(ModelError, match="small: "):
        Model.load(with_arrays(saved, **changes))


def test_pickled_arrays_are_refused(saved):
    with pytest.raises(ModelError, match="size its header claims"):
        Model.load(with_arrays(saved, value=np.empty(1, object)))


def test_a_header_that_claims_more_than_is_there_is_refused(saved):
    path = saved / "trees.npz"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["value.npy"] = members["value.npy"].replace(b"(4,), }        ", b"(400000000,), }")
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(ModelError, match="size its header claims"):
        Model.load(renamed(saved))


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, 4000), value=st.integers(0, 255), cut=st.integers(0, 3000))
def test_any_broken_arrays_are_a_model_error_or_sound_trees(tmp_path_factory, at, value, cut):
    folder = tmp_path_factory.mktemp("models")
    model_of(stump()).save(folder)
    data = bytearray((folder / "trees.npz").read_bytes())
    data[at % len(data)] = value
    (folder / "trees.npz").write_bytes(bytes(data[: len(data) - cut % len(data)]))
    try:
        model = Model.load(renamed(folder))
    except ModelError:
        return
    assert model.classifier.forest.scores(np.zeros((N_FEATURES, 3), np.int16)).shape == (2, 3)


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, 2000), value=st.integers(0, 255), cut=st.integers(0, 2000))
def test_any_broken_metadata_are_a_model_error_or_the_same_model(tmp_path_factory, at, value, cut):
    folder = tmp_path_factory.mktemp("models")
    model_of(stump()).save(folder)
    data = bytearray((folder / "model.json").read_bytes())
    data[at % len(data)] = value
    (folder / "model.json").write_bytes(bytes(data[: len(data) - cut % len(data)]))
    try:
        model = Model.load(folder)
    except ModelError:
        return
    # Any one byte of the name may be another letter.
    assert model.classifier.metadata() == TreeClassifier(stump()).metadata()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="choose another folder"):
        model_of(stump()).save(tmp_path / "file" / "small")


def test_an_unknown_name_lists_the_models_there_are(tmp_path):
    (tmp_path / "index.json").write_text('{"models": {"river": {"folder": "river", "sha256": "00"}}}')
    with pytest.raises(ModelError, match="there: river"):
        load_model("default", tmp_path)


@pytest.mark.parametrize(
    "index",
    [
        "",
        "[]",
        "[" * 100_000,
        '{"models": 3}',
        '{"models": {"a": {"folder": "../a", "sha256": ""}}}',
        '{"models": {"a": {"folder": "..", "sha256": ""}}}',
        '{"models": {"a": {"folder": "", "sha256": ""}}}',
        '{"models": {"a": {}}}',
    ],
)
def test_a_damaged_index_is_refused(tmp_path, index):
    (tmp_path / "index.json").write_text(index)
    with pytest.raises(ModelError, match=r"index\.json"):
        load_model("a", tmp_path)


def test_no_models_folder_is_an_error_that_says_so(tmp_path):
    with pytest.raises(ModelError, match=r"index\.json: cannot be read"):
        load_model("default", tmp_path / "models")


def test_a_model_entered_into_the_index_is_found_by_name_and_others_stay(saved, tmp_path):
    model = Model.load(saved)
    write_index(tmp_path, "first", "small", model.sha256)
    write_index(tmp_path, "second", "small", model.sha256)
    assert load_model("first", tmp_path).sha256 == load_model("second", tmp_path).sha256 == model.sha256


@pytest.mark.parametrize("path", ["./small", "small/", "../{here}/small"])
def test_a_path_is_found_from_the_config(saved, tmp_path, path):
    found, sha256 = find_model(path.format(here=tmp_path.name), tmp_path)
    assert found.resolve() == saved.resolve()
    assert sha256 == Model.load(saved).sha256


def test_a_model_without_card_says_its_accuracy_is_not_known(saved):
    assert "not known" in limits_of(saved)[-1]


def test_ponds_and_bare_workings_share_the_probability_of_disturbance():
    # Scores 3.5 and -1: disturbed 0.9707 and pond 0.2689 of it.
    model = model_of(stump(threshold=-1))
    got = model.predict(np.full((6, 1, 1), 1000, np.uint16), 0)
    assert got[:, 0, 0].tolist() == [7096, 2611]


def test_a_pixel_never_observed_has_no_probability():
    image = np.full((6, 2, 3), 1000, np.uint16)
    image[2, 0, 1] = NODATA
    got = model_of(stump()).predict(image, 0)
    assert (got == NODATA).tolist() == [[[False, True, False], [False] * 3]] * 2


# Trees see the same wherever a tile begins; a network that pools asks for whole cells of 4 pixels, as the lattice has.
@pytest.mark.parametrize(("name", "cut"), [("trees", 13), ("default", 16)])
def test_predictions_on_tiles_equal_the_mosaic(name, cut):
    rng = np.random.default_rng(2)
    image = rng.integers(0, 6000, (6, 2 * HALO_PX + 20, 2 * HALO_PX + 30)).astype(np.uint16)
    image[:, 40:44, 35:60] = NODATA
    model = load_model(name)
    mosaic = model.predict(image, HALO_PX)
    left, right = image[:, :, : 2 * HALO_PX + cut], image[:, :, cut:]
    assert (np.concatenate([model.predict(side, HALO_PX) for side in (left, right)], axis=2) == mosaic).all()


def test_every_model_in_the_index_loads_and_has_a_card():
    index = json.loads((MODELS_DIR / "index.json").read_text())["models"]
    assert set(index) == {"default", "trees"}
    for name, entry in index.items():
        model = load_model(name)
        folder = MODELS_DIR / entry["folder"]
        card = json.loads((folder / "card.json").read_text())
        assert card["sha256"] == model.sha256 == entry["sha256"]
        assert limits_of(folder) == tuple(card["limits"]) == tuple(make_limits(card))
        assert (folder / "card.md").read_text() == to_markdown(card)


def test_other_arrays_are_refused():
    with pytest.raises(BadInput):
        load_model("default").predict(np.zeros((3, 9, 9), np.uint16), 0)


def test_trees_too_large_for_a_word_are_refused():
    n = 2 * 33 - 1
    chain = replace(
        stump(),
        output=np.zeros(1, np.int32),
        start=np.array([0, n], np.int32),
        feature=np.tile(np.array([0, -1], np.int16), n)[:n],
        threshold=np.zeros(n, np.int16),
        left=np.where(np.arange(n) % 2 == 0, np.arange(n) + 1, 0).astype(np.int32),
        right=np.where(np.arange(n) % 2 == 0, np.arange(n) + 2, 0).astype(np.int32),
        value=np.zeros(n),
    )
    with pytest.raises(ModelError, match="32 leaves"):
        Forest.from_arrays(chain.arrays(), N_FEATURES, 2)
