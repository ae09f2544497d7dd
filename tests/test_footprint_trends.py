import csv
import io
import itertools
import json
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kendalltau, norm
from shapely import box

from pipeline.areas.area import Area
from pipeline.areas.lattice import Tile
from pipeline.change.states import WATERS_EDGE
from pipeline.config import Period
from pipeline.errors import BadInput
from pipeline.footprint import (
    Layer,
    Trends,
    build_trends,
    common_ground,
    entering_periods,
    sum_common,
    sum_layers,
    tile_areas,
)
from pipeline.footprint.kendall import EXACT, NORMAL, _orders_by_s, mann_kendall, theil_sen
from tests.change_ground import periods

HERE, EAST = Tile(32633, 80, 90), Tile(32633, 81, 90)
ZONES = Layer.of_zones([Area("north", "North", box(15, 4, 16, 5)), Area("south", "South", box(15, 3, 16, 4))])


def trends_of(raster, zone, cell=None, layer=ZONES, spans=None, cut=None, mapping_unit_ha=0.01, min_share=0.5):
    """Trends of rasters (T, y, x) with a unit index (y, x), cut into two tiles at a column if asked."""
    cell = np.full(zone.shape, 100.0) if cell is None else cell
    spans = spans or periods(len(raster))
    ground = {HERE: slice(None)} if cut is None else {EAST: slice(cut, None), HERE: slice(0, cut)}
    per_tile = {
        tile: tile_areas(tile, raster[:, :, part], [zone[:, part]], cell[:, part], [len(layer.units)])
        for tile, part in ground.items()
    }
    sums = sum_layers(per_tile, [layer], spans)
    told = (sums[0].merged(), *sums)
    enters = tuple(entering_periods(part, min_share) for part in told)
    indices = (np.minimum(zone, 0), zone)
    common = [
        sum_common(
            (common_ground(raster[:, :, part], index[:, part], cell[:, part], entering) for part in ground.values()),
            units,
        )
        for index, entering, units in zip(indices, enters, told, strict=True)
    ]
    return build_trends(told, common, enters, spans, mapping_unit_ha, min_share)


def unit(trends, name="north"):
    return next(found for found in trends.units if found.zone_id == name)


def row_of(*lines):
    """Periods of a strip of ground, one text a period: `#` workings, `.` none, `W` water's edge, `?` not observed."""
    codes = {"#": 1, ".": 0, "W": WATERS_EDGE, "?": 255}
    return np.array([[[codes[sign] for sign in line]] for line in lines], np.uint8)


def strip(*lines, **options):
    raster = row_of(*lines)
    return unit(trends_of(raster, np.ones(raster.shape[1:], np.int16), **options))


# The test and the slope


@given(st.lists(st.integers(0, 3), min_size=2, max_size=6))
def test_p_is_the_share_of_orders_that_are_as_extreme(values):
    def s_of(order):
        return sum((b > a) - (b < a) for a, b in itertools.combinations(order, 2))

    orders = list(itertools.permutations(values))
    as_extreme = sum(abs(s_of(order)) >= abs(s_of(values)) for order in orders)
    found = mann_kendall(values)
    assert (found.s, found.method) == (s_of(values), EXACT)
    assert found.p == pytest.approx(as_extreme / len(orders), abs=1e-12)


@given(st.permutations(range(10)))
def test_p_without_ties_is_that_of_scipy(values):
    assert mann_kendall(values).p == pytest.approx(kendalltau(range(10), values, method="exact").pvalue, abs=1e-12)


@given(st.permutations(range(12)))
def test_beyond_ten_values_p_is_near_the_exact_one(values):
    found = mann_kendall(values)
    orders = _orders_by_s([1] * 12)
    exact = sum(n for s, n in orders.items() if abs(s) >= abs(found.s)) / sum(orders.values())
    assert found.method == NORMAL
    assert found.p == pytest.approx(exact, abs=0.01)


@given(st.lists(st.integers(0, 4), min_size=11, max_size=14).filter(lambda values: len(set(values)) > 1))
def test_beyond_ten_values_the_variance_is_that_of_all_orders_with_these_ties(values):
    found = mann_kendall(values)
    orders = _orders_by_s([values.count(value) for value in set(values)])
    variance = sum(n * s**2 for s, n in orders.items()) / sum(orders.values())
    z = (abs(found.s) - 1) / variance**0.5
    assert found.p == pytest.approx(1 if found.s == 0 else 2 * norm.sf(z), abs=1e-9)


