"""Scenes once read for a tile are kept: what is served from the store, what is not trusted, what is fetched anew."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from time import sleep

import numpy as np
import pytest
from rio_cogeo import cog_validate

from pipeline import config
from pipeline.areas import Tile
from pipeline.errors import AccessRefused, SceneRejected
from pipeline.imagery import BANDS, SCL, Asset, LookPlan, RadarFinder, RadarScene, Scene, SceneList, build_composite
from pipeline.imagery.radar_items import Backscatter, RadarList
from pipeline.runs.scene_cache import MARGIN_PX, SCENES, CachedSource, Wanted, cached
from pipeline.runs.store import Store

TILE = Tile(32633, 81, 101)
SOUTH = Tile(32733, 60, 1900)
ALL = (*BANDS, SCL)


class Numbers:
    """A remote source whose pixel tells its plane, lattice row and column; counts what it is asked."""

    name = "numbers"
    remote = True

    def __init__(self, broken: Exception | None = None, delay_s: float = 0.0) -> None:
        self.asked: list[tuple[int, ...]] = []
        self.broken = broken
        self.delay_s = delay_s

    def find(self, bbox, start: date, end: date) -> SceneList:
        return SceneList(())

    def read(self, scene, bands, geobox):
        self.asked.append(geobox.shape)
        sleep(self.delay_s)
        if self.broken is not None:
            raise self.broken
        row = round(-geobox.affine.f / 10) + np.arange(geobox.shape[0])[:, None]
        col = round(geobox.affine.c / 10) + np.arange(geobox.shape[1])
        return np.stack([(1 + 7919 * ALL.index(band) + 31 * row + 17 * col) % 9973 for band in bands]).astype(np.uint16)

    def overview(self, scene, bands, side_px):
        self.asked.append((side_px,))
        return np.arange(len(bands) * 6, dtype=np.uint16).reshape(len(bands), 2, 3)


class WithRadar(Numbers):
    def find_radar(self, bbox, start, end, collection):
        return RadarList(())

    def read_radar(self, scene, geobox):
        return (self.read(scene, ("B02", "B03"), geobox).astype(np.int32) - 9000).astype(np.int16)


def scene(name: str = "a", version: str = "1", **more) -> Scene:
    assets = {band: Asset(f"https://example.org/{name}/{band}.tif?sig=secret") for band in ALL}
    return Scene(name, version, datetime(2021, 1, 1, tzinfo=UTC), assets, **more)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def file_of(store: Store, source: CachedSource, tile: Tile = TILE):
    key = source.key(Wanted(scene(), tile))
    return store.root / SCENES / key[:2] / f"{key}.tif"


@pytest.mark.parametrize("tile", [TILE, SOUTH])
def test_windows_and_bands_of_a_tile_come_from_one_fetch(store, tile):
    real, source = Numbers(), CachedSource(Numbers(), store)
    boxes = [tile.padded(44), tile.geobox[0:16, 496:512].pad(44), tile.geobox[100:140, 3:9].pad(44), tile.padded(64)]
    for bands in (ALL, ("B04", "B08", SCL), (SCL, "B02")):
        for box in boxes:
            assert (source.read(scene(), bands, box) == real.read(scene(), bands, box)).all()
    assert source.source.asked == [(512 + 2 * MARGIN_PX,) * 2]


def test_a_composite_is_the_same_from_the_store_and_from_the_source(store):
    settings = config.Imagery(min_clear_looks=1)
    plan = LookPlan((scene("a"), scene("b")), before=(scene("c"),))
    direct, _ = build_composite(Numbers(), TILE.padded(32), plan, settings)
    source = CachedSource(Numbers(), store)
    for _ in range(2):
        kept, lost = build_composite(source, TILE.padded(32), plan, settings)
        assert lost == ()
        assert (kept.to_planes() == direct.to_planes()).all()
    assert len(source.source.asked) == 3


def test_a_read_that_goes_beyond_the_margin_fetches_a_wider_one_that_then_serves_both(store):
    source = CachedSource(Numbers(), store)
    source.read(scene(), ALL, TILE.padded(44))
    wide = source.read(scene(), ALL, TILE.padded(132))
    assert (wide == Numbers().read(scene(), ALL, TILE.padded(132))).all()
    source.read(scene(), ALL, TILE.padded(44))
    assert source.source.asked == [(640, 640), (512 + 2 * 160,) * 2]


def test_neighbouring_tiles_do_not_mix(store):
    source = CachedSource(Numbers(), store)
    for tile in (TILE, Tile(32633, 82, 101), Tile(32633, 81, 102)):
        assert (source.read(scene(), ALL, tile.geobox) == Numbers().read(scene(), ALL, tile.geobox)).all()
    assert len(source.source.asked) == 3


def test_another_version_or_file_is_another_scene_and_another_signature_is_not(store):
    source = CachedSource(Numbers(), store)
    source.read(scene(), ALL, TILE.geobox)
    signed = {band: Asset(asset.href.replace("secret", "other")) for band, asset in scene().assets.items()}
    source.read(Scene("a", "1", scene().acquired, signed), ALL, TILE.geobox)
    assert len(source.source.asked) == 1
    moved = {band: Asset(asset.href.replace("/a/", "/z/")) for band, asset in scene().assets.items()}
    source.read(Scene("a", "1", scene().acquired, moved), ALL, TILE.geobox)
    source.read(scene(version="2"), ALL, TILE.geobox)
    assert len(source.source.asked) == 3


def test_what_is_kept_is_a_cloud_optimised_geotiff(store):
    source = CachedSource(Numbers(), store)
    source.read(scene(), ALL, TILE.geobox)
    valid, errors, _ = cog_validate(file_of(store, source), quiet=True)
    assert (valid, errors) == (True, [])


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "sealless", "gone"])
def test_a_damaged_file_is_fetched_again_and_never_trusted(store, damage):
    source = CachedSource(Numbers(), store)
    source.read(scene(), ALL, TILE.geobox)
    path = file_of(store, source)
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "flipped":
        middle = len(data) // 2
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    elif damage == "emptied":
        path.write_bytes(b"")
    elif damage == "sealless":
        path.with_suffix(".json").unlink()
    else:
        path.unlink()
    assert not source.keeps(Wanted(scene(), TILE))
    assert (source.read(scene(), ALL, TILE.geobox) == Numbers().read(scene(), ALL, TILE.geobox)).all()
    assert len(source.source.asked) == 2
    assert path.read_bytes() == data


def test_tasks_that_want_the_same_scene_and_tile_at_once_fetch_it_once(store):
    source = CachedSource(Numbers(delay_s=0.05), store)
    with ThreadPoolExecutor(6) as pool:
        sums = set(pool.map(lambda _: int(source.read(scene(), ALL, TILE.geobox).sum()), range(6)))
    assert len(sums) == 1
    assert len(source.source.asked) == 1


def test_a_scene_that_cannot_be_read_is_tried_once_and_told_with_its_reason(store):
    source = CachedSource(Numbers(SceneRejected("the disk is on fire")), store)
    for _ in range(2):
        with pytest.raises(SceneRejected, match="the disk is on fire"):
            source.read(scene(), ALL, TILE.geobox)
    assert len(source.source.asked) == 1
    key = source.key(Wanted(scene("b"), TILE))
    elsewhere = pickle.loads(pickle.dumps(source.knowing({key: "known to be lost"})))
    with pytest.raises(SceneRejected, match="known to be lost"):
        elsewhere.read(scene("b"), ALL, TILE.geobox)
    assert len(source.source.asked) == 1


def test_a_refusal_goes_through(store):
    with pytest.raises(AccessRefused):
        CachedSource(Numbers(AccessRefused("no")), store).read(scene(), ALL, TILE.geobox)


def test_a_band_that_a_scene_lacks_is_named(store):
    bare = Scene("a", "1", scene().acquired, {band: scene().assets[band] for band in BANDS})
    source = CachedSource(Numbers(), store)
    assert source.read(bare, ("B02",), TILE.geobox).shape == (1, 512, 512)
    with pytest.raises(SceneRejected, match="lacks SCL"):
        source.read(bare, ALL, TILE.geobox)


def test_the_thinned_look_is_kept_too(store):
    source = CachedSource(Numbers(), store)
    looks = [source.overview(scene(), ("B02", SCL), 512) for _ in range(2)]
    assert (looks[0] == np.arange(12).reshape(2, 2, 3)).all()
    assert (looks[0] == looks[1]).all()
    assert source.source.asked == [(512,)]


def test_radar_is_kept_likewise(store):
    radar = RadarScene("r", "1", scene().acquired, "ascending", 29, (Backscatter("https://e.org/vv"),) * 2)
    source = cached(WithRadar(), store)
    assert isinstance(source, RadarFinder)
    want = WithRadar().read_radar(radar, TILE.padded(53))
    for _ in range(2):
        got = source.read_radar(radar, TILE.padded(53))
        assert got.dtype == np.int16
        assert (got == want).all()
    assert source.source.asked == [(640, 640)]


def test_only_remote_sources_are_kept_and_only_those_with_radar_have_it(store):
    local = Numbers()
    local.remote = False
    assert cached(local, store) is local
    assert not isinstance(cached(Numbers(), store), RadarFinder)
