"""Sentinel Hub as a source against its stand-in: what is found, and that pixels are those of the files."""

from __future__ import annotations

import contextlib
import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from rasterio.transform import from_origin
from sentinelhub.api.process import SentinelHubRequest
from sentinelhub.constants import CRS, MimeType
from sentinelhub.decoding import decode_tar
from sentinelhub.geometry import BBox

from pipeline import config
from pipeline.config import Fetch
from pipeline.errors import SceneRejected, SourceUnavailable
from pipeline.imagery import BANDS, SCL, FolderSource, RequestCost, build_radar, check_scene, open_source
from pipeline.imagery.radiometry import calibrate
from pipeline.imagery.sentinelhub import SentinelHubSource
from pipeline.imagery.sentinelhub_client import client_of
from pipeline.imagery.sentinelhub_items import overpass_of, radar_scene_of, relative_orbit, scene_of, unwanted_radar
from pipeline.imagery.sentinelhub_scripts import optical_data, optical_script, planes_of
from pipeline.imagery.stack import greenest_look, read_stack
from pipeline.simulation.archive import make_archive
from tests.radar_scenes import write_radar
from tests.scenes import write_scene
from tests.sentinelhub_server import PROCESS, SEARCH, SentinelHub
from tests.test_simulation_archive import small

EVERYWHERE = (-180.0, -90.0, 180.0, 90.0)
YEARS = (date(2015, 1, 1), date(2030, 1, 1))
NOW = Fetch(attempts=3, longest_wait_s=0, timeout_s=10)
WEST, NORTH, SHAPE = 410_000, 520_000, (60, 90)
OLD, NEW = "S2A_old", "S2A_new"
ALL = (*BANDS, SCL)

pytestmark = pytest.mark.usefixtures("hub_account")


def box(col: int, row: int, width: int, height: int, epsg: int = 32633) -> GeoBox:
    west, north = WEST + col * 10, NORTH - row * 10
    return GeoBox.from_bbox(
        (west, north - height * 10, west + width * 10, north), crs=f"EPSG:{epsg}", shape=(height, width)
    )


def uneven(seed: int, low: int, high: int) -> np.ndarray:
    """Six bands without any symmetry."""
    rng = np.random.default_rng(seed)
    ramp = np.add.outer(np.arange(SHAPE[0]) * 3, np.arange(SHAPE[1]))
    return (rng.integers(low, high, (6, *SHAPE)) + ramp).astype(np.uint16)


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """Two scenes: one before the offset of 1000 and one with it, each with gaps, dark ground and saturation."""
    root = tmp_path_factory.mktemp("hub")
    for name, day, added, baseline in ((OLD, "2021-01-10", 0, "02.14"), (NEW, "2022-01-15", 1000, "05.09")):
        bands = uneven(added, 200 + added, 4000 + added)
        bands[:, 50:, :7] = 0
        bands[3, 2, 4:9] = 0  # one band did not measure
        bands[0, 20:25, 30:33] = max(added - 7, 1)  # at or below zero
        bands[5, 31, 41] = 65535
        scl = np.random.default_rng(added).integers(1, 12, SHAPE).astype(np.uint8)
        scl[50:, :7] = 0
        write_scene(root, name, day, bands, west=WEST, north=NORTH, scl=scl, baseline=baseline, cloud_cover=12.5)
    return root


@pytest.fixture
def hub(archive):
    with SentinelHub(archive) as server:
        yield server


@pytest.fixture
def source(hub):
    return SentinelHubSource(hub.settings(), NOW)


def scenes_of(source, name: str | None = None):
    found = source.find(EVERYWHERE, *YEARS).scenes
    return found if name is None else next(scene for scene in found if scene.id == name)


# --- the Catalog


def test_each_item_of_the_catalogue_becomes_a_scene(archive, source):
    old, new = scenes_of(source)
    assert (old.id, new.id) == (OLD, NEW)
    assert old.acquired.isoformat() == "2021-01-10T09:30:00+00:00"
    assert (old.epsg, old.cloud_cover, old.platform) == (32633, 12.5, "sentinel-2a")
    assert old.has_scl
    assert (new.offset, new.offset_reason) == (0, "Sentinel Hub took the offset out (harmonizeValues)")
    assert old.bbox == scenes_of(FolderSource(archive))[0].bbox


