"""Declared figures: each flag set and not set, what is not judged, and what is never mixed."""

from __future__ import annotations

import pytest

from pipeline.errors import BadInput, Problems
from pipeline.footprint.capacity import Settings, capacity_ranges
from pipeline.footprint.declared import whole_years
from pipeline.footprint.flags import CLEAR, CODES, FLAG, NOT_JUDGED, Rules, judge_declared
from pipeline.footprint.flags_table import flags_csv, flags_json, flags_text
from pipeline.footprint.jumps import jump_of, robust_score
from tests.production import FOOTPRINT, LABOUR, declared, inputs, small_run

# Boda by labour: 1000 to 3000 ct a year, P5 1316 and P95 2684; by footprint 1601 ct.
BOTH = {"boda": "CAF", "nola": "CAF"}


def row(place="boda,", start="2021-01-01", end="2021-12-31", value="2000", **changes):
    words = {"commodity": "diamonds", "type": "artisanal", "flow": "production", "unit": "ct"} | changes
    return (
        f"{place},{words['commodity']},{words['type']},{words['flow']},{start},{end},{value},{words['unit']},bulletin\n"
    )


def judged(folder, text, run=None, table=LABOUR, rules=None):
    run = run or small_run()
    capacity = capacity_ranges(run, inputs(folder, table, run), Settings(draws=20_000)) if table else None
    return judge_declared(run, declared(folder, text, run), capacity, rules or Rules())


def verdicts(judgements, check, **wanted):
    found = [j for j in judgements if j.check == check]
    for name, value in wanted.items():
        found = [j for j in found if getattr(j, name) == value]
    return [(j.verdict, j.code) for j in found]


# Capacity


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("1200", (FLAG, "below-capacity")),
        ("1400", (CLEAR, "")),
        ("2600", (CLEAR, "")),
        ("2800", (FLAG, "above-capacity")),
    ],
)
def test_a_year_is_compared_with_p5_and_p95(tmp_path, value, told):
    assert verdicts(judged(tmp_path, row(value=value)), "capacity", route="labour") == [told]


def test_each_route_is_compared_by_itself(tmp_path):
    found = judged(tmp_path, row(value="2000"), table=LABOUR + FOOTPRINT)
    assert verdicts(found, "capacity", route="labour") == [(CLEAR, "")]
    assert verdicts(found, "capacity", route="footprint") == [(FLAG, "above-capacity")]


def test_large_scale_figures_are_not_compared_with_artisanal_capacity(tmp_path):
    found = judged(tmp_path, row(value="99999", type="large-scale"))
    assert verdicts(found, "capacity") == [(NOT_JUDGED, "")]


def test_exports_are_compared_too(tmp_path):
    assert verdicts(judged(tmp_path, row(value="9000", flow="exports")), "capacity", route="labour") == [
        (FLAG, "above-capacity")
    ]


def test_carats_are_never_compared_with_grams(tmp_path):
    found = judged(tmp_path, row(value="99999", commodity="gold", unit="g"))
    assert {verdict for verdict, _ in verdicts(found, "capacity")} == {NOT_JUDGED}


def test_quarters_make_a_year_only_when_none_is_missing(tmp_path):
    ends = {"01-01": "03-31", "04-01": "06-30", "07-01": "09-30", "10-01": "12-31"}
    quarters = [row(start=f"2021-{a}", end=f"2021-{b}", value="800") for a, b in ends.items()]
    whole = judged(tmp_path, "".join(reversed(quarters)))
    assert [j.value for j in whole if j.check == "capacity" and j.route == "labour"] == [3200]
    assert verdicts(whole, "capacity", route="labour") == [(FLAG, "above-capacity")]
    part = judged(tmp_path, "".join(quarters[:3]))
    assert verdicts(part, "capacity") == [(NOT_JUDGED, "")] * 3


def test_a_year_that_starts_in_july_is_a_year(tmp_path):
    rows = declared(tmp_path, row(start="2020-07-01", end="2021-06-30")).rows
    years, rest = whole_years(rows)
    assert [(y.start.isoformat(), y.value) for y in years] == [("2020-07-01", 2000)]
    assert rest == []


def test_without_inputs_capacity_is_not_judged_and_the_rest_is(tmp_path):
    found = judged(tmp_path, row(), table="")
    assert verdicts(found, "capacity") == [(NOT_JUDGED, "")]
    assert verdicts(found, "declared-unseen") == [(CLEAR, "")]


