"""Progress: a bar on a terminal, plain lines in a log, nothing where a script reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

Tail = Callable[[], str]


class _TailColumn(ProgressColumn):
    def __init__(self, tail: Tail) -> None:
        super().__init__()
        self.tail = tail

    def render(self, task: Task) -> Text:
        return Text(self.tail())


class Reporter(Protocol):
    """Tells a person how far a run has come."""

    @contextmanager
    def step(self, label: str, total: int, tail: Tail | None = None) -> Iterator[Callable[[], None]]:
        """Open a step of `total` parts; the yielded function is called once for each part done.

        `tail` gives words that follow the count each time it is told.
        """
        ...

    def say(self, text: str) -> None:
        """Tell one line."""
        ...


class Silent:
    """Says nothing: for scripts and tests."""

    @contextmanager
    def step(self, label: str, total: int, tail: Tail | None = None) -> Iterator[Callable[[], None]]:
        """See Reporter."""
        yield lambda: None

    def say(self, text: str) -> None:
        """See Reporter."""


class Bar:
    """A bar per step on a terminal."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def step(self, label: str, total: int, tail: Tail | None = None) -> Iterator[Callable[[], None]]:
        """See Reporter."""
        columns: tuple[ProgressColumn, ...] = (
            TextColumn("{task.description:<28}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            *(() if tail is None else (_TailColumn(tail),)),
        )
        with Progress(*columns, console=self.console) as progress:
            task = progress.add_task(label, total=max(total, 1), completed=0 if total else 1)
            yield lambda: progress.advance(task)

    def say(self, text: str) -> None:
        """See Reporter."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)


class Lines:
    """A line at each quarter of a step: what a log should hold."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def step(self, label: str, total: int, tail: Tail | None = None) -> Iterator[Callable[[], None]]:
        """See Reporter."""
        done = 0

        def advance() -> None:
            nonlocal done
            done += 1
            if done * 4 // total > (done - 1) * 4 // total:
                self.say(f"{label}: {done}/{total}" + (f"; {tail()}" if tail else ""))

        yield advance

    def say(self, text: str) -> None:
        """See Reporter."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)


def open_reporter(console: Console, quiet: bool = False) -> Reporter:
    """The reporter that fits where the words go."""
    if quiet:
        return Silent()
    return Bar(console) if console.is_terminal else Lines(console)
