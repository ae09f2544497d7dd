"""Processor time to follow 20,000 sites over ten periods, on one core: `python -m benchmarks.register [SITES PERIODS]`.

Made-up ground: sites that grow, shrink, recover, split and merge at random, cloud over a tenth of the looks.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from time import process_time
from typing import TypeVar

import numpy as np

from pipeline.change import Candidates, build_events, build_sites, classify, clusters, encode_ground, follow, record_run
from pipeline.change.register import Register, renamed
from pipeline.config import Change, Period
from pipeline.imagery.radar_raster import RADAR_NODATA
from pipeline.imagery.scene import NODATA
from pipeline.reports import read_register, write_register

SIDE, APART = 8, 16  # pixels of a site's block, and from one block to the next
T = TypeVar("T")


def made_up(sites: int, periods: int) -> Candidates:
    """Blocks of 8 x 8 pixels, half of them or so disturbed in a period."""
    rng = np.random.default_rng(0)
    wide = int(np.ceil(np.sqrt(sites)))
    block_row, block_col = np.divmod(np.arange(sites), wide)
    y, x = np.divmod(np.arange(SIDE * SIDE), SIDE)
    row = (block_row[:, None] * APART + y - 45_000).ravel().astype(np.int32)
    col = (block_col[:, None] * APART + x + 30_000).ravel().astype(np.int32)
    probability = np.zeros((periods, sites, SIDE, SIDE), np.uint16)
    begun = rng.integers(0, periods, sites)
    for period in range(periods):
        worked = (begun <= period) & (rng.random(sites) > 0.15)
        extent = np.clip(3 + period - begun + rng.integers(-1, 2, sites), 3, SIDE)
        inside = (x.reshape(SIDE, SIDE) < extent[:, None, None]) & worked[:, None, None]
        gap = (rng.random(sites) < 0.1)[:, None, None] & (np.abs(y.reshape(SIDE, SIDE) - 3.5) < 2)
        probability[period] = np.where(inside & ~gap, 9500, 0)
    cloud = rng.random((periods, sites)) < 0.1
    order = np.lexsort((col, row))
    seen = np.repeat(~cloud, SIDE * SIDE, axis=1)[:, order]
    bare = np.where(seen, probability.reshape(periods, -1)[:, order], NODATA).astype(np.uint16)
    n = row.size
    days = (18_000 + 365 * np.arange(periods)[:, None] + 10 * np.arange(4)).astype(np.uint16)
    return Candidates(
        epsg=32633,
        row=row[order],
        col=col[order],
        bare=bare,
        pond=np.where(seen, 0, NODATA).astype(np.uint16),
        looks=np.where(seen, 5, 0).astype(np.uint16),
        days=np.where(seen[:, None], days[:, :, None], NODATA).astype(np.uint16),
        greenest=np.full((periods, 2, n), 11_000, np.uint16),
        season_looks=np.full((periods, 2, n), 3, np.uint16),
        radar=np.full((periods, 2, 2, n), RADAR_NODATA, np.int16),
        water=np.zeros((periods, n), bool),
        zone=np.zeros(n, np.int16),
        area_m2=np.full(n, 100.0),
    )


def main() -> None:
    """Print processor seconds for each step."""
    sites, count = (int(number) for number in (sys.argv[1:3] if len(sys.argv) > 2 else ("20000", "10")))
    settings = Change(minimum_mapping_unit_ha=0.04)
    periods = tuple(Period(name=f"p{i}", start=date(2019 + i, 12, 1), end=date(2020 + i, 3, 31)) for i in range(count))

    def timed(label: str, step: Callable[[], T]) -> T:
        start = process_time()
        result = step()
        print(f"{label:<34}{process_time() - start:8.1f} s", flush=True)
        return result

    zones = timed("objects", lambda: classify([made_up(sites, count)], settings))
    followed = timed("linking sites over all periods", lambda: follow(zones, settings))
    assert followed is not None
    tracks = followed.tracks
    events = timed("events", lambda: build_events(zones, periods, settings, followed))
    found = timed("sites with outlines", lambda: build_sites(zones, periods, settings, followed))

    def recorded(key: str, day: date) -> object:
        grounds = {c.site_id: encode_ground(c) for c in clusters(zones, settings, followed)}
        head = {"key": key * 64, "run_id": f"{day}-{key * 8}", "programme": "bench", "title": "", "as_of": day}
        unassigned = [(None, "unassigned")]
        return record_run(
            found, grounds, events, periods, unassigned, [], generated_by="benchmark", model="none", **head
        )

    first = timed("record of the run", lambda: recorded("0", date(2029, 6, 1)))
    register = Register().with_run(first)
    again = recorded("1", date(2030, 6, 1))
    ids = timed("ids of a second run", lambda: register.publish(again))
    assert all(name == site_id for name, site_id in ids.items())
    register = register.with_run(renamed(again, ids))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "register.gpkg"
        timed("register of two runs written", lambda: write_register(path, register))
        size = path.stat().st_size / 1e6
        timed("register read", lambda: read_register(path))
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in sorted(Counter(event.kind for event in events).items()))
    print(f"{len(tracks.names):,} sites on {followed.ground.size:,} pixels, {count} periods; {kinds}; {size:.0f} MB")


if __name__ == "__main__":
    main()
