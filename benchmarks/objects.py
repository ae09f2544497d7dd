"""From probabilities to objects: smoothing, thresholds, isolation, smallest unit, each measured on held-out maps.

`python -m benchmarks.objects HELD_OUT.npz` prints the tables of the decision note. The file is what `placerwatch train
--held-out` writes: each labelled patch as mapped by a model that never saw its cell. With `--run RUN --archive DIR` the
same variants are also held against the truth of a simulated scenario.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.accuracy_simulated import truth_plane
from benchmarks.tables import table
from pipeline.change import Candidates
from pipeline.change.objects import mapped_objects
from pipeline.change.states import OUTSIDE, SEASONAL
from pipeline.config import Change
from pipeline.disturbance import PROBABILITY_SCALE
from pipeline.disturbance.labels import OTHER, UNSURE, Labels
from pipeline.disturbance.scores import PATCH_SHARE
from pipeline.imagery.radar_raster import RADAR_NODATA
from pipeline.imagery.scene import NODATA

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "amazon_mining"
APART_PX = 1000  # patches are laid this far apart: further than any rule looks
RESAMPLES = 1000
_EIGHT = np.ones((3, 3), bool)
_DEFAULT = Change()

Plane = NDArray[np.float64]
# Probability (y, x) and reflectance (6, y, x) to probability (y, x).
Smoothing = Callable[[Plane, NDArray[np.uint16]], Plane]


def guided(probability: Plane, reflectance: NDArray[np.uint16], radius: int = 2, eps: float = 0.001) -> Plane:
    """Guided filter (He, Sun and Tang 2013): locally linear in NDVI, so that edges of the picture stay."""
    guide = _ndvi(reflectance)

    def mean(plane: Plane) -> Plane:
        return ndimage.uniform_filter(plane, 2 * radius + 1, mode="nearest")

    middle, level = mean(guide), mean(probability)
    slope = (mean(guide * probability) - middle * level) / (mean(guide * guide) - middle**2 + eps)
    return np.clip(mean(slope) * guide + mean(level - slope * middle), 0, 1)


def bilateral(probability: Plane, reflectance: NDArray[np.uint16], width: float = 0.15) -> Plane:
    """Joint bilateral filter (Petschnigg et al. 2004): neighbours count by how alike their reflectance is, in logs."""
    log = np.pad(np.log(reflectance.astype(float) + 1), ((0, 0), (1, 1), (1, 1)), mode="edge")
    around = np.pad(probability, 1, mode="edge")
    rows, cols = probability.shape
    total, weight = np.zeros_like(probability), np.zeros_like(probability)
    for dy in range(3):
        for dx in range(3):
            at = (slice(dy, dy + rows), slice(dx, dx + cols))
            unlike = ((log[:, 1:-1, 1:-1] - log[:, *at]) ** 2).mean(axis=0)
            own = np.exp(-unlike / (2 * width**2))
            total += own * around[at]
            weight += own
    return total / weight


def majority(probability: Plane, _: NDArray[np.uint16]) -> Plane:
    """Class of most of the nine pixels; a pixel that changes class goes to the threshold's other side, no further."""
    disturbed = probability >= _DEFAULT.weak
    most = ndimage.uniform_filter(disturbed.astype(float), 3, mode="nearest") > 0.5
    just_under = _DEFAULT.weak - 1 / PROBABILITY_SCALE
    return np.where(most, np.maximum(probability, _DEFAULT.weak), np.minimum(probability, just_under))


def reconstructed(probability: Plane, _: NDArray[np.uint16]) -> Plane:
    """Opening by reconstruction (Vincent 1993): what is nowhere two pixels wide goes, all else keeps its shape."""
    disturbed = probability >= _DEFAULT.weak
    seeds = ndimage.binary_opening(disturbed, np.ones((2, 2), bool))
    kept = ndimage.binary_propagation(seeds, _EIGHT, mask=disturbed)
    return np.where(disturbed & ~kept, np.minimum(probability, _DEFAULT.weak - 1 / PROBABILITY_SCALE), probability)


