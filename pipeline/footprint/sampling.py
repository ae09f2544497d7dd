"""Sampling: a stratified probability sample of pixels that depends on the seed and the ground alone.

Each pixel has a number that the seed and its place on the lattice give it, and a stratum's sample are the pixels with
the smallest numbers. Sampling by such permanent random numbers (Ohlsson 1995) is simple random sampling without
replacement; it needs one pass, in any order of tiles and files, and a larger sample of the same seed holds the smaller.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from pipeline.areas import PIXEL_M
from pipeline.errors import BadInput
from pipeline.footprint.frame import LEFT_OUT, TileFrame, left_out_mm2
from pipeline.footprint.strata import NAMES, NOT_IN_FRAME

MAX_DISTANCE_M = 5000
PIXEL = np.dtype([("priority", "u8"), ("epsg", "i4"), ("row", "i4"), ("col", "i4"), ("state", "u1"), ("zone", "i2")])
_H = len(NAMES)


def priority(seed: int, salt: str, epsg: int, row: NDArray[Any], col: NDArray[Any]) -> NDArray[np.uint64]:
    """The random number of each pixel of a UTM zone's lattice, uint64; no two pixels share one.

    Two rounds of the finaliser of SplitMix64 (Steele, Lea and Flood 2014), a bijection, with keys from the seed.
    """
    number = (np.uint64(epsg) << np.uint64(48)) + (row.astype(np.uint64) << np.uint64(24)) % np.uint64(2**48)
    number = number + (col.astype(np.uint64) & np.uint64(2**24 - 1))
    digest = hashlib.sha256(f"placerwatch sample {seed} {salt}".encode()).digest()
    for part in (digest[:8], digest[8:16]):
        number = number ^ np.uint64(int.from_bytes(part, "big"))
        number = (number ^ (number >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        number = (number ^ (number >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        number = number ^ (number >> np.uint64(31))
    return number


@dataclass
class Pool:
    """Pixels a whole number `step` of pixels apart in row and column, the first of them drawn at random.

    counts  (H, step²)  pixels of each stratum by the place that the first might have had
    kept    of each stratum, the pixels with the smallest numbers
    """

    step: int
    first: tuple[int, int]
    counts: NDArray[np.int64]
    kept: list[NDArray[Any]]

    @classmethod
    def of(cls, step: int, seed: int) -> Pool:
        """An empty pool."""
        digest = hashlib.sha256(f"placerwatch pool {seed} {step}".encode()).digest()
        first = divmod(int.from_bytes(digest, "big") % step**2, step)
        return cls(step, first, np.zeros((_H, step**2), np.int64), [np.zeros(0, PIXEL) for _ in NAMES])

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Pixels of each stratum in the pool, (H,)."""
        return self.counts[:, self.first[0] * self.step + self.first[1]]

    @property
    def least(self) -> NDArray[np.int64]:
        """Pixels of each stratum that any first place would have left in the pool, (H,)."""
        least: NDArray[np.int64] = self.counts.min(axis=1)
        return least

    def add(self, part: TileFrame, seed: int, keep: int) -> None:
        """Add a tile's pixels, keeping no more than needed of each stratum."""
        step, (top, left) = self.step, part.tile.origin_px
        rows, cols = (np.arange(size) for size in part.stratum.shape)
        place = ((top + rows) % step)[:, None] * step + (left + cols) % step
        inside = part.stratum != NOT_IN_FRAME
        slot = part.stratum[inside].astype(np.int64) * step**2 + place[inside]
        self.counts += np.bincount(slot, minlength=_H * step**2).reshape(_H, -1)
        own = slice((self.first[0] - top) % step, None, step), slice((self.first[1] - left) % step, None, step)
        stratum = part.stratum[own]
        row, col = top + rows[own[0]], left + cols[own[1]]
        number = priority(seed, "draw", part.tile.epsg, *np.meshgrid(row, col, indexing="ij"))
        for h in np.unique(stratum[stratum != NOT_IN_FRAME]).tolist():
            kept = self.kept[h]
            fresh = stratum == h
            if len(kept) == keep:
                fresh &= number < kept["priority"].max()
            at = np.nonzero(fresh)
            found = np.zeros(len(at[0]), PIXEL)
            found["epsg"], found["row"], found["col"] = part.tile.epsg, row[at[0]], col[at[1]]
            found["priority"], found["state"], found["zone"] = number[at], part.state[own][at], part.zone[own][at]
            both = np.concatenate([kept, found])
            if len(both) > keep:
                both = both[np.argpartition(both["priority"], keep - 1)[:keep]]
            self.kept[h] = both


