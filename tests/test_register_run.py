"""Runs of the whole command that share a register: the same sites under the same ids, whatever changes between."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import BadInput
from pipeline.reports import read_register
from pipeline.runs import RunOptions, run_programme
from pipeline.runs.run_folder import Finished
from tests.test_run import make_archive, make_programme


def go(config: Path, day: date = date(2022, 6, 1)) -> Finished:
    return run_programme(config, RunOptions(as_of=day, out=config.parent / "out"))


def ids_of(finished: Finished, name: str = "sites") -> set[str]:
    features = json.loads((finished.folder / f"{name}.geojson").read_text())["features"]
    return {feature["properties"]["site_id"] for feature in features}


@dataclass
class Told:
    config: Path
    first: Finished
    register: bytes
    strict: Finished


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """A run, and one of other settings after it."""
    folder = tmp_path_factory.mktemp("register")
    make_archive(folder)
    config = make_programme(folder)
    first = go(config)
    register = (folder / "out/seam/register.gpkg").read_bytes()
    make_programme(folder, "change: {strong: 0.85, link_m: 60}")
    return Told(config, first, register, go(config))


def test_a_run_enters_its_sites_and_its_outputs_bear_the_ids_of_the_register(told: Told, tmp_path: Path) -> None:
    (tmp_path / "r.gpkg").write_bytes(told.register)
    known = read_register(tmp_path / "r.gpkg")
    assert {entity.site_id for entity in known.identities.entities} == ids_of(told.first)
    assert ids_of(told.first, "changes") <= ids_of(told.first)
    changes = json.loads((told.first.folder / "changes.geojson").read_text())["features"]
    assert all(change["id"].startswith(change["properties"]["site_id"] + "-") for change in changes)
    assert told.first.manifest["register"]["runs_known"] == 0


def test_a_run_with_other_settings_speaks_of_the_same_sites(told: Told) -> None:
    assert not told.strict.nothing_new
    assert ids_of(told.strict) == ids_of(told.first)
    register = read_register(told.config.parent / "out/seam/register.gpkg")
    assert len(register.entries) == 2
    assert len(register.identities.entities) == len(ids_of(told.first))
    assert told.strict.manifest["register"]["runs_known"] == 1


def test_running_again_changes_no_byte_of_the_register_and_a_lost_one_is_made_anew(told: Told, tmp_path: Path) -> None:
    path = told.config.parent / "out/seam/register.gpkg"
    before = path.read_bytes()
    assert go(told.config).nothing_new
    assert path.read_bytes() == before
    folders = [str(finished.folder) for finished in (told.first, told.strict)]
    again = tmp_path / "again.gpkg"
    result = CliRunner().invoke(app, ["register", "merge", *folders, "--out", str(again)])
    assert result.exit_code == 0, result.output
    assert again.read_bytes() == before
    both = tmp_path / "both.gpkg"
    assert CliRunner().invoke(app, ["register", "merge", str(again), str(path), "--out", str(both)]).exit_code == 0
    assert both.read_bytes() == before
    shown = CliRunner().invoke(app, ["register", "show", str(both), "--json"])
    assert json.loads(shown.output)["sites"] == {"active": len(ids_of(told.first))}
    site = sorted(ids_of(told.first))[0]
    life = CliRunner().invoke(app, ["register", "show", str(both), "--site", site])
    assert "2020-21" in life.output
    path.unlink()
    assert go(told.config).nothing_new
    (kept,) = read_register(path).entries
    assert kept.record.run_id == told.strict.manifest["run_id"]
    shutil.copy(again, path)


def test_a_damaged_register_stops_a_run_before_its_work_and_is_left_as_it_is(told: Told) -> None:
    path = told.config.parent / "shared.gpkg"
    path.write_bytes(b"not a register")
    config = told.config.parent / "shared.yaml"
    config.write_text(
        told.config.read_text().replace("{executor: serial}", "{executor: serial, register_file: shared.gpkg}")
    )
    with pytest.raises(BadInput, match="move it away"):
        go(config, date(2022, 7, 1))
    assert path.read_bytes() == b"not a register"
    assert not list((told.config.parent / "out/seam/runs").glob("2022-07-01*"))
