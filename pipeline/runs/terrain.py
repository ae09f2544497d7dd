"""Terrain in a run: where elevation comes from, the blocks that are stored, and what is handed to model and people."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from pipeline import config
from pipeline.areas import Tile, lonlat_bounds
from pipeline.change import RunRecord
from pipeline.config_file import ConfigFile
from pipeline.errors import AccessRefused, SourceUnavailable
from pipeline.imagery import (
    BLOCK_PX,
    GLO30_FILES,
    LAYERS,
    NODATA,
    Bbox,
    Block,
    DemFiles,
    ElevationSource,
    FolderSource,
    Skipped,
    Source,
    StacSource,
    folder_dem,
    in_units,
    open_source,
)
from pipeline.runs.execute import Failure
from pipeline.runs.keys import terrain_key
from pipeline.runs.store import Store

TERRAIN = "terrain"
TABLE = "terrain.csv"
_LAYER_NAMES = tuple(f"{name} x {scale}" for name, scale in LAYERS.items())
_COLUMNS = ("site_id", "period", *LAYERS)


@dataclass(frozen=True)
class TerrainPlan:
    """Where elevation comes from (None: nowhere), the blocks of the programme, and what the model was trained with.

    `skipped` are files that cannot serve, or the reason for which there is no elevation although it was asked for.
    """

    source: ElevationSource | None = None
    name: str = ""
    blocks: tuple[Block, ...] = ()
    wanted: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    @property
    def evidence(self) -> tuple[str, ...]:
        """The planes that the model was trained with and that terrain gives."""
        return tuple(name for name in self.wanted if name in LAYERS) if self.source else ()

    @property
    def missing(self) -> tuple[str, ...]:
        """The planes that the model was trained with and that the run does not give it."""
        return tuple(name for name in self.wanted if name not in self.evidence)

    @property
    def limits(self) -> tuple[str, ...]:
        """What stands beside the model's limits on map and report."""
        if not self.missing:
            return ()
        names = ", ".join(self.missing)
        return (f"The model was trained with {names}, which this run did not have: its figures do not hold here.",)

    @property
    def remote(self) -> bool:
        """Whether elevation is fetched."""
        if isinstance(self.source, DemFiles):
            return self.source.client is not None
        return bool(getattr(self.source, "remote", False))

    def files_near(self, block: Block) -> list[list[str]]:
        """Names and versions of the files that a block is made from."""
        if isinstance(self.source, DemFiles):
            return [[file.name, file.version] for file in self.source.near(block.window)]
        return [[self.name, ""]]


def plan_terrain(source: Source, file: ConfigFile, tiles: Sequence[Tile], wanted: Sequence[str]) -> TerrainPlan:
    """Find elevation for the tiles of a programme; `wanted` is the evidence that the model was trained with.

    Where it was not asked for by name and the source has none, the run goes on without and says so; what was asked
    for and is not there is named as failed. Raises BadInput for a folder that cannot serve, AccessRefused where the
    account may not.
    """
    settings, wanted = file.config.elevation, tuple(wanted)
    asked = settings.source is not None
    if settings.use == "off" or not (asked or any(name in LAYERS for name in wanted)):
        return TerrainPlan(wanted=wanted)
    blocks = tuple(sorted({Block.of(tile) for tile in tiles}))
    try:
        found = _open(source, file, [lonlat_bounds(block.epsg, block.window.pad(16)) for block in blocks])
    except AccessRefused as error:
        raise AccessRefused(f"{error}; or set elevation.use to off") from error
    except SourceUnavailable as error:
        return TerrainPlan(wanted=wanted, skipped=(_lost(f"{error}; or set elevation.use to off"),))
    if isinstance(found, DemFiles) and found.files:
        return TerrainPlan(found, found.name, blocks, wanted, found.skipped)
    if found is None or isinstance(found, DemFiles):
        lost = _lost("none is there; name a folder of GeoTIFFs or a STAC API in elevation.source")
        return TerrainPlan(wanted=wanted, skipped=(*(found.skipped if found else ()), *([lost] if asked else [])))
    # What a source serves may change with its settings: then it has a name for it, which enters every key.
    return TerrainPlan(found, str(getattr(found, "elevation_name", source.name)), blocks, wanted)


def _lost(reason: str) -> Skipped:
    return Skipped("elevation", reason, failed=True)


def _open(source: Source, file: ConfigFile, boxes: Sequence[Bbox]) -> ElevationSource | None:
    settings = file.config.elevation
    if settings.folder is not None:
        return folder_dem(file.base / settings.folder)
    if settings.source not in (None, "same"):
        api = config.StacSource(kind="stac", url=str(settings.source))
        opened = open_source(api, file.base, file.config.fetch)
        return opened.find_elevation(boxes, settings.collection) if isinstance(opened, StacSource) else None
    if isinstance(source, ElevationSource):
        return source
    if isinstance(source, StacSource):
        return source.find_elevation(boxes, settings.collection)
    return folder_dem(source.root, GLO30_FILES) if isinstance(source, FolderSource) else None


@dataclass(frozen=True)
class TerrainTask:
    """One block; picklable, so that it runs anywhere."""

    block: Block
    files: list[list[str]]
    drainage_km2: float
    source: ElevationSource
    store: Store

    @property
    def key(self) -> str:
        """Key of the block's layers."""
        return terrain_key(self.block, self.files, self.drainage_km2)


@dataclass(frozen=True)
class TerrainOutcome:
    """What became of a block: "computed" or "reused"; `known_share` is the share of its ground with elevation."""

    block: Block
    state: str
    key: str
    known_share: float
    seconds: float


