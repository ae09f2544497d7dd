"""What a run found, in plain sentences with numbers: for the dossier and for messages."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.areas.area import zones_of
from pipeline.reports.geojson import state_totals
from pipeline.reports.language import Language
from pipeline.reports.result import RunResult
from pipeline.reports.wording import without_changes


def findings(result: RunResult, language: Language) -> list[str]:
    """Sentences, the most telling first; each holds on the ground that was observed."""
    told = [_ground(result, language)]
    seen = [change for change in result.changes if not change.by_radar_alone]
    if seen:
        told += _changes(result, language)
        told += [sentence for sentence in (_zones(result, language), _evidence(result, language)) if sentence]
    else:
        told.append(without_changes(language, result))
    if claims := len(result.changes) - len(seen):
        told.append(
            language.plural(
                "Radar alone claims {count} more place, which optical imagery did not see; it is in no footprint.",
                "Radar alone claims {count} more places, which optical imagery did not see; they are in no footprint.",
                claims,
            )
        )
    return [*told, _observed(result, language)]


def _ground(result: RunResult, language: Language) -> str:
    watched = result.watched
    if watched.disturbed_ha is None:
        return language.text(
            "Of {watched} of watched ground none was observed.", watched=_ha(language, watched.watched_ha)
        )
    return language.text(
        "In {period}, {disturbed} of disturbed ground are mapped on {watched} of watched ground.",
        period=result.after.name,
        disturbed=_ha(language, watched.disturbed_ha),
        watched=_ha(language, watched.watched_ha),
    )


def _changes(result: RunResult, language: Language) -> list[str]:
    totals = state_totals(result.changes)

    def told(state: str, figure: str, sentence: Callable[[int, str], str]) -> list[str]:
        total = totals[state]
        return [sentence(int(total["sites"]), _ha(language, total[figure]))] if total["sites"] else []

    return [
        *told(
            "new",
            "area_ha",
            lambda n, area: language.plural(
                "{count} site is new: {area} that were not disturbed before.",
                "{count} sites are new: {area} that were not disturbed before.",
                n,
                area=area,
            ),
        ),
        *told(
            "expanded",
            "area_gain_ha",
            lambda n, area: language.plural(
                "{count} known site expanded, by {area}.",
                "{count} known sites expanded, by {area} in all.",
                n,
                area=area,
            ),
        ),
        *told(
            "reopened",
            "area_ha",
            lambda n, area: language.plural(
                "{count} site that had recovered is disturbed again: {area}.",
                "{count} sites that had recovered are disturbed again: {area}.",
                n,
                area=area,
            ),
        ),
        *told(
            "continuing",
            "area_ha",
            lambda n, area: language.plural(
                "{count} site goes on without growing: {area}.",
                "{count} sites go on without growing: {area}.",
                n,
                area=area,
            ),
        ),
        *told(
            "recovered",
            "area_loss_ha",
            lambda n, area: language.plural(
                "{count} site was seen undisturbed again: {area}.",
                "{count} sites were seen undisturbed again: {area}.",
                n,
                area=area,
            ),
        ),
    ]


def _zones(result: RunResult, language: Language) -> str:
    rows = [row for row in result.footprint.of() if row.period == result.after.name and row.gain_ha]
    named = {zone.zone_id: zone.name for zone in zones_of(result.areas)}
    grown = sorted((row for row in rows if row.zone_id in named), key=lambda row: (-(row.gain_ha or 0), row.zone_id))[
        :3
    ]
    if not grown:
        return ""
    each = [f"{named[row.zone_id]} (+{_ha(language, row.gain_ha or 0)})" for row in grown]
    return language.text("Most newly disturbed ground lies in {zones}.", zones=language.series(each))


def _evidence(result: RunResult, language: Language) -> str:
    first_seen = sum(c.sites for c in result.changes if c.status == "provisional" and not c.by_radar_alone)
    if not first_seen:
        return ""
    return language.plural(
        "{count} of these sites is provisional: one period shows it, and a second has yet to confirm it.",
        "{count} of these sites are provisional: one period shows them, and a second has yet to confirm them.",
        first_seen,
    )


def _observed(result: RunResult, language: Language) -> str:
    share, both = result.watched.observed_share, result.watched.both_observed_share
    if not share:
        return language.text("What was not observed is unknown, not undisturbed.")
    if both is None:
        return language.text(
            "{share} of the watched ground was observed in {period}; the rest is unknown, not undisturbed.",
            share=language.share(share),
            period=result.after.name,
        )
    return language.text(
        "{share} of the watched ground was observed in {period}, {both} in both periods; the rest is unknown, not "
        "undisturbed.",
        share=language.share(share),
        period=result.after.name,
        both=language.share(both),
    )


def _ha(language: Language, hectares: float) -> str:
    return language.hectares(hectares)
