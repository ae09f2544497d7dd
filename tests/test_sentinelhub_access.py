"""Where the account of Sentinel Hub comes from, and where its secret never goes."""

from __future__ import annotations

import pickle
import sys
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline import config
from pipeline.config import Fetch
from pipeline.errors import AccessRefused
from pipeline.imagery.sentinelhub import SentinelHubSource
from pipeline.imagery.sentinelhub_access import KEYRING_SERVICE, addresses, find_credentials
from pipeline.imagery.sentinelhub_client import client_of
from tests.sentinelhub_server import CLIENT_ID, CLIENT_SECRET, SentinelHub

PLACE, DAY = (15.0, 4.0, 16.0, 5.0), (date(2021, 1, 1), date(2021, 1, 1))
CDSE = config.SentinelHubSource(kind="sentinelhub")


@pytest.fixture
def nobody(hub_account, monkeypatch):
    """A machine that knows no account; the keyring must not be asked unless a test says so."""
    for name in ("SH_CLIENT_ID", "SH_CLIENT_SECRET"):
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.fixture
def silent_keyring(monkeypatch):
    def asked(*_):
        raise AssertionError("the keyring was asked")

    use_keyring(monkeypatch, asked)


def use_keyring(monkeypatch, get_credential) -> None:
    monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_credential=get_credential))


def write_profiles(home: Path, **profiles: str) -> None:
    path = home / "sentinelhub" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text("".join(f'["{name}"]\nsh_client_id = "{name}-id"\n{rest}\n' for name, rest in profiles.items()))


def test_the_environment_goes_first(hub_account, tmp_path, silent_keyring):
    write_profiles(tmp_path / "home", **{"default-profile": 'sh_client_secret = "p"'})
    found = find_credentials(CDSE)
    assert (found.client_id, found.client_secret) == (CLIENT_ID, CLIENT_SECRET)
    assert found.origin == "SH_CLIENT_ID and SH_CLIENT_SECRET"


def test_then_a_profile_the_named_one_or_that_of_the_environment_or_the_default(nobody, tmp_path, silent_keyring):
    secret = 'sh_client_secret = "p"'
    write_profiles(tmp_path / "home", **{"default-profile": secret, "mine": secret, "other": secret})
    assert find_credentials(CDSE).client_id == "default-profile-id"
    nobody.setenv("SH_PROFILE", "other")
    assert find_credentials(CDSE).client_id == "other-id"
    named = find_credentials(config.SentinelHubSource(kind="sentinelhub", profile="mine"))
    assert (named.client_id, named.origin) == ("mine-id", "the sentinelhub-py profile 'mine'")


def test_then_the_keyring_by_the_id_that_is_known(nobody, tmp_path):
    asked = []

    def stored(service, username):
        asked.append((service, username))
        return SimpleNamespace(username=username or "kept", password="k")

    use_keyring(nobody, stored)
    assert find_credentials(CDSE).client_id == "kept"
    write_profiles(tmp_path / "home", **{"default-profile": ""})
    assert find_credentials(CDSE).client_id == "default-profile-id"
    nobody.setenv("SH_CLIENT_ID", "of-environment")
    assert find_credentials(CDSE).client_secret == "k"
    assert asked == [
        (KEYRING_SERVICE, None),
        (KEYRING_SERVICE, "default-profile-id"),
        (KEYRING_SERVICE, "of-environment"),
    ]


def test_the_keyring_package_is_asked_as_it_wants_to_be(nobody):
    keyring = pytest.importorskip("keyring")

    class InMemory(keyring.backend.KeyringBackend):
        priority = 1
        kept: dict = {}  # noqa: RUF012

        def set_password(self, service, username, password):
            self.kept[service, username] = password

        def get_password(self, service, username):
            return self.kept.get((service, username))

    before = keyring.get_keyring()
    keyring.set_keyring(InMemory())
    try:
        keyring.set_password(KEYRING_SERVICE, "mine", "k")
        nobody.setenv("SH_CLIENT_ID", "mine")
        found = find_credentials(CDSE)
    finally:
        keyring.set_keyring(before)
    assert (found.client_id, found.client_secret) == ("mine", "k")
    assert found.origin == "the system keyring (placerwatch.sentinelhub)"


