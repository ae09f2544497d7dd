"""Looks: when the satellite passes, under which sky, and by which processing baseline the scene was made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import numpy as np

from pipeline.simulation.noise import stream
from pipeline.simulation.scenario import Scenario

FIRST_PASS = date(2020, 4, 2)  # one satellite or the other every five days
OFFSET_SINCE = date(2022, 1, 25)
# First day of each baseline in operational processing (Copernicus Sentinel-2 processing baseline history).
_BASELINES = (
    (date(2020, 2, 4), "02.14"),
    (date(2021, 3, 30), "03.00"),
    (date(2021, 6, 30), "03.01"),
    (OFFSET_SINCE, "04.00"),
    (date(2022, 12, 6), "05.09"),
    (date(2023, 12, 13), "05.10"),
)
# Greenness by day of the year, linear between: 1 at the height of the rains, 0 when the humid savanna is driest;
# the Sudanian savanna dries beyond that.
_SEASON = {
    "valley": (
        (0, 45, 70, 95, 125, 155, 245, 290, 320, 340, 366),
        (0.20, 0.03, 0.10, 0.42, 0.78, 0.93, 1.0, 0.95, 0.72, 0.5, 0.20),
    ),
    "savanna": (
        (0, 40, 75, 105, 135, 180, 245, 275, 305, 335, 366),
        (0.05, -0.20, -0.25, 0.0, 0.50, 0.85, 1.0, 0.95, 0.68, 0.30, 0.05),
    ),
}


@dataclass(frozen=True)
class Look:
    """One pass: sun angles in degrees, shares 0..1, `shift` in cells of 2.5 m (y, x), `haze` in 1e-4 of blue.

    `swath_edge` is the share of the ground's width, from the east, that lies outside the swath.
    """

    number: int
    acquired: datetime
    platform: str
    baseline: str
    greenness: float
    sun_zenith: float
    sun_azimuth: float
    cloud_share: float
    cloud_base_m: float
    deck: bool
    cirrus: float
    haze: float
    gain: float
    shift: tuple[int, int]
    swath_edge: float
    bright_error: float
    thin_error: float

    @property
    def day(self) -> date:
        """Date of acquisition (UTC)."""
        return self.acquired.date()

    @property
    def offset(self) -> int:
        """What must be added to the stored numbers: -1000 since baseline 04.00, 0 before."""
        return -1000 if self.day >= OFFSET_SINCE else 0


def greenness_of(scenario: Scenario, day: date) -> float:
    """State of the growing season, from -0.25 (driest) to 1 (greenest), rounded to 1e-4."""
    days, values = _SEASON[scenario.landscape]
    return round(float(np.interp(day.timetuple().tm_yday, days, values)), 4)


def plan_looks(scenario: Scenario) -> tuple[Look, ...]:
    """All looks of a scenario in order of time: dry seasons, the wet seasons around them, some after the last."""
    periods = scenario.periods()
    spans = [(period.start, period.end, scenario.dry_looks, True) for period in periods]
    wet_from = [date(2020, 4, 10), *(period.end + timedelta(days=10) for period in periods)]
    wet_to = [*(period.start - timedelta(days=10) for period in periods), date(periods[-1].end.year, 11, 15)]
    counts = [scenario.wet_looks] * len(periods) + [scenario.after_looks]
    spans += [(a, b, n, False) for a, b, n in zip(wet_from, wet_to, counts, strict=True)]
    rng = stream(scenario.seed, "dates")
    days = []
    for start, end, count, dry in sorted(spans):
        first, last = -(-(start - FIRST_PASS).days // 5), (end - FIRST_PASS).days // 5
        bins = [first + round(i * (last + 1 - first) / count) for i in range(count + 1)]
        for a, b in pairwise(bins):
            days.append((FIRST_PASS + timedelta(days=5 * int(rng.integers(a, b))), dry))
    return tuple(_look(scenario, number, day, dry) for number, (day, dry) in enumerate(days))


def _look(scenario: Scenario, number: int, day: date, dry: bool) -> Look:
    rng = stream(scenario.seed, "look", day)
    kind, amount = rng.random(), rng.random()
    if dry:
        cloud = 0.01 * amount if kind < 0.5 else 0.02 + 0.12 * amount if kind < 0.85 else 0.15 + 0.3 * amount
    else:
        cloud = 0.02 + 0.2 * amount if kind < 0.5 else 0.2 + 0.45 * amount
    deck = bool(rng.random() < (0.25 if dry else 0.5))
    even = ((day - FIRST_PASS).days // 5) % 2 == 0
    minute = scenario.start_minute + int(rng.integers(3))
    acquired = datetime.combine(day, time(minute // 60, minute % 60, int(rng.integers(60))), UTC)
    zenith, azimuth = _sun(scenario, acquired)
    edge = 0.18 + 0.25 * rng.random()
    return Look(
        number=number,
        acquired=acquired,
        platform="sentinel-2a" if even else "sentinel-2b",
        baseline=[name for since, name in _BASELINES if since <= day][-1],
        greenness=greenness_of(scenario, day),
        sun_zenith=zenith,
        sun_azimuth=azimuth,
        cloud_share=round(cloud, 4),
        cloud_base_m=round(900 + (2200 if deck else 700) * rng.random(), 1),
        deck=deck,
        cirrus=round(0.08 + 0.2 * rng.random(), 3) if rng.random() < 0.28 else 0.0,
        haze=round((200 if dry else 90) * rng.random() * rng.random(), 1),
        gain=round(0.955 + 0.09 * rng.random(), 4),
        shift=(int(rng.integers(-2, 3)), int(rng.integers(-2, 3))),
        swath_edge=round(edge, 4) if number % 11 == 6 else 0.0,
        bright_error=round(0.25 + 0.7 * rng.random(), 3),
        thin_error=round(0.2 + 0.7 * rng.random(), 3),
    )


def _sun(scenario: Scenario, acquired: datetime) -> tuple[float, float]:
    """Sun zenith and azimuth in degrees by the usual low-precision formulae (within half a degree)."""
    yearly = 2 * math.pi * (acquired.timetuple().tm_yday - 81) / 365
    declination = math.radians(23.45) * math.sin(yearly)
    west = min(zone.west for zone in scenario.zones)
    minutes = acquired.hour * 60 + acquired.minute + 4 * west + 9.87 * math.sin(2 * yearly) - 7.5 * math.cos(yearly)
    hour = math.radians((minutes - 720) / 4)
    latitude = math.radians(scenario.latitude)
    height = math.sin(latitude) * math.sin(declination) + math.cos(latitude) * math.cos(declination) * math.cos(hour)
    east = -math.cos(declination) * math.sin(hour)
    north = math.cos(latitude) * math.sin(declination) - math.sin(latitude) * math.cos(declination) * math.cos(hour)
    return round(math.degrees(math.acos(height)), 2), round(math.degrees(math.atan2(east, north)) % 360, 2)
