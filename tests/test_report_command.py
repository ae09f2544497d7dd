"""`placerwatch report`: the reports of a finished run told again, from what it stored."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config import Reports
from pipeline.errors import BadInput
from pipeline.hashing import sha256_of
from pipeline.reports import changes_geojson, sites_geojson
from pipeline.reports.dossier import dossier_html
from pipeline.reports.language import Language
from pipeline.reports.stored import read_result, result_json
from pipeline.runs.reporting import ReportOptions, report_run
from tests.reports_dossier import PERIODS, five_zones
from tests.reports_folder import make_run_dir
from tests.reports_run import composite, make_result


def test_a_result_reads_back_as_it_was_with_its_pictures():
    trends = five_zones().trends
    result = make_result(trends=trends)
    keys = {(tile, period): f"key {period}" for tile, periods in result.scenes.items() for period in periods}
    text = result_json(result, keys)
    back = read_result(
        text, result.footprint, trends, lambda key, tile: composite(tile, key.removeprefix("key ")), "result.json"
    )
    assert replace(back, composite_of=composite) == result
    assert (changes_geojson(back), sites_geojson(back)) == (changes_geojson(result), sites_geojson(result))
    assert dossier_html(back, Language.of("fr")) == dossier_html(result, Language.of("fr"))
    assert result_json(back, keys) == text


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('"area_ha":', '"area_ha_":', "changes"),
        ('"area_gain_ha": 0.0', '"area_gain_ha": 1e999', "changes"),
        ('"geometry": "0103', '"geometry": "0101', "outline"),
        ('"tile": "', '"tile": "../', "tile"),
        ('"programme"', '"programm"', "programme"),
    ],
)
def test_a_result_that_is_not_as_a_run_writes_it_is_refused(old, new, where):
    result = five_zones()
    text = result_json(result, {})
    assert old in text
    with pytest.raises(BadInput, match=where):
        read_result(text.replace(old, new), result.footprint, result.trends, lambda key, tile: None, "result.json")


def test_it_writes_a_language_beside_the_run_with_a_list_of_hashes_and_leaves_the_run_alone(tmp_path):
    run_dir = make_run_dir(tmp_path, five_zones())
    before = {path: path.read_bytes() for path in run_dir.iterdir()}
    done = CliRunner().invoke(app, ["report", str(run_dir), "--language", "fr", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    folder = tmp_path / "reports" / run_dir.name
    assert Path(told["folder"]) == folder
    # English is the programme's first language, so French bears its code.
    assert {"map.fr.html", "report.fr.html", "changes.geojson", "SHA256SUMS"} <= set(told["files"])
    assert "Ce qui a changé" in (folder / "report.fr.html").read_text()
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        sha256, _, name = line.partition("  ")
        assert sha256_of(folder / name) == sha256
    assert {path: path.read_bytes() for path in run_dir.iterdir()} == before


def test_estimates_stand_in_the_dossier_with_their_interval(tmp_path):
    result = five_zones()
    estimate = {
        "programme": result.programme,
        "target_ha": 2000.0,
        "period_after": PERIODS[-1].model_dump(mode="json"),
        "status": {
            "classes": [],
            "zones": [
                {
                    "zone_id": "nola",
                    "class": "workings",
                    "target_ha": 2000.0,
                    "rests_on_few_points": False,
                    "estimate_ha": 31.5,
                    "low_ha": 20.25,
                    "high_ha": 42.75,
                }
            ],
        },
    }
    (tmp_path / "estimate.json").write_text(json.dumps(estimate))
    run_dir = make_run_dir(tmp_path / "home", result)
    folder = report_run(run_dir, ReportOptions(estimates=(tmp_path / "estimate.json",))).folder
    assert "31.5 (20.2 to 42.8)" in (folder / "report.html").read_text()


def test_a_second_report_replaces_the_first_and_nothing_else(tmp_path):
    run_dir = make_run_dir(tmp_path, five_zones())
    folder = report_run(run_dir, ReportOptions(languages=("en",))).folder
    report_run(run_dir, ReportOptions(languages=("fr",)))
    assert not (folder / "map.html").exists()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(BadInput, match=r"holds notes\.txt, which this command did not write"):
        report_run(run_dir, ReportOptions())
    assert (folder / "notes.txt").read_text() == "mine"
    assert (folder / "map.fr.html").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ReportOptions(languages=("de",)), "language 'de': there is none of that name; choose one of en, fr"),
        (ReportOptions(release="secret"), "choose restricted or public"),
        (ReportOptions(on=date(2021, 6, 1)), "--on is the day of a public release"),
        (ReportOptions(release="public", on=date(2021, 4, 1)), "before the run's as-of date, 2021-04-15"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(tmp_path, options, message):
    run_dir = make_run_dir(tmp_path, five_zones())
    with pytest.raises(BadInput, match=message):
        report_run(run_dir, options)
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_a_run_that_was_altered_and_its_own_folder_are_refused(tmp_path):
    run_dir = make_run_dir(tmp_path, five_zones())
    for place in (run_dir / "again", run_dir, tmp_path):
        with pytest.raises(BadInput, match="lies in the run, which is sealed, or holds it"):
            report_run(run_dir, ReportOptions(out=place))
    (run_dir / "result.json").write_text("{}")
    with pytest.raises(BadInput, match=r"result\.json: altered since the run"):
        report_run(run_dir, ReportOptions())


def test_pictures_that_are_no_longer_in_the_store_are_noted(tmp_path):
    result = make_result(trends=five_zones().trends)
    run_dir = make_run_dir(tmp_path, result)
    text = result_json(result, {(tile, "2021-dry"): "ab" * 32 for tile in result.scenes})
    (run_dir / "result.json").write_text(text)
    manifest = json.loads((run_dir / "run.json").read_text())
    manifest["outputs"]["result.json"] = sha256_of(run_dir / "result.json")
    (run_dir / "run.json").write_text(json.dumps(manifest))
    found = report_run(run_dir, ReportOptions())
    assert found.notes == ("1 composites are no longer in the store: their ground is shown as not observed",)


def test_a_config_with_an_unknown_or_repeated_language_is_refused():
    with pytest.raises(ValueError, match="no language 'xx'; choose from en, fr"):
        Reports(languages=("en", "xx"))
    with pytest.raises(ValueError, match="a language stands twice"):
        Reports(languages=("fr", "fr"))
