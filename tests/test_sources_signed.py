"""Files that need a signature or keys: what is asked for, when it is renewed, and where it never stands."""

from __future__ import annotations

import contextlib
import json
import logging
import pickle
import re
import time
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from pystac_client.exceptions import APIError

from pipeline import config
from pipeline.config import Fetch
from pipeline.errors import AccessRefused, SceneRejected, SourceUnavailable
from pipeline.imagery import BANDS, StacSource, access, open_source
from pipeline.imagery.access import S3, Access, Signer, authorization
from pipeline.imagery.http import Http
from pipeline.imagery.ranges import RangeClient
from pipeline.imagery.stac import access_of
from pipeline.runs import RunOptions, run_programme
from tests.imagery_archive import LEFT, TILE, TOP, item_of, write_scene
from tests.safe_products import at_20_m, write_product
from tests.scenes import dig, ground, write_area
from tests.scenes import write_scene as write_scene_of_run
from tests.stac_api import Files, KeyedFiles, SignedFiles, items_of, serving_files, serving_items

EVERYWHERE = (-180.0, -90.0, 180.0, 90.0)
YEARS = (date(2015, 1, 1), date(2030, 1, 1))
LOOPBACK = r"(127)\.0\.0\.1"
FETCH = Fetch(attempts=2, longest_wait_s=0)
KEYS = {"AWS_ACCESS_KEY_ID": "KEYID", "AWS_SECRET_ACCESS_KEY": "HIDDEN"}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    root = tmp_path_factory.mktemp("archive")
    for k, day in enumerate(("2021-01-05", "2021-01-10")):
        write_scene(root, f"S2_{k}", f"{day}T09:30:00", {"B02": np.arange(64 * 64).reshape(64, 64) + 1 + k})
    return root


@pytest.fixture
def signed(archive):
    """A server of signed files, and a client that has a signer for it."""
    with serving_files(SignedFiles, root=archive, asked=[], lives=[3600.0], valid=set()) as (url, handler):
        yield url, handler, Access(Signer(f"{url}/token", LOOPBACK, FETCH))


def tokens(handler) -> list[str]:
    return [path for path in handler.asked if path.startswith("/token/")]


def test_a_file_is_read_with_one_token_for_its_container(signed):
    url, handler, way = signed
    client = RangeClient(FETCH, way)
    for name in ("S2_0/B02.tif", "S2_1/B02.tif"):
        body, _ = client.get(f"{url}/container/{name}", 0, 4)
        assert body == b"II*\0"
    assert tokens(handler) == ["/token/127/container"]
    assert "refused" not in handler.asked


def test_a_token_is_renewed_before_it_ends(signed, monkeypatch):
    url, handler, way = signed
    client = RangeClient(FETCH, way)
    client.get(f"{url}/container/S2_0/B02.tif", 0, 4)
    start = access.now()
    for minutes, asked in ((50, 1), (56, 2)):
        monkeypatch.setattr(access, "now", lambda minutes=minutes: start + timedelta(minutes=minutes))
        client.get(f"{url}/container/S2_0/B02.tif", minutes, minutes + 4)
        assert len(tokens(handler)) == asked
    assert "refused" not in handler.asked


def test_tokens_that_live_shortly_are_used_for_half_of_it(signed, monkeypatch):
    url, handler, way = signed
    handler.lives[0] = 240.0
    start = access.now()
    for seconds, asked in ((0, 1), (100, 1), (140, 2)):
        monkeypatch.setattr(access, "now", lambda seconds=seconds: start + timedelta(seconds=seconds))
        way.signer.sign(f"{url}/container/S2_0/B02.tif")
        assert len(tokens(handler)) == asked


def test_a_token_that_is_refused_is_renewed_once(signed):
    url, handler, way = signed
    client = RangeClient(FETCH, way)
    client.get(f"{url}/container/S2_0/B02.tif", 0, 4)
    handler.valid.clear()
    assert client.get(f"{url}/container/S2_0/B02.tif", 4, 8)[0]
    assert len(tokens(handler)) == 2
    assert handler.asked.count("refused") == 1


class Wavering(SignedFiles):
    """Refuses a file and is busy by turns, whatever the token."""

    def answer(self, *, with_body: bool):
        if self.path.startswith("/token/"):
            super().answer(with_body=with_body)
            return
        self.asked.append("file")
        self.send_error(403 if self.asked.count("file") % 2 else 503)


