"""Clusters: the ground of each site over all periods, gathered for what is told of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pipeline.areas.lattice import Tile
from pipeline.change.ground import NONE, Ground, ground_of
from pipeline.change.objects import Classified, mapping_unit_m2
from pipeline.change.outlines import geometry_of, tiles_of
from pipeline.change.states import WATERS_EDGE, is_disturbed
from pipeline.change.tracking import Tracks, track
from pipeline.config import Change
from pipeline.imagery.scene import NODATA

_EPOCH = date(1970, 1, 1)
_PLANES = ("row", "col", "probability", "looks", "days", "radar", "area_m2", "zone")


@dataclass(frozen=True)
class Cluster:
    """The k pixels of one site over T periods, sorted by (epsg, row, col); planes as in Candidates and Classified.

    `own`, (T, k), marks the pixels that are the site's in each period: what it holds of them or, to tell a change, all.
    `held` marks those that any site holds. `stands`, (T,), marks the periods in which its disturbed ground makes up a
    mapping unit: less is a trace that another period left by `hold_steady`. `parent` and `merged_into` are the ids
    of sites, None without.
    """

    site_id: str
    parent: str | None
    merged_into: str | None
    stands: NDArray[np.bool_]
    own: NDArray[np.bool_]
    held: NDArray[np.bool_]
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
    def mapped(self) -> NDArray[np.bool_]:
        """Pixels on the map as workings, whichever site they belong to, (T, k)."""
        return is_disturbed(self.classes)

    @property
    def disturbed(self) -> NDArray[np.bool_]:
        """The site's own pixels on the map as workings, (T, k)."""
        disturbed: NDArray[np.bool_] = self.mapped & self.own
        return disturbed

    @property
    def observed(self) -> NDArray[np.bool_]:
        """Pixels observed, (T, k); what moving water uncovers or covers tells nothing of a site."""
        seen: NDArray[np.bool_] = (self.probability >= 0) & (self.classes != WATERS_EDGE)
        return seen

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
        return tiles_of(self.epsg[pixels], self.row[pixels], self.col[pixels])

    def geometry(self, pixels: NDArray[np.bool_]) -> BaseGeometry:
        """Outline of some of its pixels; see `geometry_of`."""
        return geometry_of(self.epsg[pixels], self.row[pixels], self.col[pixels])


@dataclass(frozen=True)
class Followed:
    """Ground mapped in any period, and the sites that hold it."""

    ground: Ground
    tracks: Tracks


def follow(zones: Sequence[Classified], settings: Change) -> Followed | None:
    """Track the sites of all UTM zones; None if nothing is mapped in any period."""
    ground = ground_of(zones)
    return None if ground is None else Followed(ground, track(ground, settings))


def clusters(zones: Sequence[Classified], settings: Change, followed: Followed | None = None) -> tuple[Cluster, ...]:
    """Every site with all ground that it held in any period, sorted by id; `followed` is taken if it is known."""
    followed = followed or follow(zones, settings)
    if followed is None:
        return ()
    site = followed.tracks.site
    found = [_pairs(site[period], np.arange(site.shape[1])) for period in range(len(site))]
    members = np.unique(np.concatenate(found, axis=1), axis=1)
    return _gather(followed, settings, members, by_holder=True)


def clusters_at(
    zones: Sequence[Classified], settings: Change, after: int, followed: Followed | None = None
) -> tuple[Cluster, ...]:
    """Every site with its ground as it stands in period `after`, to tell what became of it; sorted by id.

    Ground is told under the site that holds it in `after`, whoever held it before; ground that none holds then under
    the site that held it last, or the one that this has merged into by then. So each pixel is told once.
    """
    followed = followed or follow(zones, settings)
    if followed is None:
        return ()
    site, names = followed.tracks.site, len(followed.tracks.names)
    last = np.full(site.shape[1], NONE, np.int32)
    holding = np.full(names, NONE)
    for period in range(after + 1):
        last = np.where(site[period] >= 0, site[period], last)
        holding[site[period][site[period] >= 0]] = period
    into = np.arange(names)
    for period, ended, stays in followed.tracks.merges:
        # A site that parted again holds ground after its merger.
        if holding[ended] < period <= after:
            into[ended] = stays
    while np.any(into[into] != into):
        into = into[into]
    teller = np.where(last >= 0, into[last], NONE)
    return _gather(followed, settings, _pairs(teller, np.arange(teller.size)), by_holder=False)


def _pairs(site: NDArray[Any], pixel: NDArray[np.int64]) -> NDArray[np.int64]:
    """Columns (site, pixel) of the pixels that a site has, sorted, (2, m)."""
    held = np.flatnonzero(site >= 0)
    order = np.argsort(site[held], kind="stable")
    return np.stack([site[held][order].astype(np.int64), pixel[held][order]])


def _gather(
    followed: Followed, settings: Change, members: NDArray[np.int64], *, by_holder: bool
) -> tuple[Cluster, ...]:
    """Clusters of (site, pixel) columns sorted by site, then pixel."""
    ground, tracks = followed.ground, followed.tracks
    site, pixel = members
    # Every plane is put in the order of sites once; a cluster is a slice of it.
    planes: dict[str, NDArray[Any]] = {name: ground.plane(name)[..., pixel] for name in _PLANES}
    planes |= {name: ground.own(name)[..., pixel] for name in ("classes", "capped")}
    planes |= {"epsg": ground.epsg[pixel], "held": ground.held[:, pixel]}
    planes["own"] = tracks.site[:, pixel] == site if by_holder else np.ones((len(tracks.site), site.size), bool)
    disturbed = ground.mapped[:, pixel] & planes["own"]
    sites, start = np.unique(site, return_index=True)
    area = np.add.reduceat(disturbed * planes["area_m2"], start, axis=1) if sites.size else np.zeros((0, 0))
    stands = (area > 0) & (area >= mapping_unit_m2(settings))
    found = []
    for number, (own, first, stop) in enumerate(zip(sites, start, np.append(start, site.size)[1:], strict=True)):
        parent, into = tracks.parent[own], tracks.merged_into[own]
        found.append(
            Cluster(
                site_id=tracks.names[own],
                parent=None if parent is None else tracks.names[parent],
                merged_into=None if into is None else tracks.names[into],
                stands=stands[:, number],
                **{name: plane[..., first:stop] for name, plane in planes.items()},
            )
        )
    return tuple(sorted(found, key=lambda cluster: cluster.site_id))


def day_of(days: NDArray[np.uint16], *, latest: bool = False) -> date | None:
    """Earliest (or latest) of some days since 1970-01-01, None if none is known."""
    known = days[days != NODATA]
    if not known.size:
        return None
    return _EPOCH + timedelta(days=int(known.max() if latest else known.min()))
