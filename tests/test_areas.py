from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import Geod
from shapely.geometry import MultiPolygon, Polygon, box

from pipeline.areas import (
    Area,
    Status,
    Tile,
    areas_hash,
    list_areas,
    overlaps,
    read_areas,
    tiles_of,
    watch_tiles,
    zone_index,
    zones_of,
)
from pipeline.areas.area import geodesic_area_km2
from pipeline.areas.lattice import PIXEL_M, TILE_M, to_lonlat
from pipeline.config_file import read_config
from pipeline.errors import Problems
from pipeline.simulation.scenario import scenario_area

AOI = Path(__file__).resolve().parents[1] / "aoi"
CARNOT = box(16.0, 4.5, 16.2, 4.8)


def feature(geometry, **properties):
    member = json.loads(shapely.to_geojson(geometry)) if isinstance(geometry, shapely.Geometry) else geometry
    return {"type": "Feature", "properties": {"zone_id": "a", **properties}, "geometry": member}


@pytest.fixture
def write(tmp_path):
    def _write(*features, name="areas.geojson", **members):
        path = tmp_path / name
        path.write_text(json.dumps({"type": "FeatureCollection", "features": list(features), **members}))
        return path

    return _write


def problems_of(*paths, zones=()):
    with pytest.raises(Problems) as caught:
        read_areas(paths, zones)
    return caught.value.problems


# Reading


def test_country_and_admin1_are_read_and_empty_where_not_declared(write):
    path = write(feature(CARNOT, country="CAF", admin1="Mambéré-Kadéï"), feature(CARNOT, zone_id="b"))
    assert [(area.country, area.admin1) for area in read_areas([path])] == [("CAF", "Mambéré-Kadéï"), ("", "")]


def test_a_declared_area_is_read_with_its_statuses(write):
    path = write(
        feature(
            CARNOT,
            zone_id="carnot",
            name="Carnot",
            statuses=[{"status": "compliant", "since": "2016-09-19", "source": "KP"}],
            boundary_vintage="2012",
            boundary_source="survey",
            note="kept",
        )
    )
    (area,) = read_areas([path])
    assert (area.zone_id, area.name, area.role) == ("carnot", "Carnot", "zone")
    assert area.statuses == (Status("compliant", date(2016, 9, 19), "KP", "", "2016-09-19"),)
    assert (area.boundary_vintage, area.boundary_source) == ("2012", "survey")
    assert area.properties["note"] == "kept"
    assert area.geometry.bounds == (16.0, 4.5, 16.2, 4.8)


def test_heights_are_left_out(write):
    ring = [[16, 4, 300], [16.1, 4, 300], [16.1, 4.2, 300], [16, 4, 300]]
    (area,) = read_areas([write(feature({"type": "Polygon", "coordinates": [ring]}))])
    assert not shapely.has_z(area.geometry)


def test_a_single_feature_and_a_byte_order_mark_are_read(tmp_path):
    path = tmp_path / "one.geojson"
    path.write_text("\ufeff" + json.dumps(feature(CARNOT)), encoding="utf-8")
    assert [area.zone_id for area in read_areas([path])] == ["a"]


def test_a_crs_member_that_says_wgs84_is_read(write):
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
    assert read_areas([write(feature(CARNOT), crs=crs)])


def test_areas_of_several_files_keep_their_order(write):
    first = write(feature(CARNOT, zone_id="b"), feature(CARNOT, zone_id="a"), name="1.geojson")
    second = write(feature(CARNOT, zone_id="c"), name="2.geojson")
    assert [area.zone_id for area in read_areas([second, first])] == ["c", "b", "a"]


def test_chosen_zones_keep_the_declared_order(write):
    path = write(*(feature(CARNOT, zone_id=z) for z in "abc"))
    assert [area.zone_id for area in read_areas([path], ["c", "a"])] == ["a", "c"]


BOWTIE = Polygon([(16, 4), (16.2, 4.2), (16.2, 4), (16, 4.2)])
FIJI_WEST, FIJI_EAST = box(179.8, -17, 180, -16.8), box(-180, -17, -179.8, -16.8)
OPEN = {"type": "Polygon", "coordinates": [[[16, 4], [16.1, 4], [16.1, 4.1], [16, 4.1]]]}


