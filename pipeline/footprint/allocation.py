"""Allocation: how many points each stratum gets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadInput
from pipeline.footprint.strata import NAMES

MAX_POINTS = 20_000
FLOOR = 50
_NO_WEIGHT = 1e-9
METHODS = ("neyman", "proportional")
# Shares of each stratum that are guessed to be of the class wanted, before anything is known: they decide how well
# points are spent, never what is estimated.
EXPECTED: Mapping[str, Mapping[str, float]] = {
    "new": {"new": 0.7, "recovered": 0.02, "stable": 0.1, "buffer": 0.02, "drainage": 0.005, "rest": 0.001},
    "workings": {"new": 0.7, "recovered": 0.2, "stable": 0.8, "buffer": 0.03, "drainage": 0.005, "rest": 0.001},
}


def expected_shares(target: str, given: Sequence[str]) -> dict[str, float]:
    """Share of each stratum expected to be of the target ("new" or "workings"); `given` as `rest=0.002`."""
    if target not in EXPECTED:
        raise BadInput(f"--target {target!r}: expected {' or '.join(EXPECTED)}")
    shares = dict(EXPECTED[target])
    for text in given:
        for name, value in _pairs(text, "--expect"):
            try:
                share = float(value)
            except ValueError:
                share = math.nan
            if not 0 <= share <= 1:
                raise BadInput(f"--expect {name}={value}: expected a share from 0 to 1, such as {name}=0.7")
            shares[name] = share
    return shares


def fixed_sizes(text: str, cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Points of each stratum (H,) from text such as `new=75,rest=300`; strata with ground that are not named get 0.

    Raises BadInput where a stratum holds fewer pixels, or has ground and fewer than two points: what is not sampled
    cannot be estimated.
    """
    sizes = np.zeros(len(NAMES), np.int64)
    for name, value in _pairs(text, "--allocation"):
        if not value.isdecimal() or int(value) > MAX_POINTS:
            raise BadInput(f"--allocation {name}={value}: expected a number of points up to {MAX_POINTS}")
        sizes[NAMES.index(name)] = int(value)
    for name, size, there in zip(NAMES, sizes.tolist(), cells.tolist(), strict=True):
        if size > there:
            raise BadInput(f"--allocation {name}={size}: that stratum has {there} pixels")
        if size < min(2, there):
            raise BadInput(f"--allocation: {name} has {there} pixels and {size} points; at least 2 are needed in each")
    return sizes


def _pairs(text: str, option: str) -> list[tuple[str, str]]:
    pairs = []
    for part in text.split(","):
        name, equals, value = part.strip().partition("=")
        if name not in NAMES or not equals:
            raise BadInput(f"{option} {part.strip()[:60]!r}: expected stratum=number, strata being {', '.join(NAMES)}")
        pairs.append((name, value.strip()))
    return pairs


def weights_of(method: str, area: NDArray[np.float64], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """What points are shared out by, (H,): area, or area times the standard deviation expected (Neyman)."""
    if method not in METHODS:
        raise BadInput(f"--allocation {method!r}: expected {' or '.join(METHODS)}, or sizes such as new=75,rest=300")
    return area * np.sqrt(expected * (1 - expected)) if method == "neyman" else area


def share_out(
    weight: NDArray[np.float64], total: int, cells: NDArray[np.int64], floor: int = FLOOR
) -> NDArray[np.int64]:
    """`total` points shared out by weight (H,), each stratum with at least `floor`, or all its pixels if fewer.

    With weights by area and a floor for the small strata this is the allocation of Olofsson et al. (2014, section
    5.1.2). Raises BadInput if the floors alone need more.
    """
    if not 2 <= floor <= MAX_POINTS or not 0 < total <= MAX_POINTS:
        raise BadInput(f"--size {total} with --floor {floor}: expected up to {MAX_POINTS} points and a floor from 2")
    least = np.minimum(floor, cells)
    if total < least.sum():
        raise BadInput(
            f"--size {total}: {np.count_nonzero(cells)} strata with at least {floor} points each need {least.sum()}; "
            "give more points or a lower --floor"
        )
    total = min(total, int(cells.sum()))
    weight = np.where(cells > 0, weight, 0.0)
    weight = weight / weight.max() if weight.any() else cells / max(int(cells.max()), 1)
    weight[weight < _NO_WEIGHT] = 0.0
    low, high = 0.0, total / _NO_WEIGHT
    for _ in range(200):
        middle = (low + high) / 2
        if np.clip(middle * weight, least, cells).sum() < total:
            low = middle
        else:
            high = middle
    exact = np.clip(high * weight, least, cells)
    sizes: NDArray[np.int64] = np.floor(exact + 1e-9).astype(np.int64)
    # What is left after rounding down goes to the largest remainders, the first stratum on a tie.
    for h in np.lexsort((np.arange(len(exact)), sizes - exact)):
        if sizes.sum() < total and sizes[h] < cells[h]:
            sizes[h] += 1
    return sizes


def for_standard_error(
    target_se: float,
    area: NDArray[np.float64],
    expected: NDArray[np.float64],
    cells: NDArray[np.int64],
    floor: int = FLOOR,
) -> NDArray[np.int64]:
    """Fewest points of each stratum (H,) that bring the standard error of the target's area down to `target_se`.

    Both in the unit of `area`. n = (Σ A_h S_h / SE)², S_h = sqrt(p_h (1 - p_h)), shared out by A_h S_h: equation 13
    of Olofsson et al. (2014), after Cochran (1977, eq. 5.25), for an area in place of the overall accuracy and
    without the finite-population correction; floors come on top. Raises BadInput where it asks for too many.
    """
    if not target_se > 0:
        raise BadInput(f"--target-se {target_se:g}: expected more than 0 ha")
    spread = area * np.sqrt(expected * (1 - expected))
    wanted = spread * spread.sum() / target_se**2
    if wanted.sum() > MAX_POINTS:
        raise BadInput(
            f"--target-se {target_se:g}: asks for {math.ceil(wanted.sum()):,} points, more than {MAX_POINTS:,}; "
            "allow a larger standard error, or say with --expect what you know of the strata"
        )
    sizes: NDArray[np.int64] = np.minimum(np.maximum(np.ceil(wanted - 1e-9).astype(np.int64), floor), cells)
    return sizes


def expected_se(
    area: NDArray[np.float64], expected: NDArray[np.float64], sizes: NDArray[np.int64], cells: NDArray[np.int64]
) -> float:
    """Standard error of the target's area if the expected shares were true, in the unit of `area`."""
    n = np.maximum(sizes, 1)
    variance = area**2 * (1 - sizes / np.maximum(cells, 1)) * expected * (1 - expected) / n
    return float(np.sqrt(variance.sum()))