def test_a_token_is_renewed_once_for_all_attempts_at_a_request(archive):
    with serving_files(Wavering, root=archive, asked=[], lives=[3600.0], valid=set()) as (url, handler):
        client = RangeClient(Fetch(attempts=4, longest_wait_s=0), Access(Signer(f"{url}/token", LOOPBACK, FETCH)))
        with pytest.raises(AccessRefused):
            client.get(f"{url}/container/a.tif", 0, 4)
        # Refused, asked anew and busy; the second attempt is refused again.
        assert (handler.asked.count("file"), len(tokens(handler))) == (3, 2)


def test_a_file_that_stays_refused_is_told_without_the_signature(signed, caplog):
    url, handler, way = signed
    handler.valid = type("Nobody", (set,), {"add": lambda *_: None})()
    with caplog.at_level(logging.DEBUG), pytest.raises(AccessRefused) as refused:
        RangeClient(FETCH, way).get(f"{url}/container/S2_0/B02.tif", 0, 4)
    assert "/container/S2_0/B02.tif refuses access (HTTP 403)" in str(refused.value)
    assert len(tokens(handler)) == 2
    for told in (str(refused.value), repr(refused.value.__cause__), caplog.text):
        assert "SECRET" not in told
    assert "/container/S2_0/B02.tif" in caplog.text


def test_a_signature_is_asked_for_hosts_of_the_storage_only():
    signer = Signer()
    for href in ("https://example.org/c/a.tif", "https://x.blob.core.windows.net.example.org/c/a.tif", "s3://b/a.tif"):
        assert signer.sign(href) == href
    assert signer.container("https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/a.tif") == (
        "sentinel2l2a01/sentinel2-l2"
    )


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"token": "sig=SECRET"}, "KeyError"),
        ({"token": "sig=SECRET", "msft:expiry": "soon"}, "ValueError"),
        ({"token": "sig=SECRET", "msft:expiry": "2030-01-01T00:00:00"}, "ValueError"),
        ({"token": "sig=SECRET\r\nHost: x", "msft:expiry": "2030-01-01T00:00:00Z"}, "ValueError"),
        (["SECRET"], "TypeError"),
    ],
)
def test_an_answer_that_is_no_token_is_told_without_a_word_of_it(monkeypatch, answer, says):
    monkeypatch.setattr(access.Http, "read_json", lambda *_: answer)
    with pytest.raises(SceneRejected, match=f"no signature for files of account/box .{says}") as lost:
        Signer("https://example.org/none", r"(account)\.example\.org").sign("https://account.example.org/box/a.tif")
    assert "SECRET" not in str(lost.value)
    assert lost.value.__suppress_context__


def test_a_source_travels_without_its_tokens(signed, archive):
    url, _, way = signed
    source = StacSource("http://127.0.0.1:9", ["sentinel-2-l2a"], fetch=FETCH, access=way)
    source._client.get(f"{url}/container/S2_0/B02.tif", 0, 4)
    packed = pickle.dumps(source)
    assert b"SECRET" not in packed
    assert pickle.loads(packed).access == way


def test_the_same_pixels_come_signed_and_from_the_folder(signed, archive, tmp_path):
    url, _, way = signed
    with serving_items(items_of(archive, f"{url}/container"), tmp_path) as api:
        source = StacSource(api, ["sentinel-2-l2a"], fetch=FETCH, access=way)
        first, second = source.find(EVERYWHERE, *YEARS).scenes
        assert first.assets["B02"].href == f"{url}/container/S2_0/B02.tif"
        seen = [source.read(s, ("B02",), TILE.geobox[:64, :64])[0, 0, :3].tolist() for s in (first, second)]
    assert seen == [[1, 2, 3], [2, 3, 4]]


def test_a_whole_run_holds_no_signature_in_any_file(tmp_path):
    west, north = 330_000, 520_000
    for k, day in enumerate(("2020-12-10", "2021-01-14", "2021-12-05", "2022-01-09")):
        bands = ground((60, 60), seed=k)
        if k >= 2:
            dig(bands, slice(20, 40), slice(20, 40), seed=k)
        write_scene_of_run(tmp_path / "archive", f"S2A_{day}", day, bands, west=west, north=north)
    write_area(tmp_path / "area.geojson", west + 50, north - 550, west + 550, north - 50)
    with serving_files(SignedFiles, root=tmp_path / "archive", asked=[], lives=[3600.0], valid=set()) as (url, handler):
        items = items_of(tmp_path / "archive", f"{url}/container")
        for item in items:
            item["collection"] = "sentinel-2-l2a"
        with serving_items(items, tmp_path) as api, pytest.MonkeyPatch.context() as patch:
            patch.setattr("pipeline.imagery.access_of", lambda *_: Access(Signer(f"{url}/token", LOOPBACK, FETCH)))
            (tmp_path / "signed.yaml").write_text(
                f"programme: signed\nareas: [area.geojson]\nperiods:\n"
                "  - {name: '2020-21', start: 2020-12-01, end: 2021-03-31}\n"
                "  - {name: '2021-22', start: 2021-12-01, end: 2022-03-31}\n"
                f"source: {{kind: stac, url: '{api}'}}\nradar: {{use: 'off'}}\nrun: {{executor: serial}}\n"
            )
            done = run_programme(tmp_path / "signed.yaml", RunOptions(date(2022, 6, 1), tmp_path / "out"))
    assert done.exit_code == 0, done.manifest["failed"]
    assert [f["properties"]["state"] for f in json.loads((done.folder / "changes.geojson").read_text())["features"]]
    assert handler.valid
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(files) > 10
    assert [path.name for path in files if re.search(rb"SECRET|sig=", path.read_bytes())] == []


