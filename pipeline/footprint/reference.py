"""Reference labels: what interpreters saw at the points of a sample, where they agree, and the label that counts."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import BadInput, Problems

MAX_FILE_BYTES = 64 * 2**20
WORKINGS, OTHER, UNSURE = "workings", "other", "unsure"
SEEN = (WORKINGS, OTHER, UNSURE)
CONFIDENCES = ("", "low", "medium", "high")
MAX_TEXT = 500
_MAX_PROBLEMS = 50
# Change class by what was seen before and after.
CHANGE = {
    (OTHER, WORKINGS): "new",
    (WORKINGS, WORKINGS): "stable",
    (WORKINGS, OTHER): "recovered",
    (OTHER, OTHER): "none",
}
STATUS_CLASSES, CHANGE_CLASSES = (WORKINGS, OTHER), tuple(CHANGE.values())
NOT_RETURNED, TIE = "not returned", "tie"
NO_LABEL = (NOT_RETURNED, UNSURE, TIE)


@dataclass(frozen=True)
class Label:
    """What one interpreter saw at one point; `before` is "" where the sample is of one period."""

    sample_id: str
    interpreter: str
    before: str
    after: str
    confidence: str = ""
    comment: str = ""

    @property
    def status(self) -> str:
        """workings, other or unsure, at the later date."""
        return self.after

    @property
    def change(self) -> str:
        """new, stable, recovered, none, or unsure where one of the dates is."""
        return CHANGE.get((self.before, self.after), UNSURE)


@dataclass(frozen=True)
class Reference:
    """All labels of a file, in its order, and the SHA-256 of that file; of several files that over their SHA-256."""

    file: str
    sha256: str
    labels: tuple[Label, ...]

    @property
    def interpreters(self) -> tuple[str, ...]:
        """Their names, sorted."""
        return tuple(sorted({label.interpreter for label in self.labels}))


def read_reference(path: Path, ids: Sequence[str], has_before: bool) -> Reference:
    """Labels of a CSV file, or of a JSON list of objects with the same keys, for the points `ids` of a sample.

    A CSV may be separated by commas or semicolons. Raises Problems that names each line at fault, or BadInput.
    """
    return read_references([path], ids, has_before)


def read_references(paths: Sequence[Path], ids: Sequence[str], has_before: bool) -> Reference:
    """The same of several files together, each of one interpreter or more; raises like `read_reference`."""
    contents = [_content(path) for path in paths]
    rows: list[tuple[str, Mapping[str, Any]]] = []
    for path, content in zip(paths, contents, strict=True):
        found = _rows(path, content)
        rows += [(f"{path.name}, {where}", row) for where, row in found] if len(paths) > 1 else found
    labels = check_labels(rows, ids, has_before, f"labels in {', '.join(map(str, paths))}")
    hashes = [hashlib.sha256(content).hexdigest() for content in contents]
    together = hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    return Reference(", ".join(path.name for path in paths), together, labels)


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise BadInput(f"{path}: is larger than {MAX_FILE_BYTES // 2**20} MiB; that is no table of labels")
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); give the table of labels") from error


def _rows(path: Path, content: bytes) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: is not UTF-8 text (byte {error.start}); save the table as CSV UTF-8") from error
    return _json_rows(path, text) if path.suffix.lower() == ".json" else _csv_rows(path, text)


def _csv_rows(path: Path, text: str) -> list[tuple[str, Mapping[str, Any]]]:
    header = text.split("\n", 1)[0]
    try:
        delimiter = ";" if header.count(";") > header.count(",") else ","
        # Strict: a quotation mark that nobody closes would swallow the lines below it.
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        names = [name.strip().lower() for name in reader.fieldnames or ()]
        if twice := sorted({name for name in names if name and names.count(name) > 1}):
            raise BadInput(f"{path}: has the column {', '.join(twice)[:80]!r} twice; keep one")
        reader.fieldnames = names
        return [(f"line {reader.line_num}", row) for row in reader]
    except csv.Error as error:
        raise BadInput(f"{path}: is not CSV ({error}); save the table as CSV UTF-8") from error


def _json_rows(path: Path, text: str) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: is not JSON ({str(error)[:120]}); export the labels again") from error
    if isinstance(rows, dict):
        rows = rows.get("labels")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadInput(f"{path}: is not a list of labels; export them again, or save the table as CSV")
    return [(f"label {number}", row) for number, row in enumerate(rows, start=1)]


def check_labels(
    rows: Iterable[tuple[str, Mapping[str, Any]]], ids: Sequence[str], has_before: bool, subject: str
) -> tuple[Label, ...]:
    """Labels from rows of text, each with the name of its place for errors; rows that nobody filled in are passed over.

    Raises Problems that tells every fault: unknown points, words that are none of the classes, a second label of the
    same point by the same interpreter.
    """
    known, seen = set(ids), dict[tuple[str, str], str]()
    labels, problems, foreign = [], [], 0
    dates = ("before", "after") if has_before else ("after",)
    for where, row in rows:
        values = {str(key): _text(value) for key, value in row.items() if key is not None}
        missing = [name for name in ("sample_id", "interpreter", *dates) if name not in values]
        if missing:
            problems.append(f"{where}: no column {', '.join(missing)}; keep the header of the template")
            break
        if not any(values[name] for name in dates):
            continue
        faults = _faults(values, dates, known, has_before)
        foreign += values["sample_id"] not in known
        key = values["sample_id"], values["interpreter"]
        # Whoever signs KM once and km once is one person, with one voice.
        person = key[0], key[1].casefold()
        if person in seen:
            faults.append(f"{key[1][:40]!r} labelled {key[0][:40]!r} on {seen[person]} already; keep one of them")
        seen.setdefault(person, where)
        problems += [f"{where}: {fault}" for fault in faults]
        if not faults:
            told = {name: values.get(name, "") for name in ("confidence", "comment")}
            before = values["before"].lower() if has_before else ""
            labels.append(Label(*key, before, values["after"].lower(), told["confidence"].lower(), told["comment"]))
    if foreign and not labels:
        problems = [f"none of its {foreign} points is of this sample; give the labels of the sample of this design"]
    if not labels and not problems:
        problems.append("holds no label; fill in the columns " + " and ".join(dates))
    if problems:
        more = len(problems) - _MAX_PROBLEMS
        raise Problems(subject, [*problems[:_MAX_PROBLEMS], *([f"and {more} more"] if more > 0 else [])])
    return tuple(labels)


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else "" if value is None else str(value)[:MAX_TEXT]


def _faults(values: Mapping[str, str], dates: Sequence[str], known: set[str], has_before: bool) -> list[str]:
    faults = []
    if values["sample_id"] not in known:
        faults.append(f"point {values['sample_id'][:40]!r} is not of this sample; labels of other places cannot enter")
    if not values["interpreter"] or not values["interpreter"].isprintable():
        faults.append("has no interpreter; write a name or a short sign in each line")
    faults += [
        f"{name} {values[name][:40]!r}: write {', '.join(SEEN[:-1])} or {SEEN[-1]}"
        for name in dates
        if values[name].lower() not in SEEN
    ]
    if not has_before and values.get("before"):
        faults.append("has a label before; this sample is of one period: leave it empty")
    if values.get("confidence", "").lower() not in CONFIDENCES:
        faults.append(f"confidence {values['confidence'][:40]!r}: write low, medium or high, or nothing")
    if any(len(value) > MAX_TEXT for value in values.values()):
        faults.append(f"holds a text of more than {MAX_TEXT} characters; shorten it")
    return faults


def final_label(votes: Sequence[str]) -> str:
    """The label that counts of one point: what more than half of those who were sure saw.

    "unsure" if nobody was sure, "tie" without such a majority, "not returned" without a vote: the three are
    non-response.
    """
    sure = [vote for vote in votes if vote != UNSURE]
    if not votes:
        return NOT_RETURNED
    if not sure:
        return UNSURE
    (first, count), *_ = Counter(sure).most_common()
    return first if 2 * count > len(sure) else TIE


def final_labels(reference: Reference, ids: Sequence[str], kind: str) -> tuple[str, ...]:
    """The label that counts of each point, in the order of `ids`; `kind` is "status" or "change"."""
    votes: dict[str, list[str]] = {sample_id: [] for sample_id in ids}
    for label in reference.labels:
        votes[label.sample_id].append(getattr(label, kind))
    return tuple(final_label(votes[sample_id]) for sample_id in ids)


@dataclass(frozen=True)
class Agreement:
    """How far interpreters agree where two or more were sure; counts and shares are of points, not of area.

    by_class  of the points that anyone held to be of a class: how many, and how many of them all held so
    disputes  points with different labels: what each interpreter saw
    """

    points: int
    agreed: int
    by_class: Mapping[str, tuple[int, int]]
    disputes: Mapping[str, Mapping[str, str]]


def agreement(reference: Reference, ids: Sequence[str], kind: str, classes: Sequence[str]) -> Agreement:
    """Agreement of the interpreters about `kind`, "status" or "change"; disputes in the order of `ids`."""
    votes: dict[str, dict[str, str]] = {sample_id: {} for sample_id in ids}
    for label in reference.labels:
        votes[label.sample_id][label.interpreter] = getattr(label, kind)
    sure = {name: {who: vote for who, vote in seen.items() if vote != UNSURE} for name, seen in votes.items()}
    double = {name: set(seen.values()) for name, seen in sure.items() if len(seen) > 1}
    return Agreement(
        points=len(double),
        agreed=sum(len(found) == 1 for found in double.values()),
        by_class={
            name: (sum(name in found for found in double.values()), sum(found == {name} for found in double.values()))
            for name in classes
        },
        disputes={name: dict(sorted(sure[name].items())) for name, found in double.items() if len(found) > 1},
    )
