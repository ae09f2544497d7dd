from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from datetime import date
from hashlib import sha256
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from shapely import box

from pipeline.areas import Area, cell_area_m2, from_lonlat, tiles_of, zone_index
from pipeline.areas.lattice import PIXEL_M, Tile, project, to_lonlat
from pipeline.config import LayerConfig
from pipeline.errors import AreaBalanceError, Problems
from pipeline.footprint import Layer, build_footprint, read_layers, tile_areas
from pipeline.runs import RunOptions, run_programme
from tests.change_ground import periods
from tests.scenes import dig, ground, write_area, write_scene

HERE, EAST = Tile(32633, 80, 90), Tile(32633, 81, 90)
WATCH = (Area("watch", "Watch", box(16.0, 4.5, 16.2, 4.7)),)
UNITS = {"A1": box(16.0, 4.5, 16.1, 4.7), "B2": box(16.1, 4.5, 16.3, 4.7), "far": box(20.0, 4.5, 20.1, 4.7)}


def frame(units=UNITS, **columns):
    names = [f"Name of {name}" for name in units]
    return gpd.GeoDataFrame({"code": list(units), "title": names, **columns}, geometry=list(units.values()), crs=4326)


def setting(path: Path, **changed):
    given = {"name": "parks", "path": path, "id_field": "code", "name_field": "title", "kind": "protected areas"}
    return LayerConfig(**(given | {"source": "WDPA", "vintage": "2026-01", "licence": "not stated"} | changed))


def read(path: Path, **changed) -> Layer:
    return read_layers([setting(path, **changed)], path.parent, WATCH)[0]


def problems_of(path: Path, **changed) -> str:
    with pytest.raises(Problems) as caught:
        read(path, **changed)
    return "\n".join(caught.value.problems)


# Reading


@pytest.mark.parametrize(("name", "crs"), [("a.geojson", 4326), ("a.gpkg", 4326), ("a.gpkg", 32633), ("a.shp", 32633)])
def test_each_format_gives_the_units_that_meet_the_watch(tmp_path, name, crs):
    frame().to_crs(crs).to_file(tmp_path / name)
    layer = read(tmp_path / name)
    assert [(unit.zone_id, unit.name) for unit in layer.units] == [("A1", "Name of A1"), ("B2", "Name of B2")]
    assert (layer.kind, layer.source, layer.vintage) == ("protected areas", "WDPA", "2026-01")
    assert layer.units[0].geometry.symmetric_difference(UNITS["A1"]).area < 1e-9


def test_every_file_of_a_shapefile_is_hashed(tmp_path):
    frame().to_file(tmp_path / "a.shp")
    before = read(tmp_path / "a.shp").files
    assert set(before) == {"a.shp", "a.dbf", "a.shx", "a.prj", "a.cpg"}
    frame(title=["Other"] * 3).to_file(tmp_path / "a.shp")
    after = read(tmp_path / "a.shp").files
    assert (before["a.shp"], before["a.dbf"] != after["a.dbf"]) == (after["a.shp"], True)


def test_numbers_are_ids_without_a_point_and_the_id_stands_for_a_name(tmp_path):
    frame(code=[7.0, 8.0, 9.0]).to_file(tmp_path / "a.gpkg")
    assert [(u.zone_id, u.name) for u in read(tmp_path / "a.gpkg", name_field="").units] == [("7", "7"), ("8", "8")]


def test_a_broken_outline_far_from_the_watch_does_not_matter(tmp_path):
    bow = shapely.Polygon([(20, 4), (21, 5), (21, 4), (20, 5)])
    frame({**UNITS, "far": bow}).to_file(tmp_path / "a.geojson")
    assert len(read(tmp_path / "a.geojson").units) == 2


def test_a_table_of_several_is_chosen_by_name(tmp_path):
    frame().to_file(tmp_path / "a.gpkg", layer="one")
    frame({"A1": UNITS["A1"]}).to_file(tmp_path / "a.gpkg", layer="two")
    assert len(read(tmp_path / "a.gpkg", table="two").units) == 1
    assert "has 2 tables of shapes; set 'table' to one of: one, two" in problems_of(tmp_path / "a.gpkg")


CROSSED = shapely.Polygon([(16, 4.5), (16.1, 4.6), (16.1, 4.5), (16, 4.6)])


