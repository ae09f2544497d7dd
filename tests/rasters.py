"""Single planes as GeoTIFFs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from affine import Affine


def write_plane(path: Path, values: np.ndarray, transform: Affine, epsg: int = 4326, **profile) -> Path:
    """A GeoTIFF of one band, (y, x)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    settings = {
        "driver": "GTiff",
        "dtype": values.dtype.name,
        "count": 1,
        "height": values.shape[0],
        "width": values.shape[1],
        "crs": f"EPSG:{epsg}",
        "transform": transform,
        **profile,
    }
    with rasterio.open(path, "w", **settings) as raster:
        raster.write(values, 1)
    return path
