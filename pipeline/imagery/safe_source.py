"""Sentinel-2 L2A products as Copernicus gives them: folders named .SAFE and zip files, without STAC items."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import SceneRejected
from pipeline.imagery.granule import parse_granule
from pipeline.imagery.items import iso_time
from pipeline.imagery.listed import ListedSource, Lost
from pipeline.imagery.product import PRODUCT_METADATA, Product, open_product
from pipeline.imagery.radiometry import decide_offset
from pipeline.imagery.safe import parse_safe
from pipeline.imagery.scene import BANDS, SCL, Asset, Scene, Skipped

_L2A = re.compile(r"S2[A-Z]_MSIL2A_(\d{8}T\d{6})_")
_URI = re.compile(r"S2[A-Z]_MSIL2A_[A-Za-z0-9_]{1,100}(\.SAFE)?", re.ASCII)
_STEP_M = {band: 20 if band in ("B11", "B12", SCL) else 10 for band in (*BANDS, SCL)}


class SafeSource(ListedSource):
    """The products in a folder, or in folders one level below it; listed once per instance."""

    def __init__(self, root: Path, name: str = "safe") -> None:
        super().__init__(root, name)

    def _list(self) -> tuple[list[Scene], list[Lost]]:
        self._require_folder()
        scenes: dict[str, tuple[str, Scene]] = {}
        lost = []
        for path in products_in(self.root):
            place = path.relative_to(self.root).as_posix() if path != self.root else path.name
            try:
                scene = read_product(open_product(path, self.root))
            except SceneRejected as error:
                named = _L2A.match(path.name)
                # What never was an L2A product is left aside; what should have been one failed.
                lost.append(Lost(Skipped(place, str(error), failed=named is not None), _day(named)))
                continue
            first, _ = scenes.setdefault(scene.id, (place, scene))
            if first != place:
                reason = f"holds the product that {first} holds too, and that one is read"
                lost.append(Lost(Skipped(place, reason), scene.acquired, scene.bbox))
        return [scene for _, scene in scenes.values()], lost


def products_in(root: Path) -> Iterator[Path]:
    """Folders named .SAFE and zip files in a folder and one level below it, by name; the folder may be one itself."""
    if _is_product(root):
        yield root
        return
    for path in _entries(root):
        if _is_product(path):
            yield path
        elif path.is_dir():
            yield from filter(_is_product, _entries(path))


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:  # a folder that may not be looked into
        return []


def _is_product(path: Path) -> bool:
    suffix = path.suffix.lower()
    return path.is_dir() if suffix == ".safe" else suffix == ".zip" and path.is_file()


def read_product(product: Product) -> Scene:
    """The scene of a product; raises SceneRejected with the reason where it has none that can be used."""
    if PRODUCT_METADATA not in product.files:
        raise SceneRejected(f"holds no {PRODUCT_METADATA}: no Sentinel-2 L2A product, or not all of one")
    granules = [name for name in product.files if name.endswith("/MTD_TL.xml")]
    if len(granules) != 1:
        raise SceneRejected(f"holds metadata of {len(granules)} granules (MTD_TL.xml); products of one are read")
    safe = parse_safe(PRODUCT_METADATA, product.read(PRODUCT_METADATA))
    granule = parse_granule("MTD_TL.xml", product.read(granules[0]))
    if not _URI.fullmatch(safe.product_uri):
        raise SceneRejected(f"{PRODUCT_METADATA} names no L2A product (found {safe.product_uri[:80]!r})")
    name = safe.product_uri.removesuffix(".SAFE")
    folder = granules[0].rpartition("/")[0]
    assets = {band: Asset(place) for band in (*BANDS, SCL) if (place := _raster(product, folder, band))}
    missing = [band for band in BANDS if band not in assets]
    if missing:
        raise SceneRejected(f"lacks {', '.join(missing)} in {folder}/IMG_DATA; fetch the product again")
    decision = decide_offset({"id": name}, {}, safe)
    return Scene(
        id=name,
        version=f"{safe.product_uri} {safe.generation_time}",
        acquired=granule.acquired,
        assets=assets,
        offset=decision.offset,
        offset_reason=decision.reason,
        baseline=safe.baseline,
        platform=granule.platform,
        granule=granule.granule,
        processed=iso_time(safe.generation_time),
        epsg=granule.epsg,
        cloud_cover=granule.cloud_cover,
        bbox=safe.bbox or granule.bbox,
    )


def _raster(product: Product, folder: str, band: str) -> str | None:
    step = _STEP_M[band]
    pattern = re.compile(rf"{re.escape(folder)}/IMG_DATA/R{step}m/[^/]*_{band}_{step}m\.jp2")
    found = [name for name in product.files if pattern.fullmatch(name)]
    if len(found) > 1:
        raise SceneRejected(f"holds {len(found)} files of {band} at {step} m ({', '.join(found)[:160]})")
    return product.files[found[0]] if found else None


def _day(named: re.Match[str] | None) -> datetime | None:
    try:
        return datetime.strptime(named[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC) if named else None
    except ValueError:
        return None
