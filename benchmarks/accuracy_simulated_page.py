"""The simulated part of the accuracy page: goals, plain sentences and sections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields

from benchmarks.accuracy_areas import SampleScore
from benchmarks.accuracy_models import goal_row
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
from benchmarks.tables import per_100, share

REPORTED = 0.8  # of complexes of half a hectare or more
DATED = 0.95  # of openings, in their interval
ONE_TO_ONE = 0.95  # of sites


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
    perfect: tuple[LineageScore, ...] = ()
    pictures: tuple[Picture, ...] = ()

    def __add__(self, other: Simulated) -> Simulated:
        """The figures of both."""
        return Simulated(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def found(self) -> list[Found]:
        """All complexes opened or dug again."""
        return [complex_ for pair in self.pairs for complex_ in pair.found]


def simulated_goals(simulated: Simulated) -> list[list[str]]:
    """Goals and what was found, a row each."""
    rows = []
    asked = large(simulated.found)
    hits = sum(f.reported_ha is not None for f in asked)
    title = "simulated: complexes of 0.5 ha or more reported"
    rows.append(goal_row(title, hits / len(asked) if asked else None, REPORTED, percent=True))
    dated = [site.right for score in simulated.dates for site in score.dated]
    title = "simulated: openings of sites in their interval"
    rows.append(goal_row(title, sum(dated) / len(dated) if dated else None, DATED, percent=True))
    for score in simulated.lineages:
        title = f"simulated `{score.scenario}`: sites one-to-one with complexes"
        rows.append(goal_row(title, score.sites_right / score.sites if score.sites else None, ONE_TO_ONE, percent=True))
    return rows


def simulated_sentences(simulated: Simulated) -> list[str]:
    """What the simulation says, in short."""
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
        few, few_held = sum(s.few for s in own), sum(s.few_held for s in own)
        sure = f", in {share(held - few_held, draws - few)} of the {draws - few} without it" if few < draws else ""
        lines.append(
            f"Simulated: intervals from {points:,} labelled points held the true area in {share(held, draws)} of "
            f"{draws} cases; {few} came with the warning that they rest on too few points{sure}."
        )
    return lines


def simulated_parts(simulated: Simulated) -> list[str]:
    """The sections of the simulation."""
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
        "are. A map without fault shows the pixels that are half dug or more and no others: what is wrong "
        "even then, no classifier would mend.",
        lineage_table(simulated.lineages, simulated.perfect),
        "What became of complexes that grew together or came apart, and of those dug again.",
        event_table(simulated.lineages),
    ]


def _sample_parts(simulated: Simulated) -> list[str]:
    parts = []
    for points in dict.fromkeys(s.points for s in simulated.samples):
        parts += [f"Samples of {points:,} points.", sample_table([s for s in simulated.samples if s.points == points])]
    return parts


def _ranked(names: Iterable[str]) -> list[tuple[str, int]]:
    return sorted(Counter(names).items(), key=lambda item: (-item[1], item[0]))
