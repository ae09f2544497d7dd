"""A public release: places told by cells of a set grid, hectares by whole ones, late and withheld things left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from statistics import fmean
from typing import Any

from shapely.geometry import Point

from pipeline.areas.area import Area, zones_of
from pipeline.areas.lattice import Tile
from pipeline.change.site import Site, SiteChange, SitePeriod, SiteState
from pipeline.config import Period, Release
from pipeline.errors import BadInput
from pipeline.footprint import Footprint, FootprintRow
from pipeline.footprint.areas_by_zone import TOTAL, UNASSIGNED
from pipeline.reports.grid import Cell, Grid
from pipeline.reports.result import RunResult

_TRUST = ("low", "high", "highest")


def publish(result: RunResult, settings: Release, on: date) -> RunResult:
    """What of a run may be shown to everybody on a day; a result like any other, which all reports are written from.

    Raises BadInput where no period is old enough yet.
    """
    return _Publication(result, settings, on - timedelta(days=settings.delay_days)).result()


@dataclass(frozen=True)
class _Publication:
    """`until` is the last day of observation that may be shown."""

    source: RunResult
    settings: Release
    until: date

    def result(self) -> RunResult:
        periods = self._periods()
        kept = [zone for zone in zones_of(self.source.areas) if zone.zone_id not in self.settings.withhold]
        extents = [area for area in self.source.areas if area.role != "zone" and area.zone_id not in self._withheld]
        areas = (*(replace(zone, properties={}) for zone in kept), *(self._coarse(area) for area in extents))
        delayed = periods[-1] != self.source.after
        footprint = self._footprint(kept, periods)
        observed = next(row.observed_share for row in footprint.rows[::-1] if row.zone_id == TOTAL)
        return replace(
            self.source,
            release="public",
            periods=periods,
            areas=areas,
            changes=() if delayed else self._changes(kept),
            sites=self._sites(kept, periods),
            footprint=footprint,
            totals={"observed_share": observed},
            trends=self._trends(kept, periods),
            scenes={},
            radar_scenes={},
            scene_list=(),
            composite_of=_no_pixels,
            delayed=delayed,
            reviews={},  # they name the reviewers
        )

    @property
    def _withheld(self) -> frozenset[str]:
        return frozenset(self.settings.withhold)

    @property
    def _grid(self) -> Grid:
        return Grid(self.settings.grid_km)

    def _periods(self) -> tuple[Period, ...]:
        shown = tuple(period for period in self.source.periods if period.end <= self.until)
        if not shown:
            first = self.source.periods[0]
            free = first.end + timedelta(days=self.settings.delay_days)
            raise BadInput(
                f"{self.source.run_id}: nothing of it may be shown yet: its first period ends on {first.end}, and "
                f"release.delay_days is {self.settings.delay_days}; release it with --on {free} or later"
            )
        return shown

    def _coarse(self, area: Area) -> Area:
        """The extent that is watched, no finer than the grid: it may be drawn about a single field."""
        return replace(area, geometry=self._grid.around(area.geometry), properties={}, boundary_source="")

    def _open(self, zone: int, *ids: str) -> bool:
        """Whether something in a zone, by number, with some ids may be shown."""
        area = self.source.zone(zone)
        return not self._withheld & {*ids, area.zone_id if area else ""}

    def _zone_of(self, cell: Cell, kept: Sequence[Area]) -> int:
        """The zone that the middle of a cell lies in: a site's own would tell on which side of a boundary it is."""
        middle = self._grid.outline(cell).centroid
        return next((i for i, zone in enumerate(kept, 1) if zone.geometry.contains(Point(middle.x, middle.y))), 0)

    def _cell(self, thing: Site | SiteChange) -> Cell:
        place = thing.geometry.centroid
        return self._grid.cell(place.x, place.y)

    def _changes(self, kept: Sequence[Area]) -> tuple[SiteChange, ...]:
        groups: dict[tuple[Cell, str, bool], list[SiteChange]] = {}
        for change in sorted(self.source.changes, key=lambda change: change.change_id):
            if self._open(change.zone, change.change_id, change.site_id):
                groups.setdefault((self._cell(change), change.state, change.by_radar_alone), []).append(change)
        return tuple(self._change(key[0], members, kept) for key, members in sorted(groups.items()))

    def _change(self, cell: Cell, members: Sequence[SiteChange], kept: Sequence[Area]) -> SiteChange:
        first = members[0]
        name = f"{cell.name}-{first.state}" + ("-radar" if first.by_radar_alone else "")
        area, pond = _hectares(m.area_ha for m in members), round(sum(m.pond_ha for m in members))
        bare = 0.0 if first.by_radar_alone else max(area - pond, 0.0)
        seen = [m.probability for m in members if m.probability is not None]
        return replace(
            first,
            change_id=name,
            site_id=cell.name,
            status="confirmed" if all(m.status == "confirmed" for m in members) else "provisional",
            confidence=min((m.confidence for m in members), key=_TRUST.index),
            probability=round(fmean(seen), 2) if seen else None,
            area_ha=area,
            area_gain_ha=_hectares(m.area_gain_ha for m in members),
            area_loss_ha=_hectares(m.area_loss_ha for m in members),
            bare_ha=0.0 if first.state == "recovered" else bare,
            pond_ha=0.0 if first.by_radar_alone else float(min(pond, area)),
            last_clear_undisturbed=_first_day(m.last_clear_undisturbed for m in members),
            first_clear_disturbed=_last_day(m.first_clear_disturbed for m in members),
            last_observed=max((m.last_observed for m in members if m.last_observed), default=None),
            clear_looks_before=min(m.clear_looks_before for m in members),
            clear_looks_after=min(m.clear_looks_after for m in members),
            observed_share=round(fmean(m.observed_share for m in members), 2),
            sensors=tuple(sorted({sensor for m in members for sensor in m.sensors})),
            zone=self._zone_of(cell, kept),
            sites_within_1km=max(m.sites_within_1km for m in members),
            geometry=self._grid.outline(cell),
            gain_geometry=None,
            tiles=(),
            dated_by="periods" if any(m.dated_by == "periods" for m in members) else "looks",
            sites=len(members),
        )

    def _sites(self, kept: Sequence[Area], periods: Sequence[Period]) -> tuple[Site, ...]:
        names = [period.name for period in periods]
        groups: dict[tuple[Cell, SiteState], list[Site]] = {}
        for site in sorted(self.source.sites, key=lambda site: site.site_id):
            told = tuple(part for part in site.periods if part.period in names)
            if site.state != "merged" and site.first_seen in names and self._open(site.zone, site.site_id):
                known = replace(site, periods=told)
                if len(names) < len(self.source.periods):
                    known = _as_known_then(known)
                groups.setdefault((self._cell(site), known.state), []).append(known)
        return tuple(self._site(*key, members, kept, names) for key, members in sorted(groups.items()))

    def _site(
        self, cell: Cell, state: SiteState, members: list[Site], kept: Sequence[Area], names: Sequence[str]
    ) -> Site:
        ended = _last_day(m.first_clear_disturbed for m in members)
        return replace(
            members[0],
            site_id=f"{cell.name}-{state.replace(' ', '-')}",
            geometry=self._grid.outline(cell),
            zone=self._zone_of(cell, kept),
            state=state,
            status="confirmed" if all(m.status == "confirmed" for m in members) else "provisional",
            confidence=min((m.confidence for m in members), key=_TRUST.index),
            first_seen=min((m.first_seen for m in members), key=names.index),
            periods=tuple(_period(parts) for parts in zip(*(m.periods for m in members), strict=True)),
            last_clear_undisturbed=_first_day(m.last_clear_undisturbed for m in members),
            first_clear_disturbed=ended if ended and ended <= self.until else None,
            sites_within_1km=max(m.sites_within_1km for m in members),
            tiles=(),
            dated_by="periods" if any(m.dated_by == "periods" for m in members) else "looks",
            parent=None,
            merged_into=None,
            sites=len(members),
        )

    def _footprint(self, kept: Sequence[Area], periods: Sequence[Period]) -> Footprint:
        """Declared zones alone, in whole hectares; the total is that of what is shown, so nothing follows from it."""
        shown = {*(zone.zone_id for zone in kept), UNASSIGNED}
        rows: list[FootprintRow] = []
        for period in periods:
            of = [row for row in self.source.footprint.of() if row.period == period.name and row.zone_id in shown]
            own = [_whole(row) for row in of]
            rows += [*own, _total(own, period.name)]
        return Footprint(tuple(rows))

    def _trends(self, kept: Sequence[Area], periods: Sequence[Period]) -> Any:
        """Series of the zones that are shown; that of the programme would tell what the others hold."""
        if self.source.trends is None:
            return None
        shown = {*(zone.zone_id for zone in kept), *(() if self._withheld else (TOTAL,))}
        names = {period.name for period in periods}
        units = []
        for unit in self.source.trends.zones:
            if unit.zone_id in shown:
                points = [replace(p, **_rounded(p)) for p in unit.series if p.period in names]
                units.append(replace(unit, series=tuple(points)))
        return replace(self.source.trends, units=tuple(units))


