"""Real Sentinel-1 series through the whole route: from files in dB or in power to the statistics of a period."""

from __future__ import annotations

import copy
import json
from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import rasterio
import xarray as xr
from rasterio.control import GroundControlPoint
from rasterio.warp import transform_bounds

from pipeline.areas.lattice import Tile
from pipeline.config import Fetch, Radar
from pipeline.errors import SceneRejected
from pipeline.imagery import RADAR_NODATA, FolderSource, StacSource, build_radar
from pipeline.imagery.access import Access, Signer
from pipeline.imagery.radar import LINE_PLANES
from pipeline.imagery.radar_items import Backscatter, distinct, radar_from_item
from pipeline.imagery.radar_raster import read_backscatter
from tests.radar_scenes import radar_item, write_raster
from tests.stac_api import SignedFiles, items_of, serving_files, serving_items

TILE = Tile(32633, 60, 100)
WEST, NORTH = TILE.geobox.affine.c, TILE.geobox.affine.f
EVERYWHERE = (-180.0, -90.0, 180.0, 90.0)
YEARS = date(2015, 1, 1), date(2030, 1, 1)
SINGLE = Radar(multilook_px=1, surroundings_m=50)
NAMES = LINE_PLANES[:6]


def worldcereal(folder: Path, place: str):
    """Times and dB (time, 2, y, x) of a patch at 20 m, NaN where there is none."""
    (path,) = (folder / "tanzania_belgium").glob(f"{place}*/S1_GRD*.nc")
    with netCDF4.Dataset(path) as data:
        data.set_auto_maskandscale(False)
        start = datetime.fromisoformat(data["timestamp"].units.split("since ")[1]).replace(tzinfo=UTC)
        times = [start + timedelta(seconds=int(s)) for s in data["timestamp"][:]]
        stored = np.stack([data["VV"][:], data["VH"][:]], axis=1).astype(float)
    return times, np.where(stored == 0, np.nan, np.round(stored / 1e4, 2))


def copernicus(folder: Path):
    """Times and dB (time, 2, y, x) of ten looks as the Copernicus Data Space delivered them, at 10 m."""
    with netCDF4.Dataset(folder / "cdse" / "results__cdse_sentinel1_grd.nc") as data:
        data.set_auto_maskandscale(False)
        stored = np.stack([data[f"S1-SIGMA0-{b}"][:].view(np.uint16).astype(float) for b in ("VV", "VH")], axis=1)
        times = [datetime(1990, 1, 1, 17, tzinfo=UTC) + timedelta(days=int(d)) for d in data["t"][:]]
    return times, np.where(stored == 0, np.nan, 20 * np.log10(np.where(stored == 0, 1, stored)) - 83)


