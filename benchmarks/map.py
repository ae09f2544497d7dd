"""How a map of 10,000 changes and 1,000 pictured places opens and moves: `python -m benchmarks.map [CHANGES PICTURED]`.

Made-up changes of three periods on 60 x 60 km, drawn by a headless browser from a file. First paint, what blocks the
page, and the frames while the map is dragged, at all of the map and near the ground.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
from dataclasses import replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import shapely
from playwright.sync_api import sync_playwright
from scipy import ndimage

from pipeline.areas.area import Area
from pipeline.areas.lattice import TILE_M, Tile, to_lonlat
from pipeline.change.site import Site, SiteChange, SitePeriod
from pipeline.config import Period
from pipeline.footprint import Footprint, FootprintRow
from pipeline.reports import RunResult, write_map
from pipeline.reports.result import STATES

EPSG, COL, ROW, TILES = 32633, 116, 100, 12
PERIODS = tuple(Period(name=f"{y}-dry", start=date(y - 1, 12, 1), end=date(y, 3, 31)) for y in (2019, 2020, 2021))
# Notes each frame and the first moment at which the changes are on the screen.
WATCH = """
window.frames_ms = []; window.long_ms = [];
new PerformanceObserver((list) => list.getEntries().forEach((e) => window.long_ms.push(e.duration)))
  .observe({entryTypes: ["longtask"]});
let before = performance.now();
(function frame(now) { window.frames_ms.push(now - before); before = now; requestAnimationFrame(frame); })(before);
new MutationObserver((_, self) => { if (document.body && document.body.dataset.placerwatch) { self.disconnect();
  requestAnimationFrame(() => setTimeout(() => { window.drawn_ms = performance.now(); })); } })
  .observe(document, {subtree: true, childList: true, attributes: true});
