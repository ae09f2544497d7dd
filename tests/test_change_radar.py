"""Radar as a second witness, and what it may claim alone, on grounds that can be worked out by hand."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
import shapely

from pipeline.areas.lattice import Tile, from_lonlat, to_lonlat
from pipeline.change import build_changes, build_sites, classify, radar_claims, risen_ground, same_season
from pipeline.change.clusters import clusters
from pipeline.change.radar import agrees, rises_db
from pipeline.config import Period, Radar
from pipeline.imagery import RadarComposite
from pipeline.imagery.radar import LINE_PLANES
from pipeline.imagery.radar_raster import RADAR_NODATA
from tests.change_ground import SETTINGS, ground, periods

TILE = Tile(32633, 100, 78)
TOP, LEFT = TILE.origin_px
HALO = 2
RADAR = Radar()
EVERYWHERE = np.zeros((512, 512), np.int16)
CELLS = np.full((512, 512), 100.0)


def season(name: str, start: date, end: date) -> Period:
    return Period(name=name, start=start, end=end)


def dry(year: int) -> Period:
    return season(f"d{year}", date(year - 1, 12, 1), date(year, 3, 31))


def wet(year: int) -> Period:
    return season(f"w{year}", date(year, 6, 1), date(year, 9, 30))


# --- which period is compared ---


def test_the_latest_period_of_the_same_season_is_compared() -> None:
    row = [dry(2020), wet(2020), dry(2021), wet(2021), dry(2022)]
    assert same_season(row, 3, 4) == 2  # the dry season before, not the wet one just before
    assert same_season(row, 2, 3) == 1
    assert same_season(row, 1, 2) == 0


def test_without_a_period_of_the_same_season_nothing_is_compared() -> None:
    assert same_season([dry(2020), wet(2020)], 0, 1) is None
    assert same_season([dry(2020)], -1, 0) is None


def test_seasons_are_the_same_across_new_year() -> None:
    december, january = date(2020, 12, 10), date(2022, 1, 10)
    row = [season("a", december, december), season("b", january, january)]
    assert same_season(row, 0, 1) == 0


@pytest.mark.parametrize(("days", "expected"), [(45, 0), (46, None)])
def test_middles_may_lie_45_days_apart(days: int, expected: int | None) -> None:
    first = date(2021, 3, 1)
    second = date.fromordinal(first.toordinal() + days)
    assert same_season([season("a", first, first), season("b", second, second)], 0, 1) == expected


# --- agreement, orbit by orbit ---


@pytest.mark.parametrize(
    ("rises", "expected"),
    [
        ((1.65, None), True),
        ((None, 1.65), True),
        ((1.64, None), False),
        ((1.64, 1.64), False),
        ((3.0, 0.0), True),
        ((3.0, -0.01), False),
        ((None, None), False),
        ((2.0, 2.0), True),
    ],
)
def test_one_orbit_rises_and_none_falls(rises: tuple[float | None, float | None], expected: bool) -> None:
    assert agrees(rises, 1.65) is expected


OPENING = ([[0, 0, 0], [0, 0, 0]], [[95, 95, 95], [95, 95, 0]])


def cluster_of(radar, around=(0.0,), area=100.0):
    (one,) = clusters(classify([ground(*OPENING, radar=radar, around=around, area=area)], SETTINGS), SETTINGS)
    return one


def test_the_rise_is_the_mean_over_the_ground() -> None:
    """In linear power: five pixels of 0.01 become 0.01, 0.02, 0.03, 0.05 and 0.09, on average four times as much."""
    later = 10 * np.log10(np.array([[0.01, 0.02, 0.03], [0.05, 0.09, 9.0]]))
    one = cluster_of([(-20, None), (later, None)])
    assert rises_db(one, np.ones(5, bool), 0, 1) == (pytest.approx(10 * np.log10(4), abs=0.01), None)
    assert rises_db(one, np.array([True, True, False, False, False]), 0, 1) == (
        pytest.approx(10 * np.log10(1.5), abs=0.01),
        None,
    )


def test_a_pond_takes_off_its_share_and_no_more() -> None:
    """Four pixels of spoil rise by 3 dB, a pond falls by 15: still 2 dB in power, where decibels would say -0.6."""
    one = cluster_of([(-12, None), (np.array([[-9.0, -9, -9], [-9, -27, 0]]), None)])
    expected = 10 * np.log10((4 * 10**0.3 + 10**-1.5) / 5)
    assert rises_db(one, np.ones(5, bool), 0, 1)[0] == pytest.approx(expected, abs=0.01)
    assert expected > 1.65


def test_what_the_surroundings_rose_is_taken_off_and_what_they_fell_is_not_added() -> None:
    everything = np.ones(5, bool)
    assert rises_db(cluster_of([(-12, -12), (-9, -9)], (-14.0, -13.0)), everything, 0, 1) == pytest.approx((2.0, 2.0))
    assert rises_db(cluster_of([(-12, -12), (-9, -9)], (-14.0, -16.0)), everything, 0, 1) == pytest.approx((3.0, 3.0))


def test_an_orbit_that_measured_less_than_half_says_nothing() -> None:
    one = cluster_of([(-12, -12), (-9, -9)])
    radar = one.radar.copy()
    radar[0, 0, 0, :3] = RADAR_NODATA  # three of five pixels in the first period
    radar[1, 1, 1, :2] = RADAR_NODATA  # the surroundings of two of five in the second
    object.__setattr__(one, "radar", radar)
    assert rises_db(one, np.ones(5, bool), 0, 1) == (None, pytest.approx(3.0))


def test_no_ground_has_no_rise() -> None:
    assert rises_db(cluster_of([(-12, -12), (-9, -9)]), np.zeros(5, bool), 0, 1) == (None, None)


# --- what a change says ---


def big(first: int, second: int):
    """Thirty pixels (0.3 ha) that were first and then reached these percentages."""
    return np.full((5, 6), first), np.full((5, 6), second)


def change_of(radar, around=(0.0,), **settings):
    zones = classify([ground(*big(0, 95), radar=radar, around=around)], SETTINGS)
    span = periods(2)
    sites = build_sites(zones, span, SETTINGS)
    (change,) = build_changes(zones, sites, span, SETTINGS, 0, 1, Radar(**settings))
    return change


def test_an_opening_that_both_sensors_saw_is_of_highest_confidence() -> None:
    change = change_of([(-12, -12), (-9, -10)])
    assert (change.state, change.sensors, change.confidence) == ("new", ("S2", "S1"), "highest")


@pytest.mark.parametrize(
    "radar",
    [
        None,
        [(-12, -12), (-10.4, -10.4)],  # 1.6 dB
        [(-12, -12), (-9, -12.1)],  # the other orbit falls
        [(-12, None), (None, -9)],  # no orbit saw both periods
    ],
)
def test_radar_that_does_not_agree_takes_nothing_away(radar) -> None:
    change = change_of(radar)
    assert (change.sensors, change.confidence) == (("S2",), "high")


def test_rain_over_the_whole_valley_is_no_agreement() -> None:
    assert change_of([(-12, -12), (-9, -9)], (-12.0, -9.5)).sensors == ("S2",)


def test_the_threshold_is_that_of_the_config() -> None:
    assert change_of([(-12, -12), (-9, -9)], rise_db=3.01).sensors == ("S2",)
    assert change_of([(-12, -12), (-9, -9)], rise_db=3.0).sensors == ("S2", "S1")


def test_ground_that_goes_on_is_told_by_optics_alone() -> None:
    zones = classify([ground(*big(95, 95), radar=[(-12, -12), (-9, -9)])], SETTINGS)
    span = periods(2)
    (change,) = build_changes(zones, build_sites(zones, span, SETTINGS), span, SETTINGS, 0, 1, RADAR)
    assert (change.state, change.sensors) == ("continuing", ("S2",))


# --- what radar claims alone ---


def composite(ascending=None, descending=None, around=-12.0, looks=9) -> RadarComposite:
    """Backscatter of a tile with its halo in dB: VV a dB above, VH a dB below the maps (y, x) or numbers."""
    lines, planes = [], []
    for line, level in (("ascending 029", ascending), ("descending 131", descending)):
        if level is not None:
            own = np.full((len(LINE_PLANES), 516, 516), RADAR_NODATA, np.int16)
            own[0], own[3] = np.rint((np.array(level) + 1) * 100), np.rint((np.array(level) - 1) * 100)
            own[6], own[7] = round(around * 100), looks
            lines.append(line)
            planes.append(own)
    empty = np.empty((0, len(LINE_PLANES), 516, 516), np.int16)
    return RadarComposite(TILE.padded(HALO), tuple(lines), np.stack(planes) if planes else empty)


def level(*blocks, base=-12.0):
    """dB of a tile with its halo: `base`, and (row, col, height, width, dB) blocks counted on the tile."""
    plane = np.full((516, 516), base)
    for row, col, height, width, db in blocks:
        plane[row + HALO : row + height + HALO, col + HALO : col + width + HALO] = db
    return plane


def risen(earlier, later, unseen=None, zone=EVERYWHERE, settings=RADAR):
    unseen = np.ones((512, 512), bool) if unseen is None else unseen
    return risen_ground(TILE, earlier, later, unseen, np.full((512, 512), 4, np.uint16), zone, CELLS, settings)


def claims(parts, zones=(), sites=(), settings=RADAR):
    return radar_claims(parts, zones, sites, periods(2), SETTINGS, settings, 0, 1)


def test_a_block_that_rose_under_cloud_is_claimed_as_new_provisional_and_low() -> None:
    (claim,) = claims([risen(composite(-12.0), composite(level((100, 200, 12, 10, -8.0))))])
    assert (claim.state, claim.status, claim.confidence) == ("new", "provisional", "low")
    assert (claim.sensors, claim.probability) == (("S1",), None)
    assert (claim.bare_ha, claim.pond_ha, claim.clear_looks_after, claim.observed_share) == (0, 0, 0, 0)
    assert (claim.last_clear_undisturbed, claim.first_clear_disturbed) == (None, None)
    assert claim.site_id.startswith("S1-33N-")
    assert claim.change_id == f"{claim.site_id}-p0-p1"
    assert claim.by_radar_alone
    assert claim.tiles == (TILE,)
    # 4 dB over 5 x 5: an edge keeps 15 of 25 parts, a corner 9 (1.44 dB), what lies outside an edge 10 (1.6 dB).
    assert claim.area_ha == pytest.approx(1.2 - 0.04)
    west, _, _, north = claim.geometry.bounds
    corner = to_lonlat(32633).transform((LEFT + 200) * 10, -(TOP + 100) * 10)
    assert (west, north) == pytest.approx(corner, abs=3e-6)


def test_only_ground_that_optics_did_not_see_is_claimed() -> None:
    unseen = np.zeros((512, 512), bool)
    earlier, later = composite(-12.0), composite(level((100, 200, 12, 10, -8.0)))
    assert claims([risen(earlier, later, unseen)]) == ()
    unseen[100:106, 200:210] = True
    (claim,) = claims([risen(earlier, later, unseen)])
    assert claim.area_ha == pytest.approx(0.6 - 0.02)


def test_ground_outside_the_watch_is_not_claimed() -> None:
    zone = np.full((512, 512), -1, np.int16)
    assert claims([risen(composite(-12.0), composite(level((100, 200, 12, 10, -8.0))), zone=zone)]) == ()


@pytest.mark.parametrize(("side", "found"), [(7, 0), (8, 1)])
def test_a_claim_needs_half_a_hectare(side: int, found: int) -> None:
    # 49 and 64 pixels; 3 dB keep the averaged rise of the corners, 9 parts of 25, below the threshold.
    rises = level((100, 200, side, side, -9.0))
    parts = [risen(composite(-12.0), composite(rises))]
    assert len(claims(parts)) == found


def test_single_loud_pixels_are_averaged_away() -> None:
    noise = level(*((row, col, 1, 1, -2.0) for row in range(20, 480, 9) for col in range(20, 480, 9)))
    assert claims([risen(composite(-12.0), composite(noise))]) == ()


def test_an_orbit_that_falls_forbids_the_claim() -> None:
    rose, fell = level((100, 200, 12, 10, -8.0)), level((100, 200, 12, 10, -12.5))
    assert claims([risen(composite(-12.0, -12.0), composite(rose, fell))]) == ()
    assert len(claims([risen(composite(-12.0, -12.0), composite(rose, rose))])) == 1


def test_rain_far_and_wide_claims_nothing() -> None:
    assert claims([risen(composite(-12.0, around=-12.0), composite(-8.0, around=-8.0))]) == ()


def test_a_track_that_saw_one_period_only_claims_nothing() -> None:
    later = composite(descending=level((100, 200, 12, 10, -8.0)))
    assert claims([risen(composite(ascending=-12.0), later)]) == ()
    assert claims([]) == ()


def test_known_ground_keeps_its_margin_to_its_site() -> None:
    """A site of 12 x 10 pixels beside the block: 30 m around it are its own, the rest is claimed."""
    rises = level((100, 200, 12, 20, -8.0))
    part = risen(composite(-12.0), composite(rises))
    zones = classify([ground(np.full((12, 10), 95), np.full((12, 10), -1), top=TOP + 100, left=LEFT + 200)], SETTINGS)
    (claim,) = claims([part], zones)
    assert claim.area_ha == pytest.approx(12 * 7 / 100 - 0.02)  # columns 213 to 219: the gap is 30 m and more
    (without,) = claims([part])
    assert without.area_ha == pytest.approx(2.4 - 0.04)


def test_sites_near_a_claim_are_counted() -> None:
    part = risen(composite(-12.0), composite(level((100, 200, 12, 10, -8.0))))
    zones = classify(
        [
            ground(np.full((4, 4), 95), np.full((4, 4), 95), top=TOP + 100, left=LEFT + 250),  # 400 m east
            ground(np.full((4, 4), 95), np.full((4, 4), 95), top=TOP + 100, left=LEFT + 320, epsg=32634),
        ],
        SETTINGS,
    )
    sites = build_sites(zones[:1], periods(2), SETTINGS)
    (claim,) = claims([part], (), sites)
    assert claim.sites_within_1km == 1
    (far,) = claims([risen(composite(-12.0), composite(level((400, 10, 12, 10, -8.0))))], (), sites)
    assert far.sites_within_1km == 0


def test_claims_do_not_depend_on_how_ground_is_cut_or_ordered() -> None:
    rises = level((100, 200, 12, 10, -8.0), (300, 40, 9, 9, -8.0))
    whole = risen(composite(-12.0), composite(rises))
    north = np.zeros((512, 512), bool)
    north[:105] = True
    parts = [risen(composite(-12.0), composite(rises), unseen) for unseen in (~north, north)]
    assert claims(parts) == claims([whole]) == claims(parts[::-1])
    assert len(claims(parts)) == 2
    assert sum(claim.area_ha for claim in claims(parts)) == pytest.approx(1.16 + 0.77)


def test_the_outline_of_a_claim_is_its_pixels() -> None:
    (claim,) = claims([risen(composite(-12.0), composite(level((100, 200, 12, 10, -8.0))))])
    outline = shapely.transform(claim.geometry, lambda xy: np.column_stack(from_lonlat(32633).transform(*xy.T)))
    assert outline.area == pytest.approx(11_600, rel=0.002)
    assert outline.symmetric_difference(outline.minimum_rotated_rectangle).area == pytest.approx(400, rel=0.05)
