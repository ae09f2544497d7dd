"""Workings: complexes that open along the drainage, grow, pond up, are left and regrow."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from pipeline.simulation import spectra
from pipeline.simulation.landcover import Landscape
from pipeline.simulation.noise import normals, stream, value_noise
from pipeline.simulation.scenario import CELL_M, Cohort, Scenario

EPOCH = date(2000, 1, 1)  # days in rasters count from here
NEVER = 32_000
SIZE_CLASSES = ("<0.1 ha", "0.1-0.5 ha", "0.5-2 ha", ">2 ha")
_AREA_HA = ((0.008, 0.09), (0.13, 0.46), (0.55, 1.9), (2.1, 3.2))
_CELL_HA = CELL_M * CELL_M / 1e4
_EDGE_M = 330.0  # complexes keep this far inside the drawn ground


@dataclass(frozen=True)
class Complex:
    """One place of workings; `row`, `col`, `side` are its window in cells; `regrown`: half of it is green again."""

    number: int
    cohort: str
    size_class: str
    opened: date
    complete: date
    abandoned: date | None
    regrown: date | None
    row: int
    col: int
    side: int
    cells: int


@dataclass(frozen=True)
class Workings:
    """All complexes, and per cell (y, x): number of the complex (0: none) and days since EPOCH, NEVER if never.

    A cell is bare from `opens`, under water from `ponds`, green again from `regrows`. `sites` are their spectra.
    """

    complexes: tuple[Complex, ...]
    number: NDArray[np.uint8]
    opens: NDArray[np.int16]
    ponds: NDArray[np.int16]
    regrows: NDArray[np.int16]
    sites: NDArray[np.int32]


def day_number(day: date) -> int:
    """Days since EPOCH."""
    return (day - EPOCH).days


def make_workings(scenario: Scenario, ground: Landscape) -> Workings:
    """Place every cohort's complexes along the drainage and lay out their history cell by cell."""
    shape = ground.extent.shape
    number = np.zeros(shape, np.uint8)
    opens, ponds, regrows = (np.full(shape, NEVER, np.int16) for _ in range(3))
    total = sum(sum(cohort.counts) for cohort in scenario.cohorts)
    sites = spectra.site_spectra(stream(scenario.seed, "sites"), total)
    plans = sorted(_plans(scenario), key=lambda plan: -plan[2])
    places = _places(scenario, ground, [math.sqrt(area * 1e4 / math.pi) for _, _, area in plans])
    complexes = []
    for nth, ((cohort, size, area_ha), (x, y, heading)) in enumerate(zip(plans, places, strict=True), start=1):
        rng = stream(scenario.seed, "complex", nth)
        opened, complete, abandoned = _history(rng, cohort, area_ha)
        row, col, reach = _shape(rng, x, y, heading, area_ha)
        window = np.s_[row : row + reach.shape[0], col : col + reach.shape[1]]
        free = (ground.covers[0][window] != spectra.RIVER.code) & (number[window] == 0)
        ranked = np.where(free, reach, np.inf)
        order = np.argsort(ranked, axis=None, kind="stable")[: max(1, round(area_ha / _CELL_HA))]
        share = np.arange(len(order)) / len(order)
        days = day_number(opened) + share * (complete - opened).days
        if abandoned is not None:
            order, days = order[days < day_number(abandoned)], days[days < day_number(abandoned)]
        at = np.unravel_index(order, reach.shape)
        number[window][at] = nth
        opens[window][at] = days.astype(np.int16)
        wet, left = _pools(rng, reach.shape, area_ha, days, at)
        ponds[window][at] = wet
        regrown = None
        if abandoned is not None:
            green = day_number(abandoned) + 90 + (620 * np.clip(left, 0, 1)).astype(np.int16) + 400 * (wet < NEVER)
            green = np.maximum(green, days.astype(np.int16) + 90).astype(np.int16)
            regrows[window][at] = green
            regrown = EPOCH + timedelta(days=int(np.sort(green)[len(green) // 2]))
        complexes.append(
            Complex(
                number=nth,
                cohort=cohort.name,
                size_class=SIZE_CLASSES[size],
                opened=opened,
                complete=complete,
                abandoned=abandoned,
                regrown=regrown,
                row=row,
                col=col,
                side=reach.shape[0],
                cells=len(order),
            )
        )
    return Workings(tuple(complexes), number, opens, ponds, regrows, sites)


def _plans(scenario: Scenario) -> Iterator[tuple[Cohort, int, float]]:
    for cohort in scenario.cohorts:
        rng = stream(scenario.seed, "sizes", cohort.name)
        for size, count in enumerate(cohort.counts):
            low, high = _AREA_HA[size]
            for _ in range(count):
                yield cohort, size, low + (high - low) * rng.random()


def _places(scenario: Scenario, ground: Landscape, radii: list[float]) -> list[tuple[float, float, float]]:
    """Centre (m) and heading of each complex: beside a watercourse, apart from the others and from villages."""
    rng = stream(scenario.seed, "places")
    width, height = ground.extent.size_m
    drainage = ground.drainage
    lines = [(drainage.river, drainage.river_width_m), *drainage.streams]
    reaches = [(line[i], line[i + 1] - line[i], wide) for line, wide in lines for i in range(2, len(line) - 1)]
    places: list[tuple[float, float, float]] = []
    for radius in radii:
        for attempt in range(20_000):
            (x, y), (ax, ay), wide = reaches[int(rng.integers(len(reaches)))]
            side, length = 1 if rng.random() < 0.5 else -1, math.hypot(ax, ay)
            off = side * (wide / 2 + 0.55 * radius + (70 if wide > 10 else 22) * rng.random())
            x, y = float(x - ay / length * off), float(y + ax / length * off)
            edge = _EDGE_M + radius
            apart = 50.0 if attempt < 4000 else 20.0
            if (
                edge < x < width - edge
                and edge < y < height - edge
                and all(math.hypot(x - v.x, y - v.y) > v.radius + radius + 60 for v in ground.villages)
                and all(
                    math.hypot(x - px, y - py) > 1.5 * (radius + other) + apart
                    for (px, py, _), other in zip(places, radii, strict=False)
                )
            ):
                places.append((round(x, 1), round(y, 1), round(math.atan2(ay, ax), 4)))
                break
        else:
            raise AssertionError(f"{scenario.name}: no room for {len(radii)} complexes")
    return places


def _history(rng: np.random.Generator, cohort: Cohort, area_ha: float) -> tuple[date, date, date | None]:
    opened = _between(rng, cohort.opens)
    slow, fast = cohort.growth_days[1], cohort.growth_days[0]
    growth = fast + (slow - fast) * (0.3 * rng.random() + 0.7 * min(area_ha / 3, 1))
    closes = rng.random() < cohort.closing_share
    abandoned = _between(rng, cohort.closes) if closes and cohort.closes else None
    return opened, opened + timedelta(days=int(growth)), abandoned


def _between(rng: np.random.Generator, span: tuple[tuple[int, int], tuple[int, int]]) -> date:
    first, last = (date(year, month, 1) for year, month in span)
    return first + timedelta(days=int(rng.random() * ((last - first).days + 28)))


def _shape(
    rng: np.random.Generator, x: float, y: float, heading: float, area_ha: float
) -> tuple[int, int, NDArray[np.float32]]:
    """Corner of a window, and how late each cell of it (y, x) would be dug: lobes strung along the valley, ragged."""
    radius = math.sqrt(area_ha * 1e4 / math.pi)
    half = int(radius * 2.6 / CELL_M) + 4
    row, col = int(y / CELL_M) - half, int(x / CELL_M) - half
    grid = (np.arange(2 * half, dtype=np.float64) - half) * CELL_M
    dx, dy = grid[None, :], grid[:, None]
    cos, sin = round(math.cos(heading), 6), round(math.sin(heading), 6)
    lobes = 1 if area_ha < 0.1 else 2 + int(rng.integers(3))
    late = np.full((2 * half, 2 * half), np.inf)
    for along, across in normals(rng, 2 * lobes).reshape(lobes, 2) * (0.75 * radius, 0.3 * radius):
        if lobes == 1:
            along = across = 0.0
        size = radius * (0.5 + 0.5 * rng.random())
        u = (dx * cos + dy * sin - along) / (1.5 * size)
        v = (dy * cos - dx * sin - across) / (0.8 * size)
        late = np.minimum(late, np.sqrt(u * u + v * v))
    knots = ((max(3.0, radius / CELL_M / 1.5), 1.0), (8, 0.6), (3, 0.3))
    ragged = value_noise(rng, late.shape, knots)
    return row, col, (late + 0.6 * ragged).astype(np.float32)


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
