"""The whole command on hand-made scenes: two dry seasons, an opening that lies across a tile seam, and every fault."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from distributed import LocalCluster

from pipeline.errors import StoreError
from pipeline.runs import RunOptions, describe_run, run_programme, verify_run
from pipeline.runs import store as store_module
from pipeline.runs.reporting import ReportOptions, report_run
from tests.scenes import BANDS, dig, ground, write_area, write_scene

# The corner where four tiles meet: column 82, row 101 begin here.
SEAM_E, SEAM_N = 82 * 5120, 102 * 5120
WEST, NORTH = SEAM_E - 1500, SEAM_N + 1000
SHAPE = (200, 300)
BEFORE = ("2020-12-10", "2021-01-14", "2021-02-18")
AFTER = ("2021-12-05", "2022-01-09", "2022-02-13")
# 40 x 60 pixels (24 ha) around the seam: rows 80-120 of the scene, columns 120-180.
OPENING = (slice(80, 120), slice(120, 180))
OLD = (slice(20, 40), slice(30, 60))
CONFIG = """programme: seam
areas: [area.geojson]
periods:
  - {{name: 2020-21, start: 2020-12-01, end: 2021-03-31}}
  - {{name: 2021-22, start: 2021-12-01, end: 2022-03-31}}
source: {{kind: folder, path: archive}}
run: {{executor: serial}}
{extra}
"""


def make_archive(folder: Path) -> None:
    for number, day in enumerate(BEFORE + AFTER):
        bands = ground(SHAPE, seed=number)
        dig(bands, *OLD)
        if day in AFTER:
            dig(bands, *OPENING, seed=number)
        write_scene(folder / "archive", f"S2A_{day}", day, bands, west=WEST, north=NORTH)


def make_programme(folder: Path, extra: str = "") -> Path:
    write_area(folder / "area.geojson", WEST + 100, NORTH - 1900, WEST + 2900, NORTH - 100)
    path = folder / "seam.yaml"
    path.write_text(CONFIG.format(extra=extra))
    return path


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive")
    make_archive(folder)
    return folder / "archive"


@pytest.fixture
def programme(tmp_path, archive):
    shutil.copytree(archive, tmp_path / "archive")
    return make_programme(tmp_path)


def go(path: Path, out: str = "out", **options):
    return run_programme(path, RunOptions(as_of=date(2022, 6, 1), out=path.parent / out, **options))


def changes_of(finished) -> list[dict]:
    return json.loads((finished.folder / "changes.geojson").read_text())["features"]


@pytest.fixture(scope="module")
def clean(tmp_path_factory, archive):
    folder = tmp_path_factory.mktemp("clean")
    shutil.copytree(archive, folder / "archive")
    return go(make_programme(folder))


def outputs_of(finished) -> dict[str, str]:
    return finished.manifest["outputs"]


def test_a_complete_run_ends_with_exit_code_0_and_writes_every_output(clean):
    assert clean.exit_code == 0, describe_run(clean.manifest)
    names = {path.name for path in clean.folder.iterdir()}
    assert names >= {
        "changes.geojson",
        "sites.geojson",
        "footprint.csv",
        "footprint.json",
        "map.html",
        "report.html",
        "result.json",
        "stac",
        "run.json",
        "rasters",
    }
    assert (clean.folder.parents[1] / "latest").resolve() == clean.folder.resolve()


def test_an_opening_across_four_tiles_is_one_new_site_of_its_true_size(clean):
    new = [f for f in changes_of(clean) if f["properties"]["state"] == "new"]
    assert len(new) == 1
    assert new[0]["properties"]["area_ha"] == pytest.approx(24, rel=0.1)
    assert new[0]["properties"]["status"] == "provisional"
    assert new[0]["properties"]["zone_id"] == "valley"


def test_the_opening_is_dated_by_looks_that_were_clear(clean):
    new = next(f["properties"] for f in changes_of(clean) if f["properties"]["state"] == "new")
    assert "2020-12-01" <= new["last_clear_undisturbed"] <= "2021-03-31"
    assert "2021-12-01" <= new["first_clear_disturbed"] <= "2022-03-31"


def test_old_workings_continue_and_are_confirmed(clean):
    old = [f["properties"] for f in changes_of(clean) if f["properties"]["state"] == "continuing"]
    assert [site["status"] for site in old] == ["confirmed"]


def test_running_again_does_nothing_and_says_so(clean):
    before = sorted((clean.folder.parent).iterdir())
    again = go(clean.folder.parents[3] / "seam.yaml")
    assert again.nothing_new
    assert again.exit_code == 0
    assert "nothing new" in again.text
    assert sorted((clean.folder.parent).iterdir()) == before


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_every_executor_gives_the_same_bytes(programme, clean, executor):
    finished = go(programme, executor=executor, workers=2)
    assert outputs_of(finished) == outputs_of(clean)


def test_a_remote_scheduler_gives_the_same_bytes(programme, clean):
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=True, dashboard_address=None) as cluster:
        finished = go(programme, scheduler=cluster.scheduler_address)
    assert outputs_of(finished) == outputs_of(clean)


def test_tiles_in_any_order_give_the_same_bytes(programme, clean, monkeypatch):
    from pipeline.runs.execute import Serial

    plain = Serial.map

    def backwards(self, function, tasks, on_done, _ready=None):
        return plain(self, function, list(tasks)[::-1], on_done)[::-1]

    monkeypatch.setattr(Serial, "map", backwards)
    assert outputs_of(go(programme)) == outputs_of(clean)


def test_a_run_resumed_from_half_a_store_equals_a_clean_run(programme, clean):
    finished = go(programme)
    shutil.rmtree(finished.folder)
    store = finished.folder.parents[1] / "store"
    seals = sorted((store / "map").rglob("*.json"))
    for seal in seals[::2]:
        seal.unlink()
    damaged = sorted((store / "composite").rglob("*.tif"))[0]
    damaged.write_bytes(damaged.read_bytes()[:-100])
    resumed = go(programme)
    tasks = resumed.manifest["counts"]["tile_periods"]
    assert tasks["computed"] == 1
    assert tasks["reused"] >= 1
    assert outputs_of(resumed) == outputs_of(clean)


def test_a_changed_threshold_reuses_every_map_and_writes_a_new_run(programme):
    first = go(programme)
    make_programme(programme.parent, "change: {strong: 0.85}")
    second = go(programme)
    assert not second.nothing_new
    assert second.folder != first.folder
    tasks = second.manifest["counts"]["tile_periods"]
    assert tasks["reused"] == tasks["prepared"]


def test_a_changed_mask_setting_makes_every_composite_anew(programme):
    go(programme)
    make_programme(programme.parent, "imagery: {cloud_dilation_m: 80}")
    tasks = go(programme).manifest["counts"]["tile_periods"]
    assert tasks["computed"] == tasks["prepared"]


def test_a_scene_that_breaks_after_a_complete_run_is_named(programme):
    assert go(programme).exit_code == 0
    path = programme.parent / "archive" / f"S2A_{AFTER[1]}" / "B08.tif"
    good = path.read_bytes()
    path.write_bytes(good[:300])
    broken = go(programme)
    assert broken.exit_code == 3
    assert not broken.nothing_new
    path.write_bytes(good)
    mended = go(programme)
    assert (mended.exit_code, mended.manifest["failed"]) == (0, [])


def test_a_broken_scene_that_was_taken_away_is_not_named_any_more(programme):
    path = programme.parent / "archive" / f"S2A_{AFTER[1]}" / "B08.tif"
    path.write_bytes(path.read_bytes()[:300])
    assert go(programme).exit_code == 3
    (programme.parent / "archive" / "items" / f"S2A_{AFTER[1]}.json").unlink()
    finished = go(programme)
    assert (finished.exit_code, finished.manifest["failed"]) == (0, [])


@pytest.mark.parametrize("harm", [lambda f: (f / "map.html").unlink(), lambda f: (f / "run.json").write_text("[]")])
def test_a_lost_output_or_a_spoilt_manifest_is_written_again(programme, harm):
    finished = go(programme)
    harm(finished.folder)
    again = go(programme)
    assert not again.nothing_new
    assert outputs_of(again) == outputs_of(finished)


def test_going_back_to_earlier_settings_points_latest_at_their_run(programme):
    first = go(programme)
    make_programme(programme.parent, "change: {strong: 0.85}")
    go(programme)
    make_programme(programme.parent)
    again = go(programme)
    assert again.nothing_new
    assert (again.folder.parents[1] / "latest").resolve() == first.folder.resolve()


def test_clear_ground_beside_the_area_does_not_hide_that_the_area_was_not_seen(programme):
    write_area(programme.parent / "area.geojson", WEST - 1500, NORTH - 1900, WEST - 300, NORTH - 100)
    finished = go(programme)
    assert finished.exit_code == 3
    assert {row["period"] for row in finished.manifest["not_observed"]} == {"2020-21", "2021-22"}


def test_verify_finds_an_altered_output(programme):
    finished = go(programme)
    assert verify_run(finished.folder) == []
    path = finished.folder / "footprint.csv"
    path.write_text(path.read_text() + "\n")
    assert verify_run(finished.folder) == ["footprint.csv: altered since the run"]


def rewrite(programme: Path, day: str, bands: np.ndarray | None = None, **options) -> None:
    name = f"S2A_{day}"
    shutil.rmtree(programme.parent / "archive" / name)
    if bands is None:
        bands = ground(SHAPE, seed=9)
        dig(bands, *OLD)
    write_scene(programme.parent / "archive", name, day, bands, west=WEST, north=NORTH, **options)


def test_no_scene_in_a_period_is_incomplete_and_nothing_is_called_undisturbed(programme):
    for day in AFTER:
        (programme.parent / "archive" / "items" / f"S2A_{day}.json").unlink()
    finished = go(programme)
    assert finished.exit_code == 3
    assert {(row["period"], row["reason"]) for row in finished.manifest["not_observed"]} == {("2021-22", "no scene")}
    assert changes_of(finished) == []
    assert_nothing_claimed_after(finished)


def test_all_cloud_is_incomplete_and_nothing_is_called_recovered(programme):
    for number, day in enumerate(AFTER):
        brightness = np.random.default_rng(number).integers(3500, 6500, SHAPE)
        cloud = np.multiply.outer((1, 1, 1, 1.05, 0.8, 0.6), brightness)
        rewrite(programme, day, cloud.astype(np.uint16), scl=np.full(SHAPE, 9, np.uint8), cloud_cover=70)
    finished = go(programme)
    assert finished.exit_code == 3
    assert {row["reason"] for row in finished.manifest["not_observed"]} == {"no clear look in any scene"}
    assert_nothing_claimed_after(finished)


def assert_nothing_claimed_after(finished) -> None:
    paths = list((finished.folder / "rasters").glob("change_*.tif"))
    assert paths
    for path in paths:
        with rasterio.open(path) as raster:
            assert set(np.unique(raster.read(1))) <= {5, 6, 255}


def test_a_corrupt_raster_costs_one_scene_and_is_named(programme):
    path = programme.parent / "archive" / f"S2A_{AFTER[1]}" / "B08.tif"
    path.write_bytes(path.read_bytes()[:300])
    finished = go(programme)
    assert finished.exit_code == 3
    assert {row["scene"] for row in finished.manifest["failed"]} == {f"S2A_{AFTER[1]}"}
    assert [f["properties"]["state"] for f in changes_of(finished)].count("new") == 1


def test_a_missing_band_is_named(programme):
    rewrite(programme, AFTER[0], leave_out=("B12",))
    finished = go(programme)
    said = json.dumps(finished.manifest["failed"]) + json.dumps(finished.manifest["skipped"])
    assert finished.exit_code == 3
    assert f"S2A_{AFTER[0]}" in said
    assert "B12" in said


def test_a_scene_in_a_geographic_system_is_named_and_left_out(programme):
    folder = programme.parent / "archive" / f"S2A_{AFTER[0]}"
    for band in BANDS:
        with rasterio.open(folder / f"{band}.tif", "r+") as raster:
            raster.crs = "EPSG:4326"
    item = programme.parent / "archive" / "items" / f"S2A_{AFTER[0]}.json"
    data = json.loads(item.read_text())
    del data["properties"]["proj:epsg"]
    item.write_text(json.dumps(data))
    finished = go(programme)
    assert finished.exit_code == 3
    assert {row["scene"] for row in finished.manifest["failed"]} == {f"S2A_{AFTER[0]}"}


def test_a_full_disk_ends_the_run_with_an_error_and_no_half_run(programme, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_module.os, "fsync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        go(programme)
    home = programme.parent / "out" / "seam"
    assert not list(home.glob("runs/*/run.json"))


def test_the_manifest_leads_from_a_change_back_to_its_scenes(clean):
    new = next(f["properties"] for f in changes_of(clean) if f["properties"]["state"] == "new")
    known = {scene["id"]: scene for scene in clean.manifest["inputs"]["scenes"]}
    assert set(new["scenes"]) == {f"S2A_{day}" for day in BEFORE + AFTER}
    assert all(known[scene]["version"] for scene in new["scenes"])


def test_reports_told_again_are_byte_for_byte_those_of_the_run(clean, tmp_path):
    found = report_run(clean.folder, ReportOptions(out=tmp_path / "again"))
    assert found.notes == ()
    assert {"map.html", "report.html", "changes.kmz", "summary.json"} <= set(found.files)
    for name in set(found.files) - {"SHA256SUMS"}:
        assert (found.folder / name).read_bytes() == (clean.folder / name).read_bytes(), name
    assert verify_run(clean.folder) == []


def test_the_catalogue_names_every_raster_of_the_run(clean):
    items = [json.loads(path.read_text()) for path in (clean.folder / "stac").glob("*_*.json")]
    hrefs = {item["assets"]["data"]["href"].removeprefix("../") for item in items}
    assert hrefs == {name for name in outputs_of(clean) if name.startswith("rasters/")}


def test_the_dossier_names_the_scenes_and_the_key_of_the_run(clean):
    page = (clean.folder / "report.html").read_text()
    assert all(f"S2A_{day}" in page for day in BEFORE + AFTER)
    assert json.loads((clean.folder / "observations.json").read_text())["key"] in page
