"""Trends of a finished run told again with estimated areas."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from shapely import box
from typer.testing import CliRunner

from pipeline.areas.area import Area
from pipeline.areas.lattice import Tile
from pipeline.cli import app
from pipeline.errors import BadInput
from pipeline.footprint import Layer, build_footprint, tile_areas
from pipeline.hashing import sha256_of
from pipeline.runs.retelling import retell
from tests.change_ground import periods
from tests.test_footprint_trends import trends_of

ZONE = np.array([[1, 1, 1, 2]], np.int16)
RASTER = np.array([[[1, 0, 0, 0]], [[1, 1, 0, 255]]], np.uint8)
LAYER = Layer.of_zones([Area("a", "A", box(0, 0, 1, 1), country="CAF"), Area("b", "B", box(1, 0, 2, 1), country="CIV")])


@pytest.fixture
def run_dir(tmp_path):
    folder = tmp_path / "home" / "runs" / "r1"
    folder.mkdir(parents=True)
    tile = Tile(32633, 80, 90)
    part = {tile: tile_areas(tile, RASTER, [ZONE], np.full(ZONE.shape, 100.0), [2])}
    (folder / "footprint.json").write_text(build_footprint(part, [LAYER], periods(2)).to_json())
    (folder / "trends.json").write_text(trends_of(RASTER, ZONE, layer=LAYER).to_json())
    outputs = {name: sha256_of(folder / name) for name in ("footprint.json", "trends.json")}
    manifest = {"programme": "west", "run_id": "r1", "as_of": "2022-01-01", "outcome": "complete", "exit_code": 0}
    manifest |= {"counts": {}, "failed": [], "not_observed": [], "tasks": [], "outputs": outputs}
    manifest |= {"inputs": {"source": "folder"}, "config": {"validated": {"footprint": {"licence": "CC BY 4.0"}}}}
    (folder / "run.json").write_text(json.dumps(manifest))
    return folder


def row(zone, area, low, high, target=0.03):
    figures = {"estimate_ha": area, "low_ha": low, "high_ha": high}
    return {"zone_id": zone, "class": "workings", "target_ha": target, "rests_on_few_points": False, **figures}


def estimate(folder, name="estimate.json", period=1, zones=(), **changed):
    span = periods(2)[period]
    whole = {"class": "workings", "estimate_ha": 0.03, "low_ha": 0.01, "high_ha": 0.05, "rests_on_few_points": False}
    other = {"class": "other", "estimate_ha": 0.01, "low_ha": 0.0, "high_ha": 0.02, "rests_on_few_points": False}
    result = {
        "programme": "west",
        "target_ha": 0.03,
        "period_after": span.model_dump(mode="json"),
        "status": {"classes": [whole, other], "zones": list(zones)},
        **changed,
    }
    path = folder / name
    path.write_text(json.dumps(result))
    return path


def test_intervals_stand_in_the_trends_and_in_the_table(run_dir, tmp_path):
    path = estimate(tmp_path, zones=[row("a", 0.025, 0.01, 0.04), row("b", None, None, None)])
    found = retell(run_dir, [path])
    assert (found.folder, found.estimates) == (run_dir.parents[1] / "trends" / "r1", 2)
    units = {unit["zone_id"]: unit for unit in json.loads((found.folder / "trends.json").read_text())["units"]}
    told = [(p["disturbed_ha"], p["estimated_ha"], p["low_ha"], p["high_ha"]) for p in units["a"]["series"]]
    assert told == [(0.01, None, None, None), (0.02, 0.025, 0.01, 0.04)]
    assert units["total"]["series"][1]["estimated_ha"] == 0.03
    assert units["b"]["series"][1]["estimated_ha"] is None
    lines = list(csv.DictReader((found.folder / "delve.csv").open()))
    intervals = [
        (line["country"], line["year"], line["value"], line["low"], line["high"]) for line in lines if line["low"]
    ]
    assert intervals == [("CAF", "2021", "0.025", "0.01", "0.04")]
    assert lines[0]["licence"] == "CC BY 4.0; contains modified Copernicus Sentinel data"


def test_an_interval_that_is_known_to_be_too_short_is_not_handed_on(run_dir, tmp_path):
    few = row("a", 0.025, 0.02, 0.03) | {"rests_on_few_points": True}
    found = retell(run_dir, [estimate(tmp_path, zones=[few])])
    assert (found.estimates, len(found.notes)) == (1, 1)
    assert "a in p1: left out" in found.notes[0]
    assert "estimated" not in (found.folder / "delve.csv").read_text()


def test_an_estimate_of_less_ground_than_a_period_must_see_is_not_handed_on(run_dir, tmp_path):
    found = retell(run_dir, [estimate(tmp_path, zones=[row("a", 0.01, 0.0, 0.01, target=0.012)])])
    assert (found.estimates, len(found.notes)) == (1, 1)
    assert "a in p1: left out, it is of" in found.notes[0]


def test_estimates_of_several_periods_make_a_series(run_dir, tmp_path):
    paths = [estimate(tmp_path, f"{t}.json", t) for t in (0, 1)]
    retell(run_dir, paths, tmp_path / "out")
    series = json.loads((tmp_path / "out" / "trends.json").read_text())["units"][0]["series"]
    assert [point["low_ha"] for point in series] == [0.01, 0.01]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"programme": "east"}, "is of programme 'east', the run is of 'west'"),
        ({"period_after": {"name": "p1", "start": "2021-01-02", "end": "2021-03-31"}}, "which is no period of the run"),
        ({"zones": [row("c", 0.01, 0, 0.02)]}, "'c' of 0.0 ha is no zone of the run"),
        ({"zones": [row("a", 0.01, 0, 0.02, target=50.0)]}, "'a' of 50.0 ha is no zone of the run, or was redrawn"),
        ({"zones": [row("a", float("inf"), 0, 1)]}, "not finite"),
        ({"zones": [row("a", 0.03, 0.04, 0.05)]}, "is no interval"),
        ({"status": []}, "not as `placerwatch estimate` writes it"),
    ],
)
def test_estimates_of_something_else_are_refused(run_dir, tmp_path, changed, message):
    with pytest.raises(BadInput, match=message):
        retell(run_dir, [estimate(tmp_path, **changed)])
    assert not (run_dir.parents[1] / "trends").exists()


def test_two_estimates_of_one_period_are_refused(run_dir, tmp_path):
    with pytest.raises(BadInput, match="give one estimate of each period"):
        retell(run_dir, [estimate(tmp_path, "a.json"), estimate(tmp_path, "b.json")])


def test_an_altered_run_and_its_own_folder_are_refused(run_dir, tmp_path):
    path = estimate(tmp_path)
    with pytest.raises(BadInput, match="lies in the run, which is sealed"):
        retell(run_dir, [path], run_dir / "again")
    (run_dir / "trends.json").write_text("{}")
    with pytest.raises(BadInput, match=r"trends\.json: altered since the run"):
        retell(run_dir, [path])


def test_the_command_says_what_it_wrote(run_dir, tmp_path):
    told = CliRunner().invoke(app, ["trends", str(run_dir), "--estimate", str(estimate(tmp_path)), "--json"])
    assert told.exit_code == 0
    assert json.loads(told.stdout)["files"] == ["trends.csv", "trends.json", "delve.csv"]
