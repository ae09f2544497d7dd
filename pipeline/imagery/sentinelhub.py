"""Sentinel Hub as a source: dates from its Catalog, a tile of an overpass in one request of its Process API."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.warp import transform_bounds
from sentinelhub.api.catalog import SentinelHubCatalog
from sentinelhub.constants import CRS
from sentinelhub.geometry import BBox

from pipeline import config
from pipeline.errors import AccessRefused, SceneRejected, SourceUnavailable
from pipeline.imagery import sentinelhub_scripts as scripts
from pipeline.imagery.answers import SharedAnswers
from pipeline.imagery.items import printable_id
from pipeline.imagery.processing_units import processing_units
from pipeline.imagery.radar_items import RadarList, RadarScene, distinct
from pipeline.imagery.raster import epsg_of
from pipeline.imagery.scene import (
    Bbox,
    RequestCost,
    Scene,
    SceneList,
    Skipped,
    namesakes,
    newest_versions,
    touches,
)
from pipeline.imagery.sentinelhub_client import HubClient, client_of
from pipeline.imagery.sentinelhub_items import (
    RADAR_COLLECTION,
    overpass_of,
    radar_scene_of,
    scene_of,
    unwanted_radar,
)

S = TypeVar("S", Scene, RadarScene)

_PAGE = 100
_MOST_ITEMS = 20_000
_OVERVIEW_PX = 256  # a side; the dark floor needs no more, and more would be paid for


class SentinelHubSource:
    """One account at one deployment.

    A pickle holds the settings and no secret: each worker finds the account for itself. Granules of one overpass are
    scenes of their own, with their own cloud cover; they share one request for a tile, which mosaics them.
    """

    remote = True
    overview_px = _OVERVIEW_PX

    def __init__(self, settings: config.SentinelHubSource, fetch: config.Fetch, name: str = "sentinelhub") -> None:
        self.settings = settings
        self.fetch = fetch
        self.name = name
        self._answers = SharedAnswers()
        self._spent = RequestCost()
        self._spent_lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return SentinelHubSource, (self.settings, self.fetch, self.name)

    def find(self, bbox: Bbox, start: date, end: date) -> SceneList:
        """See Source. Raises AccessRefused too; items that cannot be used are reported as failed, with the reason."""
        collection = self.settings.collection
        scenes, skipped = self._found(collection, bbox, start, end, lambda item: scene_of(item, collection))
        scenes, others = namesakes(scenes)
        skipped += [lost for _, lost in others]
        kept = newest_versions(scenes)
        return SceneList(kept.scenes, (*sorted(skipped, key=lambda s: (s.scene_id, s.reason)), *kept.skipped))

    def find_radar(self, bbox: Bbox, start: date, end: date, collection: str) -> RadarList:
        """See RadarFinder. Sentinel Hub has one collection of Sentinel-1; `collection` names that of a STAC API."""
        scenes, skipped = self._found(RADAR_COLLECTION, bbox, start, end, radar_scene_of, unwanted_radar)
        kept = distinct(scenes)
        return RadarList(kept.scenes, (*sorted(skipped, key=lambda s: (s.scene_id, s.reason)), *kept.skipped))

    def read(self, scene: Scene, bands: Sequence[str], geobox: GeoBox) -> NDArray[np.uint16]:
        """See Source. Raises AccessRefused too, which no other scene mends."""
        _require_zone(scene, geobox)
        key = overpass_of(scene), tuple(bands), geobox
        return self._answers.of(key, scene.id, lambda: self._read(scene, bands, geobox)).copy()

    def read_radar(self, scene: RadarScene, geobox: GeoBox) -> NDArray[np.int16]:
        """See RadarFinder. Raises AccessRefused too."""
        key = overpass_of(scene), scene.orbit, geobox
        return self._answers.of(key, scene.id, lambda: self._read_radar(scene, geobox)).copy()

    def overview(self, scene: Scene, bands: Sequence[str], side_px: int) -> NDArray[np.uint16]:
        """See Source; at most 256 pixels a side."""
        if scene.epsg is None or scene.bbox is None:
            raise SceneRejected("the Catalog tells neither its grid nor its box; it cannot be looked at as a whole")
        west, south, east, north = transform_bounds("EPSG:4326", f"EPSG:{scene.epsg}", *scene.bbox)
        box = round(west, -1), round(south, -1), round(east, -1), round(north, -1)
        extent = (box[3] - box[1]) / 10, (box[2] - box[0]) / 10
        shrink = max(*extent, 1.0) / min(side_px, _OVERVIEW_PX)
        height, width = (max(1, round(px / max(shrink, 1.0))) for px in extent)
        data = scripts.optical_data(self.settings.collection, scene.acquired)
        with _as_rejection():
            planes = self._ask(
                scripts.optical_script(bands), data, scene.epsg, box, (height, width), len(bands) + 1, "uint16"
            )
        return scripts.reflectance_of(planes, bands)

    def read_elevation(self, geobox: GeoBox) -> NDArray[np.float32]:
        """Height above the geoid in metres, (y, x); NaN where it is not known. Sea without a model is told as 0.

        Raises SourceUnavailable, or AccessRefused where the account may not use the model.
        """
        data = scripts.elevation_data(self.settings.elevation)
        planes = self._on_lattice(scripts.elevation_script(), data, geobox, 2, "float32")
        return np.where(planes[1] > 0, planes[0], np.float32(np.nan)).astype(np.float32)

    @property
    def elevation_name(self) -> str:
        """The model that `read_elevation` reads."""
        return f"Copernicus DEM GLO-{self.settings.elevation[-2:]} (Sentinel Hub)"

    def overpass_of(self, scene: Scene | RadarScene) -> str:
        """Scenes of which this is equal share their requests: for a tile, one of them is paid for."""
        return overpass_of(scene)

    def cost(self, scene: Scene, n_bands: int, shape: tuple[int, int]) -> RequestCost:
        """What one `read` of so many bands (SCL among them) on rows and columns costs, before it is sent."""
        return scripts.cost_of(shape, n_bands, n_bands + 1)

    def radar_cost(self, scene: RadarScene, shape: tuple[int, int]) -> RequestCost:
        """What one `read_radar` costs."""
        return scripts.cost_of(shape, 2, 2, terrain_corrected=True)

    def elevation_cost(self, geobox: GeoBox) -> RequestCost:
        """What one `read_elevation` costs."""
        return scripts.cost_of((geobox.shape[0], geobox.shape[1]), 1, 2, "FLOAT32")

    @property
    def spent(self) -> RequestCost:
        """Process requests sent so far, the units charged for them, and the bytes that came."""
        return self._spent

    @property
    def _client(self) -> HubClient:
        return client_of(self.settings, self.fetch)

    def _found(
        self,
        collection: str,
        bbox: Bbox,
        start: date,
        end: date,
        make: Callable[[dict[str, Any]], S],
        unwanted: Callable[[dict[str, Any]], str | None] = lambda _: None,
    ) -> tuple[list[S], list[Skipped]]:
        first, last = datetime.combine(start, time.min, UTC), datetime.combine(end, time.max, UTC)
        scenes: list[S] = []
        skipped: list[Skipped] = []
        for item in self._search(collection, bbox, first, last):
            try:
                if reason := unwanted(item):
                    skipped.append(Skipped(printable_id(item), reason))
                    continue
                scene = make(item)
            except SceneRejected as error:
                skipped.append(Skipped(printable_id(item), str(error), failed=True))
                continue
            if first <= scene.acquired <= last and (scene.bbox is None or touches(scene.bbox, bbox)):
                scenes.append(scene)
        return scenes, skipped

    def _search(self, collection: str, bbox: Bbox, first: datetime, last: datetime) -> list[dict[str, Any]]:
        client = self._client
        catalog = SentinelHubCatalog(config=client.config)
        catalog.client = client
        try:
            search = catalog.search(collection, bbox=BBox(bbox, CRS.WGS84), time=(first, last), limit=_PAGE)
            items = list(islice(search, _MOST_ITEMS + 1))
        except SourceUnavailable:
            raise
        # The library takes an answer for what the documentation promises.
        except Exception as error:
            raise SourceUnavailable(
                f"the Catalog at {client.config.sh_base_url} answers a search of {collection} with something else "
                f"({type(error).__name__}); check source.base_url"
            ) from None
        if len(items) > _MOST_ITEMS:
            raise SourceUnavailable(
                f"the Catalog answers with more than {_MOST_ITEMS} items; shorten the periods or the area"
            )
        return [item for item in items if isinstance(item, dict)]

    def _read(self, scene: Scene, bands: Sequence[str], geobox: GeoBox) -> NDArray[np.uint16]:
        data = scripts.optical_data(self.settings.collection, scene.acquired)
        with _as_rejection():
            planes = self._on_lattice(scripts.optical_script(bands), data, geobox, len(bands) + 1, "uint16")
        return scripts.reflectance_of(planes, bands)

    def _read_radar(self, scene: RadarScene, geobox: GeoBox) -> NDArray[np.int16]:
        data = scripts.radar_data(RADAR_COLLECTION, scene.acquired, scene.orbit)
        with _as_rejection():
            return scripts.backscatter_of(self._on_lattice(scripts.radar_script(), data, geobox, 2, "uint16"))

    def _on_lattice(self, script: str, data: dict[str, Any], geobox: GeoBox, count: int, dtype: str) -> NDArray[Any]:
        """Planes (count, y, x) on a lattice geobox, asked for in parts where it is larger than an answer may be."""
        planes = np.empty((count, *geobox.shape), dtype=dtype)
        for rows, cols in scripts.blocks((geobox.shape[0], geobox.shape[1])):
            part = planes[:, rows, cols]
            box = scripts.box_of(geobox, rows, cols)
            part[:] = self._ask(script, data, epsg_of(geobox), box, part.shape[1:], count, dtype)
        return planes

    def _ask(
        self,
        script: str,
        data: dict[str, Any],
        epsg: int,
        box: scripts.Box,
        shape: tuple[int, ...],
        count: int,
        dtype: str,
    ) -> NDArray[Any]:
        client, rows_cols = self._client, (shape[0], shape[1])
        request = scripts.request_of(client.config, script, data, epsg, box, rows_cols)
        check = partial(scripts.planes_of, count=count, shape=rows_cols, dtype=dtype)
        planes = client.ask(
            request,
            check,
            scripts.most_bytes(count, rows_cols, dtype),
            lambda came: self._spend(RequestCost(1, bytes=came)),
        )
        is_radar = data["type"] == RADAR_COLLECTION
        units = processing_units(
            shape[1],
            shape[0],
            count if is_radar else count - 1,
            "FLOAT32" if dtype == "float32" else "UINT16",
            terrain_corrected=is_radar,
        )
        self._spend(RequestCost(processing_units=units))  # only what was answered is charged
        return planes

    def _spend(self, cost: RequestCost) -> None:
        with self._spent_lock:
            self._spent += cost


@contextmanager
def _as_rejection() -> Iterator[None]:
    """What a server did not give costs a scene; what an account may not have is told as it is."""
    try:
        yield
    except AccessRefused:
        raise
    except SourceUnavailable as error:
        raise SceneRejected(str(error)) from error


def _require_zone(scene: Scene, geobox: GeoBox) -> None:
    # The server would reproject without a word.
    if scene.epsg not in (None, epsg_of(geobox)):
        raise SceneRejected(
            f"lies in EPSG:{scene.epsg}, the tile in EPSG:{epsg_of(geobox)}; grids of two zones are never combined"
        )
