"""The archive on disk: layout, items, offsets, truth, and that it is written once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
import shapely
from rasterio.features import rasterize

from pipeline.areas.lattice import TILE_M, project, to_lonlat
from pipeline.areas.reading import read_areas
from pipeline.errors import BadInput, StoreError
from pipeline.simulation import scenario_area, scenario_names, scenario_periods, write_archive
from pipeline.simulation.archive import make_archive
from pipeline.simulation.cohorts import Cohort
from pipeline.simulation.scenario import Granule, scenario_of

BANDS_10M, BANDS_20M = ("B02", "B03", "B04", "B08"), ("B11", "B12", "SCL")


def small(**changes):
    cohorts = (
        Cohort("active", ((2016, 3), (2019, 10)), (120, 300), (1, 1, 1, 0)),
        Cohort("closed", ((2015, 3), (2018, 10)), (120, 300), (0, 1, 1, 0), ((2020, 6), (2021, 9)), 1.0),
        Cohort("between first and second", ((2021, 4), (2021, 9)), (40, 130), (1, 1, 1, 0)),
    )
    settings = {
        "granules": (Granule(32633, "33NXF", 622_020, 523_000, 210, 190),),
        "dry_looks": 2,
        "wet_looks": 1,
        "after_looks": 1,
        "cohorts": cohorts,
        "villages": 1,
        "burns": 3,
    }
    return replace(scenario_of("demo"), **(settings | changes))


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    return make_archive(small(), tmp_path_factory.mktemp("simulation") / "archive")


def digests(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def items(root: Path) -> list[dict]:
    return [json.loads(path.read_bytes()) for path in sorted((root / "items").glob("*.json"))]


def plane(root: Path, name: str) -> np.ndarray:
    with rasterio.open(root / name) as source:
        return source.read(1)


def complexes(root: Path) -> list[dict]:
    return json.loads((root / "truth" / "complexes.geojson").read_bytes())["features"]


def test_two_archives_are_equal_to_the_byte(archive, tmp_path):
    again = make_archive(small(), tmp_path / "again")
    assert digests(again) == digests(archive)


def test_a_whole_archive_is_left_alone(archive):
    before = {path: path.stat().st_mtime_ns for path in archive.rglob("*")}
    progress = []
    assert make_archive(small(), archive, lambda done, total: progress.append(done)) == archive
    assert progress == []
    assert {path: path.stat().st_mtime_ns for path in archive.rglob("*")} == before


def test_other_parameters_replace_the_archive_and_are_counted(tmp_path):
    tiny = {"dry_looks": 1, "wet_looks": 1, "after_looks": 1, "cohorts": small().cohorts[:1]}
    progress = []
    root = make_archive(small(**tiny), tmp_path / "a")
    first = json.loads((root / "scenario.json").read_bytes())["key"]
    make_archive(small(**tiny, seed=11), root, lambda done, total: progress.append((done, total)))
    assert json.loads((root / "scenario.json").read_bytes())["key"] != first
    assert progress == [(n, 7) for n in range(8)]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_broken_run_leaves_nothing(tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_archive(small(), tmp_path / "a", stop)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        make_archive(small(), tmp_path / "file" / "archive")


def test_a_folder_with_other_things_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(BadInput, match="something other than a simulated archive"):
        write_archive("demo", tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("call", [scenario_area, scenario_periods, lambda name: write_archive(name, Path("unused"))])
def test_an_unknown_scenario_is_answered_with_those_there_are(call):
    with pytest.raises(BadInput, match="carnot, demo, tortiya"):
        call("marange")


@pytest.mark.parametrize("keys", ["common", "band"])
def test_items_are_valid_stac_and_their_files_exist(tmp_path, keys):
    root = make_archive(
        small(asset_keys=keys, dry_looks=1, wet_looks=1, after_looks=1, cohorts=small().cohorts[:1]), tmp_path / "a"
    )
    for item in items(root):
        core = {**item, "stac_extensions": []}  # extension schemas are not on this machine
        pystac.Item.from_dict(core).validate()
        for asset in item["assets"].values():
            assert (root / "items" / asset["href"]).resolve().is_file()
        assert set(item["assets"]) >= ({"nir", "swir16", "scl"} if keys == "common" else {"B08", "B11", "SCL"})
        assert item["properties"]["placerwatch:simulated"] is True


def test_bands_are_cogs_on_the_lattice(archive):
    scene = items(archive)[0]["id"]
    for bands, size in ((BANDS_10M, 10), (BANDS_20M, 20)):
        for band in bands:
            with rasterio.open(archive / scene / f"{band}.tif") as source:
                assert source.block_shapes == [(512, 512)]
                assert source.nodata == 0
                assert source.dtypes[0] == ("uint8" if band == "SCL" else "uint16")
                assert source.res == (size, size)
                assert source.crs.to_epsg() == 32633
                assert source.bounds.left % size == 0
                assert source.bounds.top % size == 0
                assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


def test_offsets_follow_the_baseline_in_metadata_and_in_the_numbers(archive):
    forest = {}
    for item in items(archive):
        properties = item["properties"]
        after = properties["datetime"] >= "2022-01-25"
        assert (properties["s2:processing_baseline"] >= "04.00") is after
        assert f"_N{properties['s2:processing_baseline'].replace('.', '')}_" in properties["s2:product_uri"]
        assert properties["earthsearch:boa_offset_applied"] is False
        assert item["assets"]["red"]["raster:bands"][0]["offset"] == (-0.1 if after else 0.0)
        numbers = plane(archive, f"{item['id']}/B04.tif")
        clear = np.repeat(np.repeat(plane(archive, f"{item['id']}/SCL.tif") == 4, 2, 0), 2, 1)
        forest.setdefault(after, []).append(np.percentile(numbers[clear & (numbers > 0)], 5))
    assert all(100 < number < 600 for number in forest[False])
    assert all(1100 < number < 1600 for number in forest[True])


def test_truth_polygons_and_truth_rasters_hold_the_same_area(archive):
    for period in small().periods():
        percent = plane(archive, f"truth/disturbed_32633_{period.name}.tif")
        found = [feature["properties"] for feature in complexes(archive)]
        declared = sum(p["bare_ha"][period.name] + p["pond_ha"][period.name] for p in found)
        assert percent.sum(dtype=np.int64) / 1e4 == pytest.approx(declared, rel=0.03)
        classes = plane(archive, f"truth/class_32633_{period.name}.tif")
        assert ((classes > 0) == (percent >= 50)).all()


def test_each_complex_lies_where_the_raster_is_disturbed(archive):
    period = small().periods()[2]
    percent = plane(archive, f"truth/disturbed_32633_{period.name}.tif")
    with rasterio.open(archive / f"truth/class_32633_{period.name}.tif") as source:
        transform = source.transform
    for feature in complexes(archive):
        outline = project(shapely.geometry.shape(feature["geometry"]), 32633)
        properties = feature["properties"]
        assert outline.area / 1e4 == pytest.approx(properties["area_ha"], rel=0.01)
        if properties["abandoned"] is None:
            touched = rasterize([outline], percent.shape, transform=transform, all_touched=True).astype(bool)
            now = properties["bare_ha"][period.name] + properties["pond_ha"][period.name]
            assert percent[touched].sum(dtype=np.int64) / 1e4 == pytest.approx(now, rel=0.1, abs=0.01)


def test_complexes_open_close_and_regrow_in_order(archive):
    found = {}
    for feature in complexes(archive):
        properties = feature["properties"]
        found.setdefault(properties["cohort"], []).append(properties)
        seen = [p.name for p in small().periods() if properties["bare_ha"][p.name] > 0]
        opened = date.fromisoformat(properties["opened"])
        assert all(p.end >= opened for p in small().periods() if p.name in seen)
        if properties["abandoned"]:
            assert properties["opened"] < properties["abandoned"] < properties["regrown"]
    assert all(p["bare_ha"]["dry-2021"] == 0 < p["bare_ha"]["dry-2022"] for p in found["between first and second"])
    assert all(p["bare_ha"]["dry-2023"] < p["bare_ha"]["dry-2021"] for p in found["closed"])


def test_confusers_name_their_cause_and_their_days(archive):
    record = json.loads((archive / "scenario.json").read_bytes())
    document = json.loads((archive / "truth" / "confusers.geojson").read_bytes())
    causes = {feature["properties"]["cause"] for feature in document["features"]}
    assert {"burn", "field", "road", "river", "village", "pond"} <= causes <= set(record["truth"]["causes"].values())
    burns = [f["properties"] for f in document["features"] if f["properties"]["cause"] == "burn"]
    assert {burn["from"][:4] for burn in burns} >= {"2022", "2023"}
    outlines = [shapely.geometry.shape(f["geometry"]) for f in document["features"] + complexes(archive)]
    assert all(outline.is_valid for outline in outlines)


@pytest.mark.parametrize("name", scenario_names())
def test_the_declared_area_is_accepted_and_lies_on_the_scenes(name, tmp_path):
    path = tmp_path / "area.geojson"
    path.write_text(json.dumps(scenario_area(name)))
    areas = read_areas([path])
    scenario = scenario_of(name)
    assert sum(area.role == "extent" for area in areas) == 1
    covered = shapely.union_all([lonlat_box(granule) for granule in scenario.granules])
    assert all(covered.contains(area.geometry) for area in areas)
    assert any(granule.left % TILE_M and granule.top % TILE_M for granule in scenario.granules)


def lonlat_box(granule: Granule):
    box = shapely.box(granule.left, granule.top - granule.rows * 10, granule.left + granule.cols * 10, granule.top)
    turn = to_lonlat(granule.epsg)
    return shapely.transform(box, lambda xy: np.column_stack(turn.transform(xy[:, 0], xy[:, 1])))


@pytest.mark.parametrize(("name", "last"), [("carnot", 2025), ("demo", 2023), ("tortiya", 2025)])
def test_periods_are_dry_seasons_in_order(name, last):
    periods = scenario_periods(name)
    assert [period.name for period in periods] == [f"dry-{year}" for year in range(2021, last + 1)]
    assert periods[0].start == date(2020, 12, 15 if name == "tortiya" else 1)
    assert all(a.end < b.start for a, b in pairwise(periods))
