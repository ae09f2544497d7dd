"""Backscatter (gamma0, dB) of the simulated ground, each level with its source.

Measured: fields, by the monthly means of a Togolese farmland (nasaharvest/cropharvest, CC BY-SA 4.0: VV from -14.5 in
February to -8.4 in October, VH from -22.8 to -13.6) plus 1 dB from sigma0 to gamma0 at 38 degrees of incidence. Their
swing from dry to wet is the measured one (5.5 and 8 dB); scenes of a season differ by about as much as those of a
Tanzanian field do (WorldCereal, MIT: scene means with an sd of 1.2 dB).
Published: the rise where mining opens (`workings`).
Chosen, neither measured here nor taken from a publication: all other levels, all texture. They keep the order that is
common ground: open water lowest, in VH at the noise of the instrument, then dry bare soil and grass, then woodland,
then closed forest, which hardly swings; roofs highest by double bounce.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.simulation import spectra
from pipeline.simulation.landcover import Landscape
from pipeline.simulation.stages import NEVER
from pipeline.simulation.workings import Workings

POWER = 1_000_000  # whole numbers stand for linear power times this
_POND_DB = (-19.5, -25.5)  # wind-sheltered and shallow, with spoil in each pixel's reach
_BARE_WET_DB = 1.2  # what rain adds to rough bare ground


class Level(NamedTuple):
    """VV and VH of a cover in its driest and its wettest state, and the sd of its texture on cells of 2.5 m; dB."""

    dry_vv: float
    dry_vh: float
    wet_vv: float
    wet_vh: float
    texture: float


LEVELS = {
    spectra.FOREST: Level(-7.0, -12.6, -6.6, -12.1, 0.9),
    spectra.WOODLAND: Level(-10.6, -16.4, -8.2, -13.6, 1.0),
    spectra.GRASS: Level(-12.8, -19.8, -8.6, -14.4, 0.9),
    spectra.MEADOW: Level(-11.4, -17.8, -8.0, -13.8, 0.9),
    spectra.RIVER: Level(-20.0, -26.0, -18.8, -25.6, 0.7),
    spectra.STREAM: Level(-12.0, -18.0, -11.0, -17.0, 1.0),
    spectra.HIGH_BAR: Level(-14.5, -23.0, -18.8, -25.6, 0.9),
    spectra.LOW_BAR: Level(-16.0, -24.0, -18.8, -25.6, 0.9),
    spectra.BRIGHT_FIELD: Level(-13.3, -21.2, -7.9, -13.2, 1.0),
    spectra.FIELD: Level(-13.0, -20.6, -7.6, -12.8, 1.0),
    spectra.FALLOW: Level(-12.4, -19.2, -8.0, -13.4, 0.9),
    spectra.CASSAVA: Level(-10.8, -16.6, -7.8, -12.9, 0.9),
    spectra.ROAD: Level(-14.0, -22.0, -12.6, -20.6, 0.9),
    spectra.TRACK: Level(-13.2, -20.6, -10.0, -16.6, 0.9),
    spectra.YARD: Level(-10.5, -18.0, -9.0, -16.0, 1.2),
    spectra.ROOF: Level(-2.5, -11.0, -2.5, -11.0, 1.5),
    spectra.THATCH: Level(-8.0, -15.0, -7.5, -14.5, 1.2),
    spectra.FARM_POND: Level(-20.0, -26.0, -19.5, -25.8, 0.7),
    spectra.ROCK: Level(-9.5, -17.0, -9.0, -16.5, 1.3),
    spectra.ORCHARD: Level(-8.6, -14.4, -7.6, -13.2, 0.9),
    spectra.FRESH_BURN: Level(-14.0, -22.0, -11.0, -18.0, 0.9),
    spectra.OLD_BURN: Level(-13.8, -21.4, -10.5, -17.0, 0.9),
    spectra.FLUSH: Level(-12.6, -19.4, -9.0, -15.0, 0.9),
    spectra.YOUNG_REGROWTH: Level(-11.0, -17.2, -8.2, -13.8, 0.9),
    spectra.OLD_REGROWTH: Level(-9.0, -14.8, -7.6, -13.0, 0.9),
    spectra.CLEARING: Level(-12.2, -18.8, -8.6, -14.2, 1.3),
}


def power_of(db: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear power of dB."""
    return np.asarray(10.0 ** (np.asarray(db) / 10.0), np.float64)


def workings_db(ground: Landscape, workings: Workings) -> NDArray[np.float64]:
    """VV and VH (complex, 2) of each complex's bare ground when it is dry.

    Heaps and pits are rough and stand upright, so that the yearly minimum rises (Forkuor et al. 2020, in both
    polarisations). A complex as a whole, its ponds full, returns what the ground below it did when dry, plus its
    rise; so its bare ground makes up for the ponds. In forest that may outdo what real workings return.
    """
    dry, pond = power_of(np.array([level[:2] for level in _by_code()])), power_of(np.array(_POND_DB))
    found = np.empty((len(workings.complexes), 2))
    for index, one in enumerate(workings.complexes):
        own = workings.number[one.window] == one.number
        counts = np.bincount(ground.covers[0][one.window][own], minlength=len(dry))
        wet = float((workings.ponds[one.window][own] < NEVER).mean())
        whole = counts @ dry / counts.sum() * power_of(one.rise_db)
        found[index] = 10 * np.log10((whole - wet * pond) / (1 - wet))
    return np.round(found, 4)


def lookup(bare_db: NDArray[np.float64], wetness: float, gain_db: float) -> NDArray[np.int32]:
    """Table (code, 3, polarisation) of linear power for `rendering.mean_of_cells`; `wetness` from 0 (dry) to 1."""
    table = np.zeros((spectra.FIRST_WORKING + 2 * len(bare_db), 3, 2))
    for cover, level in LEVELS.items():
        dry, wet = np.array([level.dry_vv, level.dry_vh]), np.array([level.wet_vv, level.wet_vh])
        table[cover.code] = _row(dry + wetness * (wet - dry), level.texture)
    for index, dry in enumerate(bare_db):
        bare, pond = spectra.FIRST_WORKING + 2 * index, spectra.FIRST_WORKING + 2 * index + 1
        table[bare] = _row(dry + wetness * _BARE_WET_DB, 0.9)
        table[pond] = _row(np.array(_POND_DB), 0.7)
    return np.rint(table * power_of(gain_db) * POWER).astype(np.int32)


def _row(level_db: NDArray[np.float64], texture_db: float) -> NDArray[np.float64]:
    """Mean, and its change per unit of the two texture fields (x 128): smooth bright ground returns less, damp more."""
    mean = power_of(level_db)
    spread = mean * (texture_db * np.log(10) / 10) * 128.0 / spectra.TEXTURE_SD / np.sqrt(2)
    return np.stack([mean, -spread, spread])


def _by_code() -> list[Level]:
    return [LEVELS[cover] for cover in sorted(LEVELS, key=lambda cover: cover.code)]
