"""Simulated archives, made with progress shown."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from pipeline.runs.progress import Reporter
from pipeline.simulation import write_archive


def simulate(scenario: str, root: Path, reporter: Reporter) -> Path:
    """Write a scenario's archive, or leave it alone if it is there and whole; raises BadInput or StoreError."""
    with ExitStack() as stack:
        advance: Callable[[], None] | None = None

        def on_progress(_: int, total: int) -> None:
            # How many looks there are is known when the first is done.
            nonlocal advance
            if advance is None:
                advance = stack.enter_context(reporter.step("simulated looks", total))
            advance()

        return write_archive(scenario, root, on_progress)
