"""Markdown tables and shares, as the pages and printed figures of the benchmarks write them."""

from __future__ import annotations

import math
from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def share(part: float, whole: float, digits: int = 0) -> str:
    """A part as a percentage, a dash where there is no whole."""
    return f"{100 * part / whole:.{digits}f} %" if whole else "–"


def wilson(hits: int, n: int) -> tuple[float, float] | None:
    """Wilson's 95 % interval of a share (Wilson 1927); None without trials."""
    if n == 0:
        return None
    z = 1.959964
    rate, spread = hits / n, z * z / n
    middle = (rate + spread / 2) / (1 + spread)
    half = z * math.sqrt(rate * (1 - rate) / n + spread / (4 * n)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def interval(hits: int, n: int) -> str:
    """A share with its interval."""
    bounds = wilson(hits, n)
    return "–" if bounds is None else f"{share(hits, n)} ({share(bounds[0], 1)} to {share(bounds[1], 1)})"


def per_100(count: int, km2: float) -> str:
    """A count per 100 km²."""
    return f"{100 * count / km2:.1f}" if km2 else "–"
