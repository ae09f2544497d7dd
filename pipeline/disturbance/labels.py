"""Labelled imagery: patches of reflectance with a class drawn for each pixel."""

from __future__ import annotations

import csv
import hashlib
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.disturbance.planes import EVIDENCE
from pipeline.disturbance.regions import ELSEWHERE, Region, block_of, regions_of
from pipeline.errors import BadInput, Problems
from pipeline.imagery.scene import BANDS

OTHER, BARE, POND, UNSURE = 0, 1, 2, 255
CLASSES = {"other": OTHER, "bare": BARE, "pond": POND, "unsure": UNSURE}
FILES = ("patches.npz", "patches.csv", "masks.npz", "masks.csv")
EVIDENCE_FILE = "evidence.npz"

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


_UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    OverflowError,
    EOFError,
    MemoryError,
    zipfile.BadZipFile,
    csv.Error,
)


@dataclass(frozen=True)
class Provenance:
    """Where labels come from: the SHA-256 of each file, of the one that holds the classes, and what is known of them.

    `left_out` names what was labelled and could not be used. `pictures` tells whether pixels of the imagery may be
    shown: "imagery", or only "maps" of reference and model.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    labels_sha256: str = ""
    origin: str = "Origin and licence of the labels: as their owner states."
    simulated: bool = False
    left_out: tuple[str, ...] = ()
    pictures: Literal["imagery", "maps"] = "imagery"


@dataclass(frozen=True)
class Labels:
    """Patches at one time each; `Labels.of` fills in what is not known.

    reflectance     (patch, 6, y, x)  uint16, x 10 000; NODATA where not observed
    mask            (patch, y, x)     uint8: 0 other, 1 bare workings, 2 pond in workings, 255 unsure or not labelled
    lonlat          (patch, 2)        float64 longitude and latitude of the centre, degrees
    verdict         (patch,)          "mining", "no_mining" or "unsure"
    note            (patch,)          the interpreter's words
    region          (patch,)          name of the region that holds the patch
    place           (patch,)          patches of one place, at whatever time, share its name
    time            (patch,)          which time of its place: "t0", "t1", or a day
    windows         (patch, 2)        datetime64[D] first and last day of the imagery, NaT where not known
    amw_first_year  (patch,)          first year in which Amazon Mining Watch maps mining there; 0 never or not known
    evidence        planes beside the bands, by name, (patch, y, x) float32 each, NaN where absent
    halo_px         outer pixels of each patch that are surroundings only; nothing is labelled there
    """

    reflectance: NDArray[np.uint16]
    mask: NDArray[np.uint8]
    lonlat: NDArray[np.float64]
    verdict: NDArray[np.str_]
    note: tuple[str, ...]
    region: NDArray[np.str_]
    place: NDArray[np.str_]
    time: NDArray[np.str_]
    windows: NDArray[np.datetime64]
    amw_first_year: NDArray[np.int64]
    evidence: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    halo_px: int = 0
    provenance: Provenance = field(default_factory=Provenance)

    @classmethod
    def of(
        cls,
        reflectance: NDArray[np.uint16],
        mask: NDArray[np.uint8],
        lonlat: NDArray[np.float64],
        *,
        verdict: Sequence[str] | None = None,
        note: Sequence[str] | None = None,
        region: Sequence[str] | None = None,
        place: Sequence[str] | None = None,
        time: Sequence[str] | None = None,
        windows: NDArray[np.datetime64] | None = None,
        amw_first_year: Sequence[int] | None = None,
        evidence: Mapping[str, NDArray[np.float32]] | None = None,
        halo_px: int = 0,
        provenance: Provenance | None = None,
    ) -> Labels:
        """Labels of patches, the rest by default: no verdict, each patch its own place, one region."""
        n = len(mask)
        return cls(
            reflectance=reflectance,
            mask=mask,
            lonlat=np.asarray(lonlat, np.float64).reshape(n, 2),
            verdict=np.array(["unsure"] * n if verdict is None else verdict, np.str_),
            note=("",) * n if note is None else tuple(note),
            region=np.array([ELSEWHERE] * n if region is None else region, np.str_),
            place=np.array([str(i) for i in range(n)] if place is None else place, np.str_),
            time=np.array([""] * n if time is None else time, np.str_),
            windows=np.full((n, 2), "NaT", "M8[D]") if windows is None else windows.astype("M8[D]"),
            amw_first_year=np.array([0] * n if amw_first_year is None else amw_first_year, np.int64),
            evidence=dict(evidence or {}),
            halo_px=halo_px,
            provenance=provenance or Provenance(),
        )

    @classmethod
    def read(cls, folder: Path) -> Labels:
        """Labels of a folder with patches.npz, patches.csv, masks.npz and masks.csv (docs/training.md).

        `evidence.npz` is read where it is there. A column `region` of patches.csv names regions; without one, places
        of the Amazon basin fall into the blocks of `regions.BLOCKS`. Raises BadInput where a file is missing or the
        files contradict each other.
        """
        if not folder.exists():
            raise BadInput(f"labels in {folder}: no such folder or file; give one that holds {', '.join(FILES)}")
        missing = [name for name in FILES if not (folder / name).is_file()]
        if missing:
            raise BadInput(f"labels in {folder}: no {', '.join(missing)}; expected {', '.join(FILES)}")
        try:
            patches = _arrays(folder / "patches.npz", ("sample_id", "t0", "t1"))
            masks = _arrays(folder / "masks.npz", ("sample_id", "time", "mask"))
            places = {row["sample_id"]: row for row in _rows(folder / "patches.csv")}
            rows = _rows(folder / "masks.csv")
            drawn = [(row["sample_id"], row["time"], row["patch"], row["note"]) for row in rows]
            lonlat = np.array([(float(places[s]["longitude"]), float(places[s]["latitude"])) for s, *_ in drawn])
            years = [int(float(places[s].get("amw_first_year") or 0)) for s, *_ in drawn]
            windows = [[places[s].get(f"{time}_{end}") or "NaT" for end in ("start", "end")] for s, time, *_ in drawn]
            days = np.array(windows, "M8[D]").reshape(len(drawn), 2)
            evidence_file = folder / EVIDENCE_FILE
            evidence = _arrays(evidence_file, None) if evidence_file.is_file() else {}
        except _UNREADABLE as error:
            raise BadInput(f"labels in {folder}: cannot be read ({error!r}); docs/training.md shows them") from error
        _check(folder, patches, masks, drawn, lonlat, evidence)
        position = {str(sample): i for i, sample in enumerate(patches["sample_id"])}
        pixels = np.stack([patches[time][position[sample]] for sample, time, *_ in drawn])
        named = [places[sample].get("region") or "" for sample, *_ in drawn]
        return cls.of(
            reflectance=np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).astype(np.uint16),
            mask=masks["mask"],
            lonlat=lonlat,
            verdict=[verdict for _, _, verdict, _ in drawn],
            note=[note for *_, note in drawn],
            region=[name or ELSEWHERE for name in named] if any(named) else [block_of(*at) for at in lonlat],
            place=[sample for sample, *_ in drawn],
            time=[time for _, time, *_ in drawn],
            windows=days,
            amw_first_year=years,
            evidence=evidence,
            provenance=_provenance(folder),
        )

    @cached_property
    def kinds(self) -> dict[str, NDArray[np.bool_]]:
        """For each kind of ground, the patches whose note names it."""
        return {
            kind: np.array([re.search(pattern, note, re.IGNORECASE) is not None for note in self.note], np.bool_)
            for kind, pattern in KINDS.items()
        }

    @cached_property
    def cell(self) -> NDArray[np.int64]:
        """Number of the 1 degree cell that holds each patch, (patch,)."""
        return self.cells(1.0)

    def cells(self, side_deg: float) -> NDArray[np.int64]:
        """Number of the cell of `side_deg` degrees that holds each patch, (patch,)."""
        cells = np.floor(np.round(self.lonlat / side_deg, 6)).astype(np.int64)
        return np.unique(cells, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north of the patches' centres, degrees."""
        (west, south), (east, north) = self.lonlat.min(axis=0).tolist(), self.lonlat.max(axis=0).tolist()
        return west, south, east, north

    @property
    def years(self) -> NDArray[np.int64]:
        """First and last year of each patch's imagery, (patch, 2); 0 where not known."""
        years = self.windows.astype("M8[Y]").astype(np.int64) + 1970
        return np.where(np.isnat(self.windows), 0, years)

    def with_regions(self, regions: Sequence[Region]) -> Labels:
        """The same labels under the names of these regions."""
        return replace(self, region=np.array(regions_of(self.lonlat, regions), np.str_))

    def subset(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> Labels:
        """The labels of some patches, by number or by a mask (patch,), in that order."""
        chosen = np.arange(len(self.mask))[index]
        changes: dict[str, Any] = {
            f.name: getattr(self, f.name)[chosen] for f in fields(self) if f.name not in _NOT_BY_PATCH
        }
        changes["note"] = tuple(self.note[i] for i in chosen)
        changes["evidence"] = {name: planes[chosen] for name, planes in self.evidence.items()}
        return replace(self, **changes)


_NOT_BY_PATCH = ("note", "evidence", "halo_px", "provenance")

# What is known of label sets beyond their pixels, by the SHA-256 of masks.npz.
_KNOWN = {
    "c467de302d6b92680744729989b57099a009ddb4a4606c4ac3489c0b13f4fa3c": {
        "origin": (
            "Places in the Amazon basin south of the equator, each at two times; masks drawn for this project by "
            "visual interpretation, CC0; pixels contain modified Copernicus Sentinel data 2016-2023. Regions are "
            "blocks by longitude: peru west of 69 W, with Ecuador; western-brazil to 59 W, with the Andean foot of "
            "Bolivia; tapajos-east beyond."
        ),
        "pictures": "maps",  # the compiler of the imagery states no licence
    }
}


def _provenance(folder: Path) -> Provenance:
    names = [*FILES, EVIDENCE_FILE] if (folder / EVIDENCE_FILE).is_file() else FILES
    files = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    known: dict[str, Any] = _KNOWN.get(files["masks.npz"], {})
    return Provenance(files, files["masks.npz"], **known)


def _arrays(path: Path, names: Sequence[str] | None) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in (stored.files if names is None else names)}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _check(
    folder: Path,
    patches: Mapping[str, NDArray[Any]],
    masks: Mapping[str, NDArray[Any]],
    drawn: list[tuple[str, str, str, str]],
    lonlat: NDArray[np.float64],
    evidence: Mapping[str, NDArray[Any]],
) -> None:
    problems = []
    n = len(patches["sample_id"])
    for name in ("t0", "t1"):
        array = patches[name]
        if array.dtype != np.int16 or array.ndim != 4 or array.shape[0] != n or array.shape[3] != len(BANDS):
            problems.append(f"patches.npz: {name} is {array.dtype} {array.shape}, expected int16 ({n}, y, x, 6)")
        elif array.min(initial=0) < 0:
            problems.append(f"patches.npz: {name} holds negative reflectance")
    if patches["t0"].shape != patches["t1"].shape:
        problems.append(f"patches.npz: t1 is {patches['t1'].shape}, expected the shape of t0, {patches['t0'].shape}")
    if not drawn:
        problems.append("masks.csv: lists no patch")
    elif any(field is None for row in drawn for field in row):
        problems.append("masks.csv: a line has too few fields")
    elif not np.isfinite(lonlat).all() or (abs(lonlat) > (180, 90)).any():
        problems.append("patches.csv: longitude or latitude is not a place in degrees")
    mask = masks["mask"]
    if mask.dtype != np.uint8 or mask.shape[:1] != (len(drawn),) or mask.shape[1:] != patches["t0"].shape[1:3]:
        problems.append(f"masks.npz: mask is {mask.dtype} {mask.shape}, expected uint8, one patch for each line of csv")
    elif not np.isin(mask, list(CLASSES.values())).all():
        problems.append("masks.npz: mask holds other classes than 0, 1, 2 and 255")
    named = list(zip(masks["sample_id"].tolist(), masks["time"].tolist(), strict=False))
    if named != [(sample, time) for sample, time, *_ in drawn]:
        problems.append("masks.npz and masks.csv do not list the same patches in the same order")
    known = set(patches["sample_id"].tolist())
    strange = [sample for sample, time, *_ in drawn if sample not in known or time not in ("t0", "t1")]
    if strange:
        problems.append(f"masks.csv: {strange[0]!r} has no pixels in patches.npz")
    for name, planes in evidence.items():
        if name not in EVIDENCE:
            problems.append(f"{EVIDENCE_FILE}: {name!r} is not known; known: {', '.join(EVIDENCE)}")
        elif planes.dtype != np.float32 or planes.shape != mask.shape:
            problems.append(f"{EVIDENCE_FILE}: {name} is {planes.dtype} {planes.shape}, expected float32 {mask.shape}")
    if problems:
        raise Problems(f"labels in {folder}", problems)
