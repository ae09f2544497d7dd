"""Hand-made scenes: STAC items with a GeoTIFF per band, small enough to reason about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
import rasterio
from pyproj import Transformer
from rasterio.transform import from_origin

BANDS = ("B02", "B03", "B04", "B08", "B11", "B12")
FOREST = (240, 420, 230, 2900, 1490, 640)
BARE = (1100, 1580, 1960, 2800, 3030, 2170)
POND = (770, 1250, 1250, 1220, 1080, 680)
DEFAULT_EPSG = 32633


def ground(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Forest (6, y, x) with a few per cent of noise, so that nothing is exactly flat."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(1.0, 0.03, (1, *shape)) * rng.normal(1.0, 0.02, (6, *shape))
    return (np.array(FOREST)[:, None, None] * noise).astype(np.uint16)


def dig(bands: np.ndarray, rows: slice, cols: slice, seed: int = 1) -> None:
    """Turn a block into workings: bare ground with a pond of a quarter of each 8 x 8 square."""
    rng = np.random.default_rng(seed)
    part = bands[:, rows, cols]
    y, x = np.mgrid[: part.shape[1], : part.shape[2]]
    pond = (y % 8 >= 4) & (x % 8 >= 4)
    colour = np.where(pond[None], np.array(POND)[:, None, None], np.array(BARE)[:, None, None])
    part[:] = colour * rng.normal(1.0, 0.05, (1, *part.shape[1:]))


def write_scene(
    folder: Path,
    name: str,
    day: str,
    bands: np.ndarray,
    *,
    west: int,
    north: int,
    scl: np.ndarray | None = None,
    epsg: int = DEFAULT_EPSG,
    baseline: str = "03.01",
    cloud_cover: float = 0.0,
    leave_out: tuple[str, ...] = (),
) -> Path:
    """Write one scene at a UTM corner (metres) and return its item's path; all bands at 10 m, SCL 4 by default."""
    height, width = bands.shape[1:]
    planes: dict[str, np.ndarray] = dict(zip(BANDS, bands, strict=True))
    planes["SCL"] = np.full((height, width), 4, np.uint8) if scl is None else scl
    (folder / name).mkdir(parents=True)
    for band, plane in planes.items():
        profile = {
            "driver": "GTiff",
            "dtype": plane.dtype.name,
            "count": 1,
            "height": height,
            "width": width,
            "crs": f"EPSG:{epsg}",
            "transform": from_origin(west, north, 10, 10),
            "nodata": 0,
            "compress": "deflate",
        }
        with rasterio.open(folder / name / f"{band}.tif", "w", **profile) as raster:
            raster.write(plane, 1)
    to_lonlat = Transformer.from_crs(epsg, 4326, always_xy=True)
    box = to_lonlat.transform_bounds(west, north - height * 10, west + width * 10, north)
    item = item_of(name, day, box, {b: f"../{name}/{b}.tif" for b in planes if b not in leave_out})
    item["properties"] |= {
        "proj:epsg": epsg,
        "s2:processing_baseline": baseline,
        "eo:cloud_cover": cloud_cover,
    }
    path = folder / "items" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(item))
    return path


def item_of(name: str, day: str, box: tuple[float, float, float, float], hrefs: Mapping[str, str]) -> dict:
    """A STAC item with one asset for each band."""
    west, south, east, north = box
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [],
        "id": name,
        "bbox": [west, south, east, north],
        "geometry": {
            "type": "Polygon",
            "coordinates": [[[west, south], [east, south], [east, north], [west, north], [west, south]]],
        },
        "properties": {
            "datetime": datetime.fromisoformat(f"{day}T09:30:00+00:00").isoformat(),
            "platform": "sentinel-2a",
        },
        "links": [],
        "assets": {band: {"href": href, "type": "image/tiff; application=geotiff"} for band, href in hrefs.items()},
    }


def write_area(path: Path, west: float, south: float, east: float, north: float, epsg: int = DEFAULT_EPSG) -> Path:
    """One zone: a UTM box (metres) in longitude and latitude."""
    to_lonlat = Transformer.from_crs(epsg, 4326, always_xy=True)
    corners = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    ring = [list(to_lonlat.transform(*corner)) for corner in corners]
    feature = {
        "type": "Feature",
        "properties": {"zone_id": "valley", "name": "Valley", "boundary_vintage": "2026", "boundary_source": "test"},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return path
