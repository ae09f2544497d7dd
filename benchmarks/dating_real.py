"""Openings drawn into a real series: `python -m benchmarks.dating_real` prints how often they are dated rightly.

Two years of every acquisition of a Belgian patch on which nobody mines give real looks, real clouds and the real noise
of the classifier. Into squares of 5 x 5 pixels an opening is drawn, pixel after pixel, on a day between two autumns.
What the noise of open workings is, no series tells: drawn pixels vary by 0.1 from look to look about 0.85.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.real_input import belgium_programme
from benchmarks.tables import interval, table
from pipeline.areas import watch_tiles, zone_index
from pipeline.change.dating import SEEN_SHARE, bounding_looks
from pipeline.config_file import read_config
from pipeline.disturbance import find_model
from pipeline.imagery import NODATA, FolderSource
from pipeline.runs.store import Store
from pipeline.runs.windows import LOOKS, WindowTask, boxes, read_window

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SIDE = 5
LENGTHS_DAYS = (1, 30, 90, 150)
OPENINGS_EACH = 4
_EPOCH = date(1970, 1, 1)
# The two autumns between which ground opens: last day of the first, first day of the second.
EARLIER = ((date(2017, 9, 1) - _EPOCH).days, (date(2017, 11, 30) - _EPOCH).days)
LATER = ((date(2018, 9, 1) - _EPOCH).days, (date(2018, 11, 30) - _EPOCH).days)


def squares(work: Path) -> Iterator[tuple[NDArray[np.int_], NDArray[np.uint16]]]:
    """Days and probability (look, pixel) of each square of the patch."""
    config = work / "belgium" / "belgium.yaml"
    if not config.is_file():
        belgium_programme(DATA, config.parent)
    file = read_config(config)
    model, sha256 = find_model("default", file.base)
    source = FolderSource(config.parent / "imagery", 0)
    scenes = source.find((-180, -90, 180, 90), date(2016, 1, 1), date(2020, 1, 1)).scenes
    for tile in watch_tiles(file.areas):
        watched = zone_index(tile, file.areas) >= 0
        (box,) = boxes([watched])
        store = Store(work / "store")
        outcome = read_window(WindowTask(tile, box, (scenes,), file.config.imagery, source, model, sha256, store))
        if outcome.key is None:
            continue
        planes = store.get_planes(LOOKS, outcome.key)
        rows, cols = np.nonzero(watched[box[0] : box[1], box[2] : box[3]])
        for top in range(rows.min(), rows.max() + 2 - SIDE, SIDE):
            for left in range(cols.min(), cols.max() + 2 - SIDE, SIDE):
                part = planes[:, top : top + SIDE, left : left + SIDE].reshape(len(planes), -1)
                yield np.array(outcome.days), part


def drawn(
    days: NDArray[np.int_], looks: NDArray[np.uint16], opened: int, length: int, rng: np.random.Generator
) -> NDArray[np.uint16]:
    """The looks with an opening in them: each pixel is dug on a day of its own, the first on the day `opened`."""
    pixels = looks.shape[1]
    dug = opened + np.arange(pixels) * length // pixels
    workings = np.clip(rng.normal(0.85, 0.1, looks.shape), 0, 1) * 10_000
    opened_looks: NDArray[np.uint16] = np.where(
        (days[:, np.newaxis] >= dug) & (looks != NODATA), np.maximum(workings, looks), looks
    ).astype(np.uint16)
    return opened_looks


def study(work: Path) -> list[list[str]]:
    """A row for each length of digging: how many were dated, how many rightly, and how wide."""
    found = [(days, looks) for days, looks in squares(work) if _is_seen(days, looks)]
    rows = []
    for length in LENGTHS_DAYS:
        rng = np.random.default_rng(length)
        right, told, widths, limits = 0, 0, [], []
        for days, looks in found:
            for _ in range(OPENINGS_EACH):
                opened = int(rng.integers(EARLIER[1] + 1, LATER[0] - length))
                stack = drawn(days, looks, opened, length, rng)
                usable = (stack != NODATA).mean(axis=1) >= SEEN_SHARE
                clear = days[usable]
                bounds = _middle(clear, EARLIER, lower=True), _middle(clear, LATER, lower=False)
                answer = bounding_looks(days, stack, bounds, (EARLIER[1], LATER[0]))
                if answer is None:
                    continue
                told += 1
                right += answer[0] <= opened <= answer[1]
                widths.append(answer[1] - answer[0])
                limits.append(int(clear[clear >= opened].min() - clear[clear < opened].max()))
        share = f"{right} / {told} ({interval(right, told)})"
        total = len(found) * OPENINGS_EACH
        rows.append([str(length), f"{told} / {total}", share, f"{median(widths):.0f}", f"{median(limits):.0f}"])
    return rows


def _is_seen(days: NDArray[np.int_], looks: NDArray[np.uint16]) -> bool:
    clear = days[(looks != NODATA).mean(axis=1) >= SEEN_SHARE]
    return all(((clear >= first) & (clear <= last)).sum() >= 2 for first, last in (EARLIER, LATER))


def _middle(days: NDArray[np.int_], period: tuple[int, int], *, lower: bool) -> int:
    own = days[(days >= period[0]) & (days <= period[1])]
    return int(own[(len(own) - 1) // 2 if lower else len(own) // 2])


HEAD = ("digging took, days", "dated", "opening in the interval", "median width, days", "gap between clear looks")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dating_real", description=__doc__)
    parser.add_argument("--work", type=Path, help="folder for imagery and looks (default: a temporary one)")
    arguments = parser.parse_args()
    with TemporaryDirectory() as temporary:
        print(table(HEAD, study(arguments.work or Path(temporary))))


if __name__ == "__main__":
    main()
