"""What every imagery source speaks: scenes, their assets, and the protocol that finds and reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

# The order of the band axis everywhere: arrays are (band, y, x) and stacks (time, band, y, x).
BANDS = ("B02", "B03", "B04", "B08", "B11", "B12")
SCL = "SCL"
NODATA = 65535  # uint16 planes; reflectance itself stays below it

Bbox = tuple[float, float, float, float]


@dataclass(frozen=True)
class Asset:
    """One raster of a scene: where it lies and, for a file of many bands, which one (counted from 1).

    `scale` turns what is stored into reflectance x 10 000: 1 for integers, 10 000 for reflectance from 0 to 1.
    """

    href: str
    index: int = 1
    scale: float = 1.0


@dataclass(frozen=True)
class Scene:
    """One acquisition of one granule, as its metadata describe it; holds no pixels.

    `version` changes when the provider reprocesses the scene, and enters every key of what is made from it.
    `offset` is what must be added to the stored numbers to get reflectance x 10 000 (0 or -1000);
    `offset_reason` names the metadata that decided it. `epsg` is None where only opening the file can tell.
    `granule` (MGRS name, with the datastrip where it is known) and `processed` (ISO time) tell two versions
    of one acquisition from two acquisitions. `bbox` is west, south, east, north in degrees.
    """

    id: str
    version: str
    acquired: datetime
    assets: Mapping[str, Asset] = field(default_factory=dict)
    offset: int = 0
    offset_reason: str = ""
    baseline: str | None = None
    platform: str = ""
    granule: str = ""
    processed: str = ""
    epsg: int | None = None
    cloud_cover: float | None = None
    bbox: Bbox | None = None

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


@dataclass(frozen=True)
class RequestCost:
    """What reading costs at a source: requests, processing units where it counts them, bytes about to come."""

    requests: int = 0
    processing_units: float = 0.0
    bytes: int = 0

    def __add__(self, other: RequestCost) -> RequestCost:
        return RequestCost(
            self.requests + other.requests,
            self.processing_units + other.processing_units,
            self.bytes + other.bytes,
        )


class Finder(Protocol):
    """What answers which scenes there are."""

    def find(self, bbox: Bbox, start: date, end: date) -> SceneList:
        """Scenes acquired from `start` to `end`, both included, that touch a lon/lat box; sorted by time, then id.

        Raises SourceUnavailable if the source cannot answer.
        """
        ...


class Source(Finder, Protocol):
    """A place that imagery comes from. Instances are picklable: tasks carry them to workers.

    What a `remote` source gave is kept in the store. Such a source may also tell what a read would cost (`cost` and
    `radar_cost`, see StacSource) and what it has spent so far (`spent`).
    """

    name: str
    remote: bool

    def read(self, scene: Scene, bands: Sequence[str], geobox: GeoBox) -> NDArray[np.uint16]:
        """Stored numbers of some bands on a lattice geobox, (band, y, x); 0 where the scene has no data.

        Offsets are not applied here. Raises SceneRejected if a band is missing, broken, or cannot be laid on
        the geobox.
        """
        ...

    def overview(self, scene: Scene, bands: Sequence[str], side_px: int) -> NDArray[np.uint16]:
        """The whole scene, thinned to at most `side_px` a side, stored numbers (band, y, x); 0 is no data.

        Raises SceneRejected as `read` does.
        """
        ...


def _acquisition(scene: Scene) -> tuple[str, str, datetime]:
    return scene.platform, scene.granule or scene.id, scene.acquired.replace(second=0, microsecond=0)


def namesakes(scenes: Sequence[Scene]) -> tuple[list[Scene], list[tuple[Scene, Skipped]]]:
    """Scenes whose id means one acquisition, and those that bear the id of another, as failed.

    Results and reports know a scene by its id: of two with one id, one would vanish without a word.
    """
    first: dict[str, Scene] = {}
    good: list[Scene] = []
    bad: list[tuple[Scene, Skipped]] = []
    for scene in scenes:
        if _acquisition(first.setdefault(scene.id, scene)) == _acquisition(scene):
            good.append(scene)
        else:
            reason = f"the scene of {scene.acquired:%Y-%m-%d %H:%M} bears the id of another; give each item its own"
            bad.append((scene, Skipped(scene.id, reason, failed=True)))
    return good, bad


def newest_versions(scenes: Sequence[Scene]) -> SceneList:
    """Scenes by time, then id; of two versions of one acquisition of one granule the latest processed is kept."""
    kept: dict[tuple[str, str, datetime], Scene] = {}
    skipped = []
    for scene in sorted(scenes, key=lambda s: (s.processed, s.baseline or "", s.id)):
        same = _acquisition(scene)
        if same in kept:
            skipped.append(Skipped(kept[same].id, f"an earlier version of {scene.id}"))
        kept[same] = scene
    ordered = sorted(kept.values(), key=lambda s: (s.acquired, s.id))
    return SceneList(tuple(ordered), tuple(sorted(skipped, key=lambda s: s.scene_id)))


def touches(a: Bbox, b: Bbox) -> bool:
    """Whether two lon/lat boxes meet; a box whose west lies east of its east crosses the antimeridian."""
    if a[1] > b[3] or b[1] > a[3]:
        return False
    return any(p[0] <= q[1] and q[0] <= p[1] for p in _lon_spans(a) for q in _lon_spans(b))


def _lon_spans(box: Bbox) -> tuple[tuple[float, float], ...]:
    west, _, east, _ = box
    return ((west, east),) if west <= east else ((west, 180.0), (-180.0, east))
