"""What a plan tells of fetching, and limits that stop a run before it starts."""

from __future__ import annotations

import json
import pickle
from contextlib import nullcontext
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config import Fetch
from pipeline.errors import BadInput
from pipeline.imagery import Block, RequestCost, StacSource
from pipeline.runs import RunOptions, estimate_run, plan_programme
from pipeline.runs.estimate import Estimate, Rates, require_within
from pipeline.runs.execute import Serial
from pipeline.runs.progress import Silent
from tests.faulty_server import serving
from tests.rasters import write_plane
from tests.remote_programme import AFTER, BEFORE, NORTH, WEST, go, write_archive, write_programme
from tests.sentinelhub_server import TOKEN, SentinelHub

SCENES = len(BEFORE + AFTER)
NOTHING = Estimate(3, 2, RequestCost(10, 25.0, 4_000_000_000), 4, True)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return write_archive(tmp_path_factory.mktemp("planned"))


def told(path, out, *options: str) -> str:
    result = CliRunner().invoke(
        app, ["plan", str(path), "--as-of", "2022-06-01", "--out", str(out), *options], catch_exceptions=False
    )
    return result.stdout


def test_a_plan_tells_what_a_run_would_fetch_and_fetches_nothing(archive, tmp_path):
    cloudy = archive / "items" / f"S2A_{AFTER[0]}.json"
    item = json.loads(cloudy.read_text())
    with serving(archive) as server:
        path = write_programme(archive.parent, server.url)
        try:
            cloudy.write_text(json.dumps({**item, "properties": {**item["properties"], "eo:cloud_cover": 99}}))
            before = told(path, tmp_path)
            numbers = json.loads(told(path, tmp_path, "--json"))
        finally:
            cloudy.write_text(json.dumps(item))
        assert server.files_asked == {}
        assert "2021-22      2021-12-01 to 2022-03-31: 3 dates found, 2 kept, 2 scenes" in before
        assert numbers["dates"]["2021-22"] == {"found": 3, "kept": 2}
        assert f"to fetch: {2 * (SCENES - 1)} reads of scenes; 0 more are in the store" in before
        assert "time: no run yet to go by; 2 tiles and periods to compute" in before
        estimate = numbers["estimate"]
        assert (estimate["to_fetch"], estimate["kept"], estimate["seconds_fetching"]) == (10, 0, None)
        # 5 scenes of 7 planes in 3 rows of blocks, and 5 thinned looks of 2 planes in 2 rows.
        assert estimate["requests"] == 5 * 7 * 4 + 5 * 2 * 3
        go(path, tmp_path)
        asked = server.files_asked
        after = told(path, tmp_path)
        assert "to fetch: 0 reads of scenes; 0 more are in the store and cost nothing" in after
        changed = json.loads(
            told(write_programme(archive.parent, server.url, "imagery: {cloud_dilation_m: 50}"), tmp_path, "--json")
        )
        assert (changed["estimate"]["to_fetch"], changed["estimate"]["kept"], changed["estimate"]["tasks"]) == (
            0,
            SCENES,
            2,
        )
        assert changed["estimate"]["seconds_fetching"] == 0
        assert changed["estimate"]["seconds_computing"] > 0
        assert "at the rates of run 2022-06-01-" in after
        assert server.files_asked == asked


def test_a_run_beyond_its_limits_does_not_start_and_one_that_is_kept_does(archive, tmp_path):
    with serving(archive) as server:
        tight = write_programme(archive.parent, server.url, fetch="max_gb: 0.05")
        with pytest.raises(
            BadInput, match=r"about 0\.\d\d GB \(12 reads of scenes; 0 more are in the store\), and fetch"
        ):
            go(tight, tmp_path)
        assert server.files_asked == {}
        go(write_programme(archive.parent, server.url), tmp_path)
        finished = go(
            write_programme(archive.parent, server.url, "change: {strong: 0.85}", fetch="max_gb: 0.05"), tmp_path
        )
        assert finished.exit_code == 0


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        (
            {"max_gb": 3.9},
            r"about 4\.00 GB .3 reads of scenes; 2 more .* fetch\.max_gb is 3\.9; raise it, or set a smal",
        ),
        ({"max_processing_units": 24}, r"about 25\.00 processing units .* fetch\.max_processing_units is 24"),
        ({"max_gb": 4, "max_processing_units": 25}, None),
        ({}, None),
    ],
)
def test_limits_are_told_with_the_numbers_and_what_to_do(limits, says):
    if says is None:
        require_within(NOTHING, Fetch(**limits))
    else:
        with pytest.raises(BadInput, match=says):
            require_within(NOTHING, Fetch(**limits))


def test_times_follow_the_rates_of_an_earlier_run():
    known = replace(NOTHING, rates=Rates("r", 200.0, 2.0))
    assert (known.fetching_s, known.computing_s) == (600, 8)
    assert "  time: fetching 10 min, computing 8 s, at the rates of run r; they overlap" in known.describe()
    assert "25 processing units, 4.00 GB" in known.describe()[1]
    half = replace(NOTHING, rates=Rates("r", None, 2.0))
    assert "fetching unknown (no run did it yet)" in half.describe()[-1]


