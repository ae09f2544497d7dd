"""Configs: every mistake at once, with its line and a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pipeline.areas import overlaps
from pipeline.config import Config
from pipeline.config_file import read_config
from pipeline.errors import BadInput, Problems

ROOT = Path(__file__).resolve().parents[1]
AREA = """{"type": "FeatureCollection", "features": [{"type": "Feature",
 "properties": {"zone_id": "z1", "name": "One"}, "geometry": {"type": "Polygon",
 "coordinates": [[[16.0, 4.7], [16.1, 4.7], [16.1, 4.75], [16.0, 4.75], [16.0, 4.7]]]}}]}"""
GOOD = """programme: my-watch
areas: [area.geojson]
periods:
  - {name: a, start: 2021-01-01, end: 2021-03-31}
  - {name: b, start: 2022-01-01, end: 2022-03-31}
source: {kind: simulation, scenario: demo}
"""


def write(folder: Path, text: str) -> Path:
    (folder / "area.geojson").write_text(AREA)
    path = folder / "watch.yaml"
    path.write_text(text)
    return path


def problems_of(folder: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(Problems) as caught:
        read_config(write(folder, text))
    return caught.value.problems


def test_a_good_config_gives_settings_and_areas(tmp_path):
    file = read_config(write(tmp_path, GOOD))
    assert file.config.programme == "my-watch"
    assert [area.zone_id for area in file.areas] == ["z1"]
    assert file.config.change.weak == 0.5


def test_five_mistakes_get_five_messages_each_with_its_line(tmp_path):
    text = """programme: My Watch
areas: [area.geojson, missing.geojson]
periods:
  - {name: a, start: 2021-03-31, end: 2021-01-01}
source: {kind: folder, path: nowhere}
change:
  stong: 0.9
"""
    problems = problems_of(tmp_path, text)
    assert len(problems) == 5
    joined = "\n".join(problems)
    assert "line 1: programme" in joined
    assert "missing.geojson" in joined
    assert "line 4: periods.0" in joined
    assert "ends (2021-01-01) before it starts (2021-03-31)" in joined
    assert "line 5: source.path" in joined
    assert "line 7: change.stong is not a setting; did you mean 'strong'?" in joined


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ("programme: my-watch\nareas: [a\n", "not YAML"),
        ("", "expected settings"),
        (GOOD + "programme: other\n", "given twice"),
        (GOOD.replace("simulation", "satellite"), "source"),
        (GOOD.replace("programme: my-watch\n", ""), "programme is missing"),
        (GOOD + "change: {weak: 0.9, strong: 0.8}\n", "thresholds must rise"),
        (GOOD + "imagery: {max_cloud_cover: 180}\n", "less than or equal to 100; found 180"),
        (GOOD.replace("start: 2022-01-01", "start: 2021-02-01"), "starts before 'a' ends"),
        (GOOD + "disturbance: {model: nope}\n", "disturbance.model: model 'nope': not in"),
        (GOOD + "disturbance: {model: ./none}\n", "none: model.json cannot be read"),
        (
            GOOD.replace("scenario: demo", "scenario: mars"),
            "source.scenario: 'mars' is not known; choose one of: carnot",
        ),
    ],
)
def test_each_mistake_is_named(tmp_path, broken, says):
    assert says in "\n".join(problems_of(tmp_path, broken))


def test_a_config_nested_without_end_is_refused(tmp_path):
    (tmp_path / "deep.yaml").write_text("areas: " + "[" * 3000 + "]" * 3000)
    with pytest.raises(BadInput, match="nested more deeply"):
        read_config(tmp_path / "deep.yaml")


def test_aliases_are_refused(tmp_path):
    text = GOOD + "title: &t x\n" + "reports: {release: *t}\n"
    with pytest.raises(BadInput, match="aliases"):
        read_config(write(tmp_path, text))


def test_a_python_tag_in_yaml_is_not_executed(tmp_path):
    with pytest.raises(Problems):
        read_config(write(tmp_path, GOOD + "title: !!python/object/apply:os.getcwd []\n"))


def test_a_config_that_is_not_there_says_what_to_do(tmp_path):
    with pytest.raises(BadInput, match="placerwatch init"):
        read_config(tmp_path / "none.yaml")


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_config_is_valid(path):
    file = read_config(path)
    assert file.config == Config.model_validate(yaml.safe_load(path.read_text("utf-8")))
    assert file.areas
    assert overlaps(file.areas) == ()


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ("{source: nowhere}", "line 7: elevation.source: no folder 'nowhere' beside the config"),
        ("{source: 'ftp://example.org/dem'}", "neither a folder nor a plain http(s) address"),
        ("{source: 'https://me:secret@example.org/dem'}", "line 7: an address holds a user or a password"),
        ("{source: 'https://example.org/dem?key=secret'}", "line 7: an address holds key=, which looks like"),
        ("{source: 'https://example.org/dem?year=2015'}", "neither a folder nor a plain http(s) address"),
        ("{drainage_km2: 0}", "line 7: elevation.drainage_km2"),
        ("{use: perhaps}", "line 7: elevation.use"),
        ("{sourse: same}", "did you mean 'source'?"),
    ],
)
def test_elevation_that_cannot_be_used_is_told_with_its_line(tmp_path, section, says):
    (problem,) = problems_of(tmp_path, GOOD + f"elevation: {section}\n")
    assert says in problem
    assert "secret@" not in problem
    assert "=secret" not in problem


@pytest.mark.parametrize(
    ("section", "folder"),
    [
        ("{source: same}", None),
        ("{source: 'https://example.org/stac', collection: dem}", None),
        ("{source: .}", Path()),
        ("{}", None),
    ],
)
def test_elevation_comes_from_the_same_source_a_folder_or_an_api(tmp_path, section, folder):
    file = read_config(write(tmp_path, GOOD + f"elevation: {section}\n"))
    assert file.config.elevation.folder == folder
