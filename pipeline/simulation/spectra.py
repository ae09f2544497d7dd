"""Reflectances (x 10 000, bands B02 B03 B04 B08 B11 B12) of the simulated ground, each with its source.

Measured on real pixels: workings, forest and water from the Sentinel-2 patches of 387 places in the Amazon basin
(imagery as compiled by joelibaceta/sat-mining-detector, masks by visual interpretation; statistics over 393
patches with bare workings and 340 with ponds, edges eroded); savanna, fields and fallow from the medians by NDVI
class of the Digital Earth Africa crop-mask training set (CC BY 4.0), half-year geomedians of 2019.
Chosen by eye, neither measured nor taken from a publication: burn scars, roads, settlements, sand, rock, orchard.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.simulation.noise import normals

Bands = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class Cover:
    """A land cover: its spectrum in the dry and in the wet season, and how it varies on the ground.

    `brightness` is the relative sd of all bands together, `patchiness` the share of the seasonal swing that
    wetter and drier places differ by (sd).
    """

    code: int
    name: str
    cause: str
    dry: Bands
    wet: Bands
    brightness: float
    patchiness: float = 0.0


FOREST = Cover(0, "gallery forest", "forest", (235, 410, 230, 2750, 1480, 650), (240, 430, 225, 3050, 1500, 620), 0.13)
WOODLAND = Cover(
    1, "savanna woodland", "savanna", (590, 830, 800, 2450, 2350, 1420), (420, 640, 400, 3000, 1800, 860), 0.10, 0.22
)
GRASS = Cover(
    2, "grass savanna", "savanna", (800, 1080, 1330, 2350, 3130, 2300), (465, 690, 460, 2990, 1900, 935), 0.10, 0.16
)
MEADOW = Cover(
    3, "wet meadow", "savanna", (560, 800, 760, 2250, 2050, 1200), (420, 640, 420, 2750, 1650, 780), 0.10, 0.25
)
RIVER = Cover(4, "river", "river", (600, 860, 960, 540, 200, 140), (720, 1080, 1300, 820, 260, 170), 0.08)
STREAM = Cover(5, "stream", "river", (430, 620, 600, 900, 620, 350), (520, 760, 800, 1000, 600, 330), 0.10)
HIGH_BAR = Cover(6, "high sandbar", "river", (1480, 1960, 2420, 2980, 3550, 3050), RIVER.wet, 0.10)
LOW_BAR = Cover(7, "low sandbar", "river", (1150, 1560, 1900, 2050, 2050, 1600), RIVER.wet, 0.12)
BRIGHT_FIELD = Cover(
    8,
    "dry bare field, bright",
    "field",
    (1120, 1520, 2080, 2950, 4150, 3450),
    (560, 830, 800, 2600, 2400, 1450),
    0.10,
    0.12,
)
FIELD = Cover(
    9, "dry bare field", "field", (900, 1170, 1490, 2400, 3480, 2690), (495, 750, 620, 2760, 2140, 1230), 0.10, 0.12
)
FALLOW = Cover(10, "fallow", "field", (730, 965, 960, 2600, 2570, 1690), (460, 680, 480, 2950, 1900, 950), 0.10, 0.2)
CASSAVA = Cover(
    11, "green crop", "field", (560, 820, 720, 2650, 2250, 1300), (450, 680, 480, 2900, 1950, 1000), 0.10, 0.2
)
ROAD = Cover(
    12, "laterite road", "road", (800, 1240, 2250, 2900, 3850, 3250), (740, 1150, 2050, 2750, 3500, 2850), 0.08
)
TRACK = Cover(13, "track", "road", (850, 1180, 1700, 2600, 3500, 2800), (640, 930, 1150, 2750, 2700, 1850), 0.10)
YARD = Cover(
    14, "village ground", "village", (1030, 1480, 2120, 2750, 3600, 3000), (900, 1300, 1800, 2750, 3200, 2450), 0.12
)
ROOF = Cover(
    15, "metal roof", "village", (2300, 2400, 2520, 2700, 2600, 2300), (2300, 2400, 2520, 2700, 2600, 2300), 0.2
)
THATCH = Cover(
    16, "thatched roof", "village", (700, 900, 1150, 1750, 2600, 2200), (640, 820, 1050, 1700, 2500, 2100), 0.12
)
FARM_POND = Cover(17, "farm pond", "pond", (400, 590, 480, 480, 290, 190), (360, 540, 440, 520, 250, 160), 0.1)
ROCK = Cover(18, "rock outcrop", "rock", (900, 1130, 1340, 1800, 2450, 2150), (820, 1050, 1200, 1900, 2250, 1900), 0.12)
ORCHARD = Cover(
    19, "cashew orchard", "orchard", (430, 660, 560, 2650, 2050, 1100), (370, 590, 410, 2950, 1750, 820), 0.12, 0.2
)
FRESH_BURN = Cover(20, "fresh burn", "burn", (300, 390, 450, 850, 1700, 1600), (300, 390, 450, 850, 1700, 1600), 0.16)
OLD_BURN = Cover(21, "old burn", "burn", (520, 700, 900, 1600, 2600, 2150), (500, 690, 850, 1800, 2500, 1950), 0.13)
FLUSH = Cover(22, "greening burn", "burn", (560, 790, 870, 2150, 2500, 1700), (450, 680, 500, 2800, 1950, 980), 0.12)
YOUNG_REGROWTH = Cover(
    23, "young regrowth", "regrowth", (640, 900, 960, 2350, 2500, 1600), (470, 700, 520, 2850, 2000, 1050), 0.12, 0.2
)
OLD_REGROWTH = Cover(
    24, "old regrowth", "regrowth", (420, 640, 520, 2750, 2000, 1000), (360, 580, 390, 3000, 1800, 850), 0.12, 0.2
)
CLEARING = Cover(
    25,
    "slash-and-burn clearing",
    "field",
    (780, 1000, 1320, 2150, 3100, 2500),
    (480, 740, 600, 2800, 2150, 1200),
    0.2,
    0.15,
)

COVERS = (
    *(FOREST, WOODLAND, GRASS, MEADOW, RIVER, STREAM, HIGH_BAR, LOW_BAR, BRIGHT_FIELD, FIELD, FALLOW, CASSAVA, ROAD),
    *(TRACK, YARD, ROOF, THATCH, FARM_POND, ROCK, ORCHARD, FRESH_BURN, OLD_BURN, FLUSH, YOUNG_REGROWTH),
    *(OLD_REGROWTH, CLEARING),
)
FIRST_WORKING = 32  # spectra of complex k (from 0) stand at 32 + 2k (bare) and 33 + 2k (pond)

# Natural logarithms, from the Amazon patches: mean over sites, and the three leading factors (columns, sd 1 each) of
# the covariance between site means and of the median covariance within a site.
BARE_MEAN = (7.006, 7.367, 7.579, 7.937, 8.016, 7.681)
BARE_BETWEEN = (
    (0.234, 0.231, 0.270, 0.140, 0.169, 0.198),
    (-0.114, -0.088, -0.039, 0.022, 0.151, 0.145),
    (-0.014, 0.003, -0.022, 0.116, 0.037, -0.071),
)
BARE_WITHIN = (
    (0.237, 0.215, 0.240, 0.109, 0.117, 0.160),
    (-0.055, -0.068, -0.068, 0.019, 0.134, 0.164),
)
POND_MEAN = (6.640, 7.134, 7.131, 7.106, 6.980, 6.519)
POND_BETWEEN = (
    (0.361, 0.368, 0.530, 0.513, 0.178, 0.218),
    (-0.104, -0.141, -0.204, 0.052, 0.456, 0.413),
    (0.117, 0.101, 0.040, -0.240, 0.031, 0.080),
)
# Ponds of a site differ mostly in wetness and turbidity; part of the measured spread is mixed shore pixels, which the
# simulation makes by itself, so both factors are halved.
POND_WITHIN = (
    (0.014, 0.012, 0.036, 0.135, 0.170, 0.183),
    (0.076, 0.083, 0.119, 0.086, -0.050, -0.051),
)
CLOUD = (4700, 4750, 4850, 5150, 3900, 3000)
TEXTURE_SD = 45  # of the two texture fields, in their units of 1/128
_WITHIN_SITE_SD = (36, 25)  # of the same fields over 150 m, at 10 m: what a complex sees of them


def site_spectra(rng: np.random.Generator, count: int) -> NDArray[np.int32]:
    """Spectra of the bare ground and ponds of `count` sites, (site, 2, band), drawn from the real distribution."""
    drawn = np.empty((count, 2, 6), np.int32)
    for kind, (mean, between) in enumerate(((BARE_MEAN, BARE_BETWEEN), (POND_MEAN, POND_BETWEEN))):
        scores = np.clip(normals(rng, 3 * count).reshape(count, 3), -2.0, 2.0)
        logs = np.tile(np.array(mean), (count, 1))
        for factor, column in zip(between, scores.T, strict=True):
            logs += np.outer(column, factor)
        drawn[:, kind] = np.rint(np.exp(logs)).astype(np.int32)
    return drawn


def lookup(sites: NDArray[np.int32], greenness: float) -> NDArray[np.int32]:
    """Table (code, 3, band) for one day: mean, and its change per unit of the two texture fields (x 128).

    `greenness` runs from 0 (`dry`) to 1 (`wet`) and a little below. Wet soil is darker: workings lose up to 14 %.
    """
    table = np.zeros((FIRST_WORKING + 2 * len(sites), 3, 6))
    per_unit = 128.0 / TEXTURE_SD
    for cover in COVERS:
        dry, wet = np.array(cover.dry), np.array(cover.wet)
        mean = dry + greenness * (wet - dry)
        table[cover.code] = mean, mean * cover.brightness * per_unit, (wet - dry) * cover.patchiness * per_unit
    wetness = 1.0 - 0.14 * max(greenness, 0.0)
    for kind, within in enumerate((BARE_WITHIN, POND_WITHIN)):
        mean = sites[:, kind] * wetness
        table[FIRST_WORKING + kind :: 2, 0] = mean
        for field, factor in enumerate(within):
            table[FIRST_WORKING + kind :: 2, 1 + field] = mean * np.array(factor) * (128.0 / _WITHIN_SITE_SD[field])
    return np.rint(table).astype(np.int32)
