"""How wide the margin of a block of terrain must be: two blocks compared beside their edge, on random surfaces.

`python -m benchmarks.terrain` prints what the table of docs/decisions/2026-11-26-terrain-by-blocks.md sums up.
"""

from __future__ import annotations

from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.tables import share, table
from pipeline.imagery.terrain import build_terrain
from pipeline.imagery.terrain_block import BLOCK_CELLS, CELL_M

MARGINS = (32, 64, 128, 256, 512)
BESIDE = 30  # cells to both sides of the edge
# Fall to the south in metres a cell, and relief as a share of hills of 60, 20, 6 and 2 m.
SURFACES = ((0.02, 1.0), (0.1, 0.3), (0.0, 0.5), (0.03, 0.05))
HILLS = ((300, 60), (60, 20), (15, 6), (4, 2))  # cells, metres
DRAINAGE_KM2 = 0.9


def surface(fall: float, relief: float, shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """Hills of four sizes on a plane, metres."""
    z = 500 - fall * np.arange(shape[0])[:, np.newaxis] * np.ones(shape)
    for cells, metres in HILLS:
        hills = ndimage.gaussian_filter(rng.normal(size=shape), cells)
        z += hills / hills.std() * metres * relief
    return z.astype(np.float32)


def main() -> None:
    """Print, for each surface and margin, how much of the ground beside the edge the two blocks disagree on."""
    rng = np.random.default_rng(3)
    side, half = BLOCK_CELLS, BLOCK_CELLS // 2
    rows = []
    for fall, relief in SURFACES:
        z = surface(fall, relief, (3 * side, 2 * side), rng)
        edge = 3 * side // 2
        for margin in MARGINS:
            cols = slice(half - margin, half + side + margin)
            start = perf_counter()
            north = build_terrain(z[half - margin : edge + margin, cols], CELL_M, DRAINAGE_KM2)
            seconds = perf_counter() - start
            south = build_terrain(z[edge - margin : edge + side + margin, cols], CELL_M, DRAINAGE_KM2)
            told = []
            for name in ("height_above_drainage_m", "distance_to_drainage_m"):
                one = getattr(north, name)[margin + side - BESIDE : margin + side + BESIDE, margin:-margin]
                other = getattr(south, name)[margin - BESIDE : margin + BESIDE, margin:-margin]
                same = (one == other) | (np.isnan(one) & np.isnan(other))
                told += [1 - same.mean(), np.nanmax(abs(one - other))]
            height, metres, distance, far = told
            told_m = f"{metres:.1f}", f"{far:.0f}"
            row = f"{fall:g}, {relief:g}", f"{margin}", share(height, 1, 1), told_m[0], share(distance, 1, 1), told_m[1]
            rows.append((*row, f"{seconds:.1f}"))
    head = ["fall, relief", "margin, cells", "height differs", "by m", "distance differs", "by m", "seconds a block"]
    print(table(head, rows))


if __name__ == "__main__":
    main()
