"""The register of sites: the runs that it knows, and all that follows from them together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import NamedTuple

from pipeline.change.identity import Entity, Identities
from pipeline.change.observations import RunRecord
from pipeline.errors import BadInput


class Entry(NamedTuple):
    """A run in the register; of two runs of one programme and day the one with the higher number is the newer."""

    record: RunRecord
    number: int

    @property
    def age(self) -> tuple[date, int, str]:
        """By which runs are sorted from the oldest to the newest."""
        return self.record.as_of, self.number, self.record.sha256


@dataclass(frozen=True)
class Register:
    """The runs of a register, each once, sorted by as-of date and name. All else follows from them."""

    entries: tuple[Entry, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Register:
        """A register of runs in any order; of the same run twice the higher number is kept."""
        newest: dict[str, Entry] = {}
        for entry in entries:
            known = newest.get(entry.record.sha256)
            if known is None or known.number < entry.number:
                newest[entry.record.sha256] = entry
        return cls(tuple(sorted(newest.values(), key=lambda entry: (entry.record.as_of, entry.record.sha256))))

    def with_run(self, record: RunRecord) -> Register:
        """With a run, which becomes the newest of its programme and day; itself if it is that already."""
        same_day = [e for e in self.entries if (e.record.programme, e.record.as_of) == (record.programme, record.as_of)]
        if same_day and max(same_day, key=lambda entry: entry.age).record == record:
            return self
        others = [entry for entry in self.entries if entry.record.key != record.key]
        number = 1 + max((entry.number for entry in self.entries), default=0)
        return Register.of([*others, Entry(record, number)])

    def merged(self, other: Register) -> Register:
        """The runs of both."""
        return Register.of([*self.entries, *other.entries])

    def of_key(self, key: str) -> RunRecord | None:
        """The run with a key, None if it is not known."""
        found = [entry for entry in self.entries if entry.record.key == key]
        return max(found, key=lambda entry: (entry.number, entry.record.sha256)).record if found else None

    def current(self) -> dict[str, RunRecord]:
        """The newest run of each programme, by its name."""
        newest: dict[str, Entry] = {}
        for entry in self.entries:
            known = newest.get(entry.record.programme)
            if known is None or known.age < entry.age:
                newest[entry.record.programme] = entry
        return {programme: entry.record for programme, entry in sorted(newest.items())}

    @cached_property
    def identities(self) -> Identities:
        """Which sites of all runs are the same."""
        return Identities.of(entry.record for entry in self.entries)

    def publish(self, record: RunRecord) -> dict[str, str]:
        """The ids under which a run's sites are published, by the run's own names: those of a run stay."""
        known = self.of_key(record.key)
        if known is not None and {s.name for s in known.sites} == {s.name for s in record.sites}:
            return {site.name: site.site_id for site in known.sites}
        return self.identities.publish(record)

    def find(self, name: str) -> Entity:
        """The site with an id or an alias; raises BadInput."""
        for entity in self.identities.entities:
            if name in entity.names:
                return entity
        raise BadInput(f"no site is called {name!r}, nor was any before; the layer sites has all ids and aliases")


def renamed(record: RunRecord, ids: Mapping[str, str]) -> RunRecord:
    """A run with the ids under which its sites are published."""
    sites = tuple(site.model_copy(update={"site_id": ids[site.name]}) for site in record.sites)
    return record.model_copy(update={"sites": sites})