def test_only_the_asked_days_and_place_are_found(source):
    assert [s.id for s in source.find(EVERYWHERE, date(2021, 1, 10), date(2021, 1, 10)).scenes] == [OLD]
    assert source.find((20.0, 4.0, 21.0, 5.0), *YEARS).scenes == ()


def test_pages_of_the_catalogue_are_followed_to_the_end(tmp_path):
    for day in range(1, 8):
        write_scene(tmp_path, f"S2A_{day}", f"2021-01-0{day}", uneven(day, 1, 9), west=WEST, north=NORTH)
    with SentinelHub(tmp_path, page=3) as hub:
        scenes = scenes_of(SentinelHubSource(hub.settings(), NOW))
        assert [s.id for s in scenes] == [f"S2A_{day}" for day in range(1, 8)]
        assert [body.get("next") for path, body in hub.bodies if path == SEARCH] == [None, 3, 6]


def test_granule_baseline_and_version_are_read_off_the_products_name(tmp_path):
    item = write_scene(tmp_path, "a", "2021-01-10", uneven(0, 1, 9), west=WEST, north=NORTH)
    document = json.loads(item.read_text())
    name = "S2A_MSIL2A_20210110T092411_N0500_R093_T33NWE_20230504T061512"
    document["properties"]["s2:product_uri"] = f"{name}.SAFE"
    item.write_text(json.dumps(document))
    with SentinelHub(tmp_path) as hub:
        (scene,) = scenes_of(SentinelHubSource(hub.settings(), NOW))
    assert (scene.id, scene.granule, scene.baseline) == (f"{name}.SAFE", "33NWE", "05.00")
    assert scene.processed == "2023-05-04T06:15:12+00:00"
    assert name in scene.version


@pytest.mark.parametrize("answer", [[], {"features": 1, "context": {}}, {"features": []}, {"context": 3}])
def test_an_answer_that_is_no_catalogue_is_unavailable(source, hub, monkeypatch, answer):
    monkeypatch.setattr(
        "tests.sentinelhub_server._Handler.search",
        lambda self, *_: self.send(200, json.dumps(answer).encode(), "application/json"),
    )
    with pytest.raises(SourceUnavailable, match="something else"):
        scenes_of(source)


def test_items_that_make_no_sense_are_reported_with_the_reason(source, hub):
    hub.items[0] = {**hub.items[0], "id": "x" * 300}
    found = source.find(EVERYWHERE, *YEARS)
    assert len(found.scenes) == 1
    assert [(s.reason, s.failed) for s in found.skipped] == [("the item's id is not a short printable text", True)]


WEIRD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=9),
    st.sampled_from(([], {}, [[]], "9999-12-31T23:59:59Z", "2026-06-12", "_N0400_R001_", "S1C_", 10**400)),
)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_whatever_an_item_of_the_catalogue_says_it_is_a_scene_or_rejected(data):
    item = {
        "id": "S1C_IW_GRDH_1SDV_20260101T000000_20260101T000025_005847_000001_ABCD",
        "bbox": [15, 4, 16, 5],
        "properties": {
            "datetime": "2026-01-01T00:00:00Z",
            "platform": "sentinel-1c",
            "proj:epsg": 32633,
            "eo:cloud_cover": 3,
            "sat:orbit_state": "ascending",
            "sar:instrument_mode": "IW",
            "s1:polarization": "DV",
        },
    }
    for owner in data.draw(st.lists(st.sampled_from((item, item["properties"])), min_size=1, max_size=3)):
        owner[data.draw(st.sampled_from(sorted(owner)))] = data.draw(WEIRD)
    for make in (lambda told: scene_of(told, "sentinel-2-l2a"), radar_scene_of, unwanted_radar):
        with contextlib.suppress(SceneRejected):
            assert make(item) != ""


# --- pixels


