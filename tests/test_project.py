"""The project's own files agree with each other."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

import pipeline

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ROOMS = ("areas", "imagery", "disturbance", "change", "footprint", "reports")


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!~ ;]", requirement)[0].lower() for requirement in requirements}


def test_environment_yml_names_the_packages_of_pyproject():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    plain = [entry for entry in listed if isinstance(entry, str)]
    from_pip = next(entry["pip"] for entry in listed if isinstance(entry, dict))
    assert names(plain + from_pip) - {"python", "pip"} == names(PROJECT["dependencies"])


@pytest.mark.parametrize(("file", "extras"), [("run.txt", []), ("dev.txt", ["dev"]), ("network.txt", ["network"])])
def test_every_dependency_is_pinned_with_hashes(file, extras):
    text = (ROOT / "requirements" / file).read_text()
    pinned = {line.split("==")[0] for line in text.splitlines() if "==" in line}
    wanted = PROJECT["dependencies"] + [d for extra in extras for d in PROJECT["optional-dependencies"][extra]]
    assert names(wanted) <= pinned
    assert text.count("==") <= text.count("--hash=sha256:")


@pytest.mark.parametrize("other", ["dev.txt", "network.txt"])
def test_the_lists_pin_the_same_versions(other):
    def pins(name):
        return dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements" / name).read_text(), re.MULTILINE))

    run, more = pins("run.txt"), pins(other)
    assert {name: more.get(name) for name in run} == run


def test_every_command_of_make_has_a_recipe():
    text = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    for target in phony.split():
        assert re.search(rf"^{target}:[^\n]*\n\t", text, re.MULTILINE), f"make {target} would do nothing and not say so"


def test_the_version_is_the_same_everywhere():
    assert PROJECT["version"] == pipeline.__version__
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == pipeline.__version__
    assert f"## {pipeline.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_rooms_are_imported_in_one_direction():
    for number, room in enumerate(ROOMS):
        later = (*ROOMS[number + 1 :], "runs", "simulation", "cli")
        for path in (ROOT / "pipeline" / room).rglob("*.py"):
            imported = set(re.findall(r"^\s*(?:from|import) pipeline\.(\w+)", path.read_text(), re.MULTILINE))
            assert not imported & set(later), f"{path.relative_to(ROOT)} imports {imported & set(later)}"


def test_no_file_holds_a_path_of_a_machine():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    pattern = re.compile(r"/(?:home|root|Users|work)/\w")
    for name in listed.stdout.split():
        path = ROOT / name
        if (
            path.suffix in {".py", ".md", ".yaml", ".yml", ".toml", ".txt", ".json", ".geojson", ".cff"}
            and path.is_file()
        ):
            found = pattern.search(path.read_text("utf-8"))
            assert found is None, f"{name}: {found.group()}"
