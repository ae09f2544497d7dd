"""What the classifier reads at a pixel: spectral indices there and the mosaic of ground and water around it.

Every channel is a normalised difference (a - b) / (a + b) of two sums of bands, so a change of illumination, which
scales all bands alike, leaves it as it is; the few brightness channels compare with a fixed reflectance and move by
a constant in log space. Channels are rounded to integers and windows are summed in integers: a sum then does not
depend on where a running window began, and a tile with its halo gives the very numbers that the mosaic gives.
Windows count observed pixels only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.errors import BadInput
from pipeline.imagery.parallel import spans
from pipeline.imagery.scene import BANDS, NODATA

HALO_PX = 32  # pixels that must surround what is classified; windows reach less far, later ones may not reach further
SCALE = 1000  # a channel of 1.0
FOCAL_SCALE = 10_000  # a focal mean or deviation of 1.0
RATIO = FOCAL_SCALE // SCALE


@dataclass(frozen=True)
class Channel:
    """(a - b) / (a + b), where a and b are sums of bands, or b is a reflectance x 10 000 per band of a."""

    name: str
    a: tuple[str, ...]
    b: tuple[str, ...] | int
    source: str


# The first FOCAL channels are also read in windows; the first SPREAD of them with their deviation.
CHANNELS = (
    Channel("ndvi", ("B08",), ("B04",), "NDVI, Rouse et al. 1974"),
    Channel("mndwi", ("B03",), ("B11",), "MNDWI, Xu 2006"),
    Channel("visible", ("B02", "B03", "B04"), 1000, "brightness of the visible bands against reflectance 0.1"),
    Channel("bsi", ("B11", "B04"), ("B08", "B02"), "bare soil index, Rikimaru et al. 2002"),
    Channel("ndti", ("B04",), ("B03",), "turbidity index, Lacaux et al. 2007"),
    Channel("ndti_tillage", ("B11",), ("B12",), "SWIR tillage index, van Deventer et al. 1997: clay, litter"),
    Channel("infrared", ("B08", "B11", "B12"), 2000, "brightness of the infrared bands against reflectance 0.2"),
    Channel("ndwi", ("B03",), ("B08",), "NDWI, McFeeters 1996"),
    Channel("ndmi", ("B08",), ("B11",), "moisture index, Hardisky et al. 1983"),
    Channel("nbr", ("B08",), ("B12",), "normalised burn ratio, Lopez Garcia and Caselles 1991"),
    Channel("iron", ("B04",), ("B02",), "red against blue, iron oxide, Segal 1982"),
    Channel("green_blue", ("B03",), ("B02",), "green against blue: haze, clear water"),
    Channel("swir1_red", ("B11",), ("B04",), "SWIR 1 against red: dry soil against wet and bright"),
    Channel("swir2_red", ("B12",), ("B04",), "SWIR 2 against red: built and burnt ground"),
    Channel("swir2_blue", ("B12",), ("B02",), "SWIR 2 against blue: haze"),
)
FOCAL = 7
SPREAD = 3
# Shares: water where MNDWI > 0 (Xu 2006) and NDVI < 0.3; bare ground where NDVI < 0.3 and it is not water.
SHARES = ("water", "bare")
N_SHARES = len(SHARES)
RADII = (1, 3, 7, 15)  # windows of 3, 7, 15 and 31 pixels
WATER_MNDWI = 0
BARE_NDVI = 300


def feature_names() -> tuple[str, ...]:
    """Names in the order of the feature axis."""
    channels = [channel.name for channel in CHANNELS]
    names = list(channels)
    for radius in RADII:
        side = 2 * radius + 1
        names += [f"{name}_mean{side}" for name in channels[:FOCAL]]
        names += [f"{name}_share{side}" for name in SHARES]
        names += [f"{name}_sd{side}" for name in channels[:SPREAD]]
    wide = 2 * RADII[-1] + 1
    names += [f"{name}_above{wide}" for name in channels[:SPREAD]]
    return tuple(names)


N_FEATURES = len(feature_names())


def _weights() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    a = np.zeros((len(CHANNELS), len(BANDS)))
    b = np.zeros_like(a)
    constant = np.zeros(len(CHANNELS))
    for row, channel in enumerate(CHANNELS):
        a[row, [BANDS.index(band) for band in channel.a]] = 1
        if isinstance(channel.b, int):
            constant[row] = channel.b * len(channel.a)
        else:
            b[row, [BANDS.index(band) for band in channel.b]] = 1
    return a, b, constant


_A, _B, _CONSTANT = _weights()
_RADII = np.array(RADII)


def observed(reflectance: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Pixels (y, x) of which all six bands are there."""
    seen: NDArray[np.bool_] = (reflectance != NODATA).all(axis=0)
    return seen


def compute(reflectance: NDArray[np.uint16], halo: int, threads: int = 2) -> NDArray[np.int16]:
    """Features (feature, y - 2 halo, x - 2 halo) of reflectance x 10 000 (6, y, x), NODATA where not observed.

    `halo` pixels on each side are read as surroundings only. Features of a pixel that is not observed are 0.
    Raises BadInput if the array is not six uint16 bands larger than its halo.
    """
    if reflectance.dtype != np.uint16 or reflectance.ndim != 3 or reflectance.shape[0] != len(BANDS):
        raise BadInput(
            f"reflectance of shape {reflectance.shape} and type {reflectance.dtype}: "
            f"expected uint16 (6, y, x) in the order {' '.join(BANDS)}"
        )
    if halo < 0 or min(reflectance.shape[1:]) <= 2 * halo:
        raise BadInput(f"reflectance of shape {reflectance.shape} leaves nothing inside a halo of {halo} pixels")
    seen = observed(reflectance)
    planes = np.zeros((len(CHANNELS) + len(SHARES), *reflectance.shape[1:]), np.int16)
    height, width = reflectance.shape[1:]
    bands = np.ascontiguousarray(reflectance)
    spans(lambda top, end: _channels(bands, seen, _A, _B, _CONSTANT, top, end, planes), height, threads)
    out = np.zeros((N_FEATURES, height - 2 * halo, width - 2 * halo), np.int16)
    spans(lambda top, end: _focal(planes, seen, halo, _RADII, top, end, out), height - 2 * halo, threads)
    return out


