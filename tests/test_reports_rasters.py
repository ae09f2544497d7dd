from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import rasterio

from pipeline.areas.lattice import TILE_PX, Tile
from pipeline.change import CLASS_NAMES, STATE_NAMES
from pipeline.reports import CLASS_COLOURS, STATE_RASTER_COLOURS, write_cog

WEST, EAST = Tile(32633, 117, 105), Tile(32633, 118, 106)
OTHER_ZONE = Tile(32634, 40, 105)


def _plane(value: int, dtype: str = "uint8") -> np.ndarray:
    plane = np.zeros((TILE_PX, TILE_PX), dtype)
    plane[: TILE_PX // 2, 3] = value  # no symmetry: a turned or mirrored tile would show
    return plane


@pytest.fixture
def tiles() -> dict[Tile, np.ndarray]:
    return {EAST: _plane(2), WEST: _plane(1), OTHER_ZONE: _plane(3)}


def test_each_utm_zone_gets_one_cog_with_overviews_and_colours(tiles, tmp_path: Path) -> None:
    paths = write_cog(tmp_path / "class_2021-dry.tif", tiles, nodata=255, colormap=CLASS_COLOURS)
    assert [path.name for path in paths] == ["class_2021-dry_33N.tif", "class_2021-dry_34N.tif"]
    with rasterio.open(paths[0]) as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert (file.crs.to_epsg(), file.shape, file.nodata) == (32633, (1024, 1024), 255)
        assert file.overviews(1) == [2]
        assert file.colormap(1)[1] == CLASS_COLOURS[1]


def test_ground_that_lies_far_off_is_a_file_of_its_own(tmp_path: Path) -> None:
    far = Tile(32633, 140, 106)
    tiles = {EAST: _plane(2), far: _plane(3), WEST: _plane(1)}
    paths = write_cog(tmp_path / "class.tif", tiles, nodata=255, colormap=CLASS_COLOURS)
    assert [path.name for path in paths] == ["class_33N-117-0105.tif", "class_33N-140-0106.tif"]
    with rasterio.open(paths[1]) as file:
        np.testing.assert_array_equal(file.read(1), tiles[far])
        assert file.bounds.left == 140 * 5120


def test_pixels_lie_where_their_tile_lies_and_the_rest_is_nodata(tiles, tmp_path: Path) -> None:
    path = write_cog(tmp_path / "class.tif", tiles, nodata=255, colormap=CLASS_COLOURS)[0]
    with rasterio.open(path) as file:
        mosaic = file.read(1)
        assert (file.bounds.left, file.bounds.top) == (117 * 5120, 107 * 5120)
    np.testing.assert_array_equal(mosaic[TILE_PX:, :TILE_PX], tiles[WEST])
    np.testing.assert_array_equal(mosaic[:TILE_PX, TILE_PX:], tiles[EAST])
    assert (mosaic[:TILE_PX, :TILE_PX] == 255).all()


def test_probabilities_come_back_as_they_went_with_their_tags(tmp_path: Path) -> None:
    plane = np.arange(TILE_PX**2, dtype=np.uint16).reshape(TILE_PX, TILE_PX) % 10_001
    tags = {"MODEL": "default", "UNIT": "probability x 10000"}
    (path,) = write_cog(tmp_path / "p.tif", {WEST: plane}, nodata=65535, description="bare workings", tags=tags)
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(1), plane)
        assert file.descriptions == ("bare workings",)
        assert tags.items() <= file.tags().items()


def test_bytes_do_not_depend_on_the_order_of_tiles(tiles, tmp_path: Path) -> None:
    first = write_cog(tmp_path / "a" / "class.tif", tiles, nodata=255, colormap=CLASS_COLOURS)
    turned = dict(reversed(tiles.items()))
    second = write_cog(tmp_path / "b" / "class.tif", turned, nodata=255, colormap=CLASS_COLOURS)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_an_overview_of_classes_holds_no_class_that_is_not_there(tmp_path: Path) -> None:
    # Classes 0 and 2 in stripes: a mean would invent class 1.
    plane = np.zeros((TILE_PX, TILE_PX), np.uint8)
    plane[::3] = 2
    stripes = {WEST: plane, Tile(32633, 118, 105): plane}
    (path,) = write_cog(tmp_path / "class.tif", stripes, nodata=255, colormap=CLASS_COLOURS)
    with rasterio.open(path, overview_level=0) as file:
        assert set(np.unique(file.read(1))) <= {0, 2}


def test_every_class_and_every_state_has_a_colour_of_its_own() -> None:
    for colours, names in ((CLASS_COLOURS, CLASS_NAMES), (STATE_RASTER_COLOURS, STATE_NAMES)):
        assert colours.keys() == names.keys()
        assert len(set(colours.values())) == len(names)


class _Broken(Mapping):
    """The second tile cannot be read."""

    def __getitem__(self, tile: Tile) -> np.ndarray:
        if tile == EAST:
            raise OSError("damaged")
        return _plane(1)

    def __iter__(self) -> Iterator[Tile]:
        return iter((WEST, EAST))

    def __len__(self) -> int:
        return 2


def test_a_failure_leaves_no_file_behind(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="damaged"):
        write_cog(tmp_path / "class.tif", _Broken(), nodata=255)
    assert list(tmp_path.iterdir()) == []


_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from pipeline.areas.lattice import Tile
from pipeline.errors import StoreError
from pipeline.reports import write_cog

# The system's own limit on a file stands for a full disk.
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
rng = np.random.default_rng(0)
tiles = {Tile(32633, 60, 100 + i): rng.integers(0, 60000, (512, 512)).astype(np.uint16) for i in range(2)}
for limit in (100_000, 700_000, 1_200_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        write_cog(Path(sys.argv[1]) / "p.tif", tiles, nodata=65535)
    except StoreError as error:
        print(error)
"""


def test_a_full_disk_is_told_as_such_and_leaves_no_file_behind(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _FULL_DISK, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.count("p_33N.tif cannot be written") == done.stdout.count("free space") == 3
    assert list(tmp_path.iterdir()) == []
