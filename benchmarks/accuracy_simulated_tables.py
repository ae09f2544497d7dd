"""Tables of the simulated part of the accuracy page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median

from benchmarks.accuracy_areas import SampleScore
from benchmarks.accuracy_simulated import CAUSES, REASONS, SIZES, VERDICTS, Found, MapScore, PairScore, Told
from benchmarks.dating import Dated, Score
from benchmarks.lineage import AGAIN, FAULTS, JOINS, SPLITS, LineageScore
from benchmarks.tables import interval, per_100, share, table

AT_LEAST_HALF = (2, 3)  # size classes from 0.5 ha
CONFIDENCES = ("low", "high", "highest")
SENSORS = {("S2",): "S2", ("S1", "S2"): "S1 and S2", ("S1",): "S1 alone"}


def large(found: Sequence[Found]) -> list[Found]:
    """Complexes dug for the first time that are held against the goal: of 0.5 ha or more."""
    return [f for f in found if f.size in AT_LEAST_HALF and not f.again]


def hit_table(title: str, found: Sequence[Found]) -> str:
    """Complexes by size, and how many were reported; those dug again apart."""
    first = [f for f in found if not f.again]
    rows = [[f"{name} ha", *_hits([f for f in first if f.size == size])] for size, name in enumerate(SIZES)]
    rows.append(["0.5 ha and more", *_hits(large(found))])
    rows.append(["dug again, all sizes", *_hits([f for f in found if f.again])])
    return table((title, "opened", "reported", "share (95 %)", "a quarter covered"), rows)


def _hits(found: Sequence[Found]) -> list[str]:
    hits = sum(f.reported_ha is not None for f in found)
    return [str(len(found)), str(hits), interval(hits, len(found)), str(sum(f.covered for f in found))]


def season_hits_table(pairs: Sequence[PairScore]) -> str:
    """Reported of opened, for each pair of seasons."""
    rows = []
    for p in pairs:
        groups = [[f for f in p.found if f.size == size and not f.again] for size in range(len(SIZES))]
        groups.append([f for f in p.found if f.again])
        rows.append([title(p), *(f"{sum(f.reported_ha is not None for f in own)} / {len(own)}" for own in groups)])
    return table(("reported / opened", *(f"{name} ha" for name in SIZES), "dug again"), rows)


def title(pair: PairScore | SampleScore) -> str:
    """Scenario and seasons."""
    return f"{pair.scenario}, {pair.before} to {pair.after}"


def miss_table(found: Sequence[Found]) -> str:
    """The rules that lost complexes, by size."""
    missed = Counter((f.reason, f.size) for f in found if f.reported_ha is None)
    rows = [[reason, *(str(missed[reason, size]) for size in range(len(SIZES)))] for reason in REASONS]
    return table(("reason", *(f"{name} ha" for name in SIZES)), rows)


def alarm_table(pairs: Sequence[PairScore]) -> str:
    """Reported changes, right and false."""
    return table(
        ("comparison", "km²", "reported", *VERDICTS, "false per 100 km² and year", "false, ha"),
        [
            [
                title(p),
                f"{p.watched_km2:.1f}",
                str(len(p.told)),
                *(str(len(p.of(verdict))) for verdict in VERDICTS),
                per_100(len(p.false_alarms), p.km2_years),
                f"{sum(a.gain_ha for a in p.false_alarms):.1f}",
            ]
            for p in pairs
        ],
    )


def claim_table(pairs: Sequence[PairScore]) -> str:
    """Reported changes by confidence and by the sensors that speak for them, right and false."""
    rows = []
    for scenario in scenarios(pairs):
        own = [p for p in pairs if p.scenario == scenario]
        told, watched = [t for p in own for t in p.told], sum(p.km2_years for p in own)
        rows += [_claims(f"{scenario}, {c}", [t for t in told if t.confidence == c], watched) for c in CONFIDENCES]
        rows += [
            _claims(f"{scenario}, {name}", [t for t in told if t.sensors == sensors], watched)
            for sensors, name in SENSORS.items()
        ]
    return table(("confidence, sensors", "reported", *VERDICTS, "false per 100 km² and year"), rows)


def _claims(name: str, told: Sequence[Told], watched: float) -> list[str]:
    count = Counter(t.verdict for t in told)
    return [name, str(len(told)), *(str(count[v]) for v in VERDICTS), per_100(count["false"], watched)]


def scenarios(pairs: Sequence[PairScore]) -> list[str]:
    """Names of the scenarios, each once."""
    return list(dict.fromkeys(pair.scenario for pair in pairs))


def cause_table(pairs: Sequence[PairScore]) -> str:
    """What lies under false alarms."""
    names = scenarios(pairs)
    watched = {s: sum(p.km2_years for p in pairs if p.scenario == s) for s in names}
    alarms = [(alarm, pair.scenario) for pair in pairs for alarm in pair.false_alarms]
    count = Counter((alarm.cause, scenario) for alarm, scenario in alarms)
    sure = Counter((alarm.cause, scenario) for alarm, scenario in alarms if alarm.confidence != "low")
    rows = [
        [
            cause,
            *(f"{per_100(count[cause, s], watched[s])} ({count[cause, s]}, {sure[cause, s]})" for s in names),
        ]
        for cause in CAUSES
    ]
    return table(("cause, per 100 km² and year (count, of more than low confidence)", *names), rows)


def map_table(maps: Sequence[MapScore]) -> str:
    """Each season's map against its truth."""
    return table(
        ("map", "mapped ha", "true ha", "bias (95 %)", "precision", "precision, 1 px", "recall", "observed"),
        [
            [
                f"{m.scenario}, {m.period}",
                f"{m.mapped_ha:.1f}",
                f"{m.true_ha:.1f}",
                f"{m.mapped_ha - m.true_ha:+.1f} ha ({m.bias_95[0]:+.1f} to {m.bias_95[1]:+.1f})",
                share(m.both_ha, m.mapped_ha),
                share(m.near_ha, m.mapped_ha),
                share(m.both_ha, m.truth_pixels_ha),
                f"{100 * m.observed_share:.1f} %",
            ]
            for m in maps
        ],
    )


