"""What is stored of each tile over all periods, read when it is asked for, so that a mosaic never lies in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import config
from pipeline.areas import TILE_PX, Area, Tile, zone_index
from pipeline.change import RADAR_HALO_PX
from pipeline.imagery import NODATA, PLANE_NAMES, Composite, RadarComposite
from pipeline.runs.execute import Failure
from pipeline.runs.radar import RadarOutcome, load_radar
from pipeline.runs.store import Store
from pipeline.runs.tasks import MAP, TileOutcome, load_composite, load_padded


@dataclass(frozen=True)
class Stack:
    """The stored results of one tile, a pair of keys (composite, map) for each period; None where a task failed.

    `backscatter` has the key of the radar statistics of each period, empty where there are none.
    """

    tile: Tile
    keys: tuple[tuple[str, str] | None, ...]
    areas: tuple[Area, ...]
    settings: config.Change
    store: Store
    backscatter: tuple[str, ...] = ()

    @property
    def zone(self) -> NDArray[np.int16]:
        """Zone index of each pixel, (512, 512)."""
        return zone_index(self.tile, self.areas)

    def maps(self) -> list[NDArray[np.uint16]]:
        """Probabilities (2, 512, 512) of each period; a failed task was not observed."""
        blank = np.full((2, TILE_PX, TILE_PX), NODATA, np.uint16)
        return [self.store.get_planes(MAP, pair[1]) if pair else blank for pair in self.keys]

    def composites(self) -> Iterator[Composite]:
        """Composites of each period with their halo, one after the other."""
        for pair in self.keys:
            yield load_padded(self.store, pair[0], self.tile) if pair else _unobserved(self.tile)

    def composite(self, period: int) -> Composite:
        """The composite of one period on the tile."""
        pair = self.keys[period]
        return load_composite(self.store, pair[0], self.tile) if pair else _unobserved(self.tile)

    def radar(self) -> Iterator[RadarComposite]:
        """Radar statistics of each period on the tile, one after the other; nothing if no period has any."""
        if any(self.backscatter):
            for key in self.backscatter:
                yield load_radar(self.store, key, self.tile).cropped(RADAR_HALO_PX)


def _unobserved(tile: Tile) -> Composite:
    planes = np.full((len(PLANE_NAMES), TILE_PX, TILE_PX), NODATA, np.uint16)
    planes[[i for i, name in enumerate(PLANE_NAMES) if "looks" in name or name == "rescued"]] = 0
    return Composite.from_planes(tile.geobox, planes)


def stacks(
    outcomes: Sequence[TileOutcome | Failure],
    tiles: Sequence[Tile],
    n_periods: int,
    areas: tuple[Area, ...],
    settings: config.Change,
    store: Store,
    radar: Sequence[RadarOutcome | Failure] = (),
) -> tuple[Stack, ...]:
    """Outcomes in the order tile by tile, period by period, gathered by tile."""
    pairs = [(o.composite_key, o.map_key) if isinstance(o, TileOutcome) else None for o in outcomes]
    backscatter = [o.key if isinstance(o, RadarOutcome) else "" for o in radar]
    found = []
    for i, tile in enumerate(tiles):
        own = slice(i * n_periods, (i + 1) * n_periods)
        found.append(Stack(tile, tuple(pairs[own]), areas, settings, store, tuple(backscatter[own])))
    return tuple(found)


class LazyTiles(Mapping[Tile, NDArray[Any]]):
    """Rasters of many tiles, each read by its key when asked for, so that a mosaic never lies in memory."""

    def __init__(self, names: Mapping[Tile, str], read: Callable[[Tile, str], NDArray[Any]]) -> None:
        self.names, self.read = dict(names), read

    def __getitem__(self, tile: Tile) -> NDArray[Any]:
        return self.read(tile, self.names[tile])

    def __iter__(self) -> Iterator[Tile]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)
