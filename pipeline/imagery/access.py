"""How the address of a file that an item names becomes one that may be opened: signatures and keys.

Neither stands in a config, a key, a manifest or a message: scenes carry unsigned addresses, signatures are fetched when
a file is read and forgotten with the process, keys come from the environment.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import ClassVar
from urllib.parse import quote, urlsplit

from pipeline.config import Fetch
from pipeline.errors import AccessRefused, HrefRefused, SceneRejected
from pipeline.imagery.http import Http

_AZURE = r"([a-z0-9]{3,24})\.blob\.core\.windows\.net"
# A file that is open when its signature expires cannot be read on.
_MARGIN = timedelta(minutes=5)
_SUBSCRIPTION = "PC_SDK_SUBSCRIPTION_KEY"
_S3_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_QUERY = re.compile(r"\?[^\s'\"]*=[^\s'\"]*")


def now() -> datetime:
    """The time of day in UTC, by which signatures expire."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Signer:
    """Signs files of the Planetary Computer, which hands out a token for each container of its storage accounts.

    `storage` says which hosts hold such files, its first group being the account.
    """

    url: str = "https://planetarycomputer.microsoft.com/api/sas/v1/token"
    storage: str = _AZURE
    fetch: Fetch = field(default_factory=Fetch)

    # One for all signers of a process: copies of a source travel with every task.
    _tokens: ClassVar[dict[tuple[str, str], tuple[str, datetime]]] = {}
    _lock: ClassVar[Lock] = Lock()

    def sign(self, href: str) -> str:
        """The address with its signature; as it was where it lies elsewhere. Raises SceneRejected or AccessRefused."""
        container = self._container(href)
        if container is None:
            return href
        with self._lock:
            token, expires = self._tokens.get((self.url, container), ("", now()))
            if expires - _MARGIN <= now():
                token, expires = self._tokens[self.url, container] = self._ask(container)
        return f"{href.partition('?')[0]}?{token}"

    def forget(self, href: str) -> None:
        """Ask for a new token when a file of this container is signed next."""
        with self._lock:
            self._tokens.pop((self.url, self._container(href) or ""), None)

    def _container(self, href: str) -> str | None:
        parts = urlsplit(href)
        host = re.fullmatch(self.storage, parts.hostname or "")
        name = parts.path.lstrip("/").partition("/")[0]
        return f"{quote(host[1])}/{quote(name)}" if host and name and parts.scheme in ("http", "https") else None

    def _ask(self, container: str) -> tuple[str, datetime]:
        key = os.environ.get(_SUBSCRIPTION)
        headers = {"Ocp-Apim-Subscription-Key": key} if key else {}
        try:
            answer = Http(self.fetch, headers).read_json(f"{self.url}/{container}")
            token, expires = answer["token"], datetime.fromisoformat(answer["msft:expiry"])
            if not re.fullmatch(r"[!-~]{1,4000}", token) or expires.tzinfo is None:
                raise ValueError("no token with a time of expiry")
        # What the answer holds may be a token, so no word of it is repeated.
        except Exception as error:
            status = getattr(error, "status_code", None)
            if status in (401, 403):
                raise AccessRefused(
                    f"{self.url} refuses to sign files of {container} (HTTP {status}); check {_SUBSCRIPTION} "
                    "if it is set"
                ) from None
            found = f"HTTP {status}" if status else type(error).__name__
            raise SceneRejected(
                f"{self.url} gives no signature for files of {container} ({found}); run again"
            ) from None
        return token, expires


@dataclass(frozen=True)
class S3:
    """An S3 service other than Amazon's open buckets: its host, and keys from the environment."""

    endpoint: str

    def options(self) -> dict[str, str]:
        """What GDAL must know beside the keys, which it takes from the environment; raises AccessRefused without."""
        missing = [name for name in _S3_KEYS if not os.environ.get(name)]
        if missing:
            raise AccessRefused(
                f"files at {self.endpoint} need S3 keys, and {' and '.join(missing)} not set in the environment; make "
                "keys in your account there (for Copernicus: https://eodata-s3keysmanager.dataspace.copernicus.eu) and "
                f"export {' and '.join(_S3_KEYS)}"
            )
        scheme, _, host = self.endpoint.rpartition("://")
        return {
            "AWS_NO_SIGN_REQUEST": "NO",
            "AWS_S3_ENDPOINT": host,
            "AWS_HTTPS": "NO" if scheme == "http" else "YES",
            "AWS_VIRTUAL_HOSTING": "FALSE",
        }


@dataclass(frozen=True)
class Access:
    """How a source opens its files; without signer and endpoint they are open to all."""

    signer: Signer | None = None
    s3: S3 | None = None

    def opening(self, href: str) -> tuple[str, Mapping[str, str]]:
        """What to open for an address, and with which GDAL options; raises SceneRejected or AccessRefused."""
        if self.s3 and href.startswith("s3://"):
            return href, self.s3.options()
        return (self.signer.sign(href) if self.signer else href), {}

    def renewed(self, error: HrefRefused) -> bool:
        """Whether to try again after a refusal, with a new signature."""
        if self.signer:
            self.signer.forget(error.href)
        return self.signer is not None


OPEN = Access()


def unsigned(text: str) -> str:
    """A text without the query of any address in it: signatures stand there."""
    return _QUERY.sub("", text)


class _NoSignatures(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """Keep every record, and take the signatures out of what it says."""
        record.msg, record.args = unsigned(record.getMessage()), None
        return True


# GDAL names the addresses that it asks for in its errors, which rasterio logs.
for _name in ("rasterio._env", "rasterio._err", "rasterio._io", "rasterio._base"):
    logging.getLogger(_name).addFilter(_NoSignatures())
