"""Terrain on surfaces that a person can solve, and blocks of it that do not depend on who asks."""

from __future__ import annotations

import numpy as np
import pytest
from pyproj import Transformer

from pipeline.areas import TILE_PX, Tile
from pipeline.errors import SceneRejected
from pipeline.imagery.terrain import build_terrain, slope_deg
from pipeline.imagery.terrain_block import BLOCK_CELLS, LAYERS, MARGIN_CELLS, Block, in_units
from tests.dem import centres

CELL = 30.0


def ground(*rows: str) -> np.ndarray:
    """Elevation (y, x) in metres from rows of numbers; a dot is unknown."""
    return np.array([[np.nan if n == "." else float(n) for n in row.split()] for row in rows], np.float32)


def cells(count: int) -> float:
    """Square kilometres of so many cells."""
    return count * CELL**2 / 1e6


@pytest.mark.parametrize(("east", "south"), [(0.1, 0.0), (-0.25, 0.1), (0.03, -0.04), (0.0, 0.0)])
def test_the_slope_of_a_plane_is_that_of_the_plane(east, south):
    y, x = np.mgrid[:7, :9]
    plane = (500 + CELL * (east * x + south * y)).astype(np.float32)
    found = slope_deg(plane, CELL)
    np.testing.assert_allclose(found[1:-1, 1:-1], np.degrees(np.arctan(np.hypot(east, south))), atol=2e-5)
    assert np.isnan(found[[0, -1]]).all()
    assert np.isnan(found[:, [0, -1]]).all()


def test_the_slope_of_a_single_bump_is_that_of_horn():
    z = ground("0 0 0 0", "0 0 12 0", "0 0 0 0")
    # Seen from its west the bump is the middle of three columns: twice 12 m over eight cells.
    assert slope_deg(z, CELL)[1, 1] == pytest.approx(np.degrees(np.arctan(2 * 12 / (8 * CELL))), abs=1e-5)


def test_slope_is_unknown_beside_unknown_ground():
    z = ground("0 0 0 0 0", "0 0 0 0 .", "0 0 0 0 0")
    assert np.isnan(slope_deg(z, CELL)[1]).tolist() == [True, False, False, True, True]


def test_in_a_valley_the_height_is_that_over_the_channel_and_the_distance_is_across():
    """Sides rise 3 m a cell to the west and 5 m to the east of the channel, which falls 0.3 m a cell to the south."""
    y, x = np.mgrid[:40, :23]
    channel = 8
    across = np.where(x < channel, 3.0 * (channel - x), 5.0 * (x - channel))
    terrain = build_terrain((200 + across - 0.3 * y).astype(np.float32), CELL, cells(60))
    # Each row brings 23 cells: drainage begins in the third.
    rows = np.s_[3:]
    np.testing.assert_allclose(terrain.height_above_drainage_m[rows], across[rows], atol=1e-4)
    np.testing.assert_allclose(terrain.distance_to_drainage_m[rows], CELL * abs(x - channel)[rows], atol=1e-3)


def test_a_small_ground_is_drained_as_by_hand():
    """Steepest ways: the first row meets at 6; 8 and 9 beside it run past it to 4; 7 and 8 beside 4 run to 1."""
    z = ground("9 8 9", "8 6 9", "7 4 8", "6 1 7")
    terrain = build_terrain(z, CELL, cells(4))
    # With the first row four cells lie upstream of 6, itself among them: drainage begins there.
    height = [[9 - 6, 8 - 6, 9 - 6], [8 - 4, 0, 9 - 4], [7 - 1, 0, 8 - 1], [6 - 1, 0, 7 - 1]]
    np.testing.assert_allclose(terrain.height_above_drainage_m, height, atol=1e-4)
    distance = np.array([[2**0.5, 1, 2**0.5], [1, 0, 1], [1, 0, 1], [1, 0, 1]]) * CELL
    np.testing.assert_allclose(terrain.distance_to_drainage_m, distance, rtol=1e-6)


def test_a_hollow_is_filled_to_its_lowest_rim_and_the_flat_drains_through_it():
    z = ground(
        "9 9 9 9 9 9",
        "9 5 2 5 6 9",
        "9 5 1 5 4 3",
        "9 5 2 5 6 9",
        "9 9 9 9 9 9",
    )
    terrain = build_terrain(z, CELL, cells(8))
    # The hollow (2, 1, 2) fills to the rim of 5, over which its water leaves to 4 and 3.
    filled = np.maximum(z, np.where(np.isin(z, (1, 2)), 5, z))
    known = np.isfinite(terrain.height_above_drainage_m)
    assert known[1:4, 1:5].all()
    assert terrain.height_above_drainage_m[2, 5] == 0
    assert terrain.height_above_drainage_m[2, 4] == 0
    np.testing.assert_allclose((filled - terrain.height_above_drainage_m)[1:4, 1:4].max(), 5)
    assert (terrain.height_above_drainage_m[known] >= 0).all()


def test_flat_ground_drains_and_lies_at_the_height_of_its_drainage():
    terrain = build_terrain(np.full((9, 14), 77.25, np.float32), CELL, cells(3))
    known = np.isfinite(terrain.height_above_drainage_m)
    assert known.any()
    assert (terrain.height_above_drainage_m[known] == 0).all()


