"""Training is reproducible, holds ground out, and says what it did."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import uniform_filter

from pipeline.disturbance import MODELS_DIR, PROBABILITY_SCALE, evaluate, limits_of, load_model, train, training
from pipeline.disturbance.card import SIMULATED, describe_data, on_training_ground, read_card, write_card
from pipeline.disturbance.card_page import card_text, evaluation_text
from pipeline.disturbance.holdout import FOLDS, cells_of, folds_of, regions_held_out
from pipeline.disturbance.importance import predict, shares, spoil
from pipeline.disturbance.labels import POND, UNSURE, Labels, Provenance
from pipeline.disturbance.scores import score
from pipeline.disturbance.spectra import false_alarms, judge_alone
from pipeline.disturbance.training import hold_out, learner_of
from pipeline.errors import BadInput
from pipeline.imagery.scene import NODATA
from tests.labels import StumpLearner, small_labels


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder of models with `small`, its card, and what was kept of the fits."""
    folder = tmp_path_factory.mktemp("models")
    card = train(small_labels(), StumpLearner(), folder / "small", seed=3, workers=1, held_out=folder / "held.npz")
    return folder, card


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}


def test_the_files_do_not_depend_on_the_number_of_workers(trained, tmp_path):
    train(small_labels(), StumpLearner(), tmp_path / "small", seed=3, workers=2, held_out=tmp_path / "held.npz")
    assert files_of(tmp_path) == files_of(trained[0])


def test_what_was_trained_loads_by_name_and_has_its_card(trained):
    folder, card = trained
    model = load_model("small", folder)
    assert model.sha256 == card["sha256"]
    assert read_card(folder / "small") == card
    assert limits_of(folder / "small") == tuple(card["limits"])
    assert card["cross_validation"]["pixels"]["disturbed"]["iou"] == 1.0
    assert set(card["held_out"]) == {"east", "west"}
    assert card["data"]["regions"] == {"east": 6, "west": 6}
    assert card["method"]["seed"] == 3


def test_a_second_model_joins_the_index(trained):
    folder, _ = trained
    train(small_labels(), StumpLearner(), folder / "second", workers=1)
    assert load_model("small", folder).name == "small"
    assert load_model("second", folder).name == "second"


def test_folds_keep_cells_together_and_every_patch_is_unseen_once():
    cell = np.repeat(np.arange(7), (1, 4, 2, 3, 5, 1, 2))
    folds = folds_of(cell)
    assert len(folds) == FOLDS
    assert sorted(np.concatenate([fold.unseen for fold in folds]).tolist()) == list(range(18))
    for fold in folds:
        assert not set(cell[fold.known]) & set(cell[fold.unseen])
        assert len(fold.known) + len(fold.unseen) == 18


