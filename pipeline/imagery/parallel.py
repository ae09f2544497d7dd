"""Work of one tile shared by a few threads; kernels and GDAL release the interpreter lock."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

R = TypeVar("R")


def each(work: Callable[[int], R], count: int, threads: int) -> list[R]:
    """Results of `work(0)` to `work(count - 1)`, in order."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, range(count)))


def spans(work: Callable[[int, int], None], length: int, threads: int) -> None:
    """Call `work(begin, end)` on as many parts of a length as there are threads."""
    edges = [length * i // threads for i in range(threads + 1)]
    parts = list(pairwise(edges))
    each(lambda i: work(*parts[i]), threads, threads)
