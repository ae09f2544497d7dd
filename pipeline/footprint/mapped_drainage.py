"""The drainage corridor of a run that had elevation: ground near the drainage that its own terrain tells."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.areas import Tile
from pipeline.footprint.frame import Mosaic, rasters
from pipeline.footprint.strata import require_width
from pipeline.imagery.scene import NODATA

_DISTANCE = "distance-to-drainage"


class MappedDrainage:
    """Ground at most `width_m` from a drainage cell; see Corridor."""

    def __init__(self, paths: Mapping[Path, str], width_m: float) -> None:
        self.file, self.width_m = f"rasters/{_DISTANCE}_*.tif", width_m
        self.sha256 = hashlib.sha256("\n".join(paths.values()).encode()).hexdigest()
        self.distance = Mosaic(list(paths), NODATA, "uint16")

    def corridor(self, tile: Tile) -> NDArray[np.bool_]:
        """Pixels of a tile (512, 512) in the corridor; ground without elevation is not."""
        near: NDArray[np.bool_] = self.distance.read(tile) <= self.width_m
        return near


@contextmanager
def mapped_drainage(run_dir: Path, manifest: Mapping[str, Any], width_m: float) -> Iterator[MappedDrainage | None]:
    """The corridor of a run, None if it had no elevation; raises BadInput if a raster is not as the run wrote it."""
    paths = rasters(run_dir, manifest, _DISTANCE)
    if not paths:
        yield None
        return
    require_width(width_m)
    found = MappedDrainage(paths, width_m)
    try:
        yield found
    finally:
        found.distance.close()
