"""What a run will do: which scenes serve which tile and period. Finding them reads no pixels."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path

from pipeline import config
from pipeline.areas import Tile, lonlat_bounds, watch_tiles
from pipeline.config_file import ConfigFile
from pipeline.disturbance import HALO_PX, find_model, limits_of
from pipeline.errors import BadInput
from pipeline.imagery import (
    Bbox,
    FolderSource,
    LookPlan,
    Scene,
    SceneList,
    Skipped,
    Source,
    choose_looks,
    namesakes,
    newest_versions,
    open_source,
    products_in,
    touches,
)
from pipeline.periods import expand
from pipeline.runs.progress import Reporter
from pipeline.runs.radar import RadarPlan, plan_radar
from pipeline.runs.searches import joined_boxes, joined_spans
from pipeline.runs.simulated import simulate
from pipeline.runs.tasks import cached_model
from pipeline.runs.terrain import TerrainPlan, plan_terrain

NAMED_SOURCES: dict[str, config.SourceConfig] = {
    "sentinelhub-cdse": config.SentinelHubSource(kind="sentinelhub", deployment="cdse"),
    "sentinelhub": config.SentinelHubSource(kind="sentinelhub", deployment="commercial"),
    "earth-search": config.StacSource(kind="stac"),
    "planetary-computer": config.StacSource(kind="stac", url="https://planetarycomputer.microsoft.com/api/stac/v1"),
    "copernicus-stac": config.StacSource(kind="stac", url="https://stac.dataspace.copernicus.eu/v1"),
}


@dataclass(frozen=True)
class TilePeriod:
    """The looks chosen for one tile of one period."""

    tile: Tile
    period: config.Period
    looks: LookPlan


@dataclass(frozen=True)
class Plan:
    """A programme, resolved: its tiles, periods, scenes and model.

    `left_out` holds scenes that are not wanted, by reason; `broken` those that should have served and cannot;
    `found` the number of dates by period on which a tile was seen at all, however cloudy.
    """

    file: ConfigFile
    as_of: date
    source: Source
    model: Path
    model_sha256: str
    periods: tuple[config.Period, ...]
    tiles: tuple[Tile, ...]
    work: tuple[TilePeriod, ...]
    left_out: dict[str, tuple[str, ...]] = field(default_factory=dict)
    broken: tuple[Skipped, ...] = ()
    radar: RadarPlan = field(default_factory=RadarPlan)
    found: Mapping[str, int] = field(default_factory=dict)
    terrain: TerrainPlan = field(default_factory=TerrainPlan)

    @property
    def limits(self) -> tuple[str, ...]:
        """Sentences on what the run cannot see; raises ModelError if the model's card cannot be read."""
        return (*limits_of(self.model), *self.terrain.limits)

    @property
    def scenes(self) -> tuple[Scene, ...]:
        """Every scene that some tile uses, once, by time."""
        used = {scene.id: scene for item in self.work for scene in _all_looks(item.looks)}
        return tuple(sorted(used.values(), key=lambda scene: (scene.acquired, scene.id)))

    def without(self, rejected: Sequence[str]) -> Plan:
        """The same plan with some scenes taken out."""
        gone = set(rejected)
        if not gone:
            return self
        return replace(self, work=tuple(replace(item, looks=_drop(item.looks, gone)) for item in self.work))


def _all_looks(looks: LookPlan) -> tuple[Scene, ...]:
    return looks.period + looks.before + looks.after


def _drop(looks: LookPlan, gone: set[str]) -> LookPlan:
    keep = partial(filter, lambda scene: scene.id not in gone)
    return LookPlan(tuple(keep(looks.period)), tuple(keep(looks.before)), tuple(keep(looks.after)))


def open_programme_source(file: ConfigFile, out: Path, reporter: Reporter) -> Source:
    """The source that a programme names; a simulated archive is written first if it is not there."""
    settings = file.config.source
    if isinstance(settings, config.SimulationSource):
        root = file.base / settings.archive if settings.archive else out / "archives" / settings.scenario
        return FolderSource(simulate(settings.scenario, root, reporter).resolve(), name="simulation")
    return open_source(settings, file.base, file.config.fetch)


def with_source(file: ConfigFile, name: str | None) -> ConfigFile:
    """The same programme from another source: one of NAMED_SOURCES, or a folder; raises BadInput for anything else."""
    if name is None:
        return file
    source = NAMED_SOURCES.get(name)
    if source is None and Path(name).is_dir():
        source = folder_or_products(Path(name).resolve())
    if source is None:
        raise BadInput(f"--source {name!r}: expected {', '.join(NAMED_SOURCES)}, or a folder that exists")
    return replace(file, config=file.config.model_copy(update={"source": source}))


