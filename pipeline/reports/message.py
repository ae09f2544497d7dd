"""The run in a few lines for a message or a webhook: summary.json, which a script can send on as it is."""

from __future__ import annotations

import json
from typing import Any

from pipeline.reports.chips import most_changed
from pipeline.reports.findings import findings
from pipeline.reports.geojson import SCHEMA_VERSION, change_features, state_totals
from pipeline.reports.language import Language
from pipeline.reports.result import RunResult
from pipeline.reports.wording import limits

TOP = 10
_TOLD = (
    *("change_id", "site_id", "state", "status", "confidence", "area_ha", "area_gain_ha", "area_loss_ha"),
    *("last_clear_undisturbed", "first_clear_disturbed", "last_observed", "zone_id", "zone_name"),
)


def summary_json(result: RunResult, language: Language, pages: dict[str, str]) -> str:
    """Counts, the changes that changed most, and a text with its subject; `pages` are links relative to the file."""
    features = {feature["id"]: feature["properties"] for feature in change_features(result)}
    top = [features[change.change_id] for change in most_changed(result.changes)[:TOP]]
    watched = result.watched
    subject = language.named(result.heading, language.text("Disturbed alluvial ground, as of {day}", day=result.as_of))
    lines = [*findings(result, language), "", *limits(language, result.limits)]
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "programme": result.programme,
        "title": result.heading,
        "run_id": result.run_id,
        "as_of": result.as_of.isoformat(),
        "release": result.release,
        "language": language.code,
        "subject": subject,
        "text": "\n".join(lines),
        "counts": state_totals(result.changes),
        "disturbed_ha": watched.disturbed_ha,
        "watched_ha": watched.watched_ha,
        "observed_share": watched.observed_share,
        "top_changes": [{name: change[name] for name in _TOLD} for change in top],
        "links": pages,
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
