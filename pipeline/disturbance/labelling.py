"""Labels from drawn ground on composites of any source of imagery.

Around each block of labelled ground lie HALO_PX pixels of surroundings, so its pixels are seen as they are on a map.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.config import Imagery, Period
from pipeline.disturbance.drawing import Drawn, draw, read_ground
from pipeline.disturbance.features import HALO_PX
from pipeline.disturbance.labels import OTHER, UNSURE, Labels, Provenance
from pipeline.disturbance.progress import Progress, Quiet
from pipeline.disturbance.regions import Region, block_of, regions_of
from pipeline.disturbance.scores import PATCH_SHARE
from pipeline.errors import BadInput, Problems, SceneRejected
from pipeline.imagery import (
    Bbox,
    FolderSource,
    LookPlan,
    Scene,
    SceneList,
    Source,
    build_composite,
    check_scene,
    choose_looks,
    namesakes,
    touches,
)

WINDOW_DAYS = 60
_NO_MINING_SHARE = 0.95  # of a block labelled as other before the block as a whole counts as without mining
_SIMULATED = "scenario.json"  # what an archive of `placerwatch simulate` holds


def build_labels(
    path: Path,
    source: Source,
    settings: Imagery,
    *,
    window_days: int = WINDOW_DAYS,
    regions: Sequence[Region] = (),
    progress: Progress | None = None,
) -> Labels:
    """Labels of a GeoJSON file on composites of the clear looks within `window_days` of each day drawn.

    Scenes are chosen, checked, masked and composed as for a map (`settings`), season apart. Ground without a clear
    look is left out and named in `provenance.left_out`; so are features that hold no pixel's centre. A region is that
    of `regions`, else the feature's own, else its block of `regions.BLOCKS`.

    Raises Problems or BadInput if the file is faulty or nothing is left, SourceUnavailable if the source is away.
    """
    progress = progress or Quiet()
    if not 0 <= window_days <= 366:
        raise BadInput(f"--window-days {window_days}: expected 0 to 366 days")
    drawn, without = draw(read_ground(path))
    left_out = [f"{item}: no pixel's centre lies in it; draw it larger or as a point" for item in without]
    looks = _Looks(source, drawn, settings, window_days)
    patches: list[_Patch] = []
    with progress.step("labelled ground", len(drawn)) as advance:
        for item in drawn:
            patch = looks.compose(item)
            if patch is not None:
                patches.append(patch)
            else:
                numbers = ", ".join(str(feature.number) for feature in item.ground)
                left_out.append(f"block {item.block.name} on {item.day} (features {numbers}): no clear look")
            advance()
    left_out += [f"scene {scene_id}: {reason}" for scene_id, reason in sorted(looks.rejected.items())]
    if not patches:
        raise Problems(f"labels in {path}: nothing to learn from", left_out or ["no ground is labelled"])
    return _labels(path, patches, source, window_days, regions, left_out)


@dataclass(frozen=True)
class _Patch:
    """Reflectance (6, 112, 112) around a block, its mask (112, 112), first and last day looked at."""

    drawn: Drawn
    reflectance: NDArray[np.uint16]
    mask: NDArray[np.uint8]
    days: NDArray[np.datetime64]


@dataclass(frozen=True)
class _Found:
    """The answer of a search, asked again from memory."""

    scenes: tuple[Scene, ...]

    def find(self, bbox: Bbox, start: date, end: date) -> SceneList:
        return SceneList(tuple(scene for scene in self.scenes if scene.bbox is None or touches(scene.bbox, bbox)))


class _Looks:
    """Looks around each day drawn, with one search for what lies close together."""

    def __init__(self, source: Source, drawn: Sequence[Drawn], settings: Imagery, window_days: int) -> None:
        self.source, self.window = source, timedelta(days=window_days)
        # The looks around the season serve change, not the classifier.
        self.settings = settings.model_copy(update={"season_days": 0})
        self.rejected: dict[str, str] = {}
        self._checked: set[str] = set()
        self._boxes: dict[tuple[int, int, date], list[Bbox]] = {}
        for item in drawn:
            self._boxes.setdefault(_near(item), []).append(item.block.box)
        self._answers: dict[tuple[int, int, date], _Found] = {}

    def compose(self, item: Drawn) -> _Patch | None:
        """The composite around a block's day, None if nothing labelled is seen."""
        period = Period(name="labels", start=item.day - self.window, end=item.day + self.window)
        found = self._found(_near(item), period)
        looks, _ = choose_looks(found, item.block.box, period, period.end, self.settings, item.block.epsg)
        looks = LookPlan(tuple(scene for scene in looks.period if self._is_fine(scene)))
        composite, skipped = build_composite(self.source, item.block.geobox.pad(HALO_PX), looks, self.settings)
        self.rejected.update({one.scene_id: one.reason for one in skipped if one.failed})
        mask = np.pad(item.mask, HALO_PX, constant_values=UNSURE)
        mask[~composite.observed] = UNSURE
        labelled = mask != UNSURE
        if not labelled.any():
            return None
        first, last = composite.days[0][labelled].min(), composite.days[3][labelled].max()
        return _Patch(item, composite.reflectance, mask, np.array([first, last]).astype("M8[D]"))

    def _found(self, near: tuple[int, int, date], period: Period) -> _Found:
        if near not in self._answers:
            west, south, east, north = np.array(self._boxes[near]).T
            box = (float(west.min()), float(south.min()), float(east.max()), float(north.max()))
            answer = self.source.find(box, period.start, period.end)
            good, bad = namesakes(answer.scenes)
            self.rejected.update({one.scene_id: one.reason for one in answer.skipped if one.failed})
            self.rejected.update({one.scene_id: one.reason for _, one in bad})
            self._answers[near] = _Found(tuple(good))
        return self._answers[near]

    def _is_fine(self, scene: Scene) -> bool:
        if scene.id not in self._checked:
            self._checked.add(scene.id)
            try:
                check_scene(self.source, scene)
            except SceneRejected as error:
                self.rejected[scene.id] = str(error)
        return scene.id not in self.rejected


