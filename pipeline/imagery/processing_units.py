"""What a request costs at Sentinel Hub, by its published rule.

Source: Sentinel Hub and Copernicus Data Space, "Processing Unit definition". One unit buys 512 x 512 pixels of three
input bands, one sample a pixel, in an output of at most 16 bits.
"""

from __future__ import annotations

from typing import Literal

SampleFormat = Literal["UINT8", "UINT16", "FLOAT32"]

_UNIT_PX = 512 * 512
_UNIT_BANDS = 3
_LEAST_AREA = 0.01  # of a unit's pixels; a smaller request is counted as this
_LEAST_UNITS = 0.005


def processing_units(
    width: int,
    height: int,
    bands: int,
    sample_format: SampleFormat,
    samples: int = 1,
    orthorectified: bool = False,
    *,
    terrain_corrected: bool = False,
) -> float:
    """Processing units of one Process API request.

    `bands` are input bands without dataMask, which is not counted; `samples` those of one pixel (one unless several
    scenes are handed to the script); `orthorectified` and `terrain_corrected` (radiometrically, gamma0 terrain, which
    includes the other) are of Sentinel-1. Only requests that succeed are charged.
    """
    area = max(width * height / _UNIT_PX, _LEAST_AREA)
    wide = 2.0 if sample_format == "FLOAT32" else 1.0
    radar = 2.5 if terrain_corrected else 2.0 if orthorectified else 1.0
    return max(area * bands / _UNIT_BANDS * wide * samples * radar, _LEAST_UNITS)
