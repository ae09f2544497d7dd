"""Seasonal evidence by itself: what the greenest of the year leaves of African ground, and what it costs of workings.

`python -m benchmarks.season` prints the tables. African ground without mining is known by its geomedians of two
half-years: of the year's greenest look they show less than a run would see. Workings are known by one look, or two some
years apart, never by a whole year. Both sides are therefore bounds, named as such.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.objects import narrow_workings
from benchmarks.real_input import belgium_looks
from benchmarks.tables import share, table
from pipeline.config import Change, Imagery
from pipeline.disturbance import HALO_PX, PROBABILITY_SCALE, Model, load_model
from pipeline.disturbance.labels import BARE, POND, Labels
from pipeline.imagery.masks import clear_looks
from pipeline.imagery.scene import BANDS, NODATA

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
HALVES = ("S1", "S2")  # January-June, July-December 2019
COLUMNS = ("blue", "green", "red", "nir", "swir_1", "swir_2")
REGIONS = ("western", "sahel", "eastern")
GREEN = (0.30, 0.35, 0.40, 0.45, 0.50, 0.55, 0.60)
RISES = (0.10, 0.15, 0.20, 0.25, 0.30)
PLAIN_NDVI, PLAIN_BSI = 0.3, 0.1
_AT_ONCE = 64
_WEAK = round(Change().weak * PROBABILITY_SCALE)

Shares = Mapping[str, float]


@dataclass(frozen=True)
class Workings:
    """NDVI of labelled workings: at one look (n,), of these inner and narrow ones, and of ground seen twice (m, 2)."""

    once: NDArray[np.float64]
    inner: NDArray[np.bool_]
    narrow: NDArray[np.bool_]
    twice: NDArray[np.float64]


@dataclass(frozen=True)
class SeasonStudy:
    """Shares of African samples that stay candidates, by region, and of workings lost, by threshold.

    `plain` and `one_half` use the plain rule of bare soil, in both half-years and in any; `green` and `rises` leave out
    what is greener than a threshold, or greens up by one; `models` the same with a classifier in place of the
    plain rule, None being no seasonal evidence.
    """

    samples: Mapping[str, int]
    plain: Shares
    one_half: Shares
    green: Mapping[float, Shares]
    rises: Mapping[float, Shares]
    models: Mapping[str, Mapping[float | None, Shares]]
    lost: Mapping[float, Shares]
    lost_rises: Mapping[float, float]


def read_spectra(folder: Path) -> dict[str, NDArray[np.uint16]]:
    """African ground without mining by region: reflectance x 10 000, (sample, half-year, band)."""
    out = {}
    for region in REGIONS:
        with gzip.open(folder / f"{region}_training_data.txt.gz", "rt", encoding="ascii") as file:
            names = file.readline().removeprefix("# ").split()
            rows = np.loadtxt(file, ndmin=2)
        columns = [[names.index(f"{band}_{half}") for band in COLUMNS] for half in HALVES]
        out[region] = np.clip(np.rint(rows[:, columns] * 10_000), 0, NODATA - 1).astype(np.uint16)
    return out


def ndvi(reflectance: NDArray[np.uint16]) -> NDArray[np.float64]:
    """NDVI of reflectance (..., band)."""
    red, nir = (reflectance[..., BANDS.index(band)].astype(float) for band in ("B04", "B08"))
    return (nir - red) / np.maximum(nir + red, 1)


def plainly_bare(reflectance: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """NDVI under 0.3 and bare soil index (Rikimaru et al. 2002) over 0.1, of reflectance (..., band)."""
    blue, red, nir, swir = (reflectance[..., BANDS.index(band)].astype(float) for band in ("B02", "B04", "B08", "B11"))
    bsi = ((swir + red) - (nir + blue)) / np.maximum(swir + red + nir + blue, 1)
    bare: NDArray[np.bool_] = (ndvi(reflectance) < PLAIN_NDVI) & (bsi > PLAIN_BSI)
    return bare


def judged_alone(model: Model, spectra: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Which spectra (..., band) a model calls disturbed, each as if uniform ground of its kind surrounded it.

    The context that tells workings from a dry field is missing: on a map, fewer are called.
    """
    side = 2 * HALO_PX + 1
    flat = spectra.reshape(-1, len(BANDS))
    called = np.empty(len(flat), bool)
    for first in range(0, len(flat), _AT_ONCE):
        # Squares side by side: the middle of each sees no other, for nothing is read from beyond HALO_PX.
        part = flat[first : first + _AT_ONCE].repeat(side, axis=0).T
        ground = np.ascontiguousarray(np.broadcast_to(part[:, np.newaxis], (len(BANDS), side, part.shape[1])))
        probability = model.predict(ground, HALO_PX)[:, 0, ::side].sum(axis=0, dtype=np.int64)
        called[first : first + _AT_ONCE] = probability >= _WEAK
    return called.reshape(spectra.shape[:-1])


def greens_up(reflectance: NDArray[np.uint16], green: float) -> NDArray[np.bool_]:
    """Whether the greener half-year reaches an NDVI; (sample,)."""
    reached: NDArray[np.bool_] = ndvi(reflectance).max(axis=1) >= green
    return reached


def rises_by(reflectance: NDArray[np.uint16], rise: float) -> NDArray[np.bool_]:
    """Whether NDVI differs between the half-years by `rise`; (sample,)."""
    values = ndvi(reflectance)
    far: NDArray[np.bool_] = np.abs(values[:, 0] - values[:, 1]) >= rise
    return far


