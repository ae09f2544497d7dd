"""What a source is asked for: few boxes and few spans of time, together holding all areas and periods."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from pipeline.imagery import Bbox, touches


def joined_boxes(bounds: Sequence[Bbox], around_deg: float) -> list[Bbox]:
    """Lon/lat boxes that hold the bounds of all areas with a margin; boxes that meet are joined, if little is added.

    Areas lie side by side, and scenes are larger than most: one search serves many.
    """
    boxes = []
    for west, south, east, north in sorted(bounds):
        low, high = max(west - around_deg, -180.0), min(east + around_deg, 180.0)
        boxes.append((low, max(south - around_deg, -90.0), high, min(north + around_deg, 90.0)))
    joined: list[Bbox] = []
    for box in boxes:
        while (other := next((o for o in joined if _worth_joining(o, box)), None)) is not None:
            joined.remove(other)
            box = _union(other, box)
        joined.append(box)
    return joined


def _union(a: Bbox, b: Bbox) -> Bbox:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _worth_joining(a: Bbox, b: Bbox) -> bool:
    return touches(a, b) and _degrees2(_union(a, b)) <= 1.2 * (_degrees2(a) + _degrees2(b))


def _degrees2(box: Bbox) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def joined_spans(spans: Sequence[tuple[date, date]]) -> list[tuple[date, date]]:
    """Overlapping spans of dates joined."""
    joined: list[tuple[date, date]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1] + timedelta(days=1):
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined
