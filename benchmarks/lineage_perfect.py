"""Names for life from a perfect map: the share of the linking rules and of 10 m pixels in what `lineage` finds.

Every pixel that is at least half dug on the day that stands for a season is mapped, with certainty, and no other. What
is then not one-to-one no classifier could mend; the rest of what a run gets wrong is the map's.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from benchmarks.accuracy_truth import HALF_DUG, Truth, raster_of, read_truth, truth_plane
from benchmarks.lineage import LineageScore, enter_held, judge_lineage
from pipeline.areas.lattice import PIXEL_M, strip_bounds, to_lonlat
from pipeline.change import Candidates, classify
from pipeline.change.candidates import PROBABILITY_SCALE
from pipeline.change.ground import ground_of
from pipeline.change.tracking import track
from pipeline.config import Change
from pipeline.imagery.radar_raster import RADAR_NODATA

CERTAIN = 95  # percent
_BARREN, _LOOKS = 12_000, 9  # NDVI 0.2 all year, in enough looks: nothing is seasonal
_NOT_HELD = -1


def score_perfect(archive: Path, settings: Change | None = None) -> LineageScore:
    """Lineage of the sites that the rules make of the truth itself; events are not told."""
    truth = read_truth(archive)
    settings = settings or Change()
    grids = {epsg: raster_of(path) for epsg, path in _rasters(archive, truth).items()}
    dug = {
        epsg: np.stack([truth_plane(archive, "disturbed", epsg, s, grid.shape, transform) for s in truth.seasons])
        for epsg, (grid, transform, _) in grids.items()
    }
    zones = [perfect_map(epsg, dug[epsg], grids[epsg][1]) for epsg in dug]
    ground = ground_of(classify(zones, settings))
    found: dict[str, list[set[str]]] = {c.name: [set() for _ in truth.seasons] for c in truth.complexes}
    if ground is not None:
        tracks = track(ground, settings)
        for epsg, (grid, transform, _) in grids.items():
            own = ground.epsg == epsg
            planes = np.full((len(truth.seasons), *grid.shape), _NOT_HELD, np.int32)
            row = ground.plane("row")[own] - round(-transform.f / PIXEL_M)
            col = ground.plane("col")[own] - round(transform.c / PIXEL_M)
            planes[:, row, col] = tracks.site[:, own]
            enter_held(found, planes, tracks.names, archive, truth, epsg, transform)
    held = {name: [frozenset(own) for own in seasons] for name, seasons in found.items()}
    return judge_lineage(truth, held, ())


def _rasters(archive: Path, truth: Truth) -> dict[int, Path]:
    """A truth raster of each UTM zone."""
    pattern = f"disturbed_*_{truth.seasons[0]}.tif"
    return {int(path.stem.split("_")[1]): path for path in sorted((archive / "truth").glob(pattern))}


def perfect_map(epsg: int, dug: NDArray[np.uint8], transform: Affine) -> Candidates:
    """Candidates of percent dug (season, y, x): certain from HALF_DUG on; each pixel in the zone that owns it."""
    top, left = round(-transform.f / PIXEL_M), round(transform.c / PIXEL_M)
    row, col = np.nonzero((dug >= HALF_DUG).any(axis=0))
    lon, _ = to_lonlat(epsg).transform((col + left + 0.5) * PIXEL_M, -(row + top + 0.5) * PIXEL_M)
    west, _, east, _ = strip_bounds(epsg)
    owned = (lon >= west) & (lon < east)
    row, col = row[owned], col[owned]
    seasons, n = len(dug), row.size
    certain = CERTAIN * PROBABILITY_SCALE // 100
    bare = np.where(dug[:, row, col] >= HALF_DUG, certain, 0).astype(np.uint16)
    return Candidates(
        epsg=epsg,
        row=(row + top).astype(np.int32),
        col=(col + left).astype(np.int32),
        bare=bare,
        pond=np.zeros_like(bare),
        looks=np.full((seasons, n), _LOOKS, np.uint16),
        days=np.zeros((seasons, 4, n), np.uint16),
        greenest=np.full((seasons, 2, n), _BARREN, np.uint16),
        season_looks=np.full((seasons, 2, n), _LOOKS, np.uint16),
        radar=np.full((seasons, 2, 2, n), RADAR_NODATA, np.int16),
        water=np.zeros((seasons, n), bool),
        zone=np.ones(n, np.int16),
        area_m2=np.full(n, float(PIXEL_M**2)),
    )
