"""Fetches what tasks will read, ahead of them and many scenes at a time, so that reading overlaps computing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from time import perf_counter
from typing import Any, Protocol, TypeVar, runtime_checkable

from pipeline.errors import AccessRefused, SceneRejected
from pipeline.imagery import RequestCost, Source
from pipeline.imagery.patience import end_with
from pipeline.runs.scene_cache import CachedSource, Wanted

T = TypeVar("T")


@runtime_checkable
class Reads(Protocol):
    """A task that reads scenes."""

    @property
    def source(self) -> Any:
        """Where it reads them from."""
        ...

    def wanted(self) -> Sequence[Wanted]:
        """What it will read; nothing if its result is stored."""
        ...


@dataclass(frozen=True)
class Tally:
    """Reads of scenes on tiles by what became of them; seconds in which at least one was under way; what was spent."""

    fetched: int = 0
    cached: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    spent: RequestCost = field(default_factory=RequestCost)

    def as_json(self) -> dict[str, Any]:
        """For the manifest."""
        counts = asdict(self)
        spent = counts.pop("spent")
        return {**counts, "seconds": round(self.seconds, 3), **spent}

    def __str__(self) -> str:
        told = f"{self.fetched} fetched, {self.cached} cached, {self.skipped} skipped, {self.failed} failed"
        return f"{told}; {self.spent.bytes / 1e6:.1f} MB"


class Fetcher:
    """Brings what tasks want into the store with `in_flight` threads, few tasks (`lead`) ahead of the work.

    All of it happens in the process that runs the programme, whichever executor computes: so limits hold for the run as
    a whole, counts need not be gathered, and a refusal stops everything. Each read is tried once a run. `skipped`
    is the number of scenes that the plan left out, told beside the others.
    """

    def __init__(self, source: Source, in_flight: int, lead: int, skipped: int = 0) -> None:
        self.source = source if isinstance(source, CachedSource) else None
        self.lead = lead
        self.skipped = skipped
        self._enough = 2 * in_flight  # reads that wait for a thread; tasks of one read each would keep few busy
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(in_flight, "fetch", end_with, (self._stopped,))
        self._lock = threading.Lock()
        self._reads: dict[tuple[str, int], Future[str | None]] = {}
        self._refused: AccessRefused | None = None
        self._fetched = self._cached = self._failed = self._busy = self._waiting = 0
        self._seconds = self._since = 0.0

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def tally(self) -> Tally:
        """What became of all reads so far."""
        with self._lock:
            seconds = self._seconds + (perf_counter() - self._since if self._busy else 0.0)
            counts = self._fetched, self._cached, self._failed
        spent = getattr(self.source and self.source.source, "spent", RequestCost())
        return Tally(*counts, self.skipped, seconds, spent)

    def told(self) -> str:
        """The tally in words, for a line of progress."""
        return str(self.tally)

    def ahead(self, tasks: Sequence[T]) -> Callable[[int], T] | None:
        """What gives the task of a number once all that it will read is in the store or has failed.

        None if these tasks read nothing remote. What it gives raises AccessRefused once the source has refused.
        """
        if self.source is None or not tasks or not isinstance(tasks[0], Reads):
            return None
        keys: list[list[tuple[str, int]]] = []

        def ready(number: int) -> T:
            with self._lock:
                most = number + self.lead + (self._enough if self._waiting < self._enough else 0)
                while len(keys) < min(len(tasks), most + 1):
                    upcoming: Any = tasks[len(keys)]
                    keys.append([self._begin(wanted) for wanted in upcoming.wanted()])
                own = keys[number]
            failed = {}
            for key in own:
                reason = self._reads[key].result()
                if reason is not None:
                    failed[key[0]] = reason
            return _knowing(tasks[number], failed)

        return ready

    def _begin(self, wanted: Wanted) -> tuple[str, int]:
        assert self.source is not None
        key = self.source.key(wanted), wanted.margin_px
        if key not in self._reads:
            self._waiting += 1
            self._reads[key] = self._pool.submit(self._bring, self.source, wanted)
        return key

    def _bring(self, source: CachedSource, wanted: Wanted) -> str | None:
        """The reason for which a read failed, None if it is in the store."""
        with self._lock:
            self._waiting -= 1
        if self._refused is not None:
            raise self._refused
        if source.keeps(wanted):
            with self._lock:
                self._cached += 1
            return None
        with self._under_way():
            try:
                source.bring(wanted)
            except AccessRefused as error:
                self._refused = error
                raise
            except SceneRejected as error:
                with self._lock:
                    self._failed += 1
                return str(error)
        with self._lock:
            self._fetched += 1
        return None

    @contextmanager
    def _under_way(self) -> Iterator[None]:
        with self._lock:
            if not self._busy:
                self._since = perf_counter()
            self._busy += 1
        try:
            yield
        finally:
            with self._lock:
                self._busy -= 1
                if not self._busy:
                    self._seconds += perf_counter() - self._since


def _knowing(task: T, failed: Mapping[str, str]) -> T:
    return replace(task, source=task.source.knowing(failed)) if failed else task  # type: ignore[type-var,attr-defined]
