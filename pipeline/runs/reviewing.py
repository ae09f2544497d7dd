"""Reviewers' decisions taken back: a run's reports told again with them, and the register's table of reviews."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pipeline.errors import BadInput, StoreError
from pipeline.hashing import sha256_of
from pipeline.reports import read_register, write_register
from pipeline.reports.geojson import collection_text
from pipeline.reports.map import with_reviews
from pipeline.reports.map_data import CHIP_FOLDER
from pipeline.reports.reviews import Decision, Review, Run, Signed, disagreements, latest, read_review, reviews_of
from pipeline.runs.inspect import read_manifest
from pipeline.runs.manifest import MANIFEST
from pipeline.runs.registering import REGISTER
from pipeline.runs.retelling import sealed_text
from pipeline.runs.store import write_whole

CHANGES, SITES, REVIEWS = "changes.geojson", "sites.geojson", "reviews.json"
_DECISIONS = TypeAdapter(tuple[Decision, ...])


@dataclass(frozen=True)
class Reviewed:
    """What was written, how many changes are in which state, and where reviewers differ."""

    folder: Path
    files: tuple[str, ...]
    register: Path
    states: Mapping[str, int]
    reviewers: tuple[str, ...]
    differ: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "folder": self.folder.as_posix(),
            "files": list(self.files),
            "register": self.register.as_posix(),
            "states": dict(self.states),
            "reviewers": list(self.reviewers),
            "disagreements": list(self.differ),
        }

    @property
    def text(self) -> str:
        """For a terminal."""
        counts = ", ".join(f"{count} {state}" for state, count in self.states.items())
        lines = [f"decisions of {', '.join(self.reviewers)}: {counts}"]
        lines += [f"  {line}" for line in self.differ]
        return "\n".join([*lines, f"wrote {', '.join(self.files)} to {self.folder}, and reviews into {self.register}"])


def import_reviews(
    run_dir: Path, paths: Sequence[Path], out: Path | None = None, register: Path | None = None
) -> Reviewed:
    """Take files of the map's page back and tell the run's change report, sites and map again with what they say.

    A run's own folder is sealed by its manifest, so they go to `out`, by default `reviews/<run>` beside the runs, with
    what was taken there before: of one reviewer and one change the latest word counts. Raises BadInput or StoreError;
    nothing is written unless every file is as it should be.
    """
    manifest, home = read_manifest(run_dir), run_dir.resolve()
    folder = out or home.parents[1] / "reviews" / str(manifest["run_id"])
    if folder.resolve().is_relative_to(home):
        raise BadInput(f"--out {folder}: lies in the run, which is sealed; give another folder")
    register = register or _register_of(manifest, home)
    changes, sites = (json.loads(sealed_text(run_dir, manifest, name)) for name in (CHANGES, SITES))
    site_of = {f["id"]: f["properties"]["site_id"] for f in changes["features"]}
    run = Run(str(manifest["programme"]), str(manifest["run_id"]), manifest["outputs"][CHANGES], site_of.keys())
    decisions = [signed for path in paths for signed in read_review(path, run)]
    decisions += _taken_before(folder / REVIEWS, run)
    reviews = reviews_of(decisions)
    known = read_register(register)
    texts = {CHANGES: _told(changes, reviews), SITES: _told(sites, {site_of[name]: r for name, r in reviews.items()})}
    for name in sorted(manifest["outputs"]):
        if "/" not in name and name.startswith("map") and name.endswith(".html"):
            texts[name] = with_reviews(sealed_text(run_dir, manifest, name), reviews)
    try:
        for name, text in texts.items():
            write_whole(folder / name, text.encode())
        if (run_dir / CHIP_FOLDER).is_dir():
            shutil.copytree(run_dir / CHIP_FOLDER, folder / CHIP_FOLDER, dirs_exist_ok=True)
        differ = disagreements(reviews)
        record = {
            "programme": run.programme,
            "run_id": run.run_id,
            "changes_sha256": run.changes_sha256,
            "run_json_sha256": sha256_of(run_dir / MANIFEST),
            "decisions": [signed.as_json() for signed in latest(decisions)],
            "disagreements": differ,
            "outputs": {name: sha256_of(folder / name) for name in sorted(texts)},
        }
        write_whole(folder / REVIEWS, (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode())
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written ({error.strerror}); free space or fix access") from error
    write_register(register, known, [_row(signed, site_of) for signed in latest(decisions)])
    states = Counter(review.state for review in reviews.values())
    states["unreviewed"] = len(site_of) - len(reviews)
    names = tuple(sorted({signed.reviewer for signed in decisions}))
    return Reviewed(folder, (*texts, REVIEWS), register, dict(sorted(states.items())), names, tuple(differ))


def imported_reviews(run_dir: Path, manifest: Mapping[str, Any], site_of: Mapping[str, str]) -> dict[str, Review]:
    """What was taken back of a run so far, from `reviews/<run>` beside the runs, by change and by site.

    `site_of` has the site of each change. Raises BadInput if it is not as `import_reviews` wrote it.
    """
    run = Run(str(manifest["programme"]), str(manifest["run_id"]), manifest["outputs"].get(CHANGES, ""), site_of.keys())
    found = reviews_of(_taken_before(run_dir.resolve().parents[1] / "reviews" / run.run_id / REVIEWS, run))
    return found | {site_of[name]: review for name, review in found.items()}


def _register_of(manifest: Mapping[str, Any], home: Path) -> Path:
    """The programme's own register; one that its config names lies where only its user knows."""
    try:
        named = manifest["config"]["validated"]["run"]["register_file"]
    except (KeyError, TypeError):
        named = None
    if named is not None:
        raise BadInput(f"the programme keeps its register in {named}, as seen from its config; name it with --register")
    return home.parents[1] / REGISTER


def _taken_before(path: Path, run: Run) -> list[Signed]:
    """Decisions that were taken into the folder earlier, none if there are none; raises BadInput."""
    if not path.exists():
        return []
    remedy = "move it away, and give all files of the reviewers again"
    try:
        kept = json.loads(path.read_text("utf-8"))
        if kept["changes_sha256"] != run.changes_sha256:
            raise BadInput(f"{path}: is of another run; {remedy}")
        names = [str(row.pop("reviewer")) for row in kept["decisions"]]
        decisions = _DECISIONS.validate_json(json.dumps(kept["decisions"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, ValidationError) as error:
        raise BadInput(f"{path}: is not as `review import` wrote it ({type(error).__name__}); {remedy}") from error
    if not {decision.change_id for decision in decisions} <= set(run.change_ids):
        raise BadInput(f"{path}: decides on changes that the run does not have; {remedy}")
    return [Signed(name, decision) for name, decision in zip(names, decisions, strict=True)]


def _told(report: dict[str, Any], reviews: Mapping[str, Review]) -> str:
    """A report's text with the `review` of each feature that was reviewed."""
    features = report.pop("features")
    for feature in features:
        if feature["id"] in reviews:
            feature["properties"]["review"] = reviews[feature["id"]].as_property()
    return collection_text(report, features)


def _row(signed: Signed, site_of: Mapping[str, str]) -> dict[str, str]:
    decision = signed.decision
    return {
        "site_id": site_of[decision.change_id],
        "change_id": decision.change_id,
        "decision": decision.decision,
        "reviewer": signed.reviewer,
        "date": decision.date[:10],
        "note": decision.comment,
        "class": decision.kind,
    }
