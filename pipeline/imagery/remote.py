"""Files on the internet, read by byte ranges: each request tried again within limits, and counted.

GDAL's own reader does not heed Retry-After, does not try a broken body again, does not give up on a slow one, and asks
up to twice as often as it was told: docs/decisions/2026-11-26-ranges-by-hand.md has what was measured.
"""

from __future__ import annotations

import io
import random
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from urllib3 import BaseHTTPResponse, PoolManager, ProxyManager, Timeout
from urllib3.exceptions import HTTPError, IncompleteRead, ReadTimeoutError

from pipeline.config import Fetch
from pipeline.errors import AccessRefused, SceneRejected
from pipeline.imagery.access import OPEN, Access
from pipeline.imagery.scene import RequestCost
from pipeline.imagery.waiting import sleep

_CONNECT_S = 10.0
_BACKOFF_S = 0.5
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_REFUSED = frozenset({401, 403})
_MOVED = frozenset({301, 302, 303, 307, 308})
_MOST_MOVES = 3
# A body that comes more slowly is as good as none, however steadily it drips.
_SLOWEST_BYTES_S = 1000
_CHUNK = 1 << 16
# Of a tiled file of 10 980 pixels a side with its overviews, the header takes less.
HEADER_BYTES = 1 << 15
_READ_AHEAD = 1 << 16
_NEAR = 1 << 16  # ranges closer than this are one request: the gap costs less than another round trip
_MOST_BYTES = 1 << 28
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
                    sleep(self._wait_s(attempt, error.wait_s))
        times = "once" if self.fetch.attempts == 1 else f"{self.fetch.attempts} times"
        raise SceneRejected(f"{plain_address(href)} cannot be read (asked {times}, at last: {last}); run again later")

    def _wait_s(self, attempt: int, told: float | None) -> float:
        """Back-off that doubles, spread so that threads do not knock together; never less than the server asks for."""
        wait = _BACKOFF_S * 2.0**attempt * random.uniform(0.5, 1.5)  # noqa: S311 (no secret hangs on it)
        return min(max(wait, told or 0.0), self.fetch.longest_wait_s)

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
                timeout=Timeout(connect=_CONNECT_S, read=self.fetch.timeout_s),
            )
            if answer.status in _MOVED and answer.headers.get("Location"):
                return (b"", 0), urljoin(url, answer.headers["Location"])
            wanted, length = _checked(answer, url, start, end)
            latest = begun + self.fetch.timeout_s + wanted / _SLOWEST_BYTES_S
            while len(body) < wanted:
                chunk = answer.read1(_CHUNK)
                if not chunk:
                    raise _Again(f"the body broke off after {len(body)} of {wanted} bytes")
                body += chunk
                if monotonic() > latest and len(body) < wanted:
                    raise _Again(f"{len(body)} of {wanted} bytes in {monotonic() - begun:.0f} s")
            if len(body) > wanted:
                raise _Again(f"{len(body)} bytes were sent where {wanted} were asked for")
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


class RemoteFile:
    """A file at an address: its header is read at once, the rest where it is looked at. Not for several threads."""

    def __init__(self, client: RangeClient, href: str) -> None:
        self.client = client
        self.href = href
        header, self.length = client.get(href, 0, HEADER_BYTES)
        self._segments = [(0, header)]
        self.error: SceneRejected | AccessRefused | None = None

    def prefetch(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Read some ranges (offset, size) in as few requests as serve; raises as RangeClient.get."""
        merged: list[list[int]] = []
        for start, size in sorted(ranges):
            if start < 0 or size <= 0 or start + size > self.length:
                raise SceneRejected(f"{plain_address(self.href)} points beyond its own end; fetch the file again")
            if merged and start <= merged[-1][1] + _NEAR:
                merged[-1][1] = max(merged[-1][1], start + size)
            else:
                merged.append([start, start + size])
        if sum(end - start for start, end in merged) > _MOST_BYTES:
            raise SceneRejected(f"{plain_address(self.href)} needs more than {_MOST_BYTES >> 20} MB for one window")
        for start, end in merged:
            if self._held(start, end - start) is None:
                self._segments.append((start, self._get(start, end)))

    def bytes_at(self, start: int, size: int) -> bytes:
        """Some bytes, fewer at the end of the file; raises as RangeClient.get."""
        size = min(size, self.length - start)
        if size <= 0:
            return b""
        held = self._held(start, size)
        if held is None:
            end = min(max(start + size, start + _READ_AHEAD), self.length)
            self._segments.append((start, self._get(start, end)))
            held = self._segments[-1][1][:size]
        return held

    def _get(self, start: int, end: int) -> bytes:
        body, length = self.client.get(self.href, start, end)
        if length != self.length:
            raise SceneRejected(f"{plain_address(self.href)} changed while it was read; run again")
        return body

    def _held(self, start: int, size: int) -> bytes | None:
        for begin, data in reversed(self._segments):
            if begin <= start and start + size <= begin + len(data):
                return data[start - begin : start - begin + size]
        return None

    def cursor(self) -> io.BufferedIOBase:
        """The file as GDAL opens it, perhaps several times."""
        return _Cursor(self)


class _Cursor(io.BufferedIOBase):
    """Reads of a RemoteFile. GDAL only learns that a read failed; what was wrong stays in `RemoteFile.error`."""

    def __init__(self, file: RemoteFile) -> None:
        self.file = file
        self.place = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.place = offset + (0, self.place, self.file.length)[whence]
        return self.place

    def tell(self) -> int:
        return self.place

    def read(self, size: int | None = -1) -> bytes:
        wanted = self.file.length - self.place if size is None or size < 0 else size
        try:
            data = self.file.bytes_at(self.place, wanted)
        except (SceneRejected, AccessRefused) as error:
            self.file.error = error
            return b""
        self.place += len(data)
        return data


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
    if status in _AGAIN:
        raise _Again(f"HTTP {status}", _retry_after(answer.headers.get("Retry-After")))
    if status == 200:
        raise SceneRejected(f"{plain_address(url)}: the server does not answer requests for a part of a file")
    if status != 206:
        raise SceneRejected(f"{plain_address(url)} cannot be read (HTTP {status}); check that the file is there")
    told = re.fullmatch(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})", answer.headers.get("Content-Range", ""))
    if told is None or int(told[1]) != start or int(told[2]) + 1 != min(end, int(told[3])):
        raise _Again("another part of the file came than was asked for")
    return int(told[2]) + 1 - start, int(told[3])


def _retry_after(told: str | None) -> float | None:
    """Seconds that a Retry-After header asks for, whether it holds seconds or a date."""
    if told is None:
        return None
    if re.fullmatch(r"\d{1,9}", told.strip()):
        return float(told)
    try:
        return max((parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None


def _network(error: Exception) -> str:
    """What went wrong with a connection, in a few words and without the address, which may hold a signature."""
    causes = [error, *(arg for arg in error.args if isinstance(arg, Exception))]
    if any(isinstance(cause, IncompleteRead) for cause in causes):
        return "the body broke off"
    if any(isinstance(cause, ReadTimeoutError) for cause in causes):
        return "no answer in time"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(causes[-1]).__name__).lower()
