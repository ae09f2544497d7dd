"""Sentinel Hub when it breaks: how often it is asked, how long is waited, what is told and what never is."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import numpy as np
import pytest

from pipeline.config import Fetch
from pipeline.errors import AccessRefused, PlacerwatchError, SceneRejected, SourceUnavailable
from pipeline.imagery import BANDS, SCL, sentinelhub_client
from pipeline.imagery.sentinelhub import SentinelHubSource
from tests import sentinelhub_server
from tests.scenes import write_scene
from tests.sentinelhub_server import CLIENT_ID, CLIENT_SECRET, PROCESS, SEARCH, TOKEN, Faults, SentinelHub
from tests.test_sentinelhub import EVERYWHERE, NORTH, SHAPE, WEST, box, two_granules, uneven

DAYS = date(2021, 1, 1), date(2021, 12, 31)
ALL, WINDOW = (*BANDS, SCL), box(3, 5, 40, 31)
ATTEMPTS = 3
NOW = Fetch(attempts=ATTEMPTS, longest_wait_s=0)
BROKEN = ("429", "500", "503", "truncated", "reset")
SLOW = ("slow", "dribble")

pytestmark = pytest.mark.usefixtures("hub_account")


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    root = tmp_path_factory.mktemp("faults")
    for number, day in enumerate(("2021-01-10", "2021-02-15")):
        scl = np.random.default_rng(number).integers(1, 12, SHAPE).astype(np.uint8)
        write_scene(root, f"S2A_{day}", day, uneven(number, 300, 900), west=WEST, north=NORTH, scl=scl)
    return root


@pytest.fixture(scope="module")
def clean(archive, tmp_path_factory):
    """The pixels of the first scene when nothing breaks."""
    from tests.conftest import isolate_account

    with pytest.MonkeyPatch.context() as monkeypatch, SentinelHub(archive) as hub:
        isolate_account(monkeypatch, tmp_path_factory.mktemp("home"))
        source = SentinelHubSource(hub.settings(), NOW)
        return source.read(source.find(EVERYWHERE, *DAYS).scenes[0], ALL, WINDOW)


def asked(hub, path: str) -> list[int]:
    """How often each request of a path was asked."""
    return sorted(count for (_, where, _), count in hub.asked.items() if where == path)


def read(hub, fetch: Fetch = NOW):
    source = SentinelHubSource(hub.settings(), fetch)
    return source.read(source.find(EVERYWHERE, *DAYS).scenes[0], ALL, WINDOW)


@pytest.mark.parametrize("kind", [*BROKEN, "expired"])
@pytest.mark.parametrize("path", [PROCESS, SEARCH])
def test_what_passes_is_asked_again_and_gives_the_same_pixels(archive, clean, path, kind):
    with SentinelHub(archive, Faults({path: [kind]})) as hub:
        assert (read(hub) == clean).all()
        assert asked(hub, path) == [2]
        assert hub.struck[kind] == 1


@pytest.mark.parametrize("kind", BROKEN)
def test_a_token_is_asked_for_again_as_well(archive, clean, kind):
    with SentinelHub(archive, Faults({TOKEN: [kind]})) as hub:
        assert (read(hub) == clean).all()
        assert asked(hub, TOKEN) == [2]


@pytest.mark.parametrize("kind", BROKEN)
def test_what_does_not_pass_costs_the_scene_after_as_many_attempts_as_are_allowed(archive, kind):
    with SentinelHub(archive, Faults({PROCESS: [kind] * 50})) as hub:
        with pytest.raises(SceneRejected, match=f"asked {ATTEMPTS} times and gave no usable answer; the last: "):
            read(hub)
        assert asked(hub, PROCESS) == [ATTEMPTS]


@pytest.mark.parametrize("kind", SLOW)
def test_an_answer_that_stops_or_trickles_is_given_up_and_asked_for_again(archive, clean, kind):
    impatient = Fetch(attempts=2, longest_wait_s=0, timeout_s=1.5)
    with SentinelHub(archive, Faults({PROCESS: [kind]})) as hub:
        assert (read(hub, impatient) == clean).all()
        assert asked(hub, PROCESS) == [2]
    with SentinelHub(archive, Faults({PROCESS: [kind] * 9})) as hub:
        with pytest.raises(SceneRejected, match="the connection failed: Read"):
            read(hub, impatient)
        assert asked(hub, PROCESS) == [2]


@pytest.mark.parametrize("path", [SEARCH, TOKEN])
def test_a_catalogue_or_a_token_that_does_not_come_makes_the_source_unavailable(archive, path):
    with SentinelHub(archive, Faults({path: ["503"] * 50})) as hub:
        with pytest.raises(SourceUnavailable, match="HTTP 503 overloaded") as caught:
            read(hub)
        assert not isinstance(caught.value, AccessRefused)
        assert asked(hub, path) == [ATTEMPTS]


@pytest.mark.parametrize("seed", range(25))
def test_under_any_schedule_of_passing_faults_pixels_are_the_same_and_no_request_repeats_too_often(
    archive, clean, seed
):
    with SentinelHub(archive, Faults.seeded(seed, share=0.5, most=2)) as hub:
        assert (read(hub) == clean).all()
        assert max(asked(hub, PROCESS) + asked(hub, SEARCH)) <= ATTEMPTS


def test_one_attempt_means_one(archive):
    with SentinelHub(archive, Faults({PROCESS: ["500"]})) as hub:
        with pytest.raises(SceneRejected, match="was asked once"):
            read(hub, Fetch(attempts=1))
        assert asked(hub, PROCESS) == [1]


def test_what_one_granule_was_refused_its_neighbour_does_not_ask_again_but_itself_may(tmp_path):
    two_granules(tmp_path)
    with SentinelHub(tmp_path, Faults({PROCESS: ["500"] * ATTEMPTS})) as hub:
        source = SentinelHubSource(hub.settings(), NOW)
        first, second = source.find(EVERYWHERE, *DAYS).scenes
        for scene in (first, second):
            with pytest.raises(SceneRejected):
                source.read(scene, ALL, WINDOW)
        assert asked(hub, PROCESS) == [ATTEMPTS]
        assert source.read(first, ALL, WINDOW).any()


# --- waits


@pytest.fixture
def waits(monkeypatch):
    """Seconds that would have been slept."""
    slept: list[float] = []
    monkeypatch.setattr(sentinelhub_client, "sleep", slept.append)
    return slept


def test_milliseconds_that_a_throttled_account_is_told_to_wait_are_waited(archive, waits):
    with SentinelHub(archive, Faults({PROCESS: ["429"]}), retry_after_ms=3398) as hub:
        read(hub, Fetch(attempts=2))
    assert waits == [pytest.approx(3.398, abs=0.05)]


def test_no_wait_is_longer_than_the_config_allows_whatever_the_server_asks(archive, waits):
    faults = Faults({PROCESS: ["429"] * 9})
    with SentinelHub(archive, faults, retry_after_ms=86_400_000) as hub, pytest.raises(SceneRejected):
        read(hub, Fetch(attempts=5, longest_wait_s=7))
    assert len(waits) == 4
    assert max(waits) <= 7


def test_waits_grow_and_are_not_the_same_for_all(archive, waits):
    for _ in range(2):
        with SentinelHub(archive, Faults({PROCESS: ["503"] * 9})) as hub, pytest.raises(SceneRejected):
            read(hub, Fetch(attempts=6, longest_wait_s=10))
    first, second = waits[:5], waits[5:]
    assert all(0.5 * 2**k <= wait <= min(2**k, 10) for k, wait in enumerate(first[:4]))
    assert first != second


# --- accounts


def test_an_expired_token_is_renewed_once_for_all_threads(archive):
    with SentinelHub(archive) as hub:
        source = SentinelHubSource(hub.settings(), NOW)
        scene = source.find(EVERYWHERE, *DAYS).scenes[0]
        hub.expire_tokens()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda k: source.read(scene, ALL, box(k, 0, 5, 5)), range(8)))
        assert hub.served[TOKEN] == 2


def test_a_token_is_renewed_before_it_expires(archive):
    with SentinelHub(archive, token_s=0) as hub:
        read(hub)
        assert hub.served[TOKEN] == 2


def test_a_token_refused_twice_is_a_refusal_of_the_account(archive):
    with SentinelHub(archive, Faults({PROCESS: ["expired"] * 9})) as hub:
        with pytest.raises(AccessRefused, match=r"refuses a token that was just given.*base_url and token_url"):
            read(hub)
        assert asked(hub, PROCESS) == [2]
        assert hub.served[TOKEN] == 2


def test_wrong_credentials_are_told_at_once_with_what_to_do(archive):
    with SentinelHub(archive, secret="another") as hub:
        with pytest.raises(
            AccessRefused, match=r"SH_CLIENT_ID and SH_CLIENT_SECRET.*check the id and the secret"
        ) as caught:
            read(hub)
        assert asked(hub, TOKEN) == [1]
    assert "invalid_client" in str(caught.value)
    assert CLIENT_SECRET not in str(caught.value)


@pytest.mark.parametrize("path", [SEARCH, PROCESS])
def test_an_exhausted_quota_is_told_at_once_with_what_to_do(archive, path):
    with SentinelHub(archive, Faults({path: ["quota"] * 9})) as hub:
        with pytest.raises(AccessRefused, match=r"used up.*Insufficient processing units.*buy more or wait"):
            read(hub)
        assert asked(hub, path) == [1]


def test_a_429_that_speaks_of_the_quota_is_not_waited_for(archive, monkeypatch):
    monkeypatch.setattr(sentinelhub_server, "_THROTTLED", {"status": 429, "message": "Monthly quota exceeded"})
    with SentinelHub(archive, Faults({PROCESS: ["429"] * 9})) as hub:
        with pytest.raises(AccessRefused, match="Monthly quota exceeded"):
            read(hub)
        assert asked(hub, PROCESS) == [1]


def test_what_an_account_may_not_use_is_told_as_that(archive):
    says = r"forbids this.*No access to the collection.*another account"
    with SentinelHub(archive, Faults({PROCESS: ["forbidden"]})) as hub, pytest.raises(AccessRefused, match=says):
        read(hub)


def test_a_request_that_is_wrong_is_not_repeated(archive, monkeypatch):
    with SentinelHub(archive) as hub:
        source = SentinelHubSource(hub.settings(), NOW)
        scene = source.find(EVERYWHERE, *DAYS).scenes[0]
        with pytest.raises(SceneRejected, match=r"refuses the request: HTTP 400 COMMON_BAD_PAYLOAD.*do not agree"):
            source.read(scene, ("B09",), WINDOW)
        assert asked(hub, PROCESS) == [1]


def test_redirects_are_not_followed_with_a_secret(archive, monkeypatch):
    def elsewhere(self, fault, body):
        self.send(307, b"", "text/plain", {"Location": f"{self.hub.url}/elsewhere"})

    monkeypatch.setattr(sentinelhub_server._Handler, "answer", elsewhere)
    with SentinelHub(archive) as hub:
        with pytest.raises(SourceUnavailable, match="HTTP 307"):
            read(hub)
        assert {path for _, path, _ in hub.asked} == {TOKEN}


@pytest.mark.parametrize("body", [b"", b"[]", b'{"access_token": 3}', b'{"access_token": "a\\nb"}', b"<html>"])
def test_an_answer_without_a_token_is_no_token(archive, monkeypatch, body):
    monkeypatch.setattr(sentinelhub_server._Handler, "token", lambda self, *_: self.send(200, body, "application/json"))
    with SentinelHub(archive) as hub:
        with pytest.raises(SourceUnavailable, match="without a token"):
            read(hub)
        assert asked(hub, TOKEN) == [ATTEMPTS]


def test_a_server_that_is_not_there_is_unavailable(archive):
    with SentinelHub(archive) as hub:
        settings = hub.settings()
    with pytest.raises(SourceUnavailable, match="the connection failed: ConnectionError"):
        SentinelHubSource(settings, NOW).find(EVERYWHERE, *DAYS)


def test_neither_errors_nor_logs_hold_the_secret_or_a_token(archive, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    for path in (TOKEN, SEARCH, PROCESS):
        for kind in (*BROKEN, "expired", "quota", "forbidden"):
            with SentinelHub(
                archive, Faults({path: [kind] * 50}), secret="other" if path == TOKEN else CLIENT_SECRET
            ) as hub:
                try:
                    read(hub)
                except PlacerwatchError as error:
                    said += [str(error), repr(error), str(error.__cause__), repr(error.args)]
                tokens = set(hub.tokens)
            assert not any(token in text for token in tokens for text in [*said, caplog.text])
    output = "".join(capfd.readouterr())
    assert len(said) > 70
    for text in (*said, caplog.text, output):
        assert CLIENT_SECRET not in text
        assert CLIENT_ID not in text


def test_a_secret_that_a_server_repeats_is_hidden(archive, monkeypatch):
    monkeypatch.setattr(sentinelhub_server, "_QUOTA", {"message": f"no quota for {CLIENT_ID} with {CLIENT_SECRET}"})
    says = r"no quota for \*\*\* with \*\*\*"
    with SentinelHub(archive, Faults({SEARCH: ["quota"]})) as hub, pytest.raises(AccessRefused, match=says):
        read(hub)
