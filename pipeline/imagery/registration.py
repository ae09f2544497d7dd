"""Registration: how far the ground of one composite lies from that of another, to a fraction of a pixel.

Least squares on grey-value gradients (Lucas and Kanade 1981; the iterated form of Baker and Matthews 2004, with gain
and offset for different light), in blocks, joined by their median: ground that changed spoils its block alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.imagery.composite import Composite
from pipeline.imagery.scene import BANDS, NODATA

# Red is measured at 10 m, and bare ground, water and vegetation differ in it in every season.
BAND = BANDS.index("B04")
BLOCK_PX = 64
FEWEST_BLOCKS = 8
REACH_PX = 2.0  # farther, gradients no longer point the way
MAX_BLOCK_SE_PX = 0.25
MAX_SE_PX = 0.1
MIN_CORRELATION = 0.5  # less, and the ground of a block is not the same ground
_SIGMA_PX = 1.0
_ROUNDS = 4
_LEAST_SEEN = 0.5
# After smoothing about 4 pi sigma^2 / 2 neighbours say the same thing: residuals count for fewer.
_ALIKE = 2 * np.pi * _SIGMA_PX**2


@dataclass(frozen=True)
class Shift:
    """Ground at (row, col) of the reference lies at (row + down, col + right) of the other; pixels.

    `se` is the standard error along the worse axis, `blocks` the number that agreed.
    """

    down: float
    right: float
    se: float
    blocks: int


class ShiftSeries:
    """Shifts of the composites of a tile, given one after the other, against the first of which half was seen.

    `found` has one entry a period; None is not determined.
    """

    def __init__(self) -> None:
        self.found: list[Shift | None] = []
        self._reference: NDArray[np.uint16] | None = None

    def add(self, composite: Composite) -> None:
        """Take the composite of the next period."""
        band = composite.reflectance[BAND]
        if not composite.observed.any():
            self.found.append(None)
        elif self._reference is not None:
            self.found.append(estimate_shift(self._reference, band))
        elif np.mean(composite.observed) >= _LEAST_SEEN:
            self._reference = band.copy()
            self.found.append(Shift(0.0, 0.0, 0.0, 0))
        else:
            self.found.append(None)


def estimate_shift(reference: NDArray[np.uint16], other: NDArray[np.uint16]) -> Shift | None:
    """Shift of one band (y, x) against the same band of a reference; 65535 is not observed. Rounded to 0.01 px.

    None where it is not well determined: fewer than eight blocks of 64 x 64 pixels with half of their ground seen
    in both, a correlation of 0.5 and texture enough for a standard error of 0.25 px, less than half of them in
    agreement, more than two pixels between the two, or a standard error of the median above 0.1 px.
    """
    still, still_seen = _smoothed(reference)
    moved, moved_seen = _smoothed(other)
    total = np.zeros(2)
    for turn in range(_ROUNDS):
        image, seen = moved, moved_seen
        if turn:
            image = ndimage.shift(moved, -total, order=3, mode="nearest")  # type: ignore[attr-defined]
            share = ndimage.shift(moved_seen.astype(np.float32), -total, order=1)  # type: ignore[attr-defined]
            seen = share > 0.99
        step, se, alike = _block_shifts(still, image, still_seen & seen)
        usable = (se <= MAX_BLOCK_SE_PX).all(axis=1) & (np.abs(step) <= REACH_PX).all(axis=1)
        # Before the first step the pictures may lie two pixels apart, and be less alike than they are.
        usable &= alike >= (MIN_CORRELATION if turn else MIN_CORRELATION / 2)
        found = step[usable]
        if len(found) < FEWEST_BLOCKS:
            return None
        kept = _agreeing(found)
        middle = np.median(found[kept], axis=0)
        total += middle
    if np.abs(total).max() > REACH_PX or kept.sum() < max(FEWEST_BLOCKS, len(found) / 2):
        return None
    # Standard error of a median of normal values.
    spread = 1.4826 * np.median(np.abs(found[kept] - middle), axis=0)
    worst = float(1.2533 * spread.max() / np.sqrt(kept.sum()))
    if worst > MAX_SE_PX:
        return None
    # Adding zero turns -0.0 into 0.0.
    down, right = (round(float(value), 2) + 0.0 for value in total)
    return Shift(down, right, round(worst, 3), int(kept.sum()))


def _smoothed(band: NDArray[np.uint16]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A band with its gaps filled from around, smoothed, and where that holds nothing but its own ground."""
    seen = band != NODATA
    smooth = partial(ndimage.gaussian_filter, sigma=_SIGMA_PX, mode="nearest")  # type: ignore[attr-defined]
    weight = smooth(seen.astype(np.float32))
    value = smooth(np.where(seen, band, 0).astype(np.float32))
    image: NDArray[np.float32] = np.where(weight > 0.01, value / np.maximum(weight, 0.01), 0)
    whole = ndimage.binary_erosion(seen, np.ones((5, 5)), border_value=1)  # type: ignore[attr-defined]
    return image.astype(np.float32), whole


