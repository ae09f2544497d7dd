from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyproj import Geod
from shapely.geometry import box

from pipeline.areas import (
    Area,
    Tile,
    cell_area_m2,
    from_lonlat,
    owned,
    project,
    require_same,
    tiles_of,
    to_lonlat,
    utm_epsg,
    zone_index,
)
from pipeline.areas.lattice import PIXEL_M, TILE_M, TILE_PX
from pipeline.errors import BadInput, LatticeMismatch

TORTIYA = Tile(32630, 40, 189)


def _watched_m2(area: Area) -> float:
    return sum(float(cell_area_m2(tile)[zone_index(tile, [area]) == 1].sum()) for tile in tiles_of(area.geometry))


def _ring_area_m2(corners: list[tuple[float, float]]) -> float:
    lon, lat = zip(*corners, strict=True)
    return abs(Geod(ellps="WGS84").polygon_area_perimeter(lon, lat)[0])


@pytest.mark.parametrize(
    ("bounds", "zones"),
    [
        ((-6.05, 8.10, -5.93, 8.20), {32629, 32630}),  # 6 W, between Seguela and Tortiya
        ((17.95, 4.00, 18.06, 4.08), {32633, 32634}),  # 18 E, east of Boda
        ((17.97, -0.04, 18.05, 0.05), {32633, 32634, 32733, 32734}),  # 18 E on the equator
        ((-53.0, -4.05, -52.9, -3.98), {32722}),  # Amazon, south of the equator
    ],
)
def test_ground_across_a_zone_border_is_counted_once(bounds, zones):
    area = Area("a", "a", box(*bounds))
    assert {tile.epsg for tile in tiles_of(area.geometry)} == zones
    assert _watched_m2(area) == pytest.approx(area.area_km2 * 1e6, rel=1e-3)


@settings(max_examples=15, deadline=None)
@given(
    west=st.sampled_from([-6.03, 17.97, -0.02, 11.0, -179.99, 179.9]),
    south=st.floats(-55.0, 80.0),
    width=st.floats(0.02, 0.09),
    height=st.floats(0.02, 0.06),
)
@example(west=17.97, south=-0.02, width=0.05, height=0.04)
@example(west=5.99, south=0.0, width=0.05, height=0.04)
@example(west=5.99, south=-0.04, width=0.05, height=0.04)
def test_owned_cells_add_up_to_the_area_on_the_ellipsoid(west, south, width, height):
    area = Area("a", "a", box(west, south, west + width, south + height))
    # A pixel row along the outline is in or out by its centre: at most half of one on each side.
    error_px = PIXEL_M / 2 * 111_320 * 2 * (height + width)
    assert _watched_m2(area) == pytest.approx(area.area_km2 * 1e6, rel=1e-3, abs=error_px)


@settings(max_examples=100, deadline=None)
@given(lon=st.floats(-179.999, 179.999), lat=st.floats(-56, 83))
@example(lon=-6.0, lat=8.5)
@example(lon=18.0, lat=0.0)
@example(lon=0.0, lat=-1e-9)
def test_a_place_is_owned_by_one_utm_zone(lon, lat):
    owners = 0
    for zone in {utm_epsg(lon - 1e-3, lat) % 100, utm_epsg(lon, lat) % 100, utm_epsg(lon + 1e-3, lat) % 100}:
        for base in (32600, 32700):
            x, y = from_lonlat(base + zone).transform(lon, lat)
            # The pixel that holds the place need not be owned where its centre lies beyond the meridian.
            centre_x, centre_y = (np.floor(v / PIXEL_M) * PIXEL_M + PIXEL_M / 2 for v in (x, y))
            owners += utm_epsg(*to_lonlat(base + zone).transform(centre_x, centre_y)) == base + zone
    near_border = abs((lon + 180) % 6) < 1e-3 or abs((lon + 180) % 6 - 6) < 1e-3 or abs(lat) < 1e-3
    assert owners == 1 or near_border


@settings(max_examples=200, deadline=None)
@given(zone=st.integers(1, 60), north=st.booleans(), col=st.integers(0, 199), row=st.integers(0, 1999))
def test_the_name_of_a_tile_leads_back_to_it(zone, north, col, row):
    tile = Tile((32600 if north else 32700) + zone, col, row)
    assert Tile.from_id(tile.id) == tile


@settings(max_examples=60, deadline=None)
@given(lon=st.floats(-179.9, 179.8), lat=st.floats(-55.9, 82.9))
@example(lon=9.0, lat=0.0)
@example(lon=9.0, lat=-0.03)
def test_every_tile_of_an_area_has_a_name_that_leads_back_to_it(lon, lat):
    for tile in tiles_of(box(lon, lat, lon + 0.03, lat + 0.03)):
        assert Tile.from_id(tile.id) == tile


