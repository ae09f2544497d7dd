"""Gradient-boosted trees as plain arrays, checked before use and walked by QuickScorer.

QuickScorer (Lucchese et al. 2015, SIGIR) turns the walk round: for each feature it visits the thresholds that a value
exceeds and strikes out the leaves that can no longer be reached; the first leaf left is the answer. Neighbouring
pixels agree on most thresholds, so a block of pixels shares them and only the few between its smallest and largest
value are looked at pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.errors import ModelError
from pipeline.imagery.parallel import spans

MAX_LEAVES = 32  # the leaves of a tree are the bits of one word
MAX_TREES = 5000
BLOCK_PX = 64  # shorter inner loops are unrolled instead of vectorised, three times slower
# A de Bruijn sequence: a power of two times it has a different top five bits for each of the 32 bits.
_DE_BRUIJN = 0x077CB531
_ALL = 0xFFFFFFFF

ARRAYS: dict[str, np.dtype[Any]] = {
    "baseline": np.dtype("<f8"),
    "output": np.dtype("<i4"),
    "start": np.dtype("<i4"),
    "feature": np.dtype("<i2"),
    "threshold": np.dtype("<i2"),
    "left": np.dtype("<i4"),
    "right": np.dtype("<i4"),
    "value": np.dtype("<f8"),
}


@dataclass(frozen=True)
class Forest:
    """Trees in preorder; node `i` of tree `t` stands at `start[t] + i`.

    baseline   (output,)    score before any tree
    output     (tree,)      which score the tree adds to; not falling
    start      (tree + 1,)  first node of each tree
    feature    (node,)      index of the feature, -1 at a leaf
    threshold  (node,)      go left where the feature is <= this
    left right (node,)      child, counted within the tree; 0 at a leaf
    value      (node,)      what a leaf adds; 0 at a split
    """

    baseline: NDArray[np.float64]
    output: NDArray[np.int32]
    start: NDArray[np.int32]
    feature: NDArray[np.int16]
    threshold: NDArray[np.int16]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.float64]

    @classmethod
    def from_sklearn(cls, boosters: Sequence[Any]) -> Forest:
        """The trees of fitted binary HistGradientBoostingClassifiers, one score each, on integer features."""
        trees = [(k, stage[0].nodes) for k, booster in enumerate(boosters) for stage in booster._predictors]
        nodes = np.concatenate([tree for _, tree in trees])
        leaf = nodes["is_leaf"].astype(bool)
        # An integer is <= 12.5 exactly where it is <= 12.
        threshold = np.clip(np.floor(np.where(leaf, 0, nodes["num_threshold"])), -32768, 32767)
        return cls(
            baseline=np.array([float(booster._baseline_prediction.ravel()[0]) for booster in boosters]),
            output=np.array([k for k, _ in trees], np.int32),
            start=np.cumsum([0] + [len(tree) for _, tree in trees]).astype(np.int32),
            feature=np.where(leaf, -1, nodes["feature_idx"]).astype(np.int16),
            threshold=threshold.astype(np.int16),
            left=np.where(leaf, 0, nodes["left"]).astype(np.int32),
            right=np.where(leaf, 0, nodes["right"]).astype(np.int32),
            value=np.where(leaf, nodes["value"], 0.0),
        )

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], n_features: int, n_outputs: int) -> Forest:
        """The forest of untrusted arrays; raises ModelError where one is missing, mistyped or leads astray."""
        for name, dtype in ARRAYS.items():
            if name not in arrays or arrays[name].dtype != dtype or arrays[name].ndim != 1:
                raise ModelError(f"model: array {name!r} is missing or is not one row of {dtype.name}")
        forest = cls(**{name: arrays[name] for name in ARRAYS})
        forest._check(n_features, n_outputs)
        return forest

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name, in the types of the file format."""
        return {name: getattr(self, name).astype(dtype) for name, dtype in ARRAYS.items()}

    def _check(self, n_features: int, n_outputs: int) -> None:
        n_trees, n_nodes = len(self.output), len(self.feature)
        lengths = {len(a) for a in (self.feature, self.threshold, self.left, self.right, self.value)}
        _require(lengths == {n_nodes} and len(self.baseline) == n_outputs, "arrays of equal length")
        _require(1 <= n_trees <= MAX_TREES and len(self.start) == n_trees + 1, f"between 1 and {MAX_TREES} trees")
        start = self.start.astype(np.int64)
        size = start[1:] - start[:-1]
        _require(start[0] == 0 and start[-1] == n_nodes, "trees that cover all nodes")
        sized = (size >= 1) & (size < 2 * MAX_LEAVES) & (size % 2 == 1)
        _require(sized.all(), f"trees of 1 to {MAX_LEAVES} leaves")
        _require(((self.output >= 0) & (self.output < n_outputs)).all(), "outputs in range")
        _require((self.output[1:] >= self.output[:-1]).all(), "trees ordered by output")
        _require(bool(np.isfinite(self.value).all() and np.isfinite(self.baseline).all()), "finite values")
        _require(((self.feature >= -1) & (self.feature < n_features)).all(), "feature numbers in range")
        first, end = np.repeat(start[:-1], size), np.repeat(start[1:], size)
        node = np.arange(n_nodes)
        split = self.feature >= 0
        for child in (self.left, self.right):
            # A child stands after its parent, so no walk returns.
            inside = (first + child > node) & (first + child < end)
            _require(bool(np.where(split, inside, child == 0).all()), "children after their parent, in the same tree")
        reached = np.concatenate([(first + self.left)[split], (first + self.right)[split], start[:-1]])
        _require(bool((np.bincount(reached, minlength=n_nodes) == 1).all()), "one parent for every node")

    @cached_property
    def _scorer(self) -> _Scorer:
        return _compile(self)

    def scores(self, features: NDArray[np.int16], threads: int = 2) -> NDArray[np.float64]:
        """Raw scores (output, pixel) of features (feature, pixel); they do not depend on `threads`."""
        s = self._scorer
        features = np.ascontiguousarray(features)
        out = np.empty((len(self.baseline), features.shape[1]))
        trees = s.first, s.threshold, s.tree, s.keep, s.value, self.baseline, self.output
        spans(lambda start, stop: _score(features, *trees, start, stop, out), features.shape[1], threads)
        return out


