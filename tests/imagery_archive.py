"""A small archive of synthetic scenes for the imagery tests: COGs in 512-blocks and STAC items beside them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin
from rasterio.warp import transform_bounds

from pipeline.areas.lattice import Tile
from pipeline.imagery import BANDS, SCL

TILE = Tile(32633, 60, 100)  # 307 200 E, 512 000 N: western Central African Republic
LEFT, TOP = TILE.geobox.affine.c, TILE.geobox.affine.f
STEP_M = {band: 20 if band in ("B11", "B12", SCL) else 10 for band in (*BANDS, SCL)}


def write_band(path: Path, values: np.ndarray, step_m: float = 10, *, left=LEFT, top=TOP, epsg=TILE.epsg, **profile):
    """A GeoTIFF of one or more bands, (y, x) or (band, y, x)."""
    layers = values if values.ndim == 3 else values[np.newaxis]
    path.parent.mkdir(parents=True, exist_ok=True)
    settings = {
        "driver": "GTiff",
        "dtype": layers.dtype,
        "count": len(layers),
        "height": layers.shape[1],
        "width": layers.shape[2],
        "crs": f"EPSG:{epsg}",
        "transform": from_origin(left, top, step_m, step_m),
        **profile,
    }
    with rasterio.open(path, "w", **settings) as dst:
        dst.write(layers)
    return path


def item_of(name: str, when: datetime, bbox, *, baseline="02.14", epsg=TILE.epsg, **properties) -> dict:
    """A STAC item as the Planetary Computer words it, its assets beside it in ../<name>/."""
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": "sentinel-2-l2a",
        "geometry": {
            "type": "Polygon",
            "coordinates": [
                [
                    [bbox[0], bbox[1]],
                    [bbox[2], bbox[1]],
                    [bbox[2], bbox[3]],
                    [bbox[0], bbox[3]],
                    [bbox[0], bbox[1]],
                ]
            ],
        },
        "bbox": list(bbox),
        "properties": {
            "datetime": when.isoformat().replace("+00:00", "Z"),
            "platform": "sentinel-2a",
            "proj:epsg": epsg,
            "s2:processing_baseline": baseline,
            "s2:mgrs_tile": "33NUG",
            "eo:cloud_cover": 10.0,
            **properties,
        },
        "assets": {band: {"href": f"../{name}/{band}.tif", "type": "image/tiff"} for band in (*BANDS, SCL)},
        "links": [],
    }


def write_scene(root: Path, name: str, when: datetime | str, bands: dict[str, np.ndarray | int], *, side=64, **item):
    """A scene of `side` pixels in the archive; a band given as a number is constant. Returns the item's path."""
    when = datetime.fromisoformat(when).replace(tzinfo=UTC) if isinstance(when, str) else when
    full = {**dict.fromkeys(BANDS, 1000), SCL: 4, **bands}
    for band, value in full.items():
        step = STEP_M[band] // 10
        shape = (side // step, side // step)
        values = np.broadcast_to(value, shape).astype(np.uint8 if band == SCL else np.uint16)
        write_band(root / name / f"{band}.tif", values, STEP_M[band], nodata=0)
    bbox = transform_bounds(f"EPSG:{TILE.epsg}", "EPSG:4326", LEFT, TOP - side * 10, LEFT + side * 10, TOP)
    path = root / "items" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(item_of(name, when, bbox, **item)))
    return path