@pytest.mark.parametrize("name", ["", "33N-81-102", "61N-081-0102", "00N-081-0102", "33X-081-0102", "33N-081-0102x"])
def test_what_is_not_a_tile_name_is_refused(name):
    with pytest.raises(BadInput, match="33N-081-0102"):
        Tile.from_id(name)


def test_the_geobox_lies_on_multiples_of_ten_metres_in_the_right_order():
    geobox = TORTIYA.geobox
    assert geobox.shape == (TILE_PX, TILE_PX)
    assert (geobox.affine.a, geobox.affine.e) == (PIXEL_M, -PIXEL_M)
    assert (geobox.affine.c, geobox.affine.f) == (40 * TILE_M, 190 * TILE_M)
    assert geobox.affine.c % PIXEL_M == geobox.affine.f % PIXEL_M == 0
    assert geobox.crs.epsg == 32630


def test_the_padded_geobox_holds_the_tile_at_the_halo():
    padded = TORTIYA.padded(7)
    assert padded.shape == (TILE_PX + 14, TILE_PX + 14)
    assert padded[7:-7, 7:-7] == TORTIYA.geobox


def test_neighbours_share_edges_and_lattice_numbers():
    east, north = Tile(32630, 41, 189), Tile(32630, 40, 190)
    assert east.geobox.affine.c == TORTIYA.geobox.affine.c + TILE_M
    assert east.origin_px == (TORTIYA.origin_px[0], TORTIYA.origin_px[1] + TILE_PX)
    assert north.geobox.affine.f == TORTIYA.geobox.affine.f + TILE_M
    assert north.origin_px == (TORTIYA.origin_px[0] - TILE_PX, TORTIYA.origin_px[1])


def test_a_place_falls_into_the_pixel_of_its_row_and_column():
    x, y = TORTIYA.col * TILE_M + 3.5 * PIXEL_M, (TORTIYA.row + 1) * TILE_M - 100.5 * PIXEL_M
    lon, lat = to_lonlat(TORTIYA.epsg).transform(x, y)
    speck = shapely.Point(lon, lat).buffer(2e-5)
    index = zone_index(TORTIYA, [Area("a", "a", speck)])
    assert np.argwhere(index == 1).tolist() == [[100, 3]]


@pytest.mark.parametrize("tile", [TORTIYA, Tile(32633, 97, 90), Tile(32632, 97, 1600), Tile(32722, 120, 1900)])
def test_cell_areas_add_up_to_the_tile_on_the_ellipsoid(tile):
    edge = np.linspace(0, TILE_M, 33)
    left, bottom = tile.col * TILE_M, tile.row * TILE_M
    ring = [(left + d, bottom) for d in edge] + [(left + TILE_M, bottom + d) for d in edge]
    ring += [(left + d, bottom + TILE_M) for d in edge[::-1]] + [(left, bottom + d) for d in edge[::-1]]
    corners = [to_lonlat(tile.epsg).transform(x, y) for x, y in ring]
    assert cell_area_m2(tile).sum() == pytest.approx(_ring_area_m2(corners), rel=1e-8)


def test_cell_area_grows_towards_the_central_meridian():
    near_edge, near_centre = cell_area_m2(Tile(32630, 34, 189)), cell_area_m2(Tile(32630, 96, 189))
    assert near_edge.mean() < 100 < near_centre.mean() < 100.09
    # West of the central meridian the true area of a cell grows with the column, not with the row.
    assert near_edge[0, -1] > near_edge[0, 0]
    assert abs(near_edge[-1, 0] - near_edge[0, 0]) < abs(near_edge[0, -1] - near_edge[0, 0])


def test_a_tile_on_the_meridian_shares_its_ground_with_the_next_zone():
    x, y = from_lonlat(32629).transform(-6.0, 8.15)
    tile = Tile(32629, int(x // TILE_M), int(y // TILE_M))
    mask = owned(tile)
    assert mask[:, 0].all()
    assert not mask[:, -1].any()


def test_an_area_that_ends_on_a_meridian_takes_no_tile_of_the_next_zone():
    assert {tile.epsg for tile in tiles_of(box(-6.05, 8.1, -6.0, 8.15))} == {32629}
    assert {tile.epsg for tile in tiles_of(box(-6.0, 8.1, -5.95, 8.15))} == {32630}
    assert {tile.epsg for tile in tiles_of(box(17.0, 0.0, 17.05, 0.05))} == {32633}


def test_the_edge_of_a_wide_polygon_follows_its_parallel():
    wide = project(box(15.0, 59.0, 17.9, 60.0), 32633)
    on_edge = [shapely.Point(from_lonlat(32633).transform(lon, 60.0)) for lon in (15.0371, 16.4444, 17.8629)]
    assert max(wide.exterior.distance(point) for point in on_edge) < 0.05


def test_rasters_on_different_grids_are_refused():
    require_same(TORTIYA.geobox, Tile(32630, 40, 189).geobox)
    with pytest.raises(LatticeMismatch):
        require_same(TORTIYA.geobox, TORTIYA.padded(1))
