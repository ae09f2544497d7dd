"""The arrays that every classifier takes and gives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadInput
from pipeline.imagery.scene import BANDS, NODATA

PROBABILITY_SCALE = 10_000  # a stored probability of 1
# Optional planes beside the six bands, kept as whole numbers of so many to a unit.
EVIDENCE = {"slope_deg": 100, "height_above_drainage_m": 10, "s1_minimum_db": 100}


def check_reflectance(reflectance: NDArray[Any], halo: int) -> None:
    """Raises BadInput if an array is not six uint16 bands larger than its halo."""
    if reflectance.dtype != np.uint16 or reflectance.ndim != 3 or reflectance.shape[0] != len(BANDS):
        raise BadInput(
            f"reflectance of shape {reflectance.shape} and type {reflectance.dtype}: "
            f"expected uint16 (6, y, x) in the order {' '.join(BANDS)}"
        )
    if halo < 0 or min(reflectance.shape[1:]) <= 2 * halo:
        raise BadInput(f"reflectance of shape {reflectance.shape} leaves nothing inside a halo of {halo} pixels")


def probability_planes(
    disturbed: NDArray[np.floating[Any]], pond: NDArray[np.floating[Any]], seen: NDArray[np.bool_]
) -> NDArray[np.uint16]:
    """Probabilities of bare workings and of pond in workings x 10 000 (2, y, x), NODATA where not `seen` (y, x).

    `disturbed` and `pond` are probabilities (y, x), pond no more than disturbed. Rounded so that the two planes add
    up to the rounded probability of disturbance.
    """
    either = np.rint(disturbed * PROBABILITY_SCALE).astype(np.uint16)
    water = np.rint(pond * PROBABILITY_SCALE).astype(np.uint16)
    out: NDArray[np.uint16] = np.stack([either - water, water])
    out[:, ~seen] = NODATA
    return out