def ring(*positions):
    return {"type": "Polygon", "coordinates": [list(positions)]}


@pytest.mark.parametrize(
    ("geometry", "told"),
    [
        (BOWTIE, r"crosses itself at 16\.1, 4\.1: move the vertex"),
        (MultiPolygon([box(16, 4, 16.2, 4.2), box(16.1, 4.1, 16.3, 4.3)]), "crosses itself at"),
        (Polygon(CARNOT.exterior, [box(17, 5, 17.1, 5.1).exterior]), "not a valid polygon"),
        (OPEN, "not closed: it starts at 16, 4 and ends at 16, 4.1; repeat the first"),
        (None, "geometry is empty"),
        ({"type": "Polygon", "coordinates": []}, "geometry is empty"),
        ({"type": "MultiPolygon", "coordinates": [[]]}, "geometry is empty"),
        ({"type": "Polygon", "coordinates": [[]]}, "empty ring"),
        ({"type": "Polygon", "coordinates": "16 4"}, "geometry is empty"),
        ({"type": "Point", "coordinates": [16, 4]}, "of type 'Point': an area must be a Polygon"),
        ([16, 4], "not a GeoJSON object"),
        (ring([16, 4], [16.1, 4], [16, 4]), "3 positions"),
        (ring([16, 4], ["16.1", 4], [16.1, 5], [16, 4]), r"is not a position: write \[longitude, latitude\]"),
        (ring([16, 4], [True, 4], [16.1, 5], [16, 4]), "is not a position"),
        (ring([16, 4], [None], [16.1, 5], [16, 4]), "is not a position"),
        (ring([16, 4], [1e400, 4], [16.1, 5], [16, 4]), "not finite"),
        (ring([16, 4], [10**400, 4], [16.1, 5], [16, 4]), "not finite"),
        (ring([16, 4], [float("nan"), 4], [16.1, 5], [16, 4]), "not finite"),
        (box(8.0, 100.0, 8.5, 100.5), "wrong order .* no latitude exceeds 90"),
        (box(500000, 490000, 510000, 500000), r"not degrees .* reproject the layer to WGS 84"),
        (box(-179, 4, 179, 4.1), "declare what lies on either side as two areas"),
        (MultiPolygon([FIJI_WEST, FIJI_EAST]), "declare what lies on either side as two areas"),
        (box(16, 82.9, 16.1, 83.2), "Sentinel-2 covers land from -56 to 83"),
        (box(16, -57, 16.1, -55), "Sentinel-2 covers land"),
        (box(10, 4, 14, 8), r"covers 195,856 km2, more than the 100,000"),
        (box(16, 4, 16.00005, 4.00005), "less than one pixel"),
    ],
)
def test_a_bad_geometry_is_told_with_its_feature_and_remedy(write, geometry, told):
    (problem,) = problems_of(write(feature(geometry, zone_id="carnot")))
    assert problem.startswith(str(write(feature(geometry))) + ": feature 1 (carnot): ")
    assert re.search(told, problem)


def test_two_areas_may_meet_at_the_antimeridian(write):
    areas = read_areas([write(feature(FIJI_WEST, zone_id="west"), feature(FIJI_EAST, zone_id="east"))])
    assert {tile.epsg for tile in watch_tiles(areas)} == {32701, 32760}


