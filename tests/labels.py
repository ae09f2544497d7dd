"""Small labels with a clear answer, and a learner that is quick and no good at anything else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.disturbance.labels import OTHER, POND, UNSURE, Labels, Provenance
from pipeline.disturbance.tree_classifier import TreeClassifier
from pipeline.disturbance.trees import Forest

FOREST, SOIL, WATER = (
    (300, 500, 300, 2700, 1500, 600),
    (1200, 1800, 2400, 2900, 3800, 3300),
    (1000, 1500, 1600, 900, 300, 200),
)


def small_pixels(n=12, side=20):
    """Reflectance (patch, 6, y, x) and mask: in every second patch a bare block with a pond in it, in green ground."""
    rng = np.random.default_rng(1)
    mask = np.zeros((n, side, side), np.uint8)
    mask[::2, 3:13, 4:16] = 1
    mask[::2, 5:9, 6:11] = 2
    spectra = np.array([FOREST, SOIL, WATER])
    pixels = spectra[mask] * rng.uniform(0.9, 1.1, (*mask.shape, 6))
    mask[:, 0, :3] = UNSURE
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).astype(np.uint16), mask


def small_labels(n=12, **changes):
    """One patch in each of `n` cells of one degree, the first half in the west."""
    pixels, mask = small_pixels(n)
    given = {
        "lonlat": [(10.5 + i, 4.5) for i in range(n)],
        "verdict": ["no_mining" if i % 2 else "mining" for i in range(n)],
        "note": ["forest" if i % 2 else "pits" for i in range(n)],
        "region": ["west" if i < n / 2 else "east" for i in range(n)],
        "windows": np.array([["2021-01-01", "2021-12-31"]] * n, "M8[D]"),
        "provenance": Provenance({"mine.geojson": "00ff"}, "00ff", "Drawn for a test."),
        **changes,
    }
    return Labels.of(pixels, mask, **given)


@dataclass(frozen=True)
class StumpLearner:
    """Two stumps: NDVI tells disturbed ground, MNDWI water in it; half-way between the means of what it is shown."""

    kind: str = "trees"

    def describe(self):
        return {"stumps": 2, "features": {"disturbed": "ndvi", "pond": "mndwi"}}

    def fit(self, labels, seed):
        bands = labels.reflectance.astype(float).swapaxes(0, 1)
        dug = (labels.mask != OTHER) & (labels.mask != UNSURE)
        ndvi = (bands[3] - bands[2]) / (bands[3] + bands[2])
        mndwi = (bands[1] - bands[4]) / (bands[1] + bands[4])
        between = (ndvi[labels.mask == OTHER].mean() + ndvi[dug].mean()) / 2
        wet = (mndwi[labels.mask == POND].mean() + mndwi[dug & (labels.mask != POND)].mean()) / 2
        return TreeClassifier(
            Forest(
                baseline=np.zeros(2),
                output=np.array([0, 1], np.int32),
                start=np.array([0, 3, 6], np.int32),
                feature=np.array([0, -1, -1, 1, -1, -1], np.int16),
                threshold=np.array([1000 * between, 0, 0, 1000 * wet, 0, 0]).astype(np.int16),
                left=np.array([1, 0, 0, 1, 0, 0], np.int32),
                right=np.array([2, 0, 0, 2, 0, 0], np.int32),
                value=np.array([0.0, 6.0, -6.0, 0.0, -6.0, 6.0]),
            )
        )
