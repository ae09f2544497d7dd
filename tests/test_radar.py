"""Sentinel-1 scenes and their statistics, on grounds that can be worked out by hand and on real series."""

from __future__ import annotations

import copy
from datetime import date, datetime, timedelta
from itertools import combinations
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from benchmarks.radar import tables
from pipeline.areas.lattice import Tile
from pipeline.config import Radar
from pipeline.errors import SceneRejected
from pipeline.imagery import RADAR_NODATA, FolderSource, RadarComposite, RadarList, StacSource, build_radar
from pipeline.imagery.radar import (
    AROUND,
    LINE_PLANES,
    LOOKS,
    by_orbit,
    multilooked,
    order_statistics,
    order_weights,
    overpasses,
    surroundings,
)
from pipeline.imagery.radar_items import Backscatter, is_radar, radar_from_item, unwanted
from pipeline.imagery.radar_raster import from_power, read_backscatter, to_power
from tests.radar_scenes import radar_item, speckled, write_radar, write_raster

TILE = Tile(32633, 60, 100)
WEST, NORTH = TILE.geobox.affine.c, TILE.geobox.affine.f
EVERYWHERE = (-180.0, -90.0, 180.0, 90.0)
YEAR = date(2021, 1, 1), date(2021, 12, 31)
ITEM = radar_item("S1A_1", "2021-01-05T17:00:00+00:00", (15.0, 4.0, 15.1, 4.1))


# --- items ---


def test_a_scene_knows_its_orbit_its_track_and_what_its_numbers_are() -> None:
    scene = radar_from_item(ITEM, lambda href: f"archive/{href}")
    assert (scene.orbit, scene.track, scene.line) == ("ascending", 29, "ascending 029")
    assert scene.bands == tuple(Backscatter(f"archive/../S1A_1/{p}.tif", 0.01, True) for p in ("vv", "vh"))
    assert scene.acquired.isoformat() == "2021-01-05T17:00:00+00:00"


def test_an_item_of_the_planetary_computer_holds_linear_power() -> None:
    """Its bands declare float32 and no unit."""
    item = copy.deepcopy(ITEM)
    for asset in item["assets"].values():
        asset["raster:bands"] = [{"nodata": -32768, "data_type": "float32", "spatial_resolution": 10.0}]
    assert radar_from_item(item, str).bands[0] == Backscatter("../S1A_1/vv.tif", 1.0, False)


def test_bands_of_stac_1_1_are_understood() -> None:
    item = copy.deepcopy(ITEM)
    for asset in item["assets"].values():
        asset["bands"] = [{"unit": "dB", "raster:scale": 0.01}]
        del asset["raster:bands"]
    assert radar_from_item(item, str).bands[1] == Backscatter("../S1A_1/vh.tif", 0.01, True)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sat:orbit_state": None}, "never mixed"),
        ({"sat:orbit_state": "geostationary"}, "never mixed"),
        ({"sat:relative_orbit": 176}, "not 1 to 175"),
        ({"sat:relative_orbit": "29"}, "not 1 to 175"),
        ({"sat:relative_orbit": True}, "not 1 to 175"),
        ({"datetime": "2013-01-01T00:00:00Z"}, "has flown since 2014-04-03"),
        ({"datetime": "soon"}, "no readable datetime"),
    ],
)
def test_a_broken_item_is_refused_with_the_reason(changes: dict, reason: str) -> None:
    item = copy.deepcopy(ITEM)
    item["properties"] |= changes
    with pytest.raises(SceneRejected, match=reason):
        radar_from_item(item, str)


@pytest.mark.parametrize("scale", [0, -1, "0.01", 1e300, None, [1]])
def test_a_scale_that_is_no_positive_number_is_refused(scale: object) -> None:
    item = copy.deepcopy(ITEM)
    item["assets"]["vv"]["raster:bands"] = [{"scale": scale, "unit": "dB"}]
    with pytest.raises(SceneRejected, match="scale of vv"):
        radar_from_item(item, str)


def test_other_modes_and_single_polarisations_are_left_out_not_failed() -> None:
    wide, single = copy.deepcopy(ITEM), copy.deepcopy(ITEM)
    wide["properties"]["sar:instrument_mode"] = "EW"
    del single["assets"]["vh"]
    assert unwanted(ITEM) is None
    assert unwanted(wide) == "instrument mode 'EW'; IW is read"
    assert unwanted(single) == "lacks VH; both polarisations are read"


