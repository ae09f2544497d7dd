"""What the classifier reads at a pixel: spectral indices there and the mosaic of ground and water around it.

Every channel is a normalised difference (a - b) / (a + b) of two sums of bands, so a change of illumination, which
scales all bands alike, leaves it as it is; the few brightness channels compare with a fixed reflectance and move by
a constant in log space. Around each pixel, square windows of several sizes tell

- the mean and the deviation of channels, and the shares of water and of bare ground: what the mosaic is made of;
- the least and the greatest value of channels: how near the next green, the next water and the next bright ground are;
- the roughness of channels, the root of their mean squared gradient, and its coherence (structure tensor, Bigun and
  Granlund 1987), 1 where all edges run the same way and 0 where they run every way: banks, roads and the borders of
  fields run straight, dug ground is rough in all directions.

Channels are rounded to integers and windows are summed in integers: a sum then does not depend on where a running
window began, and a tile with its halo gives the very numbers that the mosaic gives. Windows count observed pixels only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.disturbance.learning import Evidence
from pipeline.disturbance.planes import EVIDENCE, check_reflectance
from pipeline.disturbance.texture import RATIO, SCALE, gradients_of, slide, texture
from pipeline.errors import BadInput
from pipeline.imagery.parallel import each, spans
from pipeline.imagery.scene import BANDS, NODATA

HALO_PX = 32  # pixels that must surround what is classified; windows reach less far, later ones may not reach further


@dataclass(frozen=True)
class Channel:
    """(a - b) / (a + b), where a and b are sums of bands, or b is a reflectance x 10 000 per band of a."""

    name: str
    a: tuple[str, ...]
    b: tuple[str, ...] | int
    source: str


# The first channels are also read around the pixel: so many of them by their mean, deviation, extremes and texture.
CHANNELS = (
    Channel("ndvi", ("B08",), ("B04",), "NDVI, Rouse et al. 1974"),
    Channel("mndwi", ("B03",), ("B11",), "MNDWI, Xu 2006"),
    Channel("visible", ("B02", "B03", "B04"), 1000, "brightness of the visible bands against reflectance 0.1"),
    Channel("infrared", ("B08", "B11", "B12"), 2000, "brightness of the infrared bands against reflectance 0.2"),
    Channel("bsi", ("B11", "B04"), ("B08", "B02"), "bare soil index, Rikimaru et al. 2002"),
    Channel("ndti", ("B04",), ("B03",), "turbidity index, Lacaux et al. 2007"),
    Channel("ndti_tillage", ("B11",), ("B12",), "SWIR tillage index, van Deventer et al. 1997: clay, litter"),
    Channel(
        "red_depth",
        ("B04", "B04"),
        ("B03", "B08"),
        "red against its neighbours, the depth of chlorophyll's absorption (continuum removal, Clark and Roush 1984)",
    ),
    Channel("swir1_red", ("B11",), ("B04",), "SWIR 1 against red: dry soil against wet and bright"),
    Channel("ndwi", ("B03",), ("B08",), "NDWI, McFeeters 1996"),
    Channel("ndmi", ("B08",), ("B11",), "moisture index, Hardisky et al. 1983"),
    Channel("nbr", ("B08",), ("B12",), "normalised burn ratio, Lopez Garcia and Caselles 1991"),
    Channel("iron", ("B04",), ("B02",), "red against blue, iron oxide, Segal 1982"),
    Channel("green_blue", ("B03",), ("B02",), "green against blue: haze, clear water"),
    Channel("swir2_red", ("B12",), ("B04",), "SWIR 2 against red: built and burnt ground"),
    Channel("swir2_blue", ("B12",), ("B02",), "SWIR 2 against blue: haze"),
    Channel("wri", ("B03", "B04"), ("B08", "B11"), "water ratio index, Shen and Li 2010, as a difference"),
    Channel("green_depth", ("B03", "B03"), ("B02", "B04"), "green against its neighbours, as red_depth"),
    Channel("nir_depth", ("B08", "B08"), ("B04", "B11"), "near infrared against its neighbours, as red_depth"),
    Channel("swir1_depth", ("B11", "B11"), ("B08", "B12"), "SWIR 1 against its neighbours, as red_depth"),
    Channel("blue_nir", ("B02",), ("B08",), "blue against near infrared: haze over green ground"),
    Channel("blue_swir1", ("B02",), ("B11",), "blue against SWIR 1: haze over bare ground"),
    Channel("green_swir2", ("B03",), ("B12",), "MNDWI with SWIR 2, Xu 2006: water under thin haze"),
)
FOCAL = 7
SPREAD = 3
EXTREME = 4
TEXTURED = 10
TEXTURE = ("coherence", "roughness")
# Shares: water where MNDWI > 0 (Xu 2006) and NDVI < 0.3; bare ground where NDVI < 0.3 and it is not water.
SHARES = ("water", "bare")
N_SHARES = len(SHARES)
RADII = (1, 3, 7, 15)  # means, deviations and shares: windows of 3, 7, 15 and 31 pixels
TEXTURE_RADII = (3, 7, 15)
# Each window of extremes is the union of three shifted ones before it: (radius, shift, whether it is a feature).
EXTREMES = ((1, 1, False), (2, 1, True), (4, 2, True), (7, 3, True), (15, 8, True))
REACH_PX = max(*RADII, max(TEXTURE_RADII) + 1, EXTREMES[-1][0])  # farthest pixel that a feature depends on
WATER_MNDWI = 0
BARE_NDVI = 300
ABSENT = -32768  # where there is no evidence


def feature_groups() -> dict[str, tuple[str, ...]]:
    """Names of the features by group, in the order of the feature axis."""
    channels = [channel.name for channel in CHANNELS]
    groups: dict[str, tuple[str, ...]] = {"indices": tuple(channels)}
    for radius in RADII:
        side = 2 * radius + 1
        groups[f"means and deviations {side} px"] = (
            *(f"{name}_mean{side}" for name in channels[:FOCAL]),
            *(f"{name}_share{side}" for name in SHARES),
            *(f"{name}_sd{side}" for name in channels[:SPREAD]),
        )
    wide = 2 * RADII[-1] + 1
    groups["above the surroundings"] = tuple(f"{name}_above{wide}" for name in channels[:SPREAD])
    for radius in TEXTURE_RADII:
        side = 2 * radius + 1
        textured = channels[:TEXTURED]
        groups[f"texture {side} px"] = tuple(f"{name}_{what}{side}" for name in textured for what in TEXTURE)
    sides = [2 * radius + 1 for radius, _, told in EXTREMES if told]
    groups["extremes"] = tuple(
        f"{name}_{which}{side}" for name in channels[:EXTREME] for which in ("max", "min") for side in sides
    )
    groups["evidence"] = tuple(EVIDENCE)
    return groups


def feature_names() -> tuple[str, ...]:
    """Names in the order of the feature axis."""
    return tuple(name for group in feature_groups().values() for name in group)


N_FEATURES = len(feature_names())


def _weights() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    a = np.zeros((len(CHANNELS), len(BANDS)))
    b = np.zeros_like(a)
    constant = np.zeros(len(CHANNELS))
    for row, channel in enumerate(CHANNELS):
        for band in channel.a:
            a[row, BANDS.index(band)] += 1
        if isinstance(channel.b, int):
            constant[row] = channel.b * len(channel.a)
        else:
            b[row, [BANDS.index(band) for band in channel.b]] = 1
    return a, b, constant


_A, _B, _CONSTANT = _weights()
_RADII = np.array(RADII)
_TEXTURE_RADII = np.array(TEXTURE_RADII)
_FIRST_TEXTURE = feature_names().index(f"{CHANNELS[0].name}_coherence{2 * TEXTURE_RADII[0] + 1}")
_FIRST_EXTREME = _FIRST_TEXTURE + len(TEXTURE) * TEXTURED * len(TEXTURE_RADII)


def observed(reflectance: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Pixels (y, x) of which all six bands are there."""
    seen: NDArray[np.bool_] = (reflectance != NODATA).all(axis=0)
    return seen


