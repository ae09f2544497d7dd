"""What sources on disk have in common: they are listed once, and asked from memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from pipeline.errors import SourceUnavailable
from pipeline.imagery.radar_items import RadarScene
from pipeline.imagery.reading import overview_assets, read_assets
from pipeline.imagery.scene import Bbox, Scene, SceneList, Skipped, newest_versions, touches


@dataclass(frozen=True)
class Lost:
    """A scene on disk that cannot be used, with its time and lon/lat box where they are known."""

    skipped: Skipped
    acquired: datetime | None = None
    bbox: Bbox | None = None


class ListedSource(ABC):
    """Scenes below a folder, listed once per instance; see Source."""

    remote = False

    def __init__(self, root: Path, name: str) -> None:
        self.root = root.resolve()
        self.name = name
        self._listed: tuple[list[Scene], list[Lost]] | None = None

    @abstractmethod
    def _list(self) -> tuple[list[Scene], list[Lost]]:
        """All scenes of the folder, and what cannot be used; raises SourceUnavailable."""

    def find(self, bbox: Bbox, start: date, end: date) -> SceneList:
        """See Source. What cannot be dated or placed is reported by every search."""
        if self._listed is None:
            self._listed = self._list()
        scenes, lost = self._listed
        kept = newest_versions([scene for scene in scenes if within(scene, bbox, start, end)])
        return SceneList(kept.scenes, (*reported(lost, bbox, start, end), *kept.skipped))

    def read(self, scene: Scene, bands: Sequence[str], geobox: GeoBox) -> NDArray[np.uint16]:
        """See Source."""
        return read_assets(scene, bands, geobox)

    def overview(self, scene: Scene, bands: Sequence[str], side_px: int) -> NDArray[np.uint16]:
        """See Source."""
        return overview_assets(scene, bands, side_px)

    def _require_folder(self) -> None:
        if not self.root.is_dir():
            raise SourceUnavailable(f"imagery folder {self.root} does not exist; check source.path in the config")


def within(scene: Scene | RadarScene, bbox: Bbox, start: date, end: date) -> bool:
    """Whether a scene was acquired in a span of days, both included, and touches a lon/lat box."""
    return start <= scene.acquired.date() <= end and (scene.bbox is None or touches(scene.bbox, bbox))


def reported(lost: Sequence[Lost], bbox: Bbox, start: date, end: date) -> list[Skipped]:
    """What must be said of scenes that cannot be used: those of the place and time, and those of unknown ones."""
    return [
        one.skipped
        for one in lost
        if (one.acquired is None or start <= one.acquired.date() <= end)
        and (one.bbox is None or touches(one.bbox, bbox))
    ]
