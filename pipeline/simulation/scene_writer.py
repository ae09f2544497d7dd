"""Scenes on disk: one cloud-optimised GeoTIFF a band and a STAC item in the manner of Earth Search."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray

from pipeline.areas.lattice import to_lonlat
from pipeline.imagery.scene import BANDS, SCL
from pipeline.simulation.classification import halve
from pipeline.simulation.look import Look
from pipeline.simulation.scenario import Granule, Scenario

_COMMON = {"B02": "blue", "B03": "green", "B04": "red", "B08": "nir", "B11": "swir16", "B12": "swir22", SCL: "scl"}
_RESOLUTION = {"B02": 10, "B03": 10, "B04": 10, "B08": 10, "B11": 20, "B12": 20, SCL: 20}
# Centre wavelength and full width at half maximum, micrometres (Sentinel-2 MSI user guide).
_WAVELENGTH = {
    "B02": (0.49, 0.098),
    "B03": (0.56, 0.045),
    "B04": (0.665, 0.038),
    "B08": (0.842, 0.145),
    "B11": (1.61, 0.143),
    "B12": (2.19, 0.242),
}
NOTE = "Simulated scene: no satellite measured it. It follows the layout of a Sentinel-2 Level-2A item."


def write_raster(
    path: Path, plane: NDArray[Any], granule: Granule, resolution: int, compress: str, nodata: int | None = 0
) -> None:
    """One plane (y, x) as a COG of 512 blocks with predictor 2 and no overviews."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path,
        "w",
        driver="COG",
        width=plane.shape[1],
        height=plane.shape[0],
        count=1,
        dtype=plane.dtype,
        crs=f"EPSG:{granule.epsg}",
        transform=Affine(resolution, 0, granule.left, 0, -resolution, granule.top),
        nodata=nodata,
        blocksize=512,
        compress=compress,
        predictor="standard",
        overviews="none",
        level=6,
    ) as target:
        target.write(plane, 1)


def scene_id(look: Look, granule: Granule) -> str:
    """Name such as S2A_33NXF_20210115_0_L2A."""
    return f"S2{look.platform[-1].upper()}_{granule.mgrs}_{look.day:%Y%m%d}_0_L2A"