def terrain_tasks(plan: TerrainPlan, settings: config.Elevation, store: Store) -> list[TerrainTask]:
    """The blocks of a programme; none where there is no elevation."""
    source = plan.source
    if source is None:
        return []
    return [TerrainTask(b, plan.files_near(b), settings.drainage_km2, source, store) for b in plan.blocks]


def run_terrain(task: TerrainTask) -> TerrainOutcome:
    """Bring a block to the store, if it is not there yet; raises SceneRejected if its elevation cannot be read."""
    start = perf_counter()
    key = task.key
    seal = task.store.seal(TERRAIN, key)
    state = "reused"
    if seal is None:
        state = "computed"
        layers = task.block.build(task.source, task.drainage_km2)
        seal = {"known_share": float((layers[0] != NODATA).mean())}
        task.store.put_planes(TERRAIN, key, layers, task.block.geobox, _LAYER_NAMES, seal)
    return TerrainOutcome(task.block, state, key, seal["known_share"], round(perf_counter() - start, 3))


@dataclass(frozen=True)
class TileTerrain:
    """The stored block of a tile, and the layers that the model is given of it."""

    key: str
    names: tuple[str, ...]

    @property
    def identity(self) -> tuple[str, tuple[str, ...]]:
        """What enters the keys of what the model makes of it."""
        return self.key, self.names

    def evidence(self, store: Store, tile: Tile, halo: int) -> dict[str, NDArray[np.float32]]:
        """Planes (512 + 2 halo, 512 + 2 halo) by name; surroundings have none, for only the bands are read there."""
        layers = in_units(load_terrain(store, self.key, tile))
        return {name: np.pad(layers[name], halo, constant_values=np.nan) for name in self.names}


def terrain_of(plan: TerrainPlan, keys: Mapping[Block, str], tile: Tile) -> TileTerrain | None:
    """What the model is given on a tile; None if it wants no terrain, or there is none."""
    key = keys.get(Block.of(tile))
    return TileTerrain(key, plan.evidence) if key and plan.evidence else None


def terrain_keys(outcomes: Sequence[TerrainOutcome | Failure]) -> dict[Block, str]:
    """The key of each block that is stored."""
    return {outcome.block: outcome.key for outcome in outcomes if isinstance(outcome, TerrainOutcome)}


def load_terrain(store: Store, key: str, tile: Tile) -> NDArray[np.uint16]:
    """Stored layers of a tile, (3, 512, 512); raises StoreError."""
    return Block.of(tile).on_tile(store.get_planes(TERRAIN, key), tile)


def terrain_csv(record: RunRecord, keys: Mapping[Block, str], store: Store) -> str:
    """Medians of each layer over the ground that each site held in each period; empty where none of it is known."""
    read = lru_cache(maxsize=8)(lambda block: store.get_planes(TERRAIN, keys[block]))
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for site in record.sites:
        epsg, row, first, length, pattern = np.array(site.ground, np.int64).reshape(-1, 5).T
        each = np.repeat(np.arange(length.size), length)
        col = first[each] + np.arange(each.size) - np.repeat(np.cumsum(length) - length, length)
        values = _at(np.stack([epsg[each], row[each], col]), keys, read)
        held = np.array([[mark == "1" for mark in marks] for marks in site.patterns])[pattern[each]]
        for period, own in zip(record.periods, held.T, strict=True):
            if own.any():
                medians = [_median(plane[own], name) for name, plane in values.items()]
                rows.writerow([site.site_id, period.name, *medians])
    return text.getvalue()


def _at(
    pixels: NDArray[np.int64], keys: Mapping[Block, str], read: Callable[[Block], NDArray[np.uint16]]
) -> dict[str, NDArray[np.float32]]:
    """Layers by name at pixels (3, n) of EPSG code, row and column; NaN where unknown."""
    out = np.full((len(LAYERS), pixels.shape[1]), NODATA, np.uint16)
    _, row, col = pixels
    corner = np.stack([pixels[0], row // BLOCK_PX, col // BLOCK_PX])
    for place in np.unique(corner, axis=1).T:
        block = Block.holding(int(place[0]), int(place[1]) * BLOCK_PX, int(place[2]) * BLOCK_PX)
        if block in keys:
            own = np.flatnonzero((corner == place[:, np.newaxis]).all(axis=0))
            out[:, own] = block.at(read(block), row[own], col[own])
    return in_units(out)


def _median(plane: NDArray[np.float32], name: str) -> str:
    known = plane[np.isfinite(plane)]
    return f"{np.median(known):.{len(str(LAYERS[name])) - 1}f}" if known.size else ""


def terrain_note(plan: TerrainPlan, outcomes: Sequence[TerrainOutcome | Failure]) -> dict[str, object]:
    """For the manifest: where elevation came from, what the model was given of it, and each block."""
    rows = []
    for block, outcome in zip(plan.blocks, outcomes, strict=True):
        row: dict[str, object] = {"block": block.id, "files": [name for name, _ in plan.files_near(block)]}
        if isinstance(outcome, Failure):
            row |= {"state": "failed", "reason": outcome.reason}
        else:
            share = round(outcome.known_share, 6)
            row |= {"state": outcome.state, "known_share": share, "terrain": outcome.key, "seconds": outcome.seconds}
        rows.append(row)
    return {
        "source": plan.name or None,
        "files": dict(sorted({(name, version) for b in plan.blocks for name, version in plan.files_near(b)})),
        "given_to_model": list(plan.evidence),
        "missing_for_model": list(plan.missing),
        "blocks": rows,
    }