def test_equal_values_show_no_trend_however_many():
    assert (mann_kendall([2.0] * 12).p, mann_kendall([2.0] * 5).p) == (1, 1)


def test_the_slope_is_the_median_over_pairs():
    # Pairs give 1, 1.5, 1, 1.75, 2, 1, 2, 0, 2, 4.
    found = theil_sen([0, 1, 2, 3, 4], [1, 2, 4, 4, 8])
    assert (found.value, found.low, found.high) == (1.625, 0, 4)


@pytest.mark.parametrize("n", [5, 6, 7])
def test_the_interval_of_the_slope_holds_95_of_100_orders_without_trend(n):
    values = [3.0**k for k in range(n)]
    held = [
        found.low <= 0 <= found.high
        for order in itertools.permutations(values)
        if (found := theil_sen(range(n), order)).low is not None
    ]
    assert sum(held) / len(held) >= 0.95


def test_four_points_or_equal_values_have_no_interval():
    assert (theil_sen([0, 1, 2, 3], [1, 2, 4, 9]).low, theil_sen(range(5), [2.0] * 5).high) == (None, None)


# Growth


def test_growth_in_hectares_and_percent_a_year():
    found = strip("#.....", "##....", "###...", "####..", "#####.")
    years = [date(2020 + t, 1, 1).toordinal() / 365.25 for t in range(5)]
    yearly = 0.04 / (years[4] - years[0])
    assert found.trend == "rising"
    assert (found.kendall_s, found.p_value, found.test) == (10, round(2 / 120, 6), EXACT)
    assert found.slope_ha_per_year == pytest.approx(yearly, abs=1e-4)
    assert found.slope_percent_per_year == pytest.approx(100 * yearly / 0.03, abs=0.1)
    assert found.slope_low <= found.slope_ha_per_year <= found.slope_high
    assert (found.first_ha, found.last_ha, found.common_share) == (0.01, 0.05, 1)


def test_one_step_back_in_five_periods_shows_no_trend():
    found = strip("#.....", "##....", "###...", "#####.", "####..")
    assert (found.kendall_s, found.p_value, found.trend) == (8, 0.083333, "no trend shown")
    assert found.slope_low < 0 < found.slope_ha_per_year


def test_three_periods_are_too_few():
    found = strip("#..", "##.", "###")
    assert (found.trend, found.slope_ha_per_year, found.p_value, found.last_ha) == ("too few periods", None, None, 0.03)


def test_a_fall_of_observed_ground_is_no_fall_of_workings():
    found = strip("#####.....", "#####...??", "####?...??", "###???..??", "#?????..??", "?????...??", min_share=0.2)
    assert [point.disturbed_ha for point in found.series] == [0.05, 0.05, 0.04, 0.03, 0.01, 0]
    assert [point.common_disturbed_ha for point in found.series] == [0] * 6
    assert (found.trend, found.slope_ha_per_year, found.slope_low) == ("no trend shown", 0, None)


def test_workings_that_end_where_they_were_seen_fall():
    found = strip("#####.", "####..", "###...", "##....", "#.....", "......")
    assert (found.trend, found.kendall_s) == ("falling", -15)
    assert found.slope_high < 0


def test_a_period_that_saw_too_little_is_listed_and_left_out():
    found = strip("#...", "##..", "?###", "#???", "####")
    assert found.left_out == ("p3",)
    assert (found.periods, found.first_period, found.last_period) == (4, "p0", "p4")
    assert found.common_share == 0.75
    assert [point.common_disturbed_ha for point in found.series] == [0, 0.01, 0.03, None, 0.03]
    assert [point.enters for point in found.series] == [True, True, True, False, True]


def test_too_little_ground_in_common_gives_no_rate():
    found = strip("??#.", "#?.?", ".#??", "?.?#")
    assert (found.periods, found.common_share) == (4, 0)
    assert (found.trend, found.slope_ha_per_year, found.first_ha) == ("too little common ground", None, None)


def test_a_margin_that_the_water_moved_makes_no_fall_and_no_opening():
    fall = strip("##..", "##..", "##..", "W#..", "W#..", "W#..")
    assert (fall.trend, fall.slope_ha_per_year, fall.common_share) == ("no trend shown", 0, 0.75)
    rise = strip("W...", "W...", "#...", "#...")
    assert (rise.opened_ha, rise.onset, rise.onset_note) == (0, "", "there when first seen, p2")