def test_keys_of_the_environment_open_an_s3_service(archive, tmp_path, monkeypatch):
    with serving_files(KeyedFiles, root=archive, asked=[], signed_by="KEYID") as (url, _):
        settings = config.StacSource(kind="stac", url="https://example.org/v1", s3_endpoint=url)
        way = access_of(settings, FETCH)
        for name, value in KEYS.items():
            monkeypatch.setenv(name, value)
        assert RangeClient(FETCH, way).get("s3://bucket/S2_0/B02.tif", 0, 4)[0] == b"II*\0"
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "OTHER")
        with pytest.raises(AccessRefused, match=r"/bucket/S2_0/B02\.tif refuses access") as refused:
            RangeClient(FETCH, way).get("s3://bucket/S2_0/B02.tif", 0, 4)
    assert "HIDDEN" not in str(refused.value)


def test_products_of_copernicus_are_read_by_windows_from_its_s3_service(tmp_path, monkeypatch):
    """JPEG 2000 under s3:// with the asset names of the Data Space, as its STAC API tells them."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    bands = at_20_m(ground((700, 700)))
    folder = write_product(tmp_path, "2022-05-05", bands, west=int(LEFT), north=int(TOP), baseline="05.11")
    item = item_of(folder.stem, datetime(2022, 5, 5, 9, 30, tzinfo=UTC), (12.0, 4.0, 13.5, 5.5))
    item["properties"] = {"datetime": "2022-05-05T09:30:00Z", "grid:code": "MGRS-33NUG", "processing:version": "05.11"}
    item["assets"] = {
        path.stem.partition("0_")[2]: {
            "href": f"s3://bucket/{path.relative_to(tmp_path).as_posix()}",
            "bands": [{"name": path.stem[-7:-4]}],
            "raster:offset": -0.1,
            "raster:scale": 0.0001,
        }
        for path in folder.rglob("*.jp2")
    }
    with (
        serving_files(KeyedFiles, root=tmp_path, asked=[], signed_by="KEYID") as (url, handler),
        serving_items([item], tmp_path) as api,
    ):
        settings = config.StacSource(kind="stac", url=api, s3_endpoint=url)
        source = open_source(settings, tmp_path, FETCH)
        (scene,) = source.find(EVERYWHERE, *YEARS).scenes
        got = source.read(scene, BANDS, TILE.geobox[300:340, 500:560])
    assert (scene.offset, scene.epsg, scene.baseline) == (-1000, 32633, "05.11")
    assert (got.astype(int) - 1000 == bands[:, 300:340, 500:560]).all()
    assert all("bytes=" in asked for asked in handler.asked)


def test_without_keys_a_search_says_what_to_do(archive, tmp_path, monkeypatch):
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    with serving_items(items_of(archive, "s3://eodata"), tmp_path) as api:
        source = StacSource(api, ["sentinel-2-l2a"], access=Access(s3=S3("eodata.dataspace.copernicus.eu")))
        with pytest.raises(AccessRefused, match=r"AWS_ACCESS_KEY_ID or AWS_SECRET.* is not set.*s3keysmanager"):
            source.find(EVERYWHERE, *YEARS)
        for name, value in KEYS.items():
            monkeypatch.setenv(name, value)
        assert len(source.find(EVERYWHERE, *YEARS).scenes) == 2


def test_requests_are_signed_as_amazon_publishes_it():
    """The example of a GET in the S3 documentation of Signature Version 4, with its made-up keys."""
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    headers = {
        "host": "examplebucket.s3.amazonaws.com",
        "range": "bytes=0-9",
        "x-amz-content-sha256": empty,
        "x-amz-date": "20130524T000000Z",
    }
    made = authorization(
        "/test.txt", headers, "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1"
    )
    assert made == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )


@pytest.mark.parametrize(
    ("settings", "signed", "endpoint"),
    [
        ({}, False, None),
        ({"url": "https://planetarycomputer.microsoft.com/api/stac/v1"}, True, None),
        ({"url": "https://planetarycomputer.microsoft.com/api/stac/v1", "signing": "none"}, False, None),
        ({"url": "https://stac.dataspace.copernicus.eu/v1"}, False, "eodata.dataspace.copernicus.eu"),
        ({"url": "https://example.org", "signing": "planetary-computer", "s3_endpoint": "a.b"}, True, "a.b"),
    ],
)
def test_the_host_of_an_api_says_how_files_are_opened_unless_the_config_does(settings, signed, endpoint, tmp_path):
    source = open_source(config.StacSource(kind="stac", **settings), tmp_path, FETCH)
    assert (source.access.signer is not None) == signed
    assert (source.access.s3.endpoint if source.access.s3 else None) == endpoint


@pytest.mark.parametrize(
    "url", ["https://me:secret@example.org", "https://example.org/v1?token=secret", "file:///etc/passwd", "example.org"]
)
def test_a_config_holds_no_secret_and_no_address_of_this_machine(url):
    with pytest.raises(ValueError, match="give the"):
        config.StacSource(kind="stac", url=url)


@pytest.mark.parametrize("href", ["/etc/hostname", "file:///etc/hostname", "ftp://example.org/search"])
def test_links_of_an_api_lead_to_http_only(href):
    with pytest.raises(ValueError, match=r"is no http\(s\) address"):
        Http(FETCH).read_text(href)


class Halves(Files):
    """Breaks off its answers in the middle, as many times as `broken` says."""

    broken: list[int]

    def answer(self, *, with_body: bool):
        body = json.dumps({"page": "x" * 200_000}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.asked.append(self.path)
        self.wfile.write(body[: len(body) // 2] if self.broken[0] else body)
        self.broken[0] = max(self.broken[0] - 1, 0)


def test_an_answer_that_breaks_off_is_asked_for_again_within_the_stated_attempts(archive):
    with serving_files(Halves, root=archive, asked=[], broken=[1]) as (url, handler):
        assert len(Http(FETCH).read_json(url)["page"]) == 200_000
        assert len(handler.asked) == 2
        handler.broken[0] = 9
        with pytest.raises(APIError):
            Http(FETCH).read_json(url)
        assert len(handler.asked) == 4


class Busy(Files):
    """Answers 503, 503, then half of an answer, over and over."""

    def answer(self, *, with_body: bool):
        self.asked.append(self.path)
        self.send_response(503 if len(self.asked) % 3 else 200)
        self.send_header("Content-Length", "0" if len(self.asked) % 3 else "20")
        self.end_headers()
        self.wfile.write(b"" if len(self.asked) % 3 else b'{"page": ')


def test_answers_that_break_off_and_busy_servers_count_together(archive):
    with serving_files(Busy, root=archive, asked=[]) as (url, handler):
        with pytest.raises(APIError):
            Http(Fetch(attempts=4, longest_wait_s=0)).read_json(url)
        assert len(handler.asked) == 4


class Dripping(Files):
    """A byte now and then, never so late that a reader's timeout comes."""

    def answer(self, *, with_body: bool):
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(1000):
                self.wfile.write(b" ")
                time.sleep(0.02)


