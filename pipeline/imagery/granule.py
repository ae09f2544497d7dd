"""The metadata of the granule of a Sentinel-2 product (MTD_TL.xml): its grid, its time, its cloud."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime

from rasterio.errors import RasterioError
from rasterio.warp import transform_bounds

from pipeline.errors import SceneRejected
from pipeline.imagery.items import in_flight, parse_time
from pipeline.imagery.safe import elements
from pipeline.imagery.scene import Bbox

_CLOUD = "CLOUDY_PIXEL_PERCENTAGE"
_WANTED = ("HORIZONTAL_CS_CODE", "ULX", "ULY", "NROWS", "NCOLS", "SENSING_TIME", "DATASTRIP_ID", "TILE_ID", _CLOUD)
_TILE = re.compile(r"_T(\d{2}[C-HJ-NP-X][A-HJ-NP-Z]{2})_")
_STRIP = re.compile(r"_S(\d{8}T\d{6})_")
_MOST_PX = 10_980  # a side of a granule at 10 m


@dataclass(frozen=True)
class GranuleMetadata:
    """What MTD_TL.xml says.

    `granule` is the MGRS name with the begin of the datastrip, as in Scene; `cloud_cover` is in percent, None where
    it is not told; `bbox` is the lon/lat box of the whole grid.
    """

    acquired: datetime
    granule: str
    platform: str
    epsg: int
    cloud_cover: float | None
    bbox: Bbox


def parse_granule(name: str, content: bytes) -> GranuleMetadata:
    """Read MTD_TL.xml; raises SceneRejected if it is not one, or describes no granule of Sentinel-2."""
    found = elements(name, content, _WANTED)
    try:
        crs, left, top, *_ = (found[key][0].text for key in _WANTED[:3])
        x, y = float(left), float(top)
        # The grid of 10 m has most rows; all begin at one corner.
        rows, cols = (max(int(one.text) for one in found[key]) for key in ("NROWS", "NCOLS"))
        acquired = in_flight(parse_time(found["SENSING_TIME"][0].text))
        strip, tile_id = found["DATASTRIP_ID"][0].text, found["TILE_ID"][0].text
        tile, begin = _TILE.search(f"{tile_id}_"), _STRIP.search(strip)
        zone = re.fullmatch(r"EPSG:(32[67]\d{2})", crs)
        if tile is None or begin is None or zone is None or not (0 < rows <= _MOST_PX and 0 < cols <= _MOST_PX):
            raise ValueError("no granule, datastrip or UTM grid")
        if not (math.isfinite(x) and math.isfinite(y)):
            raise ValueError("a corner that is no number")
        box = transform_bounds(crs, "EPSG:4326", x, y - rows * 10, x + cols * 10, y)
    except (KeyError, ValueError, OverflowError, RasterioError) as error:
        raise SceneRejected(f"{name} is not readable granule metadata ({str(error)[:120]})") from error
    cloud = [one.text for one in found.get(_CLOUD, []) if not any("L1C" in outer for outer in one.around)]
    return GranuleMetadata(
        acquired=acquired,
        granule=f"{tile[1]} {begin[1]}",
        platform=f"sentinel-2{tile_id[2].lower()}",
        epsg=int(zone[1]),
        cloud_cover=_percent(cloud[0]) if cloud else None,
        bbox=box,
    )


def _percent(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 100 else None
