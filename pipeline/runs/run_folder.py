"""The folder of a run: written whole and sealed, or found again where the same inputs made it before."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.change import RunRecord
from pipeline.errors import BadInput, StoreError
from pipeline.reports import summary
from pipeline.runs.assemble import Assembled
from pipeline.runs.clock import Clock
from pipeline.runs.inspect import describe_run, read_manifest
from pipeline.runs.manifest import MANIFEST, Work, build_manifest, hash_outputs, write_manifest
from pipeline.runs.outputs import run_result, write_outputs, write_terrain
from pipeline.runs.registering import RECORD, keep, record_of_run
from pipeline.runs.store import Store, write_whole


@dataclass(frozen=True)
class Finished:
    """A run that ended: its folder, whether it did anything, what to print, and the exit code."""

    folder: Path
    nothing_new: bool
    text: str
    exit_code: int
    manifest: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """For scripts: where the outputs are and how the run ended."""
        return {
            "folder": self.folder.as_posix(),
            "nothing_new": self.nothing_new,
            "outcome": self.manifest["outcome"],
            "exit_code": self.exit_code,
            "counts": self.manifest["counts"],
        }


def earlier_run(home: Path, run_hash: str) -> Path | None:
    """The folder of a whole run with the same inputs, if there is one."""
    for folder in sorted((home / "runs").glob(f"*-{run_hash[:8]}"), reverse=True):
        try:
            manifest = read_manifest(folder)
            # Looks that could not be read for the dates may be there now.
            if manifest["outputs"] == hash_outputs(folder) and not manifest.get("dating", {}).get("unread"):
                return folder
        except BadInput:
            continue  # without its manifest a run is not whole, and is written again
    return None


def nothing_new(home: Path, folder: Path, register_file: Path) -> Finished:
    """The run that an earlier one was: told again, and entered where it got lost."""
    manifest = read_manifest(folder)
    _point_latest(home, folder)
    keep(record_of_run(folder), register_file)
    text = f"nothing new since {manifest['as_of']}: the same scenes, settings, model and code made {folder}"
    if manifest["exit_code"]:
        text += "\n" + describe_run(manifest)
    return Finished(folder, True, text, manifest["exit_code"], manifest)


def write_run(
    home: Path,
    run_id: str,
    maps_key: str,
    work: Work,
    assembled: Assembled,
    record: RunRecord,
    note: Mapping[str, object],
    store: Store,
    clock: Clock,
) -> Finished:
    """Write a run's folder under a temporary name, seal it with its manifest, then give it its name."""
    result = run_result(work, assembled, run_id, record.key, store)
    runs = home / "runs"
    folder = runs / run_id
    try:
        runs.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".part-", dir=runs))
    except OSError as error:
        raise StoreError(f"{runs}: cannot be written ({error.strerror}); free space or fix access") from error
    try:
        draft.chmod(0o755)
        with clock.step("reports"):
            terrain = write_terrain(draft, result, work, record, store)
            write_outputs(draft, result, work, assembled, store, terrain)
            write_whole(draft / RECORD, record.to_json().encode())
        manifest = build_manifest(work, assembled.sums, run_id, maps_key, hash_outputs(draft), clock.seconds)
        manifest["register"] = dict(note)
        write_manifest(draft / MANIFEST, manifest)
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
        _point_latest(home, folder)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written ({error.strerror}); free space or fix access") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    text = summary(result, folder)
    if not work.complete:
        text += "\nincomplete:\n" + describe_run(manifest)
    return Finished(folder, False, text, manifest["exit_code"], manifest)


def _point_latest(home: Path, folder: Path) -> None:
    """Let `latest` name the run, in one step, so that a reader never finds it missing."""
    link = home / ".latest"
    try:
        link.unlink(missing_ok=True)
        link.symlink_to(folder.relative_to(home), target_is_directory=True)
        link.replace(home / "latest")
    except OSError as error:
        raise StoreError(f"{home / 'latest'}: cannot be written ({error.strerror}); fix access") from error
