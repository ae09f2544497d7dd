"""The files of one Sentinel-2 product: a folder named .SAFE, or a zip file that is read without unpacking it."""

from __future__ import annotations

import io
import os
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pipeline.errors import SceneRejected

PRODUCT_METADATA = "MTD_MSIL2A.xml"
# What a run needs of a product; whatever else it holds is never touched.
_WANTED = re.compile(
    r"MTD_MSIL2A\.xml|GRANULE/[A-Za-z0-9_.-]+/(MTD_TL\.xml|IMG_DATA/R[12]0m/[A-Za-z0-9_.-]+\.jp2)", re.ASCII
)
_GLOBS = (PRODUCT_METADATA, "GRANULE/*/MTD_TL.xml", "GRANULE/*/IMG_DATA/R10m/*.jp2", "GRANULE/*/IMG_DATA/R20m/*.jp2")
_MOST_XML = 50_000_000
_MOST_RASTER = 1_000_000_000
_MOST_ENTRIES = 10_000  # a product has about 150
_MOST_LISTING = 4_000_000
# What zipfile raises on archives that are none, or lie.
_BROKEN = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    OSError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    MemoryError,
)


@dataclass(frozen=True)
class Product:
    """A product: `files` by their names within it, as addresses that GDAL opens; `read` gives the bytes of one."""

    files: Mapping[str, str]
    read: Callable[[str], bytes]


def open_product(path: Path, root: Path) -> Product:
    """The product at a path below `root`; raises SceneRejected for anything else, or what leads out of it."""
    if not path.resolve().is_relative_to(root):
        raise SceneRejected("leads out of the imagery folder; move it into it")
    return _folder(path, root) if path.is_dir() else _zip(path)


def _folder(path: Path, root: Path) -> Product:
    files = {}
    for place in (place for pattern in _GLOBS for place in path.glob(pattern)):
        name = place.relative_to(path).as_posix()
        if not place.resolve().is_relative_to(root):
            raise SceneRejected(f"its {name} leads out of the imagery folder; copy the file into it")
        if _WANTED.fullmatch(name) and place.is_file():
            files[name] = str(place)
    return Product(files, partial(_read_file, path))


def _read_file(path: Path, name: str) -> bytes:
    try:
        with (path / name).open("rb") as file:
            return _bounded(name, file.read(_MOST_XML + 1))
    except OSError as error:
        raise SceneRejected(f"its {name} cannot be read ({error.strerror})") from error


def _bounded(name: str, content: bytes) -> bytes:
    if len(content) > _MOST_XML:
        raise SceneRejected(f"its {name} is larger than {_MOST_XML / 1e6:.0f} MB, which metadata never are")
    return content


class _Guarded(io.FileIO):
    """A file of which no more is read at once than the list of a product's entries needs."""

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = os.fstat(self.fileno()).st_size - self.tell() if size is None or size < 0 else size
        if wanted > _MOST_LISTING:
            raise ValueError("its list of entries is too long for a product")
        return super().read(wanted) or b""


def _zip(path: Path) -> Product:
    try:
        with _Guarded(path) as file, zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except _BROKEN as error:
        raise SceneRejected(f"is no zip file that can be read ({str(error)[:120]}); fetch it again") from error
    if len(entries) > _MOST_ENTRIES:
        raise SceneRejected(f"holds {len(entries)} entries; a product has a few hundred")
    for entry in entries:
        parts = entry.filename.split("/")
        if ".." in parts or entry.filename.startswith("/") or "\\" in entry.orig_filename or ":" in parts[0]:
            raise SceneRejected(
                f"holds an entry {entry.filename[:120]!r} that leads out of it; fetch the product again"
            )
    heads = [e.filename.rpartition("/")[0] for e in entries if re.fullmatch(r"([^/]+/)?MTD_MSIL2A\.xml", e.filename)]
    if len(heads) > 1:
        raise SceneRejected(f"holds {PRODUCT_METADATA} {len(heads)} times; a zip file is one product")
    prefix = f"{heads[0]}/" if heads and heads[0] else ""
    inside = {entry.filename.removeprefix(prefix): entry for entry in entries if entry.filename.startswith(prefix)}
    wanted = {name: entry for name, entry in inside.items() if heads and _WANTED.fullmatch(name)}
    count = Counter(entry.filename for entry in entries)
    for name, entry in wanted.items():
        if count[entry.filename] > 1:
            raise SceneRejected(f"holds {name} {count[entry.filename]} times; fetch the product again")
        if entry.file_size > _MOST_RASTER:
            raise SceneRejected(f"holds {name} of {entry.file_size / 1e9:.1f} GB, which no band of a product is")
    place = path.resolve().as_posix()
    files = {name: f"/vsizip/{{{place}}}/{entry.filename}" for name, entry in sorted(wanted.items())}
    return Product(files, partial(_read_entry, path, {name: entry.filename for name, entry in wanted.items()}))


def _read_entry(path: Path, names: Mapping[str, str], name: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(names[name]) as file:
            # Whatever size the entry declares, no more is unpacked.
            return _bounded(name, file.read(_MOST_XML + 1))
    except (*_BROKEN, KeyError) as error:
        raise SceneRejected(f"its {name} cannot be read ({str(error)[:120]}); fetch the product again") from error
