"""Fits with ground held out: several side by side, each judging patches that it never saw.

Fits share nothing but the labels and the seed, so what comes out does not depend on the number of workers.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.disturbance.importance import Spoilt, predict, spoil
from pipeline.disturbance.labels import UNSURE, Labels
from pipeline.disturbance.learning import Learner
from pipeline.disturbance.model import Model
from pipeline.disturbance.progress import Progress
from pipeline.disturbance.regions import ELSEWHERE
from pipeline.errors import BadInput

FOLDS = 5
# Sides of the cells that stay together, degrees: the largest that gives a cell to every fold.
CELLS_DEG = (1.0, 0.1, 0.02)


@dataclass(frozen=True)
class Fit:
    """A model to fit: to patches `known`, to judge patches `unseen`; saved where a folder is given."""

    title: str
    known: NDArray[np.int64]
    unseen: NDArray[np.int64]
    importance: bool = False
    folder: Path | None = None


@dataclass(frozen=True)
class Judged:
    """What a fit said of its unseen patches.

    probability  (unseen, 2, y, x)  uint16 x 10 000, NODATA where not observed
    spoilt       counts with each input spoilt, where the fit asks for importance
    """

    probability: NDArray[np.uint16]
    spoilt: Spoilt = field(default_factory=dict)


def cells_of(labels: Labels) -> tuple[float, NDArray[np.int64]]:
    """Side in degrees and number of the cells (patch,) that folds keep together.

    Raises BadInput where patches lie too close together for FOLDS groups.
    """
    for side in CELLS_DEG:
        cell = labels.cells(side)
        if len(np.unique(cell)) >= FOLDS:
            return side, cell
    raise BadInput(
        f"labels: they lie in fewer than {FOLDS} cells of {CELLS_DEG[-1]:g} degrees (2 km), so no ground can be held "
        "out to tell how good a model is; label places farther apart"
    )


def folds_of(cell: NDArray[np.int64]) -> list[Fit]:
    """FOLDS fits, each without the patches of some cells; every patch is unseen by one of them."""
    from sklearn import model_selection

    splits: Any = model_selection.GroupKFold
    return [
        Fit(f"fold {number} of {FOLDS}", known, unseen, importance=True)
        for number, (known, unseen) in enumerate(splits(FOLDS).split(cell, groups=cell), start=1)
    ]


def regions_held_out(labels: Labels, names: Sequence[str] | None = None) -> list[Fit]:
    """A fit without each region of these names; by default each of which the rest holds all three classes.

    Raises BadInput where a name is no region of the labels, or where what is left cannot train.
    """
    there = sorted(set(labels.region.tolist()) - {ELSEWHERE})
    fits = []
    for name in there if names is None else names:
        if name not in there:
            raise BadInput(f"--hold-out {name!r}: no region of these labels; there: {', '.join(there) or 'none'}")
        inside = labels.region == name
        if len(np.unique(labels.mask[~inside])) - bool((labels.mask[~inside] == UNSURE).any()) == 3:
            fits.append(Fit(f"without {name}", np.flatnonzero(~inside), np.flatnonzero(inside)))
        elif names is not None:
            raise BadInput(
                f"--hold-out {name!r}: the other regions do not hold all three classes; nothing can be fitted"
            )
    return fits


def fit_all(
    fits: Sequence[Fit], learner: Learner, labels: Labels, seed: int, workers: int, progress: Progress
) -> list[Judged]:
    """Carry out fits in up to `workers` processes; what each said, in their order. Raises what a fit raises."""
    if workers < 1:
        raise BadInput(f"--workers {workers}: expected at least 1")
    done: dict[int, Judged] = {}
    with progress.step("models fitted", len(fits)) as advance:
        for number, judged in _each(fits, learner, labels, seed, min(workers, len(fits))):
            done[number] = judged
            fit = fits[number]
            about = f"{len(fit.unseen)} patches held out" if len(fit.unseen) else f"{len(fit.known)} patches"
            progress.say(f"{fit.title}: {about}")
            advance()
    return [done[number] for number in range(len(fits))]


def _each(
    fits: Sequence[Fit], learner: Learner, labels: Labels, seed: int, workers: int
) -> Iterator[tuple[int, Judged]]:
    if workers == 1:
        for number, fit in enumerate(fits):
            yield number, carry_out(fit, learner, labels, seed)
        return
    # Spawned, not forked: threads of numerical libraries do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start, (learner, labels, seed)) as pool:
        numbers = {pool.submit(_work, fit): number for number, fit in enumerate(fits)}
        try:
            for future in as_completed(numbers):
                yield numbers[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


_carry: Callable[[Fit], Judged]


def _start(learner: Learner, labels: Labels, seed: int) -> None:
    """Give a worker its labels once, not with each fit."""
    global _carry
    _carry = partial(carry_out, learner=learner, labels=labels, seed=seed)


def _work(fit: Fit) -> Judged:
    return _carry(fit)


def carry_out(fit: Fit, learner: Learner, labels: Labels, seed: int) -> Judged:
    """Fit a model to the known patches and judge the unseen ones."""
    classifier = learner.fit(labels.subset(fit.known), seed)
    if fit.folder is not None:
        Model.of(fit.folder.name, classifier).save(fit.folder)
    unseen = labels.subset(fit.unseen)
    probability = predict(classifier, unseen)
    return Judged(probability, spoil(classifier, unseen, probability, seed) if fit.importance else {})
