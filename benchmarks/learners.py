"""Ways to learn, side by side: the same labels, the same folds, the same figures.

    python -m benchmarks.learners --data DIR [--out models/comparison.json] [--only NAME ...]
    python -m benchmarks.learners --tell models      # writes what was found into the cards of the models there

Each learner is fitted without the cells of a fold and judged on them; figures are those of a card's
`cross_validation`, with the seconds of one fit and the megapixels a second of a tile with its halo (two threads where
the method has threads). Networks are left out, and named with the reason, where PyTorch is not installed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeline.disturbance import features
from pipeline.disturbance.card import read_card, write_card
from pipeline.disturbance.holdout import cells_of, folds_of
from pipeline.disturbance.importance import predict, shares
from pipeline.disturbance.labels import OTHER, POND, UNSURE, Labels
from pipeline.disturbance.learning import Classifier, Evidence, Learner
from pipeline.disturbance.model import read_index, write_atomically
from pipeline.disturbance.planes import PROBABILITY_SCALE, probability_planes
from pipeline.disturbance.scores import THRESHOLD, score
from pipeline.disturbance.tree_learner import PIXELS_PER_IMAGE, TreeLearner, draw
from pipeline.errors import ModelError

Look = Callable[[NDArray[np.uint16], int], NDArray[Any]]

N_PLAIN = 15
INNER_FOLDS = 3
TILE_PX = 512


def all_features(reflectance: NDArray[np.uint16], halo: int) -> NDArray[np.int16]:
    """The features of `trees`."""
    return features.compute(reflectance, halo)


def plain_features(reflectance: NDArray[np.uint16], halo: int) -> NDArray[np.float32]:
    """The first 15 spectral channels, and their mean and deviation in windows of 7 x 7 pixels."""
    spectral = features.compute(reflectance, 0)[:N_PLAIN].astype(np.float32)
    size = (1, 7, 7)
    mean = ndimage.uniform_filter(spectral, size, mode="nearest")
    spread = np.sqrt(np.maximum(ndimage.uniform_filter(spectral**2, size, mode="nearest") - mean**2, 0))
    inner = slice(halo, -halo or None)
    return np.concatenate([spectral, mean, spread])[:, inner, inner]


@dataclass(frozen=True)
class Tabular:
    """Two fitted estimators on features of single pixels."""

    look: Look
    disturbed: Any
    pond: Any
    kind: str = "tabular"

    def predict(
        self, reflectance: NDArray[np.uint16], halo: int, evidence: Evidence | None = None
    ) -> NDArray[np.uint16]:
        """See Classifier."""
        seen = self.look(reflectance, halo)
        table = np.ascontiguousarray(seen.reshape(len(seen), -1).T)
        either, water = (e.predict_proba(table)[:, 1].reshape(seen.shape[1:]) for e in (self.disturbed, self.pond))
        inner = slice(halo, -halo or None)
        return probability_planes(either, either * water, features.observed(reflectance[:, inner, inner]))


@dataclass(frozen=True)
class TabularLearner:
    """Any estimator of scikit-learn, on pixels drawn as for the trees, without variants unless `varied`."""

    make: Callable[[int], Any]
    look: Look = all_features
    varied: bool = True
    kind: str = "tabular"

    def fit(self, labels: Labels, seed: int) -> Tabular:
        """Two estimators: disturbed, and pond where disturbed."""
        if self.look is all_features and self.varied:
            samples = draw(labels, seed)
            table, classes = samples.features, samples.classes
        else:
            table, classes = pixels_of(labels, [self.look] * len(labels.mask), seed)
        return _fitted(self.make, self.look, table, classes, seed)


def pixels_of(labels: Labels, looks: list[Look], seed: int) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """As many labelled pixels of each patch as the trees learn from, each patch looked at in its own way."""
    rng = np.random.default_rng(seed)
    table, classes = [], []
    for image, mask, look in zip(labels.reflectance, labels.mask, looks, strict=True):
        sure = np.flatnonzero((mask != UNSURE) & features.observed(image))
        taken = rng.choice(sure, min(3 * PIXELS_PER_IMAGE, len(sure)), replace=False)
        seen = look(image, 0)
        table.append(seen.reshape(len(seen), -1)[:, taken].T)
        classes.append(mask.ravel()[taken])
    return np.concatenate(table), np.concatenate(classes)


def _fitted(make: Callable[[int], Any], look: Look, table: Any, classes: NDArray[np.uint8], seed: int) -> Tabular:
    dug = classes != OTHER
    return Tabular(look, make(seed).fit(table, dug), make(seed).fit(table[dug], classes[dug] == POND))


@dataclass(frozen=True)
class NdviRule:
    """Bare where NDVI < 0.3, water where MNDWI > 0 among it; learns nothing."""

    kind: str = "rule"

    def fit(self, labels: Labels, seed: int) -> NdviRule:
        """Itself."""
        return self

    def predict(
        self, reflectance: NDArray[np.uint16], halo: int, evidence: Evidence | None = None
    ) -> NDArray[np.uint16]:
        """See Classifier."""
        inner = slice(halo, -halo or None)
        inside = reflectance[:, inner, inner]
        _, green, red, nir, swir, _ = inside.astype(np.float64)
        bare = (nir - red < 0.3 * (nir + red)).astype(np.float64)
        return probability_planes(bare, bare * (green > swir), features.observed(inside))


@dataclass(frozen=True)
class With:
    """Features beside the probabilities that a network gives to bare workings and ponds."""

    network: Classifier

    def __call__(self, reflectance: NDArray[np.uint16], halo: int) -> NDArray[np.int16]:
        """Features (feature, y, x), the two probabilities last."""
        said = np.minimum(self.network.predict(reflectance, halo), PROBABILITY_SCALE).astype(np.int16)
        return np.concatenate([features.compute(reflectance, halo), said])


@dataclass(frozen=True)
class StackedLearner:
    """Boosted trees on features and on what networks said of patches whose cells they had not seen."""

    network: Learner
    make: Callable[[int], Any]
    kind: str = "stacked"

    def fit(self, labels: Labels, seed: int) -> Tabular:
        """Trees on scores of inner folds; what is new is judged by a network fitted to all these labels."""
        _, cell = cells_of(labels)
        looks: list[Look] = [all_features] * len(cell)
        for known, unseen in GroupKFold(INNER_FOLDS).split(cell, groups=cell):
            look = With(self.network.fit(labels.subset(known), seed))
            for patch in unseen:
                looks[patch] = look
        table, classes = pixels_of(labels, looks, seed)
        return _fitted(self.make, With(self.network.fit(labels, seed)), table, classes, seed)


def boosting(seed: int) -> Any:
    """Boosted trees as anyone would take them, as many as those of `trees`."""
    return HistGradientBoostingClassifier(max_iter=120, learning_rate=0.08, early_stopping=False, random_state=seed)


def extra_trees(seed: int) -> Any:
    """Extremely randomised trees, Geurts et al. 2006."""
    return ExtraTreesClassifier(200, min_samples_leaf=10, max_features="sqrt", random_state=seed)


def logistic(seed: int) -> Any:
    """Logistic regression on standardised features."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300, random_state=seed))


