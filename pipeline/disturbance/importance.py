"""What a model looks at: how much worse it does with one input spoilt (permutation importance, Breiman 2001).

It needs nothing of a model but its predictions, so trees and networks are measured alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.disturbance.labels import OTHER, UNSURE, Labels
from pipeline.disturbance.learning import Classifier
from pipeline.disturbance.model import PROBABILITY_SCALE, Model
from pipeline.disturbance.scores import classify
from pipeline.imagery.scene import BANDS, NODATA

SURROUNDINGS = "surroundings"
NOTHING = "nothing"

# Disturbed pixels by spoilt input: rightly called, called, true.
Spoilt = Mapping[str, NDArray[np.int64]]


def predict(classifier: Classifier | Model, labels: Labels) -> NDArray[np.uint16]:
    """Probabilities x 10 000 (patch, 2, y, x) of each patch, NODATA where not observed."""
    out = np.empty((len(labels.mask), 2, *labels.mask.shape[1:]), np.uint16)
    for patch, reflectance in enumerate(labels.reflectance):
        evidence = {name: planes[patch] for name, planes in labels.evidence.items()} or None
        out[patch] = classifier.predict(reflectance, 0, evidence)
    return out


def shares(probability: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Probabilities from 0 to 1, NaN where not observed."""
    return np.where(probability == NODATA, np.float32(np.nan), probability / np.float32(PROBABILITY_SCALE))


def spoil(classifier: Classifier, unseen: Labels, probability: NDArray[np.uint16], seed: int) -> Spoilt:
    """Counts of a model on patches that it never saw, with each input spoilt in turn and with nothing spoilt.

    `probability` (patch, 2, y, x) is what it says of them as they are.
    """
    spoilt = {name: _counts(predict(classifier, labels), labels) for name, labels in _spoilt(unseen, seed)}
    return {NOTHING: _counts(probability, unseen), **spoilt}


def _spoilt(labels: Labels, seed: int) -> Iterator[tuple[str, Labels]]:
    """Labels with each input spoilt in turn.

    A band or a plane of evidence comes from another patch. Without surroundings, the pixels of a patch are moved
    about, so that each keeps its spectrum and loses its neighbours.
    """
    rng = np.random.default_rng(seed)
    n, size = len(labels.mask), labels.mask[0].size
    other = rng.permutation(n)
    seen = (labels.reflectance[:, 0] != NODATA) & (labels.reflectance[other, 0] != NODATA)
    for number, band in enumerate(BANDS):
        reflectance = labels.reflectance.copy()
        reflectance[:, number][seen] = labels.reflectance[other, number][seen]
        yield band, replace(labels, reflectance=reflectance)
    for name, planes in labels.evidence.items():
        yield name, replace(labels, evidence={**labels.evidence, name: planes[other]})
    order = rng.permuted(np.tile(np.arange(size), (n, 1)), axis=1)

    def moved(planes: NDArray[Any]) -> NDArray[Any]:
        flat = planes.reshape(n, -1, size)
        return np.take_along_axis(flat, order[:, np.newaxis], axis=2).reshape(planes.shape)

    evidence = {name: moved(planes) for name, planes in labels.evidence.items()}
    yield (
        SURROUNDINGS,
        replace(labels, reflectance=moved(labels.reflectance), mask=moved(labels.mask), evidence=evidence),
    )


def _counts(said: NDArray[np.uint16], labels: Labels) -> NDArray[np.int64]:
    probability = shares(said)
    sure = (labels.mask != UNSURE) & ~np.isnan(probability[:, 0])
    called, true = (classify(probability) != OTHER) & sure, (labels.mask != OTHER) & sure
    return np.array([(called & true).sum(), called.sum(), true.sum()])


def importance(folds: Sequence[Spoilt]) -> list[dict[str, Any]]:
    """IoU of disturbed ground over all folds with each input spoilt, and what that loses; the greatest loss first."""
    iou = {}
    for name in folds[0]:
        both, called, true = sum((fold[name] for fold in folds), np.zeros(3, np.int64)).tolist()
        iou[name] = both / (called + true - both) if called + true else 0.0
    whole = iou.pop(NOTHING)
    rows = [{"input": name, "iou": round(value, 4), "loss": round(whole - value, 4)} for name, value in iou.items()]
    return sorted(rows, key=lambda row: (-row["loss"], row["input"]))
