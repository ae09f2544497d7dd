"""A small programme over a STAC API on loopback: three scenes in each of two dry seasons, an opening between them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pipeline.runs import Finished, RunOptions, run_programme
from tests.scenes import dig, ground, write_area, write_scene

WEST, NORTH = 82 * 5120 + 1500, 102 * 5120 - 1000
SHAPE = (100, 120)
BEFORE = ("2020-12-10", "2021-01-14", "2021-02-18")
AFTER = ("2021-12-05", "2022-01-09", "2022-02-13")
OPENING = (slice(30, 60), slice(40, 80))
CONFIG = """programme: remote
areas: [area.geojson]
periods:
  - {{name: 2020-21, start: 2020-12-01, end: 2021-03-31}}
  - {{name: 2021-22, start: 2021-12-01, end: 2022-03-31}}
source: {{kind: stac, url: {url}}}
disturbance: {{model: trees}}
reports: {{max_chips: 0}}
fetch: {{{fetch}}}
run: {{executor: threads, workers: 2}}
{extra}
"""


def write_archive(folder: Path) -> Path:
    """Scenes, items and the area."""
    for number, day in enumerate(BEFORE + AFTER):
        bands = ground(SHAPE, seed=number)
        if day in AFTER:
            dig(bands, *OPENING, seed=number)
        write_scene(folder / "archive", f"S2A_{day}", day, bands, west=WEST, north=NORTH)
    write_area(folder / "area.geojson", WEST + 50, NORTH - 950, WEST + 1150, NORTH - 50)
    return folder / "archive"


def write_programme(folder: Path, url: str, extra: str = "", fetch: str = "attempts: 3, timeout_s: 5") -> Path:
    """The config of the programme at a server."""
    path = folder / "remote.yaml"
    path.write_text(CONFIG.format(url=url, extra=extra, fetch=fetch))
    return path


def go(path: Path, out: Path, reporter=None, **options) -> Finished:
    """Run it."""
    return run_programme(path, RunOptions(as_of=date(2022, 6, 1), out=out, **options), reporter)
