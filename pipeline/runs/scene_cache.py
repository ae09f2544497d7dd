"""Pixels of remote scenes, kept in the store: a scene is fetched once for a tile, whatever is asked of it later.

All planes of a scene on a tile and a margin around it are one COG in stage `scenes`: stored numbers as the source gave
them, before offsets and masks. So a changed threshold, mask, model or line of code fetches nothing again.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.io import MemoryFile
from rasterio.windows import Window

from pipeline.areas import TILE_PX, Tile
from pipeline.areas.lattice import PIXEL_M
from pipeline.errors import LatticeMismatch, SceneRejected, StoreError
from pipeline.imagery import BANDS, SCL, Bbox, RadarFinder, RadarList, RadarScene, Scene, SceneList, Source
from pipeline.imagery.ranges import plain_address
from pipeline.imagery.raster import epsg_of
from pipeline.runs.store import Store, content_key

SCENES = "scenes"
# Bump when the same file would give other stored numbers: kept pixels do not heed the version of the code.
RAW_FORMAT = 1
# A composite, and a window for dates, read 32 pixels of halo and 12 that masks reach by default; radar reads 2, up to
# 3 for speckle, and 50 of surroundings. So wide a margin holds them all (44 and 55 pixels), and lets the dilation of
# cloud grow to 160 m before anything is fetched anew.
MARGIN_PX = 64
_STEP_PX = 32
_BLOCK_PX = 256


@dataclass(frozen=True)
class Wanted:
    """What a task will read: a scene on a tile and `reach_px` around it; without a tile, all of it, thinned."""

    scene: Scene | RadarScene
    tile: Tile | None = None
    reach_px: int = 0
    bands: tuple[str, ...] = ()
    side_px: int = 0

    @property
    def margin_px(self) -> int:
        """What is fetched around the tile: at least the usual margin."""
        return max(MARGIN_PX, -(-self.reach_px // _STEP_PX) * _STEP_PX)

    @property
    def planes(self) -> tuple[str, ...]:
        """Names of what is kept, in its order."""
        if not isinstance(self.scene, Scene):
            return "VV", "VH"
        if self.tile is None:
            return self.bands
        return (*BANDS, SCL) if self.scene.has_scl else BANDS

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of what is fetched."""
        side = self.side_px if self.tile is None else TILE_PX + 2 * self.margin_px
        return side, side


class CachedSource:
    """A remote source behind the store. `failed` holds the reasons of reads that are not to be tried again, by key.

    Every read of a run is a box within a tile, grown alike on all sides: its centre lies in the tile it is about.
    """

    remote = True

    def __init__(self, source: Source, store: Store, failed: Mapping[str, str] | None = None) -> None:
        self.source = source
        self.store = store
        self.failed = dict(failed or {})
        self.name = source.name
        self._locks = _Locks()

    def find(self, bbox: Bbox, start: date, end: date) -> SceneList:
        """See Source."""
        return self.source.find(bbox, start, end)

    def read(self, scene: Scene, bands: Sequence[str], geobox: GeoBox) -> NDArray[np.uint16]:
        """See Source. All planes are fetched at first touch."""
        wanted = _about(scene, geobox)
        missing = [band for band in bands if band not in wanted.planes]
        if missing:
            raise SceneRejected(f"lacks {', '.join(missing)}; it has {', '.join(wanted.planes)}")
        planes: NDArray[np.uint16] = self._window(wanted, bands, geobox)
        return planes

    def overview(self, scene: Scene, bands: Sequence[str], side_px: int) -> NDArray[np.uint16]:
        """See Source."""
        wanted = Wanted(scene, bands=tuple(bands), side_px=side_px)
        planes: NDArray[np.uint16] = self._served(wanted, bands, None)
        return planes

    def keeps(self, wanted: Wanted) -> bool:
        """Whether what a task will read is in the store, whole."""
        return self._fits(self.store.seal(SCENES, self.key(wanted)), wanted)

    def bring(self, wanted: Wanted) -> None:
        """Have what a task will read in the store; raises SceneRejected, AccessRefused or StoreError."""
        with self._locks.of(self.key(wanted)):
            if not self.keeps(wanted):
                self._fetch(wanted)

    def holds(self, wanted: Wanted) -> bool:
        """Whether it seems to be in the store; its bytes are not looked at."""
        return self._fits(self.store.report(SCENES, self.key(wanted)), wanted)

    def knowing(self, failed: Mapping[str, str]) -> CachedSource:
        """The same source that does not try some reads again."""
        other = copy.copy(self)
        other.failed = {**self.failed, **failed}
        return other

    def key(self, wanted: Wanted) -> str:
        """Name of what is kept: the scene, its version and files, and the tile."""
        scene = wanted.scene
        if isinstance(scene, Scene):
            files = [[band, plain_address(a.href), a.index, a.scale] for band, a in sorted(scene.assets.items())]
        else:
            files = [[plain_address(band.href), band.scale, band.in_db] for band in scene.bands]
        return content_key(
            raw_format=RAW_FORMAT,
            source=self.name,
            scene=scene.id,
            version=scene.version,
            files=files,
            tile=None if wanted.tile is None else wanted.tile.id,
            thinned=[wanted.bands, wanted.side_px],
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_locks": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _locks=_Locks())

    def _fits(self, seal: Mapping[str, Any] | None, wanted: Wanted) -> bool:
        return seal is not None and (wanted.tile is None or seal.get("margin_px", -1) >= wanted.reach_px)

    def _window(self, wanted: Wanted, names: Sequence[str], geobox: GeoBox) -> NDArray[Any]:
        if wanted.tile is None or geobox.affine.a != PIXEL_M:
            raise LatticeMismatch(f"{geobox!r} is not on the lattice")
        return self._served(wanted, names, geobox)

    def _served(self, wanted: Wanted, names: Sequence[str], geobox: GeoBox | None) -> NDArray[Any]:
        planes = self._load(wanted, names, geobox)
        if planes is not None:
            return planes
        key = self.key(wanted)
        if key in self.failed:
            raise SceneRejected(self.failed[key])
        try:
            self.bring(wanted)
        except SceneRejected as error:
            self.failed[key] = str(error)
            raise
        planes = self._load(wanted, names, geobox)
        if planes is None:
            raise StoreError(f"stored {SCENES} {key[:12]} does not stay whole; check the disk, then run again")
        return planes

    def _load(self, wanted: Wanted, names: Sequence[str], geobox: GeoBox | None) -> NDArray[Any] | None:
        """Some planes on a geobox from the store; None if they are not there, not whole, or do not reach so far."""
        try:
            data = self.store.get(SCENES, self.key(wanted), ".tif")
        except StoreError:
            return None
        indexes = [wanted.planes.index(name) + 1 for name in names]
        with MemoryFile(data) as memory, memory.open(driver="GTiff") as raster:
            if geobox is None or wanted.tile is None:
                whole: NDArray[Any] = raster.read(indexes)
                return whole
            margin = (raster.height - TILE_PX) // 2
            if margin < wanted.reach_px:
                return None
            first = wanted.tile.padded(margin).affine
            col, row = (
                round((geobox.affine.c - first.c) / PIXEL_M),
                round((first.f - geobox.affine.f) / PIXEL_M),
            )
            planes: NDArray[Any] = raster.read(indexes, window=Window(col, row, geobox.width, geobox.height))
        return planes

    def _fetch(self, wanted: Wanted) -> None:
        scene, geobox = wanted.scene, None
        if wanted.tile is not None:
            geobox = wanted.tile.padded(wanted.margin_px)
        planes: NDArray[Any]
        if isinstance(scene, RadarScene):
            planes = cast(RadarFinder, self.source).read_radar(scene, cast(GeoBox, geobox))
        elif geobox is None:
            planes = self.source.overview(scene, wanted.bands, wanted.side_px)
        else:
            planes = self.source.read(scene, wanted.planes, geobox)
        report = {"scene": scene.id, "margin_px": wanted.margin_px}
        self.store.put_planes(SCENES, self.key(wanted), planes, geobox, wanted.planes, report, block_px=_BLOCK_PX)


class CachedRadarSource(CachedSource):
    """A remote source that has Sentinel-1, too."""

    def find_radar(self, bbox: Bbox, start: date, end: date, collection: str) -> RadarList:
        """See RadarFinder."""
        return cast(RadarFinder, self.source).find_radar(bbox, start, end, collection)

    def read_radar(self, scene: RadarScene, geobox: GeoBox) -> NDArray[np.int16]:
        """See RadarFinder."""
        planes: NDArray[np.int16] = self._window(_about(scene, geobox), ("VV", "VH"), geobox)
        return planes


def cached(source: Source, store: Store) -> Source:
    """The source itself, or behind the store if it is remote."""
    if not source.remote or isinstance(source, CachedSource):
        return source
    return (CachedRadarSource if isinstance(source, RadarFinder) else CachedSource)(source, store)


def _about(scene: Scene | RadarScene, geobox: GeoBox) -> Wanted:
    """The tile in which a box has its centre, and how far the box reaches beyond it, pixels."""
    height, width = geobox.shape
    left, top = round(geobox.affine.c / PIXEL_M), round(-geobox.affine.f / PIXEL_M)
    tile = Tile(epsg_of(geobox), (2 * left + width) // (2 * TILE_PX), -1 - (2 * top + height) // (2 * TILE_PX))
    first_row, first_col = tile.origin_px
    beyond = (first_col - left, first_row - top, left + width - first_col - TILE_PX, top + height - first_row - TILE_PX)
    return Wanted(scene, tile, max(0, *beyond))


class _Locks:
    """A lock for each name, in this process; across processes the last to write wins, with the same bytes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: dict[str, threading.Lock] = {}

    def of(self, name: str) -> threading.Lock:
        """The lock of a name."""
        with self._lock:
            return self._of.setdefault(name, threading.Lock())
