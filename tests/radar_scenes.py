"""Hand-made Sentinel-1 scenes: STAC items with VV and VH in dB x 100, beside the optical ones of tests/scenes.py."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import numpy as np
from pyproj import Transformer
from rasterio.transform import from_origin

from tests.rasters import write_plane

NODATA = -32768


def speckled(db, looks: int, seed: int):
    """A map in dB (y, x) under gamma-distributed speckle of so many looks: mean power stays."""
    rng = np.random.default_rng(seed)
    return np.asarray(db, float) + 10 * np.log10(rng.gamma(looks, 1 / looks, np.shape(db)))


def radar_item(name: str, when: str, box, *, orbit="ascending", track=29, **properties) -> dict:
    """A STAC item with assets vv and vh in ../<name>/."""
    west, south, east, north = box
    bands = [{"scale": 0.01, "unit": "dB", "data_type": "int16", "nodata": NODATA}]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": "sentinel-1-rtc",
        "bbox": list(box),
        "geometry": {
            "type": "Polygon",
            "coordinates": [[[west, south], [east, south], [east, north], [west, north], [west, south]]],
        },
        "properties": {
            "datetime": datetime.fromisoformat(when).isoformat(),
            "platform": "sentinel-1a",
            "sat:orbit_state": orbit,
            "sat:relative_orbit": track,
            "sar:instrument_mode": "IW",
            "sar:polarizations": ["VV", "VH"],
            **properties,
        },
        "links": [],
        "assets": {p: {"href": f"../{name}/{p}.tif", "raster:bands": bands} for p in ("vv", "vh")},
    }


def write_radar(folder: Path, name: str, when: str, vv, vh, *, west, north, epsg=32633, **item) -> Path:
    """Write one scene of dB maps (y, x), NaN without data, at a UTM corner (metres); returns the item's path."""
    height, width = np.shape(vv)
    (folder / name).mkdir(parents=True)
    for band, values in (("vv", vv), ("vh", vh)):
        stored = np.where(np.isnan(values), NODATA, np.rint(np.nan_to_num(values) * 100)).astype(np.int16)
        write_raster(folder / name / f"{band}.tif", stored, west, north, epsg, nodata=NODATA)
    to_lonlat = Transformer.from_crs(epsg, 4326, always_xy=True)
    box = to_lonlat.transform_bounds(west, north - height * 10, west + width * 10, north)
    path = folder / "items" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(radar_item(name, f"{when}T17:00:00+00:00" if "T" not in when else when, box, **item)))
    return path


def write_raster(path: Path, values, west, north, epsg, step=10.0, **profile) -> Path:
    """One band as a GeoTIFF, its corner and pixels in metres."""
    return write_plane(path, values, from_origin(west, north, step, step), epsg, **profile)
