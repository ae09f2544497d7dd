"""Sentinel-1 scenes: from a STAC item of radiometrically terrain-corrected backscatter to what a run needs of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from pipeline.errors import SceneRejected
from pipeline.imagery.items import acquired_at, bbox_of, href_of, iso_time, object_of, scene_id, text_of
from pipeline.imagery.scene import Bbox, Skipped, covers

POLARISATIONS = ("vv", "vh")
ORBITS = ("ascending", "descending")
_LAUNCH, _RETIRED = datetime(2014, 4, 3, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_ONE_SLICE = timedelta(seconds=2)  # slices of a pass follow each other by 25 seconds
_DECIBEL = frozenset({"db", "decibel", "decibels"})


@dataclass(frozen=True)
class Backscatter:
    """The raster of one polarisation; stored numbers times `scale` are dB if `in_db`, else linear power (gamma0)."""

    href: str
    scale: float = 1.0
    in_db: bool = False


@dataclass(frozen=True)
class RadarScene:
    """One acquisition, as its metadata describe it; `bands` in the order of POLARISATIONS.

    `track` is the relative orbit (1 to 175), 0 where the item does not say. Looks from one track see the ground
    under one angle and can be compared; `version` enters every key of what is made from the scene. `processed` (ISO
    time) tells which of two versions of a slice is the later.
    """

    id: str
    version: str
    acquired: datetime
    orbit: str
    track: int
    bands: tuple[Backscatter, ...]
    platform: str = ""
    bbox: Bbox | None = None
    processed: str = ""

    @property
    def line(self) -> str:
        """The track with its direction, such as "ascending 029": what one minimum is taken over."""
        return f"{self.orbit} {self.track:03d}"


@dataclass(frozen=True)
class RadarList:
    """What a search found: usable scenes by time, and the others with their reasons."""

    scenes: tuple[RadarScene, ...]
    skipped: tuple[Skipped, ...] = ()


@runtime_checkable
class RadarFinder(Protocol):
    """A source that may have Sentinel-1 beside its optical scenes. Instances are picklable, as those of Source."""

    def find_radar(self, bbox: Bbox, start: date, end: date, collection: str) -> RadarList:
        """Scenes acquired from `start` to `end`, both included, that touch a lon/lat box; sorted by time, then id.

        Raises SourceUnavailable if the source cannot answer.
        """
        ...

    def read_radar(self, scene: RadarScene, geobox: GeoBox) -> NDArray[np.int16]:
        """Backscatter on a lattice geobox, (2, y, x) in VV and VH: dB x 100, -32768 where there is none.

        Raises SceneRejected if a polarisation is broken or cannot be laid on the geobox.
        """
        ...


def is_radar(item: Mapping[str, Any]) -> bool:
    """Whether an item is of a synthetic aperture radar, usable or not."""
    properties, assets = item.get("properties"), item.get("assets")
    told = isinstance(properties, Mapping) and any(str(key).startswith("sar:") for key in properties)
    return told or (isinstance(assets, Mapping) and any(_key(assets, band) for band in POLARISATIONS))


def unwanted(item: Mapping[str, Any]) -> str | None:
    """Why a sound item is of no use, None if it is: another mode of the instrument, or one polarisation only."""
    properties, assets = object_of(item, "properties"), object_of(item, "assets")
    mode = properties.get("sar:instrument_mode", "IW")
    if mode != "IW":
        return f"instrument mode {str(mode)[:20]!r}; IW is read"
    missing = [band.upper() for band in POLARISATIONS if not _key(assets, band)]
    return f"lacks {' and '.join(missing)}; both polarisations are read" if missing else None


def radar_from_item(item: Mapping[str, Any], resolve: Callable[[str], str]) -> RadarScene:
    """The scene of an item that is not `unwanted`.

    `resolve` turns an href into a place that may be opened, or raises SceneRejected. Raises SceneRejected, with the
    reason, if the item cannot be understood.
    """
    try:
        return _scene(item, resolve)
    except (ValueError, OverflowError) as error:
        raise SceneRejected(f"the item cannot be understood ({str(error)[:120]})") from error


def distinct(scenes: Sequence[RadarScene]) -> RadarList:
    """Scenes by time, then id, each id and each slice once; the others with the reason.

    A second scene of the same id and another time failed. Of two versions of one slice (a satellite, its track, the
    time within two seconds, the ground of one covered by that of the other) the latest processed is kept, or the one
    whose id comes last in the alphabet. The order of `scenes` does not matter.
    """
    first: dict[str, RadarScene] = {}
    skipped = []
    for scene in sorted(scenes, key=lambda s: (s.acquired, s.id, s.version)):
        if first.setdefault(scene.id, scene).acquired != scene.acquired:
            reason = f"the scene of {scene.acquired:%Y-%m-%d %H:%M} bears the id of another; give each item its own"
            skipped.append(Skipped(scene.id, reason, failed=True))
    kept: dict[tuple[str, str], list[RadarScene]] = {}
    for scene in sorted(first.values(), key=lambda s: (s.processed, s.id), reverse=True):
        others = kept.setdefault((scene.platform, scene.line), [])
        winner = next((other for other in others if _same_slice(other, scene)), None)
        if winner is None:
            others.append(scene)
        else:
            reason = f"another version of {winner.id}, which was processed later or, if untold, is named last"
            skipped.append(Skipped(scene.id, reason))
    ordered = sorted((scene for group in kept.values() for scene in group), key=lambda s: (s.acquired, s.id))
    return RadarList(tuple(ordered), tuple(skipped))


def _same_slice(kept: RadarScene, scene: RadarScene) -> bool:
    if kept.bbox is None or scene.bbox is None or abs(kept.acquired - scene.acquired) > _ONE_SLICE:
        return False
    return covers(kept.bbox, scene.bbox)


def _scene(item: Mapping[str, Any], resolve: Callable[[str], str]) -> RadarScene:
    name = scene_id(item)
    properties, assets = object_of(item, "properties"), object_of(item, "assets")
    orbit = text_of(properties, "sat:orbit_state").lower()
    if orbit not in ORBITS:
        raise SceneRejected("has no sat:orbit_state; ascending and descending looks are never mixed")
    track = properties.get("sat:relative_orbit", 0)
    if not isinstance(track, int) or isinstance(track, bool) or not 0 <= track <= 175:
        raise SceneRejected(f"sat:relative_orbit {str(track)[:20]!r} is not 1 to 175")
    acquired = acquired_at(properties)
    if not _LAUNCH <= acquired < _RETIRED:
        raise SceneRejected(f"it is dated {acquired:%Y-%m-%d}, and Sentinel-1 has flown since {_LAUNCH:%Y-%m-%d}")
    return RadarScene(
        id=name,
        version=" ".join(part for part in (name, text_of(properties, "updated", "created")) if part),
        acquired=acquired,
        orbit=orbit,
        track=track,
        bands=tuple(_band(object_of(assets, str(_key(assets, band))), resolve, band) for band in POLARISATIONS),
        platform=text_of(properties, "platform").lower(),
        bbox=bbox_of(item),
        processed=iso_time(text_of(properties, "processing:datetime", "updated", "created")),
    )


def _key(assets: Mapping[str, Any], band: str) -> str | None:
    return next((name for name in (band, band.upper()) if name in assets), None)


def _band(asset: Mapping[str, Any], resolve: Callable[[str], str], band: str) -> Backscatter:
    # `raster:bands` up to STAC 1.0, `bands` since 1.1.
    told = asset.get("raster:bands") or asset.get("bands") or [{}]
    first = told[0] if isinstance(told, list) and isinstance(told[0], Mapping) else {}
    scale = first.get("scale", first.get("raster:scale", 1.0))
    if not isinstance(scale, int | float) or isinstance(scale, bool) or not 0 < scale <= 1e6:
        raise SceneRejected(f"the scale of {band} ({str(scale)[:20]!r}) is not a positive number")
    return Backscatter(resolve(href_of(asset, band)), float(scale), str(first.get("unit", "")).lower() in _DECIBEL)
