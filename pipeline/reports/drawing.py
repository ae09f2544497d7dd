"""Drawings of the dossier as SVG: a map of a zone, bars with intervals, lines over time. No script, no image.

Every text goes through `_text`, which escapes it. Lengths are in points of the drawing's own box.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pipeline.reports.language import Language
from pipeline.reports.map_data import STATE_COLOURS

_KM_PER_DEGREE = 111.195
_INK, _SOFT, _LINE, _GROUND = "#1d2a30", "#56666e", "#c8d0cd", "#f6f7f3"
_ACCENT, _MARK = "#0b5d68", "#D55E00"
_DOT = 3.2
_NICE = (1, 2, 5)


@dataclass(frozen=True)
class Mark:
    """A site on a map: its ground in lon/lat, the state that colours it, and the number it has in the table."""

    geometry: BaseGeometry
    state: str
    number: int | None = None


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


def zone_map(
    outlines: Sequence[tuple[str, BaseGeometry]],
    marks: Sequence[Mark],
    language: Language,
    width: float = 250,
    height: float = 250,
    *,
    named: bool = False,
) -> str:
    """Outlines with marks upon them, a scale bar, north, and degrees at the frame; sites keep a visible dot."""
    shapes = [shape for _, shape in outlines] or [mark.geometry for mark in marks]
    west, south, east, north = shapely.union_all([shapely.box(*shape.bounds) for shape in shapes]).bounds
    frame = _Frame.around(west, south, east, north, width, height)
    parts = [f'<rect width="{_n(width)}" height="{_n(height)}" fill="{_GROUND}"/>']
    parts += frame.degrees(language)
    for _, shape in outlines:
        parts.append(f'<path d="{frame.path(shape)}" fill="#fff" stroke="{_SOFT}" stroke-width="0.9"/>')
    if named:
        for name, shape in outlines:
            x, y = frame.xy(np.array([[*shape.representative_point().coords[0]]]))[0]
            parts.append(_text(x, y, name, size=8, weight=600, anchor="middle", halo=True))
    # What is new is drawn last and lies on top.
    order = list(STATE_COLOURS)
    for mark in sorted(marks, key=lambda m: -order.index(m.state)):
        parts.append(_site(frame, mark))
    for mark in marks:
        if mark.number is not None:
            x, y = frame.xy(np.array([[mark.geometry.centroid.x, mark.geometry.centroid.y]]))[0]
            parts.append(_text(x + 4.5, y - 3, str(mark.number), size=7.5, weight=600, halo=True))
    parts += [*frame.scale_bar(language), *frame.north(language)]
    parts.append(f'<rect width="{_n(width)}" height="{_n(height)}" fill="none" stroke="{_LINE}"/>')
    return _svg(width, height, parts)


def _site(frame: _Frame, mark: Mark) -> str:
    colour = STATE_COLOURS[mark.state]
    look = (
        f'fill="#fff" stroke="{colour}" stroke-width="1.1" stroke-dasharray="2 1.2"'
        if mark.state == "recovered"
        else f'fill="{colour}" stroke="#fff" stroke-width="0.5"'
    )
    corners = frame.xy(shapely.get_coordinates(shapely.box(*mark.geometry.bounds)))
    if np.ptp(corners, axis=0).max() > 2 * _DOT:
        look = look.replace('stroke="#fff"', f'fill-opacity="0.5" stroke="{colour}"')
        return f'<path d="{frame.path(mark.geometry)}" {look}/>'
    x, y = corners.mean(axis=0)
    return f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_DOT}" {look}/>'


@dataclass(frozen=True)
class _Frame:
    """Lon/lat to the drawing: equidistant along the middle parallel, so that one scale bar holds."""

    west: float
    top: float
    x_scale: float
    y_scale: float
    width: float
    height: float

    @classmethod
    def around(cls, west: float, south: float, east: float, north: float, width: float, height: float) -> _Frame:
        lat = (south + north) / 2
        squeeze = max(math.cos(math.radians(lat)), 0.05)
        # At least two kilometres, so that a lone small zone is not blown up beyond its pixels.
        side = 2 / _KM_PER_DEGREE
        scale = min(
            (width - 44) / max((east - west) * squeeze, side),
            (height - 44) / max(north - south, side),
        )
        x, y = (west + east) / 2, lat
        return cls(x - width / 2 / scale / squeeze, y + height / 2 / scale, scale * squeeze, scale, width, height)

    def xy(self, lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack([(lonlat[:, 0] - self.west) * self.x_scale, (self.top - lonlat[:, 1]) * self.y_scale])

    def path(self, shape: BaseGeometry) -> str:
        drawn = shapely.transform(shape, self.xy)
        drawn = drawn.simplify(0.3)
        rings = [ring for part in shapely.get_parts(drawn) if part.geom_type == "Polygon" for ring in _rings(part)]
        return "".join("M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in ring) + "Z" for ring in rings)

    @property
    def points_per_km(self) -> float:
        return self.y_scale / _KM_PER_DEGREE

    def scale_bar(self, language: Language) -> list[str]:
        km = _nice(self.width * 0.28 / self.points_per_km)
        length, y = km * self.points_per_km, self.height - 9
        label = language.text("{number}\u00a0km", number=language.number(km, 0 if km >= 1 else 1))
        return [
            f'<rect x="8" y="{_n(y - 15)}" width="{_n(length + 12)}" height="21" fill="#fff" fill-opacity="0.85"/>',
            f'<path d="M14 {_n(y - 3)}V{_n(y)}H{_n(14 + length)}V{_n(y - 3)}" fill="none" stroke="{_INK}"/>',
            _text(14 + length / 2, y - 5, label, size=7.5, anchor="middle"),
        ]

    def north(self, language: Language) -> list[str]:
        x = self.width - 16
        return [
            f'<path d="M{_n(x)} 9l4.5 13l-4.5 -3.4l-4.5 3.4z" fill="{_INK}"/>',
            _text(x, 31, language.text("N"), size=8, weight=600, anchor="middle"),
        ]

    def degrees(self, language: Language) -> list[str]:
        """Meridians and parallels, by which a place is found on another map."""
        parts = []
        span = self.width / self.x_scale
        step = next((s for s in (10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005) if span / s >= 2.5), 0.002)
        digits = max(0, math.ceil(-math.log10(step) - 1e-9))
        for i in range(math.ceil(self.west / step), math.floor((self.west + span) / step) + 1):
            x = (i * step - self.west) * self.x_scale
            parts.append(f'<path d="M{_n(x)} 0V{_n(self.height)}" stroke="{_LINE}" stroke-width="0.5"/>')
            if 30 < x < self.width - 34:
                sign = language.text("E") if i >= 0 else language.text("W")
                label = f"{language.number(abs(i * step), digits)}°\u00a0{sign}"
                parts.append(_text(x + 2, 8, label, size=6.5, colour=_SOFT))
        bottom = self.top - self.height / self.y_scale
        for i in range(math.ceil(bottom / step), math.floor(self.top / step) + 1):
            y = (self.top - i * step) * self.y_scale
            parts.append(f'<path d="M0 {_n(y)}H{_n(self.width)}" stroke="{_LINE}" stroke-width="0.5"/>')
            if 16 < y < self.height - 30:
                sign = language.text("N") if i >= 0 else language.text("S")
                label = f"{language.number(abs(i * step), digits)}°\u00a0{sign}"
                parts.append(_text(3, y - 2, label, size=6.5, colour=_SOFT))
        return parts


def _rings(polygon: Any) -> list[list[tuple[float, float]]]:
    return [list(ring.coords)[:-1] for ring in (polygon.exterior, *polygon.interiors)]


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
        _text(name_w, 9, language.text("disturbed, ha"), size=7.5, colour=_SOFT),
        _text(share_x, 9, language.text("ground observed"), size=7.5, colour=_SOFT),
        _hatch(),
    ]
    for i, bar in enumerate(rows):
        y = 16 + step * i
        parts.append(_text(name_w - 8, y + 10.5, _short(bar.name, 22), size=9, anchor="end"))
        if bar.mapped_ha is None:
            parts.append(_text(name_w, y + 10.5, language.text("not observed"), size=8.5, colour=_SOFT))
        else:
            length = bar.mapped_ha * scale
            parts.append(f'<rect x="{_n(name_w)}" y="{_n(y + 2)}" width="{_n(length)}" height="11" fill="{_ACCENT}"/>')
            end = length
            if bar.estimate:
                middle, low, high = (figure * scale for figure in bar.estimate)
                end = max(length, high)
                parts.append(
                    f'<path d="M{_n(name_w + low)} {_n(y + 7.5)}H{_n(name_w + high)}M{_n(name_w + low)} {_n(y + 4)}v7'
                    f'M{_n(name_w + high)} {_n(y + 4)}v7" stroke="{_MARK}" stroke-width="1.4" fill="none"/>'
                    f'<circle cx="{_n(name_w + middle)}" cy="{_n(y + 7.5)}" r="2.6" fill="{_MARK}" stroke="#fff"/>'
                )
            parts.append(_text(name_w + end + 5, y + 10.5, language.number(bar.mapped_ha, 1), size=8.5))
        parts.append(f'<rect x="{_n(share_x)}" y="{_n(y + 2)}" width="46" height="11" fill="url(#unseen)"/>')
        share = bar.observed_share
        if share is not None:
            parts.append(
                f'<rect x="{_n(share_x)}" y="{_n(y + 2)}" width="{_n(46 * share)}" height="11" fill="{_SOFT}"/>'
            )
            parts.append(_text(share_x + 50, y + 10.5, language.share(share), size=8))
    return _svg(width, height, parts)


def series(points: Sequence[Point], language: Language, width: float = 168, height: float = 84) -> str:
    """Hectares over time. A period that saw too little of the ground is a hollow dot, and no line goes to it."""
    left, bottom, upper = 34.0, 15.0, 9.0
    values = [p.value for p in points if p.value is not None] + [p.estimate[2] for p in points if p.estimate]
    top = _nice(max(values, default=0) * 1.02, up=True)
    days = [p.day for p in points]
    span = (max(days) - min(days)) or 1
    room_x, room_y = width - left - 14, height - bottom - upper

    def xy(day: float, value: float) -> tuple[float, float]:
        share = (day - min(days)) / span if len(points) > 1 else 0.5
        return left + 8 + share * (room_x - 8), upper + room_y * (1 - value / top)

    parts = []
    for value in (0.0, top / 2, top):
        y = xy(days[0], value)[1]
        parts.append(f'<path d="M{_n(left)} {_n(y)}H{_n(width - 6)}" stroke="{_LINE}" stroke-width="0.5"/>')
        digits = 0 if top >= 10 or (value in (0, top) and top >= 1) else 2 if top < 1 else 1
        parts.append(_text(left - 4, y + 2.5, language.number(value, digits), size=7, colour=_SOFT, anchor="end"))
    line = [xy(p.day, p.value) for p in points if p.value is not None and p.enters]
    if len(line) > 1:
        path = "L".join(f"{_n(x)} {_n(y)}" for x, y in line)
        parts.append(f'<path d="M{path}" fill="none" stroke="{_ACCENT}" stroke-width="1.4"/>')
    every = math.ceil(len(points) / 3)
    for i, p in enumerate(points):
        if p.estimate:
            (x, low), (_, high), (_, middle) = (xy(p.day, p.estimate[k]) for k in (1, 2, 0))
            parts.append(
                f'<path d="M{_n(x)} {_n(low)}V{_n(high)}M{_n(x - 3)} {_n(low)}h6M{_n(x - 3)} {_n(high)}h6" '
                f'stroke="{_MARK}" stroke-width="1.3"/><circle cx="{_n(x)}" cy="{_n(middle)}" r="2.4" fill="{_MARK}"/>'
            )
        if p.value is not None:
            x, y = xy(p.day, p.value)
            fill = _ACCENT if p.enters else "#fff"
            parts.append(f'<circle cx="{_n(x)}" cy="{_n(y)}" r="2.4" fill="{fill}" stroke="{_ACCENT}"/>')
        if (len(points) - 1 - i) % every == 0:
            x = xy(p.day, 0)[0]
            anchor = "end" if len(points) > 1 and i == len(points) - 1 else "middle" if i else "start"
            parts.append(
                _text(
                    x if anchor == "middle" else x + (8 if i else -8),
                    height - 4,
                    _short(p.label, 12),
                    size=7,
                    anchor=anchor,
                )
            )
    return _svg(width, height, parts)


def _hatch() -> str:
    return (
        '<defs><pattern id="unseen" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect width="4" height="4" fill="#eef0ee"/><rect width="1.4" height="4" fill="#b4bcb8"/></pattern></defs>'
    )


def _nice(value: float, *, up: bool = False) -> float:
    """The next of 1, 2, 5, 10, 20, ... at or below a value, or above it."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    steps = [factor * power for factor in (*_NICE, 10)]
    return next(s for s in steps if s >= value) if up else next(s for s in reversed(steps) if s <= value)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _text(
    x: float,
    y: float,
    text: str,
    *,
    size: float,
    colour: str = _INK,
    weight: int = 400,
    anchor: str = "start",
    halo: bool = False,
) -> str:
    edge = ' stroke="#fff" stroke-width="2.4" stroke-linejoin="round" paint-order="stroke"' if halo else ""
    return (
        f'<text x="{_n(x)}" y="{_n(y)}" font-size="{size:g}" font-weight="{weight}" fill="{colour}" '
        f'text-anchor="{anchor}"{edge}>{escape(text)}</text>'
    )


def _svg(width: float, height: float, parts: Sequence[str]) -> str:
    body = "".join(parts)
    return f'<svg viewBox="0 0 {_n(width)} {_n(height)}" role="img" aria-hidden="true">{body}</svg>'


def _n(value: float) -> str:
    """A length with a tenth of a point, and no -0."""
    return f"{round(float(value), 1) + 0.0:g}"
