"""Trees and a network asked together: they go wrong in different places, so their mean is better than either."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.disturbance import onnx_session, tree_classifier
from pipeline.disturbance.learning import Evidence
from pipeline.disturbance.network import NetworkClassifier
from pipeline.disturbance.planes import PROBABILITY_SCALE, probability_planes
from pipeline.disturbance.tree_classifier import TreeClassifier
from pipeline.disturbance.trees import sigmoid
from pipeline.errors import ModelError
from pipeline.imagery.scene import NODATA

# Log-odds of every stored probability; the ends are taken almost half a step inwards, so that they round back to
# where they were.
_END = 0.49 / PROBABILITY_SCALE
_STEPS = np.clip(np.arange(PROBABILITY_SCALE + 1) / PROBABILITY_SCALE, _END, 1 - _END)
_LOG_ODDS = np.log(_STEPS / (1 - _STEPS))


@dataclass(frozen=True)
class BlendClassifier:
    """The mean of the log-odds of two classifiers (a logarithmic opinion pool, Genest and Zidek 1986)."""

    trees: TreeClassifier
    network: NetworkClassifier
    kind = "blend"

    @classmethod
    def from_files(cls, metadata: Mapping[str, Any], files: Mapping[str, bytes]) -> BlendClassifier:
        """Both parts of a model's folder, each checked as it is alone; raises ModelError."""
        parts = [metadata.get(kind) for kind in (TreeClassifier.kind, NetworkClassifier.kind)]
        if not all(isinstance(part, dict) for part in parts):
            raise ModelError("model: a blend describes its trees and its network; restore it")
        trees, network = parts
        return cls(
            TreeClassifier.from_files(trees or {}, {tree_classifier.FILE: files[tree_classifier.FILE]}),
            NetworkClassifier.from_files(network or {}, {onnx_session.FILE: files[onnx_session.FILE]}),
        )

    @property
    def evidence(self) -> tuple[str, ...]:
        """What the trees ask for; a network reads bands alone."""
        return self.trees.evidence

    def metadata(self) -> dict[str, Any]:
        """What either part says of itself, under its kind."""
        return {part.kind: part.metadata() for part in (self.trees, self.network)}

    def files(self) -> dict[str, bytes]:
        """The files of both parts."""
        return {**self.trees.files(), **self.network.files()}

    def predict(
        self, reflectance: NDArray[np.uint16], halo: int, evidence: Evidence | None = None
    ) -> NDArray[np.uint16]:
        """Probabilities x 10 000 (2, y - 2 halo, x - 2 halo); see Classifier."""
        return blend(self.trees.predict(reflectance, halo, evidence), self.network.predict(reflectance, halo, evidence))


def blend(first: NDArray[np.uint16], second: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Two answers (2, y, x) as one; NODATA where either has it.

    Disturbance is where the mean of the two log-odds is; the share of pond in it is that of the two sums.
    """
    seen = (first[0] != NODATA) & (second[0] != NODATA)
    one, other = (np.where(seen, planes, 0) for planes in (first, second))
    either = one.sum(axis=0), other.sum(axis=0)
    disturbed = sigmoid((_LOG_ODDS[either[0]] + _LOG_ODDS[either[1]]) / 2)
    ponds = (one[1].astype(np.int64) + other[1]) / np.maximum(either[0] + either[1], 1)
    return probability_planes(disturbed, disturbed * ponds, seen)
