"""Byte ranges over HTTP: what is tried again, how often, and what is told when it fails."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import numpy as np
import pytest
import rasterio

from pipeline.config import Fetch
from pipeline.errors import AccessRefused, SceneRejected
from pipeline.imagery import patience, ranges
from pipeline.imagery.ranges import RangeClient
from pipeline.imagery.raster import read_thinned, read_window, short_name
from pipeline.imagery.remote import RemoteFile
from tests.faulty_server import BROKEN, STATUS, serving
from tests.imagery_archive import TILE, write_band

FETCH = Fetch(attempts=3, timeout_s=10, longest_wait_s=0.01)
HASTY = Fetch(attempts=3, timeout_s=0.4, longest_wait_s=0.01)
VALUES = np.arange(900 * 700, dtype=np.uint16).reshape(900, 700)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    tiled = {"driver": "COG", "compress": "deflate", "blocksize": 128, "nodata": 0}
    write_band(folder / "a.tif", VALUES, **tiled)
    write_band(folder / "strips.tif", VALUES, nodata=0)
    return folder


@pytest.fixture
def waits(monkeypatch):
    """Seconds that were waited between attempts; nobody waits."""
    waited = []
    monkeypatch.setattr(ranges, "sleep", waited.append)
    return waited


def read(url: str, client: RangeClient, rows=slice(100, 400), cols=slice(50, 300)) -> np.ndarray:
    geobox = TILE.padded(512)[512:, 512:][rows, cols]
    out = np.empty((1, *geobox.shape), np.uint16)
    read_window(url, [1], 1.0, geobox, out, client=client)
    return out[0]


@pytest.mark.parametrize("name", ["a.tif", "strips.tif"])
def test_a_window_over_http_holds_the_pixels_of_the_file(root, name):
    with serving(root) as server:
        client = RangeClient(FETCH)
        assert (read(f"{server.url}/{name}", client) == VALUES[100:400, 50:300]).all()
        assert max(server.asked.values()) == 1
        assert client.spent.requests == sum(server.asked.values())
        assert 300 * 250 <= client.spent.bytes < (root / name).stat().st_size


def test_a_whole_file_can_be_seen_thinned(root):
    with serving(root) as server:
        thinned = read_thinned(f"{server.url}/a.tif", 1, 1.0, 450, client=RangeClient(FETCH))
    with rasterio.open(root / "a.tif") as src:
        assert (thinned == src.read(1, out_shape=(450, 350))).all()


@pytest.mark.parametrize("fault", [*STATUS, *BROKEN])
def test_a_fault_that_passes_leaves_no_trace(root, fault):
    with serving(root, lambda _, before: fault if before < 2 else None) as server:
        client = RangeClient(HASTY if fault == "slow" else FETCH)
        assert (read(f"{server.url}/a.tif", client) == VALUES[100:400, 50:300]).all()
        assert set(server.asked.values()) == {3}


@pytest.mark.parametrize("fault", [*STATUS, *BROKEN])
def test_a_fault_that_stays_ends_after_the_stated_attempts_with_its_reason(root, fault):
    reasons = {"truncated": "broke off", "slow": "no answer in time", "reset": "connection reset error"}
    with serving(root, lambda *_: fault) as server:
        client = RangeClient(HASTY if fault == "slow" else FETCH)
        for _ in range(2):  # what failed for good is not asked for again
            with pytest.raises(SceneRejected, match=r"a\.tif cannot be read \(asked 3 times, at last: .*") as caught:
                read(f"{server.url}/a.tif", client)
        assert reasons.get(fault, f"HTTP {fault}") in str(caught.value)
        assert list(server.asked.values()) == [3]


def test_a_body_that_drips_is_given_up(root, monkeypatch):
    monkeypatch.setattr(patience, "SLOWEST_BYTES_S", 1e9)
    with serving(root, lambda *_: "drip") as server, pytest.raises(SceneRejected, match=r"of 10000 bytes in 0 s"):
        RangeClient(Fetch(attempts=1, timeout_s=0.2)).get(f"{server.url}/strips.tif", 0, 10_000)


def test_waits_double_are_spread_and_end_at_the_longest(root, waits):
    with serving(root, lambda *_: "503", retry_after=None) as server, pytest.raises(SceneRejected):
        RangeClient(Fetch(attempts=8, longest_wait_s=10)).get(f"{server.url}/a.tif", 0, 10)
    assert len(waits) == 7
    for attempt, wait in enumerate(waits):
        assert min(0.25 * 2**attempt, 10) <= wait <= min(0.75 * 2**attempt, 10)
    assert waits[-1] == 10


@pytest.mark.parametrize(("told", "least", "most"), [("7", 7, 7), ("9999", 30, 30), ("soon", 0, 0.75), (None, 0, 0.75)])
def test_the_server_is_given_the_time_that_it_asks_for_within_the_limit(root, waits, told, least, most):
    with serving(root, lambda _, before: "429" if not before else None, retry_after=told) as server:
        RangeClient(Fetch(longest_wait_s=30)).get(f"{server.url}/a.tif", 0, 10)
    assert len(waits) == 1
    assert least <= waits[0] <= most


def test_the_time_may_be_told_as_a_date(root, waits):
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    with serving(root, lambda _, before: "503" if not before else None, retry_after=later) as server:
        RangeClient(Fetch(longest_wait_s=1000)).get(f"{server.url}/a.tif", 0, 10)
    assert 90 < waits[0] <= 100


@pytest.mark.parametrize("status", ["401", "403"])
def test_a_refused_account_is_told_at_once(root, waits, status):
    with serving(root, lambda *_: status) as server:
        with pytest.raises(AccessRefused, match=f"refuses access .HTTP {status}.; check the credentials"):
            read(f"{server.url}/a.tif?sig=secret", RangeClient(FETCH))
        assert list(server.asked.values()) == [1]


def test_a_refusal_in_the_middle_of_a_file_is_a_refusal(root):
    with (
        serving(root, lambda asked, _: None if "bytes=0-" in asked else "403") as server,
        pytest.raises(AccessRefused),
    ):
        read(f"{server.url}/a.tif", RangeClient(FETCH))


def test_a_file_that_is_not_there_is_asked_for_once(root, waits):
    with serving(root) as server:
        with pytest.raises(SceneRejected, match=r"b\.tif cannot be read \(HTTP 404\); check that the file is there"):
            read(f"{server.url}/b.tif", RangeClient(FETCH))
        assert list(server.asked.values()) == [1]


def test_nothing_told_holds_a_signature(root, waits):
    assert short_name("https://name:word@example.org/a.tif?sig=secret#x") == "https://example.org/a.tif"
    for status in ("403", "404", "500"):
        with serving(root, lambda *_, status=status: status) as server:
            with pytest.raises((AccessRefused, SceneRejected)) as caught:
                read(f"{server.url}/a.tif?sig=secret", RangeClient(FETCH))
            assert "secret" not in str(caught.value)


def test_a_file_that_changes_while_it_is_read_is_left_out(root, tmp_path):
    data = (root / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(data)
    with serving(tmp_path) as server:
        file = RemoteFile(RangeClient(FETCH), f"{server.url}/a.tif")
        (tmp_path / "a.tif").write_bytes(data + b"more")
        with pytest.raises(SceneRejected, match="changed while it was read"):
            file.bytes_at(50_000, 10)


def test_a_file_that_points_beyond_its_end_is_refused(root):
    with serving(root) as server:
        file = RemoteFile(RangeClient(FETCH), f"{server.url}/a.tif")
        for ranges in ([(file.length - 5, 10)], [(-1, 5)]):
            with pytest.raises(SceneRejected, match="points beyond its own end"):
                file.prefetch(ranges)


def test_threads_that_want_the_same_bytes_ask_once(root):
    with serving(root, latency_s=0.05) as server, ThreadPoolExecutor(8) as pool:
        client = RangeClient(FETCH)
        bodies = set(pool.map(lambda _: client.get(f"{server.url}/a.tif", 0, 1000)[0], range(16)))
        assert len(bodies) == 1
        assert sum(server.asked.values()) == 1


def test_a_pickled_client_keeps_its_limits_and_nothing_else(root, waits):
    with serving(root, lambda *_: "500") as server:
        client = RangeClient(FETCH)
        with pytest.raises(SceneRejected):
            client.get(f"{server.url}/a.tif", 0, 10)
        other = pickle.loads(pickle.dumps(client))
        assert other.fetch == FETCH
        assert other.spent.requests == 0


def test_public_buckets_are_read_over_https():
    assert ranges._over_http("s3://bucket/a/b.tif") == "https://bucket.s3.amazonaws.com/a/b.tif"
    assert ranges._over_http("s3://bucket.eu/a/b.tif") == "https://s3.amazonaws.com/bucket.eu/a/b.tif"
    assert ranges._over_http("https://example.org/b.tif") == "https://example.org/b.tif"


def test_what_is_no_raster_is_told_by_its_address(tmp_path):
    (tmp_path / "page.tif").write_text("<html>" * 1000)
    with serving(tmp_path) as server, pytest.raises(SceneRejected, match=r"page\.tif cannot be read \(") as caught:
        read(f"{server.url}/page.tif", RangeClient(FETCH))
    assert "vsi" not in str(caught.value)


def test_headers_are_kept_while_blocks_come_and_go(root, monkeypatch):
    monkeypatch.setattr(ranges, "_KEPT_BYTES", 5000)
    with serving(root) as server:
        client, url = RangeClient(FETCH), f"{server.url}/a.tif"
        for start in (0, 4000, 8000, 12_000, 4000, 0, 4000):
            assert client.get(url, start, start + 2000)[0] == (root / "a.tif").read_bytes()[start : start + 2000]
        asked = [server.asked[f"/a.tif bytes={start}-{start + 1999}"] for start in (0, 4000, 8000, 12_000)]
        assert asked == [1, 2, 1, 1]
