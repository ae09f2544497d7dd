"""Names for life against truth that a person can follow: who held what, and whether it should have."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pytest
import rasterio
import shapely
from rasterio.transform import from_origin

from benchmarks.accuracy_truth import Complex, Truth
from benchmarks.lineage import (
    AGAIN,
    BROKEN,
    JOINS,
    RENAMED,
    SHARED,
    SPLITS,
    UNMERGED,
    Happened,
    LineageScore,
    held_by,
    judge_lineage,
    place_of,
    site_planes,
)
from benchmarks.lineage_perfect import perfect_map, score_perfect
from pipeline.areas.lattice import from_lonlat, to_lonlat
from pipeline.change.observations import RunRecord, SeenPeriod, SeenSite, SeenState

SEASONS = ("dry-1", "dry-2", "dry-3")
DAYS = {season: date(2020 + year, 1, 30) for year, season in enumerate(SEASONS, 1)}
ANYWHERE = shapely.box(0, 0, 1, 1)
EPSG, LEFT, TOP = 32633, 620_000, 520_000


def complex_(name, ha=(1.0, 1.0, 1.0), parts=(1, 1, 1), joins=(), splits=(), **more):
    return Complex(
        name,
        more.pop("geometry", ANYWHERE),
        dict(zip(SEASONS, ha, strict=True)),
        more.pop("opened", date(2018, 5, 1)),
        parts=dict(zip(SEASONS, parts, strict=True)),
        joins=joins,
        splits=splits,
        **more,
    )


def judged(complexes, held, events=()) -> LineageScore:
    """`held` by complex: the sites of each season, parted by spaces within a season."""
    told = {name: [frozenset(sites.split()) for sites in seasons] for name, seasons in held.items()}
    return judge_lineage(Truth("tiny", {}, DAYS, tuple(complexes)), told, [Happened(*event) for event in events])


def test_one_site_for_life_is_one_to_one_however_often_it_was_seen():
    score = judged([complex_("a"), complex_("b"), complex_("c")], {"a": "ppp", "b": ("", "", "q"), "c": ("", "", "")})
    assert (score.complexes, score.seen, score.right, score.strict) == (3, 2, 2, 2)
    assert (score.sites, score.sites_right) == (2, 2)


@pytest.mark.parametrize(
    ("held", "faults"),
    [
        ({"a": ("p", "p", "q"), "b": ("r", "r", "r")}, {"a": (RENAMED,)}),
        ({"a": ("p", "p q", "p"), "b": ("r", "r", "r")}, {"a": (BROKEN,)}),
        ({"a": ("p", "p", "p"), "b": ("p", "p", "p")}, {"a": (SHARED,), "b": (SHARED,)}),
        # The site of a goes on at b after a is gone: each season alone looks right.
        ({"a": ("p", "", ""), "b": ("", "", "p")}, {"a": (SHARED,), "b": (SHARED,)}),
        ({"a": ("p", "q r", ""), "b": ("", "", "r")}, {"a": (SHARED, BROKEN, RENAMED), "b": (SHARED,)}),
    ],
)
def test_each_fault_is_named(held, faults):
    score = judged([complex_("a"), complex_("b")], held)
    assert score.wrong == faults


def test_a_site_is_right_only_if_all_that_it_holds_is():
    score = judged([complex_("a"), complex_("b")], {"a": ("p", "p q", "p q"), "b": ("r", "r", "r")})
    assert (score.sites, score.sites_right, score.strict) == (3, 1, 1)


def test_small_complexes_are_not_asked_for_but_spoil_the_site_that_holds_them():
    small = complex_("small", ha=(0.0, 0.09, 0.09))
    alone = judged([complex_("a"), small], {"a": ("p", "p", "p"), "small": ("", "q", "q")})
    assert (alone.complexes, alone.sites, alone.wrong) == (1, 1, {})
    assert judged([complex_("a"), small], {"a": ("p", "p", "p"), "small": ("", "p", "")}).wrong == {"a": (SHARED,)}


def joined(season):
    return [complex_("a", joins=(("b", season),)), complex_("b", joins=(("a", season),))]


@pytest.mark.parametrize(
    ("season", "wrong"),
    [
        ("dry-2", {}),
        ("dry-3", {"a": (SHARED,), "b": (SHARED, RENAMED)}),
        ("dry-1", {"a": (UNMERGED,), "b": (UNMERGED,)}),
    ],
)
def test_complexes_that_grow_together_share_a_site_from_that_season_on_and_not_before(season, wrong):
    score = judged(joined(season), {"a": ("p", "p", "p"), "b": ("q", "p", "p")})
    assert score.wrong == wrong
    assert score.strict == 0


def test_two_sites_left_where_complexes_grew_together_are_one_too_many():
    score = judged(joined("dry-2"), {"a": "ppp", "b": "qqq"})
    assert score.wrong == {"a": (UNMERGED,), "b": (UNMERGED,)}
    assert (score.sites, score.sites_right, score.sites_named) == (2, 0, 2)


@pytest.mark.parametrize(("a", "faults"), [(("p", "p s", "p"), (BROKEN, UNMERGED)), (("p", "p q", "p q"), (BROKEN,))])
def test_complexes_in_pieces_or_on_each_others_sites_lack_more_than_a_merger(a, faults):
    score = judged(joined("dry-2"), {"a": a, "b": "qqq"})
    assert score.wrong == {"a": faults, "b": faults}
    assert score.sites_named == 0


def test_a_place_holds_what_joined_by_way_of_others_by_then():
    a = complex_("a", joins=(("b", "dry-2"),))
    b = complex_("b", joins=(("a", "dry-2"), ("c", "dry-3")))
    c = complex_("c", joins=(("b", "dry-3"),))
    truth = Truth("tiny", {}, DAYS, (a, b, c))
    assert [sorted(place_of(a, truth, season)) for season in range(3)] == [["a"], ["a", "b"], ["a", "b", "c"]]


def test_parts_may_be_sites_of_their_own_as_many_as_there_are():
    split = complex_("a", parts=(1, 2, 2), splits=("dry-2",))
    assert judged([split], {"a": ("p", "p q", "p q")}).wrong == {}
    assert judged([split], {"a": ("p", "p q r", "p q")}).wrong == {"a": (BROKEN,)}
    assert judged([split], {"a": ("p q", "p q", "p q")}).wrong == {"a": (BROKEN,)}
    # Both parts under new names: the old one is lost.
    assert judged([split], {"a": ("p", "q r", "q r")}).wrong == {"a": (RENAMED,)}


@pytest.mark.parametrize(
    ("held", "events", "told"),
    [
        ({"a": "ppp", "b": ("q", "p", "p")}, [("q", "merged", "dry-2", {"p"})], JOINS[0]),
        ({"a": "ppp", "b": ("q", "q", "p")}, [("q", "merged", "dry-3", {"p"})], JOINS[1]),
        ({"a": "ppp", "b": "ppp"}, [], JOINS[2]),
        ({"a": "ppp", "b": "qqq"}, [("q", "merged", "dry-2", {"z"}), ("q", "split", "dry-2", {"p"})], JOINS[3]),
        ({"a": "ppp", "b": ("", "p", "p")}, [], JOINS[4]),
    ],
)
def test_a_join_is_found_where_one_site_merged_into_the_other(held, events, told):
    score = judged(joined("dry-2"), held, events)
    assert dict(score.joins) == {told: 1}


def test_complexes_that_opened_side_by_side_had_nothing_to_merge():
    a, b = joined("dry-2")
    fresh = complex_("b", ha=(0.0, 1.0, 1.0), joins=b.joins)
    assert not judged([a, fresh], {"a": "ppp", "b": ("", "p", "p")}).joins
    assert not judged(joined("dry-1"), {"a": "ppp", "b": "ppp"}).joins


@pytest.mark.parametrize(
    ("seasons", "events", "told"),
    [
        (("p", "p q", "p q"), [("p", "split", "dry-2", {"q"})], SPLITS[0]),
        (("p", "p", "p q"), [("p", "split", "dry-3", {"q"})], SPLITS[1]),
        (("p q", "p q", "p q"), [], SPLITS[2]),
        (("p", "p", "p"), [("z", "split", "dry-2", {"q"})], SPLITS[3]),
        (("", "p", "p"), [], SPLITS[4]),
    ],
)
def test_a_split_is_found_where_the_site_of_the_season_before_split(seasons, events, told):
    score = judged([complex_("a", parts=(1, 2, 2), splits=("dry-2",))], {"a": seasons}, events)
    assert dict(score.splits) == {told: 1}


@pytest.mark.parametrize(
    ("seasons", "events", "told"),
    [
        (("p", "", "p"), [("p", "reopened", "dry-3")], AGAIN[0]),
        (("p", "p", "p"), [("p", "expanded", "dry-3"), ("p", "shrunk", "dry-2")], AGAIN[1]),
        (("p", "p", "p"), [("p", "reopened", "dry-2")], AGAIN[2]),
        (("p", "", "q"), [("q", "opened", "dry-3")], AGAIN[3]),
        (("", "", "q"), [("q", "opened", "dry-3")], AGAIN[4]),
        (("p", "p", ""), [], AGAIN[5]),
    ],
)
@pytest.mark.parametrize("left_ha", [0.02, 0.1])
def test_ground_dug_again_is_told_by_what_the_map_says_of_it(seasons, events, told, left_ha):
    again = complex_("a", ha=(1.0, left_ha, 0.8), reopened=date(2022, 6, 1))
    assert dict(judged([again], {"a": seasons}, events).again) == {(told, left_ha == 0.1): 1}


def record(*sites: tuple[str, tuple[str, ...], tuple[int, ...]]) -> RunRecord:
    """Sites as name, patterns and runs of pixels."""
    state = SeenState(bare_ha=0, pond_ha=0, observed_share=1, probability=None, clear_looks=1, last_observed=None)
    plain = {
        "state": "active",
        "status": "confirmed",
        "confidence": "low",
        "first_seen": SEASONS[0],
        "zone_id": None,
        "zone_name": "",
        "last_clear_undisturbed": None,
        "first_clear_disturbed": None,
        "dated_by": "periods",
        "sites_within_1km": 0,
        "parent": None,
        "merged_into": None,
        "periods": (state,) * 3,
        "geometry": shapely.to_wkb(shapely.box(16, 4, 16.01, 4.01), hex=True),
    }
    return RunRecord(
        key="0" * 64,
        run_id="run",
        programme="tiny",
        title="",
        as_of=date(2024, 1, 1),
        generated_by="",
        model="",
        periods=tuple(SeenPeriod(name=name, start=day, end=day) for name, day in DAYS.items()),
        sites=tuple(
            SeenSite(name=name, site_id=name, patterns=patterns, ground=runs, **plain) for name, patterns, runs in sites
        ),
        events=(),
        footprint=(),
    )


def write(path, plane):
    """A raster of bytes with its corner at (LEFT, TOP)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows, cols = plane.shape
    grid = {"count": 1, "height": rows, "width": cols, "transform": from_origin(LEFT, TOP, 10, 10)}
    with rasterio.open(path, "w", driver="GTiff", dtype="uint8", crs=f"EPSG:{EPSG}", **grid) as raster:
        raster.write(plane, 1)