def _near(item: Drawn) -> tuple[int, int, date]:
    lon, lat = item.block.centre
    return math.floor(4 * lon), math.floor(4 * lat), item.day


def _labels(
    path: Path,
    patches: Sequence[_Patch],
    source: Source,
    window_days: int,
    regions: Sequence[Region],
    left_out: Sequence[str],
) -> Labels:
    lonlat = np.array([patch.drawn.block.centre for patch in patches])
    mask = np.stack([patch.mask for patch in patches])
    ground = [patch.drawn.ground for patch in patches]
    if regions:
        region = regions_of(lonlat, regions)
    else:
        own = (next((g.region for g in items if g.region), "") for items in ground)
        region = [name or block_of(*at) for name, at in zip(own, lonlat, strict=True)]
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Labels.of(
        np.stack([patch.reflectance for patch in patches]),
        mask,
        lonlat,
        verdict=[_verdict(one[HALO_PX:-HALO_PX, HALO_PX:-HALO_PX]) for one in mask],
        note=["; ".join(dict.fromkeys(g.note for g in items if g.note)) for items in ground],
        region=region,
        place=[patch.drawn.block.name for patch in patches],
        time=[patch.drawn.day.isoformat() for patch in patches],
        windows=np.stack([patch.days for patch in patches]),
        halo_px=HALO_PX,
        provenance=Provenance(
            files={path.name: sha256},
            labels_sha256=sha256,
            origin=(
                f"Ground drawn in {path.name}, on medians of the clear Sentinel-2 looks within {window_days} days of "
                f"the day drawn (source: {source.name}). Licence of the labels: as their owner states."
            ),
            simulated=_is_simulated(source),
            left_out=tuple(left_out),
        ),
    )


def _verdict(mask: NDArray[np.uint8]) -> str:
    """The block as a whole: told where enough of it is labelled to tell."""
    sure = mask != UNSURE
    if (sure & (mask != OTHER)).mean() > PATCH_SHARE:
        return "mining"
    return "no_mining" if (mask == OTHER).mean() >= _NO_MINING_SHARE else "unsure"


def _is_simulated(source: Source) -> bool:
    return source.name == "simulation" or (isinstance(source, FolderSource) and (source.root / _SIMULATED).is_file())


def holds_features(path: Path) -> bool:
    """Whether a path is a GeoJSON file rather than a folder of arrays, by its name."""
    return path.suffix.lower() in (".geojson", ".json")
