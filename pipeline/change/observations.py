"""What one run saw: its sites with their ground, their events and the footprint, as plain data that can be kept.

A record is all that the register needs of a run. It is written as canonical JSON and named by its SHA-256, and it is
checked when it is read: nothing in it is code, and every number has its bounds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cached_property
from typing import Annotated, Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pipeline.change.clusters import Cluster
from pipeline.change.events import Event, EventKind
from pipeline.change.site import Confidence, DatedBy, Site, SiteState, Status
from pipeline.config import Period
from pipeline.errors import BadInput

# Of a pixel key: eight bits of UTM zone and hemisphere, 21 of the row, 20 of the column.
_ROW_BITS, _COL_BITS = 21, 20
_RUN = 5  # numbers of one run of pixels: EPSG code, row, first column, length, pattern

Name = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[\x20-\x7e]+$")]
Text = str  # names that users give; a record is bounded as a whole
Hectares = Annotated[float, Field(ge=0, lt=1e9, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Area = Annotated[int, Field(ge=0, lt=2**63)]
Count = Annotated[int, Field(ge=0, lt=2**31)]


_SITE_FIELDS = (
    *("state", "status", "confidence", "first_seen", "last_clear_undisturbed", "first_clear_disturbed", "dated_by"),
    *("sites_within_1km", "parent", "merged_into"),
)
_EVENT_FIELDS = (
    *("kind", "period_before", "period_after", "earliest", "latest"),
    *("before_mm2", "after_mm2", "gain_mm2", "loss_mm2", "passed"),
)


class EncodedGround(NamedTuple):
    """Ground that a site held, as in SeenSite: marks of periods, and runs of pixels."""

    patterns: tuple[str, ...]
    runs: tuple[int, ...]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SeenPeriod(_Part):
    """A period of the run."""

    name: Name
    start: date
    end: date


class SeenState(_Part):
    """A site in one period; as SitePeriod."""

    bare_ha: Hectares
    pond_ha: Hectares
    observed_share: Share
    probability: Share | None
    clear_looks: Count
    last_observed: date | None


class SeenSite(_Part):
    """A site of the run.

    `name` is the run's own name of it, `site_id` the one that was published: that of the register. `patterns` are
    strings of 0 and 1, one a period: whether ground was held. `ground` holds runs of pixels of a lattice row, five
    numbers each: EPSG code, row, first column, length, number of the pattern. `geometry` is WKB in hexadecimal.
    """

    name: Name
    site_id: Name
    state: SiteState
    status: Status
    confidence: Confidence
    first_seen: Name
    zone_id: Text | None
    zone_name: Text
    last_clear_undisturbed: date | None
    first_clear_disturbed: date | None
    dated_by: DatedBy
    sites_within_1km: Count
    parent: Name | None
    merged_into: Name | None
    periods: tuple[SeenState, ...]
    patterns: tuple[Annotated[str, Field(pattern=r"^[01]+$")], ...]
    ground: tuple[int, ...]
    geometry: Annotated[str, Field(pattern=r"^([0-9A-F]{2})+$")]

    @field_validator("geometry")
    @classmethod
    def _outlined(cls, text: str) -> str:
        shape = shapely.from_wkb(text, on_invalid="ignore")
        if shape is None or shape.is_empty or shape.geom_type not in ("Polygon", "MultiPolygon"):
            raise ValueError("an outline is a polygon, as WKB in hexadecimal")
        west, south, east, north = shape.bounds
        if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
            raise ValueError("an outline lies outside of the earth: it needs lon/lat")
        return text


class SeenEvent(_Part):
    """An event of the run; as Event, with the run's own names of sites."""

    site: Name
    kind: EventKind
    period_before: Name
    period_after: Name
    earliest: date | None
    latest: date | None
    before_mm2: Area
    after_mm2: Area
    gain_mm2: Area
    loss_mm2: Area
    passed: tuple[tuple[Name, Area], ...]


