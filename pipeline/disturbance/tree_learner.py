"""Fit the trees to labelled imagery.

Two boosters, each a yes or no: is the ground disturbed, and is disturbed ground a pond. The first gets the whole of
its trees for the question that matters and the second only sees workings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.disturbance import features
from pipeline.disturbance.labels import BARE, OTHER, POND, UNSURE, Labels
from pipeline.disturbance.tree_classifier import TreeClassifier
from pipeline.disturbance.trees import Forest
from pipeline.errors import BadInput
from pipeline.imagery.scene import NODATA

PIXELS_PER_IMAGE = 130
# Light, haze and missing evidence are varied. Flips, turns and shifts are not: every feature but the place of the pixel
# stays as it is, because windows are symmetric and centred.
VARIANTS = 2
LIGHT = 1.2  # brighter or darker by up to this factor
HAZE = (-150.0, 300.0)  # reflectance x 10 000 added to B02; to the others less, as scattering falls with wavelength
HAZE_BY_BAND = (1.0, 0.7, 0.5, 0.25, 0.06, 0.03)
WITHOUT_EVIDENCE = 0.5  # of the variants; each plane is left out by itself, so that none comes to be required
DISTURBED = {"max_iter": 80, "learning_rate": 0.12}
POND_IF_DISTURBED = {"max_iter": 40, "learning_rate": 0.12}
COMMON = {
    "max_leaf_nodes": 31,
    "min_samples_leaf": 100,
    "l2_regularization": 1.0,
    "early_stopping": False,
}


@dataclass(frozen=True)
class TreeLearner:
    """Gradient-boosted trees of scikit-learn; the same labels and seed give the same bytes."""

    kind: ClassVar[str] = "trees"

    def describe(self) -> dict[str, Any]:
        """Method and settings for the card."""
        return {
            "channels": {channel.name: channel.source for channel in features.CHANNELS},
            "windows_px": [2 * radius + 1 for radius in features.RADII],
            "features": len(features.feature_names()),
            "feature_groups": {group: len(names) for group, names in features.feature_groups().items()},
            "pixels_per_image": PIXELS_PER_IMAGE,
            "variants": {
                "of_each_patch": VARIANTS,
                "light": LIGHT,
                "haze": list(HAZE),
                "haze_by_band": list(HAZE_BY_BAND),
                "without_evidence": WITHOUT_EVIDENCE,
            },
            "disturbed": {**COMMON, **DISTURBED},
            "pond_if_disturbed": {**COMMON, **POND_IF_DISTURBED},
        }

    def fit(self, labels: Labels, seed: int) -> TreeClassifier:
        """Trees fitted to labels; raises BadInput unless all three classes are among them."""
        return TreeClassifier(Forest.from_sklearn(fit_boosters(draw(labels, seed), seed)))


@dataclass(frozen=True)
class Samples:
    """Features (sample, feature), classes (sample,) and numbers of patches (sample,) of the pixels learnt from."""

    features: NDArray[np.int16]
    classes: NDArray[np.uint8]
    patch: NDArray[np.int64]


def draw(labels: Labels, seed: int) -> Samples:
    """Labelled pixels of each patch and of variants of it, equally many of each, so that every patch weighs the same.

    Raises BadInput where no pixel is labelled or evidence has a name that features do not know.
    """
    rng = np.random.default_rng(seed)
    drawn, classes, patches = [], [], []
    for number, (image, mask) in enumerate(zip(labels.reflectance, labels.mask, strict=True)):
        sure = np.flatnonzero((mask != UNSURE) & features.observed(image))
        evidence = {name: planes[number] for name, planes in labels.evidence.items()}
        for variant in range(1 + VARIANTS):
            taken = rng.choice(sure, min(PIXELS_PER_IMAGE, len(sure)), replace=False)
            known = {name: plane for name, plane in evidence.items() if not variant or rng.random() >= WITHOUT_EVIDENCE}
            seen = features.compute(vary(image, rng) if variant else image, 0, evidence=known)
            drawn.append(seen.reshape(len(seen), -1)[:, taken].T)
            classes.append(mask.ravel()[taken])
            patches.append(np.full(len(taken), number))
    if not sum(map(len, patches)):
        raise BadInput("labels: no pixel is both labelled and observed; nothing can be learnt")
    return Samples(np.concatenate(drawn), np.concatenate(classes), np.concatenate(patches))


def vary(image: NDArray[np.uint16], rng: np.random.Generator) -> NDArray[np.uint16]:
    """A patch (6, y, x) under other light and other haze; haze below zero is an atmosphere corrected too much."""
    light = rng.uniform(1 / LIGHT, LIGHT)
    haze = rng.uniform(*HAZE) * np.array(HAZE_BY_BAND)[:, None, None]
    varied = np.clip(image * light + haze, 1, NODATA - 1).astype(np.uint16)
    return np.where(image == NODATA, np.uint16(NODATA), varied)


def fit_boosters(samples: Samples, seed: int) -> list[Any]:
    """Fitted boosters of scikit-learn, one a score; raises BadInput unless all three classes are among the samples."""
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
    return [disturbed, pond]