SMOOTHINGS: Mapping[str, Smoothing] = {
    "none": lambda p, _: p,
    "median 3 x 3": lambda p, _: ndimage.median_filter(p, 3, mode="nearest"),
    "mean 3 x 3": lambda p, _: ndimage.uniform_filter(p, 3, mode="nearest"),
    "Gaussian, 0.7 px": lambda p, _: ndimage.gaussian_filter(p, 0.7, mode="nearest"),
    "majority 3 x 3": majority,
    "guided by NDVI, 5 x 5": guided,
    "bilateral by reflectance, 3 x 3": bilateral,
    "opening by reconstruction, 2 x 2": reconstructed,
}

_ALONE = {"isolated": 0.8, "minimum_mapping_unit_ha": 0.0}
RULES: Mapping[str, Change | None] = {
    "threshold 0.5 alone": None,
    "seeds 0.8 alone": _DEFAULT.model_copy(update=_ALONE),
    "seeds 0.8, unit 0.1 ha": _DEFAULT.model_copy(update={"isolated": 0.8}),
    "seeds 0.8, isolated 0.9": _DEFAULT.model_copy(update={"minimum_mapping_unit_ha": 0.0}),
    "as shipped: 0.5, 0.8, 0.9, 0.1 ha": _DEFAULT,
    "weak 0.4": _DEFAULT.model_copy(update={"weak": 0.4}),
    "weak 0.6": _DEFAULT.model_copy(update={"weak": 0.6}),
    "strong 0.7": _DEFAULT.model_copy(update={"strong": 0.7}),
    "strong 0.9": _DEFAULT.model_copy(update={"strong": 0.9}),
    "isolated 0.85": _DEFAULT.model_copy(update={"isolated": 0.85}),
    "isolated 0.95": _DEFAULT.model_copy(update={"isolated": 0.95}),
    "unit 0.05 ha": _DEFAULT.model_copy(update={"minimum_mapping_unit_ha": 0.05}),
    "unit 0.2 ha": _DEFAULT.model_copy(update={"minimum_mapping_unit_ha": 0.2}),
}


@dataclass(frozen=True)
class Score:
    """Counts by cell of one degree, (cell,) each, patches by what they were called, and narrow workings found."""

    true: NDArray[np.int64]
    called: NDArray[np.int64]
    both: NDArray[np.int64]
    sensitivity: float
    specificity: float
    narrow: float

    @property
    def iou(self) -> float:
        """Of all pixels."""
        return float(_iou(self.true.sum(), self.called.sum(), self.both.sum()))

    @property
    def f1(self) -> float:
        """Of all pixels."""
        return float(2 * self.both.sum() / (self.true.sum() + self.called.sum()))

    def gain_95(self, other: Score, seed: int = 0) -> tuple[float, float]:
        """95 % interval of this IoU less the other's, over cells drawn with replacement."""
        rng = np.random.default_rng(seed)
        drawn = rng.integers(0, len(self.true), (RESAMPLES, len(self.true)))
        gains = _iou(*(part[drawn].sum(axis=1) for part in (self.true, self.called, self.both)))
        gains = gains - _iou(*(part[drawn].sum(axis=1) for part in (other.true, other.called, other.both)))
        low, high = np.quantile(gains, (0.025, 0.975))
        return float(low), float(high)