@dataclass(frozen=True)
class _Scorer:
    """Splits by feature and rising threshold, with the leaves that stay beyond it; leaf values by hash of their bit."""

    first: NDArray[np.int64]
    threshold: NDArray[np.int16]
    tree: NDArray[np.int32]
    keep: NDArray[np.uint32]
    value: NDArray[np.float64]


def _require(holds: bool | np.bool_, what: str) -> None:
    if not holds:
        raise ModelError(f"model: expected {what}; the file is damaged or was not written by placerwatch")


def _compile(forest: Forest) -> _Scorer:
    splits: list[tuple[int, int, int, int]] = []
    value = np.zeros((len(forest.output), MAX_LEAVES))
    for tree, start in enumerate(forest.start[:-1]):
        n_leaves = 0
        # Depth first, left before right; a split is met again, with the leaf it began at, after its left side.
        stack = [(0, -1)]
        while stack:
            node, begun = stack.pop()
            i = int(start) + node
            if forest.feature[i] < 0:
                value[tree, (((1 << n_leaves) * _DE_BRUIJN) & _ALL) >> 27] = forest.value[i]
                n_leaves += 1
            elif begun < 0:
                stack += [(int(forest.right[i]), -1), (node, n_leaves), (int(forest.left[i]), -1)]
            else:
                left_leaves = (1 << n_leaves) - (1 << begun)
                splits.append((int(forest.feature[i]), int(forest.threshold[i]), tree, _ALL & ~left_leaves))
    splits.sort()
    table = np.array(splits, np.int64).reshape(-1, 4)
    n_features = int(forest.feature.max(initial=0)) + 1
    return _Scorer(
        first=np.searchsorted(table[:, 0], np.arange(n_features + 1)).astype(np.int64),
        threshold=table[:, 1].astype(np.int16),
        tree=table[:, 2].astype(np.int32),
        keep=table[:, 3].astype(np.uint32),
        value=value,
    )


