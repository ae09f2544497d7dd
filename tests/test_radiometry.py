"""The offset of Sentinel-2 numbers: by metadata, never by date, and held against the pixels."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pipeline.errors import SceneRejected
from pipeline.imagery.items import scene_from_item
from pipeline.imagery.radiometry import calibrate, check_scene, decide_offset, judge_floor
from pipeline.imagery.safe import read_safe
from pipeline.imagery.scene import BANDS, Asset, Scene

NEW, OLD = "2030-01-01T09:00:00Z", "2016-01-01T09:00:00Z"


def decided(*, declared=None, scale=0.0001, name="S2A_33NUG", safe=None, **properties):
    bands = {"raster:bands": [{"nodata": 0, "scale": scale, "offset": declared}]} if declared is not None else {}
    item = {"id": name, "properties": {key.replace("__", ":"): value for key, value in properties.items()}}
    return decide_offset(item, dict.fromkeys(BANDS, bands), safe)


@pytest.mark.parametrize(
    ("case", "offset", "says"),
    [
        ({"s2__processing_baseline": "02.12"}, 0, "baseline 02.12"),
        ({"s2__processing_baseline": "04.00"}, -1000, "baseline 04.00"),
        ({"s2__processing_baseline": "05.09", "datetime": OLD}, -1000, "baseline 05.09"),
        ({"s2__processing_baseline": "03.01", "datetime": NEW}, 0, "baseline 03.01"),
        ({"name": "S2A_MSIL2A_20160101T094031_N0500_R036_T33NXE_20230101T115049"}, -1000, "baseline 05.00"),
        ({"declared": -0.1}, -1000, "the assets declare offset -0.1"),
        ({"declared": 0}, 0, "the assets declare offset 0"),
        # The scars of the field: the flag speaks of these files, the rest of where they came from.
        (
            {"earthsearch__boa_offset_applied": True, "declared": -0.1, "s2__processing_baseline": "05.09"},
            0,
            "earthsearch:boa_offset_applied is true, although the assets declare offset -0.1",
        ),
        ({"sentinel__boa_offset_applied": True, "sentinel__processing_baseline": "04.00"}, 0, "applied is true"),
        ({"earthsearch__boa_offset_applied": False, "s2__processing_baseline": "04.00"}, -1000, "applied is false"),
        ({"earthsearch__boa_offset_applied": False, "s2__processing_baseline": "02.14"}, 0, "baseline 02.14"),
        (
            {"earthsearch__boa_offset_applied": False, "declared": 0, "s2__processing_baseline": "05.09"},
            -1000,
            "applied is false, although the assets declare offset 0",
        ),
        ({"declared": -0.1, "s2__processing_baseline": "02.12"}, -1000, "although the processing baseline is 02.12"),
        ({"declared": 0, "s2__processing_baseline": "05.10"}, 0, "although the processing baseline is 05.10"),
    ],
)
def test_metadata_decide_by_a_stated_order(case, offset, says):
    decision = decided(**case)
    assert decision.offset == offset
    assert says in decision.reason


FLAGGED = {"earthsearch:boa_offset_applied": True, "s2:processing_baseline": "05.09"}
COGS = {band: {"href": f"https://example.org/{band}.tif", "raster:bands": [{"offset": -0.1}]} for band in BANDS}
ORIGINALS = {band: {"href": f"s3://bucket/{band}.jp2", "raster:bands": [{"offset": -0.1}]} for band in BANDS}


def test_the_flag_of_earth_search_speaks_of_its_own_files_and_not_of_the_original_jpeg_2000():
    assert decide_offset({"id": "x", "properties": FLAGGED}, COGS).offset == 0
    assert decide_offset({"id": "x", "properties": FLAGGED}, ORIGINALS).offset == -1000
    old = {**FLAGGED, "s2:processing_baseline": "02.14"}
    plain = {band: {"href": asset["href"]} for band, asset in ORIGINALS.items()}
    assert decide_offset({"id": "x", "properties": old}, plain).offset == 0


def test_files_of_which_some_hold_the_offset_are_refused():
    mixed = {**COGS, "B11": ORIGINALS["B11"]}
    with pytest.raises(SceneRejected, match="some of its bands are JPEG 2000"):
        decide_offset({"id": "x", "properties": FLAGGED}, mixed)


def test_collection_1_of_earth_search_keeps_the_offset_and_says_so():
    c1 = {"s2:processing_baseline": "05.00", "datetime": OLD}
    assert decide_offset({"id": "S2A_T33NUG_20160101T090000_L2A", "properties": c1}, COGS).offset == -1000


def test_a_baseline_of_home_made_products_decides_nothing():
    with pytest.raises(SceneRejected, match=r"source\.offset"):
        decided(s2__processing_baseline="99.99")
    assert decided(s2__processing_baseline="99.99", declared=-0.1).reason == "the assets declare offset -0.1"


def test_the_date_alone_decides_nothing():
    with pytest.raises(SceneRejected, match=r"source\.offset"):
        decided(datetime=NEW)


def test_an_offset_never_seen_before_is_refused():
    with pytest.raises(SceneRejected, match=r"\[-500\]"):
        decided(declared=-0.05)


def test_a_scale_other_than_a_ten_thousandth_is_refused():
    with pytest.raises(SceneRejected, match=r"scale 2\.75e-05"):
        decided(declared=0, scale=0.0000275)


def test_bands_that_declare_different_offsets_are_refused():
    bands = {band: {"raster:bands": [{"offset": 0 if band == "B12" else -0.1}]} for band in BANDS}
    with pytest.raises(SceneRejected, match=r"\[-1000, 0\]"):
        decide_offset({"id": "x", "properties": {}}, bands)


EXPECTED = {"N0212": 0, "N0214": 0, "N0400": -1000, "N0509": -1000}


def test_every_real_product_has_the_offset_of_its_baseline(shared_data):
    folders = sorted((shared_data / "safe_metadata").glob("*.SAFE"))
    assert len(folders) == 4
    for folder in folders:
        expected = next(offset for name, offset in EXPECTED.items() if f"_{name}_" in folder.name)
        item = json.loads((folder / "expected_output.json").read_text())
        safe = read_safe(folder / "MTD_MSIL2A.xml")
        assert (safe.offset or 0) == expected
        assert safe.product_uri in folder.name
        for known in (None, safe):
            scene = scene_from_item(item, str, safe=known)
            assert scene.offset == expected, scene.offset_reason
            assert "although" not in scene.offset_reason
            assert f"_N{scene.baseline.replace('.', '')}_" in folder.name


def test_every_real_item_has_the_offset_of_its_baseline(shared_data):
    count = 0
    for path in sorted((shared_data / "stac").iterdir()):
        document = json.loads(path.read_text())
        for item in document.get("features", [document]):
            scene = scene_from_item(item, str)
            assert scene.baseline in ("02.12", "02.14")
            assert scene.offset == 0
            assert set(scene.assets) == {*BANDS, "SCL"}
            assert scene.epsg in (32628, 32606, 32735)
            count += 1
    assert count == 25


def xml(body: str, head: str = "") -> str:
    return f"""<?xml version="1.0"?>{head}<n1:Product xmlns:n1="urn:x"><PROCESSING_BASELINE>04.00</PROCESSING_BASELINE>
    <PRODUCT_URI>S2A.SAFE</PRODUCT_URI><GENERATION_TIME>2022-01-01T00:00:00Z</GENERATION_TIME>{body}</n1:Product>"""


QUANTUM = "<BOA_QUANTIFICATION_VALUE>10000</BOA_QUANTIFICATION_VALUE>"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (xml(QUANTUM, '<!DOCTYPE x [<!ENTITY a "b">]>'), "document type"),
        (xml(QUANTUM.replace("10000", "5000")), "quantification value of 5000"),
        (xml(QUANTUM).replace("04.00", "new"), "names no processing baseline"),
        (xml(""), "not readable"),
        (xml(QUANTUM)[:-20], "not readable"),
        (xml(QUANTUM + '<BOA_ADD_OFFSET band_id="1">-1000</BOA_ADD_OFFSET>'), "offsets"),
    ],
)
def test_strange_product_metadata_are_refused(tmp_path, text, says):
    path = tmp_path / "MTD_MSIL2A.xml"
    path.write_text(text)
    with pytest.raises(SceneRejected, match=says):
        read_safe(path)


def test_calibrated_numbers_keep_dark_ground_apart_from_no_data():
    stored = np.array([[[0, 1, 1000, 1001], [1200, 65535, 3000, 40000]]], np.uint16)
    out, valid = np.full_like(stored, 65535), np.zeros((2, 4), bool)
    fresh = calibrate(stored, -1000, out, valid)
    assert out.tolist() == [[[65535, 1, 1, 1], [200, 65535, 2000, 39000]]]
    assert valid.astype(int).tolist() == [[0, 1, 1, 1], [1, 0, 1, 1]]
    assert (fresh == valid).all()


def test_a_pixel_that_one_band_did_not_measure_is_not_valid():
    stored = np.array([[[5, 6]], [[0, 7]]], np.uint16)
    out, valid = np.full_like(stored, 65535), np.zeros((1, 2), bool)
    calibrate(stored, 0, out, valid)
    assert valid.tolist() == [[False, True]]
    assert out[:, 0, 0].tolist() == [65535, 65535]


def test_the_first_granule_to_measure_a_pixel_keeps_it():
    out, valid = np.full((1, 1, 3), 65535, np.uint16), np.zeros((1, 3), bool)
    calibrate(np.array([[[7, 0, 0]]], np.uint16), 0, out, valid)
    fresh = calibrate(np.array([[[9, 9, 0]]], np.uint16), 0, out, valid)
    assert out.ravel().tolist() == [7, 9, 65535]
    assert fresh.ravel().tolist() == [False, True, False]


def scene_with(offset: int, bbox=(15.0, 4.0, 15.5, 4.5)) -> Scene:
    return Scene("S2", "v", None, {"B02": Asset("x")}, offset=offset, offset_reason="the metadata say so", bbox=bbox)


def floor_at(level: int) -> np.ndarray:
    return np.linspace(level, level + 2000, 1000).astype(np.uint16)


@pytest.mark.parametrize(("offset", "level"), [(0, 300), (0, 850), (-1000, 1300), (-1000, 950)])
def test_a_floor_that_agrees_passes(offset, level):
    result = judge_floor(scene_with(offset), floor_at(level))
    assert result.conclusive
    assert level < result.floor < level + 50


@pytest.mark.parametrize(("offset", "level", "says"), [(-1000, 300, "too dark"), (0, 1250, "too bright")])
def test_a_floor_that_contradicts_the_metadata_stops_the_scene(offset, level, says):
    with pytest.raises(SceneRejected, match=f"{says}.*because the metadata say so"):
        judge_floor(scene_with(offset), floor_at(level))


def test_little_clear_land_tells_nothing():
    assert not judge_floor(scene_with(-1000), floor_at(300)[:150]).conclusive
    assert not judge_floor(scene_with(-1000), floor_at(300), area_km2=0.4).conclusive


def test_a_small_bright_place_is_no_contradiction():
    assert not judge_floor(scene_with(0), floor_at(1400), area_km2=9).conclusive


class OneLook:
    """A source whose overview is given."""

    def __init__(self, **bands):
        self.bands = bands

    def overview(self, scene, bands, side_px):
        return np.stack([self.bands[band] for band in bands])


def test_only_clear_land_counts_for_the_floor():
    blue, scl = np.full((40, 40), 200, np.uint16), np.full((40, 40), 3, np.uint16)
    blue[:20], scl[:20] = 1400, 4
    scene = Scene("S2", "v", None, {"B02": Asset("x"), "SCL": Asset("y")}, offset=-1000, bbox=(15, 4, 15.5, 4.5))
    result = check_scene(OneLook(B02=blue, SCL=scl), scene)
    assert result.floor == 1400
    assert result.clear_px == 800


def test_no_data_does_not_count_for_the_floor_of_a_scene_without_classes():
    blue = np.zeros((40, 40), np.uint16)
    blue[:, :30] = 350
    assert check_scene(OneLook(B02=blue), scene_with(0)).floor == 350


def test_pixels_at_the_edge_of_the_imagery_do_not_count_for_the_floor():
    """A strip seen from six pixels in: its edge, a mean of ground and nothing, is a third of it."""
    blue = np.zeros((120, 120), np.uint16)
    blue[:, 60:66] = 1250
    blue[:, [60, 65]] = 600
    assert check_scene(OneLook(B02=blue), scene_with(-1000)).floor == 1250


def test_the_floor_of_real_clear_land_agrees_with_its_baseline(shared_data):
    netcdf = pytest.importorskip("netCDF4")
    folder = shared_data / "tanzania_belgium" / "belgium_00002806639B424A"
    bands = {}
    for path in sorted(folder.glob("S2_*.nc")):
        with netcdf.Dataset(path) as data:
            data.set_auto_maskandscale(False)
            bands.update({b: data[b][:] for b in ("B02", "SCL") if b in data.variables})
    verdicts = []
    for blue, scl in zip(bands["B02"], bands["SCL"], strict=True):
        land = np.isin(scl.repeat(2, 0).repeat(2, 1), (4, 5)) & (blue > 0) & (blue < 65535)
        result = judge_floor(scene_with(0), blue[land])
        verdicts.append(result.conclusive)
        if result.conclusive:
            with pytest.raises(SceneRejected, match="too dark"):
                judge_floor(scene_with(-1000), blue[land])
    assert sum(verdicts) > 40
