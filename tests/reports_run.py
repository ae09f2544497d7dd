"""A small made-up run, for the tests of all reports."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from functools import lru_cache
from pathlib import Path

import numpy as np
import shapely
from scipy import ndimage

from pipeline.areas.area import Area, Status
from pipeline.areas.lattice import TILE_PX, Tile, to_lonlat
from pipeline.change.register import Register
from pipeline.change.site import Site, SiteChange, SitePeriod
from pipeline.config import Period
from pipeline.footprint import Footprint, FootprintRow
from pipeline.reports import changes_geojson, sites_geojson, write_map, write_register
from pipeline.reports.result import RunResult
from pipeline.runs.manifest import hash_outputs

TILE = Tile(32633, 117, 105)
BEFORE = Period(name="2020-dry", start=date(2019, 12, 1), end=date(2020, 3, 31))
AFTER = Period(name="2021-dry", start=date(2020, 12, 1), end=date(2021, 3, 31))

# Reflectance x 10 000, bands in the order of BANDS: savanna, gallery forest, river, bare workings, pond.
_SPECTRA = np.array(
    [
        [520, 820, 900, 2350, 2500, 1700],
        [260, 480, 300, 2900, 1500, 650],
        [620, 900, 950, 700, 350, 200],
        [1300, 1900, 2500, 3100, 3600, 3000],
        [1000, 1500, 1700, 900, 300, 150],
    ],
    dtype=np.float64,
)
# State, row, column, radius in pixels of the made-up sites.
_SITES = (
    ("new", 150, 190, 9),
    ("expanded", 260, 255, 14),
    ("reopened", 330, 305, 5),
    ("continuing", 400, 330, 7),
    ("recovered", 90, 150, 6),
)


def _blob(row: int, col: int, radius: float) -> np.ndarray:
    y, x = np.mgrid[:TILE_PX, :TILE_PX]
    wobble = 1 + 0.3 * np.sin(3 * np.arctan2(y - row, x - col) + row)
    return np.hypot(y - row, (x - col) * 0.7) < radius * wobble


def _ground(state: str, row: int, col: int, radius: int) -> tuple[np.ndarray, np.ndarray]:
    full, half = _blob(row, col, radius), _blob(row, col, radius * 0.55)
    none = np.zeros_like(full)
    return {
        "new": (none, full),
        "expanded": (half, full),
        "reopened": (none, full),
        "continuing": (full, full),
        "recovered": (full, none),
    }[state]


def _polygon(mask: np.ndarray, tile: Tile) -> shapely.Geometry:
    rows, cols = np.nonzero(mask)
    left, top = tile.col * TILE_PX + cols, (tile.row + 1) * TILE_PX - rows
    squares = shapely.box(left * 10, top * 10 - 10, left * 10 + 10, top * 10)
    forward = to_lonlat(tile.epsg)
    return shapely.transform(
        shapely.union_all(squares), lambda xy: np.column_stack(forward.transform(xy[:, 0], xy[:, 1]))
    )


@lru_cache(maxsize=8)
def composite(tile: Tile, period: str) -> np.ndarray | None:
    """Savanna, a river in its gallery forest, the sites, and a cloud that was never lifted in the last period."""
    if tile != TILE:
        return None
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:TILE_PX, :TILE_PX]
    river = 130 + 0.62 * y + 22 * np.sin(y / 31)
    kind = np.zeros((TILE_PX, TILE_PX), dtype=np.int64)
    kind[np.abs(x - river) < 26 + 8 * np.sin(y / 17)] = 1
    kind[ndimage.gaussian_filter(rng.standard_normal(kind.shape), 18) > 0.022] = 1
    kind[np.abs(x - river) < 3] = 2
    for number, site in enumerate(_SITES):
        ground = _ground(*site)[0 if period == BEFORE.name else 1]
        kind[ground] = 3
        kind[
            ground & (ndimage.gaussian_filter(np.random.default_rng(number).standard_normal(kind.shape), 2) > 0.12)
        ] = 4
    texture = ndimage.gaussian_filter(rng.standard_normal(kind.shape), 1.2) * 0.35 + rng.normal(0, 0.04, kind.shape)
    pixels = np.moveaxis(_SPECTRA[kind], -1, 0) * (1 + texture)
    planes = np.clip(pixels, 1, 10_000).astype(np.uint16)
    if period not in (BEFORE.name, AFTER.name):
        return planes // 2
    if period == AFTER.name:
        planes[:, np.hypot(y - 122, x - 215) < 16] = 65535
    return planes


def make_change(number: int, state: str, before: np.ndarray, after: np.ndarray, tile: Tile = TILE) -> SiteChange:
    shown = before if state == "recovered" else after
    gain = after & ~before
    ha = float(shown.sum()) / 100
    pond_ha = 0.0 if state == "recovered" else round(0.15 * ha, 4)
    return SiteChange(
        change_id=f"chg-{number:04d}",
        site_id=f"site-{number:04d}",
        state=state,
        status="provisional" if state == "new" else "confirmed",
        confidence=("high", "low", "highest")[number % 3],
        probability=0.87 + number / 100,
        area_ha=ha,
        area_gain_ha=float(gain.sum()) / 100,
        area_loss_ha=float((before & ~after).sum()) / 100,
        bare_ha=0.0 if state == "recovered" else ha - pond_ha,
        pond_ha=pond_ha,
        last_clear_undisturbed=None if state == "continuing" else date(2020, 3, 14),
        first_clear_disturbed=date(2020, 12, 9),
        last_observed=date(2021, 3, 24),
        clear_looks_before=7 + number,
        clear_looks_after=5 + number,
        observed_share=1 - number / 20,
        sensors=("S2",),
        zone=0 if number == 3 else 1,
        sites_within_1km=number,
        geometry=_polygon(shown, tile),
        gain_geometry=_polygon(gain, tile) if gain.any() else None,
        tiles=(tile,),
    )


def make_site(change: SiteChange) -> Site:
    gone = change.state == "recovered"
    first = SitePeriod(BEFORE.name, 0.4, 0.1, 1.0, 0.9, 8, date(2020, 3, 14))
    last = SitePeriod(AFTER.name, change.bare_ha, change.pond_ha, 0.95, None if gone else 0.9, 6, date(2021, 3, 24))
    return Site(
        site_id=change.site_id,
        geometry=change.geometry,
        zone=change.zone,
        state="recovered" if gone else "active",
        status=change.status,
        confidence=change.confidence,
        first_seen=BEFORE.name,
        periods=(first, last),
        last_clear_undisturbed=change.last_clear_undisturbed,
        first_clear_disturbed=change.first_clear_disturbed,
        sites_within_1km=change.sites_within_1km,
        tiles=change.tiles,
    )


def _row(zone_id: str, name: str, disturbed_ha: float) -> FootprintRow:
    ground = (disturbed_ha - 0.4, 0.4, disturbed_ha, 12.0, 0.0, 1950.0, 150.0, 2112.0 + disturbed_ha, 0.929)
    return FootprintRow("zones", zone_id, name, AFTER.name, *ground, 11.0, 1.7, 5.0, 0.91)


def make_result(**changed: object) -> RunResult:
    """Five sites, one of each state, in a zone and an extent of western CAR."""
    changes = tuple(make_change(n, site[0], *_ground(*site)) for n, site in enumerate(_SITES, start=1))
    carnot = Area(
        zone_id="caf-carnot",
        name="Carnot",
        geometry=shapely.box(15.405, 4.65, 15.93, 5.10),
        statuses=(
            Status("suspended", date(2013, 5, 23), "Kimberley Process"),
            Status("compliant", date(2016, 9, 19), "Kimberley Process"),
        ),
        boundary_vintage="2020",
        boundary_source="declared monitoring extent",
    )
    extent = Area("caf-west", "Western fields", shapely.box(15.3, 4.6, 16.0, 5.15), role="extent")
    scene = "S2A_33NUE_20210105_0_L2A"
    result = RunResult(
        programme="carnot",
        title="Carnot and its rivers",
        run_id="2021-04-15-0a1b2c3d",
        as_of=date(2021, 4, 15),
        periods=(BEFORE, AFTER),
        areas=(carnot, extent),
        changes=changes,
        sites=tuple(make_site(change) for change in changes),
        footprint=Footprint(
            (_row("caf-carnot", "Carnot", 15.2), _row("unassigned", "unassigned", 1.2), _row("total", "total", 16.4))
        ),
        totals={"observed_share": 0.9421, "watched_ha": 2621.44},
        model={"name": "default", "sha256": "ab" * 32},
        generated_by="placerwatch 0.1.0",
        scenes={TILE: {BEFORE.name: ("S2B_33NUE_20200201_0_L2A",), AFTER.name: (scene,)}},
        limits=(
            "Disturbed ground and clusters of sites are mapped, never single pits: a pixel is 10 m wide.",
            "No detection does not mean no mining: of real complexes of 0.1 to 0.5 ha, 41 % were missed in testing.",
            "Commodity, legality and production cannot be read off pixels.",
        ),
        composite_of=composite,
    )
    return replace(result, **changed)


def make_three_periods() -> RunResult:
    """The same with an earlier period, in which one of the sites was worked, three were not and one was not seen."""
    result = make_result()
    first = Period(name="2019-dry", start=date(2018, 12, 1), end=date(2019, 3, 31))
    sites = []
    for site in result.sites:
        unseen, worked = site.site_id == "site-0003", site.site_id == "site-0004"
        state = SitePeriod(first.name, 0.6 if worked else 0.0, 0.0, 0.0 if unseen else 1.0, None, 4, date(2019, 3, 2))
        sites.append(replace(site, periods=(state, *site.periods)))
    return replace(result, periods=(first, *result.periods), sites=tuple(sites))


def write_run(home: Path, result: RunResult) -> Path:
    """The folder of a run with its change report, sites and map, and the programme's register; returns the run's."""
    folder = home / "runs" / result.run_id
    folder.mkdir(parents=True)
    (folder / "changes.geojson").write_text(changes_geojson(result), encoding="utf-8")
    (folder / "sites.geojson").write_text(sites_geojson(result), encoding="utf-8")
    write_map(result, folder / "map.html")
    manifest = {"programme": result.programme, "run_id": result.run_id, "as_of": result.as_of.isoformat()}
    manifest |= {"outcome": "complete", "exit_code": 0, "counts": {}, "failed": [], "not_observed": [], "tasks": []}
    (folder / "run.json").write_text(json.dumps(manifest | {"outputs": hash_outputs(folder)}))
    write_register(home / "register.gpkg", Register())
    return folder
