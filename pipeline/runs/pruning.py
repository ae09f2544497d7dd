"""What stores hold, and taking out of them what is longest unused. Nothing outside of a store is ever touched."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import BadInput, StoreError
from pipeline.runs.inspect import read_manifest

_DAY_S = 86_400
_KEY = re.compile(r"([0-9a-f]{64})\.[a-z0-9]{1,8}")
_STAGE = re.compile(r"[a-z]{1,20}")


@dataclass(frozen=True)
class Kept:
    """A stored result: its files (the seal first), their bytes, and when it was last used, seconds since 1970.

    What was left half-written has no key; it goes when it is a day old.
    """

    store: Path
    stage: str
    key: str
    files: tuple[Path, ...]
    size: int
    used: float


@dataclass(frozen=True)
class Pruned:
    """What went and what stayed, bytes by stage, and why results stayed that were asked to go."""

    gone: Mapping[str, int]
    results: int
    left: Mapping[str, int]
    named: int

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {"gone": dict(self.gone), "results": self.results, "left": dict(self.left), "kept_for_runs": self.named}


def stores_below(folder: Path) -> list[Path]:
    """The stores of a programme's folder, or of every programme in a folder of outputs; raises BadInput."""
    found = [path / "store" for path in (folder, *_folders(folder)) if (path / "store").is_dir()]
    if not found:
        raise BadInput(f"{folder}: no store there; give outputs, or the folder of one programme in it")
    return found


def stored(stores: Iterable[Path]) -> list[Kept]:
    """Every result in some stores."""
    return [kept for store in stores for kept in _stored(store)]


def sizes(results: Iterable[Kept]) -> Counter[str]:
    """Bytes by stage, largest first."""
    total: Counter[str] = Counter()
    for kept in results:
        total[kept.stage] += kept.size
    return Counter(dict(total.most_common()))


def prune(
    stores: Iterable[Path],
    *,
    older_than_days: float | None = None,
    max_bytes: int | None = None,
    also_named: bool = False,
    now: float | None = None,
) -> Pruned:
    """Delete results unused for so many days, then the longest unused until no more than `max_bytes` are left in all.

    Results that the newest run of a programme names are kept, unless `also_named`. Raises BadInput without a rule.
    """
    if older_than_days is None and max_bytes is None:
        raise BadInput("say what may go: --older-than DAYS, --max-gb GB, or both")
    now = time.time() if now is None else now
    stores = list(stores)
    named = set() if also_named else {(store, key) for store in stores for key in _named(store)}
    results = sorted(stored(stores), key=lambda kept: (kept.used, kept.key))
    left = sum(kept.size for kept in results)
    gone: list[Kept] = []
    spared = 0
    for kept in results:
        age_days = (now - kept.used) / _DAY_S
        if not kept.key:
            goes = age_days > 1
        else:
            goes = (older_than_days is not None and age_days > older_than_days) or (
                max_bytes is not None and left > max_bytes
            )
        if goes and (kept.store, kept.key) in named:
            spared += 1
        elif goes:
            _delete(kept)
            gone.append(kept)
            left -= kept.size
    went = {kept.files for kept in gone}
    return Pruned(sizes(gone), len(gone), sizes(kept for kept in results if kept.files not in went), spared)


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())
    except OSError as error:
        raise BadInput(f"{folder}: cannot be read ({error.strerror})") from error


def _stored(store: Path) -> Iterator[Kept]:
    for stage in _folders(store):
        if not _STAGE.fullmatch(stage.name):
            continue
        for shelf in _folders(stage):
            by_key: dict[str, list[Path]] = {}
            for path in sorted(shelf.iterdir()):
                match = _KEY.fullmatch(path.name)
                is_ours = match is not None and match[1].startswith(shelf.name)
                if path.is_symlink() or not path.is_file():
                    continue
                if is_ours and match is not None:
                    by_key.setdefault(match[1], []).append(path)
                elif path.name.startswith(".part-"):
                    by_key.setdefault(path.name, []).append(path)
            for key, files in by_key.items():
                # The seal goes first: what is half deleted is not taken for whole.
                files.sort(key=lambda path: path.suffix != ".json")
                stats = [path.stat() for path in files]
                is_part = key.startswith(".part-")
                yield Kept(
                    store,
                    stage.name,
                    "" if is_part else key,
                    tuple(files),
                    sum(stat.st_size for stat in stats),
                    stats[0].st_mtime,
                )


def _named(store: Path) -> set[str]:
    """Keys that the manifest of the newest run beside a store names, wherever in it they stand."""
    try:
        text = json.dumps(read_manifest(store.parent / "latest"))
    except BadInput:
        return set()  # no run yet, or none of this version: nothing that could be verified
    return set(re.findall(r'"([0-9a-f]{64})"', text))


def _delete(kept: Kept) -> None:
    try:
        for path in kept.files:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{path}: cannot be deleted ({error.strerror}); fix access") from error
