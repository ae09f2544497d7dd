"""Identity: which sites of several runs are the same site, and what it is called.

Runs are taken in the order of their as-of dates, whatever the order in which they were made or added; what comes out
is a function of the set of runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from pipeline.change.observations import RunRecord, SeenPeriod
from pipeline.change.tracking import unused


class Sighting(NamedTuple):
    """A site of a run: the numbers of both."""

    run: int
    site: int


@dataclass
class Entity:
    """A site for life: its id, the other names under which runs published it, and where it was seen.

    `latest` has the latest sighting by each programme. `absorbed_by` is the entity that took most of its ground in a
    later run of a programme that did not find it any more.
    """

    site_id: str
    aliases: list[str] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)
    latest: dict[str, Sighting] = field(default_factory=dict)
    absorbed_by: Entity | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that it was ever published under, the id first."""
        return (self.site_id, *self.aliases)


class Link(NamedTuple):
    """Ground that a site of a run shares with an entity: the share of all their ground, and pixels by periods."""

    share: float
    pixels: int
    site: int
    entity: int


class Identities:
    """Entities of a growing row of runs."""

    def __init__(self) -> None:
        self.runs: list[RunRecord] = []
        self.entities: list[Entity] = []
        self.taken: set[str] = set()

    @classmethod
    def of(cls, records: Iterable[RunRecord]) -> Identities:
        """Resolve a set of runs; their order does not matter."""
        found = cls()
        ordered = sorted(records, key=lambda record: (record.as_of, record.sha256))
        # A published name is never given to another site, also not before its run has its turn.
        found.taken = {site.site_id for record in ordered for site in record.sites}
        for record in ordered:
            found.add(record)
        return found

    def match(self, record: RunRecord) -> dict[int, int]:
        """The entity of each site of a run, where it shares ground with one; each site and each entity once.

        A name that the run itself published binds first; then the pair that shares most of its ground.
        """
        return self._match(record, self._links(record))

    def _match(self, record: RunRecord, links: Sequence[Link]) -> dict[int, int]:
        named = {name: number for number, entity in enumerate(self.entities) for name in entity.names}
        by_name = [link for link in links if named.get(record.sites[link.site].site_id) == link.entity]
        matched: dict[int, int] = {}
        given: set[int] = set()
        for link in [*by_name, *sorted(links, key=lambda link: self._rank(record, link))]:
            if link.site not in matched and link.entity not in given:
                matched[link.site] = link.entity
                given.add(link.entity)
        return matched

    def _rank(self, record: RunRecord, link: Link) -> tuple[float, int, str, str]:
        return -link.share, -link.pixels, self.entities[link.entity].site_id, record.sites[link.site].name

    def add(self, record: RunRecord) -> None:
        """Take in the next run."""
        links = self._links(record)
        matched = self._match(record, links)
        absorbed = self._absorbed(record, links, matched)
        run = len(self.runs)
        self.runs.append(record)
        claimed = {name for entity in self.entities for name in entity.names}
        for number in sorted(range(len(record.sites)), key=lambda number: record.sites[number].name):
            published = record.sites[number].site_id
            if number not in matched:
                free = published if published not in claimed else unused(published, self.taken)
                matched[number] = len(self.entities)
                self.entities.append(Entity(free))
                self.taken.add(free)
                claimed.add(free)
            entity = self.entities[matched[number]]
            if published not in claimed:
                entity.aliases.append(published)
                claimed.add(published)
            sighting = Sighting(run, number)
            entity.sightings.append(sighting)
            entity.latest[record.programme] = sighting
            entity.absorbed_by = None
        for lost, by in absorbed.items():
            self.entities[lost].absorbed_by = self.entities[matched[by]]

    def publish(self, record: RunRecord) -> dict[str, str]:
        """The ids under which a new run's sites are to be published, by the run's own names."""
        matched = self.match(record)
        ids: dict[str, str] = {}
        taken = set(self.taken)
        for number in sorted(range(len(record.sites)), key=lambda number: record.sites[number].name):
            name = record.sites[number].name
            known = matched.get(number)
            ids[name] = unused(name, taken) if known is None else self.entities[known].site_id
            taken.add(ids[name])
        return ids

    def _links(self, record: RunRecord) -> list[Link]:
        """Pairs of a site and an entity that share ground, by the latest sighting of each programme."""
        seen: dict[int, dict[int, int]] = {}
        for number, entity in enumerate(self.entities):
            for run, site in entity.latest.values():
                seen.setdefault(run, {})[site] = number
        best: dict[tuple[int, int], Link] = {}
        for run, entities in sorted(seen.items()):
            for site, other, share, pixels in shared_ground(record, self.runs[run], entities.keys()):
                link = Link(share, pixels, site, entities[other])
                if link > best.get((site, link.entity), link._replace(share=-1.0)):
                    best[site, link.entity] = link
        return [best[pair] for pair in sorted(best)]

    def _absorbed(self, record: RunRecord, links: Sequence[Link], matched: dict[int, int]) -> dict[int, int]:
        """Entities that this programme saw before and does not see now, with the site that has most of their ground."""
        found = set(matched.values())
        most: dict[int, Link] = {}
        for link in sorted(links, key=lambda link: (-link.pixels, link.site)):
            if link.entity not in found and record.programme in self.entities[link.entity].latest:
                most.setdefault(link.entity, link)
        return {entity: link.site for entity, link in most.items()}


