"""Precision of the shift between periods.

`python -m benchmarks.registration RUN…` moves the later periods of each tile by a known shift in a drawn direction, and
holds the estimate against the one without it. With ../shared/data the same is done to the labelled Amazon pairs, of
which a hundred patches, years apart, stand side by side for a tile.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks.false_change import DATA, moved, stored
from benchmarks.tables import table
from pipeline.imagery import NODATA, registration
from pipeline.imagery.registration import BAND, estimate_shift
from pipeline.runs.store import Store
from pipeline.runs.tasks import load_padded

LENGTHS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5)
_PATCH_PX, _ACROSS = 48, 10

Pair = tuple[NDArray[np.uint16], list[NDArray[np.uint16]]]


def simulated_pairs(run: Path) -> Iterator[Pair]:
    """Red of the first period and all bands of each later one, tile by tile."""
    store = Store(run.resolve().parents[1] / "store")
    for tile, rows in stored(run):
        first, *later = (load_padded(store, row["composite"], tile).reflectance for row in rows)
        yield from ((first[BAND], [composite]) for composite in later)


def amazon_pairs() -> Iterator[Pair]:
    """Red of a hundred patches at t0 side by side, and all bands of each of them at t1."""
    with np.load(DATA / "amazon_mining" / "patches.npz", allow_pickle=False) as archive:
        before, after = (archive[time].transpose(0, 3, 1, 2).astype(np.uint16) for time in ("t0", "t1"))
    order = np.random.default_rng(2).permutation(len(before))
    for start in range(0, len(order) - _ACROSS**2 + 1, _ACROSS**2):
        own = order[start : start + _ACROSS**2]
        yield _side_by_side([p[BAND] for p in before[own]]), list(after[own])


def _side_by_side(patches: list[NDArray[np.uint16]]) -> NDArray[np.uint16]:
    """Patches as one plane, a pixel without data around each, so that they do not run into each other."""
    plane = np.full((_ACROSS * _PATCH_PX,) * 2, NODATA, np.uint16)
    for i, one in enumerate(patches):
        top, left = (n * _PATCH_PX for n in divmod(i, _ACROSS))
        plane[top + 1 : top + _PATCH_PX - 1, left + 1 : left + _PATCH_PX - 1] = one[1:-1, 1:-1]
    return plane


def rows(name: str, pairs: Iterator[Pair]) -> list[list[str]]:
    """A line for each length of shift: pairs determined, root mean square error of an axis, largest error."""
    rng = np.random.default_rng(1)
    errors: dict[float, list[float]] = {length: [] for length in LENGTHS}
    lost = dict.fromkeys(LENGTHS, 0)
    told, stated = 0, []
    for reference, later in pairs:

        def against(shift: tuple[float, float], reference=reference, later=later) -> registration.Shift | None:
            bands = [moved(one, shift)[BAND] if any(shift) else one[BAND] for one in later]
            return estimate_shift(reference, bands[0] if len(bands) == 1 else _side_by_side(bands))

        base = against((0.0, 0.0))
        if base is None:
            continue
        told += 1
        stated.append(base.se)
        for length in LENGTHS:
            angle = rng.uniform(0, 2 * np.pi)
            shift = (length * float(np.sin(angle)), length * float(np.cos(angle)))
            found = against(shift)
            if found is None:
                lost[length] += 1
                continue
            errors[length] += [found.down - base.down - shift[0], found.right - base.right - shift[1]]
    return [
        [
            name,
            f"{length:g}",
            f"{told - lost[length]} of {told}",
            f"{np.sqrt(np.mean(np.square(own))):.3f}",
            f"{np.max(np.abs(own)):.3f}",
            f"{np.median(stated):.3f}",
        ]
        for length, own in errors.items()
        if own
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.registration", description=__doc__)
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN")
    lines = [line for run in parser.parse_args().runs for line in rows(run.parents[1].name, simulated_pairs(run))]
    if DATA.is_dir():
        # A patch is the block.
        with patch.object(registration, "BLOCK_PX", _PATCH_PX):
            lines += rows("Amazon pairs", amazon_pairs())
    head = ("pictures", "shift, px", "determined", "RMSE of an axis, px", "largest error, px", "stated SE, median, px")
    print(table(head, lines))


if __name__ == "__main__":
    main()