def write_scene(
    root: Path, scenario: Scenario, granule: Granule, look: Look, observed: NDArray[np.int32], scl: NDArray[np.uint8]
) -> None:
    """Bands, classification and item of one scene; `observed` (6, y, x) at 10 m, 0 where there is no data."""
    name = scene_id(look, granule)
    compress = "ZSTD" if scenario.asset_keys == "common" else "DEFLATE"
    added = -look.offset
    for band, plane in zip(BANDS, observed, strict=True):
        empty = plane == 0
        if _RESOLUTION[band] == 20:
            empty = halve(empty.astype(np.int32)) > 0
            plane = halve(plane)
        stored = np.where(empty, 0, np.clip(plane + added, 1, 65_534)).astype(np.uint16)
        write_raster(root / name / f"{band}.tif", stored, granule, _RESOLUTION[band], compress)
    write_raster(root / name / f"{SCL}.tif", scl, granule, 20, compress)
    write_json(root / "items" / f"{name}.json", make_item(scenario, granule, look, scl))


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """A JSON file, UTF-8, equal on every system."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode())


def footprint_of(granule: Granule) -> tuple[list[list[float]], list[float]]:
    """Ring of a granule in longitude and latitude, and its box (west, south, east, north)."""
    width, height = granule.cols * 10, granule.rows * 10
    xs = [granule.left, granule.left + width, granule.left + width, granule.left, granule.left]
    ys = [granule.top - height, granule.top - height, granule.top, granule.top, granule.top - height]
    lon, lat = (np.round(axis, 6).tolist() for axis in to_lonlat(granule.epsg).transform(xs, ys))
    return [list(pair) for pair in zip(lon, lat, strict=True)], [min(lon), min(lat), max(lon), max(lat)]


def make_item(scenario: Scenario, granule: Granule, look: Look, scl: NDArray[np.uint8]) -> dict[str, Any]:
    """The STAC item of a scene; hrefs are relative to the item."""
    name = scene_id(look, granule)
    outline, box = footprint_of(granule)
    modern = scenario.asset_keys == "common"
    projection = "v2.0.0" if modern else "v1.1.0"
    return {
        "type": "Feature",
        "stac_version": "1.1.0" if modern else "1.0.0",
        "stac_extensions": [
            "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
            f"https://stac-extensions.github.io/projection/{projection}/schema.json",
            "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
            "https://stac-extensions.github.io/view/v1.0.0/schema.json",
            "https://stac-extensions.github.io/mgrs/v1.0.0/schema.json",
            "https://stac-extensions.github.io/grid/v1.0.0/schema.json",
        ],
        "id": name,
        "geometry": {"type": "Polygon", "coordinates": [outline]},
        "bbox": box,
        "properties": _properties(scenario, granule, look, scl),
        "links": [],
        "assets": {
            (_COMMON[band] if modern else band): _asset(name, granule, look, band, modern) for band in (*BANDS, SCL)
        },
    }


def _properties(scenario: Scenario, granule: Granule, look: Look, scl: NDArray[np.uint8]) -> dict[str, Any]:
    seen = max(int((scl > 0).sum()), 1)

    def percent(*classes: int) -> float:
        return round(100 * int(np.isin(scl, classes).sum()) / seen, 4)

    stamp, made = f"{look.acquired:%Y%m%dT%H%M%S}", look.acquired + timedelta(hours=4, minutes=17)
    product = (
        f"S2{look.platform[-1].upper()}_MSIL2A_{stamp}_N{look.baseline.replace('.', '')}"
        f"_R{scenario.orbit:03d}_T{granule.mgrs}_{made:%Y%m%dT%H%M%S}.SAFE"
    )
    code = {"proj:code": f"EPSG:{granule.epsg}"} if scenario.asset_keys == "common" else {"proj:epsg": granule.epsg}
    return {
        "datetime": f"{look.acquired:%Y-%m-%dT%H:%M:%S}.000000Z",
        "created": f"{made:%Y-%m-%dT%H:%M:%S}Z",
        "updated": f"{made:%Y-%m-%dT%H:%M:%S}Z",
        "description": NOTE,
        "platform": look.platform,
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "gsd": 10,
        "eo:cloud_cover": percent(8, 9, 10),
        **code,
        "proj:shape": [granule.rows, granule.cols],
        "proj:transform": [10, 0, granule.left, 0, -10, granule.top],
        "grid:code": f"MGRS-{granule.mgrs}",
        "mgrs:utm_zone": int(granule.mgrs[:2]),
        "mgrs:latitude_band": granule.mgrs[2],
        "mgrs:grid_square": granule.mgrs[3:],
        "view:sun_azimuth": look.sun_azimuth,
        "view:sun_elevation": round(90 - look.sun_zenith, 2),
        "s2:mgrs_tile": granule.mgrs,
        "s2:sequence": "0",
        "s2:product_type": "S2MSI2A",
        "s2:product_uri": product,
        "s2:processing_baseline": look.baseline,
        "s2:generation_time": f"{made:%Y-%m-%dT%H:%M:%S}.000000Z",
        "s2:nodata_pixel_percentage": round(100 * int((scl == 0).sum()) / scl.size, 4),
        "s2:dark_features_percentage": percent(2),
        "s2:cloud_shadow_percentage": percent(3),
        "s2:vegetation_percentage": percent(4),
        "s2:not_vegetated_percentage": percent(5),
        "s2:water_percentage": percent(6),
        "s2:unclassified_percentage": percent(7),
        "s2:medium_proba_clouds_percentage": percent(8),
        "s2:high_proba_clouds_percentage": percent(9),
        "s2:thin_cirrus_percentage": percent(10),
        "earthsearch:boa_offset_applied": False,
        "placerwatch:simulated": True,
        "placerwatch:scenario": scenario.name,
    }


def _asset(name: str, granule: Granule, look: Look, band: str, modern: bool) -> dict[str, Any]:
    resolution = _RESOLUTION[band]
    shared = {
        "href": f"../{name}/{band}.tif",
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "roles": ["data", "reflectance"] if band != SCL else ["data"],
        "gsd": resolution,
        "proj:shape": [granule.rows * 10 // resolution, granule.cols * 10 // resolution],
        "proj:transform": [resolution, 0, granule.left, 0, -resolution, granule.top],
    }
    if band == SCL:
        described = {"nodata": 0, "data_type": "uint8", "spatial_resolution": resolution}
        return {"title": "Scene classification map (SCL)", **shared, "raster:bands": [described]}
    centre, width = _WAVELENGTH[band]
    described = {
        "nodata": 0,
        "data_type": "uint16",
        "spatial_resolution": resolution,
        "scale": 0.0001,
        "offset": look.offset / 10_000,
    }
    bands = {"name": _COMMON[band] if modern else band, "center_wavelength": centre, "full_width_half_max": width}
    return {
        "title": f"{band} - {resolution} m",
        **shared,
        "eo:bands": [bands | {"common_name": _COMMON[band]}],
        "raster:bands": [described],
    }
