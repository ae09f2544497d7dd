"""The reports of a finished run told again: in other languages, with estimated areas, or for everybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from pipeline import config
from pipeline.areas import Tile
from pipeline.errors import BadInput, StoreError
from pipeline.footprint import Footprint, Trends, read_area_estimates
from pipeline.reports import RunResult, publish, read_result, write_pages, write_tables
from pipeline.reports.language import Language
from pipeline.runs.inspect import read_manifest
from pipeline.runs.manifest import hash_outputs
from pipeline.runs.outputs import RESULT
from pipeline.runs.retelling import sealed_text
from pipeline.runs.reviewing import imported_reviews
from pipeline.runs.store import Store, write_whole
from pipeline.runs.tasks import load_composite

SUMS = "SHA256SUMS"


@dataclass(frozen=True)
class ReportOptions:
    """What is asked for; without languages those of the config, `on` (of a public release) is the as-of date."""

    languages: tuple[str, ...] = ()
    release: str = "restricted"
    estimates: tuple[Path, ...] = ()
    out: Path | None = None
    on: date | None = None


@dataclass(frozen=True)
class Reported:
    """Where the reports are, which files, and what there is to note."""

    folder: Path
    files: tuple[str, ...]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {"folder": self.folder.as_posix(), "files": list(self.files), "notes": list(self.notes)}


def report_run(run_dir: Path, options: ReportOptions) -> Reported:
    """Write map, dossier and tables of a run anew, from what it stored; nothing is computed or fetched.

    They go to `out`, by default `reports/<run>`, or `public/<run>`, beside the runs: a run's own folder is sealed. The
    folder appears whole, in place of an earlier one. Raises BadInput or StoreError.
    """
    manifest, home = read_manifest(run_dir), run_dir.resolve()
    public = _release(options) == "public"
    folder = options.out or home.parents[1] / ("public" if public else "reports") / str(manifest["run_id"])
    if folder.resolve().is_relative_to(home) or home.is_relative_to(folder.resolve()):
        raise BadInput(f"--out {folder}: lies in the run, which is sealed, or holds it; give another folder")
    reports, release = _settings(run_dir, manifest)
    codes = tuple(dict.fromkeys(options.languages)) or reports.languages
    for code in codes:
        Language.of(code)
    result, notes, missing = _result(run_dir, manifest, options)
    if public:
        on = options.on or result.as_of
        if on < result.as_of:
            raise BadInput(f"--on {on}: before the run's as-of date, {result.as_of}; give that day or a later one")
        result = publish(result, release, on)
    _check_place(folder)
    try:
        _replace(folder, result, codes, reports, public)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written ({error.strerror}); free space or fix access") from error
    if missing:
        notes += (f"{len(missing)} composites are no longer in the store: their ground is shown as not observed",)
    return Reported(folder, tuple(hash_outputs(folder)), notes)


def _release(options: ReportOptions) -> str:
    if options.release not in ("restricted", "public"):
        raise BadInput(f"--release {options.release[:40]!r}: choose restricted or public")
    if options.on is not None and options.release != "public":
        raise BadInput("--on is the day of a public release; give --release public, too")
    return options.release


def _settings(run_dir: Path, manifest: dict[str, Any]) -> tuple[config.Reports, config.Release]:
    try:
        validated = manifest["config"]["validated"]
        return config.Reports.model_validate(validated["reports"]), config.Release.model_validate(validated["release"])
    except (KeyError, TypeError, ValidationError) as error:
        raise BadInput(f"{run_dir}: its manifest is of another version; run the programme again") from error


def _result(
    run_dir: Path, manifest: dict[str, Any], options: ReportOptions
) -> tuple[RunResult, tuple[str, ...], set[str]]:
    store = Store(run_dir.resolve().parents[1] / "store")
    missing: set[str] = set()

    def composite_of(key: str, tile: Tile) -> NDArray[np.uint16] | None:
        try:
            return load_composite(store, key, tile).reflectance
        except StoreError:
            missing.add(key)
            return None

    trends = Trends.from_json(sealed_text(run_dir, manifest, "trends.json"))
    footprint = Footprint.from_json(sealed_text(run_dir, manifest, "footprint.json"))
    found = read_area_estimates(options.estimates, str(manifest["programme"]), trends)
    text = sealed_text(run_dir, manifest, RESULT)
    result = read_result(text, footprint, trends.with_estimates(found.figures), composite_of, str(run_dir / RESULT))
    reviews = imported_reviews(run_dir, manifest, {change.change_id: change.site_id for change in result.changes})
    return replace(result, reviews=reviews), found.notes, missing


def _check_place(folder: Path) -> None:
    """Refuse a folder that holds what this command did not write: it is replaced as a whole."""
    if not folder.exists():
        return
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines() if (folder / SUMS).exists() else []
        own = {SUMS, *(line.partition("  ")[2] for line in lines)}
        others = sorted({path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()} - own)
    except (OSError, ValueError) as error:
        raise BadInput(f"--out {folder}: cannot be read ({error}); give another folder") from error
    if others or not folder.is_dir():
        name = others[0] if others else folder.name
        raise BadInput(f"--out {folder}: holds {name}, which this command did not write; give a folder of its own")


def _replace(folder: Path, result: RunResult, codes: Sequence[str], reports: config.Reports, public: bool) -> None:
    """Write all below a temporary name, then put it in the place of what was there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(mkdtemp(prefix=".part-", dir=folder.parent))
    try:
        draft.chmod(0o755)
        write_tables(draft, result)
        if public:
            # The run's own is finer than a public release may be.
            write_whole(draft / "footprint.csv", result.footprint.to_csv().encode())
        write_pages(draft, result, codes, reports.languages[0], 0 if public else reports.max_chips)
        sums = "".join(f"{sha256}  {name}\n" for name, sha256 in hash_outputs(draft).items())
        write_whole(draft / SUMS, sums.encode())
        rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    finally:
        rmtree(draft, ignore_errors=True)
