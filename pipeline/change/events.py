"""Events: what happened to each site from one period to the next, with the ground that passed between sites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pipeline.change.candidates import PROBABILITY_SCALE
from pipeline.change.clusters import Followed, day_of, follow
from pipeline.change.ground import NONE
from pipeline.change.objects import Classified, mapping_unit_m2
from pipeline.change.parts import has_broad_part
from pipeline.change.sites import OBSERVED_SHARE
from pipeline.config import Change, Period
from pipeline.imagery.scene import NODATA

EventKind = Literal["opened", "expanded", "shrunk", "went quiet", "recovered", "reopened", "merged", "split"]
KINDS: tuple[EventKind, ...] = get_args(EventKind)
GREEN_SHARE = 0.5

Mask = NDArray[np.bool_]
Interval = tuple[date | None, date | None]


@dataclass(frozen=True)
class Event:
    """What happened to one site between two consecutive periods; areas are true ground in whole square millimetres.

    `earliest` and `latest` are the looks between which it happened, None where no look bounds it. `before_mm2` and
    `after_mm2` are the ground that the site holds in each period, `gain_mm2` what of it was seen undisturbed before,
    `loss_mm2` what was seen undisturbed after. `passed`, of merged and split, tells where the site's ground of the
    earlier period went, itself included: these areas and `loss_mm2` make up `before_mm2` exactly.
    """

    site_id: str
    kind: EventKind
    period_before: str
    period_after: str
    earliest: date | None
    latest: date | None
    before_mm2: int
    after_mm2: int
    gain_mm2: int
    loss_mm2: int
    passed: tuple[tuple[str, int], ...] = ()


def build_events(
    zones: Sequence[Classified], periods: Sequence[Period], settings: Change, followed: Followed | None = None
) -> tuple[Event, ...]:
    """Every event of every site, sorted by period, site and kind; rules in docs/change.md, section 7."""
    followed = followed or follow(zones, settings)
    if followed is None or not followed.tracks.names:
        return ()
    history = _History(followed, periods, settings)
    for period in range(len(periods)):
        history.step(period)
    number = {period.name: i for i, period in enumerate(periods)}
    return tuple(sorted(history.events, key=lambda e: (number[e.period_after], e.site_id, KINDS.index(e.kind))))


class _History:
    """Walks through the periods; keeps what the looks so far tell of each pixel, (n,), and of each site, (S,).

    Of a pixel: whether it was `seen` at all; `lower`, the lower-median day of its last look; `start` of the run of
    periods in which it has been held, whether it was seen undisturbed before (`fresh`) and the days that bound its
    opening; `shown`, the site whose last mapped ground it is. Of a site: in how many periods it is `gone`, since
    which one it is `quiet` and between which days it went; whether it has `recovered`, and stands `apart` from others.
    """

    def __init__(self, followed: Followed, periods: Sequence[Period], settings: Change) -> None:
        ground = followed.ground
        self.ground, self.tracks, self.periods, self.settings = ground, followed.tracks, periods, settings
        self.days, self.green, self.probability = (ground.plane(name) for name in ("days", "greenest", "probability"))
        self.row, self.col, self.area_m2 = (ground.plane(name) for name in ("row", "col", "area_m2"))
        self.epsg, self.unit_m2 = ground.epsg, mapping_unit_m2(settings)
        sites = len(self.tracks.names)
        self.seen, self.fresh = np.zeros((2, ground.size), bool)
        self.lower, self.whole, self.dug = np.full((3, ground.size), NODATA, np.uint16)
        self.start, self.shown = np.full((2, ground.size), NONE)
        self.gone, self.quiet = np.zeros(sites, np.int64), np.full(sites, NONE)
        self.recovered, self.apart = np.zeros((2, sites), bool)
        self.went: dict[int, Interval] = {}
        self.born = np.array(self.tracks.born)
        self.events: list[Event] = []

    def step(self, period: int) -> None:
        """Tell the events of a period, then take its looks in."""
        held, mapped, observed = self.tracks.site[period], self.ground.mapped[period], self.ground.observed[period]
        before = self.tracks.site[period - 1] if period else np.full(held.size, NONE, np.int32)
        started = (held >= 0) & (before < 0)
        self.start[started], self.fresh[started] = period, self.seen[started]
        self.whole[started], self.dug[started] = self.lower[started], self.days[period, 2, started]
        if period:
            _Step(self, period, before, held).tell()
        self.seen |= observed
        self.lower = np.where(observed, self.days[period, 1], self.lower)
        self.shown[np.isin(self.shown, held[mapped])] = NONE
        self.shown[mapped] = held[mapped]


class _BySite:
    """Pixels of each site, from the site of each pixel, (n,)."""

    def __init__(self, site: NDArray[np.integer], sites: int) -> None:
        self.order = np.argsort(site, kind="stable")
        self.start = np.searchsorted(site[self.order], np.arange(sites + 1))

    def pixels(self, site: int) -> NDArray[np.intp]:
        """Its pixels, sorted."""
        return self.order[self.start[site] : self.start[site + 1]]


class _Step:
    """The change from one period to the next: who held each pixel `before`, and who holds it now (`held`)."""

    def __init__(self, history: _History, period: int, before: NDArray[np.int32], held: NDArray[np.int32]) -> None:
        self.history, self.period, self.before, self.held = history, period, before, held
        self.mapped, self.observed = history.ground.mapped[period], history.ground.observed[period]
        self.gain = self.mapped & (before < 0) & history.seen
        self.loss = (before >= 0) & (held < 0)
        self.then, self.now, self.shown = (
            _BySite(site, len(history.tracks.names)) for site in (before, held, history.shown)
        )
        every = np.ones(held.size, bool)
        self.held_then, self.held_now = self.area(before, every), self.area(held, every)
        self.gained, self.lost = self.area(held, self.gain), self.area(before, self.loss)

    def area(self, site: NDArray[np.integer], pixels: Mask) -> NDArray[np.int64]:
        """Ground of each site in some pixels, (S,), square millimetres."""
        at = np.flatnonzero(pixels & (site >= 0))
        # Whole numbers below 2**53: the float64 sums of bincount are exact.
        sums = np.bincount(site[at], self.history.ground.area_mm2[at], len(self.history.tracks.names))
        return sums.astype(np.int64)

    def tell(self) -> None:
        """Add what happened to the events of the history."""
        history, period = self.history, self.period
        ended = {site for at, site, _ in history.tracks.merges if at == period}
        self._pass_on(ended)
        history.apart |= (self.held_then > 0) | (self.held_now > 0)
        history.apart[list(ended)] = False
        own, stands, shown, quiet = self.area(self.held, self.mapped), self._stands(), history.shown, history.quiet
        whole = self.area(shown, np.ones(shown.size, bool))
        looked = self.area(shown, self.observed)
        green = self.area(shown, self.observed & self._green())
        anew = history.fresh & (history.start > quiet[self.held]) & (self.held >= 0)
        known = self.area(self.held, self.mapped & anew) >= OBSERVED_SHARE * own
        gone = history.apart & (own == 0) & (whole > 0) & (looked >= OBSERVED_SHARE * whole)
        opens = (history.born == period) | (stands & (quiet != NONE))
        grows = ~opens & (own > 0) & (history.born < period) & ((self.gained > 0) | (self.lost > 0))
        for site in np.flatnonzero(opens).tolist():
            self._open(site, anew, known=bool(known[site]))
        for site in np.flatnonzero(gone).tolist():
            self._quiet(site, greened=bool(green[site] >= GREEN_SHARE * whole[site]))
        for site in np.flatnonzero(grows).tolist():
            self._grow_or_shrink(site)

    def _stands(self) -> Mask:
        # A trace that no site grew from has none.
        at = np.flatnonzero(self.mapped & (self.held >= 0))
        area = np.bincount(self.held[at], self.history.area_m2[at], len(self.history.tracks.names))
        stands: Mask = (area >= self.history.unit_m2) & (area > 0)
        return stands

    def _green(self) -> Mask:
        """Pixels that greened within the year of the period."""
        ndvi = self.history.green[self.period]
        threshold = round((self.history.settings.green_ndvi + 1) * PROBABILITY_SCALE)
        green: Mask = ((ndvi >= threshold) & (ndvi != NODATA)).any(axis=0)
        return green

    def _open(self, site: int, anew: Mask, *, known: bool) -> None:
        """A site that stands for the first time, or again; it opened if most of its ground was seen whole before."""
        history = self.history
        again = history.born[site] < self.period
        history.gone[site], history.quiet[site], history.recovered[site] = 0, NONE, False
        if known and (again or not history.tracks.split[site]):
            at = self.now.pixels(site)
            at = at[self.mapped[at] & anew[at]]
            self._add(site, "reopened" if again else "opened", (day_of(history.whole[at]), day_of(history.dug[at])))

    def _quiet(self, site: int, *, greened: bool) -> None:
        """The first period that shows a site gone, and the one that shows it recovered."""
        history = self.history
        history.gone[site] += 1
        at = self.shown.pixels(site)
        at = at[self.observed[at]]
        if history.quiet[site] == NONE:
            history.quiet[site], history.went[site] = self.period, self._ended(at)
        if not history.recovered[site] and (greened or history.gone[site] >= 2):
            history.recovered[site] = True
            self._add(site, "recovered", (history.went[site][0], self._ended(at)[1]))
        elif history.gone[site] == 1:
            self._add(site, "went quiet", history.went[site])

    def _grow_or_shrink(self, site: int) -> None:
        history = self.history
        strong = round(history.settings.strong * PROBABILITY_SCALE)
        if self.gained[site]:
            at = self.now.pixels(site)
            at = at[self.gain[at]]
            if self._broad(at, history.probability[self.period, at] >= strong):
                self._add(site, "expanded", (day_of(history.lower[at]), day_of(history.days[self.period, 2, at])))
        if self.lost[site]:
            at = self.then.pixels(site)
            at = at[self.loss[at]]
            if self._broad(at, None):
                self._add(site, "shrunk", self._ended(at))

    def _broad(self, at: NDArray[np.intp], seeds: Mask | None) -> bool:
        h = self.history
        return has_broad_part(h.epsg[at], h.row[at], h.col[at], h.area_m2[at], h.unit_m2, seeds)

    def _ended(self, at: NDArray[np.intp]) -> Interval:
        """Days between which digging ended on the last of some pixels that were disturbed before and are not now."""
        days = self.history.days[self.period, 2, at]
        return day_of(self.history.lower[at], latest=True), day_of(days, latest=True)

    def _pass_on(self, ended: set[int]) -> None:
        """Merged and split: sites whose ground went to another, or to several."""
        history = self.history
        width = len(history.tracks.names)
        moved = np.flatnonzero((self.before >= 0) & (self.held >= 0))
        pairs, row = np.unique(self.before[moved].astype(np.int64) * width + self.held[moved], return_inverse=True)
        area = np.bincount(row, history.ground.area_mm2[moved], pairs.size).astype(np.int64)
        ways: dict[int, list[tuple[str, int]]] = {}
        for pair, passed in zip(pairs.tolist(), area.tolist(), strict=True):
            ways.setdefault(pair // width, []).append((history.tracks.names[pair % width], passed))
        for site, to in ways.items():
            if history.born[site] >= self.period or not (site in ended or len(to) > 1):
                continue
            at = self.then.pixels(site)
            now = day_of(history.days[self.period, 2, at[self.observed[at]]], latest=True)
            days, passed_on = (day_of(history.lower[at]), now), tuple(sorted(to))
            if site in ended:
                self._add(site, "merged", days, passed_on)
            if len(to) > 1:
                self._add(site, "split", days, passed_on)

    def _add(self, site: int, kind: EventKind, days: Interval, passed: tuple[tuple[str, int], ...] = ()) -> None:
        history = self.history
        event = Event(
            site_id=history.tracks.names[site],
            kind=kind,
            period_before=history.periods[self.period - 1].name,
            period_after=history.periods[self.period].name,
            earliest=days[0],
            latest=days[1],
            before_mm2=int(self.held_then[site]),
            after_mm2=int(self.held_now[site]),
            gain_mm2=int(self.gained[site]),
            loss_mm2=int(self.lost[site]),
            passed=passed,
        )
        history.events.append(event)
