"""A STAC API as source: an independent server on loopback, its files served over HTTP with range requests."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from pipeline.config import Fetch, Imagery, Period
from pipeline.errors import SceneRejected, SourceUnavailable
from pipeline.imagery import FolderSource, LookPlan, StacSource, build_composite, check_scene, choose_looks, stac
from tests.imagery_archive import TILE, write_scene
from tests.stac_api import Files, free_port, items_of, serving_files, serving_items

EVERYWHERE = (-180.0, -90.0, 180.0, 90.0)
YEARS = (date(2015, 1, 1), date(2030, 1, 1))
COLLECTION = ["sentinel-2-l2a"]
ONCE = Fetch(attempts=1)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Five scenes in a folder; one of them under a new baseline, one too cloudy, one without its B12 file."""
    root = tmp_path_factory.mktemp("archive")
    noise = np.random.default_rng(0).integers(0, 200, (256, 256))
    for k, day in enumerate(("2021-01-05", "2021-01-10", "2021-01-15", "2021-01-20", "2021-01-25")):
        shift = 1000 if k == 1 else 0
        bands = dict.fromkeys(("B02", "B03", "B04", "B08"), noise + 500 + 100 * k + shift)
        bands |= dict.fromkeys(("B11", "B12"), 2000 + 100 * k + shift)
        write_scene(
            root,
            f"S2_{k}",
            f"{day}T09:30:00",
            bands,
            side=256,
            baseline="05.09" if shift else "02.14",
            **{"eo:cloud_cover": 95.0 if k == 3 else 5.0},
        )
    (root / "S2_4" / "B12.tif").unlink()
    return root


@pytest.fixture(scope="module")
def file_server(archive):
    with serving_files(Files, root=archive, asked=[]) as (url, handler):
        yield url, handler.asked


@pytest.fixture(scope="module")
def api(archive, file_server, tmp_path_factory):
    """Root of a STAC API (rustac, which shares no code with this project) over the archive."""
    with serving_items(items_of(archive, file_server[0]), tmp_path_factory.mktemp("api")) as url:
        yield url


def test_an_item_search_finds_what_the_folder_holds(api, archive):
    here = FolderSource(archive).find(EVERYWHERE, *YEARS).scenes
    there = StacSource(api, COLLECTION).find(EVERYWHERE, *YEARS).scenes
    assert [s.id for s in there] == ["S2_0", "S2_1", "S2_2", "S2_3", "S2_4"]
    # The folder cannot list the scene whose file is missing.
    assert [(s.id, s.acquired, s.offset, s.epsg, s.cloud_cover) for s in there[:4]] == [
        (s.id, s.acquired, s.offset, s.epsg, s.cloud_cover) for s in here
    ]


def test_pages_are_followed_to_the_end(api, monkeypatch):
    monkeypatch.setattr(stac, "_PAGE", 2)
    assert len(StacSource(api, COLLECTION).find(EVERYWHERE, *YEARS).scenes) == 5


def test_only_the_asked_days_place_and_collection_are_found(api):
    source = StacSource(api, COLLECTION)
    days = [s.acquired.day for s in source.find(EVERYWHERE, date(2021, 1, 10), date(2021, 1, 20)).scenes]
    assert days == [10, 15, 20]
    assert source.find((20.0, 4.0, 21.0, 5.0), *YEARS).scenes == ()
    assert StacSource(api, ["landsat"]).find(EVERYWHERE, *YEARS).scenes == ()


def test_elevation_is_searched_for_by_place_and_collection(api):
    found = StacSource(api, ()).find_elevation([EVERYWHERE, EVERYWHERE], *COLLECTION)
    assert found.files == ()  # its items are scenes
    assert sorted(item.scene_id for item in found.skipped) == [f"S2_{k}" for k in range(5)]
    assert all("has none of the assets data, elevation" in item.reason for item in found.skipped)
    with pytest.raises(SourceUnavailable, match="did not answer a search of cop-dem-glo-30"):
        StacSource("http://127.0.0.1:9", (), fetch=ONCE).find_elevation([EVERYWHERE], "cop-dem-glo-30")


def test_a_composite_over_http_equals_that_of_the_folder(api, archive, file_server):
    settings = Imagery(season_days=0)
    period = Period(name="p", start=date(2021, 1, 1), end=date(2021, 1, 21))
    made = []
    for source in (StacSource(api, COLLECTION), FolderSource(archive)):
        plan, skipped = choose_looks(source, EVERYWHERE, period, date(2022, 1, 1), settings)
        assert [s.reason for s in skipped] == ["cloud cover 95.0 % is above 80 %"]
        composite, lost = build_composite(source, TILE.padded(2), plan, settings)
        assert lost == ()
        made.append(composite.to_planes())
    assert (made[0] == made[1]).all()
    assert made[0][6, 2:258, 2:258].min() == 3
    assert any("bytes=" in line for line in file_server[1])


def test_a_file_that_the_server_lacks_leaves_the_other_scenes(api):
    source = StacSource(api, COLLECTION)
    scenes = source.find(EVERYWHERE, date(2021, 1, 15), date(2021, 1, 25)).scenes
    composite, lost = build_composite(source, TILE.padded(0), LookPlan(scenes), Imagery())
    assert [(s.scene_id, s.failed) for s in lost] == [("S2_4", True)]
    assert "B12.tif cannot be read" in lost[0].reason
    assert composite.looks[0, 0] == 2


def test_the_dark_floor_is_seen_over_http(api):
    source = StacSource(api, COLLECTION)
    old, new = source.find(EVERYWHERE, date(2021, 1, 5), date(2021, 1, 10)).scenes
    assert check_scene(source, old).floor < 900
    assert check_scene(source, new).floor > 1500


def test_a_server_that_is_not_there_is_unavailable():
    with pytest.raises(SourceUnavailable, match=r"did not answer a search of sentinel-2-l2a.*check source\.url"):
        StacSource(f"http://127.0.0.1:{free_port()}", COLLECTION, fetch=ONCE).find(EVERYWHERE, *YEARS)


def test_an_address_that_is_no_stac_api_is_unavailable(file_server, archive):
    (archive / "page.html").write_text("<html>hello</html>")
    for page in ("page.html", "items/S2_0.json", "nothing"):
        with pytest.raises(SourceUnavailable, match="did not answer a search"):
            StacSource(f"{file_server[0]}/{page}", COLLECTION).find(EVERYWHERE, *YEARS)


@pytest.mark.parametrize("href", ["file:///etc/hostname", "/etc/hostname", "B02.tif", "ftp://example.org/B02.tif"])
def test_a_server_cannot_point_at_local_files(href):
    with pytest.raises(SceneRejected, match="not an http"):
        stac._resolve({"links": []}, href)


def test_relative_addresses_start_from_the_item():
    item = {"links": [{"rel": "self", "href": "https://example.org/items/a/a.json"}]}
    assert stac._resolve(item, "../b/B02.tif") == "https://example.org/items/b/B02.tif"
    assert stac._resolve(item, "s3://bucket/B02.tif") == "s3://bucket/B02.tif"
