"""Radar: passes of Sentinel-1 over the ground, and what they measure with speckle."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.simulation.backscatter import POWER, lookup
from pipeline.simulation.look import greenness_of
from pipeline.simulation.noise import enlarge, normals, stream, value_noise
from pipeline.simulation.rendering import Ground, mean_of_cells, soften
from pipeline.simulation.scenario import REPEAT_DAYS, Orbit, Scenario

NODATA = -32_768
STEP = 20  # stored numbers are dB x 100 in steps of 0.2 dB, a tenth of the speckle: two thirds of the bytes
_ORBITS_A_REPEAT = 175
_LAUNCH = date(2014, 4, 3)
_LOOK_SCALE = 1024  # of whole numbers that stand for one-look intensities of mean 1
_LEAN_DB = 0.9  # at most what terrain correction leaves on a track (sd about 0.2 dB), chosen
_LEAN_STEP = 16  # pixels between the points at which that is drawn


@dataclass(frozen=True)
class Pass:
    """One pass of Sentinel-1A; `wetness` of soil and leaves from 0 (driest) to 1, `gain_db` of the scene."""

    orbit: Orbit
    acquired: datetime
    number: int
    wetness: float
    gain_db: float

    @property
    def day(self) -> date:
        """Date of acquisition (UTC)."""
        return self.acquired.date()


def plan_passes(scenario: Scenario) -> tuple[Pass, ...]:
    """All passes in order of time: every repeat cycle in the dry seasons, each track's `wet_repeats`-th otherwise."""
    periods = scenario.periods()
    last = date(periods[-1].end.year, 11, 15)
    passes = []
    for orbit in scenario.orbits:
        launched = round((orbit.first - _LAUNCH).days * _ORBITS_A_REPEAT / REPEAT_DAYS)
        # The relative orbit of Sentinel-1A is (absolute - 73) modulo 175, plus 1.
        number = launched + (orbit.relative - 1 + 73 - launched) % _ORBITS_A_REPEAT
        for cycle in range((last - orbit.first).days // REPEAT_DAYS + 1):
            day = orbit.first + timedelta(days=REPEAT_DAYS * cycle)
            if cycle % orbit.wet_repeats == 0 or any(period.start <= day <= period.end for period in periods):
                passes.append(_pass(scenario, orbit, day, number + _ORBITS_A_REPEAT * cycle))
    return tuple(sorted(passes, key=lambda one: one.acquired))


def _pass(scenario: Scenario, orbit: Orbit, day: date, number: int) -> Pass:
    rng = stream(scenario.seed, "pass", orbit.relative, day)
    green = max(greenness_of(scenario, day), 0.0)
    # Rain of the days before, chosen: likelier and heavier as the season is greener; dew and drying in between.
    rained, amount, drift = rng.random() < 0.06 + 0.5 * green, rng.random(), float(normals(rng, 1)[0])
    wetness = 0.92 * green + (0.22 * amount if rained else -0.12 * amount * green)
    return Pass(
        orbit=orbit,
        acquired=datetime.combine(day, time(orbit.minute // 60, orbit.minute % 60, int(rng.integers(60))), UTC),
        number=number,
        wetness=round(min(max(wetness, 0.0), 1.1), 4),
        gain_db=round(orbit.bias_db + 0.15 * drift, 3),
    )


def observe_radar(scenario: Scenario, ground: Ground, one: Pass, bare_db: NDArray[np.float64]) -> NDArray[np.int16]:
    """VV and VH of a pass, (2, y, x), dB x 100.

    Resolution is coarser than the pixel (weights 1-2-1 along both axes, about 20 m). Speckle is multiplicative:
    one-look intensities averaged with weights 2-7-2 along both axes, nearly gamma, with 4.5 equivalent looks (4.4 in
    IW GRDH products: Sentinel-1 Product Definition, 2016) and a correlation of 0.49 between neighbours.
    """
    table = lookup(bare_db, one.wetness, one.gain_db)
    surface = soften(mean_of_cells(ground, one.day, table), 1, 2)
    label = (ground.granule.epsg, one.orbit.relative, one.day.toordinal())
    seed = int(stream(scenario.seed, "speckle", *label).integers(1 << 62))
    speckle = soften(one_look(seed, surface.shape[1:]), 2, 7)
    decibels = 10 * np.log10(surface * (np.maximum(speckle, 1) / (_LOOK_SCALE * POWER)))
    decibels += _lean(scenario, ground, one.orbit)
    stored: NDArray[np.int16] = (np.rint(decibels * 100 / STEP) * STEP).astype(np.int16)
    return stored


def _lean(scenario: Scenario, ground: Ground, orbit: Orbit) -> NDArray[np.float32]:
    """What terrain correction leaves of slopes that face a track or turn away, dB (y, x); equal for all its passes."""
    rows, cols = (-(-n // _LEAN_STEP) + 1 for n in (ground.granule.rows, ground.granule.cols))
    rng = stream(scenario.seed, "lean", ground.granule.epsg, orbit.relative)
    field = value_noise(rng, (rows, cols), ((20, 1.0), (7, 0.8), (3, 0.4))) * np.float32(_LEAN_DB)
    return enlarge(field, _LEAN_STEP)[: ground.granule.rows, : ground.granule.cols]


# Quantiles of the exponential distribution, for 16 random bits.
_QUANTILES = np.rint(-np.log((np.arange(65_536) + 0.5) / 65_536) * _LOOK_SCALE).astype(np.int32)


def one_look(seed: int, shape: tuple[int, int]) -> NDArray[np.int32]:
    """Two independent planes (2, y, x) of one-look intensities: exponential, mean 1024."""
    drawn: NDArray[np.int32] = _one_look(np.uint64(seed), shape[0], shape[1], _QUANTILES)
    return drawn


@njit(cache=True, nogil=True)
def _one_look(seed, rows, cols, quantiles):  # type: ignore[no-untyped-def]
    out = np.empty((2, rows, cols), np.int32)
    state = np.uint64(seed)
    for y in range(rows):
        for x in range(cols):
            state += np.uint64(0x9E3779B97F4A7C15)  # splitmix64 (Steele et al. 2014)
            z = state
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z ^= z >> np.uint64(31)
            out[0, y, x] = quantiles[z & np.uint64(0xFFFF)]
            out[1, y, x] = quantiles[(z >> np.uint64(32)) & np.uint64(0xFFFF)]
    return out