def _block_shifts(
    still: NDArray[np.float32], moved: NDArray[np.float32], seen: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Shift (blocks, 2) of each block, its standard error, infinite where too little is seen, and the correlation."""
    between = (still + moved) / 2
    inner = seen.copy()
    inner[[0, -1]] = inner[:, [0, -1]] = False
    down, right = np.gradient(between)
    terms = np.stack([down, right, between / 1000, np.ones_like(between)])
    x, y = _cut(terms * inner), _cut((moved - still) * inner)
    count = _cut(inner.astype(np.float64)).sum(axis=-1)
    usable = count >= _LEAST_SEEN * BLOCK_PX**2
    normal = np.einsum("ibp,jbp->bij", x, x) + 1e-6 * np.eye(4)
    normal[~usable] = np.eye(4)
    inverse = np.linalg.inv(normal)
    right_side = np.einsum("ibp,bp->bi", x, y)
    solution = np.einsum("bij,bj->bi", inverse, right_side)
    left_over = np.maximum((y**2).sum(axis=-1) - (solution * right_side).sum(axis=-1), 0)
    variance = _ALIKE * left_over / np.maximum(count - 4, 1)
    se = np.sqrt(variance[:, np.newaxis] * inverse[:, [0, 1], [0, 1]])
    se[~usable] = np.inf
    return -solution[:, :2], se, _correlation(_cut(still * inner), _cut(moved * inner), count)


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64], count: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of blocks (blocks, pixels) that are 0 where unseen; 0 where one of the two is flat: a gain would explain all."""
    n = np.maximum(count, 1)
    mean_a, mean_b = a.sum(axis=-1) / n, b.sum(axis=-1) / n
    spread_a, spread_b = (a**2).sum(axis=-1) / n - mean_a**2, (b**2).sum(axis=-1) / n - mean_b**2
    textured = (spread_a > 1) & (spread_b > 1)
    together = (a * b).sum(axis=-1) / n - mean_a * mean_b
    correlation: NDArray[np.float64] = np.where(
        textured, together / np.sqrt(np.where(textured, spread_a * spread_b, 1)), 0
    )
    return correlation


def _cut(planes: NDArray[np.floating]) -> NDArray[np.float64]:
    """Planes (…, y, x) as blocks (…, blocks, pixels); what is left over below and on the right is dropped."""
    rows, cols = (n // BLOCK_PX for n in planes.shape[-2:])
    lead = planes.shape[:-2]
    whole = planes[..., : rows * BLOCK_PX, : cols * BLOCK_PX].astype(np.float64)
    blocks = whole.reshape(*lead, rows, BLOCK_PX, cols, BLOCK_PX).swapaxes(-3, -2)
    return blocks.reshape(*lead, rows * cols, BLOCK_PX**2)


def _agreeing(found: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Blocks within three robust standard deviations of the median, on both axes."""
    kept = np.ones(len(found), bool)
    for _ in range(3):
        middle = np.median(found[kept], axis=0)
        spread = 1.4826 * np.median(np.abs(found[kept] - middle), axis=0)
        kept = np.all(np.abs(found - middle) <= 3 * np.maximum(spread, 0.02), axis=1)
    return kept
