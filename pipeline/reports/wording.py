"""The words of every report for what the data say, in one place: states and their meaning, statuses, limits."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.change.site import SiteChange
from pipeline.reports.language import Language, message
from pipeline.reports.result import RunResult

# What each state of a change says of the ground.
MEANINGS = {
    "new": message("disturbed now, not before"),
    "expanded": message("disturbed before, and larger now"),
    "reopened": message("disturbed, recovered, disturbed again"),
    "continuing": message("disturbed before and now, no larger"),
    "recovered": message("disturbed before, seen undisturbed now"),
}
# Words that stand in the data, shown by `Language.word`.
WORDS = (
    *(message("new"), message("expanded"), message("reopened"), message("continuing"), message("recovered")),
    *(message("active"), message("not observed"), message("merged")),
    *(message("provisional"), message("confirmed"), message("low"), message("high"), message("highest")),
    *(message("unreviewed"), message("rejected"), message("unsure")),
    *(message("compliant"), message("suspended"), message("framework"), message("lifted"), message("unknown")),
    *(message("unassigned"), message("restricted"), message("public")),
)
# The sentences that model cards are made of; a card's own other sentences are shown as they stand.
LIMITS = (
    message("At 10 m the map shows disturbed ground and clusters of sites, never single pits."),
    message("Commodity (gold, diamond), legality and production cannot be read off pixels."),
    message("No detection is not no mining."),
    message("This model has no card: its accuracy is not known."),
    message("The model was trained with {names}, which this run did not have: its figures do not hold here."),
    message("Trained on simulated imagery: it serves tests and says nothing of real ground."),
    message(
        "Trained on {patches} labelled patches; on {groups} held out, disturbed ground is mapped with IoU {iou} and "
        "F1 {f1}; of patches of 480 m, {sensitivity} of those with mining and {specificity} of those without are told "
        "rightly."
    ),
    message("Trained without a whole region, it maps that region with IoU: {figures}."),
    message(
        "Its labels lie between longitudes {west} and {east} and latitudes {south} and {north}; on other ground it is "
        "not validated."
    ),
    message(
        "Of African fields and rangeland without mining, judged from the spectrum alone, it calls disturbed in the "
        "first and second half-year: {figures}."
    ),
)
# What stands in the place of a placeholder of those sentences.
_PARTS = (
    message("{side} degree cells"),
    message("{region} {first} and {second}, both {both}"),
    *(message("eastern"), message("sahel"), message("western")),
)


def meaning(language: Language, state: str) -> str:
    """What a state of a change says of the ground."""
    return language.text(MEANINGS[state])


def limits(language: Language, sentences: Sequence[str]) -> list[str]:
    """What a run cannot see, sentence by sentence."""
    return [language.told(sentence, (*LIMITS, *_PARTS)) for sentence in sentences]


def of_public_release(language: Language) -> str:
    """What a reader of a public release must know, lest a cell be taken for ground."""
    return language.text(
        "In this public release the cells of a set grid stand for the places in them, with whole hectares, and the "
        "zone of a cell is that of its middle; pictures, scenes and what is kept back are left out."
    )


def without_changes(language: Language, result: RunResult) -> str:
    """What to say where no change is reported: that nothing changed is not that nothing is disturbed."""
    watched, after = result.watched, result.after.name
    if not watched.observed_share:
        return language.text(
            "None of the watched ground was observed in {period}: nothing can be told of it.", period=after
        )
    if not watched.disturbed_ha:
        return language.text("No disturbed ground was found where the ground was seen.")
    area = language.hectares(watched.disturbed_ha)
    if result.delayed:
        return language.text(
            "{area} of disturbed ground are on the map of {period}; what changed since is kept back for a time.",
            area=area,
            period=after,
        )
    if result.before is None:
        return language.text(
            "{area} of disturbed ground are on the map of {period}; with one period there is nothing to compare it "
            "with.",
            area=area,
            period=after,
        )
    return language.text(
        "No change was found where the ground was seen in both periods; {area} of disturbed ground are on the map "
        "of {period}.",
        area=area,
        period=after,
    )


def began(language: Language, change: SiteChange) -> str:
    """The days between which digging began, as far as clear looks bound them."""
    after, by = change.last_clear_undisturbed, change.first_clear_disturbed
    if after and by:
        return language.date_range(after, by)
    if by:
        return language.text("by {day}", day=by)
    return language.text("after {day}", day=after) if after else language.text("not known")
