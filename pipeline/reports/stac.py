"""The rasters of a run as a static STAC 1.1 catalogue: an item a file, relative links, nothing of the network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray

from pipeline.areas.lattice import PIXEL_M, to_lonlat
from pipeline.reports.geojson import DECIMALS, geometry_json
from pipeline.reports.page import write_bytes
from pipeline.reports.result import RunResult

STAC_VERSION = "1.1.0"
EXTENSIONS = (
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
)
_COG = "image/tiff; application=geotiff; profile=cloud-optimized"


@dataclass(frozen=True)
class RasterFile:
    """One raster of a run: where it lies, the days it tells of, and what it shows."""

    path: Path
    start: date
    end: date
    title: str


def write_stac(folder: Path, result: RunResult, rasters: Sequence[RasterFile]) -> None:
    """Write `catalog.json` and an item beside it for each raster; raises OSError or RasterioError."""
    rasters = sorted(rasters, key=lambda raster: raster.path.name)
    items = {f"{raster.path.stem}.json": _item(raster) for raster in rasters}
    links = [{"rel": "root", "href": "./catalog.json", "type": "application/json"}]
    links += [{"rel": "item", "href": f"./{name}", "type": "application/geo+json"} for name in items]
    catalogue = {
        "type": "Catalog",
        "stac_version": STAC_VERSION,
        "id": f"{result.programme}-{result.run_id}",
        "title": result.heading,
        "description": f"Rasters of run {result.run_id}, as of {result.as_of}; {result.generated_by}",
        "links": links,
    }
    for name, document in {"catalog.json": catalogue, **items}.items():
        write_bytes(
            folder / name, (json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
        )


def _item(raster: RasterFile) -> dict[str, Any]:
    with rasterio.open(raster.path) as file:
        epsg, shape, transform = file.crs.to_epsg(), file.shape, list(file.transform)[:6]
        bounds, kind, nodata, legend = file.bounds, file.dtypes[0], file.nodata, file.descriptions[0]
    geometry, bbox = _ground(epsg, bounds)
    band = {"name": "1", "data_type": kind, "raster:spatial_resolution": PIXEL_M}
    if legend:
        band["description"] = legend
    if nodata is not None:
        band["nodata"] = int(nodata)
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": list(EXTENSIONS),
        "id": raster.path.stem,
        "geometry": geometry,
        "bbox": bbox,
        "properties": {
            "title": raster.title,
            "datetime": None,
            "start_datetime": f"{raster.start.isoformat()}T00:00:00Z",
            "end_datetime": f"{raster.end.isoformat()}T23:59:59Z",
            "gsd": PIXEL_M,
            "proj:code": f"EPSG:{epsg}",
            "proj:shape": list(shape),
            "proj:transform": transform,
        },
        "links": [
            {"rel": "root", "href": "./catalog.json", "type": "application/json"},
            {"rel": "parent", "href": "./catalog.json", "type": "application/json"},
        ],
        "assets": {
            "data": {
                "href": f"../{raster.path.parent.name}/{raster.path.name}",
                "type": _COG,
                "roles": ["data"],
                "bands": [band],
            }
        },
    }


def _ground(epsg: int, bounds: tuple[float, float, float, float]) -> tuple[dict[str, Any] | None, list[float]]:
    """Outline of a raster in lon/lat and its box; edges get vertices, since they are no straight lines there."""
    forward = to_lonlat(epsg)

    def lonlat(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(forward.transform(xy[:, 0], xy[:, 1]))

    edge = shapely.box(*bounds)
    outline = shapely.transform(shapely.segmentize(edge, max(edge.length / 64, PIXEL_M)), lonlat)
    return geometry_json(outline), [round(float(degree), DECIMALS) for degree in outline.bounds]
