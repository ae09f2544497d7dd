"""Waits between two attempts, which end with the run: threads that wait would keep its process alive for minutes."""

from __future__ import annotations

import threading
from time import sleep as _sleep

from pipeline.errors import SceneRejected

_HERE = threading.local()


def end_with(stopped: threading.Event) -> None:
    """Let all waits of this thread end when the event is set."""
    _HERE.stopped = stopped


def sleep(seconds: float) -> None:
    """Wait; raises SceneRejected if the run that this thread works for has stopped."""
    stopped: threading.Event | None = getattr(_HERE, "stopped", None)
    if stopped is None:
        _sleep(seconds)
    elif stopped.wait(seconds):
        raise SceneRejected("was not asked for again, since the run has stopped")
