"""Carries tasks out: in this process, on Dask threads, on a local cluster or on a remote scheduler, with one result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from dask.base import compute
from dask.callbacks import Callback
from dask.delayed import delayed
from distributed import Client, Future, LocalCluster, as_completed

from pipeline.errors import AccessRefused, BadInput, PlacerwatchError

T = TypeVar("T")
R = TypeVar("R")
OnDone = Callable[[], None]
Ready = Callable[[int], T]


@dataclass(frozen=True)
class Failure:
    """What stands in a result's place when its task or its worker broke."""

    reason: str


class Executor(Protocol):
    """Maps a function over tasks; results come in the order of the tasks, wherever and whenever each ran."""

    def map(
        self, function: Callable[[T], R], tasks: Sequence[T], on_done: OnDone, ready: Ready[T] | None = None
    ) -> list[R | Failure]:
        """Call `function` on each task and `on_done` after each one; a raised error becomes a Failure.

        `ready`, if given, is asked for each task by its number, in their order, before it starts, and may wait. An
        AccessRefused is raised instead: no further task is started.
        """
        ...


def guarded(function: Callable[[T], R], task: T) -> R | Failure:
    """The result of a call, or a Failure with the reason; running out of memory or being stopped is not caught.

    Raises AccessRefused: what one task may not read, no other may.
    """
    try:
        return function(task)
    except AccessRefused:
        raise
    except PlacerwatchError as error:
        return Failure(str(error))
    except Exception as error:
        # One broken tile must not take the others with it; the manifest names it and the exit code is 3.
        return Failure(f"{type(error).__name__}: {error}")


class Serial:
    """One task after the other in this process."""

    def map(
        self, function: Callable[[T], R], tasks: Sequence[T], on_done: OnDone, ready: Ready[T] | None = None
    ) -> list[R | Failure]:
        """See Executor."""
        results = []
        for number, task in enumerate(tasks):
            results.append(_run(function, number, task, ready))
            on_done()
        return results


class Threads:
    """Dask's threaded scheduler; the kernels release the interpreter lock."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def map(
        self, function: Callable[[T], R], tasks: Sequence[T], on_done: OnDone, ready: Ready[T] | None = None
    ) -> list[R | Failure]:
        """See Executor."""
        results: list[R | Failure] = [Failure("the worker was lost")] * len(tasks)
        # Dask begins where it likes; what is called takes the next task, so that they are begun in their order.
        numbers = iter(range(len(tasks)))

        def call() -> None:
            number = next(numbers)
            results[number] = _run(function, number, tasks[number], ready)

        with Callback(posttask=lambda *_: on_done()):
            calls = [delayed(call, pure=False, traverse=False)() for _ in tasks]
            compute(*calls, scheduler="threads", num_workers=self.workers, optimize_graph=False)
        return results


class Cluster:
    """A Dask cluster reached through a client: worker processes of this machine or a remote scheduler."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def map(
        self, function: Callable[[T], R], tasks: Sequence[T], on_done: OnDone, ready: Ready[T] | None = None
    ) -> list[R | Failure]:
        """See Executor. Few tasks are out at once, so that a refusal stops the others."""
        results: list[R | Failure] = [Failure("the worker was lost")] * len(tasks)
        place: dict[Any, int] = {}
        done = as_completed()

        def submit(number: int) -> None:
            task = tasks[number] if ready is None else guarded(ready, number)
            if isinstance(task, Failure):
                results[number] = task
                on_done()
                return
            future = self.client.submit(guarded, function, task, pure=False)
            place[future.key] = number
            done.add(future)

        def enter(future: Future[Any]) -> None:
            error = future.exception()
            if isinstance(error, AccessRefused):
                raise error
            results[place[future.key]] = future.result() if error is None else Failure(f"worker: {error}")
            on_done()

        try:
            for number in range(len(tasks)):
                submit(number)
                while done.has_ready() or done.count() >= self._most_out():
                    enter(next(done))
            for future in done:
                enter(future)
        except AccessRefused:
            self.client.cancel(list(done.futures))
            raise
        return results

    def _most_out(self) -> int:
        return 4 * max(sum(map(int, self.client.nthreads().values())), 1)


def _run(function: Callable[[T], R], number: int, task: T, ready: Ready[T] | None) -> R | Failure:
    """Wait until a task is ready, then run it."""
    if ready is None:
        return guarded(function, task)
    awaited = guarded(ready, number)
    return awaited if isinstance(awaited, Failure) else guarded(function, awaited)


def require_executor(kind: str, workers: int) -> None:
    """Raise BadInput where there is no such executor or nobody to work."""
    if kind not in ("serial", "threads", "processes"):
        raise BadInput(f"executor {kind!r}: expected serial, threads or processes")
    if workers < 1:
        raise BadInput(f"{workers} workers: give at least 1")


@contextmanager
def open_executor(kind: str, workers: int, scheduler: str | None = None, timeout_s: float = 30) -> Iterator[Executor]:
    """The executor of a run: "serial", "threads" or "processes", or the scheduler at an address if one is given.

    Workers of a remote scheduler need the same code and the same paths. Raises BadInput if none answers.
    """
    require_executor(kind, workers)
    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=timeout_s)
        except (OSError, TimeoutError, ValueError) as error:
            raise BadInput(f"scheduler {scheduler!r}: no answer ({error}); start one with `dask scheduler`") from error
        with client:
            yield Cluster(client)
    elif kind == "processes":
        with (
            LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
            Client(cluster) as client,
        ):
            yield Cluster(client)
    elif kind == "threads":
        yield Threads(workers)
    else:
        yield Serial()