@pytest.mark.parametrize(
    ("properties", "told"),
    [
        ({"zone_id": None}, "has no 'zone_id'"),
        ({"zone_id": 7}, "zone_id '7' cannot be used"),
        ({"zone_id": "../a"}, "cannot be used"),
        ({"zone_id": "a" * 61}, "cannot be used"),
        ({"zone_id": "total"}, "names a sum in the footprint table"),
        ({"zone_id": "unassigned"}, "names a sum in the footprint table"),
        ({"role": "area"}, 'role \'area\' is not known; write "zone" or "extent"'),
        ({"name": ["x"]}, "'name' must be text"),
        ({"boundary_vintage": 2012}, "'boundary_vintage' must be text"),
        ({"country": "CF"}, "country 'CF' is not an ISO 3166-1 alpha-3 code"),
        ({"admin1": 3}, "'admin1' must be text"),
        ({"statuses": "compliant"}, "'statuses' must be a list"),
        ({"statuses": [{"since": "2016"}]}, "status 1 has no 'status' text"),
        ({"statuses": [{"status": "x", "since": "2016-02-30"}]}, "since '2016-02-30' is not a date; write"),
        ({"statuses": [{"status": "x", "since": "2016-13"}]}, "is not a date"),
        ({"statuses": [{"status": "x", "since": "19.9.2016"}]}, "is not a date"),
        ({"statuses": [{"status": "x", "since": 2016}]}, "is not a date"),
    ],
)
def test_a_bad_property_is_told(write, properties, told):
    (problem,) = problems_of(write(feature(CARNOT, **properties)))
    assert "feature 1" in problem
    assert told in problem


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is not GeoJSON"),
        (b"\xff\xfe{", "is not GeoJSON"),
        (b"[" * 100_000, "is not GeoJSON"),
        (b"[]", "is not a FeatureCollection"),
        (b'{"type": "Topology"}', "type 'Topology'"),
        (b'{"type": "FeatureCollection"}', "no list of 'features'"),
        (b'{"type": "FeatureCollection", "features": []}', "declares no area"),
        (b'{"type": "FeatureCollection", "features": [7]}', "feature 1: is not a GeoJSON Feature"),
        (
            b'{"type": "FeatureCollection", "features": [], '
            b'"crs": {"properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}}',
            "EPSG::32633'; reproject",
        ),
    ],
)
def test_a_file_that_is_not_geojson_is_told(tmp_path, content, told):
    path = tmp_path / "bad.geojson"
    path.write_bytes(content)
    (problem,) = problems_of(path)
    assert problem.startswith(str(path))
    assert told in problem


def test_a_missing_file_and_a_folder_are_told(tmp_path):
    missing, folder = problems_of(tmp_path / "none.geojson", tmp_path)
    assert "no such file" in missing
    assert "cannot be read" in folder


def test_a_huge_file_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.areas.reading.MAX_FILE_BYTES", 10)
    path = tmp_path / "big.geojson"
    path.write_text(" " * 11)
    (problem,) = problems_of(path)
    assert "simplify it" in problem


def test_every_problem_is_told_at_once(write, tmp_path):
    path = write(
        feature(BOWTIE, zone_id="a"),
        feature(None, zone_id="b", role="x"),
        feature(CARNOT, zone_id="c"),
        feature(CARNOT, zone_id="c"),
    )
    told = problems_of(path, tmp_path / "none.geojson", zones=["d"])
    assert len(told) == 6


def test_an_id_given_twice_names_both_features(write):
    first = write(feature(CARNOT, zone_id="a"), name="1.geojson")
    second = write(feature(CARNOT, zone_id="b"), feature(CARNOT, zone_id="a"), name="2.geojson")
    (problem,) = problems_of(first, second)
    assert "2.geojson: feature 2 (a): zone_id 'a' was already given to 1.geojson, feature 1 (a)" in problem


def test_an_unknown_zone_lists_what_is_declared_and_what_is_near(write):
    path = write(feature(CARNOT, zone_id="carnot"), feature(CARNOT, zone_id="nola"))
    (problem,) = problems_of(path, zones=["carnott"])
    assert "did you mean 'carnot'?" in problem
    assert "Declared: carnot, nola" in problem


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
_KEYS = ["zone_id", "name", "role", "statuses", "centre", "boundary_vintage", "boundary_source"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    geometry=_JSON
    | st.builds(lambda kind, c: {"type": kind, "coordinates": c}, st.sampled_from(["Polygon", "MultiPolygon"]), _JSON)
    | st.just(json.loads(shapely.to_geojson(CARNOT))),
    properties=st.dictionaries(st.sampled_from(_KEYS), _JSON) | _JSON,
)
def test_whatever_a_file_says_it_is_read_or_its_problems_are_told(write, geometry, properties):
    path = write({"type": "Feature", "properties": properties, "geometry": geometry})
    told = []
    try:
        told = [area.geometry.bounds == CARNOT.bounds for area in read_areas([path])]
    except Problems as error:
        told = [problem.startswith(f"{path}: feature 1") for problem in error.problems]
    assert told
    assert all(told)


