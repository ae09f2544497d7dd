import numpy as np
import pytest

from pipeline.areas.lattice import Tile
from pipeline.change import candidates_of_tile, class_raster, classify, merge
from pipeline.config import Change
from pipeline.errors import LatticeMismatch
from pipeline.imagery.composite import Composite
from pipeline.imagery.scene import NODATA
from tests.change_ground import UNSEEN, ground

TILE = Tile(32633, 80, 90)
SIDE = (512, 512)


def composite(tile=TILE, looks=4):
    plane = np.arange(512 * 512, dtype=np.uint32).reshape(SIDE) % 60000
    return Composite(
        geobox=tile.geobox,
        reflectance=np.zeros((6, *SIDE), np.uint16),
        looks=np.full(SIDE, looks, np.uint16),
        rescued=np.zeros(SIDE, np.uint16),
        days=np.stack([plane + i for i in range(4)]).astype(np.uint16),
        greenest=np.stack([plane + 7, plane + 8]).astype(np.uint16),
        season_looks=np.stack([plane + 9, plane + 10]).astype(np.uint16),
    )


def maps_with(*pixels):
    plane = np.zeros((2, *SIDE), np.uint16)
    for y, x, bare, pond in pixels:
        plane[:, y, x] = bare, pond
    return plane


def test_candidates_are_the_watched_pixels_that_reach_weak_in_any_period():
    zone = np.zeros(SIDE, np.int16)
    zone[3, 5], zone[4, 1] = -1, 2
    area = np.full(SIDE, 100.0)
    area[4, 1] = 99.5
    first = maps_with((2, 9, 3000, 2000), (3, 5, 9000, 0), (7, 7, 4999, 0), (8, 8, NODATA, NODATA))
    second = maps_with((4, 1, 100, 8000), (2, 9, NODATA, NODATA))
    found = candidates_of_tile(TILE, [first, second], [composite(looks=4), composite(looks=9)], zone, area, Change())
    top, left = TILE.origin_px
    assert found.row.tolist() == [top + 2, top + 4]
    assert found.col.tolist() == [left + 9, left + 1]
    assert found.probability.tolist() == [[5000, 0], [-1, 8100]]
    assert found.looks.tolist() == [[4, 4], [9, 9]]
    assert found.days[0].tolist() == [[2 * 512 + 9 + i, 4 * 512 + 1 + i] for i in range(4)]
    assert found.greenest[1].tolist() == [[2 * 512 + 16, 4 * 512 + 8], [2 * 512 + 17, 4 * 512 + 9]]
    assert found.zone.tolist() == [0, 2]
    assert found.area_m2.tolist() == [100.0, 99.5]


def test_a_composite_of_another_tile_is_refused():
    other = composite(Tile(32633, 81, 90))
    with pytest.raises(LatticeMismatch, match="different grids"):
        candidates_of_tile(TILE, [maps_with()], [other], np.zeros(SIDE, np.int16), np.ones(SIDE), Change())


def test_an_object_cut_by_a_tile_edge_is_judged_whole_and_drawn_on_both_tiles():
    east = Tile(TILE.epsg, TILE.col + 1, TILE.row)
    left = maps_with((5, 510, 9000, 0), (5, 511, 6000, 0))
    right = maps_with((6, 0, 6000, 0), (7, 1, 6000, 0))
    settings = Change(minimum_mapping_unit_ha=0.04)
    zone, area = np.zeros(SIDE, np.int16), np.full(SIDE, 100.0)
    parts = [
        candidates_of_tile(tile, [plane], [composite(tile)], zone, area, settings)
        for tile, plane in ((east, right), (TILE, left))
    ]
    (found,) = classify([merge(parts)], settings)
    seen = np.ones((1, *SIDE), bool)
    rasters = [class_raster(tile, 1, seen, zone, found.candidates, found.classes) for tile in (TILE, east)]
    assert [np.argwhere(raster[0]).tolist() for raster in rasters] == [[[5, 510], [5, 511]], [[6, 0], [7, 1]]]
    assert not any(one.disturbed.any() for part in parts for one in classify([part], settings))


def planes_of(candidates):
    return {name: np.asarray(value).tolist() for name, value in vars(candidates).items()}


def test_merging_does_not_depend_on_the_order_of_parts():
    parts = [ground([[90, UNSEEN, 60]], [[70, 80, 60]], left=50000 + 3 * i, top=-40000 - i % 2) for i in range(4)]
    whole, turned, nested = merge(parts), merge(parts[::-1]), merge([merge(parts[2:]), merge(parts[:2])])
    assert planes_of(whole) == planes_of(turned) == planes_of(nested)
    assert len(merge(parts).row) == 12


def test_one_pixel_in_two_parts_is_refused():
    with pytest.raises(LatticeMismatch, match="two parts"):
        merge([ground([[90, 90]]), ground([[90]])])


@pytest.mark.parametrize("others", [[], [ground([[90]], epsg=32634)], [ground([[90]], [[90]], left=1)]])
def test_parts_that_do_not_fit_are_refused(others):
    with pytest.raises(LatticeMismatch, match="one UTM zone"):
        merge([ground([[90]]), *others] if others else [])
