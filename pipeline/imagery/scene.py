"""What every imagery source speaks: scenes, their assets, and the protocol that finds and reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

# The order of the band axis everywhere: arrays are (band, y, x) and stacks (time, band, y, x).
BANDS = ("B02", "B03", "B04", "B08", "B11", "B12")
SCL = "SCL"
NODATA = 65535  # uint16 planes; reflectance itself stays below it


@dataclass(frozen=True)
class Asset:
    """One raster of a scene: where it lies and, for a file of many bands, which one (counted from 1)."""

    href: str
    index: int = 1


@dataclass(frozen=True)
class Scene:
    """One acquisition of one granule, as its metadata describe it; holds no pixels.

    `version` changes when the provider reprocesses the scene, and enters every key of what is made from it.
    `offset` is what must be added to the stored numbers to get reflectance x 10 000 (0 or -1000);
    `offset_reason` names the metadata that decided it. `epsg` and `origin` (easting and northing of the
    north-west corner, metres) are None where only opening the file can tell.
    """

    id: str
    version: str
    acquired: datetime
    assets: Mapping[str, Asset]
    offset: int = 0
    offset_reason: str = ""
    baseline: str | None = None
    platform: str = ""
    epsg: int | None = None
    cloud_cover: float | None = None
    bbox: tuple[float, float, float, float] | None = None

    @property
    def has_scl(self) -> bool:
        """Whether the scene brings a scene classification; without one, nodata alone is the mask."""
        return SCL in self.assets


@dataclass(frozen=True)
class Skipped:
    """A scene that was found and not used, with the reason; `failed` marks what should have worked."""

    scene_id: str
    reason: str
    failed: bool = False


@dataclass(frozen=True)
class SceneList:
    """What a search found: usable scenes by time, and the others with their reasons."""

    scenes: tuple[Scene, ...]
    skipped: tuple[Skipped, ...] = ()


class Source(Protocol):
    """A place that imagery comes from. Instances are picklable: tasks carry them to workers."""

    name: str

    def find(self, bbox: tuple[float, float, float, float], start: date, end: date) -> SceneList:
        """Scenes acquired from `start` to `end`, both included, that touch a lon/lat box; sorted by time, then id.

        Raises SourceUnavailable if the source cannot answer.
        """
        ...

    def read(self, scene: Scene, bands: Sequence[str], geobox: GeoBox) -> NDArray[np.uint16]:
        """Stored numbers of some bands on a lattice geobox, (band, y, x); 0 where the scene has no data.

        Offsets are not applied here. Raises SceneRejected if a band is missing, broken, or cannot be laid on
        the geobox.
        """
        ...
