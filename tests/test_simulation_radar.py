"""Simulated Sentinel-1: speckle, levels by cover, the rise where ground is opened, and scenes on disk."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
from rasterio.features import rasterize
from scipy.ndimage import binary_erosion

from pipeline.areas.lattice import to_lonlat
from pipeline.imagery.folder import FolderSource
from pipeline.simulation import rendering, spectra
from pipeline.simulation.archive import make_archive
from pipeline.simulation.backscatter import LEVELS, lookup, power_of, workings_db
from pipeline.simulation.cohorts import Cohort
from pipeline.simulation.landcover import make_landscape
from pipeline.simulation.lineage import outline_of
from pipeline.simulation.radar import NODATA, STEP, Pass, observe_radar, one_look, plan_passes
from pipeline.simulation.rendering import cut, soften
from pipeline.simulation.scenario import Granule, Orbit, scenario_of
from pipeline.simulation.terrain import extent_of
from pipeline.simulation.workings import make_workings

DESCENDING = Orbit("descending", 80, date(2020, 4, 9), 4 * 60 + 51, -0.3, 2)
ASCENDING = Orbit("ascending", 14, date(2020, 4, 5), 16 * 60 + 40, 0.3, 2)


def small(**changes):
    settings = {
        "granules": (Granule(32633, "33NXF", 622_020, 523_000, 260, 240),),
        "dry_looks": 1,
        "wet_looks": 1,
        "after_looks": 1,
        "cohorts": (
            Cohort("active", ((2016, 3), (2019, 10)), (120, 300), (0, 1, 1, 0)),
            Cohort("between first and second", ((2021, 4), (2021, 9)), (40, 90), (1, 2, 3, 2)),
        ),
        "villages": 1,
        "burns": 0,
        "orbits": (DESCENDING, ASCENDING),
    }
    return replace(scenario_of("demo"), **(settings | changes))


@pytest.fixture(scope="module")
def drawn():
    scenario = small()
    landscape = make_landscape(scenario, extent_of(scenario))
    return scenario, landscape, make_workings(scenario, landscape)


@pytest.fixture(scope="module")
def ground(drawn):
    scenario, landscape, workings = drawn
    return cut(landscape, workings, scenario.granules[0])


def passes(scenario, orbit, start, end):
    return [one for one in plan_passes(scenario) if one.orbit == orbit and start <= one.day <= end]


def decibels(power):
    return 10 * np.log10(power)


def test_softening_spreads_a_point_by_its_weights():
    planes = np.zeros((1, 5, 7), np.int32)
    planes[0, 2, 3] = 12_100
    found = soften(planes, 2, 7)[0]
    assert found[1:4, 2:5].tolist() == [[400, 1400, 400], [1400, 4900, 1400], [400, 1400, 400]]
    assert found.sum() == 12_100


def test_one_look_intensities_are_exponential_and_the_polarisations_independent():
    vv, vh = (plane / 1024 for plane in one_look(7, (700, 900)).astype(float))
    for plane in (vv, vh):
        assert abs(plane.mean() - 1) < 0.005
        assert abs(plane.var() - 1) < 0.02
        assert (plane > 3).mean() == pytest.approx(np.exp(-3), abs=0.002)
    assert abs(np.corrcoef(vv.ravel(), vh.ravel())[0, 1]) < 0.005
    assert abs(np.corrcoef(vv[:, 1:].ravel(), vv[:, :-1].ravel())[0, 1]) < 0.005
    assert (one_look(7, (20, 30)) == one_look(7, (20, 30))).all()
    assert (one_look(8, (20, 30)) != one_look(7, (20, 30))).any()


def test_speckle_has_four_and_a_half_looks_and_neighbours_share_half_of_it():
    speckle = soften(one_look(3, (800, 800)), 2, 7)[0].astype(float)
    looks = speckle.mean() ** 2 / speckle.var()
    assert looks == pytest.approx(121**2 / 57**2, rel=0.02)  # (weights' sum)^2 / sum of squares, on both axes
    for a, b in ((speckle[:, 1:], speckle[:, :-1]), (speckle[1:], speckle[:-1])):
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] == pytest.approx(28 / 57, abs=0.01)
    assert abs(np.corrcoef(speckle[:, 3:].ravel(), speckle[:, :-3].ravel())[0, 1]) < 0.01


def test_speckle_of_two_passes_is_independent(drawn, ground):
    scenario, landscape, workings = drawn
    bare = workings_db(landscape, workings)
    first, second = passes(scenario, DESCENDING, date(2022, 1, 20), date(2022, 2, 28))[:2]
    second = replace(second, wetness=first.wetness, gain_db=first.gain_db)
    a, b = (observe_radar(scenario, ground, one, bare)[0] / 100 for one in (first, second))
    speckle = decibels(soften(one_look(5, (800, 800)), 2, 7)[0])
    assert (a - b).std() == pytest.approx(np.sqrt(2) * speckle.std(), rel=0.02)
    assert abs((a - b).mean()) < 0.05


@pytest.mark.parametrize("green", [0.0, 1.0])
def test_water_is_lowest_and_closed_forest_hardly_swings(green):
    table = lookup(np.zeros((0, 2)), green, 0.0)
    vv = {cover: float(decibels(table[cover.code, 0, 0] / 1e6)) for cover in spectra.COVERS}
    water = max(vv[spectra.RIVER], vv[spectra.FARM_POND])
    assert all(vv[cover] > water + 1.5 for cover in spectra.COVERS if cover.cause not in ("river", "pond"))
    assert vv[spectra.FOREST] == pytest.approx(-7.0 + 0.4 * green, abs=0.01)
    for one in (spectra.GRASS, spectra.FIELD, spectra.BRIGHT_FIELD):
        assert vv[one] < vv[spectra.WOODLAND] < vv[spectra.FOREST] or green


def test_every_cover_has_a_level_and_none_is_drier_than_wet_but_bars_under_water():
    assert set(LEVELS) == set(spectra.COVERS)
    for cover, level in LEVELS.items():
        drowned = cover in (spectra.HIGH_BAR, spectra.LOW_BAR)
        assert (level.wet_vv < level.dry_vv) is drowned
        assert level.dry_vh < level.dry_vv - 4


def test_fields_swing_as_the_real_farmland_does(shared_data):
    with rasterio.open(next((shared_data / "west_africa").glob("togo_*.tif"))) as source:
        months = source.read([17 * month + band + 1 for month in range(12) for band in (0, 1)]).reshape(12, 2, -1)
    real = decibels(power_of(months).mean(axis=2))  # sigma0, (month, polarisation)
    to_gamma0 = -decibels(np.cos(np.radians(38)))
    for cover in (spectra.FIELD, spectra.BRIGHT_FIELD):
        level = np.array(LEVELS[cover][:4]).reshape(2, 2)
        np.testing.assert_allclose(level[0], np.sort(real, axis=0)[:2].mean(axis=0) + to_gamma0, atol=1.0)
        np.testing.assert_allclose(level[1], np.sort(real, axis=0)[-2:].mean(axis=0) + to_gamma0, atol=1.0)


def test_a_scene_shows_its_covers_at_their_levels(drawn, ground):
    scenario, landscape, workings = drawn
    bare = workings_db(landscape, workings)
    driest = min(passes(scenario, DESCENDING, date(2022, 1, 1), date(2022, 3, 1)), key=lambda one: one.wetness)
    one = replace(driest, wetness=0.0, gain_db=0.0)
    smooth = replace(ground, brightness=ground.brightness * 0, moisture=ground.moisture * 0)
    power = power_of(observe_radar(scenario, smooth, one, bare) / 100)
    pad = rendering.PAD_CELLS
    cover = ground.covers[rendering.year_of(one.day, scenario.years)][pad:-pad, pad:-pad]
    cells = np.where(ground.number[pad:-pad, pad:-pad] == 0, cover, 255).reshape(240, 4, 260, 4)
    seen = 0
    for kind in (spectra.FOREST, spectra.GRASS, spectra.WOODLAND):
        pure = binary_erosion((cells == kind.code).all(axis=(1, 3)), np.ones((3, 3)))
        for band, level in enumerate(LEVELS[kind][:2]):
            if pure.sum() > 300:
                seen += 1
                assert float(decibels(power[band][pure].mean())) == pytest.approx(
                    level, abs=0.35
                )  # what a track leaves of terrain
    assert seen >= 4


def minimum(drawn, ground, orbit, start, end):
    """Minimum over the passes of a season of the mean power of each complex, VV and VH, (complex, 2) in dB."""
    scenario, landscape, workings = drawn
    bare = workings_db(landscape, workings)
    granule = scenario.granules[0]
    at = rasterio.Affine(10, 0, granule.left, 0, -10, granule.top)
    looks = [power_of(observe_radar(scenario, ground, one, bare) / 100) for one in passes(scenario, orbit, start, end)]
    found = []
    for complex_ in workings.complexes:
        own = workings.number[complex_.window] == complex_.number
        outline = outline_of(own, complex_.row, complex_.col, landscape.extent)
        place = rasterize([outline], (granule.rows, granule.cols), transform=at).astype(bool)
        found.append([[float(decibels(look[band][place].mean())) for look in looks] for band in (0, 1)])
    return np.array(found).min(axis=2)


@pytest.mark.parametrize("orbit", [DESCENDING, ASCENDING])
def test_the_yearly_minimum_rises_where_complexes_open_by_what_the_truth_says(drawn, ground, orbit):
    workings = drawn[2]
    before, after = (minimum(drawn, ground, orbit, date(year - 1, 12, 1), date(year, 3, 31)) for year in (2021, 2022))
    large = np.array([one.cells * 6.25 >= 4000 for one in workings.complexes])
    fresh = np.array([one.cohort.startswith("between") for one in workings.complexes])
    told = np.array([one.rise_db for one in workings.complexes])
    assert (large & fresh).sum() >= 4
    assert told[large & fresh].min() == 0 < 2.5 < told[large & fresh].max()
    for band in (0, 1):
        rise = (after - before)[:, band]
        # Pixels at the edge are half of other ground, and the resolution is coarser: less shows than was drawn.
        missing = (told - rise)[large & fresh]
        assert -0.4 < missing.min() <= missing.max() < 1.1
        assert np.abs(rise[large & ~fresh]).max() < 0.6


def test_passes_come_each_cycle_in_dry_seasons_and_each_second_in_the_rains():
    days = [one.day for one in plan_passes(small()) if one.orbit == DESCENDING]
    period = small().periods()[1]
    dry = [day for day in days if period.start <= day <= period.end]
    wet = [day for day in days if date(2021, 5, 1) <= day <= date(2021, 10, 31)]
    assert {(b - a).days for a, b in pairwise(dry)} == {12}
    assert {(b - a).days for a, b in pairwise(wet)} == {24}
    assert len(dry) in (10, 11)
    assert all((day - DESCENDING.first).days % 12 == 0 for day in days)


def test_absolute_orbits_fit_the_track():
    found = plan_passes(small())
    assert {(one.number - 73) % 175 + 1 for one in found if one.orbit == ASCENDING} == {14}
    assert {(one.number - 73) % 175 + 1 for one in found if one.orbit == DESCENDING} == {80}
    numbers = [one.number for one in found]
    assert numbers == sorted(numbers)


def test_tracks_differ_by_their_bias(drawn, ground):
    scenario, landscape, workings = drawn
    bare = workings_db(landscape, workings)
    dry = date(2022, 2, 1)
    means = []
    for orbit in (ASCENDING, DESCENDING):
        one = passes(scenario, orbit, dry, dry + timedelta(days=11))[0]
        plain: Pass = replace(one, wetness=0.0, gain_db=orbit.bias_db)
        means.append(float(decibels(power_of(observe_radar(scenario, ground, plain, bare)[0] / 100).mean())))
    assert means[0] - means[1] == pytest.approx(0.6, abs=0.25)


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    return make_archive(tiny(), tmp_path_factory.mktemp("radar") / "archive")


def tiny():
    return small(granules=(Granule(32633, "33NXF", 622_020, 523_000, 130, 110),), years=1, cohorts=())


def radar_items(root: Path) -> list[dict]:
    found = [json.loads(path.read_bytes()) for path in sorted((root / "items").glob("*.json"))]
    return [item for item in found if item.get("collection") == "sentinel-1-rtc"]


def digests(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_two_archives_with_radar_are_equal_to_the_byte(archive, tmp_path):
    assert digests(make_archive(tiny(), tmp_path / "again")) == digests(archive)


def test_radar_items_are_valid_stac_of_a_collection_that_is_there(archive):
    found = radar_items(archive)
    assert len(found) == len(plan_passes(tiny()))
    for item in found:
        pystac.Item.from_dict({**item, "stac_extensions": []}).validate()  # extension schemas are not on this machine
        properties = item["properties"]
        assert properties["sar:instrument_mode"] == "IW"
        assert properties["sar:polarizations"] == ["VV", "VH"]
        assert (properties["sat:orbit_state"], properties["sat:relative_orbit"]) in {
            ("ascending", 14),
            ("descending", 80),
        }
        assert re.fullmatch(r"S1A_IW_GRDH_1SDV_\d{8}T\d{6}_\d{8}T\d{6}_\d{6}_[0-9A-F]{6}_33NXF_rtc", item["id"])
        assert properties["placerwatch:simulated"] is True
        (link,) = item["links"]
        collection = (archive / "items" / link["href"]).resolve()
        assert collection.is_file()
    document = json.loads(collection.read_bytes())
    pystac.Collection.from_dict(document).validate()
    assert document["id"] == "sentinel-1-rtc"


def test_radar_rasters_are_decibels_on_the_lattice(archive):
    for item in radar_items(archive)[:4]:
        levels = []
        for band in ("vv", "vh"):
            asset = item["assets"][band]
            assert (
                asset["raster:bands"][0] | {"scale": 0.01, "unit": "dB", "nodata": -32768} == asset["raster:bands"][0]
            )
            with rasterio.open((archive / "items" / asset["href"]).resolve()) as source:
                plane = source.read(1)
                assert (source.dtypes[0], source.nodata) == ("int16", NODATA)
                assert source.crs.to_epsg() == 32633
                assert source.res == (10, 10)
                assert (source.bounds.left, source.bounds.top) == (622_020, 523_000)
                assert source.block_shapes == [(512, 512)]
                assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert (plane % STEP == 0).all()
            assert -4500 < plane.min() < plane.max() < 1500
            levels.append(np.median(plane))
        assert levels[1] < levels[0] - 300


def test_a_folder_source_finds_optical_scenes_alone_and_radar_when_asked(archive):
    scenario = tiny()
    granule = scenario.granules[0]
    lon, lat = to_lonlat(granule.epsg).transform(granule.left + 600, granule.top - 600)
    box = (lon - 0.001, lat - 0.001, lon + 0.001, lat + 0.001)
    source = FolderSource(archive)
    span = (date(2020, 1, 1), date(2022, 1, 1))
    optical = source.find(box, *span)
    assert {scene.id[:2] for scene in optical.scenes} == {"S2"}
    assert optical.skipped == ()
    radar = source.find_radar(box, *span, "sentinel-1-rtc")
    assert [scene.id for scene in radar.scenes] == [
        item["id"] for item in sorted(radar_items(archive), key=lambda item: item["properties"]["datetime"])
    ]
    assert radar.skipped == ()
    assert {scene.line for scene in radar.scenes} == {"ascending 014", "descending 080"}
