"""Estimators against worked and published examples, the formulas written out, and populations that are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import BadInput
from pipeline.footprint.estimation import Estimate, Sample, all_wrong_either_way, in_domain, judge

INF = np.inf


def sample_of(points, area, cells=None):
    points, area = np.array(points), np.array(area, float)
    cells = np.full(len(area), INF) if cells is None else np.array(cells, float)
    return Sample(np.repeat(np.arange(len(area)), points), area, cells)


def hits(points, found):
    """Indicator of the points of each stratum: the first `found` of them hit."""
    return np.concatenate([np.arange(n) < k for n, k in zip(points, found, strict=True)]).astype(float)


def test_the_worked_example_of_a_zone_to_four_digits():
    sample = sample_of([100, 500], [20, 9050])
    found = sample.total(hits([100, 500], [75, 1]))
    assert round(found.value, 4) == 33.1
    assert round(1.96 * found.se, 4) == 35.5170
    assert f"{found.value:.2f} ± {1.96 * found.se:.2f}" == "33.10 ± 35.52"


def test_the_worked_example_with_a_buffer_and_its_rule_of_three():
    points = [100, 200, 300]
    sample = sample_of(points, [20, 300, 8750])
    y = hits(points, [75, 2, 0])
    found = sample.total(y)
    assert f"{found.value:.2f} ± {1.96 * found.se:.2f}" == "18.00 ± 4.48"
    assert round(1.96 * found.se, 4) == 4.4845
    assert sample.bounds_without_hit(y).tolist() == [0, 0, 87.5]


# Olofsson et al. (2014), table 8: deforestation, forest gain, stable forest, stable non-forest; rows are the map.
TABLE_8 = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
WEIGHTS = np.array([0.02, 0.015, 0.32, 0.645])
HECTARES = 900_000  # 10 million Landsat pixels of 900 m2


def classes_of(matrix):
    """Map and reference class of each point of a matrix of counts."""
    mapped, reference = np.nonzero(matrix)
    count = matrix[mapped, reference]
    return np.repeat(mapped, count), np.repeat(reference, count)


def test_the_published_example_of_olofsson_2014():
    mapped, reference = classes_of(TABLE_8)
    found = judge(Sample(mapped, WEIGHTS * HECTARES, np.full(4, INF)), mapped, reference, "abcd")
    areas = [(round(c.area.value), round(1.96 * c.area.se)) for c in found.classes]
    assert areas == [(21158, 6158), (11686, 3756), (285770, 15510), (581386, 16282)]
    users = [(round(c.users.value, 2), round(1.96 * c.users.se, 2)) for c in found.classes]
    assert users == [(0.88, 0.07), (0.73, 0.1), (0.93, 0.04), (0.96, 0.02)]
    assert [round(c.producers.value, 2) for c in found.classes] == [0.75, 0.85, 0.93, 0.96]
    assert (round(found.overall.value, 2), round(1.96 * found.overall.se, 2)) == (0.95, 0.02)
    assert found.matrix == pytest.approx(TABLE_8 / TABLE_8.sum(axis=1)[:, None] * WEIGHTS[:, None])
    assert found.counts.tolist() == TABLE_8.tolist()


# Stehman (2014), table 1: strata are not the map classes.
STRATA_1 = np.repeat([0, 1, 2, 3], 10)
MAP_1 = np.array(["ABCD".index(c) for c in "AAAAAAABBBABBBBBBBBBBBCCCCCCBBDDDDDDDDDD"])
REFERENCE_1 = np.array(["ABCD".index(c) for c in "AAAAACBABCABBBBBAABBCCCCCDDBBADDDDDDDCCB"])


def test_the_published_example_of_stehman_2014():
    sizes = np.array([40_000.0, 30_000, 20_000, 10_000])
    found = judge(Sample(STRATA_1, sizes / sizes.sum(), sizes), MAP_1, REFERENCE_1, "ABCD")
    told = [
        found.classes[0].area,
        found.classes[2].area,
        found.overall,
        found.classes[1].users,
        found.classes[1].producers,
    ]
    assert [round(e.value, 3) for e in told] == [0.35, 0.2, 0.63, 0.574, 0.794]
    assert [round(e.se, 3) for e in told] == [0.082, 0.064, 0.085, 0.125, 0.117]
    assert found.matrix[1, 2] == pytest.approx(0.08)


counts = st.lists(st.lists(st.integers(0, 40), min_size=3, max_size=3), min_size=3, max_size=3).filter(
    lambda rows: min(map(sum, rows)) >= 2
)


@given(counts, st.tuples(st.floats(0.1, 9), st.floats(0.1, 9), st.floats(0.1, 9)))
def test_where_strata_are_map_classes_the_formulas_are_those_of_olofsson_2013(rows, shares):
    n_ij, area = np.array(rows), np.array(shares)
    mapped, reference = classes_of(n_ij)
    found = judge(Sample(mapped, area, np.full(3, INF)), mapped, reference, "abc")
    n_i, whole = n_ij.sum(axis=1), area.sum()
    share, w = n_ij / n_i[:, None], area / whole
    p = w[:, None] * share
    users = np.diag(share)
    assert found.overall.value == pytest.approx(np.trace(p))
    assert found.overall.se == pytest.approx(np.sqrt((w**2 * users * (1 - users) / (n_i - 1)).sum()), abs=1e-9)
    for j, told in enumerate(found.classes):
        assert told.area.value == pytest.approx(whole * p[:, j].sum())
        variance = (w**2 * share[:, j] * (1 - share[:, j]) / (n_i - 1)).sum()
        assert told.area.se == pytest.approx(whole * np.sqrt(variance), abs=1e-9)
        assert told.users.value == pytest.approx(users[j])
        assert told.users.se == pytest.approx(np.sqrt(users[j] * (1 - users[j]) / (n_i[j] - 1)), abs=1e-9)
        if not p[:, j].sum():
            assert told.producers is None
            continue
        right = p[j, j] / p[:, j].sum()
        others = [i for i in range(3) if i != j]
        apart = sum(area[i] ** 2 * share[i, j] * (1 - share[i, j]) / (n_i[i] - 1) for i in others)
        own = area[j] ** 2 * (1 - right) ** 2 * users[j] * (1 - users[j]) / (n_i[j] - 1)
        se = np.sqrt(own + right**2 * apart) / (whole * p[:, j].sum())
        assert told.producers.value == pytest.approx(right)
        assert told.producers.se == pytest.approx(se, abs=1e-9)


@given(counts)
def test_estimated_areas_add_up_to_the_ground(rows):
    mapped, reference = classes_of(np.array(rows))
    # Strata that are no classes: the points one after another, in turn.
    strata = np.arange(len(mapped)) % 2
    found = judge(Sample(strata, np.array([3.0, 8.0]), np.array([5000.0, 9000])), mapped, reference, "abc")
    assert sum(c.area.value for c in found.classes) == pytest.approx(11)
    assert found.matrix.sum() == pytest.approx(1)
    assert found.matrix.sum(axis=0) * 11 == pytest.approx([c.area.value for c in found.classes])


@given(counts, st.randoms())
def test_the_order_of_points_does_not_matter(rows, random):
    mapped, reference = classes_of(np.array(rows))
    strata, order = np.arange(len(mapped)) % 2, list(range(len(mapped)))
    random.shuffle(order)
    area, cells = np.array([3.0, 8.0]), np.array([5000.0, 9000])
    one = judge(Sample(strata, area, cells), mapped, reference, "abc")
    other = judge(Sample(strata[order], area, cells), mapped[order], reference[order], "abc")
    assert [c.area.value for c in one.classes] == pytest.approx([c.area.value for c in other.classes])
    assert [c.area.se for c in one.classes] == pytest.approx([c.area.se for c in other.classes], abs=1e-12)


def test_a_stratum_of_which_every_pixel_was_labelled_has_no_error():
    sample = sample_of([4, 50], [0.04, 5], [4, 50_000])
    assert sample.total(hits([4, 50], [3, 0])) == Estimate(0.03, 0.0)
    assert sample.bounds_without_hit(hits([4, 50], [0, 0])).tolist() == pytest.approx([0, 0.3])


def test_an_interval_that_rests_on_few_points_is_told():
    # The one omission of the worked example makes 99 % of its variance; ten would be enough, and so would ten misses.
    sample = sample_of([100, 500], [20, 9050])
    assert sample.rests_on_few(hits([100, 500], [75, 1]))
    assert sample.rests_on_few(hits([100, 500], [75, 9]))
    assert not sample.rests_on_few(hits([100, 500], [75, 10]))
    assert not sample.rests_on_few(hits([100, 500], [75, 490]))


def test_an_interval_that_is_narrower_than_what_was_not_seen_is_told():
    # Without an omission the interval is ± 1.7 km2, and up to 54.3 km2 are not ruled out in the rest.
    assert sample_of([100, 500], [20, 9050]).rests_on_few(hits([100, 500], [75, 0]))
    # Had the rest 200 km2, 1.2 would not be ruled out.
    assert not sample_of([100, 500], [20, 200]).rests_on_few(hits([100, 500], [75, 0]))


def test_a_stratum_of_nothing_else_is_no_proof_either():
    # 3 of 3 points hit on 12 ha: 0 is the standard error and 12 ha are the bound on what is not of the class.
    assert sample_of([3], [12]).rests_on_few(hits([3], [3]))
    assert not sample_of([3], [12], [3]).rests_on_few(hits([3], [3]))  # every pixel was labelled


def test_points_of_a_domain_are_judged_by_its_own_ground():
    # Two strata, 20 and 9,050 km2; the zone holds 5 km2 of the one, 50 of the other, and a third has none there.
    sample = sample_of([100, 500, 10], [20, 9050, 7])
    inside = np.repeat([True, False] * 3, [25, 75, 400, 100, 0, 10])
    zone = sample.within(inside, np.array([5.0, 50, 0]))
    assert (zone.points.tolist(), zone.whole) == ([25, 400, 0], 55)
    y = hits([25, 400, 0], [15, 0, 0])
    # Up to 3/400 of 50 km2 is not ruled out, 1.96 SE of 0.6 of 5 km2 are 0.98 km2.
    assert zone.bounds_without_hit(y).tolist() == pytest.approx([0, 0.375, 0])
    assert not zone.rests_on_few(y)
    assert zone.rests_on_few(hits([25, 400, 0], [8, 0, 0]))
    # Ground of the third stratum in the zone, and no point on it: anything may be there.
    assert sample.within(inside, np.array([5.0, 50, 2])).rests_on_few(y)


def test_the_rule_of_three_never_exceeds_the_stratum():
    assert sample_of([2], [7]).bounds_without_hit(hits([2], [0])).tolist() == [7]


def test_a_class_that_is_nowhere_has_no_accuracy():
    sample = sample_of([3, 3], [1, 9])
    found = judge(sample, np.zeros(6, int), np.zeros(6, int), ["there", "nowhere"])
    assert found.classes[0].users == Estimate(1, 0)
    assert (found.classes[1].users, found.classes[1].producers) == (None, None)


def test_intervals_are_cut_at_what_is_possible():
    assert Estimate(33.1, 18.12).interval(0, 9070) == pytest.approx((0, 68.6152))
    assert Estimate(0.98, 0.02).interval(0, 1) == pytest.approx((0.9408, 1))


def test_missing_labels_are_bounded_either_way():
    # Two strata of 10 and 90 ha; of four points each, one has no label.
    sample = sample_of([4, 4], [10, 90])
    y, known = hits([4, 4], [2, 0]), np.array([1, 1, 1, 0, 1, 1, 1, 0], bool)
    assert all_wrong_either_way(sample, y, known) == pytest.approx((5, 5 + 2.5 + 22.5))
    assert sample.keep(known).total(y[known]).value == pytest.approx(20 / 3)


def test_strata_with_fewer_than_two_labels_are_named():
    sample = sample_of([1, 1, 5], [1, 1, 1], [1, 100, 100])
    with pytest.raises(BadInput, match=r"found: buffer \(1\)\. Label more"):
        sample.require_two(["mapped", "buffer", "rest"])


def test_a_domain_of_known_area_is_told_by_its_own_points():
    # One stratum of 100 ha, a zone of 40 ha: 4 of 10 points inside, 2 of them hits; one hit outside.
    sample = sample_of([10], [100])
    inside = np.arange(10) < 4
    y = np.array([1, 1, 0, 0, 1, 0, 0, 0, 0, 0.0])
    found = in_domain(sample, y, inside, 40)
    assert found.value == pytest.approx(20)
    # Of inside points the residuals are ±1/2: s2 = 1/9, SE of the ratio = sqrt(s2 / 10) / 0.4.
    assert found.se == pytest.approx(40 * np.sqrt(1 / 90) / 0.4)
    assert in_domain(sample, y, np.zeros(10, bool), 40) is None


def coverage(truth, found):
    within = [e.interval(-INF)[0] <= t <= e.interval(-INF)[1] for t, e in zip(truth, found, strict=True)]
    return np.mean(within)


@pytest.mark.parametrize(
    ("population", "points"),
    [
        # Pixels of each stratum by (map class, reference class): (other, other), (other, w), (w, other), (w, w).
        pytest.param([(0, 0, 4_000, 12_000), (980_000, 4_000, 0, 0)], (250, 4_750), id="plain"),
        pytest.param(
            [(0, 0, 500, 1_500), (28_500, 1_500, 0, 0), (965_000, 5_000, 0, 0)], (150, 600, 3_000), id="buffer"
        ),
    ],
)
def test_intervals_cover_the_truth_in_a_thousand_samples(population, points):
    rng = np.random.default_rng(11)
    population, names = np.array(population), ("other", "workings")
    cells = population.sum(axis=1).astype(float)
    drawn = [rng.multivariate_hypergeometric(row, n, 1000) for row, n in zip(population, points, strict=True)]
    sample = Sample(np.repeat(np.arange(len(cells)), points), cells / 100, cells)
    kinds = np.tile(np.arange(4), len(cells))
    told = []
    for draws in np.stack(drawn, axis=1):
        kind = np.repeat(kinds, draws.ravel())
        told.append(judge(sample, kind // 2, kind % 2, names))
    by_kind = population.sum(axis=0)
    truth = {
        "area": (by_kind[1] + by_kind[3]) / 100,
        "users": by_kind[3] / (by_kind[2] + by_kind[3]),
        "producers": by_kind[3] / (by_kind[1] + by_kind[3]),
    }
    for name, value in truth.items():
        covered = coverage([value] * 1000, [getattr(one.classes[1], name) for one in told])
        assert 0.93 <= covered <= 0.97, f"{name}: {covered:.3f}"
    right = (by_kind[0] + by_kind[3]) / cells.sum()
    assert 0.93 <= coverage([right] * 1000, [one.overall for one in told]) <= 0.97
    mean = np.mean([one.classes[1].area.value for one in told])
    assert mean == pytest.approx(truth["area"], rel=0.02)
