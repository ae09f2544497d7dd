"""The draw: simple random within strata, the same from any order of tiles and files, spaced where ground allows."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.areas import Tile
from pipeline.errors import BadInput, Problems
from pipeline.footprint.allocation import (
    expected_se,
    expected_shares,
    fixed_sizes,
    for_standard_error,
    share_out,
    weights_of,
)
from pipeline.footprint.design import Design
from pipeline.footprint.estimation import Sample
from pipeline.footprint.frame import TileFrame
from pipeline.footprint.review_sample import Request, draw_sample
from pipeline.footprint.sampling import draw, priority, scan
from pipeline.footprint.strata import NAMES
from tests.estimated import EAST, TILE, states, write_run

FAR = Tile(TILE.epsg, TILE.col + 40, TILE.row)
GROUND = {
    TILE: states(
        0, s7=(slice(10, 60), slice(10, 60)), s2=(slice(100, 120), slice(480, 512)), s3=(slice(300, 310), slice(10, 40))
    ),
    EAST: states(0, s2_=(slice(100, 120), slice(0, 9)), s1=(slice(400, 440), slice(100, 130))),
    FAR: states(255, s0=(slice(0, 90), slice(0, 70)), s5=(slice(90, 99), slice(0, 70))),
}
ZONES = {tile: np.where(np.arange(512) < 300, 1, 2)[:, None].repeat(512, 1).astype(np.int16) for tile in GROUND}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sampling")
    return folder, write_run(folder, GROUND, ZONES)


def ground(stratum, tile=TILE):
    """The north-west corner of a tile, with these strata."""
    none = np.zeros(stratum.shape, bool)
    area = np.full(stratum.shape, 10**8, np.int64)
    return TileFrame(tile, stratum, none.astype(np.uint8), none.astype(np.int16), area, none)


def places(drawn):
    return [(int(p["epsg"]), int(p["row"]), int(p["col"])) for p in drawn]


def test_no_two_pixels_share_a_number():
    rows, cols = np.indices((600, 700)) - 300
    numbers = [priority(5, "draw", epsg, rows.ravel(), cols.ravel()) for epsg in (32633, 32634, 32733)]
    assert len(np.unique(numbers)) == 3 * rows.size


def test_the_number_of_a_pixel_does_not_depend_on_its_company():
    rows, cols = np.indices((8, 9))
    whole = priority(5, "draw", 32633, rows, cols)
    assert (priority(5, "draw", 32633, rows[2:5, 3:], cols[2:5, 3:]) == whole[2:5, 3:]).all()
    assert (priority(6, "draw", 32633, rows, cols) != whole).all()


def test_every_set_of_pixels_is_equally_likely():
    # All 10 pairs of 5 pixels over 20,000 seeds: chi-square with 9 degrees of freedom, 99.9 % at 27.9.
    col = np.arange(5)
    pairs = dict.fromkeys(combinations(range(5), 2), 0)
    for seed in range(20_000):
        pairs[tuple(sorted(np.argsort(priority(seed, "draw", 32633, 0 * col - 7, col))[:2].tolist()))] += 1
    assert ((np.array(list(pairs.values())) - 2000) ** 2 / 2000).sum() < 27.9


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(run):
    one, same, other = (draw_sample(*run, Request(size=200, floor=20, seed=seed)) for seed in (3, 3, 4))
    for text in ("to_json", "sample_geojson", "template_csv"):
        assert getattr(one, text)() == getattr(same, text)()
    assert {(p.row, p.col) for p in one.points} != {(p.row, p.col) for p in other.points}


def test_neither_files_nor_tiles_nor_their_order_matter():
    rng = np.random.default_rng(2)
    parts = [ground(rng.integers(0, 7, (60, 50)).astype(np.uint8), tile) for tile in (TILE, EAST, FAR)]
    one, other = (scan(order, 9, 40, 25, 0) for order in (parts, parts[::-1]))
    assert one.cells.tolist() == other.cells.tolist()
    assert one.area_mm2.tolist() == other.area_mm2.tolist()
    for a, b in zip(draw(one, [25] * 6), draw(other, [25] * 6), strict=True):
        assert places(a.pixels) == places(b.pixels)
        assert (a.step, a.pool) == (b.step, b.pool)


def test_a_larger_sample_of_the_same_seed_holds_the_smaller():
    part = ground(np.zeros((90, 80), np.uint8))
    small, large = (draw(scan([part], 1, 0, n, 0), [n, 0, 0, 0, 0, 0])[0] for n in (30, 100))
    assert places(large.pixels)[:30] == places(small.pixels)


def test_points_are_as_far_apart_as_asked_for(run):
    folder, manifest = run
    design = draw_sample(
        folder, manifest, Request(allocation="new=2,recovered=2,stable=2,buffer=4,rest=300", min_distance_m=75)
    )
    assert {row.spacing_m for row in design.strata} == {80}
    spots = np.array([(p.row, p.col) for p in design.points])
    apart = np.hypot(*(spots[:, None] - spots[None]).transpose(2, 0, 1))
    assert apart[np.triu_indices(len(spots), 1)].min() >= 8
    assert design.closest_m >= 80
    assert not any("minimum distance" in note for note in design.notes)


def test_where_the_distance_cannot_be_met_the_design_says_so(run):
    design = draw_sample(*run, Request(allocation="new=201,recovered=2,stable=2,buffer=4,rest=300", min_distance_m=80))
    spacing = {row.name: row.spacing_m for row in design.strata}
    # 20 x 41 pixels of new workings: wherever one starts, 200 of them lie 20 m apart, not 201.
    assert spacing == {"new": 10, "recovered": 80, "stable": 80, "buffer": 80, "rest": 80}
    (note,) = [note for note in design.notes if "minimum distance" in note]
    assert "new (10 m)" in note
    assert "rest" not in note


def test_inclusion_probabilities_are_exact_whatever_pool_was_drawn():
    # Five by three pixels of one stratum in pools of every second pixel: 6, 4, 3 or 2 pixels, 15 in all four.
    part, seen = ground(np.zeros((3, 5), np.uint8)), {}
    for seed in range(40):
        (drawn, *_) = draw(scan([part], seed, 20, 2, 0), [2, 0, 0, 0, 0, 0])
        assert (drawn.step, len(drawn.pixels)) == (2, 2)
        assert drawn.inclusion_probability == pytest.approx(2 / (4 * drawn.pool))
        seen[places(drawn.pixels)[0][1] % 2, places(drawn.pixels)[0][2] % 2] = drawn.pool
    # The points' weights, 1 / probability, count the 15 pixels on average over the four pools.
    assert sorted(seen.values()) == [2, 3, 4, 6]
    assert sum(4 * pool for pool in seen.values()) / 4 == 15


def test_each_pixel_comes_in_as_often_as_its_inclusion_probability_says():
    part, count, expected = ground(np.zeros((3, 5), np.uint8)), np.zeros((3, 5)), np.zeros((3, 5))
    top, left = TILE.origin_px
    for seed in range(600):
        (drawn, *_) = draw(scan([part], seed, 20, 2, 0), [2, 0, 0, 0, 0, 0])
        for _, row, col in places(drawn.pixels):
            count[row - top, col - left] += 1
            expected[(row - top) % 2 :: 2, (col - left) % 2 :: 2] = drawn.inclusion_probability
    spread = np.sqrt(600 * expected * (1 - expected))
    assert (np.abs(count - 600 * expected) < 4 * spread).all()


@pytest.mark.parametrize("distance_m", [0, 40])
def test_intervals_of_drawn_samples_cover_the_truth(distance_m):
    # Workings in clumps, of which the map has the larger ones, a pixel off: 100 x 120 pixels, each of one hectare.
    rng = np.random.default_rng(8)
    row, col = np.indices((100, 120))
    truth, mapped = np.zeros((2, 100, 120), bool)
    for y, x, radius in zip(rng.integers(0, 100, 60), rng.integers(0, 120, 60), rng.integers(1, 7, 60), strict=True):
        truth |= np.hypot(row - y, col - x) < radius
        mapped |= (np.hypot(row - y - 1, col - x) < radius) & (radius > 3)
    # Enough for about 15 omissions in the sample; with fewer, intervals are too short.
    assert 300 * truth[~mapped].mean() > 15
    part = ground(np.where(mapped, 0, 5).astype(np.uint8))
    cells = np.array([mapped.sum(), (~mapped).sum()], float)
    top, left = TILE.origin_px
    covered, values = [], []
    for seed in range(1000):
        found = draw(scan([part], seed, distance_m, 300, 0), [60, 0, 0, 0, 0, 300])
        pixels = np.concatenate([found[0].pixels, found[5].pixels])
        y = truth[pixels["row"] - top, pixels["col"] - left].astype(float)
        told = Sample(np.repeat([0, 1], [60, 300]), cells, cells).total(y)
        covered.append(abs(told.value - truth.sum()) <= 1.96 * told.se)
        values.append(told.value)
    assert np.mean(values) == pytest.approx(truth.sum(), rel=0.01)
    assert 0.93 <= np.mean(covered) <= 0.97


def test_weights_sum_to_one_and_zones_to_their_strata(run):
    design = draw_sample(*run, Request(size=300, floor=30))
    assert sum(row.weight for row in design.strata) == pytest.approx(1, abs=1e-8)
    assert sum(row.area_ha for row in design.strata) == pytest.approx(design.area_ha, abs=1e-3)
    for row in design.strata:
        assert sum(row.zones_ha) == pytest.approx(row.area_ha, abs=1e-3)
        least, most = (row.pixels * m2 / 1e4 for m2 in row.cell_m2)
        assert least - 0.003 <= row.area_ha <= most + 0.003  # pixels are told to 0.0001 m2
    assert sum(row.points for row in design.strata) == len(design.points) == 300
    assert [row.name for row in design.strata] == ["new", "recovered", "stable", "buffer", "rest"]
    assert design.left_out_ha["not observed after"] == pytest.approx(6.3, rel=0.01)


def test_each_point_bears_what_the_map_says_there(run):
    design = draw_sample(*run, Request(size=300, floor=30))
    # 7 is a water level that moves: the map claims workings at neither date.
    codes = {
        ("other", "other"): (0, 7),
        ("workings", "workings"): (1,),
        ("other", "workings"): (2,),
        ("workings", "other"): (3,),
    }
    for point in design.points:
        tile = next(t for t in GROUND if t.col == point.col // 512 and t.epsg == point.epsg)
        at = point.row - tile.origin_px[0], point.col - tile.origin_px[1]
        assert GROUND[tile][at] in codes[point.before, point.after]
        assert ZONES[tile][at] == point.zone


def test_the_blind_file_tells_places_and_nothing_of_the_map(run):
    design = draw_sample(*run, Request(size=300, floor=30))
    collection = json.loads(design.sample_geojson())
    assert [f["id"] for f in collection["features"]] == [p.sample_id for p in design.points]
    keys = {"sample_id", "role", "utm_zone", "pixel_row", "pixel_col", "easting_m", "northing_m"}
    assert all(f["properties"].keys() == keys for f in collection["features"])
    text = design.sample_geojson() + design.template_csv()
    assert not any(word in text for word in ("stratum", "workings", '"other"', "buffer", "stable"))
    # Ids are given in random order: the first third holds about a third of each stratum.
    first = [p.stratum for p in design.points[:100]]
    for row in design.strata:
        assert abs(first.count(row.name) - row.points / 3) < 4 * np.sqrt(row.points * 2 / 9)


def test_a_design_comes_back_as_it_was_written_and_shows_a_slip_of_the_hand(run, tmp_path):
    design, path = draw_sample(*run, Request(size=200, floor=20)), tmp_path / "a.design.json"
    path.write_text(design.to_json())
    assert Design.read(path) == design
    path.write_text(design.to_json().replace('"after": "other"', '"after": "workings"', 1))
    with pytest.raises(Problems, match="altered since the sample was drawn"):
        Design.read(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "other"}', "\x00", "[" * 5000])
def test_what_is_no_design_is_refused(tmp_path, text):
    path = tmp_path / "a.design.json"
    path.write_text(text)
    with pytest.raises(Problems, match=r"design\.json"):
        Design.read(path)
    with pytest.raises(BadInput, match="cannot be read"):
        Design.read(tmp_path / "none.json")


def test_points_are_shared_out_by_weight_with_a_floor_and_a_ceiling():
    # 100 points: 10 go to the small ones; 80 left for weights 6 and 2, of which the first has 50 pixels.
    sizes = share_out(np.array([6.0, 2, 0.01, 0]), 100, np.array([50, 10**6, 10**6, 10]), 10)
    assert sizes.tolist() == [50, 30, 10, 10]
    assert share_out(np.array([6.0, 2, 1, 0]), 30, np.array([900, 900, 900, 0]), 2).tolist() == [20, 7, 3, 0]
    assert share_out(np.array([1.0, 1]), 50, np.array([4, 7]), 2).tolist() == [4, 7]
    assert share_out(np.array([0.0, 1e-95]), 60, np.array([61, 0]), 2).tolist() == [60, 0]


@given(
    st.lists(st.tuples(st.floats(0, 100), st.integers(0, 400)), min_size=1, max_size=6),
    st.integers(60, 900),
    st.integers(2, 10),
)
def test_sharing_out_gives_out_every_point(rows, total, floor):
    weight, cells = (np.array(part) for part in zip(*rows, strict=True))
    weight = weight + (cells > 0) * 1e-3
    sizes = share_out(weight, total, cells, floor)
    assert sizes.sum() == min(total, cells.sum())
    assert (sizes <= cells).all()
    assert (sizes >= np.minimum(floor, cells)).all()


def test_the_sample_size_of_olofsson_2014():
    # Their section 5.1.1: users' accuracies 0.70, 0.60, 0.90, 0.95 and a standard error of 0.01 give 641 points.
    area, users = np.array([0.02, 0.015, 0.32, 0.645]), np.array([0.7, 0.6, 0.9, 0.95])
    spread = area * np.sqrt(users * (1 - users))
    assert np.ceil((spread.sum() / 0.01) ** 2) == 641
    sizes = for_standard_error(0.01, area, users, np.full(4, 10**6), 2)
    assert 641 <= sizes.sum() <= 645
    assert expected_se(area, users, sizes, np.full(4, 10**9)) == pytest.approx(0.01, rel=0.01)


def test_a_target_standard_error_is_met_if_the_expected_shares_are_true(run):
    design = draw_sample(*run, Request(target_se_ha=3, floor=5, expect=("new=0.5,rest=0.004",)))
    assert design.expected_se_ha <= 3
    assert design.settings.expected_shares["rest"] == 0.004
    smaller = draw_sample(*run, Request(target_se_ha=6, floor=5, expect=("new=0.5,rest=0.004",)))
    assert len(smaller.points) < len(design.points)


def test_neyman_gives_more_where_more_varies():
    area, expected = np.array([10.0, 10]), np.array([0.5, 0.01])
    neyman, proportional = (weights_of(method, area, expected) for method in ("neyman", "proportional"))
    assert neyman[0] / neyman[1] == pytest.approx(0.5 / np.sqrt(0.0099))
    assert proportional.tolist() == [10, 10]


CELLS = np.array([50, 0, 50, 50, 0, 10**6])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: fixed_sizes("new=75,rest=300", CELLS), "has 50 pixels"),
        (lambda: fixed_sizes("new=5,rest=300", CELLS), "stable has 50 pixels and 0 points"),
        (lambda: fixed_sizes("new=1,stable=5,buffer=5,rest=9", CELLS), "new has 50 pixels and 1 points"),
        (lambda: fixed_sizes("mined=5", CELLS), "strata being new, recovered"),
        (lambda: fixed_sizes("new=-5", CELLS), "a number of points"),
        (lambda: expected_shares("new", ["rest=2"]), "a share from 0 to 1"),
        (lambda: expected_shares("new", ["rest=nan"]), "a share from 0 to 1"),
        (lambda: expected_shares("gold", []), "new or workings"),
        (lambda: share_out(np.ones(2), 20, np.array([100, 100]), 50), "need 100"),
        (lambda: for_standard_error(0, np.ones(1), np.ones(1), np.ones(1, int)), "more than 0"),
        (lambda: for_standard_error(1e-4, np.ones(1), np.full(1, 0.5), np.ones(1, int)), "25,000,000 points"),
        (lambda: Request(size=5, target_se_ha=5), "exclude each other"),
        (lambda: Request(size=5, allocation="new=5"), "neither --size"),
        (lambda: Request(allocation="equal"), "neyman or proportional"),
        (lambda: Request(allocation="proportional", target_se_ha=5), "by Neyman"),
        (lambda: Request(size=10**6), "1 to 20000 points"),
        (lambda: scan([], 0, -1, 5, 0), "--min-distance"),
        (lambda: scan([], 0, float("nan"), 5, 0), "--min-distance"),
    ],
)
def test_what_cannot_be_drawn_is_told(make, says):
    with pytest.raises(BadInput, match=says):
        make()


def test_a_run_without_observed_ground_is_told(tmp_path):
    manifest = write_run(tmp_path, {TILE: states(5)})
    with pytest.raises(BadInput, match="no ground was observed"):
        draw_sample(tmp_path, manifest, Request())


def test_sizes_may_be_given_for_each_stratum(run):
    design = draw_sample(*run, Request(allocation="new=40,recovered=20,stable=30,buffer=25,rest=200"))
    assert [row.points for row in design.strata] == [40, 20, 30, 25, 200]
    assert len(NAMES) == 6
