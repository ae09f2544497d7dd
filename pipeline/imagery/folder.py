"""Scenes in a folder: STAC items anywhere below it, or plain GeoTIFFs where there are none."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from pipeline.errors import SceneRejected
from pipeline.imagery.items import has_bands, is_item, scene_from_item, when_and_where
from pipeline.imagery.listed import ListedSource, Lost, reported, within
from pipeline.imagery.plain import plain_scenes
from pipeline.imagery.radar_items import RadarList, RadarScene, distinct, is_radar, radar_from_item, unwanted
from pipeline.imagery.radar_raster import read_polarisations
from pipeline.imagery.raster import short_name
from pipeline.imagery.safe import SafeMetadata, read_safe
from pipeline.imagery.scene import Bbox, Scene, Skipped, namesakes

_LARGEST_JSON = 10_000_000
# Of each file; reading archives of terabytes whole at the start of each run would take longer than the run.
_SAMPLES, _SAMPLE_BYTES = 16, 1 << 12
_SAFE_KEYS = ("product_metadata", "product-metadata")


class FolderSource(ListedSource):
    """The scenes of a folder, listed once per instance; `offset` overrides what metadata say about the -1000."""

    def __init__(self, root: Path, offset: int | None = None, name: str = "folder") -> None:
        super().__init__(root, name)
        self.offset = offset
        self._listed_radar: tuple[list[RadarScene], list[Lost]] | None = None

    def find_radar(self, bbox: Bbox, start: date, end: date, collection: str) -> RadarList:
        """See RadarFinder. Items are known by what they hold, whatever `collection` they say they are of."""
        if self._listed_radar is None:
            self._listed_radar = self._list_radar()
        scenes, lost = self._listed_radar
        kept = distinct([scene for scene in scenes if within(scene, bbox, start, end)])
        return RadarList(kept.scenes, (*reported(lost, bbox, start, end), *kept.skipped))

    def read_radar(self, scene: RadarScene, geobox: GeoBox) -> NDArray[np.int16]:
        """See RadarFinder."""
        return read_polarisations(scene, geobox)

    def _items(self) -> tuple[list[tuple[Path, str, dict[str, Any]]], list[Lost]]:
        self._require_folder()
        items: list[tuple[Path, str, dict[str, Any]]] = []
        lost: list[Lost] = []
        for path in sorted(self.root.rglob("*.json")):
            name = path.relative_to(self.root).as_posix()
            try:
                item = _item(path)
            except SceneRejected as error:
                lost.append(Lost(Skipped(name, str(error), failed=True)))
                continue
            if item is not None:
                items.append((path, name, item))
        return items, lost

    def _list(self) -> tuple[list[Scene], list[Lost]]:
        items, lost = self._items()
        if not items:
            scenes, others = plain_scenes(self.root, self.offset)
            return scenes, lost + others
        scenes = []
        for path, name, item in items:
            try:
                if has_bands(item):
                    scenes.append(self._scene(path, item))
            except SceneRejected as error:
                lost.append(Lost(Skipped(name, str(error), failed=True), *when_and_where(item)))
        scenes, doubled = namesakes(scenes)
        return scenes, [*lost, *(Lost(skipped, scene.acquired, scene.bbox) for scene, skipped in doubled)]

    def _list_radar(self) -> tuple[list[RadarScene], list[Lost]]:
        # A file that is no readable JSON is reported by the optical search.
        scenes, lost = [], []
        for path, name, item in self._items()[0]:
            if not is_radar(item):
                continue
            try:
                reason = unwanted(item)
                if reason is None:
                    scenes.append(self._radar_scene(path, item))
                else:
                    lost.append(Lost(Skipped(name, reason), *when_and_where(item)))
            except SceneRejected as error:
                lost.append(Lost(Skipped(name, str(error), failed=True), *when_and_where(item)))
        return scenes, lost

    def _scene(self, path: Path, item: Mapping[str, Any]) -> Scene:
        content = _Content(path, self.root)
        scene = scene_from_item(item, content.resolve, offset=self.offset, safe=self._safe(path, item))
        return replace(scene, version=content.version)

    def _radar_scene(self, path: Path, item: Mapping[str, Any]) -> RadarScene:
        content = _Content(path, self.root)
        scene = radar_from_item(item, content.resolve)
        return replace(scene, version=content.version)

    def _safe(self, path: Path, item: Mapping[str, Any]) -> SafeMetadata | None:
        for key in _SAFE_KEYS:
            asset = item["assets"].get(key)
            href = asset.get("href") if isinstance(asset, Mapping) else None
            # Metadata that were not copied with the bands are missed by nobody.
            if isinstance(href, str) and not _split(href).scheme and _is_file(path.parent / unquote(href)):
                return read_safe(Path(resolve_href(href, path.parent, self.root)))
        return None


class _Content:
    """Resolves the hrefs of one item and digests what lies there: a scene's version where nobody else keeps count."""

    def __init__(self, path: Path, root: Path) -> None:
        self.base, self.root = path.parent, root
        self.digest = hashlib.sha256(path.read_bytes())

    def resolve(self, href: str) -> str:
        place = resolve_href(href, self.base, self.root)
        if not place.startswith(("http", "s3")):
            self.digest.update(sampled(Path(place)))
        return place

    @property
    def version(self) -> str:
        return self.digest.hexdigest()[:16]