@pytest.mark.parametrize(("step_deg", "side"), [(1.0, 1.0), (0.1, 0.1), (0.02, 0.02)])
def test_cells_are_as_large_as_the_labels_allow(step_deg, side):
    labels = small_labels(lonlat=[(10.001 + step_deg * (i // 2), 4.51) for i in range(12)])
    got, cell = cells_of(labels)
    assert got == side
    assert cell.tolist() == [i // 2 for i in range(12)]


def test_labels_of_one_place_cannot_tell_how_good_a_model_is():
    with pytest.raises(BadInput, match="label places farther apart"):
        cells_of(small_labels(lonlat=[(10.5, 4.5)] * 12))


def test_what_is_kept_of_a_patch_was_said_by_a_fit_without_its_cell_and_one_without_its_region(trained):
    labels = small_labels()
    with np.load(trained[0] / "held.npz") as kept:
        for probability, known in (
            (kept["probability"], kept["fold"] != kept["fold"][4]),
            (kept["by_region"], labels.region != "west"),
        ):
            model = StumpLearner().fit(labels.subset(known), 3)
            assert (probability[4] == model.predict(labels.reflectance[4], 0)).all()
        assert kept["place"].tolist() == labels.place.tolist()


def test_a_region_without_which_nothing_can_be_fitted_is_not_held_out():
    labels = small_labels()
    mask = labels.mask.copy()
    mask[6:][mask[6:] == POND] = 1  # ponds in the west only
    labels = replace(labels, mask=mask)
    assert [fit.title for fit in regions_held_out(labels)] == ["without east"]
    with pytest.raises(BadInput, match="do not hold all three classes"):
        regions_held_out(labels, ["west"])


def test_a_region_that_is_none_is_refused_and_those_there_are_named():
    with pytest.raises(BadInput, match="there: east, west"):
        hold_out(StumpLearner(), small_labels(), ["north"], workers=1)


def test_a_region_held_out_by_name_gets_the_figures_of_the_card(trained):
    got = hold_out(StumpLearner(), small_labels(), ["west"], seed=3, workers=1)
    assert got == {"west": trained[1]["held_out"]["west"]}


def test_figures_on_ground_seen_in_training_come_with_a_warning(trained):
    folder, card = trained
    model, labels = load_model("small", folder), small_labels()
    same = evaluate(model, labels, card)
    assert same["seen"] == {"same_labels": True, "patches": 12}
    assert "these very labels" in evaluation_text(same)
    moved = replace(labels, lonlat=labels.lonlat + np.array([2.0, 0.0]), provenance=Provenance(labels_sha256="other"))
    partly = evaluate(model, moved, card)
    assert partly["seen"] == {"same_labels": False, "patches": 10}
    assert "10 of these patches" in evaluation_text(partly)
    fresh = evaluate(model, replace(moved, lonlat=labels.lonlat + np.array([0.0, 3.0])), card)
    assert "warning" not in evaluation_text(fresh)
    assert "no card" in evaluation_text(evaluate(model, labels))


def test_training_ground_is_the_patch_and_not_its_surroundings():
    # 20 pixels a side of which 4 are surroundings: 12 pixels, 60 m to each side; 0.001 degrees are 111 m.
    labels = small_labels(halo_px=4)
    card = {"data": describe_data(labels)}
    north = labels.lonlat[:1] + np.array([0.0, 0.0005])
    assert on_training_ground(card, north).tolist() == [True]
    assert on_training_ground(card, north + np.array([0.0, 0.0001])).tolist() == [False]
    assert card["data"]["training_ground"][0].endswith(" 2021-01-01/2021-12-31")


def test_the_card_says_where_its_labels_lie_and_what_was_left_out(tmp_path):
    provenance = Provenance(origin="Drawn for a test.", left_out=("block 33N-1-2 on 2021-07-01: no clear look",))
    card = train(small_labels(provenance=provenance), StumpLearner(), tmp_path / "small", workers=1)
    page = (tmp_path / "small" / "card.md").read_text()
    assert "between longitudes 10.5 and 21.5" in page
    assert "Drawn for a test." in page
    assert "no clear look" in page
    assert "no clear look" in card_text(card, "small")
    assert "Amazon" not in page


def test_a_model_of_simulated_imagery_says_so_on_every_map(tmp_path):
    train(small_labels(provenance=Provenance(simulated=True)), StumpLearner(), tmp_path / "small", workers=1)
    assert SIMULATED in limits_of(tmp_path / "small")


def test_labels_on_which_no_patch_is_judged_make_a_card_all_the_same(tmp_path):
    card = train(small_labels(verdict=["unsure"] * 12), StumpLearner(), tmp_path / "small", workers=1)
    assert any("not known of those with mining" in line for line in card["limits"])


def test_a_card_may_be_given_a_comparison(trained):
    folder, card = trained
    write_card(folder / "small", {**card, "comparison": {"logistic": {"iou": 0.5}, "trees": {"iou": 0.6, "f1": 0.7}}})
    assert "| logistic | 0.5 |  |" in (folder / "small" / "card.md").read_text()
    write_card(folder / "small", card)


def faulty_labels(**changes):
    """Labels of which one patch looks like forest where it is dug, another like soil where it is not."""
    labels = small_labels(**changes)
    pixels = labels.reflectance.copy()
    pixels[0, :, 3:13, 4:16] = pixels[0, :, 15:16, 4:16]
    pixels[1, :, 2:6] = pixels[2, :, 3:4, 12:13]
    return replace(labels, reflectance=pixels)


@pytest.mark.parametrize(("pictures", "panels"), [("maps", 2), ("imagery", 4)])
def test_the_gallery_shows_the_worst_patches_and_imagery_only_where_it_may(tmp_path, pictures, panels):
    labels = faulty_labels(provenance=Provenance(pictures=pictures))
    (tmp_path / "shown").mkdir()
    (tmp_path / "shown" / "missed-6.png").write_bytes(b"of another training")
    card = train(labels, StumpLearner(), tmp_path / "small", workers=1, gallery=tmp_path / "shown")
    rows = {row["error"]: row for row in card["gallery"]}
    assert rows["missed"]["wrong_ha"] == 1.2
    assert rows["missed"]["note"] == "pits"
    assert rows["false alarm"]["wrong_ha"] == 0.8
    assert rows["false alarm"]["lonlat"] == [11.5, 4.5]
    names = {path.name for path in (tmp_path / "shown").iterdir()}
    assert names == {"missed-1.png", "false-alarm-1.png", "reliability.png"}
    with Image.open(tmp_path / "shown" / "missed-1.png") as picture:
        assert picture.size == (panels * 60 + (panels - 1) * 6, 60)
        # The reference: the block of workings is orange, green ground around it.
        reference = picture.crop((60 * (panels - 2) + 6 * (panels - 2), 0, picture.width, 60))
        assert reference.getpixel((3 * 14 + 1, 3 * 4 + 1)) == (214, 96, 30)
        assert reference.getpixel((3 * 18 + 1, 3 * 18 + 1)) == (222, 232, 213)


def test_pictures_are_small(trained):
    pictures = list((trained[0] / "small" / "gallery").iterdir())
    assert pictures
    assert max(path.stat().st_size for path in pictures) <= 40_000


def test_importance_is_the_loss_from_spoiling_what_a_model_looks_at():
    # Trained and asked on the same patches, so that nothing but the spoiling is wrong.
    labels = small_labels()
    stumps = StumpLearner().fit(labels, 0)
    got = spoil(stumps, labels, predict(stumps, labels), 0)
    iou = {name: both / (called + true - both) for name, (both, called, true) in got.items()}
    assert iou["nothing"] == iou["B02"] == iou["B12"] == iou["surroundings"] == 1.0
    assert iou["B04"] < 0.9  # NDVI of soil and forest differs by it


def test_surroundings_matter_to_a_model_that_looks_around():
    class Around:
        kind = "trees"

        def predict(self, reflectance, halo, evidence=None):
            """Disturbed where the pixel to the left is."""
            soil = np.roll(reflectance[2] > 1000, 1, axis=1)
            return np.stack([soil, np.zeros_like(soil)]).astype(np.uint16) * PROBABILITY_SCALE

    labels = small_labels()
    moved = replace(labels, mask=np.roll(labels.mask, 1, axis=2))
    got = spoil(Around(), moved, predict(Around(), moved), 0)
    assert got["nothing"][0] == got["nothing"][2]
    assert got["surroundings"][0] < 0.7 * got["surroundings"][2]


def test_what_was_not_observed_is_nan_and_is_not_judged():
    labels = small_labels()
    pixels = labels.reflectance.copy()
    pixels[0, :, 3:13, 4:16] = NODATA
    labels = replace(labels, reflectance=pixels)
    told = shares(predict(StumpLearner().fit(small_labels(), 0), labels))
    assert np.isnan(told[0, :, 3:13, 4:16]).all()
    assert score(told, labels)["pixels"]["disturbed"]["iou"] == 1.0


@pytest.mark.parametrize(
    ("value", "message"),
    [(POND, "there is no pond in workings"), (1, "there is no bare workings"), (0, "there is no other")],
)
def test_labels_without_a_class_cannot_train(tmp_path, value, message):
    labels = small_labels()
    mask = np.where(labels.mask == value, UNSURE, labels.mask).astype(np.uint8)
    with pytest.raises(BadInput, match=message):
        train(replace(labels, mask=mask), StumpLearner(), tmp_path / "small", workers=1)
    assert not (tmp_path / "small").exists()


def test_a_class_of_one_cell_only_cannot_be_judged(tmp_path):
    labels = small_labels()
    mask = labels.mask.copy()
    mask[1:][mask[1:] == POND] = 1
    with pytest.raises(BadInput, match=r"outside the cells of fold \d of 5"):
        train(replace(labels, mask=mask), StumpLearner(), tmp_path / "small", workers=1)


@pytest.mark.parametrize("name", ["model.npz", "model.onnx", ".hidden", "a b"])
def test_a_model_is_a_folder_of_a_plain_name(tmp_path, name):
    with pytest.raises(BadInput, match="a model is a folder"):
        train(small_labels(), StumpLearner(), tmp_path / name, workers=1)


def test_no_worker_is_no_training(tmp_path):
    with pytest.raises(BadInput, match="at least 1"):
        train(small_labels(), StumpLearner(), tmp_path / "small", workers=0)


@dataclass(frozen=True)
class Refusing:
    kind: str = "trees"

    def describe(self):
        return {}

    def fit(self, labels, seed):
        raise BadInput("labels: too dull to learn from")


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_fit_refuses_is_told_whatever_the_workers(tmp_path, workers):
    with pytest.raises(BadInput, match="too dull"):
        train(small_labels(), Refusing(), tmp_path / "small", workers=workers)


def test_an_unknown_kind_and_a_missing_pytorch_say_what_to_do(monkeypatch):
    with pytest.raises(BadInput, match="trees, network or blend"):
        learner_of("forest")
    monkeypatch.setattr(training, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match="install the extra `network`"):
        learner_of("network")


def test_a_spectrum_alone_is_judged_as_if_its_ground_went_on_for_ever():
    class Mean:
        """A model that looks at all of 65 x 65 pixels."""

        kind = "network"

        def predict(self, reflectance, halo, evidence=None):
            mean = uniform_filter(reflectance[0].astype(float), 63, mode="nearest")
            return np.stack([np.rint(mean), np.zeros_like(mean)]).astype(np.uint16)

    spectra = np.random.default_rng(0).integers(1, 9000, (70, 6)).astype(np.uint16)
    assert judge_alone(Mean(), spectra).tolist() == spectra[:, 0].tolist()


def test_african_ground_without_mining_stands_in_the_card_of_the_shipped_trees(shared_data):
    card = json.loads((MODELS_DIR / "trees" / "card.json").read_text())
    africa = false_alarms(load_model("trees"), shared_data / "africa_spectra")
    assert africa == card["africa"]
    assert {region: row["samples"] for region, row in africa.items()} == {
        "eastern": 4444,
        "sahel": 6153,
        "western": 2113,
    }


def test_no_pixel_of_the_shared_imagery_is_in_the_shipped_cards(shared_data):
    assert Labels.read(shared_data / "amazon_mining").provenance.pictures == "maps"
    for card in MODELS_DIR.glob("*/card.json"):
        assert json.loads(card.read_text())["pictures"] == "maps"
