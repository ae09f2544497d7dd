"""Confidence of a statement about a site: low, high or highest, by the table of docs/change.md."""

from __future__ import annotations

from dataclasses import dataclass

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
OPTICAL, RADAR = "S2", "S1"


@dataclass(frozen=True)
class Evidence:
    """What a statement rests on.

    `probability` is the mean over the ground that carries it, None where no optical look saw that ground; `looks` the
    least of the median clear looks of the periods that it rests on; `capped_share` the share by area whose other
    season was not seen; `sensors` those that speak for it.
    """

    area_ha: float
    probability: float | None
    looks: int
    capped_share: float
    status: Status
    sensors: tuple[str, ...] = (OPTICAL,)


def grade(evidence: Evidence, settings: Change) -> Confidence:
    """Low, high or highest by the table of docs/change.md.

    A statement needs a second witness: another period (confirmed), a probability of `isolated`, or radar. With two of
    the three beside optical evidence, radar among them, it is highest.
    """
    sound = (
        OPTICAL in evidence.sensors
        and evidence.probability is not None
        and evidence.probability >= settings.strong
        and evidence.area_ha >= CONFIDENT_HA
        and evidence.looks >= CONFIDENT_LOOKS
        and evidence.capped_share < CAPPED_SHARE
    )
    if not sound or evidence.probability is None:
        return "low"
    sure = evidence.status == "confirmed" or evidence.probability >= settings.isolated
    if RADAR in evidence.sensors:
        return "highest" if sure else "high"
    return "high" if sure else "low"


def confidence(
    cluster: Cluster,
    period: int,
    evidence: NDArray[np.bool_],
    status: Status,
    settings: Change,
    *others: int,
    sensors: tuple[str, ...] = (OPTICAL,),
) -> Confidence:
    """Confidence of a statement about a cluster; see `grade`.

    `evidence` are the pixels that carry the claim in `period`; `others` are further periods whose clear looks count.
    """
    found = Evidence(
        area_ha=cluster.hectares(evidence),
        probability=mean_probability(cluster, period, evidence),
        looks=min(cluster.median_looks(p, evidence) for p in (period, *others)),
        capped_share=cluster.share(cluster.capped[period], evidence),
        status=status,
        sensors=sensors,
    )
    return grade(found, settings)


def mean_probability(cluster: Cluster, period: int, pixels: NDArray[np.bool_]) -> float:
    """Mean probability of disturbance of some pixels in one period, 0 to 1."""
    return float(cluster.probability[period, pixels].mean(dtype=np.float64)) / PROBABILITY_SCALE