def compute(
    reflectance: NDArray[np.uint16], halo: int, threads: int = 2, evidence: Evidence | None = None
) -> NDArray[np.int16]:
    """Features (feature, y - 2 halo, x - 2 halo) of reflectance x 10 000 (6, y, x), NODATA where not observed.

    `halo` pixels on each side are read as surroundings only. Features of a pixel that is not observed are 0.
    `evidence` holds optional planes (y, x) by the names in EVIDENCE; where one is missing or not finite, its feature
    is ABSENT. Raises BadInput if the array is not six uint16 bands larger than its halo, or evidence does not fit it.
    """
    check_reflectance(reflectance, halo)
    height, width = reflectance.shape[1:]
    rows, cols = height - 2 * halo, width - 2 * halo
    inner = (slice(halo, halo + rows), slice(halo, halo + cols))
    planes_of_evidence = _evidence(evidence or {}, (height, width), inner)
    if (spare := halo - REACH_PX) > 0:  # farther than any feature looks
        reflectance = reflectance[:, spare : height - spare, spare : width - spare]
        halo = REACH_PX
        height, width = reflectance.shape[1:]
        inner = (slice(halo, halo + rows), slice(halo, halo + cols))
    seen = observed(reflectance)
    planes = np.zeros((len(CHANNELS) + N_SHARES, height, width), np.int16)
    bands = np.ascontiguousarray(reflectance)
    spans(lambda top, end: _channels(bands, seen, _A, _B, _CONSTANT, top, end, planes), height, threads)
    out = np.empty((N_FEATURES, rows, cols), np.int16)
    spans(lambda top, end: _focal(planes, seen, halo, _RADII, top, end, out), rows, threads)
    gradients = np.zeros((TEXTURED, 2, height, width), np.int16)
    spans(lambda top, end: gradients_of(planes, seen, 1, top, end, gradients), height, threads)
    first = _FIRST_TEXTURE
    spans(lambda top, end: texture(gradients, seen, halo, _TEXTURE_RADII, top, end, out[first:]), rows, threads)
    first = _FIRST_EXTREME
    each(lambda k: _extremes(planes, seen, inner, k, out[first:]), 2 * EXTREME, threads)
    out[N_FEATURES - len(EVIDENCE) :] = planes_of_evidence
    out[:, ~seen[inner]] = 0
    return out