def test_ground_never_observed_has_no_figures():
    found = strip("??", "??", "??", "??")
    assert (found.trend, found.onset_note, found.opened_ha) == ("not observed", "not observed enough", None)
    assert (found.common_share, found.gain_latest_ha, found.gain_latest_share) == (None, None, 0)


static = arrays(np.uint8, (4, 3), elements=st.sampled_from([0, 1, 2]))
masks = arrays(np.bool_, (6, 4, 3))
zones = arrays(np.int16, (4, 3), elements=st.integers(-1, 2))


@settings(deadline=None)
@given(static, masks, zones)
def test_masks_over_ground_that_does_not_change_never_make_a_trend(ground, hidden, zone):
    raster = np.where(hidden, 255, np.broadcast_to(ground, hidden.shape)).astype(np.uint8)
    for found in trends_of(raster, zone, min_share=0.3).units:
        assert found.trend not in ("rising", "falling")
        assert found.slope_ha_per_year in (None, 0)
        assert (found.opened_ha or 0) == 0


@settings(deadline=None)
@given(arrays(np.int8, (4, 3), elements=st.integers(0, 6)), masks, zones)
def test_ground_that_only_opens_never_falls_however_it_is_hidden(opening, hidden, zone):
    raster = np.stack([(opening <= t).astype(np.uint8) for t in range(6)])
    raster[hidden] = 255
    for found in trends_of(raster, zone, min_share=0.3).units:
        assert found.trend != "falling"
        assert (found.slope_ha_per_year or 0) >= 0


codes = arrays(np.uint8, (5, 5, 4), elements=st.sampled_from([0, 1, 2, 3, 255]))
cells = arrays(np.float64, (5, 4), elements=st.floats(98, 101))


@settings(deadline=None)
@given(codes, arrays(np.int16, (5, 4), elements=st.integers(-1, 2)), cells, st.integers(1, 3))
def test_the_cut_into_tiles_does_not_matter(raster, zone, cell, cut):
    whole, parts = trends_of(raster, zone, cell), trends_of(raster, zone, cell, cut=cut)
    assert whole.to_json() == parts.to_json()
    assert whole.to_csv() == parts.to_csv()


# Onset


@pytest.mark.parametrize(
    ("lines", "onset"),
    [
        (("....", "....", ".##."), ("p2", "p1", "opened")),
        (("....", "????", ".##."), ("p2", "p0", "opened")),
        (("....", "?...", "???#"), ("p2", "p1", "opened")),
        ((".##.", ".##.", "####"), ("", "", "there when first seen, p0")),
        (("..??", "..??", "..##"), ("", "", "there when first seen, p2")),
        (("???.", "???#", "...#"), ("", "", "there when first seen, p1")),
        (("....", "?...", "...."), ("", "", "no workings mapped")),
    ],
)
def test_onset_needs_workings_on_ground_that_was_seen_without(lines, onset):
    found = strip(*lines)
    assert (found.onset, found.onset_after, found.onset_note) == onset


def test_less_than_a_mapping_unit_is_no_onset():
    found = strip("....", ".#..", ".##.", mapping_unit_ha=0.02)
    assert (found.onset, found.onset_after) == ("", "")
    assert found.onset_note == "there when first seen, p2"
    assert strip("....", "....", ".##.", mapping_unit_ha=0.02).onset == "p2"


# Gain and rank


def test_ground_that_opens_twice_is_counted_once():
    found = strip("..#.", "#.#.", "..#.", "#.##")
    assert (found.gain_latest_ha, found.gain_latest_share) == (0.02, 1)
    assert (found.opened_ha, found.opened_share) == (0.02, 1)


def test_opened_ground_is_not_what_was_seen_late():
    found = strip("?...", "?.#.", "#.#?")
    assert (found.opened_ha, found.opened_share) == (0.01, 0.75)


