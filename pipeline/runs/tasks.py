"""The work of one task: a scene checked, or one tile of one period read, masked, composited, classified and stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from pipeline import config
from pipeline.areas import Tile
from pipeline.disturbance import HALO_PX, Model
from pipeline.errors import SceneRejected
from pipeline.imagery import (
    NODATA,
    PLANE_NAMES,
    Composite,
    LookPlan,
    Scene,
    Skipped,
    Source,
    build_composite,
    check_scene,
)
from pipeline.imagery.masks import dilation_px
from pipeline.imagery.radiometry import OVERVIEW_PX, floor_bands
from pipeline.runs.keys import composite_key, map_key, scene_key
from pipeline.runs.scene_cache import Wanted
from pipeline.runs.store import Store, canonical_json
from pipeline.runs.terrain import TileTerrain

COMPOSITE, MAP, SCENE = "composite", "map", "scene"
_PROBABILITY_NAMES = ("bare workings x 10000", "pond in workings x 10000")


@dataclass(frozen=True)
class SceneTask:
    """Check one scene's stored numbers against the offset that its metadata declare."""

    scene: Scene
    source: Source
    store: Store

    def wanted(self) -> list[Wanted]:
        """The thinned look at it, unless it was found good before."""
        if self.store.report(SCENE, scene_key(self.scene)) is not None:
            return []
        return [Wanted(self.scene, bands=floor_bands(self.scene), side_px=OVERVIEW_PX)]


def run_scene(task: SceneTask) -> str | None:
    """The reason for which a scene must not be used, None if it may.

    Only a scene found good is remembered: one that could not be read for a passing fault is tried again.
    """
    key = scene_key(task.scene)
    if task.store.seal(SCENE, key) is not None:
        return None
    try:
        floor = check_scene(task.source, task.scene)
    except SceneRejected as error:
        return str(error)
    task.store.put(SCENE, key, canonical_json(floor).encode(), ".txt", {"scene": task.scene.id})
    return None


@dataclass(frozen=True)
class TileTask:
    """Everything that one tile of one period needs; picklable, so that it runs anywhere."""

    tile: Tile
    period: str
    looks: LookPlan
    settings: config.Imagery
    source: Source
    model: Path
    model_sha256: str
    store: Store
    terrain: TileTerrain | None = None

    @property
    def composite_key(self) -> str:
        """Key of the composite if every look can be read."""
        return composite_key(self.tile, self.looks, self.settings, HALO_PX)

    def map_key(self, composite: str) -> str:
        """Key of the map of a composite, with the terrain that the model is given."""
        return map_key(composite, self.model_sha256, self.terrain.identity if self.terrain else None)

    def wanted(self) -> list[Wanted]:
        """Every look on the tile and as far around it as the composite reads; nothing if it is stored."""
        if self.store.report(COMPOSITE, self.composite_key) is not None:
            return []
        reach = HALO_PX + dilation_px(self.settings)
        looks = self.looks.period + self.looks.before + self.looks.after
        return [Wanted(scene, self.tile, reach) for scene in looks if scene.epsg in (None, self.tile.epsg)]


@dataclass(frozen=True)
class TileOutcome:
    """What became of a task.

    `state` is "computed", "classified" (on a stored composite) or "reused"; `skipped` the scenes that dropped out
    while reading; the keys name what is stored, which differs from what was planned if a scene failed; `terrain` is
    what the model was given beside the bands.
    """

    tile: Tile
    period: str
    state: str
    composite_key: str
    map_key: str
    observed_share: float
    rescued_looks: int
    skipped: tuple[Skipped, ...]
    seconds: float
    terrain: TileTerrain | None = None


def run_tile(task: TileTask) -> TileOutcome:
    """Bring one tile of one period to a stored map of probabilities, doing only what is not there yet."""
    start = perf_counter()
    key = task.composite_key
    seal = task.store.seal(COMPOSITE, key)
    state = "classified"
    composite = None
    skipped: tuple[Skipped, ...] = ()  # what is stored under the planned key has every planned look
    if seal is None:
        state = "computed"
        composite, skipped = build_composite(task.source, task.tile.padded(HALO_PX), task.looks, task.settings)
        # A composite that lacks a broken scene is stored as what it is, so the next run tries that scene again.
        key = composite_key(task.tile, _without(task.looks, skipped), task.settings, HALO_PX)
        seal = {"rescued_looks": int(composite.cropped(HALO_PX).rescued.sum(dtype=np.int64))}
        task.store.put_planes(COMPOSITE, key, composite.to_planes(), composite.geobox, PLANE_NAMES, seal)
    probability_key = task.map_key(key)
    map_seal = task.store.seal(MAP, probability_key)
    if map_seal is None:
        map_seal = _classify(task, key, probability_key, composite)
    elif state == "classified":
        state = "reused"
    return TileOutcome(
        tile=task.tile,
        period=task.period,
        state=state,
        composite_key=key,
        map_key=probability_key,
        observed_share=map_seal["observed_share"],
        rescued_looks=seal["rescued_looks"],
        skipped=skipped,
        seconds=round(perf_counter() - start, 3),
        terrain=task.terrain,
    )


def _without(looks: LookPlan, skipped: tuple[Skipped, ...]) -> LookPlan:
    broken = {s.scene_id for s in skipped if s.failed}
    if not broken:
        return looks
    kept = {
        side: tuple(scene for scene in getattr(looks, side) if scene.id not in broken)
        for side in ("period", "before", "after")
    }
    return replace(looks, **kept)


def _classify(task: TileTask, key: str, probability_key: str, composite: Composite | None) -> dict[str, Any]:
    if composite is None:
        composite = Composite.from_planes(task.tile.padded(HALO_PX), task.store.get_planes(COMPOSITE, key))
    evidence = task.terrain.evidence(task.store, task.tile, HALO_PX) if task.terrain else None
    probability = cached_model(task.model, task.model_sha256).predict(composite.reflectance, HALO_PX, evidence)
    seal = {"observed_share": float(np.mean(probability[0] != NODATA))}
    task.store.put_planes(MAP, probability_key, probability, task.tile.geobox, _PROBABILITY_NAMES, seal)
    return seal


@lru_cache(maxsize=4)
def cached_model(path: Path, sha256: str) -> Model:
    """A worker reads its model once."""
    return Model.load(path, sha256)


def load_composite(store: Store, key: str, tile: Tile) -> Composite:
    """A stored composite on the tile, without its halo; raises StoreError."""
    return load_padded(store, key, tile).cropped(HALO_PX)


def load_padded(store: Store, key: str, tile: Tile) -> Composite:
    """A stored composite with its halo; raises StoreError."""
    return Composite.from_planes(tile.padded(HALO_PX), store.get_planes(COMPOSITE, key))
