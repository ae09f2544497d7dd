"""One tile as a user would write it: odc-stac, dask, xarray and scikit-learn, without kernels of our own.

Windows are written twice: with xarray alone, and with SciPy's compiled filters, which one must know of. Either reads
the same scenes, masks them by the same rule, takes the same median, computes the same features and asks the same trees,
so its map must agree with the pipeline's but for the rounding of features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import odc.stac
import rasterio
import xarray as xr
from odc.geo.geobox import GeoBox
from scipy import ndimage

from pipeline.disturbance import features
from pipeline.disturbance.texture import FAINT, STEEP
from pipeline.imagery import BANDS

CLEAR = (2, 4, 5, 6, 7)
CLOUD = (8, 9, 10, 11)
SHADOW = 3


def disc(radius_px: int) -> np.ndarray:
    """A disc as a structuring element (1, y, x)."""
    y, x = np.mgrid[-radius_px : radius_px + 1, -radius_px : radius_px + 1]
    return (x**2 + y**2 <= radius_px**2)[np.newaxis]


def dilated(mask: xr.DataArray, radius_px: int) -> xr.DataArray:
    """A mask (time, y, x) grown by a disc."""
    return xr.apply_ufunc(
        lambda block: ndimage.binary_dilation(block, disc(radius_px)), mask, dask="parallelized", output_dtypes=[bool]
    )


def is_ground(data: xr.Dataset, hidden: xr.DataArray, valid: xr.DataArray, share: float) -> xr.DataArray:
    """Hidden looks (time, y, x) at bare ground that looks alike in most looks: the safeguard of `imagery.masks`."""
    blue, red, nir, swir = (data[band].astype("float32") for band in ("B02", "B04", "B08", "B11"))
    soil = valid & (swir >= 1.1 * blue) & (nir - red <= 0.4 * (nir + red))
    alike = soil
    for band in (blue, swir):
        middle = band.where(soil).chunk({"time": -1}).median("time", skipna=True)
        alike = alike & (abs(band - middle) <= np.maximum(300, middle / 5))
    often = (hidden & valid).sum("time") >= share * valid.sum("time")
    return alike & often & (soil.sum("time") >= 3) & (alike.sum("time") >= 3)


def composite(items: Sequence[Any], geobox: GeoBox, share: float) -> xr.Dataset:
    """Median reflectance of the clear looks, their number, how many were given back, and four of their dates."""
    data = odc.stac.load(items, bands=[*BANDS, "SCL"], geobox=geobox, chunks={"time": 1}, groupby="time")
    cloud = data.SCL.isin(CLOUD)
    valid = (data[list(BANDS)].to_array("band") > 0).all("band")
    usable = valid & data.SCL.isin(CLEAR + CLOUD) & ~dilated(data.SCL == SHADOW, 4)
    hidden = dilated(cloud, 6)
    ground = is_ground(data, hidden, valid, share)
    clear = usable & ~(dilated(cloud & ~ground, 6) & ~ground)
    stack = data[list(BANDS)].to_array("band").astype("float32").where(clear)
    median = stack.chunk({"time": -1, "y": 192, "x": 192}).median("time", skipna=True).round()
    out = xr.Dataset(
        {"median": median, "looks": clear.sum("time"), "rescued": (clear & hidden).sum("time"), "clear": clear}
    ).compute()
    return out.assign(days=look_days(out.clear))


def look_days(clear: xr.DataArray) -> xr.DataArray:
    """Days since 1970 of the first, lower-median, upper-median and last clear look; NaN where there is none."""
    day = clear.time.astype("datetime64[s]").astype("datetime64[D]").astype("int64").astype("float32")
    ordered = np.sort(day.where(clear).transpose("time", "y", "x").to_numpy(), axis=0)
    count = clear.sum("time").to_numpy()
    at = np.maximum(np.stack([0 * count, (count - 1) // 2, count // 2, count - 1]), 0)
    return xr.DataArray(np.take_along_axis(ordered, at, axis=0), dims=("which", "y", "x"))


Focal = Callable[[np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]]


def focal_xarray(values: np.ndarray, seen: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation over the observed pixels of a window, by rolling sums along each axis."""

    def total(plane: np.ndarray) -> xr.DataArray:
        rows = xr.DataArray(plane.astype(float), dims=("y", "x")).rolling(y=side, center=True, min_periods=1).sum()
        return rows.rolling(x=side, center=True, min_periods=1).sum()

    count = total(seen)
    mean = total(np.where(seen, values, 0)) / count
    square = total(np.where(seen, values**2, 0)) / count
    return mean.to_numpy(), np.sqrt(np.maximum(square - mean**2, 0)).to_numpy()


