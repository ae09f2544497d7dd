"""Scenes of a STAC API, found by item search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from functools import partial
from itertools import islice
from typing import Any
from urllib.parse import urljoin

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pystac_client import Client
from pystac_client.stac_api_io import StacApiIO
from urllib3 import Retry

from pipeline.config import Fetch
from pipeline.errors import SceneRejected, SourceUnavailable
from pipeline.imagery.elevation import DemFile, DemFiles, dem_from_item, is_dem_of
from pipeline.imagery.folder import remote_href
from pipeline.imagery.items import scene_from_item
from pipeline.imagery.radar_items import RadarList, RadarScene, distinct, is_radar, radar_from_item, unwanted
from pipeline.imagery.radar_raster import read_polarisations
from pipeline.imagery.reading import overview_assets, read_assets
from pipeline.imagery.scene import Bbox, Scene, SceneList, Skipped, namesakes, newest_versions, touches

_CONNECT_S = 10.0
_PAGE = 100
_MOST_ITEMS = 20_000


class StacSource:
    """A STAC API with item search; `keys` maps band names to asset keys where they are not the usual ones."""

    def __init__(
        self,
        url: str,
        collections: Sequence[str],
        keys: Mapping[str, str] | None = None,
        fetch: Fetch | None = None,
        name: str = "stac",
    ) -> None:
        self.url = url
        self.collections = tuple(collections)
        self.keys = dict(keys or {})
        self.fetch = fetch or Fetch()
        self.name = name

    def find(self, bbox: Bbox, start: date, end: date) -> SceneList:
        """See Source. Items that cannot be used are reported as failed, with the reason."""
        first, last = datetime.combine(start, time.min, UTC), datetime.combine(end, time.max, UTC)
        scenes, skipped = [], []
        for item in self._search(self.collections, bbox, first, last):
            try:
                scene = scene_from_item(item, partial(_resolve, item), keys=self.keys)
            except SceneRejected as error:
                skipped.append(Skipped(_printable(item), str(error), failed=True))
                continue
            # A server may answer more than it was asked.
            if first <= scene.acquired <= last and (scene.bbox is None or touches(scene.bbox, bbox)):
                scenes.append(scene)
        scenes, others = namesakes(scenes)
        skipped += [lost for _, lost in others]
        kept = newest_versions(scenes)
        return SceneList(kept.scenes, (*sorted(skipped, key=lambda s: (s.scene_id, s.reason)), *kept.skipped))

    def find_radar(self, bbox: Bbox, start: date, end: date, collection: str) -> RadarList:
        """See RadarFinder. An API without the collection answers with nothing."""
        first, last = datetime.combine(start, time.min, UTC), datetime.combine(end, time.max, UTC)
        scenes, skipped = [], []
        for item in self._search((collection,), bbox, first, last):
            try:
                # A server that does not know a collection may answer with another.
                if not is_radar(item):
                    continue
                reason = unwanted(item)
                if reason is not None:
                    skipped.append(Skipped(_printable(item), reason))
                    continue
                scene = radar_from_item(item, partial(_resolve, item))
            except SceneRejected as error:
                skipped.append(Skipped(_printable(item), str(error), failed=True))
                continue
            if first <= scene.acquired <= last and (scene.bbox is None or touches(scene.bbox, bbox)):
                scenes.append(scene)
        kept = distinct(scenes)
        return RadarList(kept.scenes, (*sorted(skipped, key=lambda s: (s.scene_id, s.reason)), *kept.skipped))

    def find_elevation(self, boxes: Sequence[Bbox], collection: str) -> DemFiles:
        """Rasters of elevation that touch lon/lat boxes; an API without the collection answers with none.

        Raises SourceUnavailable if the API cannot answer.
        """
        files: dict[str, DemFile] = {}
        skipped: dict[Skipped, None] = {}
        for bbox in boxes:
            for item in self._search((collection,), bbox):
                if not is_dem_of(item, collection):
                    continue
                try:
                    file = dem_from_item(item, partial(_resolve, item))
                except SceneRejected as error:
                    skipped[Skipped(_printable(item), str(error), failed=True)] = None
                    continue
                files.setdefault(file.name, file)
        return DemFiles(f"{self.name} {collection}", tuple(files[name] for name in sorted(files)), tuple(skipped))

    def read(self, scene: Scene, bands: Sequence[str], geobox: GeoBox) -> NDArray[np.uint16]:
        """See Source."""
        return read_assets(scene, bands, geobox)

    def read_radar(self, scene: RadarScene, geobox: GeoBox) -> NDArray[np.int16]:
        """See RadarFinder."""
        return read_polarisations(scene, geobox)

    def overview(self, scene: Scene, bands: Sequence[str], side_px: int) -> NDArray[np.uint16]:
        """See Source."""
        return overview_assets(scene, bands, side_px)

    def _search(
        self, collections: Sequence[str], bbox: Bbox, first: datetime | None = None, last: datetime | None = None
    ) -> list[dict[str, Any]]:
        retries = Retry(
            total=self.fetch.attempts - 1,
            backoff_factor=0.5,
            backoff_max=self.fetch.longest_wait_s,
            backoff_jitter=0.5,
            retry_after_max=int(self.fetch.longest_wait_s),
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=None,
        )
        try:
            client = Client.open(
                self.url, stac_io=StacApiIO(timeout=(_CONNECT_S, self.fetch.timeout_s), max_retries=retries)
            )
            search = client.search(
                collections=list(collections),
                bbox=bbox,
                datetime=(first, last) if first else None,
                limit=_PAGE,
                max_items=None,
            )
            items = list(islice(search.items_as_dicts(), _MOST_ITEMS + 1))
        # The libraries raise almost anything on an answer that is not what the standard promises.
        except Exception as error:
            found = " ".join(str(error).split())[:300]
            raise SourceUnavailable(
                f"STAC API {self.url} did not answer a search of {', '.join(collections)} "
                f"({type(error).__name__}: {found}); check source.url, the collection and the network, then run again"
            ) from error
        if len(items) > _MOST_ITEMS:
            raise SourceUnavailable(
                f"STAC API {self.url} answers with more than {_MOST_ITEMS} items; shorten the periods or the area"
            )
        return [item for item in items if isinstance(item, dict)]


def _printable(item: Mapping[str, Any]) -> str:
    """The id of an item that may be broken, fit for a manifest."""
    return "".join(c if c.isprintable() else "?" for c in str(item.get("id"))[:200])


def _resolve(item: Mapping[str, Any], href: str) -> str:
    """An asset's address, made absolute by the item's own link; only http(s) and s3 are let through."""
    links = item.get("links")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("rel") == "self" and isinstance(link.get("href"), str):
            return remote_href(urljoin(link["href"], href))
    return remote_href(href)
