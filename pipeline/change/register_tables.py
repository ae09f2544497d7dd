"""The tables of the register: what its runs tell together of every site, as rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import shapely
from shapely.geometry import Point
from shapely.geometry.base import BaseGeometry

from pipeline.areas.lattice import utm_epsg
from pipeline.change.identity import Entity, Sighting
from pipeline.change.observations import RunRecord, SeenEvent, SeenSite
from pipeline.change.register import Entry, Register
from pipeline.change.sites import count_neighbours

_MM2_PER_M2 = 1_000_000
Row = dict[str, Any]


def register_tables(register: Register) -> dict[str, list[Row]]:
    """Rows of every table by its name; rows of sites, points and events have a `geometry` in lon/lat."""
    return _Tables(register).rows()


@dataclass(frozen=True)
class _Told:
    """An entity as one run tells it: its site in that run, and whether that run is the newest of its programme."""

    entity: Entity
    run: RunRecord
    seen: SeenSite
    live: bool

    @property
    def state(self) -> str:
        return self.seen.state if self.live else "withdrawn"

    @property
    def stands(self) -> bool:
        """Whether it is a site by itself, neither part of another nor withdrawn."""
        return self.live and self.seen.state != "merged"


class _Tables:
    def __init__(self, register: Register) -> None:
        self.register = register
        self.current = register.current()
        self.runs = register.identities.runs
        self.ages = {entry.record.sha256: entry.age for entry in register.entries}
        entities = sorted(register.identities.entities, key=lambda entity: entity.site_id)
        self.told = [self._tell(entity) for entity in entities]
        self.ids = {
            (self.runs[s.run].sha256, self.runs[s.run].sites[s.site].name): entity.site_id
            for entity in entities
            for s in entity.sightings
        }
        self.shapes = np.array([shapely.from_wkb(told.seen.geometry) for told in self.told], object)
        self.points = shapely.point_on_surface(self.shapes) if self.told else self.shapes

    def _tell(self, entity: Entity) -> _Told:
        """By the newest run of a programme that has it; if none has it any more, by the newest that had it."""

        def rank(sighting: Sighting) -> tuple[Any, ...]:
            run = self.runs[sighting.run]
            return self.current[run.programme] is run, self.ages[run.sha256]

        best = max(entity.sightings, key=rank)
        run = self.runs[best.run]
        return _Told(entity, run, run.sites[best.site], self.current[run.programme] is run)

    def rows(self) -> dict[str, list[Row]]:
        near = self._near()
        sites, points = [], []
        for told, count, shape, point in zip(self.told, near, self.shapes, self.points, strict=True):
            sites.append(self._site(told, count, shape))
            if told.stands:
                points.append(_usgs_point(told, count, point))
        events, lineage = self._events()
        return {
            "sites": sites,
            "points": points,
            "events": events,
            "lineage": lineage,
            "observations": self._observations(),
            "footprint": [
                {**row, "programme": programme, "run_id": run.run_id}
                for programme, run in self.current.items()
                for row in run.footprint
            ],
            "runs": [self._run(entry) for entry in self.register.entries],
        }

    def _near(self) -> list[int]:
        corners = [(point.x, point.y) for point in self.points]
        home = np.array([utm_epsg(x, y) for x, y in corners], np.int64)
        return count_neighbours(home, self.shapes, np.array([not told.stands for told in self.told], bool))

    def _id_of(self, run: RunRecord, name: str | None) -> str | None:
        """The id of a site of a run, by the run's own name of it."""
        return None if name is None else self.ids[run.sha256, name]

    def _site(self, told: _Told, near: int, shape: BaseGeometry) -> Row:
        seen, last = told.seen, told.seen.periods[-1]
        into = self._id_of(told.run, seen.merged_into)
        if not told.live:
            into = told.entity.absorbed_by.site_id if told.entity.absorbed_by else None
        days = [state.last_observed for state in seen.periods if state.last_observed]
        # Ground that was not seen has no area: none, never 0.
        known = told.live and seen.state != "not observed"
        return {
            "site_id": told.entity.site_id,
            "aliases": " ".join(told.entity.aliases),
            "state": told.state,
            "status": seen.status,
            "confidence": seen.confidence,
            "first_seen": seen.first_seen,
            "bare_ha": last.bare_ha if known else None,
            "pond_ha": last.pond_ha if known else None,
            "observed_share": last.observed_share,
            "last_clear_undisturbed": _day(seen.last_clear_undisturbed),
            "first_clear_disturbed": _day(seen.first_clear_disturbed),
            "dated_by": seen.dated_by,
            "last_observed": _day(max(days, default=None)),
            "sites_within_1km": near,
            "parent": self._id_of(told.run, seen.parent),
            "merged_into": into,
            "zone_id": seen.zone_id,
            "zone_name": seen.zone_name,
            "programme": told.run.programme,
            "run_id": told.run.run_id,
            "geometry": shapely.multipolygons([shape]) if shape.geom_type == "Polygon" else shape,
        }

    def _events(self) -> tuple[list[Row], list[Row]]:
        events: list[Row] = []
        lineage: list[Row] = []
        by_site: dict[tuple[str, str], list[SeenEvent]] = {}
        for run in {told.run.sha256: told.run for told in self.told}.values():
            for event in run.events:
                by_site.setdefault((run.sha256, event.site), []).append(event)
        for told, point in zip(self.told, self.points, strict=True):
            for event in by_site.get((told.run.sha256, told.seen.name), []):
                name = f"{told.entity.site_id}-{event.period_after}-{event.kind.replace(' ', '-')}"
                events.append(
                    {
                        "event_id": name,
                        "site_id": told.entity.site_id,
                        "event": event.kind,
                        "period_before": event.period_before,
                        "period_after": event.period_after,
                        "earliest": _day(event.earliest),
                        "latest": _day(event.latest),
                        "before_m2": event.before_mm2 / _MM2_PER_M2,
                        "after_m2": event.after_mm2 / _MM2_PER_M2,
                        "gain_m2": event.gain_mm2 / _MM2_PER_M2,
                        "loss_m2": event.loss_mm2 / _MM2_PER_M2,
                        "programme": told.run.programme,
                        "run_id": told.run.run_id,
                        "geometry": point,
                    }
                )
                lineage += [
                    {
                        "event_id": name,
                        "event": event.kind,
                        "from_site": told.entity.site_id,
                        "to_site": self._id_of(told.run, other),
                        "ground_m2": area / _MM2_PER_M2,
                    }
                    for other, area in event.passed
                ]
        return events, lineage

    def _observations(self) -> list[Row]:
        """Each site in each period, by the newest run that has it there."""
        rows = []
        for told in self.told:
            newest: dict[tuple[date, date], tuple[tuple[Any, ...], Row]] = {}
            for sighting in told.entity.sightings:
                run = self.runs[sighting.run]
                rank = (self.current[run.programme] is run, self.ages[run.sha256])
                for period, state in zip(run.periods, run.sites[sighting.site].periods, strict=True):
                    known = newest.get((period.start, period.end))
                    if known is not None and known[0] > rank:
                        continue
                    seen = state.observed_share > 0
                    row = {
                        "site_id": told.entity.site_id,
                        "period": period.name,
                        "start": _day(period.start),
                        "end": _day(period.end),
                        "bare_ha": state.bare_ha if seen else None,
                        "pond_ha": state.pond_ha if seen else None,
                        "observed_share": state.observed_share,
                        "probability": state.probability,
                        "clear_looks": state.clear_looks,
                        "last_observed": _day(state.last_observed),
                        "programme": run.programme,
                        "run_id": run.run_id,
                    }
                    newest[period.start, period.end] = (rank, row)
            rows += [newest[dates][1] for dates in sorted(newest)]
        return rows

    def _run(self, entry: Entry) -> Row:
        run = entry.record
        return {
            "run_id": run.run_id,
            "programme": run.programme,
            "title": run.title,
            "as_of": _day(run.as_of),
            "newest": self.current[run.programme] is run,
            "number": entry.number,
            "sites": len(run.sites),
            "periods": " ".join(period.name for period in run.periods),
            "model": run.model,
            "generated_by": run.generated_by,
            "key": run.key,
            "sha256": run.sha256,
        }


def _usgs_point(told: _Told, near: int, point: Point) -> Row:
    """A site as USGS records them: activity as far as pixels can tell, and whether there are several within 1 km."""
    return {
        "site_id": told.entity.site_id,
        "activity_type": "previously active" if told.seen.state == "recovered" else "generic",
        "several_within_1km": near > 0,
        "sites_within_1km": near,
        "longitude": round(point.x, 6),
        "latitude": round(point.y, 6),
        "state": told.seen.state,
        "confidence": told.seen.confidence,
        "first_clear_disturbed": _day(told.seen.first_clear_disturbed),
        "zone_id": told.seen.zone_id,
        "geometry": point,
    }


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None
