"""The whole command where two UTM zones meet: ground counts once and a site that lies on the meridian stays one."""

from __future__ import annotations

import csv
import json
from datetime import date

import numpy as np
import pytest
from pyproj import Geod, Transformer
from shapely.geometry import box, shape

from pipeline.runs import RunOptions, describe_run, run_programme
from tests.scenes import dig, ground, write_scene

LAT = 8.77
SHAPE = (260, 260)
BEFORE, AFTER = ("2021-01-10", "2021-02-14", "2021-03-01"), ("2022-01-05", "2022-02-09", "2022-03-16")
CONFIG = """programme: meridian
areas: [area.geojson]
periods:
  - {name: 2020-21, start: 2020-12-15, end: 2021-03-31}
  - {name: 2021-22, start: 2021-12-15, end: 2022-03-31}
source: {kind: folder, path: archive}
"""


def geodesic_ha(geometry) -> float:
    return abs(Geod(ellps="WGS84").geometry_area_perimeter(geometry)[0]) / 10_000


def write_both_zones(folder, day, meridian, opening):
    """The same ground in the zone west and the zone east of a meridian; `opening` is a lon/lat box or None."""
    west_zone = 32600 + round((meridian + 180) / 6)
    for epsg in (west_zone, west_zone + 1):
        to_utm = Transformer.from_crs(4326, epsg, always_xy=True)
        east, north = to_utm.transform(meridian, LAT)
        left, top = round(east, -1) - 1300, round(north, -1) + 1300
        bands = ground(SHAPE, seed=epsg)
        if opening is not None:
            worked = ground(SHAPE, seed=epsg)
            dig(worked, slice(None), slice(None))
            x, y = np.meshgrid(left + 5 + 10 * np.arange(SHAPE[1]), top - 5 - 10 * np.arange(SHAPE[0]))
            lon, lat = to_utm.transform(x, y, direction="INVERSE")
            west, south, east_edge, north_edge = opening.bounds
            inside = (lon >= west) & (lon < east_edge) & (lat >= south) & (lat < north_edge)
            bands[:, inside] = worked[:, inside]
        write_scene(folder / "archive", f"S2A_{epsg}_{day}", day, bands, west=int(left), north=int(top), epsg=epsg)


@pytest.fixture(scope="module", params=[-6.0, 18.0], ids=["6 W", "18 E"])
def case(request, tmp_path_factory):
    meridian = request.param
    folder = tmp_path_factory.mktemp("meridian")
    opening = box(meridian - 0.0035, LAT - 0.0015, meridian + 0.0025, LAT + 0.002)
    watch = box(meridian - 0.009, LAT - 0.009, meridian + 0.009, LAT + 0.009)
    for day in BEFORE:
        write_both_zones(folder, day, meridian, None)
    for day in AFTER:
        write_both_zones(folder, day, meridian, opening)
    feature = {"type": "Feature", "properties": {"zone_id": "border", "name": "Border"}}
    feature["geometry"] = {"type": "Polygon", "coordinates": [[list(p) for p in watch.exterior.coords]]}
    (folder / "area.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    (folder / "meridian.yaml").write_text(CONFIG)
    finished = run_programme(folder / "meridian.yaml", RunOptions(as_of=date(2022, 6, 1), out=folder / "out"))
    assert finished.exit_code == 0, describe_run(finished.manifest)
    return finished, watch, opening


def test_watched_ground_is_counted_once(case):
    finished, watch, _ = case
    rows = list(csv.DictReader((finished.folder / "footprint.csv").open()))
    total = [float(row["watched_ha"]) for row in rows if row["zone_id"] == "total"]
    assert total == pytest.approx([geodesic_ha(watch)] * 2, rel=2e-3)


def test_an_opening_on_the_meridian_is_one_new_site_of_its_true_size(case):
    finished, _, opening = case
    features = json.loads((finished.folder / "changes.geojson").read_text())["features"]
    assert [f["properties"]["state"] for f in features] == ["new"]
    assert features[0]["properties"]["area_ha"] == pytest.approx(geodesic_ha(opening), rel=0.12)
    outline = shape(features[0]["geometry"])
    assert outline.is_valid
    assert outline.intersection(opening).area / outline.union(opening).area > 0.85


def test_each_zone_has_its_own_rasters(case):
    finished, _, _ = case
    names = {path.name.split("_")[-1] for path in (finished.folder / "rasters").glob("class_2021-22_*.tif")}
    assert len(names) == 2
