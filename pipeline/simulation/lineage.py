"""Lineage: which complexes grow together and which come apart, as seen on the middle day of each period."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import combinations, pairwise

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import shapes
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from shapely.geometry.base import BaseGeometry

from pipeline.simulation.scenario import CELL_M
from pipeline.simulation.stages import BARE, POND
from pipeline.simulation.terrain import Extent
from pipeline.simulation.workings import Workings

LINK_M = 30.0  # ground nearer than this is one site (docs/change.md, section 6)
PART_HA = 0.1  # what is smaller makes no part: the minimum mapping unit


@dataclass(frozen=True)
class Kin:
    """Of one complex: `joins` as (number of the other, first period), `parts` by period, periods of its `splits`."""

    joins: tuple[tuple[int, str], ...]
    parts: dict[str, int]
    splits: tuple[str, ...]


def lineage_of(workings: Workings, extent: Extent, days: dict[str, date]) -> tuple[Kin, ...]:
    """Lineage of every complex over the periods whose day is given."""
    grounds = {
        name: [
            outline_of(np.isin(workings.at(found, day), (BARE, POND)), found.row, found.col, extent)
            for found in workings.complexes
        ]
        for name, day in days.items()
    }
    joins: list[list[tuple[int, str]]] = [[] for _ in workings.complexes]
    boxes = [shapely.box(f.col, f.row, f.col + f.side, f.row + f.side) for f in workings.complexes]
    for a, b in combinations(range(len(boxes)), 2):
        if boxes[a].distance(boxes[b]) * CELL_M >= LINK_M:
            continue
        for name, outlines in grounds.items():
            if outlines[a].distance(outlines[b]) < LINK_M:  # NaN, and so false, where one is empty
                joins[a].append((b + 1, name))
                joins[b].append((a + 1, name))
                break
    found = []
    for index, with_whom in enumerate(joins):
        parts = {name: count_parts(outlines[index]) for name, outlines in grounds.items()}
        splits = tuple(after for before, after in pairwise(parts) if parts[before] == 1 and parts[after] > 1)
        found.append(Kin(tuple(with_whom), parts, splits))
    return tuple(found)


def count_parts(outline: BaseGeometry) -> int:
    """Parts of at least PART_HA whose distance to all others is LINK_M or more; metres."""
    pieces = shapely.get_parts(outline)
    if not len(pieces):
        return 0
    near = shapely.STRtree(pieces).query(pieces, predicate="dwithin", distance=LINK_M - 0.01)
    links = coo_array(  # type: ignore[no-untyped-call]
        (np.ones(near.shape[1], np.int8), (near[0], near[1])), shape=(len(pieces), len(pieces))
    )
    _, labels = connected_components(links, directed=False)
    areas = np.bincount(labels, shapely.area(pieces))
    return int((areas >= PART_HA * 1e4).sum())


def outline_of(mask: NDArray[np.bool_], row: int, col: int, extent: Extent, cell_m: float = CELL_M) -> BaseGeometry:
    """A mask as one (multi)polygon in metres of the extent's zone; `row`, `col` of its corner in cells of 2.5 m."""
    at = Affine(cell_m, 0, extent.left + col * CELL_M, 0, -cell_m, extent.top - row * CELL_M)
    return shapely.union_all(
        [shapely.geometry.shape(part) for part, _ in shapes(mask.astype(np.uint8), mask, transform=at)]
    )
