"""Workings: complexes that open along the drainage, grow, pond up, are left, regrow and are dug again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from pipeline.simulation import spectra
from pipeline.simulation.cohorts import Cohort, Span
from pipeline.simulation.landcover import Landscape
from pipeline.simulation.noise import normals, stream, value_noise
from pipeline.simulation.placing import SIZE_CLASSES, Place, make_shape, place_all
from pipeline.simulation.scenario import CELL_M, Scenario
from pipeline.simulation.stages import BARE, NEVER, POND, stages

EPOCH = date(2000, 1, 1)  # days in rasters count from here
_CELL_HA = CELL_M * CELL_M / 1e4
_NECK_DAYS = 40  # in which a neck is dug


@dataclass(frozen=True)
class Complex:
    """One place of workings; `row`, `col`, `side` are its window in cells; `regrown`: half of it is green again.

    `neck` is the day on which its ground begins to grow towards its partner's, or its middle to regrow. `rise_db` is by
    how much, ponds included, it returns more of radar when dry than the ground did before.
    """

    number: int
    cohort: str
    size_class: str
    opened: date
    complete: date
    abandoned: date | None
    regrown: date | None
    reopened: date | None
    neck: date | None
    rise_db: float
    row: int
    col: int
    side: int
    cells: int

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the extent."""
        return slice(self.row, self.row + self.side), slice(self.col, self.col + self.side)


@dataclass(frozen=True)
class Workings:
    """All complexes, and per cell (y, x): number of the complex (0: none) and days since EPOCH, NEVER if never.

    A cell is bare from `opens`, under water from `ponds`, green again from `regrows` and bare again from `reopens`.
    `sites` are their spectra.
    """

    complexes: tuple[Complex, ...]
    number: NDArray[np.uint8]
    opens: NDArray[np.int16]
    ponds: NDArray[np.int16]
    regrows: NDArray[np.int16]
    reopens: NDArray[np.int16]
    sites: NDArray[np.int32]

    def at(self, found: Complex, day: date) -> NDArray[np.uint8]:
        """Stages of the cells (y, x) in a complex's window on a day; what is not its own is undug."""
        window = found.window
        layers = tuple(layer[window] for layer in (self.opens, self.ponds, self.regrows, self.reopens))
        return np.where(self.number[window] == found.number, stages(day_number(day), layers), np.uint8(0))

    def disturbed(self, found: Complex, day: date) -> tuple[int, int]:
        """Cells of a complex that are bare and that are under water on a day."""
        now = self.at(found, day)
        return int((now == BARE).sum()), int((now == POND).sum())


def day_number(day: date) -> int:
    """Days since EPOCH."""
    return (day - EPOCH).days


def make_workings(scenario: Scenario, ground: Landscape) -> Workings:
    """Place every cohort's complexes along the drainage and lay out their history cell by cell."""
    shape = ground.extent.shape
    number = np.zeros(shape, np.uint8)
    opens, ponds, regrows, reopens = (np.full(shape, NEVER, np.int16) for _ in range(4))
    works = Workings((), number, opens, ponds, regrows, reopens, np.zeros((0, 2, 6), np.int32))
    places = place_all(scenario, ground)
    complexes: list[Complex] = []
    for nth, (place, side, neck) in enumerate(_halves(scenario, places), start=1):
        complexes.append(_lay_out(scenario, ground, works, nth, place, side, neck))
    later = {cohort.name for cohort in scenario.later}
    late = sum(found.cohort in later for found in complexes)
    sites = [
        spectra.site_spectra(stream(scenario.seed, label), count)
        for label, count in (("sites", len(complexes) - late), ("later sites", late))
    ]
    return Workings(tuple(complexes), number, opens, ponds, regrows, reopens, np.concatenate(sites))


def _halves(scenario: Scenario, places: tuple[Place, ...]) -> Iterator[tuple[Place, int, date | None]]:
    for nth, place in enumerate(places):
        span = place.cohort.neck
        neck = _between(stream(scenario.seed, "neck", nth), span) if span else None
        for side in (-1, 1) if place.cohort.form == "pair" else (0,):
            yield place, side, neck


