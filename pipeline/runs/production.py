"""Capacity ranges and flags of a finished run, read from files and written to files beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.areas import read_areas
from pipeline.errors import BadInput, StoreError
from pipeline.footprint.capacity import Capacity, Settings, capacity_ranges
from pipeline.footprint.capacity_inputs import read_inputs
from pipeline.footprint.capacity_table import capacity_csv, capacity_json, capacity_text
from pipeline.footprint.declared import read_declared
from pipeline.footprint.estimated import Estimated, read_estimate
from pipeline.footprint.flags import Rules, judge_declared
from pipeline.footprint.flags_table import flags_csv, flags_json, flags_text
from pipeline.footprint.ground import countries_of, read_ground
from pipeline.hashing import sha256_of
from pipeline.runs.inspect import read_manifest


@dataclass(frozen=True)
class ProductionOptions:
    """Files and settings of `placerwatch capacity`; `inputs`, `declared` or both."""

    inputs: Path | None
    declared: Path | None = None
    estimate: Path | None = None
    areas: tuple[Path, ...] = ()
    seed: int = 0
    draws: int = 100_000
    min_observed: float = 0.5
    min_disturbed_ha: float = 1.0


@dataclass(frozen=True)
class Production:
    """What was written, and how it reads."""

    folder: Path
    files: tuple[str, ...]
    text: str
    data: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """For scripts: where the files are and what is in them."""
        return {"folder": self.folder.as_posix(), "files": list(self.files), **self.data}


def production(run_dir: Path, options: ProductionOptions, out: Path | None = None) -> Production:
    """Read the tables, draw the ranges, judge what was declared, and write the files; raises BadInput or StoreError.

    A run's own folder is sealed by its manifest, so nothing is written there.
    """
    if options.inputs is None and options.declared is None:
        raise BadInput("nothing to do: give --inputs FILE, --declared FILE or both (docs/production.md)")
    if options.estimate is not None and options.inputs is None:
        raise BadInput("--estimate serves the ranges of --inputs; give both")
    settings = Settings(options.seed, options.draws, options.min_observed)
    rules = Rules(options.min_observed, options.min_disturbed_ha)
    manifest, home = read_manifest(run_dir), run_dir.resolve()
    folder = out or home.parents[1] / "capacity" / str(manifest["run_id"])
    if folder.resolve().is_relative_to(home):
        raise BadInput(f"--out {folder}: lies in the run, which is sealed; give another folder")
    areas = read_areas(options.areas) if options.areas else ()
    run = read_ground(run_dir, manifest, countries_of(areas))
    notes = list(_changed_areas(options.areas, manifest))
    texts: list[str] = []
    files: dict[str, str] = {}
    data: dict[str, Any] = {"run_id": run.run_id, "notes": notes}
    ranges: Capacity | None = None
    if options.inputs is not None:
        estimated = read_estimate(options.estimate, run) if options.estimate else Estimated()
        notes += estimated.notes
        ranges = capacity_ranges(run, read_inputs(options.inputs, run), settings, estimated.areas)
        data["capacity"] = capacity_json(ranges) | {
            "notes": [*ranges.notes, *estimated.notes],
            "estimate_sha256": estimated.sha256 or None,
        }
        files |= {"capacity.csv": capacity_csv(ranges), "capacity.json": _text(data["capacity"])}
        texts.append(capacity_text(ranges))
    if options.declared is not None:
        declared = read_declared(options.declared, run)
        found = judge_declared(run, declared, ranges, rules)
        data["flags"] = flags_json(found, run, declared, rules)
        files |= {"flags.csv": flags_csv(found, run), "flags.json": _text(data["flags"])}
        texts.append(flags_text(found))
    _write(folder, files)
    texts += [f"note: {note}" for note in notes]
    texts += [f"  {(folder / name).as_posix()}" for name in files]
    return Production(folder, tuple(files), "\n".join(texts), data)


def _changed_areas(paths: tuple[Path, ...], manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """Areas files that are not those of the run, byte for byte."""
    used = {row["sha256"] for row in manifest.get("inputs", {}).get("areas", [])}
    return tuple(
        f"{path} is not the areas file of the run, or was changed since; only its countries are used"
        for path in paths
        if sha256_of(path) not in used
    )


def _text(data: Any) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _write(folder: Path, files: Mapping[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written ({error.strerror}); free space or fix access") from error
