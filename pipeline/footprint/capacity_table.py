"""Capacity ranges as people and scripts read them: CSV, JSON and a plain table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from pipeline.footprint.capacity import AREA_BASES, LIMITS, TITLE, Capacity, NotComputed, Range
from pipeline.footprint.tables import rounded, write_table

_COLUMNS = (
    "title",
    "place_kind",
    "place",
    "name",
    "zones",
    "commodity",
    "route",
    "period",
    "unit",
    "p5",
    "p50",
    "p95",
    "p5_mc_error",
    "p50_mc_error",
    "p95_mc_error",
    "mean",
    "dominant_input",
    "dominant_share",
    "area_basis",
    "both_observed_share",
    "reason",
)


def _record(item: Range) -> dict[str, Any]:
    """A range as plain data, four significant digits; `shares` beside the columns of the CSV."""
    record: dict[str, Any] = {
        "title": TITLE,
        "place_kind": item.place.kind,
        "place": item.place.id,
        "name": item.name,
        "zones": list(item.zones),
        "commodity": item.commodity,
        "route": item.route,
        "period": item.period or "any year",
        "unit": item.unit,
    }
    for level, value, error in zip(("p5", "p50", "p95"), item.percentiles, item.errors, strict=True):
        record |= {level: rounded(value), f"{level}_mc_error": rounded(error, 2)}
    return record | {
        "mean": rounded(item.mean),
        "dominant_input": item.dominant or None,
        "dominant_share": round(item.shares[item.dominant], 4) if item.dominant else None,
        "variance_shares": {name: round(share, 4) for name, share in item.shares.items()},
        "area_basis": list(item.areas),
        "both_observed_share": item.observed_share,
        "reason": None,
    }


def _gap(item: NotComputed) -> dict[str, Any]:
    kind, place = item.place
    named = {"title": TITLE, "place_kind": kind, "place": place, "commodity": item.commodity, "route": item.route}
    return dict.fromkeys(_COLUMNS) | named | {"period": item.period or "any year", "reason": item.reason}


def capacity_csv(capacity: Capacity) -> str:
    """One row a range, with the title; then one row for each that is not computed, with the reason and no number."""
    records = [_record(item) for item in capacity.ranges]
    records = [r | {name: " + ".join(r[name]) for name in ("zones", "area_basis")} for r in records]
    return write_table(_COLUMNS, [*records, *(_gap(item) for item in capacity.missing)])


def capacity_json(capacity: Capacity) -> dict[str, Any]:
    """Everything behind the ranges too: settings, inputs with source and year, what a range is not."""
    settings = capacity.settings
    return {
        "title": TITLE,
        "run_id": capacity.run.run_id,
        "limits": list(LIMITS),
        "area_basis": AREA_BASES,
        "seed": settings.seed,
        "draws": settings.draws,
        "least_observed_share": settings.least_observed_share,
        "inputs_sha256": capacity.table.sha256,
        "inputs": [asdict(item) | {"place": item.place._asdict()} for item in capacity.table.inputs],
        "ranges": [{k: v for k, v in _record(i).items() if k not in ("title", "reason")} for i in capacity.ranges],
        "not_computed": [
            {k: v for k, v in _gap(i).items() if v is not None and k != "title"} for i in capacity.missing
        ],
        "notes": list(capacity.notes),
    }


def capacity_text(capacity: Capacity) -> str:
    """A plain table under the title, then what was not computed and what a range is not."""
    settings = capacity.settings
    lines = [f"{TITLE}: run {capacity.run.run_id}, {settings.draws} draws, seed {settings.seed}"]
    if capacity.ranges:
        header = ("place", "what", "route", "period", "unit", "P5", "P50", "P95", "±", "dominant input")
        lines += _columns([header, *(_line(item) for item in capacity.ranges)], right=range(5, 9))
        lines.append("  ±: the larger Monte Carlo error of the three, in percent")
    bases = sorted({basis for item in capacity.ranges for basis in item.areas})
    lines += [f"  area {basis}: {AREA_BASES[basis]}" for basis in bases]
    for item in capacity.ranges:
        absent = [zone for zone in capacity.run.zones_of(item.place) if zone not in item.zones]
        if item.place.kind != "zone" and item.zones and absent:
            lines.append(f"  {item.place}, {item.route}, {item.period or 'any year'}: without {', '.join(absent)}")
    lines += [f"  not computed: {text}" for text in _gaps(capacity.missing)]
    lines += [f"  note: {note}" for note in capacity.notes]
    return "\n".join([*lines, *(f"  {limit}" for limit in LIMITS)])


def _line(item: Range) -> tuple[str, ...]:
    errors = [error / value for error, value in zip(item.errors, item.percentiles, strict=True) if value]
    return (
        str(item.place),
        item.commodity,
        f"{item.route}, {' + '.join(item.areas)}" if item.areas else item.route,
        item.period or "any year",
        item.unit,
        *(plain(value) for value in item.percentiles),
        f"{100 * max(errors):.1f} %" if errors else "",
        f"{item.dominant} {100 * item.shares[item.dominant]:.0f} %" if item.dominant else "nothing varies",
    )


def _gaps(missing: Sequence[NotComputed]) -> Iterable[str]:
    """One line for all places and periods that share a reason."""
    grouped: dict[tuple[str, str, str], list[NotComputed]] = {}
    for item in missing:
        grouped.setdefault((item.commodity, item.route, item.reason), []).append(item)
    for (commodity, route, reason), items in grouped.items():
        places = ", ".join(dict.fromkeys(str(item.place) for item in items))
        periods = ", ".join(dict.fromkeys(item.period for item in items if item.period))
        yield f"{commodity}, {route}: {places}{f' ({periods})' if periods else ''}: {reason}"


def plain(value: float) -> str:
    """A number with three significant digits, no exponent."""
    short = rounded(value, 3)
    return f"{short:,.0f}" if abs(short) >= 100 or short == 0 else f"{short:.12g}"


def _columns(rows: Sequence[Sequence[str]], right: Iterable[int]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    aligned = set(right)
    return [
        "  "
        + "  ".join(
            c.rjust(w) if i in aligned else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
