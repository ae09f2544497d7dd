"""Ground: the pixels that are mapped in any period, and how long each is held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipeline.areas.lattice import PIXEL_M
from pipeline.change.components import Pixels, connect
from pipeline.change.objects import Classified
from pipeline.change.states import WATERS_EDGE, is_disturbed

NONE = -1
# By how much wider than the link a gap must be before what was one site is told apart. Each of two edges lies off by up
# to half a pixel from map to map, so a gap of the link itself opens and closes without anyone digging.
PART_MORE_M = PIXEL_M
_MM2_PER_M2 = 1_000_000


@dataclass(frozen=True)
class Ground:
    """The n pixels that are mapped in any of T periods, of all UTM zones, sorted by (epsg, row, col).

    mapped   bool (T, n)   on the map as workings
    observed bool (T, n)   observed, and not water's edge, which tells nothing of a site
    held     bool (T, n)   mapped, or not observed and held before: cloud neither ends nor splits a site
    area_mm2 int64 (n,)    true area in whole square millimetres, so that sums are exact in any order
    """

    zones: tuple[Classified, ...]
    index: tuple[NDArray[np.int64], ...]
    mapped: NDArray[np.bool_]
    observed: NDArray[np.bool_]
    held: NDArray[np.bool_]
    area_mm2: NDArray[np.int64]

    @property
    def size(self) -> int:
        """Number of pixels, n."""
        return int(self.area_mm2.size)

    def plane(self, name: str) -> NDArray[Any]:
        """A plane of the candidates, (..., n)."""
        parts = zip(self.zones, self.index, strict=True)
        return np.concatenate([getattr(zone.candidates, name)[..., at] for zone, at in parts], axis=-1)

    def own(self, name: str) -> NDArray[Any]:
        """A plane of the classes, (T, n)."""
        return np.concatenate(
            [getattr(zone, name)[..., at] for zone, at in zip(self.zones, self.index, strict=True)], axis=-1
        )

    @property
    def epsg(self) -> NDArray[np.int32]:
        """UTM zone of each pixel, (n,)."""
        return np.concatenate(
            [np.full(at.size, zone.epsg, np.int32) for zone, at in zip(self.zones, self.index, strict=True)]
        )

    def groups(self, pixels: NDArray[np.bool_], link_m: float) -> tuple[NDArray[np.int64], int]:
        """Group of each of some pixels whose edges are less than `link_m` apart, NONE for others, and their number."""
        cuts = np.cumsum([at.size for at in self.index])[:-1]
        parts = [
            Pixels(zone.epsg, zone.candidates.row[at[own]], zone.candidates.col[at[own]])
            for zone, at, own in zip(self.zones, self.index, np.split(pixels, cuts), strict=True)
        ]
        labels, count = connect(parts, link_m)
        group = np.full(self.size, NONE, np.int64)
        group[pixels] = np.concatenate(labels)
        return group, count

    def groups_of(
        self, holder: NDArray[np.int32], pixels: NDArray[np.bool_], link_m: float
    ) -> tuple[NDArray[np.int64], int]:
        """`groups`, and what one holder held of late parts only at a gap that is wider by PART_MORE_M.

        `holder` (n,) is the site that held each pixel, NONE where none did. Groups with ground of the same one are one
        if a chain of gaps of less than `link_m` + PART_MORE_M leads from one to the other.
        """
        group, count = self.groups(pixels, link_m)
        at = np.flatnonzero(pixels & (holder >= 0))
        if not at.size:
            return group, count
        near, _ = self.groups(pixels, link_m + PART_MORE_M)
        _, own = np.unique(near[at] * (int(holder.max()) + 1) + holder[at], return_inverse=True)
        size = count + int(own.max()) + 1
        graph = coo_array((np.ones(at.size, np.int8), (group[at], count + own)), shape=(size, size))  # type: ignore[no-untyped-call]
        joined = connected_components(graph, directed=False)[1][:count]
        # Numbered by first pixel again, for names and ties must not depend on the order of labels.
        _, first, which = np.unique(joined, return_index=True, return_inverse=True)
        rank = np.argsort(np.argsort(first))
        return np.append(rank[which], NONE)[group], int(first.size)


def ground_of(zones: Sequence[Classified]) -> Ground | None:
    """The ground of all UTM zones together; None if nothing is mapped in any period."""
    ordered = tuple(sorted(zones, key=lambda zone: zone.epsg))
    index = tuple(np.flatnonzero(zone.disturbed.any(axis=0)) for zone in ordered)
    if not any(at.size for at in index):
        return None
    pairs = list(zip(ordered, index, strict=True))
    mapped = np.concatenate([is_disturbed(zone.classes[:, at]) for zone, at in pairs], axis=1)
    observed = np.concatenate(
        [(zone.candidates.probability[:, at] >= 0) & (zone.classes[:, at] != WATERS_EDGE) for zone, at in pairs], axis=1
    )
    held = mapped.copy()
    for period in range(1, len(held)):
        held[period] |= held[period - 1] & ~observed[period]
    area = np.concatenate([zone.candidates.area_m2[at] for zone, at in pairs])
    return Ground(ordered, index, mapped, observed, held, np.rint(area * _MM2_PER_M2).astype(np.int64))
