"""Which looks are clear: scene classification, dilation, and a safeguard for bright bare ground."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.areas.lattice import PIXEL_M
from pipeline.config import Imagery
from pipeline.imagery.parallel import each, spans

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

# Ground, not cloud, in a hidden look: its spectrum is soil's, B11 above B02 and little green, as that of 98 % of the
# bright bare pixels of the labelled workings, where cloud is brightest in the visible; and it is the same ground as in
# the other looks, which no cloud is twice: B02 and B11 within a fifth of their medians.
_SWIR_TO_BLUE = 1.1
_SOIL_NDVI = 0.4
_STEADY_DN = 300  # of dark ground, a fifth is less than what haze adds
_FEWEST_LOOKS = 3


def dilation_px(settings: Imagery) -> int:
    """How far, in pixels, a mask depends on its surroundings.

    The safeguard asks whether neighbours are hidden, each by its own neighbours: twice the reach of cloud.
    """
    cloud_m = settings.cloud_dilation_m * (2 if settings.rescue_bright_ground else 1)
    return max(math.ceil(cloud_m / PIXEL_M), math.ceil(settings.shadow_dilation_m / PIXEL_M))


def clear_look(valid: NDArray[np.bool_], scl: NDArray[np.uint8], settings: Imagery) -> NDArray[np.bool_]:
    """Clear pixels (y, x) of one look: measured, and not within the dilated cloud or shadow of its classes."""
    cloud, usable = np.empty_like(valid), np.empty_like(valid)
    _sort_out(valid, scl, settings, cloud, usable)
    clear: NDArray[np.bool_] = usable & ~dilate(cloud, settings.cloud_dilation_m)
    return clear


def clear_looks(
    stack: NDArray[np.uint16], valid: NDArray[np.bool_], scl: NDArray[np.uint8], settings: Imagery, threads: int = 2
) -> tuple[NDArray[np.bool_], NDArray[np.uint16]]:
    """Clear pixels (time, y, x) of a stack, and the number of looks (y, x) that the safeguard gave back.

    `stack` is (time, band, y, x) in the order of BANDS, reflectance x 10 000; `valid` and `scl` (time, y, x).
    Bare ground that cloud and its dilation hide in at least `rescue_share` of the looks with data is given back in
    the looks in which it has a soil's spectrum and looks as it does in the others; so is what it alone had hidden.
    """
    cloud, hidden, usable = (np.empty_like(valid) for _ in range(3))

    def mask(t: int) -> None:
        _sort_out(valid[t], scl[t], settings, cloud[t], usable[t])
        hidden[t] = dilate(cloud[t], settings.cloud_dilation_m)

    each(mask, len(stack), threads)
    clear = usable & ~hidden
    rescued = np.zeros(valid.shape[1:], dtype=np.uint16)
    if settings.rescue_bright_ground and len(stack) >= _FEWEST_LOOKS:
        ground = np.zeros_like(valid)
        share = settings.rescue_share
        spans(lambda top, end: _bare_ground(stack, valid, hidden, share, ground, top, end), valid.shape[1], threads)
        for t in np.flatnonzero(ground.any(axis=(1, 2))).tolist():
            still_hidden = dilate(cloud[t] & ~ground[t], settings.cloud_dilation_m) & ~ground[t]
            given = usable[t] & ~still_hidden
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


def _sort_out(
    valid: NDArray[np.bool_],
    scl: NDArray[np.uint8],
    settings: Imagery,
    cloud: NDArray[np.bool_],
    usable: NDArray[np.bool_],
) -> None:
    """Fill, for one look, which pixels are called cloud, and which are measured ground outside of cloud shadow."""
    shadow = np.empty_like(valid)
    _split(valid, scl, _MEANING, cloud, shadow, usable)
    usable &= ~dilate(shadow, settings.shadow_dilation_m)


@njit(cache=True, nogil=True)
def _split(valid, scl, meanings, cloud, shadow, usable):  # type: ignore[no-untyped-def]
    height, width = scl.shape
    for y in range(height):
        for x in range(width):
            meaning = meanings[scl[y, x]]
            cloud[y, x] = (meaning == _CLOUD) | (meaning == _CIRRUS)
            shadow[y, x] = meaning == _SHADOW
            usable[y, x] = valid[y, x] & (meaning != _UNUSABLE)


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
def _bare_ground(stack, valid, hidden, share, ground, top, end):  # type: ignore[no-untyped-def]
    times, _, _, width = stack.shape
    soil = np.empty(times, dtype=np.bool_)
    blues, swirs = np.empty(times, dtype=np.int64), np.empty(times, dtype=np.int64)
    seen, covered = np.empty(width, dtype=np.int16), np.empty(width, dtype=np.int16)
    for y in range(top, end):
        # Counted row by row, as the looks lie in memory; few pixels are hidden often enough to be looked at singly.
        seen[:] = 0
        covered[:] = 0
        for t in range(times):
            for x in range(width):
                seen[x] += valid[t, y, x]
                covered[x] += valid[t, y, x] & hidden[t, y, x]
        for x in range(width):
            if seen[x] < _FEWEST_LOOKS or covered[x] == 0 or covered[x] < share * seen[x] - 1e-9:
                continue
            n = 0
            for t in range(times):
                blue, swir = np.int64(stack[t, 0, y, x]), np.int64(stack[t, 4, y, x])
                red, nir = np.int64(stack[t, 2, y, x]), np.int64(stack[t, 3, y, x])
                soil[t] = valid[t, y, x] and swir >= _SWIR_TO_BLUE * blue and nir - red <= _SOIL_NDVI * (nir + red)
                if soil[t]:
                    blues[n], swirs[n] = blue, swir
                    n += 1
            if n < _FEWEST_LOOKS:
                continue
            blue_middle, swir_middle = np.sort(blues[:n])[(n - 1) // 2], np.sort(swirs[:n])[(n - 1) // 2]
            alike = 0
            for t in range(times):
                soil[t] = (
                    soil[t]
                    and abs(np.int64(stack[t, 0, y, x]) - blue_middle) <= max(_STEADY_DN, blue_middle // 5)
                    and abs(np.int64(stack[t, 4, y, x]) - swir_middle) <= max(_STEADY_DN, swir_middle // 5)
                )
                alike += soil[t]
            if alike >= _FEWEST_LOOKS:
                for t in range(times):
                    ground[t, y, x] = soil[t]
