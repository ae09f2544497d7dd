"""Plain GeoTIFFs as scenes: one file a band, or one file of six or seven bands, dated by their names."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
from rasterio.io import DatasetReader
from rasterio.warp import transform_bounds

from pipeline.errors import SceneRejected
from pipeline.imagery.items import in_flight
from pipeline.imagery.listed import Lost
from pipeline.imagery.radiometry import OFFSET, OffsetDecision, decide_offset
from pipeline.imagery.raster import grid_of, opened, short_name
from pipeline.imagery.scene import BANDS, SCL, Asset, Bbox, Scene, Skipped

_DATE = re.compile(r"(?<!\d)((?:19|20)\d{2})-?([01]\d)-?([0-3]\d)(?!\d)")
_BAND = re.compile(r"(?<![A-Za-z0-9])(B0?[2348]|B1[12]|SCL)(?:_(\d{2})m)?(?![A-Za-z0-9])", re.IGNORECASE)
_NAMED = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B08", "swir16": "B11", "swir22": "B12", "scl": SCL}
_HIGHEST_RATIO = 3.0  # reals up to this are reflectance from 0 to 1 (with glint), above it x 10 000
_THINNED_PX = 256


@dataclass(frozen=True)
class _File:
    """What one opened file says: grid, bounds, bands by number, scale, and the offset its tags declare."""

    epsg: int
    bbox: Bbox
    bands: tuple[str, ...]
    scale: float
    declared: tuple[float, float]
    digest: str


def plain_scenes(root: Path, offset: int | None) -> tuple[list[Scene], list[Lost]]:
    """Scenes made of the GeoTIFFs below a folder, and the files that cannot be used.

    Names carry a date (20210115 or 2021-01-15) or a span (2019-01-01_2019-12-31; its middle is the day), and
    one-band files a band (B02 or SCL). Files of six bands follow their band descriptions, or the order of
    BANDS; a seventh is the scene classification. `offset` None: from the file's own scale and offset tags, from a
    baseline in its name (N0400), or 0 for reals.
    """
    groups: dict[str, list[tuple[str | None, int, Path]]] = defaultdict(list)
    for path in sorted(p for p in root.rglob("*") if p.suffix.lower() in (".tif", ".tiff") and p.is_file()):
        name = path.relative_to(root).with_suffix("").as_posix()
        folder, _, stem = name.rpartition("/")
        match = _BAND.search(stem)
        if match is None:
            groups[name].append((None, 0, path))
            continue
        rest = (stem[: match.start()] + stem[match.end() :]).strip("_-. ") or stem
        groups[f"{folder}/{rest}".lstrip("/")].append((_band(match[1]), int(match[2] or 0), path))
    scenes, lost = [], []
    for name, files in groups.items():
        try:
            scenes.append(_scene(name, files, offset, root))
        except SceneRejected as error:
            lost.append(Lost(Skipped(name, str(error), failed=True), _acquired_or_none(name)))
    return scenes, lost


def _scene(name: str, files: list[tuple[str | None, int, Path]], offset: int | None, root: Path) -> Scene:
    acquired = acquired_from(name.rpartition("/")[2])
    by_band: dict[str, tuple[Path, int]] = {}
    read: dict[Path, _File] = {}
    for band, _, path in sorted(files, key=lambda f: (f[1], f[2])):
        if not path.resolve().is_relative_to(root):
            raise SceneRejected(f"{path.name} leads out of the imagery folder; copy the file into it")
        if band is not None and band in by_band:
            continue  # the same band at a coarser resolution
        read[path] = said = _describe(path, band)
        by_band.update({b: (path, k) for k, b in enumerate(said.bands, start=1) if b in (*BANDS, SCL)})
    missing = [band for band in BANDS if band not in by_band]
    if missing:
        raise SceneRejected(f"lacks {', '.join(missing)}; files found: {', '.join(sorted(p.name for p in read))}")
    if len({said.epsg for said in read.values()}) > 1:
        raise SceneRejected("its files lie in different UTM zones; reproject them to one")
    first = read[by_band["B02"][0]]
    decision = _offset(name, [read[by_band[band][0]] for band in BANDS], offset)
    return Scene(
        id=name,
        version=hashlib.sha256("".join(read[p].digest for p in sorted(read)).encode()).hexdigest()[:16],
        acquired=acquired,
        assets={b: Asset(str(p), k, 1.0 if b == SCL else read[p].scale) for b, (p, k) in sorted(by_band.items())},
        offset=decision.offset,
        offset_reason=decision.reason,
        epsg=first.epsg,
        bbox=first.bbox,
    )


def _acquired_or_none(name: str) -> datetime | None:
    try:
        return acquired_from(name.rpartition("/")[2])
    except SceneRejected:
        return None


def acquired_from(stem: str) -> datetime:
    """Noon (UTC) of the day in a file name, or of the middle of a span of days; raises SceneRejected if it has none."""
    matches = list(_DATE.finditer(stem))
    days = []
    for match in matches[:2]:
        try:
            days.append(date(int(match[1]), int(match[2]), int(match[3])))
        except ValueError as error:
            raise SceneRejected(f"{match[0]!r} in its name is not a date") from error
    if not days:
        raise SceneRejected("its name carries no date; add one as 20210115 or 2021-01-15")
    # Product names hold a generation time as well: two dates are a span only where nothing stands between them.
    span = len(days) == 2 and re.fullmatch(r"[_-]{1,2}|_to_", stem[matches[0].end() : matches[1].start()])
    middle = days[0] + (days[1] - days[0]) / 2 if span and days[1] >= days[0] else days[0]
    return in_flight(datetime(middle.year, middle.month, middle.day, 12, tzinfo=UTC))


def _describe(path: Path, band: str | None) -> _File:
    with opened(str(path)) as raster:
        src = raster.src
        grid = grid_of(src, short_name(str(path)))
        bands = (band,) if band is not None else _bands(src, path)
        return _File(
            epsg=grid.epsg,
            bbox=transform_bounds(src.crs, "EPSG:4326", *src.bounds),
            bands=bands,
            scale=_scale(src),
            declared=(float(src.scales[0]), float(src.offsets[0])),
            digest=_digest(path),
        )


def _bands(src: DatasetReader, path: Path) -> tuple[str, ...]:
    described = tuple(_described(text or "") for text in src.descriptions)
    if set(BANDS) <= set(described):
        return described
    if src.count in (6, 7):
        return (*BANDS, SCL)[: src.count]
    raise SceneRejected(
        f"{path.name} has {src.count} band(s) and no band names; name the band in the file name (…_B02.tif), or "
        f"describe six bands {', '.join(BANDS)} in the file"
    )


def _described(text: str) -> str:
    match = _BAND.search(text)
    return _band(match[1]) if match else _NAMED.get(text.strip().lower(), "")


def _band(token: str) -> str:
    name = token.upper()
    return name if name == SCL else f"B{int(name[1:]):02d}"


def _scale(src: DatasetReader) -> float:
    """10 000 for files of reals that hold reflectance from 0 to 1, else 1."""
    if np.dtype(src.dtypes[0]).kind != "f":
        return 1.0
    shrink = max(src.height, src.width, _THINNED_PX) / _THINNED_PX
    shape = max(1, round(src.height / shrink)), max(1, round(src.width / shrink))
    seen = src.read(1, out_shape=shape, masked=True)
    values = seen.compressed()
    values = values[np.isfinite(values)]
    return 10000.0 if values.size == 0 or np.percentile(values, 99) <= _HIGHEST_RATIO else 1.0


def _offset(name: str, files: list[_File], offset: int | None) -> OffsetDecision:
    if offset is not None:
        return OffsetDecision(offset, "the config states it")
    if all(said.scale != 1.0 for said in files):
        return OffsetDecision(0, "the files hold reflectance from 0 to 1")
    declared = {said.declared for said in files}
    if len(declared) == 1 and (only := declared.pop())[0] == 1e-4 and round(only[1] * 10000) in (0, OFFSET):
        return OffsetDecision(round(only[1] * 10000), f"the files declare offset {only[1]:g}")
    return decide_offset({"id": name}, {})


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
