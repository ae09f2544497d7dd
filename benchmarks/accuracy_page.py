"""The figures of the accuracy study as a page: goals and plain sentences first, tables after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

from benchmarks.accuracy_areas import SampleScore
from benchmarks.accuracy_models import Models, goal_row, goal_rows, model_parts
from benchmarks.accuracy_real import AmazonScore, BelgiumScore
from benchmarks.accuracy_simulated import Found, MapScore, PairScore
from benchmarks.accuracy_simulated_tables import (
    alarm_table,
    cause_table,
    claim_table,
    event_table,
    hit_table,
    large,
    lineage_table,
    map_table,
    miss_table,
    report_date_table,
    sample_table,
    scenarios,
    season_hits_table,
    season_table,
    site_date_table,
    wrong_table,
)
from benchmarks.dating import Score as DateScore
from benchmarks.lineage import LineageScore
from benchmarks.season import SeasonStudy, season_tables
from benchmarks.series import GOAL, SeriesScore, series_table
from benchmarks.tables import interval, per_100, share, table

REPORTED = 0.8  # of complexes of half a hectare or more
DATED = 0.95  # of openings, in their interval
ONE_TO_ONE = 0.95  # of sites
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
class Picture:
    """A picture of the page: its file beside the page, and what it shows."""

    file: str
    caption: str


@dataclass(frozen=True)
class Simulated:
    """All figures of some scenarios."""

    pairs: tuple[PairScore, ...] = ()
    maps: tuple[MapScore, ...] = ()
    maps_without_season: tuple[MapScore, ...] = ()
    samples: tuple[SampleScore, ...] = ()
    dates: tuple[DateScore, ...] = ()
    lineages: tuple[LineageScore, ...] = ()
    pictures: tuple[Picture, ...] = ()

    def __add__(self, other: Simulated) -> Simulated:
        """The figures of both."""
        return Simulated(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def found(self) -> list[Found]:
        """All complexes opened or dug again."""
        return [complex_ for pair in self.pairs for complex_ in pair.found]


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
        *_simulated_parts(study.simulated),
        *_real_parts(study),
    ]
    return "\n\n".join(parts) + "\n"


def _goals(study: Study) -> list[list[str]]:
    rows = list(goal_rows(study.models))
    for place, model in dict.fromkeys((place, model) for place, _, model in study.series):
        own = [s.twice for (where, _, which), s in study.series.items() if (where, which) == (place, model)]
        title = f"`{model}`: real series, {place}, no mining: ground on the map in two periods in a row, at most"
        rows.append(goal_row(title, max(own), GOAL, most=True, percent=True))
    asked = large(study.simulated.found)
    hits = sum(f.reported_ha is not None for f in asked)
    title = "simulated: complexes of 0.5 ha or more reported"
    rows.append(goal_row(title, hits / len(asked) if asked else None, REPORTED, percent=True))
    dated = [site.right for score in study.simulated.dates for site in score.dated]
    title = "simulated: openings of sites in their interval"
    rows.append(goal_row(title, sum(dated) / len(dated) if dated else None, DATED, percent=True))
    for score in study.simulated.lineages:
        title = f"simulated `{score.scenario}`: sites one-to-one with complexes"
        rows.append(goal_row(title, score.sites_right / score.sites if score.sites else None, ONE_TO_ONE, percent=True))
    return rows


def _sentences(study: Study) -> list[str]:
    simulated = study.simulated
    small = [f for f in simulated.found if f.size == 0 and not f.again]
    lines = [
        f"Simulated: of {len(small)} complexes under 0.1 ha, {sum(f.reported_ha is not None for f in small)} were "
        "reported. No report does not mean no mining."
    ]
    for scenario in scenarios(simulated.pairs):
        both = [pair for pair in simulated.pairs if pair.scenario == scenario]
        alarms = [alarm for pair in both for alarm in pair.false_alarms]
        causes = ", ".join(f"{cause} {n}" for cause, n in _ranked(alarm.cause for alarm in alarms))
        by_radar = [told for pair in both for told in pair.told if "S1" in told.sensors]
        highest = [told for pair in both for told in pair.told if told.confidence == "highest"]
        lines.append(
            f"Simulated `{scenario}`: {len(alarms)} false alarms in {len(both)} comparisons, "
            f"{per_100(len(alarms), sum(pair.km2_years for pair in both))} per 100 km² and year ({causes or 'none'}); "
            f"{sum(alarm.confidence != 'low' for alarm in alarms)} of them with more than low confidence. Sentinel-1 "
            f"speaks for {len(by_radar)} changes, {sum(t.verdict == 'false' for t in by_radar)} of them false; of "
            f"{len(highest)} of highest confidence {sum(t.verdict == 'false' for t in highest)} are."
        )
    maps = simulated.maps
    mapped, true = sum(m.mapped_ha for m in maps), sum(m.true_ha for m in maps)
    wrong = sum((Counter(m.wrong_ha) for m in maps), Counter[str]())
    worst = ", ".join(name for name, _ in wrong.most_common(3))
    lines.append(
        f"Simulated: the maps of single seasons draw {mapped:.0f} ha where {true:.0f} ha are disturbed; of what they "
        f"draw, {share(sum(m.both_ha for m in maps), mapped)} is workings. Most of the rest is {worst or 'nothing'}: "
        "do not quote mapped hectares without a reference sample."
    )
    for points in dict.fromkeys(s.points for s in simulated.samples):
        own = [s for s in simulated.samples if s.points == points]
        held, draws = sum(s.held for s in own), sum(s.draws for s in own)
        few_held, few = sum(s.few_held for s in own), sum(s.few for s in own)
        lines.append(
            f"Simulated: intervals from {points:,} labelled points held the true area in {share(held, draws)} of "
            f"{draws} cases, in {share(held - few_held, draws - few)} of the {draws - few} without the warning that "
            "they rest on too few points."
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


def _simulated_parts(simulated: Simulated) -> list[str]:
    found = simulated.found
    parts = [
        "## Simulated: complexes opened between two dry seasons",
        "Two scenarios, five dry seasons each; every pair of consecutive seasons is told as a run would have told it "
        "once the rains after it were over. *Opened*: first dug after the middle day of the earlier season and up to "
        "that of the later one, with ground to show then. *Dug again*: the same of complexes that had closed; they may "
        "keep ponds, so they are no openings from nothing. Size is the ground gained between the two days, hectares. "
        "Reported: a newly mapped pixel of a reported change (or ground that radar alone claims) lies in the outline. "
        "Intervals are Wilson's, 95 %.",
        hit_table("all scenarios", found),
    ]
    return [
        *parts,
        *(
            hit_table(scenario, [f for p in simulated.pairs if p.scenario == scenario for f in p.found])
            for scenario in scenarios(simulated.pairs)
        ),
        season_hits_table(simulated.pairs),
        "### Why complexes were missed",
        "The rule that lost most of the dug pixels of each.",
        miss_table(found),
        "## Simulated: false alarms",
        "New, expanded or reopened changes that touch no workings of their time, one pixel of tolerance. "
        "The cause is what most of the newly mapped ground is; *registration*: it only borders on such ground; "
        "*cloud remnant or haze*: neither. *Old workings*: the change touches workings that did not grow. Two "
        "seasons are a year apart.",
        alarm_table(simulated.pairs),
        cause_table(simulated.pairs),
        "By confidence, and by the sensors that speak for a change.",
        claim_table(simulated.pairs),
        *(f"![{picture.caption}]({picture.file})\n\n{picture.caption}" for picture in simulated.pictures),
        "## Simulated: maps of each season",
        "Precision and recall compare pixels with pixels at least half dug; in the second precision a pixel beside "
        "workings counts as right. Hectares of nominal 10 m cells; bias is mapped less true hectares, shares of pixels "
        "added up. Its interval comes from drawing blocks of 1 km with replacement: how far the figure would move on "
        "other ground of the same kind.",
        map_table(simulated.maps),
        "Wrongly drawn ground, hectares by what lies there.",
        wrong_table(simulated.maps),
        "The season rule on these maps: hectares drawn, all seasons together.",
        season_table(simulated.maps, simulated.maps_without_season),
        "## Simulated: estimated areas",
        "What `placerwatch review sample` and `placerwatch estimate` make of the same runs, each point labelled by the "
        "truth: workings where half of the pixel or more is dug. True is the area of such pixels on the ground sampled "
        "from. Estimate and interval are of the first of 20 samples; then the mean of all, how many intervals held the "
        "truth, and how many came with the warning that they rest on too few points and are too short. Workings are "
        "those of the later season.",
        *(_sample_parts(simulated)),
        "## Simulated: opening dates",
        "Of new and reopened changes on complexes that opened, or were dug again, between the seasons: whether the "
        "first such day lies in the reported interval.",
        report_date_table(simulated.pairs),
        "Of sites as listed after the last season, those on complexes that opened between two seasons; sites on older "
        "workings too have no one opening. The last column is the physical limit: the gap between the last clear look "
        "before the opening and the first after it.",
        site_date_table(simulated.dates),
        "## Simulated: names for life",
        "A site holds a complex in a season if it holds a pixel that the complex has dug by then. By the truth of a "
        "season complexes nearer to each other than 30 m are one place, and one of several parts may be several sites. "
        "A complex is one-to-one if, in each season, sites on its place hold no complex of another, are no more than "
        "it has parts, and one of them held the place before, once any did; a site is, if all complexes that it holds "
        "are.",
        lineage_table(simulated.lineages),
        "What became of complexes that grew together or came apart, and of those dug again.",
        event_table(simulated.lineages),
    ]


def _sample_parts(simulated: Simulated) -> list[str]:
    parts = []
    for points in dict.fromkeys(s.points for s in simulated.samples):
        parts += [f"Samples of {points:,} points.", sample_table([s for s in simulated.samples if s.points == points])]
    return parts


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