@dataclass
class Comparison:
    """Figures by name of the method, and why others are missing."""

    labels_sha256: str
    models: dict[str, Any] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """Sorted JSON."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"


def methods() -> tuple[dict[str, Any], dict[str, str]]:
    """Learners by name, and reasons for those that cannot be tried here."""
    found: dict[str, Any] = {
        "NDVI < 0.3": NdviRule(),
        "plain boosting, 15 spectral + 30 focal": TabularLearner(boosting, plain_features, varied=False),
        "boosted trees": TreeLearner(),
        "extra trees, same features": TabularLearner(extra_trees),
        "logistic regression, same features": TabularLearner(logistic),
    }
    network, stacked = "network", "trees stacked on the network (half the epochs)"
    try:
        learner = import_module("pipeline.disturbance.network_learner").NetworkLearner()
    except ImportError as error:
        reason = f"needs PyTorch: {error}"
        return found, {network: reason, stacked: reason}
    # Four networks are fitted for each fold; with half of the epochs they are done in the time of two.
    quick = replace(learner, epochs=learner.epochs // 2)
    return {**found, network: learner, stacked: StackedLearner(quick, boosting)}, {}


def judge(learner: Any, labels: Labels, seed: int) -> dict[str, Any]:
    """Figures of a learner on cells that it was not fitted to, its time and its speed."""
    _, cell = cells_of(labels)
    probability = np.empty((len(labels.mask), 2, *labels.mask.shape[1:]), np.uint16)
    seconds = []
    for fit in folds_of(cell):
        begun = perf_counter()
        classifier = learner.fit(labels.subset(fit.known), seed)
        seconds.append(perf_counter() - begun)
        probability[fit.unseen] = predict(classifier, labels.subset(fit.unseen))
    return {
        "threshold": THRESHOLD,
        **score(shares(probability), labels, cell),
        "seconds_to_fit": round(float(np.median(seconds)), 1),
        "megapixels_per_second": round(speed(classifier, labels), 3),
    }


def speed(classifier: Classifier, labels: Labels) -> float:
    """Output megapixels a second on a tile laid out of patches, its halo read beside it; the best of three."""
    side = TILE_PX + 2 * features.HALO_PX
    _, _, height, width = labels.reflectance.shape
    rows, columns = -(-side // height), -(-side // width)
    some = labels.reflectance[np.arange(rows * columns) % len(labels.mask)]
    laid = some.reshape(rows, columns, 6, height, width).transpose(2, 0, 3, 1, 4)
    tile = np.ascontiguousarray(laid.reshape(6, rows * height, columns * width)[:, :side, :side])
    taken = []
    for _ in range(4):  # the first warms up
        begun = perf_counter()
        classifier.predict(tile, features.HALO_PX)
        taken.append(perf_counter() - begun)
    return TILE_PX**2 / 1e6 / min(taken[1:])


def row_of(figures: Mapping[str, Any]) -> dict[str, Any]:
    """One line of a card's comparison."""
    disturbed, patches = figures["pixels"]["disturbed"], figures["patches"]
    return {
        "IoU": disturbed["iou"],
        "F1": disturbed["f1"],
        "sensitivity": patches["sensitivity"],
        "specificity": patches["specificity"],
        "IoU without industrial": figures["without_industrial"]["pixels"]["disturbed"]["iou"],
        "ECE": figures["reliability"]["expected_calibration_error"],
    }


