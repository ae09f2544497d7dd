"""The lines that end a run, and what a run tells its reports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pipeline.footprint import Footprint
from pipeline.reports import RunResult, summary
from pipeline.reports.map import map_html
from tests.reports_run import AFTER, make_result


def test_the_summary_names_the_files_and_what_was_found() -> None:
    text = summary(make_result(), Path("outputs/carnot/runs/x"))
    for name in ("map.html", "report.html", "changes.geojson", "footprint.csv"):
        assert str(Path("outputs/carnot/runs/x") / name) in text
    assert "94.2 % of the watched ground was observed in 2021-dry, 91.0 % in both periods" in text
    assert "new" in text


def with_disturbed(hectares: float | None, share: float = 0.929, **changed: object) -> RunResult:
    result = make_result(changes=(), **changed)
    *others, total = result.footprint.rows
    row = replace(total, disturbed_ha=hectares, observed_share=share)
    return replace(result, footprint=Footprint((*others, row)))


def test_a_run_that_finds_nothing_says_where_and_does_not_say_that_there_is_no_mining() -> None:
    for text in (summary(with_disturbed(0.0), Path("out")), map_html(with_disturbed(0.0))):
        assert "No disturbed ground was found where the ground was seen." in text
        assert "no mining" not in text.replace("does not mean no mining", "")


def test_a_run_that_saw_nothing_finds_nothing_and_says_why() -> None:
    for text in (summary(with_disturbed(None, 0.0), Path("out")), map_html(with_disturbed(None, 0.0))):
        assert "None of the watched ground was observed in 2021-dry: nothing can be told of it." in text
        assert "No disturbed ground" not in text


def test_disturbed_ground_that_did_not_change_is_not_told_as_none() -> None:
    for text in (summary(with_disturbed(16.4), Path("out")), map_html(with_disturbed(16.4))):
        text = text.replace("\u00a0", " ")
        assert "No change was found where the ground was seen in both periods; 16.4 ha of disturbed ground are" in text
        assert "No disturbed ground" not in text


def test_one_period_has_nothing_to_compare_with_and_says_what_is_disturbed() -> None:
    result = with_disturbed(16.4, periods=(AFTER,))
    for text in (summary(result, Path("out")), map_html(result)):
        text = text.replace("\u00a0", " ")
        assert "16.4 ha of disturbed ground are on the map of 2021-dry; with one period there is nothing" in text


def test_a_zone_index_counts_zones_and_skips_extents() -> None:
    result = make_result()
    flipped = make_result(areas=result.areas[::-1])
    assert flipped.zone(1).name == "Carnot"
    assert flipped.zone(0) is None
