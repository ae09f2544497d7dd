"""Opening dates from single looks, by the whole command: two dry seasons, the wet one between, a tile seam."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from pipeline import config
from pipeline.areas import Tile
from pipeline.disturbance import find_model
from pipeline.imagery import FolderSource
from pipeline.runs import RunOptions, run_programme, verify_run
from pipeline.runs.store import Store
from pipeline.runs.windows import LOOKS, WindowTask, boxes, covers, read_window
from tests.scenes import dig, ground, write_area, write_scene

# Two tiles meet 70 columns into the scenes.
TILE = Tile(32633, 82, 101)
WEST, NORTH = 82 * 5120 - 700, 102 * 5120 - 2000
SHAPE = (110, 150)
BEFORE = ("2020-12-10", "2021-01-14", "2021-02-18", "2021-03-10")
BETWEEN = ("2021-05-04", "2021-06-28", "2021-08-12", "2021-10-01")
AFTER = ("2021-12-05", "2022-01-09", "2022-02-13", "2022-03-10")
# 6 ha across the seam; what was there from the first look on.
OPENING = (slice(50, 70), slice(55, 85))
OLD = (slice(20, 35), slice(100, 115))
CONFIG = """programme: seam
areas: [area.geojson]
periods:
  - {{name: 2020-21, start: 2020-12-01, end: 2021-03-31}}
  - {{name: 2021-22, start: 2021-12-01, end: 2022-03-31}}
source: {{kind: folder, path: archive}}
run: {{executor: serial}}
change: {{{change}}}
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    for number, day in enumerate(BEFORE + BETWEEN + AFTER):
        bands = ground(SHAPE, seed=number)
        dig(bands, *OLD, seed=number)
        if day >= "2021-08-12":
            dig(bands, *OPENING, seed=number)
        write_scene(folder / "archive", f"S2A_{day}", day, bands, west=WEST, north=NORTH)
    return folder / "archive"


def programme(folder: Path, archive: Path, change: str = "") -> Path:
    if not (folder / "archive").exists():
        shutil.copytree(archive, folder / "archive")
    write_area(folder / "area.geojson", WEST + 100, NORTH - 1000, WEST + 1400, NORTH - 100)
    path = folder / "seam.yaml"
    path.write_text(CONFIG.format(change=change))
    return path


def go(path: Path, **options):
    return run_programme(path, RunOptions(as_of=date(2022, 6, 1), out=path.parent / "out", **options))


def features(finished, name: str = "changes") -> list[dict]:
    found = json.loads((finished.folder / f"{name}.geojson").read_text())["features"]
    return [feature["properties"] for feature in found]


def new_of(finished) -> dict:
    (new,) = [change for change in features(finished) if change["state"] == "new"]
    return new


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory, archive: Path):
    return go(programme(tmp_path_factory.mktemp("clean"), archive))


def test_an_opening_in_the_wet_season_lies_between_looks_of_the_wet_season(clean):
    new = new_of(clean)
    assert clean.exit_code == 0
    assert new["dated_by"] == "looks"
    assert new["first_clear_disturbed"] == "2021-08-12"
    assert "2021-03-10" <= new["last_clear_undisturbed"] <= "2021-06-28"


def test_the_site_is_told_with_the_dates_of_its_change(clean):
    new = new_of(clean)
    (site,) = [site for site in features(clean, "sites") if site["site_id"] == new["site_id"]]
    dates = ("last_clear_undisturbed", "first_clear_disturbed", "dated_by")
    assert [site[key] for key in dates] == [new[key] for key in dates]


def test_a_site_that_was_there_from_the_first_look_on_has_no_lower_bound(clean):
    (old,) = [site for site in features(clean, "sites") if site["site_id"] != new_of(clean)["site_id"]]
    assert old["last_clear_undisturbed"] is None
    assert old["dated_by"] == "periods"


def test_the_manifest_names_the_windows_on_both_sides_of_the_seam_and_their_scenes(clean):
    dating = clean.manifest["dating"]
    assert (dating["by_looks"], dating["by_periods"], dating["unread"]) == (1, 0, 0)
    assert [row["tile"] for row in dating["windows"]] == ["33N-081-0101", "33N-082-0101"]
    for row in dating["windows"]:
        assert row["scenes"] == [f"S2A_{day}" for day in BEFORE + BETWEEN + AFTER]
        assert row["sites"] == [new_of(clean)["site_id"]]


def test_dates_by_periods_are_wider_and_read_nothing(tmp_path, archive, clean):
    finished = go(programme(tmp_path, archive, "dating: periods"))
    wide, narrow = new_of(finished), new_of(clean)
    assert wide["dated_by"] == "periods"
    assert wide["last_clear_undisturbed"] < narrow["last_clear_undisturbed"]
    assert narrow["first_clear_disturbed"] < wide["first_clear_disturbed"]
    dating = finished.manifest["dating"]
    assert (dating["by_looks"], dating["by_periods"], dating["windows"]) == (0, 1, [])


