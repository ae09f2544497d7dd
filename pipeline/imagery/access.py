"""How the address of a file that an item names becomes a request that is answered: signatures and keys.

Neither stands in a config, a key, a manifest or a message: scenes carry unsigned addresses, signatures are made when a
file is read and forgotten with the process, keys come from the environment.
"""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from threading import Lock
from typing import ClassVar
from urllib.parse import quote, urlsplit

from pipeline.config import Fetch
from pipeline.errors import AccessRefused, SceneRejected
from pipeline.imagery.http import Http

_AZURE = r"([a-z0-9]{3,24})\.blob\.core\.windows\.net"
# A token that ends while a file is read costs a request more.
_MARGIN = timedelta(minutes=5)
_SUBSCRIPTION = "PC_SDK_SUBSCRIPTION_KEY"
_S3_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def now() -> datetime:
    """The time in UTC, by which signatures are made and expire."""
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
        container = self.container(href)
        if container is None:
            return href
        with self._lock:
            token, until = self._tokens.get((self.url, container), ("", now()))
            if until <= now():
                token, until = self._tokens[self.url, container] = self._ask(container)
        return f"{href.partition('?')[0]}?{token}"

    def forget(self, container: str) -> None:
        """Ask for a new token when a file of this container is signed next."""
        with self._lock:
            self._tokens.pop((self.url, container), None)

    def container(self, href: str) -> str | None:
        """Account and container of a file, None if it is not stored there."""
        parts = urlsplit(href)
        host = re.fullmatch(self.storage, parts.hostname or "")
        name = parts.path.lstrip("/").partition("/")[0]
        return f"{quote(host[1])}/{quote(name)}" if host and name and parts.scheme in ("http", "https") else None

    def _ask(self, container: str) -> tuple[str, datetime]:
        """A token, and until when it is used."""
        key = os.environ.get(_SUBSCRIPTION)
        headers = {"Ocp-Apim-Subscription-Key": key} if key else {}
        try:
            answer = Http(self.fetch, headers).read_json(f"{self.url}/{container}")
            token, expires = answer["token"], datetime.fromisoformat(answer["msft:expiry"])
            if not re.fullmatch(r"[!-~]{1,4000}", token) or expires.tzinfo is None:
                raise ValueError("no token with a time at which it ends")
        # What the answer holds may be a token, so no word of it is repeated.
        except Exception as error:
            status = getattr(error, "status_code", None)
            found = f"HTTP {status}" if status else type(error).__name__
            if status in (401, 403):
                raise AccessRefused(
                    f"{self.url} refuses to sign files of {container} ({found}); "
                    f"it may want the key of an account in {_SUBSCRIPTION}"
                ) from None
            raise SceneRejected(
                f"{self.url} gives no signature for files of {container} ({found}); run again"
            ) from None
        lifetime = expires - now()
        return token, expires - min(_MARGIN, lifetime / 2)


@dataclass(frozen=True)
class S3:
    """An S3 service that asks for keys, which stand in the environment; `endpoint` is its host, https if not told."""

    endpoint: str

    def request(self, href: str) -> tuple[str, dict[str, str]]:
        """Address over http(s) of an s3 address, and headers that sign a request for it; raises AccessRefused.

        AWS Signature Version 4, the path in the style of buckets as folders. The range asked for is not signed.
        """
        access, secret = self.keys()
        parts = urlsplit(href)
        scheme, _, host = self.endpoint.rpartition("://")
        path = quote(f"/{parts.netloc}{parts.path}", safe="/-_.~")
        headers = {"host": host, "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-date": f"{now():%Y%m%dT%H%M%SZ}"}
        if session := os.environ.get("AWS_SESSION_TOKEN"):
            headers["x-amz-security-token"] = session
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        headers["Authorization"] = authorization(path, headers, access, secret, region)
        return f"{scheme or 'https'}://{host}{path}", headers

    def keys(self) -> tuple[str, str]:
        """Id and secret from the environment; raises AccessRefused where they are not set."""
        access, secret = (os.environ.get(name, "") for name in _S3_KEYS)
        if not (access and secret):
            raise AccessRefused(
                f"files at {self.endpoint} need S3 keys, and {' or '.join(_S3_KEYS)} is not set in the environment; "
                "make a pair in your account there (for Copernicus: https://eodata-s3keysmanager.dataspace.copernicus.eu"
                "), export both, then run again"
            )
        return access, secret


def authorization(path: str, headers: Mapping[str, str], access: str, secret: str, region: str) -> str:
    """The Authorization header of a GET of an encoded path with lower-case headers (AWS Signature Version 4)."""
    names = sorted(headers)
    signed = ";".join(names)
    told = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
    wanted = f"GET\n{path}\n\n{told}\n{signed}\n{headers['x-amz-content-sha256']}"
    time = headers["x-amz-date"]
    scope = f"{time[:8]}/{region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{time}\n{scope}\n{sha256(wanted.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    return f"AWS4-HMAC-SHA256 Credential={access}/{scope},SignedHeaders={signed},Signature={signature}"


@dataclass(frozen=True)
class Access:
    """How a source asks for its files; without signer and S3 service they are open to all."""

    signer: Signer | None = None
    s3: S3 | None = None

    def request(self, href: str) -> tuple[str, dict[str, str]]:
        """What to ask for, and with which headers; raises SceneRejected or AccessRefused."""
        if self.s3 and href.startswith("s3://"):
            return self.s3.request(href)
        return (self.signer.sign(href) if self.signer else href), {}

    def renew(self, href: str) -> bool:
        """Whether to ask once more after a refusal, with a new signature."""
        container = self.signer.container(href) if self.signer else None
        if self.signer and container:
            self.signer.forget(container)
        return container is not None


OPEN = Access()
