"""Truth: what was on the ground, as polygons with dates and as rasters by period."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numba import njit
from numpy.typing import NDArray
from pyproj import Proj
from rasterio.features import shapes
from scipy import ndimage
from shapely.geometry.base import BaseGeometry

from pipeline.areas.lattice import to_lonlat
from pipeline.config import Period
from pipeline.simulation import spectra
from pipeline.simulation.landcover import BURN_STEP_DAYS, Landscape
from pipeline.simulation.lineage import lineage_of, outline_of
from pipeline.simulation.rendering import Ground, burn_season, burnable_codes, year_of
from pipeline.simulation.scenario import CELL_M, PAD_CELLS, Scenario
from pipeline.simulation.scene_writer import write_json, write_raster
from pipeline.simulation.stages import BARE, POND, UNDUG, stage
from pipeline.simulation.terrain import Extent
from pipeline.simulation.workings import Workings, day_number

CLASSES = ("other", "bare workings", "pond in workings")
CAUSES = (
    *("vegetation", "burn", "field", "road", "river", "village", "pond", "rock", "orchard"),
    *("workings", "regrowth"),
)
_CELL_M2 = CELL_M * CELL_M


def middle(period: Period) -> date:
    """The day whose ground stands for a period in the truth rasters."""
    return period.start + (period.end - period.start) // 2


def write_rasters(root: Path, scenario: Scenario, ground: Ground) -> None:
    """Per period, on the granule's 10 m pixels: class, cause, and percent of the pixel that is disturbed."""
    for period in scenario.periods():
        day = middle(period)
        season, _ = burn_season(period.end, scenario.years)
        since = (period.end - date(period.end.year - 1, 11, 15)).days
        planes = _tally(
            ground.covers[year_of(day, scenario.years)],
            ground.burns[season],
            min(since // BURN_STEP_DAYS, 255),
            burnable_codes(),
            cause_codes(),
            (ground.number, *ground.days),
            day_number(day),
            (ground.granule.rows, ground.granule.cols),
        )
        for name, plane in zip(("class", "cause", "disturbed"), planes, strict=True):
            path = root / "truth" / f"{name}_{ground.granule.epsg}_{period.name}.tif"
            write_raster(path, plane, ground.granule, 10, "DEFLATE", nodata=None)


def cause_codes() -> NDArray[np.uint8]:
    """Index in CAUSES for each cover code."""
    codes = np.zeros(spectra.FIRST_WORKING, np.uint8)
    for cover in spectra.COVERS:
        codes[cover.code] = CAUSES.index(cover.cause) if cover.cause in CAUSES else 0
    return codes


@njit(cache=True, nogil=True)
def _tally(cover, burn, last_step, burnable, causes, work, day, shape):  # type: ignore[no-untyped-def]
    number, opens, ponds, regrows, reopens = work
    kinds = np.zeros(shape, np.uint8)
    cause = np.zeros(shape, np.uint8)
    percent = np.zeros(shape, np.uint8)
    count = np.zeros(11, np.int64)
    for y in range(shape[0]):
        for x in range(shape[1]):
            count[:] = 0
            bare, wet = 0, 0
            for r in range(PAD_CELLS + 4 * y, PAD_CELLS + 4 * y + 4):
                for c in range(PAD_CELLS + 4 * x, PAD_CELLS + 4 * x + 4):
                    now = UNDUG
                    if number[r, c] > 0:
                        now = stage(day, opens[r, c], ponds[r, c], regrows[r, c], reopens[r, c])
                    if now in (BARE, POND):
                        count[9] += 1
                        bare += now == BARE
                        wet += now == POND
                    elif now != UNDUG:
                        count[10] += 1
                    elif 0 < burn[r, c] <= last_step and burnable[cover[r, c]]:
                        count[1] += 1
                    else:
                        count[causes[cover[r, c]]] += 1
            best = 0
            for kind in range(1, 11):
                if count[kind] >= 4 and (best == 0 or count[kind] > count[best]):
                    best = kind
            cause[y, x] = best
            percent[y, x] = (100 * (bare + wet) + 8) // 16
            if bare + wet >= 8:
                kinds[y, x] = 1 if bare >= wet else 2
    return kinds, cause, percent


def complexes_geojson(scenario: Scenario, ground: Landscape, workings: Workings) -> dict[str, Any]:
    """Every complex as the outline of all ground it ever disturbed, with dates, area in each period and lineage.

    `opened` and `complete` bound its first growth. `joins` names each other complex whose disturbed ground comes nearer
    than 30 m, with the first such period; `parts` counts per period the parts of 0.1 ha or more that lie 30 m or more
    apart, `splits` the periods in which one part has become several. `radar_rise_db` is in the manner of
    `Complex.rise_db`, None where no radar was simulated.
    """
    features = []
    days = {period.name: middle(period) for period in scenario.periods()}
    lineage = lineage_of(workings, ground.extent, days)
    for found, kin in zip(workings.complexes, lineage, strict=True):
        own = workings.number[found.window] == found.number
        outline = outline_of(own, found.row, found.col, ground.extent)
        per_cell = _CELL_M2 / 1e4 / _areal_scale(ground.extent, outline)
        areas = {name: workings.disturbed(found, day) for name, day in days.items()}
        features.append(
            _feature(
                _identity(scenario, found.number),
                _to_lonlat(outline, ground.extent.epsg),
                {
                    "cohort": found.cohort,
                    "size_class": found.size_class,
                    "area_ha": round(found.cells * per_cell, 4),
                    "opened": found.opened.isoformat(),
                    "complete": found.complete.isoformat(),
                    "abandoned": found.abandoned and found.abandoned.isoformat(),
                    "regrown": found.regrown and found.regrown.isoformat(),
                    "reopened": found.reopened and found.reopened.isoformat(),
                    "bare_ha": {name: round(bare * per_cell, 4) for name, (bare, _) in areas.items()},
                    "pond_ha": {name: round(pond * per_cell, 4) for name, (_, pond) in areas.items()},
                    "parts": kin.parts,
                    "splits": kin.splits,
                    "joins": [{"id": _identity(scenario, other), "period": name} for other, name in kin.joins],
                    "radar_rise_db": found.rise_db if scenario.orbits else None,
                },
            )
        )
    return {"type": "FeatureCollection", "features": features}


def _identity(scenario: Scenario, number: int) -> str:
    return f"{scenario.name}-{number:03d}"


def confusers_geojson(scenario: Scenario, ground: Landscape) -> dict[str, Any]:
    """What may be taken for workings, by cause and at 10 m; `from` and `to` where it comes and goes."""
    features: list[dict[str, Any]] = []
    causes = cause_codes()
    years = [causes[cover[2::4, 2::4]] for cover in ground.covers]
    starts = (None, *(f"{2020 + year}-08-01" for year in range(1, scenario.years)))
    for first in range(len(years)):
        for last in range(first, len(years)):
            held = years[first].copy()
            for year in range(first, last + 1):
                held[years[year] != held] = 0
            if first > 0:
                held[years[first - 1] == held] = 0
            if last + 1 < len(years):
                held[years[last + 1] == held] = 0
            for cause, outline in _parts(held, ground.extent):
                dates = {"from": starts[first], "to": starts[last + 1] if last + 1 < len(years) else None}
                features.append(_confuser(scenario, len(features), CAUSES[cause], outline, ground.extent, dates))
    for season, (burn, cover) in enumerate(zip(ground.burns, ground.covers, strict=True)):
        steps = np.where(burnable_codes()[cover], burn, np.uint8(0))[2::4, 2::4]
        scars, _ = ndimage.label(steps > 0, structure=np.ones((3, 3)))  # type: ignore[attr-defined]
        windows = ndimage.find_objects(scars)  # type: ignore[attr-defined]
        for number, window in enumerate(windows, start=1):
            scar = scars[window] == number
            if scar.sum() < 4:
                continue
            row, col = (4 * part.start for part in window)
            outline = outline_of(scar, row, col, ground.extent, 4 * CELL_M)
            lit = date(2020 + season, 11, 15) + timedelta(days=BURN_STEP_DAYS * int(steps[window][scar].min()))
            dates = {"from": lit.isoformat(), "to": date(2021 + season, 5, 1).isoformat()}
            features.append(_confuser(scenario, len(features), "burn", outline, ground.extent, dates))
    return {"type": "FeatureCollection", "features": features}


def _parts(plane: NDArray[np.uint8], extent: Extent) -> Iterator[tuple[int, BaseGeometry]]:
    """Connected parts of at least four pixels, with their value; coordinates in metres of the extent's zone."""
    at = Affine(4 * CELL_M, 0, extent.left, 0, -4 * CELL_M, extent.top)
    for geometry, value in shapes(plane, mask=plane > 0, transform=at):
        outline = shapely.geometry.shape(geometry)
        if outline.area >= 400:
            yield int(value), outline


def _areal_scale(extent: Extent, outline: BaseGeometry) -> float:
    centre = outline.centroid
    lon, lat = to_lonlat(extent.epsg).transform(centre.x, centre.y)
    return round(float(Proj(extent.epsg).get_factors(lon, lat).areal_scale), 8)


def _to_lonlat(outline: BaseGeometry, epsg: int) -> BaseGeometry:
    turned = shapely.transform(
        outline, lambda xy: np.round(np.column_stack(to_lonlat(epsg).transform(xy[:, 0], xy[:, 1])), 7)
    )
    return shapely.orient_polygons(turned)


def _confuser(
    scenario: Scenario, number: int, cause: str, outline: BaseGeometry, extent: Extent, dates: dict[str, str | None]
) -> dict[str, Any]:
    area = round(outline.area / 1e4 / _areal_scale(extent, outline), 4)
    identity = f"{scenario.name}-{cause}-{number:04d}"
    return _feature(identity, _to_lonlat(outline, extent.epsg), {"cause": cause, "area_ha": area, **dates})


def _feature(identity: str, geometry: BaseGeometry, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": identity,
        "properties": {"id": identity, **properties},
        "geometry": shapely.geometry.mapping(geometry),
    }


def write_polygons(root: Path, scenario: Scenario, ground: Landscape, workings: Workings) -> None:
    """`truth/complexes.geojson` and `truth/confusers.geojson`, in longitude and latitude."""
    write_json(root / "truth" / "complexes.geojson", complexes_geojson(scenario, ground, workings))
    write_json(root / "truth" / "confusers.geojson", confusers_geojson(scenario, ground))
