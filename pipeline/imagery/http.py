"""Requests for JSON over HTTP, with retries, timeouts and a limit to what is taken in."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from time import monotonic
from typing import Any

from pystac_client.stac_api_io import StacApiIO
from urllib3 import Retry
from urllib3.exceptions import HTTPError

from pipeline.config import Fetch
from pipeline.imagery.patience import AGAIN, CONNECT_S, read_into, sleep, wait_s

_BACKOFF_S = 0.5
_MOST_BYTES = 100_000_000
# A whole answer may take so many times as long as its first byte.
_PATIENCE = 5
_SECRETS = re.compile(r"\?[^\s'\"]*|Headers: \{.*?\}", re.DOTALL)


class Http(StacApiIO):
    """Asks as often and as long as a config says; reads nothing but http(s), and no answer without an end."""

    def __init__(self, fetch: Fetch, headers: Mapping[str, str] | None = None) -> None:
        retries = Retry(
            total=fetch.attempts - 1,
            backoff_factor=_BACKOFF_S,
            backoff_max=fetch.longest_wait_s,
            backoff_jitter=0.5,
            retry_after_max=int(fetch.longest_wait_s),
            status_forcelist=AGAIN,
            allowed_methods=None,
        )
        super().__init__(timeout=(CONNECT_S, fetch.timeout_s), max_retries=retries, headers=dict(headers or {}))
        for scheme in ("http://", "https://"):
            _limit(self.session.get_adapter(scheme), fetch)

    def read_text(self, source: Any, *args: Any, **kwargs: Any) -> str:
        """The text at an address; links of a server may name files of this machine, which are not read."""
        href = str(getattr(source, "href", source))
        if not href.lower().startswith(("http://", "https://")):
            raise ValueError(f"{href[:120]!r} is no http(s) address")
        return str(super().read_text(source, *args, **kwargs))


def _limit(adapter: Any, fetch: Fetch) -> None:
    """Have an adapter read each answer whole, ask again where it breaks off, and take no more than a limit of it.

    Answers that break off and those that urllib3 asks for again count together. For one thread at a time.
    """
    send, allowed = adapter.send, adapter.max_retries

    def whole(request: Any, **kwargs: Any) -> Any:
        left, broken = allowed, 0
        while True:
            adapter.max_retries = left
            response = send(request, **{**kwargs, "stream": True})
            try:
                body = bytearray()
                read_into(body, response.raw, fetch.timeout_s, _MOST_BYTES, monotonic(), _PATIENCE * fetch.timeout_s)
                response._content = bytes(body)
            except (HTTPError, OSError):
                left = response.raw.retries
                if not left.total:
                    raise
                left = left.new(total=left.total - 1)
                sleep(wait_s(broken, fetch.longest_wait_s))
                broken += 1
            else:
                return response
            finally:
                response.close()

    adapter.send = whole


class _NoSecrets(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """Keep every record, and take out of what it says headers and queries: keys and signatures stand there."""
        record.msg, record.args = _SECRETS.sub("", record.getMessage()), None
        return True


# They write all that they ask for to the log of someone who looks for faults.
for _name in ("urllib3.connectionpool", "pystac_client.stac_api_io"):
    logging.getLogger(_name).addFilter(_NoSecrets())
