"""Change report and site list as GeoJSON (RFC 7946), by the schemas in docs/."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pipeline.areas.lattice import Tile
from pipeline.change.site import Site, SiteChange, SitePeriod
from pipeline.config import Period
from pipeline.reports.result import STATES, RunResult

SCHEMA_VERSION = "1.0"
DECIMALS = 6  # of a degree: 0.11 m


def changes_geojson(result: RunResult) -> str:
    """The change report: what happened at each site between the last two periods, ordered by change id."""
    return _collection(result, _changes_head(result), change_features(result))


def sites_geojson(result: RunResult) -> str:
    """Every site with its state in the last period and its history, ordered by site id."""
    return _collection(result, {"periods": [_period(p) for p in result.periods]}, site_features(result))


def change_features(result: RunResult) -> list[dict[str, Any]]:
    """The features of the change report as plain values, ordered by change id."""
    return [_change(result, change) for change in sorted(result.changes, key=lambda c: c.change_id)]


def site_features(result: RunResult) -> list[dict[str, Any]]:
    """The features of the site list as plain values, ordered by site id."""
    return [_site(result, site) for site in sorted(result.sites, key=lambda s: s.site_id)]


def state_totals(changes: Iterable[SiteChange]) -> dict[str, dict[str, float]]:
    """Sites and hectares of each state; every state is named, also with nothing in it.

    What radar alone claims is not in them: it was not seen by the imagery that the hectares of sites come from.
    """
    # Sorted, because sums of floats depend on their order.
    ordered = sorted((c for c in changes if not c.by_radar_alone), key=lambda change: change.change_id)
    totals: dict[str, dict[str, float]] = {}
    for state in STATES:
        members = [change for change in ordered if change.state == state]
        totals[state] = {
            "sites": sum(change.sites for change in members),
            "area_ha": _ha(sum(change.area_ha for change in members)),
            "area_gain_ha": _ha(sum(change.area_gain_ha for change in members)),
            "area_loss_ha": _ha(sum(change.area_loss_ha for change in members)),
        }
    return totals


def _radar_totals(changes: Iterable[SiteChange]) -> dict[str, float]:
    claims = sorted((c for c in changes if c.by_radar_alone), key=lambda change: change.change_id)
    return {
        "radar_only_sites": sum(claim.sites for claim in claims),
        "radar_only_ha": _ha(sum(claim.area_ha for claim in claims)),
    }


def geometry_json(geometry: BaseGeometry) -> dict[str, Any] | None:
    """A lon/lat geometry by RFC 7946: six decimals, still valid, right-hand winding, cut at the antimeridian.

    Rings start at a place that does not depend on how the geometry was put together. None if rounding leaves
    no surface.
    """
    rounded = shapely.set_precision(_cut_at_antimeridian(shapely.make_valid(geometry)), 10.0**-DECIMALS)
    # Twice: repairing may yield a collection that holds a multipolygon.
    parts = [
        part for part in shapely.get_parts(shapely.get_parts(rounded)) if part.geom_type == "Polygon" and part.area
    ]
    if not parts:
        return None
    surface = shapely.orient_polygons(shapely.normalize(shapely.multipolygons(parts)), exterior_cw=False)
    polygons = [[_ring(ring) for ring in (p.exterior, *p.interiors)] for p in shapely.get_parts(surface)]
    if len(polygons) == 1:
        return {"type": "Polygon", "coordinates": polygons[0]}
    return {"type": "MultiPolygon", "coordinates": polygons}


def _ring(ring: BaseGeometry) -> list[list[float]]:
    return [[round(x, DECIMALS), round(y, DECIMALS)] for x, y in shapely.get_coordinates(ring).tolist()]


def _cut_at_antimeridian(geometry: BaseGeometry) -> BaseGeometry:
    west, _, east, _ = geometry.bounds
    if east - west <= 180:
        return geometry

    def unroll(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack([np.where(xy[:, 0] < 0, xy[:, 0] + 360, xy[:, 0]), xy[:, 1]])

    whole = shapely.transform(geometry, unroll)
    beyond = shapely.transform(
        shapely.intersection(whole, shapely.box(180, -90, 540, 90)), lambda xy: xy - np.array([360, 0])
    )
    return shapely.union(shapely.intersection(whole, shapely.box(-180, -90, 180, 90)), beyond)


def _changes_head(result: RunResult) -> dict[str, Any]:
    return {
        "period_before": _period(result.before),
        "period_after": _period(result.after),
        "totals": {
            "by_state": state_totals(result.changes),
            **_radar_totals(result.changes),
            **dict(sorted(result.totals.items())),
        },
    }


def _collection(result: RunResult, own: Mapping[str, Any], features: Sequence[Mapping[str, Any]]) -> str:
    head = {
        "type": "FeatureCollection",
        "schema_version": SCHEMA_VERSION,
        "programme": result.programme,
        "title": result.heading,
        "run_id": result.run_id,
        "as_of": result.as_of.isoformat(),
        "generated_by": result.generated_by,
        "model": {"name": result.model["name"], "sha256": result.model["sha256"]},
        "release": result.release,
        "limits": list(result.limits),
        **own,
    }
    return collection_text(head, features)


def collection_text(head: Mapping[str, Any], features: Sequence[Mapping[str, Any]]) -> str:
    """A feature collection as the reports write it, from its other members and its features."""
    # A member and a feature a line: readable, and a text comparison of two runs shows what differs.
    members = [f"{json.dumps(key)}: {_dump(value)}" for key, value in head.items()]
    lines = ",\n".join(_dump(feature) for feature in features)
    members.append(f'"features": [\n{lines}\n]' if lines else '"features": []')
    return "{\n" + ",\n".join(members) + "\n}\n"


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _change(result: RunResult, change: SiteChange) -> dict[str, Any]:
    names = [period.name for period in (result.before, result.after) if period is not None]
    return {
        "type": "Feature",
        "id": change.change_id,
        "geometry": geometry_json(change.geometry),
        "properties": {
            "change_id": change.change_id,
            "site_id": change.site_id,
            "state": change.state,
            "status": change.status,
            "confidence": change.confidence,
            "probability": None if change.probability is None else _share(change.probability),
            "area_ha": _ha(change.area_ha),
            "area_gain_ha": _ha(change.area_gain_ha),
            "area_loss_ha": _ha(change.area_loss_ha),
            "bare_ha": _ha(change.bare_ha),
            "pond_ha": _ha(change.pond_ha),
            "last_clear_undisturbed": _day(change.last_clear_undisturbed),
            "first_clear_disturbed": _day(change.first_clear_disturbed),
            "dated_by": change.dated_by,
            "last_observed": _day(change.last_observed),
            "clear_looks_before": change.clear_looks_before,
            "clear_looks_after": change.clear_looks_after,
            "observed_share": _share(change.observed_share),
            "sensors": sorted(change.sensors),
            "scenes": _change_scenes(result, change, names),
            **_place(result, change),
        },
    }


def _site(result: RunResult, site: Site) -> dict[str, Any]:
    last = site.periods[-1]
    unseen = site.state == "not observed"
    return {
        "type": "Feature",
        "id": site.site_id,
        "geometry": geometry_json(site.geometry),
        "properties": {
            "site_id": site.site_id,
            "state": site.state,
            "status": site.status,
            "confidence": site.confidence,
            "first_seen": site.first_seen,
            # Ground that was not seen has no area in that period: null, never 0.
            "area_ha": None if unseen else _ha(last.bare_ha + last.pond_ha),
            "bare_ha": None if unseen else _ha(last.bare_ha),
            "pond_ha": None if unseen else _ha(last.pond_ha),
            "observed_share": _share(last.observed_share),
            "last_clear_undisturbed": _day(site.last_clear_undisturbed),
            "first_clear_disturbed": _day(site.first_clear_disturbed),
            "dated_by": site.dated_by,
            "last_observed": max((p.last_observed.isoformat() for p in site.periods if p.last_observed), default=None),
            "periods": [_site_period(period) for period in site.periods],
            "scenes": _scenes(result, site.tiles, [period.name for period in result.periods]),
            "parent": site.parent,
            "merged_into": site.merged_into,
            **_place(result, site),
        },
    }


def _site_period(period: SitePeriod) -> dict[str, Any]:
    seen = period.observed_share > 0
    return {
        "period": period.period,
        "bare_ha": _ha(period.bare_ha) if seen else None,
        "pond_ha": _ha(period.pond_ha) if seen else None,
        "observed_share": _share(period.observed_share),
        "probability": None if period.probability is None else _share(period.probability),
        "clear_looks": period.clear_looks,
        "last_observed": _day(period.last_observed),
    }


def _place(result: RunResult, told: Site | SiteChange) -> dict[str, Any]:
    """Properties that every feature ends with: its zone, its neighbours, what is not known, its review."""
    zone = result.zone(told.zone)
    review = result.reviews.get(told.change_id if isinstance(told, SiteChange) else told.site_id)
    return {
        "zone_id": zone.zone_id if zone else None,
        "zone_name": zone.name if zone else "unassigned",
        "zone_status": zone.status_at(result.as_of) if zone else None,
        "boundary_vintage": (zone.boundary_vintage or None) if zone else None,
        "sites_within_1km": told.sites_within_1km,
        "commodity": "unknown",
        "review": review.as_property() if review else {"state": "unreviewed", "reviewer": None, "date": None},
        "release": result.release,
        # In a public release a feature is a cell, and stands for all the sites in it.
        **({"sites": told.sites} if result.release == "public" else {}),
    }


def _change_scenes(result: RunResult, change: SiteChange, periods: Sequence[str]) -> list[str]:
    """Scenes of each sensor that speaks for a change."""
    optical = _scenes(result, change.tiles, periods) if not change.by_radar_alone else []
    tiles = change.tiles if "S1" in change.sensors else ()
    return sorted({*optical, *(scene for tile in tiles for scene in result.radar_scenes.get(tile, ()))})


def _scenes(result: RunResult, tiles: Sequence[Tile], periods: Sequence[str]) -> list[str]:
    return sorted({scene for tile in tiles for name in periods for scene in result.scenes.get(tile, {}).get(name, ())})


def _period(period: Period | None) -> dict[str, str] | None:
    if period is None:
        return None
    return {"name": period.name, "start": period.start.isoformat(), "end": period.end.isoformat()}


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _ha(hectares: float) -> float:
    return round(float(hectares), 4)


def _share(share: float) -> float:
    return round(float(share), 4)
