"""Areas and accuracies from a stratified random sample, with their standard errors.

The estimators are those of Stehman (2014, Int. J. Remote Sens. 35, 4923-4939) for strata that need not be the map's
classes. Where they are, they are those of Olofsson et al. (2013, Remote Sens. Environ. 129, 122-131; 2014, ibid. 148,
42-57). Kappa is not computed: it says nothing of the area and corrects for a chance that nobody takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadInput

Z95 = 1.96
FEW = 10
RULE_OF_THREE = 3.0  # -ln(0.05): no hit among n draws leaves a share of 3 / n, with 95 % confidence


@dataclass(frozen=True)
class Estimate:
    """A figure with its standard error."""

    value: float
    se: float

    def interval(self, least: float = 0.0, most: float = np.inf) -> tuple[float, float]:
        """The 95 % interval, value ± 1.96 SE, cut at what the figure can be."""
        return max(self.value - Z95 * self.se, least), min(self.value + Z95 * self.se, most)


@dataclass(frozen=True)
class Sample:
    """Which stratum each of n points was drawn from, without replacement, and how large the H strata are.

    stratum  (n,)  index from 0 to H - 1
    area     (H,)  area of each stratum, in the unit in which areas are wanted
    cells    (H,)  pixels in each stratum; infinity leaves the finite-population correction out, as Olofsson does
    """

    stratum: NDArray[np.intp]
    area: NDArray[np.float64]
    cells: NDArray[np.float64]

    @property
    def points(self) -> NDArray[np.intp]:
        """Number of points in each stratum, (H,)."""
        return np.bincount(self.stratum, minlength=len(self.area))

    @property
    def whole(self) -> float:
        """Area of all strata."""
        return float(self.area.sum())

    def keep(self, which: NDArray[np.bool_]) -> Sample:
        """The sample without the points that brought no label; they count as missing at random in their stratum."""
        return replace(self, stratum=self.stratum[which])

    def within(self, inside: NDArray[np.bool_], area: NDArray[np.float64]) -> Sample:
        """The points inside a domain, such as a zone, that holds `area` (H,) of each stratum."""
        stratum, there = self.stratum[inside], area > 0
        cells = np.full(len(area), np.inf)
        # Pixels of a stratum are alike in area to 0.2 %, and no fewer than were drawn.
        cells[there] = np.rint(self.cells[there] * area[there] / self.area[there])
        return Sample(stratum, area, np.maximum(cells, np.bincount(stratum, minlength=len(area))))

    def require_two(self, names: Sequence[str]) -> None:
        """Raise BadInput that names the strata of which no variance can be told: fewer than two points, not all."""
        thin = [
            f"{name} ({n})"
            for name, n, cells in zip(names, self.points.tolist(), self.cells.tolist(), strict=True)
            if n < min(2, cells)
        ]
        if thin:
            raise BadInput(
                f"too few usable labels to estimate from, at least 2 a stratum are needed; found: {', '.join(thin)}. "
                "Label more of the points drawn, or settle those in dispute"
            )

    def means(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean of a variable (n,) in each stratum, (H,)."""
        sums = np.bincount(self.stratum, y, len(self.area)).astype(np.float64)
        return sums / np.maximum(self.points, 1)

    def total(self, y: NDArray[np.float64]) -> Estimate:
        """Estimated area on which an indicator (n,) holds (Stehman 2014, eq. 3 and 25)."""
        return Estimate(float(self.area @ self.means(y)), float(np.sqrt(self._variance(y))))

    def ratio(self, y: NDArray[np.float64], x: NDArray[np.float64]) -> Estimate | None:
        """Estimated ratio of two totals (Stehman 2014, eq. 27 and 28); None where that of `x` is 0."""
        below = float(self.area @ self.means(x))
        if below == 0:
            return None
        value = float(self.area @ self.means(y)) / below
        # Of y - R x: s2_y + R2 s2_x - 2 R s_xy in one, and never below 0 by rounding.
        return Estimate(value, float(np.sqrt(self._variance(y - value * x))) / below)

    def _variance(self, y: NDArray[np.float64]) -> float:
        return float(self._variances(y).sum())

    def _variances(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        n = self.points
        apart = (y - self.means(y)[self.stratum]) ** 2
        s2 = np.bincount(self.stratum, apart, len(self.area)) / np.maximum(n - 1, 1)
        variances: NDArray[np.float64] = self.area**2 * (1 - n / self.cells) * s2 / np.maximum(n, 1)
        return variances

    def rests_on_few(self, y: NDArray[np.float64]) -> bool:
        """Whether the interval of an indicator's area (n,) is too short for the points that it rests on.

        It is where most of the variance comes from strata in which fewer than FEW points differ from the others, and
        where a stratum without a hit, or with nothing else, may hide more than the interval is wide: with one omission
        expected such intervals hold the truth in about 63 % of samples.
        """
        variances, hits = self._variances(y), self.means(y) * self.points
        few = np.minimum(hits, self.points - hits) < FEW - 0.5
        unseen = max(self.bounds_without_hit(one).max() for one in (y, 1 - y)) > Z95 * np.sqrt(variances.sum())
        return bool(variances[few].sum() > variances.sum() / 2 or unseen)

    def bounds_without_hit(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Upper 95 % bound 3/n·A of each stratum in which an indicator (n,) never holds, (H,); 0 where it does.

        An estimate of 0 with a standard error of 0 is too good to be true. A stratum of which every pixel was
        labelled has none.
        """
        n = self.points
        share = np.minimum(RULE_OF_THREE / np.maximum(n, 1), 1.0)
        return np.where((self.means(y) == 0) & (n < self.cells), share * self.area, 0.0)


@dataclass(frozen=True)
class ClassEstimate:
    """What a sample tells of one class; accuracies are None where no point was mapped, or found, to be of it."""

    name: str
    area: Estimate
    users: Estimate | None
    producers: Estimate | None
    bounds: NDArray[np.float64]
    rests_on_few: bool


@dataclass(frozen=True)
class Accuracy:
    """A map judged by a sample: matrices have map classes in rows and reference classes in columns.

    matrix  (C, C)  estimated shares of the area, summing to 1
    counts  (C, C)  points
    """

    classes: tuple[ClassEstimate, ...]
    overall: Estimate
    matrix: NDArray[np.float64]
    counts: NDArray[np.intp]


def judge(sample: Sample, mapped: NDArray[np.intp], reference: NDArray[np.intp], names: Sequence[str]) -> Accuracy:
    """Areas and accuracies of the classes `names` from map and reference classes (n,) of the points."""
    whole, classes = sample.whole, len(names)
    found = []
    for number, name in enumerate(names):
        on_map, true = (mapped == number).astype(float), (reference == number).astype(float)
        both = on_map * true
        area = sample.total(true)
        found.append(
            ClassEstimate(
                name,
                area,
                sample.ratio(both, on_map),
                sample.ratio(both, true),
                sample.bounds_without_hit(true),
                sample.rests_on_few(true),
            )
        )
    right = sample.total((mapped == reference).astype(float))
    share = (sample.area / np.maximum(sample.points, 1))[sample.stratum] / whole
    cell = mapped * classes + reference
    return Accuracy(
        classes=tuple(found),
        overall=Estimate(right.value / whole, right.se / whole),
        matrix=np.bincount(cell, share, classes * classes).astype(np.float64).reshape(classes, classes),
        counts=np.bincount(cell, minlength=classes * classes).reshape(classes, classes),
    )


def in_domain(sample: Sample, y: NDArray[np.float64], inside: NDArray[np.bool_], domain_area: float) -> Estimate | None:
    """Area on which an indicator (n,) holds within a domain of known area, such as a zone.

    The ratio of what holds to what lies inside, times the area inside (combined ratio estimator, Cochran 1977,
    section 6.11): exact in the domain's size, unlike the plain total. None where no point lies inside.
    """
    x = inside.astype(float)
    share = sample.ratio(y * x, x)
    return None if share is None else Estimate(share.value * domain_area, share.se * domain_area)


def all_wrong_either_way(sample: Sample, y: NDArray[np.float64], known: NDArray[np.bool_]) -> tuple[float, float]:
    """Estimated area if an indicator held at none, and at all, of the points without a label; `sample` has them all."""
    return sample.total(np.where(known, y, 0.0)).value, sample.total(np.where(known, y, 1.0)).value
