"""`placerwatch train` and `evaluate` from drawn ground to a model that a config can name.

The scenes are made by hand and stand for simulated ones: their model serves this test alone.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from pyproj import Transformer

from tests.scenes import BARE, POND, ground, write_scene
from tests.test_cli import placerwatch

EPSG, WEST, NORTH = 32633, 408_000, 522_000
# Six places in cells of 0.02 degrees (2.2 km) of their own, 20 pixels from each other's cell or more.
STEP_PX, SHAPE = 230, (520, 750)
PLACES = [(row, col) for row in (60, 60 + STEP_PX) for col in (80, 80 + STEP_PX, 80 + 2 * STEP_PX)]
TO_LONLAT = Transformer.from_crs(EPSG, 4326, always_xy=True)
CONFIG = """programme: training
areas: [area.geojson]
periods: [{name: dry, start: 2020-12-01, end: 2021-03-31}]
source: {kind: folder, path: archive}
"""


def square(row, col, side):
    corners = [(col, row), (col + side, row), (col + side, row + side), (col, row + side), (col, row)]
    return {
        "type": "Polygon",
        "coordinates": [[list(TO_LONLAT.transform(WEST + 10 * x, NORTH - 10 * y)) for x, y in corners]],
    }


def name(row):
    return "north" if row == PLACES[0][0] else "south"


def feature(row, col, side, label, day="2021-01-20", **properties):
    return {
        "type": "Feature",
        "properties": {"class": label, "date": day, **properties},
        "geometry": square(row, col, side),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    for number, day in enumerate(("2021-01-05", "2021-02-10")):
        bands = ground(SHAPE, seed=number)
        rng = np.random.default_rng(number)
        for row, col in PLACES:
            for colour, top in ((BARE, row), (POND, row + 24)):
                noise = rng.normal(1.0, 0.05, (6, 24, 24))
                bands[:, top : top + 24, col : col + 24] = np.array(colour)[:, None, None] * noise
        write_scene(folder / "archive", f"S2A_{day}", day, bands, west=WEST, north=NORTH)
    features = [feature(row, col, 24, "bare", region=name(row)) for row, col in PLACES]
    features += [feature(row + 24, col, 24, "pond", note="a pond", region=name(row)) for row, col in PLACES]
    features += [feature(row, col + 24, 30, "other", region=name(row)) for row, col in PLACES]
    never = feature(*PLACES[0], 10, "bare", day="2019-01-20")
    (folder / "labels.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [*features, never]}))
    zone = {"type": "Feature", "properties": {"zone_id": "all"}, "geometry": square(20, 20, 480)}
    (folder / "area.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [zone]}))
    (folder / "training.yaml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def trained(folder):
    return placerwatch(
        "train", "labels.geojson", "--config", "training.yaml", "--out", "models/mine", "--workers", "1", cwd=folder
    )


def test_drawn_ground_trains_a_model_with_its_card(folder, trained):
    assert trained.returncode == 0, trained.stderr
    card = json.loads((folder / "models" / "mine" / "card.json").read_text())
    assert card["sha256"] in trained.stdout
    assert card["cross_validation"]["groups"] == "0.02 degree cells"
    assert card["cross_validation"]["pixels"]["disturbed"]["f1"] > 0.95
    assert "labels.geojson" in card["data"]["files"]
    assert len(card["data"]["training_ground"]) >= len(PLACES)
    assert "fold 5 of 5" in trained.stderr


def test_what_could_not_be_used_is_named(trained):
    assert "left out, 1:" in trained.stdout
    assert "features 19" in trained.stdout
    assert "2019-01-20" in trained.stdout


def test_a_config_may_name_the_model(folder, trained):
    (folder / "watch.yaml").write_text(CONFIG + "disturbance: {model: ./models/mine}\n")
    assert placerwatch("validate", "watch.yaml", cwd=folder).returncode == 0


def test_evaluation_warns_of_ground_that_was_trained_on_and_holds_regions_out(folder, trained):
    arguments = ("./models/mine", "--data", "labels.geojson", "--config", "training.yaml")
    done = placerwatch("evaluate", *arguments, "--hold-out", "north", "--workers", "1", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["seen"]["same_labels"] is True
    assert set(figures["regions"]) == {"north", "south"}
    assert figures["held_out"]["north"]["pixels"]["disturbed"]["f1"] > 0.95
    told = placerwatch("evaluate", *arguments, cwd=folder)
    assert "warning: the model was trained on these very labels" in told.stdout
    assert "disturbed IoU" in told.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("train", "labels.geojson", "--out", "m"), "--config CONFIG"),
        (("train", "nowhere.geojson", "--config", "training.yaml", "--out", "m"), "nowhere.geojson"),
        (("train", "nowhere", "--out", "m"), "no such folder or file"),
        (("train", "nowhere", "--kind", "forest", "--out", "m"), "trees, network or blend"),
        (("evaluate", "nosuch", "--data", "labels.geojson", "--config", "training.yaml"), "there: default"),
        (("evaluate", "trees", "--data", "labels.geojson", "--regions", "nowhere.geojson"), "nowhere.geojson"),
    ],
)
def test_a_wrong_argument_says_what_to_do(folder, arguments, says):
    done = placerwatch(*arguments, cwd=folder)
    assert done.returncode in (1, 2)
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "m").exists()
