"""Trend of a short series: the Mann-Kendall test, and the Theil-Sen slope with Sen's interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.stats import theilslopes

MIN_POINTS = 4
MAX_EXACT = 10
EXACT, NORMAL = "Mann-Kendall, exact", "Mann-Kendall, normal with tie correction"


@dataclass(frozen=True)
class KendallTest:
    """S, pairs that rise less pairs that fall; its two-sided p if there is no trend; how p was found."""

    s: int
    p: float
    method: str


def mann_kendall(values: Sequence[float]) -> KendallTest:
    """Test of values in time order for a trend (Mann 1945; Kendall 1975).

    Up to ten values p is exact, ties or not: the share of all orders of these values in which |S| is as large. Beyond,
    S is taken as normal, with Kendall's variance for ties and continuity correction.
    """
    n = len(values)
    s = sum((b > a) - (b < a) for i, a in enumerate(values) for b in values[i + 1 :])
    ties = list(Counter(values).values())
    if n <= MAX_EXACT:
        orders = _orders_by_s(ties)
        as_large = sum(count for other, count in orders.items() if abs(other) >= abs(s))
        return KendallTest(s, as_large / sum(orders.values()), EXACT)
    variance = (_spread(n) - sum(_spread(t) for t in ties)) / 18
    return KendallTest(s, erfc((abs(s) - 1) / sqrt(2 * variance)) if s else 1.0, NORMAL)


def _spread(n: int) -> int:
    return n * (n - 1) * (2 * n + 5)


def _orders_by_s(ties: Sequence[int]) -> dict[int, int]:
    """How many distinct orders of tied groups give each S.

    The orders counted by their inversions are Gauss's multinomial coefficient, a product of binomial ones.
    """
    inversions, n = np.ones(1, np.int64), 0
    for t in ties:
        n += t
        inversions = np.convolve(inversions, _gauss_binomial(n, t))
    untied = len(inversions) - 1
    return {untied - 2 * k: int(count) for k, count in enumerate(inversions)}


def _gauss_binomial(n: int, k: int) -> NDArray[np.int64]:
    """Coefficients of Gauss's binomial coefficient by the powers of q, from Pascal's rule."""
    if k in (0, n):
        return np.ones(1, np.int64)
    found = np.zeros(k * (n - k) + 1, np.int64)
    with_last, without = _gauss_binomial(n - 1, k - 1), _gauss_binomial(n - 1, k)
    found[: len(with_last)] += with_last
    found[k : k + len(without)] += without
    return found


@dataclass(frozen=True)
class Slope:
    """Median of the slopes between all pairs of points, and its 95 % interval; None where none can be given."""

    value: float
    low: float | None
    high: float | None


def theil_sen(times: Sequence[float], values: Sequence[float]) -> Slope:
    """Slope of values over times (Theil 1950) with the interval of Sen (1968), from two points on.

    No interval is given for fewer than five points, whose widest holds the slope in 92 of 100 cases at most, nor
    where all values are equal.
    """
    found = theilslopes(values, times, alpha=0.95)
    if len(values) <= MIN_POINTS or len(set(values)) == 1:
        return Slope(float(found.slope), None, None)
    return Slope(float(found.slope), float(found.low_slope), float(found.high_slope))