# Longitude and latitude in the wrong order


def swapped(geometry):
    return shapely.transform(geometry, lambda xy: xy[:, ::-1])


def test_an_area_thrown_into_the_sea_is_told_to_be_swapped(write):
    tortiya = box(-5.8, 8.7, -5.6, 8.9)
    assert read_areas([write(feature(tortiya))])
    (problem,) = problems_of(write(feature(swapped(tortiya))))
    assert "wrong order: it lies at sea (8.8, -5.7), and -5.7, 8.8 is on land" in problem


def test_one_swapped_area_among_others_is_told(write):
    path = write(
        feature(CARNOT, zone_id="a"),
        feature(swapped(box(16.4, 3.2, 16.6, 3.5)), zone_id="b"),
        feature(box(15.8, 3.2, 16.0, 3.5), zone_id="c"),
    )
    (problem,) = problems_of(path)
    assert "feature 2 (b): longitude and latitude seem to be in the wrong order" in problem
    assert '"centre": [longitude, latitude]' in problem


def test_a_stated_centre_settles_the_order(write):
    far = [feature(CARNOT, zone_id="a"), feature(CARNOT, zone_id="c")]
    niger = swapped(CARNOT)
    assert read_areas([write(*far, feature(niger, zone_id="b", centre=[4.65, 16.1]))])
    (problem,) = problems_of(write(feature(niger, zone_id="b", centre=[16.1, 4.65])))
    assert "its stated centre is 16.1, 4.65" in problem


def test_areas_of_two_regions_in_one_file_are_not_taken_for_swapped(write):
    assert read_areas([write(feature(CARNOT, zone_id="a"), feature(box(-5.8, 8.7, -5.6, 8.9), zone_id="b"))])


# Statuses


def test_the_status_on_a_day_is_the_latest_that_is_certain(write):
    path = write(
        feature(
            CARNOT,
            statuses=[
                {"status": "unnamed", "since": None},
                {"status": "suspended", "since": "2013-05-23"},
                {"status": "compliant", "since": "2018"},
                {"status": "lifted", "since": "2024-11"},
            ],
        )
    )
    (area,) = read_areas([path])
    days = [date(2010, 1, 1), date(2013, 5, 22), date(2013, 5, 23), date(2018, 6, 1), date(2018, 12, 31)]
    assert [area.status_at(day) for day in days] == ["unnamed", "unnamed", "suspended", "suspended", "compliant"]
    assert [area.status_at(day) for day in (date(2024, 11, 29), date(2024, 11, 30))] == ["compliant", "lifted"]
    assert [status.since_text for status in area.statuses] == ["", "2013-05-23", "2018", "2024-11"]


def test_an_area_without_statuses_is_unknown():
    assert Area("a", "a", CARNOT).status_at(date(2020, 1, 1)) == "unknown"


# Zones on the raster

TILE = Tile(32633, 40, 100)


def patch(x, y, width, height):
    """Lon/lat box over pixels of TILE: column and row of its north-west pixel, then its size in pixels."""
    left, top = TILE.col * TILE_M + x * PIXEL_M, (TILE.row + 1) * TILE_M - y * PIXEL_M
    corners = box(left, top - height * PIXEL_M, left + width * PIXEL_M, top)
    return shapely.transform(corners, lambda xy: np.column_stack(to_lonlat(TILE.epsg).transform(xy[:, 0], xy[:, 1])))


def test_pixels_take_the_number_of_their_zone():
    index = zone_index(TILE, [Area("a", "a", patch(2, 1, 3, 2)), Area("b", "b", patch(5, 1, 1, 2))])
    assert index.dtype == np.int16
    assert index[:4, :7].tolist() == [
        [-1, -1, -1, -1, -1, -1, -1],
        [-1, -1, 1, 1, 1, 2, -1],
        [-1, -1, 1, 1, 1, 2, -1],
        [-1, -1, -1, -1, -1, -1, -1],
    ]
    assert (index[4:] == -1).all()


