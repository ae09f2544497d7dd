"""Seeded randomness that is equal on every machine: only exact IEEE operations reach a pixel.

NumPy's `random()` is bit-exact everywhere, its normal variates and the library functions behind sine and
exponential are not promised to be; so normals are sums of uniforms here, and whatever comes from a
transcendental function is rounded before use.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import cycle

import numpy as np
from numba import njit
from numpy.typing import NDArray


def stream(seed: int, *labels: object) -> np.random.Generator:
    """An independent generator for a purpose, named by labels: drawing more in one place shifts no other."""
    digest = hashlib.sha256(repr((seed, *map(str, labels))).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))


def normals(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Nearly normal variates of mean 0 and sd 1, as sums of twelve uniforms (no tail beyond 6)."""
    draws = rng.random((12, count))
    total = np.zeros(count)
    for row in draws:  # summed in a fixed order, unlike np.sum
        total += row
    return total - 6.0


def value_noise(
    rng: np.random.Generator, shape: tuple[int, int], octaves: Sequence[tuple[float, float]]
) -> NDArray[np.float32]:
    """Smooth noise (y, x) in -1..1: for each octave (knot distance in pixels, weight), smoothly interpolated knots.

    Each octave's knots lie on a grid turned by another angle, so that no direction of the raster shows.
    """
    total = np.zeros(shape, np.float32)
    scale = 1.0 / sum(weight for _, weight in octaves)
    for (distance, weight), (cos, sin) in zip(octaves, cycle(_TURNS), strict=False):
        left = shape[0] * sin if sin > 0 else 0.0
        across = shape[1] * cos + shape[0] * abs(sin)
        down = shape[1] * abs(sin) + shape[0] * cos
        top = -shape[1] * sin if sin < 0 else 0.0
        start = rng.random(2)
        knots = rng.random((int(down / distance) + 3, int(across / distance) + 3)) * 2 - 1
        knots *= weight * scale
        origin_x, origin_y = left / distance + start[0], top / distance + start[1]
        _add_octave(total, knots.astype(np.float32), cos / distance, sin / distance, origin_x, origin_y)
    return total


# Cosine and sine of the turns: Pythagorean triples, exact on every machine.
_TURNS = ((4 / 5, 3 / 5), (12 / 13, -5 / 13), (15 / 17, 8 / 17), (21 / 29, -20 / 29), (35 / 37, 12 / 37))


@njit(cache=True, nogil=True)
def _add_octave(total, knots, cos, sin, origin_x, origin_y):  # type: ignore[no-untyped-def]
    for y in range(total.shape[0]):
        for x in range(total.shape[1]):
            u = origin_x + x * cos - y * sin
            v = origin_y + x * sin + y * cos
            col, row = int(u), int(v)
            p, q = np.float32(u - col), np.float32(v - row)
            p = p * p * (np.float32(3) - np.float32(2) * p)
            q = q * q * (np.float32(3) - np.float32(2) * q)
            upper = knots[row, col] + p * (knots[row, col + 1] - knots[row, col])
            lower = knots[row + 1, col] + p * (knots[row + 1, col + 1] - knots[row + 1, col])
            total[y, x] += upper + q * (lower - upper)


def enlarge(field: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """A coarse field (y, x) on a grid `factor` times finer, linear between pixel centres."""
    for axis_length in field.shape:
        position = np.clip((np.arange(axis_length * factor) + 0.5) / factor - 0.5, 0, axis_length - 1)
        lower = np.minimum(position.astype(np.intp), axis_length - 2)
        part = (position - lower).astype(np.float32)[:, None]
        below = field[lower]
        field = (below + (field[lower + 1] - below) * part).T
    return field
