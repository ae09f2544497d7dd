"""Charts of the dossier as SVG: hectares and observed share of zones as bars, hectares over time as lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.reports.language import Language
from pipeline.reports.svg import ACCENT, LINE, MARK, SOFT, drawing, label, n, nice


@dataclass(frozen=True)
class Bar:
    """One zone of the bar chart: hectares mapped, and estimated with their interval where there is an estimate."""

    name: str
    mapped_ha: float | None
    estimate: tuple[float, float, float] | None
    observed_share: float | None


@dataclass(frozen=True)
class Point:
    """One period of a line: a label, the day it is drawn at (ordinal), hectares, interval, whether it is compared."""

    label: str
    day: float
    value: float | None
    enters: bool
    estimate: tuple[float, float, float] | None = None


def bars(rows: Sequence[Bar], language: Language, width: float = 480) -> str:
    """Hectares of each zone as a bar, the interval of an estimate as a line, the observed share in a bar beside it."""
    name_w, share_w, gap, step = 118.0, 84.0, 62.0, 21.0
    room = width - name_w - share_w - gap
    top = max([high for bar in rows if bar.estimate for high in bar.estimate[2:]], default=0.0)
    top = max([top, *(bar.mapped_ha or 0 for bar in rows)])
    scale = room / top if top else 0
    height = 16 + step * len(rows)
    share_x = width - share_w
    parts = [
        label(name_w, 9, language.text("disturbed, ha"), size=7.5, colour=SOFT),
        label(share_x, 9, language.text("ground observed"), size=7.5, colour=SOFT),
        _hatch(),
    ]
    for i, bar in enumerate(rows):
        y = 16 + step * i
        parts.append(label(name_w - 8, y + 10.5, _short(bar.name, 22), size=9, anchor="end"))
        if bar.mapped_ha is None:
            parts.append(label(name_w, y + 10.5, language.text("not observed"), size=8.5, colour=SOFT))
        else:
            length = bar.mapped_ha * scale
            parts.append(f'<rect x="{n(name_w)}" y="{n(y + 2)}" width="{n(length)}" height="11" fill="{ACCENT}"/>')
            end = length
            if bar.estimate:
                middle, low, high = (figure * scale for figure in bar.estimate)
                end = max(length, high)
                parts.append(
                    f'<path d="M{n(name_w + low)} {n(y + 7.5)}H{n(name_w + high)}M{n(name_w + low)} {n(y + 4)}v7'
                    f'M{n(name_w + high)} {n(y + 4)}v7" stroke="{MARK}" stroke-width="1.4" fill="none"/>'
                    f'<circle cx="{n(name_w + middle)}" cy="{n(y + 7.5)}" r="2.6" fill="{MARK}" stroke="#fff"/>'
                )
            parts.append(label(name_w + end + 5, y + 10.5, language.number(bar.mapped_ha, 1), size=8.5))
        parts.append(f'<rect x="{n(share_x)}" y="{n(y + 2)}" width="46" height="11" fill="url(#unseen)"/>')
        share = bar.observed_share
        if share is not None:
            parts.append(f'<rect x="{n(share_x)}" y="{n(y + 2)}" width="{n(46 * share)}" height="11" fill="{SOFT}"/>')
            parts.append(label(share_x + 50, y + 10.5, language.share(share), size=8))
    return drawing(width, height, parts)


def series(points: Sequence[Point], language: Language, width: float = 168, height: float = 84) -> str:
    """Hectares over time. A period that saw too little of the ground is a hollow dot, and no line goes to it."""
    left, bottom, upper = 34.0, 15.0, 9.0
    values = [p.value for p in points if p.value is not None] + [p.estimate[2] for p in points if p.estimate]
    top = nice(max(values, default=0) * 1.02, up=True)
    days = [p.day for p in points]
    span = (max(days) - min(days)) or 1
    room_x, room_y = width - left - 14, height - bottom - upper

    def xy(day: float, value: float) -> tuple[float, float]:
        share = (day - min(days)) / span if len(points) > 1 else 0.5
        return left + 8 + share * (room_x - 8), upper + room_y * (1 - value / top)

    parts = []
    for value in (0.0, top / 2, top):
        y = xy(days[0], value)[1]
        parts.append(f'<path d="M{n(left)} {n(y)}H{n(width - 6)}" stroke="{LINE}" stroke-width="0.5"/>')
        digits = 0 if top >= 10 or (value in (0, top) and top >= 1) else 2 if top < 1 else 1
        parts.append(label(left - 4, y + 2.5, language.number(value, digits), size=7, colour=SOFT, anchor="end"))
    line = [xy(p.day, p.value) for p in points if p.value is not None and p.enters]
    if len(line) > 1:
        path = "L".join(f"{n(x)} {n(y)}" for x, y in line)
        parts.append(f'<path d="M{path}" fill="none" stroke="{ACCENT}" stroke-width="1.4"/>')
    every = math.ceil(len(points) / 3)
    for i, p in enumerate(points):
        if p.estimate:
            (x, low), (_, high), (_, middle) = (xy(p.day, p.estimate[k]) for k in (1, 2, 0))
            parts.append(
                f'<path d="M{n(x)} {n(low)}V{n(high)}M{n(x - 3)} {n(low)}h6M{n(x - 3)} {n(high)}h6" '
                f'stroke="{MARK}" stroke-width="1.3"/><circle cx="{n(x)}" cy="{n(middle)}" r="2.4" fill="{MARK}"/>'
            )
        if p.value is not None:
            x, y = xy(p.day, p.value)
            fill = ACCENT if p.enters else "#fff"
            parts.append(f'<circle cx="{n(x)}" cy="{n(y)}" r="2.4" fill="{fill}" stroke="{ACCENT}"/>')
        if (len(points) - 1 - i) % every == 0:
            x = xy(p.day, 0)[0]
            anchor = "end" if len(points) > 1 and i == len(points) - 1 else "middle" if i else "start"
            parts.append(
                label(
                    x if anchor == "middle" else x + (8 if i else -8),
                    height - 4,
                    _short(p.label, 12),
                    size=7,
                    anchor=anchor,
                )
            )
    return drawing(width, height, parts)


def _hatch() -> str:
    return (
        '<defs><pattern id="unseen" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect width="4" height="4" fill="#eef0ee"/><rect width="1.4" height="4" fill="#b4bcb8"/></pattern></defs>'
    )


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
