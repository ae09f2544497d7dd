"""Land cover: what lies on the ground in each year, when it burns, and how its texture varies."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import affinity
from shapely.geometry.base import BaseGeometry

from pipeline.simulation import spectra
from pipeline.simulation.noise import stream, value_noise
from pipeline.simulation.scenario import CELL_M, Scenario
from pipeline.simulation.settlement import Village, dig_ponds, draw_settlement, lay_fields, place_villages, rounded
from pipeline.simulation.terrain import Drainage, Extent, burn_in, make_drainage

BURN_STEP_DAYS = 2  # a burn raster counts steps since 15 November, from 1


@dataclass(frozen=True)
class Landscape:
    """Ground without workings, on cells of 2.5 m (y, x).

    `covers` are codes of `spectra.COVERS` for each year (from August); `burns` say for each dry season when a cell
    burns (0: not); `brightness` and `moisture` are the texture fields, in 1/128.
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
    villages = place_villages(scenario, extent, drainage)
    natural = _natural(scenario, extent, to_river, to_stream)
    settled = draw_settlement(scenario, extent, villages)
    water = _channels(extent, drainage)
    covers = []
    for year in range(scenario.years):
        cover = natural.copy()
        farmed = burn_in(lay_fields(scenario, villages, year), extent.shape)
        # Fields stop at the channel and leave single trees standing.
        np.copyto(cover, farmed, where=(farmed > 0) & (natural != spectra.ROCK.code) & (to_stream > 12))
        _draw(cover, burn_in(dig_ponds(scenario, villages, drainage, year), extent.shape))
        _draw(cover, settled[year])
        _draw(cover, water)
        bars = burn_in(_bars(scenario, drainage, year), extent.shape)
        channel = to_river < drainage.river_width_m * 0.95
        np.copyto(cover, bars, where=(bars > 0) & channel)
        covers.append(cover)
    burnable = to_river > 60
    burns = tuple(_burns(scenario, extent, season, burnable) for season in range(scenario.years))
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
            shapes.append((rounded(affinity.rotate(bar, angle)), code))
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
        half = int(radius * 1.7 / CELL_M)
        row, col = int(y / CELL_M), int(x / CELL_M)
        r0, r1 = max(0, row - half), min(extent.rows, row + half)
        c0, c1 = max(0, col - half), min(extent.cols, col + half)
        ragged = value_noise(rng, (2 * half, 2 * half), ((half / 2, 1.0), (60, 0.7), (20, 0.5), (6, 0.4)))
        ragged = ragged[r0 - row + half : r1 - row + half, c0 - col + half : c1 - col + half]
        dy = (np.arange(r0, r1, dtype=np.float32)[:, None] - row) * np.float32(CELL_M / radius)
        dx = (np.arange(c0, c1, dtype=np.float32)[None, :] - col) * np.float32(CELL_M / radius)
        reach = dx * dx + dy * dy + np.float32(2.2) * ragged
        window = grid[r0:r1, c0:c1]
        burnt = (reach < 1) & burnable[r0:r1, c0:c1] & (window == 0) & (ragged > -0.75)
        day = first + np.clip(reach * np.float32(4), 0, 5).astype(np.uint8)
        np.copyto(window, day.astype(np.uint8), where=burnt)
    return grid
