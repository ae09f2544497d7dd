"""Cohorts: complexes with a common history, from their first cell dug to the last one green again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Span = tuple[tuple[int, int], tuple[int, int]]
Counts = tuple[int, int, int, int]
Form = Literal["single", "pair", "split"]


@dataclass(frozen=True)
class Cohort:
    """Complexes with a common history: dates as (year, month) spans; counts by size class, smallest first.

    A `pair` is two complexes whose ground grows together in `neck`; each counts as one place. The middle of a `split`
    is left to regrow in `neck`. Complexes that close are dug again in `reopens`, if it is given.
    """

    name: str
    opens: Span
    growth_days: tuple[int, int]
    counts: Counts
    closes: Span | None = None
    closing_share: float = 0.0
    reopens: Span | None = None
    form: Form = "single"
    neck: Span | None = None


def first_cohorts(
    active: Counts, closed: Counts, first: Counts, second: Counts, within: Counts, growing: Counts
) -> tuple[Cohort, ...]:
    """What the first three dry seasons show."""
    return (
        Cohort("active", ((2016, 3), (2019, 10)), (120, 500), active),
        Cohort("closed", ((2015, 3), (2018, 10)), (120, 500), closed, ((2019, 6), (2021, 9)), 1.0),
        Cohort("between first and second", ((2021, 4), (2021, 9)), (40, 130), first, ((2022, 4), (2022, 9)), 0.2),
        Cohort("between second and third", ((2022, 4), (2022, 9)), (40, 130), second),
        Cohort("within a dry season", ((2022, 1), (2022, 2)), (30, 60), within),
        Cohort("growing", ((2019, 3), (2020, 3)), (1300, 1700), growing),
    )


def later_cohorts(
    third: Counts,
    fourth: Counts,
    within: Counts,
    growing: Counts,
    closed: Counts,
    reopened: Counts,
    pairs: Counts,
    splits: Counts,
) -> tuple[Cohort, ...]:
    """What a fourth and a fifth dry season add; pairs and splits come twice, a year apart."""
    opened_early = ((2016, 3), (2019, 10))
    return (
        Cohort("between third and fourth", ((2023, 4), (2023, 9)), (40, 130), third, ((2024, 4), (2024, 9)), 0.2),
        Cohort("between fourth and fifth", ((2024, 4), (2024, 9)), (40, 130), fourth),
        Cohort("within a later dry season", ((2024, 1), (2024, 2)), (30, 60), within),
        Cohort("growing later", ((2021, 3), (2022, 3)), (1300, 1700), growing),
        Cohort("closed later", opened_early, (120, 500), closed, ((2022, 4), (2023, 9)), 1.0),
        Cohort(
            "reopened", opened_early, (120, 300), reopened, ((2021, 4), (2021, 9)), 1.0, reopens=((2024, 4), (2024, 9))
        ),
        Cohort(
            "joined by the third",
            ((2020, 3), (2021, 9)),
            (40, 130),
            pairs,
            form="pair",
            neck=((2022, 4), (2022, 8)),
        ),
        Cohort(
            "joined by the fourth",
            ((2020, 3), (2022, 9)),
            (40, 130),
            pairs,
            form="pair",
            neck=((2023, 4), (2023, 8)),
        ),
        Cohort("split by the third", opened_early, (120, 300), splits, form="split", neck=((2022, 4), (2022, 6))),
        Cohort("split by the fourth", opened_early, (120, 300), splits, form="split", neck=((2023, 4), (2023, 6))),
    )