def test_an_answer_that_drips_is_given_up_and_asked_for_again(archive):
    with serving_files(Dripping, root=archive, asked=[]) as (url, handler):
        with pytest.raises(APIError, match="did not end"):
            Http(Fetch(attempts=2, timeout_s=0.1, longest_wait_s=0)).read_json(url)
        assert len(handler.asked) == 2


def test_an_answer_without_an_end_is_not_taken_in(archive, monkeypatch):
    monkeypatch.setattr("pipeline.imagery.http._MOST_BYTES", 1000)
    with (
        serving_files(Halves, root=archive, asked=[], broken=[0]) as (url, handler),
        pytest.raises(SourceUnavailable, match="more than 0 MB"),
    ):
        StacSource(url, ["sentinel-2-l2a"], fetch=FETCH).find(EVERYWHERE, *YEARS)
    assert len(handler.asked) == 1


def test_the_key_of_an_account_is_in_no_log(archive, monkeypatch, caplog):
    monkeypatch.setenv("PC_SDK_SUBSCRIPTION_KEY", "HIDDENKEY")
    with (
        serving_files(SignedFiles, root=archive, asked=[], lives=[3600.0], valid=set()) as (url, _),
        caplog.at_level(logging.DEBUG),
    ):
        assert "SECRET" in Signer(f"{url}/token", LOOPBACK, FETCH).sign(f"{url}/container/a.tif")
    assert "/token/127/container" in caplog.text
    assert "HIDDENKEY" not in caplog.text