def tell_cards(models: Path) -> None:
    """Write the comparison, and by how much each model leads or trails, into the cards of the models of a folder."""
    others = json.loads((models / "comparison.json").read_text(encoding="utf-8"))["models"]
    others.pop("boosted trees", None)  # they are `trees`
    cards = {}
    for name, (folder, _) in read_index(models).items():
        card = cards[name] = read_card(models / folder)
        if card is None:
            raise ModelError(f"{models / folder}: has no card to write into; train the model again")
    rows = {f"`{name}`": row_of(card["cross_validation"]) for name, card in cards.items()}
    rows |= {name: row_of(figures) for name, figures in others.items()}
    for name, card in cards.items():
        own = rows[f"`{name}`"]
        best, rival = max(
            ((title, row) for title, row in rows.items() if row is not own), key=lambda entry: entry[1]["IoU"] or 0
        )
        margin = own["IoU"] - rival["IoU"]
        card["choice"] = (
            f"On the same held-out cells `{name}` reaches IoU {own['IoU']:.3f} and {best}, the best of the others, "
            f"{rival['IoU']:.3f}: it {'leads' if margin >= 0 else 'trails'} by {abs(margin):.3f}."
        )
        card["comparison"] = rows
        write_card(models / read_index(models)[name][0], card)


def main() -> None:
    """Compare, print a line for each method, and write the figures as each is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--tell", type=Path, metavar="MODELS")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.tell is not None:
        tell_cards(args.tell)
        return
    if args.data is None:
        parser.error("give --data DIR or --tell MODELS")
    labels = Labels.read(args.data)
    learners, skipped = methods()
    if unknown := set(args.only or ()) - set(learners):
        parser.error(f"--only: {', '.join(sorted(unknown))} is none of: {', '.join(learners)}")
    comparison = Comparison(labels.provenance.labels_sha256, skipped=skipped)
    if args.out is not None and args.out.is_file():
        before = json.loads(args.out.read_text(encoding="utf-8"))
        if before["labels_sha256"] == comparison.labels_sha256:  # of other labels nothing is kept
            comparison.models |= before["models"]
    for name, reason in skipped.items():
        print(f"{name}: skipped, {reason}")
    for name, learner in learners.items():
        if args.only and name not in args.only:
            continue
        found = comparison.models[name] = judge(learner, labels, args.seed)
        told = {**found["pixels"]["disturbed"], **found["patches"]}
        print(
            f"{name}: IoU {told['iou']} F1 {told['f1']} sensitivity {told['sensitivity']} "
            f"specificity {told['specificity']} ECE {found['reliability']['expected_calibration_error']} "
            f"without industrial {found['without_industrial']['pixels']['disturbed']['iou']} "
            f"fit {found['seconds_to_fit']} s {found['megapixels_per_second']} Mpx/s",
            flush=True,
        )
        if args.out is not None:
            write_atomically(args.out, comparison.to_json().encode())


if __name__ == "__main__":
    main()
