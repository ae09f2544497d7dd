"""Single looks at small windows: each scene around an opening read, masked, classified and stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from pipeline import config
from pipeline.areas import TILE_PX, Tile
from pipeline.disturbance import HALO_PX
from pipeline.imagery import NODATA, Scene, Skipped, Source
from pipeline.imagery.masks import clear_looks, dilation_px
from pipeline.imagery.stack import read_stack
from pipeline.runs.keys import window_key
from pipeline.runs.scene_cache import Wanted
from pipeline.runs.store import Store
from pipeline.runs.tasks import cached_model
from pipeline.runs.terrain import TileTerrain

LOOKS = "looks"
# The network looks at squares of pixels; windows that begin on this grid are classified as the whole tile would be.
GRID_PX = 16
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class WindowTask:
    """A window of a tile, its rows and columns (top, bottom, left, right), and the scenes to read, span by span.

    Spans follow each other in time: the earlier period, what lies between, the later period. The safeguard for
    bright ground compares the looks of one span, as the composite of a period does.
    """

    tile: Tile
    box: Box
    spans: tuple[tuple[Scene, ...], ...]
    settings: config.Imagery
    source: Source
    model: Path
    model_sha256: str
    store: Store
    terrain: TileTerrain | None = None

    def wanted(self) -> list[Wanted]:
        """Every look on the tile, as its composites want it; nothing if the window is stored."""
        if self.store.report(LOOKS, _key(self, self.spans)) is not None:
            return []
        reach = HALO_PX + dilation_px(self.settings)
        looks = [scene for span in self.spans for scene in span]
        return [Wanted(scene, self.tile, reach) for scene in looks if scene.epsg in (None, self.tile.epsg)]


@dataclass(frozen=True)
class WindowOutcome:
    """What became of a window: the key of its looks (None where there were none), their days since 1970-01-01."""

    key: str | None
    days: tuple[int, ...]
    scenes: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    reused: bool
    seconds: float


def read_window(task: WindowTask) -> WindowOutcome:
    """Bring the looks at a window to the store: probability of disturbance x 10 000, (look, y, x), NODATA if not clear.

    A result that lacks a broken scene is stored as what it is, so the next run tries that scene again.
    """
    start = perf_counter()
    key = _key(task, task.spans)
    seal = task.store.seal(LOOKS, key)
    skipped: tuple[Skipped, ...] = ()
    spans = task.spans
    if seal is None:
        days, planes, skipped = _looks(task)
        broken = {item.scene_id for item in skipped if item.failed}
        spans = tuple(tuple(scene for scene in span if scene.id not in broken) for span in spans)
        if not days:
            return WindowOutcome(None, (), (), skipped, False, round(perf_counter() - start, 3))
        key = _key(task, spans)
        top, bottom, left, right = task.box
        names = [f"probability of workings x 10000, day {day}" for day in days]
        geobox = task.tile.geobox[top:bottom, left:right]
        task.store.put_planes(LOOKS, key, planes, geobox, names, {"days": days})
        seal = {"days": days}
        reused = False
    else:
        reused = True
    scenes = tuple(scene.id for span in spans for scene in span)
    return WindowOutcome(key, tuple(seal["days"]), scenes, skipped, reused, round(perf_counter() - start, 3))


def _key(task: WindowTask, spans: Sequence[Sequence[Scene]]) -> str:
    evidence = task.terrain.identity if task.terrain else None
    return window_key(task.tile, task.box, spans, task.settings, task.model_sha256, evidence)


def _looks(task: WindowTask) -> tuple[list[int], NDArray[np.uint16], tuple[Skipped, ...]]:
    model = cached_model(task.model, task.model_sha256)
    top, bottom, left, right = task.box
    margin = dilation_px(task.settings)
    wide = task.tile.geobox[top:bottom, left:right].pad(HALO_PX + margin)
    evidence = None
    if task.terrain:
        whole = task.terrain.evidence(task.store, task.tile, HALO_PX)
        evidence = {n: p[top : bottom + 2 * HALO_PX, left : right + 2 * HALO_PX] for n, p in whole.items()}
    days: list[int] = []
    planes: list[NDArray[np.uint16]] = []
    skipped: tuple[Skipped, ...] = ()
    inner = np.s_[..., margin : wide.shape[0] - margin, margin : wide.shape[1] - margin]
    for span in task.spans:
        stack, lost = read_stack(task.source, span, wide, 1)
        skipped += lost
        clear, _ = clear_looks(stack.reflectance, stack.valid, stack.scl, task.settings, 1)
        for day, reflectance, seen in zip(stack.days.tolist(), stack.reflectance, clear, strict=True):
            look = np.where(seen, reflectance, NODATA)[inner]
            if not seen[inner][HALO_PX:-HALO_PX, HALO_PX:-HALO_PX].any():
                continue
            bare, pond = model.predict(np.ascontiguousarray(look), HALO_PX, evidence)
            days.append(day)
            planes.append(np.where(bare == NODATA, NODATA, bare + pond).astype(np.uint16))
    return days, np.stack(planes) if planes else np.empty((0, bottom - top, right - left), np.uint16), skipped


def boxes(masks: Sequence[NDArray[np.bool_]]) -> tuple[Box, ...]:
    """Windows that cover every set pixel of some masks (512, 512) of a tile, on the grid of GRID_PX, sorted.

    Windows whose surroundings overlap so much that one costs no more than two are joined.
    """
    found: list[Box] = []
    for box in sorted(_box(mask) for mask in masks if mask.any()):
        while other := next((kept for kept in found if _cost(_both(kept, box)) <= _cost(kept) + _cost(box)), None):
            found.remove(other)
            box = _both(other, box)
        found.append(box)
    return tuple(sorted(found))


def _both(a: Box, b: Box) -> Box:
    return min(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), max(a[3], b[3])


def covers(box: Box, mask: NDArray[np.bool_]) -> bool:
    """Whether a window holds every set pixel of a mask (512, 512)."""
    top, bottom, left, right = box
    return bool(mask.any()) and int(mask[top:bottom, left:right].sum()) == int(mask.sum())


def _cost(box: Box) -> int:
    return (box[1] - box[0] + 2 * HALO_PX) * (box[3] - box[2] + 2 * HALO_PX)


def _box(mask: NDArray[np.bool_]) -> Box:
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = (int(index[0]) // GRID_PX * GRID_PX for index in (rows, cols))
    bottom, right = (min(-(-(int(index[-1]) + 1) // GRID_PX) * GRID_PX, TILE_PX) for index in (rows, cols))
    return top, bottom, left, right
