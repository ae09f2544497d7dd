"""The stack of looks of one tile: scenes read in threads, calibrated, and joined by overpass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from pipeline.config import Imagery
from pipeline.errors import SceneRejected
from pipeline.imagery.looks import other_zone
from pipeline.imagery.masks import NO_SCL, clear_look
from pipeline.imagery.median import greener
from pipeline.imagery.parallel import each
from pipeline.imagery.radiometry import calibrate
from pipeline.imagery.raster import epsg_of
from pipeline.imagery.scene import BANDS, NODATA, ONE_OVERPASS, SCL, Scene, Skipped, Source, rank

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Stack:
    """Looks by time: reflectance (time, band, y, x) x 10 000, valid and scl (time, y, x), days (time,) since 1970."""

    reflectance: NDArray[np.uint16]
    valid: NDArray[np.bool_]
    scl: NDArray[np.uint8]
    days: NDArray[np.uint16]


def read_stack(
    source: Source, scenes: Sequence[Scene], geobox: GeoBox, threads: int
) -> tuple[Stack, tuple[Skipped, ...]]:
    """The looks that some scenes give on a geobox; scenes that cannot be read are left out and named."""
    passes, skipped = overpasses(scenes, epsg_of(geobox))
    shape = len(passes), *geobox.shape
    reflectance = np.empty((len(passes), len(BANDS), *geobox.shape), dtype=np.uint16)
    valid, scl = np.zeros(shape, dtype=np.bool_), np.full(shape, NO_SCL, dtype=np.uint8)

    def fill(k: int) -> tuple[Skipped, ...]:
        return _read_pass(source, passes[k], BANDS, geobox, reflectance[k], valid[k], scl[k])

    lost = tuple(chain.from_iterable(each(fill, len(passes), threads)))
    days = np.array([(group[0].acquired - _EPOCH).days for group in passes], dtype=np.uint16)
    return Stack(reflectance, valid, scl, days), skipped + lost


def greenest_look(
    source: Source, scenes: Sequence[Scene], near: Sequence[Scene], geobox: GeoBox, settings: Imagery, threads: int
) -> tuple[NDArray[np.uint16], NDArray[np.uint16], tuple[Skipped, ...]]:
    """(NDVI + 1) x 10 000 of the greenest clear look (y, x), 65535 where there is none; and scenes left out.

    Between the two, how many clear looks (y, x) lie at least `season_distance_days` from every look in `near`.
    """
    passes, skipped = overpasses(scenes, epsg_of(geobox))
    distance = timedelta(days=settings.season_distance_days)
    best = np.full((threads, *geobox.shape), NODATA, dtype=np.uint16)
    count = np.zeros_like(best)

    def fill(worker: int) -> tuple[Skipped, ...]:
        lost: tuple[Skipped, ...] = ()
        for group in passes[worker::threads]:
            pair = np.empty((2, *geobox.shape), dtype=np.uint16)
            valid, scl = np.zeros(geobox.shape, dtype=np.bool_), np.full(geobox.shape, NO_SCL, dtype=np.uint8)
            lost += _read_pass(source, group, ("B04", "B08"), geobox, pair, valid, scl)
            clear = clear_look(valid, scl, settings)
            greener(pair[0], pair[1], clear, best[worker])
            if all(abs(group[0].acquired - look.acquired) >= distance for look in near):
                count[worker] += clear
        return lost

    lost = chain.from_iterable(each(fill, threads, threads))
    # 65535 is no data, and one more than it is 0, so the largest wins and no data loses.
    greenest = (best + np.uint16(1)).max(axis=0) - np.uint16(1)
    return greenest, count.sum(axis=0, dtype=np.uint16), skipped + tuple(sorted(lost, key=lambda s: s.scene_id))


def overpasses(scenes: Sequence[Scene], epsg: int) -> tuple[list[list[Scene]], tuple[Skipped, ...]]:
    """Scenes of one UTM zone in groups by overpass (one satellite within half an hour), by time; and the others."""
    skipped = tuple(other_zone(scene, epsg) for scene in scenes if scene.epsg not in (None, epsg))
    groups: list[list[Scene]] = []
    latest: dict[str, list[Scene]] = {}
    for scene in sorted((s for s in scenes if s.epsg in (None, epsg)), key=lambda s: (s.acquired, s.id)):
        group = latest.get(scene.platform)
        if group is None or scene.acquired - group[0].acquired > ONE_OVERPASS:
            group = latest[scene.platform] = []
            groups.append(group)
        group.append(scene)
    return groups, skipped


def _read_pass(
    source: Source,
    scenes: Sequence[Scene],
    bands: Sequence[str],
    geobox: GeoBox,
    out: NDArray[np.uint16],
    valid: NDArray[np.bool_],
    scl: NDArray[np.uint8],
) -> tuple[Skipped, ...]:
    """Fill one look in place: `out` (band, y, x) x 10 000, `valid` and `scl` (y, x); the newest versions go first."""
    out[:] = NODATA
    lost = []
    for scene in sorted(scenes, key=lambda s: rank(s)[:2], reverse=True):
        try:
            stored = source.read(scene, (*bands, SCL) if scene.has_scl else bands, geobox)
        except SceneRejected as error:
            lost.append(Skipped(scene.id, str(error), failed=True))
            continue
        fresh = calibrate(stored[: len(bands)], scene.offset, out, valid)
        if scene.has_scl:
            # Cloud too bright to be measured casts its dilation all the same.
            np.copyto(scl, stored[-1], where=fresh | (~valid & (stored[-1] != 0)), casting="unsafe")
    return tuple(lost)
