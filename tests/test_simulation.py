"""What a simulated scene shows: ground, sky, and the mistakes of a scene classification."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date
from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from pipeline.areas.lattice import from_lonlat, to_lonlat
from pipeline.simulation import rendering, spectra
from pipeline.simulation.atmosphere import Sky, make_sky, observe, shadow_shift_px
from pipeline.simulation.classification import classify, halve
from pipeline.simulation.cohorts import Cohort
from pipeline.simulation.landcover import make_landscape
from pipeline.simulation.look import greenness_of, plan_looks
from pipeline.simulation.noise import enlarge, normals, stream, value_noise
from pipeline.simulation.rendering import cut, render
from pipeline.simulation.scenario import Granule, scenario_of
from pipeline.simulation.stages import NEVER
from pipeline.simulation.terrain import extent_of
from pipeline.simulation.workings import day_number, make_workings

DRY, WET = date(2022, 2, 10), date(2022, 9, 10)


@pytest.fixture(scope="module")
def scenario():
    return replace(
        scenario_of("tortiya"),
        granules=(
            Granule(32630, "30PSQ", 168_500, 972_400, 280, 260),
            Granule(32629, "29PRK", 828_900, 972_100, 220, 180),
        ),
        villages=1,
        burns=6,
        cohorts=(Cohort("active", ((2016, 3), (2019, 10)), (120, 300), (1, 1, 1, 1)),),
        years=3,
        later=(),
    )


@pytest.fixture(scope="module")
def drawn(scenario):
    landscape = make_landscape(scenario, extent_of(scenario))
    return landscape, make_workings(scenario, landscape)


@pytest.fixture(scope="module")
def grounds(scenario, drawn):
    return [cut(*drawn, granule) for granule in scenario.granules]


@pytest.fixture(scope="module")
def look(scenario):
    base = plan_looks(scenario)[0]
    return replace(
        base, cloud_share=0.25, cloud_base_m=800.0, deck=False, cirrus=0.0, haze=0.0, swath_edge=0.0, shift=(0, 0)
    )


def clear_sky(shape):
    empty = np.zeros(shape, np.uint8)
    return Sky(empty, empty, empty, empty, np.zeros(shape, np.bool_))


def ndvi(planes):
    red, nir = planes[2].astype(float), planes[3].astype(float)
    return (nir - red) / (nir + red)


def on_pixels(ground, codes, year):
    """Pixels whose sixteen cells all carry one of some cover codes."""
    pad = rendering.PAD_CELLS
    hit = np.isin(ground.covers[year], codes)[pad:-pad, pad:-pad]
    hit &= ground.number[pad:-pad, pad:-pad] == 0
    rows, cols = hit.shape
    return hit.reshape(rows // 4, 4, cols // 4, 4).all(axis=(1, 3))


def test_a_stream_is_named_by_its_labels_and_not_by_the_order_of_use():
    first = stream(7, "a").random(3)
    assert (stream(7, "a").random(3) == first).all()
    assert (stream(7, "b").random(3) != first).all()
    assert (stream(8, "a").random(3) != first).all()


def test_normals_have_mean_zero_and_unit_spread():
    drawn = normals(stream(1, "n"), 20_000)
    assert abs(drawn.mean()) < 0.03
    assert abs(drawn.std() - 1) < 0.03


def test_noise_stays_within_one_and_varies_smoothly():
    field = value_noise(stream(3, "field"), (90, 130), ((25, 1.0), (11, 0.5)))
    assert field.shape == (90, 130)
    assert np.abs(field).max() <= 1
    assert np.abs(np.diff(field, axis=1)).max() < 0.2


def test_enlarging_keeps_a_ramp_a_ramp():
    ramp = np.array([[0, 4, 8], [10, 14, 18]], np.float32)
    fine = enlarge(ramp, 2)
    assert fine.shape == (4, 6)
    np.testing.assert_allclose(fine[1], [2.5, 3.5, 5.5, 7.5, 9.5, 10.5])


def test_halving_is_the_rounded_mean_of_four_pixels():
    plane = np.array([[1, 2, 10, 10], [3, 4, 10, 11]], np.int32)
    assert halve(plane).tolist() == [[3, 10]]


def test_the_ground_is_the_same_on_every_machine(grounds):
    surface = render(grounds[0], DRY, 0.0, (1, -2))
    digest = hashlib.sha256(surface.astype("<i4").tobytes()).hexdigest()
    assert digest[:16] == "37b53cb9342d65a8"


def test_a_scene_is_the_same_on_every_machine(grounds, look):
    surface = render(grounds[0], DRY, 0.0, (0, 0))
    extent = extent_shape(grounds[0])
    observed = observe(surface, make_sky(5, look, extent), look, 9)
    assert hashlib.sha256(observed.astype("<i4").tobytes()).hexdigest()[:16] == "7de6fc5ae8e64d55"


def extent_shape(ground):
    return ground.granule.rows, ground.granule.cols


def test_both_zones_show_the_same_ground(scenario, grounds):
    home, other = (render(ground, DRY, 0.0, (0, 0)) for ground in grounds)
    a, b = scenario.granules
    row, col = np.mgrid[20 : b.rows - 20 : 7, 20 : b.cols - 20 : 7]
    lonlat = to_lonlat(b.epsg).transform(b.left + col * 10 + 5, b.top - row * 10 - 5)
    x, y = from_lonlat(a.epsg).transform(*lonlat)
    u, v = (a.top - y) / 10, (x - a.left) / 10
    inside = (u > 1) & (u < a.rows - 1) & (v > 1) & (v < a.cols - 1)
    near = home[3, u[inside].astype(int), v[inside].astype(int)]
    assert inside.sum() > 300
    assert np.corrcoef(other[3, row[inside], col[inside]], near)[0, 1] > 0.85


def test_fields_are_bare_in_the_dry_season_and_green_in_the_wet(scenario, grounds):
    codes = [spectra.FIELD.code, spectra.BRIGHT_FIELD.code]
    dry, wet = (render(grounds[0], day, greenness_of(scenario, day), (0, 0)) for day in (DRY, WET))
    unburnt = grounds[0].burns[1][16:-16:4, 16:-16:4] == 0
    fields = on_pixels(grounds[0], codes, rendering.year_of(DRY, 3)) & unburnt
    fields &= on_pixels(grounds[0], codes, rendering.year_of(WET, 3))
    assert fields.sum() > 30
    assert np.median(ndvi(dry)[fields]) < 0.25
    assert np.median(ndvi(wet)[fields]) > 0.5


def test_burns_are_dark_when_fresh_and_gone_in_the_rains(scenario, grounds):
    ground = grounds[0]
    step = int(ground.burns[1].max())
    assert step > 0
    burnt = date(2021, 11, 15).toordinal() + 2 * step + 3
    pad = rendering.PAD_CELLS
    cells = (ground.burns[1] == step) & np.isin(ground.covers[1], np.flatnonzero(rendering.burnable_codes()))
    rows, cols = ground.granule.rows, ground.granule.cols
    pixels = cells[pad:-pad, pad:-pad].reshape(rows, 4, cols, 4).all(axis=(1, 3))
    fresh = render(ground, date.fromordinal(burnt), 0.0, (0, 0))[3][pixels]
    rains = render(ground, WET, 1.0, (0, 0))[3][pixels]
    assert np.median(fresh) < 1300
    assert np.median(rains) > 2400


def test_workings_stay_bare_in_the_rains(grounds):
    ground = grounds[0]
    pad = rendering.PAD_CELLS
    dug = (ground.opens <= day_number(DRY)) & (ground.regrows == NEVER)
    rows, cols = ground.granule.rows, ground.granule.cols
    pixels = dug[pad:-pad, pad:-pad].reshape(rows, 4, cols, 4).all(axis=(1, 3))
    assert pixels.sum() > 60
    assert np.median(ndvi(render(ground, WET, 1.0, (0, 0)))[pixels]) < 0.35


def test_a_shift_of_four_cells_is_one_pixel(grounds):
    still, moved = render(grounds[0], DRY, 0.0, (0, 0)), render(grounds[0], DRY, 0.0, (4, -4))
    np.testing.assert_array_equal(still[:, 11:-9, 9:-11], moved[:, 10:-10, 10:-10])


def test_sandbars_move_between_years(drawn):
    covers = drawn[0].covers
    bars = [np.isin(cover, (spectra.HIGH_BAR.code, spectra.LOW_BAR.code)) for cover in covers]
    assert all(bar.any() for bar in bars)
    assert (bars[0] != bars[1]).sum() > 0.2 * bars[0].sum()


def test_shadows_lie_away_from_the_sun(look):
    sky = make_sky(5, look, (400, 380))
    down, right = shadow_shift_px(look)
    # The sun stands in the south-east or north-east in the morning: shadows fall to the west.
    assert right < -5
    clouds, shadows = sky.depth > 64, sky.shade == 255
    assert clouds.any()
    ys, xs = np.nonzero(clouds)
    moved = (ys + down >= 0) & (ys + down < 400) & (xs + right >= 0)
    assert moved.sum() > 100
    assert shadows[ys[moved] + down, xs[moved] + right].all()
    assert not (clouds & shadows).sum() > 0.8 * clouds.sum()


def test_cloud_share_is_what_the_look_says(look):
    sky = make_sky(5, replace(look, cloud_share=0.3), (700, 700))
    assert 0.15 < (sky.depth > 0).mean() < 0.45
    assert not make_sky(5, replace(look, cloud_share=0.0), (200, 200)).depth.any()


def test_pixels_outside_the_swath_hold_no_data(grounds, look):
    surface = render(grounds[0], DRY, 0.0, (0, 0))
    sky = make_sky(5, replace(look, swath_edge=0.3), extent_shape(grounds[0]))
    observed = observe(surface, sky, look, 9)
    assert 0.1 < sky.outside.mean() < 0.5
    assert (observed[:, sky.outside] == 0).all()
    assert (observed[:, ~sky.outside] > 0).all()
    scl = classify(observed, sky, look, 9)
    assert ((scl == 0) == (halve(sky.outside.astype(np.int32)) > 0)).all()


def test_bright_tailings_are_called_cloud_under_a_clear_sky(look):
    spoil = np.repeat([1700, 2300, 2900, 3300, 3800, 2900], 40 * 40).reshape(6, 40, 40).astype(np.int32)
    scl = classify(spoil, clear_sky((40, 40)), replace(look, bright_error=0.8), 9)
    assert np.isin(scl, (8, 9)).mean() > 0.9
    dull = classify(spoil // 2, clear_sky((40, 40)), replace(look, bright_error=0.8), 9)
    assert (dull == 5).all()


def test_thin_cloud_is_missed_and_thick_cloud_is_not(grounds, look):
    surface = render(grounds[0], DRY, 0.0, (0, 0))
    shape = extent_shape(grounds[0])
    for depth, low, high in ((20, 0.3, 0.95), (120, 0.0, 0.0)):
        sky = replace(clear_sky(shape), depth=np.full(shape, depth, np.uint8))
        scl = classify(observe(surface, sky, look, 9), sky, replace(look, thin_error=0.7), 9)
        missed = np.isin(scl, (2, 4, 5, 6, 7)).mean()
        assert low <= missed <= high


def test_sites_differ_as_the_real_ones_do():
    sites = spectra.site_spectra(stream(4, "sites"), 400)
    bare = np.log(sites[:, 0])
    np.testing.assert_allclose(bare.mean(axis=0), spectra.BARE_MEAN, atol=0.05)
    assert (bare.std(axis=0) > 0.12).all()
    assert np.corrcoef(bare[:, 0], bare[:, 2])[0, 1] > 0.8


def test_site_spectra_are_those_of_the_real_patches(shared_data):
    masks = np.load(shared_data / "amazon_mining" / "masks.npz")
    patches = np.load(shared_data / "amazon_mining" / "patches.npz")
    row = {name: number for number, name in enumerate(patches["sample_id"])}
    pixels = {time: patches[time] for time in ("t0", "t1")}
    for kind, known in ((1, spectra.BARE_MEAN), (2, spectra.POND_MEAN)):
        means = []
        for name, time, mask in zip(masks["sample_id"], masks["time"], masks["mask"], strict=True):
            inner = mask == kind
            if inner.sum() >= 20:
                core = binary_erosion(inner)
                values = pixels[str(time)][row[name]][core if core.sum() >= 10 else inner].astype(float)
                values = values[(values > 0).all(axis=1)]
                if len(values) >= 10:
                    means.append(values.mean(axis=0))
        np.testing.assert_allclose(np.log(np.clip(means, 50, None)).mean(axis=0), known, atol=0.001)


def test_the_season_runs_from_bare_to_green_and_back(scenario):
    assert greenness_of(scenario, DRY) < 0 < 0.9 < greenness_of(scenario, WET)
    assert greenness_of(scenario, date(2021, 12, 31)) == pytest.approx(
        greenness_of(scenario, date(2022, 1, 1)), abs=0.02
    )


@pytest.mark.parametrize("name", ["carnot", "tortiya"])
def test_a_dozen_complexes_of_half_a_hectare_open_between_dry_seasons(name):
    whole = scenario_of(name)
    periods = whole.periods()
    opening = 0
    for cohort in whole.cohorts:
        (y0, m0), (y1, m1) = cohort.opens
        if any(a.end < date(y0, m0, 1) and date(y1, m1, 28) < b.start for a, b in pairwise(periods)):
            opening += sum(cohort.counts[2:])
            assert all(cohort.counts)
    assert opening >= 12