def write_series(
    folder: Path, times, looks, *, step: int, in_power: bool, track_of=lambda _: ("ascending", 29)
) -> None:
    """One item and two rasters a look: int16 dB x 100, or power in real numbers as the Planetary Computer has it."""
    height, width = (n * step // 10 for n in looks.shape[2:])
    box = transform_bounds(f"EPSG:{TILE.epsg}", "EPSG:4326", WEST, NORTH - height * 10, WEST + width * 10, NORTH)
    (folder / "items").mkdir(parents=True)
    for k, (time, look) in enumerate(zip(times, looks, strict=True)):
        orbit, track = track_of(time)
        item = radar_item(f"S1A_{k:03d}", time.isoformat(), box, orbit=orbit, track=track)
        for p, db in zip(("vv", "vh"), look, strict=True):
            if in_power:
                values = np.where(np.isnan(db), -32768, 10 ** (db / 10)).astype(np.float32)
                item["assets"][p]["raster:bands"] = [{"nodata": -32768, "data_type": "float32"}]
            else:
                values = np.where(np.isnan(db), -32768, np.rint(np.nan_to_num(db) * 100)).astype(np.int16)
            write_raster(folder / item["id"] / f"{p}.tif", values, WEST, NORTH, TILE.epsg, step=step, nodata=-32768)
        (folder / "items" / f"{item['id']}.json").write_text(json.dumps(item))


def outside(looks: np.ndarray) -> dict[str, np.ndarray]:
    """The statistics of a period in dB, worked out by xarray, and for the minimum of 5 looks by going through all."""
    series = xr.DataArray(looks, dims=("time", "band", "y", "x"))
    picks = np.array(list(combinations(range(len(looks)), 5)))
    minimum = sum(np.fmin.reduce(looks[list(pick)]) for pick in picks) / len(picks)
    return {
        "minimum": minimum,
        "mean": series.mean("time").values,
        "5th percentile": series.quantile(0.05, "time").values,
        "looks": series.count("time").values,
    }


def compared(made, looks: np.ndarray, line: int, step: int) -> float:
    """The largest difference in dB between planes of a track and what was worked out outside."""
    want = outside(looks)
    size = step // 10
    planes = made.planes[line][:, ::size, ::size].astype(float) / 100
    worst = 0.0
    for k, name in enumerate(NAMES):
        band, statistic = name.split(" ", 1)
        worst = max(worst, np.abs(planes[k] - want[statistic][("VV", "VH").index(band)]).max())
    assert (planes[7] * 100 == want["looks"][0]).all()
    return worst


@pytest.mark.parametrize("in_power", [False, True])
def test_statistics_of_a_real_season_equal_those_worked_out_outside(shared_data, tmp_path, in_power, record_property):
    times, looks = worldcereal(shared_data, "tanzania")
    season = np.array([time.year == 2021 and 6 <= time.month <= 9 for time in times])
    times, looks = np.array(times)[season], looks[season]
    assert looks.shape == (10, 2, 32, 32)
    assert np.isfinite(looks).all()
    write_series(tmp_path, times, looks, step=20, in_power=in_power)
    source = FolderSource(tmp_path)
    scenes = source.find_radar(EVERYWHERE, *YEARS, "").scenes
    made, lost = build_radar(source, scenes, TILE.geobox[:64, :64], SINGLE)
    assert (made.lines, lost) == (("ascending 029",), ())
    worst = compared(made, looks, 0, 20)
    record_property("counted", f"Tanzania, 10 looks, power {in_power}: differs by {worst:.4f} dB at most")
    assert worst <= 0.0051  # statistics are stored in steps of 0.01 dB


def test_each_track_and_direction_of_a_real_autumn_has_statistics_of_its_own(shared_data, tmp_path):
    """Belgium is seen from two tracks; the second is called descending here, to hold the two directions apart."""
    times, looks = worldcereal(shared_data, "belgium")
    autumn = np.array([time.year == 2018 and time.month == 8 for time in times])
    times, looks = np.array(times)[autumn], looks[autumn]
    early = np.array([time.hour * 60 + time.minute < 17 * 60 + 36 for time in times])
    assert 5 <= early.sum() < len(times) - 4
    write_series(
        tmp_path,
        times,
        looks,
        step=20,
        in_power=False,
        track_of=lambda t: ("ascending", 88) if t.hour * 60 + t.minute < 17 * 60 + 36 else ("descending", 161),
    )
    source = FolderSource(tmp_path)
    made, _ = build_radar(source, source.find_radar(EVERYWHERE, *YEARS, "").scenes, TILE.geobox[:64, :64], SINGLE)
    assert made.lines == ("ascending 088", "descending 161")
    assert compared(made, looks[early], 0, 20) <= 0.0051
    assert compared(made, looks[~early], 1, 20) <= 0.0051


def test_looks_of_the_copernicus_data_space_give_the_same_through_power(shared_data, tmp_path):
    times, looks = copernicus(shared_data)
    looks = looks[:, :, :40, :40]
    assert np.isfinite(looks).all()
    write_series(tmp_path, times, looks, step=10, in_power=True)
    source = FolderSource(tmp_path)
    made, _ = build_radar(source, source.find_radar(EVERYWHERE, *YEARS, "").scenes, TILE.geobox[:40, :40], SINGLE)
    assert compared(made, looks, 0, 10) <= 0.0101  # looks and statistics are stored in steps of 0.01 dB


def test_signed_power_of_an_api_gives_what_the_folder_gives(shared_data, tmp_path):
    times, looks = copernicus(shared_data)
    write_series(tmp_path / "archive", times[:6], looks[:6, :, :24, :24], step=10, in_power=True)
    folder = FolderSource(tmp_path / "archive")
    fetch = Fetch(attempts=2, longest_wait_s=0)
    with (
        serving_files(SignedFiles, root=tmp_path / "archive", asked=[], lives=[3600.0], valid=set()) as (url, _),
        serving_items(items_of(tmp_path / "archive", f"{url}/container"), tmp_path) as api,
    ):
        way = Access(Signer(f"{url}/token", r"(127)\.0\.0\.1", fetch))
        source = StacSource(api, ["sentinel-2-l2a"], fetch=fetch, access=way)
        made = [
            build_radar(s, s.find_radar(EVERYWHERE, *YEARS, "sentinel-1-rtc").scenes, TILE.geobox[:24, :24], SINGLE)
            for s in (folder, source)
        ]
    assert made[0][1] == made[1][1] == ()
    assert (made[0][0].planes == made[1][0].planes).all()
    assert (made[0][0].planes[0, 7] == 6).all()


# --- what is refused


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_a_raw_ground_range_product_is_refused_with_the_reason(tmp_path, dtype):
    corners = [(0, 0, 15, 4), (0, 3, 15.1, 4), (3, 0, 15, 3.9), (3, 3, 15.1, 3.9)]
    points = [GroundControlPoint(row, col, x, y) for row, col, x, y in corners]
    path = tmp_path / "vv.tif"
    with rasterio.open(
        path, "w", driver="GTiff", dtype=dtype, count=1, height=4, width=4, gcps=points, crs="EPSG:4326"
    ) as raster:
        raster.write(np.full((4, 4), 300, dtype), 1)
    with pytest.raises(SceneRejected, match=r"ground control points and no grid: a raw ground-range product \(GRD\)"):
        read_backscatter(Backscatter(str(path), 0.01, in_db=dtype == "uint16"), TILE.geobox[:4, :4])


def slice_of(name: str, *, seconds: float = 0, box=(15.0, 4.0, 15.1, 4.1), **told):
    item = copy.deepcopy(radar_item(name, "2021-01-05T17:00:00+00:00", box, **told))
    item["properties"]["datetime"] = (datetime(2021, 1, 5, 17, tzinfo=UTC) + timedelta(seconds=seconds)).isoformat()
    return radar_from_item(item, str)


@pytest.mark.parametrize("turn", [1, -1])
def test_of_two_versions_of_a_slice_one_is_read_and_the_other_named(turn):
    old = slice_of("S1A_IW_20210105_0AAA_rtc", updated="2021-02-01T00:00:00Z")
    new = slice_of("S1A_IW_20210105_00BB_rtc", seconds=0.4, updated="2023-02-01T00:00:00Z")
    found = distinct([old, new][::turn])
    assert [s.id for s in found.scenes] == [new.id]
    reason = f"another version of {new.id}, which was processed later or, if untold, is named last"
    assert [(s.scene_id, s.reason, s.failed) for s in found.skipped] == [(old.id, reason, False)]


def test_slices_and_tiles_of_one_pass_are_all_read():
    others = [
        slice_of("b", seconds=25),
        slice_of("c", box=(15.1, 4.0, 15.2, 4.1)),
        slice_of("d", platform="sentinel-1b"),
        slice_of("e", track=30),
    ]
    assert len(distinct([slice_of("a"), *others]).scenes) == 5


def test_unknown_pixels_are_left_out_of_every_statistic(shared_data, tmp_path):
    times, looks = copernicus(shared_data)
    looks = looks[:8, :, :12, :12].copy()
    looks[2, :, 3:6] = np.nan
    write_series(tmp_path, times[:8], looks, step=10, in_power=False)
    source = FolderSource(tmp_path)
    made, _ = build_radar(source, source.find_radar(EVERYWHERE, *YEARS, "").scenes, TILE.geobox[:12, :12], SINGLE)
    assert (made.planes[0, 7] == np.where(np.isin(np.arange(12), (3, 4, 5)), 7, 8)[:, None]).all()
    assert (made.planes[0, 1] != RADAR_NODATA).all()
    assert np.abs(made.planes[0, 1] / 100 - np.nanmean(looks[:, 0], axis=0)).max() <= 0.0101
