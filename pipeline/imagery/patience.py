"""How patiently the network is waited for: between two attempts, and for a body that drips."""

from __future__ import annotations

import math
import random
import re
import threading
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic
from time import sleep as _sleep
from typing import Any

from pipeline.errors import SceneRejected

CONNECT_S = 10.0
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
# A body that comes more slowly for longer than the timeout is as good as none, however steadily it drips.
SLOWEST_BYTES_S = 1024
_CHUNK = 1 << 16
_HERE = threading.local()


class TooLong(ValueError):
    """A body holds more than was asked for, or than anyone would ask for."""


def end_with(stopped: threading.Event) -> None:
    """Let all waits of this thread end when the event is set: they would keep a stopped process alive for minutes."""
    _HERE.stopped = stopped


def sleep(seconds: float) -> None:
    """Wait; raises SceneRejected if the run that this thread works for has stopped."""
    stopped: threading.Event | None = getattr(_HERE, "stopped", None)
    if stopped is None:
        _sleep(seconds)
    elif stopped.wait(seconds):
        raise SceneRejected("was not asked for again, since the run has stopped")


def wait_s(attempt: int, longest_s: float, asked_s: float | None = None) -> float:
    """Seconds to wait after an attempt, counted from 0: doubling, never less than a server asks for.

    They are spread, so that threads do not knock together.
    """
    wait = 2.0**attempt * random.uniform(0.5, 0.75)  # noqa: S311 (no secret hangs on it)
    return min(max(wait, asked_s or 0.0), longest_s)


def retry_after_s(told: str | None) -> float | None:
    """Seconds that a Retry-After header asks for, whether it holds seconds or a date."""
    if told is None:
        return None
    if re.fullmatch(r"\d{1,9}", told.strip()):
        return float(told)
    try:
        return max((parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None


def read_into(
    body: bytearray, raw: Any, timeout_s: float, most_bytes: int, since: float, longest_s: float = math.inf
) -> None:
    """Read an answer of urllib3 to its end, onto `body`, which keeps what came if it breaks.

    `since` is when it was asked for, on the monotonic clock. Raises TimeoutError if it comes too slowly or takes longer
    than `longest_s`, TooLong beyond `most_bytes`, and what urllib3 raises.
    """
    # What waits for a whole chunk would wait for ever where a body drips.
    while chunk := raw.read1(_CHUNK, decode_content=True):
        body += chunk
        if len(body) > most_bytes:
            raise TooLong(f"an answer of more than {most_bytes / 1e6:.0f} MB")
        elapsed = monotonic() - since
        if elapsed > longest_s or (elapsed > timeout_s and len(body) < SLOWEST_BYTES_S * elapsed):
            raise TimeoutError(f"an answer that did not end: {len(body)} bytes in {elapsed:.0f} s")
