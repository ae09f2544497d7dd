"""How well probabilities agree with masks: pixels, patches, kinds of ground, reliability."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.disturbance.labels import BARE, OTHER, POND, UNSURE, Labels

THRESHOLD = 0.5
PATCH_SHARE = 0.05  # a patch counts as mining where more of it is disturbed
_DIGITS = 4


def score(probability: NDArray[np.float64], labels: Labels) -> dict[str, Any]:
    """Figures of probabilities (patch, class, y, x) of bare workings and pond: pixels by class, patches, kinds.

    Unsure pixels are left out; a patch is judged where its verdict is mining or no_mining. IoU and F1 are pooled
    over all pixels.
    """
    industrial = labels.kinds["industrial"]
    return {
        **_score_of(probability, labels, np.ones(len(labels.mask), np.bool_)),
        "without_industrial": _score_of(probability, labels, ~industrial),
        "kinds": {kind: _score_of(probability, labels, which) for kind, which in labels.kinds.items()},
        "reliability": reliability(probability.sum(axis=1), labels.mask),
    }


def _score_of(probability: NDArray[np.float64], labels: Labels, which: NDArray[np.bool_]) -> dict[str, Any]:
    mask, verdict = labels.mask[which], labels.verdict[which]
    bare, pond = probability[which, 0], probability[which, 1]
    called = np.where(bare + pond < THRESHOLD, OTHER, np.where(pond > bare, POND, BARE))
    sure = mask != UNSURE
    share = (called != OTHER).mean(axis=(1, 2)) > PATCH_SHARE
    return {
        "pixels": {
            "disturbed": _agreement((called != OTHER)[sure], (mask != OTHER)[sure]),
            "bare": _agreement((called == BARE)[sure], (mask == BARE)[sure]),
            "pond": _agreement((called == POND)[sure], (mask == POND)[sure]),
        },
        "patches": {
            "mining": int((verdict == "mining").sum()),
            "no_mining": int((verdict == "no_mining").sum()),
            "sensitivity": _ratio((share & (verdict == "mining")).sum(), (verdict == "mining").sum()),
            "specificity": _ratio((~share & (verdict == "no_mining")).sum(), (verdict == "no_mining").sum()),
        },
    }


def _agreement(called: NDArray[np.bool_], true: NDArray[np.bool_]) -> dict[str, float | None]:
    both = (called & true).sum()
    return {
        "iou": _ratio(both, (called | true).sum()),
        "f1": _ratio(2 * both, called.sum() + true.sum()),
        "precision": _ratio(both, called.sum()),
        "recall": _ratio(both, true.sum()),
        "false_alarm_share": _ratio((called & ~true).sum(), (~true).sum()),
    }


def reliability(disturbed: NDArray[np.float64], mask: NDArray[np.uint8]) -> dict[str, Any]:
    """Ten bins of predicted probability with the share truly disturbed, and the expected calibration error."""
    sure = mask != UNSURE
    predicted, true = disturbed[sure], mask[sure] != OTHER
    number = np.minimum((predicted * 10).astype(np.int64), 9)
    count = np.bincount(number, minlength=10)
    mean = np.bincount(number, predicted, 10) / np.maximum(count, 1)
    seen = np.bincount(number, true, 10) / np.maximum(count, 1)
    bins = [
        {
            "from": k / 10,
            "pixels": int(count[k]),
            "predicted": round(mean[k], _DIGITS),
            "observed": round(seen[k], _DIGITS),
        }
        for k in range(10)
    ]
    return {"bins": bins, "expected_calibration_error": _ratio((count * abs(mean - seen)).sum(), count.sum())}


def _ratio(part: float, whole: float) -> float | None:
    return round(float(part) / float(whole), _DIGITS) if whole else None
