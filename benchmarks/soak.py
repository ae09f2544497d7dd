"""Whole small runs under seeded faults, route by route: whole with the same bytes, or incomplete with each scene named.

Every run must end; none may ask for the same thing more often than its config states; and where scenes were missing,
the next run without faults must come to the same bytes as one that never met any. `make soak` runs 100 schedules a
route and prints a line for each route; a run that does not end within two minutes ends this program with its stacks.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from time import perf_counter

import numpy as np

from pipeline.runs import Finished, RunOptions, run_programme
from tests import faulty_server, sentinelhub_server
from tests.radar_scenes import write_radar
from tests.remote_programme import AFTER, BEFORE, NORTH, SHAPE, WEST, write_archive

ATTEMPTS = 4
LONGEST_S = 120
CONFIG = """programme: soak
areas: [area.geojson]
periods:
  - {{name: 2020-21, start: 2020-12-01, end: 2021-03-31}}
  - {{name: 2021-22, start: 2021-12-01, end: 2022-03-31}}
source: {source}
disturbance: {{model: trees}}
radar: {{min_looks: 2}}
reports: {{max_chips: 0}}
fetch: {{attempts: {attempts}, timeout_s: {timeout_s}, longest_wait_s: 0, in_flight: 4}}
"""


@dataclass
class Served:
    """A running server: its `source` in a config, a fitting timeout, requests of pixels, an end to its faults."""

    source: str
    timeout_s: float
    asked: Callable[[], Counter]
    heal: Callable[[], None]


Route = Callable[[Path, int | None], AbstractContextManager[Served]]


@contextmanager
def stac(archive: Path, seed: int | None) -> Iterator[Served]:
    """A STAC API and its files: one request in five fails, in seven ways; in every third schedule some for ever."""
    faults = faulty_server.schedule(seed, 0.2, 0.04 if seed % 3 == 0 else 0.0) if seed is not None else _none
    with faulty_server.serving(archive, faults, slow_s=1.3) as server:

        def heal() -> None:
            server.faults = _none
            server.asked.clear()

        yield Served(f"{{kind: stac, url: {server.url}}}", 1.0, lambda: server.files_asked, heal)


@contextmanager
def sentinelhub(archive: Path, seed: int | None) -> Iterator[Served]:
    """The stand-in for Sentinel Hub: three in ten fail at first, in every third schedule those of a day for ever."""
    faults = sentinelhub_server.Faults()
    if seed is not None and seed % 3 == 0:
        day = (BEFORE + AFTER)[seed // 3 % len(BEFORE + AFTER)]
        faults = sentinelhub_server.Faults.whenever(
            ("500", "503", "429", "truncated", "reset")[seed // 3 % 5],
            lambda path, body: path == sentinelhub_server.PROCESS and f'"from": "{day}' in body.decode(),
        )
    elif seed is not None:
        faults = sentinelhub_server.Faults.seeded(seed)
    # The account of the stand-in, in place of whatever this machine has.
    os.environ |= {"SH_CLIENT_ID": sentinelhub_server.CLIENT_ID, "SH_CLIENT_SECRET": sentinelhub_server.CLIENT_SECRET}
    with sentinelhub_server.SentinelHub(archive, faults) as hub:

        def heal() -> None:
            hub.faults = sentinelhub_server.Faults()
            hub.asked.clear()

        address = f"base_url: '{hub.url}', token_url: '{hub.url}{sentinelhub_server.TOKEN}'"
        yield Served(
            f"{{kind: sentinelhub, {address}}}",
            20.0,  # it makes its pictures as it is asked; slow answers are left to its own tests
            lambda: Counter({what: n for what, n in hub.asked.items() if what[1] == sentinelhub_server.PROCESS}),
            heal,
        )


ROUTES: dict[str, Route] = {"stac": stac, "sentinelhub": sentinelhub}


def _none(*_: object) -> None:
    return None


def make_ground(folder: Path) -> Path:
    """Three optical and three radar scenes in each of two dry seasons, an opening between them."""
    archive = write_archive(folder)
    for number, day in enumerate(BEFORE + AFTER):
        db = np.random.default_rng(number).normal(-10, 1, SHAPE)
        write_radar(archive, f"S1A_{day}", day, db, db - 6, west=WEST, north=NORTH)
    return archive


@dataclass
class Tally:
    """What became of the schedules of a route."""

    whole: int = 0
    incomplete: int = 0
    scenes_missing: int = 0
    most_asked: int = 0
    requests: int = 0
    repeated: int = 0
    seconds: list[float] = field(default_factory=list)


def run_once(folder: Path, out: Path, served: Served) -> Finished:
    """The programme from a server."""
    path = folder / "soak.yaml"
    path.write_text(CONFIG.format(source=served.source, attempts=ATTEMPTS, timeout_s=served.timeout_s))
    return run_programme(path, RunOptions(as_of=date(2022, 6, 1), out=out))


def soak(folder: Path, route: Route, seed: int, clean: dict[str, str], tally: Tally) -> None:
    """One schedule; raises AssertionError, with the seed, where a promise is broken."""
    names = {path.stem for path in (folder / "archive" / "items").glob("*.json")}
    with tempfile.TemporaryDirectory() as out, route(folder / "archive", seed) as served:
        begun = perf_counter()
        finished = run_once(folder, Path(out), served)
        tally.seconds.append(perf_counter() - begun)
        asked = served.asked()
        tally.requests += sum(asked.values())
        tally.repeated += sum(n - 1 for n in asked.values())
        tally.most_asked = max(tally.most_asked, *asked.values())
        assert max(asked.values()) <= ATTEMPTS, f"seed {seed}: asked {max(asked.values())} times"
        if finished.exit_code == 0:
            tally.whole += 1
            assert finished.manifest["outputs"] == clean, f"seed {seed}: other bytes"
            return
        assert finished.exit_code == 3, f"seed {seed}: exit code {finished.exit_code}"
        failed = finished.manifest["failed"]
        assert failed, f"seed {seed}: incomplete, and nothing is named"
        assert all(row.get("scene") in names and row["reason"] for row in failed), f"seed {seed}: {failed}"
        tally.incomplete += 1
        tally.scenes_missing += len({row["scene"] for row in failed})
        served.heal()
        # Sites keep the names that they were first given, by however poor a run: here the first run names them anew.
        (finished.folder.parents[1] / "register.gpkg").unlink()
        again = run_once(folder, Path(out), served)
        assert again.exit_code == 0, f"seed {seed}: not whole without faults"
        assert again.manifest["outputs"] == clean, f"seed {seed}: other bytes after the faults"


def clean_run(folder: Path, route: Route) -> dict[str, str]:
    """Hashes of what a run without faults writes."""
    with tempfile.TemporaryDirectory() as out, route(folder / "archive", None) as served:
        finished = run_once(folder, Path(out), served)
        assert finished.exit_code == 0
        assert set(served.asked().values()) == {1}
        outputs: dict[str, str] = finished.manifest["outputs"]
        return outputs


def main() -> None:
    """Run every schedule of every route and print what became of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=100)
    parser.add_argument("--routes", nargs="+", choices=ROUTES, default=list(ROUTES))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_ground(folder)
        for route_name in arguments.routes:
            route, tally = ROUTES[route_name], Tally()
            clean = clean_run(folder, route)
            for seed in range(arguments.schedules):
                faulthandler.dump_traceback_later(LONGEST_S, exit=True, file=sys.stderr)
                soak(folder, route, seed, clean, tally)
                faulthandler.cancel_dump_traceback_later()
            print(
                f"{route_name}: {arguments.schedules} schedules; {tally.whole} runs whole with the same bytes, "
                f"{tally.incomplete} incomplete with {tally.scenes_missing} scenes named, the same bytes at the next "
                f"run; {tally.requests} requests, {tally.repeated} of them repeats, none sent more than "
                f"{tally.most_asked} times of {ATTEMPTS} allowed; {np.median(tally.seconds):.1f} s a run at the "
                f"median, {max(tally.seconds):.1f} s at most"
            )


if __name__ == "__main__":
    main()
