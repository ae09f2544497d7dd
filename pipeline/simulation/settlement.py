"""Settlement: villages with their fields and ponds, and the roads between them, year by year."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import affinity
from shapely.geometry.base import BaseGeometry

from pipeline.simulation import spectra
from pipeline.simulation.noise import normals, stream
from pipeline.simulation.scenario import Scenario
from pipeline.simulation.terrain import Drainage, Extent, burn_in


@dataclass(frozen=True)
class Village:
    """Centre (m) and radius (m) of a village."""

    x: float
    y: float
    radius: float


def place_villages(scenario: Scenario, extent: Extent, drainage: Drainage) -> tuple[Village, ...]:
    """Villages spread along the river, on alternating banks."""
    rng = stream(scenario.seed, "villages")
    width, height = extent.size_m
    river = drainage.river
    places: list[Village] = []
    for number in range(scenario.villages):
        x = width * (number + 0.25 + 0.5 * rng.random()) / scenario.villages
        bank = float(river[int(np.argmin(np.abs(river[:, 0] - x))), 1])
        side = 1 if number % 2 else -1
        y = bank + side * (650 + 800 * rng.random())
        y = min(max(y, 500.0), height - 500.0)
        places.append(Village(round(x, 1), round(y, 1), round(110 + 130 * rng.random(), 1)))
    return tuple(places)


def draw_settlement(scenario: Scenario, extent: Extent, villages: tuple[Village, ...]) -> list[NDArray[np.uint8]]:
    """Roads, tracks, yards and roofs of each year; a new road is cut in the second, villages grow a little."""
    width, height = extent.size_m
    rng = stream(scenario.seed, "roads")
    first = villages[0]
    road_points = [(-50.0, first.y + 200)] + [(v.x, v.y + 40) for v in villages] + [(width + 50, villages[-1].y - 250)]
    road = _bent(rng, road_points, 60)
    tracks = [_bent(rng, [(v.x, v.y), (v.x + 500, -50.0 if v.y < height / 2 else height + 50)], 45) for v in villages]
    cut = _bent(rng, [(first.x + 600, height + 50), (first.x + 900, height * 0.7), (width * 0.62, height * 0.86)], 70)
    layers = []
    for year in range(scenario.years):
        shapes: list[tuple[BaseGeometry, int]] = [(line.buffer(2.2), spectra.TRACK.code) for line in tracks]
        shapes.append((road.buffer(6.0), spectra.ROAD.code))
        if year >= 1:
            shapes.append((cut.buffer(5.0), spectra.ROAD.code))
        for number, village in enumerate(villages):
            shapes += _houses(stream(scenario.seed, "houses", number), village, 1 + 0.07 * year)
        layers.append(burn_in(shapes, extent.shape))
    return layers


def _bent(rng: np.random.Generator, points: list[tuple[float, float]], sway: float) -> shapely.LineString:
    dense: list[tuple[float, float]] = []
    for (x0, y0), (x1, y1) in pairwise(points):
        steps = max(2, int(math.hypot(x1 - x0, y1 - y0) / 350))
        jitter = normals(rng, 2 * steps).reshape(steps, 2) * sway
        jitter[0] = 0
        for step in range(steps):
            share = step / steps
            dense.append((x0 + share * (x1 - x0) + jitter[step, 0], y0 + share * (y1 - y0) + jitter[step, 1]))
    dense.append(points[-1])
    corners = np.array(dense)
    for _ in range(3):  # Chaikin's corner cutting
        q, r = 0.75 * corners[:-1] + 0.25 * corners[1:], 0.25 * corners[:-1] + 0.75 * corners[1:]
        corners = np.concatenate([corners[:1], np.stack([q, r], 1).reshape(-1, 2), corners[-1:]])
    return shapely.LineString(np.round(corners, 2))


def _houses(rng: np.random.Generator, village: Village, growth: float) -> list[tuple[BaseGeometry, int]]:
    """Yards along the axis of a village, and its buildings; a fixed sequence of draws, cut by the year's radius."""
    shapes: list[tuple[BaseGeometry, int]] = []
    yards, roofs = [], []
    for _ in range(int(village.radius * 0.55)):
        u, v = normals(rng, 2) * (0.55, 0.3) * village.radius
        size, turn, metal = 7 + 9 * rng.random(), 360 * rng.random(), rng.random() < 0.45
        if math.hypot(u, v) > village.radius * growth:
            continue
        x, y = village.x + u, village.y + v
        yards.append(shapely.Point(x, y).buffer(size * 1.25, 3))
        house = affinity.rotate(shapely.box(x - size / 2, y - size / 3, x + size / 2, y + size / 3), turn)
        roofs.append((house, spectra.ROOF.code if metal else spectra.THATCH.code))
    shapes += [(yard, spectra.YARD.code) for yard in yards]
    shapes += roofs
    return shapes


