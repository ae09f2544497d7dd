"""Margins: ground that seems to change because a period's picture lies beside the others, held as it was."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.areas.lattice import TILE_PX, Tile
from pipeline.change.objects import Classified
from pipeline.change.states import NOT_OBSERVED, OTHER, SEASONAL, is_disturbed
from pipeline.config import Change, Period
from pipeline.imagery.registration import Shift

# Less than this of a pixel moves the edge of no map.
_SLIVER_PX = 0.25


@dataclass(frozen=True)
class Frame:
    """How one tile's periods lie to each other: shifts (T, 2), down and right in pixels, against period `reference`.

    NaN is not determined; `found` holds what was estimated, against the first period that was seen well.
    """

    reference: int
    shifts: NDArray[np.float64]
    found: tuple[Shift | None, ...]

    @classmethod
    def of(cls, found: Sequence[Shift | None]) -> Frame:
        """The frame of shifts against any one period; the reference is the one that lies nearest to all others.

        The earliest of equals. Most periods then need no correction, and one that lies off is the one corrected.
        """
        shifts = np.array([(s.down, s.right) if s else (np.nan, np.nan) for s in found]).reshape(-1, 2)
        known = np.flatnonzero(~np.isnan(shifts[:, 0]))
        if not known.size:
            return cls(0, shifts, tuple(found))
        apart = np.hypot(*(shifts[known, np.newaxis] - shifts[known]).T).sum(axis=0)
        reference = int(known[np.argmin(np.round(apart, 6))])
        return cls(reference, np.round(shifts - shifts[reference], 2), tuple(found))

    def is_off(self, settings: Change) -> NDArray[np.bool_]:
        """Periods (T,) that are known to lie more than `max_shift_px` from the reference."""
        off: NDArray[np.bool_] = np.hypot(*np.nan_to_num(self.shifts).T) > settings.max_shift_px
        return off


Held = dict[tuple[Tile, int], float]


def hold_margins(
    zones: Sequence[Classified], frames: Mapping[Tile, Frame], settings: Change
) -> tuple[tuple[Classified, ...], Held]:
    """Classes in which a shifted picture is no change, and the area so held, m² by tile and period.

    Where a period lies off (`Frame.is_off`), its margin takes the class of the period next to it on the side of the
    reference: ground newly mapped whose like, one shift back, was mapped there; ground no longer mapped whose like,
    one shift on, is. New ground too broad for a shift to explain stays new.
    """
    off = {tile: frame for tile, frame in sorted(frames.items()) if frame.is_off(settings).any()}
    result: list[Classified] = []
    held: Held = {}
    for zone in zones:
        classes = zone.classes.copy()
        for tile in (tile for tile in off if tile.epsg == zone.epsg):
            inside = _near(zone, tile, 0)
            corrected = _corrected(zone, tile, off[tile], settings)
            for period in np.flatnonzero(off[tile].is_off(settings)).tolist():
                moved = inside[corrected[period] != zone.classes[period, inside]]
                classes[period, inside] = corrected[period]
                held[tile, period] = float(zone.candidates.area_m2[moved].sum())
        result.append(replace(zone, classes=classes, capped=zone.capped & is_disturbed(classes)))
    return tuple(result), held


def registration_csv(frames: Mapping[Tile, Frame], held: Held, periods: Sequence[Period]) -> str:
    """The shift of each tile and period as CSV (RFC 4180, LF line ends), pixels of 10 m and hectares.

    State: reference; within (as near as `max_shift_px`); held (farther: margins were held); undetermined.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["tile", "period", "state", "down_px", "right_px", "se_px", "blocks", "held_ha"])
    for tile, frame in sorted(frames.items()):
        for number, (period, found) in enumerate(zip(periods, frame.found, strict=True)):
            row: list[str] = [tile.id, period.name, "undetermined", "", "", "", "", ""]
            if found is not None:
                state = "held" if (tile, number) in held else "reference" if number == frame.reference else "within"
                down, right = (f"{value + 0.0:.2f}" for value in frame.shifts[number])
                row[2:] = [state, down, right, f"{found.se:.3f}", str(found.blocks), ""]
                row[7] = f"{held.get((tile, number), 0.0) / 10_000:.4f}"
            writer.writerow(row)
    return text.getvalue()


