"""Runs with elevation beside the imagery: layers for people, evidence for a model that was trained with it, faults."""

from __future__ import annotations

import csv
import json
import pickle
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from pipeline.areas import Tile
from pipeline.disturbance import Model, load_model
from pipeline.disturbance.features import feature_names
from pipeline.disturbance.tree_classifier import TreeClassifier
from pipeline.disturbance.trees import Forest
from pipeline.errors import AccessRefused, SourceUnavailable
from pipeline.imagery import Block, DemFiles, FolderSource, StacSource
from pipeline.imagery.elevation import DemFile
from pipeline.runs import RunOptions, describe_plan, plan_programme, run_programme, verify_run
from pipeline.runs import store as store_module
from pipeline.runs.execute import Serial
from pipeline.runs.keys import STORE_FORMAT, map_key, terrain_key, window_key
from pipeline.runs.progress import Silent
from pipeline.runs.run import _make_terrain
from pipeline.runs.store import code_version, content_key
from pipeline.runs.terrain import TileTerrain, terrain_tasks
from pipeline.runs.windows import LOOKS, WindowTask, read_window
from tests.rasters import write_plane
from tests.scenes import dig, ground, write_area, write_scene

TILE = Tile(32633, 82, 100)
WEST, NORTH = 82 * 5120 + 1500, 101 * 5120 - 1000
SHAPE = (120, 160)
OPENING = slice(40, 64), slice(60, 90)  # 7.2 ha, 450 to 750 m east of the scene's edge and of nothing else
CHANNEL_E = 30 * round((WEST + 300) / 30) + 15  # runs north to south, west of the opening
EAST_RISE, WEST_RISE, FALL = 0.05, 0.15, 0.01  # metres to a metre: 2.9 and 8.5 degrees, and along the channel
CONFIG = """programme: valley
areas: [area.geojson]
periods: [{{name: 2020-21, start: 2020-12-01, end: 2021-03-31}}]
source: {{kind: folder, path: archive}}
run: {{executor: serial}}
{extra}
"""


def valley(shape=(400, 400)) -> tuple[np.ndarray, Affine]:
    """A valley of 12 km a side around the scene, on cells of 30 m."""
    left, top = CHANNEL_E - 15 - 30 * 200, 30 * round(NORTH / 30) + 30 * 180
    y, x = np.mgrid[: shape[0], : shape[1]]
    east = 30.0 * (x - 200)
    z = 400 + np.where(east > 0, EAST_RISE * east, -WEST_RISE * east) - FALL * 30 * y
    return z.astype(np.float32), Affine(30, 0, left, 0, -30, top)


def steep_model(folder: Path) -> Model:
    """Calls ground workings where its slope is over 5 degrees; where the slope is not known it does not."""
    names = feature_names()
    forest = Forest(
        baseline=np.zeros(2),
        output=np.array([0, 1], np.int32),
        start=np.array([0, 3, 4], np.int32),
        feature=np.array([names.index("slope_deg"), -1, -1, -1], np.int16),
        threshold=np.array([500, 0, 0, 0], np.int16),
        left=np.array([1, 0, 0, 0], np.int32),
        right=np.array([2, 0, 0, 0], np.int32),
        value=np.array([0.0, -3.0, 3.0, -9.0]),
    )
    model = Model.of("steep", TreeClassifier(forest))
    model.save(folder / "steep")
    return model


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive")
    for number, day in enumerate(("2020-12-10", "2021-01-14", "2021-02-18")):
        bands = ground(SHAPE, seed=number)
        dig(bands, *OPENING, seed=number)
        write_scene(folder / "archive", f"S2A_{day}", day, bands, west=WEST, north=NORTH)
    values, transform = valley()
    write_plane(folder / "dem" / "valley.tif", values, transform, 32633)
    steep_model(folder)
    return folder


def make_programme(archive: Path, folder: Path, extra: str) -> Path:
    shutil.copytree(archive, folder, dirs_exist_ok=True)
    write_area(folder / "area.geojson", WEST + 50, NORTH - 1150, WEST + 1550, NORTH - 50)
    path = folder / "valley.yaml"
    path.write_text(CONFIG.format(extra=extra))
    return path


def go(path: Path, **options):
    return run_programme(path, RunOptions(as_of=date(2021, 6, 1), out=path.parent / "out", **options))


@pytest.fixture(scope="module")
def plain(tmp_path_factory, archive):
    """Without elevation."""
    return go(make_programme(archive, tmp_path_factory.mktemp("plain"), ""))


@pytest.fixture(scope="module")
def clean(tmp_path_factory, archive):
    """With elevation for people: the shipped model knows none."""
    return go(make_programme(archive, tmp_path_factory.mktemp("clean"), "elevation: {source: dem}"))