@njit(cache=True, nogil=True)
def _score(features, first, threshold, tree, keep, value, baseline, output, start, stop, out):  # type: ignore[no-untyped-def]
    n_trees = output.shape[0]
    shared = np.empty(n_trees, np.uint32)
    own = np.empty((n_trees, BLOCK_PX), np.uint32)
    touched = np.empty(n_trees, np.bool_)
    x = np.empty(BLOCK_PX, np.int16)
    total = np.empty(BLOCK_PX)
    for begin in range(start, stop, BLOCK_PX):
        size = min(BLOCK_PX, stop - begin)
        shared[:] = _ALL
        touched[:] = False
        for f in range(first.shape[0] - 1):
            for p in range(BLOCK_PX):
                x[p] = features[f, begin + min(p, size - 1)]
            low = x[0]
            high = x[0]
            for p in range(1, BLOCK_PX):
                low = min(low, x[p])
                high = max(high, x[p])
            for e in range(first[f], first[f + 1]):
                t = threshold[e]
                if t >= high:
                    break
                k = tree[e]
                if t < low:
                    shared[k] &= keep[e]
                    continue
                if not touched[k]:
                    touched[k] = True
                    own[k, :] = _ALL
                mask = keep[e]
                for p in range(BLOCK_PX):
                    own[k, p] &= mask if x[p] > t else np.uint32(_ALL)
        k = 0
        for o in range(baseline.shape[0]):
            total[:] = baseline[o]
            while k < n_trees and output[k] == o:
                if touched[k]:
                    for p in range(BLOCK_PX):
                        left = own[k, p] & shared[k]
                        bit = left & (~left + np.uint32(1))
                        total[p] += value[k, np.uint32(bit * np.uint32(_DE_BRUIJN)) >> np.uint32(27)]
                else:
                    left = shared[k]
                    bit = left & (~left + np.uint32(1))
                    leaf = value[k, np.uint32(bit * np.uint32(_DE_BRUIJN)) >> np.uint32(27)]
                    for p in range(BLOCK_PX):
                        total[p] += leaf
                k += 1
            for p in range(size):
                out[o, begin + p] = total[p]


@njit(cache=True, nogil=True, error_model="numpy")
def sigmoid(scores):  # type: ignore[no-untyped-def]
    """1 / (1 + exp(-s)) from additions, products and quotients alone, so that every machine rounds alike."""
    flat = scores.ravel()
    out = np.empty(flat.size)
    for i in range(flat.size):
        s = min(max(flat[i], -40.0), 40.0)
        # exp(-|s|) = exp(-|s| / 1024) ** 1024; of at most 0.04 the series ends below 1e-17. Without a loop inside,
        # several pixels are done at once.
        r = -abs(s) / 1024.0
        e = 1.0 + r * (1.0 / 7.0) * (1.0 + r * (1.0 / 8.0))
        e = 1.0 + r * (1.0 / 5.0) * (1.0 + r * (1.0 / 6.0) * e)
        e = 1.0 + r * (1.0 / 3.0) * (1.0 + r * (1.0 / 4.0) * e)
        e = 1.0 + r * (1.0 + r * (1.0 / 2.0) * e)
        e *= e
        e *= e
        e *= e
        e *= e
        e *= e
        e *= e
        e *= e
        e *= e
        e *= e
        e *= e
        out[i] = (1.0 if s >= 0 else e) / (1.0 + e)
    return out.reshape(scores.shape)
