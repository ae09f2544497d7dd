"""The content-addressed store: each result under the hash of everything it depends on, present and whole or absent."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pydantic import BaseModel
from rasterio.io import MemoryFile

from pipeline.errors import StoreError
from pipeline.hashing import sha256_of

_PACKAGE = Path(__file__).resolve().parents[1]
_COMPILED = (".pyc", ".nbi", ".nbc")  # made from the source, and different on each machine


def content_key(**parts: object) -> str:
    """SHA-256 (hex) of named parts in a canonical JSON form: the name of the result they determine."""
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()


def canonical_json(value: object) -> str:
    """JSON with sorted keys and no spaces; dataclasses, settings, dates and paths are written plainly."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain, allow_nan=False)


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"{type(value).__name__} has no canonical form")


@lru_cache(maxsize=16)
def code_version(*rooms: str) -> str:
    """SHA-256 over every source file of some rooms of the package: a changed line never meets an old raster."""
    digest = hashlib.sha256()
    for room in sorted(rooms):
        for path in sorted(p for p in (_PACKAGE / room).rglob("*") if p.is_file() and p.suffix not in _COMPILED):
            digest.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under a temporary name in its folder, flush it to disk, then rename it; raises StoreError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".part-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StoreError(
            f"cannot write {path.name} to {path.parent}: {error.strerror}; free space or fix access"
        ) from error


class Store:
    """Results of a programme below one folder, as `<stage>/<key[:2]>/<key>.tif|.npz` with a `.json` that seals each.

    The seal is written last and holds the SHA-256 of the data and what the task reported.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def _path(self, stage: str, key: str, suffix: str) -> Path:
        return self.root / stage / key[:2] / f"{key}{suffix}"

    def seal(self, stage: str, key: str) -> dict[str, Any] | None:
        """What the task reported when it stored a result; None if the result is absent or not whole."""
        try:
            seal: dict[str, Any] = json.loads(self._path(stage, key, ".json").read_text("utf-8"))
            data = self._path(stage, key, seal["suffix"])
            return seal if sha256_of(data) == seal["sha256"] else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, stage: str, key: str, data: bytes, suffix: str, report: Mapping[str, Any]) -> None:
        """Store bytes and seal them; raises StoreError."""
        write_whole(self._path(stage, key, suffix), data)
        seal = {"sha256": hashlib.sha256(data).hexdigest(), "suffix": suffix, **report}
        write_whole(self._path(stage, key, ".json"), canonical_json(seal).encode())

    def get(self, stage: str, key: str, suffix: str) -> bytes:
        """The bytes of a sealed result; raises StoreError if it is absent or damaged."""
        try:
            data = self._path(stage, key, suffix).read_bytes()
            seal = json.loads(self._path(stage, key, ".json").read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise StoreError(f"stored {stage} {key[:12]} is missing; run again") from error
        if hashlib.sha256(data).hexdigest() != seal.get("sha256"):
            raise StoreError(f"stored {stage} {key[:12]} is damaged; run again, it will be made anew")
        return data

    def put_planes(
        self,
        stage: str,
        key: str,
        planes: NDArray[Any],
        geobox: GeoBox,
        names: Sequence[str],
        report: Mapping[str, Any],
    ) -> None:
        """Store planes (plane, y, x) on a geobox as a compressed GeoTIFF; raises StoreError."""
        self.put(stage, key, _encode(planes, geobox, names), ".tif", report)

    def get_planes(self, stage: str, key: str) -> NDArray[Any]:
        """Stored planes (plane, y, x); raises StoreError."""
        with MemoryFile(self.get(stage, key, ".tif")) as memory, memory.open() as raster:
            planes: NDArray[Any] = raster.read()
        return planes

    def get_plane(self, stage: str, key: str, number: int) -> NDArray[Any]:
        """One stored plane (y, x), counted from 0, without decoding the others; raises StoreError."""
        with MemoryFile(self.get(stage, key, ".tif")) as memory, memory.open() as raster:
            plane: NDArray[Any] = raster.read(number + 1)
        return plane


def _encode(planes: NDArray[Any], geobox: GeoBox, names: Sequence[str]) -> bytes:
    count, height, width = planes.shape
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            count=count,
            height=height,
            width=width,
            dtype=planes.dtype.name,
            crs=str(geobox.crs),
            transform=geobox.transform,
            interleave="band",
            compress="zstd",
            zstd_level=1,
            predictor=2,
            blockysize=height,
        ) as raster:
            raster.write(np.ascontiguousarray(planes))
            raster.descriptions = tuple(names)
        data: bytes = memory.read()
    return data
