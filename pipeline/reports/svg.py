"""Parts of drawings as SVG: no script, no image; every text is escaped. Lengths are in points of the drawing's box."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

INK, SOFT, LINE, GROUND = "#1d2a30", "#56666e", "#c8d0cd", "#f6f7f3"
ACCENT, MARK = "#0b5d68", "#D55E00"


def label(
    x: float,
    y: float,
    words: str,
    *,
    size: float,
    colour: str = INK,
    weight: int = 400,
    anchor: str = "start",
    halo: bool = False,
) -> str:
    """A line of text at a place; a halo keeps it readable on what lies below."""
    edge = ' stroke="#fff" stroke-width="2.4" stroke-linejoin="round" paint-order="stroke"' if halo else ""
    return (
        f'<text x="{n(x)}" y="{n(y)}" font-size="{size:g}" font-weight="{weight}" fill="{colour}" '
        f'text-anchor="{anchor}"{edge}>{escape(words)}</text>'
    )


def drawing(width: float, height: float, parts: Sequence[str]) -> str:
    """A drawing of its parts, later ones on top. What it shows stands in a table or caption, too."""
    body = "".join(parts)
    return f'<svg viewBox="0 0 {n(width)} {n(height)}" role="img" aria-hidden="true">{body}</svg>'


def n(value: float) -> str:
    """A length with a tenth of a point, and no -0."""
    return f"{round(float(value), 1) + 0.0:g}"


def nice(value: float, *, up: bool = False) -> float:
    """The next of 1, 2, 5, 10, 20, ... at or below a value, or above it."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    steps = [factor * power for factor in (1, 2, 5, 10)]
    return next(s for s in steps if s >= value) if up else next(s for s in reversed(steps) if s <= value)
