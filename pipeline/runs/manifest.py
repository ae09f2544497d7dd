"""The manifest of a run: what went in, what was done and left out and why, and the hash of what came out."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import rasterio

import pipeline
from pipeline.areas import Tile
from pipeline.footprint import LayerSums
from pipeline.hashing import sha256_of
from pipeline.periods import with_origin
from pipeline.runs.dating import NOTHING_DATED, Dating
from pipeline.runs.execute import Failure
from pipeline.runs.fetching import Tally
from pipeline.runs.plan import Plan
from pipeline.runs.radar import RadarOutcome
from pipeline.runs.store import code_version
from pipeline.runs.tasks import TileOutcome
from pipeline.runs.terrain import TerrainOutcome, terrain_note

SCHEMA_VERSION = "1.0"
MANIFEST = "run.json"
ROOMS = ("areas", "imagery", "disturbance", "change", "footprint", "reports", "runs")
_PACKAGES = (
    "babel",
    "dask",
    "distributed",
    "numba",
    "numpy",
    "odc-geo",
    "onnxruntime",
    "pyarrow",
    "pyflwdir",
    "pyproj",
    "rasterio",
    "scikit-learn",
    "scipy",
    "shapely",
)


@dataclass(frozen=True)
class Work:
    """What became of every task of a run, in the order of the plan.

    `unseen` are tiles of which a period, by number, shows no watched ground.
    """

    plan: Plan
    rejected: Mapping[str, str]
    outcomes: tuple[TileOutcome | Failure, ...]
    unseen: frozenset[tuple[Tile, int]]
    dating: Dating = NOTHING_DATED
    radar: tuple[RadarOutcome | Failure, ...] = ()
    fetch: Tally = field(default_factory=Tally)
    workers: int = 1
    terrain: tuple[TerrainOutcome | Failure, ...] = ()

    @property
    def computing(self) -> dict[str, Any]:
        """How many tasks were computed, the seconds that they took together, and the workers at it."""
        done = [o for o in (*self.outcomes, *self.radar) if not isinstance(o, Failure)]
        seconds = [o.seconds for o in done if o.state in ("computed", "classified")]
        return {"tasks": len(seconds), "seconds": round(sum(seconds), 3), "workers": self.workers}

    @property
    def failed(self) -> list[dict[str, str]]:
        """Tiles that broke and scenes that could not be read, each with its place and reason."""
        rows = [{"scene": item.scene_id, "reason": item.reason} for item in self.plan.broken]
        rows += [{"scene": scene, "reason": reason} for scene, reason in sorted(self.rejected.items())]
        for item, outcome in zip(self.plan.work, self.outcomes, strict=True):
            place = {"tile": item.tile.id, "period": item.period.name}
            if isinstance(outcome, Failure):
                rows.append({**place, "reason": outcome.reason})
            else:
                rows += [{**place, "scene": s.scene_id, "reason": s.reason} for s in outcome.skipped if s.failed]
        for item, radar in zip(self.plan.work, self.radar, strict=False):
            place = {"tile": item.tile.id, "period": item.period.name}
            if isinstance(radar, Failure):
                rows.append({**place, "reason": f"radar: {radar.reason}"})
            else:
                rows += [{**place, "scene": s.scene_id, "reason": s.reason} for s in radar.skipped if s.failed]
        for block, terrain in zip(self.plan.terrain.blocks, self.terrain, strict=False):
            if isinstance(terrain, Failure):
                rows.append({"tile": block.id, "reason": f"elevation: {terrain.reason}"})
        return rows + list(self.dating.failed)

    @property
    def not_observed(self) -> list[dict[str, str]]:
        """Tiles of whose watched ground a period shows nothing, with the reason; failed tasks stand in `failed`."""
        number = {period.name: t for t, period in enumerate(self.plan.periods)}
        rows = []
        for item, outcome in zip(self.plan.work, self.outcomes, strict=True):
            unseen = (item.tile, number[item.period.name]) in self.unseen
            if unseen and isinstance(outcome, TileOutcome):
                reason = "no clear look in any scene" if item.looks.period else "no scene"
                rows.append({"tile": item.tile.id, "period": item.period.name, "reason": reason})
        return rows

    @property
    def complete(self) -> bool:
        """Whether nothing failed and every tile of every period was observed at least in part."""
        return not self.failed and not self.not_observed

    def counts(self) -> dict[str, Any]:
        """Tasks and scenes by what became of them."""
        states = Counter("failed" if isinstance(o, Failure) else o.state for o in self.outcomes)
        unread = {row["scene"] for row in self.failed if "scene" in row} - set(self.rejected)
        left_out = {scene for scenes in self.plan.left_out.values() for scene in scenes}
        used = {scene.id for scene in self.plan.scenes}
        return {
            "tiles": len(self.plan.tiles),
            "periods": len(self.plan.periods),
            "tile_periods": {
                "prepared": len(self.outcomes),
                **{state: states[state] for state in ("computed", "classified", "reused", "failed")},
                "not_observed": len(self.not_observed),
            },
            "scenes": {
                "used": len(used - unread),
                "skipped": len(left_out - used),
                "rejected": len(self.rejected),
                "failed": len(unread),
            },
            "rescued_looks": sum(o.rescued_looks for o in self.outcomes if isinstance(o, TileOutcome)),
        }


def build_manifest(
    work: Work,
    sums: Sequence[LayerSums],
    run_id: str,
    change_key: str,
    outputs: Mapping[str, str],
    timings: Mapping[str, float],
) -> dict[str, Any]:
    """The manifest as plain data; paths are relative to the run's folder or to the config."""
    plan = work.plan
    return {
        "schema_version": SCHEMA_VERSION,
        "programme": plan.file.config.programme,
        "run_id": run_id,
        "as_of": plan.as_of.isoformat(),
        "outcome": "complete" if work.complete else "incomplete",
        "exit_code": 0 if work.complete else 3,
        "counts": work.counts(),
        "failed": work.failed,
        "not_observed": work.not_observed,
        "skipped": {reason: list(ids) for reason, ids in plan.left_out.items()},
        "config": {
            "file": plan.file.path.name,
            "given": plan.file.text,
            "validated": plan.file.config.model_dump(mode="json", by_alias=True),
        },
        "periods": [
            {**period.model_dump(mode="json"), "rule": rule.describe() if rule else None}
            for period, rule in with_origin(plan.file.config.periods, plan.as_of)
        ],
        "inputs": {
            "areas": [
                {"file": Path(name).as_posix(), "sha256": sha256_of(path)}
                for name, path in zip(plan.file.config.areas, plan.file.area_files, strict=True)
            ],
            "layers": [_layer_row(layer) for layer in sums],
            "model": {"name": plan.file.config.disturbance.model, "sha256": plan.model_sha256},
            "source": plan.source.name,
            "scenes": [
                {
                    "id": scene.id,
                    "version": scene.version,
                    "acquired": scene.acquired.isoformat(),
                    "baseline": scene.baseline,
                    "offset": scene.offset,
                    "offset_reason": scene.offset_reason,
                    "cloud_cover": scene.cloud_cover,
                }
                for scene in plan.scenes
            ],
            "radar_scenes": [
                {
                    "id": scene.id,
                    "version": scene.version,
                    "acquired": scene.acquired.isoformat(),
                    "orbit": scene.orbit,
                    "track": scene.track or None,
                }
                for scene in plan.radar.scenes
            ],
        },
        "tasks": _task_rows(work),
        "elevation": terrain_note(plan.terrain, work.terrain),
        "dating": work.dating.as_json(),
        "change_key": change_key,
        "code": {"placerwatch": pipeline.__version__, "rooms": {room: code_version(room) for room in ROOMS}},
        "versions": {
            "python": platform.python_version(),
            "gdal": rasterio.__gdal_version__,
            **{name: version(name) for name in _PACKAGES},
        },
        "fetch": {**work.fetch.as_json(), "computing": work.computing},
        "timings_s": {name: round(seconds, 3) for name, seconds in timings.items()},
        "outputs": dict(sorted(outputs.items())),
    }