def box(left, top, right, bottom):
    """A lon/lat box of pixels."""
    metres = ((left, top), (right, top), (right, bottom), (left, bottom))
    return shapely.Polygon([to_lonlat(EPSG).transform(LEFT + 10 * x, TOP - 10 * y) for x, y in metres])


def test_sites_are_drawn_where_and_when_they_held_ground():
    row, col = -TOP // 10, LEFT // 10
    told = record(
        ("p", ("110", "001"), (EPSG, row + 1, col + 2, 3, 0, EPSG, row + 2, col, 1, 1)),
        ("q", ("011",), (32632, row, col, 5, 0)),  # another zone
    )
    planes = site_planes(told, EPSG, (4, 6), from_origin(LEFT, TOP, 10, 10))
    first = np.full((4, 6), -1)
    first[1, 2:5] = 0
    last = np.full((4, 6), -1)
    last[2, 0] = 0
    assert (planes == np.stack([first, first, last])).all()


def test_a_site_holds_a_complex_only_on_ground_that_it_has_dug_by_then(tmp_path):
    shape = (4, 6)
    causes = {0: "vegetation", 1: "field", 2: "regrowth"}
    (tmp_path / "truth").mkdir()
    for number, season in enumerate(SEASONS):
        dug, cause = np.zeros((2, *shape), np.uint8)
        dug[1, 1] = 100 if number == 1 else 0
        cause[1, 1] = 2 if number == 2 else 1
        write(tmp_path / "truth" / f"disturbed_{EPSG}_{season}.tif", dug)
        write(tmp_path / "truth" / f"cause_{EPSG}_{season}.tif", cause)
    write(tmp_path / "run" / "rasters" / f"class_{SEASONS[-1]}_33N.tif", np.zeros(shape, np.uint8))
    row, col = -TOP // 10, LEFT // 10
    # One site on the pixel that is dug, one beside it, within the outline of what is dug some day.
    told = record(("p", ("111",), (EPSG, row + 1, col + 1, 1, 0)), ("q", ("111",), (EPSG, row + 1, col + 3, 1, 0)))
    outline = box(0, 0, 6, 4)
    complexes = (complex_("a", geometry=outline), complex_("late", geometry=outline, opened=date(2022, 6, 1)))
    truth = Truth("tiny", causes, DAYS, complexes)
    held = held_by(told, tmp_path / "run", tmp_path, truth)
    assert [sorted(sites) for sites in held["a"]] == [[], ["p"], ["p"]]
    assert [sorted(sites) for sites in held["late"]] == [[], [], ["p"]]


