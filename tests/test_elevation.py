"""Elevation: tiles of one degree joined without a seam, on the lattice, and every file that cannot serve."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from pipeline.errors import BadInput, SceneRejected
from pipeline.imagery import DemFiles, ElevationSource, StacSource, folder_dem
from pipeline.imagery.elevation import DemFile, dem_from_item
from tests.dem import STEP, centres, glo30_tile, lonlat
from tests.rasters import write_plane

LAT, LON = 4, 15  # tiles N04 E015 and E016, N05 E015 and E016 meet at 5 N, 16 E
EAST, NORTH = 610_890, 552_750  # of that corner in UTM 33N
LATTICE = Affine(10, 0, EAST, 0, -10, NORTH)


def plane(lon, lat):
    """Rises by 2 000 m a degree to the east and 700 m to the north: bilinear interpolation gives it back."""
    return 300 + 2000 * (lon - 16) + 700 * (lat - 5)


def box(rows: int, cols: int, north_m: float = 0, west_m: float = 0, step_m: int = 30) -> GeoBox:
    """A geobox of EPSG:32633 whose middle lies near 5 N, 16 E, moved by some metres."""
    left, top = EAST - cols // 2 * step_m - west_m, NORTH + rows // 2 * step_m + north_m
    return GeoBox((rows, cols), Affine(step_m, 0, left, 0, -step_m, top), "EPSG:32633")


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    """The corners of four tiles that meet at 5 N, 16 E."""
    folder = tmp_path_factory.mktemp("dem")
    for lat, rows in ((4, slice(0, 90)), (5, slice(3500, 3600))):
        for lon, cols in ((15, slice(3480, 3600)), (16, slice(0, 110))):
            glo30_tile(folder, lat, lon, plane, rows, cols)
    return folder


def test_four_tiles_meet_without_a_seam(tiles):
    geobox = box(120, 150)
    found = folder_dem(tiles).read_elevation(geobox)
    assert found.dtype == np.float32
    # Half a centimetre of rounding and the storage of the tiles as 32-bit numbers.
    np.testing.assert_allclose(found, plane(*lonlat(geobox)), atol=0.006)


def test_tiles_of_two_grids_each_serve(tmp_path):
    """Far from the equator the tiles of GLO-30 have wider columns, and those of two latitudes do not share a grid."""
    glo30_tile(tmp_path, 4, 16, plane, slice(0, 90), slice(0, 110))
    x, y = 16 + np.arange(70) * 1.5 * STEP, 5 + np.arange(100, 0, -1) * STEP
    wide = Affine(1.5 * STEP, 0, 16 - 0.75 * STEP, 0, -STEP, y[0] + STEP / 2)
    write_plane(tmp_path / "n05.tif", plane(*np.meshgrid(x, y)).astype(np.float32), wide)
    geobox = GeoBox((100, 60), Affine(30, 0, EAST, 0, -30, NORTH + 1500), "EPSG:32633")
    lon, lat = lonlat(geobox)
    seam = abs(lat - (5 + STEP / 2)) < STEP
    error = abs(folder_dem(tmp_path).read_elevation(geobox) - plane(lon, lat))
    assert error[~seam].max() < 0.006
    assert error[seam].max() < 0.5 * STEP * 700 + 0.006  # half a pixel is guessed


def test_one_tile_alone_ends_where_its_pixels_end(tiles):
    geobox = box(120, 150)
    only = DemFiles("one", tuple(file for file in folder_dem(tiles).files if "N04_00_E016" in file.name))
    found = only.read_elevation(geobox)
    lon, lat = lonlat(geobox)
    beyond = (lon < 16 - 0.6 / 3600) | (lat > 5 + 0.6 / 3600)
    inside = (lon > 16) & (lat < 5)
    assert np.isnan(found[beyond]).all()
    np.testing.assert_allclose(found[inside], plane(lon, lat)[inside], atol=0.006)


def test_a_pixel_does_not_depend_on_the_window_that_asks(tiles):
    dem = folder_dem(tiles)
    whole = dem.read_elevation(box(90, 120, step_m=10))
    part = dem.read_elevation(
        GeoBox((31, 17), box(90, 120, step_m=10).affine * Affine.translation(40, 23), "EPSG:32633")
    )
    np.testing.assert_array_equal(part, whole[23:54, 40:57])


def test_a_raster_on_the_lattice_is_read_as_it_is(tmp_path):
    values = np.arange(12 * 9, dtype=np.int16).reshape(12, 9) * 7 - 100
    write_plane(tmp_path / "own.tif", values, LATTICE, 32633)
    geobox = GeoBox((5, 4), LATTICE * Affine.translation(3, 2), "EPSG:32633")
    np.testing.assert_array_equal(folder_dem(tmp_path).read_elevation(geobox), values[2:7, 3:7])


def test_nodata_voids_and_what_no_land_has_are_unknown(tmp_path):
    values = np.full((6, 7), 250.0, np.float32)
    values[0, 0], values[1, 2], values[2, 4], values[5, 6] = -32767, np.nan, 9500, np.inf
    values[3, 3] = -9999
    write_plane(tmp_path / "own.tif", values, LATTICE, 32633, nodata=-9999)
    found = folder_dem(tmp_path).read_elevation(GeoBox((6, 7), LATTICE, "EPSG:32633"))
    unknown = set(map(tuple, np.argwhere(np.isnan(found)).tolist()))
    assert unknown == {(0, 0), (1, 2), (2, 4), (3, 3), (5, 6)}


def test_sea_that_a_tile_gives_as_zero_is_zero_and_sea_without_a_tile_is_unknown(tmp_path):
    write_plane(tmp_path / "coast.tif", np.zeros((4, 5), np.float32), LATTICE, 32633)
    found = folder_dem(tmp_path).read_elevation(GeoBox((4, 8), LATTICE, "EPSG:32633"))
    assert (found[:, :5] == 0).all()
    assert np.isnan(found[:, 6:]).all()


def test_where_two_files_overlap_the_first_by_name_speaks(tmp_path):
    write_plane(tmp_path / "b.tif", np.full((4, 8), 200, np.int16), LATTICE, 32633)
    write_plane(tmp_path / "a.tif", np.full((4, 5), 100, np.int16), LATTICE, 32633)
    found = folder_dem(tmp_path).read_elevation(GeoBox((4, 8), LATTICE, "EPSG:32633"))
    np.testing.assert_array_equal(found, np.where(np.arange(8) < 5, 100, 200) * np.ones((4, 1)))


def test_scale_and_offset_that_a_file_declares_are_applied(tmp_path):
    path = write_plane(tmp_path / "own.tif", np.full((3, 4), 1500, np.int16), LATTICE, 32633)
    with rasterio.open(path, "r+") as raster:
        raster.scales, raster.offsets = (0.1,), (-20.0,)
    found = folder_dem(tmp_path).read_elevation(GeoBox((3, 4), LATTICE, "EPSG:32633"))
    np.testing.assert_array_equal(found, np.full((3, 4), 130, np.float32))


def test_a_changed_file_is_another_version(tmp_path):
    values = np.full((30, 40), 10, np.int16)
    write_plane(tmp_path / "own.tif", values, LATTICE, 32633)
    before = folder_dem(tmp_path).files
    values[17, 3] = 11
    write_plane(tmp_path / "own.tif", values, LATTICE, 32633)
    assert folder_dem(tmp_path).files[0].version != before[0].version


def test_files_are_a_source_that_travels(tiles):
    dem = folder_dem(tiles)
    assert isinstance(dem, ElevationSource)
    assert not isinstance(StacSource("https://example.org", ()), ElevationSource)
    assert pickle.loads(pickle.dumps(dem)) == dem


def test_only_files_that_reach_a_window_are_near(tiles):
    near = folder_dem(tiles).near(box(20, 20, north_m=-2000, west_m=2000))
    assert [file.name for file in near] == ["Copernicus_DSM_COG_10_N04_00_E015_00_DEM.tif"]


def test_masks_that_glo_30_is_delivered_with_are_passed_over(tmp_path):
    write_plane(tmp_path / "x_DEM.tif", np.full((3, 4), 7, np.int16), LATTICE, 32633)
    write_plane(tmp_path / "AUXFILES" / "x_WBM.tif", np.full((3, 4), 1, np.uint8), LATTICE, 32633)
    found = folder_dem(tmp_path)
    assert [file.name for file in found.files] == ["x_DEM.tif"]
    assert found.skipped == ()


@pytest.mark.parametrize(
    ("values", "profile", "says"),
    [
        (np.ones((3, 4), np.uint8), {}, "elevation is one band of metres"),
        (np.ones((3, 4), np.complex64), {}, "elevation is one band of metres"),
        (np.ones((3, 4), np.int16), {"crs": None}, "no CRS"),
        (np.ones((3, 4), np.int16), {"crs": 'LOCAL_CS["quarry",UNIT["metre",1]]'}, "no place on earth"),
        (np.ones((3, 4), np.int16), {"transform": Affine(10, 1, EAST, 0, -10, NORTH)}, "not north-up"),
    ],
)
def test_what_is_no_elevation_is_skipped_with_its_reason(tmp_path, values, profile, says):
    write_plane(tmp_path / "own.tif", values, **{"transform": LATTICE, "epsg": 32633, **profile})
    (skipped,) = folder_dem(tmp_path).skipped
    assert skipped.failed
    assert skipped.scene_id == "own.tif"
    assert says in skipped.reason


def test_feet_are_refused(tmp_path):
    path = write_plane(tmp_path / "own.tif", np.ones((3, 4), np.int16), LATTICE, 32633)
    with rasterio.open(path, "r+") as raster:
        raster.units = ("ft",)
    assert "elevation in metres is needed" in folder_dem(tmp_path).skipped[0].reason


def test_a_file_that_is_no_raster_is_named_and_the_others_serve(tmp_path):
    write_plane(tmp_path / "good.tif", np.ones((3, 4), np.int16), LATTICE, 32633)
    (tmp_path / "bad.tif").write_bytes(b"no raster")
    found = folder_dem(tmp_path)
    assert [file.name for file in found.files] == ["good.tif"]
    assert [(item.scene_id, item.failed) for item in found.skipped] == [("bad.tif", True)]


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    outside = write_plane(tmp_path / "outside.tif", np.ones((3, 4), np.int16), LATTICE, 32633)
    (tmp_path / "dem").mkdir()
    (tmp_path / "dem" / "in.tif").symlink_to(outside)
    assert "leads out of the elevation folder" in folder_dem(tmp_path / "dem").skipped[0].reason


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(BadInput, match=r"does not exist; check elevation\.source"):
        folder_dem(tmp_path / "nowhere")


def test_a_grid_so_fine_that_memory_would_end_is_refused(tmp_path):
    write_plane(tmp_path / "fine.tif", np.ones((64, 64), np.int16), Affine(0.01, 0, EAST, 0, -0.01, NORTH), 32633)
    with pytest.raises(SceneRejected, match="much finer than 30 m"):
        folder_dem(tmp_path).read_elevation(GeoBox((64, 64), LATTICE, "EPSG:32633"))


def test_files_of_too_many_grids_are_refused(tmp_path):
    for k in range(17):
        write_plane(
            tmp_path / f"{k:02d}.tif", np.ones((6, 7), np.int16), LATTICE * Affine.translation(k / 20, 0), 32633
        )
    with pytest.raises(SceneRejected, match="more than 16 grids"):
        folder_dem(tmp_path).read_elevation(GeoBox((6, 7), LATTICE, "EPSG:32633"))


def test_a_file_that_breaks_after_it_was_found_is_named(tmp_path):
    rng = np.random.default_rng(0)
    path = write_plane(tmp_path / "own.tif", rng.integers(0, 900, (300, 300)).astype(np.int16), LATTICE, 32633)
    dem = folder_dem(tmp_path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(SceneRejected, match=r"own\.tif cannot be read"):
        dem.read_elevation(GeoBox((300, 300), LATTICE, "EPSG:32633"))


ITEM = {
    "type": "Feature",
    "stac_version": "1.0.0",
    "id": "Copernicus_DSM_COG_10_N04_00_E015_00_DEM",
    "collection": "cop-dem-glo-30",
    "bbox": [14.99986, 4.00014, 15.99986, 5.00014],
    "properties": {"datetime": "2021-04-22T00:00:00Z", "updated": "2023-01-01T00:00:00Z"},
    "assets": {"data": {"href": "https://example.org/dem.tif"}, "thumbnail": {"href": "https://example.org/t.png"}},
}


def test_an_item_gives_its_file_with_a_version():
    file = dem_from_item(ITEM, str)
    assert file == DemFile(
        ITEM["id"], "https://example.org/dem.tif", f"{ITEM['id']} 2023-01-01T00:00:00Z", tuple(ITEM["bbox"])
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"id": 7}, "short printable text"),
        ({"assets": {"thumbnail": {"href": "x"}}}, "none of the assets data, elevation"),
        ({"assets": {"data": {"href": 3}}}, "has no href"),
        ({"assets": []}, "'assets' of the item is not an object"),
        ({"properties": None}, "'properties' of the item is not an object"),
    ],
)
def test_an_item_that_cannot_be_used_says_why(change, says):
    with pytest.raises(SceneRejected, match=says):
        dem_from_item({**ITEM, **change}, str)


def test_a_stac_api_is_searched_by_place_alone(monkeypatch):
    other = {**ITEM, "id": "another", "collection": "cop-dem-glo-90"}
    broken = {**ITEM, "id": "broken", "assets": {}}
    hidden = {**ITEM, "id": "hidden", "assets": {"data": {"href": "/etc/passwd"}}}
    asked = []

    def search(self, *wanted):
        asked.append(wanted)
        return json.loads(json.dumps([ITEM, other, broken, hidden]))

    monkeypatch.setattr(StacSource, "_search", search)
    boxes = [(15.0, 4.0, 15.5, 4.5), (15.2, 4.0, 15.7, 4.5)]
    found = StacSource("https://example.org", ()).find_elevation(boxes, "cop-dem-glo-30")
    assert asked == [(("cop-dem-glo-30",), box) for box in boxes]
    assert [file.name for file in found.files] == [ITEM["id"]]
    assert [item.scene_id for item in found.skipped] == ["broken", "hidden"]


def test_centres_of_the_helper_are_those_of_the_lattice():
    x, y = centres(GeoBox((2, 3), LATTICE, "EPSG:32633"))
    assert x[0].tolist() == [EAST + 5, EAST + 15, EAST + 25]
    assert y[:, 0].tolist() == [NORTH - 5, NORTH - 15]
