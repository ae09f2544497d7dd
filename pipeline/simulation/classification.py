"""Scene classification (SCL) with Sen2Cor's known mistakes: bright ground called cloud, thin cloud missed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.simulation.atmosphere import Sky
from pipeline.simulation.look import Look
from pipeline.simulation.noise import stream, value_noise

NO_DATA, DARK, SHADOW, VEGETATION, BARE, WATER, UNCLASSIFIED, CLOUD_MEDIUM, CLOUD_HIGH, CIRRUS = (
    0,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
)


def halve(plane: NDArray[np.int32]) -> NDArray[np.int32]:
    """Means over 2 x 2 pixels (…, y, x), rounded half up; from 10 m to 20 m."""
    quad = plane[..., ::2, ::2] + plane[..., 1::2, ::2] + plane[..., ::2, 1::2] + plane[..., 1::2, 1::2]
    return (quad + 2) // 4


def classify(observed: NDArray[np.int32], sky: Sky, look: Look, seed: int) -> NDArray[np.uint8]:
    """SCL (y, x) at 20 m of a scene observed at 10 m (6, 2y, 2x)."""
    blue, green, red, nir, swir1, _ = halve(observed)
    depth, shade, veil = (halve(plane.astype(np.int32)) for plane in (sky.depth, sky.shade, sky.cirrus))
    rng = stream(seed, "classification", look.day)
    # Mistakes come in patches: two smooth fields in 0..1 stand for the processor's doubt.
    shape = (blue.shape[0], blue.shape[1])
    coin = np.clip(value_noise(rng, shape, ((14, 1.0), (5, 0.8), (2, 0.4))) + np.float32(0.5), 0, 1)
    other = np.clip(value_noise(rng, shape, ((9, 1.0), (3, 0.8))) + np.float32(0.5), 0, 1)
    scl = np.where(2 * (nir - red) > 0.72 * (nir + red), np.uint8(VEGETATION), np.uint8(BARE))
    scl[(20 * (green - nir) > green + nir) & (swir1 < 1000) | (nir < 750) & (swir1 < 500)] = WATER
    scl[(nir < 1050) & (red < 600) & (scl == BARE)] = DARK
    scl[(scl == DARK) & (coin < 0.15)] = SHADOW
    # Spoil, sand and metal roofs look like cloud in the visible: the brightest on most dates, others on some.
    mistaken = (blue > 900 + 480 * (1 - look.bright_error) + 200 * other) & (red > 1500) & (red < nir + 300)
    scl[mistaken] = CLOUD_MEDIUM
    scl[mistaken & (blue > 1550)] = CLOUD_HIGH
    found = np.pad(shade, ((1, 0), (0, 1)), mode="edge")[:-1, 1:]  # the processor's cloud height is a little off
    scl[(found > 110) & (other > 0.07)] = SHADOW
    scl[(found > 50) & (found <= 110) & (other > 0.65)] = UNCLASSIFIED
    scl[(veil > 20) & (other > look.thin_error)] = CIRRUS
    scl[(depth > 8) & (coin > look.thin_error)] = CIRRUS
    scl[(depth > 30) & (other > 0.25 * look.thin_error)] = CLOUD_MEDIUM
    scl[depth > 95] = CLOUD_HIGH
    scl[halve(sky.outside.astype(np.int32)) > 0] = NO_DATA
    return scl.astype(np.uint8)
