"""Jumps: a declared figure against the earlier figures of its own series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.footprint.capacity_table import plain
from pipeline.footprint.declared import Declaration, periods_a_year

# Iglewicz and Hoaglin (1993, How to detect and handle outliers, ASQC Quality Press) advise this limit.
JUMP_SCORE = 3.5
LEAST_HISTORY = 5


@dataclass(frozen=True)
class Jump:
    """Whether a figure lies beyond the limit, None where its history is too short; in words; and its score."""

    beyond: bool | None
    text: str
    score: float | None = None


def jump_of(row: Declaration, earlier: Sequence[Declaration]) -> Jump:
    """A figure against the earlier ones of periods as long: of the same season where 5 of those are known.

    Otherwise against all of them, if there are 5 and they make up two years, seasons left in.
    """
    if not row.length:
        return Jump(
            None, f"{row.days} days are no month, quarter, half-year or year: not comparable with other periods"
        )
    alike = [other for other in earlier if other.length == row.length]
    season = [other for other in alike if other.start.month == row.start.month]
    a_year = periods_a_year(row.length)
    seasonal = a_year > 1 and len(season) >= LEAST_HISTORY
    history, needed = (season, LEAST_HISTORY) if seasonal else (alike, max(LEAST_HISTORY, 2 * a_year))
    kind = f"same {row.length}s of earlier years" if seasonal else f"earlier {row.length}s"
    had = f"{needed} {kind} needed, {len(history)} had"
    if len(history) < needed:
        return Jump(None, had)
    score, middle = robust_score(row.value, [other.value for other in history])
    how = "the history does not vary" if score is None else f"score {score:+.1f}, limit {JUMP_SCORE}"
    seasons = "" if seasonal or a_year == 1 else "; seasons are not taken out"
    text = f"{plain(row.value)} declared, median {plain(middle)} {row.unit}: {how}; {had}{seasons}"
    return Jump(score is None or abs(score) > JUMP_SCORE, text, score)


def robust_score(value: float, history: Sequence[float]) -> tuple[float | None, float]:
    """Modified z-score of a value, 0.6745 (x − median) / MAD (Iglewicz and Hoaglin 1993), and the history's median.

    Where MAD is 0 the mean absolute deviation × 1.253314 stands for it, which is as large for a normal variable;
    where that is 0 too the score is 0 for a value like all others, and None for any other.
    """
    middle = float(np.median(history))
    apart = np.abs(np.asarray(history) - middle)
    mad, mean = float(np.median(apart)), float(apart.mean())
    if mad > 0:
        return 0.6745 * (value - middle) / mad, middle
    if mean > 0:
        return (value - middle) / (1.253314 * mean), middle
    return (0.0 if value == middle else None), middle