def test_optical_items_are_no_radar() -> None:
    assert is_radar(ITEM)
    assert not is_radar({"properties": {"platform": "sentinel-2a"}, "assets": {"B02": {}}})
    assert not is_radar({"properties": None, "assets": []})


# --- a folder of both sensors ---


def flat(db: float, side: int = 40):
    return np.full((side, side), db)


def test_a_folder_gives_radar_apart_from_optical_scenes(tmp_path: Path) -> None:
    write_radar(tmp_path, "S1A_b", "2021-02-01", flat(-9), flat(-15), west=WEST, north=NORTH)
    write_radar(
        tmp_path, "S1A_a", "2021-01-20", flat(-9), flat(-15), west=WEST, north=NORTH, orbit="descending", track=7
    )
    source = FolderSource(tmp_path)
    assert source.find(EVERYWHERE, *YEAR).scenes == ()
    found = source.find_radar(EVERYWHERE, *YEAR, "sentinel-1-rtc")
    assert [(scene.id, scene.line) for scene in found.scenes] == [
        ("S1A_a", "descending 007"),
        ("S1A_b", "ascending 029"),
    ]
    assert source.find_radar(EVERYWHERE, date(2021, 2, 1), date(2021, 2, 1), "").scenes == found.scenes[1:]
    assert source.find_radar((0.0, 0.0, 1.0, 1.0), *YEAR, "").scenes == ()


def test_a_scene_written_anew_has_another_version(tmp_path: Path) -> None:
    write_radar(tmp_path, "S1A_a", "2021-01-20", flat(-9), flat(-15), west=WEST, north=NORTH)
    (before,) = FolderSource(tmp_path).find_radar(EVERYWHERE, *YEAR, "").scenes
    write_raster(tmp_path / "S1A_a" / "vh.tif", np.full((40, 40), -1501, np.int16), WEST, NORTH, 32633)
    (after,) = FolderSource(tmp_path).find_radar(EVERYWHERE, *YEAR, "").scenes
    assert before.version != after.version


def test_broken_items_are_named_as_failed(tmp_path: Path) -> None:
    path = write_radar(tmp_path, "S1A_a", "2021-01-20", flat(-9), flat(-15), west=WEST, north=NORTH)
    path.write_text(path.read_text().replace("ascending", "sideways"))
    found = FolderSource(tmp_path).find_radar(EVERYWHERE, *YEAR, "")
    assert found.scenes == ()
    assert [(lost.scene_id, lost.failed) for lost in found.skipped] == [("items/S1A_a.json", True)]


def test_assets_outside_the_folder_are_not_read(tmp_path: Path) -> None:
    path = write_radar(tmp_path / "in", "S1A_a", "2021-01-20", flat(-9), flat(-15), west=WEST, north=NORTH)
    write_raster(tmp_path / "secret.tif", np.full((40, 40), -900, np.int16), WEST, NORTH, 32633)
    path.write_text(path.read_text().replace("../S1A_a/vv.tif", "../../secret.tif"))
    found = FolderSource(tmp_path / "in").find_radar(EVERYWHERE, *YEAR, "")
    assert "leads out" in found.skipped[0].reason


# --- an API ---


def answered(monkeypatch, items: list[dict]) -> StacSource:
    """An API that answers every search with some items; what is asked is kept in `asked`."""
    source = StacSource("https://stac.example/v1", ["sentinel-2-l2a"])
    source.asked = []  # type: ignore[attr-defined]

    def search(collections, *_):
        source.asked.append(collections)  # type: ignore[attr-defined]
        return items

    monkeypatch.setattr(source, "_search", search)
    return source


def remote(name: str = "S1A_1", **properties) -> dict:
    item = radar_item(name, "2021-01-05T17:00:00+00:00", (15.0, 4.0, 15.1, 4.1), **properties)
    for band, asset in item["assets"].items():
        asset["href"] = f"https://data.example/{name}/{band}.tif"
    return item


def test_an_api_is_asked_for_the_radar_collection(monkeypatch) -> None:
    wide, broken = remote("S1A_2", **{"sar:instrument_mode": "EW"}), remote("S1A_3", track=999)
    source = answered(monkeypatch, [remote(), wide, broken])
    found = source.find_radar(EVERYWHERE, *YEAR, "sentinel-1-rtc")
    assert source.asked == [("sentinel-1-rtc",)]
    assert [scene.id for scene in found.scenes] == ["S1A_1"]
    assert found.scenes[0].bands[0].href == "https://data.example/S1A_1/vv.tif"
    assert [(lost.scene_id, lost.failed) for lost in found.skipped] == [("S1A_2", False), ("S1A_3", True)]