def _no_pixels(tile: Tile, period: str) -> None:
    """Of a public release the pixels are no part."""


def _as_known_then(site: Site) -> Site:
    """A site by the periods that are left: what later ones confirmed is kept back with them."""
    confirmed = site.status == "confirmed" and sum(part.bare_ha + part.pond_ha > 0 for part in site.periods) > 1
    return replace(
        site,
        state=_state(site.periods[-1]),
        status="confirmed" if confirmed else "provisional",
        confidence=site.confidence if confirmed else "low",
    )


def _state(last: SitePeriod) -> SiteState:
    if not last.observed_share:
        return "not observed"
    return "active" if last.bare_ha + last.pond_ha > 0 else "recovered"


def _period(parts: Sequence[SitePeriod]) -> SitePeriod:
    seen = [part for part in parts if part.observed_share]
    known = [part.probability for part in parts if part.probability is not None]
    area, pond = _hectares(p.bare_ha + p.pond_ha for p in seen), round(sum(p.pond_ha for p in seen))
    return SitePeriod(
        period=parts[0].period,
        bare_ha=max(area - pond, 0.0),
        pond_ha=float(min(pond, area)),
        observed_share=round(fmean(part.observed_share for part in parts), 2),
        probability=round(fmean(known), 2) if known else None,
        clear_looks=min(part.clear_looks for part in parts),
        last_observed=max((part.last_observed for part in parts if part.last_observed), default=None),
    )


