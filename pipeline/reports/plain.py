"""The lines that end a run on a terminal."""

from __future__ import annotations

from pathlib import Path

from pipeline.reports.geojson import state_totals
from pipeline.reports.language import ENGLISH, Language
from pipeline.reports.result import RunResult
from pipeline.reports.wording import without_changes


def summary(result: RunResult, folder: Path) -> str:
    """What was found, how much was seen, and where map, dossier, change report and footprint table are."""
    span = result.after.name if result.before is None else f"{result.before.name} to {result.after.name}"
    lines = [f"{result.heading}: {span}, as of {result.as_of}"]
    for state, total in state_totals(result.changes).items():
        if total["sites"]:
            noun = "site" if total["sites"] == 1 else "sites"
            lines.append(f"  {state:<10} {total['sites']:>5} {noun:<5} {total['area_ha']:>10,.1f} ha")
    claims = [change for change in result.changes if change.by_radar_alone]
    if len(claims) == len(result.changes):
        lines.append(f"  {without_changes(Language.of(ENGLISH), result)}")
    if claims:
        noun = "place" if len(claims) == 1 else "places"
        lines.append(f"  radar alone claims {len(claims)} {noun} that optical imagery did not see; in no footprint")
    if (share := result.totals.get("observed_share")) is not None:
        both = result.watched.both_observed_share
        lines.append(
            f"  {100 * share:.1f} % of the watched ground was observed in {result.after.name}"
            + (f", {100 * both:.1f} % in both periods" if both is not None else "")
        )
    lines += [
        f"  map              {folder / 'map.html'}",
        f"  dossier          {folder / 'report.html'}",
        f"  change report    {folder / 'changes.geojson'}",
        f"  footprint table  {folder / 'footprint.csv'}",
    ]
    return "\n".join(lines)
