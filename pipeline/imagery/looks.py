"""Which scenes become looks of a period, and which of the seasons around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from pipeline.config import Imagery, Period
from pipeline.imagery.scene import Bbox, Finder, Scene, Skipped


@dataclass(frozen=True)
class LookPlan:
    """Scenes by time: of the period, and of the seasons before and after it (read for greenness only)."""

    period: tuple[Scene, ...]
    before: tuple[Scene, ...] = ()
    after: tuple[Scene, ...] = ()


def choose_looks(
    source: Finder, bbox: Bbox, period: Period, as_of: date, settings: Imagery, epsg: int | None = None
) -> tuple[LookPlan, tuple[Skipped, ...]]:
    """Choose the scenes of a lon/lat box for one period, and say why others are left out.

    Nothing acquired after `as_of` is looked for, so that a run as of a past day repeats. With `epsg`, scenes known
    to lie in another UTM zone are left to that zone's tiles. Raises SourceUnavailable.
    """
    day, season = timedelta(days=1), timedelta(days=settings.season_days)
    spans = (
        (period.start, period.end, settings.max_scenes),
        (period.start - season, period.start - day, settings.max_season_scenes),
        (period.end + day, period.end + season, settings.max_season_scenes),
    )
    chosen: list[tuple[Scene, ...]] = []
    left_out: list[Skipped] = []
    for start, end, most in spans:
        last = min(end, as_of)
        found = source.find(bbox, start, last) if start <= last else None
        if found is None:
            chosen.append(())
            continue
        usable, skipped = _usable(found.scenes, settings.max_cloud_cover, epsg)
        # The season is read from end to end: its clearest looks alone would all lie next to the dry season.
        parts = 1 if start == period.start else most
        scenes, spare = _select(usable, start, end, parts, most)
        chosen.append(scenes)
        left_out.extend((*found.skipped, *skipped, *spare))
    # A file that cannot be dated is reported by each search.
    return LookPlan(*chosen), tuple(dict.fromkeys(left_out))


def _usable(scenes: Sequence[Scene], max_cloud: float, epsg: int | None) -> tuple[list[Scene], list[Skipped]]:
    usable: list[Scene] = []
    skipped: list[Skipped] = []
    for scene in scenes:
        cloud = scene.cloud_cover or 0.0
        if epsg is not None and scene.epsg not in (None, epsg):
            skipped.append(other_zone(scene, epsg))
        elif cloud > max_cloud:
            skipped.append(Skipped(scene.id, f"cloud cover {cloud:.1f} % is above {max_cloud:g} %"))
        else:
            usable.append(scene)
    return usable, skipped


def _select(
    scenes: Sequence[Scene], start: date, end: date, parts: int, most: int
) -> tuple[tuple[Scene, ...], tuple[Skipped, ...]]:
    """At most `most` scenes: the least cloudy of each of `parts` equal spans of time, then the second of each, …."""
    days = (end - start).days + 1
    drawn = [0] * parts
    ranked: list[tuple[int, Scene]] = []
    for scene in sorted(scenes, key=lambda s: (s.cloud_cover or 0.0, s.acquired, s.id)):
        part = (scene.acquired.date() - start).days * parts // days
        ranked.append((drawn[part], scene))
        drawn[part] += 1
    # Sorting is stable: within a rank the least cloudy stay first.
    ordered = [scene for _, scene in sorted(ranked, key=lambda pair: pair[0])]
    skipped = tuple(Skipped(scene.id, f"{most} other scenes were enough") for scene in ordered[most:])
    return tuple(sorted(ordered[:most], key=lambda s: (s.acquired, s.id))), skipped


def other_zone(scene: Scene, epsg: int) -> Skipped:
    """A scene left to another UTM zone; a failure only where its grid is no UTM zone at all."""
    is_utm = scene.epsg is not None and scene.epsg // 100 in (326, 327)
    if is_utm:
        return Skipped(scene.id, f"lies in EPSG:{scene.epsg}; tiles of EPSG:{epsg} use the granule of their own zone")
    reason = f"its grid (EPSG:{scene.epsg}) is not UTM; reproject it to EPSG:{epsg} on the 10 m lattice"
    return Skipped(scene.id, reason, failed=True)