@njit(cache=True, nogil=True)
def _channels(reflectance, seen, a, b, constant, top, end, planes):  # type: ignore[no-untyped-def]
    n_channels, n_bands = a.shape
    width = seen.shape[1]
    above = np.empty(width)
    below = np.empty(width)
    for y in range(top, end):
        for c in range(n_channels):
            above[:] = 0.0
            below[:] = constant[c]
            for band in range(n_bands):
                if a[c, band] != 0.0:
                    for x in range(width):
                        above[x] += reflectance[band, y, x]
                if b[c, band] != 0.0:
                    for x in range(width):
                        below[x] += reflectance[band, y, x]
            for x in range(width):
                # One unit (reflectance 0.0001) more keeps 0 / 0 away.
                value = np.int16(SCALE * (above[x] - below[x]) / (above[x] + below[x] + 1.0))
                planes[c, y, x] = value if seen[y, x] else 0
        for x in range(width):
            if seen[y, x] and planes[0, y, x] < BARE_NDVI:
                water = planes[1, y, x] > WATER_MNDWI
                planes[n_channels, y, x] = SCALE if water else 0
                planes[n_channels + 1, y, x] = 0 if water else SCALE


@njit(cache=True, nogil=True)
def _slide(column, radius, first, total):  # type: ignore[no-untyped-def]
    """Running sums of width 2 radius + 1 along a line of column sums; centres start at `first`."""
    width = column.shape[0]
    run = np.int64(0)
    for x in range(max(0, first - radius), min(width, first + radius + 1)):
        run += column[x]
    total[0] = run
    for i in range(1, total.shape[0]):
        enters = first + i + radius
        leaves = enters - 2 * radius - 1
        if enters < width:
            run += column[enters]
        if leaves >= 0:
            run -= column[leaves]
        total[i] = run


@njit(cache=True, nogil=True)
def _focal(planes, seen, halo, radii, top, end, out):  # type: ignore[no-untyped-def]
    n_planes, height, width = planes.shape
    cols = out.shape[2]
    n_channels = n_planes - N_SHARES
    # Planes that are averaged: the focal channels, then the shares.
    n_means = FOCAL + n_planes - n_channels
    source = np.arange(n_means)
    source[FOCAL:] += n_channels - FOCAL
    n_radii = radii.shape[0]
    count = np.zeros((n_radii, width), np.int32)
    sums = np.zeros((n_radii, n_means, width), np.int32)
    squares = np.zeros((n_radii, SPREAD, width), np.int32)
    n = np.empty(cols, np.int64)
    total = np.empty(cols, np.int64)
    total_square = np.empty(cols, np.int64)
    share = np.empty(cols)
    for i in range(top, end):
        y = i + halo
        for s in range(n_radii):
            radius = radii[s]
            # Rows that enter the window, then the one that leaves it.
            start = y + radius if i > top else y - radius
            for row in range(start, y + radius + 1):
                if 0 <= row < height:
                    _add(planes, seen, source, row, 1, count[s], sums[s], squares[s])
            if i > top and y - radius - 1 >= 0:
                _add(planes, seen, source, y - radius - 1, -1, count[s], sums[s], squares[s])
        for c in range(n_channels):
            for x in range(cols):
                out[c, i, x] = planes[c, y, x + halo]
        f = n_channels
        for s in range(n_radii):
            _slide(count[s], radii[s], halo, n)
            for x in range(cols):
                share[x] = RATIO / n[x] if n[x] > 0 else 0.0
            for k in range(n_means):
                _slide(sums[s, k], radii[s], halo, total)
                for x in range(cols):
                    out[f + k, i, x] = np.int16(total[x] * share[x])
                if k < SPREAD:
                    _slide(squares[s, k], radii[s], halo, total_square)
                    for x in range(cols):
                        variance = np.float64(n[x] * total_square[x] - total[x] * total[x])
                        out[f + n_means + k, i, x] = np.int16(np.sqrt(variance) * share[x])
            f += n_means + SPREAD
        for k in range(SPREAD):
            for x in range(cols):
                out[f + k, i, x] = RATIO * out[k, i, x] - out[f - n_means - SPREAD + k, i, x]
        for x in range(cols):
            if not seen[y, x + halo]:
                out[:, i, x] = 0


@njit(cache=True, nogil=True)
def _add(planes, seen, source, row, sign, count, sums, squares):  # type: ignore[no-untyped-def]
    width = seen.shape[1]
    for x in range(width):
        count[x] += sign * seen[row, x]
    for k in range(source.shape[0]):
        plane = planes[source[k], row]
        for x in range(width):
            sums[k, x] += sign * plane[x]
    for k in range(squares.shape[0]):
        plane = planes[source[k], row]
        for x in range(width):
            squares[k, x] += sign * np.int32(plane[x]) * np.int32(plane[x])
