"""Decisions of reviewers about the changes of a run: the files that the map saves, and what they say together."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from pipeline.errors import BadInput, Problems

FORMAT = "placerwatch review 1"
MAX_FILE_BYTES = 64 * 2**20
MAX_COMMENT = 5000
Verdict = Literal["confirmed", "rejected", "unsure"]
Kind = Literal["", "workings", "river bar", "burn", "field", "road", "settlement", "pond", "cloud", "other"]
UNSURE, DISPUTED = "unsure", "disputed"
_SHOWN = 20
_Id = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Decision(_Part):
    """What one reviewer decided about one change; `date` is the moment in UTC, such as 2021-04-20T09:30:00Z."""

    change_id: _Id
    decision: Verdict
    kind: Kind = Field(default="", alias="class", description="what the reviewer holds the ground to be")
    comment: str = Field(default="", max_length=MAX_COMMENT)
    date: str = Field(pattern=r"^20\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$")

    @field_validator("comment")
    @classmethod
    def _text(cls, text: str) -> str:
        """Without control characters, which tables and terminals cannot show."""
        return "".join(sign for sign in text if sign in "\n\t" or unicodedata.category(sign) != "Cc").strip()


class _Place(_Part):
    type: Literal["Point"]
    coordinates: tuple[float, float] = Field(description="longitude and latitude; for a look in a GIS, never read")


class _Feature(_Part):
    type: Literal["Feature"]
    geometry: _Place | None
    properties: Decision


class ReviewFile(_Part):
    """A file that the map's page saves: the decisions of one reviewer about one run."""

    type: Literal["FeatureCollection"]
    format: Literal["placerwatch review 1"]
    programme: _Id
    run_id: _Id
    changes_sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the run's changes.geojson")
    reviewer: str = Field(min_length=1, max_length=40, pattern=r"^[^\x00-\x1f\x7f]+$")
    features: tuple[_Feature, ...] = Field(max_length=200_000)

    @field_validator("reviewer")
    @classmethod
    def _name(cls, name: str) -> str:
        if not name.isprintable() or name != name.strip():
            raise ValueError("must be printable initials without spaces around them")
        return name


@dataclass(frozen=True)
class Run:
    """The run that decisions are about: its name, its change report's SHA-256, the ids of its changes."""

    programme: str
    run_id: str
    changes_sha256: str
    change_ids: Collection[str]


@dataclass(frozen=True)
class Signed:
    """A decision with who took it."""

    reviewer: str
    decision: Decision

    def as_json(self) -> dict[str, str]:
        """For files and pages."""
        return {"reviewer": self.reviewer, **self.decision.model_dump(by_alias=True)}


@dataclass(frozen=True)
class Review:
    """What all reviewers say of one change: `state` confirmed, rejected, unsure or disputed; `day` of the last word."""

    change_id: str
    state: str
    votes: tuple[Signed, ...]

    @property
    def reviewer(self) -> str:
        """Who reviewed, by name."""
        return ", ".join(vote.reviewer for vote in self.votes)

    @property
    def day(self) -> str:
        """The day of the latest decision."""
        return max(vote.decision.date for vote in self.votes)[:10]

    @property
    def kinds(self) -> tuple[str, ...]:
        """What the ground is held to be, by those who said so."""
        return tuple(sorted({vote.decision.kind for vote in self.votes if vote.decision.kind}))

    def as_property(self) -> dict[str, str]:
        """The `review` of a feature in the reports."""
        return {"state": self.state, "reviewer": self.reviewer, "date": self.day}

    def as_json(self) -> dict[str, Any]:
        """The same with every reviewer's word, as the map shows it."""
        shown = ("reviewer", "decision", "class", "comment")
        votes = [{key: vote.as_json()[key] for key in shown} for vote in self.votes]
        return {**self.as_property(), "by": votes}


def read_review(path: Path, run: Run) -> tuple[Signed, ...]:
    """Decisions in a file; raises BadInput where it is of another run, Problems that names each fault."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise BadInput(f"{path}: is larger than {MAX_FILE_BYTES // 2**20} MiB; that is no file of the review page")
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); give a file that the map's page saved") from error
    if re.search(rb'"format"\s*:\s*"placerwatch labels', content[:2000]):
        raise BadInput(
            f"{path}: holds labels of a probability sample, which serve an estimate and nothing else; give it to "
            "placerwatch estimate --reference"
        )
    if b'"placerwatch review' not in content:
        # Of another file, such as the change report itself, every field would be told as a fault.
        raise Problems(str(path), ['no file of reviews; give what "Save the file" on the map\'s page wrote'])
    try:
        file = ReviewFile.model_validate_json(content)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc'])) or 'the file'}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)
        ]
        more = [f"and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
        raise Problems(f"{path} (expected a file that the map's page saved)", [*faults[:_SHOWN], *more]) from error
    if (file.programme, file.run_id, file.changes_sha256) != (run.programme, run.run_id, run.changes_sha256):
        raise BadInput(
            f"{path}: is about run {file.run_id} of {file.programme} (changes {file.changes_sha256[:12]}), not about "
            f"{run.run_id} of {run.programme} (changes {run.changes_sha256[:12]}); give the folder of its run"
        )
    return _checked(file, path, run)


def _checked(file: ReviewFile, path: Path, run: Run) -> tuple[Signed, ...]:
    known, seen, problems = set(run.change_ids), set[str](), []
    for number, feature in enumerate(file.features, start=1):
        name = feature.properties.change_id
        if name not in known:
            problems.append(f"decision {number}: {name[:60]!r} is no change of this run")
        if name in seen:
            problems.append(f"decision {number}: {name[:60]!r} is decided twice; keep one")
        seen.add(name)
    if problems:
        more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        raise Problems(str(path), [*problems[:_SHOWN], *more])
    return tuple(Signed(file.reviewer, feature.properties) for feature in file.features)


def latest(decisions: Iterable[Signed]) -> tuple[Signed, ...]:
    """The latest word of each reviewer on each change, by change and reviewer; KM and km are one person."""
    newest: dict[tuple[str, str], Signed] = {}
    for signed in sorted(decisions, key=lambda s: (s.decision.date, s.decision.model_dump_json(), s.reviewer)):
        newest[signed.decision.change_id, signed.reviewer.casefold()] = signed
    return tuple(newest[key] for key in sorted(newest))


def reviews_of(decisions: Sequence[Signed]) -> dict[str, Review]:
    """What all decisions say together, by change: agreement of those who are sure decides, else it is disputed."""
    by_change: dict[str, list[Signed]] = {}
    for signed in latest(decisions):
        by_change.setdefault(signed.decision.change_id, []).append(signed)
    found = {}
    for name, votes in by_change.items():
        sure = {vote.decision.decision for vote in votes} - {UNSURE}
        state = DISPUTED if len(sure) > 1 else next(iter(sure), UNSURE)
        found[name] = Review(name, state, tuple(votes))
    return found


def disagreements(reviews: Mapping[str, Review]) -> list[str]:
    """One line for each change on whose decision or class reviewers differ."""
    lines = []
    for review in reviews.values():
        if review.state == DISPUTED or len(review.kinds) > 1:
            words = [f"{v.reviewer} {v.decision.decision}, {v.decision.kind or 'class not said'}" for v in review.votes]
            what = "decision" if review.state == DISPUTED else "class"
            lines.append(f"{review.change_id}: {what} differs: {'; '.join(words)}")
    return lines