class RunRecord(_Part):
    """What one run saw. `key` is the hash of everything that decides its outputs."""

    format: int = Field(default=1, ge=1, le=1)
    key: str = Field(pattern=r"^[0-9a-f]{64}$")
    run_id: Name
    programme: Name
    title: Text
    as_of: date
    generated_by: Text
    model: Text
    periods: tuple[SeenPeriod, ...] = Field(min_length=1)
    sites: tuple[SeenSite, ...]
    events: tuple[SeenEvent, ...]
    footprint: tuple[dict[str, str | float | None], ...]

    @model_validator(mode="after")
    def _whole(self) -> RunRecord:
        names = {site.name for site in self.sites}
        periods = {period.name for period in self.periods}
        if len(names) < len(self.sites) or len({site.site_id for site in self.sites}) < len(self.sites):
            raise ValueError("two sites share a name")
        if len(periods) < len(self.periods):
            raise ValueError("two periods share a name")
        for site in self.sites:
            if len(site.periods) != len(self.periods) or any(len(p) != len(self.periods) for p in site.patterns):
                raise ValueError(f"{site.name}: needs one state and one mark a period")
            if not {site.parent, site.merged_into} <= names | {None} or site.first_seen not in periods:
                raise ValueError(f"{site.name}: names a site or period that the run does not have")
        for event in self.events:
            if not {event.site, *(name for name, _ in event.passed)} <= names:
                raise ValueError(f"an event of {event.site} names a site that the run does not have")
            if not {event.period_before, event.period_after} <= periods:
                raise ValueError(f"an event of {event.site} names a period that the run does not have")
        _check_runs(self)
        return self

    def to_json(self) -> str:
        """Canonical JSON: one text for one record."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str | bytes, source: str) -> RunRecord:
        """Read a record; raises BadInput, naming where it came from."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise BadInput(f"{source}: not the record of a run ({place}: {first['msg']})") from error

    @cached_property
    def sha256(self) -> str:
        """The record's name."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def held(self, period: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Keys of the pixels held in a period, sorted, (n,) and the number of the site that holds each, (n,)."""
        site, runs, marks = self._runs
        own = marks[:, period]
        length = runs[own, 3]
        first = _key(runs[own, 0], runs[own, 1], runs[own, 2])
        start = np.cumsum(length) - length
        key = np.repeat(first - start, length) + np.arange(int(length.sum()))
        order = np.argsort(key, kind="stable")
        return key[order], np.repeat(site[own], length)[order]

    @cached_property
    def _runs(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Site of each run of pixels, (r,), its five numbers, (r, 5), and whether it is held, (r, T)."""
        site = np.repeat(np.arange(len(self.sites)), [len(s.ground) // _RUN for s in self.sites])
        runs = np.array([n for s in self.sites for n in s.ground], np.int64).reshape(-1, _RUN)
        offset = np.cumsum([0, *(len(s.patterns) for s in self.sites)])[:-1]
        table = np.array([[c == "1" for c in p] for s in self.sites for p in s.patterns], bool)
        table = table.reshape(-1, len(self.periods))
        return site, runs, table[offset[site] + runs[:, 4]] if runs.size else np.zeros((0, len(self.periods)), bool)


def _key(epsg: NDArray[np.int64], row: NDArray[np.int64], col: NDArray[np.int64]) -> NDArray[np.int64]:
    return ((epsg - 32600) << (_ROW_BITS + _COL_BITS)) + ((row + (1 << (_ROW_BITS - 1))) << _COL_BITS) + col


def _check_runs(record: RunRecord) -> None:
    for site in record.sites:
        try:
            runs = np.array(site.ground, np.int64).reshape(-1, _RUN)
        except (ValueError, OverflowError):
            runs = np.zeros((1, _RUN), np.int64)
        epsg, row, col, length, pattern = runs.T
        known = ((epsg > 32600) & (epsg <= 32660)) | ((epsg > 32700) & (epsg <= 32760))
        sound = known & (np.abs(row) < 1 << (_ROW_BITS - 1)) & (col >= 0) & (length > 0)
        sound &= (length < 1 << _COL_BITS) & (col < (1 << _COL_BITS) - length)
        if not np.all(sound & (pattern >= 0) & (pattern < len(site.patterns))):
            raise ValueError(f"{site.name}: its ground is not made of runs of pixels on the lattice")


def encode_ground(cluster: Cluster) -> EncodedGround:
    """Patterns and runs of the ground that a site held."""
    held = cluster.own & cluster.held
    patterns, pattern = np.unique(held, axis=1, return_inverse=True)
    pattern = pattern.reshape(-1)
    follows = (
        (np.diff(cluster.epsg) == 0)
        & (np.diff(cluster.row) == 0)
        & (np.diff(cluster.col) == 1)
        & (np.diff(pattern) == 0)
    )
    first = np.flatnonzero(np.append(True, ~follows))
    length = np.diff(np.append(first, cluster.row.size))
    runs = np.stack([cluster.epsg[first], cluster.row[first], cluster.col[first], length, pattern[first]], axis=1)
    marks = tuple("".join("1" if on else "0" for on in column) for column in patterns.T)
    return EncodedGround(marks, tuple(runs.ravel().tolist()))


def record_run(
    sites: Sequence[Site],
    grounds: Mapping[str, EncodedGround],
    events: Sequence[Event],
    periods: Sequence[Period],
    zones: Sequence[tuple[str | None, str]],
    footprint: Sequence[dict[str, Any]],
    **head: Any,
) -> RunRecord:
    """What a run saw, under its own names; `zones` has id and name, unassigned ground first, `head` other fields."""
    return RunRecord(
        periods=tuple(SeenPeriod(name=period.name, start=period.start, end=period.end) for period in periods),
        sites=tuple(
            _seen(site, grounds[site.site_id], zones[site.zone]) for site in sorted(sites, key=lambda s: s.site_id)
        ),
        events=tuple(
            SeenEvent(site=event.site_id, **{k: getattr(event, k) for k in _EVENT_FIELDS}) for event in events
        ),
        footprint=tuple(footprint),
        **head,
    )


def _seen(site: Site, ground: EncodedGround, zone: tuple[str | None, str]) -> SeenSite:
    states = tuple(
        SeenState(
            bare_ha=round(state.bare_ha, 4),
            pond_ha=round(state.pond_ha, 4),
            observed_share=round(state.observed_share, 4),
            probability=None if state.probability is None else round(state.probability, 4),
            clear_looks=state.clear_looks,
            last_observed=state.last_observed,
        )
        for state in site.periods
    )
    return SeenSite(
        name=site.site_id,
        site_id=site.site_id,
        zone_id=zone[0],
        zone_name=zone[1],
        periods=states,
        patterns=ground.patterns,
        ground=ground.runs,
        geometry=site.geometry.wkb_hex,
        **{name: getattr(site, name) for name in _SITE_FIELDS},
    )
