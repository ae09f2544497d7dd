"""How well probabilities agree with masks: pixels, patches, objects, kinds of ground, regions, reliability.

Intervals are 95 % percentile intervals of a block bootstrap: cells of one degree are drawn with replacement, as many
as there are, since patches near each other are not independent (Roberts et al. 2017, Ecography 40). Every figure is a
ratio of counts, so a draw only adds up the counts of its cells.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.disturbance.labels import BARE, OTHER, POND, UNSURE, Labels
from pipeline.disturbance.regions import ELSEWHERE

THRESHOLD = 0.5
PATCH_SHARE = 0.05  # a patch counts as mining where more of it is disturbed
DRAWS = 1000
MIN_CELLS = 5  # fewer blocks say too little about their spread
# Upper ends of the classes of object size, hectares. A patch of 480 m holds 23 ha.
SIZES_HA = (0.1, 0.5, 1.0, 5.0, np.inf)
_PX_PER_HA = 100
_DIGITS = 4
_SEED = 20
# Neighbours by edge or corner, within a patch only.
_WITHIN = np.zeros((3, 3, 3), np.bool_)
_WITHIN[1] = True

# Columns of the table of counts by patch: of each class the pixels rightly called, called and true.
_CLASSES = ("disturbed", "bare", "pond")
_SURE = 3 * len(_CLASSES)
_MINING, _MINING_TOLD, _NO_MINING, _NO_MINING_TOLD = range(_SURE + 1, _SURE + 5)

Counts = NDArray[np.int64]


def score(
    probability: NDArray[np.floating[Any]], labels: Labels, cell: NDArray[np.int64] | None = None
) -> dict[str, Any]:
    """Figures of probabilities (patch, class, y, x) of bare workings and pond; NaN where not observed.

    Unsure and unobserved pixels and the surroundings of patches are left out; a patch is judged where its verdict is
    mining or no_mining. IoU and F1 are pooled over all pixels. Figures with `_95` are intervals from draws of `cell`
    (patch,), cells of one degree unless given; None where fewer than MIN_CELLS hold patches.
    """
    cell = labels.cell if cell is None else cell
    high, wide = (slice(labels.halo_px, side - labels.halo_px) for side in labels.mask.shape[1:])
    probability, mask = probability[:, :, high, wide], labels.mask[:, high, wide]
    observed = ~np.isnan(probability[:, 0])
    called, mask = classify(probability), np.where(observed, mask, UNSURE).astype(np.uint8)
    table = _table(called, observed, mask, labels.verdict)

    def of(which: NDArray[np.bool_]) -> dict[str, Any]:
        return _figures(table[which], cell[which])

    names = sorted(set(labels.region.tolist()) - {ELSEWHERE}) + [ELSEWHERE] * bool((labels.region == ELSEWHERE).any())
    return {
        **of(np.ones(len(mask), np.bool_)),
        "without_industrial": of(~labels.kinds["industrial"]),
        "kinds": {kind: of(which) for kind, which in labels.kinds.items()},
        "regions": {name: of(labels.region == name) for name in names},
        "sizes": _sizes(called, mask, cell),
        "reliability": reliability(probability.sum(axis=1), mask),
    }


def classify(probability: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Class (patch, y, x) of probabilities (patch, 2, y, x), other where not observed: as a map at THRESHOLD."""
    bare, pond = np.rint(np.nan_to_num(probability) * 10_000).astype(np.int32).swapaxes(0, 1)
    return np.where(bare + pond < THRESHOLD * 10_000, OTHER, np.where(pond > bare, POND, BARE)).astype(np.uint8)


def _table(
    called: NDArray[np.uint8], observed: NDArray[np.bool_], mask: NDArray[np.uint8], verdict: NDArray[np.str_]
) -> Counts:
    """Counts (patch, column)."""
    sure = mask != UNSURE
    columns = []
    for is_called, is_true in ((called != OTHER, mask != OTHER), *((called == c, mask == c) for c in (BARE, POND))):
        columns += [is_called & is_true & sure, is_called & sure, is_true & sure]
    pixels = [column.sum(axis=(1, 2)) for column in (*columns, sure)]
    share = (called != OTHER).sum(axis=(1, 2)) > PATCH_SHARE * observed.sum(axis=(1, 2))
    mining, no_mining = verdict == "mining", verdict == "no_mining"
    table: Counts = np.column_stack([*pixels, mining, mining & share, no_mining, no_mining & ~share]).astype(np.int64)
    return table


def _figures(table: Counts, cell: NDArray[np.int64]) -> dict[str, Any]:
    sums, drawn = table.sum(axis=0), _bootstrap(table, cell)
    pixels: dict[str, Any] = {}
    for k, name in enumerate(_CLASSES):
        agreement, spread = _agreement(sums, k), _agreement(drawn, k)
        pixels[name] = {
            **{figure: _ratio(*parts) for figure, parts in agreement.items()},
            **{f"{figure}_95": _interval(*spread[figure]) for figure in ("iou", "f1")},
        }
    patches = {
        "mining": int(sums[_MINING]),
        "no_mining": int(sums[_NO_MINING]),
        "sensitivity": _ratio(sums[_MINING_TOLD], sums[_MINING]),
        "sensitivity_95": _interval(drawn[_MINING_TOLD], drawn[_MINING]),
        "specificity": _ratio(sums[_NO_MINING_TOLD], sums[_NO_MINING]),
        "specificity_95": _interval(drawn[_NO_MINING_TOLD], drawn[_NO_MINING]),
    }
    return {"pixels": pixels, "patches": patches, "cells": len(np.unique(cell))}