def test_costs_add_up():
    assert RequestCost(1, 0.5, 10) + RequestCost(2, 0.25, 5) == RequestCost(3, 0.75, 15)
    assert sum([RequestCost(1)], RequestCost()) == RequestCost(1)


def test_the_estimate_of_a_window_grows_with_bands_and_size():
    source = StacSource("https://example.org", ["c"])
    small, large = (source.cost(None, n, (side, side)) for n, side in ((3, 640), (7, 1000)))
    assert small.requests == 3 * 4
    assert small.bytes < large.bytes
    assert 5e6 < source.cost(None, 7, (640, 640)).bytes < 2e7


def test_scenes_on_disk_cost_nothing(archive, tmp_path):
    path = write_programme(archive.parent, "http://unused.example")
    path.write_text(
        path.read_text().replace("{kind: stac, url: http://unused.example}", "{kind: folder, path: archive}")
    )
    plan = plan_programme(path, RunOptions(date(2022, 6, 1), tmp_path), Silent())
    estimate = estimate_run(plan, tmp_path / "remote")
    assert (estimate.reads, estimate.kept, estimate.cost) == (0, 0, RequestCost())
    assert estimate.describe()[0] == "  to fetch: nothing, the scenes lie on disk"


def test_the_units_and_requests_of_sentinel_hub_are_those_that_the_run_then_spends(archive, tmp_path, hub_account):
    with SentinelHub(archive) as hub:
        path = write_programme(archive.parent, "http://unused.example")
        source = f"{{kind: sentinelhub, base_url: '{hub.url}', token_url: '{hub.url}{TOKEN}'}}"
        path.write_text(path.read_text().replace("{kind: stac, url: http://unused.example}", source))
        plan = plan_programme(path, RunOptions(date(2022, 6, 1), tmp_path), Silent())
        cost = estimate_run(plan, tmp_path / "remote").cost
        spent = go(path, tmp_path).manifest["fetch"]
        assert len(hub.processed()) == spent["requests"] == cost.requests == 2 * SCENES
        # Six bands and SCL on 640 x 640 pixels; the looks at whole scenes are of 120 x 100 pixels, not of 256 x 256.
        tiles = SCENES * 640 * 640 / 512**2 * 7 / 3
        assert tiles < spent["processing_units"] <= cost.processing_units < 1.05 * tiles
        assert 0 < spent["bytes"] < cost.bytes


class Elsewhere(Serial):
    """Works on copies of tasks, as other processes do."""

    def map(self, function, tasks, on_done, ready=None):
        there = None if ready is None else lambda number: pickle.loads(pickle.dumps(ready(number)))
        return super().map(function, pickle.loads(pickle.dumps(tasks)), on_done, there)


def level(block, source, drainage_km2):
    """Reads the elevation of a block and makes nothing of it: what water does takes seconds."""
    assert np.isfinite(source.read_elevation(block.window)).any()
    return np.zeros((3, *block.geobox.shape), np.uint16)


def test_elevation_counts_and_is_fetched_by_the_process_that_runs_the_programme(tmp_path, hub_account, monkeypatch):
    archive = write_archive(tmp_path)
    slope = np.add.outer(np.arange(50.0), 2 * np.arange(60.0)).astype(np.float32)
    write_plane(archive / "dem.tif", slope, Affine(30, 0, WEST - 300, 0, -30, NORTH + 300), 32633, nodata=-9999)
    with SentinelHub(archive) as hub:
        source = f"{{kind: sentinelhub, base_url: '{hub.url}', token_url: '{hub.url}{TOKEN}'}}"

        def programme(fetch: str) -> Path:
            path = write_programme(tmp_path, "http://unused.example", "elevation: {source: same}", fetch)
            path.write_text(path.read_text().replace("{kind: stac, url: http://unused.example}", source))
            return path

        says = r"more are in the store, blocks of elevation: 1\), and fetch.max_processing_units is 30"
        with pytest.raises(BadInput, match=says):
            go(programme("max_processing_units: 30"), tmp_path)
        assert hub.processed() == []
        path = programme("attempts: 3")
        said = told(path, tmp_path)
        assert "  elevation to fetch: 1 block of 31 km" in said
        estimate = estimate_run(plan_programme(path, RunOptions(date(2022, 6, 1), tmp_path), Silent()), tmp_path / "no")
        monkeypatch.setattr("pipeline.runs.run.open_executor", lambda *_: nullcontext(Elsewhere()))
        monkeypatch.setattr(Block, "build", level)
        spent = go(path, tmp_path).manifest["fetch"]
        assert len(hub.processed()) == spent["requests"] == estimate.cost.requests == 2 * SCENES + 1
        # Looks as without elevation, and 2,048 x 2,048 cells of one band in 32 bits.
        looks, block = SCENES * 640 * 640 / 512**2 * 7 / 3, 2048**2 / 512**2 / 3 * 2
        assert looks + block < spent["processing_units"] <= estimate.cost.processing_units < 1.05 * looks + block
        # What is stored is not fetched again.
        assert "elevation to fetch" not in told(path, tmp_path)
