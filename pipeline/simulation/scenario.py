"""Scenarios: the places, seasons and contents that can be simulated."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Literal

from pipeline.config import Period
from pipeline.errors import BadInput
from pipeline.simulation.cohorts import Cohort, first_cohorts, later_cohorts

FINE_PER_PIXEL = 4  # ground is drawn in cells of 2.5 m
CELL_M = 2.5
REPEAT_DAYS = 12  # of one Sentinel-1 satellite over the same track
PAD_CELLS = 16  # drawn around each granule, so that a misregistered look still finds ground


@dataclass(frozen=True)
class Granule:
    """Ground of the scenes of one UTM zone: north-west corner (m, multiples of 20), size in 10 m pixels (even)."""

    epsg: int
    mgrs: str
    left: int
    top: int
    cols: int
    rows: int


@dataclass(frozen=True)
class Zone:
    """One declared part of the area, a lon/lat box (degrees)."""

    zone_id: str
    name: str
    role: Literal["zone", "extent"]
    west: float
    south: float
    east: float
    north: float


@dataclass(frozen=True)
class Orbit:
    """One track of Sentinel-1: its number, first pass, UTC minute, bias in dB, and how often it is kept in the rains.

    All of it is chosen. Passes come every REPEAT_DAYS; outside the dry seasons only each `wet_repeats`-th is kept.
    """

    state: Literal["ascending", "descending"]
    relative: int
    first: date
    minute: int
    bias_db: float
    wet_repeats: int


@dataclass(frozen=True)
class Scenario:
    """Everything an archive follows from.

    `years` counts years of land cover, each from August and with one dry season; complexes of `later` are placed
    after those of `cohorts`, so that a scenario keeps its ground when it grows longer.
    """

    name: str
    title: str
    seed: int
    landscape: Literal["valley", "savanna"]
    latitude: float
    orbit: int
    start_minute: int
    granules: tuple[Granule, ...]
    zones: tuple[Zone, ...]
    asset_keys: Literal["common", "band"]
    dry_start: tuple[int, int]
    dry_end: tuple[int, int]
    dry_looks: int
    wet_looks: int
    after_looks: int
    cohorts: tuple[Cohort, ...]
    villages: int
    burns: int
    years: int = 3
    later: tuple[Cohort, ...] = ()
    orbits: tuple[Orbit, ...] = ()

    def parameters(self) -> dict[str, Any]:
        """The scenario as plain values, for keys and records."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), default=date.isoformat))
        return plain

    def periods(self) -> tuple[Period, ...]:
        """The dry seasons; each is named by the year in which it ends."""
        (m0, d0), (m1, d1) = self.dry_start, self.dry_end
        return tuple(
            Period(name=f"dry-{year}", start=date(year - (m0 > m1), m0, d0), end=date(year, m1, d1))
            for year in range(2021, 2021 + self.years)
        )


_CARNOT = Scenario(
    name="carnot",
    title="Forest-savanna valley near Carnot, Central African Republic (simulated)",
    seed=20160919,
    landscape="valley",
    latitude=4.72,
    orbit=136,
    start_minute=9 * 60 + 21,
    granules=(Granule(32633, "33NXF", 617_900, 527_000, 1040, 1040),),
    zones=(
        Zone("sim-carnot-west", "Simulated valley, west bank", "zone", 16.067, 4.677, 16.112, 4.763),
        Zone("sim-carnot-east", "Simulated valley, east bank", "zone", 16.112, 4.677, 16.147, 4.763),
        Zone("sim-carnot-fringe", "Outside the two zones", "extent", 16.147, 4.677, 16.153, 4.763),
    ),
    asset_keys="common",
    dry_start=(12, 1),
    dry_end=(3, 31),
    dry_looks=8,
    wet_looks=6,
    after_looks=4,
    cohorts=first_cohorts((4, 3, 3, 2), (2, 2, 3, 1), (8, 6, 5, 3), (8, 5, 5, 3), (2, 1, 1, 0), (0, 0, 1, 2)),
    villages=4,
    burns=26,
    years=5,
    later=later_cohorts(
        third=(8, 5, 5, 3),
        fourth=(8, 5, 5, 3),
        within=(1, 1, 1, 0),
        growing=(0, 0, 1, 2),
        closed=(1, 2, 2, 1),
        reopened=(0, 2, 3, 1),
        pairs=(0, 1, 2, 1),
        splits=(0, 0, 2, 1),
    ),
    orbits=(Orbit("descending", 80, date(2020, 4, 9), 4 * 60 + 51, -0.3, 2),),
)

