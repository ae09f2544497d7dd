"""Downloads: HTTPS only, limited in size and time, hashed, and never left half written."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from pipeline.errors import BadInput, SourceUnavailable

MAX_BYTES = 512 * 2**20
TIMEOUT_S = 60.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LFS_POINTER = b"version https://git-lfs"


def fetch(url: str, target: Path, *, expected_sha256: str | None = None, max_bytes: int = MAX_BYTES) -> str:
    """Write what a URL answers to a file; its SHA-256.

    Raises BadInput for a URL that is neither HTTPS nor on this machine, SourceUnavailable if there is no good
    answer, it is too large, or its hash is not the expected one; the file is then removed.
    """
    _check(url)
    opener = urllib.request.build_opener(_CheckedRedirect)
    request = urllib.request.Request(url, headers={"User-Agent": "placerwatch"})  # noqa: S310 (checked above)
    digest = hashlib.sha256()
    size = 0
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer, target.open("wb") as file:
            while block := answer.read(2**20):
                size += len(block)
                if size > max_bytes:
                    raise SourceUnavailable(f"{url}: answers more than {max_bytes / 2**20:.0f} MiB; nothing was kept")
                digest.update(block)
                file.write(block)
            promised = answer.headers.get("Content-Length")
        if promised is not None and promised.isdigit() and int(promised) != size:
            raise SourceUnavailable(f"{url}: broke off after {size} of {promised} bytes; try again")
        _check_content(url, target, digest.hexdigest(), expected_sha256)
    except urllib.error.HTTPError as error:
        target.unlink(missing_ok=True)
        raise SourceUnavailable(
            f"{url}: answered {error.code} {error.reason}; check the name and the country"
        ) from error
    except (OSError, HTTPException) as error:
        target.unlink(missing_ok=True)
        reason = getattr(error, "reason", error)
        raise SourceUnavailable(
            f"{url}: cannot be reached ({reason}); check the network or give another --base-url"
        ) from error
    except SourceUnavailable:
        target.unlink(missing_ok=True)
        raise
    return digest.hexdigest()


def _check_content(url: str, target: Path, found: str, expected: str | None) -> None:
    if expected is not None and found != expected.lower():
        raise SourceUnavailable(f"{url}: SHA-256 is {found}, expected {expected}; the source has changed its data")
    with target.open("rb") as file:
        if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
            raise SourceUnavailable(
                f"{url}: answers a Git LFS pointer, not the data; give the address of the file itself"
            )


def _check(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise BadInput(f"{url}: boundaries are only fetched over https")


class _CheckedRedirect(urllib.request.HTTPRedirectHandler):
    """Follows redirects under the same rule as the first request."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        _check(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