@pytest.fixture(scope="module")
def steep(tmp_path_factory, archive):
    """With a model that was trained with slope."""
    extra = "elevation: {source: dem}\ndisturbance: {model: ./steep}"
    return go(make_programme(archive, tmp_path_factory.mktemp("steep"), extra))


def keys_of(finished) -> list[tuple[str, str]]:
    return [(task["composite"], task["map"]) for task in finished.manifest["tasks"]]


def probability(finished) -> np.ndarray:
    with rasterio.open(finished.folder / "rasters" / "probability_2020-21_33N.tif") as raster:
        return raster.read(1)


def layer(finished, name: str) -> np.ndarray:
    with rasterio.open(finished.folder / "rasters" / f"{name}_33N.tif") as raster:
        return raster.read(1)


def test_the_table_tells_what_the_ground_of_each_site_is_like(clean):
    (row,) = csv.DictReader((clean.folder / "terrain.csv").open())
    (site,) = json.loads((clean.folder / "sites.geojson").read_text())["features"]
    assert (row["site_id"], row["period"]) == (site["id"], "2020-21")
    assert float(row["slope_deg"]) == pytest.approx(np.degrees(np.arctan(np.hypot(EAST_RISE, FALL))), abs=0.011)
    # The opening lies 300 to 600 m east of the channel: its middle, to a cell.
    middle = WEST + 10 * (OPENING[1].start + OPENING[1].stop) / 2 - CHANNEL_E
    assert float(row["distance_to_drainage_m"]) == pytest.approx(middle, abs=15)
    assert float(row["height_above_drainage_m"]) == pytest.approx(EAST_RISE * middle, abs=EAST_RISE * 15 + 0.05)


