"""The figures of the accuracy study as a page: plain sentences first, tables after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.accuracy_real import AmazonScore, BelgiumScore
from benchmarks.accuracy_simulated import CAUSES, REASONS, SIZES, Found, MapScore, PairScore
from benchmarks.tables import interval, share, table

_AT_LEAST_HALF = (2, 3)  # size classes from 0.5 ha
_DEMANDED = 0.8

LIMITS = (
    "The simulation is a test of the whole path on known ground, not a validation: how the map does in Africa is "
    "measured by a probability sample of real ground, read by people.",
    "The figures of a scenario rest on one seed and a few dozen complexes: read the intervals, not the percentages.",
    "Texture, ponds and outlines of simulated workings were drawn closer to the statistics of the real patches after a "
    "first version had been seen with this model; how often bright ground is called cloud is assumed. The simulated "
    "hits are not independent of that.",
    "A complex counts as reported if one newly mapped pixel of a reported change lies in its outline; the last column "
    "asks that a quarter of its dug ground is covered.",
    "A simulated wet season has a handful of looks, far fewer than a real one, and clouds: where none sees the ground "
    "at its greenest, a dry field cannot be told from workings by its season, and such fields lead the false alarms.",
    "A pit, or a site under 0.1 ha, is below the mapping unit: it is found only as part of a cluster.",
    "Truth is the ground on the middle day of a season; the map is the median of its clear looks.",
    "The Amazon pairs trained the model. What is reported there shows that real input runs through the whole path; it "
    "is no measure of accuracy.",
)


def page(
    pairs: Sequence[PairScore],
    maps: Sequence[MapScore],
    amazon: AmazonScore | None,
    belgium: BelgiumScore | None,
    card: dict[str, Any],
    sha256: str,
) -> str:
    """The page as Markdown; equal figures give equal bytes."""
    found = [complex_ for pair in pairs for complex_ in pair.found]
    parts = [
        "# Accuracy",
        f"Written by `make accuracy` (`python -m benchmarks.accuracy`). Model `{card['name']}`, SHA-256 `{sha256}`; "
        "settings as shipped.",
        "## In short",
        "\n".join(f"- {line}" for line in _sentences(pairs, maps, found, amazon, belgium, card)),
        "## Limits of these figures",
        "\n".join(f"- {line}" for line in LIMITS),
        "## Simulated: complexes opened between two dry seasons",
        "Size is the ground that was dug or flooded on the middle day of the later season, hectares. Intervals are "
        "Wilson's, 95 %.",
        _hit_table("all scenarios", found),
        *(_hit_table(f"{p.scenario}, {p.before} to {p.after}", p.found) for p in pairs),
        "### Why complexes were missed",
        "The rule that lost most of the dug pixels of each.",
        _miss_table(found),
        "## Simulated: false alarms",
        "New, expanded or reopened changes that touch no workings of their time, one pixel of tolerance. "
        "The cause is what most of the newly mapped ground is; *registration*: it only borders on such ground; "
        "*cloud remnant or haze*: neither. *Old workings*: the change touches workings that did not grow.",
        _alarm_table(pairs),
        _cause_table(pairs),
        "## Simulated: maps of each season",
        "Precision and recall compare pixels with pixels at least half dug; in the second precision a pixel beside "
        "workings counts as right. Hectares of nominal 10 m cells; bias is mapped against true hectares.",
        _map_table(maps),
        "Wrongly drawn ground, hectares by what lies there.",
        _wrong_table(maps),
        "## Simulated: opening dates",
        "Of new sites on complexes that opened between the periods: is the first opening in the reported interval?",
        _date_table(pairs),
    ]
    if amazon is not None and belgium is not None:
        parts += ["## Real pixels", _amazon_text(amazon), _amazon_table(amazon), _belgium_text(belgium)]
    else:
        parts += ["## Real pixels", "Not measured: the folder `../shared/data` was not there."]
    parts += [
        "## Model alone, regions held out",
        f"From `models/{card['name']}.card.json`: {card['cross_validation']['folds']}-fold cross-validation by "
        f"{card['cross_validation']['groups']}, on the labelled Amazon patches.",
        _card_table(card),
    ]
    return "\n\n".join(parts) + "\n"


def _sentences(
    pairs: Sequence[PairScore],
    maps: Sequence[MapScore],
    found: Sequence[Found],
    amazon: AmazonScore | None,
    belgium: BelgiumScore | None,
    card: dict[str, Any],
) -> list[str]:
    large = [f for f in found if f.size in _AT_LEAST_HALF]
    hits = sum(f.reported_ha is not None for f in large)
    reached = "is reached" if large and hits >= _DEMANDED * len(large) else "is not reached"
    lines = [
        f"Simulated: of {len(large)} complexes of 0.5 ha or more that opened between two dry seasons, {hits} were "
        f"reported ({share(hits, len(large))}). The {share(_DEMANDED, 1)} that this project asks for {reached}.",
    ]
    small = [f for f in found if f.size == 0]
    lines.append(
        f"Simulated: of {len(small)} complexes under 0.1 ha, {sum(f.reported_ha is not None for f in small)} were "
        "reported. No report does not mean no mining."
    )
    for scenario in dict.fromkeys(pair.scenario for pair in pairs):
        own = [pair for pair in pairs if pair.scenario == scenario]
        alarms = [alarm for pair in own for alarm in pair.false_alarms]
        watched = sum(pair.watched_km2 for pair in own)
        causes = ", ".join(f"{cause} {n}" for cause, n in _ranked(alarm.cause for alarm in alarms))
        lines.append(
            f"Simulated `{scenario}`: {len(alarms)} false alarms in {len(own)} comparisons, "
            f"{_per_100(len(alarms), watched)} per 100 km² and comparison ({causes or 'none'}); "
            f"{sum(alarm.confidence != 'low' for alarm in alarms)} of them with more than low confidence."
        )
    mapped, true = sum(m.mapped_ha for m in maps), sum(m.true_ha for m in maps)
    wrong = sum((Counter(m.wrong_ha) for m in maps), Counter[str]())
    worst = ", ".join(name for name, _ in wrong.most_common(3))
    lines.append(
        f"Simulated: the maps of single seasons draw {mapped:.0f} ha where {true:.0f} ha are disturbed; of what they "
        f"draw, {share(sum(m.both_ha for m in maps), mapped)} is workings. Most of the rest is {worst or 'nothing'}: "
        "do not quote mapped hectares without a reference sample."
    )
    if amazon is not None:
        lines.append(
            f"Real, training ground: of {amazon.new} Amazon places with clear new workings, {amazon.new_reported} were "
            f"reported; of {amazon.free} places without mining at both times, {amazon.free_reported} were reported too."
        )
    if belgium is not None:
        lines.append(
            f"Real, no mining: on {belgium.watched_ha:.0f} ha of Belgian fields, two autumns, {belgium.opened} false "
            "alarms."
        )
    disturbed = card["cross_validation"]["pixels"]["disturbed"]
    lines.append(
        f"Real, regions held out: the model alone draws disturbed ground with precision {disturbed['precision']:.2f} "
        f"and recall {disturbed['recall']:.2f} (pixels, Amazon). It is not validated in Africa."
    )
    return lines


def _hit_table(title: str, found: Sequence[Found]) -> str:
    rows = []
    for size, name in enumerate(SIZES):
        own = [f for f in found if f.size == size]
        rows.append([f"{name} ha", *_hits(own)])
    rows.append(["0.5 ha and more", *_hits([f for f in found if f.size in _AT_LEAST_HALF])])
    return table((title, "opened", "reported", "share (95 %)", "a quarter covered"), rows)


def _hits(found: Sequence[Found]) -> list[str]:
    hits = sum(f.reported_ha is not None for f in found)
    return [str(len(found)), str(hits), interval(hits, len(found)), str(sum(f.covered for f in found))]


def _miss_table(found: Sequence[Found]) -> str:
    missed = Counter((f.reason, f.size) for f in found if f.reported_ha is None)
    rows = [[reason, *(str(missed[reason, size]) for size in range(len(SIZES)))] for reason in REASONS]
    return table(("reason", *(f"{name} ha" for name in SIZES)), rows)


def _alarm_table(pairs: Sequence[PairScore]) -> str:
    return table(
        ("comparison", "km²", "reported", "right", "old workings", "false", "false per 100 km²", "false, ha"),
        [
            [
                f"{p.scenario}, {p.before} to {p.after}",
                f"{p.watched_km2:.1f}",
                str(p.reported),
                str(p.right),
                str(p.old),
                str(len(p.false_alarms)),
                _per_100(len(p.false_alarms), p.watched_km2),
                f"{sum(a.gain_ha for a in p.false_alarms):.1f}",
            ]
            for p in pairs
        ],
    )


def _cause_table(pairs: Sequence[PairScore]) -> str:
    scenarios = list(dict.fromkeys(pair.scenario for pair in pairs))
    watched = {s: sum(p.watched_km2 for p in pairs if p.scenario == s) for s in scenarios}
    count = Counter((alarm.cause, pair.scenario) for pair in pairs for alarm in pair.false_alarms)
    rows = [
        [cause, *(f"{_per_100(count[cause, s], watched[s])} ({count[cause, s]})" for s in scenarios)]
        for cause in CAUSES
    ]
    return table(("cause, per 100 km² and comparison (count)", *scenarios), rows)


def _map_table(maps: Sequence[MapScore]) -> str:
    return table(
        ("map", "mapped ha", "true ha", "bias", "precision", "precision, 1 px", "recall", "observed"),
        [
            [
                f"{m.scenario}, {m.period}",
                f"{m.mapped_ha:.1f}",
                f"{m.true_ha:.1f}",
                f"{m.mapped_ha - m.true_ha:+.1f} ha",
                share(m.both_ha, m.mapped_ha),
                share(m.near_ha, m.mapped_ha),
                share(m.both_ha, m.truth_pixels_ha),
                f"{100 * m.observed_share:.1f} %",
            ]
            for m in maps
        ],
    )


def _wrong_table(maps: Sequence[MapScore]) -> str:
    causes = sorted({name for m in maps for name, ha in m.wrong_ha.items() if ha})
    rows = [[f"{m.scenario}, {m.period}", *(f"{m.wrong_ha.get(name, 0):.1f}" for name in causes)] for m in maps]
    return table(("map", *causes), rows)


def _date_table(pairs: Sequence[PairScore]) -> str:
    return table(
        ("comparison", "new sites dated", "opening in the interval", "median width, days", "gain reported / true, ha"),
        [
            [
                f"{p.scenario}, {p.before} to {p.after}",
                str(p.dated),
                str(p.dated_right),
                "–" if p.median_width_days is None else f"{p.median_width_days:.0f}",
                f"{p.reported_gain_ha:.1f} / {p.true_gain_ha:.1f}",
            ]
            for p in pairs
        ],
    )


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


def _card_table(card: dict[str, Any]) -> str:
    figures = card["cross_validation"]
    rows = [
        [name, *(f"{figures['pixels'][name][key]:.3f}" for key in ("iou", "f1", "precision", "recall"))]
        for name in ("disturbed", "bare", "pond")
    ]
    patches = figures["patches"]
    return (
        table(("pixels", "IoU", "F1", "precision", "recall"), rows)
        + f"\n\nPatches: sensitivity {patches['sensitivity']:.3f} of {patches['mining']} with mining, specificity "
        f"{patches['specificity']:.3f} of {patches['no_mining']} without."
    )


def _ranked(names: Iterable[str]) -> list[tuple[str, int]]:
    return sorted(Counter(names).items(), key=lambda item: (-item[1], item[0]))


def _per_100(count: int, km2: float) -> str:
    return f"{100 * count / km2:.1f}" if km2 else "–"
