"""The composite of one period on one tile: masked median, clear looks, their dates, greenest looks around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox


@dataclass(frozen=True)
class Composite:
    """All planes are uint16 on one geobox; 65535 means not observed (days, greenness, reflectance).

    reflectance   (6, y, x)  median of the clear looks, x 10 000, bands in the order of BANDS
    looks         (y, x)     number of clear looks
    rescued       (y, x)     looks that the scene classification called cloud and the safeguard gave back
    days          (4, y, x)  days since 1970-01-01 of the first, lower-median, upper-median and last clear look
    greenest      (2, y, x)  (NDVI + 1) x 10 000 of the greenest clear look before and after the period
    """

    geobox: GeoBox
    reflectance: NDArray[np.uint16]
    looks: NDArray[np.uint16]
    rescued: NDArray[np.uint16]
    days: NDArray[np.uint16]
    greenest: NDArray[np.uint16]
