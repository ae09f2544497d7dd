"""Asks a Sentinel Hub server: sentinelhub-py words the requests, this sends them, and nothing is asked for ever.

The library's own client repeats a throttled request without end and counts attempts of two kinds; here every request,
for a token too, is sent `fetch.attempts` times at the most and waits `fetch.longest_wait_s` at the longest between two.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar

import requests
from requests.auth import AuthBase
from sentinelhub.config import SHConfig
from sentinelhub.constants import SHConstants
from sentinelhub.download.models import DownloadRequest, DownloadResponse
from sentinelhub.download.sentinelhub_client import SentinelHubDownloadClient
from urllib3.exceptions import HTTPError

from pipeline import config
from pipeline.errors import AccessRefused, SourceUnavailable
from pipeline.imagery.patience import CONNECT_S, TooLong, read_into, retry_after_s, sleep, wait_s
from pipeline.imagery.sentinelhub_access import addresses, find_credentials

T = TypeVar("T")

_MOST_JSON = 1 << 26
_TOKEN_LEFT_S = 60.0
_QUOTA = re.compile(r"insufficient[ _](processing|request)|quota", re.IGNORECASE)
_PASSING = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    HTTPError,
    ConnectionError,
    TimeoutError,
)


class Unusable(Exception):
    """An answer that came whole by the rules of HTTP and is not what was asked for; asked for again."""


@dataclass(frozen=True)
class Answer:
    """Status, headers and body of an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HubClient(SentinelHubDownloadClient):
    """One account at one server, for all threads of a process; the token is fetched once and renewed when it is due."""

    def __init__(self, settings: config.SentinelHubSource, fetch: config.Fetch) -> None:
        base, token = addresses(settings)
        super().__init__(config=SHConfig(use_defaults=True, sh_base_url=base, sh_token_url=token))
        self.fetch = fetch
        self.credentials = find_credentials(settings)
        self._token: tuple[str, float] | None = None
        self._token_lock = threading.Lock()
        self._resume_at = 0.0

    def ask(
        self,
        request: DownloadRequest,
        check: Callable[[bytes], T],
        most_bytes: int,
        on_sent: Callable[[int], None] = lambda _: None,
    ) -> T:
        """What `check` makes of the answer; it raises Unusable for one that must be asked for again.

        `on_sent` is told of each request, answered or not, with the bytes that came.
        Raises AccessRefused if the account is, and SourceUnavailable if nothing usable came.
        """
        token, renewed = "", False

        def send() -> Answer:
            nonlocal token
            token = self._bearer()
            headers = {**SHConstants.HEADERS, **request.headers}
            method, url = request.request_type.value, str(request.url)
            came = 0
            try:
                answer = self._send(method, url, _Bearer(token), most_bytes, json=request.post_values, headers=headers)
                came = len(answer.body)
                return answer
            finally:
                on_sent(came)

        def unauthorised(said: str) -> str:
            nonlocal renewed
            if renewed:
                raise AccessRefused(
                    f"{self._server} refuses a token that was just given ({said}); check that base_url and token_url "
                    f"are of one deployment, and the OAuth client of {self.credentials.origin}"
                )
            renewed = True
            self._forget(token)
            return "its token had expired"

        return self._repeated(send, check, unauthorised)

    def _execute_download(self, request: DownloadRequest) -> DownloadResponse:
        """What sentinelhub-py's Catalog calls."""
        return DownloadResponse(request, self.ask(request, _json, _MOST_JSON), status_code=200)

    @property
    def _server(self) -> str:
        return f"Sentinel Hub ({self.config.sh_base_url})"

    def _bearer(self) -> str:
        """The token; a new one if there is none or it is about to expire."""
        with self._token_lock:
            if self._token is None or monotonic() >= self._token[1]:
                self._token = self._new_token()
            return self._token[0]

    def _forget(self, token: str) -> None:
        """Drop a token that was refused, unless another thread has renewed it."""
        with self._token_lock:
            if self._token is not None and self._token[0] == token:
                self._token = None

    def _new_token(self) -> tuple[str, float]:
        account = self.credentials
        form = {
            "grant_type": "client_credentials",
            "client_id": account.client_id,
            "client_secret": account.client_secret,
        }

        def send() -> Answer:
            return self._send("POST", self.config.sh_token_url, _Bearer(None), _MOST_JSON, data=form)

        def unauthorised(said: str) -> str:
            raise AccessRefused(
                f"{self.config.sh_token_url} does not know the account of {account.origin} ({said}); check the id and "
                "the secret, and that the OAuth client is of this deployment and has not expired"
            )

        return self._repeated(send, _token, unauthorised, token=True)

    def _repeated(
        self,
        send: Callable[[], Answer],
        check: Callable[[bytes], T],
        unauthorised: Callable[[str], str],
        *,
        token: bool = False,
    ) -> T:
        reason = ""
        wait = 0.0
        for attempt in range(self.fetch.attempts):
            self._hold(wait)
            wait = wait_s(attempt, self.fetch.longest_wait_s)
            try:
                answer = send()
                if answer.status // 100 == 2:
                    return check(answer.body)
            except Unusable as error:
                reason = str(error)
                continue
            except _PASSING as error:
                # Texts of these errors show addresses of proxies and more; the kind tells enough.
                reason = f"the connection failed: {type(error).__name__}"
                continue
            except requests.RequestException as error:
                raise SourceUnavailable(
                    f"{self._server} cannot be asked ({type(error).__name__}); check source.base_url and token_url"
                ) from None
            said = self._said(answer.body)
            if answer.status == 401 or (token and answer.status in (400, 403)):
                reason, wait = unauthorised(said), 0.0
            elif answer.status == 403 or (answer.status == 429 and _QUOTA.search(said)):
                raise AccessRefused(self._refusal(said))
            elif answer.status in (408, 429) or answer.status >= 500:
                reason = f"HTTP {answer.status} {said}".strip()
                wait = max(wait, _asked_wait_s(answer))
                if answer.status == 429:
                    # Whoever shares the account is throttled as well.
                    self._resume_at = max(self._resume_at, monotonic() + min(wait, self.fetch.longest_wait_s))
            else:
                raise SourceUnavailable(f"{self._server} refuses the request: HTTP {answer.status} {said}".strip())
        tries = "once" if self.fetch.attempts == 1 else f"{self.fetch.attempts} times"
        raise SourceUnavailable(f"{self._server} was asked {tries} and gave no usable answer; the last: {reason}")

    def _hold(self, wait: float) -> None:
        """Wait for what one request or the whole account must, never longer than is allowed."""
        pause = min(max(wait, self._resume_at - monotonic()), self.fetch.longest_wait_s)
        if pause > 0:
            sleep(pause)

    def _send(self, method: str, url: str, auth: AuthBase, most_bytes: int, **content: Any) -> Answer:
        timeout = min(CONNECT_S, self.fetch.timeout_s), self.fetch.timeout_s
        # A redirect would carry the secret to wherever it leads.
        with requests.request(
            method, url, auth=auth, timeout=timeout, stream=True, allow_redirects=False, **content
        ) as answer:
            return Answer(answer.status_code, answer.headers, self._body(answer, most_bytes))

    def _body(self, answer: requests.Response, most_bytes: int) -> bytes:
        body = bytearray()
        try:
            read_into(body, answer.raw, self.fetch.timeout_s, most_bytes, monotonic())
        except TooLong:
            raise Unusable(f"an answer of more than {most_bytes} bytes") from None
        except TimeoutError:
            raise requests.ReadTimeout from None
        return bytes(body)

    def _refusal(self, said: str) -> str:
        if _QUOTA.search(said):
            return (
                f"the processing units or requests of the account of {self.credentials.origin} at {self._server} are "
                f"used up ({said}); buy more or wait until they are renewed, as a rule on the first of the month, then "
                "run again: what is stored is kept"
            )
        return (
            f"{self._server} forbids this to the account of {self.credentials.origin} ({said}); ask for access to the "
            "collection, or use another account"
        )

    def _said(self, body: bytes) -> str:
        """What a server says of an error, fit for a manifest."""
        try:
            told: Any = json.loads(body[:10_000])
        except (ValueError, RecursionError):
            told = ""
        if isinstance(told, dict) and isinstance(told.get("error"), dict):
            told = told["error"]
        if isinstance(told, dict):
            told = " ".join(
                str(told[key]) for key in ("code", "error", "message", "error_description") if told.get(key)
            )
        text = "".join(c if c.isprintable() else " " for c in str(told))
        token = self._token[0] if self._token else None
        return self.credentials.hidden_in(text.replace(token, "***") if token else text)[:300].strip()


