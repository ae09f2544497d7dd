"""What the parts of learning agree on: a learner is fitted to labels and gives a classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.disturbance.labels import Labels

# Optional planes beside the six bands, (y, x) float32 each, NaN where absent: slope in degrees, height above the
# nearest drainage in metres, least backscatter of the period in dB.
Evidence = Mapping[str, NDArray[np.float32]]


class Classifier(Protocol):
    """Tells bare workings and ponds of reflectance; a model is a classifier with a name, a hash and a card."""

    kind: str  # "trees", "network" or "blend"

    @property
    def evidence(self) -> tuple[str, ...]:
        """Names of the planes of evidence that change its answers: those that it was trained with."""
        ...

    def predict(
        self, reflectance: NDArray[np.uint16], halo: int, evidence: Evidence | None = None
    ) -> NDArray[np.uint16]:
        """Probabilities x 10 000 of bare workings and of pond in workings, (2, y - 2 halo, x - 2 halo).

        `reflectance` is x 10 000, (6, y, x), NODATA where not observed; so is the answer. The outer `halo` pixels
        are read as surroundings only; with HALO_PX of them the answer does not depend on the tile.
        """
        ...

    def metadata(self) -> dict[str, Any]:
        """What model.json says beyond format, name, kind and files."""
        ...

    def files(self) -> dict[str, bytes]:
        """The files of the model's folder beside model.json; the same classifier gives the same bytes."""
        ...


class Learner(Protocol):
    """Fits a classifier; picklable, so that folds can be fitted side by side."""

    @property
    def kind(self) -> str:
        """What it fits: "trees" or "network"."""
        ...

    def describe(self) -> dict[str, Any]:
        """Method and settings for the card, JSON."""
        ...

    def fit(self, labels: Labels, seed: int) -> Classifier:
        """A classifier of these labels alone; the same labels and seed give the same classifier on one machine."""
        ...
