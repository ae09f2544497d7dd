"""Candidate pixels: the sparse ground of one UTM zone that looked disturbed in at least one period."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.areas.lattice import TILE_PX, Tile, require_same
from pipeline.change.water import wide_water
from pipeline.config import Change
from pipeline.errors import LatticeMismatch
from pipeline.imagery.composite import Composite
from pipeline.imagery.radar import RadarComposite, by_orbit
from pipeline.imagery.radar_raster import RADAR_NODATA
from pipeline.imagery.scene import NODATA

PROBABILITY_SCALE = 10_000


@dataclass(frozen=True)
class Candidates:
    """n pixels of one UTM zone over T periods, sorted by (row, col), each pixel once.

    row, col   int32 (n,)          lattice indices: `row` counts south, `col` east, as `Tile.origin_px` does
    bare, pond uint16 (T, n)       probability x 10 000; 65535 where the pixel was not observed
    looks      uint16 (T, n)       clear looks
    days       uint16 (T, 4, n)    days since 1970-01-01 of first, lower-median, upper-median, last clear look
    greenest   uint16 (T, 2, n)    (NDVI + 1) x 10 000 of the greenest look before and after; 65535 unseen
    season_looks uint16 (T, 2, n)  clear looks before and after that are far enough to show another season
    radar      int16 (T, 2, 2, n)  Sentinel-1, ascending and descending: minimum backscatter of the ground and of its
                                   surroundings, dB x 100, mean of VV and VH; -32768 where looks are too few
    water      bool (T, n)         open water of a wide body (`pipeline.change.water`)
    zone       int16 (n,)          0 unassigned, i >= 1 the i-th declared zone
    area_m2    float64 (n,)        true area on the ellipsoid
    """

    epsg: int
    row: NDArray[np.int32]
    col: NDArray[np.int32]
    bare: NDArray[np.uint16]
    pond: NDArray[np.uint16]
    looks: NDArray[np.uint16]
    days: NDArray[np.uint16]
    greenest: NDArray[np.uint16]
    season_looks: NDArray[np.uint16]
    radar: NDArray[np.int16]
    water: NDArray[np.bool_]
    zone: NDArray[np.int16]
    area_m2: NDArray[np.float64]

    @property
    def periods(self) -> int:
        """Number of periods, T."""
        return int(self.bare.shape[0])

    @property
    def probability(self) -> NDArray[np.int16]:
        """Probability of disturbance, bare + pond, x 10 000; -1 where not observed; (T, n)."""
        observed = (self.bare != NODATA) & (self.pond != NODATA)
        return np.where(observed, self.bare + self.pond, -1).astype(np.int16)


def candidates_of_tile(
    tile: Tile,
    maps: Sequence[NDArray[np.uint16]],
    composites: Iterable[Composite],
    zone: NDArray[np.int16],
    cell_area: NDArray[np.float64],
    settings: Change,
    radar: Iterable[RadarComposite] = (),
) -> Candidates:
    """Watched pixels (zone >= 0) of a tile whose bare + pond reaches `weak` in at least one period.

    `maps` holds one (2, 512, 512) array of bare and pond probability x 10 000 a period (65535 not observed),
    `composites` gives the composites they were made from, with a halo if they have one, `radar` nothing or that of
    each period. One composite is held at a time: periods may be hundreds. Raises LatticeMismatch if one is not on the
    tile.
    """
    side = (TILE_PX, TILE_PX)
    for plane in maps:
        if plane.shape != (2, *side):
            raise LatticeMismatch(f"tile {tile.id}: expected a map of shape (2, 512, 512), found {plane.shape}")
    weak = round(settings.weak * PROBABILITY_SCALE)
    looks_disturbed = np.zeros(side, bool)
    for bare, pond in maps:
        looks_disturbed |= (bare != NODATA) & (pond != NODATA) & (bare.astype(np.int32) + pond >= weak)
    at = np.nonzero(looks_disturbed & (zone >= 0))
    top, left = tile.origin_px
    planes: dict[str, list[NDArray[np.uint16]]] = {"looks": [], "days": [], "greenest": [], "season_looks": []}
    water: list[NDArray[np.bool_]] = []
    for composite in composites:
        halo = (composite.geobox.shape[0] - TILE_PX) // 2
        require_same(composite.geobox, tile.padded(halo) if halo > 0 else tile.geobox)
        here = at[0] + halo, at[1] + halo
        for name, found in planes.items():
            found.append(getattr(composite, name)[..., *here])
        water.append(wide_water(composite.reflectance, here, settings))
    if not maps or len(maps) != len(planes["looks"]):
        count = len(planes["looks"])
        raise LatticeMismatch(f"tile {tile.id}: {len(maps)} maps for {count} composites; one each a period")
    return Candidates(
        epsg=tile.epsg,
        row=(at[0] + top).astype(np.int32),
        col=(at[1] + left).astype(np.int32),
        bare=np.stack([plane[0][at] for plane in maps]),
        pond=np.stack([plane[1][at] for plane in maps]),
        looks=np.stack(planes["looks"]),
        days=np.stack(planes["days"]),
        greenest=np.stack(planes["greenest"]),
        season_looks=np.stack(planes["season_looks"]),
        radar=_radar_at(tile, radar, len(maps), at),
        water=np.stack(water),
        zone=zone[at].astype(np.int16),
        area_m2=cell_area[at].astype(np.float64),
    )


def _radar_at(
    tile: Tile, radar: Iterable[RadarComposite], periods: int, at: tuple[NDArray[np.intp], ...]
) -> NDArray[np.int16]:
    found = []
    for composite in radar:
        require_same(composite.geobox, tile.geobox)
        found.append(composite.at(at[0], at[1]))
    if not found:
        return np.full((periods, 2, 2, at[0].size), RADAR_NODATA, np.int16)
    if len(found) != periods:
        raise LatticeMismatch(f"tile {tile.id}: radar of {len(found)} periods for {periods} maps; one each a period")
    return by_orbit(found)


def merge(parts: Sequence[Candidates]) -> Candidates:
    """Candidates of several tiles of one UTM zone as one; the order of `parts` does not matter.

    Raises LatticeMismatch if parts differ in UTM zone or periods, or share a pixel.
    """
    if not parts or len({(part.epsg, part.periods) for part in parts}) > 1:
        found = sorted({(part.epsg, part.periods) for part in parts})
        raise LatticeMismatch(f"merging candidates needs one UTM zone and one number of periods, found {found}")
    row = np.concatenate([part.row for part in parts])
    col = np.concatenate([part.col for part in parts])
    order = np.lexsort((col, row))
    row, col = row[order], col[order]
    if np.any((np.diff(row) == 0) & (np.diff(col) == 0)):
        raise LatticeMismatch(
            f"merging candidates of EPSG:{parts[0].epsg}: a pixel is in two parts; pass each tile once"
        )
    planes = {
        name: np.concatenate([getattr(part, name) for part in parts], axis=-1)[..., order]
        for name in ("bare", "pond", "looks", "days", "greenest", "season_looks", "radar", "water", "zone", "area_m2")
    }
    return Candidates(epsg=parts[0].epsg, row=row, col=col, **planes)