def test_a_pixel_belongs_to_the_zone_that_holds_its_centre():
    index = zone_index(TILE, [Area("a", "a", patch(1.4, 0, 2.2, 1)), Area("b", "b", patch(5.6, 0, 1.8, 1))])
    assert index[0, :8].tolist() == [-1, 1, 1, 1, -1, -1, 2, -1]


def test_where_zones_overlap_the_first_declared_has_the_ground():
    a, b = Area("a", "a", patch(0, 0, 3, 1)), Area("b", "b", patch(2, 0, 3, 1))
    assert zone_index(TILE, [a, b])[0, :6].tolist() == [1, 1, 1, 2, 2, -1]
    assert zone_index(TILE, [b, a])[0, :6].tolist() == [2, 2, 1, 1, 1, -1]


def test_an_extent_is_watched_and_unassigned_wherever_it_is_declared():
    zone, extent = Area("a", "a", patch(1, 0, 1, 1)), Area("e", "e", patch(0, 0, 3, 1), role="extent")
    for areas in ([zone, extent], [extent, zone]):
        assert zone_index(TILE, areas)[0, :4].tolist() == [0, 1, 0, -1]
    assert zones_of([extent, zone]) == (zone,)


def test_a_hole_in_a_zone_is_not_watched():
    ring_of = patch(0, 0, 5, 4).difference(patch(2, 1, 2, 2))
    assert zone_index(TILE, [Area("a", "a", ring_of)])[:4, :5].tolist() == [
        [1, 1, 1, 1, 1],
        [1, 1, -1, -1, 1],
        [1, 1, -1, -1, 1],
        [1, 1, 1, 1, 1],
    ]


def test_a_tile_away_from_every_area_is_not_watched():
    assert (zone_index(TILE, [Area("a", "a", box(10, 40, 10.1, 40.1))]) == -1).all()
    assert (zone_index(TILE, []) == -1).all()


def test_every_watched_pixel_lies_in_a_watched_tile():
    area = Area("a", "a", shapely.Point(-6.0, 8.3).buffer(0.06))
    tiles = watch_tiles([area, Area("e", "e", box(-6.05, 8.28, -6.01, 8.31), role="extent")])
    assert tiles == sorted(set(tiles))
    ring_of = {Tile(t.epsg, t.col + i, t.row + j) for t in tiles for i in (-1, 0, 1) for j in (-1, 0, 1)} - set(tiles)
    assert all((zone_index(tile, [area]) == -1).all() for tile in sorted(ring_of))
    assert any((zone_index(tile, [area]) == 1).any() for tile in tiles)


def test_the_zone_of_a_pixel_does_not_depend_on_the_size_of_the_polygon():
    part = patch(100, 50, 30, 20)
    wide = shapely.union(part, box(14.0, 4.0, 14.4, 4.1))
    window = np.s_[50:70, 100:130]
    assert (zone_index(TILE, [Area("a", "a", part)])[window] == 1).all()
    assert (zone_index(TILE, [Area("a", "a", wide)])[window] == 1).all()


def test_overlapping_zones_are_warned_of_and_touching_ones_are_not():
    a, b, c = (
        Area(z, z, box(*bounds))
        for z, bounds in zip("abc", [(16, 4, 17, 5), (16.9, 4, 18, 5), (18, 4, 19, 5)], strict=True)
    )
    extent = Area("e", "e", box(16, 4, 19, 5), role="extent")
    (warning,) = overlaps([a, b, c, extent])
    assert "zones 'a' and 'b' overlap on 1227.2" in warning
    assert overlaps([a]) == ()


def test_zones_that_only_share_a_line_or_a_point_do_not_overlap():
    a = Area("a", "a", Polygon([(16, 4), (17, 4), (17, 4.5), (16.5, 4.6), (17, 5), (16, 5)]))
    b = Area("b", "b", Polygon([(17, 4), (18, 4), (18, 5), (17, 5), (17, 4.9), (17, 4.5)]))
    assert overlaps([a, b]) == ()


def test_the_hash_follows_geometry_order_and_role_only():
    a, b = Area("a", "a", CARNOT), Area("b", "b", BOWTIE)
    assert areas_hash([a, b]) == areas_hash([Area("a", "renamed", CARNOT, statuses=(Status("x", None, ""),)), b])
    assert len({areas_hash(x) for x in ([a, b], [b, a], [a], [Area("a", "a", CARNOT, role="extent"), b])}) == 4


