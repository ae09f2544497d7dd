"""Does reading overlap computing? A run over a server 40 ms away against the sum of its parts.

One tile of 512 x 512 pixels, 24 dates in four periods, six bands and a scene classification as COGs, over HTTP with
range requests. Fetching alone fills the store; computing alone begins with a store that holds the scenes and nothing
else; the run does both. All in a process that was warmed up; the server stands in one of its own and counts.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from dataclasses import replace
from datetime import date
from itertools import pairwise
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from shutil import copytree, rmtree
from time import perf_counter

from benchmarks.tile import TILE, make_archive
from pipeline.runs import RunOptions, estimate_run, plan_programme, run_programme
from pipeline.runs.fetching import Fetcher
from pipeline.runs.progress import Silent
from pipeline.runs.scene_cache import cached
from pipeline.runs.store import Store
from pipeline.runs.tasks import SceneTask
from pipeline.runs.work import tile_tasks
from tests.faulty_server import serving
from tests.scenes import write_area

LATENCY_S = 0.04
CONFIG = """programme: bench
areas: [area.geojson]
periods:
  - {{name: q1, start: 2021-01-01, end: 2021-03-31}}
  - {{name: q2, start: 2021-04-01, end: 2021-06-30}}
  - {{name: q3, start: 2021-07-01, end: 2021-09-30}}
  - {{name: q4, start: 2021-10-01, end: 2021-12-31}}
source: {{kind: stac, url: {url}}}
imagery: {{season_days: 0}}
change: {{dating: periods}}
reports: {{max_chips: 0}}
fetch: {{in_flight: {in_flight}}}
run: {{executor: threads, workers: 2}}
"""


def serve(root: Path, line: Connection) -> None:
    """A server in a process of its own: tells its address, then how many requests it had in hand over time."""
    with serving(root, latency_s=LATENCY_S) as server:
        line.send(server.url)
        while line.recv() != "end":
            line.send((list(server.in_hand), sum(server.files_asked.values())))
            server.in_hand.clear()
            server.asked.clear()


def make_ground(folder: Path) -> None:
    """The archive of `make bench`, its items with addresses that a server can complete."""
    archive = folder / "archive"
    archive.mkdir()
    make_archive(archive)
    for path in (archive / "items").glob("*.json"):
        item = json.loads(path.read_text())
        for band, asset in item["assets"].items():
            asset["href"] = f"../{item['id']}/{band}.tif"
        path.write_text(json.dumps(item))
    west, south, east, north = TILE.geobox.boundingbox
    write_area(folder / "area.geojson", west + 20, south + 20, east - 20, north - 20, TILE.epsg)


def busy(in_hand: list[tuple[float, int]]) -> tuple[float, float, int]:
    """Mean requests in flight while any was, the share of that time with two or more, and the most."""
    total = two = weighted = 0.0
    for (start, n), (end, _) in pairwise(in_hand):
        if n:
            total += end - start
            weighted += n * (end - start)
            two += (end - start) * (n >= 2)
    return weighted / total, two / total, max(n for _, n in in_hand)


def over_time(in_hand: list[tuple[float, int]], parts: int = 12) -> str:
    """Mean requests in flight in equal parts of the time."""
    begin, finish = in_hand[0][0], in_hand[-1][0]
    step = (finish - begin) / parts
    sums = [0.0] * parts
    for (start, n), (end, _) in pairwise(in_hand):
        for k in range(parts):
            low, high = begin + k * step, begin + (k + 1) * step
            sums[k] += n * max(0.0, min(end, high) - max(start, low))
    return " ".join(f"{total / step:.1f}" for total in sums)


def options(out: Path) -> RunOptions:
    """Two workers in threads."""
    return RunOptions(as_of=date(2022, 6, 1), out=out)


def fetch_alone(path: Path, out: Path) -> float:
    """Seconds to bring all that a run wants into an empty store."""
    plan = plan_programme(path, options(out), Silent())
    store = Store(out / "bench" / "store")
    plan = replace(plan, source=cached(plan.source, store))
    begun = perf_counter()
    with Fetcher(plan.source, plan.file.config.fetch.in_flight, 6) as fetcher:
        for tasks in ([SceneTask(scene, plan.source, store) for scene in plan.scenes], tile_tasks(plan, {}, store)):
            ready = fetcher.ahead(tasks)
            assert ready is not None
            for number in range(len(tasks)):
                ready(number)
    return perf_counter() - begun


def maps_of(path: Path, out: Path) -> float:
    """Seconds of a run's step that fetches, composes and classifies."""
    return float(run_programme(path, options(out)).manifest["timings_s"]["maps"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    context = get_context("spawn")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_ground(folder)
        here, there = context.Pipe()
        server = context.Process(target=serve, args=(folder / "archive", there), daemon=True)
        server.start()
        path = folder / "bench.yaml"
        url = here.recv()

        def counted() -> tuple[list[tuple[float, int]], int]:
            here.send("tell")
            told: tuple[list[tuple[float, int]], int] = here.recv()
            return told

        path.write_text(CONFIG.format(url=url, in_flight=8))
        maps_of(path, folder / "warm")
        cost = estimate_run(plan_programme(path, options(folder / "none"), Silent()), folder / "none" / "bench").cost
        print(f"24 dates on one tile, four periods, {LATENCY_S * 1000:.0f} ms to the server, {os.cpu_count()} cores")
        for in_flight in (8, 1):
            path.write_text(CONFIG.format(url=url, in_flight=in_flight))
            rows: list[tuple[float, float, float]] = []
            for number in range(arguments.runs):
                out = folder / f"{in_flight}-{number}"
                fetching = fetch_alone(path, out)
                copytree(out / "bench" / "store", folder / "full" / "bench" / "store")
                computing = maps_of(path, folder / "full")
                rmtree(folder / "full")
                rmtree(out)
                counted()
                rows.append((fetching, computing, maps_of(path, out)))
                in_hand, requests = counted()
            fetching, computing, both = (statistics.median(column) for column in zip(*rows, strict=True))
            mean, two, most = busy(in_hand)
            whole, longer = fetching + computing, max(fetching, computing)
            print(f"  {in_flight} in flight")
            print(f"    fetching alone {fetching:.2f} s, computing alone {computing:.2f} s, together {whole:.2f} s")
            print(
                f"    the run {both:.2f} s: {100 * both / whole:.0f} % of that, {both / longer:.2f} x the longer part"
            )
            print(f"    {requests} requests (the plan said {cost.requests}), {mean:.1f} in flight on average,")
            print(f"    two or more in {100 * two:.0f} % of the time, {most} at most; over time: {over_time(in_hand)}")
        here.send("end")
        server.join(5)


if __name__ == "__main__":
    main()