def sample_table(samples: Sequence[SampleScore]) -> str:
    """Mapped, estimated and true areas."""
    return table(
        (
            *("comparison", "area of", "mapped ha", "estimated ha (95 %)", "true ha", "holds the truth"),
            *("mean of all samples, ha", "held", "warned of few points"),
        ),
        [
            [
                title(s),
                "workings" if s.kind == "workings" else "new workings",
                f"{s.mapped_ha:.1f}",
                f"{s.estimate_ha:.1f} ({s.low_ha:.1f} to {s.high_ha:.1f})",
                f"{s.true_ha:.1f}",
                "yes" if s.low_ha <= s.true_ha <= s.high_ha else "**no**",
                f"{s.mean_ha:.1f}",
                f"{s.held} / {s.draws}",
                f"{s.few} / {s.draws}",
            ]
            for s in samples
        ],
    )


def wrong_table(maps: Sequence[MapScore]) -> str:
    """Wrongly drawn hectares by what lies there."""
    causes = sorted({name for m in maps for name, ha in m.wrong_ha.items() if ha})
    rows = [[f"{m.scenario}, {m.period}", *(f"{m.wrong_ha.get(name, 0):.1f}" for name in causes)] for m in maps]
    return table(("map", *causes), rows)


def report_date_table(pairs: Sequence[PairScore]) -> str:
    """Opening dates of the change reports against the truth."""
    rows = []
    for scenario in scenarios(pairs):
        for by in ("looks", "periods"):
            own = [d for p in pairs if p.scenario == scenario for d in p.dates if d.by == by]
            right = sum(d.right for d in own)
            width = f"{median(d.width_days for d in own):.0f}" if own else "–"
            rows.append([f"{scenario}, by {by}", str(len(own)), str(right), interval(right, len(own)), width])
    return table(("changes", "dated", "opening in the interval", "share (95 %)", "median width, days"), rows)