def test_a_keyring_that_is_locked_or_not_installed_is_no_keyring(nobody):
    def locked(*_):
        raise RuntimeError("locked")

    use_keyring(nobody, locked)
    with pytest.raises(AccessRefused, match="none was found"):
        find_credentials(CDSE)
    nobody.setitem(sys.modules, "keyring", None)
    with pytest.raises(AccessRefused, match="none was found"):
        find_credentials(CDSE)


def test_without_an_account_all_three_ways_are_told_and_nothing_is_written(nobody, tmp_path):
    with pytest.raises(AccessRefused, match=r"SH_CLIENT_ID and SH_CLIENT_SECRET.*profile.*keyring set placerwatch"):
        SentinelHubSource(CDSE, Fetch()).find(PLACE, *DAY)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("with_file", [True, False])
def test_a_profile_that_is_not_there_is_told(nobody, tmp_path, with_file):
    if with_file:
        write_profiles(tmp_path / "home", **{"default-profile": 'sh_client_secret = "p"'})
    with pytest.raises(AccessRefused, match="'nobody'"):
        find_credentials(config.SentinelHubSource(kind="sentinelhub", profile="nobody"))


@pytest.mark.parametrize(
    "text", ['["default-profile"]\nsh_client_secret = "hush', '["default-profile"]\nsh_client_secrets = "hush"']
)
def test_a_broken_configuration_file_is_told_without_what_it_holds(nobody, tmp_path, text):
    write_profiles(tmp_path / "home")
    (tmp_path / "home" / "sentinelhub" / "config.toml").write_text(text)
    with pytest.raises(AccessRefused, match="cannot be read") as caught:
        find_credentials(CDSE)
    assert "hush" not in f"{caught.value} {caught.value.__cause__}"


def test_deployments_have_their_addresses_and_any_can_be_given():
    assert addresses(CDSE)[0] == "https://sh.dataspace.copernicus.eu"
    assert addresses(CDSE)[1].startswith("https://identity.dataspace.copernicus.eu/")
    there = config.SentinelHubSource(
        kind="sentinelhub", deployment="commercial", base_url="https://services-uswest2.sentinel-hub.com/"
    )
    base, token = addresses(there)
    assert base == "https://services-uswest2.sentinel-hub.com"
    assert token.startswith("https://services.sentinel-hub.com/")


def test_no_pickle_no_repr_and_no_error_holds_the_secret(hub_account, tmp_path):
    (tmp_path / "items").mkdir()
    with SentinelHub(tmp_path) as hub:
        source = SentinelHubSource(hub.settings(), Fetch())
        client = client_of(source.settings, source.fetch)
        source.find(PLACE, *DAY)
        (token,) = hub.tokens
        carried = pickle.dumps(source)
        shown = f"{source!r} {source.__dict__} {client!r} {client.__dict__} {client.credentials!r} {client.config!r}"
    for value in (CLIENT_SECRET, CLIENT_ID):
        assert value.encode() not in carried
        assert value not in shown
    assert token.encode() not in carried
    for hidden in (client, client.credentials):
        with pytest.raises(TypeError, match=r"credentials do not travel|cannot pickle"):
            pickle.dumps(hidden)


def test_a_worker_finds_the_account_for_itself(hub_account, tmp_path):
    with SentinelHub(tmp_path) as hub:
        carried = pickle.dumps(SentinelHubSource(hub.settings(), Fetch()))
        hub_account.delenv("SH_CLIENT_SECRET")
        with pytest.raises(AccessRefused, match="where the run and its workers see them"):
            pickle.loads(carried).find(PLACE, *DAY)