"""


@lru_cache(maxsize=1)
def outlines() -> list[np.ndarray]:
    """Outlines of forty patches of pixels, metres from their middle."""
    rng = np.random.default_rng(2)
    shapes = []
    y, x = np.mgrid[-16:17, -16:17]
    while len(shapes) < 40:
        rough = ndimage.gaussian_filter(rng.standard_normal(x.shape), 2) * 12
        label, _ = ndimage.label(np.hypot(x, y) + rough < rng.uniform(3, 11))
        rows, cols = np.nonzero(label == label[16, 16]) if label[16, 16] else ([], [])
        if len(rows) > 4:
            left, top = 10 * (cols - 16), 10 * (17 - rows)
            shapes.append(shapely.union_all(shapely.box(left, top - 10, left + 10, top)))
    return shapes


def made_up(count: int) -> RunResult:
    """A run with so many changes, strewn along valleys."""
    rng = np.random.default_rng(1)
    side, west, south = TILES * TILE_M, COL * TILE_M, ROW * TILE_M
    to_degrees = to_lonlat(EPSG)
    changes, sites = [], []
    for number in range(count):
        x = rng.uniform(0, side)
        y = (0.5 + 0.35 * np.sin(x / 9000 + number % 5)) * side + rng.normal(0, 900)
        shape = shapely.transform(
            outlines()[number % 40],
            lambda xy, x=x, y=y: np.column_stack(
                to_degrees.transform(west + 10 * (x // 10) + xy[:, 0], south + 10 * (y // 10) + xy[:, 1])
            ),
        )
        ha = outlines()[number % 40].area / 10_000
        state = STATES[number % 5]
        change = SiteChange(
            change_id=f"PW-33N-{number:06d}-2021-dry",
            site_id=f"PW-33N-{number:06d}",
            state=state,
            status="confirmed",
            confidence=("low", "high", "highest")[number % 3],
            probability=0.9,
            area_ha=ha,
            area_gain_ha=ha * float(rng.random()),
            area_loss_ha=0.0,
            bare_ha=ha,
            pond_ha=0.0,
            last_clear_undisturbed=date(2020, 3, 14),
            first_clear_disturbed=date(2020, 12, 9),
            last_observed=date(2021, 3, 24),
            clear_looks_before=7,
            clear_looks_after=6,
            observed_share=1.0,
            sensors=("S2",),
            zone=1,
            sites_within_1km=3,
            geometry=shape,
            gain_geometry=shape if state == "expanded" else None,
            tiles=(Tile(EPSG, COL + int(x // TILE_M), ROW + int(np.clip(y, 0, side - 1) // TILE_M)),),
        )
        changes.append(change)
        seen = tuple(SitePeriod(p.name, ha * t / 2, 0.0, 1.0, 0.9, 6, p.end) for t, p in enumerate(PERIODS))
        sites.append(
            Site(change.site_id, shape, 1, "active", "confirmed", "high", "2020-dry", seen, None, None, 3, change.tiles)
        )
    box = shapely.box(*to_degrees.transform_bounds(west, south, west + side, south + side))
    ground = (1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 2.0, 0.97, 1.0, 0.0, 0.0, 0.95)
    row = FootprintRow("zones", "total", "total", "2021-dry", *ground)
    return RunResult(
        programme="bench",
        title="Ten thousand changes, made up",
        run_id="2021-04-15-00000000",
        as_of=date(2021, 4, 15),
        periods=PERIODS,
        areas=(Area("zone", "Zone", box),),
        changes=tuple(changes),
        sites=tuple(sites),
        footprint=Footprint((replace(row, zone_id="zone", zone_name="Zone"), row)),
        totals={"observed_share": 0.97},
        model={"name": "default", "sha256": "0" * 64},
        generated_by="placerwatch",
        scenes={},
        limits=("Made up: 0 % of it is true.",),
        composite_of=composite,
    )


@lru_cache(maxsize=64)
def composite(tile: Tile, period: str) -> np.ndarray:
    """Six bands of rough ground, with a cloud that was never lifted."""
    rng = np.random.default_rng([tile.col, tile.row, int(period[:4])])
    rough = ndimage.gaussian_filter(rng.standard_normal((512, 512)), 3) * 6 + rng.normal(0, 0.08, (512, 512))
    level = np.array([500, 800, 900, 2400, 2500, 1600])[:, None, None]
    planes = np.clip(level * (1 + 0.5 * rough), 1, 10_000).astype(np.uint16)
    y, x = np.mgrid[:512, :512]
    planes[:, np.hypot(x - rng.integers(512), y - rng.integers(512)) < 45] = 65535
    return planes


def measure(path: Path) -> dict[str, Any]:
    """Milliseconds of a visit."""
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=options)
        page = browser.new_page(viewport={"width": 1366, "height": 768}, bypass_csp=True)
        page.add_init_script(WATCH)
        page.goto(path.as_uri(), wait_until="commit")
        page.wait_for_function("window.drawn_ms", timeout=120_000)
        found = {
            "first paint": page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"),
            "changes on the screen": page.evaluate("window.drawn_ms"),
        }
        page.wait_for_function("document.body.dataset.whole", timeout=120_000)
        page.wait_for_timeout(1500)
        read = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
        found["whole page read"] = page.evaluate(read)
        for name, zoom in (("all of the map", None), ("near the ground", 14)):
            if zoom:
                page.evaluate(f"placerwatch.map().setView(placerwatch.map().getCenter(), {zoom}, {{animate: false}})")
                page.wait_for_timeout(1500)
            page.evaluate("window.frames_ms = []; window.long_ms = []")
            for _ in range(3):
                page.mouse.move(900, 500)
                page.mouse.down()
                for step in range(40):
                    page.mouse.move(900 - 10 * step, 500 - 6 * step)
                    page.wait_for_timeout(12)
                page.mouse.up()
                page.wait_for_timeout(200)
            frames = sorted(page.evaluate("window.frames_ms"))
            found[f"dragging, {name}: median frame"] = frames[len(frames) // 2]
            found[f"dragging, {name}: longest frame"] = frames[-1]
            found[f"dragging, {name}: longest task"] = max(page.evaluate("window.long_ms"), default=0)
        browser.close()
    return found


def main() -> None:
    """Print the table."""
    changes, pictured = (int(number) for number in (sys.argv[1:3] if len(sys.argv) > 2 else ("10000", "1000")))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "map.html"
        start = perf_counter()
        write_map(made_up(changes), path, pictured)
        beside = sum(file.stat().st_size for file in path.parent.rglob("*.png"))
        print(f"{changes} changes, {pictured} places with pictures, {threading.active_count()} thread")
        print(f"{'written in':<46}{perf_counter() - start:8.1f} s")
        print(f"{'page':<46}{path.stat().st_size / 2**20:8.1f} MiB")
        print(f"{'pictures beside it':<46}{beside / 2**20:8.1f} MiB")
        for name, value in measure(path).items():
            print(f"{name:<46}{value:8.0f} ms")


if __name__ == "__main__":
    main()
