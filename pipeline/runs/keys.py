"""The key of each stored result: the hash of everything that decides its bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from pipeline import config
from pipeline.areas import Tile
from pipeline.config_file import ConfigFile
from pipeline.footprint import Layer
from pipeline.imagery import Block, LookPlan, RadarScene, Scene
from pipeline.runs.store import code_version, content_key

# Bump when the layout of stored planes changes without a change of the code that makes them.
STORE_FORMAT = 1

# Key of a stored block of terrain and the names of its layers that the model is given; None where it is given none.
Evidence = tuple[str, tuple[str, ...]] | None


def _identity(scenes: Sequence[Scene]) -> list[list[str | int]]:
    return [[scene.id, scene.version, scene.offset] for scene in scenes]


def scene_key(scene: Scene) -> str:
    """Key of the check of one scene."""
    return content_key(format=STORE_FORMAT, scene=_identity([scene]), code=code_version("imagery"))


def composite_key(tile: Tile, looks: LookPlan, settings: config.Imagery, halo_px: int) -> str:
    """Key of a composite: the scenes and their versions, the settings of the masks, and the code."""
    return content_key(
        format=STORE_FORMAT,
        tile=tile.id,
        halo_px=halo_px,
        period=_identity(looks.period),
        before=_identity(looks.before),
        after=_identity(looks.after),
        settings=settings,
        code=code_version("areas", "imagery"),
    )


def map_key(composite: str, model_sha256: str, evidence: Evidence = None) -> str:
    """Key of a map of probabilities: its composite, the model, the code, and the evidence that the model was given."""
    return content_key(
        format=STORE_FORMAT,
        composite=composite,
        model=model_sha256,
        code=code_version("disturbance"),
        **({"evidence": evidence} if evidence else {}),
    )


def window_key(
    tile: Tile,
    box: tuple[int, int, int, int],
    spans: Sequence[Sequence[Scene]],
    settings: config.Imagery,
    model_sha256: str,
    evidence: Evidence = None,
) -> str:
    """Key of the single looks at a window of a tile: what a composite and its map depend on, span by span."""
    return content_key(
        format=STORE_FORMAT,
        tile=tile.id,
        window=box,
        spans=[_identity(span) for span in spans],
        settings=settings,
        model=model_sha256,
        code=code_version("areas", "imagery", "disturbance"),
        **({"evidence": evidence} if evidence else {}),
    )


def radar_key(tile: Tile, scenes: Sequence[RadarScene], settings: config.Radar, halo_px: int) -> str:
    """Key of the backscatter statistics of a tile and period: the scenes, what is done to them, and the code."""
    return content_key(
        format=STORE_FORMAT,
        tile=tile.id,
        halo_px=halo_px,
        radar=[[scene.id, scene.version] for scene in scenes],
        settings=[settings.min_looks, settings.multilook_px, settings.surroundings_m],
        code=code_version("areas", "imagery"),
    )


def terrain_key(block: Block, files: Sequence[Sequence[str]], drainage_km2: float) -> str:
    """Key of a block of terrain: the files of elevation and their versions, where drainage begins, and the code."""
    return content_key(
        format=STORE_FORMAT,
        block=block.id,
        files=files,
        drainage_km2=drainage_km2,
        code=code_version("areas", "imagery"),
    )


def change_key(
    maps: Sequence[Sequence[str]],
    areas_sha256: str,
    periods: Sequence[config.Period],
    settings: config.Change,
    layers: Sequence[Layer],
    min_observed_share: float,
    radar: config.Radar,
    backscatter: Sequence[str],
) -> str:
    """Key of what follows from all maps together: sites, changes, classes and areas, by zone and by each layer."""
    return content_key(
        format=STORE_FORMAT,
        maps=maps,
        radar=radar,
        backscatter=backscatter,
        areas=areas_sha256,
        periods=periods,
        settings=settings,
        layers=[layer.identity() for layer in layers],
        min_observed_share=min_observed_share,
        code=code_version("areas", "change", "footprint"),
    )


def run_key(
    maps_key: str,
    file: ConfigFile,
    as_of: date,
    limits: Sequence[str],
    failed: Sequence[Mapping[str, str]],
    terrain: Sequence[str] = (),
) -> str:
    """Key of a run's outputs: what was mapped and what failed, how it is told, and each zone's status on the day."""
    return content_key(
        format=STORE_FORMAT,
        change=maps_key,
        programme=file.config.programme,
        title=file.config.title,
        reports=file.config.reports,
        release=file.config.release,
        model=file.config.disturbance.model,
        limits=limits,
        failed=failed,
        zones=[[a.zone_id, a.name, a.status_at(as_of), a.boundary_vintage, a.boundary_source] for a in file.areas],
        places=[[a.country, a.admin1] for a in file.areas],
        licence=file.config.footprint.licence,
        source=file.config.source.kind,
        code=code_version("reports", "runs"),
        **({"terrain": terrain} if terrain else {}),
    )
