"""The content-addressed store: each result under the hash of everything it depends on, present and whole or absent."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
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

_DAY_S = 86_400
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
            if sha256_of(data) != seal["sha256"]:
                return None
            self._used(stage, key)
            return seal
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def report(self, stage: str, key: str) -> dict[str, Any] | None:
        """As `seal`, but the data are taken at their word: quick, for plans."""
        try:
            seal: dict[str, Any] = json.loads(self._path(stage, key, ".json").read_text("utf-8"))
            return seal if self._path(stage, key, seal["suffix"]).is_file() else None
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
        self._used(stage, key)
        return data

    def _used(self, stage: str, key: str) -> None:
        """Let the seal's time tell the day of the last use; times of reading are not kept on many disks."""
        path = self._path(stage, key, ".json")
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _DAY_S:
                os.utime(path)

    def put_planes(
        self,
        stage: str,
        key: str,
        planes: NDArray[Any],
        geobox: GeoBox | None,
        names: Sequence[str],
        report: Mapping[str, Any],
        *,
        block_px: int | None = None,
    ) -> None:
        """Store planes (plane, y, x) on a geobox as a compressed GeoTIFF, plane by plane or in square blocks.

        Raises StoreError.
        """
        self.put(stage, key, _encode(planes, geobox, names, block_px), ".tif", report)

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


def _encode(planes: NDArray[Any], geobox: GeoBox | None, names: Sequence[str], block_px: int | None) -> bytes:
    count, height, width = planes.shape
    layout: dict[str, Any] = {"blockysize": height}
    if block_px is not None:
        layout = {"tiled": True, "blockxsize": block_px, "blockysize": block_px}
    if geobox is not None:
        layout |= {"crs": str(geobox.crs), "transform": geobox.transform}
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            count=count,
            height=height,
            width=width,
            dtype=planes.dtype.name,
            interleave="band",
            compress="zstd",
            zstd_level=1,
            predictor=2,
            **layout,
        ) as raster:
            raster.descriptions = tuple(names)  # first, so that the header stays at the head of the file
            raster.write(np.ascontiguousarray(planes))
        data: bytes = memory.read()
    return data
