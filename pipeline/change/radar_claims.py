"""Changes that radar alone claims: ground that optics did not see in the later period, whose backscatter rose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import KDTree
from shapely.geometry.base import BaseGeometry

from pipeline.areas.lattice import PIXEL_M, TILE_PX, Tile, from_lonlat, utm_name
from pipeline.change.components import Pixels, connect
from pipeline.change.confidence import RADAR, Evidence, grade
from pipeline.change.objects import Classified
from pipeline.change.outlines import geometry_of, tiles_of
from pipeline.change.radar import agrees, rise
from pipeline.change.site import Site, SiteChange
from pipeline.config import Change, Period, Radar
from pipeline.imagery.radar import RadarComposite, by_orbit
from pipeline.imagery.radar_raster import DB_SCALE, RADAR_NODATA

# Radar alone has nothing beside it to vouch for a pixel: rises are averaged over squares of this side first.
SMOOTH_PX = 5
HALO_PX = SMOOTH_PX // 2
NEIGHBOUR_M = 1000.0


@dataclass(frozen=True)
class RisenGround:
    """n pixels of one UTM zone whose backscatter rose and that optics did not see in the later period.

    row, col as in Candidates; rise int16 (2, n) dB x 100, ascending and descending, -32768 where unknown; looks_before
    clear optical looks in the earlier period; zone and area_m2 as in Candidates.
    """

    epsg: int
    row: NDArray[np.int32]
    col: NDArray[np.int32]
    rise: NDArray[np.int16]
    looks_before: NDArray[np.uint16]
    zone: NDArray[np.int16]
    area_m2: NDArray[np.float64]


def risen_ground(
    tile: Tile,
    earlier: RadarComposite,
    later: RadarComposite,
    unseen: NDArray[np.bool_],
    looks_before: NDArray[np.uint16],
    zone: NDArray[np.int16],
    cell_area: NDArray[np.float64],
    settings: Radar,
) -> RisenGround:
    """The watched, `unseen` pixels of a tile at which radar speaks for digging; planes (512, 512).

    Both composites reach HALO_PX beyond the tile, so that the mean over squares is the same in every tile.
    """
    before, after = by_orbit([(part.lines, part.planes) for part in (earlier, later)])
    smooth = np.stack([_smoothed(*rise(before[orbit], after[orbit])) for orbit in (0, 1)])
    known = smooth != RADAR_NODATA
    risen = (known & (smooth >= round(settings.rise_db * DB_SCALE))).any(axis=0) & (~known | (smooth >= 0)).all(axis=0)
    at = np.nonzero(risen & unseen & (zone >= 0))
    top, left = tile.origin_px
    return RisenGround(
        epsg=tile.epsg,
        row=(at[0] + top).astype(np.int32),
        col=(at[1] + left).astype(np.int32),
        rise=smooth[:, at[0], at[1]],
        looks_before=looks_before[at],
        zone=zone[at].astype(np.int16),
        area_m2=cell_area[at].astype(np.float64),
    )


def _smoothed(rises: NDArray[np.int32], known: NDArray[np.bool_]) -> NDArray[np.int16]:
    """Mean of the known rises over squares of SMOOTH_PX, on the tile; whole numbers, so that order cannot matter."""
    total, count = np.zeros((TILE_PX, TILE_PX), np.int64), np.zeros((TILE_PX, TILE_PX), np.int64)
    for down in range(SMOOTH_PX):
        for right in range(SMOOTH_PX):
            window = np.s_[down : down + TILE_PX, right : right + TILE_PX]
            total += np.where(known, rises, 0)[window]
            count += known[window]
    centre = known[HALO_PX:-HALO_PX, HALO_PX:-HALO_PX]
    return np.where(centre, np.rint(total / np.maximum(count, 1)), RADAR_NODATA).astype(np.int16)


def radar_claims(
    parts: Sequence[RisenGround],
    zones: Sequence[Classified],
    sites: Sequence[Site],
    periods: Sequence[Period],
    settings: Change,
    radar: Radar,
    before: int,
    after: int,
) -> tuple[SiteChange, ...]:
    """New, provisional changes with `sensors` ("S1",), sorted by id; rules in docs/change.md.

    Ground on the map in any period, and what lies within `link_m` of it, belongs to its site and is left out. What
    remains is claimed where connected ground makes up `minimum_area_ha` and its mean rise passes the threshold again.
    """
    grounds = [_apart(_merged(group), zones, settings.link_m) for group in _by_zone(parts)]
    labels, count = connect([Pixels(g.epsg, g.row, g.col) for g in grounds], 0.0) if grounds else ([], 0)
    claims = []
    for number in range(count):
        members = [(ground, np.flatnonzero(label == number)) for ground, label in zip(grounds, labels, strict=True)]
        claim = _claim([(g, at) for g, at in members if at.size], sites, periods, settings, radar, before, after)
        claims += [claim] if claim else []
    return tuple(sorted(claims, key=lambda claim: claim.change_id))


def _by_zone(parts: Sequence[RisenGround]) -> list[list[RisenGround]]:
    return [[part for part in parts if part.epsg == epsg] for epsg in sorted({part.epsg for part in parts})]


def _merged(parts: Sequence[RisenGround]) -> RisenGround:
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts], axis=-1)
        for name in ("row", "col", "rise", "looks_before", "zone", "area_m2")
    }
    order = np.lexsort((joined["col"], joined["row"]))
    return RisenGround(parts[0].epsg, **{name: values[..., order] for name, values in joined.items()})


def _apart(ground: RisenGround, zones: Sequence[Classified], link_m: float) -> RisenGround:
    """Risen ground farther than `link_m` from ground that is on the map in any period."""
    for zone in zones:
        held = zone.disturbed.any(axis=0)
        if zone.epsg != ground.epsg or not held.any() or not ground.row.size:
            continue
        mapped = np.column_stack([zone.candidates.row[held], zone.candidates.col[held]])
        tree: Any = KDTree(mapped)  # type: ignore[no-untyped-call]
        gap, _ = tree.query(np.column_stack([ground.row, ground.col]), distance_upper_bound=link_m / PIXEL_M + 2)
        far = (gap - 1) * PIXEL_M >= link_m
        names = ("row", "col", "rise", "looks_before", "zone", "area_m2")
        ground = RisenGround(ground.epsg, **{name: getattr(ground, name)[..., far] for name in names})
    return ground


def _claim(
    members: Sequence[tuple[RisenGround, NDArray[np.int64]]],
    sites: Sequence[Site],
    periods: Sequence[Period],
    settings: Change,
    radar: Radar,
    before: int,
    after: int,
) -> SiteChange | None:
    area_m2 = np.concatenate([ground.area_m2[at] for ground, at in members])
    area_ha = float(area_m2.sum()) / 10_000
    rises = np.concatenate([ground.rise[:, at] for ground, at in members], axis=1)
    if area_ha < radar.minimum_area_ha - 1e-8 or not agrees([_mean_db(r, area_m2) for r in rises], radar.rise_db):
        return None
    epsg = np.concatenate([np.full(at.size, ground.epsg, np.int32) for ground, at in members])
    row, col, zone = (
        np.concatenate([getattr(ground, name)[at] for ground, at in members]) for name in ("row", "col", "zone")
    )
    strongest = int(np.argmax(rises.max(axis=0)))
    name = f"S1-{utm_name(int(epsg[strongest]))}-{col[strongest]:05d}-{-row[strongest] - 1:06d}"
    geometry = geometry_of(epsg, row, col)
    looks = int(np.median(np.concatenate([ground.looks_before[at] for ground, at in members])))
    return SiteChange(
        change_id=f"{name}-{periods[before].name}-{periods[after].name}",
        site_id=name,
        state="new",
        status="provisional",
        confidence=grade(Evidence(area_ha, None, 0, 1.0, "provisional", (RADAR,)), settings),
        probability=None,
        area_ha=area_ha,
        area_gain_ha=area_ha,
        area_loss_ha=0.0,
        bare_ha=0.0,
        pond_ha=0.0,
        last_clear_undisturbed=None,
        first_clear_disturbed=None,
        last_observed=None,
        clear_looks_before=looks,
        clear_looks_after=0,
        observed_share=0.0,
        sensors=(RADAR,),
        zone=int(np.argmax(np.bincount(zone, area_m2))),
        sites_within_1km=_sites_near(geometry, int(epsg[0]), sites),
        geometry=geometry,
        gain_geometry=geometry,
        tiles=tiles_of(epsg, row, col),
    )


def _mean_db(rises: NDArray[np.int16], area_m2: NDArray[np.float64]) -> float | None:
    known = rises != RADAR_NODATA
    if area_m2[known].sum() < area_m2.sum() / 2:
        return None
    return float(np.average(rises[known].astype(np.float64), weights=area_m2[known])) / DB_SCALE


def _sites_near(geometry: BaseGeometry, epsg: int, sites: Sequence[Site]) -> int:
    """Sites of the register whose edge is less than 1 km away, measured in the claim's UTM zone."""
    west, south, east, north = geometry.bounds
    around = shapely.box(west - 0.02, south - 0.02, east + 0.02, north + 0.02)
    near = [site.geometry for site in sites if site.geometry.intersects(around)]
    if not near:
        return 0
    project = partial(shapely.transform, transformation=from_lonlat(epsg).transform, interleaved=False)
    return int((shapely.distance(project(geometry), project(np.array(near, object))) < NEIGHBOUR_M).sum())