@pytest.mark.parametrize("name", [OLD, NEW])
@pytest.mark.parametrize("window", [box(-3, -5, 40, 37), box(11, 7, 50, 23), box(70, 45, 33, 31)])
def test_pixels_are_those_of_the_files_after_calibration(archive, source, name, window):
    def calibrated(origin):
        scene = scenes_of(origin, name)
        stored = origin.read(scene, ALL, window)
        out, valid = np.full((6, *window.shape), 65535, np.uint16), np.zeros(window.shape, bool)
        calibrate(stored[:6], scene.offset, out, valid)
        return out, valid, stored[6]

    for here, there in zip(calibrated(FolderSource(archive)), calibrated(source), strict=True):
        assert (here == there).all()
    assert 0 < there.max() < 12


def test_one_request_asks_for_the_bands_on_the_lattice_and_nothing_is_interpolated(source, hub):
    window = box(11, 7, 50, 23)
    source.read(scenes_of(source, NEW), ("B08", SCL), window)
    (body,) = hub.processed()
    assert body["input"]["bounds"]["bbox"] == [WEST + 110, NORTH - 300, WEST + 610, NORTH - 70]
    assert (body["output"]["width"], body["output"]["height"]) == (50, 23)
    assert body["input"]["bounds"]["properties"]["crs"].endswith("EPSG/0/32633")
    assert 'bands: ["B08", "SCL", "dataMask"]' in body["evalscript"]
    assert body["input"]["data"][0]["dataFilter"]["timeRange"] == {
        "from": "2022-01-15T09:28:00Z",
        "to": "2022-01-15T09:32:00Z",
    }


def test_the_server_gives_several_outputs_as_parts_of_one_answer_and_one_as_a_tiff(hub, source):
    """As documented; the source asks for one, and takes the parts for no TIFF."""
    client = client_of(hub.settings(), NOW)
    data = optical_data("sentinel-2-l2a", datetime(2022, 1, 15, 9, 30, tzinfo=UTC))
    shape, outputs = (23, 50), {"default": MimeType.TIFF, "userdata": MimeType.JSON}
    request = SentinelHubRequest(
        evalscript=optical_script(["B08"]),
        input_data=[data],
        responses=[SentinelHubRequest.output_response(name, kind) for name, kind in outputs.items()],
        bbox=BBox((WEST, NORTH - 230, WEST + 500, NORTH), crs=CRS("32633")),
        size=shape[::-1],
        config=client.config,
    )
    parts = client.ask(request.download_list[0], decode_tar, 1 << 20)
    assert parts["userdata.json"] == {}
    (near_infrared,) = source.read(scenes_of(source, NEW), ("B08",), box(0, 0, 50, 23))
    number, mask = np.moveaxis(parts["default.tif"], -1, 0)
    assert (np.where(mask, np.maximum(number, 1), 0) == near_infrared).all()
    with pytest.raises(SourceUnavailable, match="a TIFF that is not whole"):
        client.ask(request.download_list[0], lambda body: planes_of(body, 2, shape, "uint16"), 1 << 20)


def test_composites_and_season_looks_use_the_same_form(archive, source, hub):
    window, rules = box(3, 2, 30, 20), config.Imagery()
    for origin in (source, FolderSource(archive)):
        scenes = scenes_of(origin)
        stack, lost = read_stack(origin, scenes, window, 2)
        greenest, count, gone = greenest_look(origin, scenes, (), window, rules, 2)
        assert lost == gone == ()
        if origin is source:
            first = stack, greenest, count
    for a, b in zip((*vars(first[0]).values(), *first[1:]), (*vars(stack).values(), greenest, count), strict=True):
        assert (a == b).all()
    assert sorted(len(body["evalscript"].split("s.")) for body in hub.processed()) == [5, 5, 9, 9]


def two_granules(root: Path) -> None:
    """Two granules of one overpass: the second lies 30 rows farther south and was seen 14 seconds later."""
    for number, (time, row) in enumerate((("092411", 0), ("092425", 30))):
        name = f"S2B_MSIL2A_20210110T092409_N0209_R093_T33NW{'EF'[number]}_20210110T120000"
        item = write_scene(root, name, "2021-01-10", uneven(7, 300, 900), west=WEST, north=NORTH - row * 10)
        document = json.loads(item.read_text())
        document["properties"] |= {"datetime": f"2021-01-10T09:{time[2:4]}:{time[4:]}+00:00", "platform": "sentinel-2b"}
        item.write_text(json.dumps(document))


