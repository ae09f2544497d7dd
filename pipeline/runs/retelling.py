"""Trends and the table for Delve told again, once reference samples gave a run's areas their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import BadInput
from pipeline.footprint import Footprint, Provenance, Trends, delve_csv, read_area_estimates
from pipeline.hashing import sha256_of
from pipeline.runs.inspect import read_manifest
from pipeline.runs.store import write_whole


@dataclass(frozen=True)
class Retold:
    """What was written, how many figures have an interval, and which estimates were left out."""

    folder: Path
    files: tuple[str, ...]
    estimates: int
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        told = {"files": list(self.files), "estimates": self.estimates, "notes": list(self.notes)}
        return {"folder": self.folder.as_posix(), **told}


def retell(run_dir: Path, estimates: Sequence[Path], out: Path | None = None) -> Retold:
    """Write trends.csv, trends.json and delve.csv of a run with estimated areas beside the mapped ones.

    A run's own folder is sealed by its manifest, so they go to `out`, by default `trends/<run>` beside the runs.
    Raises BadInput or StoreError.
    """
    manifest, home = read_manifest(run_dir), run_dir.resolve()
    folder = out or home.parents[1] / "trends" / str(manifest["run_id"])
    if folder.resolve().is_relative_to(home):
        raise BadInput(f"--out {folder}: lies in the run, which is sealed; give another folder")
    trends = Trends.from_json(sealed_text(run_dir, manifest, "trends.json"))
    footprint = Footprint.from_json(sealed_text(run_dir, manifest, "footprint.json"))
    programme = str(manifest["programme"])
    found = read_area_estimates(estimates, programme, trends)
    try:
        licence = manifest["config"]["validated"]["footprint"]["licence"]
        provenance = Provenance.of_run(programme, str(manifest["run_id"]), manifest["inputs"]["source"], licence)
    except (KeyError, TypeError) as error:
        raise BadInput(f"{run_dir}: its manifest lacks {error}; run the programme again") from error
    trends = trends.with_estimates(found.figures)
    files = {
        "trends.csv": trends.to_csv(),
        "trends.json": trends.to_json(),
        "delve.csv": delve_csv(footprint, trends.places, trends.periods, provenance, found.figures),
    }
    for name, text in files.items():
        write_whole(folder / name, text.encode())
    return Retold(folder, tuple(files), len(found.figures), found.notes)


def sealed_text(run_dir: Path, manifest: dict[str, Any], name: str) -> str:
    """Text of an output of a run; raises BadInput unless it is as the run wrote it."""
    path = run_dir / name
    try:
        if sha256_of(path) != manifest["outputs"].get(name):
            raise BadInput(f"{path}: altered since the run, or of an older version; run the programme again")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); run the programme again") from error