def _evidence(evidence: Evidence, shape: tuple[int, int], inner: tuple[slice, slice]) -> NDArray[np.int16]:
    strange = sorted(set(evidence) - set(EVIDENCE))
    if strange:
        raise BadInput(f"evidence {strange[0]!r}: not known; expected {', '.join(EVIDENCE)}")
    out = np.full((len(EVIDENCE), inner[0].stop - inner[0].start, inner[1].stop - inner[1].start), ABSENT, np.int16)
    for row, (name, scale) in enumerate(EVIDENCE.items()):
        if name in evidence:
            if evidence[name].shape != shape:
                raise BadInput(f"evidence {name!r} of shape {evidence[name].shape}: expected {shape}, as the bands")
            plane = np.asarray(evidence[name], np.float64)[inner]
            known = np.isfinite(plane)
            out[row, known] = np.clip(np.rint(plane[known] * scale), ABSENT + 1, -ABSENT - 1)
    return out


def _extremes(
    planes: NDArray[np.int16],
    seen: NDArray[np.bool_],
    inner: tuple[slice, slice],
    number: int,
    out: NDArray[np.int16],
) -> None:
    """Greatest (even numbers) or least (odd) values of a channel in each window, x 10 as the means are."""
    channel, sign = number // 2, 1 - 2 * (number % 2)
    greatest = np.where(seen, sign * planes[channel], np.int16(-SCALE))
    told = number * sum(tell for *_, tell in EXTREMES)
    for _, shift, tell in EXTREMES:
        greatest = _widen(greatest, shift)
        if tell:
            out[told] = sign * RATIO * greatest[inner]
            told += 1


@njit(cache=True, nogil=True, error_model="numpy")
def _widen(values, shift):  # type: ignore[no-untyped-def]
    """Greatest of each value and those `shift` pixels to each side, along rows and columns."""
    height, width = values.shape
    rows = values.copy()
    for y in range(height):
        for x in range(shift, width):
            rows[y, x] = max(rows[y, x], values[y, x - shift])
        for x in range(width - shift):
            rows[y, x] = max(rows[y, x], values[y, x + shift])
    out = rows.copy()
    for y in range(shift, height):
        for x in range(width):
            out[y, x] = max(out[y, x], rows[y - shift, x])
    for y in range(height - shift):
        for x in range(width):
            out[y, x] = max(out[y, x], rows[y + shift, x])
    return out


@njit(cache=True, nogil=True, error_model="numpy")
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
                        above[x] += a[c, band] * reflectance[band, y, x]
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


@njit(cache=True, nogil=True, error_model="numpy")
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
    n = np.empty(cols, np.int32)
    total = np.empty(cols, np.int32)
    total_square = np.empty(cols, np.int32)
    share = np.empty(cols)
    before = np.empty(width + 2 * radii.max() + 1, np.int32)
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
            slide(count[s], radii[s], halo, before, n)
            for x in range(cols):
                share[x] = RATIO / n[x] if n[x] > 0 else 0.0
            for k in range(n_means):
                slide(sums[s, k], radii[s], halo, before, total)
                for x in range(cols):
                    out[f + k, i, x] = np.int16(total[x] * share[x])
                if k < SPREAD:
                    slide(squares[s, k], radii[s], halo, before, total_square)
                    for x in range(cols):
                        mean = np.float64(total[x])
                        variance = np.float64(n[x]) * np.float64(total_square[x]) - mean * mean
                        out[f + n_means + k, i, x] = np.int16(np.sqrt(variance) * share[x])
            f += n_means + SPREAD
        for k in range(SPREAD):
            for x in range(cols):
                out[f + k, i, x] = RATIO * out[k, i, x] - out[f - n_means - SPREAD + k, i, x]


@njit(cache=True, nogil=True, error_model="numpy")
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
