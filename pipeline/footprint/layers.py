"""Layers of units: the declared zones, and the units of any file of polygons that the footprint is told by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from pipeline.areas.area import Area, areas_hash, zones_of
from pipeline.areas.lattice import Tile, lonlat_bounds
from pipeline.areas.zones import NOT_WATCHED, zone_index

ZONES = "zones"
UNASSIGNED, TOTAL = "unassigned", "total"
_MARGIN_DEG = 0.02
_SLIVER_DEG2 = 1e-10  # about a square metre


@dataclass(frozen=True)
class UnitsNear:
    """Units of a layer about one tile: `numbers` as in the layer, from 1; `doubtful` those that meet another one."""

    numbers: tuple[int, ...]
    units: tuple[Area, ...]
    doubtful: tuple[Area, ...]

    def index(self, tile: Tile, watched: NDArray[np.bool_]) -> NDArray[np.int32]:
        """Unit of each pixel by its centre, (512, 512): -1 not watched, 0 in none; the first declared wins."""
        here = np.maximum(zone_index(tile, self.units), 0) if self.units else np.zeros(watched.shape, np.int16)
        index: NDArray[np.int32] = np.array([0, *self.numbers], np.int32)[here]
        index[~watched] = NOT_WATCHED
        return index

    def shared(self, tile: Tile) -> NDArray[np.bool_] | None:
        """Pixels whose centre lies in more than one unit, (512, 512); None where no units meet."""
        if len(self.doubtful) < 2:
            return None
        claims = sum((zone_index(tile, [unit]) > 0).astype(np.uint16) for unit in self.doubtful)
        shared: NDArray[np.bool_] = np.asarray(claims) > 1
        return shared


@dataclass(frozen=True)
class Layer:
    """Units that do not depend on what is watched; each has its own figures. `files` holds the SHA-256 of each file.

    `elsewhere` is the country and first-level unit of watched ground in none of the units, where they are declared.
    """

    name: str
    units: tuple[Area, ...]
    kind: str = "declared zones"
    source: str = ""
    vintage: str = ""
    licence: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    elsewhere: tuple[str, str] = ("", "")

    @classmethod
    def of_zones(cls, areas: Sequence[Area]) -> Layer:
        """The declared zones as the first of the layers."""
        extents = [area for area in areas if area.role != "zone"]
        country, admin1 = {area.country for area in extents}, {area.admin1 for area in extents}
        one_country = country.pop() if len(country) == 1 else ""
        place = (one_country, admin1.pop() if one_country and len(admin1) == 1 else "")
        return cls(ZONES, zones_of(areas), elsewhere=place)

    @cached_property
    def _tree(self) -> shapely.STRtree:
        return shapely.STRtree([unit.geometry for unit in self.units])

    @cached_property
    def _overlapping(self) -> frozenset[int]:
        """Positions of units whose polygons share ground with another's; which pixels they share, the raster tells."""
        shapes = np.array([unit.geometry for unit in self.units], object)
        first, second = self._tree.query(shapes, "intersects")
        first, second = first[first < second], second[first < second]
        shared = shapely.area(shapely.intersection(shapes[first], shapes[second])) > _SLIVER_DEG2
        return frozenset(np.concatenate([first[shared], second[shared]]).tolist())

    def near(self, tile: Tile) -> UnitsNear:
        """The units about a tile, so that a task need not carry the whole layer."""
        window = shapely.box(*lonlat_bounds(tile.epsg, tile.geobox)).buffer(_MARGIN_DEG)
        near = sorted(self._tree.query(window).tolist()) if self.units else []
        return UnitsNear(
            tuple(i + 1 for i in near),
            tuple(self.units[i] for i in near),
            tuple(self.units[i] for i in near if i in self._overlapping),
        )

    def identity(self) -> dict[str, Any]:
        """What decides the layer's figures and how they are told."""
        return {
            "name": self.name,
            "kind": self.kind,
            "source": self.source,
            "vintage": self.vintage,
            "licence": self.licence,
            "files": dict(self.files),
            "units": areas_hash(self.units),
            "names": [unit.name for unit in self.units],
        }
