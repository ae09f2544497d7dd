"""Clusters: the disturbed ground of all periods, gathered into the places that become sites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import rasterio.features
import shapely
from affine import Affine
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from pipeline.areas.lattice import PIXEL_M, TILE_PX, Tile, to_lonlat, utm_name
from pipeline.change.components import Pixels, connect
from pipeline.change.objects import Classified, mapping_unit_m2
from pipeline.change.states import is_disturbed
from pipeline.config import Change
from pipeline.imagery.scene import NODATA

_DEGREE_DECIMALS = 6
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Cluster:
    """The k pixels of one site over T periods, sorted by (epsg, row, col); planes as in Candidates and Classified.

    `stands`, (T,), marks the periods in which its disturbed ground makes up a mapping unit: less is a trace that
    another period left by `hold_steady`. At least one period stands.
    """

    site_id: str
    stands: NDArray[np.bool_]
    epsg: NDArray[np.int32]
    row: NDArray[np.int32]
    col: NDArray[np.int32]
    probability: NDArray[np.int16]
    classes: NDArray[np.uint8]
    capped: NDArray[np.bool_]
    looks: NDArray[np.uint16]
    days: NDArray[np.uint16]
    radar: NDArray[np.int16]
    area_m2: NDArray[np.float64]
    zone: NDArray[np.int16]

    @property
    def disturbed(self) -> NDArray[np.bool_]:
        """Pixels on the map as workings, (T, k)."""
        return is_disturbed(self.classes)

    @property
    def observed(self) -> NDArray[np.bool_]:
        """Pixels observed, (T, k)."""
        return self.probability >= 0

    def hectares(self, pixels: NDArray[np.bool_]) -> float:
        """True area of some of its pixels, (k,)."""
        return float(self.area_m2[pixels].sum()) / 10_000

    def share(self, part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float:
        """Area of the pixels in both masks as a share of `whole`; 0 if that is empty."""
        total = self.hectares(whole)
        return self.hectares(part & whole) / total if total else 0.0

    def median_looks(self, period: int, pixels: NDArray[np.bool_]) -> int:
        """Median of clear looks over some pixels, rounded down."""
        return int(np.median(self.looks[period, pixels]))

    def tiles(self, pixels: NDArray[np.bool_]) -> tuple[Tile, ...]:
        """Tiles that hold some of its pixels, sorted."""
        blocks = np.stack([self.epsg[pixels], self.col[pixels] // TILE_PX, -(self.row[pixels] // TILE_PX) - 1])
        return tuple(Tile(*map(int, block)) for block in np.unique(blocks, axis=1).T)

    def geometry(self, pixels: NDArray[np.bool_]) -> BaseGeometry:
        """Outline of some of its pixels in lon/lat, valid, six decimals, exterior rings counterclockwise (RFC 7946)."""
        parts = []
        for epsg in np.unique(self.epsg[pixels]):
            own = pixels & (self.epsg == epsg)
            parts.append(_outline(int(epsg), self.row[own], self.col[own]))
        whole = shapely.set_precision(shapely.union_all(parts), 10.0**-_DEGREE_DECIMALS)
        rounded = shapely.transform(whole, lambda xy: np.round(xy, _DEGREE_DECIMALS))
        return shapely.orient_polygons(shapely.normalize(rounded), exterior_cw=False)


def clusters(zones: Sequence[Classified], settings: Change) -> tuple[Cluster, ...]:
    """Disturbed pixels of all periods gathered where their edges are less than `link_m` apart; sorted by id.

    Ground on both sides of a UTM border becomes one cluster.
    """
    zones = sorted(zones, key=lambda zone: zone.candidates.epsg)
    index = [np.flatnonzero(zone.disturbed.any(axis=0)) for zone in zones]
    pixels = [
        Pixels(zone.candidates.epsg, zone.candidates.row[at], zone.candidates.col[at])
        for zone, at in zip(zones, index, strict=True)
    ]
    labels, count = connect(pixels, settings.link_m)
    members: list[list[tuple[Classified, NDArray[np.int64]]]] = [[] for _ in range(count)]
    for zone, at, own in zip(zones, index, labels, strict=True):
        order = np.argsort(own, kind="stable")
        present, start = np.unique(own[order], return_index=True)
        stop = np.append(start[1:], own.size)
        for cluster, first, end in zip(present, start, stop[: start.size], strict=True):
            members[cluster].append((zone, at[order[first:end]]))
    return tuple(
        sorted((_gather(parts, mapping_unit_m2(settings)) for parts in members), key=lambda cluster: cluster.site_id)
    )


def _gather(parts: Sequence[tuple[Classified, NDArray[np.int64]]], unit_m2: float) -> Cluster:
    def join(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(zone.candidates, name)[..., at] for zone, at in parts], axis=-1)

    bare, pond = join("bare"), join("pond")
    probability = np.where((bare != NODATA) & (pond != NODATA), bare + pond, -1).astype(np.int16)
    classes = np.concatenate([zone.classes[:, at] for zone, at in parts], axis=-1)
    epsg = np.concatenate([np.full(at.size, zone.candidates.epsg, np.int32) for zone, at in parts])
    row, col, area_m2 = join("row"), join("col"), join("area_m2")
    disturbed = is_disturbed(classes)
    stands = disturbed.any(axis=1) & ((disturbed * area_m2).sum(axis=1) >= unit_m2)
    first = int(np.argmax(stands))
    strongest = int(np.argmax(np.where(disturbed[first], probability[first], -1)))
    return Cluster(
        site_id=f"PW-{utm_name(int(epsg[strongest]))}-{col[strongest]:05d}-{-row[strongest] - 1:06d}",
        stands=stands,
        epsg=epsg,
        row=row,
        col=col,
        probability=probability,
        classes=classes,
        capped=np.concatenate([zone.capped[:, at] for zone, at in parts], axis=-1),
        looks=join("looks"),
        days=join("days"),
        radar=join("radar"),
        area_m2=area_m2,
        zone=join("zone"),
    )


def local_mask(row: NDArray[np.int32], col: NDArray[np.int32]) -> tuple[NDArray[np.bool_], int, int]:
    """Pixels as a mask of their bounding box, with the lattice row and column of its north-west corner."""
    top, left = int(row.min()), int(col.min())
    mask = np.zeros((int(row.max()) - top + 1, int(col.max()) - left + 1), bool)
    mask[row - top, col - left] = True
    return mask, top, left


def _outline(epsg: int, row: NDArray[np.int32], col: NDArray[np.int32]) -> BaseGeometry:
    mask, top, left = local_mask(row, col)
    transform = Affine(PIXEL_M, 0, left * PIXEL_M, 0, -PIXEL_M, -top * PIXEL_M)
    rings = rasterio.features.shapes(mask.astype(np.uint8), mask, connectivity=4, transform=transform)
    # Diagonal neighbours meet in a point, where a ring may touch itself: legal once it is split there.
    polygons = shapely.make_valid(
        MultiPolygon([Polygon(edge, holes) for edge, *holes in (ring["coordinates"] for ring, _ in rings)])
    )
    project = to_lonlat(epsg)
    return shapely.transform(polygons, lambda xy: np.column_stack(project.transform(xy[:, 0], xy[:, 1])))


def day_of(days: NDArray[np.uint16], *, latest: bool = False) -> date | None:
    """Earliest (or latest) of some days since 1970-01-01, None if none is known."""
    known = days[days != NODATA]
    if not known.size:
        return None
    return _EPOCH + timedelta(days=int(known.max() if latest else known.min()))
