"""Labelled imagery: patches of reflectance with a class drawn for each pixel."""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadInput, Problems

OTHER, BARE, POND, UNSURE = 0, 1, 2, 255
FILES = ("patches.npz", "patches.csv", "masks.npz", "masks.csv")

# Kinds of ground by what the interpreters wrote; one patch may be of several kinds.
KINDS = {
    "fish ponds": r"\bfish",
    "river bars": r"\bbars?\b|\bsandbars?\b|\bbeach",
    "towns": r"\btown|\bvillage|\bsettlement|\bstreet|\bbuilding",
    "cobble plains": r"\bcobble|\bboulder|\bgravel",
    "roads": r"\broads?\b|\bairstrip",
    "haze or cloud": r"\bhaz|\bcloud",
    "industrial": r"\bindustrial",
}


@dataclass(frozen=True)
class Labels:
    """Patches at one time each.

    reflectance  (patch, 6, y, x)  uint16, x 10 000
    mask         (patch, y, x)     uint8: 0 other, 1 bare workings, 2 pond in workings, 255 unsure
    verdict      (patch,)          "mining", "no_mining" or "unsure"
    note         (patch,)          the interpreter's words
    cell         (patch,)          number of the 1 degree cell that holds the patch
    bounds       west, south, east, north of the patches' centres, degrees
    """

    reflectance: NDArray[np.uint16]
    mask: NDArray[np.uint8]
    verdict: NDArray[np.str_]
    note: tuple[str, ...]
    cell: NDArray[np.int64]
    bounds: tuple[float, float, float, float]

    @classmethod
    def read(cls, folder: Path) -> Labels:
        """Labels of a folder with patches.npz, patches.csv, masks.npz and masks.csv (docs of the data set).

        Raises BadInput where a file is missing or the files contradict each other.
        """
        missing = [name for name in FILES if not (folder / name).is_file()]
        if missing:
            raise BadInput(f"labels in {folder}: no {', '.join(missing)}; expected {', '.join(FILES)}")
        try:
            with np.load(folder / "patches.npz", allow_pickle=False) as stored:
                patches = {name: stored[name] for name in ("sample_id", "t0", "t1")}
            with np.load(folder / "masks.npz", allow_pickle=False) as stored:
                masks = {name: stored[name] for name in ("sample_id", "time", "mask")}
            places = {row["sample_id"]: row for row in _rows(folder / "patches.csv")}
            rows = _rows(folder / "masks.csv")
            drawn = [(row["sample_id"], row["time"], row["patch"], row["note"]) for row in rows]
            lonlat = np.array([(float(places[s]["longitude"]), float(places[s]["latitude"])) for s, *_ in drawn])
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, csv.Error) as error:
            raise BadInput(f"labels in {folder}: cannot be read ({error!r}); see the data set's README") from error
        _check(folder, patches, masks, drawn)
        position = {str(sample): i for i, sample in enumerate(patches["sample_id"])}
        pixels = np.stack([patches[time][position[sample]] for sample, time, *_ in drawn])
        cells = np.floor(lonlat).astype(np.int64)
        return cls(
            reflectance=np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).astype(np.uint16),
            mask=masks["mask"],
            verdict=np.array([verdict for _, _, verdict, _ in drawn]),
            note=tuple(note for *_, note in drawn),
            cell=np.unique(cells, axis=0, return_inverse=True)[1].reshape(-1),
            bounds=(*lonlat.min(axis=0).tolist(), *lonlat.max(axis=0).tolist()),
        )

    @cached_property
    def kinds(self) -> dict[str, NDArray[np.bool_]]:
        """For each kind of ground, the patches whose note names it."""
        return {
            kind: np.array([re.search(pattern, note, re.IGNORECASE) is not None for note in self.note])
            for kind, pattern in KINDS.items()
        }


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _check(
    folder: Path,
    patches: Mapping[str, NDArray[Any]],
    masks: Mapping[str, NDArray[Any]],
    drawn: list[tuple[str, str, str, str]],
) -> None:
    problems = []
    n = len(patches["sample_id"])
    for name in ("t0", "t1"):
        array = patches[name]
        if array.dtype != np.int16 or array.ndim != 4 or array.shape[0] != n or array.shape[3] != 6:
            problems.append(f"patches.npz: {name} is {array.dtype} {array.shape}, expected int16 ({n}, y, x, 6)")
        elif array.min(initial=0) < 0:
            problems.append(f"patches.npz: {name} holds negative reflectance")
    mask = masks["mask"]
    if mask.dtype != np.uint8 or mask.shape[:1] != (len(drawn),) or mask.shape[1:] != patches["t0"].shape[1:3]:
        problems.append(f"masks.npz: mask is {mask.dtype} {mask.shape}, expected uint8, one patch for each line of csv")
    elif not np.isin(mask, (OTHER, BARE, POND, UNSURE)).all():
        problems.append("masks.npz: mask holds other classes than 0, 1, 2 and 255")
    named = list(zip(masks["sample_id"].tolist(), masks["time"].tolist(), strict=False))
    if named != [(sample, time) for sample, time, *_ in drawn]:
        problems.append("masks.npz and masks.csv do not list the same patches in the same order")
    known = set(patches["sample_id"].tolist())
    strange = [sample for sample, time, *_ in drawn if sample not in known or time not in ("t0", "t1")]
    if strange:
        problems.append(f"masks.csv: {strange[0]!r} has no pixels in patches.npz")
    if problems:
        raise Problems(f"labels in {folder}", problems)