@dataclass
class Scan:
    """What one pass over the frame found; strata in the order of NAMES.

    cells, area_mm2  (H,)
    zones_mm2        (H, zones + 1), index 0 unassigned
    cell_m2          (H, 2), the smallest and the largest pixel
    left_out_mm2     watched ground that cannot be sampled, by reason
    pools            from the spacing asked for down to every pixel
    """

    seed: int
    pools: tuple[Pool, ...]
    zones_mm2: NDArray[np.int64]
    cells: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_H, np.int64))
    area_mm2: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_H, np.int64))
    cell_m2: NDArray[np.float64] = field(default_factory=lambda: np.tile([np.inf, 0.0], (_H, 1)))
    left_out_mm2: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LEFT_OUT, 0))

    @property
    def area_ha(self) -> NDArray[np.float64]:
        """Area of each stratum on the ellipsoid, (H,)."""
        return self.area_mm2 / 1e10


def scan(frame: Iterable[TileFrame], seed: int, distance_m: float, keep: int, n_zones: int) -> Scan:
    """Measure the strata of a frame and keep of each the `keep` pixels that a sample would take first."""
    if not 0 <= distance_m <= MAX_DISTANCE_M:
        raise BadInput(f"--min-distance {distance_m:g}: expected 0 to {MAX_DISTANCE_M} m")
    steps = [max(int(np.ceil(distance_m / PIXEL_M)), 1)]
    while steps[-1] > 1:
        steps.append(steps[-1] // 2)
    found = Scan(seed, tuple(Pool.of(step, seed) for step in steps), np.zeros((_H, n_zones + 1), np.int64))
    for part in frame:
        inside = part.stratum != NOT_IN_FRAME
        stratum, area = part.stratum[inside].astype(np.int64), part.area_mm2[inside]
        zone = np.maximum(part.zone[inside], 0)
        found.cells += np.bincount(stratum, minlength=_H)
        # Whole numbers below 2**53: the float64 sums of bincount are exact.
        sums = np.bincount(stratum * (n_zones + 1) + zone, area, _H * (n_zones + 1)).astype(np.int64)
        found.zones_mm2 += sums.reshape(_H, -1)
        for h in np.unique(stratum):
            here = area[stratum == h] / 1e6
            found.cell_m2[h] = min(found.cell_m2[h, 0], here.min()), max(found.cell_m2[h, 1], here.max())
        for reason, mm2 in left_out_mm2(part).items():
            found.left_out_mm2[reason] += mm2
        for pool in found.pools:
            pool.add(part, seed, keep)
    found.area_mm2 = found.zones_mm2.sum(axis=1)
    return found


@dataclass(frozen=True)
class Drawn:
    """The sample of one stratum: its pixels, and the pool that they are a simple random sample of."""

    pixels: NDArray[Any]
    step: int
    pool: int

    @property
    def spacing_m(self) -> int:
        """No two of its points in one UTM zone are nearer than this."""
        return self.step * PIXEL_M

    @property
    def inclusion_probability(self) -> float:
        """The probability with which each of its points came into the sample: 1 / step² times n / pool."""
        return len(self.pixels) / (self.step**2 * self.pool) if self.pool else 0.0


def draw(found: Scan, sizes: Sequence[int]) -> tuple[Drawn, ...]:
    """The sample: of each stratum `sizes[h]` pixels from the widest pool that always holds so many.

    Whether a pool is wide enough is asked of every place that its first pixel might have had, not of the one drawn:
    so the spacing is a property of the ground, and inclusion probabilities are known exactly.
    """
    out = []
    for h, size in enumerate(sizes):
        pool = next(pool for pool in found.pools if pool.step == 1 or pool.least[h] >= size)
        kept = pool.kept[h]
        first = np.sort(kept, order="priority")[:size]
        if len(first) < size:
            raise BadInput(f"stratum {NAMES[h]}: {size} points asked for, {len(kept)} can be drawn")
        out.append(Drawn(first, pool.step, int(pool.sizes[h])))
    return tuple(out)


def closest_m(pixels: NDArray[Any]) -> float | None:
    """Smallest distance between two points in one UTM zone, metres; None with fewer than two."""
    nearest = []
    for epsg in np.unique(pixels["epsg"]):
        own = pixels[pixels["epsg"] == epsg]
        if len(own) > 1:
            places = np.column_stack([own["row"], own["col"]])
            tree = KDTree(places)  # type: ignore[no-untyped-call]
            distances, _ = tree.query(places, k=2)  # type: ignore[no-untyped-call]
            nearest.append(float(distances[:, 1].min()) * PIXEL_M)
    return min(nearest) if nearest else None