def test_where_water_leaves_before_it_meets_drainage_the_height_is_unknown():
    """A ridge between two outlets: the west side has twelve cells, the east side six."""
    z = ground("3 4 5 6 9 2", "2 3 4 5 9 2", "1 2 3 4 9 2")
    terrain = build_terrain(z, CELL, cells(7))
    known = np.isfinite(terrain.height_above_drainage_m)
    assert known[2, 0]
    assert known[:, :4].all()
    assert not known[:, 4:].any()
    # The straight line does not ask which way water runs.
    assert np.isfinite(terrain.distance_to_drainage_m).all()


def test_unknown_ground_takes_water_in_and_stays_unknown():
    z = ground("9 9 9 9 9", "9 8 . 8 9", "9 9 9 9 9")
    terrain = build_terrain(z, CELL, cells(2))
    assert np.isnan(terrain.height_above_drainage_m[1, 2])
    assert np.isnan(terrain.distance_to_drainage_m[1, 2])
    assert terrain.height_above_drainage_m[1, 1] == 0
    assert np.isnan(build_terrain(np.full((5, 6), np.nan, np.float32), CELL, cells(1)).distance_to_drainage_m).all()


def test_without_enough_ground_there_is_no_drainage():
    terrain = build_terrain(ground("3 2 1", "4 3 2"), CELL, cells(50))
    assert np.isnan(terrain.height_above_drainage_m).all()
    assert np.isnan(terrain.distance_to_drainage_m).all()


def test_a_block_is_six_tiles_a_side_on_the_lattice():
    block = Block.of(Tile(32633, 82, 101))
    assert block == Block(32633, 13, 16)
    assert block.id == "33N-block-013-0016"
    assert Block.of(Tile(32633, 83, 102)) == Block(32633, 13, 17)
    left, bottom, right, top = block.geobox.boundingbox
    assert (left, bottom, right, top) == (78 * 5120, 96 * 5120, 84 * 5120, 102 * 5120)
    assert block.geobox.shape == (BLOCK_CELLS, BLOCK_CELLS)
    assert abs(block.geobox.affine.a) == CELL


@pytest.mark.parametrize("tile", [Tile(32633, 78, 96), Tile(32633, 83, 101), Tile(32633, 80, 99)])
def test_each_pixel_has_the_cell_that_its_centre_lies_in(tile):
    block = Block.of(tile)
    east, north = centres(block.geobox)
    layers = np.stack([east // 30 - 78 * 5120 // 30, north // 30 - 96 * 5120 // 30, east * 0]).astype(np.uint16)
    found = block.on_tile(layers, tile)
    assert found.shape == (3, TILE_PX, TILE_PX)
    east, north = centres(tile.geobox)
    np.testing.assert_array_equal(found[0], east // 30 - 78 * 5120 // 30)
    np.testing.assert_array_equal(found[1], north // 30 - 96 * 5120 // 30)


class Hills:
    """Hills, hollows and valleys of many sizes, the same for whoever asks."""

    def __init__(self) -> None:
        rng = np.random.default_rng(7)
        self.waves = [
            (length, rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi), length * 0.004)
            for length in (411, 873, 1_930, 4_170, 9_100, 23_000, 71_000)
        ]

    def read_elevation(self, geobox):
        east, north = centres(geobox)
        z = 400 - 0.001 * (north - 522_240)
        for length, way, phase, height in self.waves:
            along = 2 * np.pi * (east * np.cos(way) + north * np.sin(way)) / length
            z += height * np.sin(along + phase) * np.cos(along * 0.618 - phase + north / length)
        return (np.rint(z * 100) / 100).astype(np.float32)


def test_two_blocks_agree_on_the_ground_beside_their_shared_edge():
    """Each knows 512 cells beyond its own; 100 cells to both sides of the edge every layer is the same."""
    lower, upper = Block(32633, 13, 16), Block(32633, 13, 17)
    reach = 100
    parts = []
    for block in (lower, upper):
        terrain = build_terrain(Hills().read_elevation(block.window), CELL, 0.9)
        edge = MARGIN_CELLS + (0 if block is lower else BLOCK_CELLS)
        inner = np.s_[edge - reach : edge + reach, MARGIN_CELLS:-MARGIN_CELLS]
        parts.append([getattr(terrain, name)[inner] for name in LAYERS])
    for name, one, other in zip(LAYERS, *parts, strict=True):
        assert np.isfinite(one).all(), name
        np.testing.assert_array_equal(one, other, err_msg=name)
    assert parts[0][1].max() > 20
    assert parts[0][2].max() > 500


def test_stored_layers_come_back_in_degrees_and_metres():
    layers = np.array([[1234, 65535], [57, 65535], [431, 65535]], np.uint16)
    back = in_units(layers)
    assert {name: plane[0].item() for name, plane in back.items()} == pytest.approx(
        {"slope_deg": 12.34, "height_above_drainage_m": 5.7, "distance_to_drainage_m": 431.0}
    )
    assert all(np.isnan(plane[1]) for plane in back.values())


def test_a_block_without_elevation_is_unknown_and_a_broken_file_is_told():
    class Nothing:
        def read_elevation(self, geobox):
            return np.full(geobox.shape, np.nan, np.float32)

    class Broken:
        def read_elevation(self, geobox):
            raise SceneRejected("n04.tif cannot be read")

    block = Block(32633, 13, 16)
    assert (block.build(Nothing(), 0.9) == 65535).all()
    with pytest.raises(SceneRejected, match=r"n04\.tif cannot be read"):
        block.build(Broken(), 0.9)


def test_the_window_of_a_block_reaches_over_the_equator():
    block = Block(32633, 13, 0)
    south = block.window.boundingbox[1]
    lat = Transformer.from_crs(32633, 4326, always_xy=True).transform(400_000, south)[1]
    assert -0.15 < lat < -0.13