def _lay_out(
    scenario: Scenario, ground: Landscape, works: Workings, nth: int, place: Place, side: int, neck: date | None
) -> Complex:
    """Write the days of one complex into the layers of `works`."""
    rng = stream(scenario.seed, "complex", nth)
    cohort, area_ha = place.cohort, place.area_ha
    opened, complete, abandoned = _history(rng, cohort, area_ha)
    shape = make_shape(rng, place, side)
    window = shape.window
    free = (ground.covers[0][window] != spectra.RIVER.code) & (works.number[window] == 0)
    ranked = np.where(free, shape.late, np.inf)
    bridge = np.flatnonzero(shape.neck & free)
    wanted = max(1, round(area_ha / _CELL_HA) - int(np.isinf(ranked.flat[bridge]).sum()))
    order = np.argsort(ranked, axis=None, kind="stable")[:wanted]
    days = day_number(opened) + np.arange(len(order)) / len(order) * (complete - opened).days
    if abandoned is not None:
        order, days = order[days < day_number(abandoned)], days[days < day_number(abandoned)]
    bridge = bridge[~np.isin(bridge, order)]
    if neck is not None:
        start = day_number(opened) if cohort.form == "split" else day_number(neck)
        order = np.concatenate([order, bridge])
        days = np.concatenate([days, start + np.arange(len(bridge)) / max(len(bridge), 1) * _NECK_DAYS])
    at = np.unravel_index(order, shape.late.shape)
    works.number[window][at] = nth
    works.opens[window][at] = days.astype(np.int16)
    wet, left = _pools(rng, shape.late.shape, area_ha, days, at)
    works.ponds[window][at] = wet
    regrown = reopened = None
    if abandoned is not None:
        green = day_number(abandoned) + 90 + (620 * np.clip(left, 0, 1)).astype(np.int16) + 400 * (wet < NEVER)
        green = np.maximum(green, days.astype(np.int16) + 90).astype(np.int16)
        works.regrows[window][at] = green
        regrown = EPOCH + timedelta(days=int(np.sort(green)[len(green) // 2]))
        if cohort.reopens:
            reopened = _between(rng, cohort.reopens)
            again = day_number(reopened) + np.arange(len(order)) / len(order) * (40 + 90 * rng.random())
            again[int(len(again) * (0.6 + 0.4 * rng.random())) :] = NEVER
            works.reopens[window][at] = again.astype(np.int16)
    if neck is not None and cohort.form == "split":
        # Filled in and left in the rains: green by the next dry season, pools and all.
        soon = day_number(neck) + 60 + (60 * np.clip(left[len(order) - len(bridge) :], 0, 1)).astype(np.int16)
        works.regrows[window].flat[bridge] = soon
    return Complex(
        number=nth,
        cohort=cohort.name,
        size_class=SIZE_CLASSES[place.size],
        opened=opened,
        complete=complete,
        abandoned=abandoned,
        regrown=regrown,
        reopened=reopened,
        neck=neck,
        rise_db=_rise_db(stream(scenario.seed, "rise", nth)),
        row=shape.row,
        col=shape.col,
        side=shape.late.shape[0],
        cells=len(order),
    )


def _rise_db(rng: np.random.Generator) -> float:
    """Rise of the driest radar return where a complex opens, in dB; none for 15 % of complexes.

    Forkuor et al. (2020) find +1.65 dB to tell new mining in south-western Ghana. The spread around it is chosen:
    normal, mean 2.5 and sd 0.8, within 1 to 4 dB; so is the share without.
    """
    silent, drawn = rng.random() < 0.15, float(normals(rng, 1)[0])
    return 0.0 if silent else round(min(max(2.5 + 0.8 * drawn, 1.0), 4.0), 2)


def _history(rng: np.random.Generator, cohort: Cohort, area_ha: float) -> tuple[date, date, date | None]:
    opened = _between(rng, cohort.opens)
    slow, fast = cohort.growth_days[1], cohort.growth_days[0]
    growth = fast + (slow - fast) * (0.3 * rng.random() + 0.7 * min(area_ha / 3, 1))
    closes = rng.random() < cohort.closing_share
    abandoned = _between(rng, cohort.closes) if closes and cohort.closes else None
    return opened, opened + timedelta(days=int(growth)), abandoned


def _between(rng: np.random.Generator, span: Span) -> date:
    first, last = (date(year, month, 1) for year, month in span)
    return first + timedelta(days=int(rng.random() * ((last - first).days + 28)))


def _pools(
    rng: np.random.Generator,
    shape: tuple[int, int],
    area_ha: float,
    days: NDArray[np.float64],
    at: tuple[NDArray[np.intp], ...],
) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Day on which each dug cell fills with water, and a field 0..1 of how late it regrows.

    Pits and ponds of 5 to 50 m hold water over 4 to 40 % of a complex, some weeks after they are dug.
    """
    pits = value_noise(rng, shape, ((20 if area_ha > 2 else 13 if area_ha > 0.5 else 5, 1.0), (4, 0.35)))[at]
    share = 0.04 + 0.36 * rng.random()
    deep = np.sort(pits)[-max(1, int(share * len(pits)))] if len(pits) > 3 else np.inf
    lag = 15 + 75 * rng.random()
    wet = np.where(pits >= deep, days + lag, NEVER).astype(np.int16)
    late = (value_noise(rng, shape, ((8, 1.0), (3, 0.8)))[at] * np.float32(0.9) + np.float32(0.5)).astype(np.float32)
    return wet, late
