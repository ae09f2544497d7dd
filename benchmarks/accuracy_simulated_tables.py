"""Tables of the simulated part of the accuracy page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from benchmarks.accuracy_simulated import CAUSES, REASONS, SIZES, Found, MapScore, PairScore
from benchmarks.tables import interval, per_100, share, table

AT_LEAST_HALF = (2, 3)  # size classes from 0.5 ha


def hit_table(title: str, found: Sequence[Found]) -> str:
    """Complexes by size, and how many were reported."""
    rows = []
    for size, name in enumerate(SIZES):
        own = [f for f in found if f.size == size]
        rows.append([f"{name} ha", *_hits(own)])
    rows.append(["0.5 ha and more", *_hits([f for f in found if f.size in AT_LEAST_HALF])])
    return table((title, "opened", "reported", "share (95 %)", "a quarter covered"), rows)


def _hits(found: Sequence[Found]) -> list[str]:
    hits = sum(f.reported_ha is not None for f in found)
    return [str(len(found)), str(hits), interval(hits, len(found)), str(sum(f.covered for f in found))]


def miss_table(found: Sequence[Found]) -> str:
    """The rules that lost complexes, by size."""
    missed = Counter((f.reason, f.size) for f in found if f.reported_ha is None)
    rows = [[reason, *(str(missed[reason, size]) for size in range(len(SIZES)))] for reason in REASONS]
    return table(("reason", *(f"{name} ha" for name in SIZES)), rows)


def alarm_table(pairs: Sequence[PairScore]) -> str:
    """Reported changes, right and false."""
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
                per_100(len(p.false_alarms), p.watched_km2),
                f"{sum(a.gain_ha for a in p.false_alarms):.1f}",
            ]
            for p in pairs
        ],
    )


def cause_table(pairs: Sequence[PairScore]) -> str:
    """What lies under false alarms."""
    scenarios = list(dict.fromkeys(pair.scenario for pair in pairs))
    watched = {s: sum(p.watched_km2 for p in pairs if p.scenario == s) for s in scenarios}
    count = Counter((alarm.cause, pair.scenario) for pair in pairs for alarm in pair.false_alarms)
    rows = [
        [cause, *(f"{per_100(count[cause, s], watched[s])} ({count[cause, s]})" for s in scenarios)] for cause in CAUSES
    ]
    return table(("cause, per 100 km² and comparison (count)", *scenarios), rows)


def map_table(maps: Sequence[MapScore]) -> str:
    """Each season's map against its truth."""
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


def wrong_table(maps: Sequence[MapScore]) -> str:
    """Wrongly drawn hectares by what lies there."""
    causes = sorted({name for m in maps for name, ha in m.wrong_ha.items() if ha})
    rows = [[f"{m.scenario}, {m.period}", *(f"{m.wrong_ha.get(name, 0):.1f}" for name in causes)] for m in maps]
    return table(("map", *causes), rows)


def date_table(pairs: Sequence[PairScore]) -> str:
    """Opening dates against the truth."""
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


def season_table(maps: Sequence[MapScore], without: Sequence[MapScore]) -> str:
    """Hectares drawn on all maps with the season rule and without it, by what lies there."""
    names = sorted({name for m in without for name, ha in m.wrong_ha.items() if ha})
    rows = [["workings", *_both([m.both_ha for m in maps], [m.both_ha for m in without])]]
    rows += [[name, *_both([m.wrong_ha[name] for m in maps], [m.wrong_ha[name] for m in without])] for name in names]
    return table(("ground", "drawn without the rule, ha", "with it, ha", "left"), rows)


def _both(kept: Sequence[float], drawn: Sequence[float]) -> list[str]:
    return [f"{sum(drawn):.1f}", f"{sum(kept):.1f}", share(sum(kept), sum(drawn))]
