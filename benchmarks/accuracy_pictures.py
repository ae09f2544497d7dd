"""Pictures of what a run on a simulated archive got wrong: true colour, with the outlines of map and truth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from PIL import Image
from rasterio.windows import from_bounds
from scipy import ndimage

from benchmarks.accuracy_simulated import PairScore
from benchmarks.accuracy_simulated_page import Picture
from benchmarks.accuracy_simulated_tables import large
from benchmarks.accuracy_truth import HALF_DUG, truth_plane
from pipeline.areas import Tile, utm_epsg, utm_name
from pipeline.areas.lattice import PIXEL_M, TILE_PX, project
from pipeline.change.states import BARE, OUTSIDE, POND
from pipeline.imagery.scene import BANDS, NODATA
from pipeline.reports.chips import TRUE_COLOUR, png
from pipeline.runs.store import Store
from pipeline.runs.tasks import load_composite

MOST = 4  # places in a picture
SIDE_PX = 64
ZOOM = 4
GAP_PX = 6
MAPPED, TRUE = (255, 140, 0), (0, 220, 255)


def picture_failures(run: Path, archive: Path, score: PairScore, folder: Path) -> list[Picture]:
    """Write the largest false alarms and misses of a pair of periods into a folder; what was written, with captions."""
    changes = {
        feature["properties"]["change_id"]: shapely.geometry.shape(feature["geometry"])
        for feature in json.loads((run / "changes.geojson").read_text(encoding="utf-8"))["features"]
    }
    complexes = {
        feature["properties"]["id"]: shapely.geometry.shape(feature["geometry"])
        for feature in json.loads((archive / "truth" / "complexes.geojson").read_text(encoding="utf-8"))["features"]
    }
    alarms = sorted(score.false_alarms, key=lambda a: (-a.gain_ha, a.change_id))[:MOST]
    missed = sorted(
        (f for f in large(score.found) if f.reported_ha is None),
        key=lambda f: (-f.area_ha, f.name),
    )[:MOST]
    told = (
        (
            "false-alarms",
            "largest false alarms",
            [(changes[a.change_id], f"{a.cause} {a.gain_ha:.1f} ha") for a in alarms],
        ),
        (
            "missed",
            "complexes of 0.5 ha or more missed",
            [(complexes[f.name], f"{f.area_ha:.1f} ha, {f.reason}") for f in missed],
        ),
    )
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    for kind, title, places in told:
        if places:
            file = folder / f"{score.scenario}-{kind}.png"
            strip([chip(run, archive, score.after, geometry) for geometry, _ in places], file)
            words = "; ".join(text for _, text in places)
            caption = f"Simulated {score.scenario}, {score.after}, {title}: {words}. Orange: mapped; blue: dug."
            pictures.append(Picture(f"{folder.name}/{file.name}", caption))
    return pictures


def chip(run: Path, archive: Path, period: str, geometry: shapely.Geometry) -> NDArray[np.uint8]:
    """640 m around the middle of a lon/lat geometry, (y, x, 3), outlines of what is mapped and of what is half dug."""
    centre = geometry.centroid
    epsg = utm_epsg(centre.x, centre.y)
    east, north = project(centre, epsg).coords[0]
    left, top = (round(value / PIXEL_M) * PIXEL_M for value in (east - SIDE_PX * 5, north + SIDE_PX * 5))
    transform = Affine(PIXEL_M, 0, left, 0, -PIXEL_M, top)
    (path,) = (run / "rasters").glob(f"class_{period}_{utm_name(epsg)}.tif")
    with rasterio.open(path) as raster:
        window = from_bounds(left, top - SIDE_PX * PIXEL_M, left + SIDE_PX * PIXEL_M, top, raster.transform)
        classes = raster.read(1, window=window.round_offsets(), boundless=True, fill_value=OUTSIDE)
    dug = truth_plane(archive, "disturbed", epsg, period, classes.shape, transform) >= HALF_DUG
    planes = reflectance_of(run, period, epsg, round(-top / PIXEL_M), round(left / PIXEL_M))
    colours = np.asarray(Image.open(BytesIO(png(planes, TRUE_COLOUR))).convert("RGB"))
    large = colours.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)
    for mask, colour in ((dug, TRUE), (np.isin(classes, (BARE, POND)), MAPPED)):
        wide = mask.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)
        large[wide & ~ndimage.binary_erosion(wide)] = colour
    return large


def reflectance_of(run: Path, period: str, epsg: int, row: int, col: int) -> NDArray[np.uint16]:
    """The composite (band, y, x) of a square whose north-west pixel is at a row and column of the lattice."""
    out = np.full((len(BANDS), SIDE_PX, SIDE_PX), NODATA, np.uint16)
    store = Store(run.parents[1] / "store")
    for task in json.loads((run / "run.json").read_text(encoding="utf-8"))["tasks"]:
        tile = Tile.from_id(task["tile"])
        if task["period"] != period or tile.epsg != epsg:
            continue
        first_row, first_col = tile.origin_px
        rows = slice(max(row, first_row), min(row + SIDE_PX, first_row + TILE_PX))
        cols = slice(max(col, first_col), min(col + SIDE_PX, first_col + TILE_PX))
        if rows.start < rows.stop and cols.start < cols.stop:
            planes = load_composite(store, task["composite"], tile).reflectance
            part = planes[
                :, rows.start - first_row : rows.stop - first_row, cols.start - first_col : cols.stop - first_col
            ]
            out[:, rows.start - row : rows.stop - row, cols.start - col : cols.stop - col] = part
    return out


def strip(chips: Sequence[NDArray[np.uint8]], path: Path) -> None:
    """Chips side by side as one PNG of few colours."""
    gap = np.full((chips[0].shape[0], GAP_PX, 3), 255, np.uint8)
    parts = [part for one in chips for part in (one, gap)][:-1]
    Image.fromarray(np.concatenate(parts, axis=1)).quantize(128).save(path, optimize=True)
