"""Land cover: what lies on the ground in each of three years, when it burns, and how its texture varies."""

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
from pipeline.simulation.noise import normals, stream, value_noise
from pipeline.simulation.scenario import Scenario
from pipeline.simulation.terrain import Drainage, Extent, burn_in, make_drainage

YEARS = 3
BURN_STEP_DAYS = 2  # a burn raster counts steps since 15 November, from 1


@dataclass(frozen=True)
class Village:
    """Centre (m) and radius (m) of a village."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Landscape:
    """Ground without workings, on cells of 2.5 m (y, x).

    `covers` are codes of `spectra.COVERS` for three years (each from August); `burns` say for three dry seasons when a
    cell burns (0: not); `brightness` and `moisture` are the texture fields, in 1/128.
    """

    extent: Extent
    drainage: Drainage
    villages: tuple[Village, ...]
    covers: tuple[NDArray[np.uint8], ...]
    burns: tuple[NDArray[np.uint8], ...]
    brightness: NDArray[np.int8]
    moisture: NDArray[np.int8]


def make_landscape(scenario: Scenario, extent: Extent) -> Landscape:
    """Draw the ground of a scenario."""
    drainage = make_drainage(scenario, extent.size_m)
    to_river, to_stream = drainage.distances(extent.shape)
    villages = _villages(scenario, extent, drainage)
    natural = _natural(scenario, extent, to_river, to_stream)
    settled = _settle(scenario, extent, villages)
    water = _channels(extent, drainage)
    covers = []
    for year in range(YEARS):
        cover = natural.copy()
        farmed = burn_in(_fields(scenario, villages, year), extent.shape)
        # Fields stop at the channel and leave single trees standing.
        np.copyto(cover, farmed, where=(farmed > 0) & (natural != spectra.ROCK.code) & (to_stream > 12))
        _draw(cover, burn_in(_ponds(scenario, villages, drainage, year), extent.shape))
        _draw(cover, settled[year])
        _draw(cover, water)
        bars = burn_in(_bars(scenario, drainage, year), extent.shape)
        channel = to_river < drainage.river_width_m * 0.95
        np.copyto(cover, bars, where=(bars > 0) & channel)
        covers.append(cover)
    burnable = to_river > 60
    burns = tuple(_burns(scenario, extent, season, burnable) for season in range(YEARS))
    fields = []
    for label, octaves in (
        ("brightness", ((2.6, 0.35), (6, 0.6), (16, 0.7), (64, 0.5))),
        ("moisture", ((4, 0.2), (14, 0.4), (48, 0.6), (220, 0.9))),
    ):
        noise = value_noise(stream(scenario.seed, label), extent.shape, octaves)
        fields.append(np.clip(np.rint(noise * np.float32(210)), -127, 127).astype(np.int8))
    return Landscape(extent, drainage, villages, tuple(covers), burns, fields[0], fields[1])


def _draw(cover: NDArray[np.uint8], layer: NDArray[np.uint8]) -> None:
    np.copyto(cover, layer, where=layer > 0)


def _natural(
    scenario: Scenario, extent: Extent, to_river: NDArray[np.float32], to_stream: NDArray[np.float32]
) -> NDArray[np.uint8]:
    valley = scenario.landscape == "valley"
    rng = stream(scenario.seed, "vegetation")
    broad = value_noise(rng, extent.shape, ((760, 1.0), (260, 0.7), (90, 0.45), (24, 0.25), (7, 0.14)))
    edge = value_noise(rng, extent.shape, ((70, 0.8), (24, 0.7), (8, 0.5), (3, 0.35)))
    river_forest, stream_forest = (120, 62) if valley else (52, 17)
    shape = np.float32(1) + np.float32(1.5) * edge + np.float32(0.9) * broad
    gallery = (to_river < river_forest * shape) | (to_stream < stream_forest * shape)
    meadow = (to_stream < (stream_forest + 45) * shape) | (to_river < (river_forest + 60) * shape)
    cover = np.full(extent.shape, spectra.GRASS.code, np.uint8)
    # Shrubs and trees scattered in the grass, denser in the woodland.
    trees = value_noise(rng, extent.shape, ((5, 0.8), (2.5, 0.6)))
    wooded = broad > (-0.02 if valley else -0.1)
    cover[trees > np.where(wooded, np.float32(-0.12), np.float32(0.36))] = spectra.WOODLAND.code
    cover[wooded & (trees > 0.42)] = spectra.FOREST.code
    if valley:
        cover[broad > 0.22] = spectra.FOREST.code
        cover[meadow & (edge > 0.02)] = spectra.MEADOW.code
    else:
        cover[meadow & (edge > -0.1)] = spectra.MEADOW.code
        rocks = value_noise(rng, extent.shape, ((150, 1.0), (40, 0.5), (9, 0.3)))
        highest = np.sort(rocks[::8, ::8], axis=None)
        cover[rocks > highest[-len(highest) // 160]] = spectra.ROCK.code
    cover[gallery & (trees > -0.55)] = spectra.FOREST.code
    return cover


def _villages(scenario: Scenario, extent: Extent, drainage: Drainage) -> tuple[Village, ...]:
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


def _settle(scenario: Scenario, extent: Extent, villages: tuple[Village, ...]) -> list[NDArray[np.uint8]]:
    """Roads, tracks, yards and roofs of each year; a new road is cut in the second, villages grow a little."""
    width, height = extent.size_m
    rng = stream(scenario.seed, "roads")
    first = villages[0]
    road_points = [(-50.0, first.y + 200)] + [(v.x, v.y + 40) for v in villages] + [(width + 50, villages[-1].y - 250)]
    road = _bent(rng, road_points, 60)
    tracks = [_bent(rng, [(v.x, v.y), (v.x + 500, -50.0 if v.y < height / 2 else height + 50)], 45) for v in villages]
    cut = _bent(rng, [(first.x + 600, height + 50), (first.x + 900, height * 0.7), (width * 0.62, height * 0.86)], 70)
    layers = []
    for year in range(YEARS):
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


def _fields(scenario: Scenario, villages: tuple[Village, ...], year: int) -> list[tuple[BaseGeometry, int]]:
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
            shapes.append((_rounded(affinity.rotate(parcel, lean)), kind.code))
    return shapes


def _rounded(geometry: BaseGeometry) -> BaseGeometry:
    return shapely.transform(geometry, lambda xy: np.round(xy, 2))


def _ponds(
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
            pond = _rounded(affinity.rotate(oval, 180 * rng.random()))
            if nth < 2 or year >= 1 + number % 2:
                shapes.append((pond.buffer(4.0, 4), spectra.YARD.code))
                shapes.append((pond, spectra.FARM_POND.code))
    for line, _ in drainage.streams[:: max(1, len(drainage.streams) // 3)]:
        reach = shapely.LineString(line[-12:-6])
        shapes.append((_rounded(reach.buffer(9 + 10 * rng.random(), 6)), spectra.FARM_POND.code))
    return shapes


def _channels(extent: Extent, drainage: Drainage) -> NDArray[np.uint8]:
    shapes: list[tuple[BaseGeometry, int]] = [
        (shapely.LineString(line).buffer(max(width / 2, 1.6), 2), spectra.STREAM.code)
        for line, width in drainage.streams
    ]
    shapes.append((shapely.LineString(drainage.river).buffer(drainage.river_width_m / 2), spectra.RIVER.code))
    return burn_in(shapes, extent.shape)


def _bars(scenario: Scenario, drainage: Drainage, year: int) -> list[tuple[BaseGeometry, int]]:
    """Point bars at the inner side of bends; each year's flood moves, grows, drowns or leaves them."""
    river, width = drainage.river, drainage.river_width_m
    fixed, moved = stream(scenario.seed, "bars"), stream(scenario.seed, "bars", year)
    step = 9
    shapes: list[tuple[BaseGeometry, int]] = []
    for at in range(step, len(river) - step, step):
        before, here, after = river[at - step], river[at], river[at + step]
        along = after - before
        reach = math.hypot(*along)
        across = np.array([-along[1], along[0]]) / reach
        cross = float((here - before)[0] * (after - here)[1] - (here - before)[1] * (after - here)[0])
        bend = cross / (reach * reach)
        keep, size = fixed.random(), 0.5 + 0.8 * fixed.random()
        there, grown, shift = moved.random(), 0.6 + 0.8 * moved.random(), (moved.random() - 0.5) * 90
        if abs(bend) < 0.07 or keep > 0.62 or there > 0.75:
            continue
        inner = across * (1 if bend > 0 else -1)
        centre = here + inner * width * 0.42 + along / reach * shift
        long, wide = width * size * grown * 1.9, width * 0.33 * grown
        angle = math.degrees(math.atan2(along[1], along[0]))
        for scale, code in ((1.0, spectra.LOW_BAR.code), (0.72, spectra.HIGH_BAR.code)):
            bar = affinity.scale(shapely.Point(*centre).buffer(1.0, 12), long * scale, wide * scale)
            shapes.append((_rounded(affinity.rotate(bar, angle)), code))
    return shapes