def test_optical_items_and_scenes_outside_the_search_are_not_taken_for_radar(monkeypatch) -> None:
    optical = {
        "type": "Feature",
        "id": "S2A",
        "properties": {"datetime": "2021-01-05T00:00:00Z"},
        "assets": {"B02": {}},
    }
    source = answered(monkeypatch, [optical, remote()])
    assert source.find_radar(EVERYWHERE, date(2021, 2, 1), date(2021, 3, 1), "x").scenes == ()
    assert source.find_radar((0.0, 0.0, 1.0, 1.0), *YEAR, "x") == RadarList(())


def test_an_api_may_not_lead_to_local_files(monkeypatch) -> None:
    item = remote()
    item["assets"]["vv"]["href"] = "file:///etc/passwd"
    found = answered(monkeypatch, [item]).find_radar(EVERYWHERE, *YEAR, "x")
    assert found.scenes == ()
    assert "not an http(s) or s3 address" in found.skipped[0].reason


# --- rasters on the lattice ---

SMALL = TILE.geobox[:4, :5]
ROWS = np.arange(20, dtype=np.int16).reshape(4, 5)


def test_a_raster_on_the_lattice_is_read_as_it_is(tmp_path: Path) -> None:
    values = -1000 - ROWS
    values[1, 3] = -32768
    path = write_raster(tmp_path / "vv.tif", values, WEST, NORTH, 32633, nodata=-32768)
    got = read_backscatter(Backscatter(str(path), 0.01, True), SMALL)
    assert got.tolist() == values.tolist()


def test_a_window_beyond_the_file_is_unknown(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "vv.tif", -1000 - ROWS, WEST + 20, NORTH - 10, 32633)
    got = read_backscatter(Backscatter(str(path), 0.01, True), SMALL)
    expected = np.full((4, 5), RADAR_NODATA)
    expected[1:, 2:] = (-1000 - ROWS)[:3, :3]
    assert got.tolist() == expected.tolist()


def test_linear_power_becomes_decibels(tmp_path: Path) -> None:
    power = np.array([[0.1, 1.0, 0.05], [0.0, -0.2, np.nan], [1e-9, 1e6, -32768.0]], np.float32)
    path = write_raster(tmp_path / "vv.tif", power, WEST, NORTH, 32633, nodata=-32768)
    got = read_backscatter(Backscatter(str(path)), TILE.geobox[:3, :3])
    none = RADAR_NODATA
    assert got.tolist() == [[-1000, 0, -1301], [none, none, none], [none, none, none]]


def test_coarser_pixels_of_the_lattice_are_repeated(tmp_path: Path) -> None:
    values = np.array([[-1000, -1100], [-1200, -1300]], np.int16)
    path = write_raster(tmp_path / "vv.tif", values, WEST, NORTH, 32633, step=20)
    got = read_backscatter(Backscatter(str(path), 0.01, True), TILE.geobox[1:4, 1:4])
    assert got.tolist() == [[-1000, -1100, -1100], [-1200, -1300, -1300], [-1200, -1300, -1300]]


def test_a_raster_half_a_pixel_off_is_interpolated_in_power_not_in_decibels(tmp_path: Path) -> None:
    values = np.tile(np.array([0, -2000], np.int16), (6, 3))  # columns of power 1 and 0.01
    path = write_raster(tmp_path / "vv.tif", values, WEST - 15, NORTH + 10, 32633)
    got = read_backscatter(Backscatter(str(path), 0.01, True), TILE.geobox[:3, :3])
    assert (got == round(1000 * np.log10(0.505))).all()  # -2.97 dB; a mean of decibels would say -10