def _hectares(parts: Iterable[float]) -> float:
    """A sum in whole hectares; what is there at all is at least one."""
    total = sum(parts)
    return float(max(1, round(total))) if total > 0 else 0.0


def _first_day(days: Iterable[date | None]) -> date | None:
    known = list(days)
    return None if None in known else min(day for day in known if day)


def _last_day(days: Iterable[date | None]) -> date | None:
    known = list(days)
    return None if None in known else max(day for day in known if day)


def _rounded(row: Any) -> dict[str, Any]:
    return {
        field.name: None if value is None else float(round(value))
        for field in fields(row)
        if field.name.endswith("_ha")
        for value in [getattr(row, field.name)]
    }


def _whole(row: FootprintRow) -> FootprintRow:
    share, both = row.observed_share, row.both_observed_share
    return replace(
        row,
        **_rounded(row),
        observed_share=None if share is None else round(share, 3),
        both_observed_share=None if both is None else round(both, 3),
    )


def _total(rows: Sequence[FootprintRow], period: str) -> FootprintRow:
    sums: dict[str, Any] = {}
    for name in (field.name for field in fields(FootprintRow) if field.name.endswith("_ha")):
        known = [value for row in rows if (value := getattr(row, name)) is not None]
        sums[name] = sum(known) if known else None
    watched = sums["watched_ha"] or 0.0

    def mean(name: str) -> float | None:
        known = [(getattr(row, name), row.watched_ha) for row in rows if getattr(row, name) is not None]
        weight = sum(ha for _, ha in known)
        return round(sum(share * ha for share, ha in known) / weight, 3) if weight else None

    sums |= {"not_observed_ha": sums["not_observed_ha"] or 0.0, "watched_ha": watched}
    shares: dict[str, Any] = {name: mean(name) for name in ("observed_share", "both_observed_share")}
    return FootprintRow("zones", TOTAL, "", period, **sums, **shares)