_DEMO = Scenario(
    name="demo",
    title="A small valley near Carnot, Central African Republic (simulated)",
    seed=20130523,
    landscape="valley",
    latitude=4.72,
    orbit=136,
    start_minute=9 * 60 + 21,
    granules=(Granule(32633, "33NXF", 620_000, 524_900, 620, 620),),
    zones=(
        Zone("sim-demo-west", "Simulated valley, west", "zone", 16.084, 4.694, 16.110, 4.746),
        Zone("sim-demo-east", "Simulated valley, east", "zone", 16.110, 4.694, 16.131, 4.746),
        Zone("sim-demo-fringe", "Outside the two zones", "extent", 16.131, 4.694, 16.136, 4.746),
    ),
    asset_keys="common",
    dry_start=(12, 1),
    dry_end=(3, 31),
    dry_looks=6,
    wet_looks=3,
    after_looks=3,
    cohorts=first_cohorts((2, 2, 2, 1), (1, 1, 2, 0), (4, 3, 3, 2), (4, 3, 3, 2), (1, 0, 1, 0), (0, 0, 0, 1)),
    villages=2,
    burns=10,
)

_TORTIYA = Scenario(
    name="tortiya",
    title="Sudanian savanna across 6 degrees west near Tortiya, Côte d'Ivoire (simulated)",
    seed=20081130,
    landscape="savanna",
    latitude=8.77,
    orbit=37,
    start_minute=10 * 60 + 52,
    granules=(
        Granule(32630, "30PSQ", 164_500, 974_300, 1090, 720),
        Granule(32629, "29PRK", 824_700, 974_100, 870, 680),
    ),
    zones=(
        Zone("sim-tortiya", "Simulated savanna", "zone", -6.045, 8.742, -5.961, 8.798),
        Zone("sim-tortiya-fringe", "Outside the zone", "extent", -5.961, 8.742, -5.955, 8.798),
    ),
    asset_keys="band",
    dry_start=(12, 15),
    dry_end=(3, 31),
    dry_looks=8,
    wet_looks=6,
    after_looks=4,
    cohorts=first_cohorts((3, 3, 2, 1), (2, 2, 2, 1), (6, 4, 4, 3), (6, 4, 4, 2), (1, 1, 1, 0), (0, 0, 1, 1)),
    villages=3,
    burns=22,
    years=5,
    later=later_cohorts(
        third=(6, 4, 4, 3),
        fourth=(6, 4, 4, 2),
        within=(1, 1, 1, 0),
        growing=(0, 0, 1, 1),
        closed=(1, 2, 2, 1),
        reopened=(0, 2, 2, 1),
        pairs=(0, 1, 2, 0),
        splits=(0, 0, 2, 1),
    ),
    orbits=(
        Orbit("ascending", 45, date(2020, 4, 6), 18 * 60 + 33, 0.3, 4),
        Orbit("descending", 147, date(2020, 4, 13), 6 * 60 + 28, -0.3, 4),
    ),
)

_SCENARIOS = {scenario.name: scenario for scenario in (_CARNOT, _DEMO, _TORTIYA)}


def scenario_names() -> tuple[str, ...]:
    """Names of the scenarios that `write_archive` can make."""
    return tuple(_SCENARIOS)


def scenario_of(name: str) -> Scenario:
    """The scenario of a name; raises BadInput, naming those there are."""
    if name not in _SCENARIOS:
        raise BadInput(f"simulation scenario {name!r} does not exist; choose one of: {', '.join(_SCENARIOS)}")
    return _SCENARIOS[name]


def scenario_periods(scenario: str) -> tuple[Period, ...]:
    """The dry seasons that the archive of a scenario was made for; raises BadInput for an unknown name."""
    return scenario_of(scenario).periods()


def scenario_area(scenario: str) -> dict[str, Any]:
    """The declared area of a scenario, a GeoJSON FeatureCollection (RFC 7946); raises BadInput for an unknown name."""
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "id": zone.zone_id,
                "properties": {
                    "zone_id": zone.zone_id,
                    "name": zone.name,
                    "role": zone.role,
                    "boundary_vintage": "simulation",
                    "boundary_source": "simulated scenario; not a real boundary",
                },
                "geometry": {
                    "type": "Polygon",
                    "coordinates": [
                        [
                            [zone.west, zone.south],
                            [zone.east, zone.south],
                            [zone.east, zone.north],
                            [zone.west, zone.north],
                            [zone.west, zone.south],
                        ]
                    ],
                },
            }
            for zone in scenario_of(scenario).zones
        ],
    }
