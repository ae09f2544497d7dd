"""Judgements on declared figures as people and scripts read them: CSV, JSON and plain lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pipeline.footprint.capacity_inputs import UNITS
from pipeline.footprint.declared import Declared
from pipeline.footprint.flags import CODES, FLAG, NOT_JUDGED, Judgement, Rules
from pipeline.footprint.ground import RunGround
from pipeline.footprint.tables import rounded, write_table

TITLE = "Declared figures: what to look into, not findings"
_COLUMNS = (
    "place_kind",
    "place",
    "name",
    "start",
    "end",
    "commodity",
    "type",
    "flow",
    "check",
    "route",
    "verdict",
    "code",
    "declared",
    "unit",
    "score",
    "text",
    "what_it_is",
    "what_it_is_not",
)


def _record(item: Judgement, run: RunGround) -> dict[str, Any]:
    series = item.series
    is_text, is_not = CODES.get(item.code, (None, None))
    return {
        "place_kind": series.place.kind,
        "place": series.place.id,
        "name": run.name_of(series.place),
        "start": item.start.isoformat(),
        "end": item.end.isoformat(),
        "commodity": series.commodity or None,
        "type": series.type or None,
        "flow": series.flow or None,
        "check": item.check,
        "route": item.route or None,
        "verdict": item.verdict,
        "code": item.code or None,
        "declared": None if item.value is None else rounded(item.value, 12),
        "unit": UNITS.get(series.commodity),
        "score": None if item.score is None else round(item.score, 2),
        "text": item.text,
        "what_it_is": is_text,
        "what_it_is_not": is_not,
    }


def flags_csv(judgements: Sequence[Judgement], run: RunGround) -> str:
    """One row a check, flagged or not, with its reason."""
    return write_table(_COLUMNS, [_record(item, run) for item in judgements])


def flags_json(judgements: Sequence[Judgement], run: RunGround, declared: Declared, rules: Rules) -> dict[str, Any]:
    """All checks, the rules they follow, what each flag is and is not, and every declaration with its source."""
    records = [_record(item, run) for item in judgements]
    return {
        "title": TITLE,
        "run_id": run.run_id,
        "least_observed_share": rules.least_observed_share,
        "least_disturbed_ha": rules.least_disturbed_ha,
        "codes": {code: {"what_it_is": one, "what_it_is_not": other} for code, (one, other) in CODES.items()},
        "declared_sha256": declared.sha256,
        "declared": [
            {
                "place": row.series.place._asdict(),
                "commodity": row.series.commodity,
                "type": row.series.type,
                "flow": row.series.flow,
                "start": row.start.isoformat(),
                "end": row.end.isoformat(),
                "value": rounded(row.value, 12),
                "unit": row.unit,
                "source": row.source,
            }
            for row in declared.rows
        ],
        "judgements": [
            {k: v for k, v in record.items() if v is not None and not k.startswith("what_")} for record in records
        ],
    }


def flags_text(judgements: Sequence[Judgement]) -> str:
    """Each flag in two lines, what the codes met mean, and how many checks could not be made and why."""
    flags = [item for item in judgements if item.verdict == FLAG]
    lines = [f"{TITLE}: {len(flags)} flagged of {len(judgements)} checks"]
    for item in flags:
        series = item.series
        what = " ".join(part for part in (series.commodity, series.type, series.flow, item.route) if part)
        lines.append(f"  {item.code}: {series.place}, {item.start} to {item.end}{f', {what}' if what else ''}")
        lines.append(f"    {item.text}")
    for code in dict.fromkeys(item.code for item in flags):
        lines += [f"  {code} means: {CODES[code][0]}", f"    {CODES[code][1]}"]
    reasons = Counter(f"{item.check}: {item.text}" for item in judgements if item.verdict == NOT_JUDGED)
    lines += [f"  not judged ({count}): {reason}" for reason, count in reasons.items()]
    return "\n".join(lines)