def test_granules_of_one_overpass_share_one_request_for_a_tile(tmp_path):
    two_granules(tmp_path)
    window = box(5, 20, 40, 60)
    with SentinelHub(tmp_path) as hub:
        source = SentinelHubSource(hub.settings(), NOW)
        scenes = scenes_of(source)
        assert len({overpass_of(scene) for scene in scenes}) == 1
        stack, lost = read_stack(source, scenes, window, 2)
        assert len(hub.processed()) == 1
    assert lost == ()
    assert stack.valid.shape == (1, 60, 40)
    assert stack.valid.all()


def test_threads_that_ask_for_one_overpass_at_once_share_the_request(tmp_path):
    two_granules(tmp_path)
    with SentinelHub(tmp_path) as hub:
        source = SentinelHubSource(hub.settings(), NOW)
        scenes = scenes_of(source)
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda scene: source.read(scene, ALL, box(0, 0, 9, 7)), [*scenes, *scenes]))
        assert len(hub.processed()) == 1
    assert all((answer == answers[0]).all() for answer in answers)
    answers[0][:] = 0
    assert answers[1].any()


def test_a_window_larger_than_an_answer_is_asked_for_in_parts(archive, source, hub):
    window = box(-5, -3, 2600, 70)
    scene = scenes_of(source, NEW)
    wide = source.read(scene, ("B02", "B12"), window)
    folder = FolderSource(archive)
    raw = folder.read(scenes_of(folder, NEW), ("B02", "B12"), window)
    assert sorted(body["output"]["width"] for body in hub.processed()) == [100, 2500]
    assert (wide[0] > 0).sum() == (raw[0] > 0).sum()
    assert source.cost(scene, 2, window.shape).requests == 2


def test_a_tile_of_another_zone_is_never_reprojected(source, hub):
    with pytest.raises(SceneRejected, match="never combined"):
        source.read(scenes_of(source, NEW), ALL, box(0, 0, 4, 4, epsg=32634))
    assert hub.processed() == []


def test_the_dark_floor_is_judged_on_an_overview_of_few_pixels(tmp_path):
    bands = np.random.default_rng(3).integers(1300, 2000, (6, 400, 300)).astype(np.uint16)
    write_scene(tmp_path, NEW, "2022-01-15", bands, west=WEST, north=NORTH, baseline="05.09")
    with SentinelHub(tmp_path) as hub:
        source = SentinelHubSource(hub.settings(), NOW)
        floor = check_scene(source, scenes_of(source, NEW))
        (body,) = hub.processed()
    assert floor.conclusive
    assert 290 < floor.floor < 330
    assert max(body["output"]["width"], body["output"]["height"]) == 256


# --- radar and elevation


def test_backscatter_is_that_of_the_files(tmp_path):
    rng = np.random.default_rng(5)
    vv, vh = rng.uniform(-25, 3, SHAPE), rng.uniform(-32, -5, SHAPE)
    vv[:4] = np.nan
    vh[:4] = np.nan
    name = "S1A_IW_GRDH_1SDV_20210105T170000_20210105T170025_036001_043966_33NWE"
    write_radar(tmp_path, name, "2021-01-05", vv, vh, west=WEST, north=NORTH, orbit="descending", track=52)
    window = box(-2, 3, 31, 17)
    folder = FolderSource(tmp_path)
    there = folder.find_radar(EVERYWHERE, *YEARS, "x").scenes[0]
    with SentinelHub(tmp_path) as hub:
        source = SentinelHubSource(hub.settings(), NOW)
        (scene,) = source.find_radar(EVERYWHERE, *YEARS, "sentinel-1-rtc").scenes
        stored = source.read_radar(scene, window)
        assert (stored == folder.read_radar(there, window)).all()
        assert hub.processed()[0]["input"]["data"][0]["dataFilter"]["orbitDirection"] == "DESCENDING"
    assert stored.dtype == np.int16
    assert (scene.id, scene.orbit, scene.line) == (name, "descending", f"descending {(36001 - 73) % 175 + 1:03d}")


