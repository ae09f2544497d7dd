"""Which looks are clear: scene classification, dilation, and a safeguard for bright bare ground."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.areas.lattice import PIXEL_M
from pipeline.config import Imagery

# Scene classification of Sen2Cor (Level-2A ATBD): 0 no data, 1 saturated, 2 dark, 3 cloud shadow, 4 vegetation,
# 5 bare, 6 water, 7 unclassified, 8 and 9 cloud, 10 cirrus, 11 snow. Snow in the tropics is cloud or bright ground.
_UNUSABLE, _CLEAR, _CLOUD, _CIRRUS, _SHADOW = range(5)
_MEANING = np.full(256, _UNUSABLE, dtype=np.uint8)
_MEANING[[2, 4, 5, 6, 7]] = _CLEAR
_MEANING[[8, 9, 11]] = _CLOUD
_MEANING[10] = _CIRRUS
_MEANING[3] = _SHADOW
NO_SCL = 255  # written into the plane of a scene without a scene classification
_MEANING[NO_SCL] = _CLEAR

# Ground, not cloud, in the flagged look: over bare soil B11 is well above B02 and not below B08; over cloud the
# near infrared exceeds the short-wave infrared (Zhu and Woodcock 2012, their band 4/5 test). On 48 800 pixels that
# Sen2Cor called cloud over real fields without bright ground, 1 % pass both.
_SWIR_TO_BLUE = 1.3
_NIR_TO_SWIR = 1.0
_STEADY_DN = 300  # and the ground looks alike in all looks: B02 within this, or a fifth, of its median
_FEWEST_LOOKS = 3


def dilation_px(settings: Imagery) -> int:
    """How far, in pixels, a mask reaches beyond what caused it."""
    return max(math.ceil(settings.cloud_dilation_m / PIXEL_M), math.ceil(settings.shadow_dilation_m / PIXEL_M))


def clear_look(valid: NDArray[np.bool_], scl: NDArray[np.uint8], settings: Imagery) -> NDArray[np.bool_]:
    """Clear pixels (y, x) of one look: measured, and not within the dilated cloud or shadow of its classes."""
    meaning = _MEANING[scl]
    return _clear(valid, meaning, (meaning == _CLOUD) | (meaning == _CIRRUS), settings)


def clear_looks(
    stack: NDArray[np.uint16], valid: NDArray[np.bool_], scl: NDArray[np.uint8], settings: Imagery
) -> tuple[NDArray[np.bool_], NDArray[np.uint16]]:
    """Clear pixels (time, y, x) of a stack, and the number of looks (y, x) that the safeguard gave back.

    `stack` is (time, band, y, x) in the order of BANDS, reflectance x 10 000; `valid` and `scl` (time, y, x).
    Bright bare ground is given back where it is called cloud in at least `rescue_share` of the looks with data,
    its spectrum in that look is soil's, and its blue is steady over time; the dilation it caused goes with it.
    """
    clear = np.empty_like(valid)
    rescued = np.zeros(valid.shape[1:], dtype=np.uint16)
    meaning = _MEANING[scl]
    ground = np.zeros_like(valid)
    if settings.rescue_bright_ground and len(stack) >= _FEWEST_LOOKS:
        _bright_ground(stack, valid, meaning == _CLOUD, settings.rescue_share, ground)
    for t in range(len(stack)):
        cloud = (meaning[t] == _CLOUD) | (meaning[t] == _CIRRUS)
        clear[t] = _clear(valid[t], meaning[t], cloud, settings)
        if ground[t].any():
            given = _clear(valid[t], np.where(ground[t], _CLEAR, meaning[t]), cloud & ~ground[t], settings)
            rescued += given & ~clear[t]
            clear[t] = given
    return clear, rescued


def dilate(mask: NDArray[np.bool_], radius_m: float) -> NDArray[np.bool_]:
    """The mask grown by a disc: pixels whose centre lies within `radius_m` of the centre of a set pixel."""
    reach = int(radius_m // PIXEL_M)
    if reach == 0 or not mask.any():
        return mask
    widths = np.array([math.isqrt(int((radius_m / PIXEL_M) ** 2) - dy * dy) for dy in range(reach + 1)])
    out = np.zeros(mask.shape, dtype=np.bool_)
    _dilate(mask, widths, out)
    return out


def _clear(
    valid: NDArray[np.bool_], meaning: NDArray[np.uint8], cloud: NDArray[np.bool_], settings: Imagery
) -> NDArray[np.bool_]:
    hidden = dilate(cloud, settings.cloud_dilation_m) | dilate(meaning == _SHADOW, settings.shadow_dilation_m)
    clear: NDArray[np.bool_] = valid & (meaning != _UNUSABLE) & ~hidden
    return clear


@njit(cache=True, nogil=True)
def _dilate(mask, widths, out):  # type: ignore[no-untyped-def]
    height, width = mask.shape
    reach = len(widths) - 1
    gap = np.empty(width, dtype=np.int32)
    far = np.int32(1 << 20)
    for y in range(height):
        run, any_set = far, False
        for x in range(width):
            run = np.int32(0) if mask[y, x] else np.int32(run + 1)
            gap[x] = run
            any_set |= mask[y, x]
        if not any_set:
            continue
        run = far
        for x in range(width - 1, -1, -1):
            run = np.int32(0) if mask[y, x] else np.int32(run + 1)
            gap[x] = min(gap[x], run)
        for dy in range(-min(reach, y), min(reach, height - 1 - y) + 1):
            row, limit = out[y + dy], np.int32(widths[abs(dy)])
            for x in range(width):
                row[x] |= gap[x] <= limit


@njit(cache=True, nogil=True)
def _bright_ground(stack, valid, flagged, share, ground):  # type: ignore[no-untyped-def]
    times, _, height, width = stack.shape
    blues = np.empty(times, dtype=np.int64)
    soil = np.empty(times, dtype=np.bool_)
    for y in range(height):
        for x in range(width):
            seen, called = 0, 0
            for t in range(times):
                seen += valid[t, y, x]
                called += valid[t, y, x] and flagged[t, y, x]
            if seen < _FEWEST_LOOKS or called < share * seen - 1e-9:
                continue
            n = 0
            for t in range(times):
                blue, swir = np.int64(stack[t, 0, y, x]), np.int64(stack[t, 4, y, x])
                soil[t] = valid[t, y, x] and swir >= _SWIR_TO_BLUE * blue and stack[t, 3, y, x] <= _NIR_TO_SWIR * swir
                if soil[t]:
                    blues[n] = blue
                    n += 1
            if n < 2:
                continue
            middle = np.sort(blues[:n])[(n - 1) // 2]
            steady = max(_STEADY_DN, middle // 5)
            alike = 0
            for t in range(times):
                soil[t] = soil[t] and flagged[t, y, x] and abs(np.int64(stack[t, 0, y, x]) - middle) <= steady
                alike += soil[t]
            if alike >= 2:
                for t in range(times):
                    ground[t, y, x] = soil[t]
