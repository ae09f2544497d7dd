"""Placing: where complexes lie along the drainage, and in which order their cells would be dug."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.simulation.cohorts import Cohort
from pipeline.simulation.landcover import Landscape
from pipeline.simulation.noise import normals, stream, value_noise
from pipeline.simulation.scenario import CELL_M, Scenario

SIZE_CLASSES = ("<0.1 ha", "0.1-0.5 ha", "0.5-2 ha", ">2 ha")
_AREA_HA = ((0.008, 0.09), (0.13, 0.46), (0.55, 1.9), (2.1, 3.2))
_EDGE_M = 330.0  # complexes keep this far inside the drawn ground
GAP_M = 60.0  # between the two halves of a pair or a split without its neck: twice the 30 m that link ground to a site


@dataclass(frozen=True)
class Place:
    """Room for one complex or one pair: size class, area (ha, of each), centre (m) and heading of the valley."""

    cohort: Cohort
    size: int
    area_ha: float
    x: float = 0.0
    y: float = 0.0
    heading: float = 0.0

    @property
    def lobe_m(self) -> float:
        """Radius of a circle with the area of one half, or of the whole of a single complex."""
        half = 2 if self.cohort.form == "split" else 1
        return math.sqrt(self.area_ha * 1e4 / math.pi / half)

    @property
    def spread_m(self) -> float:
        """Distance between the centres of the two halves; 0 for a single complex."""
        return 0.0 if self.cohort.form == "single" else GAP_M + 1.4 * self.lobe_m


@dataclass(frozen=True)
class Shape:
    """A window on the extent's cells: corner, how late each cell (y, x) would be dug (inf: never), and the neck."""

    row: int
    col: int
    late: NDArray[np.float32]
    neck: NDArray[np.bool_]

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the extent."""
        return slice(self.row, self.row + self.late.shape[0]), slice(self.col, self.col + self.late.shape[1])


def place_all(scenario: Scenario, ground: Landscape) -> tuple[Place, ...]:
    """Every place of a scenario, the largest first within `cohorts` and then within `later`."""
    places: list[Place] = []
    for label, cohorts in (("places", scenario.cohorts), ("later places", scenario.later)):
        plans = sorted(_plans(scenario, cohorts), key=lambda plan: -plan.area_ha)
        places += _place(scenario, ground, label, plans, places)
    return tuple(places)


def _plans(scenario: Scenario, cohorts: Sequence[Cohort]) -> Iterator[Place]:
    for cohort in cohorts:
        rng = stream(scenario.seed, "sizes", cohort.name)
        for size, count in enumerate(cohort.counts):
            low, high = _AREA_HA[size]
            for _ in range(count):
                yield Place(cohort, size, low + (high - low) * rng.random())


def _place(
    scenario: Scenario, ground: Landscape, label: str, plans: Sequence[Place], taken: Sequence[Place]
) -> list[Place]:
    """Centre and heading of each plan: beside a watercourse, apart from the others and from villages."""
    rng = stream(scenario.seed, label)
    width, height = ground.extent.size_m
    drainage = ground.drainage
    lines = [(drainage.river, drainage.river_width_m), *drainage.streams]
    reaches = [(line[i], line[i + 1] - line[i], wide) for line, wide in lines for i in range(2, len(line) - 1)]
    places: list[Place] = []
    for plan in plans:
        radius = plan.lobe_m + plan.spread_m / 2
        for attempt in range(20_000):
            (x, y), (ax, ay), wide = reaches[int(rng.integers(len(reaches)))]
            side, length = 1 if rng.random() < 0.5 else -1, math.hypot(ax, ay)
            off = side * (wide / 2 + 0.55 * plan.lobe_m + (70 if wide > 10 else 22) * rng.random())
            x, y = float(x - ay / length * off), float(y + ax / length * off)
            edge = _EDGE_M + radius
            apart = 50.0 if attempt < 4000 else 20.0
            if (
                edge < x < width - edge
                and edge < y < height - edge
                # The river would part two halves for good.
                and (plan.cohort.form == "single" or wide < 10)
                and all(math.hypot(x - v.x, y - v.y) > v.radius + radius + 60 for v in ground.villages)
                and all(
                    math.hypot(x - other.x, y - other.y) > 1.5 * (radius + other.lobe_m + other.spread_m / 2) + apart
                    for other in (*taken, *places)
                )
            ):
                heading = round(math.atan2(ay, ax), 4)
                places.append(Place(plan.cohort, plan.size, plan.area_ha, round(x, 1), round(y, 1), heading))
                break
        else:
            raise AssertionError(f"{scenario.name}: no room for {len(taken) + len(plans)} complexes")
    return places


def make_shape(rng: np.random.Generator, place: Place, side: int) -> Shape:
    """Lobes strung along the valley, ragged; of a pair the half on one `side` (-1 or 1; 0 for other forms)."""
    radius = math.sqrt(place.area_ha * 1e4 / math.pi)
    half = int(radius * 2.6 / CELL_M) + 4
    form, apart = place.cohort.form, place.spread_m
    cos, sin = round(math.cos(place.heading), 6), round(math.sin(place.heading), 6)
    x, y = place.x + side * apart / 2 * cos, place.y + side * apart / 2 * sin
    row, col = int(y / CELL_M) - half, int(x / CELL_M) - half
    grid = (np.arange(2 * half, dtype=np.float64) - half) * CELL_M
    along, across = grid[None, :] * cos + grid[:, None] * sin, grid[:, None] * cos - grid[None, :] * sin
    late = np.full((2 * half, 2 * half), np.inf)
    for lobe_x, lobe_y in _lobes(rng, place):
        size = place.lobe_m * (0.5 + 0.5 * rng.random())
        u, v = (along - lobe_x) / (1.5 * size), (across - lobe_y) / (0.8 * size)
        late = np.minimum(late, np.sqrt(u * u + v * v))
    knots = ((max(3.0, radius / CELL_M / 1.5), 1.0), (8, 0.6), (3, 0.3))
    ragged = value_noise(rng, late.shape, knots)
    late = (late + 0.6 * ragged).astype(np.float32)
    neck = np.zeros(late.shape, np.bool_)
    if form != "single":
        from_middle = np.abs(along) if form == "split" else side * along + apart / 2
        late[from_middle < GAP_M / 2] = np.inf
        neck = (from_middle >= 0) & (from_middle <= apart / 2) & (np.abs(across) <= max(12.0, 0.3 * place.lobe_m))
    return Shape(row, col, late, neck)


def _lobes(rng: np.random.Generator, place: Place) -> list[tuple[float, float]]:
    """Centres of the lobes along and across the valley, in metres."""
    if place.cohort.form == "split":
        return [(-place.spread_m / 2, 0.0), (place.spread_m / 2, 0.0)]
    lobes = 1 if place.area_ha < 0.1 else 2 + int(rng.integers(3))
    centres = normals(rng, 2 * lobes).reshape(lobes, 2) * (0.75 * place.lobe_m, 0.3 * place.lobe_m)
    if lobes == 1 or place.cohort.form == "pair":
        centres[0] = 0.0
    return [(float(u), float(v)) for u, v in centres]
