"""Real series of ground on which nobody mines: how much is called disturbed, and what each rule takes away again.

`python -m benchmarks.series` prints the table. The whole command runs on each series, cut into periods of a month, a
quarter and half a year, with default settings; figures are counted on the rasters it writes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import rasterio
from numpy.typing import NDArray

from benchmarks.real_input import (
    BELGIUM_AS_OF,
    TOGO_AS_OF,
    Span,
    belgium_periods,
    belgium_programme,
    togo_periods,
    togo_programme,
    write_config,
)
from benchmarks.tables import share, table
from pipeline.change.states import BARE, NOT_OBSERVED, OUTSIDE, POND, SEASONAL
from pipeline.config import Change
from pipeline.disturbance import PROBABILITY_SCALE
from pipeline.imagery.scene import NODATA
from pipeline.runs import RunOptions, run_programme

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
LENGTHS: Mapping[str, int] = {"months": 1, "quarters": 3, "half-years": 6}
GOAL = 0.001
_WEAK = round(Change().weak * PROBABILITY_SCALE)


@dataclass(frozen=True)
class Series:
    """Where a series is made into a programme, cut into periods, and until when it goes."""

    write: Callable[[Path, Path], Path]
    periods: Callable[[int], tuple[Span, ...]]
    as_of: date


SERIES: Mapping[str, Series] = {
    "belgium": Series(belgium_programme, belgium_periods, BELGIUM_AS_OF),
    "togo": Series(togo_programme, togo_periods, TOGO_AS_OF),
}


@dataclass(frozen=True)
class SeriesScore:
    """Shares of observed ground, pooled over periods; `worst` is the period with most, `twice` two in a row.

    `called` reaches `weak`, `unseasonal` what the season rule leaves of it, `mapped` what stands on the map. `twice`
    is of ground observed in a period and mapped in it and in the observed period before; `twice_called` and
    `twice_unseasonal` are the same of what is called, and of what the season rule leaves.
    """

    periods: int
    observed: float
    called: float
    worst: float
    unseasonal: float
    mapped: float
    twice_called: float
    twice_unseasonal: float
    twice: float


def score_stack(probability: NDArray[np.uint16], classes: NDArray[np.uint8]) -> SeriesScore:
    """Figures of rasters (period, pixel) of watched ground: probability of disturbance x 10 000 and class."""
    seen = classes != NOT_OBSERVED
    called = seen & (probability != NODATA) & (probability >= _WEAK)
    unseasonal = called & (classes != SEASONAL)
    mapped = (classes == BARE) | (classes == POND)
    by_period = [_ratio(c.sum(), s.sum()) for c, s in zip(called, seen, strict=True) if s.any()]
    return SeriesScore(
        periods=len(classes),
        observed=float(seen.mean()),
        called=_ratio(called.sum(), seen.sum()),
        worst=max(by_period, default=0.0),
        unseasonal=_ratio(unseasonal.sum(), seen.sum()),
        mapped=_ratio(mapped.sum(), seen.sum()),
        twice_called=_twice(called, seen),
        twice_unseasonal=_twice(unseasonal, seen),
        twice=_twice(mapped, seen),
    )


def _twice(shown: NDArray[np.bool_], seen: NDArray[np.bool_]) -> float:
    """Of pairs of a pixel's observed period and the observed one before it, the share that shows it in both."""
    pairs = both = 0
    before, known = np.zeros(shown.shape[1], bool), np.zeros(shown.shape[1], bool)
    for now, observed in zip(shown, seen, strict=True):
        pairs += int((observed & known).sum())
        both += int((observed & known & now & before).sum())
        before, known = np.where(observed, now, before), known | observed
    return _ratio(both, pairs)


def _ratio(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else 0.0


def score_run(run: Path, periods: Sequence[Span]) -> SeriesScore:
    """Figures of a run of one UTM zone."""
    planes: dict[str, list[NDArray[np.uint16]]] = {"probability": [], "class": []}
    for name, _, _ in periods:
        for kind, stack in planes.items():
            (path,) = (run / "rasters").glob(f"{kind}_{name}_*.tif")
            with rasterio.open(path) as raster:
                stack.append(raster.read(1).ravel())
    classes = np.stack(planes["class"]).astype(np.uint8)
    watched = (classes != OUTSIDE).all(axis=0)
    return score_stack(np.stack(planes["probability"])[:, watched], classes[:, watched])


def study_series(data: Path, work: Path, models: Sequence[str]) -> dict[tuple[str, str, str], SeriesScore]:
    """Scores by series, length of periods and model. Composites are made once and serve every model."""
    scores = {}
    for place, series in SERIES.items():
        folder = work / f"series-{place}"
        if not folder.is_dir():
            series.write(data, folder)
        for length, each in LENGTHS.items():
            periods = series.periods(each)
            for model in models:
                config = write_config(folder, place, place, periods, model, f"{length}-{model}")
                finished = run_programme(config, RunOptions(series.as_of, work / "runs"))
                if finished.exit_code:
                    raise SystemExit(f"{config}: the run is not complete, so it is not scored:\n{finished.text}")
                scores[place, length, model] = score_run(finished.folder, periods)
    return scores


HEAD = (
    "series, periods, model",
    "periods",
    "called, all periods",
    "called, worst period",
    "after the season rule",
    "on the map",
    "called, two in a row",
    "after the season rule, two in a row",
    "on the map, two in a row",
)


def series_table(scores: Mapping[tuple[str, str, str], SeriesScore]) -> str:
    """The scores as Markdown, shares of observed ground."""
    rows = []
    for (place, length, model), s in scores.items():
        shares = (s.called, s.worst, s.unseasonal, s.mapped, s.twice_called, s.twice_unseasonal, s.twice)
        rows.append([f"{place}, {length}, `{model}`", str(s.periods), *(share(value, 1, 2) for value in shares)])
    return table(HEAD, rows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.series", description=__doc__)
    parser.add_argument("--models", nargs="+", default=["default", "trees"])
    parser.add_argument("--work", type=Path, help="folder for imagery and runs (default: a temporary one)")
    arguments = parser.parse_args()
    with TemporaryDirectory() as temporary:
        print(series_table(study_series(DATA, arguments.work or Path(temporary), arguments.models)))


if __name__ == "__main__":
    main()
