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
        self._futures: OrderedDict[Hashable, Future[Any]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, key: Hashable, ask: Callable[[], T]) -> T:
        """The answer of `key`; `ask` is called unless another caller's answer is there or on its way."""
        with self._lock:
            future = self._futures.get(key)
            is_mine = future is None
            if future is None:
                future = self._futures[key] = Future()
                if len(self._futures) > _KEPT:
                    self._futures.popitem(last=False)
        if is_mine:
            try:
                future.set_result(ask())
            except BaseException as error:
                future.set_exception(error)
        answer: T = future.result()
        return answer
