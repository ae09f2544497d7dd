"""Fit the trees to labelled imagery, score them with regions held out, and write model, card and index.

Two boosters, each a yes or no: is the ground disturbed, and is disturbed ground a pond. The first gets the whole of
its trees for the question that matters and the second only sees workings.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.disturbance.card import LICENCE, make_limits, to_markdown
from pipeline.disturbance.features import CHANNELS, RADII, compute, feature_names
from pipeline.disturbance.labels import FILES, OTHER, POND, UNSURE, Labels
from pipeline.disturbance.model import INDEX, PROBABILITY_SCALE, Model, read_index, write_atomically
from pipeline.disturbance.scores import THRESHOLD, score
from pipeline.disturbance.trees import Forest, sigmoid
from pipeline.errors import BadInput
from pipeline.imagery.scene import BANDS, NODATA

FOLDS = 5
PIXELS_PER_PATCH = 200
DISTURBED = {"max_iter": 120, "learning_rate": 0.08}
POND_IF_DISTURBED = {"max_iter": 50, "learning_rate": 0.1}
COMMON = {
    "max_leaf_nodes": 31,
    "min_samples_leaf": 100,
    "l2_regularization": 1.0,
    "early_stopping": False,
}


def train(data: Path, out: Path, seed: int = 0) -> dict[str, Any]:
    """Fit a model to the labels in folder `data`; write `out` (.npz), its card (.card.json, .md) and the index.

    Returns the card. The same labels and seed give the same bytes. Where `data` has a neighbour `africa_spectra`,
    the card states the false alarms on it. Raises BadInput where labels are missing or `out` cannot be written.
    """
    if out.suffix != ".npz":
        raise BadInput(f"model file {out}: expected a name that ends in .npz")
    labels = Labels.read(data)
    features = _features(labels)
    model = Model.from_forest(out.stem, fit(features, labels.mask, seed))
    cross_validated = score(cross_validate(features, labels, seed), labels)
    africa = data.parent / "africa_spectra"
    card: dict[str, Any] = {
        "name": model.name,
        "sha256": model.sha256,
        "data": {
            "files": {name: hashlib.sha256((data / name).read_bytes()).hexdigest() for name in FILES},
            "patches": len(labels.mask),
            "cells": int(labels.cell.max()) + 1,
            "pixels": {
                name: int((labels.mask == value).sum())
                for name, value in (("other", 0), ("bare", 1), ("pond", 2), ("unsure", UNSURE))
            },
            "licence": LICENCE,
        },
        "method": {
            "bands": list(BANDS),
            "channels": {channel.name: channel.source for channel in CHANNELS},
            "windows_px": [2 * radius + 1 for radius in RADII],
            "features": len(feature_names()),
            "pixels_per_patch": PIXELS_PER_PATCH,
            "disturbed": {**COMMON, **DISTURBED},
            "pond_if_disturbed": {**COMMON, **POND_IF_DISTURBED},
            "seed": seed,
        },
        "cross_validation": {"folds": FOLDS, "groups": "1 degree cells", "threshold": THRESHOLD, **cross_validated},
        "africa": false_alarms(model, africa) if africa.is_dir() else None,
    }
    card["limits"] = make_limits(card)
    model.save(out)
    _write_json(out.with_suffix(".card.json"), card)
    write_atomically(out.with_suffix(".md"), to_markdown(card).encode())
    index = {name: {"file": file, "sha256": sha} for name, (file, sha) in _index_beside(out).items()}
    index[model.name] = {"file": out.name, "sha256": model.sha256}
    _write_json(out.with_name(INDEX), {"models": index})
    return card


def evaluate(model: Model, data: Path) -> dict[str, Any]:
    """Figures of a model on the labels in folder `data`; on ground it was trained on they flatter it."""
    labels = Labels.read(data)
    probability = np.stack([model.predict(patch, 0) for patch in labels.reflectance]) / PROBABILITY_SCALE
    return {"model": model.name, "sha256": model.sha256, "threshold": THRESHOLD, **score(probability, labels)}


def fit(features: NDArray[np.int16], mask: NDArray[np.uint8], seed: int) -> Forest:
    """Trees fitted to features (patch, feature, y, x) and masks (patch, y, x); every patch weighs the same."""
    # Here, not above: a worker that only predicts need not load scikit-learn.
    from sklearn import ensemble
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    booster: Any = ensemble.HistGradientBoostingClassifier
    rng = np.random.default_rng(seed)
    x, y = [], []
    for patch, classes in zip(features, mask.reshape(len(mask), -1), strict=True):
        sure = np.flatnonzero(classes != UNSURE)
        taken = rng.choice(sure, min(PIXELS_PER_PATCH, len(sure)), replace=False)
        x.append(patch.reshape(len(patch), -1)[:, taken].T)
        y.append(classes[taken])
    rows, classes = np.concatenate(x), np.concatenate(y)
    dug = classes != OTHER
    if dug.all() or not dug.any() or len(np.unique(classes[dug])) < 2:
        raise BadInput("labels: training needs pixels of all three classes: other, bare workings, pond in workings")
    # Sums of gradients in another order round otherwise; one thread always takes the same.
    with threadpool_limits(1):
        disturbed = booster(**COMMON, **DISTURBED, random_state=seed).fit(rows, dug)
        pond = booster(**COMMON, **POND_IF_DISTURBED, random_state=seed)
        pond.fit(rows[dug], classes[dug] == POND)
    return Forest.from_sklearn([disturbed, pond])


def cross_validate(features: NDArray[np.int16], labels: Labels, seed: int) -> NDArray[np.float64]:
    """Probabilities (patch, 2, y, x) of bare workings and pond, each patch by trees that never saw its cell."""
    from sklearn import model_selection

    folds: Any = model_selection.GroupKFold
    if len(np.unique(labels.cell)) < FOLDS:
        raise BadInput(f"labels: cross-validation needs patches in at least {FOLDS} cells of one degree")
    out = np.empty((len(features), 2, *labels.mask.shape[1:]))
    for known, held_out in folds(FOLDS).split(features, groups=labels.cell):
        forest = fit(features[known], labels.mask[known], seed)
        for patch in held_out:
            disturbed, pond = sigmoid(forest.scores(features[patch].reshape(features.shape[1], -1)))
            out[patch] = np.stack([disturbed * (1 - pond), disturbed * pond]).reshape(out.shape[1:])
    return out


def false_alarms(model: Model, folder: Path) -> dict[str, Any]:
    """Share of African ground without mining that is called disturbed, from half-yearly geomedians of single places.

    There is no picture around a spectrum: each is judged as if uniform ground of its kind surrounded it, so the
    context that tells workings from a dry field is missing and the shares are higher than on a map.
    """
    out: dict[str, Any] = {}
    for path in sorted(folder.glob("*_training_data.txt.gz")):
        with gzip.open(path, "rt", encoding="ascii") as file:
            names = file.readline().removeprefix("# ").split()
            table = np.loadtxt(file, ndmin=2)
        shares: dict[str, Any] = {"samples": len(table)}
        called = []
        for half in ("S1", "S2"):
            columns = [names.index(f"{band}_{half}") for band in ("blue", "green", "red", "nir", "swir_1", "swir_2")]
            spectra = np.clip(np.rint(table[:, columns] * 10_000), 0, NODATA - 1).astype(np.uint16)
            # Alone within its windows, a pixel is its own surroundings.
            apart = np.full((len(BANDS), 1, 16 * len(spectra)), NODATA, np.uint16)
            apart[:, 0, ::16] = spectra.T
            probability = model.predict(apart, 0)[:, 0, ::16].astype(np.int64).sum(axis=0)
            called.append(probability >= THRESHOLD * PROBABILITY_SCALE)
            shares[f"half_year_{half[1]}"] = round(float(called[-1].mean()), 4)
        shares["both"] = round(float((called[0] & called[1]).mean()), 4)
        out[path.name.removesuffix("_training_data.txt.gz")] = shares
    return out


def _features(labels: Labels) -> NDArray[np.int16]:
    return np.stack([compute(patch, 0) for patch in labels.reflectance])


def _index_beside(out: Path) -> dict[str, tuple[str, str]]:
    return read_index(out.parent) if out.with_name(INDEX).exists() else {}


def _write_json(path: Path, value: dict[str, Any]) -> None:
    write_atomically(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())