def _burns(scenario: Scenario, extent: Extent, season: int, burnable: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Step (from 1) in which each cell burns in a dry season; the fire spreads over days and leaves islands."""
    rng = stream(scenario.seed, "burns", season)
    grid = np.zeros(extent.shape, np.uint8)
    width, height = extent.size_m
    for _ in range(scenario.burns):
        x, y = width * rng.random(), height * rng.random()
        radius = 110 + 620 * rng.random() * rng.random()
        first = 12 + int(rng.integers(45))
        half = int(radius * 1.7 / 2.5)
        row, col = int(y / 2.5), int(x / 2.5)
        r0, r1 = max(0, row - half), min(extent.rows, row + half)
        c0, c1 = max(0, col - half), min(extent.cols, col + half)
        ragged = value_noise(rng, (2 * half, 2 * half), ((half / 2, 1.0), (60, 0.7), (20, 0.5), (6, 0.4)))
        ragged = ragged[r0 - row + half : r1 - row + half, c0 - col + half : c1 - col + half]
        dy = (np.arange(r0, r1, dtype=np.float32)[:, None] - row) * np.float32(2.5 / radius)
        dx = (np.arange(c0, c1, dtype=np.float32)[None, :] - col) * np.float32(2.5 / radius)
        reach = dx * dx + dy * dy + np.float32(2.2) * ragged
        window = grid[r0:r1, c0:c1]
        burnt = (reach < 1) & burnable[r0:r1, c0:c1] & (window == 0) & (ragged > -0.75)
        day = first + np.clip(reach * np.float32(4), 0, 5).astype(np.uint8)
        np.copyto(window, day.astype(np.uint8), where=burnt)
    return grid
