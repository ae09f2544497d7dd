"""What the Process API is asked: script, place on the lattice and cost; and how the TIFF that comes back is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile
from sentinelhub.api.process import SentinelHubRequest
from sentinelhub.config import SHConfig
from sentinelhub.constants import CRS, MimeType
from sentinelhub.download.models import DownloadRequest
from sentinelhub.geometry import BBox

from pipeline.imagery.processing_units import SampleFormat, processing_units
from pipeline.imagery.radar_raster import DB_SCALE, HIGHEST_DB, LOWEST_DB, RADAR_NODATA
from pipeline.imagery.raster import GDAL
from pipeline.imagery.scene import NODATA, SCL, RequestCost
from pipeline.imagery.sentinelhub_client import Unusable

MOST_PX = 2500  # a side of one answer, the limit of the Process API
DB_OFFSET = 10_000
# A saturated pixel is stored as 65535, and less the offset of 1000 when that was taken out.
_SATURATED = NODATA - 1000
Box = tuple[float, float, float, float]
# Granules of one overpass over a tile are seconds apart; another satellite comes minutes later.
_AROUND = timedelta(minutes=2)

_OPTICAL = """//VERSION=3
function setup() {
  return {
    input: [{bands: [%(names)s, "dataMask"], units: "DN"}],
    output: {bands: %(count)d, sampleType: "UINT16"}
  };
}
function evaluatePixel(s) {
  return [%(values)s, s.dataMask];
}
"""
# Hundredths of a decibel above -100 dB, 0 for none: 16 bits cost half of what 32 do.
_RADAR = """//VERSION=3
function setup() {
  return {
    input: [{bands: ["VV", "VH", "dataMask"]}],
    output: {bands: 2, sampleType: "UINT16"}
  };
}
function stored(power, mask) {
  return mask > 0 && power > 1e-9 ? 1000 * Math.log10(power) + 10000 : 0;
}
function evaluatePixel(s) {
  return [stored(s.VV, s.dataMask), stored(s.VH, s.dataMask)];
}
"""
_ELEVATION = """//VERSION=3
function setup() {
  return {
    input: [{bands: ["DEM", "dataMask"], units: "METERS"}],
    output: {bands: 2, sampleType: "FLOAT32"}
  };
}
function evaluatePixel(s) {
  return [s.DEM, s.dataMask];
}
"""


def optical_script(bands: Sequence[str]) -> str:
    """Numbers as they are stored, then the data mask."""
    names = ", ".join(f'"{band}"' for band in bands)
    return _OPTICAL % {"names": names, "count": len(bands) + 1, "values": ", ".join(f"s.{band}" for band in bands)}


def optical_data(collection: str, acquired: datetime) -> dict[str, Any]:
    """The input of an optical request: what one overpass saw, mosaicked, with no offset and nothing interpolated."""
    processing: dict[str, Any] = {"upsampling": "NEAREST", "downsampling": "NEAREST"}
    if not collection.startswith("byoc-"):
        processing["harmonizeValues"] = True
    return {"type": collection, "dataFilter": {"timeRange": _around(acquired)}, "processing": processing}


def radar_script() -> str:
    """Backscatter of VV and VH in hundredths of a decibel plus DB_OFFSET, 0 where there is none."""
    return _RADAR


def radar_data(collection: str, acquired: datetime, orbit: str) -> dict[str, Any]:
    """The input of a radar request: gamma0, radiometrically terrain-corrected and orthorectified, no speckle filter."""
    return {
        "type": collection,
        "dataFilter": {
            "timeRange": _around(acquired),
            "acquisitionMode": "IW",
            "polarization": "DV",
            "resolution": "HIGH",
            "orbitDirection": orbit.upper(),
        },
        "processing": {
            "backCoeff": "GAMMA0_TERRAIN",
            "orthorectify": True,
            "demInstance": "COPERNICUS_30",
            "speckleFilter": {"type": "NONE"},
            "upsampling": "BILINEAR",
        },
    }


def elevation_script() -> str:
    """Height in metres, then the data mask."""
    return _ELEVATION


def elevation_data(instance: str) -> dict[str, Any]:
    """The input of a request for heights above the geoid."""
    return {
        "type": "dem",
        "dataFilter": {"demInstance": instance},
        "processing": {"upsampling": "BILINEAR", "downsampling": "BILINEAR"},
    }


def request_of(
    config: SHConfig, script: str, data: dict[str, Any], epsg: int, box: Box, shape: tuple[int, int]
) -> DownloadRequest:
    """A Process request: `box` west, south, east, north in metres of a UTM zone, `shape` rows and columns."""
    made = SentinelHubRequest(
        evalscript=script,
        input_data=[data],
        responses=[SentinelHubRequest.output_response("default", MimeType.TIFF)],
        bbox=BBox(box, crs=CRS(str(epsg))),
        size=(shape[1], shape[0]),
        config=config,
    )
    return made.download_list[0]


def blocks(shape: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the parts that one answer each may hold."""
    height, width = shape
    for top in range(0, height, MOST_PX):
        for left in range(0, width, MOST_PX):
            yield slice(top, min(top + MOST_PX, height)), slice(left, min(left + MOST_PX, width))


