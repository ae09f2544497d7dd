"""Seeded randomness that is equal on every machine: only exact IEEE operations reach a pixel.

NumPy's `random()` is bit-exact everywhere, its normal variates and the library functions behind sine and
exponential are not promised to be; so normals are sums of uniforms here, and whatever comes from a
transcendental function is rounded before use.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
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
    """Smooth noise (y, x) in -1..1: for each octave (knot distance in pixels, weight), smoothly interpolated knots."""
    total = np.zeros(shape, np.float32)
    scale = np.float32(1.0 / sum(weight for _, weight in octaves))
    for distance, weight in octaves:
        rows, cols = (int(n / distance) + 2 for n in shape)
        knots = (rng.random((rows, cols)) * 2 - 1).astype(np.float32) * np.float32(weight)
        total += _spread(_spread(knots, shape[0], distance).T, shape[1], distance).T
    total *= scale
    return total


def _spread(knots: NDArray[np.float32], length: int, distance: float) -> NDArray[np.float32]:
    position = np.arange(length) / distance
    lower = position.astype(np.intp)
    part = (position - lower).astype(np.float32)
    part = part * part * (np.float32(3) - np.float32(2) * part)
    out = knots[lower + 1]
    below = knots[lower]
    out -= below
    out *= part[:, None]
    out += below
    return out


def enlarge(field: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """A coarse field (y, x) on a grid `factor` times finer, linear between pixel centres."""
    for axis_length in field.shape:
        position = np.clip((np.arange(axis_length * factor) + 0.5) / factor - 0.5, 0, axis_length - 1)
        lower = np.minimum(position.astype(np.intp), axis_length - 2)
        part = (position - lower).astype(np.float32)[:, None]
        below = field[lower]
        field = (below + (field[lower + 1] - below) * part).T
    return field
