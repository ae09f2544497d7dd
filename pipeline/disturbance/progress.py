"""How learning tells a person how far it has come; `pipeline.runs` has reporters for terminals and logs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Progress(Protocol):
    """Tells a person how far the work has come."""

    def step(self, label: str, total: int) -> AbstractContextManager[Callable[[], None]]:
        """Open a step of `total` parts; the function it gives is called once for each part done."""
        ...

    def say(self, text: str) -> None:
        """Tell one line."""
        ...


class Quiet:
    """Says nothing."""

    def step(self, label: str, total: int) -> AbstractContextManager[Callable[[], None]]:
        """See Progress."""
        return nullcontext(lambda: None)

    def say(self, text: str) -> None:
        """See Progress."""