def test_a_footprint_range_of_ground_hardly_observed_judges_nothing(tmp_path):
    found = judged(tmp_path, row(value="99999"), small_run(both_observed_share=0.2), FOOTPRINT)
    (item,) = [j for j in found if j.check == "capacity" and j.route == "footprint"]
    assert item.verdict == NOT_JUDGED
    assert item.text == "20% of its ground was observed in both periods, 50% are asked for"


def test_a_country_is_compared_with_its_zones_and_told_so(tmp_path):
    found = judged(tmp_path, row(",CAF", value="99999"), small_run(BOTH), FOOTPRINT)
    (item,) = [j for j in found if j.check == "capacity" and j.route == "footprint"]
    assert item.code == "above-capacity"
    assert item.text.endswith("of boda, nola only: other ground of the country is not in the range")


# Jumps


def test_the_robust_score_is_that_of_the_median_and_mad():
    # Median 12, distances 2 1 0 1 2, MAD 1: 0.6745 × 8.
    assert robust_score(20, [10, 11, 12, 13, 14]) == (pytest.approx(5.396), 12)
    assert robust_score(12, [10, 11, 12, 13, 14]) == (0, 12)


def test_where_mad_is_zero_the_mean_distance_stands_for_it():
    # Median 5, distances 0 0 0 0 5, mean 1.
    score, middle = robust_score(10, [5, 5, 5, 5, 10])
    assert (score, middle) == (pytest.approx(5 / 1.253314), 5)
    assert robust_score(5, [5, 5, 5]) == (0.0, 5)
    assert robust_score(6, [5, 5, 5]) == (None, 5)


def yearly(*values):
    return "".join(row(start=f"{2010 + i}-01-01", end=f"{2010 + i}-12-31", value=str(v)) for i, v in enumerate(values))


def test_a_figure_is_judged_by_the_five_before_it(tmp_path):
    found = judged(tmp_path, yearly(10, 11, 12, 13, 14, 20), table="")
    jumps = [j for j in found if j.check == "jump"]
    assert [j.verdict for j in jumps] == [NOT_JUDGED] * 5 + [FLAG]
    assert [j.text for j in jumps[:2]] == ["5 earlier years needed, 0 had", "5 earlier years needed, 1 had"]
    assert jumps[-1].score == pytest.approx(5.396)
    assert jumps[-1].text == "20 declared, median 12 ct: score +5.4, limit 3.5; 5 earlier years needed, 5 had"


def test_a_fall_is_a_jump_and_a_figure_within_the_limit_is_none(tmp_path):
    # Limit: 3.5 / 0.6745 = 5.19 from the median of 12.
    for value, verdict in ((17, CLEAR), (17.3, FLAG), (7, CLEAR), (6.7, FLAG)):
        found = judged(tmp_path, yearly(10, 11, 12, 13, 14, value), table="")
        assert [j.verdict for j in found if j.check == "jump"][-1] == verdict, value


def test_history_is_that_of_the_series_alone(tmp_path):
    other = yearly(10, 11, 12, 13, 14).replace("artisanal", "large-scale")
    last = row(start="2015-01-01", end="2015-12-31", value="99")
    found = [j for j in judged(tmp_path, other + last, table="") if j.check == "jump" and j.series.type == "artisanal"]
    assert [j.verdict for j in found] == [NOT_JUDGED]


def quarters(years, values):
    spans = (("01-01", "03-31"), ("04-01", "06-30"), ("07-01", "09-30"), ("10-01", "12-31"))
    rows = [(year, i, a, b) for year in years for i, (a, b) in enumerate(spans)]
    return "".join(row(start=f"{y}-{a}", end=f"{y}-{b}", value=str(values[i] + y % 3)) for y, i, a, b in rows)


def test_the_season_is_taken_out_where_five_years_of_it_are_known(tmp_path):
    # Every first quarter is ten times the others: no jump for itself, and one for a third quarter that is like it.
    history = quarters(range(2010, 2015), (100, 10, 10, 10))
    series = declared(tmp_path, history + quarters([2015], (100, 10, 100, 10))).rows
    found = [jump_of(series[i], series[:i]) for i in range(20, 24)]
    assert [jump.beyond for jump in found] == [False, False, True, False]
    assert "5 same quarters of earlier years needed, 5 had" in found[2].text


def test_before_that_all_quarters_of_two_years_are_needed_and_the_season_stays_in(tmp_path):
    series = declared(tmp_path, quarters(range(2010, 2013), (11, 10, 12, 10))).rows
    found = [jump_of(series[i], series[:i]) for i in (7, 8)]
    assert [jump.beyond for jump in found] == [None, False]
    assert found[0].text == "8 earlier quarters needed, 7 had"
    assert found[1].text.endswith("8 earlier quarters needed, 8 had; seasons are not taken out")