def test_units_are_ranked_by_gain_and_not_where_little_was_compared():
    layer = Layer("parks", tuple(Area(name, name, box(0, 0, 1, 1)) for name in "abcd"), "protected areas")
    raster = row_of("?????.....", "?##?#.....", "#?###.##..")
    index = np.array([[1, 1, 1, 1, 1, 2, 3, 3, 4, 4]], np.int16)
    found = trends_of(raster, index, layer=layer)
    told = [(u.zone_id, u.gain_latest_ha, u.gain_latest_share, u.rank_latest) for u in found.units[1:]]
    assert told == [("a", 0, 0.4, None), ("b", 0, 1, None), ("c", 0.02, 1, 1), ("d", 0, 1, None)]
    both = trends_of(row_of("....", "#.##"), np.array([[1, 2, 3, 4]], np.int16), layer=layer)
    assert [u.rank_latest for u in both.units[1:]] == [1, None, 1, 1]


# What is written


def test_the_programme_comes_first_and_unassigned_ground_last():
    raster = row_of("#...", "##..")
    found = trends_of(raster, np.array([[1, 1, 0, -1]], np.int16))
    assert [(u.layer, u.zone_id) for u in found.units] == [("zones", n) for n in ("total", "north", "unassigned")]
    assert [u.watched_ha for u in found.units] == [0.03, 0.02, 0.01]


def test_the_document_is_read_back_as_it_was_written():
    found = trends_of(row_of("#...", "????", "##..", "####", "####"), np.array([[1, 1, 0, -1]], np.int16))
    assert Trends.from_json(found.to_json()) == found
    assert [period.name for period in found.periods] == ["p0", "p1", "p2", "p3", "p4"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"units": [], "min_observed_share": 0.5}', '{"units": 3}'])
def test_a_document_that_is_none_is_refused(text):
    with pytest.raises(BadInput, match=r"trends\.json"):
        Trends.from_json(text)


def test_places_are_those_of_zones_and_of_extents():
    areas = [
        Area("north", "North", box(15, 4, 16, 5), country="CAF", admin1="Mambéré"),
        Area("round", "Round", box(14, 3, 17, 6), role="extent", country="CAF"),
    ]
    found = trends_of(row_of("#...", "##.."), np.array([[1, 1, 0, -1]], np.int16), layer=Layer.of_zones(areas))
    assert found.places == {"total": ("", ""), "north": ("CAF", "Mambéré"), "unassigned": ("CAF", "")}


def test_the_table_and_the_document_say_the_same():
    found = trends_of(row_of("#...", "????", "##.."), np.array([[1, 1, 0, -1]], np.int16))
    table = list(csv.DictReader(io.StringIO(found.to_csv())))
    document = json.loads(found.to_json())
    assert document["min_observed_share"] == 0.5
    assert [line["zone_id"] for line in table] == [entry["zone_id"] for entry in document["units"]]
    assert table[1]["left_out"] == "p1"
    assert table[1]["slope_ha_per_year"] == ""
    for line, entry in zip(table, document["units"], strict=True):
        assert float(line["watched_ha"]) == entry["watched_ha"]
        assert [point["low_ha"] for point in entry["series"]] == [None] * 3


def test_estimates_stand_beside_mapped_areas():
    found = trends_of(row_of("#...", "##.."), np.ones((1, 4), np.int16))
    point = unit(found.with_estimates({("north", "p1"): (0.03, 0.01, 0.05)})).series[1]
    assert (point.disturbed_ha, point.estimated_ha, point.low_ha, point.high_ha) == (0.02, 0.03, 0.01, 0.05)
    assert unit(found.with_estimates({})).series[1].estimated_ha is None


@pytest.mark.parametrize(
    ("key", "figures", "message"),
    [
        (("north", "p1"), (0.03, 0.04, 0.05), "is no interval"),
        (("north", "p1"), (float("nan"), 0, 1), "is no interval"),
        (("north", "p9"), (1, 0, 2), "no such unit and period"),
        (("parks/north", "p1"), (1, 0, 2), "no such unit and period"),
    ],
)
def test_estimates_that_fit_nothing_are_refused(key, figures, message):
    found = trends_of(row_of("#...", "##.."), np.ones((1, 4), np.int16))
    with pytest.raises(BadInput, match=message):
        found.with_estimates({key: figures})


def test_rates_are_by_the_year_and_not_by_the_period():
    ends = [date(2020 + 2 * t, 3, 1 + 5 * (t % 2)) for t in range(5)]
    spans = tuple(Period(name=f"p{t}", start=date(end.year, 1, 1), end=end) for t, end in enumerate(ends))
    found = strip("#.....", "##....", "###...", "####..", "#####.", spans=spans)
    assert found.slope_ha_per_year == pytest.approx(0.005, abs=1e-4)