class _Bearer(AuthBase):
    """Sets the token, and keeps requests from looking for a password in ~/.netrc."""

    def __init__(self, token: str | None) -> None:
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.token is not None:
            request.headers["Authorization"] = f"Bearer {self.token}"
        return request


def _json(body: bytes) -> bytes:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        raise Unusable("an answer that is not JSON") from None
    return body


def _token(body: bytes) -> tuple[str, float]:
    """A token and when it is due, on the monotonic clock."""
    try:
        told = json.loads(body)
        value, seconds = told["access_token"], float(told.get("expires_in", 600))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Unusable("an answer without a token") from None
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]{1,20000}", value):
        raise Unusable("an answer without a token")
    return value, monotonic() + seconds - min(_TOKEN_LEFT_S, seconds / 2)


def _asked_wait_s(answer: Answer) -> float:
    """Seconds that a server asks to wait: Sentinel Hub tells milliseconds with 429; HTTP means seconds otherwise."""
    told = answer.headers.get("Retry-After")
    asked = retry_after_s(told) or 0.0
    return asked / 1000 if answer.status == 429 and str(told).strip().isdigit() else asked


_CLIENTS: dict[tuple[config.SentinelHubSource, config.Fetch], HubClient] = {}
_CLIENTS_LOCK = threading.Lock()


def client_of(settings: config.SentinelHubSource, fetch: config.Fetch) -> HubClient:
    """The client of this process: tasks that arrive one by one share one token. Raises AccessRefused."""
    with _CLIENTS_LOCK:
        if (settings, fetch) not in _CLIENTS:
            _CLIENTS[settings, fetch] = HubClient(settings, fetch)
        return _CLIENTS[settings, fetch]
