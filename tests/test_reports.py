"""The lines that end a run, and what a run tells its reports."""

from __future__ import annotations

from pathlib import Path

from pipeline.reports import summary
from tests.reports_run import make_result


def test_the_summary_names_the_three_files_and_what_was_found() -> None:
    text = summary(make_result(), Path("outputs/carnot/runs/x"))
    for name in ("map.html", "changes.geojson", "footprint.csv"):
        assert str(Path("outputs/carnot/runs/x") / name) in text
    assert "94.2 % of the watched ground was observed" in text
    assert "new" in text


def test_a_run_without_changes_says_where_the_ground_was_seen_and_does_not_say_that_there_is_no_mining() -> None:
    text = summary(make_result(changes=()), Path("out"))
    assert "no disturbed ground was found where the ground was seen" in text
    assert "no mining" not in text


def test_a_zone_index_counts_zones_and_skips_extents() -> None:
    result = make_result()
    flipped = make_result(areas=result.areas[::-1])
    assert flipped.zone(1).name == "Carnot"
    assert flipped.zone(0) is None
