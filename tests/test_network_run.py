"""A network of one's own drives a whole run: plan, maps, manifest and keys."""

from __future__ import annotations

import json
import shutil
from datetime import date

import numpy as np
import pytest

from pipeline.config_file import read_config
from pipeline.errors import Problems
from pipeline.imagery import NODATA
from pipeline.runs import RunOptions, describe_plan, plan_programme, plan_summary, run_programme, verify_run
from pipeline.runs.progress import Silent
from pipeline.runs.store import Store
from tests.networks import linear, write_network
from tests.test_run import make_archive, make_programme

# A logistic of two bands: red 1 960 and infrared 2 800 of dug ground give 5.7, 230 and 2 900 of forest -8.5, pond 4.3.
RED, INFRARED, BIAS = 1 / 128, -1 / 256, 1.3125
FIELDS = {"bands": ["B08", "B04"], "classes": ["disturbed"], "activation": "sigmoid"}
MODEL = "disturbance: {model: networks/mine.onnx}"
DAY = date(2022, 6, 1)


def formula(reflectance: np.ndarray) -> np.ndarray:
    """Probability x 10 000 of disturbed ground, NODATA where a band is missing."""
    red, infrared = reflectance[2].astype(float), reflectance[3].astype(float)
    probability = 1 / (1 + np.exp(-(RED * red + INFRARED * infrared + BIAS)))
    return np.where((reflectance == NODATA).any(axis=0), NODATA, np.rint(10_000 * probability))


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive")
    make_archive(folder)
    return folder / "archive"


@pytest.fixture
def programme(tmp_path, archive):
    (tmp_path / "archive").symlink_to(archive)
    (tmp_path / "networks").mkdir()
    return make_programme(tmp_path, MODEL)


def bring(programme, layout, **changes):
    data = linear([[INFRARED, RED]], [BIAS], layout)
    return write_network(programme.parent / "networks" / "mine.onnx", data, layout=layout, **{**FIELDS, **changes})


def go(programme, **options):
    return run_programme(programme, RunOptions(as_of=DAY, out=programme.parent / "out", **options))


def stored(finished, stage):
    """The planes of each tile and period of a run."""
    store = Store(finished.folder.parents[1] / "store")
    return {(row["tile"], row["period"]): store.get_planes(stage, row[stage]) for row in finished.manifest["tasks"]}


@pytest.mark.parametrize("layout", ["patch", "pixel"])
def test_the_map_of_a_run_is_the_formula_of_the_network(programme, layout):
    bring(programme, layout)
    finished = go(programme)
    assert finished.exit_code == 0
    composites = stored(finished, "composite")
    for place, (bare, pond) in stored(finished, "map").items():
        expected = formula(composites[place][:6])[32:-32, 32:-32]
        assert (bare == expected).all()
        assert set(np.unique(pond)) <= {0, NODATA}
    new = [f["properties"] for f in json.loads((finished.folder / "changes.geojson").read_text())["features"]]
    assert [change["state"] for change in new].count("new") == 1
    assert verify_run(finished.folder) == []


def test_manifest_and_reports_name_the_network_and_its_hash(programme):
    bring(programme, "pixel")
    finished = go(programme)
    plan = plan_programme(programme, RunOptions(as_of=DAY, out=programme.parent / "out"), Silent())
    said = {"name": "networks/mine.onnx", "sha256": plan.model_sha256}
    assert finished.manifest["inputs"]["model"] == said
    changes = json.loads((finished.folder / "changes.geojson").read_text())
    assert changes["model"] == {**said, "name": "mine.onnx"}
    assert any("accuracy is not known" in line for line in changes["limits"])
    assert finished.manifest["versions"]["onnxruntime"]
    assert plan_summary(plan)["model"] == said
    assert f"model networks/mine.onnx, SHA-256 {plan.model_sha256}" in describe_plan(plan)


def test_a_changed_sidecar_makes_new_maps_and_a_reformatted_one_none(programme):
    path = bring(programme, "pixel")
    first = go(programme)
    sidecar = path.with_suffix(".json")
    sidecar.write_text(json.dumps(json.loads(sidecar.read_text()), indent=8))
    assert go(programme).nothing_new
    bring(programme, "pixel", offset=-40)
    changed = go(programme)
    assert not changed.nothing_new
    states = changed.manifest["counts"]["tile_periods"]
    assert (states["computed"], states["classified"]) == (0, len(changed.manifest["tasks"]))
    before, after = ({row["map"] for row in run.manifest["tasks"]} for run in (first, changed))
    assert not before & after


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_every_executor_gives_the_same_maps(programme, executor):
    bring(programme, "patch")
    once = go(programme).manifest["outputs"]
    shutil.rmtree(programme.parent / "out")
    assert go(programme, executor=executor, workers=2).manifest["outputs"] == once


def test_a_network_that_fails_on_real_ground_fails_the_run_with_its_reason(programme):
    bring(programme, "pixel", activation="none")
    with pytest.raises(Exception, match="no probabilities; write activation softmax or sigmoid"):
        go(programme)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda path: path.unlink(), "mine.onnx cannot be read"),
        (lambda path: path.with_suffix(".json").unlink(), "no sidecar mine.json beside it"),
        (lambda path: path.with_suffix(".json").write_text("{}"), "bands is missing"),
        (lambda path: path.write_bytes(b"none"), "cannot be run by onnxruntime"),
    ],
)
def test_a_config_with_a_network_that_cannot_serve_is_not_valid(programme, harm, says):
    harm(bring(programme, "pixel"))
    with pytest.raises(Problems) as caught:
        read_config(programme)
    (problem,) = caught.value.problems
    assert problem.startswith("line 8: disturbance.model: ")
    assert says in problem