def test_slices_of_one_pass_share_a_request(tmp_path):
    level = np.full(SHAPE, -8.0)
    for second, row in (("00", 0), ("25", 30)):
        name = f"S1A_IW_GRDH_1SDV_20210105T1700{second}_20210105T1700{int(second) + 25}_036001_043966_33NWE"
        when = f"2021-01-05T17:00:{second}+00:00"
        write_radar(tmp_path, name, when, level, level - 6, west=WEST, north=NORTH - row * 10)
    with SentinelHub(tmp_path) as hub:
        source = SentinelHubSource(hub.settings(), NOW)
        scenes = source.find_radar(EVERYWHERE, *YEARS, "").scenes
        looks = [source.read_radar(scene, box(4, 20, 10, 50)) for scene in scenes]
        assert len(hub.processed()) == 1
    assert (looks[0] == looks[1]).all()
    assert set(looks[0].ravel()) == {-800, -1400}


def test_statistics_of_backscatter_are_those_from_the_folder(tmp_path):
    names = []
    for number, second in enumerate(("00", "25", "50")):
        level = np.random.default_rng(number).uniform(-14, -6, SHAPE)
        level[:, 80 - 20 * number :] = np.nan
        absolute, day = 36001 + 175 * number, f"2021-01-{5 + 12 * number:02d}"
        stamp = f"{day.replace('-', '')}T1700{second}"
        names.append(f"S1A_IW_GRDH_1SDV_{stamp}_{stamp}_{absolute:06d}_043966_33NWE")
        track = relative_orbit(names[-1], date.fromisoformat(day))
        write_radar(
            tmp_path, names[-1], f"{day}T17:00:{second}+00:00", level, level - 6, west=WEST, north=NORTH, track=track
        )
    rules, made = config.Radar(min_looks=2, surroundings_m=100), []
    with SentinelHub(tmp_path) as hub:
        for origin in (SentinelHubSource(hub.settings(), NOW), FolderSource(tmp_path)):
            scenes = origin.find_radar(EVERYWHERE, *YEARS, "").scenes
            composite, lost = build_radar(origin, scenes, box(9, 11, 40, 20), rules)
            assert lost == ()
            made.append(composite)
    assert made[0].lines == made[1].lines == ("ascending 054",)
    assert (made[0].planes == made[1].planes).all()
    assert len(np.unique(made[0].planes)) > 100


def test_other_modes_and_polarisations_are_skipped_with_the_reason(tmp_path):
    level = np.full(SHAPE, -8.0)
    write_radar(tmp_path, "S1A_x", "2021-01-05", level, level, west=WEST, north=NORTH, **{"sar:polarizations": ["VV"]})
    write_radar(tmp_path, "S1A_y", "2021-01-06", level, level, west=WEST, north=NORTH, **{"sar:instrument_mode": "EW"})
    with SentinelHub(tmp_path) as hub:
        found = SentinelHubSource(hub.settings(), NOW).find_radar(EVERYWHERE, *YEARS, "")
    assert found.scenes == ()
    assert [(s.reason, s.failed) for s in found.skipped] == [
        ("polarisation 'SV'; DV is read", False),
        ("instrument mode 'EW'; IW is read", False),
    ]


@pytest.mark.parametrize(
    ("product", "day", "track"),
    [
        ("S1A_IW_GRDH_1SDV_20170909T175748_20170909T175813_018302_01EC88_98A1", date(2017, 9, 9), 30),
        ("S1B_IW_GRDH_1SDV_20170903T175659_20170903T175724_007231_00CBEF_874B", date(2017, 9, 3), 30),
        ("S1C_IW_GRDH_1SDV_20260101T000000_20260101T000025_005847_000001_ABCD", date(2026, 1, 1), 76),
        ("S1C_IW_GRDH_1SDV_20260801T000000_20260801T000025_009000_000001_ABCD", date(2026, 8, 1), 152),
        ("S1C_IW_GRDH_1SDV_20260612T000000_20260612T000025_008275_000001_ABCD", date(2026, 6, 12), 0),
        ("S1D_IW_GRDH_1SDV_20260927T112236_20260927T112305_004762_008EC4_A3A7.SAFE", date(2026, 9, 27), 171),
        ("S1E_IW_GRDH_1SDV_20290927T112236_20290927T112305_004762_008EC4_A3A7", date(2029, 9, 27), 0),
        ("radar", date(2021, 1, 1), 0),
    ],
)
def test_the_track_follows_from_the_absolute_orbit_in_the_products_name(product, day, track):
    assert relative_orbit(product, day) == track


