"""What every imagery source speaks: scenes, their assets, and the protocol that finds and reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

# The order of the band axis everywhere: arrays are (band, y, x) and stacks (time, band, y, x).
BANDS = ("B02", "B03", "B04", "B08", "B11", "B12")
SCL = "SCL"
NODATA = 65535  # uint16 planes; reflectance itself stays below it

Bbox = tuple[float, float, float, float]

ONE_OVERPASS = timedelta(minutes=30)  # orbits are 100 minutes apart
_ONE_STRIP = timedelta(seconds=10)  # reprocessing moves the beginning of a datastrip by a few seconds
_COVERED = 0.9


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


def namesakes(scenes: Sequence[Scene]) -> tuple[list[Scene], list[tuple[Scene, Skipped]]]:
    """Scenes whose id means one acquisition, and those that bear the id of another, as failed.

    Results and reports know a scene by its id: of two with one id, one would vanish without a word.
    """
    first: dict[str, Scene] = {}
    good: list[Scene] = []
    bad: list[tuple[Scene, Skipped]] = []
    for scene in sorted(scenes, key=lambda s: (s.acquired, repr(s))):
        if _one_overpass(first.setdefault(scene.id, scene), scene):
            good.append(scene)
        else:
            reason = f"the scene of {scene.acquired:%Y-%m-%d %H:%M} bears the id of another; give each item its own"
            bad.append((scene, Skipped(scene.id, reason, failed=True)))
    return good, bad


def rank(scene: Scene) -> tuple[str, str, str, str]:
    """Of versions of one acquisition the highest is read: by baseline, then time of processing, then id."""
    return _baseline(scene), scene.processed, scene.id, scene.version


def newest_versions(scenes: Sequence[Scene]) -> SceneList:
    """Scenes by time, then id, without those whose ground a later version of the same acquisition covers.

    Two scenes are versions of one acquisition if one satellite took them of one granule in one overpass and their
    datastrips are not known to differ. Of those the highest by `rank` is kept, and of the others whatever reaches
    beyond it: parts of a granule are not versions of each other. The order of `scenes` does not matter.
    """
    kept: dict[str, list[Scene]] = {}
    skipped = []
    # Pages and searches may repeat a scene; what is left has an order of its own.
    once = {(s.id, s.version): s for s in sorted(scenes, key=repr)}
    for scene in sorted(once.values(), key=rank, reverse=True):
        others = kept.setdefault(_tile(scene) or scene.id, [])
        winner = next((other for other in others if _one_overpass(other, scene) and _replaces(other, scene)), None)
        if winner is None:
            others.append(scene)
        else:
            skipped.append(Skipped(scene.id, _why_not(scene, winner)))
    ordered = sorted((scene for group in kept.values() for scene in group), key=lambda s: (s.acquired, s.id))
    return SceneList(tuple(ordered), tuple(sorted(skipped, key=lambda s: (s.scene_id, s.reason))))


def _tile(scene: Scene) -> str:
    return scene.granule.partition(" ")[0]


def _strip(scene: Scene) -> datetime | None:
    """When the datastrip of a scene begins, where its granule says so."""
    try:
        return datetime.strptime(scene.granule.partition(" ")[2], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _baseline(scene: Scene) -> str:
    # Users who run Sen2Cor themselves get 99.99, which is newer than nothing.
    return scene.baseline if scene.baseline and scene.baseline != "99.99" else ""


def _one_overpass(a: Scene, b: Scene) -> bool:
    same_satellite = a.platform == b.platform or not a.platform or not b.platform
    # Some catalogues tell the time of the granule, some that of the whole datatake.
    return same_satellite and _tile(a) == _tile(b) and abs(a.acquired - b.acquired) <= ONE_OVERPASS


def _replaces(kept: Scene, scene: Scene) -> bool:
    """Whether the ground of a scene is that of one kept: the datastrip may be the same, and its box lies within."""
    ours, theirs = _strip(kept), _strip(scene)
    if ours and theirs and abs(ours - theirs) > _ONE_STRIP:
        return False
    return kept.bbox is None or scene.bbox is None or covers(kept.bbox, scene.bbox)


def covers(whole: Bbox, part: Bbox) -> bool:
    """Whether a lon/lat box lies in another, but for a tenth: catalogues draw the boxes of one product differently."""
    south, north = max(part[1], whole[1]), min(part[3], whole[3])
    spans = [(p, q) for p in _lon_spans(part) for q in _lon_spans(whole)]
    width = sum(max(min(p[1], q[1]) - max(p[0], q[0]), 0.0) for p, q in spans)
    area = sum(p[1] - p[0] for p in _lon_spans(part)) * (part[3] - part[1])
    return width * max(north - south, 0.0) >= _COVERED * area if area > 0 else touches(part, whole)


def _why_not(scene: Scene, winner: Scene) -> str:
    if scene.id == winner.id:
        return f"another collection has {winner.id} too, and that one is read"
    if (_baseline(scene), scene.processed) == (_baseline(winner), winner.processed):
        return f"the same version as {winner.id}, whose id comes later in the alphabet"
    return f"an earlier version of {winner.id} ({_made(scene)}; that is {_made(winner)})"


def _made(scene: Scene) -> str:
    return f"baseline {scene.baseline or 'unknown'} of {scene.processed[:19] or 'an unknown time'}"


def touches(a: Bbox, b: Bbox) -> bool:
    """Whether two lon/lat boxes meet; a box whose west lies east of its east crosses the antimeridian."""
    if a[1] > b[3] or b[1] > a[3]:
        return False
    return any(p[0] <= q[1] and q[0] <= p[1] for p in _lon_spans(a) for q in _lon_spans(b))


def _lon_spans(box: Bbox) -> tuple[tuple[float, float], ...]:
    west, _, east, _ = box
    return ((west, east),) if west <= east else ((west, 180.0), (-180.0, east))