def test_periods_of_unlike_length_are_not_compared(tmp_path):
    series = declared(tmp_path, yearly(10, 11, 12, 13, 14) + row(start="2015-01-01", end="2015-03-31")).rows
    assert jump_of(series[5], series[:5]).text == "8 earlier quarters needed, 0 had"
    odd = declared(tmp_path, row(start="2015-01-01", end="2015-02-14")).rows[0]
    assert "45 days are no month" in jump_of(odd, ()).text


# Disturbance


def test_declared_without_disturbance_is_flagged_and_with_it_not(tmp_path):
    assert verdicts(judged(tmp_path, row()), "declared-unseen") == [(CLEAR, "")]
    nothing = small_run(disturbed_ha=0.0)
    assert verdicts(judged(tmp_path, row(), nothing), "declared-unseen") == [(FLAG, "declared-unseen")]
    assert verdicts(judged(tmp_path, row(value="0"), nothing), "declared-unseen") == []


def test_what_counts_as_seen_is_an_option(tmp_path):
    run = small_run(disturbed_ha=3.0)
    for least, verdict in ((3.0, CLEAR), (3.1, FLAG)):
        found = judged(tmp_path, row(), run, rules=Rules(least_disturbed_ha=least))
        assert [j.verdict for j in found if j.check == "declared-unseen"] == [verdict]


@pytest.mark.parametrize(("observed", "verdict"), [(500.0, FLAG), (499.0, NOT_JUDGED)])
def test_no_disturbance_is_claimed_of_ground_hardly_observed(tmp_path, observed, verdict):
    run = small_run(disturbed_ha=0.0, observed_ha=observed)
    found = [j for j in judged(tmp_path, row(), run) if j.check == "declared-unseen"]
    assert [j.verdict for j in found] == [verdict]


def test_a_time_without_imagery_is_not_judged(tmp_path):
    found = judged(tmp_path, row(start="2015-01-01", end="2015-12-31"), small_run(disturbed_ha=0.0))
    assert verdicts(found, "declared-unseen") == [(NOT_JUDGED, "")]


def test_disturbance_without_a_declaration_is_flagged_where_others_declare(tmp_path):
    found = judged(tmp_path, row())  # by boda alone, for 2021
    nola = [j for j in found if j.check == "seen-undeclared" and j.series.place.id == "nola"]
    # Of the three windows 2021 covers none of the first, three quarters of the last and a quarter of the second.
    assert [j.verdict for j in nola] == [NOT_JUDGED, NOT_JUDGED, FLAG]
    assert nola[2].text.startswith("50 ha of disturbed ground mapped, 20 ha of it new; nothing declared")
    boda = [j for j in found if j.check == "seen-undeclared" and j.series.place.id == "boda"]
    assert [j.verdict for j in boda] == [NOT_JUDGED, NOT_JUDGED, CLEAR]


def test_a_declaration_of_nothing_is_none(tmp_path):
    assert verdicts(judged(tmp_path, row(value="0")), "seen-undeclared")[2] == (FLAG, "seen-undeclared")


def _last_text(found, zone):
    return [j.text for j in found if j.check == "seen-undeclared" and j.series.place.id == zone][-1]


def test_neither_little_ground_nor_little_disturbance_is_flagged(tmp_path):
    text = row("nola,")
    quiet = judged(tmp_path, text, small_run(disturbed_ha=0.5))
    assert [j.verdict for j in quiet if j.check == "seen-undeclared" and j.series.place.id == "boda"][-1] == CLEAR
    unseen = judged(tmp_path, text, small_run(observed_ha=100.0))
    (last,) = [j for j in unseen if j.check == "seen-undeclared" and j.series.place.id == "boda"][-1:]
    assert (last.verdict, last.text) == (NOT_JUDGED, "10% of its ground was observed, 50% are asked for")


def test_a_country_figure_stands_for_its_zones(tmp_path):
    run = small_run(BOTH)
    found = judged(tmp_path, row(",CAF"), run)
    assert {j.series.place.kind for j in found} == {"country"}
    assert verdicts(found, "declared-unseen") == [(CLEAR, "")]
    mixed = judged(tmp_path, row(",CAF") + row(), run)
    assert _last_text(mixed, "nola") == "declared for CAF as a whole, not by zone"