def site_date_table(dates: Sequence[Score]) -> str:
    """Opening dates of sites after the last season against the truth and against the clear looks that there were."""
    rows = [
        [f"{score.name}, by {by}", *_dated([d for d in score.dated if d.by == by])]
        for score in dates
        for by in ("looks", "periods")
    ]
    head = ("sites", "dated", "opening in the interval", "share (95 %)", "opened after / before it")
    return table((*head, "median width, days", "clear looks about the opening, days apart"), rows)


def _dated(own: Sequence[Dated]) -> list[str]:
    right = sum(d.right for d in own)
    limits = [d.limit_days for d in own if d.limit_days is not None]
    return [
        str(len(own)),
        str(right),
        interval(right, len(own)),
        f"{sum(d.opened > d.first for d in own)} / {sum(d.opened < d.last for d in own)}",
        f"{median(d.width_days for d in own):.0f}" if own else "–",
        f"{median(limits):.0f}" if limits else "–",
    ]


def lineage_table(lineages: Sequence[LineageScore], perfect: Sequence[LineageScore]) -> str:
    """Shares that are one-to-one, and why others are not; `perfect` are those of a map without fault."""

    def faults(score: LineageScore, fault: str) -> str:
        return str(sum(fault in own for own in score.wrong.values()))

    rows = [
        ["complexes of 0.1 ha or more", *(str(s.complexes) for s in lineages)],
        ["of these on a site in some season", *(str(s.seen) for s in lineages)],
        ["**sites on them that are one-to-one**", *(_of(s.sites_right, s.sites) for s in lineages)],
        ["these and those whose fault is a merger missed alone", *(_of(s.sites_named, s.sites) for s in lineages)],
        ["sites one-to-one had the map no fault", *(_of(s.sites_right, s.sites) for s in perfect)],
        ["complexes that are one-to-one", *(_of(s.right, s.seen) for s in lineages)],
        ["strictly so, whatever joined or came apart", *(_of(s.strict, s.seen) for s in lineages)],
        *([f"not: {fault}", *(faults(s, fault) for s in lineages)] for fault in FAULTS),
        ["ids of the runs before that the last one has", *(f"{s.kept_ids} of {s.told_ids}" for s in lineages)],
    ]
    return table(("", *(s.scenario for s in lineages)), rows)


def _of(right: int, n: int) -> str:
    return f"{right} of {n}: {interval(right, n)}"


def event_table(lineages: Sequence[LineageScore]) -> str:
    """What the map told of joins, splits and complexes dug again."""
    rows = [[f"grew together: {word}", *(str(s.joins[word]) for s in lineages)] for word in JOINS]
    rows += [[f"came apart: {word}", *(str(s.splits[word]) for s in lineages)] for word in SPLITS]
    for left, words in ((False, "under 0.1 ha left"), (True, "0.1 ha or more left")):
        rows += [[f"dug again, {words}: {word}", *(str(s.again[word, left]) for s in lineages)] for word in AGAIN]
    return table(("truth: what the map told", *(s.scenario for s in lineages)), rows)


def season_table(maps: Sequence[MapScore], without: Sequence[MapScore]) -> str:
    """Hectares drawn on all maps with the season rule and without it, by what lies there."""
    names = sorted({name for m in without for name, ha in m.wrong_ha.items() if ha})
    rows = [["workings", *_both([m.both_ha for m in maps], [m.both_ha for m in without])]]
    rows += [[name, *_both([m.wrong_ha[name] for m in maps], [m.wrong_ha[name] for m in without])] for name in names]
    return table(("ground", "drawn without the rule, ha", "with it, ha", "left"), rows)


def _both(kept: Sequence[float], drawn: Sequence[float]) -> list[str]:
    return [f"{sum(drawn):.1f}", f"{sum(kept):.1f}", share(sum(kept), sum(drawn))]
