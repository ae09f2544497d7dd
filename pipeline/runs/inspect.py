"""Looks at plans and finished runs: what they hold, and whether it is still what the manifest says."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from pipeline.errors import BadInput
from pipeline.runs.manifest import MANIFEST, hash_outputs
from pipeline.runs.plan import Plan, date_counts, scene_counts
from pipeline.runs.radar import RADAR
from pipeline.runs.store import Store
from pipeline.runs.tasks import COMPOSITE, MAP
from pipeline.runs.terrain import TERRAIN
from pipeline.runs.windows import LOOKS


def plan_summary(plan: Plan) -> dict[str, Any]:
    """A plan in numbers."""
    counts, dates = scene_counts(plan), date_counts(plan)
    return {
        "programme": plan.file.config.programme,
        "as_of": plan.as_of.isoformat(),
        "source": plan.source.name,
        "model": {"name": plan.file.config.disturbance.model, "sha256": plan.model_sha256},
        "tiles": len(plan.tiles),
        "tile_periods": len(plan.work),
        "dates": {p.name: {"found": plan.found.get(p.name, 0), "kept": dates[p.name]} for p in plan.periods},
        "scenes": {period.name: counts[period.name] for period in plan.periods},
        "scenes_in_all": len(plan.scenes),
        "elevation": plan.terrain.name or None,
        "left_out": {reason: len(ids) for reason, ids in plan.left_out.items()},
        "without_a_scene": [
            {"tile": item.tile.id, "period": item.period.name} for item in plan.work if not item.looks.period
        ],
    }


def describe_plan(plan: Plan) -> str:
    """A plan in words."""
    numbers = plan_summary(plan)
    lines = [
        f"{plan.file.config.title or plan.file.config.programme}: {numbers['tiles']} tiles of 5.12 km, "
        f"{len(plan.periods)} periods, {numbers['tile_periods']} maps; source: {numbers['source']}",
        f"  model {numbers['model']['name']}, SHA-256 {numbers['model']['sha256']}",
    ]
    for period in plan.periods:
        scenes = numbers["scenes"][period.name]
        dates = numbers["dates"][period.name]
        lines.append(
            f"  {period.name:<12} {period.start} to {period.end}: {dates['found']} dates found, {dates['kept']} kept, "
            f"{scenes} scenes"
        )
    lines += [f"  left out: {count} scenes, {reason}" for reason, count in numbers["left_out"].items()]
    if plan.terrain.source:
        lines.append(f"  elevation: {plan.terrain.name}, {len(plan.terrain.blocks)} blocks of terrain")
    lines += [f"  note: {line}" for line in plan.terrain.limits]
    empty = Counter(row["period"] for row in numbers["without_a_scene"])
    lines += [f"  no scene at all: {count} tiles in {period}" for period, count in empty.items()]
    if not plan.scenes:
        lines.append("  the source has nothing for these areas and periods: check all three before a run")
    return "\n".join(lines)


def read_manifest(run_dir: Path) -> dict[str, Any]:
    """The manifest of a run's folder; raises BadInput."""
    path = run_dir / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BadInput(f"{run_dir}: no {MANIFEST} there; give a folder such as outputs/<programme>/latest") from error
    except ValueError as error:
        raise BadInput(f"{path}: not a manifest ({error}); the file was altered") from error
    parts = (
        "programme",
        "run_id",
        "as_of",
        "outcome",
        "exit_code",
        "counts",
        "failed",
        "not_observed",
        "tasks",
        "outputs",
    )
    if not isinstance(manifest, dict) or not all(part in manifest for part in parts):
        raise BadInput(f"{path}: not a manifest, or one of another version; run the programme again")
    return manifest


def describe_run(manifest: dict[str, Any]) -> str:
    """A manifest in words: outcome, counts, and each thing that is missing."""
    counts = manifest["counts"]
    tasks, scenes = counts["tile_periods"], counts["scenes"]
    lines = [
        f"{manifest['programme']} {manifest['run_id']}: {manifest['outcome']}, as of {manifest['as_of']}",
        f"  maps    {tasks['prepared']} prepared: {tasks['computed']} computed, {tasks['classified']} classified anew, "
        f"{tasks['reused']} reused, {tasks['failed']} failed, {tasks['not_observed']} without a clear look",
        f"  scenes  {scenes['used']} used, {scenes['skipped']} skipped, {scenes['rejected']} rejected, "
        f"{scenes['failed']} unreadable",
    ]
    fetch = manifest.get("fetch", {})
    if fetch.get("fetched") or fetch.get("cached") or fetch.get("failed"):
        units = f", {fetch['processing_units']:,.1f} processing units" if fetch["processing_units"] else ""
        lines.append(
            f"  reads   {fetch['fetched']} fetched, {fetch['cached']} cached, {fetch['skipped']} skipped, "
            f"{fetch['failed']} failed; {fetch['requests']} requests{units}, {fetch['bytes'] / 1e6:.1f} MB in "
            f"{fetch['seconds']:.0f} s"
        )
    if counts["rescued_looks"]:
        lines.append(
            f"  {counts['rescued_looks']} pixel looks at bright bare ground were taken back from the cloud mask"
        )
    for row in manifest["failed"]:
        place = " ".join(row[key] for key in ("tile", "period", "scene") if key in row)
        lines.append(f"  failed: {place}: {row['reason']}")
    lines += [f"  not observed: {row['tile']} {row['period']}: {row['reason']}" for row in manifest["not_observed"]]
    return "\n".join(lines)


def verify_run(run_dir: Path) -> list[str]:
    """What differs from the manifest, one line each: outputs, and stored composites and maps; empty if nothing does."""
    manifest = read_manifest(run_dir)
    now = hash_outputs(run_dir)
    then: dict[str, str] = manifest["outputs"]
    problems = [f"{name}: missing" for name in sorted(then.keys() - now.keys())]
    problems += [f"{name}: not in the manifest" for name in sorted(now.keys() - then.keys())]
    problems += [
        f"{name}: altered since the run" for name in sorted(then.keys() & now.keys()) if then[name] != now[name]
    ]
    store = Store(run_dir.resolve().parents[1] / "store")
    for row in manifest["tasks"]:
        for stage in (COMPOSITE, MAP):
            if stage in row and store.seal(stage, row[stage]) is None:
                problems.append(f"stored {stage} of {row['tile']} {row['period']}: missing or damaged")
        if "radar" in row and store.seal(RADAR, row["radar"]["statistics"]) is None:
            problems.append(f"stored radar of {row['tile']} {row['period']}: missing or damaged")
    for row in manifest.get("elevation", {}).get("blocks", ()):
        if "terrain" in row and store.seal(TERRAIN, row["terrain"]) is None:
            problems.append(f"stored terrain of {row['block']}: missing or damaged")
    for row in manifest.get("dating", {}).get("windows", ()):
        if row.get("looks") and store.seal(LOOKS, row["looks"]) is None:
            before, after = row["between"]
            problems.append(f"stored looks at {row['tile']} {before} to {after}: missing or damaged")
    return problems
