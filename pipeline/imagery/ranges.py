"""Byte ranges of files on the internet: each request tried again within limits, and counted.

GDAL's own reader does not heed Retry-After, does not try a broken body again, does not give up on a slow one, and asks
up to twice as often as it was told: docs/decisions/2026-11-26-ranges-by-hand.md has what was measured.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from time import monotonic
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from urllib3 import BaseHTTPResponse, PoolManager, ProxyManager, Timeout
from urllib3.exceptions import HTTPError, IncompleteRead, ReadTimeoutError

from pipeline.config import Fetch
from pipeline.errors import AccessRefused, SceneRejected
from pipeline.imagery.access import OPEN, Access
from pipeline.imagery.patience import AGAIN, CONNECT_S, TooLong, read_into, retry_after_s, sleep, wait_s
from pipeline.imagery.scene import RequestCost

_REFUSED = frozenset({401, 403})
_MOVED = frozenset({301, 302, 303, 307, 308})
_MOST_MOVES = 3
_KEPT_BYTES = 1 << 26


class _Again(Exception):
    """An attempt failed in a way that may pass; `wait_s` is what the server asks for."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class RangeClient:
    """Asks for byte ranges as `fetch` says, from any number of threads, and remembers the run's answers.

    What failed `fetch.attempts` times stays failed for as long as the client lives; what came is kept, and asked for
    again only when too much has come since. A pickled client begins anew.
    """

    def __init__(self, fetch: Fetch, access: Access = OPEN) -> None:
        self.fetch = fetch
        self.access = access
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._spent = RequestCost()
        self._pools: dict[str, PoolManager] = {}
        # Each tile of a scene reads its header again, and blocks seldom.
        self._headers, self._blocks = _Kept(), _Kept()
        self._asking: dict[tuple[str, int, int], threading.Lock] = {}
        self._failed: dict[tuple[str, int, int], str] = {}

    def __getstate__(self) -> tuple[Fetch, Access]:
        return self.fetch, self.access

    def __setstate__(self, state: tuple[Fetch, Access]) -> None:
        self.fetch, self.access = state
        self._begin()

    @property
    def spent(self) -> RequestCost:
        """Requests made and bytes received so far."""
        return self._spent

    def get(self, href: str, start: int, end: int) -> tuple[bytes, int]:
        """Bytes `start` to `end` (not included) of a file, fewer at its end; and how long the file is.

        Raises SceneRejected with the last reason if they cannot be had, AccessRefused if the account may not.
        """
        asked = href, start, end
        kept = self._blocks if start else self._headers
        with self._lock:
            asking = self._asking.setdefault(asked, threading.Lock())
        with asking:
            with self._lock:
                if asked in self._failed:
                    raise SceneRejected(self._failed[asked])
                if (known := kept.get(asked)) is not None:
                    return known
            try:
                answer = self._ask(href, start, end)
            except SceneRejected as error:
                with self._lock:
                    self._failed[asked] = str(error)
                raise
            with self._lock:
                for forgotten in kept.put(asked, answer):
                    self._asking.pop(forgotten, None)
            return answer

    def _ask(self, href: str, start: int, end: int) -> tuple[bytes, int]:
        last, renewed = "", False
        for attempt in range(self.fetch.attempts):
            try:
                try:
                    return self._follow(href, start, end)
                except AccessRefused:
                    if renewed or not self.access.renew(href):
                        raise
                    renewed = True
                    return self._follow(href, start, end)
            except _Again as error:
                last = str(error)
                if attempt + 1 < self.fetch.attempts:
                    sleep(wait_s(attempt, self.fetch.longest_wait_s, error.wait_s))
        times = "once" if self.fetch.attempts == 1 else f"{self.fetch.attempts} times"
        raise SceneRejected(f"{plain_address(href)} cannot be read (asked {times}, at last: {last}); run again later")

    def _follow(self, href: str, start: int, end: int) -> tuple[bytes, int]:
        where, headers = self.access.request(href)
        where = _over_http(where)
        for _ in range(_MOST_MOVES + 1):
            answer, moved = self._once(where, start, end, headers)
            if moved is None:
                return answer
            parts = urlsplit(moved)
            if parts.scheme not in ("http", "https") or (where.startswith("https:") and parts.scheme != "https"):
                raise SceneRejected(f"{plain_address(href)} is moved to an address that is not followed")
            where, headers = moved, {}  # what is signed for one host is none of another's business
        raise SceneRejected(f"{plain_address(href)} is moved on and on; check the address")

    def _once(self, url: str, start: int, end: int, headers: Mapping[str, str]) -> tuple[tuple[bytes, int], str | None]:
        """One request: bytes and length, or where the file has moved to."""
        begun = monotonic()
        body = bytearray()
        answer = None
        try:
            answer = self._pool(url).request(
                "GET",
                url,
                headers={"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity", **headers},
                preload_content=False,
                redirect=False,
                retries=False,
                timeout=Timeout(connect=CONNECT_S, read=self.fetch.timeout_s),
            )
            if answer.status in _MOVED and answer.headers.get("Location"):
                return (b"", 0), urljoin(url, answer.headers["Location"])
            wanted, length = _checked(answer, url, start, end)
            try:
                read_into(body, answer, self.fetch.timeout_s, wanted, begun)
            except TooLong:
                raise _Again(f"{len(body)} bytes were sent where {wanted} were asked for") from None
            except TimeoutError:
                raise _Again(f"{len(body)} of {wanted} bytes in {monotonic() - begun:.0f} s") from None
            if len(body) < wanted:
                raise _Again(f"the body broke off after {len(body)} of {wanted} bytes")
            return (bytes(body), length), None
        except (HTTPError, OSError, ValueError) as error:
            raise _Again(_network(error)) from error
        finally:
            if answer is not None:
                if answer.length_remaining != 0:
                    answer.close()  # what is left of a body must not meet the next answer
                answer.release_conn()
            with self._lock:
                self._spent += RequestCost(requests=1, bytes=len(body))

    def _pool(self, url: str) -> PoolManager:
        parts = urlsplit(url)
        proxy = "" if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme, "")
        with self._lock:
            if proxy not in self._pools:
                many, name = self.fetch.in_flight, {"User-Agent": "placerwatch"}
                self._pools[proxy] = (
                    ProxyManager(proxy, maxsize=many, headers=name)
                    if proxy
                    else PoolManager(maxsize=many, headers=name)
                )
            return self._pools[proxy]