def test_beyond_the_limit_the_dates_are_those_of_the_periods(tmp_path, archive):
    finished = go(programme(tmp_path, archive, "max_dated: 0"))
    assert new_of(finished)["dated_by"] == "periods"
    assert finished.manifest["dating"]["left"] == 1


def test_a_second_run_takes_the_looks_from_the_store(tmp_path, archive, clean):
    path = programme(tmp_path, archive)
    shutil.copytree(clean.folder.parents[1], tmp_path / "out" / "seam", symlinks=True)
    shutil.rmtree(tmp_path / "out" / "seam" / "runs")
    again = go(path)
    assert {row["state"] for row in again.manifest["dating"]["windows"]} == {"reused"}
    assert again.manifest["outputs"] == clean.manifest["outputs"]


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_every_executor_gives_the_same_dates(tmp_path, archive, clean, executor):
    finished = go(programme(tmp_path, archive), executor=executor, workers=2)
    assert finished.manifest["outputs"] == clean.manifest["outputs"]
    rows = [
        [{key: row[key] for key in row if key != "seconds"} for row in run.manifest["dating"]["windows"]]
        for run in (clean, finished)
    ]
    assert rows[0] == rows[1]


def test_a_scene_that_only_the_dates_need_is_named_when_it_breaks_and_read_when_it_is_mended(tmp_path, archive, clean):
    path = programme(tmp_path, archive)
    # The greenest look of the wet season reads no B11.
    broken = tmp_path / "archive" / "S2A_2021-08-12" / "B11.tif"
    good = broken.read_bytes()
    broken.write_bytes(good[: len(good) // 2])
    finished = go(path)
    assert finished.exit_code == 3
    named = [row for row in finished.manifest["failed"] if row.get("scene") == "S2A_2021-08-12"]
    assert {row["tile"] for row in named} == {"33N-081-0101", "33N-082-0101"}
    assert all(row["reason"].startswith("dating: ") for row in named)
    assert new_of(finished)["first_clear_disturbed"] == "2021-10-01"
    broken.write_bytes(good)
    mended = go(path)
    assert not mended.nothing_new
    assert mended.exit_code == 0
    assert new_of(mended)["first_clear_disturbed"] == "2021-08-12"


def test_verify_misses_looks_that_were_taken_from_the_store(tmp_path, archive, clean):
    shutil.copytree(clean.folder.parents[1], tmp_path / "seam", symlinks=True)
    shutil.rmtree(tmp_path / "seam" / "store" / LOOKS)
    problems = verify_run(tmp_path / "seam" / "latest")
    assert problems == [
        f"stored looks at {tile} 2020-21 to 2021-22: missing or damaged" for tile in ("33N-081-0101", "33N-082-0101")
    ]


def test_a_window_shows_what_a_larger_one_shows_there(tmp_path, archive):
    model, sha256 = find_model("default", Path())
    source = FolderSource(archive, None)
    scenes = source.find((-180, -90, 180, 90), date(2021, 8, 1), date(2021, 12, 31)).scenes
    store = Store(tmp_path)
    small, large = (
        read_window(WindowTask(TILE, box, (scenes[:1], scenes[1:]), config.Imagery(), source, model, sha256, store))
        for box in ((240, 272, 0, 32), (208, 304, 0, 80))
    )
    assert small.days == large.days
    assert len(small.days) == 3
    inside = store.get_planes(LOOKS, large.key)[:, 32:64, :32]
    np.testing.assert_array_equal(store.get_planes(LOOKS, small.key), inside)


def test_windows_lie_on_their_grid_and_cover_every_pixel():
    mask = np.zeros((512, 512), bool)
    mask[17, 33] = mask[40, 50] = True
    assert boxes([mask]) == ((16, 48, 32, 64),)
    assert covers((16, 48, 32, 64), mask)
    assert not covers((16, 32, 32, 64), mask)
    mask[511, 511] = True
    assert boxes([mask]) == ((16, 512, 32, 512),)


def test_neighbours_share_a_window_and_distant_places_do_not():
    near, beside, far = (np.zeros((512, 512), bool) for _ in range(3))
    near[100, 100] = beside[100, 140] = far[400, 400] = True
    # 80 x 80 pixels with surroundings each; both together 80 x 112 is less than 2 x 80 x 80.
    assert boxes([near, beside, far]) == ((96, 112, 96, 144), (400, 416, 400, 416))
    assert boxes([far, beside, near]) == boxes([near, beside, far])
