"""Areas of a simulated run against the truth: how far the map is off, and what a sample of labelled points tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy_truth import HALF_DUG, read_truth, truth_plane
from pipeline.areas import TILE_PX, Tile
from pipeline.footprint.design import OTHER, WORKINGS, Design
from pipeline.footprint.estimates import estimate
from pipeline.footprint.frame import Frame
from pipeline.footprint.reference import Label, Reference
from pipeline.footprint.review_sample import Request, draw_sample
from pipeline.footprint.strata import NOT_IN_FRAME
from pipeline.runs import read_manifest

BLOCK_PX = 100
_RESAMPLES = 2000
_KINDS = (("status", "workings"), ("change", "new"))


def block_sums(plane: NDArray[np.int64], watched: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Sums of a plane (y, x) over the watched ground of each block of 1 km that has any, (n,)."""
    rows, cols = (np.arange(size) // BLOCK_PX for size in plane.shape)
    block = (rows[:, np.newaxis] * (cols[-1] + 1) + cols)[watched]
    numbers, place = np.unique(block, return_inverse=True)
    # Whole numbers below 2**53: the float64 sums of bincount are exact.
    return np.bincount(place, plane[watched], numbers.size).astype(np.int64)


def block_interval(sums: NDArray[np.float64]) -> tuple[float, float]:
    """95 % interval of the total of blocks (n,), by drawing blocks with replacement (Efron 1979, percentiles)."""
    draws = np.random.default_rng(0).integers(0, sums.size, (_RESAMPLES, sums.size))
    low, high = np.percentile(sums[draws].sum(axis=1), (2.5, 97.5))
    return float(low), float(high)


@dataclass(frozen=True)
class SampleScore:
    """An area estimated from labelled points against the truth, hectares of the ground that was sampled from.

    `kind` is "workings" in the later season or "new" workings. The first of `draws` samples gave estimate and interval;
    `mean_ha` is the mean of all estimates, `held` of how many samples the interval held the truth. `few` warned that
    it is too short, having too few points to rest on; `few_held` of these held it nevertheless.
    """

    scenario: str
    before: str
    after: str
    kind: str
    mapped_ha: float
    true_ha: float
    estimate_ha: float
    low_ha: float
    high_ha: float
    mean_ha: float
    points: int
    draws: int
    held: int
    few: int
    few_held: int


def score_samples(run: Path, archive: Path, size: int, seeds: range) -> list[SampleScore]:
    """Draw a sample for each seed from a run's last pair of periods, label it by the truth, estimate areas.

    A point is workings where half of its pixel or more is dug on the middle day of a season.
    """
    truth, manifest = read_truth(archive), read_manifest(run)
    with Frame(run, manifest) as frame:
        assert frame.before is not None
        before, after = frame.before.name, frame.after.name
        dug: dict[Tile, NDArray[np.bool_]] = {}
        true_mm2 = dict.fromkeys((kind for _, kind in _KINDS), 0)
        for part in frame:
            dug[part.tile] = was, now = _dug(archive, part.tile, (before, after))
            inside = part.stratum != NOT_IN_FRAME
            true_mm2["workings"] += int(part.area_mm2[inside & now].sum())
            true_mm2["new"] += int(part.area_mm2[inside & now & ~was].sum())
    designs = [draw_sample(run, manifest, Request(size, seed=seed)) for seed in seeds]
    results = [estimate(design, label_by_truth(design, dug)) for design in designs]
    scores = []
    for part_name, kind in _KINDS:
        rows = [next(row for row in r[part_name]["classes"] if row["class"] == kind) for r in results]
        true = true_mm2[kind] / 1e10
        held = [row["low_ha"] <= true <= row["high_ha"] for row in rows]
        few = [row["rests_on_few_points"] for row in rows]
        scores.append(
            SampleScore(
                scenario=truth.name,
                before=before,
                after=after,
                kind=kind,
                mapped_ha=rows[0]["mapped_ha"],
                true_ha=true,
                estimate_ha=rows[0]["estimate_ha"],
                low_ha=rows[0]["low_ha"],
                high_ha=rows[0]["high_ha"],
                mean_ha=fmean(row["estimate_ha"] for row in rows),
                points=len(designs[0].points),
                draws=len(seeds),
                held=sum(held),
                few=sum(few),
                few_held=sum(h for h, f in zip(held, few, strict=True) if f),
            )
        )
    return scores


def _dug(archive: Path, tile: Tile, seasons: Sequence[str]) -> NDArray[np.bool_]:
    """Pixels of a tile at least half dug in each season, (season, y, x)."""
    box = tile.geobox
    planes = [truth_plane(archive, "disturbed", tile.epsg, s, box.shape, box.affine) for s in seasons]
    return np.stack(planes) >= HALF_DUG


def label_by_truth(design: Design, dug: dict[Tile, NDArray[np.bool_]]) -> Reference:
    """What an interpreter without fault would answer at each point; `dug` is (2, 512, 512) for each tile."""
    at = {(tile.epsg, *tile.origin_px): both for tile, both in dug.items()}
    labels = []
    for point in design.points:
        row, col = point.row - point.row % TILE_PX, point.col - point.col % TILE_PX
        seen = at[point.epsg, row, col][:, point.row - row, point.col - col]
        before, after = (WORKINGS if workings else OTHER for workings in seen)
        labels.append(Label(point.sample_id, "truth", before, after))
    return Reference("truth", "", tuple(labels))