def test_a_zone_of_unknown_country_is_not_said_to_be_undeclared_where_a_country_declared(tmp_path):
    text = row("boda,") + row(",CAF")
    assert _last_text(judged(tmp_path, text), "nola") == (
        "declared for CAF as a whole, not by zone; if the zone lies elsewhere, name the areas file with --areas"
    )
    elsewhere = judged(tmp_path, text, small_run({"boda": "CAF", "nola": "COG"}))
    assert "nothing declared" in _last_text(elsewhere, "nola")


def test_a_neighbour_country_that_declares_nothing_is_told(tmp_path):
    found = judged(tmp_path, row(",CAF"), small_run({"boda": "CAF", "nola": "COG"}))
    cog = [j for j in found if j.series.place.id == "COG"]
    assert [j.code for j in cog] == ["", "", "seen-undeclared"]


def test_a_country_whose_zones_are_not_known_is_judged_by_its_history_alone(tmp_path):
    found = judged(tmp_path, yearly(10, 11, 12, 13, 14, 20).replace("boda,", ",CAF"))
    assert [j.verdict for j in found if j.check == "jump"][-1] == FLAG
    texts = {j.text for j in found if j.check == "declared-unseen" and j.start.year > 2010}
    assert texts == {"no period of the run covers half of that time"}
    (now,) = [j for j in judged(tmp_path, row(",CAF")) if j.check == "declared-unseen"]
    assert now.text == "no zone of the run is known to lie in CAF; name the areas file with --areas"


# Writing and reading


def test_each_flag_says_what_it_is_and_what_it_is_not(tmp_path):
    assert all(is_text.endswith(".") and "no proof" in is_not for is_text, is_not in CODES.values())
    run = small_run()
    found = judged(tmp_path, row(value="99999"), run)
    text = flags_text(found)
    for sentence in CODES["above-capacity"]:
        assert sentence in text
        assert sentence in flags_csv(found, run)
    data = flags_json(found, run, declared(tmp_path, row(value="99999")), Rules())
    assert data["codes"]["jump"]["what_it_is_not"] == CODES["jump"][1]
    assert data["declared"][0]["source"] == "bulletin"


def test_the_order_of_rows_changes_no_byte(tmp_path):
    run, text = small_run(), yearly(10, 11, 12, 13, 14, 20) + row("nola,")
    turned = "".join(reversed(text.splitlines(keepends=True)))
    assert flags_csv(judged(tmp_path, text, run), run) == flags_csv(judged(tmp_path, turned, run), run)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (row(unit="g"), "unit 'g': for diamonds write ct"),
        (row(commodity="gold"), "unit 'ct': for gold write g or kg"),
        (row(commodity="gold", unit="oz"), "unit 'oz': for gold write g or kg"),
        (row(value="-1"), "value -1 is negative"),
        (row(value="NaN"), "value 'NaN' is not a number"),
        (row(value="12 000"), "value '12 000' is not a number"),
        (row(start="01/02/2021"), "start '01/02/2021' is not a day"),
        (row(end="2021-02-30"), "end '2021-02-30' is not a day"),
        (row(end="2020-12-31"), "write the first and the last day"),
        (row(type="small"), "type 'small' is not known; write one of: artisanal, large-scale"),
        (row(flow="imports"), "flow 'imports' is not known; write one of: production, exports"),
        (row("all,"), "zone_id 'all' is none of the run"),
        (row("boda,CAF"), "not both"),
        (row().replace("bulletin", ""), "source is empty"),
    ],
)
def test_each_mistake_is_told_with_its_line(tmp_path, text, said):
    with pytest.raises(Problems) as error:
        declared(tmp_path, row("nola,") + text)
    (problem,) = error.value.problems
    assert problem.startswith("line 3: ")
    assert said in problem


def test_days_told_twice_are_refused(tmp_path):
    with pytest.raises(Problems, match="line 3: its days overlap those of line 2"):
        declared(tmp_path, row() + row(start="2021-12-31", end="2022-12-30"))
    two = declared(tmp_path, row() + row(flow="exports") + row(type="large-scale") + row("nola,"))
    assert len(two.rows) == 4


def test_kilograms_become_grams(tmp_path):
    (found,) = declared(tmp_path, row(commodity="gold", unit="kg", value="1.5")).rows
    assert (found.value, found.unit) == (1500, "g")


@pytest.mark.parametrize(
    "rules", [{"least_observed_share": 0}, {"least_observed_share": 1.1}, {"least_disturbed_ha": 0}]
)
def test_rules_out_of_range_are_refused(rules):
    with pytest.raises(BadInput, match="expected"):
        Rules(**rules)