def workings_of(labels: Labels) -> Workings:
    """NDVI of the labelled workings; ground drawn as workings at both times of a place is seen twice."""
    greenness = ndvi(np.moveaxis(labels.reflectance, 1, -1))
    workings = np.isin(labels.mask, (BARE, POND))
    inner = np.stack([ndimage.binary_erosion(plane, np.ones((3, 3), bool), border_value=1) for plane in workings])
    pairs = _pairs(labels)
    both = workings[pairs[:, 0]] & workings[pairs[:, 1]]
    return Workings(
        once=greenness[workings],
        inner=inner[workings],
        narrow=narrow_workings(labels.mask)[workings],
        twice=np.stack([greenness[pairs[:, k]][both] for k in range(2)], axis=1),
    )


def _pairs(labels: Labels) -> NDArray[np.int64]:
    by_place: dict[str, list[int]] = {}
    for number, place in enumerate(labels.place):
        by_place.setdefault(str(place), []).append(number)
    return np.array([numbers for numbers in by_place.values() if len(numbers) == 2], np.int64).reshape(-1, 2)


def study_season(data: Path, models: Sequence[str]) -> SeasonStudy:
    """All figures; `models` are names of models that judge the African spectra too."""
    spectra = read_spectra(data / "africa_spectra")
    workings = workings_of(Labels.read(data / "amazon_mining"))
    bare = {region: plainly_bare(own) for region, own in spectra.items()}
    once = {region: own.any(axis=1) for region, own in bare.items()}

    def left(
        called: Mapping[str, NDArray[np.bool_]], aside: Callable[[NDArray[np.uint16]], NDArray[np.bool_]]
    ) -> Shares:
        return {region: float((own & ~aside(spectra[region])).mean()) for region, own in called.items()}

    def by_green(called: Mapping[str, NDArray[np.bool_]]) -> dict[float, Shares]:
        return {green: left(called, lambda own, g=green: greens_up(own, g)) for green in GREEN}  # type: ignore[misc]

    judged = {}
    for name in models:
        model = load_model(name)
        called = {region: judged_alone(model, own).any(axis=1) for region, own in spectra.items()}
        judged[name] = {None: {region: float(own.mean()) for region, own in called.items()}, **by_green(called)}
    return SeasonStudy(
        samples={region: len(own) for region, own in spectra.items()},
        plain={region: float(own.all(axis=1).mean()) for region, own in bare.items()},
        one_half={region: float(own.mean()) for region, own in once.items()},
        green=by_green(once),
        rises={rise: left(once, lambda own, r=rise: rises_by(own, r)) for rise in RISES},  # type: ignore[misc]
        models=judged,
        lost={green: _lost(workings, green) for green in GREEN},
        lost_rises={r: float((np.abs(np.diff(workings.twice, axis=1)) >= r).mean()) for r in RISES},
    )


def _lost(workings: Workings, green: float) -> Shares:
    over = workings.once >= green
    return {
        "all": float(over.mean()),
        "inner": float(over[workings.inner].mean()),
        "narrow": float(over[workings.narrow].mean()),
        "twice": float((workings.twice.max(axis=1) >= green).mean()),
    }


def greenest_above_median(data: Path, under: float) -> dict[str, tuple[float, float, float]]:
    """How far the greenest clear look of a half-year lies above its median NDVI: P10, P50, P90 over Belgian pixels.

    Only pixels whose median stays `under` an NDVI: ground of the kind that geomedians of a half-year show bare.
    """
    stack, scl, times = belgium_looks(data)
    clear, _ = clear_looks(stack, (stack > 0).all(axis=1), scl, Imagery())
    values = np.where(clear, ndvi(np.moveaxis(stack, 1, -1)), np.nan)
    out = {}
    for name, first, last in (("January-June 2018", 1, 6), ("July-November 2018", 7, 11)):
        own = values[[time.year == 2018 and first <= time.month <= last for time in times]]
        middle, greenest = np.nanmedian(own, axis=0), np.nanmax(own, axis=0)
        low, half, high = np.quantile((greenest - middle)[middle < under], (0.1, 0.5, 0.9))
        out[name] = (float(low), float(half), float(high))
    return out


def season_tables(study: SeasonStudy) -> str:
    """The study as Markdown."""
    regions = tuple(study.samples)

    def cells(shares: Shares) -> list[str]:
        return [share(shares[region], 1, 1) for region in regions]

    lost = ("all", "inner", "narrow", "twice")
    alone = [
        ["bare in both half-years", *cells(study.plain), *["–"] * 4],
        ["bare in a half-year", *cells(study.one_half), *["–"] * 4],
        *(
            [f"and never NDVI {green:.2f}", *cells(own), *(share(study.lost[green][k], 1, 1) for k in lost)]
            for green, own in study.green.items()
        ),
        *(
            [f"and no rise by {rise:.2f}", *cells(own), "–", "–", "–", share(study.lost_rises[rise], 1, 1)]
            for rise, own in study.rises.items()
        ),
    ]
    head = ("left as candidates", *regions, "workings lost", "of these inner", "narrow", "seen twice")
    parts = [table(head, alone)]
    for name, rows in study.models.items():
        drawn = [
            ["called in a half-year" if g is None else f"and never NDVI {g:.2f}", *cells(s)] for g, s in rows.items()
        ]
        parts.append(table((f"`{name}`", *regions), drawn))
    return "\n\n".join(parts)


def main() -> None:
    """Print the tables for both shipped models, and how much greener a look can be than a median."""
    print(season_tables(study_season(DATA, ("default", "trees"))))
    for name, (low, half, high) in greenest_above_median(DATA, Change().green_ndvi).items():
        print(f"Belgium, {name}: greenest look above the median by {half:.2f} ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
