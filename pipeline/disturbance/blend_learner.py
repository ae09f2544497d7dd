"""Fit trees and a network to the same labels, to be asked together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from pipeline.disturbance.blend import BlendClassifier
from pipeline.disturbance.labels import Labels
from pipeline.disturbance.network_learner import NetworkLearner
from pipeline.disturbance.tree_learner import TreeLearner


@dataclass(frozen=True)
class BlendLearner:
    """Neither part knows of the other; the same labels and seed give the same blend on one machine."""

    trees: TreeLearner = field(default_factory=TreeLearner)
    network: NetworkLearner = field(default_factory=NetworkLearner)
    kind: ClassVar[str] = "blend"

    def describe(self) -> dict[str, Any]:
        """Method and settings of either part for the card."""
        return {"trees": self.trees.describe(), "network": self.network.describe()}

    def fit(self, labels: Labels, seed: int) -> BlendClassifier:
        """Both parts fitted to labels; raises BadInput unless all three classes are among them."""
        return BlendClassifier(self.trees.fit(labels, seed), self.network.fit(labels, seed))