# The areas that are shipped


def test_the_shipped_extents_of_western_car_have_the_published_areas_and_do_not_overlap():
    areas = read_areas([AOI / "car-west.geojson"])
    published = {"berberati": 9070, "boda": 3130, "carnot": 6220, "nola": 8849, "gadzi": 6454}
    assert {area.zone_id: round(area.area_km2) for area in areas} == published
    assert overlaps(areas) == ()
    for area in areas:
        west, south, east, north = area.properties["published_bounds"]
        assert shapely.box(west, south, east, north).covers(area.geometry)
        assert area.geometry.contains(shapely.Point(area.properties["centre"]))


def test_the_statuses_of_western_car_follow_the_dated_table():
    areas = {area.zone_id: area for area in read_areas([AOI / "car-west.geojson"])}
    days = [date(2013, 5, 22), date(2013, 5, 23), date(2015, 7, 17), date(2016, 9, 18), date(2016, 9, 19)]
    assert [areas["carnot"].status_at(d) for d in days] == [
        "unknown",
        "suspended",
        "framework",
        "framework",
        "compliant",
    ]
    at = date(2016, 9, 18)
    assert {z: a.status_at(at) for z, a in areas.items() if a.status_at(at) == "compliant"} == {
        "berberati": "compliant"
    }
    assert areas["gadzi"].status_at(date(2018, 12, 30)) == "framework"
    assert areas["gadzi"].status_at(date(2019, 1, 1)) == "compliant"
    assert {area.status_at(date(2024, 11, 15)) for area in areas.values()} == {"lifted"}
    assert all(status.source for area in areas.values() for status in area.statuses)


def test_a_listed_area_is_one_line_for_people():
    carnot = next(row for row in list_areas([AOI / "car-west.geojson"]) if row.zone_id == "carnot")
    assert str(carnot).startswith("carnot: Carnot, zone, lifted, 6,220.0 km2, 278 tiles in 33N; boundary: 2026-11")


def test_the_shipped_extents_of_northern_cote_divoire_lie_on_both_sides_of_6_w():
    rows = {row.zone_id: row for row in list_areas([AOI / "cote-divoire-north.geojson"], date(2026, 1, 1))}
    assert {zone: row.utm_zones for zone, row in rows.items()} == {
        "tortiya": ("30N",),
        "seguela": ("29N",),
        "tortiya-seguela": ("29N", "30N"),
    }
    assert rows["tortiya-seguela"].role == "extent"
    areas = {area.zone_id: area for area in read_areas([AOI / "cote-divoire-north.geojson"])}
    for zone, place in [("tortiya", (-5.687, 8.768)), ("seguela", (-6.550, 8.161)), ("seguela", (-6.609, 8.187))]:
        assert areas[zone].geometry.contains(shapely.Point(place))


@pytest.mark.parametrize("path", sorted(AOI.glob("*.geojson")), ids=lambda path: path.stem)
def test_every_shipped_area_says_what_it_is(path):
    for area in read_areas([path]):
        assert area.boundary_vintage
        assert "not" in area.boundary_source
        assert shapely.is_ccw(area.geometry.exterior)
        assert tiles_of(area.geometry)


@pytest.mark.parametrize(
    "path", sorted(set(AOI.glob("*.geojson")) - {AOI / "demo.geojson"}), ids=lambda path: path.stem
)
def test_every_shipped_extent_has_the_area_and_the_centre_that_it_states(path):
    for area in read_areas([path]):
        assert round(area.area_km2, 1) == area.properties["extent_area_km2"]
        assert area.geometry.contains(shapely.Point(area.properties["centre"]))
        assert "not a" in area.boundary_source or "not its" in area.boundary_source
        assert area.boundary_vintage.startswith("2026-11")
        assert re.fullmatch("[A-Z]{3}", area.country)


def places_in(text):
    """Longitude and latitude of each place written as (9.185 N, 10.100 W)."""
    written = re.findall(r"\((\d+\.\d+) ([NS]), (\d+\.\d+) ([EW])\)", text)
    return [(float(x) * (1 if e == "E" else -1), float(y) * (1 if n == "N" else -1)) for y, n, x, e in written]


