"""Capacity ranges: hand-solved products, closed forms, what is missing, what is told apart."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import BadInput, Problems
from pipeline.footprint.capacity import AreaEstimate, NotComputed, Range, Settings, capacity_ranges
from pipeline.footprint.capacity_inputs import read_inputs
from pipeline.footprint.capacity_table import capacity_csv, capacity_json, capacity_text, plain
from pipeline.footprint.factors import EstimatedArea, Product, Triangular, draw, quantiles, variance_shares
from pipeline.footprint.ground import ALL, Place
from tests.production import FOOTPRINT, INPUT_HEADER, LABOUR, inputs, small_run

BODA, NOLA, CAF = Place("zone", "boda"), Place("zone", "nola"), Place("country", "CAF")
QUICK = Settings(draws=20_000)
YEAR = 365 / 365.25


def ranges(folder, text, run=None, settings=QUICK, estimates=None):
    run = run or small_run()
    return capacity_ranges(run, inputs(folder, text, run), settings, estimates)


def factor(name, low, mode, high):
    return name, Triangular(name, low, mode, high)


# Factors, products and sums


def test_triangular_quantiles_are_those_of_the_closed_form():
    # Of (0, 1, 4) the density peaks at 1/2; half of what lies below 1 is 1/8.
    found = Triangular("x", 0, 1, 4).quantile(np.array([0.0625, 0.25, 0.4375]))
    assert found.tolist() == pytest.approx([0.5, 1.0, 4 - math.sqrt(0.5625 * 12)])


def test_a_symmetric_input_has_its_mode_for_median_and_a_constant_only_itself():
    assert Triangular("x", 2, 5, 8).quantile(np.array([0.5])).tolist() == [5.0]
    assert Triangular("x", 3, 3, 3).quantile(np.array([0.1, 0.9])).tolist() == [3.0, 3.0]


@given(st.tuples(*[st.floats(0, 1e6)] * 3).map(sorted))
def test_draws_stay_within_low_and_high(points):
    low, mode, high = points
    found = Triangular("x", low, mode, high).quantile(np.linspace(1e-9, 1 - 1e-9, 101))
    assert (np.diff(found) >= 0).all()
    assert found.min() >= low - 1e-9 * high
    assert found.max() <= high * (1 + 1e-12)


def test_moments_of_a_triangular_input_are_exact():
    # (0, 0, 6): mean 2, variance 36/18.
    assert (Triangular("x", 0, 0, 6).mean, Triangular("x", 0, 0, 6).variance) == pytest.approx((2, 2))


def test_an_estimated_area_has_its_interval_and_never_falls_below_nothing():
    area = EstimatedArea("a", 50.0, 10.0)
    assert area.quantile(np.array([0.025, 0.5, 0.975])).tolist() == pytest.approx([30.4, 50, 69.6], abs=0.01)
    wide = EstimatedArea("a", 0.0, 10.0)
    assert wide.quantile(np.array([0.3])).tolist() == [0.0]
    # Half of a normal variable: mean σ/√(2π), mean of squares σ²/2.
    assert wide.mean == pytest.approx(10 / math.sqrt(2 * math.pi))
    assert wide.variance == pytest.approx(50 - 100 / (2 * math.pi))


def test_shares_of_variance_of_a_product_are_those_of_the_closed_form():
    # Squared coefficients of variation 1/2 (of (0, 0, 6)) and 1/6 (of (0, 1, 2)): variance 4·(3/2·7/6 − 1) = 3.
    product = Product(1, (factor("wide", 0, 0, 6), factor("narrow", 0, 1, 2), factor("fixed", 1, 1, 1)))
    variance, shares = variance_shares([product])
    assert variance == pytest.approx(3)
    assert shares == pytest.approx({"wide": 2 / 3, "narrow": 2 / 9, "fixed": 0})


def test_an_input_that_two_zones_share_counts_once_with_its_sum():
    # 2x + 4x = 6x, and x has variance 1/6.
    shared, other = factor("x", 0, 1, 2), factor("y", 0, 1, 2)
    variance, shares = variance_shares([Product(2, (shared,)), Product(4, (shared,))])
    assert variance == pytest.approx(36 / 6)
    assert shares == pytest.approx({"x": 1})
    apart, _ = variance_shares([Product(2, (shared,)), Product(4, (other,))])
    assert apart == pytest.approx((4 + 16) / 6)


def test_draws_agree_with_exact_mean_and_variance():
    terms = [
        Product(2, (factor("a", 1, 2, 9), factor("b", 0, 1, 2))),
        Product(3, (factor("a", 1, 2, 9), ("c", EstimatedArea("c", 5, 4)))),
    ]
    values = draw(terms, seed=7, draws=400_000)
    variance, _ = variance_shares(terms)
    assert values.mean() == pytest.approx(sum(term.mean for term in terms), rel=0.01)
    assert values.var() == pytest.approx(variance, rel=0.02)


def test_neither_order_nor_company_changes_the_draws():
    one, other = factor("a", 1, 2, 9), factor("b", 0, 1, 2)
    first = draw([Product(1, (one, other))], 3, 100)
    assert np.allclose(first, draw([Product(1, (other, one))], 3, 100), rtol=1e-14)
    alone = draw([Product(1, (one,))], 3, 100)
    assert np.array_equal(alone, one[1].quantile(_shares_of("a", 3, 100)))
    assert not np.array_equal(alone, draw([Product(1, (one,))], 4, 100))


def _shares_of(key, seed, draws):
    return draw([Product(1, ((key, _Uniform(key)),))], seed, draws)


class _Uniform:
    mean, variance = 0.5, 1 / 12

    def __init__(self, key):
        self.key = key

    def quantile(self, share):
        return share


def test_the_monte_carlo_error_is_that_of_the_ranks():
    # Of 1, 2, ... 10 000 the median's ranks reach 98 either way.
    (_, error), *_ = quantiles(np.arange(1.0, 10_001), [0.5])
    assert error == 98


def test_the_monte_carlo_interval_covers_the_true_quantile_in_about_95_of_100():
    truth, hits = Triangular("x", 0, 1, 4).quantile(np.array([0.95]))[0], 0
    for seed in range(200):
        (value, error), *_ = quantiles(draw([Product(1, (factor("x", 0, 1, 4),))], seed, 2000), [0.95])
        hits += abs(value - truth) <= error
    assert 0.90 <= hits / 200 <= 0.99


# Routes


def test_labour_multiplies_miners_days_gravel_and_grade(tmp_path):
    found = ranges(tmp_path, LABOUR).find(BODA, "diamonds", "labour", "2022")
    # 100, 200 or 300 miners, 200 days, 0.5 m³, 0.1 ct: 10 ct a miner and year.
    assert isinstance(found, Range)
    assert found.period == ""
    assert found.unit == "ct/year"
    assert found.mean == pytest.approx(2000)
    p5, p50, p95 = found.percentiles
    assert p50 == pytest.approx(2000, abs=2 * found.errors[1])
    assert p5 == pytest.approx(10 * (100 + math.sqrt(0.05 * 20_000)), abs=2 * found.errors[0])
    assert p95 == pytest.approx(10 * (300 - math.sqrt(0.05 * 20_000)), abs=2 * found.errors[2])
    assert found.shares == pytest.approx(
        {"miners": 1, "days_per_year": 0, "m3_gravel_per_miner_day": 0, "ct_per_m3": 0}
    )


def test_footprint_takes_the_mapped_gain_and_spreads_it_over_the_years_between(tmp_path):
    found = ranges(tmp_path, FOOTPRINT).find(BODA, "diamonds", "footprint", "2022")
    # 10 ha = 100 000 m² × 0.5 × 0.4 m × 0.1 ct/m³ × 0.8 = 1600 ct.
    assert isinstance(found, Range)
    assert found.percentiles == pytest.approx([1600 / YEAR] * 3)
    assert found.dominant == ""
    assert found.areas == ("mapped",)
    assert found.observed_share == 0.9


def test_an_estimate_brings_its_interval_into_the_range(tmp_path):
    estimates = {("boda", "2022"): AreaEstimate(20.0, 5.0)}
    found = ranges(tmp_path, FOOTPRINT, estimates=estimates).find(BODA, "diamonds", "footprint", "2022")
    assert isinstance(found, Range)
    low, middle, high = (value * YEAR / 160 for value in found.percentiles)
    assert (low, middle, high) == pytest.approx((20 - 1.645 * 5, 20, 20 + 1.645 * 5), abs=0.3)
    assert found.dominant == "new_area_ha"
    assert found.areas == ("estimate",)


def test_the_tables_own_area_goes_before_all_others_and_needs_no_imagery(tmp_path):
    row = "boda,,diamonds,footprint,new_area_ha,5,5,5,field map,2021,2022\n"
    run = small_run(both_observed_share=0.1)
    found = ranges(tmp_path, FOOTPRINT + row, run, estimates={("boda", "2022"): AreaEstimate(20, 5)})
    own = found.find(BODA, "diamonds", "footprint", "2022")
    assert isinstance(own, Range)
    assert own.percentiles == pytest.approx([800 / YEAR] * 3)
    assert own.areas == ("table",)
    assert own.observed_share is None


def test_gold_is_counted_in_grams_beside_carats_never_with_them(tmp_path):
    gold = FOOTPRINT.replace("diamonds", "gold").replace("ct_per_m3,0.1,0.1,0.1", "g_per_m3,0.3,0.3,0.3")
    found = ranges(tmp_path, FOOTPRINT + gold)
    assert {(item.commodity, item.unit) for item in found.ranges} == {("diamonds", "ct/year"), ("gold", "g/year")}
    assert found.find(BODA, "gold", "footprint", "2022").mean == pytest.approx(4800 / YEAR)


def test_zones_add_up_draw_by_draw(tmp_path):
    text = FOOTPRINT.replace("ct_per_m3,0.1,0.1,0.1", "ct_per_m3,0.0,0.1,0.2")
    found = ranges(tmp_path, text)
    boda, nola, both = (found.find(place, "diamonds", "footprint", "2022") for place in (BODA, NOLA, ALL))
    # One grade for both zones: percentiles of the sum are sums of percentiles.
    assert both.percentiles == pytest.approx([a + b for a, b in zip(boda.percentiles, nola.percentiles, strict=True)])
    assert both.zones == ("boda", "nola")
    assert both.shares["ct_per_m3"] == pytest.approx(1)


def test_inputs_of_zones_by_themselves_vary_by_themselves(tmp_path):
    rows = "".join(f"{z},,diamonds,footprint,ct_per_m3,0.0,0.1,0.2,survey,2019,\n" for z in ("boda", "nola"))
    shared = "all,,diamonds,footprint,ct_per_m3,0.1,0.1,0.1,survey,2019,\n"
    assert shared in FOOTPRINT
    found = ranges(tmp_path, FOOTPRINT.replace(shared, rows))
    boda, nola, both = (found.find(place, "diamonds", "footprint", "2022") for place in (BODA, NOLA, ALL))
    assert both.percentiles[2] < boda.percentiles[2] + nola.percentiles[2]
    assert both.mean == pytest.approx(boda.mean + nola.mean)


def test_a_zones_row_goes_before_its_countrys_and_that_before_all(tmp_path):
    run = small_run({"boda": "CAF", "nola": "CAF"})
    country = ",CAF,diamonds,footprint,recovery,0.4,0.4,0.4,survey,2019,\n"
    more = country + "boda,,diamonds,footprint,recovery,0.2,0.2,0.2,x,2019,\n"
    found = ranges(tmp_path, FOOTPRINT + more, run)
    assert found.find(BODA, "diamonds", "footprint", "2022").mean == pytest.approx(400 / YEAR)
    assert found.find(NOLA, "diamonds", "footprint", "2022").mean == pytest.approx(1600 / YEAR)
    assert found.find(CAF, "diamonds", "footprint", "2022").mean == pytest.approx(2000 / YEAR)


def test_a_row_of_a_period_goes_before_one_of_every_period(tmp_path):
    found = ranges(tmp_path, FOOTPRINT + "all,,diamonds,footprint,recovery,0.4,0.4,0.4,survey,2020,2021\n")
    means = [found.find(BODA, "diamonds", "footprint", period).mean for period in ("2021", "2022")]
    assert means == pytest.approx([800 / YEAR, 1600 / YEAR])


def test_miners_of_a_country_are_those_of_no_zone(tmp_path):
    run = small_run({"boda": "CAF", "nola": "CAF"})
    found = ranges(tmp_path, LABOUR.replace("boda,,diamonds,labour,miners", ",CAF,diamonds,labour,miners"), run)
    assert [item.place for item in found.ranges] == [CAF]
    assert {item.place for item in found.missing if item.route == "labour"} == {BODA, NOLA}


# What is not computed


@pytest.mark.parametrize("line", range(4))
@pytest.mark.parametrize(("text", "route"), [(LABOUR, "labour"), (FOOTPRINT, "footprint")])
def test_without_one_input_nothing_is_computed_and_it_is_named(tmp_path, text, route, line):
    lines = text.splitlines(keepends=True)
    name = lines.pop(line).split(",")[4]
    found = ranges(tmp_path, "".join(lines))
    assert not [item for item in found.ranges if item.route == route]
    lacking = [item.reason for item in found.missing if item.route == route and item.place == BODA]
    assert lacking
    assert set(lacking) == {f"the table lacks {name}"}
    assert f"the table lacks {name}" in capacity_text(found)


def test_a_route_without_any_row_names_all_its_inputs(tmp_path):
    found = ranges(tmp_path, LABOUR)
    reason = "the table lacks new_area_ha, dug_fraction, gravel_thickness_m, recovery, ct_per_m3"
    assert NotComputed(ALL, "diamonds", "footprint", "", reason) in found.missing


@pytest.mark.parametrize(("share", "told"), [(0.49, False), (0.5, True)])
def test_little_observed_ground_gives_no_range_from_imagery(tmp_path, share, told):
    found = ranges(tmp_path, FOOTPRINT, small_run(both_observed_share=share))
    item = found.find(BODA, "diamonds", "footprint", "2022")
    assert isinstance(item, Range) is told
    if not told:
        assert item.reason == "49% of its ground was observed in both periods, 50% are asked for"
        assert found.find(ALL, "diamonds", "footprint", "2022") is None  # nola alone is no sum


def test_ground_not_observed_is_no_gain_of_nothing(tmp_path):
    found = ranges(tmp_path, FOOTPRINT, small_run(gain_ha=None, both_observed_share=None))
    item = found.find(BODA, "diamonds", "footprint", "2022")
    assert item.reason == "none of its ground was observed in both periods"


def test_no_gain_is_a_range_of_nothing(tmp_path):
    item = ranges(tmp_path, FOOTPRINT, small_run(gain_ha=0.0)).find(BODA, "diamonds", "footprint", "2022")
    assert item.percentiles == (0, 0, 0)
    assert item.dominant == ""


# Repeating and writing


def test_the_order_of_rows_changes_no_byte(tmp_path):
    text = LABOUR.replace("0.1,0.1,0.1", "0.01,0.1,0.4") + FOOTPRINT.replace("0.4,0.4,0.4", "0.2,0.4,0.9")
    turned = "".join(reversed(text.splitlines(keepends=True)))
    one, other = ranges(tmp_path, text), ranges(tmp_path, turned)
    assert capacity_csv(one) == capacity_csv(other)
    assert capacity_text(one) == capacity_text(other)


def test_a_seed_repeats_and_another_differs_within_the_error_told(tmp_path):
    text = LABOUR.replace("0.1,0.1,0.1", "0.01,0.1,0.4")
    first, again, other = (ranges(tmp_path, text, settings=Settings(seed, 20_000)) for seed in (1, 1, 2))
    a, b, c = (item.find(BODA, "diamonds", "labour", "") for item in (first, again, other))
    assert a == b
    assert a.percentiles != c.percentiles
    for value, elsewhere, error in zip(a.percentiles, c.percentiles, a.errors, strict=True):
        assert abs(value - elsewhere) < 3 * error


def test_every_output_bears_the_title_and_each_input_its_source(tmp_path):
    found = ranges(tmp_path, LABOUR)
    assert capacity_text(found).startswith("Capacity range, not production")
    assert all(line.startswith('"Capacity range, not production"') for line in capacity_csv(found).splitlines()[1:])
    data = capacity_json(found)
    assert data["title"] == "Capacity range, not production"
    assert {(row["source"], row["year"]) for row in data["inputs"]} == {("census", 2019), ("survey", 2019)}


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.012345, "0.0123"), (99.96, "100"), (123456, "123,000"), (7.0, "7")]
)
def test_numbers_are_printed_with_three_digits(value, text):
    assert plain(value) == text


@pytest.mark.parametrize("settings", [{"draws": 10}, {"draws": 10**9}, {"seed": -1}, {"least_observed_share": 0}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(BadInput, match="expected"):
        Settings(**settings)


# Reading


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("boda,,diamonds,labour,miners,300,200,100,x,2019,", "low 300, mode 200, high 100 do not rise"),
        ("boda,,diamonds,labour,miners,-5,200,300,x,2019,", "low -5 is negative"),
        ("boda,,diamonds,labour,miners,nan,200,300,x,2019,", "low 'nan' is not a number"),
        ("boda,,diamonds,labour,miners,1,2,inf,x,2019,", "high 'inf' is not a number"),
        ("boda,,diamonds,labour,miners,1,2,1e999,x,2019,", "high 1e999 is above 1e+12"),
        ("boda,,diamonds,labour,miners,1,2,1_000,x,2019,", "high '1_000' is not a number"),
        ("boda,,diamonds,labour,miners,1,,3,x,2019,", "mode is empty"),
        ('boda,,diamonds,labour,miners,1,2,"3,5",x,2019,', "high '3,5' has a comma"),
        ("boda,,diamonds,labour,miners,1,2,=1+1,x,2019,", "high '=1+1' is not a number"),
        ("boda,,diamonds,labour,miners,1,2,3,,2019,", "source is empty"),
        ("boda,,diamonds,labour,miners,1,2,3,x,,", "year '' is not a year"),
        ("boda,,diamonds,labour,miners,1,2,3,x,19,", "year '19' is not a year"),
        ("boda,,gold,labour,ct_per_m3,1,2,3,x,2019,", "for gold, counted in g, write the grade as g_per_m3"),
        ("boda,,diamonds,labour,grade,1,2,3,x,2019,", "write the grade as ct_per_m3"),
        ("boda,,diamonds,labour,minrs,1,2,3,x,2019,", "did you mean 'miners'?"),
        ("boda,,diamonds,footprint,recovery,0.5,0.9,1.5,x,2019,", "high 1.5 is above 1"),
        ("boda,,diamonds,labour,days_per_year,100,200,400,x,2019,", "high 400 is above 366"),
        ("boda,,emeralds,labour,miners,1,2,3,x,2019,", "commodity 'emeralds' is not known"),
        (
            "carnot,,diamonds,labour,miners,1,2,3,x,2019,",
            "zone_id 'carnot' is none of the run; write one of: boda, nola",
        ),
        ("boda,CAF,diamonds,labour,miners,1,2,3,x,2019,", "not both"),
        (",,diamonds,labour,miners,1,2,3,x,2019,", "not neither"),
        (",Centrafrique,diamonds,labour,miners,1,2,3,x,2019,", "no ISO 3166-1 alpha-3 code"),
        ("all,,diamonds,labour,miners,1,2,3,x,2019,", "miners for all zones would be counted in each of them"),
        ("boda,,diamonds,footprint,new_area_ha,1,2,3,x,2019,", "new_area_ha is ground of one period"),
        ("boda,,diamonds,labour,miners,1,2,3,x,2019,2020", "period '2020' is none that the run compares"),
        ("boda,,diamonds,labour,miners,1,2,3", "8 cells under 11 columns"),
        ('boda,,diamonds,labour,miners,1,2,3,"x\x1b[31m",2019,', "source holds a line break or control sign"),
    ],
)
def test_each_mistake_is_told_with_its_line(tmp_path, row, said):
    with pytest.raises(Problems) as error:
        inputs(tmp_path, LABOUR + row + "\n")
    (problem,) = error.value.problems
    assert problem.startswith("line 6: ")
    assert said in problem


def test_all_mistakes_are_told_at_once(tmp_path):
    with pytest.raises(Problems) as error:
        inputs(tmp_path, "boda,,iron,labour,miners,x,-1,3,,19,\nnowhere,,diamonds,labour,miners,1,2,3,x,2019,\n")
    assert [problem[:7] for problem in error.value.problems] == ["line 2:"] * 5 + ["line 3:"]


def test_a_row_given_twice_names_the_first(tmp_path):
    with pytest.raises(Problems, match="line 6: miners of boda was given in line 2 already"):
        inputs(tmp_path, LABOUR + LABOUR.splitlines()[0] + "\n")


def test_a_table_as_a_french_spreadsheet_saves_it_reads_the_same(tmp_path):
    plain_table = inputs(tmp_path, LABOUR).inputs
    text = (INPUT_HEADER + LABOUR).replace(",", ";").replace(".", ",").replace("\n", "\r\n")
    path = tmp_path / "inputs.csv"
    path.write_bytes(b"\xef\xbb\xbf" + text.upper().replace("CENSUS", "census").replace("SURVEY", "survey").encode())
    with pytest.raises(Problems, match="zone_id 'BODA' is none of the run"):
        read_inputs(path, small_run())
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read_inputs(path, small_run()).inputs == plain_table


def test_two_decimal_signs_in_one_file_are_refused(tmp_path):
    text = LABOUR.replace(",", ";").replace("0.5;0.5;0.5", "0,5;0.5;0,5")
    with pytest.raises(Problems, match="both decimal signs are used"):
        inputs(tmp_path, text, header=INPUT_HEADER.replace(",", ";"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "column 'commodity' is missing"),
        (b"zone_id,comodity\n", "did you mean 'commodity'"),
        (INPUT_HEADER.replace("period", "year").encode(), "column 'year' is there twice"),
        (INPUT_HEADER.encode(), "no record below the header"),
        (INPUT_HEADER.encode("utf-16"), "not UTF-8 text"),
        (INPUT_HEADER.encode() + b'boda,"x"y,\n', "not CSV"),
        (INPUT_HEADER.encode() + b"x" * 200_000, "not CSV"),
    ],
)
def test_files_that_are_no_table_are_refused(tmp_path, content, said):
    path = tmp_path / "inputs.csv"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=said):
        read_inputs(path, small_run())


def test_a_missing_file_is_bad_input(tmp_path):
    with pytest.raises(BadInput, match="cannot be read"):
        read_inputs(Path(tmp_path / "none.csv"), small_run())


@given(st.binary(max_size=200) | st.text(alphabet='boda,;"=\n\r\t0.5e-\x00\ufeffé', max_size=200).map(str.encode))
def test_whatever_the_file_holds_it_is_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("hostile") / "inputs.csv"
    path.write_bytes(INPUT_HEADER.encode() + content)
    with pytest.raises(BadInput):
        read_inputs(path, small_run())
