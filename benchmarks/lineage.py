"""Names for life against simulated truth: whether each complex keeps one site, and each site one complex.

A site holds a complex in a season if it holds a pixel that the complex has dug by then. Complexes that have come nearer
to each other than 30 m by a season are one place in it, a complex of several parts may be several sites. A complex is
*one-to-one* if in every season in which it is held

- sites on its place hold no complex of another place, in that season or any other;
- there are no more sites than the place has parts;
- one of them held the place before, once any did.

A site is one-to-one if all complexes that it ever holds are. *Strictly* one-to-one is a complex on one site for life
that holds no other, whatever the truth says of joins and parts.

More sites than parts are told apart: a complex in pieces, and complexes that the truth has joined while each is still
on a site, or on as many as its own parts, that holds no other. Both are wrong, for the map missed a merger; but in the
second no name ever stood for two complexes, nor two names for one. Complexes that joined stay one place, although
regrowth may part them again: one pair in five archives does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import geometry_mask

from benchmarks.accuracy_truth import Complex, Truth, raster_of, read_truth, truth_plane
from pipeline.areas.lattice import PIXEL_M, project
from pipeline.change import RunRecord
from pipeline.runs.registering import record_of_run

LEAST_HA = 0.1
SHARED, BROKEN, RENAMED = "a site holds it and another", "more sites than parts", "a new name"
UNMERGED = "joined another, and each still has its own site"
FAULTS = (SHARED, BROKEN, UNMERGED, RENAMED)
JOINS = ("merged that season", "merged in another", "one site before already", "not merged", "not seen apart before")
SPLITS = ("split that season", "split in another", "several sites before already", "not split", "not seen before")
AGAIN = ("reopened", "expanded", "held, without an event", "opened under a new name", "first seen", "not seen")
Held = Mapping[str, Sequence[frozenset[str]]]


@dataclass(frozen=True)
class Happened:
    """An event of a site between the season before `season` and it; `to` are sites to which its ground went."""

    site: str
    kind: str
    season: str
    to: frozenset[str] = frozenset()


@dataclass
class LineageScore:
    """One scenario over all seasons. `wrong` has the faults of each complex that is not one-to-one.

    `complexes` of LEAST_HA or more in some season, `seen` by a site in any; `sites` are those that hold one of these;
    `sites_named` would be right if a merger that is missed or told late were no fault.
    `again` counts reopened complexes by what the map told, apart by whether LEAST_HA was left (True) before.
    """

    scenario: str
    complexes: int = 0
    seen: int = 0
    strict: int = 0
    wrong: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sites: int = 0
    sites_right: int = 0
    sites_named: int = 0
    joins: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    again: Counter[tuple[str, bool]] = field(default_factory=Counter)
    told_ids: int = 0
    kept_ids: int = 0

    @property
    def right(self) -> int:
        """Complexes that are one-to-one."""
        return self.seen - len(self.wrong)


def score_lineage(runs: Sequence[Path], archive: Path) -> LineageScore:
    """Lineage in the last of some runs over more and more seasons; ids of the earlier ones are looked up in it."""
    truth = read_truth(archive)
    records = [record_of_run(run) for run in runs]
    last = records[-1]
    events = [
        Happened(e.site, e.kind, e.period_after, frozenset(name for name, _ in e.passed) - {e.site})
        for e in last.events
    ]
    score = judge_lineage(truth, held_by(last, runs[-1], archive, truth), events)
    known = {site.site_id for site in last.sites}
    earlier = {site.site_id for record in records[:-1] for site in record.sites}
    score.told_ids, score.kept_ids = len(earlier), len(earlier & known)
    return score


def held_by(record: RunRecord, run: Path, archive: Path, truth: Truth) -> dict[str, list[frozenset[str]]]:
    """Sites that hold ground of each complex, by season: ground that is dug then, or was and is green again."""
    found: dict[str, list[set[str]]] = {c.name: [set() for _ in record.periods] for c in truth.complexes}
    names = [site.name for site in record.sites]
    for path in sorted((run / "rasters").glob(f"class_{record.periods[-1].name}_*.tif")):
        classes, transform, epsg = raster_of(path)
        planes = site_planes(record, epsg, classes.shape, transform)
        enter_held(found, planes, names, archive, truth, epsg, transform)
    return {name: [frozenset(own) for own in seasons] for name, seasons in found.items()}


def enter_held(
    found: Mapping[str, Sequence[set[str]]],
    planes: NDArray[np.int32],
    names: Sequence[str],
    archive: Path,
    truth: Truth,
    epsg: int,
    transform: Affine,
) -> None:
    """Add to `found` the names of the sites that hold each complex in one zone; `planes` as of `site_planes`."""
    shape = planes.shape[1:]
    codes = [code for code, name in truth.causes.items() if name in ("workings", "regrowth")]
    held = planes.copy()
    for number, season in enumerate(truth.seasons):
        dug, cause = (truth_plane(archive, kind, epsg, season, shape, transform) for kind in ("disturbed", "cause"))
        held[number, (dug == 0) & ~np.isin(cause, codes)] = -1
    for c in truth.complexes:
        place = geometry_mask([project(c.geometry, epsg)], shape, transform, invert=True)
        for number, season in enumerate(truth.seasons):
            if c.opened <= truth.days[season]:
                own = np.unique(held[number][place]).tolist()
                found[c.name][number].update(names[i] for i in own if i >= 0)


def site_planes(record: RunRecord, epsg: int, shape: Sequence[int], transform: Affine) -> NDArray[np.int32]:
    """Number of the site that holds each pixel of a grid in each season, (season, y, x), -1 where none does."""
    top, left = round(-transform.f / PIXEL_M), round(transform.c / PIXEL_M)
    planes = np.full((len(record.periods), *shape), -1, np.int32)
    for number, site in enumerate(record.sites):
        for code, row, col, length, pattern in np.array(site.ground).reshape(-1, 5).tolist():
            if code == epsg:
                for plane, mark in zip(planes, site.patterns[pattern], strict=True):
                    if mark == "1":
                        plane[row - top, col - left : col - left + length] = number
    return planes


def judge_lineage(truth: Truth, held: Held, events: Sequence[Happened]) -> LineageScore:
    """Which complexes and sites are one-to-one, and what became of joins, splits and reopenings.

    `held` has the sites that hold each complex, by season in the order of the truth's.
    """
    score = LineageScore(truth.name)
    on: dict[str, list[set[str]]] = {}  # complexes on each site, by season
    for name, seasons in held.items():
        for season, sites in enumerate(seasons):
            for site in sites:
                on.setdefault(site, [set() for _ in truth.seasons])[season].add(name)
    judged = [c for c in truth.complexes if max(c.ha.values()) >= LEAST_HA]
    seen = [c for c in judged if any(held[c.name])]
    score.complexes, score.seen = len(judged), len(seen)
    for c in seen:
        faults = _faults(c, truth, held, on)
        if faults:
            score.wrong[c.name] = faults
        sites = frozenset().union(*held[c.name])
        score.strict += len(sites) == 1 and all(own <= {c.name} for site in sites for own in on[site])
    bearing = {site for c in seen for sites in held[c.name] for site in sites}
    score.sites = len(bearing)
    score.sites_right = _right(bearing, on, score.wrong)
    worse = {name: own for name, own in score.wrong.items() if own != (UNMERGED,)}
    score.sites_named = _right(bearing, on, worse)
    _tell_joins(score, truth, held, events)
    _tell_splits(score, truth, held, events)
    _tell_reopened(score, truth, held, events)
    return score


def _right(sites: Collection[str], on: Mapping[str, Sequence[set[str]]], wrong: Mapping[str, object]) -> int:
    """Sites that never hold a complex which is wrong."""
    return sum(not any(name in wrong for own in on[site] for name in own) for site in sites)


def place_of(c: Complex, truth: Truth, season: int) -> frozenset[str]:
    """The complex and all that have joined it by a season, also by way of others."""
    by_name = {other.name: other for other in truth.complexes}
    place, left = {c.name}, [c.name]
    while left:
        for name, first in by_name[left.pop()].joins:
            if name not in place and truth.seasons.index(first) <= season:
                place.add(name)
                left.append(name)
    return frozenset(place)


def _faults(c: Complex, truth: Truth, held: Held, on: Mapping[str, Sequence[set[str]]]) -> tuple[str, ...]:
    by_name = {other.name: other for other in truth.complexes}
    for_life = place_of(c, truth, len(truth.seasons) - 1)
    found = set()
    earlier: set[str] = set()
    for number, season in enumerate(truth.seasons):
        place = place_of(c, truth, number)
        sites = frozenset().union(*(held[name][number] for name in place))
        parts = 1 + sum(max(by_name[name].parts[season] - 1, 0) for name in place)
        own = held[c.name][number]
        if any(not on[site][number] <= place or not set().union(*on[site]) <= for_life for site in own):
            found.add(SHARED)
        if own and len(sites) > parts:
            apart = sum(len(held[name][number]) for name in place) == len(sites)
            whole = all(len(held[name][number]) <= max(by_name[name].parts[season], 1) for name in place)
            found.add(UNMERGED if apart and whole else BROKEN)
        earlier.update(*(held[name][before] for name in place for before in range(number)))
        if own and earlier and not sites & earlier:
            found.add(RENAMED)
    return tuple(fault for fault in FAULTS if fault in found)


def _tell_joins(score: LineageScore, truth: Truth, held: Held, events: Sequence[Happened]) -> None:
    """Joins of complexes that both had ground the season before."""
    pairs = {(*sorted((c.name, other)), season) for c in truth.complexes for other, season in c.joins}
    ha = {c.name: c.ha for c in truth.complexes}
    for a, b, season in sorted(pairs):
        at = truth.seasons.index(season)
        if not at or not ha[a][truth.seasons[at - 1]] or not ha[b][truth.seasons[at - 1]]:
            continue
        first, second = held[a][at - 1], held[b][at - 1]
        merged = [
            e.season
            for e in events
            if e.kind == "merged"
            and any(e.site in own and e.to & other for own, other in ((first, second), (second, first)))
        ]
        if not first or not second:
            told = JOINS[4]
        elif first & second:
            told = JOINS[2]
        else:
            told = _when(JOINS, merged, season)
        score.joins[told] += 1


def _tell_splits(score: LineageScore, truth: Truth, held: Held, events: Sequence[Happened]) -> None:
    for c in truth.complexes:
        for season in c.splits:
            before = held[c.name][truth.seasons.index(season) - 1]
            if not before:
                told = SPLITS[4]
            elif len(before) > 1:
                told = SPLITS[2]
            else:
                told = _when(SPLITS, [e.season for e in events if e.kind == "split" and e.site in before], season)
            score.splits[told] += 1


def _when(words: Sequence[str], seasons: Collection[str], season: str) -> str:
    """The word for an event told that season, in others only, or never."""
    return words[0] if season in seasons else words[1] if seasons else words[3]


def _tell_reopened(score: LineageScore, truth: Truth, held: Held, events: Sequence[Happened]) -> None:
    """Complexes that were dug again, by what the map tells of the first season that shows it."""
    for before, season in pairwise(truth.seasons):
        for opening in (o for o in truth.openings(before, season) if o.again):
            c, at = opening.complex, truth.seasons.index(season)
            now, earlier = held[c.name][at], frozenset().union(*held[c.name][:at])
            kinds = {e.kind for e in events if e.season == season and e.site in now & earlier}
            if not now:
                told = AGAIN[5]
            elif not earlier:
                told = AGAIN[4]
            elif not now & earlier:
                told = AGAIN[3]
            else:
                told = next((word for word in AGAIN[:2] if word in kinds), AGAIN[2])
            score.again[told, c.ha[before] >= LEAST_HA] += 1
