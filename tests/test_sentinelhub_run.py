"""Whole runs from Sentinel Hub: the same changes as from the folder behind it, also when it breaks; no secret told."""

from __future__ import annotations

import json
import logging
import os
from datetime import date
from pathlib import Path

import pytest
from odc.geo.geobox import GeoBox

from pipeline import config
from pipeline.config import Fetch
from pipeline.config_file import read_config
from pipeline.errors import AccessRefused, BadInput
from pipeline.imagery.sentinelhub import SentinelHubSource
from pipeline.runs import RunOptions, describe_run, run_programme, verify_run
from pipeline.runs.execute import open_executor
from pipeline.runs.plan import NAMED_SOURCES, with_source
from tests import test_run
from tests.conftest import isolate_account
from tests.scenes import write_area
from tests.sentinelhub_server import CLIENT_ID, CLIENT_SECRET, SEARCH, TOKEN, Faults, SentinelHub

ATTEMPTS = 4
# The only members of changes.geojson that tell where the imagery came from: a run is named by the hash of its inputs.
PROVENANCE = {"run_id"}


def from_hub(programme: Path, hub: SentinelHub, **more: str) -> Path:
    """The same programme, its imagery from the server."""
    text = programme.read_text()
    source = f"{{kind: sentinelhub, base_url: '{hub.url}', token_url: '{hub.url}{TOKEN}'}}"
    assert "{kind: folder, path: archive}" in text
    text = text.replace("{kind: folder, path: archive}", source)
    programme.write_text(text + f"fetch: {{attempts: {ATTEMPTS}, longest_wait_s: 0}}\n")
    return programme


def report_of(finished) -> dict:
    return json.loads((finished.folder / "changes.geojson").read_text())


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    with pytest.MonkeyPatch.context() as monkeypatch:
        isolate_account(monkeypatch, tmp_path_factory.mktemp("home"))
        yield monkeypatch


@pytest.fixture(scope="module")
def seam(tmp_path_factory):
    """The two-season archive with its run from the folder."""
    folder = tmp_path_factory.mktemp("seam")
    test_run.make_archive(folder)
    return folder / "archive", test_run.go(test_run.make_programme(folder))


@pytest.fixture(scope="module")
def through_hub(account, seam, tmp_path_factory):
    """The same programme from the server: the run, the server, and all that was logged."""
    folder = tmp_path_factory.mktemp("hub")
    said: list[str] = []
    handler = logging.Handler(logging.DEBUG)
    handler.emit = lambda record: said.append(record.getMessage())
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with SentinelHub(seam[0]) as hub:
            finished = test_run.go(from_hub(test_run.make_programme(folder), hub))
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    return finished, hub, said


def test_the_changes_are_those_from_the_folder(seam, through_hub):
    here, there = report_of(seam[1]), report_of(through_hub[0])
    assert there["features"] == here["features"]
    assert len(here["features"]) == 2
    differ = {key for key in here.keys() | there.keys() if here.get(key) != there.get(key)}
    assert differ <= PROVENANCE
    assert through_hub[0].exit_code == 0, describe_run(through_hub[0].manifest)
    assert verify_run(through_hub[0].folder) == []


def test_the_manifest_names_the_source_and_why_there_is_no_offset(through_hub):
    inputs = through_hub[0].manifest["inputs"]
    assert inputs["source"] == "sentinelhub"
    assert {scene["id"] for scene in inputs["scenes"]} == {f"S2A_{day}" for day in test_run.BEFORE + test_run.AFTER}
    assert {scene["offset_reason"] for scene in inputs["scenes"]} == {
        "Sentinel Hub took the offset out (harmonizeValues)"
    }


def test_no_secret_and_no_token_is_in_any_output_or_log(through_hub):
    finished, hub, said = through_hub
    home = finished.folder.parents[3]
    files = [path for path in home.rglob("*") if path.is_file()]
    assert any(path.name == "run.json" for path in files)
    assert any("http" in line for line in said)
    for value in (CLIENT_SECRET, CLIENT_ID, *hub.tokens):
        assert not [path.name for path in files if value.encode() in path.read_bytes()]
        assert not [line for line in said if value in line]


def test_the_config_as_given_stands_in_the_manifest_because_it_can_hold_no_secret(through_hub, tmp_path):
    manifest = through_hub[0].manifest["config"]
    assert "kind: sentinelhub" in manifest["given"]
    assert not [key for key in manifest["validated"]["source"] if "secret" in key or "client" in key]
    path = test_run.make_programme(tmp_path, f"client_secret: {CLIENT_SECRET}")
    with pytest.raises(BadInput) as caught:
        test_run.go(path)
    assert CLIENT_SECRET not in str(caught.value)
    assert not (tmp_path / "out").exists()


