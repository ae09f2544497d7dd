"""Atmosphere: clouds with displaced shadows, cirrus and haze, and what the sensor then measures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.simulation import spectra
from pipeline.simulation.look import Look
from pipeline.simulation.noise import stream, value_noise

_MARGIN_PX = 220  # clouds are drawn this far around the ground, so that their shadows fall in from outside
_CIRRUS = (3300, 3300, 3400, 3700, 2100, 1400)
# Share of the light that a full shadow takes: the diffuse rest is blue.
_SHADE = (0.52, 0.60, 0.66, 0.73, 0.80, 0.83)
_HAZE = (1.0, 0.72, 0.50, 0.22, 0.06, 0.03)
_NOISE_SD = (16, 16, 18, 26, 24, 22)  # in 1e-4, with a part that grows with the signal


@dataclass(frozen=True)
class Sky:
    """Planes (y, x) of 0..255 on 10 m pixels: cloud depth, shadow, cirrus, haze; `outside` the swath is True."""

    depth: NDArray[np.uint8]
    shade: NDArray[np.uint8]
    cirrus: NDArray[np.uint8]
    haze: NDArray[np.uint8]
    outside: NDArray[np.bool_]

    def on(self, rows: slice | NDArray[np.int32], cols: slice | NDArray[np.int32]) -> Sky:
        """The same sky on some granule's pixels."""
        planes: tuple[NDArray[Any], ...] = (self.depth, self.shade, self.cirrus, self.haze, self.outside)
        return Sky(*(np.ascontiguousarray(plane[rows, cols]) for plane in planes))


def shadow_shift_px(look: Look) -> tuple[int, int]:
    """Rows and columns from a cloud to its shadow: away from the sun, by height times tan(zenith)."""
    length = look.cloud_base_m * math.tan(math.radians(look.sun_zenith)) / 10
    azimuth = math.radians(look.sun_azimuth)
    return round(math.cos(azimuth) * length), round(-math.sin(azimuth) * length)


def make_sky(seed: int, look: Look, shape: tuple[int, int]) -> Sky:
    """The sky of one look over the drawn ground at 10 m, equal for every granule of the pass."""
    rng = stream(seed, "sky", look.day)
    rows, cols = shape
    wide = (rows + 2 * _MARGIN_PX, cols + 2 * _MARGIN_PX)
    octaves = (
        ((160, 1.0), (60, 0.6), (24, 0.4), (9, 0.25), (4, 0.1))
        if look.deck
        else ((44, 1.0), (17, 0.7), (7, 0.4), (3, 0.15))
    )
    field = value_noise(rng, wide, octaves)
    rank = min(int((1 - look.cloud_share) * field.size), field.size - 1)
    threshold = np.partition(field, rank, axis=None)[rank]
    depth = np.clip((field - threshold) * np.float32(255 / (0.34 if look.deck else 0.26)), 0, 255).astype(np.uint8)
    if look.cloud_share < 0.002:
        depth[:] = 0
    down, right = shadow_shift_px(look)
    cloud = _window(depth, shape, 0, 0)
    # A shadow is darker under thicker cloud, and full well before the cloud is.
    shade = np.minimum(_window(depth, shape, -down, -right).astype(np.int32) * 4, 255).astype(np.uint8)
    veil = value_noise(rng, shape, ((260, 1.0), (90, 0.6), (30, 0.25)))
    cirrus = np.clip((veil + np.float32(0.1)) * np.float32(2 * 255 * look.cirrus), 0, 255 * look.cirrus)
    murk = np.float32(1) + np.float32(0.5) * value_noise(rng, shape, ((300, 1.0), (120, 0.4)))
    haze = np.clip(murk * np.float32(look.haze), 0, 255)
    outside = np.zeros(shape, np.bool_)
    if look.swath_edge:
        edge = cols * (1 - look.swath_edge) - 0.21 * (np.arange(rows) - rows / 2)  # the track leans by about 12 degrees
        outside = np.arange(cols)[None, :] >= edge[:, None]
    return Sky(cloud, shade, cirrus.astype(np.uint8), haze.astype(np.uint8), outside)


def _window(field: NDArray[np.uint8], shape: tuple[int, int], down: int, right: int) -> NDArray[np.uint8]:
    row, col = _MARGIN_PX + down, _MARGIN_PX + right
    return np.ascontiguousarray(field[row : row + shape[0], col : col + shape[1]])


def observe(surface: NDArray[np.int32], sky: Sky, look: Look, seed: int) -> NDArray[np.int32]:
    """Reflectance x 10 000 (6, y, x) as the atmospheric correction leaves it; 0 outside the swath, else at least 1."""
    constants = np.array([spectra.CLOUD, _CIRRUS, _SHADE, _HAZE, _NOISE_SD], np.float64)
    seen: NDArray[np.int32] = _observe(
        surface, sky.depth, sky.shade, sky.cirrus, sky.haze, sky.outside, constants, look.gain, seed + 977 * look.number
    )
    return seen


@njit(cache=True, nogil=True)
def _observe(surface, depth, shade, cirrus, haze, outside, constants, gain, seed):  # type: ignore[no-untyped-def]
    bands, rows, cols = surface.shape
    out = np.zeros((bands, rows, cols), np.int32)
    for band in range(bands):
        cloud, veil, dark, scatter, sd = constants[:, band]
        for y in range(rows):
            for x in range(cols):
                if outside[y, x]:
                    continue
                value = surface[band, y, x] * gain
                value *= 1.0 - dark * (shade[y, x] / 255.0)
                thin = cirrus[y, x] / 255.0
                value = value * (1.0 - thin) + veil * thin
                value += scatter * haze[y, x]
                thick = depth[y, x] / 255.0
                clear = (1.0 - thick) * (1.0 - thick) * (1.0 - thick)
                value = value * clear + cloud * (0.72 + 0.28 * thick) * (1.0 - clear)
                value += _normal(seed, band, y, x) * sd * (0.6 + value / 4000.0)
                out[band, y, x] = max(1, int(np.floor(value + 0.5)))
    return out


@njit(cache=True, nogil=True)
def _normal(seed, band, y, x):  # type: ignore[no-untyped-def]
    """Nearly normal noise of sd 1 from a hash of the place (mixing steps of splitmix64)."""
    z = np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(band * 1_000_003 + 7)
    z = (z ^ np.uint64(y)) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(29)) ^ np.uint64(x)) * np.uint64(0x94D049BB133111EB)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    total = 0.0
    for part in range(4):
        total += np.int64((z >> np.uint64(16 * part)) & np.uint64(0xFFFF))
    return (total - 131070.0) / 37837.0
