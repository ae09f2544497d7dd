"""Requests for JSON over HTTP, with retries, timeouts and a limit to what is taken in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pystac_client.stac_api_io import StacApiIO
from urllib3 import Retry

from pipeline.config import Fetch

_CONNECT_S = 10.0
_MOST_BYTES = 100_000_000


class Http(StacApiIO):
    """Asks as often and as long as a config says; reads nothing but http(s), and no answer without an end."""

    def __init__(self, fetch: Fetch, headers: Mapping[str, str] | None = None) -> None:
        retries = Retry(
            total=fetch.attempts - 1,
            backoff_factor=0.5,
            backoff_max=fetch.longest_wait_s,
            backoff_jitter=0.5,
            retry_after_max=int(fetch.longest_wait_s),
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=None,
        )
        super().__init__(timeout=(_CONNECT_S, fetch.timeout_s), max_retries=retries, headers=dict(headers or {}))
        for scheme in ("http://", "https://"):
            _limit(self.session.get_adapter(scheme))

    def read_text(self, source: Any, *args: Any, **kwargs: Any) -> str:
        """The text at an address; links of a server may name files of this machine, which are not read."""
        href = str(getattr(source, "href", source))
        if not href.lower().startswith(("http://", "https://")):
            raise ValueError(f"{href[:120]!r} is no http(s) address")
        return str(super().read_text(source, *args, **kwargs))


def _limit(adapter: Any) -> None:
    """Take no more of any answer than a limit, whatever its headers say or it unpacks to."""
    send = adapter.send

    def limited(request: Any, **kwargs: Any) -> Any:
        response = send(request, **{**kwargs, "stream": True})
        content = response.raw.read(_MOST_BYTES + 1, decode_content=True)
        if len(content) > _MOST_BYTES:
            response.close()
            raise ValueError(f"an answer of more than {_MOST_BYTES / 1e6:.0f} MB")
        response._content = content
        return response

    adapter.send = limited
