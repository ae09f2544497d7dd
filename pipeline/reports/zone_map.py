"""A map of zones and sites as SVG: outlines, marks, a scale bar, north, and degrees at the frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pipeline.reports.language import Language
from pipeline.reports.map_data import STATE_COLOURS
from pipeline.reports.svg import GROUND, INK, LINE, SOFT, drawing, label, n, nice

_KM_PER_DEGREE = 111.195
_DOT = 3.2


@dataclass(frozen=True)
class Mark:
    """A site on a map: its ground in lon/lat, the state that colours it, and the number it has in the table."""

    geometry: BaseGeometry
    state: str
    number: int | None = None


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
    parts = [f'<rect width="{n(width)}" height="{n(height)}" fill="{GROUND}"/>']
    parts += frame.degrees(language)
    for _, shape in outlines:
        parts.append(f'<path d="{frame.path(shape)}" fill="#fff" stroke="{SOFT}" stroke-width="0.9"/>')
    if named:
        for name, shape in outlines:
            x, y = frame.xy(np.array([[*shape.representative_point().coords[0]]]))[0]
            parts.append(label(x, y, name, size=8, weight=600, anchor="middle", halo=True))
    # What is new is drawn last and lies on top.
    order = list(STATE_COLOURS)
    for mark in sorted(marks, key=lambda m: -order.index(m.state)):
        parts.append(_site(frame, mark))
    placed: list[tuple[float, float]] = []
    for mark in marks:
        if mark.number is not None:
            x, y = frame.xy(np.array([[mark.geometry.centroid.x, mark.geometry.centroid.y]]))[0]
            # A number that would lie on another is left out; the table has the place.
            if all(abs(x - other) > 9 or abs(y - below) > 7 for other, below in placed):
                placed.append((x, y))
                parts.append(label(x + 4.5, y - 3, str(mark.number), size=7.5, weight=600, halo=True))
    parts += [*frame.scale_bar(language), *frame.north(language)]
    parts.append(f'<rect width="{n(width)}" height="{n(height)}" fill="none" stroke="{LINE}"/>')
    return drawing(width, height, parts)


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
    return f'<circle cx="{n(x)}" cy="{n(y)}" r="{_DOT}" {look}/>'


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
        return "".join("M" + "L".join(f"{n(x)} {n(y)}" for x, y in ring) + "Z" for ring in rings)

    @property
    def points_per_km(self) -> float:
        return self.y_scale / _KM_PER_DEGREE

    def scale_bar(self, language: Language) -> list[str]:
        km = nice(self.width * 0.28 / self.points_per_km)
        length, y = km * self.points_per_km, self.height - 9
        words = language.text("{number}\u00a0km", number=language.number(km, 0 if km >= 1 else 1))
        return [
            f'<rect x="8" y="{n(y - 15)}" width="{n(length + 12)}" height="21" fill="#fff" fill-opacity="0.85"/>',
            f'<path d="M14 {n(y - 3)}V{n(y)}H{n(14 + length)}V{n(y - 3)}" fill="none" stroke="{INK}"/>',
            label(14 + length / 2, y - 5, words, size=7.5, anchor="middle"),
        ]

    def north(self, language: Language) -> list[str]:
        x = self.width - 16
        return [
            f'<path d="M{n(x)} 9l4.5 13l-4.5 -3.4l-4.5 3.4z" fill="{INK}"/>',
            label(x, 31, language.text("N"), size=8, weight=600, anchor="middle"),
        ]

    def degrees(self, language: Language) -> list[str]:
        """Meridians and parallels, by which a place is found on another map."""
        parts = []
        span = self.width / self.x_scale
        step = next((s for s in (10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005) if span / s >= 2.5), 0.002)
        digits = max(0, math.ceil(-math.log10(step) - 1e-9))
        for i in range(math.ceil(self.west / step), math.floor((self.west + span) / step) + 1):
            x = (i * step - self.west) * self.x_scale
            parts.append(f'<path d="M{n(x)} 0V{n(self.height)}" stroke="{LINE}" stroke-width="0.5"/>')
            if 30 < x < self.width - 34:
                sign = language.text("E") if i >= 0 else language.text("W")
                words = f"{language.number(abs(i * step), digits)}°\u00a0{sign}"
                parts.append(label(x + 2, 8, words, size=6.5, colour=SOFT))
        bottom = self.top - self.height / self.y_scale
        for i in range(math.ceil(bottom / step), math.floor(self.top / step) + 1):
            y = (self.top - i * step) * self.y_scale
            parts.append(f'<path d="M0 {n(y)}H{n(self.width)}" stroke="{LINE}" stroke-width="0.5"/>')
            if 16 < y < self.height - 30:
                sign = language.text("N") if i >= 0 else language.text("S")
                words = f"{language.number(abs(i * step), digits)}°\u00a0{sign}"
                parts.append(label(3, y - 2, words, size=6.5, colour=SOFT))
        return parts


def _rings(polygon: Any) -> list[list[tuple[float, float]]]:
    return [list(ring.coords)[:-1] for ring in (polygon.exterior, *polygon.interiors)]
