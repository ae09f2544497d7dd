"""What the trees gain or lose by weighing patches otherwise, and by labels that are weak.

`python -m benchmarks.weighing --data DIR` prints the table of the decision note. Each row is fitted without the cells
of a fold and judged on them, on the pixels and folds of the shipped recipe; only weights and added labels differ.
Weak labels are the years of Amazon Mining Watch (`amw_first_year`): whether mining is mapped at a place by the year
of the imagery, not where in the patch.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks.tables import table
from pipeline.disturbance import features
from pipeline.disturbance.holdout import cells_of, folds_of
from pipeline.disturbance.labels import OTHER, UNSURE, Labels
from pipeline.disturbance.scores import PATCH_SHARE, THRESHOLD
from pipeline.disturbance.tree_learner import COMMON, DISTURBED, PIXELS_PER_IMAGE, Samples, draw
from pipeline.disturbance.trees import Forest, sigmoid

CONFUSERS = ("river bars", "towns", "fish ponds", "cobble plains")
SURE = 0.9  # what a model must say of a pixel before it labels it for the next one
_HEAD = ("trees", "IoU", "IoU without industrial", "patches: sensitivity", "specificity", "specificity of confusers")

Weights = NDArray[np.float64]


@dataclass(frozen=True)
class Way:
    """A way to learn: the weight of each patch, which patches keep their masks, and what labels the rest.

    `drawn` patches bring their masks. `taught` tells for each patch where a first model may label pixels: "unsure"
    those that the interpreters left open, "all" every pixel, "" none; `weak` lets the weak labels forbid it.
    """

    title: str
    weight: Weights
    drawn: NDArray[np.bool_]
    taught: str = ""
    weak: bool = False


def ways(labels: Labels) -> list[Way]:
    """The rows of the table."""
    n = len(labels.mask)
    one, every = np.ones(n), np.ones(n, bool)
    industrial = labels.kinds["industrial"]
    confuser = np.any([labels.kinds[kind] for kind in CONFUSERS], axis=0)
    no_mining, mining = labels.verdict == "no_mining", labels.verdict == "mining"
    mapped = weakly_mined(labels)
    against = (mapped & no_mining) | (~mapped & mining & (labels.amw_first_year > 0))
    half = np.random.default_rng(0).random(n) < 0.5
    return [
        Way("as shipped", one, every),
        Way("industrial patches left out", np.where(industrial, 0.0, 1.0), every),
        Way("industrial patches x 0.4", np.where(industrial, 0.4, 1.0), every),
        Way("confusers x 3", np.where(confuser, 3.0, 1.0), every),
        Way("patches without mining x 2", np.where(no_mining, 2.0, 1.0), every),
        Way("unsure pixels by self-training", one, every, "unsure"),
        Way("the same, where weak labels do not forbid it", one, every, "unsure", weak=True),
        Way("patches that weak labels contradict x 0.3", np.where(against, 0.3, 1.0), every),
        Way("half of the masks", one, half),
        Way("half of the masks, the rest by self-training", one, half, "all"),
        Way("half of the masks, the rest by weak labels (multiple instance)", one, half, "all", weak=True),
    ]


def weakly_mined(labels: Labels) -> NDArray[np.bool_]:
    """Whether mining is mapped in a patch by the last year of its imagery, (patch,)."""
    return (labels.amw_first_year > 0) & (labels.amw_first_year <= labels.years[:, 1])


def out_of_fold(way: Way, labels: Labels, samples: Samples, seen: NDArray[np.int16], seed: int) -> NDArray[np.float64]:
    """Probability of disturbance of every pixel by a model that saw no patch of its cell, (patch, y, x)."""
    probability = np.empty(labels.mask.shape)
    for fold in folds_of(cells_of(labels)[1]):
        known = np.zeros(len(labels.mask), bool)
        known[fold.known] = True
        used = (known & way.drawn & (way.weight > 0))[samples.patch]
        table_, dug = samples.features[used], samples.classes[used] != OTHER
        weight = way.weight[samples.patch[used]]
        score = _fit(table_, dug, weight, seed)
        if way.taught:
            pupils = known & (way.drawn if way.taught == "unsure" else ~way.drawn)
            more, said = _taught(way, labels, np.flatnonzero(pupils), seen, score, seed)
            dug = np.concatenate([dug, said])
            score = _fit(np.concatenate([table_, more]), dug, np.concatenate([weight, np.ones(len(said))]), seed)
        for patch in fold.unseen:
            probability[patch] = score(seen[patch]).reshape(labels.mask.shape[1:])
    return probability


def _fit(
    table_: NDArray[np.int16], dug: NDArray[np.bool_], weight: Weights, seed: int
) -> Callable[[NDArray[np.int16]], NDArray[np.float64]]:
    booster = HistGradientBoostingClassifier(**COMMON, **DISTURBED, random_state=seed)
    forest = Forest.from_sklearn([booster.fit(table_, dug, sample_weight=weight)])
    return lambda planes: sigmoid(forest.scores(np.ascontiguousarray(planes.reshape(len(planes), -1)))[0])


def _taught(
    way: Way,
    labels: Labels,
    pupils: NDArray[np.int64],
    seen: NDArray[np.int16],
    score: Callable[[NDArray[np.int16]], NDArray[np.float64]],
    seed: int,
) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    """Features and classes of pixels of which a first model is sure; weak labels veto ground where none is mapped."""
    rng = np.random.default_rng(seed)
    mapped = weakly_mined(labels)
    tables, classes = [], []
    for patch in pupils:
        own = features.observed(labels.reflectance[patch]).ravel()
        if way.taught == "unsure":
            own &= labels.mask[patch].ravel() == UNSURE
        at = np.flatnonzero(own)
        at = rng.choice(at, min(3 * PIXELS_PER_IMAGE, len(at)), replace=False)
        if not len(at):
            continue
        planes = seen[patch].reshape(len(seen[patch]), -1)[:, at]
        said = score(planes)
        if way.weak and not mapped[patch]:
            # A bag without mining holds no mined pixel: what looks like it is a hard negative.
            said = np.zeros_like(said)
        sure = (said >= SURE) | (said <= 1 - SURE)
        tables.append(planes[:, sure].T)
        classes.append(said[sure] >= SURE)
    return np.concatenate(tables), np.concatenate(classes)


def row(way: Way, labels: Labels, probability: NDArray[np.float64]) -> list[str]:
    """One line of the table."""
    called, sure = probability >= THRESHOLD, labels.mask != UNSURE
    true = (labels.mask != OTHER) & sure

    def iou(patches: NDArray[np.bool_]) -> float:
        at = sure & patches[:, None, None]
        return float((called & true & at).sum() / ((called | true) & at).sum())

    flagged = called.mean(axis=(1, 2)) > PATCH_SHARE
    mining, no_mining = labels.verdict == "mining", labels.verdict == "no_mining"
    confuser = np.any([labels.kinds[kind] for kind in CONFUSERS], axis=0) & no_mining
    figures = (
        iou(np.ones(len(called), bool)),
        iou(~labels.kinds["industrial"]),
        flagged[mining].mean(),
        1 - flagged[no_mining].mean(),
        1 - flagged[confuser].mean(),
    )
    return [way.title, *(f"{figure:.3f}" for figure in figures)]


def main() -> None:
    """Print the table, each row as it is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    labels = Labels.read(args.data)
    samples = draw(labels, args.seed)
    seen = np.stack([features.compute(image, 0) for image in labels.reflectance])
    print(table(_HEAD, []))
    for way in ways(labels):
        probability = out_of_fold(way, labels, samples, seen, args.seed)
        print("| " + " | ".join(row(way, labels, probability)) + " |", flush=True)


if __name__ == "__main__":
    main()
