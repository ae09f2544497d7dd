"""An estimate as JSON, as CSV and as a plain table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

from pipeline.footprint.estimation import FEW
from pipeline.footprint.reference import NO_LABEL

TITLES = {
    "workings": "workings",
    "other": "other ground",
    "new": "new workings",
    "stable": "workings at both dates",
    "recovered": "recovered",
    "none": "no workings at either date",
}
_MAX_NAMED = 20

_COLUMNS = (
    "kind",
    "zone_id",
    "class",
    "target_ha",
    "mapped_ha",
    "estimate_ha",
    "se_ha",
    "low_ha",
    "high_ha",
    "rests_on_few_points",
    "if_none_without_label_ha",
    "if_all_without_label_ha",
    "without_hit_up_to_ha",
    "users_accuracy",
    "users_se",
    "producers_accuracy",
    "producers_se",
)


def estimates_json(result: Mapping[str, Any]) -> str:
    """The estimate as indented JSON."""
    return json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def estimates_csv(result: Mapping[str, Any]) -> str:
    """One line for each kind, class and zone ("total" for all ground); CSV (RFC 4180, LF line ends)."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for kind in ("status", "change"):
        for row in result.get(kind, {}).get("classes", ()):
            told = {"kind": kind, "zone_id": "total", "target_ha": result["target_ha"], **row}
            told["without_hit_up_to_ha"] = round(sum(row["without_hit_up_to_ha"].values()), 4)
            for name in ("users", "producers"):
                figures = row[f"{name}_accuracy"] or {"estimate": None, "se": None}
                told |= {f"{name}_accuracy": figures["estimate"], f"{name}_se": figures["se"]}
            writer.writerow(_printed(told))
        for row in result.get(kind, {}).get("zones", ()):
            writer.writerow(_printed({"kind": kind, **row}))
    return text.getvalue()


def _printed(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: "" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)
        for name, value in row.items()
    }


def estimates_text(result: Mapping[str, Any]) -> str:
    """The estimate as a plain table, with what it is and what it is not."""
    before, after = result["period_before"], result["period_after"]
    sample, reference = result["sample"], result["reference"]
    lines = [
        f"{result['title']}: {result['programme']} {result['run_id']}",
        f"  {sample['points']} points, {reference['labels']} labels by {', '.join(reference['interpreters'])}; "
        f"{result['target_ha']:,.1f} ha estimated of",
    ]
    lines += [f"  left out: {reason}, {ha:,.1f} ha" for reason, ha in result["left_out_ha"].items() if ha]
    for kind in ("status", "change"):
        if kind in result:
            span = after["name"] if kind == "status" or before is None else f"{before['name']} to {after['name']}"
            lines += ["", *_table(result[kind], f"{kind}, {span}")]
    return "\n".join([*lines, "", *(f"  {limit}" for limit in result["limits"])])


def _table(part: Mapping[str, Any], title: str) -> list[str]:
    lines = [
        f"{title:<30}{'mapped ha':>12}{'estimated ha':>14}{'± 95 %':>12}{'from':>12}{'to':>12}   user's    producer's"
    ]
    for row in part["classes"]:
        accuracies = [
            f"{figures['estimate']:.2f} ± {1.96 * figures['se']:.2f}" if figures else "-"
            for figures in (row["users_accuracy"], row["producers_accuracy"])
        ]
        lines.append(
            f"  {TITLES[row['class']]:<28}{row['mapped_ha']:>12,.1f}{row['estimate_ha']:>14,.1f}"
            f"{1.96 * row['se_ha']:>12,.1f}{row['low_ha']:>12,.1f}{row['high_ha']:>12,.1f}   "
            f"{accuracies[0]:<12}{accuracies[1]}"
        )
    overall = part["overall_accuracy"]
    lines.append(f"  overall accuracy {overall['estimate']:.3f} ± {1.96 * overall['se']:.3f}")
    for row in part["classes"][:-1]:
        if row["rests_on_few_points"]:
            lines.append(
                f"  {TITLES[row['class']]}: the interval is too short: it rests on fewer than {FEW} points that differ "
                "from the rest of their stratum, or leaves out more than it is wide. Label more points"
            )
        if row["without_hit_up_to_ha"]:
            each = ", ".join(f"{name} {ha:,.1f}" for name, ha in row["without_hit_up_to_ha"].items())
            lines.append(
                f"  {TITLES[row['class']]}: none found in some strata, which may yet hold up to (95 %, each) {each} ha"
            )
    used, drawn = (sum(row[key] for row in part["response"].values()) for key in ("used", "drawn"))
    if used < drawn:
        reasons = {
            reason: sum(row[reason.replace(" ", "_")] for row in part["response"].values()) for reason in NO_LABEL
        }
        told = ", ".join(f"{count} {reason}" for reason, count in reasons.items() if count)
        lines.append(f"  {drawn - used} of {drawn} points without a label ({told}); if none, or all, of them were")
        lines += [
            f"    {TITLES[row['class']]}: {row['if_none_without_label_ha']:,.1f} to "
            f"{row['if_all_without_label_ha']:,.1f} ha"
            for row in part["classes"]
        ]
    agreed = part["agreement"]
    if agreed["points_with_two_sure_labels"]:
        by_class = "; ".join(
            f"{TITLES[name]} {row['agreed']} of {row['named']}" for name, row in agreed["by_class"].items()
        )
        lines.append(
            f"  interpreters agree on {agreed['agreed']} of {agreed['points_with_two_sure_labels']} points ({by_class})"
        )
        disputes = [
            f"    in dispute: {name}: " + ", ".join(f"{who} {vote}" for who, vote in votes.items())
            for name, votes in agreed["disputes"].items()
        ]
        lines += disputes[:_MAX_NAMED]
        if len(disputes) > _MAX_NAMED:
            lines.append(f"    and {len(disputes) - _MAX_NAMED} more in dispute: all are in the JSON file")
    for row in part["zones"]:
        what = f"  zone {row['zone_id']}, {TITLES[row['class']]}: "
        if row["estimate_ha"] is None:
            lines.append(
                f"{what}no point of {row['points']} hit; up to {row['without_hit_up_to_ha']:,.1f} ha are not ruled out"
            )
        else:
            lines.append(
                f"{what}{row['estimate_ha']:,.1f} ± {1.96 * row['se_ha']:,.1f} ha "
                f"({row['hits']} of {row['points']} points"
                f"{', too few: ± is too short' if row['rests_on_few_points'] else ''})"
            )
    return lines