@pytest.mark.parametrize(
    ("units", "message"),
    [
        ({"A1": CROSSED}, r"feature 1: (A1) its outline crosses itself"),
        ({"A1": shapely.Point(16.1, 4.6)}, "must be a Polygon or a MultiPolygon"),
        ({"total": UNITS["A1"]}, "code 'total' names a sum in the footprint table"),
        ({"=1+1": UNITS["A1"]}, "code '=1+1' names no unit"),
        ({"": UNITS["A1"]}, "names no unit"),
        ({"far": UNITS["far"]}, "none of the 1 units of a.geojson meets the declared areas"),
        ({"A1": box(4.5, 16.0, 4.7, 16.1)}, "order of its coordinates"),
    ],
)
def test_a_unit_that_cannot_be_used_is_named(tmp_path, units, message):
    frame(units).to_file(tmp_path / "a.geojson")
    assert message in problems_of(tmp_path / "a.geojson")


def test_an_id_given_twice_is_refused(tmp_path):
    frame(code=["A1", "A1", "far"]).to_file(tmp_path / "a.gpkg")
    assert "feature 2: 'A1' is given twice" in problems_of(tmp_path / "a.gpkg")


def test_a_name_that_a_spreadsheet_would_compute_is_refused(tmp_path):
    frame(title=["=cmd()", "b", "c"]).to_file(tmp_path / "a.gpkg")
    assert "title '=cmd()' is no name" in problems_of(tmp_path / "a.gpkg")


@pytest.mark.parametrize("name", ["a.geojson", "a.gpkg", "a.shp"])
def test_a_field_that_is_not_there_is_told_with_those_that_are(tmp_path, name):
    frame().to_file(tmp_path / name)
    assert "has no field 'WDPAID'; it has: code, title" in problems_of(tmp_path / name, id_field="WDPAID")


def test_files_that_are_not_what_they_say_are_never_opened(tmp_path):
    frame().to_file(tmp_path / "real.gpkg")
    virtual = '<OGRVRTDataSource><OGRVRTLayer name="real"><SrcDataSource>real.gpkg</SrcDataSource></OGRVRTLayer>'
    for name in ("a.gpkg", "a.shp"):
        (tmp_path / name).write_text(f"{virtual}</OGRVRTDataSource>")
        assert "is not what its ending says" in problems_of(tmp_path / name)


