"""Drawn ground: polygons and points with a class and a day, checked, and laid on the pixels of the lattice.

Ground is cut into blocks of 480 m of the lattice, so that one patch can be made for each block and day.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.features import rasterize
from shapely.geometry.base import BaseGeometry

from pipeline.areas import COVERAGE_LAT, PIXEL_M, from_lonlat, lonlat_bounds, project, to_lonlat, utm_epsg, utm_name
from pipeline.areas.geometry import BadGeometry, place_of, polygon_of
from pipeline.areas.lattice import strip_bounds
from pipeline.areas.reading import describe, load_features
from pipeline.disturbance.features import HALO_PX
from pipeline.disturbance.labels import CLASSES, UNSURE
from pipeline.errors import BadInput, Problems
from pipeline.imagery import Bbox

BLOCK_PX = 48  # as the patches of the shared labels, so that figures by patch can be compared
MAX_PATCHES = 5000  # 150 kB each
FIRST_IMAGE = date(2015, 6, 23)  # Sentinel-2A was launched
REFERENCE_ROLE = "reference sample"  # what the places of `placerwatch review sample` bear
SAMPLE_FORMAT = "placerwatch labels"  # how the format of what the sample's page saves begins
SYNONYMS = {"bare workings": "bare", "pond in workings": "pond", "no mining": "other"}


@dataclass(frozen=True)
class Ground:
    """One labelled feature: its number in the file (from 1), a lon/lat point or polygon, its class and its day."""

    number: int
    geometry: BaseGeometry
    value: int
    day: date
    region: str = ""
    note: str = ""

    def __str__(self) -> str:
        name = next(name for name, value in CLASSES.items() if value == self.value)
        return f"feature {self.number} ({name}, {self.day})"


class Block(NamedTuple):
    """480 m of the lattice: `col` and `row` count blocks east and north from the origin of the UTM zone."""

    epsg: int
    col: int
    row: int

    @property
    def name(self) -> str:
        """Such as `33N-0640-0984`."""
        return f"{utm_name(self.epsg)}-{self.col:04d}-{self.row:04d}"

    @property
    def geobox(self) -> GeoBox:
        """Geobox of shape (48, 48)."""
        side = BLOCK_PX * PIXEL_M
        affine = Affine(PIXEL_M, 0, self.col * side, 0, -PIXEL_M, (self.row + 1) * side)
        return GeoBox((BLOCK_PX, BLOCK_PX), affine, f"EPSG:{self.epsg}")

    @property
    def box(self) -> Bbox:
        """West, south, east, north (degrees) of the block with its surroundings."""
        return lonlat_bounds(self.epsg, self.geobox.pad(HALO_PX))

    @property
    def centre(self) -> tuple[float, float]:
        """Longitude and latitude, degrees."""
        side = BLOCK_PX * PIXEL_M
        lon, lat = to_lonlat(self.epsg).transform((self.col + 0.5) * side, (self.row + 0.5) * side)
        return float(lon), float(lat)


@dataclass(frozen=True)
class Drawn:
    """What is labelled on one block on one day: mask (48, 48) uint8 and the features that are on it."""

    block: Block
    day: date
    mask: NDArray[np.uint8]
    ground: tuple[Ground, ...]


def read_ground(path: Path) -> tuple[Ground, ...]:
    """Labelled features of a GeoJSON file: `class`, `date`, optional `region` and `note`.

    Raises Problems that names every feature at fault, or BadInput if the file cannot be read.
    """
    problems: list[str] = []
    ground = []
    features = load_features(path)
    if _is_sample(path) or any(_is_reference(feature) for feature in features):
        raise BadInput(
            f"{path}: holds a reference sample of `placerwatch review sample`; a model that has seen it can no longer "
            "be judged by it. Draw the labels to train with elsewhere"
        )
    for number, feature in enumerate(features, start=1):
        faults: list[str] = []
        made = _feature(number, feature, faults)
        problems += [f"{describe(feature, number)}: {fault}" for fault in faults]
        if made is not None and not faults:
            ground.append(made)
    if not ground and not problems:
        problems.append("holds no feature; draw polygons or points with a 'class' and a 'date'")
    if problems:
        raise Problems(f"labels in {path}", problems)
    return tuple(ground)


def _is_sample(path: Path) -> bool:
    """Whether a GeoJSON file that could be read says of itself that it is a sample, or labels of one."""
    document = json.loads(path.read_bytes().decode("utf-8-sig"))
    return document.get("role") == REFERENCE_ROLE or str(document.get("format")).startswith(SAMPLE_FORMAT)


def _is_reference(feature: Any) -> bool:
    properties = feature.get("properties") if isinstance(feature, dict) else None
    return isinstance(properties, dict) and properties.get("role") == REFERENCE_ROLE


def _feature(number: int, feature: Any, faults: list[str]) -> Ground | None:
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        faults.append("is not a GeoJSON Feature; export the layer as GeoJSON (RFC 7946)")
        return None
    properties = feature.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    value, day = _class_of(properties.get("class"), faults), _day_of(properties.get("date"), faults)
    texts = {}
    for key in ("region", "note"):
        text = properties.get(key)
        if text is not None and not isinstance(text, str):
            faults.append(f"'{key}' must be text in quotes, found {str(text)[:60]!r}")
        texts[key] = text.strip()[:200] if isinstance(text, str) else ""
    try:
        geometry = _geometry_of(feature.get("geometry"))
    except BadGeometry as error:
        faults.append(str(error))
        return None
    return None if value is None or day is None else Ground(number, geometry, value, day, **texts)


def _class_of(value: Any, faults: list[str]) -> int | None:
    name = " ".join(value.replace("_", " ").lower().split()) if isinstance(value, str) else ""
    name = SYNONYMS.get(name, name)
    if name not in CLASSES:
        faults.append(f"class {str(value)[:60]!r} is not known; write one of {', '.join(CLASSES)}")
    return CLASSES.get(name)


def _day_of(value: Any, faults: list[str]) -> date | None:
    try:
        # GDAL writes a field of type date with slashes.
        day = date.fromisoformat(value[:10].replace("/", "-"))
    except (TypeError, ValueError):
        faults.append(f'date {str(value)[:60]!r} is not a day; write the day of the image, such as "2024-02-15"')
        return None
    if day < FIRST_IMAGE:
        faults.append(f"date {day} lies before the first image of Sentinel-2 ({FIRST_IMAGE})")
    return day


def _geometry_of(geometry: Any) -> BaseGeometry:
    if not isinstance(geometry, dict) or geometry.get("type") != "Point":
        return polygon_of(geometry)
    lon, lat = place_of(geometry.get("coordinates"))
    if not (-180 <= lon <= 180 and COVERAGE_LAT[0] <= lat <= COVERAGE_LAT[1]):
        raise BadGeometry(
            f"{lon:g}, {lat:g} is no place that Sentinel-2 covers: write [longitude, latitude] in degrees"
        )
    return shapely.Point(lon, lat)


def draw(ground: Sequence[Ground]) -> tuple[list[Drawn], list[Ground]]:
    """Draw features onto the lattice by pixel centres; what is labelled by block and day, and features without a pixel.

    A polygon labels the pixels whose centres it holds, a point its pixel. What is drawn as unsure wins over other
    classes of its day. Raises Problems that names every pair of features that contradict each other.
    """
    masks: dict[tuple[Block, date], NDArray[np.uint8]] = {}
    by: dict[tuple[Block, date], NDArray[np.int32]] = {}
    on: dict[tuple[Block, date], list[Ground]] = {}
    numbered = {item.number: item for item in ground}
    contradictions: dict[tuple[int, int], int] = {}
    without: list[Ground] = []
    for item in sorted(ground, key=lambda g: (g.value == UNSURE, g.number)):
        labelled = False
        for block, inside in _pixels(item.geometry):
            labelled = True
            key = block, item.day
            if key not in masks:
                if len(masks) == MAX_PATCHES:
                    raise BadInput(f"labels: ground on more than {MAX_PATCHES} blocks of 480 m; draw less of it")
                masks[key] = np.full((BLOCK_PX, BLOCK_PX), UNSURE, np.uint8)
                by[key], on[key] = np.zeros((BLOCK_PX, BLOCK_PX), np.int32), []
            against = inside & (by[key] > 0) & (masks[key] != item.value) & (item.value != UNSURE)
            for other, count in zip(*np.unique(by[key][against], return_counts=True), strict=True):
                pair = int(other), item.number
                contradictions[pair] = contradictions.get(pair, 0) + int(count)
            masks[key][inside], by[key][inside] = item.value, item.number
            on[key].append(item)
        if not labelled:
            without.append(item)
    if contradictions:
        raise Problems(
            "labels",
            [
                f"{numbered[a]} and {numbered[b]} overlap on {count} pixels; cut one of them back"
                for (a, b), count in sorted(contradictions.items())
            ],
        )
    drawn = [Drawn(*key, masks[key], tuple(on[key])) for key in sorted(masks) if (masks[key] != UNSURE).any()]
    return drawn, without


def _pixels(geometry: BaseGeometry) -> Iterator[tuple[Block, NDArray[np.bool_]]]:
    """Blocks with the pixels (48, 48) of a lon/lat geometry, each pixel in the UTM zone that owns it."""
    if isinstance(geometry, shapely.Point):
        epsg = utm_epsg(geometry.x, geometry.y)
        east, north = from_lonlat(epsg).transform(geometry.x, geometry.y)
        x, y = math.floor(east / PIXEL_M), math.floor(north / PIXEL_M)
        inside = np.zeros((BLOCK_PX, BLOCK_PX), np.bool_)
        inside[BLOCK_PX - 1 - y % BLOCK_PX, x % BLOCK_PX] = True
        yield Block(epsg, x // BLOCK_PX, y // BLOCK_PX), inside
        return
    west, south, east, north = geometry.bounds
    corners = [(lon, lat) for lon in (west, east) for lat in (south, north)]
    zones = range(utm_epsg(west, 0.0) % 100, utm_epsg(east, 0.0) % 100 + 1)
    for base in sorted({utm_epsg(*corner) // 100 * 100 for corner in corners}):
        for zone in zones:
            part = shapely.intersection(geometry, shapely.box(*strip_bounds(base + zone)))
            if part.area > 0:
                yield from _pixels_in_zone(project(part, base + zone), base + zone)


def _pixels_in_zone(geometry: BaseGeometry, epsg: int) -> Iterator[tuple[Block, NDArray[np.bool_]]]:
    side = BLOCK_PX * PIXEL_M
    west, south, east, north = (math.floor(edge / side) for edge in geometry.bounds)
    if (east - west + 1) * (north - south + 1) > 100 * MAX_PATCHES:
        raise BadInput("labels: one feature reaches over hundreds of kilometres; cut it into smaller ones")
    shapely.prepare(geometry)
    cols, rows = (a.ravel() for a in np.meshgrid(np.arange(west, east + 1), np.arange(south, north + 1)))
    hit = shapely.intersects(geometry, shapely.box(cols * side, rows * side, (cols + 1) * side, (rows + 1) * side))
    if hit.sum() > MAX_PATCHES:
        raise BadInput(f"labels: one polygon lies on {hit.sum():,} blocks of 480 m; cut it into smaller ones")
    for col, row in zip(cols[hit].tolist(), rows[hit].tolist(), strict=True):
        block = Block(epsg, col, row)
        inside = rasterize([geometry], (BLOCK_PX, BLOCK_PX), transform=block.geobox.affine, dtype=np.uint8) > 0
        if inside.any():
            yield block, inside
