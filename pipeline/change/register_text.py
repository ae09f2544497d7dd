"""The register in words and numbers, for the command line."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pipeline.change.events import KINDS
from pipeline.change.register import Register
from pipeline.change.register_tables import register_tables


def register_summary(register: Register) -> dict[str, Any]:
    """Runs, sites by state and events by kind."""
    tables = register_tables(register)
    events = Counter(row["event"] for row in tables["events"])
    return {
        "runs": [{name: row[name] for name in ("run_id", "programme", "as_of", "newest")} for row in tables["runs"]],
        "sites": dict(sorted(Counter(row["state"] for row in tables["sites"]).items())),
        "aliases": sum(len(row["aliases"].split()) for row in tables["sites"]),
        "events": {kind: events[kind] for kind in KINDS if events[kind]},
    }


def describe_register(told: dict[str, Any]) -> str:
    """A summary in lines."""
    sites = ", ".join(f"{count} {state}" for state, count in told["sites"].items()) or "none"
    events = ", ".join(f"{count} {kind}" for kind, count in told["events"].items()) or "none"
    runs = [
        f"  run     {run['programme']} {run['run_id']}, as of {run['as_of']}{', newest' if run['newest'] else ''}"
        for run in told["runs"]
    ]
    return "\n".join([f"  sites   {sites}; {told['aliases']} other names", f"  events  {events}", *runs])


def site_summary(register: Register, name: str) -> dict[str, Any]:
    """One site with its events and its observations; raises BadInput if no site was ever called so."""
    found = register.find(name).site_id
    tables = register_tables(register)
    (site,) = (row for row in tables["sites"] if row["site_id"] == found)
    return {
        "site": {key: value for key, value in site.items() if key != "geometry"},
        "events": [
            {key: value for key, value in row.items() if key != "geometry"}
            for row in tables["events"]
            if row["site_id"] == found
        ],
        "lineage": [row for row in tables["lineage"] if found in (row["from_site"], row["to_site"])],
        "observations": [row for row in tables["observations"] if row["site_id"] == found],
    }


def describe_site(told: dict[str, Any]) -> str:
    """A site in lines: its names, its periods, its events."""
    site = told["site"]
    lines = [f"{site['site_id']}: {site['state']}, {site['status']}, confidence {site['confidence']}"]
    lines += [f"  also called {site['aliases']}"] if site["aliases"] else []
    lines += [f"  came up on ground of {site['parent']}"] if site["parent"] else []
    lines += [f"  is part of {site['merged_into']}"] if site["merged_into"] else []
    for row in told["observations"]:
        seen = row["bare_ha"] is not None
        ground = f"{row['bare_ha']:.2f} ha bare, {row['pond_ha']:.2f} ha pond" if seen else "not observed"
        lines.append(f"  {row['period']}  {ground}  ({row['observed_share']:.0%} observed, run {row['run_id']})")
    for row in told["events"]:
        between = f"{row['earliest'] or 'not known'} to {row['latest'] or 'not known'}"
        lines.append(f"  {row['event']} between {row['period_before']} and {row['period_after']} ({between})")
    lines += [
        f"  {row['event']}: {row['ground_m2'] / 10_000:.2f} ha of {row['from_site']} to {row['to_site']}"
        for row in told["lineage"]
    ]
    return "\n".join(lines)
