"""What a model says of real African ground without mining, of which there are spectra and no pictures."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.disturbance.features import HALO_PX
from pipeline.disturbance.model import PROBABILITY_SCALE, Model
from pipeline.disturbance.scores import THRESHOLD
from pipeline.errors import BadInput
from pipeline.imagery.scene import BANDS, NODATA

SUFFIX = "_training_data.txt.gz"
_COLUMNS = ("blue", "green", "red", "nir", "swir_1", "swir_2")
_AT_ONCE = 64


def false_alarms(model: Model, folder: Path) -> dict[str, Any]:
    """Share of African ground without mining that is called disturbed, from half-yearly geomedians of single places.

    There is no picture around a spectrum: each is judged as if uniform ground of its kind surrounded it, so the
    context that tells workings from a dry field is missing and the shares are higher than on a map. Raises BadInput
    if a table cannot be read.
    """
    out: dict[str, Any] = {}
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            halves = _read(path)
        except (OSError, ValueError, EOFError) as error:
            raise BadInput(f"{path}: not a table of half-yearly spectra ({error})") from error
        called = [judge_alone(model, spectra) >= THRESHOLD * PROBABILITY_SCALE for spectra in halves]
        out[path.name.removesuffix(SUFFIX)] = {
            "samples": len(called[0]),
            "half_year_1": round(float(called[0].mean()), 4),
            "half_year_2": round(float(called[1].mean()), 4),
            "both": round(float((called[0] & called[1]).mean()), 4),
        }
    return out


def _read(path: Path) -> list[NDArray[np.uint16]]:
    """Spectra x 10 000 (sample, 6) of both half-years."""
    with gzip.open(path, "rt", encoding="ascii") as file:
        names = file.readline().removeprefix("# ").split()
        table = np.loadtxt(file, ndmin=2)
    halves = [table[:, [names.index(f"{band}_{half}") for band in _COLUMNS]] for half in ("S1", "S2")]
    return [np.clip(np.rint(half * 10_000), 0, NODATA - 1).astype(np.uint16) for half in halves]


def judge_alone(model: Model, spectra: NDArray[np.uint16]) -> NDArray[np.int64]:
    """Probability x 10 000 that each spectrum (sample, 6) is disturbed, uniform ground of its kind around it."""
    if model.kind == "trees":
        # Windows count observed pixels only: alone within them, a pixel is its own surroundings.
        apart = np.full((len(BANDS), 1, 16 * len(spectra)), NODATA, np.uint16)
        apart[:, 0, ::16] = spectra.T
        alone: NDArray[np.int64] = model.predict(apart, 0)[:, 0, ::16].sum(axis=0, dtype=np.int64)
        return alone
    side = 2 * HALO_PX
    out = [np.zeros(0, np.int64)]
    for start in range(0, len(spectra), _AT_ONCE):
        row = np.repeat(spectra[start : start + _AT_ONCE].T, side, axis=1)
        ground = np.repeat(row[:, np.newaxis], side, axis=1)
        out.append(model.predict(ground, 0)[:, HALO_PX, HALO_PX::side].sum(axis=0, dtype=np.int64))
    return np.concatenate(out)
