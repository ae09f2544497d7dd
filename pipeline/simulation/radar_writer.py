"""Radar scenes on disk: a GeoTIFF of dB x 100 a polarisation, and a STAC item in the manner of `sentinel-1-rtc`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.simulation.radar import NODATA, Pass
from pipeline.simulation.scenario import Granule, Scenario
from pipeline.simulation.scene_writer import footprint_of, write_json, write_raster

COLLECTION = "sentinel-1-rtc"
_POLARISATIONS = ("vv", "vh")
_NOTE = "Simulated scene: no satellite measured it. It follows the layout of a Sentinel-1 RTC item, in dB."


def radar_id(one: Pass, granule: Granule) -> str:
    """Name such as S1A_IW_GRDH_1SDV_20210105T045112_20210105T045137_036001_046508_33NXF_rtc."""
    start, end = (f"{t:%Y%m%dT%H%M%S}" for t in (one.acquired, one.acquired + timedelta(seconds=25)))
    return f"S1A_IW_GRDH_1SDV_{start}_{end}_{one.number:06d}_{8 * one.number:06X}_{granule.mgrs}_rtc"


def write_radar(root: Path, scenario: Scenario, granule: Granule, one: Pass, measured: NDArray[np.int16]) -> None:
    """Both polarisations (2, y, x) and the item of one scene."""
    name = radar_id(one, granule)
    for band, plane in zip(_POLARISATIONS, measured, strict=True):
        write_raster(root / name / f"{band}.tif", plane, granule, 10, "ZSTD", nodata=NODATA)
    write_json(root / "items" / f"{name}.json", make_radar_item(scenario, granule, one))


def write_collection(root: Path, scenario: Scenario) -> None:
    """The STAC collection that the items name."""
    boxes = [footprint_of(granule)[1] for granule in scenario.granules]
    west, south = (min(box[i] for box in boxes) for i in (0, 1))
    east, north = (max(box[i] for box in boxes) for i in (2, 3))
    first, last = (f"{year}-01-01T00:00:00Z" for year in (2020, 2021 + scenario.years))
    document = {
        "type": "Collection",
        "stac_version": "1.0.0",
        "id": COLLECTION,
        "title": "Sentinel-1 backscatter (simulated)",
        "description": _NOTE,
        "license": "CC0-1.0",
        "extent": {"spatial": {"bbox": [[west, south, east, north]]}, "temporal": {"interval": [[first, last]]}},
        "links": [],
    }
    write_json(root / f"{COLLECTION}.json", document)


def make_radar_item(scenario: Scenario, granule: Granule, one: Pass) -> dict[str, Any]:
    """The STAC item of a scene; hrefs are relative to the item."""
    name = radar_id(one, granule)
    outline, box = footprint_of(granule)
    made = f"{one.acquired + timedelta(hours=5, minutes=12):%Y-%m-%dT%H:%M:%SZ}"
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [
            "https://stac-extensions.github.io/sar/v1.0.0/schema.json",
            "https://stac-extensions.github.io/sat/v1.0.0/schema.json",
            "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
            "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
        ],
        "id": name,
        "collection": COLLECTION,
        "geometry": {"type": "Polygon", "coordinates": [outline]},
        "bbox": box,
        "properties": {
            "datetime": f"{one.acquired:%Y-%m-%dT%H:%M:%S}.000000Z",
            "created": made,
            "updated": made,
            "description": _NOTE,
            "platform": "sentinel-1a",
            "constellation": "sentinel-1",
            "instruments": ["c-sar"],
            "gsd": 10,
            "sar:instrument_mode": "IW",
            "sar:frequency_band": "C",
            "sar:center_frequency": 5.405,
            "sar:polarizations": ["VV", "VH"],
            "sar:product_type": "GRD",
            "sar:looks_equivalent_number": 4.4,
            "sat:orbit_state": one.orbit.state,
            "sat:relative_orbit": one.orbit.relative,
            "sat:absolute_orbit": one.number,
            "proj:epsg": granule.epsg,
            "proj:shape": [granule.rows, granule.cols],
            "proj:transform": [10, 0, granule.left, 0, -10, granule.top],
            "placerwatch:simulated": True,
            "placerwatch:scenario": scenario.name,
        },
        "links": [
            {"rel": "collection", "href": f"../{COLLECTION}.json", "type": "application/json", "title": COLLECTION}
        ],
        "assets": {
            band: {
                "href": f"../{name}/{band}.tif",
                "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                "title": f"{band.upper()} gamma0, terrain corrected, dB x 100",
                "roles": ["data"],
                "raster:bands": [
                    {"nodata": NODATA, "data_type": "int16", "spatial_resolution": 10, "scale": 0.01, "unit": "dB"}
                ],
            }
            for band in _POLARISATIONS
        },
    }
