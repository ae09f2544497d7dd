"""The figures of the accuracy study as a page: goals and plain sentences first, tables after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.accuracy_models import Models, goal_row, goal_rows, model_parts
from benchmarks.accuracy_real import AmazonScore, BelgiumScore
from benchmarks.accuracy_simulated import Found, MapScore, PairScore
from benchmarks.accuracy_simulated_tables import (
    AT_LEAST_HALF,
    alarm_table,
    cause_table,
    date_table,
    hit_table,
    map_table,
    miss_table,
    season_table,
    wrong_table,
)
from benchmarks.season import SeasonStudy, season_tables
from benchmarks.series import GOAL, SeriesScore, series_table
from benchmarks.tables import interval, per_100, share, table

REPORTED = 0.8  # of complexes of half a hectare or more
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
    "asks that a quarter of its dug ground is covered.",
    "A simulated wet season has a handful of looks, far fewer than a real one, and clouds: where none sees the ground "
    "at its greenest, a dry field cannot be told from workings by its season.",
    "A pit, or a site under 0.1 ha, is below the mapping unit: it is found only as part of a cluster.",
    "Truth of the simulation is the ground on the middle day of a season; the map is the median of its clear looks.",
    "The Amazon pairs trained the models. What a run reports there shows that real input runs through the whole path; "
    "it is no measure of accuracy.",
)


@dataclass(frozen=True)
class Picture:
    """A picture of the page: its file beside the page, and what it shows."""

    file: str
    caption: str


@dataclass(frozen=True)
class Study:
    """All figures of the page; None and empty where the real data were not there."""

    models: Models
    pairs: tuple[PairScore, ...]
    maps: tuple[MapScore, ...]
    maps_without_season: tuple[MapScore, ...]
    pictures: tuple[Picture, ...] = ()
    amazon: AmazonScore | None = None
    belgium: BelgiumScore | None = None
    season: SeasonStudy | None = None
    series: Mapping[tuple[str, str, str], SeriesScore] = field(default_factory=dict)


def page(study: Study) -> str:
    """The page as Markdown; equal figures give equal bytes."""
    found = [complex_ for pair in study.pairs for complex_ in pair.found]
    parts = [
        "# Accuracy",
        "Written by `make accuracy` (`python -m benchmarks.accuracy`); settings as shipped, runs with the model "
        "`default`. What a figure rests on is said beside it; the speed of the models is measured by `make bench`.",
        "## In short",
        table(("goal", "asked", "found", ""), _goals(study, found)),
        "\n".join(f"- {line}" for line in _sentences(study, found)),
        "## Limits of these figures",
        "\n".join(f"- {line}" for line in LIMITS),
        *model_parts(study.models, TO_MODELS),
        *_season_parts(study),
        *_simulated_parts(study, found),
        *_real_parts(study),
    ]
    return "\n\n".join(parts) + "\n"


def _goals(study: Study, found: Sequence[Found]) -> list[list[str]]:
    rows = list(goal_rows(study.models))
    for place, model in dict.fromkeys((place, model) for place, _, model in study.series):
        own = [s.twice for (where, _, which), s in study.series.items() if (where, which) == (place, model)]
        title = f"`{model}`: real series, {place}, no mining: ground on the map in two periods in a row, at most"
        rows.append(goal_row(title, max(own), GOAL, most=True, percent=True))
    large = [f for f in found if f.size in AT_LEAST_HALF]
    hits = sum(f.reported_ha is not None for f in large)
    title = "simulated: complexes of 0.5 ha or more reported"
    rows.append(goal_row(title, hits / len(large) if large else None, REPORTED, percent=True))
    return rows


def _sentences(study: Study, found: Sequence[Found]) -> list[str]:
    small = [f for f in found if f.size == 0]
    lines = [
        f"Simulated: of {len(small)} complexes under 0.1 ha, {sum(f.reported_ha is not None for f in small)} were "
        "reported. No report does not mean no mining."
    ]
    for scenario in dict.fromkeys(pair.scenario for pair in study.pairs):
        own = [pair for pair in study.pairs if pair.scenario == scenario]
        alarms = [alarm for pair in own for alarm in pair.false_alarms]
        watched = sum(pair.watched_km2 for pair in own)
        causes = ", ".join(f"{cause} {n}" for cause, n in _ranked(alarm.cause for alarm in alarms))
        lines.append(
            f"Simulated `{scenario}`: {len(alarms)} false alarms in {len(own)} comparisons, "
            f"{per_100(len(alarms), watched)} per 100 km² and comparison ({causes or 'none'}); "
            f"{sum(alarm.confidence != 'low' for alarm in alarms)} of them with more than low confidence."
        )
    maps = study.maps
    mapped, true = sum(m.mapped_ha for m in maps), sum(m.true_ha for m in maps)
    wrong = sum((Counter(m.wrong_ha) for m in maps), Counter[str]())
    worst = ", ".join(name for name, _ in wrong.most_common(3))
    lines.append(
        f"Simulated: the maps of single seasons draw {mapped:.0f} ha where {true:.0f} ha are disturbed; of what they "
        f"draw, {share(sum(m.both_ha for m in maps), mapped)} is workings. Most of the rest is {worst or 'nothing'}: "
        "do not quote mapped hectares without a reference sample."
    )
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


def _simulated_parts(study: Study, found: Sequence[Found]) -> list[str]:
    return [
        "## Simulated: complexes opened between two dry seasons",
        "Size is the ground that was dug or flooded on the middle day of the later season, hectares. Intervals are "
        "Wilson's, 95 %.",
        hit_table("all scenarios", found),
        *(hit_table(f"{p.scenario}, {p.before} to {p.after}", p.found) for p in study.pairs),
        "### Why complexes were missed",
        "The rule that lost most of the dug pixels of each.",
        miss_table(found),
        "## Simulated: false alarms",
        "New, expanded or reopened changes that touch no workings of their time, one pixel of tolerance. "
        "The cause is what most of the newly mapped ground is; *registration*: it only borders on such ground; "
        "*cloud remnant or haze*: neither. *Old workings*: the change touches workings that did not grow.",
        alarm_table(study.pairs),
        cause_table(study.pairs),
        *(f"![{picture.caption}]({picture.file})\n\n{picture.caption}" for picture in study.pictures),
        "## Simulated: maps of each season",
        "Precision and recall compare pixels with pixels at least half dug; in the second precision a pixel beside "
        "workings counts as right. Hectares of nominal 10 m cells; bias is mapped against true hectares.",
        map_table(study.maps),
        "Wrongly drawn ground, hectares by what lies there.",
        wrong_table(study.maps),
        "The season rule on these maps: hectares drawn, all seasons together.",
        season_table(study.maps, study.maps_without_season),
        "## Simulated: opening dates",
        "Of new sites on complexes that opened between the periods: is the first opening in the reported interval?",
        date_table(study.pairs),
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


def _ranked(names: Iterable[str]) -> list[tuple[str, int]]:
    return sorted(Counter(names).items(), key=lambda item: (-item[1], item[0]))