def test_a_raster_of_the_next_zone_lands_in_its_place(tmp_path: Path) -> None:
    """A gradient to the north in UTM 34N read on a tile of 33N: both zones see it at the same place."""
    east = Tile(32633, 155, 100)  # near 18 E
    x, y = east.geobox.affine.c, east.geobox.affine.f
    in_34 = Transformer.from_crs(32633, 32634, always_xy=True)
    u, v = in_34.transform(x, y)
    left, top = u - 2003, v + 2007  # off the lattice on purpose
    rows, cols = np.mgrid[:600, :600]
    power = (0.05 + 0.0001 * rows + 0.00002 * cols).astype(np.float32)
    path = write_raster(tmp_path / "vv.tif", power, left, top, 32634)
    box = east.geobox[:30, :40]
    got = to_power(read_backscatter(Backscatter(str(path)), box))
    r, c = np.mgrid[:30, :40]
    u, v = in_34.transform(x + 10 * c + 5, y - 10 * r - 5)
    expected = 0.05 + 0.0001 * ((top - v) / 10 - 0.5) + 0.00002 * ((u - left) / 10 - 0.5)
    assert np.abs(got / expected - 1).max() < 0.00116  # half of 0.01 dB


def test_what_is_warped_does_not_depend_on_the_window(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    power = rng.gamma(4, 0.02, (120, 120)).astype(np.float32)
    path = write_raster(tmp_path / "vv.tif", power, WEST - 203, NORTH + 207, 32633)
    whole = read_backscatter(Backscatter(str(path)), TILE.geobox[:60, :60])
    part = read_backscatter(Backscatter(str(path)), TILE.geobox[17:45, 23:58])
    assert (whole != RADAR_NODATA).all()
    assert np.array_equal(whole[17:45, 23:58], part)


def test_what_lies_in_the_next_zone_does_not_depend_on_the_window(tmp_path: Path) -> None:
    """Rows of one zone are curves in the other, which no straight line between the ends of a window follows."""
    east = Tile(32633, 155, 100)
    u, v = Transformer.from_crs(32633, 32634, always_xy=True).transform(east.geobox.affine.c, east.geobox.affine.f)
    power = np.random.default_rng(2).gamma(4, 0.02, (900, 900)).astype(np.float32)
    path = write_raster(tmp_path / "vv.tif", power, u - 2003, v + 2007, 32634)
    whole = read_backscatter(Backscatter(str(path)), east.geobox[:512, :512])
    part = read_backscatter(Backscatter(str(path)), east.geobox[300:345, 211:260])
    assert np.array_equal(whole[300:345, 211:260], part)


def test_amplitudes_without_calibration_are_refused(tmp_path: Path) -> None:
    """Ground-range products hold unsigned numbers that are neither power nor dB."""
    path = write_raster(tmp_path / "vv.tif", np.full((4, 4), 300, np.uint16), WEST, NORTH, 32633)
    with pytest.raises(SceneRejected, match="does not call dB"):
        read_backscatter(Backscatter(str(path)), SMALL)


# --- speckle and looks ---


def test_looks_are_averaged_in_power() -> None:
    look = np.full((3, 3), -2000, np.int16)
    look[1, 1] = 0
    # (8 x 0.01 + 1) / 9 = 0.12 of power
    assert multilooked(look, 1).tolist() == [[round(1000 * np.log10(0.12))]]


def test_unknown_neighbours_are_left_out_and_an_unknown_pixel_stays_unknown() -> None:
    look = np.full((3, 4), -1000, np.int16)
    look[0, :] = RADAR_NODATA
    look[1, 2] = RADAR_NODATA
    assert multilooked(look, 1).tolist() == [[-1000, RADAR_NODATA]]


@given(n=st.integers(2, 9), m=st.integers(2, 5), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_the_minimum_is_the_mean_over_all_choices_of_looks(n: int, m: int, seed: int) -> None:
    looks = np.sort(np.random.default_rng(seed).integers(-2500, -500, n))
    weights = order_weights(n, m)
    assert weights[1] @ looks == pytest.approx(looks.mean())
    assert weights[2] @ looks == pytest.approx(np.percentile(looks, 5))
    if n >= m:
        assert weights[0] @ looks == pytest.approx(np.mean([min(chosen) for chosen in combinations(looks, m)]))
    else:
        assert not weights[0].any()


def test_statistics_leave_unknown_looks_out() -> None:
    none = RADAR_NODATA
    looks = np.array([[-1000, -800, none], [-1300, none, none], [-1200, -1000, none], [-900, none, -700]], np.int16)
    (minimum, mean, _), count = order_statistics(looks, 2)
    # Of four looks taken two by two: -1300 is the lower in 3 of 6 pairs, -1200 in 2, -1000 in 1.
    assert minimum.tolist() == [round((3 * -1300 + 2 * -1200 - 1000) / 6), -1000, none]
    assert mean.tolist() == [-1100, -900, -700]
    assert count.tolist() == [4, 2, 1]


def test_more_looks_do_not_lower_the_minimum() -> None:
    """Still ground under speckle: ten looks against thirty. A plain minimum falls by the number of looks alone."""
    rng = np.random.default_rng(5)
    ground = np.rint(1000 * np.log10(rng.gamma(12, 1 / 12, (40, 20_000)))).astype(np.int16)
    (few, _, few_p05), _ = order_statistics(ground[:10], 5)
    (many, _, many_p05), _ = order_statistics(ground[10:], 5)
    plain = ground[10:].min(axis=0).mean(dtype=float) - ground[:10].min(axis=0).mean(dtype=float)
    assert abs(many.mean(dtype=float) - few.mean(dtype=float)) < 2  # 0.02 dB
    assert plain < -50
    assert many_p05.mean(dtype=float) - few_p05.mean(dtype=float) < -10


def test_surroundings_are_the_mean_of_what_is_known_in_the_square() -> None:
    ground = np.full((5, 7), -1000, np.int16)
    ground[0, 0] = -1900
    ground[:, 5:] = RADAR_NODATA
    got = surroundings(ground, 2)
    assert got.tolist() == [[round((-1900 - 24 * 1000) / 25), -1000, -1000]]
    ground[:, 1:] = RADAR_NODATA
    ground[0, 0] = RADAR_NODATA  # 4 of 25 pixels left
    assert surroundings(ground, 2).tolist() == [[RADAR_NODATA] * 3]


# --- a period ---


def archive(folder: Path, days: int, *, base=-10.0, side=160, orbit="ascending", track=29, start=date(2021, 1, 3)):
    """Looks every twelve days over the north-west of the tile, each under its own speckle."""
    for k in range(days):
        day = start + timedelta(days=12 * k)
        maps = [
            speckled(np.full((side, side), level), 5, 1000 * track + 10 * k + p)
            for p, level in enumerate((base, base - 6))
        ]
        write_radar(
            folder, f"S1_{track}_{day}", str(day), *maps, west=WEST - 400, north=NORTH + 400, orbit=orbit, track=track
        )
    return FolderSource(folder)


CONFIG = Radar(min_looks=3, surroundings_m=100)


def test_statistics_of_a_period_are_near_the_truth_and_do_not_depend_on_the_window(tmp_path: Path) -> None:
    source = archive(tmp_path, 6)
    scenes = source.find_radar(EVERYWHERE, *YEAR, "").scenes
    whole, skipped = build_radar(source, scenes, TILE.geobox[:80, :80], CONFIG)
    part, _ = build_radar(source, scenes, TILE.geobox[11:40, 23:70], CONFIG, threads=1)
    assert skipped == ()
    assert whole.lines == ("ascending 029",)
    assert whole.names[0] == "ascending 029 VV minimum"
    assert np.array_equal(whole.planes[..., 11:40, 23:70], part.planes)
    mean_vv, mean_vh = (whole.planes[0, k].mean(dtype=float) / 100 for k in (1, 4))
    assert mean_vv == pytest.approx(-10, abs=0.3)
    assert mean_vh == pytest.approx(-16, abs=0.3)
    assert (whole.planes[0, LOOKS] == 6).all()
    assert (whole.planes[0, 0] < whole.planes[0, 1]).all()  # a minimum lies below a mean
    assert np.array_equal(RadarComposite.from_planes(whole.geobox, whole.lines, whole.to_planes()).planes, whole.planes)


def test_pixels_with_too_few_looks_have_no_minimum(tmp_path: Path) -> None:
    source = archive(tmp_path, 2)
    scenes = source.find_radar(EVERYWHERE, *YEAR, "").scenes
    found, _ = build_radar(source, scenes, TILE.geobox[:10, :10], CONFIG)
    assert (found.planes[0, [0, 3, AROUND]] == RADAR_NODATA).all()
    assert (found.planes[0, LOOKS] == 2).all()
    assert (found.planes[0, 1] != RADAR_NODATA).all()


def test_slices_of_one_pass_are_one_look_and_other_satellites_another(tmp_path: Path) -> None:
    north, south = flat(-9, 30), flat(-12, 40)
    at = {"west": WEST, "orbit": "descending", "track": 7}
    write_radar(tmp_path, "S1A_1", "2021-01-20T05:00:00+00:00", north, north - 6, north=NORTH, **at)
    write_radar(tmp_path, "S1A_2", "2021-01-20T05:00:25+00:00", south, south - 6, north=NORTH - 200, **at)
    write_radar(
        tmp_path, "S1B_1", "2021-01-20T05:00:10+00:00", north, north - 6, north=NORTH, platform="sentinel-1b", **at
    )
    source = FolderSource(tmp_path)
    scenes = source.find_radar(EVERYWHERE, *YEAR, "").scenes
    assert [[scene.id for scene in group] for group in overpasses(scenes)] == [["S1A_1", "S1A_2"], ["S1B_1"]]
    found, _ = build_radar(source, scenes, TILE.geobox[:60, :30], Radar(min_looks=2, multilook_px=1, surroundings_m=50))
    assert found.planes[0, LOOKS, :, 0].tolist() == [2] * 30 + [1] * 30
    # Where slices overlap the earlier one counts; below it the later one alone.
    assert found.planes[0, 1, [25, 35], 0].tolist() == [-900, -1200]


def test_tracks_are_never_mixed(tmp_path: Path) -> None:
    archive(tmp_path, 4, base=-8.0, track=29)
    source = archive(tmp_path, 4, base=-14.0, track=131)
    found, _ = build_radar(source, source.find_radar(EVERYWHERE, *YEAR, "").scenes, TILE.geobox[:12, :12], CONFIG)
    assert found.lines == ("ascending 029", "ascending 131")
    means = found.planes[:, 1].mean(axis=(1, 2), dtype=float) / 100
    assert means == pytest.approx([-8, -14], abs=0.6)
    assert (found.planes[:, LOOKS] == 4).all()


def test_a_scene_that_cannot_be_read_is_named_and_the_rest_is_used(tmp_path: Path) -> None:
    source = archive(tmp_path, 4)
    scenes = source.find_radar(EVERYWHERE, *YEAR, "").scenes
    (tmp_path / scenes[1].id / "vh.tif").write_bytes(b"no raster")
    found, skipped = build_radar(source, scenes, TILE.geobox[:9, :9], CONFIG)
    assert [(lost.scene_id, lost.failed) for lost in skipped] == [(scenes[1].id, True)]
    assert (found.planes[0, LOOKS] == 3).all()
    for scene in scenes:
        (tmp_path / scene.id / "vh.tif").write_bytes(b"no raster")
    empty, skipped = build_radar(source, scenes, TILE.geobox[:9, :9], CONFIG)
    assert empty.lines == ()
    assert len(skipped) == 4


# --- which track speaks ---


def line_planes(minimum, looks, around=-1000):
    planes = np.full((len(LINE_PLANES), len(minimum)), RADAR_NODATA, np.int16)
    planes[0] = planes[3] = minimum
    planes[AROUND], planes[LOOKS] = around, looks
    return planes


def test_one_track_speaks_for_a_pixel_in_all_periods() -> None:
    none = RADAR_NODATA
    first = ("ascending 029", "ascending 131"), np.stack([line_planes([-9, -9, none], 9), line_planes([-5, -5, -5], 9)])
    second = ("ascending 131",), np.stack([line_planes([none, -4, -4], 20)])
    out = by_orbit([first, second])
    assert out.shape == (2, 2, 2, 3)
    # Pixel 0: one period each, more looks decide; pixel 1 and 2: track 131 measured both periods.
    assert out[:, 0, 0].tolist() == [[-5, -5, -5], [none, -4, -4]]
    assert out[0, 0, 1].tolist() == [-1000] * 3
    assert (out[:, 1] == none).all()


def test_of_equal_tracks_the_lower_number_speaks() -> None:
    part = ("descending 007", "descending 080"), np.stack([line_planes([-9], 9), line_planes([-5], 9)])
    assert by_orbit([part, part])[:, 1, 0].tolist() == [[-9], [-9]]


def test_periods_without_looks_are_unknown() -> None:
    empty = RadarComposite.empty(TILE.geobox[:2, :3])
    assert (by_orbit([(empty.lines, empty.planes)] * 2) == RADAR_NODATA).all()


# --- real series ---


def real_series(folder: Path, place: str):
    """Acquisition times and backscatter in dB x 100, (time, 2, y, x) int16, of one 640 m patch at 20 m."""
    (path,) = (folder / "tanzania_belgium").glob(f"{place}*/S1_GRD*.nc")
    with netCDF4.Dataset(path) as data:
        data.set_auto_maskandscale(False)
        start = datetime.fromisoformat(data["timestamp"].units.split("since ")[1])
        times = [start + timedelta(seconds=int(s)) for s in data["timestamp"][:]]
        stored = np.stack([data["VV"][:], data["VH"][:]], axis=1)
    return times, np.where(stored == 0, RADAR_NODATA, np.rint(stored / 100)).astype(np.int16)


def low(looks, draw=5):
    """Minimum in VV and VH together, of looks averaged over 3 x 3 pixels."""
    (minimum, _, _), _ = order_statistics(multilooked(looks, 1), draw)
    return minimum.mean(axis=0)


def test_thinning_a_real_series_moves_the_plain_minimum_and_not_ours(shared_data: Path) -> None:
    """A Belgian autumn with twenty looks from one track, and every second of them."""
    times, looks = real_series(shared_data, "belgium")
    track = np.array([time.hour * 60 + time.minute < 17 * 60 + 36 for time in times])
    autumn = np.array([time.year == 2018 and time.month >= 8 for time in times])
    own = looks[track & autumn]
    assert len(own) == 20
    averaged = multilooked(own, 1)
    halves = averaged[::2], averaged[1::2]
    plain = averaged.min(axis=0).mean() - np.mean([half.min(axis=0).mean() for half in halves])
    ours = low(own).mean() - np.mean([low(half).mean() for half in (own[::2], own[1::2])])
    assert plain < -30
    assert abs(ours) < 10


def test_two_dry_seasons_in_tanzania_raise_few_pixels(shared_data: Path, record_property) -> None:
    """Fields without mining: how often the rule of a rise by 1.65 dB is met from one year to the next."""
    times, looks = real_series(shared_data, "tanzania")
    seasons = {year: looks[[time.year == year and 6 <= time.month <= 9 for time in times]] for year in (2020, 2021)}
    rise = low(seasons[2021]) - low(seasons[2020])
    share = float((rise >= 165).mean())
    record_property(
        "counted", f"Tanzania, June to September 2020 to 2021: {100 * share:.1f} % of pixels rise by 1.65 dB"
    )
    assert {len(season) for season in seasons.values()} == {10}
    assert share < 0.05


def test_the_next_season_in_tanzania_raises_a_third_of_the_pixels(shared_data: Path) -> None:
    """Why only periods of one season are compared."""
    times, looks = real_series(shared_data, "tanzania")
    rains = looks[[time.year == 2021 and 2 <= time.month <= 5 for time in times]]
    after = looks[[time.year == 2021 and 6 <= time.month <= 9 for time in times]]
    assert ((low(after) - low(rains)) >= 165).mean() > 0.25


def test_speckle_of_real_looks_falls_with_averaging(shared_data: Path) -> None:
    """Sixty looks of Tanzania, less the mean of each look and pixel: what is left is mostly speckle."""
    _, looks = real_series(shared_data, "tanzania")

    def spread(values) -> float:
        left = values - values.mean(axis=(2, 3), keepdims=True)
        return float((left - left.mean(axis=0)).std())

    single, averaged = spread(looks[:, :, 1:-1, 1:-1].astype(float)), spread(multilooked(looks, 1).astype(float))
    assert averaged < 0.75 * single  # 1.24 against 1.85 dB; the fields themselves change as well


def test_numbers_of_a_real_archive_become_backscatter_of_land(shared_data: Path) -> None:
    """Ten looks of Belgium, delivered as 10^((dB + 83) / 20): read back they lie where land lies, VH below VV."""
    with netCDF4.Dataset(shared_data / "cdse" / "results__cdse_sentinel1_grd.nc") as data:
        data.set_auto_maskandscale(False)
        stored = [data[f"S1-SIGMA0-{band}"][:].view(np.uint16).astype(float) for band in ("VV", "VH")]
    vv, vh = (from_power(10 ** ((20 * np.log10(band) - 83) / 10)) for band in stored)
    assert -1500 < np.median(vv) < -900
    assert 400 < np.median(vv) - np.median(vh) < 900
    assert (vv != RADAR_NODATA).mean() > 0.999


def test_the_tables_of_the_page_are_those_that_the_benchmark_prints(shared_data: Path) -> None:
    page = (Path(__file__).resolve().parents[1] / "docs" / "radar.md").read_text("utf-8")
    assert tables() in page