def focal_scipy(values: np.ndarray, seen: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """The same by SciPy's uniform filter."""
    weight = ndimage.uniform_filter(seen.astype(float), side, mode="constant")
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = ndimage.uniform_filter(np.where(seen, values, 0.0), side, mode="constant") / weight
        square = ndimage.uniform_filter(np.where(seen, values**2, 0.0), side, mode="constant") / weight
    return mean, np.sqrt(np.maximum(square - mean**2, 0))


def feature_stack(reflectance: xr.DataArray, halo: int, focal: Focal) -> np.ndarray:
    """Features (feature, y, x) by their definitions in `pipeline.disturbance.features`, in its integer units."""
    seen = reflectance.notnull().all("band").to_numpy()
    bands = {name: reflectance.sel(band=name).to_numpy().astype(float) for name in BANDS}
    planes = []
    for channel in features.CHANNELS:
        a = sum(bands[name] for name in channel.a)
        b = channel.b * len(channel.a) if isinstance(channel.b, int) else sum(bands[name] for name in channel.b)
        planes.append(np.trunc(features.SCALE * (a - b) / (a + b + 1.0)))
    low = planes[0] < features.BARE_NDVI
    water = low & (planes[1] > features.WATER_MNDWI)
    shares = [np.where(water, 1000.0, 0.0), np.where(low & ~water, 1000.0, 0.0)]
    out = list(planes)
    ratio = features.FOCAL_SCALE / features.SCALE
    for radius in features.RADII:
        side = 2 * radius + 1
        windows = [focal(plane, seen, side) for plane in planes[: features.FOCAL]]
        out += [mean * ratio for mean, _ in windows]
        out += [focal(share, seen, side)[0] * ratio for share in shares]
        out += [deviation * ratio for _, deviation in windows[: features.SPREAD]]
    wide = len(features.CHANNELS) + (len(features.RADII) - 1) * (features.FOCAL + 2 + features.SPREAD)
    out += [ratio * planes[k] - out[wide + k] for k in range(features.SPREAD)]
    out += texture(planes[: features.TEXTURED], seen, focal)
    for plane in planes[: features.EXTREME]:
        for widest, sign in ((ndimage.maximum_filter, -1), (ndimage.minimum_filter, 1)):
            # Ground not observed is never the extreme.
            filled = np.where(seen, plane, sign * features.SCALE)
            sides = [2 * radius + 1 for radius, _, told in features.EXTREMES if told]
            out += [ratio * widest(filled, side, mode="constant", cval=sign * features.SCALE) for side in sides]
    out += [np.full(seen.shape, float(features.ABSENT))] * len(features.EVIDENCE)
    inner = slice(halo, -halo or None)
    return np.trunc(np.nan_to_num(np.stack(out)))[:, inner, inner]


def texture(planes: Sequence[np.ndarray], seen: np.ndarray, focal: Focal) -> list[np.ndarray]:
    """Coherence and roughness of each plane in each window, from differences of the two neighbours of a pixel."""
    known = ndimage.binary_erosion(seen, ndimage.generate_binary_structure(2, 1))
    out = []
    for radius in features.TEXTURE_RADII:
        side = 2 * radius + 1
        for plane in planes:
            steps = (ndimage.convolve1d(plane, [1, 0, -1], axis=axis) for axis in (1, 0))
            across, along = (np.where(known, np.clip(step, -STEEP, STEEP), 0) for step in steps)
            xx, yy, xy = (focal(product, seen, side)[0] for product in (across**2, along**2, across * along))
            straight = np.hypot(xx - yy, 2 * xy)
            out += [features.FOCAL_SCALE * straight / (xx + yy + FAINT**2)]
            out += [features.FOCAL_SCALE / features.SCALE * np.sqrt(xx + yy)]
    return out


def classify(stack: np.ndarray, models: Sequence[Any]) -> list[np.ndarray]:
    """Probability of the positive class of each fitted classifier, (y, x)."""
    table = stack.reshape(len(stack), -1).T.astype("float32")
    return [model.predict_proba(table)[:, 1].reshape(stack.shape[1:]) for model in models]


def write(path: Path, planes: np.ndarray, geobox: GeoBox) -> None:
    """Planes (plane, y, x) as uint16, 65535 where there is none."""
    profile = {
        "driver": "GTiff",
        "count": len(planes),
        "height": geobox.shape[0],
        "width": geobox.shape[1],
        "dtype": "uint16",
        "crs": str(geobox.crs),
        "transform": geobox.transform,
        "compress": "zstd",
        "predictor": 2,
    }
    with rasterio.open(path, "w", **profile) as raster:
        raster.write(np.nan_to_num(planes, nan=65535).astype(np.uint16))
