"""Fit the trees to labelled imagery, score them with regions held out, and write model, card and index.

Two boosters, each a yes or no: is the ground disturbed, and is disturbed ground a pond. The first gets the whole of
its trees for the question that matters and the second only sees workings.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.disturbance.card import ORIGINS, UNKNOWN_ORIGIN, make_limits, to_markdown
from pipeline.disturbance.features import CHANNELS, RADII, compute, feature_names
from pipeline.disturbance.labels import BARE, FILES, OTHER, POND, UNSURE, Labels
from pipeline.disturbance.model import PROBABILITY_SCALE, Model, write_atomically, write_index
from pipeline.disturbance.scores import THRESHOLD, score
from pipeline.disturbance.tree_classifier import TreeClassifier
from pipeline.disturbance.trees import Forest
from pipeline.errors import BadInput
from pipeline.imagery.scene import BANDS, NODATA

FOLDS = 5
PIXELS_PER_IMAGE = 130
VARIANTS = 2
LIGHT = 1.2  # brighter or darker by up to this factor
HAZE = (-150.0, 300.0)  # reflectance x 10 000 added to B02; to the others less, as scattering falls with wavelength
HAZE_BY_BAND = (1.0, 0.7, 0.5, 0.25, 0.06, 0.03)
DISTURBED = {"max_iter": 120, "learning_rate": 0.08}
POND_IF_DISTURBED = {"max_iter": 50, "learning_rate": 0.1}
COMMON = {
    "max_leaf_nodes": 31,
    "min_samples_leaf": 100,
    "l2_regularization": 1.0,
    "early_stopping": False,
}


def train(data: Path, out: Path, seed: int = 0) -> dict[str, Any]:
    """Fit a model to the labels in folder `data`; write folder `out` with its card and the index beside it.

    Returns the card. The same labels and seed give the same bytes. Where `data` has a neighbour `africa_spectra`,
    the card states the false alarms on it. Raises BadInput where labels are missing or `out` cannot be written.
    """
    labels = Labels.read(data)
    samples = draw(labels, seed)
    model = Model.of(out.name, TreeClassifier(fit(samples, seed)))
    cross_validated = score(cross_validate(samples, labels, seed), labels)
    africa = data.parent / "africa_spectra"
    files = {name: hashlib.sha256((data / name).read_bytes()).hexdigest() for name in FILES}
    card: dict[str, Any] = {
        "name": model.name,
        "sha256": model.sha256,
        "data": {
            "files": files,
            "patches": len(labels.mask),
            "cells": int(labels.cell.max()) + 1,
            "pixels": {
                name: int((labels.mask == value).sum())
                for name, value in (("other", OTHER), ("bare", BARE), ("pond", POND), ("unsure", UNSURE))
            },
            "bounds": list(labels.bounds),
            "origin": ORIGINS.get(files["masks.npz"], UNKNOWN_ORIGIN),
        },
        "method": {
            "bands": list(BANDS),
            "channels": {channel.name: channel.source for channel in CHANNELS},
            "windows_px": [2 * radius + 1 for radius in RADII],
            "features": len(feature_names()),
            "pixels_per_image": PIXELS_PER_IMAGE,
            "variants": {
                "of_each_patch": VARIANTS,
                "light": LIGHT,
                "haze": list(HAZE),
                "haze_by_band": list(HAZE_BY_BAND),
            },
            "disturbed": {**COMMON, **DISTURBED},
            "pond_if_disturbed": {**COMMON, **POND_IF_DISTURBED},
            "seed": seed,
        },
        "cross_validation": {"folds": FOLDS, "groups": "1 degree cells", "threshold": THRESHOLD, **cross_validated},
        "africa": false_alarms(model, africa) if africa.is_dir() else None,
    }
    card["limits"] = make_limits(card)
    model.save(out)
    _write_json(out / "card.json", card)
    write_atomically(out / "card.md", to_markdown(card).encode())
    write_index(out.parent, model.name, out.name, model.sha256)
    return card


def evaluate(model: Model, data: Path) -> dict[str, Any]:
    """Figures of a model on the labels in folder `data`; on ground it was trained on they flatter it."""
    labels = Labels.read(data)
    probability = np.stack([model.predict(patch, 0) for patch in labels.reflectance]) / PROBABILITY_SCALE
    return {"model": model.name, "sha256": model.sha256, "threshold": THRESHOLD, **score(probability, labels)}


@dataclass(frozen=True)
class Samples:
    """Features (sample, feature), classes (sample,) and numbers of patches (sample,) of the pixels learnt from."""

    features: NDArray[np.int16]
    classes: NDArray[np.uint8]
    patch: NDArray[np.int64]

    def of(self, patches: NDArray[np.int64]) -> Samples:
        """The samples of some patches."""
        taken = np.isin(self.patch, patches)
        return Samples(self.features[taken], self.classes[taken], self.patch[taken])


def draw(labels: Labels, seed: int) -> Samples:
    """Pixels of each patch and of variants of it, equally many of each, so that every patch weighs the same."""
    rng = np.random.default_rng(seed)
    features, classes, patches = [], [], []
    for number, (image, mask) in enumerate(zip(labels.reflectance, labels.mask, strict=True)):
        sure = np.flatnonzero(mask != UNSURE)
        for variant in range(1 + VARIANTS):
            taken = rng.choice(sure, min(PIXELS_PER_IMAGE, len(sure)), replace=False)
            seen = compute(vary(image, rng) if variant else image, 0)
            features.append(seen.reshape(len(seen), -1)[:, taken].T)
            classes.append(mask.ravel()[taken])
            patches.append(np.full(len(taken), number))
    return Samples(np.concatenate(features), np.concatenate(classes), np.concatenate(patches))


def vary(image: NDArray[np.uint16], rng: np.random.Generator) -> NDArray[np.uint16]:
    """A patch (6, y, x) under other light and other haze; haze below zero is an atmosphere corrected too much."""
    light = rng.uniform(1 / LIGHT, LIGHT)
    haze = rng.uniform(*HAZE) * np.array(HAZE_BY_BAND)[:, None, None]
    varied: NDArray[np.uint16] = np.clip(image * light + haze, 1, NODATA - 1).astype(np.uint16)
    return varied


def fit(samples: Samples, seed: int) -> Forest:
    """Trees fitted to samples; raises BadInput unless all three classes are among them."""
    # Here, not above: a worker that only predicts need not load scikit-learn.
    from sklearn import ensemble
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    booster: Any = ensemble.HistGradientBoostingClassifier
    if set(np.unique(samples.classes)) != {OTHER, BARE, POND}:
        raise BadInput("labels: training needs pixels of all three classes: other, bare workings, pond in workings")
    dug = samples.classes != OTHER
    # Sums of gradients in another order round otherwise; one thread always takes the same.
    with threadpool_limits(1):
        disturbed = booster(**COMMON, **DISTURBED, random_state=seed).fit(samples.features, dug)
        pond = booster(**COMMON, **POND_IF_DISTURBED, random_state=seed)
        pond.fit(samples.features[dug], samples.classes[dug] == POND)
    return Forest.from_sklearn([disturbed, pond])


def cross_validate(samples: Samples, labels: Labels, seed: int) -> NDArray[np.float64]:
    """Probabilities (patch, 2, y, x) of bare workings and pond, each patch by trees that never saw its cell."""
    from sklearn import model_selection

    folds: Any = model_selection.GroupKFold
    if len(np.unique(labels.cell)) < FOLDS:
        raise BadInput(f"labels: cross-validation needs patches in at least {FOLDS} cells of one degree")
    out = np.empty((len(labels.mask), 2, *labels.mask.shape[1:]))
    for known, held_out in folds(FOLDS).split(labels.mask, groups=labels.cell):
        model = Model.of("held out", TreeClassifier(fit(samples.of(known), seed)))
        for patch in held_out:
            out[patch] = model.predict(labels.reflectance[patch], 0) / PROBABILITY_SCALE
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


def _write_json(path: Path, value: dict[str, Any]) -> None:
    write_atomically(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())
