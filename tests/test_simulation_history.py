"""Histories of simulated complexes: stages of a cell, pairs that join, complexes that split, ground dug again."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest
import shapely

from pipeline.simulation import truth
from pipeline.simulation.cohorts import Cohort
from pipeline.simulation.landcover import make_landscape
from pipeline.simulation.lineage import count_parts, lineage_of, outline_of
from pipeline.simulation.scenario import scenario_of
from pipeline.simulation.stages import BARE, NEVER, OLD, POND, UNDUG, YOUNG, stages
from pipeline.simulation.terrain import Extent, extent_of
from pipeline.simulation.workings import EPOCH, Complex, Workings, make_workings

EXTENT = Extent(32633, 620_000, 524_000, 120, 80)
DAYS = {"one": EPOCH + timedelta(days=10), "two": EPOCH + timedelta(days=20), "three": EPOCH + timedelta(days=30)}


def layers(*histories):
    """One row of cells, each (opens, ponds, regrows, reopens)."""
    return tuple(np.array([column], np.int16) for column in zip(*histories, strict=True))


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (9, [UNDUG, UNDUG, UNDUG]),
        (10, [BARE, BARE, BARE]),
        (30, [BARE, POND, POND]),
        (100, [YOUNG, POND, YOUNG]),
        (399, [YOUNG, POND, YOUNG]),
        (400, [OLD, POND, OLD]),
        (500, [BARE, POND, BARE]),
        (544, [BARE, POND, BARE]),
        (545, [BARE, POND, POND]),
    ],
)
def test_a_cell_passes_through_its_stages(day, expected):
    found = stages(day, layers((10, NEVER, 100, 500), (10, 30, NEVER, NEVER), (10, 30, 100, 500)))
    assert found.tolist() == [expected]


def works(*complexes):
    """Workings by hand on EXTENT: for each complex its rectangles (row, col, height, width, opens, regrows)."""
    number = np.zeros(EXTENT.shape, np.uint8)
    opens, ponds, regrows, reopens = (np.full(EXTENT.shape, NEVER, np.int16) for _ in range(4))
    found = []
    for nth, rectangles in enumerate(complexes, start=1):
        for row, col, height, width, opened, green in rectangles:
            at = np.s_[row : row + height, col : col + width]
            number[at], opens[at], regrows[at] = nth, opened, green
        found.append(
            Complex(
                number=nth,
                cohort="by hand",
                size_class="",
                opened=EPOCH,
                complete=EPOCH,
                abandoned=None,
                regrown=None,
                reopened=None,
                neck=None,
                rise_db=0.0,
                row=0,
                col=0,
                side=120,
                cells=int((number == nth).sum()),
            )
        )
    return Workings(tuple(found), number, opens, ponds, regrows, reopens, np.zeros((len(found), 2, 6), np.int32))


def test_two_complexes_join_in_the_first_period_that_finds_them_nearer_than_30_m():
    left = [(10, 5, 20, 20, 5, NEVER)]
    # 12 cells of 2.5 m away in the first two periods, 11 in the third.
    right = [(10, 37, 20, 20, 5, NEVER), (10, 36, 20, 1, 25, NEVER)]
    found = lineage_of(works(left, right), EXTENT, DAYS)
    assert found[0].joins == ((2, "three"),)
    assert found[1].joins == ((1, "three"),)


def test_ground_that_regrew_before_the_other_opened_joins_nothing():
    left = [(10, 5, 20, 20, 5, 15)]
    right = [(10, 26, 20, 20, 18, NEVER)]
    assert [kin.joins for kin in lineage_of(works(left, right), EXTENT, DAYS)] == [(), ()]


def test_a_complex_splits_when_its_middle_regrows():
    # 20 x 20 cells are 0.25 ha; the middle is 12 cells, 30 m wide.
    ends = [(30, 5, 20, 20, 5, NEVER), (30, 37, 20, 20, 5, NEVER)]
    (kin,) = lineage_of(works([*ends, (30, 25, 20, 12, 5, 12)]), EXTENT, DAYS)
    assert kin.parts == {"one": 1, "two": 2, "three": 2}
    assert kin.splits == ("two",)
    (kin,) = lineage_of(works([*ends, (30, 25, 20, 11, 5, 12)]), EXTENT, DAYS)
    assert kin.splits == ("two",)  # one cell of the middle is not dug at all: 30 m all the same


def test_parts_smaller_than_a_mapping_unit_do_not_count():
    mask = np.zeros((60, 100), np.bool_)
    mask[5:25, 5:25] = True  # 0.25 ha
    mask[5:15, 60:75] = True  # 0.094 ha
    assert count_parts(outline_of(mask, 0, 0, EXTENT)) == 1
    mask[5:15, 60:76] = True  # 0.1 ha
    assert count_parts(outline_of(mask, 0, 0, EXTENT)) == 2
    assert count_parts(shapely.GeometryCollection()) == 0


@pytest.fixture(scope="module", params=["carnot", "tortiya"])
def drawn(request):
    scenario = scenario_of(request.param)
    landscape = make_landscape(scenario, extent_of(scenario))
    workings = make_workings(scenario, landscape)
    document = truth.complexes_geojson(scenario, landscape, workings)
    return scenario, workings, [feature["properties"] for feature in document["features"]]


def of(drawn, start):
    scenario, workings, told = drawn
    forms = {cohort.name: cohort for cohort in (*scenario.cohorts, *scenario.later)}
    pairs = zip(workings.complexes, told, strict=True)
    return [(one, p, forms[one.cohort]) for one, p in pairs if one.cohort.startswith(start)]


def first_period_after(scenario, day):
    return next(period.name for period in scenario.periods() if truth.middle(period) > day)


def test_pairs_join_in_the_season_after_their_ground_grew_together(drawn):
    scenario = drawn[0]
    found = of(drawn, "joined")
    assert len(found) == 2 * sum(sum(c.counts) for c in scenario.later if c.form == "pair") > 0
    for (one, p, _), (other, q, _) in zip(found[::2], found[1::2], strict=True):
        assert one.neck == other.neck
        season = first_period_after(scenario, one.neck + timedelta(days=40))
        assert {"id": q["id"], "period": season} in p["joins"]
        assert {"id": p["id"], "period": season} in q["joins"]


def test_splits_come_apart_once_in_the_season_after_their_middle_was_left(drawn):
    scenario = drawn[0]
    found = of(drawn, "split")
    assert len(found) == sum(sum(c.counts) for c in scenario.later if c.form == "split") > 0
    for one, p, _ in found:
        season = first_period_after(scenario, one.neck + timedelta(days=120))
        assert p["splits"] == (season,)
        assert set(p["parts"].values()) == {1, 2}


def test_reopened_ground_was_dug_green_and_dug_again(drawn):
    found = of(drawn, "reopened")
    assert found
    for _, p, _ in found:
        area = {name: p["bare_ha"][name] + p["pond_ha"][name] for name in p["bare_ha"]}
        assert area["dry-2024"] < 0.35 * area["dry-2021"]
        assert area["dry-2025"] > 2 * area["dry-2024"]
        assert p["abandoned"] < "2022" < "2024" < p["reopened"]


def test_complexes_of_all_sizes_open_between_each_pair_of_seasons(drawn):
    scenario, _, told = drawn
    names = [period.name for period in scenario.periods()]
    assert names == [f"dry-{year}" for year in range(2021, 2026)]
    for before, after in pairwise(names):
        fresh = [
            p
            for p in told
            if p["bare_ha"][before] + p["pond_ha"][before] == 0 < p["bare_ha"][after] and not p["reopened"]
        ]
        assert {p["size_class"] for p in fresh} == {"<0.1 ha", "0.1-0.5 ha", "0.5-2 ha", ">2 ha"}
        assert all(p["opened"] <= truth.middle(scenario.periods()[names.index(after)]).isoformat() for p in fresh)


def test_growing_complexes_grow_from_season_to_season(drawn):
    grown = [p for p in drawn[2] if p["cohort"] == "growing later"]
    assert grown
    for p in grown:
        areas = [p["bare_ha"][name] + p["pond_ha"][name] for name in p["bare_ha"]]
        assert all(a < b for a, b in pairwise(areas[1:]))


def test_rises_are_none_or_one_to_four_decibels(drawn):
    rises = np.array([p["radar_rise_db"] for p in drawn[2]])
    shown = rises[rises > 0]
    assert 0.05 < (rises == 0).mean() < 0.3
    assert 1 <= shown.min() < 1.65 < shown.max() <= 4
    assert 2.2 < shown.mean() < 2.8


def test_a_scenario_keeps_its_ground_when_it_grows_longer():
    scenario = replace(scenario_of("demo"), burns=2)
    more = Cohort("later", ((2023, 4), (2023, 9)), (40, 130), (2, 1, 1, 0))
    longer = replace(scenario, years=5, later=(more,))
    short, long = (make_landscape(one, extent_of(one)) for one in (scenario, longer))
    for a, b in zip((*short.covers, *short.burns), (*long.covers[:3], *long.burns[:3]), strict=True):
        np.testing.assert_array_equal(a, b)
    few, many = make_workings(scenario, short), make_workings(longer, long)
    assert many.complexes[: len(few.complexes)] == few.complexes
    assert len(many.complexes) == len(few.complexes) + 4
    own = few.number > 0
    for layer in ("number", "opens", "ponds", "regrows", "reopens"):
        np.testing.assert_array_equal(getattr(many, layer)[own], getattr(few, layer)[own])
    np.testing.assert_array_equal(many.sites[: len(few.sites)], few.sites)
    assert date(2023, 4, 1) <= many.complexes[-1].opened <= date(2023, 9, 28)
