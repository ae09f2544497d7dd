"""The figures of the accuracy study as a page: goals and plain sentences first, tables after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.accuracy_models import Models, goal_row, goal_rows, model_parts
from benchmarks.accuracy_real import AmazonScore, BelgiumScore
from benchmarks.accuracy_simulated_page import Simulated, simulated_goals, simulated_parts, simulated_sentences
from benchmarks.season import SeasonStudy, season_tables
from benchmarks.series import GOAL, SeriesScore, series_table
from benchmarks.tables import interval, share, table

TO_MODELS = "../models"

LIMITS = (
    "The classifiers are scored on ground they were not trained on, but all of it lies in the Amazon basin. In "
    "Africa they are scored only on ground without mining: how much mining they find there is not known, and is "
    "measured by a probability sample of real ground, read by people.",
    "The recipes of both models were chosen by their figures on the same held-out cells that they are reported on: the "
    "figures flatter, by an amount that only ground never looked at can tell.",
    "The simulation is a test of the whole path on known ground, not a validation.",
    "The figures of a scenario rest on one seed and a few dozen complexes: read the intervals, not the percentages.",
    "Texture, ponds and outlines of simulated workings were drawn closer to the statistics of the real patches after a "
    "first version had been seen with an early model; how often bright ground is called cloud is assumed. The "
    "simulated hits are not independent of that.",
    "A complex counts as reported if one newly mapped pixel of a reported change lies in its outline; the last column "
    "asks that a quarter of its new ground is covered.",
    "Labels from the truth are without fault: real interpreters err, and no interval tells that.",
    "A simulated wet season has a handful of looks, far fewer than a real one, and clouds: where none sees the ground "
    "at its greenest, a dry field cannot be told from workings by its season.",
    "A pit, or a site under 0.1 ha, is below the mapping unit: it is found only as part of a cluster.",
    "Truth of the simulation is the ground on the middle day of a season; the map is the median of its clear looks.",
    "The Amazon pairs trained the models. What a run reports there shows that real input runs through the whole path; "
    "it is no measure of accuracy.",
)


@dataclass(frozen=True)
class Study:
    """All figures of the page; None and empty where the real data were not there."""

    models: Models
    simulated: Simulated
    amazon: AmazonScore | None = None
    belgium: BelgiumScore | None = None
    season: SeasonStudy | None = None
    series: Mapping[tuple[str, str, str], SeriesScore] = field(default_factory=dict)


def page(study: Study) -> str:
    """The page as Markdown; equal figures give equal bytes."""
    parts = [
        "# Accuracy",
        "Written by `make accuracy` (`python -m benchmarks.accuracy`); settings as shipped, runs with the model "
        "`default`. What a figure rests on is said beside it; the speed of the models is measured by `make bench`.",
        "## In short",
        table(("goal", "asked", "found", ""), _goals(study)),
        "\n".join(f"- {line}" for line in _sentences(study)),
        "## Limits of these figures",
        "\n".join(f"- {line}" for line in LIMITS),
        *model_parts(study.models, TO_MODELS),
        *_season_parts(study),
        *simulated_parts(study.simulated),
        *_real_parts(study),
    ]
    return "\n\n".join(parts) + "\n"


def _goals(study: Study) -> list[list[str]]:
    rows = list(goal_rows(study.models))
    for place, model in dict.fromkeys((place, model) for place, _, model in study.series):
        own = [s.twice for (where, _, which), s in study.series.items() if (where, which) == (place, model)]
        title = f"`{model}`: real series, {place}, no mining: ground on the map in two periods in a row, at most"
        rows.append(goal_row(title, max(own), GOAL, most=True, percent=True))
    return rows + simulated_goals(study.simulated)


def _sentences(study: Study) -> list[str]:
    lines = simulated_sentences(study.simulated)
    if study.series:
        most = max(study.series.items(), key=lambda item: item[1].worst)
        (place, length, model), s = most
        lines.append(
            f"Real, no mining: by the classifier alone, up to {share(s.worst, 1, 1)} of the ground is called disturbed "
            f"in a single period ({place}, {length}, `{model}`); season rule, object step and a second period "
            f"leave at most {share(max(own.twice for own in study.series.values()), 1, 2)} in any series."
        )
    if study.amazon is not None:
        lines.append(
            f"Real, training ground: of {study.amazon.new} Amazon places with clear new workings, "
            f"{study.amazon.new_reported} were reported; of {study.amazon.free} places without mining at both times, "
            f"{study.amazon.free_reported} were reported too."
        )
    return lines


def _season_parts(study: Study) -> list[str]:
    parts = ["## Seasonal ground and ground without mining"]
    if study.season is None:
        return [*parts, _NOT_THERE]
    samples = ", ".join(f"{region} {n:,}" for region, n in study.season.samples.items())
    return [
        *parts,
        "**What the greenest of the year can tell.** African farmland and rangeland without mining, known by "
        f"geomedians of two half-years ({samples} samples), and labelled workings of the Amazon. Left are samples that "
        "look bare (NDVI < 0.3 and bare soil index > 0.1) and are not set aside; lost are workings that would be. "
        "A geomedian shows less green than the greenest look that a run reads, so a run leaves less; workings were "
        "seen at one look, or at two some years apart, so a run that reads a whole year loses more. The rule as "
        "shipped is NDVI 0.45; `docs/decisions` tells why.",
        season_tables(study.season),
        "In the last tables each spectrum is judged as if uniform ground of its kind surrounded it: the context that "
        "tells workings from dry fields is missing, and a map calls less.",
        "**Real series.** Every look of a Belgian patch (64 x 64 pixels, fields, August 2017 to November 2018) and "
        "twelve thirty-day steps of a Togolese one (17 x 17 pixels, farmland, 2019-20; top of atmosphere and without "
        "cloud mask, for which the classifiers were not made). The whole command runs on each, cut into periods of "
        "one, three and six months or steps; what is left over at the end is dropped. Shares are of observed ground, "
        "pooled over periods; nobody mines there, and 41 and 3 ha are too little for a rate. Two in a row: of ground "
        "observed in a period and in an earlier one, what is so in it and in the last observed before. The Tanzanian "
        "series has no visible bands, so no classifier can run on it.",
        series_table(study.series),
    ]


_NOT_THERE = "Not measured: the folder `../shared/data` was not there."


def _real_parts(study: Study) -> list[str]:
    if study.amazon is None or study.belgium is None:
        return ["## Real pixels", _NOT_THERE]
    return ["## Real pixels", _amazon_text(study.amazon), _amazon_table(study.amazon), _belgium_text(study.belgium)]


def _amazon_text(amazon: AmazonScore) -> str:
    return (
        f"**Amazon pairs, training ground, not accuracy.** {amazon.places} places of 480 m at two times, without scene "
        "classification, run as a folder source. Clear new workings: none drawn at t0, and 0.5 ha or more gained at "
        "t1. Opened by Amazon Mining Watch: the first year of its polygons lies between the windows."
    )


def _amazon_table(amazon: AmazonScore) -> str:
    rows = (
        ("clear new workings, reported new or expanded", amazon.new_reported, amazon.new),
        ("opened by Amazon Mining Watch, reported", amazon.opened_between_reported, amazon.opened_between),
        ("no mining at both times, reported: false alarm", amazon.free_reported, amazon.free),
        ("no mining at both times, mapped in some period", amazon.free_mapped, amazon.free),
    )
    return table(
        ("places", "number", "of", "share (95 %)"),
        [[title, str(hits), str(n), interval(hits, n)] for title, hits, n in rows],
    )


def _belgium_text(belgium: BelgiumScore) -> str:
    told = ", ".join(f"{n} {state}" for state, n in belgium.changes.items()) or "no change of any state"
    mapped = ", ".join(f"{name} {ha:.2f} ha" for name, ha in belgium.mapped_ha.items())
    seen = ", ".join(f"{name} {100 * share:.1f} %" for name, share in belgium.observed_share.items())
    return (
        f"**Belgium, no mining.** {belgium.watched_ha:.1f} ha of fields, 118 real dates with clouds and scene "
        "classification, September to November 2017 against September to November 2018; everything reported is a false "
        f"alarm. Reported: {told}; new or expanded {belgium.opened} ({belgium.opened_ha:.2f} ha). Mapped as workings: "
        f"{mapped}. Observed: {seen}. So little ground says nothing about a rate."
    )
