"""Small finished runs made by hand, for the tests of samples and estimates."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.areas import TILE_PX, Tile
from pipeline.disturbance.model import find_model
from pipeline.hashing import sha256_of
from pipeline.reports import write_cog
from tests import manifests

TILE, EAST = Tile(32633, 81, 101), Tile(32633, 82, 101)
BEFORE = {"name": "2020-21", "start": "2020-12-01", "end": "2021-03-31"}
AFTER = {"name": "2021-22", "start": "2021-12-01", "end": "2022-03-31"}


def states(fill: int = 255, **places: tuple[slice, slice]) -> np.ndarray:
    """Change states of a tile: `fill`, and blocks of the code that follows the s in their names, such as s2=..."""
    plane = np.full((TILE_PX, TILE_PX), fill, np.uint8)
    for name, place in places.items():
        plane[place] = int(name[1:].split("_")[0])
    return plane


def write_run(
    folder: Path,
    planes: Mapping[Tile, np.ndarray],
    zones: Mapping[Tile, np.ndarray] | None = None,
    *,
    before: Mapping[str, str] | None = BEFORE,
    after: Mapping[str, str] = AFTER,
    legend: tuple[tuple[str, str], ...] = (("north", "North"), ("south", "South")),
) -> dict[str, Any]:
    """Write the rasters, change report and manifest of a run, and return the manifest; its model is the shipped one."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"change_{before['name']}_{after['name']}.tif" if before else f"class_{after['name']}.tif"
    write_cog(folder / "rasters" / name, planes, nodata=255 if before else 254)
    if zones is not None:
        write_cog(folder / "rasters" / "zone.tif", zones, nodata=-1, tags={"zones": json.dumps(legend)})
    (folder / "changes.geojson").write_text(json.dumps({"period_before": before, "period_after": after}))
    return write_manifest(folder)


def write_manifest(folder: Path) -> dict[str, Any]:
    """Write run.json over what lies in a run's folder."""
    names = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "run.json"]
    return manifests.write_manifest(
        folder,
        run_id="2022-06-01-00000000",
        inputs={"model": {"name": "default", "sha256": find_model("default", Path())[1]}},
        outputs={path.relative_to(folder).as_posix(): sha256_of(path) for path in names},
    )
