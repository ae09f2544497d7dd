"""The page on which an interpreter labels a probability sample: blind, both dates side by side, from the keyboard."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable
from functools import lru_cache
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.areas.lattice import PIXEL_M, TILE_PX, Tile
from pipeline.disturbance.drawing import REFERENCE_ROLE
from pipeline.footprint.design import Design, Point
from pipeline.footprint.reference import CONFIDENCES, MAX_TEXT, SEEN
from pipeline.imagery.scene import BANDS, NODATA
from pipeline.reports.chips import RENDERINGS, png
from pipeline.reports.language import Language
from pipeline.reports.leaflet import asset
from pipeline.reports.page import MAX_PAGE_BYTES, json_block, policy, render, scripts, write_page

SIDE_PX = 81  # odd, so that the pixel to be labelled is in the middle
Composites = Callable[[Tile, str], NDArray[np.uint16] | None]


def write_sample_page(design: Design, path: Path, composite_of: Composites, language: Language) -> int:
    """Write the page of a sample; returns how many of its points have a picture of every date.

    It holds ids, places and pictures, and nothing of the map or the strata. `composite_of` gives reflectance of a tile
    and a period by name, None where there is none. Pictures lie beside the page where it would be larger than 60 MiB.
    """
    pictures = _pictures(design, composite_of)
    folder = f"{path.stem}_chips"
    blocks = "\n".join(
        json_block(f"pw-chip-{n}", [{k: b64encode(v).decode() for k, v in one.items()} for one in images])
        for n, images in enumerate(pictures)
    )
    beside = len(blocks) > MAX_PAGE_BYTES
    files = {
        f"{folder}/{n:04d}-{date}-{name}.png": data
        for n, images in enumerate(pictures)
        for date, one in enumerate(images)
        for name, data in one.items()
    }
    page = _page(design, language, folder if beside else "", [[bool(i) for i in images] for images in pictures])
    write_page(path, page.replace("</body>", ("" if beside else blocks) + "</body>"), files if beside else {})
    return sum(all(images) for images in pictures)


def _page(design: Design, language: Language, folder: str, pictured: list[list[bool]]) -> str:
    run = design.run
    periods = [period for period in (run.before, run.after) if period is not None]
    data = {
        "run": {"programme": run.programme, "run_id": run.run_id},
        "role": REFERENCE_ROLE,
        "sample": design.sample_file,
        "sample_sha256": hashlib.sha256(design.sample_geojson().encode()).hexdigest(),
        "dates": ["before", "after"][-len(periods) :],
        "periods": [period.model_dump(mode="json") for period in periods],
        "seen": list(SEEN),
        "confidences": [level for level in CONFIDENCES if level],
        "max_text": MAX_TEXT,
        "folder": folder,
        "pictured": pictured,
        "side_px": SIDE_PX,
        "side_m": SIDE_PX * PIXEL_M,
        "points": [[p.sample_id, p.lon, p.lat] for p in design.points],
    }
    body = render("sample.html", language, programme=run.programme)
    beside = ("'self'", "file:") if folder else ()
    title = escape(f"{design.sample_file}, {run.programme}")
    style = asset("page.css") + asset("sample.css")
    return f"""<!DOCTYPE html>
<html lang="{language.code}">
<head>
<meta charset="utf-8">
{policy(*beside)}
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
{language.script()}
{scripts("parts.js", "earth.js", "notes.js", "sample.js")}
</head>
<body>
{body}
{json_block("pw-data", data)}
<script>sample.start();</script>
</body>
</html>
"""


def _pictures(design: Design, composite_of: Composites) -> list[list[dict[str, bytes]]]:
    """Pictures of each point by date, then rendering; empty where a period has none there."""
    cached = lru_cache(maxsize=24)(composite_of)
    names = [period.name for period in (design.run.before, design.run.after) if period is not None]
    # By tile, because neighbours share composites of 3 MB; the file keeps its random order.
    order = sorted(range(len(design.points)), key=lambda n: (_tile(design.points[n]), n))
    made = {n: [_picture(design.points[n], name, cached) for name in names] for n in order}
    return [made[n] for n in range(len(design.points))]


def _tile(point: Point) -> Tile:
    return Tile(point.epsg, point.col // TILE_PX, -(point.row // TILE_PX) - 1)


def _picture(point: Point, period: str, composite_of: Composites) -> dict[str, bytes]:
    planes = window(point, period, composite_of)
    if (planes == NODATA).all():
        return {}
    return {rendering.name: png(planes, rendering) for rendering in RENDERINGS}


def window(point: Point, period: str, composite_of: Composites) -> NDArray[np.uint16]:
    """Reflectance (6, 81, 81) around a point's pixel, on the lattice; NODATA where there is none."""
    half = SIDE_PX // 2
    top, left = point.row - half, point.col - half
    planes = np.full((len(BANDS), SIDE_PX, SIDE_PX), NODATA, np.uint16)
    for row in {top // TILE_PX, (top + SIDE_PX - 1) // TILE_PX}:
        for col in {left // TILE_PX, (left + SIDE_PX - 1) // TILE_PX}:
            tile = Tile(point.epsg, col, -row - 1)
            composite = composite_of(tile, period)
            if composite is None:
                continue
            y, x = row * TILE_PX, col * TILE_PX
            rows = max(top, y), min(top + SIDE_PX, y + TILE_PX)
            cols = max(left, x), min(left + SIDE_PX, x + TILE_PX)
            planes[:, rows[0] - top : rows[1] - top, cols[0] - left : cols[1] - left] = composite[
                :, rows[0] - y : rows[1] - y, cols[0] - x : cols[1] - x
            ]
    return planes