def test_a_perfect_map_shows_what_is_half_dug_with_certainty():
    dug = np.zeros((2, 3, 4), np.uint8)
    dug[0, 1, 2], dug[1, 1, 2], dug[1, 2, 3] = 50, 100, 49
    found = perfect_map(EPSG, dug, from_origin(LEFT, TOP, 10, 10))
    assert (found.row.tolist(), found.col.tolist()) == ([-TOP // 10 + 1], [LEFT // 10 + 2])
    assert found.probability.tolist() == [[9500], [9500]]


def test_a_perfect_map_belongs_to_the_zone_that_owns_the_pixel():
    dug = np.full((1, 1, 2), 100, np.uint8)
    x, _ = from_lonlat(EPSG).transform(18.0, 4.7)  # the eastern border of the zone
    found = perfect_map(EPSG, dug, from_origin(10 * (x // 10) - 10, TOP, 10, 10))
    assert found.col.tolist() == [x // 10 - 1]


@pytest.mark.parametrize(("gap", "right", "wrong"), [(3, 2, {}), (2, 0, {"a": (SHARED,), "b": (SHARED,)})])
def test_lineage_of_a_perfect_map_is_that_of_the_rules_alone(tmp_path, gap, right, wrong):
    dug = np.zeros((6, 16), np.uint8)
    dug[1:5, 1:5] = dug[1:4, 5 + gap : 9 + gap] = 100
    features = []
    for name, place in (("a", box(0, 0, 5, 6)), ("b", box(5 + gap, 0, 16, 6))):
        told = {"id": name, "opened": "2018-05-01", "reopened": None, "joins": [], "splits": []}
        told |= {"bare_ha": dict.fromkeys(SEASONS, 0.1), "pond_ha": dict.fromkeys(SEASONS, 0.0)}
        told["parts"] = dict.fromkeys(SEASONS, 1)
        features.append({"type": "Feature", "properties": told, "geometry": shapely.geometry.mapping(place)})
    for season in SEASONS:
        write(tmp_path / "truth" / f"disturbed_{EPSG}_{season}.tif", dug)
        write(tmp_path / "truth" / f"cause_{EPSG}_{season}.tif", np.zeros_like(dug))
    (tmp_path / "truth" / "complexes.geojson").write_text(json.dumps({"features": features}))
    days = {season: day.isoformat() for season, day in DAYS.items()}
    record = {"name": "tiny", "truth": {"causes": {0: "vegetation"}, "days": days}}
    (tmp_path / "scenario.json").write_text(json.dumps(record))
    score = score_perfect(tmp_path)
    assert (score.seen, score.sites_right, score.wrong) == (2, right, wrong)


def test_truth_is_read_in_the_order_of_its_days():
    days = json.loads('{"z": "2021-01-30", "a": "2022-01-30"}')
    truth = Truth("tiny", {}, {name: date.fromisoformat(day) for name, day in days.items()}, ())
    assert truth.seasons == ("z", "a")
    assert truth.years("z", "a") == pytest.approx(365 / 365.25)