def test_elevation_is_read_on_the_lattice_and_unknown_ground_is_nan(archive, tmp_path):
    heights = np.add.outer(np.arange(80.0) * 2, np.arange(110.0)).astype(np.float32) - 20.5
    heights[:, :6] = -9999
    path = tmp_path / "dem.tif"
    profile = {"driver": "GTiff", "count": 1, "dtype": "float32", "height": 80, "width": 110, "crs": "EPSG:32633"}
    with rasterio.open(path, "w", transform=from_origin(WEST, NORTH, 10, 10), nodata=-9999, **profile) as raster:
        raster.write(heights, 1)
    (tmp_path / "items").mkdir()
    with SentinelHub(tmp_path) as hub:
        source = SentinelHubSource(hub.settings(elevation="COPERNICUS_90"), NOW)
        got = source.read_elevation(box(2, 5, 30, 20))
        assert hub.processed()[0]["input"]["data"][0]["dataFilter"] == {"demInstance": "COPERNICUS_90"}
    assert source.elevation_name == "Copernicus DEM GLO-90 (Sentinel Hub)"
    assert got.dtype == np.float32
    assert np.isnan(got[:, :4]).all()
    assert (got[:, 4:] == heights[5:25, 6:32]).all()


def test_a_simulated_archive_reads_alike_from_the_folder_and_from_the_server(tmp_path):
    # Its 20 m bands begin on odd lattice pixels of the window, and some of its products carry the offset.
    root = make_archive(small(asset_keys="common", dry_looks=1), tmp_path / "archive")
    folder = FolderSource(root)
    window = GeoBox.from_bbox((622_530, 522_130, 622_530 + 710, 522_130 + 430), crs="EPSG:32633", shape=(43, 71))
    with SentinelHub(root) as hub:
        source = SentinelHubSource(hub.settings(), NOW)
        here, there = scenes_of(folder), scenes_of(source)
        assert [s.acquired for s in here] == [s.acquired for s in there]
        assert [s.baseline for s in here] == [s.baseline for s in there]
        assert {s.offset for s in here} == {0, -1000}
        assert there[0].id.startswith("S2")
        assert there[0].id.endswith(".SAFE")
        for a, b in zip(
            vars(read_stack(folder, here, window, 2)[0]).values(),
            vars(read_stack(source, there, window, 2)[0]).values(),
            strict=True,
        ):
            assert (a == b).all()


# --- cost, and travelling


def test_cost_is_told_before_anything_is_asked(source, hub):
    scene = scenes_of(source, NEW)
    cost = source.cost(scene, 7, (512, 1024))
    assert (cost.requests, cost.bytes) == (1, 8 * 2 * 512 * 1024)
    assert cost.processing_units == pytest.approx(2 * 7 / 3)
    assert source.radar_cost(scene, (512, 512)) == RequestCost(1, pytest.approx(2 / 3 * 2.5), 2 * 2 * 512 * 512)
    assert hub.processed() == []


def test_two_requests_are_in_flight_at_once(archive):
    with SentinelHub(archive, together=2) as hub:
        source = SentinelHubSource(hub.settings(), Fetch(attempts=1))
        scene = scenes_of(source, NEW)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda k: source.read(scene, ALL, box(k, 0, 60, 50)), range(4)))
        assert hub.served[PROCESS] == 4


def test_the_source_travels_and_its_copies_share_one_token(source, hub):
    scene = scenes_of(source, NEW)
    for k in range(3):
        copy = pickle.loads(pickle.dumps(source))
        assert copy.read(scene, ("B02",), box(k, 0, 4, 4)).shape == (1, 4, 4)
    assert hub.served["/token"] == 1


def test_the_config_names_the_source(tmp_path):
    named = config.SentinelHubSource(kind="sentinelhub", deployment="commercial")
    source = open_source(named, tmp_path, Fetch())
    assert isinstance(source, SentinelHubSource)
    assert source.settings == named
