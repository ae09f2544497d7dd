"""`placerwatch capacity` as a person and a script meet it."""

from __future__ import annotations

import csv
import json
import re

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import BadInput
from pipeline.runs.production import ProductionOptions, production
from tests.production import DECLARED_HEADER, FOOTPRINT, INPUT_HEADER, LABOUR, write_run

DECLARED = 'boda,,diamonds,artisanal,production,2020-04-01,2021-03-31,90000,ct,=HYPERLINK("http://x")\n'


@pytest.fixture
def run_dir(tmp_path):
    return write_run(tmp_path)


@pytest.fixture
def tables(tmp_path):
    inputs, declared = tmp_path / "inputs.csv", tmp_path / "declared.csv"
    inputs.write_text(INPUT_HEADER + LABOUR.replace("census", "@SUM(A1)") + FOOTPRINT)
    declared.write_text(DECLARED_HEADER + DECLARED)
    return inputs, declared


def capacity(*arguments):
    return CliRunner().invoke(app, ["capacity", *map(str, arguments), "--draws", "2000"])


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_it_prints_the_title_and_writes_beside_the_runs(run_dir, tables):
    done = capacity(run_dir, "--inputs", tables[0], "--declared", tables[1])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"Capacity range, not production: run {run_dir.name}")
    folder = run_dir.parents[1] / "capacity" / run_dir.name
    names = ["capacity.csv", "capacity.json", "flags.csv", "flags.json"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert sorted(path.name for path in run_dir.iterdir()) == ["footprint.csv", "run.json"]
    assert {row["title"] for row in rows_of(folder / "capacity.csv")} == {"Capacity range, not production"}
    # 10 ha mapped as new, over the year between the ends of the periods.
    footprint = next(row for row in rows_of(folder / "capacity.csv") if row["route"] == "footprint")
    assert float(footprint["p50"]) == pytest.approx(1600 * 365.25 / 365, rel=1e-3)
    assert {row["code"] for row in rows_of(folder / "flags.csv")} == {"", "above-capacity"}


def test_other_layers_of_the_footprint_are_left_alone(tmp_path, run_dir, tables):
    options = ProductionOptions(tables[0], draws=2000)
    with_layers = production(run_dir, options, tmp_path / "a")
    without = production(write_run(tmp_path / "old", layer=False), options, tmp_path / "b")
    assert with_layers.data == without.data


def test_text_that_a_spreadsheet_would_run_is_neutralised(tmp_path, run_dir, tables):
    production(run_dir, ProductionOptions(*tables, draws=2000), tmp_path / "out")
    for name in ("capacity.csv", "flags.csv"):
        cells = [cell for row in rows_of(tmp_path / "out" / name) for cell in row.values()]
        assert "'=cmd|'/c calc'!A1" in cells
        assert not [cell for cell in cells if re.match(r"[=+@]|-[^0-9]", cell)]


def test_a_script_reads_one_json_object_with_every_source(run_dir, tables):
    done = capacity(run_dir, "--inputs", tables[0], "--declared", tables[1], "--json")
    data = json.loads(done.stdout)
    assert data["capacity"]["title"] == "Capacity range, not production"
    assert data["capacity"]["inputs"][0]["year"] == 2019
    assert data["flags"]["judgements"]
    assert json.loads((run_dir.parents[1] / "capacity" / run_dir.name / "flags.json").read_text()) == data["flags"]


def test_two_runs_write_the_same_bytes_and_another_seed_does_not(tmp_path, run_dir, tables):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        production(run_dir, ProductionOptions(tables[0], seed=seed, draws=2000), tmp_path / name)
    a, b, c = ((tmp_path / name / "capacity.csv").read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_without_any_table_there_is_nothing_to_do(run_dir):
    with pytest.raises(BadInput, match="give --inputs FILE, --declared FILE or both"):
        production(run_dir, ProductionOptions(None))


def test_declared_figures_alone_are_judged_without_capacity(tmp_path, run_dir, tables):
    found = production(run_dir, ProductionOptions(None, tables[1]), tmp_path / "out")
    assert found.files == ("flags.csv", "flags.json")
    assert "no capacity range without a table of inputs" in found.text


def test_nothing_is_written_into_the_sealed_run(run_dir, tables):
    with pytest.raises(BadInput, match="lies in the run, which is sealed"):
        production(run_dir, ProductionOptions(tables[0]), run_dir / "more")


def test_an_areas_file_places_zones_in_countries(tmp_path, run_dir, tables):
    square = [[[16, 4], [17, 4], [17, 5], [16, 5], [16, 4]]]
    feature = {
        "type": "Feature",
        "properties": {"zone_id": "boda", "name": "Boda", "country": "CAF", "boundary_vintage": "2026"},
        "geometry": {"type": "Polygon", "coordinates": square},
    }
    areas = tmp_path / "areas.geojson"
    areas.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    tables[1].write_text(DECLARED_HEADER + DECLARED.replace("boda,", ",CAF"))
    found = production(run_dir, ProductionOptions(*tables, areas=(areas,), draws=2000), tmp_path / "out")
    assert "above-capacity: CAF" in found.text
    assert "is not the areas file of the run" in found.text
    found = production(run_dir, ProductionOptions(*tables, draws=2000), tmp_path / "out")
    assert "above-capacity" not in found.text
    assert "no zone of the run is known to lie in CAF" in found.text


def write_estimate(path, run_dir, **changes):
    zone = {"zone_id": "boda", "class": "new", "points": 40, "hits": 9, "estimate_ha": 20.0, "se_ha": 4.0}
    zone |= {"rests_on_few_points": False}
    elsewhere = {"zone_id": "unassigned", "hits": 0, "estimate_ha": None, "se_ha": None}
    document = {
        "run_id": run_dir.name,
        "period_before": {"name": "2020"},
        "period_after": {"name": "2021"},
        "change": {
            "zones": [zone | {"class": "stable", "estimate_ha": 99.0}, zone | elsewhere, zone | changes.pop("zone", {})]
        },
    }
    path.write_text(json.dumps(document | changes))
    return path


def test_an_estimate_gives_area_and_interval(tmp_path, run_dir, tables):
    estimate = write_estimate(tmp_path / "estimate.json", run_dir)
    found = production(run_dir, ProductionOptions(tables[0], estimate=estimate, draws=20_000), tmp_path / "out")
    item = next(row for row in found.data["capacity"]["ranges"] if row["route"] == "footprint")
    assert item["area_basis"] == ["estimate"]
    assert item["dominant_input"] == "new_area_ha"
    assert item["p95"] / item["p50"] == pytest.approx((20 + 1.645 * 4) / 20, rel=0.02)


def test_a_zone_without_an_estimate_keeps_its_mapped_gain_and_is_named(tmp_path, run_dir, tables):
    none = {"hits": 0, "estimate_ha": None, "se_ha": None}
    estimate = write_estimate(tmp_path / "estimate.json", run_dir, zone=none)
    found = production(run_dir, ProductionOptions(tables[0], estimate=estimate, draws=2000), tmp_path / "out")
    assert "no point was new in boda (0 of 40 points)" in found.text
    assert "its error is NOT in the range" in found.text


def test_an_estimate_on_too_few_points_is_named(tmp_path, run_dir, tables):
    estimate = write_estimate(tmp_path / "estimate.json", run_dir, zone={"rests_on_few_points": True})
    found = production(run_dir, ProductionOptions(tables[0], estimate=estimate, draws=2000), tmp_path / "out")
    assert "too few points in boda; ranges by footprint are too narrow there" in found.text
    assert "too few points in boda" in (tmp_path / "out" / "capacity.json").read_text()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"run_id": "another"}, "is of run 'another'"),
        ({"period_before": None}, "no two periods of the run that follow each other"),
        ({"zone": {"se_ha": -1}}, "is no area"),
        ({"zone": {"estimate_ha": "NaN"}}, "is no area"),
        ({"change": [1]}, "not as `placerwatch estimate` writes it"),
    ],
)
def test_an_estimate_that_does_not_fit_is_refused(tmp_path, run_dir, tables, changes, said):
    estimate = write_estimate(tmp_path / "estimate.json", run_dir, **changes)
    with pytest.raises(BadInput, match=re.escape(said)):
        production(run_dir, ProductionOptions(tables[0], estimate=estimate), tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("footprint.csv", "zone_id,period\n", "has no column"),
        ("footprint.csv", None, "cannot be read"),
        ("run.json", "{}", "not a manifest"),
    ],
)
def test_a_run_that_was_altered_is_bad_input(tmp_path, run_dir, tables, name, content, said):
    path = run_dir / name
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(BadInput, match=said):
        production(run_dir, ProductionOptions(tables[0]), tmp_path / "out")


@pytest.mark.parametrize(("old", "new"), [(",40,0,860", ",nan,0,860"), (",10,0,30", ",-10,0,30"), (",2021,", ",2031,")])
def test_a_footprint_with_impossible_figures_is_bad_input(tmp_path, run_dir, tables, old, new):
    path = run_dir / "footprint.csv"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(BadInput, match="not as a run writes it"):
        production(run_dir, ProductionOptions(tables[0]), tmp_path / "out")
