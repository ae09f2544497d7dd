"""Answers that several askers share: whoever asks for one that is under way waits for it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

# Granules of one overpass are read one after the other; other threads ask in between.
_KEPT = 8


class SharedAnswers:
    """The last answers by key, failures too: what one granule was refused, its neighbour need not ask again."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, tuple[str, Future[Any]]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, key: Hashable, asker: str, ask: Callable[[], T]) -> T:
        """The answer of `key`; `ask` is called unless another caller's answer is there or on its way.

        Raises what `ask` raised, for others than the first `asker` as well; who comes back himself tries again.
        """
        with self._lock:
            first, future = self._kept.get(key, (asker, None))
            if future is not None and first == asker and future.done() and future.exception() is not None:
                future = None
            is_mine = future is None
            if future is None:
                future = Future()
                self._kept[key] = asker, future
                if len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
        if is_mine:
            try:
                future.set_result(ask())
            except BaseException as error:
                future.set_exception(error)
        answer: T = future.result()
        return answer
