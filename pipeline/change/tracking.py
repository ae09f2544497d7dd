"""Tracking: which site holds each pixel in each period, from the stack alone; names, births, merges and splits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.areas.lattice import utm_name
from pipeline.change.ground import NONE, Ground
from pipeline.change.objects import mapping_unit_m2
from pipeline.config import Change


@dataclass(frozen=True)
class Tracks:
    """S sites followed through T periods on n pixels.

    site        int32 (T, n)  index of the site that holds the pixel, -1 where none does
    names       (S,)          unique
    born        (S,)          first period in which its mapped ground makes up a mapping unit
    parent      (S,)          site on whose ground it came up, None without
    split       (S,)          whether it broke off from its parent, rather than opening anew on former ground of it
    merged_into (S,)          site that it went into, which may have gone on into another; None if it stands by itself
    merges      (period, ended, into) of each merge; a site may merge, part and merge again
    """

    site: NDArray[np.int32]
    names: tuple[str, ...]
    born: tuple[int, ...]
    parent: tuple[int | None, ...]
    split: tuple[bool, ...]
    merged_into: tuple[int | None, ...]
    merges: tuple[tuple[int, int, int], ...]


def track(ground: Ground, settings: Change) -> Tracks:
    """Follow sites through all periods by the rules of docs/change.md, section 6.

    Groups of held ground, linked at `link_m` and parted at a pixel more, are chained from period to period by the
    ground they share.
    """
    tracker = _Tracker(ground, settings)
    for period in range(len(ground.held)):
        tracker.step(period)
    return tracker.tracks()


class _Shared(NamedTuple):
    """Ground shared by sites and groups: one row a pair, sorted by site, then group; square millimetres."""

    site: NDArray[np.int64]
    group: NDArray[np.int64]
    area: NDArray[np.int64]

    def only(self, rows: NDArray[np.bool_]) -> _Shared:
        """Some of its rows."""
        return _Shared(*(column[rows] for column in self))

    def by_group(self) -> dict[int, list[tuple[int, int]]]:
        """Group to its sites with the shared area."""
        found: dict[int, list[tuple[int, int]]] = {}
        for site, group, area in zip(*(column.tolist() for column in self), strict=True):
            found.setdefault(group, []).append((site, area))
        return found


def _shared(site: NDArray[Any], group: NDArray[np.int64], area: NDArray[np.int64], among: NDArray[np.bool_]) -> _Shared:
    at = np.flatnonzero(among & (site >= 0) & (group >= 0))
    width = int(group.max(initial=0)) + 1
    pairs, row = np.unique(site[at].astype(np.int64) * width + group[at], return_inverse=True)
    # Whole numbers below 2**53: the float64 sums of bincount are exact.
    return _Shared(pairs // width, pairs % width, np.bincount(row, area[at], pairs.size).astype(np.int64))


@dataclass
class _Tracker:
    """The state of tracking after some periods.

    `holder` is the site that holds each pixel now, `last` the one that held it last, `origin` the one that it belonged
    to before mergers: by it a site that parts again gets its name back. Sites without a name are traces that have
    not made up a mapping unit yet; `into` leads from a merged site, or a trace taken in, to where its ground went.
    """

    ground: Ground
    settings: Change
    names: list[str] = field(default_factory=list)
    born: list[int] = field(default_factory=list)
    parent: list[int | None] = field(default_factory=list)
    split: list[bool] = field(default_factory=list)
    into: list[int] = field(default_factory=list)
    merges: list[tuple[int, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        ground = self.ground
        self.site = np.full(ground.held.shape, NONE, np.int32)
        self.holder, self.last, self.origin = (np.full(ground.size, NONE, np.int32) for _ in range(3))
        self.area_m2 = ground.plane("area_m2")
        self.probability = ground.plane("probability")
        self.row, self.col, self.epsg = ground.plane("row"), ground.plane("col"), ground.epsg
        self.unit_m2 = mapping_unit_m2(self.settings)
        self.taken: set[str] = set()

    def step(self, period: int) -> None:
        """Give every group of held ground of the next period to a site."""
        ground = self.ground
        group, count = ground.groups_of(self.holder, ground.held[period], self.settings.link_m)
        self.size = np.bincount(self.holder[self.holder >= 0], ground.area_mm2[self.holder >= 0], len(self.names))
        label = np.full(count, NONE, np.int64)
        mapped = ground.mapped[period]
        self.stands = np.bincount(group[mapped], self.area_m2[mapped], count) >= self.unit_m2
        everywhere = np.ones(ground.size, bool)
        shared = _shared(self.holder, group, ground.area_mm2, everywhere)
        self._carry_on(period, group, label, shared)
        fresh = self._break_off(group, label, shared)
        self._move_on(group, label, shared)
        self._reopen(group, label)
        for alone in np.flatnonzero(label < 0):
            label[alone] = self._add(None, split=False)
        now = np.append(label, NONE).astype(np.int32)[group]
        renamed = np.isin(group, fresh) | (self.holder < 0)
        self.origin = np.where((now >= 0) & renamed, now, self.origin)
        self.last = np.where(now >= 0, now, self.last)
        self.holder = self.site[period] = now
        self._name(period)

    def _carry_on(self, period: int, group: NDArray[np.int64], label: NDArray[np.int64], shared: _Shared) -> None:
        """A site goes on in one group; where several go on in the same one, the first of `_rank` stays."""
        own = _shared(self.holder, group, self.ground.area_mm2, self.origin == self.holder)
        width = label.size
        own_area = np.zeros(shared.site.size, np.int64)
        own_area[np.searchsorted(shared.site * width + shared.group, own.site * width + own.group)] = own.area
        going_on: dict[int, list[int]] = {}
        for site, to in _main(shared, own_area):
            going_on.setdefault(to, []).append(site)
        for to, sites in going_on.items():
            label[to], *ended = sorted(sites, key=self._rank)
            for end in ended:
                self.into[end] = int(label[to])
                if self.born[end] != NONE:
                    self.merges.append((period, end, int(label[to])))

    def _rank(self, site: int) -> tuple[bool, int, float, str, int]:
        """Named before traces, older before younger, larger before smaller, then by name."""
        size = float(self.size[site]) if site < self.size.size else 0.0
        return self.born[site] == NONE, self.born[site], -size, self.names[site], site

    def _break_off(self, group: NDArray[np.int64], label: NDArray[np.int64], shared: _Shared) -> list[int]:
        """Parts in which no site goes on: sites of their own if they stand, else still part of where they come from."""
        parts = label < 0
        root = self._root()
        merged = np.array([end != NONE and self.born[s] != NONE for s, end in enumerate(self.into)] + [False], bool)
        once = merged[self.origin] & (root[self.origin] == self.holder)
        again = _shared(self.origin, group, self.ground.area_mm2, once & np.append(parts, False)[group])
        returning: dict[int, list[tuple[int, int]]] = {}
        for site, to in _main(again):
            area = int(again.area[(again.site == site) & (again.group == to)][0])
            returning.setdefault(to, []).append((-area, site))
        fresh = []
        for part, sites in shared.only(parts[shared.group]).by_group().items():
            source = min(sites, key=lambda pair: (-pair[1], self._rank(pair[0])))[0]
            if not self.stands[part]:
                label[part] = root[source]
                continue
            fresh.append(part)
            if part in returning:
                label[part] = min(returning[part], key=lambda pair: (pair[0], self._rank(pair[1])))[1]
                self.into[int(label[part])] = NONE
            else:
                known = self.born[source] != NONE
                label[part] = self._add(source if known else None, split=known)
        return fresh

    def _move_on(self, group: NDArray[np.int64], label: NDArray[np.int64], shared: _Shared) -> None:
        """A site that left all its ground goes on in ground taken up less than `link_m` from where it was."""
        left = np.append(self.size > 0, False)
        left[shared.site] = False
        there, here = left[self.holder], np.append(label < 0, False)[group]
        if not (there.any() and here.any()):
            return
        place, _ = self.ground.groups(there | here, self.settings.link_m)
        area = np.bincount(group[here], self.ground.area_mm2[here], label.size)
        sites: dict[int, list[int]] = {}
        for site, at in _main(_shared(self.holder, place, self.ground.area_mm2, there)):
            sites.setdefault(at, []).append(site)
        groups: dict[int, list[int]] = {}
        for to, at in _main(_shared(group, place, self.ground.area_mm2, here)):
            groups.setdefault(at, []).append(to)
        for at in sites.keys() & groups.keys():
            label[min(groups[at], key=lambda to: (-area[to], to))] = min(sites[at], key=self._rank)

    def _reopen(self, group: NDArray[np.int64], label: NDArray[np.int64]) -> None:
        """Groups on ground that no site holds now: the site that held it last comes back, if it holds nothing else."""
        former = self._root()[self.last]
        shared = _shared(former, group, self.ground.area_mm2, np.append(label < 0, False)[group])
        dormant = np.ones(len(self.names), bool)
        dormant[: self.size.size] = self.size == 0
        dormant[label[label >= 0]] = False
        for site, to in _main(shared.only(dormant[shared.site])):
            label[to] = site if label[to] == NONE else min(int(label[to]), site, key=self._rank)
        for part, sites in shared.only(label[shared.group] == NONE).by_group().items():
            source = min(sites, key=lambda pair: (-pair[1], self._rank(pair[0])))[0]
            label[part] = self._add(source, split=False) if self.stands[part] else source

    def _root(self) -> NDArray[np.int64]:
        """The site that each site's ground belongs to now, (S + 1,); NONE for NONE."""
        into = np.array(self.into, np.int64)
        root = np.arange(into.size)
        while True:
            beyond = np.where(into[root] >= 0, into[root], root)
            if np.array_equal(beyond, root):
                return np.append(root, NONE)
            root = beyond

    def _add(self, parent: int | None, *, split: bool) -> int:
        self.names.append("")
        self.born.append(NONE)
        self.parent.append(parent)
        self.split.append(split)
        self.into.append(NONE)
        return len(self.names) - 1

    def _name(self, period: int) -> None:
        """Name sites that make up a mapping unit for the first time after their strongest pixel."""
        at = np.flatnonzero(self.ground.mapped[period])
        area = np.bincount(self.holder[at], self.area_m2[at], len(self.names))
        unnamed = (np.array(self.born) == NONE) & (area >= self.unit_m2) & (area > 0)
        at = at[unnamed[self.holder[at]]]
        at = at[np.lexsort((at, -self.probability[period, at].astype(np.int32), self.holder[at]))]
        for pixel in at[np.unique(self.holder[at], return_index=True)[1]]:
            name = f"PW-{utm_name(int(self.epsg[pixel]))}-{self.col[pixel]:05d}-{-self.row[pixel] - 1:06d}"
            site = int(self.holder[pixel])
            self.names[site] = unused(name, self.taken)
            self.taken.add(self.names[site])
            self.born[site] = period

    def tracks(self) -> Tracks:
        """What was found, without the traces: their ground is that of the site they grew into."""
        named = [site for site, born in enumerate(self.born) if born != NONE]
        number = {site: new for new, site in enumerate(named)}
        into = np.array(self.into, np.int64)
        home = np.arange(into.size)
        traces = np.array(self.born) == NONE
        while np.any(step := traces[home] & (into[home] >= 0)):
            home = np.where(step, into[home], home)
        final = np.array([number.get(int(site), NONE) for site in home] + [NONE], np.int32)

        def known(site: int | None) -> int | None:
            return None if site is None or site == NONE else number.get(int(home[site]))

        return Tracks(
            site=final[self.site],
            names=tuple(self.names[site] for site in named),
            born=tuple(self.born[site] for site in named),
            parent=tuple(known(self.parent[site]) for site in named),
            split=tuple(self.split[site] for site in named),
            merged_into=tuple(known(self.into[site]) for site in named),
            merges=tuple((period, number[ended], number[int(home[stays])]) for period, ended, stays in self.merges),
        )


def _main(shared: _Shared, first: NDArray[np.int64] | None = None) -> list[tuple[int, int]]:
    """The group of each site with most of `first`, then most shared ground, then the first; sorted by site."""
    keys = (
        (shared.group, -shared.area, shared.site)
        if first is None
        else (shared.group, -shared.area, -first, shared.site)
    )
    order = np.lexsort(keys)
    sites, at = np.unique(shared.site[order], return_index=True)
    return list(zip(sites.tolist(), shared.group[order][at].tolist(), strict=True))


def unused(name: str, taken: Iterable[str]) -> str:
    """The name, with a number behind it if it is taken: `-2`, `-3` and so on."""
    known = taken if isinstance(taken, set | frozenset) else set(taken)
    if name not in known:
        return name
    number = 2
    while f"{name}-{number}" in known:
        number += 1
    return f"{name}-{number}"