def _layer_row(sums: LayerSums) -> dict[str, Any]:
    layer = sums.layer
    return {
        "name": layer.name,
        "kind": layer.kind,
        "source": layer.source,
        "vintage": layer.vintage,
        "licence": layer.licence,
        "files": dict(layer.files),
        "units": len(layer.units),
        "units_watched": int((sums.watched[1:] > 0).sum()),
        "overlap_ha": sums.shared_ha,
    }


def _task_rows(work: Work) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for item, outcome in zip(work.plan.work, work.outcomes, strict=True):
        row: dict[str, Any] = {"tile": item.tile.id, "period": item.period.name}
        if isinstance(outcome, TileOutcome):
            row |= {
                "state": outcome.state,
                "looks": [scene.id for scene in item.looks.period],
                "observed_share": round(outcome.observed_share, 6),
                "composite": outcome.composite_key,
                "map": outcome.map_key,
                "seconds": outcome.seconds,
            }
        else:
            row |= {"state": "failed", "reason": outcome.reason}
        rows.append(row)
    for row, scenes, radar in zip(rows, work.plan.radar.work, work.radar, strict=False):
        if isinstance(radar, RadarOutcome) and radar.key:
            row["radar"] = {
                "state": radar.state,
                "looks": [scene.id for scene in scenes],
                "measured_share": round(radar.measured_share, 6),
                "statistics": radar.key,
                "seconds": radar.seconds,
            }
    return rows


def write_manifest(path: Path, manifest: Mapping[str, Any]) -> None:
    """Write a manifest as indented JSON."""
    path.write_text(json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def hash_outputs(folder: Path, leave_out: Sequence[str] = (MANIFEST,)) -> dict[str, str]:
    """SHA-256 of every file below a folder, by relative name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: sha256_of(path) for name, path in names.items() if name not in leave_out}