def read_in_worker(source) -> int:
    """The process that read something."""
    (scene, *_) = source.find((-180.0, -90.0, 180.0, 90.0), date(2020, 1, 1), date(2023, 1, 1)).scenes
    west, north = test_run.WEST + 30, test_run.NORTH - 50
    window = GeoBox.from_bbox((west, north - 40, west + 70, north), crs="EPSG:32633", shape=(4, 7))
    assert source.read(scene, ("B02", "B08"), window).all()
    return os.getpid()


def test_dask_workers_find_the_account_and_share_one_token_each(account, seam):
    with SentinelHub(seam[0]) as hub:
        source = SentinelHubSource(hub.settings(), Fetch())
        with open_executor("processes", 1, None) as executor:
            answers = executor.map(read_in_worker, [source] * 3, lambda: None)
        assert len(set(answers)) == 1
        assert answers[0] != os.getpid()
        assert hub.served[TOKEN] == 1


def test_a_server_that_breaks_gives_the_same_changes(account, seam, through_hub, tmp_path):
    with SentinelHub(seam[0], Faults.seeded(5, share=0.4, most=ATTEMPTS - 1)) as hub:
        finished = test_run.go(from_hub(test_run.make_programme(tmp_path), hub), executor="threads", workers=2)
        assert sum(hub.struck.values()) > 10
        assert max(hub.asked[key] for key in hub.asked if key[1] == SEARCH) <= ATTEMPTS
    assert finished.exit_code == 0, describe_run(finished.manifest)
    assert report_of(finished)["features"] == report_of(through_hub[0])["features"]


def test_a_scene_that_never_comes_is_named_with_the_reason_and_the_next_run_mends_it(account, seam, tmp_path):
    with SentinelHub(seam[0]) as hub:
        path = from_hub(test_run.make_programme(tmp_path), hub)
        # Within one tile: the rest of the ground adds nothing but time.
        write_area(
            tmp_path / "area.geojson", test_run.WEST + 100, test_run.SEAM_N + 100, test_run.SEAM_E - 100, test_run.NORTH
        )
        day = test_run.AFTER[1]
        # The overview comes; reads of all bands do not.
        hub.faults = Faults.whenever("503", lambda path, body: day.encode() in body and b"B03" in body)
        broken = test_run.go(path)
        assert broken.exit_code == 3
        assert {row["scene"] for row in broken.manifest["failed"]} == {f"S2A_{day}"}
        for row in broken.manifest["failed"]:
            assert (
                f"was asked {ATTEMPTS} times and gave no usable answer; the last: HTTP 503 overloaded" in row["reason"]
            )
        assert max(hub.asked.values()) <= ATTEMPTS
        hub.faults = Faults()
        mended = test_run.go(path)
        assert (mended.exit_code, mended.manifest["failed"]) == (0, [])


def test_an_account_that_is_refused_ends_the_run_before_any_work(account, seam, tmp_path):
    with SentinelHub(seam[0], Faults({SEARCH: ["quota"]})) as hub, pytest.raises(AccessRefused, match="used up"):
        test_run.go(from_hub(test_run.make_programme(tmp_path), hub))


# --- names on the command line


def test_sources_are_known_by_name(tmp_path):
    (tmp_path / "archive").mkdir()
    file = read_config(test_run.make_programme(tmp_path))
    assert with_source(file, "sentinelhub-cdse").config.source == config.SentinelHubSource(kind="sentinelhub")
    assert with_source(file, "sentinelhub").config.source.deployment == "commercial"
    assert with_source(file, "earth-search").config.source.kind == "stac"
    with pytest.raises(BadInput, match=f"expected {', '.join(NAMED_SOURCES)}, or a folder that exists"):
        with_source(file, "nowhere")


def test_a_named_source_without_an_account_says_what_to_set(account, tmp_path):
    (tmp_path / "archive").mkdir()
    options = RunOptions(as_of=date(2022, 6, 1), out=tmp_path / "out", source="sentinelhub-cdse")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.delenv("SH_CLIENT_SECRET")
        with pytest.raises(AccessRefused, match="set SH_CLIENT_ID and SH_CLIENT_SECRET"):
            run_programme(test_run.make_programme(tmp_path), options)