def folder_or_products(path: Path) -> config.SourceConfig:
    """What a folder holds: products as downloaded, or scenes with items or in plain GeoTIFFs."""
    if any(products_in(path)) and next(path.rglob("*.json"), None) is None:
        return config.SafeSource(kind="safe", path=path)
    return config.FolderSource(kind="folder", path=path)


def make_plan(file: ConfigFile, source: Source, as_of: date) -> Plan:
    """Resolve a programme to its tiles and looks; raises SourceUnavailable, ModelError or BadInput."""
    periods = expand(file.config.periods, as_of)
    if not periods:
        raise BadInput(f"no period starts by {as_of}; give a later --as-of or an earlier period")
    model, model_sha256 = find_model(file.config.disturbance.model, file.base)
    tiles = tuple(watch_tiles(file.areas))
    found = _Found.search(source, file, periods, as_of)
    work: list[TilePeriod] = []
    left: dict[Skipped, None] = dict.fromkeys(found.skipped)
    dates: dict[str, set[date]] = {period.name: set() for period in periods}
    for tile in tiles:
        box = lonlat_bounds(tile.epsg, tile.padded(HALO_PX))
        near = found.near(box)
        for period in periods:
            looks, skipped = choose_looks(near, box, period, as_of, file.config.imagery, tile.epsg)
            work.append(TilePeriod(tile, period, looks))
            seen = near.find(box, period.start, min(period.end, as_of)).scenes
            dates[period.name].update(_day(scene) for scene in seen)
            left.update(dict.fromkeys(skipped))
    radar = plan_radar(source, file, tiles, periods, as_of)
    terrain = plan_terrain(source, file, tiles, cached_model(model, model_sha256).evidence)
    left.update(dict.fromkeys((*radar.skipped, *terrain.skipped)))
    reasons: dict[str, set[str]] = {}
    for item in left:
        if not item.failed:
            reasons.setdefault(item.reason, set()).add(item.scene_id)
    left_out = {reason: tuple(sorted(ids)) for reason, ids in sorted(reasons.items())}
    broken = sorted((item for item in left if item.failed), key=lambda item: (item.scene_id, item.reason))
    by_period = {name: len(days) for name, days in dates.items()}
    return Plan(
        file,
        as_of,
        source,
        model,
        model_sha256,
        periods,
        tiles,
        tuple(work),
        left_out,
        tuple(broken),
        radar,
        by_period,
        terrain,
    )


def date_counts(plan: Plan) -> Counter[str]:
    """Number of dates by period name of which looks were kept, those of the period itself only."""
    seen = {(item.period.name, _day(scene)) for item in plan.work for scene in item.looks.period}
    return Counter(name for name, _ in seen)


def scene_counts(plan: Plan) -> Counter[str]:
    """Number of scenes by period name, counting looks of the period itself only."""
    seen = {(item.period.name, scene.id) for item in plan.work for scene in item.looks.period}
    return Counter(name for name, _ in seen)


@dataclass(frozen=True)
class _Found:
    """The answer of one search per area, asked again and again from memory."""

    scenes: tuple[Scene, ...]
    skipped: tuple[Skipped, ...]

    @classmethod
    def search(cls, source: Source, file: ConfigFile, periods: Sequence[config.Period], as_of: date) -> _Found:
        season = timedelta(days=file.config.imagery.season_days)
        scenes: dict[tuple[str, str], Scene] = {}
        skipped: dict[tuple[str, str], Skipped] = {}
        # A halo of tiles reaches a little beyond the area.
        for box in joined_boxes([area.geometry.bounds for area in file.areas], 0.06):
            for start, end in joined_spans([(p.start - season, min(p.end + season, as_of)) for p in periods]):
                answer = source.find(box, start, end)
                scenes.update({(scene.id, scene.version): scene for scene in answer.scenes})
                skipped.update({(item.scene_id, item.reason): item for item in answer.skipped})
        good, bad = namesakes(list(scenes.values()))
        # Each search has chosen among what it found; of two boxes the choices may differ.
        chosen = newest_versions(good)
        lost = (*(item for _, item in bad), *chosen.skipped)
        skipped.update({(item.scene_id, item.reason): item for item in lost})
        return cls(chosen.scenes, tuple(skipped[key] for key in sorted(skipped)))

    def near(self, bbox: Bbox) -> _Found:
        """What touches a box: looked for once for all periods of a tile, of which there may be hundreds."""
        return _Found(tuple(s for s in self.scenes if s.bbox is None or touches(s.bbox, bbox)), ())

    def find(self, bbox: Bbox, start: date, end: date) -> SceneList:
        first = bisect_left(self.scenes, start, key=_day)
        last = bisect_right(self.scenes, end, key=_day)
        hits = (s for s in self.scenes[first:last] if s.bbox is None or touches(s.bbox, bbox))
        return SceneList(tuple(hits))


def _day(scene: Scene) -> date:
    return scene.acquired.date()
