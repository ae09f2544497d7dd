"""Rendering: the ground of one day as reflectance, drawn at 2.5 m and gathered into 10 m pixels."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.areas.lattice import from_lonlat, to_lonlat
from pipeline.simulation import spectra
from pipeline.simulation.landcover import BURN_STEP_DAYS, Landscape
from pipeline.simulation.scenario import CELL_M, FINE_PER_PIXEL, PAD_CELLS, Granule
from pipeline.simulation.stages import BARE, UNDUG, YOUNG, stage
from pipeline.simulation.terrain import Extent
from pipeline.simulation.workings import Workings, day_number

UNBURNT = 255


@dataclass(frozen=True)
class Ground:
    """All layers of `Landscape` and `Workings` on the cells of one granule, padded by PAD_CELLS on each side."""

    granule: Granule
    covers: tuple[NDArray[np.uint8], ...]
    burns: tuple[NDArray[np.uint8], ...]
    brightness: NDArray[np.int8]
    moisture: NDArray[np.int8]
    number: NDArray[np.uint8]
    opens: NDArray[np.int16]
    ponds: NDArray[np.int16]
    regrows: NDArray[np.int16]
    reopens: NDArray[np.int16]
    sites: NDArray[np.int32]

    @property
    def days(self) -> tuple[NDArray[np.int16], ...]:
        """The layers that `stages` takes."""
        return self.opens, self.ponds, self.regrows, self.reopens


def cut(landscape: Landscape, workings: Workings, granule: Granule) -> Ground:
    """The drawn ground on one granule's cells; in another UTM zone than the drawing's, by nearest cell."""
    rows, cols = cell_index(landscape.extent, granule, CELL_M, PAD_CELLS)

    def take(layer: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(layer[rows, cols])

    return Ground(
        granule,
        tuple(take(layer) for layer in landscape.covers),
        tuple(take(layer) for layer in landscape.burns),
        take(landscape.brightness),
        take(landscape.moisture),
        take(workings.number),
        take(workings.opens),
        take(workings.ponds),
        take(workings.regrows),
        take(workings.reopens),
        workings.sites,
    )


Index = slice | NDArray[np.int32]


def cell_index(extent: Extent, granule: Granule, cell_m: float, pad: int) -> tuple[Index, Index]:
    """Row and column index into the drawn extent for each cell of a padded granule, at some cell size (m)."""
    rows, cols = (round(n * 10 / cell_m) + 2 * pad for n in (granule.rows, granule.cols))
    if granule.epsg == extent.epsg:
        row = round((extent.top - granule.top) / cell_m) - pad
        col = round((granule.left - extent.left) / cell_m) - pad
        return slice(row, row + rows), slice(col, col + cols)
    # Every 400 m by PROJ, rounded to millimetres, linear between: within 2 mm of exact, and equal everywhere, since the
    # last step moves what lies on a cell's edge by more than rounding and less than the interpolation resolves.
    x, y = (granule.left - pad * cell_m, granule.top + pad * cell_m)
    width, height = cols * cell_m, rows * cell_m
    knots_x, knots_y = (np.arange(0.0, length + 400.0, 400.0) for length in (width, height))
    grid_x, grid_y = np.meshgrid(x + knots_x, y - knots_y)
    east, north = from_lonlat(extent.epsg).transform(*to_lonlat(granule.epsg).transform(grid_x, grid_y))
    right, down = np.round(east - extent.left, 3), np.round(extent.top - north, 3)
    index_x, index_y = (np.arange(cols) + 0.5) * cell_m, (np.arange(rows) + 0.5) * cell_m
    found = []
    for field in (down, right):
        lines = np.array([np.interp(index_x, knots_x, line) for line in field])
        at = np.searchsorted(knots_y, index_y, side="right") - 1
        part = ((index_y - knots_y[at]) / (knots_y[at + 1] - knots_y[at]))[:, None]
        metres = lines[at] * (1 - part) + lines[at + 1] * part
        found.append(((metres + 2e-9) / cell_m).astype(np.int32))
    return found[0], found[1]


def year_of(day: date, years: int) -> int:
    """Index of the land-cover year of a day: each runs from August; the first covers all before, the last all after."""
    return min(max(day.year - 2020 - (day.month < 8), 0), years - 1)


def burn_season(day: date, years: int) -> tuple[int, int]:
    """Index of the dry season whose burns may show on a day, and days since its 15 November."""
    year = day.year - (day < date(day.year, 11, 15))
    return min(max(year - 2020, 0), years - 1), (day - date(year, 11, 15)).days if year >= 2020 else -1


def burn_stages(days_since_start: int) -> NDArray[np.uint8]:
    """Cover code by burn step, 255 where the burn does not show: char for two weeks, ash and soil, then new grass."""
    stages = np.full(256, UNBURNT, np.uint8)
    for step in range(1, 256):
        age = days_since_start - step * BURN_STEP_DAYS
        for oldest, cover in ((14, spectra.FRESH_BURN), (42, spectra.OLD_BURN), (85, spectra.FLUSH)):
            if 0 <= age < oldest:
                stages[step] = cover.code
                break
    return stages


def burnable_codes() -> NDArray[np.bool_]:
    """Which cover codes fire runs over."""
    codes = np.zeros(spectra.FIRST_WORKING, np.bool_)
    for cover in (spectra.GRASS, spectra.WOODLAND, spectra.FALLOW, spectra.OLD_REGROWTH):
        codes[cover.code] = True
    return codes


def render(ground: Ground, day: date, greenness: float, shift: tuple[int, int]) -> NDArray[np.int32]:
    """Surface reflectance x 10 000 of a day, (6, rows, cols) at 10 m; `shift` is misregistration in cells (y, x)."""
    planes = mean_of_cells(ground, day, spectra.lookup(ground.sites, greenness), shift)
    softened: NDArray[np.int32] = soften(planes, 1, 6)
    return softened


def mean_of_cells(
    ground: Ground, day: date, table: NDArray[np.int32], shift: tuple[int, int] = (0, 0)
) -> NDArray[np.int32]:
    """Mean (band, rows, cols) over each pixel's cells on a day, by a table (code, 3, band) such as `spectra.lookup`."""
    years = len(ground.covers)
    season, since = burn_season(day, years)
    planes: NDArray[np.int32] = gather(
        ground.covers[year_of(day, years)],
        ground.burns[season],
        burn_stages(since),
        burnable_codes(),
        (ground.number, *ground.days),
        ground.brightness,
        ground.moisture,
        table,
        day_number(day),
        PAD_CELLS + shift[0],
        PAD_CELLS + shift[1],
        (ground.granule.rows, ground.granule.cols),
    )
    return planes