@pytest.mark.parametrize("name", ["cote-divoire-north", "mano-river", "marange"])
def test_ground_drawn_around_places_reaches_as_far_as_it_says(name):
    geod = Geod(ellps="WGS84")
    for area in read_areas([AOI / f"{name}.geojson"]):
        shape = area.properties["drawn"]["shape"]
        if area.role != "zone":
            continue
        places, radius_km = places_in(shape), float(re.match(r"ground within (\d+) km", shape)[1])
        assert all(area.geometry.contains(shapely.Point(place)) for place in places), area.zone_id
        # Every few hundred metres of the line; of an outline of 64 corners to the circle, an edge lies 0.12 % inside.
        line = shapely.segmentize(shapely.LineString(places), 0.003).coords if len(places) > 1 else places
        for lon, lat in area.geometry.exterior.coords:
            far = geod.inv([lon] * len(line), [lat] * len(line), [p[0] for p in line], [p[1] for p in line])[2]
            assert min(far) / 1000 == pytest.approx(radius_km, rel=0.002), area.zone_id


def test_the_mano_river_programme_spans_four_countries_and_three_utm_zones():
    areas = read_config(AOI.parent / "configs" / "mano-river.yaml").areas
    assert {area.country for area in areas} == {"CIV", "GIN", "LBR", "SLE"}
    assert {tile.epsg for tile in watch_tiles(areas)} == {32628, 32629, 32630}
    zones = {area.country: {a.zone_id for a in zones_of(areas) if a.country == area.country} for area in areas}
    assert zones["GIN"] == {"kissidougou", "kerouane", "macenta", "forecariah", "kindia"}
    assert zones["SLE"] == {"kono", "kenema-tongo", "sewa"}
    assert zones["LBR"] == {"bopolu", "sanniquellie"}


def test_marange_lies_south_of_the_equator():
    (marange,) = read_areas([AOI / "marange.geojson"])
    assert marange.country == "ZWE"
    assert {tile.epsg for tile in watch_tiles([marange])} == {32736}


def test_no_zone_of_the_shipped_files_overlaps_another():
    assert overlaps(read_areas(sorted(set(AOI.glob("*.geojson")) - {AOI / "demo.geojson"}))) == ()


def test_abba_and_amada_gaza_have_the_published_areas_and_only_certain_statuses():
    areas = {area.zone_id: area for area in read_areas([AOI / "car-abba-amada-gaza.geojson"])}
    assert {zone: round(area.area_km2) for zone, area in areas.items()} == {"amada-gaza": 3151, "abba": 3927}
    for area in areas.values():
        assert shapely.box(*area.properties["published_bounds"]).covers(area.geometry)
        days = [date(2013, 5, 23), date(2015, 7, 17), date(2018, 12, 30), date(2018, 12, 31), date(2024, 11, 15)]
        assert [area.status_at(day) for day in days] == ["suspended", "framework", "framework", "unknown", "lifted"]
    others = [
        a for path in AOI.glob("*.geojson") if not path.name.startswith(("car-", "demo")) for a in read_areas([path])
    ]
    assert others
    assert not any(area.statuses for area in others)


def test_abba_and_amada_gaza_lie_mostly_in_the_sub_prefectures_of_their_name(shared_data):
    units = gpd.read_file(shared_data / "admin" / "wof_caf_subprefectures.geojson").set_index("name")
    for area in read_areas([AOI / "car-abba-amada-gaza.geojson"]):
        unit = units.loc[area.name]
        assert area.properties["published_area_km2"] == unit.area_km2
        assert area.properties["published_bounds"] == [round(edge, 3) for edge in unit.geometry.bounds]
        assert area.properties["centre"] == pytest.approx([unit.lon, unit.lat], abs=0.0006)
        assert geodesic_area_km2(area.geometry.intersection(unit.geometry)) > 0.75 * area.area_km2


def test_the_area_of_the_demonstration_is_that_of_its_scenario():
    assert json.loads((AOI / "demo.geojson").read_text("utf-8")) == scenario_area("demo")