def test_damaged_incomplete_and_missing_files_give_one_message(tmp_path):
    frame().to_file(tmp_path / "a.gpkg")
    whole = (tmp_path / "a.gpkg").read_bytes()
    (tmp_path / "cut.gpkg").write_bytes(whole[: len(whole) // 3])
    frame().to_file(tmp_path / "a.shp")
    (tmp_path / "a.dbf").unlink()
    frame().to_file(tmp_path / "b.shp")
    (tmp_path / "b.prj").unlink()
    (tmp_path / "a.geojson").write_text("{")
    found = {
        name: problems_of(tmp_path / name) for name in ("cut.gpkg", "a.shp", "b.shp", "a.geojson", "no.shp", "a.kml")
    }
    assert "cut.gpkg: cannot be read" in found["cut.gpkg"]
    assert "a.dbf is not beside it" in found["a.shp"]
    assert "does not say in which coordinate system it is" in found["b.shp"]
    assert "is not GeoJSON" in found["a.geojson"]
    assert "no such file" in found["no.shp"]
    assert "is no .geojson, .gpkg or .shp" in found["a.kml"]
    assert all(message.count("\n") == 0 for message in found.values())


def test_every_layer_is_told_at_once(tmp_path):
    asked = [setting(tmp_path / "x.shp", name="one"), setting(tmp_path / "y.gpkg", name="two")]
    with pytest.raises(Problems) as caught:
        read_layers(asked, tmp_path, WATCH)
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["layer 'one'", "layer 'two'"]


# On the raster


def metres(tile, west, south, east, north):
    """A lon/lat polygon of so many pixels from a tile's south-west corner, its outline on that of pixels."""
    left, bottom = tile.geobox.boundingbox.left, tile.geobox.boundingbox.bottom
    corners = shapely.segmentize(box(*(PIXEL_M * n for n in (west, south, east, north))), 50)
    back = from_lonlat(tile.epsg)
    return shapely.transform(
        corners, lambda xy: np.column_stack(back.transform(left + xy[:, 0], bottom + xy[:, 1], direction="INVERSE"))
    )


def layer_of(**shapes):
    return Layer("parks", tuple(Area(name, name, shape) for name, shape in shapes.items()), "protected areas")


def test_units_are_numbered_by_the_pixels_centre_and_the_first_has_what_is_shared():
    layer = layer_of(a=metres(HERE, 0, 0, 10, 5), far=box(50, 0, 51, 1), b=metres(HERE, 8, 0, 14, 5))
    watched = np.zeros((512, 512), bool)
    watched[-5:, :13] = True
    near = layer.near(HERE)
    index = near.index(HERE, watched)
    assert near.numbers == (1, 3)
    assert index[-1, :14].tolist() == [1] * 10 + [3] * 3 + [-1]
    assert (index[~watched] == -1).all()
    assert near.shared(HERE).sum() == 2 * 5
    assert np.flatnonzero(near.shared(HERE)[-1]).tolist() == [8, 9]


def test_units_that_only_touch_share_nothing():
    layer = layer_of(a=metres(HERE, 0, 0, 10, 5), b=metres(HERE, 10, 0, 14, 5))
    assert layer.near(HERE).shared(HERE) is None


def test_a_tile_without_units_is_unassigned():
    near = layer_of(far=box(50, 0, 51, 1)).near(HERE)
    assert near.index(HERE, np.ones((512, 512), bool)).max() == 0


# Two periods of 2 x 4 pixels; one zone and no zone; parks 1 and 3, no ground of park 2.
ZONE = np.array([[1, 1, 1, 0], [1, 1, 0, -1]], np.int16)
PARKS = np.array([[0, 1, 3, 3], [1, 1, 0, -1]], np.int32)
BEFORE = np.array([[1, 1, 0, 0], [2, 255, 3, 254]], np.uint8)
AFTER = np.array([[0, 1, 1, 255], [0, 0, 1, 254]], np.uint8)
LAYERS = (
    Layer.of_zones([Area("zone", "Zone", box(0, 0, 1, 1)), Area("dry", "Dry", box(2, 2, 3, 3))]),
    layer_of(p=box(0, 0, 1, 1), q=box(5, 5, 6, 6), r=box(1, 1, 2, 2)),
)


def counted(parks=PARKS, zone=ZONE, classes=(BEFORE, AFTER), cell=None, tile=HERE):
    cell = np.full(zone.shape, 100.0) if cell is None else cell
    return tile_areas(tile, np.stack(classes), [zone, parks], cell, [2, 3])


def test_hectares_of_each_unit_period_and_change():
    found = {(r.zone_id, r.period): r for r in build_footprint({HERE: counted()}, LAYERS, periods(2)).of("parks")}
    p, r, total = found["p", "p1"], found["r", "p1"], found["total", "p1"]
    assert (found["p", "p0"].bare_ha, found["p", "p0"].pond_ha, found["p", "p0"].observed_share) == (
        0.01,
        0.01,
        0.666667,
    )
    assert (p.gain_ha, p.loss_ha, p.stable_ha, p.both_observed_share) == (0, 0.01, 0.01, 0.666667)
    assert (r.gain_ha, r.disturbed_ha, r.observed_share) == (0.01, 0.01, 0.5)
    assert (total.disturbed_ha, total.watched_ha) == (0.03, 0.07)


def test_units_without_watched_ground_do_not_appear_and_zones_do():
    footprint = build_footprint({HERE: counted()}, LAYERS, periods(2))
    assert [row.zone_id for row in footprint.of("parks")] == ["p", "r", "unassigned", "total"] * 2
    assert [row.zone_id for row in footprint.of()] == ["zone", "dry", "unassigned", "total"] * 2
    assert footprint.rows == footprint.of() + footprint.of("parks")


def test_zones_are_told_the_same_with_and_without_layers():
    alone = tile_areas(HERE, np.stack([BEFORE, AFTER]), [ZONE], np.full(ZONE.shape, 100.0), [2])
    assert build_footprint({HERE: alone}, LAYERS[:1], periods(2)).rows == (
        build_footprint({HERE: counted()}, LAYERS, periods(2)).of()
    )


def test_a_layer_that_watches_other_ground_than_the_zones_stops_the_run():
    with pytest.raises(AreaBalanceError, match="layer 2 does not cover the watched ground once"):
        counted(parks=np.where(PARKS == 3, -1, PARKS))


def test_a_layer_that_loses_a_square_millimetre_stops_the_run():
    part = counted()
    lost = part.layers[1].classes.copy()
    lost[1, 0, 0] -= 1
    broken = replace(part, layers=(part.layers[0], replace(part.layers[1], classes=lost)))
    with pytest.raises(AreaBalanceError, match="layer 'parks', period p1: units and unassigned ground add up to"):
        build_footprint({HERE: broken}, LAYERS, periods(2))


codes = arrays(np.uint8, (2, 5, 4), elements=st.sampled_from([0, 1, 2, 3, 255]))
cells = arrays(np.float64, (5, 4), elements=st.floats(98, 101))


@settings(deadline=None)
@given(codes, arrays(np.int32, (5, 4), elements=st.integers(0, 3)), cells, st.integers(1, 3), st.booleans())
def test_the_cut_into_tiles_and_their_order_do_not_matter(raster, parks, cell, cut, turned):
    zone = np.ones((5, 4), np.int16)
    whole = {HERE: counted(parks, zone, raster, cell)}
    parts = {
        tile: counted(parks[:, part], zone[:, part], raster[:, :, part], cell[:, part], tile)
        for tile, part in ((HERE, slice(0, cut)), (EAST, slice(cut, None)))
    }
    if turned:
        parts = dict(reversed(parts.items()))
    one, other = (build_footprint(per_tile, LAYERS, periods(2)) for per_tile in (whole, parts))
    assert one.to_csv() == other.to_csv()


@settings(deadline=None)
@given(codes, arrays(np.int32, (5, 4), elements=st.integers(0, 3)), cells)
def test_printed_units_and_unassigned_add_up_to_the_printed_total(raster, parks, cell):
    rows = build_footprint({HERE: counted(parks, np.ones((5, 4), np.int16), raster, cell)}, LAYERS, periods(2)).of(
        "parks"
    )
    for period in ("p0", "p1"):
        *parts, total = [row for row in rows if row.period == period]
        for name in ("disturbed_ha", "watched_ha", "not_observed_ha", "gain_ha"):
            figures = [round((getattr(row, name) or 0) * 10_000) for row in parts]
            assert sum(figures) == round((getattr(total, name) or 0) * 10_000)


def test_a_unit_across_two_utm_zones_has_its_true_area_once():
    watch = [Area("w", "W", box(-6.02, 8.75, -5.98, 8.79), role="extent")]
    unit = Area("u", "U", box(-6.01, 8.76, -5.985, 8.78))
    layer = Layer("parks", (unit,))
    per_tile = {}
    for tile in tiles_of(watch[0].geometry):
        zone = zone_index(tile, watch)
        index = layer.near(tile).index(tile, zone >= 0)
        raster = np.where(index == 1, 1, 0).astype(np.uint8)[np.newaxis]
        per_tile[tile] = tile_areas(tile, raster, [zone, index], cell_area_m2(tile), [0, 1])
    assert {tile.epsg for tile in per_tile} == {32629, 32630}
    rows = build_footprint(per_tile, [Layer.of_zones(watch), layer], periods(1)).of("parks")
    assert rows[0].disturbed_ha == pytest.approx(unit.area_km2 * 100, rel=1e-2)
    assert rows[0].disturbed_ha == rows[-1].disturbed_ha == rows[0].watched_ha


def test_the_edge_of_a_unit_is_that_of_its_polygon_to_a_pixel():
    tile = tiles_of(box(16.05, 4.55, 16.06, 4.56))[0]
    shape = box(16.05, 4.55, 16.06, 4.56)
    index = Layer("parks", (Area("u", "U", shape),)).near(tile).index(tile, np.ones((512, 512), bool))
    ground = (index == 1).sum() * PIXEL_M**2
    assert ground == pytest.approx(project(shape, tile.epsg).area, rel=0.02)


def test_identity_changes_with_the_file_and_with_what_is_read_from_it(tmp_path):
    frame(other=["x", "y", "z"]).to_file(tmp_path / "a.geojson")
    first = json.dumps(read(tmp_path / "a.geojson").identity())
    assert json.dumps(read(tmp_path / "a.geojson").identity()) == first
    assert json.dumps(read(tmp_path / "a.geojson", name_field="other").identity()) != first
    assert json.dumps(read(tmp_path / "a.geojson", vintage="2025").identity()) != first


# In a run

WEST, NORTH = 82 * 5120 - 600, 102 * 5120 + 500
BLOCK = (slice(20, 60), slice(30, 70))
CONFIG = """programme: layered
areas: [area.geojson]
periods:
  - {{name: p1, start: 2020-12-01, end: 2021-03-31}}
  - {{name: p2, start: 2021-12-01, end: 2022-03-31}}
source: {{kind: folder, path: archive}}
run: {{executor: {executor}}}
layers:
  - {{name: parks, path: parks.gpkg, id_field: code, kind: protected areas, source: S, vintage: "2026", licence: L}}
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("layered")
    for number, day in enumerate(("2020-12-10", "2021-01-14", "2021-12-05", "2022-01-09")):
        bands = ground((100, 120), seed=number)
        if day > "2021-06":
            dig(bands, *BLOCK)
        write_scene(folder / "archive", f"S2A_{day}", day, bands, west=WEST, north=NORTH)
    return folder / "archive"


def to_degrees(west, south, east, north):
    corners = [
        to_lonlat(32633).transform(x, y) for x, y in ((west, south), (east, south), (east, north), (west, north))
    ]
    return shapely.Polygon(corners)


def write_parks(folder, split):
    """Two parks west and east of an easting; the eastern one overlaps by 100 m."""
    south, north = NORTH - 2000, NORTH + 1000
    west, east = to_degrees(WEST - 900, south, split, north), to_degrees(split - 100, south, WEST + 3000, north)
    frame({"west": west, "east": east}).to_file(folder / "parks.gpkg")


@pytest.fixture
def programme(tmp_path, archive):
    shutil.copytree(archive, tmp_path / "archive")
    write_area(tmp_path / "area.geojson", WEST + 50, NORTH - 950, WEST + 1150, NORTH - 50)
    write_parks(tmp_path, WEST + 500)
    (tmp_path / "layered.yaml").write_text(CONFIG.format(executor="serial"))
    return tmp_path / "layered.yaml"


def go(programme, **options):
    return run_programme(programme, RunOptions(as_of=date(2022, 6, 1), out=programme.parent / "out", **options))


def parks_of(finished):
    with (finished.folder / "footprint.csv").open(newline="") as stream:
        return {(r["zone_id"], r["period"]): r for r in csv.DictReader(stream) if r["layer"] == "parks"}


def test_a_run_tells_each_unit_and_its_manifest_names_the_layer(programme):
    finished = go(programme)
    rows = parks_of(finished)
    hectares = {name: float(rows[name, "p2"]["disturbed_ha"] or 0) for name in ("west", "east", "unassigned", "total")}
    assert hectares["total"] == pytest.approx(16, rel=0.1)
    assert hectares["west"] == pytest.approx(hectares["east"], rel=0.15)
    assert hectares["west"] + hectares["east"] + hectares["unassigned"] == pytest.approx(hectares["total"], abs=1e-9)
    assert float(rows["west", "p2"]["gain_ha"]) == hectares["west"]
    zones, parks = finished.manifest["inputs"]["layers"]
    assert (zones["name"], parks["name"], parks["units_watched"]) == ("zones", "parks", 2)
    assert parks["files"] == {"parks.gpkg": sha256((programme.parent / "parks.gpkg").read_bytes()).hexdigest()}
    # 100 m of 900 m of watched ground.
    assert parks["overlap_ha"] == pytest.approx(9, rel=0.05)
    assert {"trends.csv", "trends.json", "delve.csv"} <= {path.name for path in finished.folder.iterdir()}


def test_every_executor_gives_the_same_bytes(programme):
    serial = go(programme).manifest["outputs"]
    shutil.rmtree(programme.parent / "out")
    assert go(programme, executor="processes", workers=2).manifest["outputs"] == serial


def test_a_changed_layer_makes_new_areas_of_the_same_maps(programme):
    first = go(programme)
    assert go(programme).nothing_new
    write_parks(programme.parent, WEST + 400)
    second = go(programme)
    tasks = second.manifest["counts"]["tile_periods"]
    assert not second.nothing_new
    assert tasks["reused"] == tasks["prepared"]
    west = [float(parks_of(finished)["west", "p2"]["disturbed_ha"]) for finished in (first, second)]
    assert west[1] < west[0]


def test_a_broken_layer_is_one_clear_message(programme):
    (programme.parent / "parks.gpkg").write_bytes(b"no layer")
    with pytest.raises(Problems) as caught:
        go(programme)
    assert len(caught.value.problems) == 1
    assert "layer 'parks'" in caught.value.problems[0]
    assert "is not what its ending says; export the layer anew" in caught.value.problems[0]