def test_the_layers_are_rasters_beside_the_others(clean):
    slope, height, distance = (layer(clean, n) for n in ("slope", "height-above-drainage", "distance-to-drainage"))
    assert slope.shape == probability(clean).shape
    col = (WEST - TILE.col * 5120) // 10 + np.arange(160)
    row = (101 * 5120 - NORTH) // 10 + 60
    cell_e = 30 * ((TILE.col * 5120 + 10 * col + 5) // 30) + 15
    assert distance[row, col].tolist() == abs(cell_e - CHANNEL_E).tolist()
    rise = np.where(cell_e > CHANNEL_E, EAST_RISE, WEST_RISE)
    np.testing.assert_allclose(height[row, col] / 10, rise * abs(cell_e - CHANNEL_E), atol=0.06)
    beside = abs(cell_e - CHANNEL_E) > 45
    np.testing.assert_allclose(
        (slope[row, col] / 100)[beside], np.degrees(np.arctan(np.hypot(rise, FALL)))[beside], atol=0.03
    )


def test_the_manifest_names_files_blocks_and_hashes(clean):
    note = clean.manifest["elevation"]
    assert note["source"] == "folder dem"
    assert list(note["files"]) == ["valley.tif"]
    (block,) = note["blocks"]
    assert (block["block"], block["state"], block["files"]) == ("33N-block-013-0016", "computed", ["valley.tif"])
    assert 0.05 < block["known_share"] < 0.2
    assert (note["given_to_model"], note["missing_for_model"]) == ([], [])
    assert "terrain.csv" in clean.manifest["outputs"]
    assert clean.manifest["exit_code"] == 0
    assert verify_run(clean.folder) == []


def test_elevation_changes_no_map_and_no_report_of_a_model_that_knows_none(plain, clean):
    assert keys_of(clean) == keys_of(plain)
    assert load_model("default").evidence == load_model("trees").evidence == ()
    mine, theirs = plain.manifest["outputs"], clean.manifest["outputs"]
    layers = ("slope", "height-above-drainage", "distance-to-drainage")
    extra = {"terrain.csv", *(f"rasters/{n}_33N.tif" for n in layers), *(f"stac/{n}_33N.json" for n in layers)}
    assert set(theirs) - set(mine) == extra
    for name in ("footprint.csv", "trends.csv", "registration.csv"):
        assert mine[name] == theirs[name]
    assert (probability(plain) == probability(clean)).all()


def test_without_evidence_a_key_is_what_it_was_before_there_was_any():
    """The parts of the key stand here once more: one more part would make every stored map anew."""
    old = content_key(format=STORE_FORMAT, composite="c", model="m", code=code_version("disturbance"))
    assert map_key("c", "m") == map_key("c", "m", None) == old
    given = ("block", ("slope_deg",))
    assert map_key("c", "m", given) != old
    assert map_key("c", "m", given) != map_key("c", "m", ("other", ("slope_deg",)))
    plain = window_key(TILE, (0, 16, 0, 16), [], None, "m")  # type: ignore[arg-type]
    assert plain != window_key(TILE, (0, 16, 0, 16), [], None, "m", given)  # type: ignore[arg-type]


def test_without_elevation_there_are_no_layers(plain):
    assert not (plain.folder / "terrain.csv").exists()
    note = plain.manifest["elevation"]
    assert (note["source"], note["blocks"], note["missing_for_model"]) == (None, [], [])


def test_a_model_that_was_trained_with_slope_is_given_it(steep):
    assert steep.manifest["elevation"]["given_to_model"] == ["slope_deg"]
    found, slope = probability(steep), layer(steep, "slope")
    seen = found != 65535
    assert seen.any()
    assert ((found > 5000) == (slope > 500))[seen].all()
    assert (found[seen] > 5000).any()
    assert (found[seen] < 5000).any()
    assert "was trained with" not in json.dumps(json.loads((steep.folder / "changes.geojson").read_text())["limits"])


def test_the_looks_that_date_an_opening_are_given_it_too(steep, tmp_path):
    shutil.copytree(steep.folder.parents[3], tmp_path / "home", symlinks=True)
    plan = planned(tmp_path / "home" / "valley.yaml")
    store = store_module.Store(tmp_path / "home" / "out" / "valley" / "store")
    terrain = TileTerrain(steep.manifest["elevation"]["blocks"][0]["terrain"], ("slope_deg",))
    box = (112, 144, 160, 208)
    task = WindowTask(
        *(TILE, box, (plan.scenes[:1],), plan.file.config.imagery, plan.source, plan.model, plan.model_sha256, store),
        terrain,
    )
    (look,) = store.get_planes(LOOKS, read_window(task).key)
    slope = layer(steep, "slope")[box[0] : box[1], box[2] : box[3]]
    assert (look != 65535).all()
    assert ((look > 5000) == (slope > 500)).all()
    assert 0 < (look > 5000).mean() < 1
    (blind,) = store.get_planes(LOOKS, read_window(replace(task, terrain=None)).key)
    assert (blind < 5000).all()


def test_a_changed_surface_makes_terrain_and_maps_anew_and_keeps_composites(steep, tmp_path):
    shutil.copytree(steep.folder.parents[3], tmp_path / "home", symlinks=True)
    path = tmp_path / "home" / "valley.yaml"
    assert go(path).nothing_new
    values, transform = valley()
    values[:, 200:] = values[:, 200:] * 2 - 400
    write_plane(path.parent / "dem" / "valley.tif", values, transform, 32633)
    again = go(path)
    assert [row["state"] for row in again.manifest["elevation"]["blocks"]] == ["computed"]
    assert [task["state"] for task in again.manifest["tasks"]] == ["classified"]
    (before,), (after,) = keys_of(steep), keys_of(again)
    assert (before[0] == after[0], before[1] == after[1]) == (True, False)


def test_a_block_is_made_anew_for_other_files_versions_and_drainage():
    block, other = Block(32633, 13, 16), Block(32633, 13, 17)
    keys = [
        terrain_key(block, [["a.tif", "1"]], 0.9),
        terrain_key(block, [["a.tif", "2"]], 0.9),
        terrain_key(block, [["a.tif", "1"], ["b.tif", "1"]], 0.9),
        terrain_key(block, [["a.tif", "1"]], 1.0),
        terrain_key(other, [["a.tif", "1"]], 0.9),
    ]
    assert len(set(keys)) == len(keys)


def test_a_model_without_its_evidence_is_told_once_in_manifest_report_and_plan(archive, tmp_path):
    path = make_programme(archive, tmp_path, "disturbance: {model: ./steep}")
    finished = go(path)
    says = "The model was trained with slope_deg, which this run did not have: its figures do not hold here."
    assert finished.manifest["elevation"]["missing_for_model"] == ["slope_deg"]
    assert finished.exit_code == 0
    limits = json.loads((finished.folder / "changes.geojson").read_text())["limits"]
    assert limits.count(says) == 1
    assert (probability(finished)[probability(finished) != 65535] < 5000).all()
    assert describe_plan(planned(path)).count(says) == 1


def planned(path: Path):
    return plan_programme(path, RunOptions(as_of=date(2021, 6, 1), out=path.parent / "out"), Silent())


def test_what_was_asked_for_and_is_not_there_is_named(archive, tmp_path):
    plan = planned(make_programme(archive, tmp_path, "elevation: {source: same}"))
    assert plan.terrain.source is None
    (lost,) = plan.broken
    assert lost.scene_id == "elevation"
    assert "name a folder of GeoTIFFs or a STAC API" in lost.reason


def test_the_same_folder_serves_tiles_of_glo_30_by_their_name(archive, tmp_path):
    path = make_programme(archive, tmp_path, "disturbance: {model: ./steep}")
    tile = "Copernicus_DSM_COG_10_N04_00_E014_00_DEM.tif"
    shutil.copy(tmp_path / "dem" / "valley.tif", tmp_path / "archive" / tile)
    plan = planned(path)
    assert [file.name for file in plan.terrain.source.files] == [tile]
    assert plan.terrain.evidence == ("slope_deg",)
    assert plan.broken == ()


def test_elevation_switched_off_is_not_looked_for(archive, tmp_path):
    plan = planned(make_programme(archive, tmp_path, "elevation: {use: 'off', source: dem}"))
    assert (plan.terrain.source, plan.terrain.blocks) == (None, ())


def test_an_api_is_asked_about_the_blocks_of_the_programme(archive, tmp_path, monkeypatch):
    path = make_programme(archive, tmp_path, "elevation: {source: 'https://example.org/stac'}")
    asked = []

    def find(self, boxes, collection):
        asked.append((self.url, [[round(edge, 1) for edge in box] for box in boxes], collection))
        return DemFiles("stac", (DemFile("a", "https://example.org/a.tif", "1"),))

    monkeypatch.setattr(StacSource, "find_elevation", find)
    plan = planned(path)
    # 61 km a side: the block of 31 km and half as much on all sides.
    assert asked == [("https://example.org/stac", [[13.9, 4.3, 14.5, 4.9]], "cop-dem-glo-30")]
    assert [block.id for block in plan.terrain.blocks] == ["33N-block-013-0016"]
    (task,) = terrain_tasks(plan.terrain, plan.file.config.elevation, store_module.Store(tmp_path))
    assert pickle.loads(pickle.dumps(task)).block == task.block


def test_an_api_that_does_not_answer_is_named_and_the_run_may_go_on(archive, tmp_path, monkeypatch):
    def silent(*_):
        raise SourceUnavailable("the API did not answer")

    monkeypatch.setattr(StacSource, "find_elevation", silent)
    plan = planned(make_programme(archive, tmp_path, "elevation: {source: 'https://example.org/stac'}"))
    (lost,) = plan.broken
    assert lost.reason == "the API did not answer; or set elevation.use to off"
    assert plan.terrain.source is None


def test_an_api_that_refuses_the_account_stops_the_plan_at_once(archive, tmp_path, monkeypatch):
    def refusing(*_):
        raise AccessRefused("the API refuses")

    monkeypatch.setattr(StacSource, "find_elevation", refusing)
    with pytest.raises(AccessRefused, match=r"the API refuses; or set elevation\.use to off"):
        planned(make_programme(archive, tmp_path, "elevation: {source: 'https://example.org/stac'}"))


def test_a_source_that_reads_elevation_itself_is_taken_as_it_is(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(FolderSource, "read_elevation", lambda self, geobox: None, raising=False)
    plan = planned(make_programme(archive, tmp_path, "elevation: {source: same}"))
    assert plan.terrain.source is plan.source
    assert plan.terrain.files_near(plan.terrain.blocks[0]) == [["folder", ""]]


def test_a_surface_that_breaks_is_named_and_the_run_goes_on_without(archive, tmp_path):
    path = make_programme(archive, tmp_path, "elevation: {source: dem}\ndisturbance: {model: ./steep}")
    dem = tmp_path / "dem" / "valley.tif"
    dem.write_bytes(dem.read_bytes()[:20_000])
    finished = go(path)
    assert finished.exit_code == 3
    (row,) = finished.manifest["failed"]
    assert row["tile"] == "33N-block-013-0016"
    assert row["reason"].startswith("elevation: dem/valley.tif cannot be read")
    assert not (finished.folder / "terrain.csv").exists()


def test_verify_finds_damaged_terrain(clean, tmp_path):
    home = tmp_path / "valley"
    shutil.copytree(clean.folder.parents[1], home, symlinks=True)
    (stored,) = home.rglob("store/terrain/**/*.tif")
    stored.write_bytes(stored.read_bytes()[:-1])
    assert verify_run(home / "runs" / clean.folder.name) == ["stored terrain of 33N-block-013-0016: missing or damaged"]
    assert store_module.Store(home / "store").seal("terrain", stored.stem) is None


def test_ground_without_elevation_is_noted(archive, tmp_path):
    path = make_programme(archive, tmp_path, "elevation: {source: dem}")
    values, transform = valley()
    write_plane(tmp_path / "dem" / "valley.tif", values, Affine.translation(300_000, 0) * transform, 32633)
    said: list[str] = []

    class Telling(Silent):
        def say(self, text):
            said.append(text)

    def run_tasks(function, tasks, label):
        return Serial().map(function, tasks, lambda: None)

    (outcome,) = _make_terrain(planned(path), store_module.Store(tmp_path / "store"), run_tasks, Telling())
    assert outcome.known_share == 0
    assert said == ["note: folder dem has no elevation of 33N-block-013-0016"]