def _agreement(counts: Counts, k: int) -> dict[str, tuple[Any, Any]]:
    """Part and whole of each figure of class `k`, from counts (column, ...)."""
    both, called, true = counts[3 * k : 3 * k + 3]
    return {
        "iou": (both, called + true - both),
        "f1": (2 * both, called + true),
        "precision": (both, called),
        "recall": (both, true),
        "false_alarm_share": (called - both, counts[_SURE] - true),
    }


def _bootstrap(table: Counts, cell: NDArray[np.int64]) -> Counts:
    """Sums of each column of counts (row, column) in DRAWS draws of cells, (column, draw); no draw of too few cells."""
    _, number = np.unique(cell, return_inverse=True)
    n_cells = int(number.max(initial=-1)) + 1
    if n_cells < MIN_CELLS:
        return np.zeros((table.shape[1], 0), np.int64)
    by_cell = np.zeros((n_cells, table.shape[1]), np.int64)
    np.add.at(by_cell, number.reshape(-1), table)
    times = np.random.default_rng(_SEED).multinomial(n_cells, np.full(n_cells, 1 / n_cells), DRAWS)
    sums: Counts = (times @ by_cell).T
    return sums


def _interval(part: Counts, whole: Counts) -> list[float] | None:
    """2.5 and 97.5 % of the ratios of draws that have one; None where hardly any has."""
    known = whole > 0
    if known.sum() < DRAWS / 2:
        return None
    low, high = np.quantile(part[known] / whole[known], (0.025, 0.975)).tolist()
    return [round(low, _DIGITS), round(high, _DIGITS)]


def _sizes(called: NDArray[np.uint8], mask: NDArray[np.uint8], cell: NDArray[np.int64]) -> dict[str, Any]:
    """By object size: how much of the reference is found, and how many called objects are false.

    Objects are pixels that touch, cut at the edge of their patch. One of the reference is found where at least half
    of it is called; a called one is false where none of it is disturbed in the reference, and is not judged where
    more than half of it is unsure.
    """
    true, dug, unsure = (mask == BARE) | (mask == POND), called != OTHER, mask == UNSURE
    reference = _objects(true, dug)
    found_px, px = reference[:, 1], reference[:, 2]
    in_reference = np.column_stack([np.ones_like(px), 2 * found_px >= px, found_px, px])
    objects = _objects(dug, true, unsure)
    judged = objects[:, 2] * 2 <= objects[:, 3]
    objects = objects[judged]
    in_called = np.column_stack([np.ones(len(objects), np.int64), objects[:, 1] == 0])
    out: dict[str, Any] = {}
    for low, high in zip((0.0, *SIZES_HA), SIZES_HA, strict=False):
        here = _between(px, low, high)
        sums, drawn = in_reference[here].sum(axis=0), _bootstrap(in_reference[here], cell[reference[here, 0]])
        there = _between(objects[:, -1], low, high)
        name = f"from {low:g} ha" if np.isinf(high) else f"{low:g} to {high:g} ha"
        n_called, n_false = in_called[there].sum(axis=0).tolist()
        out[name] = {
            "objects": int(sums[0]),
            "found": _ratio(sums[1], sums[0]),
            "found_95": _interval(drawn[1], drawn[0]),
            "pixel_recall": _ratio(sums[2], sums[3]),
            "called_objects": n_called,
            "false_objects": n_false,
        }
    return out


def _objects(member: NDArray[np.bool_], *counted: NDArray[np.bool_]) -> Counts:
    """One row for each object of (patch, y, x): its patch, how many of its pixels are `counted`, how many it has."""
    number, n = ndimage.label(member, _WITHIN)  # type: ignore[attr-defined]
    inside = number[member] - 1
    patch = np.zeros(n, np.int64)
    patch[inside] = np.nonzero(member)[0]
    columns = [np.bincount(inside, c[member], n) for c in (*counted, member)]
    return np.column_stack([patch, *columns]).astype(np.int64)


def _between(px: Counts, low_ha: float, high_ha: float) -> NDArray[np.bool_]:
    ha = px / _PX_PER_HA
    inside: NDArray[np.bool_] = (ha >= low_ha) & (ha < high_ha)
    return inside


def reliability(disturbed: NDArray[np.floating[Any]], mask: NDArray[np.uint8]) -> dict[str, Any]:
    """Ten bins of predicted probability with the share truly disturbed, and the expected calibration error."""
    sure = (mask != UNSURE) & ~np.isnan(disturbed)
    predicted, true = disturbed[sure], mask[sure] != OTHER
    number = np.minimum((predicted * 10).astype(np.int64), 9)
    count = np.bincount(number, minlength=10)
    mean = np.bincount(number, predicted, 10) / np.maximum(count, 1)
    seen = np.bincount(number, true, 10) / np.maximum(count, 1)
    bins = [
        {
            "from": k / 10,
            "pixels": int(count[k]),
            "predicted": round(float(mean[k]), _DIGITS),
            "observed": round(float(seen[k]), _DIGITS),
        }
        for k in range(10)
    ]
    return {"bins": bins, "expected_calibration_error": _ratio((count * abs(mean - seen)).sum(), count.sum())}


def _ratio(part: Any, whole: Any) -> float | None:
    return round(float(part) / float(whole), _DIGITS) if whole else None
