"""The command as a person and a script meet it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import pipeline
from tests.test_run import make_archive, make_programme

BINARY = Path(sys.executable).with_name("placerwatch")


def placerwatch(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BINARY, *arguments], cwd=cwd, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    make_archive(folder)
    make_programme(folder)
    return folder


@pytest.fixture(scope="module")
def first(folder):
    return placerwatch("run", "seam.yaml", "--as-of", "2022-06-01", cwd=folder)


def test_a_run_ends_by_saying_where_its_outputs_are(folder, first):
    assert first.returncode == 0, first.stderr
    for name in ("map.html", "changes.geojson", "footprint.csv"):
        line = next(line for line in first.stdout.splitlines() if line.endswith(name))
        assert (folder / line.split()[-1]).is_file()
    assert "maps: 8/8" in first.stderr


def test_a_second_run_says_that_nothing_is_new(folder, first):
    again = placerwatch("run", "seam.yaml", "--as-of", "2022-06-02", cwd=folder)
    assert again.returncode == 0
    assert again.stdout.startswith("nothing new since 2022-06-01")


def test_json_is_all_a_script_reads(folder, first):
    done = placerwatch("run", "seam.yaml", "--as-of", "2022-06-01", "--json", cwd=folder)
    answer = json.loads(done.stdout)
    assert answer["nothing_new"] is True
    assert answer["exit_code"] == 0
    assert done.stderr == ""


def test_status_and_verify_read_the_latest_run(folder, first):
    latest = "outputs/seam/latest"
    assert "complete" in placerwatch("status", latest, cwd=folder).stdout
    assert "as the manifest says" in placerwatch("verify", latest, cwd=folder).stdout


@pytest.mark.parametrize("text", ["[]", "{}", "no json"])
def test_an_altered_manifest_is_bad_input(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    for command in ("status", "verify"):
        done = placerwatch(command, ".", cwd=tmp_path)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


def test_a_plan_tells_scenes_by_period_and_makes_no_store(folder, first):
    done = placerwatch("plan", "seam.yaml", "--as-of", "2022-06-01", "--out", "planned", "--json", cwd=folder)
    plan = json.loads(done.stdout)
    assert plan["scenes"] == {"2020-21": 3, "2021-22": 3}
    assert plan["without_a_scene"] == []
    assert not (folder / "planned").exists()


def test_a_bad_config_ends_with_exit_code_2_and_every_problem(folder):
    (folder / "bad.yaml").write_text(
        "programme: x\nareas: [none.geojson]\nperiods: []\nsource: {kind: radar}\nfoo: 1\n"
    )
    done = placerwatch("run", "bad.yaml", cwd=folder)
    assert done.returncode == 2
    assert "bad.yaml: 4 problems" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "seam.yaml", "--as-of", "June"), "expected a day such as"),
        (("run", "seam.yaml", "--source", "nowhere"), "copernicus-stac, or a folder"),
        (("run", "seam.yaml", "--executor", "gpu"), "serial, threads or processes"),
        (("run", "seam.yaml", "--workers", "0"), "at least 1"),
        (("run", "seam.yaml", "--as-of", "2019-01-01"), "no period starts"),
        (("status", "nowhere"), "run.json"),
        (("simulate", "mars", "archive"), "carnot"),
        (("areas", "import", "Carnot", "--out", "x.geojson"), "--country"),
        (("evaluate", "default", "--data", "nowhere"), "nowhere"),
    ],
)
def test_a_wrong_argument_ends_with_exit_code_2_and_what_to_do(folder, arguments, says):
    done = placerwatch(*arguments, cwd=folder)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_the_starter_is_valid_and_is_never_overwritten(tmp_path):
    assert placerwatch("init", "watch", cwd=tmp_path).returncode == 0
    assert placerwatch("validate", "watch/programme.yaml", cwd=tmp_path).returncode == 0
    assert placerwatch("init", "watch", cwd=tmp_path).returncode == 2


def test_schedule_prints_lines_for_cron_and_systemd(folder):
    done = placerwatch("schedule", "seam.yaml", cwd=folder)
    assert "0 3 * * 1" in done.stdout
    assert "OnCalendar=Mon 03:00" in done.stdout


def test_areas_are_listed_from_files(folder):
    done = placerwatch("areas", "list", "area.geojson", cwd=folder)
    assert done.returncode == 0
    assert done.stdout.startswith("valley: Valley")


def test_the_version_is_printed(tmp_path):
    assert placerwatch("version", cwd=tmp_path).stdout.strip() == pipeline.__version__
