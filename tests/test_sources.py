"""Folders as sources of imagery: STAC items, plain GeoTIFFs, and what is refused."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from pipeline import config
from pipeline.errors import BadInput, SceneRejected, SourceUnavailable
from pipeline.imagery import BANDS, FolderSource, StacSource, open_source
from pipeline.imagery.items import scene_from_item
from pipeline.imagery.plain import acquired_from
from pipeline.imagery.raster import as_stored, read_window
from pipeline.imagery.scene import touches
from tests.imagery_archive import LEFT, TILE, TOP, item_of, write_band, write_scene

EVERYWHERE = (-180.0, -90.0, 180.0, 90.0)
YEARS = (date(2015, 1, 1), date(2030, 1, 1))


def box(col: int, row: int, width: int, height: int) -> GeoBox:
    """A lattice geobox, counted in pixels from the corner of the test archive."""
    west, north = LEFT + col * 10, TOP - row * 10
    return GeoBox.from_bbox(
        (west, north - height * 10, west + width * 10, north), crs=f"EPSG:{TILE.epsg}", shape=(height, width)
    )


def found(root: Path, **kwargs):
    return FolderSource(root, **kwargs).find(EVERYWHERE, *YEARS)


def change(item: Path, edit) -> None:
    document = json.loads(item.read_text())
    edit(document)
    item.write_text(json.dumps(document))


# --- STAC items in a folder


def test_items_become_scenes_sorted_by_time(tmp_path):
    write_scene(tmp_path, "b", "2021-02-01T09:30:00", {}, side=8)
    write_scene(tmp_path, "a", "2021-03-01T09:30:00", {}, side=8, baseline="04.00")
    first, second = found(tmp_path).scenes
    assert (first.id, second.id) == ("b", "a")
    assert (first.offset, second.offset) == (0, -1000)
    assert first.epsg == TILE.epsg
    assert first.has_scl


def test_only_the_asked_days_and_place_are_found(tmp_path):
    for day in ("2021-01-31T23:59:00", "2021-02-01T00:00:00", "2021-02-03T23:59:00", "2021-02-04T00:00:00"):
        write_scene(tmp_path, day.replace(":", ""), day, {}, side=8)
    source = FolderSource(tmp_path)
    scenes = source.find(EVERYWHERE, date(2021, 2, 1), date(2021, 2, 3)).scenes
    assert [s.acquired.day for s in scenes] == [1, 3]
    assert source.find((20.0, 4.0, 21.0, 5.0), *YEARS).scenes == ()


def test_a_scene_is_read_where_it_lies_and_20_m_bands_are_repeated(tmp_path):
    ramp = np.arange(64).reshape(8, 8) + 100
    write_scene(tmp_path, "a", "2021-02-01T09:30:00", {"B02": ramp, "B11": np.arange(16).reshape(4, 4) + 500}, side=8)
    source = FolderSource(tmp_path)
    scene = source.find(EVERYWHERE, *YEARS).scenes[0]
    got = source.read(scene, ("B11", "B02"), box(-1, 3, 4, 7))
    assert got.dtype == np.uint16
    assert got[1, :, 0].tolist() == [0] * 7
    assert got[1, :5, 1:].tolist() == ramp[3:, :3].tolist()
    assert got[1, 5:].sum() == 0
    assert got[0, :5, 1:].tolist() == [[504, 504, 505]] + [[508, 508, 509]] * 2 + [[512, 512, 513]] * 2


def test_a_window_beside_the_scene_is_empty(tmp_path):
    write_scene(tmp_path, "a", "2021-02-01T09:30:00", {}, side=8)
    source = FolderSource(tmp_path)
    scene = source.find(EVERYWHERE, *YEARS).scenes[0]
    assert source.read(scene, BANDS, box(8, 0, 3, 3)).sum() == 0
    assert source.read(scene, BANDS, box(7, 7, 3, 3))[:, 0, 0].tolist() == [1000] * 6


def test_the_version_follows_the_item_and_its_files(tmp_path):
    item = write_scene(tmp_path, "a", "2021-02-01T09:30:00", {}, side=8)
    before = found(tmp_path).scenes[0].version
    assert found(tmp_path).scenes[0].version == before
    change(item, lambda d: d["properties"].update(updated="2022-01-01T00:00:00Z"))
    edited = found(tmp_path).scenes[0].version
    write_band(tmp_path / "a" / "B02.tif", np.ones((16, 16), np.uint16), nodata=0)
    assert len({before, edited, found(tmp_path).scenes[0].version}) == 3


def test_the_version_follows_the_pixels_where_size_and_item_stay(tmp_path):
    bands = {"B08": np.random.default_rng(0).integers(1, 9999, (700, 700))}
    write_scene(tmp_path, "a", "2021-02-01T09:30:00", bands, side=700)
    path, before = tmp_path / "a" / "B08.tif", found(tmp_path).scenes[0].version
    size = path.stat().st_size
    assert found(tmp_path).scenes[0].version == before
    with rasterio.open(path, "r+") as raster:
        raster.write(raster.read()[:, ::-1])
    assert path.stat().st_size == size
    assert found(tmp_path).scenes[0].version != before


def test_of_two_versions_of_one_acquisition_the_latest_is_kept(tmp_path):
    for name, made in (("old", "2021-02-01T12:00:00Z"), ("new", "2023-05-01T12:00:00Z")):
        write_scene(tmp_path, name, "2021-02-01T09:30:00", {}, side=8, **{"s2:generation_time": made})
    result = found(tmp_path)
    assert [s.id for s in result.scenes] == ["new"]
    made = [f"baseline 02.14 of {day}T12:00:00" for day in ("2021-02-01", "2023-05-01")]
    reason = f"an earlier version of new ({made[0]}; that is {made[1]})"
    assert [(s.scene_id, s.reason, s.failed) for s in result.skipped] == [("old", reason, False)]


def test_two_granules_of_one_overpass_are_both_kept(tmp_path):
    for name, square in (("a", "33NUG"), ("b", "33NUH")):
        write_scene(tmp_path, name, "2021-02-01T09:30:00", {}, side=8, **{"s2:mgrs_tile": square})
    assert len(found(tmp_path).scenes) == 2


def test_of_two_scenes_with_one_id_the_second_is_named_and_not_lost(tmp_path):
    write_scene(tmp_path, "a", "2021-02-01T09:30:00", {}, side=8)
    second = write_scene(tmp_path, "b", "2021-03-01T09:30:00", {}, side=8)
    change(second, lambda d: d.update(id="a"))
    result = found(tmp_path)
    assert [(scene.id, scene.acquired.month) for scene in result.scenes] == [("a", 2)]
    assert [(s.scene_id, s.failed) for s in result.skipped] == [("a", True)]
    assert "2021-03-01 09:30 bears the id of another" in result.skipped[0].reason


def test_a_missing_band_is_named(tmp_path):
    item = write_scene(tmp_path, "a", "2021-02-01T09:30:00", {}, side=8)
    change(item, lambda d: d["assets"].pop("B11"))
    result = found(tmp_path)
    assert result.scenes == ()
    assert result.skipped[0].failed
    assert "lacks B11; its assets are ['B02', 'B03', 'B04', 'B08', 'B12', 'SCL']" in result.skipped[0].reason


def test_a_failed_item_is_reported_only_for_its_own_time_and_place(tmp_path):
    item = write_scene(tmp_path, "a", "2021-02-01T09:30:00", {}, side=8)
    change(item, lambda d: d["assets"].pop("B11"))
    source = FolderSource(tmp_path)
    assert source.find(EVERYWHERE, date(2021, 3, 1), date(2021, 4, 1)).skipped == ()
    assert source.find((40.0, 4.0, 41.0, 5.0), *YEARS).skipped == ()


def test_items_of_another_sensor_are_none_of_our_business(tmp_path):
    item = write_scene(tmp_path, "a", "2021-02-01T09:30:00", {}, side=8)
    change(item, lambda d: d.update(assets={"vv": {"href": "../a/vv.tif"}, "vh": {"href": "../a/vh.tif"}}))
    result = found(tmp_path)
    assert (result.scenes, result.skipped) == ((), ())


def test_json_that_is_no_item_is_passed_over(tmp_path):
    write_scene(tmp_path, "a", "2021-02-01T09:30:00", {}, side=8)
    (tmp_path / "list.json").write_text("[1, 2]")
    (tmp_path / "other.json").write_text('{"type": "FeatureCollection"}')
    result = found(tmp_path)
    assert (len(result.scenes), result.skipped) == (1, ())


def test_broken_json_may_have_been_an_item_and_is_named(tmp_path):
    item = write_scene(tmp_path, "a", "2021-02-01T09:30:00", {}, side=8)
    write_scene(tmp_path, "b", "2021-03-01T09:30:00", {}, side=8)
    item.write_text(item.read_text()[:200])
    (tmp_path / "deep.json").write_text("[" * 200_000)
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    result = found(tmp_path)
    assert [scene.id for scene in result.scenes] == ["b"]
    assert [(s.scene_id, s.failed) for s in result.skipped] == [
        (name, True) for name in ("binary.json", "deep.json", "items/a.json")
    ]
    assert "is not readable JSON" in result.skipped[2].reason


@pytest.mark.parametrize(
    ("href", "says"),
    [
        ("../../outside.tif", "leads out of the imagery folder"),
        ("%2e%2e/%2e%2e/outside.tif", "leads out of the imagery folder"),
        ("/etc/hostname", "leads out of the imagery folder"),
        ("file:///etc/hostname", "leads out of the imagery folder"),
        ("../a/nothing.tif", "does not exist"),
        ("ftp://example.org/B02.tif", "not a file, http"),
        ("/vsicurl/http://example.org/B02.tif", "leads out of the imagery folder"),
        ("zip+https://example.org/a.zip!B02.tif", "not a file, http"),
        ("https://example.org/a b.tif", "not an http"),
        ("B02\u0000.tif", "not a path"),
        ("../a", "does not exist"),
    ],
)
def test_hrefs_that_lead_elsewhere_are_refused(tmp_path, href, says):
    root = tmp_path / "archive"
    item = write_scene(root, "a", "2021-02-01T09:30:00", {}, side=8)
    (tmp_path / "outside.tif").write_bytes((root / "a" / "B02.tif").read_bytes())
    change(item, lambda d: d["assets"]["B02"].update(href=href))
    result = found(root)
    assert result.scenes == ()
    assert says in result.skipped[0].reason


def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path):
    root = tmp_path / "archive"
    write_scene(root, "a", "2021-02-01T09:30:00", {}, side=8)
    outside = tmp_path / "outside.tif"
    (root / "a" / "B02.tif").rename(outside)
    (root / "a" / "B02.tif").symlink_to(outside)
    assert "leads out" in found(root).skipped[0].reason


def test_a_virtual_raster_is_not_opened(tmp_path):
    write_scene(tmp_path, "a", "2021-02-01T09:30:00", {}, side=8)
    (tmp_path / "a" / "B02.tif").write_text('<VRTDataset rasterXSize="8" rasterYSize="8"></VRTDataset>')
    source = FolderSource(tmp_path)
    scene = source.find(EVERYWHERE, *YEARS).scenes[0]
    with pytest.raises(SceneRejected, match=r"B02\.tif cannot be read"):
        source.read(scene, ("B02",), box(0, 0, 8, 8))


def test_a_file_cut_short_is_named(tmp_path):
    write_scene(tmp_path, "a", "2021-02-01T09:30:00", {"B08": np.random.default_rng(0).integers(1, 9, (64, 64))})
    path = tmp_path / "a" / "B08.tif"
    path.write_bytes(path.read_bytes()[:4000])
    source = FolderSource(tmp_path)
    scene = source.find(EVERYWHERE, *YEARS).scenes[0]
    with pytest.raises(SceneRejected, match=r"B08\.tif cannot be read"):
        source.read(scene, BANDS, box(0, 0, 64, 64))


PRODUCT_OF_NO_DAY = "S2A_MSIL2A_20210101T000000_N0301_R001_T33NXX_99999999T999999"


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda d: d["properties"].update(datetime="yesterday"), "no readable datetime"),
        (lambda d: d["properties"].update(datetime=None), "no readable datetime"),
        (lambda d: d["properties"].update(datetime=7), "no readable datetime"),
        (lambda d: d.update(id="x" * 300), "short printable text"),
        (lambda d: d.update(id="a\nb"), "short printable text"),
        (lambda d: d.update(assets=[]), "'assets' of the item is not an object"),
        (lambda d: d.update(properties=None), "'properties' of the item is not an object"),
        (lambda d: d["assets"].update(B02="B02.tif"), "'B02' of the item is not an object"),
        (lambda d: d["assets"]["B02"].update(href=3), "has no href"),
        (lambda d: d["properties"].pop("s2:processing_baseline"), "source.offset"),
        (lambda d: d["assets"]["B02"].update({"raster:bands": [{"scale": 10**400}]}), "cannot be understood"),
        (lambda d: d["properties"].update({"s2:product_uri": PRODUCT_OF_NO_DAY}), "cannot be understood"),
        (lambda d: d["assets"].update(product_metadata={"href": "//[x"}), "is no address"),
    ],
)
def test_items_that_make_no_sense_are_reported_with_the_reason(tmp_path, edit, says):
    item = write_scene(tmp_path, "a", "2021-02-01T09:30:00", {}, side=8)
    change(item, edit)
    result = found(tmp_path)
    assert result.scenes == ()
    assert result.skipped[0].failed
    assert says in result.skipped[0].reason


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: d.update(bbox=[10**400, 0, 1, 1]),
        lambda d: (
            [d["properties"].pop(key) for key in ("proj:epsg", "s2:mgrs_tile")],
            d["properties"].update({"mgrs:utm_zone": 3, "mgrs:latitude_band": "", "mgrs:grid_square": ""}),
        ),
        lambda d: d["assets"].update(product_metadata={"href": "a" * 5000}),
    ],
)
def test_what_only_helps_to_place_a_scene_may_be_nonsense(tmp_path, edit):
    change(write_scene(tmp_path, "a", "2021-02-01T09:30:00", {}, side=8), edit)
    assert len(found(tmp_path).scenes) == 1


def test_a_scene_from_before_the_satellite_is_refused():
    with pytest.raises(SceneRejected, match="flown since 2015-06-23"):
        scene_from_item(item_of("x", datetime(1960, 2, 1, tzinfo=UTC), (15, 4, 16, 5)), str)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=9),
    st.sampled_from(([], {}, [[]], "9999-12-31T23:59:59Z", "_N0400_R001_", "EPSG:999999", "MGRS-99NXX")),
    st.just([{"offset": float("nan"), "scale": float("nan")}]),
)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_whatever_an_item_says_it_is_a_scene_or_rejected(data):
    item = item_of("x", datetime(2021, 2, 1, tzinfo=UTC), (15, 4, 16, 5))
    item["assets"]["B02"]["raster:bands"] = [{"offset": 0, "scale": 0.0001}]
    owners = [item, item["properties"], item["assets"], item["assets"]["B02"], item["assets"]["B12"]]
    for owner in data.draw(st.lists(st.sampled_from(owners), min_size=1, max_size=3)):
        owner[data.draw(st.sampled_from(sorted(owner)))] = data.draw(VALUES)
    try:
        scene = scene_from_item(item, str)
    except SceneRejected:
        return
    assert scene.offset in (0, -1000)
    assert set(BANDS) <= set(scene.assets)


@pytest.mark.parametrize(
    "bbox", [None, [1, 2, 3], ["a", 1, 2, 3], [0, 50, 1, 40], [float("nan"), 0, 1, 1], [0, 0, 1e9, 1]]
)
def test_a_box_that_makes_no_sense_is_as_good_as_none(bbox):
    item = item_of("x", datetime(2021, 2, 1, tzinfo=UTC), (15, 4, 16, 5))
    item["bbox"] = bbox
    assert scene_from_item(item, str).bbox is None


@pytest.mark.parametrize(
    ("a", "b", "meet"),
    [
        ((0, 0, 2, 2), (2, 2, 3, 3), True),
        ((0, 0, 2, 2), (2.1, 0, 3, 3), False),
        ((0, 0, 2, 2), (0, 2.1, 3, 3), False),
        ((179, 0, -179, 2), (-179.5, 0, 0, 2), True),
        ((0, 0, 2, 2), (179, 0, -179, 2), False),
        ((170, 0, -170, 2), (179, 0, -179, 2), True),
    ],
)
def test_boxes_meet_also_across_the_antimeridian(a, b, meet):
    assert touches(a, b) is meet
    assert touches(b, a) is meet


def test_product_metadata_beside_the_files_decide(tmp_path):
    item = write_scene(tmp_path, "a", "2021-02-01T09:30:00", {}, side=8, baseline="02.12")
    offsets = "".join(f'<BOA_ADD_OFFSET band_id="{k}">-1000</BOA_ADD_OFFSET>' for k in range(13))
    (tmp_path / "a" / "MTD_MSIL2A.xml").write_text(
        f"<P><PROCESSING_BASELINE>05.00</PROCESSING_BASELINE><PRODUCT_URI>a</PRODUCT_URI><GENERATION_TIME>x"
        f"</GENERATION_TIME><BOA_QUANTIFICATION_VALUE>10000</BOA_QUANTIFICATION_VALUE>{offsets}</P>"
    )
    change(item, lambda d: d["assets"].update(product_metadata={"href": "../a/MTD_MSIL2A.xml"}))
    scene = found(tmp_path).scenes[0]
    assert (scene.offset, scene.baseline) == (-1000, "05.00")


def test_the_offset_of_the_config_goes_before_metadata(tmp_path):
    write_scene(tmp_path, "a", "2021-02-01T09:30:00", {}, side=8, baseline="05.09")
    scene = found(tmp_path, offset=0).scenes[0]
    assert (scene.offset, scene.offset_reason) == (0, "the config states it")


def test_earth_search_names_are_known_and_jpeg_2000_is_the_last_choice():
    item = item_of("S2A_33NUG_20210201_0_L2A", datetime(2021, 2, 1, tzinfo=UTC), (15, 4, 16, 5))
    names = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B08", "swir16": "B11", "swir22": "B12", "scl": "SCL"}
    jp2 = {f"{name}-jp2": {"href": f"s3://bucket/{band}.jp2"} for name, band in names.items()}
    item["assets"] = jp2 | {name: {"href": f"https://example.org/{band}.tif"} for name, band in names.items()}
    item["assets"]["nir08"] = {"href": "https://example.org/B8A.tif"}
    scene = scene_from_item(item, str)
    assert {band: asset.href for band, asset in scene.assets.items()} == {
        band: f"https://example.org/{band}.tif" for band in names.values()
    }
    item["assets"] = jp2
    assert scene_from_item(item, str).assets["B02"].href == "s3://bucket/B02.jp2"


def test_asset_names_of_other_catalogues_can_be_given():
    item = item_of("x", datetime(2021, 2, 1, tzinfo=UTC), (15, 4, 16, 5))
    item["assets"]["boa_blue"] = item["assets"].pop("B02")
    scene = scene_from_item(item, str, keys={"B02": "boa_blue"})
    assert scene.assets["B02"].href == "../x/B02.tif"


def test_other_asset_names_are_another_version_of_the_scene():
    item = item_of("x", datetime(2021, 2, 1, tzinfo=UTC), (15, 4, 16, 5))
    item["assets"]["B8A"] = item["assets"]["B08"]
    versions = [scene_from_item(item, str, keys=keys).version for keys in ({}, {"B08": "B8A"}, {"B08": "B08"})]
    assert len(set(versions)) == 3


def test_the_zone_is_taken_from_the_granule_name_where_the_grid_is_not_declared():
    item = item_of("x", datetime(2021, 2, 1, tzinfo=UTC), (15, 4, 16, 5))
    del item["properties"]["proj:epsg"]
    assert scene_from_item(item, str).epsg == 32633
    item["properties"]["s2:mgrs_tile"] = "35MNM"
    assert scene_from_item(item, str).epsg == 32735
    item["properties"]["proj:code"] = "EPSG:32634"
    assert scene_from_item(item, str).epsg == 32634


# --- plain files


def bands_of(start: int, side: int = 4) -> np.ndarray:
    return np.stack([np.full((side, side), start + k * 100, np.uint16) for k in range(6)])


def test_one_file_a_band_is_grouped_by_the_rest_of_the_name(tmp_path):
    for day in ("20210115", "2021-02-20"):
        for k, band in enumerate(BANDS):
            write_band(tmp_path / "sub" / f"S2_{day}_{band}_10m.tif", np.full((4, 4), k + 1, np.uint16), nodata=0)
    source = FolderSource(tmp_path, offset=0)
    result = source.find(EVERYWHERE, *YEARS)
    assert [(s.id, s.acquired.date(), s.has_scl) for s in result.scenes] == [
        ("sub/S2_20210115", date(2021, 1, 15), False),
        ("sub/S2_2021-02-20", date(2021, 2, 20), False),
    ]
    assert source.read(result.scenes[0], BANDS, box(0, 0, 4, 4))[:, 3, 3].tolist() == [1, 2, 3, 4, 5, 6]


def test_the_finest_of_several_resolutions_is_taken(tmp_path):
    for band in BANDS:
        write_band(tmp_path / f"20210115_{band}_20m.tif", np.full((2, 2), 20, np.uint16), 20, nodata=0)
        write_band(tmp_path / f"20210115_{band}_10m.tif", np.full((4, 4), 10, np.uint16), 10, nodata=0)
    source = FolderSource(tmp_path, offset=0)
    scene = source.find(EVERYWHERE, *YEARS).scenes[0]
    assert set(source.read(scene, BANDS, box(0, 0, 4, 4)).ravel().tolist()) == {10}


def test_a_file_of_six_bands_is_a_scene_and_a_seventh_is_the_classification(tmp_path):
    write_band(tmp_path / "patch_20210115.tif", bands_of(100))
    write_band(tmp_path / "patch_20210215.tif", np.concatenate([bands_of(200), np.full((1, 4, 4), 9, np.uint16)]))
    source = FolderSource(tmp_path, offset=0)
    six, seven = source.find(EVERYWHERE, *YEARS).scenes
    assert not six.has_scl
    assert source.read(six, BANDS, box(0, 0, 1, 1)).ravel().tolist() == [100, 200, 300, 400, 500, 600]
    assert source.read(seven, ("SCL", "B02"), box(0, 0, 1, 1)).ravel().tolist() == [9, 200]


def test_band_descriptions_go_before_the_order(tmp_path):
    path = write_band(tmp_path / "20210115.tif", bands_of(100))
    with rasterio.open(path, "r+") as dst:
        dst.descriptions = tuple(reversed(BANDS))
    source = FolderSource(tmp_path, offset=0)
    scene = source.find(EVERYWHERE, *YEARS).scenes[0]
    assert source.read(scene, BANDS, box(0, 0, 1, 1)).ravel().tolist() == [600, 500, 400, 300, 200, 100]


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("a_2019-01-01_2019-12-31", date(2019, 7, 2)),
        ("a_20190101-20190103_composite", date(2019, 1, 2)),
        ("S2A_MSIL2A_20210115T094031_N0214_R036_T33NXE_20210116T115049", date(2021, 1, 15)),
        ("a_2019-12-31_2019-01-01", date(2019, 12, 31)),
    ],
)
def test_a_name_gives_a_day_or_the_middle_of_a_span(name, day):
    assert acquired_from(name).date() == day


@pytest.mark.parametrize(
    ("name", "says"),
    [("plain", "no date"), ("a_20211345", "no date"), ("a_20210231", "not a date"), ("a_19990101", "has flown")],
)
def test_a_name_without_a_date_is_refused(name, says):
    with pytest.raises(SceneRejected, match=says):
        acquired_from(name)


def test_reals_from_0_to_1_are_scaled_and_need_no_offset(tmp_path):
    values = bands_of(1000).astype(np.float32) / 10000
    values[:, 0, 0], values[:, 0, 1], values[:, 0, 2] = np.nan, -0.01, 0.0
    write_band(tmp_path / "20210115.tif", values, nodata=np.nan)
    source = FolderSource(tmp_path)
    scene = source.find(EVERYWHERE, *YEARS).scenes[0]
    assert scene.offset_reason == "the files hold reflectance from 0 to 1"
    assert source.read(scene, ("B02",), box(0, 0, 4, 1)).ravel().tolist() == [0, 1, 0, 1000]


@pytest.mark.parametrize(
    ("dtype", "nodata", "raw", "stored"),
    [
        ("uint16", 0, [0, 5, 65535], [0, 5, 65535]),
        ("uint16", 7, [0, 5, 7], [1, 5, 0]),
        ("int16", None, [0, -3, -9999], [0, 1, 0]),
        ("int16", -9999, [0, 3000, -9999], [1, 3000, 0]),
        ("float32", None, [0.0, np.inf, 1e9], [0, 0, 65535]),
    ],
)
def test_numbers_of_any_type_become_uint16_with_0_for_no_data(dtype, nodata, raw, stored):
    assert as_stored(np.array(raw, dtype), nodata, 1.0).tolist() == stored


@pytest.mark.parametrize(
    ("dtype", "nodata", "raw", "stored"),
    [
        ("uint8", None, [4, 0, 255], [4, 0, 0]),
        ("uint8", 255, [4, 0, 255], [4, 0, 0]),
        ("uint8", 7, [4, 7], [4, 0]),
        ("float32", None, [4.0, np.nan, -1.0, 300.0], [4, 0, 0, 0]),
    ],
)
def test_ground_without_a_class_is_not_classified(dtype, nodata, raw, stored):
    assert as_stored(np.array(raw, dtype), nodata, 1.0, is_class=True).tolist() == stored


def test_plain_integers_need_an_offset_from_somewhere(tmp_path):
    write_band(tmp_path / "20210115.tif", bands_of(100))
    write_band(tmp_path / "S2A_MSIL2A_20210115T094031_N0509_R036_T33NXE_20230116T115049.tif", bands_of(100))
    result = found(tmp_path)
    assert [s.offset for s in result.scenes] == [-1000]
    assert [(s.scene_id, s.failed) for s in result.skipped] == [("20210115", True)]
    assert "source.offset" in result.skipped[0].reason


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ({"epsg": 4326, "left": 15.0, "top": 4.0, "step_m": 0.0001}, "is not in UTM"),
        ({"epsg": 3857}, "is not in UTM"),
        ({"left": LEFT + 3}, "off the 10 m lattice"),
        ({"step_m": 15}, "not 10 to 60 m"),
        ({"left": 1e12}, "outside a UTM zone"),
        ({"left": float("inf")}, "outside a UTM zone"),
        ({"crs": None}, "found None"),
    ],
)
def test_a_grid_off_the_lattice_is_refused_with_the_remedy(tmp_path, where, says):
    write_band(tmp_path / "20210115.tif", bands_of(100), **where)
    skipped = found(tmp_path, offset=0).skipped[0]
    assert skipped.failed
    assert says in skipped.reason
    assert "reproject it to the UTM zone" in skipped.reason


def test_a_rotated_grid_is_refused(tmp_path):
    write_band(tmp_path / "20210115.tif", bands_of(100), transform=Affine(10, 1, LEFT, 1, -10, TOP))
    assert "rotated" in found(tmp_path, offset=0).skipped[0].reason


def test_a_raster_of_another_zone_is_never_laid_on_the_tile(tmp_path):
    path = write_band(tmp_path / "x.tif", bands_of(100), epsg=32634)
    with pytest.raises(SceneRejected, match="never combined"):
        read_window(str(path), [1], 1.0, box(0, 0, 4, 4), np.empty((1, 4, 4), np.uint16))


def test_files_with_too_few_bands_are_named_with_the_remedy(tmp_path):
    write_band(tmp_path / "20210115.tif", bands_of(100)[:3])
    for band in BANDS[:5]:
        write_band(tmp_path / f"20210220_{band}.tif", np.ones((4, 4), np.uint16))
    reasons = {s.scene_id: s.reason for s in found(tmp_path, offset=0).skipped}
    assert "has 3 band(s) and no band names" in reasons["20210115"]
    assert "lacks B12" in reasons["20210220"]


def test_the_overview_shows_the_whole_scene_on_one_grid(tmp_path):
    ramp = np.arange(64 * 64).reshape(64, 64) + 1
    write_scene(tmp_path, "a", "2021-02-01T09:30:00", {"B02": ramp, "SCL": np.full((32, 32), 5)})
    source = FolderSource(tmp_path)
    scene = source.find(EVERYWHERE, *YEARS).scenes[0]
    small = source.overview(scene, ("B02", "SCL"), 16)
    assert small.shape == (2, 16, 16)
    assert (np.diff(small[0].astype(int), axis=0) > 0).all()
    assert source.overview(scene, ("B02", "SCL"), 512).shape == (2, 64, 64)


# --- opening a source


def test_a_folder_that_is_not_there_is_unavailable(tmp_path):
    with pytest.raises(SourceUnavailable, match=r"nowhere does not exist; check source\.path"):
        found(tmp_path / "nowhere")


def test_an_empty_folder_has_no_scenes(tmp_path):
    assert found(tmp_path).scenes == ()


def test_a_source_travels_to_workers_with_its_listing(tmp_path):
    write_scene(tmp_path, "a", "2021-02-01T09:30:00", {}, side=8)
    source = FolderSource(tmp_path)
    listed = source.find(EVERYWHERE, *YEARS)
    assert pickle.loads(pickle.dumps(source)).find(EVERYWHERE, *YEARS) == listed


def test_the_config_names_the_source(tmp_path):
    folder = open_source(
        config.FolderSource(kind="folder", path=Path("here"), offset="-1000"), tmp_path, config.Fetch()
    )
    assert isinstance(folder, FolderSource)
    assert (folder.root, folder.offset) == ((tmp_path / "here").resolve(), -1000)
    stac = open_source(config.StacSource(kind="stac"), tmp_path, config.Fetch())
    assert isinstance(stac, StacSource)
    assert stac.url == "https://earth-search.aws.element84.com/v1"


def test_a_simulation_that_is_not_made_yet_says_so(tmp_path):
    settings = config.SimulationSource(kind="simulation", scenario="demo", archive=Path("archive"))
    with pytest.raises(BadInput, match="placerwatch simulate"):
        open_source(settings, tmp_path, config.Fetch())
    (tmp_path / "archive").mkdir()
    assert open_source(settings, tmp_path, config.Fetch()).name == "simulation"
