"""Scenes of a STAC API, found by item search."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from functools import partial
from itertools import islice
from typing import Any
from urllib.parse import urljoin, urlsplit

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pystac_client import Client

from pipeline import config
from pipeline.config import Fetch
from pipeline.errors import AccessRefused, SceneRejected, SourceUnavailable
from pipeline.imagery.access import OPEN, S3, Access, Signer
from pipeline.imagery.elevation import DemFile, DemFiles, dem_from_item, is_dem_of
from pipeline.imagery.folder import remote_href
from pipeline.imagery.http import Http
from pipeline.imagery.items import printable_id, scene_from_item
from pipeline.imagery.radar_items import RadarList, RadarScene, distinct, is_radar, radar_from_item, unwanted
from pipeline.imagery.radar_raster import read_polarisations
from pipeline.imagery.ranges import RangeClient
from pipeline.imagery.reading import overview_assets, read_assets
from pipeline.imagery.remote import HEADER_BYTES
from pipeline.imagery.scene import Bbox, RequestCost, Scene, SceneList, Skipped, namesakes, newest_versions, touches

_PAGE = 100
_MOST_ITEMS = 20_000
# Reflectance compresses little: 10 m bands of whole granules are 180 to 230 MB of 241 MB.
_BLOCK_PX, _PIXEL_BYTES, _FINE_SHARE = 512, 1.7, 4 / 7


# By host of the API: where files are signed, and where s3:// addresses lead.
_SIGNED = ("planetarycomputer.microsoft.com",)
_S3_ENDPOINTS = {"stac.dataspace.copernicus.eu": "eodata.dataspace.copernicus.eu"}


def access_of(settings: config.StacSource, fetch: Fetch) -> Access:
    """How the files of a STAC API are opened: as the config says, or else as its host needs it."""
    host = urlsplit(settings.url).hostname or ""
    signing = settings.signing or ("planetary-computer" if host in _SIGNED else "none")
    endpoint = settings.s3_endpoint or _S3_ENDPOINTS.get(host)
    return Access(Signer(fetch=fetch) if signing != "none" else None, S3(endpoint) if endpoint else None)


class StacSource:
    """A STAC API with item search; `keys` maps band names to asset keys where they are not the usual ones.

    `access` opens the files that items name; the items themselves are asked for without an account.
    """

    remote = True

    def __init__(
        self,
        url: str,
        collections: Sequence[str],
        keys: Mapping[str, str] | None = None,
        fetch: Fetch | None = None,
        name: str = "stac",
        access: Access = OPEN,
    ) -> None:
        self.url = url
        self.collections = tuple(collections)
        self.keys = dict(keys or {})
        self.fetch = fetch or Fetch()
        self.name = name
        self.access = access
        self._client = RangeClient(self.fetch, access)

    def find(self, bbox: Bbox, start: date, end: date) -> SceneList:
        """See Source. Items that cannot be used are reported as failed, with the reason.

        Raises AccessRefused where the files of what was found need keys that are not set.
        """
        first, last = datetime.combine(start, time.min, UTC), datetime.combine(end, time.max, UTC)
        scenes, skipped = [], []
        for item in self._search(self.collections, bbox, first, last):
            try:
                scene = scene_from_item(item, partial(_resolve, item), keys=self.keys)
            except SceneRejected as error:
                skipped.append(Skipped(printable_id(item), str(error), failed=True))
                continue
            # A server may answer more than it was asked.
            if first <= scene.acquired <= last and (scene.bbox is None or touches(scene.bbox, bbox)):
                scenes.append(scene)
        for asset in (asset for scene in scenes[:1] for asset in scene.assets.values()):
            self._require_keys(asset.href)
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
                    skipped.append(Skipped(printable_id(item), reason))
                    continue
                scene = radar_from_item(item, partial(_resolve, item))
            except SceneRejected as error:
                skipped.append(Skipped(printable_id(item), str(error), failed=True))
                continue
            if first <= scene.acquired <= last and (scene.bbox is None or touches(scene.bbox, bbox)):
                scenes.append(scene)
        for band in (band for scene in scenes[:1] for band in scene.bands):
            self._require_keys(band.href)
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
                    skipped[Skipped(printable_id(item), str(error), failed=True)] = None
                    continue
                files.setdefault(file.name, file)
        found = tuple(files[name] for name in sorted(files))
        return DemFiles(f"{self.name} {collection}", found, tuple(skipped), self._client)

    def read(self, scene: Scene, bands: Sequence[str], geobox: GeoBox) -> NDArray[np.uint16]:
        """See Source."""
        return read_assets(scene, bands, geobox, self._client)

    def read_radar(self, scene: RadarScene, geobox: GeoBox) -> NDArray[np.int16]:
        """See RadarFinder."""
        return read_polarisations(scene, geobox, self._client)

    def overview(self, scene: Scene, bands: Sequence[str], side_px: int) -> NDArray[np.uint16]:
        """See Source."""
        return overview_assets(scene, bands, side_px, self._client)

    def cost(self, scene: Scene, n_bands: int, shape: tuple[int, int]) -> RequestCost:
        """What reading a window of so many bands would cost: an estimate, of files that are not opened for it.

        Four bands of seven are 10 m; tiled in blocks of 512 pixels, of which the window cuts half more on each side.
        """
        return _window_cost(n_bands, shape, (_FINE_SHARE + (1 - _FINE_SHARE) / 4) * _PIXEL_BYTES)

    def radar_cost(self, scene: RadarScene, shape: tuple[int, int]) -> RequestCost:
        """As `cost`, of both polarisations in real numbers."""
        return _window_cost(len(scene.bands), shape, 2 * _PIXEL_BYTES)

    @property
    def spent(self) -> RequestCost:
        """Requests for pixels and bytes received so far."""
        return self._client.spent

    def _require_keys(self, href: str) -> None:
        if self.access.s3 and href.startswith("s3://"):
            self.access.s3.keys()

    def _search(
        self, collections: Sequence[str], bbox: Bbox, first: datetime | None = None, last: datetime | None = None
    ) -> list[dict[str, Any]]:
        try:
            client = Client.open(self.url, stac_io=Http(self.fetch))
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
            if (status := getattr(error, "status_code", None)) in (401, 403):
                raise AccessRefused(
                    f"STAC API {self.url} refuses a search of {', '.join(collections)} (HTTP {status}); "
                    "it must be open to all, for no account is sent to it"
                ) from error
            raise SourceUnavailable(
                f"STAC API {self.url} did not answer a search of {', '.join(collections)} ({_why(error)}); "
                "check source.url, the collection and the network, then run again"
            ) from error
        if len(items) > _MOST_ITEMS:
            raise SourceUnavailable(
                f"STAC API {self.url} answers with more than {_MOST_ITEMS} items; shorten the periods or the area"
            )
        return [item for item in items if isinstance(item, dict)]


def _window_cost(files: int, shape: tuple[int, int], pixel_bytes: float) -> RequestCost:
    height, width = (n + _BLOCK_PX for n in shape)
    # A header, then each row of blocks: rows lie far from each other in the file.
    requests = files * (1 + math.ceil(height / _BLOCK_PX))
    return RequestCost(requests, bytes=round(files * (HEADER_BYTES + height * width * pixel_bytes)))


def _why(error: BaseException) -> str:
    """What the network said, where it said anything, without the libraries' wrappings around it."""
    first = cause = error
    while (deeper := cause.__cause__ or cause.__context__) is not None:
        cause = deeper
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return f"{type(first).__name__}: {' '.join(str(first).split())[:300]}"


def _resolve(item: Mapping[str, Any], href: str) -> str:
    """An asset's address, made absolute by the item's own link; only http(s) and s3 are let through."""
    links = item.get("links")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("rel") == "self" and isinstance(link.get("href"), str):
            return remote_href(urljoin(link["href"], href))
    return remote_href(href)