@njit(cache=True, nogil=True)
def gather(cover, burn, steps, burnable, work, brightness, moisture, table, day, row0, col0, shape):  # type: ignore[no-untyped-def]
    """Mean (band, y, x) over the 4 x 4 cells of each pixel, in whole numbers only."""
    number, opens, ponds, regrows, reopens = work
    bands = table.shape[2]
    out = np.empty((bands, shape[0], shape[1]), np.int32)
    total = np.empty(bands, np.int64)
    for y in range(shape[0]):
        for x in range(shape[1]):
            total[:] = 0
            for dy in range(FINE_PER_PIXEL):
                r = row0 + y * FINE_PER_PIXEL + dy
                for dx in range(FINE_PER_PIXEL):
                    c = col0 + x * FINE_PER_PIXEL + dx
                    code = np.int64(cover[r, c])
                    if burn[r, c] > 0 and burnable[code]:
                        burnt = steps[burn[r, c]]
                        if burnt != 255:
                            code = np.int64(burnt)
                    if number[r, c] > 0:
                        now = stage(day, opens[r, c], ponds[r, c], regrows[r, c], reopens[r, c])
                        if now >= YOUNG:
                            code = np.int64(23 + now - YOUNG)
                        elif now != UNDUG:
                            code = 32 + 2 * (np.int64(number[r, c]) - 1) + now - BARE
                    light, damp = np.int64(brightness[r, c]), np.int64(moisture[r, c])
                    for band in range(bands):
                        swing = table[code, 1, band] * light + table[code, 2, band] * damp
                        total[band] += table[code, 0, band] * 128 + swing
            for band in range(bands):
                out[band, y, x] = max(total[band] // (128 * 16), 30)
    return out


@njit(cache=True, nogil=True)
def soften(planes, side, centre):  # type: ignore[no-untyped-def]
    """A point spread in whole numbers: side-centre-side weights along both axes, edges repeated, rounded half up."""
    bands, rows, cols = planes.shape
    out = np.empty_like(planes)
    line = np.empty((rows, cols), np.int64)
    total = (2 * side + centre) ** 2
    for band in range(bands):
        for y in range(rows):
            up, down = max(y - 1, 0), min(y + 1, rows - 1)
            for x in range(cols):
                line[y, x] = side * (planes[band, up, x] + planes[band, down, x]) + centre * planes[band, y, x]
        for y in range(rows):
            for x in range(cols):
                left, right = max(x - 1, 0), min(x + 1, cols - 1)
                out[band, y, x] = (side * (line[y, left] + line[y, right]) + centre * line[y, x] + total // 2) // total
    return out