def box_of(geobox: GeoBox, rows: slice, cols: slice) -> Box:
    """West, south, east, north in metres of a part of a lattice geobox; edges are whole pixels."""
    west, south, east, north = geobox[rows, cols].boundingbox
    return round(west), round(south), round(east), round(north)


def planes_of(content: bytes, count: int, shape: tuple[int, int], dtype: str) -> NDArray[Any]:
    """The bands of a TIFF (count, y, x); raises Unusable unless it is whole and of that form."""
    try:
        with (
            rasterio.Env(**GDAL),
            MemoryFile(content) as memory,
            memory.open(driver="GTiff") as src,
        ):
            if (src.count, src.shape) != (count, shape) or set(src.dtypes) != {dtype}:
                raise Unusable(f"a TIFF of {src.count} x {src.shape} {src.dtypes[0]}, not {count} x {shape} {dtype}")
            planes: NDArray[Any] = src.read()
            return planes
    except (RasterioError, OSError, ValueError):
        raise Unusable("a TIFF that is not whole") from None


def reflectance_of(planes: NDArray[np.uint16], bands: Sequence[str]) -> NDArray[np.uint16]:
    """Bands (band, y, x) of an optical answer, whose last plane is the data mask: 0 is no data, a measured 0 is 1."""
    numbers, mask = planes[:-1], planes[-1] > 0
    stored = np.where(mask, np.maximum(numbers, 1), 0).astype(np.uint16)
    stored[stored >= _SATURATED] = NODATA
    if SCL in bands:
        # It has its own no data, and cloud too bright to be measured is classified all the same.
        stored[bands.index(SCL)] = numbers[bands.index(SCL)]
    return stored


def backscatter_of(planes: NDArray[np.uint16]) -> NDArray[np.int16]:
    """VV and VH of a radar answer (2, y, x) in dB x 100; -32768 where there is none."""
    decibels = planes.astype(np.int32) - DB_OFFSET
    good = (planes > 0) & (decibels >= LOWEST_DB * DB_SCALE) & (decibels <= HIGHEST_DB * DB_SCALE)
    return np.where(good, decibels, RADAR_NODATA).astype(np.int16)


def cost_of(
    shape: tuple[int, int],
    bands: int,
    planes: int,
    sample_format: SampleFormat = "UINT16",
    *,
    terrain_corrected: bool = False,
) -> RequestCost:
    """What rows and columns of so many input bands cost, as so many planes; bytes are those before compression."""
    total = RequestCost()
    for rows, cols in blocks(shape):
        height, width = rows.stop - rows.start, cols.stop - cols.start
        units = processing_units(width, height, bands, sample_format, terrain_corrected=terrain_corrected)
        total += RequestCost(1, units, planes * height * width * np.dtype(sample_format.lower()).itemsize)
    return total


def most_bytes(count: int, shape: tuple[int, int], dtype: str) -> int:
    """How long an answer can be: uncompressed, with room for its headers."""
    return count * shape[0] * shape[1] * np.dtype(dtype).itemsize * 2 + (1 << 20)


def _around(acquired: datetime) -> dict[str, str]:
    first, last = acquired - _AROUND, acquired + _AROUND
    return {"from": f"{first:%Y-%m-%dT%H:%M:%SZ}", "to": f"{last:%Y-%m-%dT%H:%M:%SZ}"}