class _Kept:
    """The last answers, up to so many bytes."""

    def __init__(self) -> None:
        self._answers: OrderedDict[tuple[str, int, int], tuple[bytes, int]] = OrderedDict()
        self._bytes = 0

    def get(self, asked: tuple[str, int, int]) -> tuple[bytes, int] | None:
        if asked in self._answers:
            self._answers.move_to_end(asked)
        return self._answers.get(asked)

    def put(self, asked: tuple[str, int, int], answer: tuple[bytes, int]) -> list[tuple[str, int, int]]:
        """Keep an answer; those that had to go for it."""
        self._answers[asked] = answer
        self._bytes += len(answer[0])
        gone = []
        while self._bytes > _KEPT_BYTES and len(self._answers) > 1:
            oldest, (body, _) = self._answers.popitem(last=False)
            self._bytes -= len(body)
            gone.append(oldest)
        return gone


def plain_address(href: str) -> str:
    """An address as it may be told: without a name, password or signature that it carries."""
    parts = urlsplit(href)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _over_http(href: str) -> str:
    """An s3 address as the one at which public buckets answer anyone."""
    parts = urlsplit(href)
    if parts.scheme != "s3":
        return href
    if "." in parts.netloc:  # which the certificate of bucket names does not cover
        return f"https://s3.amazonaws.com/{parts.netloc}{parts.path}"
    return f"https://{parts.netloc}.s3.amazonaws.com{parts.path}"


def _checked(answer: BaseHTTPResponse, url: str, start: int, end: int) -> tuple[int, int]:
    """How many bytes come, and of how long a file; raises unless they are the range that was asked for."""
    status = answer.status
    if status in _REFUSED:
        raise AccessRefused(
            f"{plain_address(url)} refuses access (HTTP {status}); check the credentials of the source and what the "
            "account may still ask for, then run again: what was read is kept"
        )
    if status in AGAIN:
        raise _Again(f"HTTP {status}", retry_after_s(answer.headers.get("Retry-After")))
    if status == 200:
        raise SceneRejected(f"{plain_address(url)}: the server does not answer requests for a part of a file")
    if status != 206:
        raise SceneRejected(f"{plain_address(url)} cannot be read (HTTP {status}); check that the file is there")
    told = re.fullmatch(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})", answer.headers.get("Content-Range", ""))
    if told is None or int(told[1]) != start or int(told[2]) + 1 != min(end, int(told[3])):
        raise _Again("another part of the file came than was asked for")
    return int(told[2]) + 1 - start, int(told[3])


def _network(error: Exception) -> str:
    """What went wrong with a connection, in a few words and without the address, which may hold a signature."""
    causes = [error, *(arg for arg in error.args if isinstance(arg, Exception))]
    if any(isinstance(cause, IncompleteRead) for cause in causes):
        return "the body broke off"
    if any(isinstance(cause, ReadTimeoutError) for cause in causes):
        return "no answer in time"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(causes[-1]).__name__).lower()
