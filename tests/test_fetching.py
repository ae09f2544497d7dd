"""A programme over the internet: nothing is fetched twice, faults are told, and a refusal stops the run."""

from __future__ import annotations

import io
import threading
import time

import pytest
from rich.console import Console

from pipeline.errors import AccessRefused
from pipeline.runs import describe_run
from pipeline.runs.progress import Lines
from tests.faulty_server import serving
from tests.remote_programme import AFTER, BEFORE, go, write_archive, write_programme

SCENES = len(BEFORE + AFTER)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return write_archive(tmp_path_factory.mktemp("remote"))


@pytest.fixture(scope="module")
def home(archive):
    return archive.parent


@pytest.fixture(scope="module")
def clean(archive, home):
    """A run without faults, what the server was asked for it, and the server, which stays."""
    with serving(archive, latency_s=0.02) as server:
        finished = go(write_programme(home, server.url), home / "clean")
        yield finished, server.files_asked, server


def test_a_run_tells_what_it_fetched(clean):
    finished, asked, _ = clean
    fetch = finished.manifest["fetch"]
    assert finished.exit_code == 0
    assert (fetch["fetched"], fetch["cached"], fetch["failed"]) == (2 * SCENES, 0, 0)
    assert fetch["requests"] == sum(asked.values())
    assert fetch["bytes"] > 100_000
    assert fetch["seconds"] > 0
    assert fetch["computing"]["tasks"] == 2
    assert f"{2 * SCENES} fetched, 0 cached, 0 skipped, 0 failed" in describe_run(finished.manifest)


def test_nothing_is_asked_twice_and_several_things_at_once(clean):
    _, asked, server = clean
    assert max(asked.values()) == 1
    assert server.most_in_hand >= 2


def test_other_settings_another_model_and_other_code_fetch_no_pixel(clean, home, monkeypatch):
    _, asked, server = clean
    for extra, reused in (
        ("change: {strong: 0.85}", 0),
        ("imagery: {cloud_dilation_m: 160}", SCENES),
        ("imagery: {min_clear_looks: 2, season_days: 0}", SCENES),
    ):
        finished = go(write_programme(home, server.url, extra), home / "clean")
        assert not finished.nothing_new
        assert (finished.manifest["fetch"]["fetched"], finished.manifest["fetch"]["cached"]) == (0, reused)
    path = write_programme(home, server.url)
    path.write_text(path.read_text().replace("model: trees", "model: default"))
    assert not go(path, home / "clean").nothing_new
    monkeypatch.setattr("pipeline.runs.keys.code_version", lambda *rooms: "new code")
    finished = go(write_programme(home, server.url), home / "clean")
    assert finished.manifest["fetch"]["cached"] == 2 * SCENES
    assert server.files_asked == asked


@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_every_executor_fetches_the_same_and_gives_the_same_bytes(clean, archive, home, tmp_path, executor):
    with serving(archive) as server:
        finished = go(write_programme(home, server.url), tmp_path, executor=executor)
        assert finished.manifest["outputs"] == clean[0].manifest["outputs"]
        told = {name: finished.manifest["fetch"][name] for name in ("fetched", "cached", "failed", "requests", "bytes")}
        assert told == {name: clean[0].manifest["fetch"][name] for name in told}
        assert sum(server.files_asked.values()) == told["requests"]


def test_a_scene_that_cannot_be_fetched_is_named_and_tried_no_more_than_stated(archive, home, tmp_path):
    def fault(asked: str, before: int) -> str | None:
        return "503" if f"S2A_{AFTER[1]}/B11" in asked else None

    with serving(archive, fault) as server:
        path = write_programme(home, server.url, fetch="attempts: 3, longest_wait_s: 0")
        finished = go(path, tmp_path)
        assert finished.exit_code == 3
        reasons = {row["scene"]: row["reason"] for row in finished.manifest["failed"]}
        assert list(reasons) == [f"S2A_{AFTER[1]}"]
        assert "B11.tif cannot be read (asked 3 times, at last: HTTP 503)" in next(iter(reasons.values()))
        assert max(server.files_asked.values()) == 3
        assert finished.manifest["fetch"]["failed"] == 1
        server.faults = lambda *_: None
        again = go(path, tmp_path)
        assert again.exit_code == 0
        assert again.manifest["fetch"]["fetched"] == 1


@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_a_refused_account_ends_the_run_at_once_and_the_next_goes_on_from_there(
    clean, archive, home, tmp_path, executor
):
    def fault(asked: str, before: int) -> str | None:
        return "403" if f"S2A_{AFTER[0]}/B03" in asked else None

    with serving(archive, fault) as server:
        path = write_programme(home, server.url, fetch="in_flight: 1")
        with pytest.raises(
            AccessRefused, match=r"HTTP 403.; check the credentials .* run again: what was read is kept"
        ):
            go(path, tmp_path, executor=executor)
        assert not (tmp_path / "remote" / "runs").exists()
        assert sum(n for what, n in server.asked.items() if "B03" in what and AFTER[0] in what) == 1
        assert not any(AFTER[2] in what and "B03" in what for what in server.asked)
        before = server.files_asked
        server.faults = lambda *_: None
        finished = go(path, tmp_path, executor=executor)
        assert finished.manifest["outputs"] == clean[0].manifest["outputs"]
        again = {what for what, n in server.files_asked.items() if before[what] and n > before[what]}
        assert any(AFTER[0] in what for what in again)
        assert not any(day in what for day in BEFORE for what in again)


def test_a_refusal_does_not_wait_for_what_others_are_told_to_wait(archive, home, tmp_path):
    waiting = threading.Event()

    def fault(asked: str, before: int) -> str | None:
        if ".tif" not in asked:
            return None
        if BEFORE[1] not in asked:
            waiting.set()
            return "503"
        waiting.wait(10)
        time.sleep(0.2)  # until the answer has come and is heeded
        return "403"

    with serving(archive, fault, retry_after="60") as server:
        path = write_programme(home, server.url, fetch="attempts: 2, in_flight: 4")
        with pytest.raises(AccessRefused):
            go(path, tmp_path)
        mine = [thread for thread in threading.enumerate() if thread.name.startswith("fetch")]
        for thread in mine:
            thread.join(10)
        assert [thread.name for thread in mine if thread.is_alive()] == []
        assert all(n == 1 for n in server.files_asked.values())


def test_a_log_tells_fetched_cached_skipped_and_failed(archive, home, tmp_path):
    words = io.StringIO()
    with serving(archive) as server:
        path = write_programme(home, server.url, "imagery: {max_scenes: 2}")
        go(path, tmp_path, reporter=Lines(Console(file=words, width=200)))
    lines = words.getvalue().splitlines()
    assert any(line.startswith("maps: 2/2; ") and "fetched, 0 cached, 2 skipped, 0 failed" in line for line in lines)