def narrow_workings(mask: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Workings less than three pixels wide: what an opening of the reference (patch, y, x) with 3 x 3 removes.

    Ground beyond the patch and unsure ground count as workings here, so that an edge makes nothing narrow.
    """
    out = np.zeros(mask.shape, bool)
    for own, plane in zip(out, mask, strict=True):
        wide = np.pad(plane != OTHER, 2, constant_values=True)
        own[:] = (plane != OTHER) & (plane != UNSURE) & ~ndimage.binary_opening(wide, _EIGHT)[2:-2, 2:-2]
    return out


def smooth(probability: NDArray[np.float64], reflectance: NDArray[np.uint16], how: Smoothing) -> NDArray[np.float64]:
    """Each patch (patch, y, x) by itself."""
    return np.stack([how(p, r) for p, r in zip(probability, reflectance, strict=True)])


def on_the_map(probability: NDArray[np.float64], rule: Change | None) -> NDArray[np.bool_]:
    """Which pixels (patch, y, x) stand on the map by the rules of `pipeline.change`; None: the threshold 0.5 alone."""
    scaled = np.rint(probability * PROBABILITY_SCALE).astype(np.int16)
    if rule is None:
        return scaled >= round(0.5 * PROBABILITY_SCALE)
    at = np.nonzero(scaled >= round(rule.weak * PROBABILITY_SCALE))
    pixels = _candidates(at[0] * APART_PX + at[1], at[2], scaled[at])
    (kept,) = mapped_objects([pixels], [scaled[at]], [np.ones(at[0].size, bool)], rule)
    out = np.zeros(probability.shape, bool)
    out[at] = kept
    return out


def _candidates(row: NDArray[np.int64], col: NDArray[np.int64], probability: NDArray[np.int16]) -> Candidates:
    n = row.size
    none = np.full((1, n), NODATA, np.uint16)
    return Candidates(
        epsg=32721,
        row=row.astype(np.int32),
        col=col.astype(np.int32),
        bare=probability.astype(np.uint16)[np.newaxis],
        pond=np.zeros_like(none),
        looks=none,
        days=np.repeat(none[:, np.newaxis], 4, axis=1),
        greenest=np.repeat(none[:, np.newaxis], 2, axis=1),
        season_looks=np.repeat(none[:, np.newaxis], 2, axis=1),
        radar=np.full((1, 2, 2, n), RADAR_NODATA, np.int16),
        water=np.zeros((1, n), bool),
        zone=np.zeros(n, np.int16),
        area_m2=np.full(n, 100.0),
    )


def score(mapped: NDArray[np.bool_], labels: Labels) -> Score:
    """A map (patch, y, x) against the masks; unsure pixels are left out."""
    sure = labels.mask != UNSURE
    true = sure & (labels.mask != OTHER)
    cells = int(labels.cell.max()) + 1
    counts = [
        np.bincount(labels.cell, part.sum(axis=(1, 2)), cells).astype(np.int64)
        for part in (true, mapped & sure, mapped & true)
    ]
    share = mapped.mean(axis=(1, 2)) > PATCH_SHARE
    narrow = narrow_workings(labels.mask)
    return Score(
        *counts,
        sensitivity=float(share[labels.verdict == "mining"].mean()),
        specificity=float((~share)[labels.verdict == "no_mining"].mean()),
        narrow=float(mapped[narrow].mean()),
    )


def rows(scores: Mapping[str, Score], base: str) -> list[list[str]]:
    """One line a variant; the interval is that of the gain over `base`."""
    out = []
    for name, own in scores.items():
        low, high = own.gain_95(scores[base])
        gain = "–" if name == base else f"{low:+.4f} to {high:+.4f}"
        figures = (own.iou, own.f1, own.sensitivity, own.specificity, own.narrow)
        out.append([name, *(f"{figure:.4f}" for figure in figures), gain])
    return out


HEAD = ("variant", "IoU", "F1", "sensitivity", "specificity", "recall, narrow", "IoU gained (95 %)")


@dataclass(frozen=True)
class Map:
    """One period of a simulated run on its grid, (y, x): probability, ground set aside, dug shares, what lies there."""

    probability: NDArray[np.float64]
    reflectance: NDArray[np.uint16]
    aside: NDArray[np.bool_]
    dug: NDArray[np.uint8]


def simulated_maps(run: Path, archive: Path) -> list[Map]:
    """Every period and zone of a run; its probability rasters stand in for reflectance, which a run does not keep."""
    maps = []
    for path in sorted((run / "rasters").glob("probability_*.tif")):
        period = path.name.removeprefix("probability_").rsplit("_", 1)[0]
        with rasterio.open(path) as raster, rasterio.open(path.with_name("class" + path.name[11:])) as classes:
            p, drawn = raster.read(1), classes.read(1)
            dug = truth_plane(archive, "disturbed", raster.crs.to_epsg(), period, p.shape, raster.transform)
        seen = p != NODATA
        # Smoothing lifts pixels beside seasonal ground; they are of its kind.
        aside = ~seen | (drawn == OUTSIDE) | ndimage.binary_dilation(drawn == SEASONAL, _EIGHT) & (p < 5000)
        aside |= drawn == SEASONAL
        grey = np.repeat(np.where(seen, p, 0)[np.newaxis], 6, axis=0).astype(np.uint16)
        maps.append(Map(np.where(seen, p, 0) / PROBABILITY_SCALE, grey, aside, dug))
    return maps


def simulated_row(maps: Sequence[Map], how: Smoothing, rule: Change | None) -> list[str]:
    """IoU, precision and recall against pixels at least half dug, and recall of those less than three pixels wide."""
    total = np.zeros(5)
    for one in maps:
        probability = np.where(one.aside, 0, how(one.probability, one.reflectance))
        mapped = on_the_map(probability[np.newaxis], rule)[0]
        half = (one.dug >= 50) & ~one.aside
        narrow = half & ~ndimage.binary_opening(half, _EIGHT)
        parts = (half, mapped, mapped & half, narrow, mapped & narrow)
        total += [int(part.sum()) for part in parts]
    true, called, both, thin, thin_found = total
    return [f"{value:.4f}" for value in (_iou(true, called, both), both / called, both / true, thin_found / thin)]


def _ndvi(reflectance: NDArray[np.uint16]) -> Plane:
    red, nir = reflectance[2].astype(float), reflectance[3].astype(float)
    return (nir - red) / (nir + red + 1)


def _iou(true, called, both):  # type: ignore[no-untyped-def]
    return both / (true + called - both)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.objects", description=__doc__)
    parser.add_argument("held_out", type=Path, help="probabilities of the labelled patches, held out (.npz)")
    parser.add_argument("--data", type=Path, default=DATA, help="the labels")
    parser.add_argument("--run", type=Path, action="append", default=[], help="a run of a simulated archive")
    parser.add_argument("--archive", type=Path, action="append", default=[], help="its archive, in the same order")
    arguments = parser.parse_args()
    labels = Labels.read(arguments.data)
    with np.load(arguments.held_out, allow_pickle=False) as stored:
        probability = stored["probability"].sum(axis=1, dtype=np.int64) / PROBABILITY_SCALE
    shipped = "as shipped: 0.5, 0.8, 0.9, 0.1 ha"
    alone = {
        name: score(on_the_map(smooth(probability, labels.reflectance, how), None), labels)
        for name, how in SMOOTHINGS.items()
    }
    with_rules = {
        name: score(on_the_map(smooth(probability, labels.reflectance, how), _DEFAULT), labels)
        for name, how in SMOOTHINGS.items()
    }
    by_rule = {name: score(on_the_map(probability, rule), labels) for name, rule in RULES.items()}
    print("smoothing, threshold 0.5 alone\n" + table(HEAD, rows(alone, "none")))
    print("\nsmoothing, rules as shipped\n" + table(HEAD, rows(with_rules, "none")))
    print("\nrules, no smoothing\n" + table(HEAD, rows(by_rule, shipped)))
    maps = [
        m for run, archive in zip(arguments.run, arguments.archive, strict=True) for m in simulated_maps(run, archive)
    ]
    if maps:
        head = ("simulated", "IoU", "precision", "recall", "recall, narrow")
        blind = {name: how for name, how in SMOOTHINGS.items() if "reflectance" not in name and "NDVI" not in name}
        print("\n" + table(head, [[name, *simulated_row(maps, how, _DEFAULT)] for name, how in blind.items()]))
        print("\n" + table(head, [[name, *simulated_row(maps, SMOOTHINGS["none"], r)] for name, r in RULES.items()]))


if __name__ == "__main__":
    main()