def shared_ground(record: RunRecord, other: RunRecord, wanted: Iterable[int]) -> list[tuple[int, int, float, int]]:
    """Pairs of sites of two runs that share ground: (site, other's site, share, pixels).

    Periods are compared as `paired_periods` tells, pixel by pixel. `pixels` counts the shared ones in all pairs of
    periods, `share` is their share of all pixels that either site holds in these (the index of Jaccard 1912).
    """
    keep = np.zeros(len(other.sites), bool)
    keep[list(wanted)] = True
    own_total, other_total = np.zeros(len(record.sites), np.int64), np.zeros(len(other.sites), np.int64)
    pairs: list[np.ndarray] = []
    for period, partner in paired_periods(record.periods, other.periods):
        key, site = record.held(period)
        other_key, other_site = other.held(partner)
        other_key, other_site = other_key[keep[other_site]], other_site[keep[other_site]]
        own_total += np.bincount(site, minlength=own_total.size)
        other_total += np.bincount(other_site, minlength=other_total.size)
        _, here, there = np.intersect1d(key, other_key, assume_unique=True, return_indices=True)
        pairs.append(site[here] * len(other.sites) + other_site[there])
    pair, pixels = np.unique(np.concatenate(pairs), return_counts=True) if pairs else np.zeros((2, 0), np.int64)
    a, b = pair // max(len(other.sites), 1), pair % max(len(other.sites), 1)
    share = pixels / (own_total[a] + other_total[b] - pixels)
    return list(zip(a.tolist(), b.tolist(), share.tolist(), pixels.tolist(), strict=True))


def paired_periods(own: Sequence[SeenPeriod], other: Sequence[SeenPeriod]) -> list[tuple[int, int]]:
    """Each period of either run with the other's of the same dates, or else with the one with most days in common.

    If no period has a day in common with any, the two nearest are compared.
    """
    days = [[(min(a.end, b.end) - max(a.start, b.start)).days + 1 for b in other] for a in own]
    gaps = [[abs(_middle(a) - _middle(b)) for b in other] for a in own]
    pairs = {(i, min(range(len(other)), key=lambda j: (-days[i][j], gaps[i][j], j))) for i in range(len(own))}
    pairs |= {(min(range(len(own)), key=lambda i: (-days[i][j], gaps[i][j], i)), j) for j in range(len(other))}
    common = sorted((i, j) for i, j in pairs if days[i][j] > 0)
    return common or sorted(pairs, key=lambda pair: (gaps[pair[0]][pair[1]], pair))[:1]


def _middle(period: SeenPeriod) -> int:
    return period.start.toordinal() + period.end.toordinal()