def _near(zone: Classified, tile: Tile, ring: int) -> NDArray[np.int64]:
    """Indices of the candidates of a tile and of some pixels around it."""
    top, left = tile.origin_px
    row, col = zone.candidates.row, zone.candidates.col
    start, stop = np.searchsorted(row, [top - ring, top + TILE_PX + ring])
    near = (col[start:stop] >= left - ring) & (col[start:stop] < left + TILE_PX + ring)
    return np.flatnonzero(near) + int(start)


def _corrected(zone: Classified, tile: Tile, frame: Frame, settings: Change) -> NDArray[np.uint8]:
    """Classes (T, k) of the tile's candidates. What lies beyond its edge is read as it is, so tiles do not wait."""
    steps = np.array([_steps(shift) for shift in frame.shifts])
    ring = 2 * (int(np.abs(steps).max()) + 1)
    at = _near(zone, tile, ring)
    top, left = tile.origin_px
    row, col = zone.candidates.row[at] - top + ring, zone.candidates.col[at] - left + ring
    side = TILE_PX + 2 * ring
    off = frame.is_off(settings)
    periods = len(off)
    planes = np.full((periods, side, side), OTHER, np.uint8)
    planes[:, row, col] = zone.classes[:, at]
    for order in (range(frame.reference + 1, periods), range(frame.reference - 1, -1, -1)):
        known = planes[frame.reference].copy()
        for period in order:
            now = planes[period]
            if off[period]:
                margin = margin_of_shift(now, known, (int(steps[period, 0]), int(steps[period, 1])))
                now[margin] = known[margin]
            known = np.where(now != NOT_OBSERVED, now, known)
    inside = _near(zone, tile, 0)
    return planes[:, zone.candidates.row[inside] - top + ring, zone.candidates.col[inside] - left + ring]


def _steps(shift: NDArray[np.float64]) -> tuple[int, int]:
    """Whole pixels down and right within which a shift can move the edge of a map."""
    down, right = (int(np.sign(s) * np.ceil(max(abs(s) - _SLIVER_PX, 0.0))) for s in np.nan_to_num(shift))
    return down, right


def margin_of_shift(now: NDArray[np.uint8], known: NDArray[np.uint8], steps: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels (y, x) whose change from the classes `known` to `now` a shift by up to `steps` (down, right) explains.

    Gained or lost ground broader than the shift is left alone: a shape moved by (a, b) gains no square of side
    max(a, b) + 1, for the pixel of it that lies (a, b) back would be old ground.
    """
    both = (now != NOT_OBSERVED) & (known != NOT_OBSERVED)
    mapped, was_mapped = is_disturbed(now), is_disturbed(known)
    gain, loss = both & mapped & ~was_mapped, both & was_mapped & ~mapped
    from_there, to_there = np.zeros_like(gain), np.zeros_like(gain)
    # What moved onto ground that greens up looks dug there, and is called seasonal: the greenest look did not move.
    looks_dug = mapped | (now == SEASONAL)
    down, right = steps
    for i in range(abs(down) + 1):
        for j in range(abs(right) + 1):
            step = (i * int(np.sign(down)), j * int(np.sign(right)))
            from_there |= _moved(was_mapped, step)
            to_there |= _moved(looks_dug, (-step[0], -step[1]))
    side = max(abs(down), abs(right)) + 1
    margin: NDArray[np.bool_] = gain & from_there & ~_broad(gain, side)
    margin |= loss & to_there & ~_broad(loss, side)
    return margin


def _moved(mask: NDArray[np.bool_], step: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask moved down and right by whole pixels; nothing comes in from beyond."""
    rows, cols = mask.shape
    (down, right), out = step, np.zeros_like(mask)
    out[max(down, 0) : rows + min(down, 0), max(right, 0) : cols + min(right, 0)] = mask[
        max(-down, 0) : rows + min(-down, 0), max(-right, 0) : cols + min(-right, 0)
    ]
    return out


def _broad(mask: NDArray[np.bool_], side: int) -> NDArray[np.bool_]:
    """What of a mask some square of that side within it covers."""
    opened: NDArray[np.bool_] = ndimage.binary_opening(mask, np.ones((side, side)))  # type: ignore[attr-defined]
    return opened
