"""`placerwatch cache`: what stores hold by stage, and what goes when."""

from __future__ import annotations

import json
import os
import time

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import BadInput
from pipeline.runs.pruning import prune, sizes, stored, stores_below
from pipeline.runs.store import Store

DAY = 86_400
NOW = 1_800_000_000.0


def key(number: int) -> str:
    return f"{number:02x}" * 32


def put(store: Store, stage: str, number: int, size: int, age_days: float) -> None:
    store.put(stage, key(number), bytes(size), ".tif", {})
    for suffix in (".tif", ".json"):
        path = store.root / stage / key(number)[:2] / f"{key(number)}{suffix}"
        os.utime(path, (NOW - age_days * DAY,) * 2)


@pytest.fixture
def outputs(tmp_path):
    """Two programmes; the newest run of the first names its map 1 and a window's looks 2."""
    store = Store(tmp_path / "outputs" / "west" / "store")
    put(store, "map", 1, 1000, 90)
    put(store, "looks", 2, 500, 90)
    put(store, "scenes", 3, 5000, 40)
    put(store, "scenes", 4, 6000, 3)
    put(Store(tmp_path / "outputs" / "east" / "store"), "scenes", 5, 7000, 10)
    run = tmp_path / "outputs" / "west" / "runs" / "a"
    run.mkdir(parents=True)
    parts = ("programme", "run_id", "as_of", "outcome", "exit_code", "counts", "failed", "not_observed", "outputs")
    manifest = {**dict.fromkeys(parts, ""), "tasks": [{"map": key(1)}], "dating": {"windows": [{"looks": key(2)}]}}
    (run / "run.json").write_text(json.dumps(manifest))
    (tmp_path / "outputs" / "west" / "latest").symlink_to("runs/a")
    return tmp_path / "outputs"


def left(outputs) -> set[int]:
    return {int(kept.key[:2], 16) for kept in stored(stores_below(outputs))}


def test_sizes_are_told_by_stage_for_one_programme_and_for_all(outputs):
    seal = 90  # bytes at least: a SHA-256 and the suffix
    total = sizes(stored(stores_below(outputs)))
    assert list(total) == ["scenes", "map", "looks"]
    assert 18_000 + 3 * seal <= total["scenes"] < 18_600
    assert sizes(stored(stores_below(outputs / "east"))).keys() == {"scenes"}


def test_what_is_older_goes_unless_the_newest_run_names_it(outputs):
    went = prune(stores_below(outputs), older_than_days=30, now=NOW)
    assert left(outputs) == {1, 2, 4, 5}
    assert (went.results, went.named, set(went.gone)) == (1, 2, {"scenes"})
    went = prune(stores_below(outputs), older_than_days=30, also_named=True, now=NOW)
    assert left(outputs) == {4, 5}
    assert went.named == 0


def test_the_longest_unused_go_until_the_rest_fits(outputs):
    prune(stores_below(outputs), max_bytes=15_500, now=NOW)
    assert left(outputs) == {1, 2, 4, 5}
    prune(stores_below(outputs), max_bytes=9_000, now=NOW)
    assert left(outputs) == {1, 2, 4}


def test_nothing_goes_that_is_not_asked_for(outputs):
    assert prune(stores_below(outputs), max_bytes=10**9, older_than_days=1000, now=NOW).results == 0
    with pytest.raises(BadInput, match="say what may go"):
        prune(stores_below(outputs))


def test_use_counts_and_not_age(outputs):
    store = Store(outputs / "west" / "store")
    assert store.seal("scenes", key(3)) is not None
    prune(stores_below(outputs), older_than_days=30, now=time.time())
    assert 3 in left(outputs)


def test_nothing_beside_the_store_and_nothing_strange_in_it_is_touched(outputs, tmp_path):
    shelf = outputs / "west" / "store" / "scenes" / key(3)[:2]
    outside = tmp_path / "precious" / f"{key(3)}.json"
    outside.parent.mkdir()
    outside.write_text("mine")
    (shelf / f"{key(3)[:2]}{key(9)[2:]}.tif").symlink_to(outside)
    (shelf / "notes.txt").write_text("mine")
    (outputs / "west" / "store" / "scenes" / "zz").symlink_to(outside.parent)
    (outputs / "west" / "store" / "linked").symlink_to(outside.parent)
    part = shelf / ".part-abc"
    part.write_text("half")
    os.utime(part, (NOW - 2 * DAY,) * 2)
    prune(stores_below(outputs), older_than_days=0, also_named=True, now=NOW)
    assert outside.read_text() == "mine"
    assert (shelf / "notes.txt").read_text() == "mine"
    assert not part.exists()
    assert left(outputs) == set()
    assert (outputs / "west" / "runs" / "a" / "run.json").exists()


def test_the_commands_tell_what_is_there_and_what_went(outputs):
    def told(*words: str) -> str:
        result = CliRunner().invoke(app, ["cache", *words, str(outputs)], catch_exceptions=False)
        assert result.exit_code == 0
        return result.stdout

    assert json.loads(told("size", "--json"))["stages"].keys() == {"scenes", "map", "looks"}
    assert "scenes" in told("size")
    gone = json.loads(told("prune", "--max-gb", "0", "--json"))
    assert (gone["results"], gone["kept_for_runs"]) == (3, 2)
    last = told("prune", "--max-gb", "0")
    assert "deleted 0 results, 0.000 GB" in last
    assert "2 results of the newest runs were kept; --all deletes them, too" in last
    assert "deleted 2 results" in told("prune", "--max-gb", "0", "--all")


def test_a_folder_without_a_store_is_bad_input(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(BadInput):
            stores_below(folder)
