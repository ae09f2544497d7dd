"""Products of independent uncertain factors, and sums of such products: draws, exact moments, shares of variance.

An input with low, mode and high is triangular, as Johnson (1997, The Statistician 46, 387-398) proposes for three
judged points: nothing lies outside what the analyst gave, and its moments are exact.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri


class Factor(Protocol):
    """An uncertain quantity, never below 0; equal `key` means the same quantity, drawn once."""

    @property
    def key(self) -> str:
        """Names its stream of random numbers."""

    @property
    def mean(self) -> float:
        """Exact mean."""

    @property
    def variance(self) -> float:
        """Exact variance."""

    def quantile(self, share: NDArray[np.float64]) -> NDArray[np.float64]:
        """Inverse of the distribution function at shares in (0, 1), same shape."""


@dataclass(frozen=True)
class Triangular:
    """Density that rises from `low` to `mode` and falls to `high`; all equal: a constant."""

    key: str
    low: float
    mode: float
    high: float

    @property
    def mean(self) -> float:
        """(a + m + b) / 3."""
        return (self.low + self.mode + self.high) / 3

    @property
    def variance(self) -> float:
        """(a² + m² + b² − am − ab − mb) / 18, as squares so that it is never negative."""
        a, m, b = self.low, self.mode, self.high
        return ((m - a) ** 2 + (b - m) ** 2 + (b - a) ** 2) / 36

    def quantile(self, share: NDArray[np.float64]) -> NDArray[np.float64]:
        """Closed form, same shape as `share`."""
        a, m, b = self.low, self.mode, self.high
        if a == b:
            return np.full_like(share, a)
        rising = a + np.sqrt(share * (b - a) * (m - a))
        falling = b - np.sqrt((1 - share) * (b - a) * (b - m))
        return np.where(share * (b - a) < m - a, rising, falling)


@dataclass(frozen=True)
class EstimatedArea:
    """An estimated area with its standard error: normal, and what falls below 0 counts as 0."""

    key: str
    value: float
    se: float

    @property
    def _z(self) -> float:
        return self.value / self.se

    @property
    def mean(self) -> float:
        """Mean of a normal variable cut at 0."""
        if self.se == 0:
            return self.value
        return float(self.value * ndtr(self._z) + self.se * _density(self._z))

    @property
    def variance(self) -> float:
        """Variance of a normal variable cut at 0."""
        if self.se == 0:
            return 0.0
        square = (self.value**2 + self.se**2) * ndtr(self._z) + self.value * self.se * _density(self._z)
        return max(float(square) - self.mean**2, 0.0)

    def quantile(self, share: NDArray[np.float64]) -> NDArray[np.float64]:
        """Normal quantiles, not below 0; same shape as `share`."""
        cut: NDArray[np.float64] = np.maximum(self.value + self.se * ndtri(share), 0.0)
        return cut


def _density(z: float) -> float:
    return math.exp(-z * z / 2) / math.sqrt(2 * math.pi)


@dataclass(frozen=True)
class Product:
    """`scale` times the product of factors by the name of the input that each stands for."""

    scale: float
    factors: tuple[tuple[str, Factor], ...]

    @property
    def mean(self) -> float:
        """Exact: means of independent factors multiply."""
        return self.scale * math.prod(factor.mean for _, factor in self.factors)


def draw(terms: Sequence[Product], seed: int, draws: int) -> NDArray[np.float64]:
    """Random values of the sum of some products, (draws,); a factor that several share has one value in each draw.

    Each factor's numbers come from a stream of its own, named by the seed and the hash of its key: neither the order
    of factors nor what else is computed can change them.
    """
    total = np.zeros(draws)
    for term in terms:
        values = np.full(draws, term.scale, np.float64)
        for _, factor in term.factors:
            words = np.frombuffer(hashlib.sha256(factor.key.encode()).digest(), "<u4").tolist()
            stream = np.random.PCG64(np.random.SeedSequence([seed, *words]))
            # Centres of 2**52 equal steps: exact, never 0 or 1.
            steps = (stream.random_raw(draws) >> np.uint64(12)).astype(np.float64)
            values *= factor.quantile((steps + 0.5) / 2.0**52)
        total += values
    return total


def variance_shares(terms: Sequence[Product]) -> tuple[float, dict[str, float]]:
    """Exact variance of the sum, and the share of it that each input explains by itself.

    The share is the first-order index of Sobol (1993); what is left to 1 is explained by inputs only together. For a
    product of independent factors it is c² / (Π(1 + c²) − 1), c each factor's coefficient of variation (variance of
    products: Goodman 1960, J. Am. Stat. Assoc. 55, 708-713). Shares are empty where nothing varies.
    """
    means = [term.mean for term in terms]
    live = [(mean, dict(_squares(term))) for mean, term in zip(means, terms, strict=True) if mean > 0]
    variance = 0.0
    for one, own in live:
        for other, its in live:
            both = sum(math.log1p(own[key]) for key in own.keys() & its.keys())
            variance += one * other * math.expm1(both)
    shares: dict[str, float] = {}
    if variance > 0:
        names = {factor.key: name for term in terms for name, factor in term.factors}
        squares = {key: square for _, own in live for key, square in own.items()}
        for key, square in sorted(squares.items()):
            explained = square * sum(mean for mean, own in live if key in own) ** 2 / variance
            shares[names[key]] = shares.get(names[key], 0.0) + explained
    return variance, shares


def _squares(term: Product) -> list[tuple[str, float]]:
    """Squared coefficient of variation of each factor, by key."""
    return [(factor.key, factor.variance / factor.mean**2) for _, factor in term.factors]


def quantiles(values: NDArray[np.float64], shares: Sequence[float]) -> list[tuple[float, float]]:
    """Quantiles of random values, and of each half the width of its 95 % interval from the order statistics around it.

    The ranks are those between which the true quantile lies with 95 % confidence whatever the distribution
    (Conover 1999, Practical Nonparametric Statistics, section 3.2).
    """
    ordered, n = np.sort(values), len(values)
    found = []
    for share in shares:
        reach = 1.96 * math.sqrt(n * share * (1 - share))
        low, high = max(math.floor(n * share - reach), 0), min(math.ceil(n * share + reach), n - 1)
        found.append((float(np.quantile(ordered, share)), float(ordered[high] - ordered[low]) / 2))
    return found
