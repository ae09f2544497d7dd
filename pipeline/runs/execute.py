"""Carries tasks out: in this process, on Dask threads, on a local cluster or on a remote scheduler, with one result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from dask.base import compute
from dask.callbacks import Callback
from dask.delayed import delayed
from distributed import Client, LocalCluster, as_completed

from pipeline.errors import BadInput, PlacerwatchError

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Failure:
    """What stands in a result's place when its task or its worker broke."""

    reason: str


class Executor(Protocol):
    """Maps a function over tasks; results come in the order of the tasks, wherever and whenever each ran."""

    def map(self, function: Callable[[T], R], tasks: Sequence[T], on_done: Callable[[], None]) -> list[R | Failure]:
        """Call `function` on each task and `on_done` after each one; a raised error becomes a Failure."""
        ...


def guarded(function: Callable[[T], R], task: T) -> R | Failure:
    """The result of a call, or a Failure with the reason; running out of memory or being stopped is not caught."""
    try:
        return function(task)
    except PlacerwatchError as error:
        return Failure(str(error))
    except Exception as error:
        # One broken tile must not take the others with it; the manifest names it and the exit code is 3.
        return Failure(f"{type(error).__name__}: {error}")


class Serial:
    """One task after the other in this process."""

    def map(self, function: Callable[[T], R], tasks: Sequence[T], on_done: Callable[[], None]) -> list[R | Failure]:
        """See Executor."""
        results = []
        for task in tasks:
            results.append(guarded(function, task))
            on_done()
        return results


class Threads:
    """Dask's threaded scheduler; the kernels release the interpreter lock."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def map(self, function: Callable[[T], R], tasks: Sequence[T], on_done: Callable[[], None]) -> list[R | Failure]:
        """See Executor."""
        # A partial is opaque to Dask, which would otherwise search each task for graph keys.
        calls = [delayed(partial(guarded, function, task), pure=False, traverse=False)() for task in tasks]
        with Callback(posttask=lambda *_: on_done()):
            return list(compute(*calls, scheduler="threads", num_workers=self.workers, optimize_graph=False))


class Cluster:
    """A Dask cluster reached through a client: worker processes of this machine or a remote scheduler."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def map(self, function: Callable[[T], R], tasks: Sequence[T], on_done: Callable[[], None]) -> list[R | Failure]:
        """See Executor."""
        futures = [self.client.submit(guarded, function, task, pure=False) for task in tasks]
        place = {future.key: index for index, future in enumerate(futures)}
        results: list[R | Failure] = [Failure("the worker was lost")] * len(tasks)
        for future in as_completed(futures):
            error = future.exception()
            results[place[future.key]] = future.result() if error is None else Failure(f"worker: {error}")
            on_done()
        return results


@contextmanager
def open_executor(kind: str, workers: int, scheduler: str | None = None, timeout_s: float = 30) -> Iterator[Executor]:
    """The executor of a run: "serial", "threads" or "processes", or the scheduler at an address if one is given.

    Workers of a remote scheduler need the same code and the same paths. Raises BadInput if none answers.
    """
    if kind not in ("serial", "threads", "processes"):
        raise BadInput(f"executor {kind!r}: expected serial, threads or processes")
    if workers < 1:
        raise BadInput(f"{workers} workers: give at least 1")
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
