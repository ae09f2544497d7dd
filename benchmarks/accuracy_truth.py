"""Truth of a simulated archive: complexes with their histories, and planes on the grid of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import from_bounds

from pipeline.areas.lattice import PIXEL_M

CELL_HA = PIXEL_M**2 / 1e4
HALF_DUG = 50  # percent: from here on a pixel is workings


@dataclass(frozen=True)
class Complex:
    """A complex: all ground it ever disturbs (lon/lat), and by season the hectares disturbed and the parts it is in.

    `joins` names each complex that it comes nearer to than 30 m, with the first season that finds it so; `splits` are
    seasons in which one part has become several.
    """

    name: str
    geometry: shapely.Geometry
    ha: Mapping[str, float]
    opened: date
    reopened: date | None = None
    parts: Mapping[str, int] = field(default_factory=dict)
    joins: tuple[tuple[str, str], ...] = ()
    splits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Opening:
    """Ground that a complex gained between two seasons by being dug for the first time, or again."""

    complex: Complex
    day: date
    gained_ha: float
    again: bool


@dataclass(frozen=True)
class Truth:
    """The truth of one scenario: names of causes by code, the day that stands for each season, all complexes."""

    name: str
    causes: Mapping[int, str]
    days: Mapping[str, date]
    complexes: tuple[Complex, ...]

    @property
    def seasons(self) -> tuple[str, ...]:
        """Names of the seasons in time order."""
        return tuple(sorted(self.days, key=lambda name: self.days[name]))

    def years(self, before: str, after: str) -> float:
        """Years between the days of two seasons."""
        return (self.days[after] - self.days[before]).days / 365.25

    def openings(self, before: str, after: str) -> list[Opening]:
        """Complexes first dug, or dug again, after the day of `before` and up to that of `after`, with ground to show.

        One that is dug again may keep ponds in `before`: its ground is what it gained since.
        """
        found = []
        for c in self.complexes:
            gained = c.ha[after] - c.ha[before]
            for day, again in ((c.opened, False), (c.reopened, True)):
                if day is not None and self.days[before] < day <= self.days[after] and gained > 0:
                    found.append(Opening(c, day, gained, again))
                    break
        return found


def read_truth(archive: Path) -> Truth:
    """The truth beside an archive's scenes."""
    record = json.loads((archive / "scenario.json").read_text(encoding="utf-8"))
    features = json.loads((archive / "truth" / "complexes.geojson").read_text(encoding="utf-8"))["features"]
    return Truth(
        name=record["name"],
        causes={int(code): name for code, name in record["truth"]["causes"].items()},
        days={name: date.fromisoformat(day) for name, day in record["truth"]["days"].items()},
        complexes=tuple(_complex(f["properties"], shapely.geometry.shape(f["geometry"])) for f in features),
    )


def _complex(told: Mapping[str, Any], geometry: shapely.Geometry) -> Complex:
    again = told["reopened"]
    return Complex(
        name=told["id"],
        geometry=geometry,
        ha={season: told["bare_ha"][season] + told["pond_ha"][season] for season in told["bare_ha"]},
        opened=date.fromisoformat(told["opened"]),
        reopened=date.fromisoformat(again) if again else None,
        parts=told["parts"],
        joins=tuple((join["id"], join["period"]) for join in told["joins"]),
        splits=tuple(told["splits"]),
    )


def raster_of(path: Path) -> tuple[NDArray[Any], Affine, int]:
    """First band, transform and EPSG code of a raster."""
    with rasterio.open(path) as raster:
        return raster.read(1), raster.transform, raster.crs.to_epsg()


def truth_plane(
    archive: Path, kind: str, epsg: int, season: str, shape: Sequence[int], transform: Affine
) -> NDArray[np.uint8]:
    """A truth raster on a grid of the run, 0 where nothing was simulated."""
    rows, cols = shape
    left, top = transform.c, transform.f
    with rasterio.open(archive / "truth" / f"{kind}_{epsg}_{season}.tif") as raster:
        window = from_bounds(left, top - rows * PIXEL_M, left + cols * PIXEL_M, top, raster.transform)
        plane: NDArray[np.uint8] = raster.read(1, window=window.round_offsets(), boundless=True, fill_value=0)
    assert plane.shape == (rows, cols)
    return plane
