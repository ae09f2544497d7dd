"""Where the id and the secret of a Sentinel Hub account come from. They never leave the process that found them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from sentinelhub.config import SHConfig

from pipeline import config
from pipeline.errors import AccessRefused

KEYRING_SERVICE = "placerwatch.sentinelhub"
_DEPLOYMENTS = {
    "cdse": (
        "https://sh.dataspace.copernicus.eu",
        "https://identity.dataspace.copernicus.eu/auth/realms/CDSE/protocol/openid-connect/token",
    ),
    "commercial": (
        "https://services.sentinel-hub.com",
        "https://services.sentinel-hub.com/auth/realms/main/protocol/openid-connect/token",
    ),
}


@dataclass(frozen=True)
class Credentials:
    """An OAuth client; `origin` tells where it was found."""

    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    origin: str

    def __getstate__(self) -> object:
        raise TypeError("credentials do not travel: each worker finds its own")

    def hidden_in(self, text: str) -> str:
        """A text without the id and the secret, should a server repeat them."""
        for value in (self.client_secret, self.client_id):
            text = text.replace(value, "***")
        return text


def addresses(settings: config.SentinelHubSource) -> tuple[str, str]:
    """Root of the API and address of its tokens."""
    base, token = _DEPLOYMENTS[settings.deployment]
    return settings.base_url or base, settings.token_url or token


def find_credentials(settings: config.SentinelHubSource) -> Credentials:
    """The account: from the environment, else from a profile of sentinelhub-py, else from the system keyring.

    Each must have both the id and the secret. Raises AccessRefused, with what to do, if none has.
    """
    client_id, secret = (os.environ.get(f"SH_CLIENT_{part}", "").strip() for part in ("ID", "SECRET"))
    if client_id and secret:
        return Credentials(client_id, secret, "SH_CLIENT_ID and SH_CLIENT_SECRET")
    profile = _profile(settings.profile)
    if profile and profile.sh_client_id and profile.sh_client_secret:
        name = settings.profile or os.environ.get("SH_PROFILE") or "default"
        return Credentials(profile.sh_client_id, profile.sh_client_secret, f"the sentinelhub-py profile {name!r}")
    found = _keyring(client_id or (profile.sh_client_id if profile else "") or None)
    if found:
        return found
    raise AccessRefused(
        "Sentinel Hub asks for an account and none was found: set SH_CLIENT_ID and SH_CLIENT_SECRET where the run and "
        "its workers see them, or give a sentinelhub-py profile (source.profile), or store them with "
        f"`keyring set {KEYRING_SERVICE} CLIENT_ID`; docs/sources.md tells how to get them"
    )


def _profile(name: str | None) -> SHConfig | None:
    """A profile of the configuration file; None where there is no file (asking sentinelhub-py would write one)."""
    place = SHConfig.get_config_location()
    if not Path(place).is_file():
        if name is None:
            return None
        raise AccessRefused(f"source.profile {name!r}: sentinelhub-py has no configuration file; `sentinelhub.config`")
    try:
        return SHConfig.load(name)
    except KeyError:
        if name is None and "SH_PROFILE" not in os.environ:
            return None
        raise AccessRefused(
            f"sentinelhub-py knows no profile {name or os.environ['SH_PROFILE']!r}; `sentinelhub.config --profile` "
            "makes one, source.profile or SH_PROFILE names it"
        ) from None
    except (OSError, ValueError, TypeError):
        # What was found may hold the secret.
        raise AccessRefused("the configuration file of sentinelhub-py cannot be read; write it again") from None


def _keyring(client_id: str | None) -> Credentials | None:
    try:
        import keyring
    except ImportError:
        return None
    try:
        stored = keyring.get_credential(KEYRING_SERVICE, client_id)
    # A keyring that is locked, or a machine without one, is no keyring.
    except Exception:
        return None
    if stored is None or not stored.username or not stored.password:
        return None
    return Credentials(stored.username, stored.password, f"the system keyring ({KEYRING_SERVICE})")
