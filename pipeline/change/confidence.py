"""Confidence of a statement about a site: low, high or highest, by the table of docs/change.md."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.change.candidates import PROBABILITY_SCALE
from pipeline.change.clusters import Cluster
from pipeline.change.site import Confidence, Status
from pipeline.config import Change

# What high confidence asks, beside the probability; 0.2 ha after Reiche et al. 2024.
CONFIDENT_HA = 0.2
CONFIDENT_LOOKS = 3
CAPPED_SHARE = 0.5


def confidence(
    cluster: Cluster, period: int, evidence: NDArray[np.bool_], status: Status, settings: Change, *others: int
) -> Confidence:
    """Low or high by the table of docs/change.md; `highest` needs a second sensor and is never given here.

    `evidence` are the pixels that carry the claim in `period`; `others` are further periods whose clear looks count.
    """
    asked = settings.strong if status == "confirmed" else settings.isolated
    sure = (
        cluster.hectares(evidence) >= CONFIDENT_HA
        and mean_probability(cluster, period, evidence) >= asked
        and all(cluster.median_looks(p, evidence) >= CONFIDENT_LOOKS for p in (period, *others))
        and cluster.share(cluster.capped[period], evidence) < CAPPED_SHARE
    )
    return "high" if sure else "low"


def mean_probability(cluster: Cluster, period: int, pixels: NDArray[np.bool_]) -> float:
    """Mean probability of disturbance of some pixels in one period, 0 to 1."""
    return float(cluster.probability[period, pixels].mean(dtype=np.float64)) / PROBABILITY_SCALE
