"""Confidence: the table of docs/change.md, row by row, and that table against the code."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.change.confidence import CAPPED_SHARE, CONFIDENT_HA, CONFIDENT_LOOKS, Evidence, grade
from pipeline.config import Change

DOC = Path(__file__).resolve().parents[1] / "docs" / "change.md"
SETTINGS = Change()
# Just enough in every column of the row "highest", provisional.
ENOUGH = Evidence(area_ha=0.2, probability=0.9, looks=3, capped_share=0.49, status="provisional", sensors=("S2", "S1"))

ROWS = [
    ("highest", {}),
    ("highest", {"status": "confirmed", "probability": 0.8}),
    ("high", {"probability": 0.8}),
    ("high", {"probability": 0.8999}),
    ("low", {"probability": 0.7999}),
    ("high", {"sensors": ("S2",)}),
    ("high", {"sensors": ("S2",), "status": "confirmed", "probability": 0.8}),
    ("low", {"area_ha": 0.1999}),
    ("low", {"sensors": ("S2",), "probability": 0.8999}),
    ("low", {"status": "confirmed", "probability": 0.7999}),
    ("low", {"looks": 2}),
    ("low", {"capped_share": 0.5}),
    ("low", {"sensors": ("S1",)}),
    ("low", {"sensors": ("S1",), "probability": None}),
    ("low", {"sensors": ()}),
]


@pytest.mark.parametrize(("expected", "changed"), ROWS)
def test_each_row_of_the_table_holds_to_the_last_digit(expected: str, changed: dict) -> None:
    assert grade(replace(ENOUGH, **changed), SETTINGS) == expected


@pytest.mark.parametrize("changed", [{}, {"sensors": ("S2",)}, {"sensors": ("S2",), "looks": 1}])
def test_a_second_period_never_lowers_confidence(changed: dict) -> None:
    order = ("low", "high", "highest")
    once = replace(ENOUGH, **changed)
    assert order.index(grade(replace(once, status="confirmed"), SETTINGS)) >= order.index(grade(once, SETTINGS))


@pytest.mark.parametrize("probability", [0.79, 0.8, 0.89, 0.9])
@pytest.mark.parametrize("status", ["provisional", "confirmed"])
def test_a_second_sensor_that_agrees_never_lowers_confidence(status: str, probability: float) -> None:
    order = ("low", "high", "highest")
    both = replace(ENOUGH, status=status, probability=probability)
    assert order.index(grade(both, SETTINGS)) >= order.index(grade(replace(both, sensors=("S2",)), SETTINGS))


def test_thresholds_of_the_config_decide_over_probability() -> None:
    strict = Change(strong=0.85, isolated=0.95)
    assert grade(ENOUGH, strict) == "high"
    assert grade(replace(ENOUGH, sensors=("S2",)), strict) == "low"
    assert grade(replace(ENOUGH, status="confirmed"), strict) == "highest"


def table_rows() -> list[dict[str, str]]:
    section = DOC.read_text("utf-8").split("## 8. Confidence")[1].split("## 9.")[0]
    lines = [line.strip("| \n") for line in section.splitlines() if line.startswith("|")]
    head, _, *rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    return [dict(zip(head, row, strict=True)) for row in rows]


def test_the_table_in_the_docs_states_the_constants_of_the_code() -> None:
    highest, both, high, low = table_rows()
    stated = {
        "area, ha": f"≥ {CONFIDENT_HA}",
        "probability, confirmed": f"≥ {SETTINGS.strong}",
        "probability, provisional": f"≥ {SETTINGS.isolated}",
        "clear looks": f"≥ {CONFIDENT_LOOKS}",
        "capped share": f"< {CAPPED_SHARE}",
    }
    assert highest == {"confidence": "highest", "sensors": "S2 and S1", **stated}
    second = {**stated, "probability, provisional": f"≥ {SETTINGS.strong}"}
    assert both == {"confidence": "high", "sensors": "S2 and S1", **second}
    assert high == {"confidence": "high", "sensors": "S2", **stated}
    assert low == dict.fromkeys(low, "any") | {"confidence": "low"}


@pytest.mark.parametrize("row", [0, 1, 2, 3])
def test_evidence_that_just_meets_a_row_of_the_docs_gets_its_confidence(row: int) -> None:
    columns = table_rows()[row]

    def least(column: str, otherwise: float) -> float:
        number = re.search(r"[\d.]+", columns[column])
        return float(number[0]) if number else otherwise

    # The second row differs from the first by the provisional ones alone.
    for status in ("provisional",) if row == 1 else ("confirmed", "provisional"):
        evidence = Evidence(
            area_ha=least("area, ha", 0.0),
            probability=least(f"probability, {status}", 0.0),
            looks=int(least("clear looks", 0)),
            capped_share=least("capped share", 1.0) - 1e-9,
            status=status,
            sensors=tuple(columns["sensors"].split(" and ")) if columns["sensors"] != "any" else ("S2",),
        )
        assert grade(evidence, SETTINGS) == columns["confidence"]