def lay_fields(scenario: Scenario, villages: tuple[Village, ...], year: int) -> list[tuple[BaseGeometry, int]]:
    """Parcels around villages, each with its own rotation, and clearings that a given year opens in the bush."""
    shapes: list[tuple[BaseGeometry, int]] = []
    kinds = (spectra.BRIGHT_FIELD, spectra.FIELD, spectra.FIELD, spectra.FALLOW, spectra.CASSAVA)
    if scenario.landscape == "savanna":
        kinds = (spectra.BRIGHT_FIELD, spectra.FIELD, spectra.FIELD, spectra.FALLOW, spectra.ORCHARD)
    for number, village in enumerate(villages):
        rng = stream(scenario.seed, "fields", number)
        axis = 180 * rng.random()
        for _ in range(95):
            away = village.radius + 60 + 1300 * rng.random() * rng.random()
            bearing = 2 * math.pi * rng.random()
            long, wide = 28 + 75 * rng.random(), 22 + 45 * rng.random()
            rotation, lean = int(rng.integers(len(kinds))), axis + 24 * (rng.random() - 0.5)
            opened, kept = rng.random(), rng.random()
            # A third of the parcels is in use from the second or third year on only; trees never rotate.
            if year < (2 if opened > 0.84 else 1 if opened > 0.68 else 0):
                continue
            kind = kinds[rotation]
            if kind is not spectra.ORCHARD and kept < 0.4:
                kind = kinds[(rotation + year) % 4]
            x, y = village.x + away * math.cos(bearing), village.y + away * math.sin(bearing)
            if opened > 0.68 and away > 700:
                kind = spectra.CLEARING
            parcel = shapely.box(x - long, y - wide, x + long, y + wide)
            shapes.append((rounded(affinity.rotate(parcel, lean)), kind.code))
        for since in range(
            3, year + 1
        ):  # later years go on clearing bush; the clearings of a year are fields in the next
            shapes += _clearings(stream(scenario.seed, "clearings", number, since), village, since == year)
    return shapes


def _clearings(rng: np.random.Generator, village: Village, fresh: bool) -> list[tuple[BaseGeometry, int]]:
    shapes: list[tuple[BaseGeometry, int]] = []
    for _ in range(9):
        away, bearing = village.radius + 300 + 1100 * rng.random(), 2 * math.pi * rng.random()
        long, wide, lean = 25 + 60 * rng.random(), 20 + 40 * rng.random(), 180 * rng.random()
        x, y = village.x + away * math.cos(bearing), village.y + away * math.sin(bearing)
        parcel = affinity.rotate(shapely.box(x - long, y - wide, x + long, y + wide), lean)
        shapes.append((rounded(parcel), spectra.CLEARING.code if fresh else spectra.FIELD.code))
    return shapes


def rounded(geometry: BaseGeometry) -> BaseGeometry:
    """A shape with corners at whole centimetres, so that no library's last bit decides about a cell."""
    return shapely.transform(geometry, lambda xy: np.round(xy, 2))


def dig_ponds(
    scenario: Scenario, villages: tuple[Village, ...], drainage: Drainage, year: int
) -> list[tuple[BaseGeometry, int]]:
    """Ponds beside villages, the last of each village dug in the second or third year, and behind small dams."""
    rng = stream(scenario.seed, "ponds")
    shapes: list[tuple[BaseGeometry, int]] = []
    for number, village in enumerate(villages):
        for nth in range(3):
            bearing, away = 2 * math.pi * rng.random(), village.radius + 80 + 350 * rng.random()
            x, y = village.x + away * math.cos(bearing), village.y + away * math.sin(bearing)
            oval: BaseGeometry = affinity.scale(shapely.Point(x, y).buffer(7 + 16 * rng.random(), 6), 1.5, 1.0)
            pond = rounded(affinity.rotate(oval, 180 * rng.random()))
            if nth < 2 or year >= 1 + number % 2:
                shapes.append((pond.buffer(4.0, 4), spectra.YARD.code))
                shapes.append((pond, spectra.FARM_POND.code))
    for line, _ in drainage.streams[:: max(1, len(drainage.streams) // 3)]:
        reach = shapely.LineString(line[-12:-6])
        shapes.append((rounded(reach.buffer(9 + 10 * rng.random(), 6)), spectra.FARM_POND.code))
    return shapes