def resolve_href(href: str, base: Path, root: Path) -> str:
    """Where an href of a local item may be opened: a file below `root`, or an http(s) or s3 address.

    Raises SceneRejected if it leads out of the folder, to no file, or has another scheme.
    """
    parts = _split(href)
    if parts.scheme in ("http", "https", "s3"):
        return remote_href(href)
    if parts.scheme not in ("", "file") or (parts.scheme == "file" and parts.netloc not in ("", "localhost")):
        raise SceneRejected(f"asset address {href[:120]!r} is not a file, http(s) or s3 address")
    path = Path(unquote(parts.path)) if parts.scheme else base / unquote(href)
    try:
        place = path.resolve()
        is_file = place.is_file()
    except (OSError, ValueError) as error:
        raise SceneRejected(f"asset address {href[:120]!r} is not a path") from error
    if not place.is_relative_to(root):
        raise SceneRejected(f"asset {href[:120]!r} leads out of the imagery folder; move the file into it")
    if not is_file:
        raise SceneRejected(f"asset {href[:120]!r} does not exist in the imagery folder")
    return str(place)


def remote_href(href: str) -> str:
    """An http(s) or s3 address as given; raises SceneRejected for anything else."""
    parts = _split(href)
    if parts.scheme not in ("http", "https", "s3") or not parts.netloc or not re.fullmatch(r"[!-~]{1,4000}", href):
        raise SceneRejected(f"asset address {href[:120]!r} is not an http(s) or s3 address")
    return href


def sampled(path: Path) -> bytes:
    """Digest of a file's size and of bytes from all over it: a raster written anew differs nearly everywhere."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            digest = hashlib.sha256(str(size).encode())
            last = max(size - _SAMPLE_BYTES, 0)
            for start in sorted({last * k // (_SAMPLES - 1) for k in range(_SAMPLES)}):
                file.seek(start)
                digest.update(file.read(_SAMPLE_BYTES))
    except OSError as error:
        raise SceneRejected(f"{short_name(str(path))} cannot be read ({error.strerror})") from error
    return digest.digest()


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no file can have
        return False


def _split(href: str) -> SplitResult:
    try:
        return urlsplit(href)
    except ValueError as error:
        raise SceneRejected(f"asset address {href[:120]!r} is no address ({error})") from error


def _item(path: Path) -> dict[str, Any] | None:
    """The STAC item of a file, None if it is something else; SceneRejected if it is broken: it may have been one."""
    try:
        if path.stat().st_size > _LARGEST_JSON:
            return None
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        found = str(getattr(error, "strerror", None) or error)[:120]
        raise SceneRejected(f"is not readable JSON ({found}); write it again or take it away") from error
    return document if is_item(document) else None
