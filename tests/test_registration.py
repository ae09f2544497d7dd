"""Shifts between composites: known ones are found again, and what cannot be told is not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from pipeline.imagery import Shift, ShiftSeries, estimate_shift
from pipeline.imagery.composite import PLANE_NAMES, Composite
from pipeline.imagery.scene import NODATA
from tests.test_change_candidates import TILE

FINE = 4


@pytest.fixture(scope="module")
def drawn() -> np.ndarray:
    """Ground in cells of a quarter of a pixel: fields of many sizes, so that any shift of whole cells is exact."""
    rng = np.random.default_rng(7)
    cells = sum(
        np.kron(rng.normal(0, 1, (2200 // size + 1,) * 2), np.ones((size, size)))[:2200, :2200] for size in (8, 20, 52)
    )
    return 1500 + 250 * cells


def seen(drawn: np.ndarray, down: int = 0, right: int = 0, noise: float = 0.0, side: int = 512) -> np.ndarray:
    """Pixels of ground that lies some cells lower and further right in the picture."""
    top, left = 40 - down, 40 - right
    cells = drawn[top : top + side * FINE, left : left + side * FINE]
    pixels = cells.reshape(side, FINE, side, FINE).mean(axis=(1, 3))
    return np.rint(
        pixels + np.random.default_rng((down + 50) * 100 + right + 50).normal(0, noise, pixels.shape)
    ).astype(np.uint16)


@pytest.mark.parametrize("cells", [(0, 0), (1, 0), (0, -2), (2, 3), (-4, 4), (6, -5)])
def test_a_shift_of_quarter_pixels_is_found_with_its_sign_and_axis(drawn: np.ndarray, cells: tuple[int, int]) -> None:
    found = estimate_shift(seen(drawn), seen(drawn, *cells, noise=30))
    assert found is not None
    assert (found.down, found.right) == pytest.approx((cells[0] / FINE, cells[1] / FINE), abs=0.04)
    assert found.se < 0.03


def test_ground_that_changed_and_other_light_do_not_move_it(drawn: np.ndarray) -> None:
    later = seen(drawn, 4, -2, noise=30).astype(float)
    later[:200, :200] = 2600 + 300 * np.sin(np.arange(200) / 3)
    found = estimate_shift(seen(drawn), np.rint(1.2 * later + 150).astype(np.uint16))
    assert found is not None
    assert (found.down, found.right) == pytest.approx((1.0, -0.5), abs=0.05)


def test_gaps_do_not_draw_the_shift_to_themselves(drawn: np.ndarray) -> None:
    before, after = seen(drawn), seen(drawn, 3, 3, noise=30)
    rng = np.random.default_rng(1)
    for plane in (before, after):
        cloud = ndimage.gaussian_filter(rng.normal(size=plane.shape), 12)
        plane[cloud > np.quantile(cloud, 0.75)] = NODATA
    found = estimate_shift(before, after)
    assert found is not None
    assert (found.down, found.right) == pytest.approx((0.75, 0.75), abs=0.06)


def test_what_cannot_be_told_is_not(drawn: np.ndarray) -> None:
    before = seen(drawn)
    rng = np.random.default_rng(3)
    flat = np.full_like(before, 1500)
    hidden = seen(drawn, 2, 2)
    hidden[:, 30:] = NODATA
    assert estimate_shift(before, flat) is None
    assert estimate_shift(flat, flat) is None
    assert estimate_shift(before, rng.integers(800, 2500, before.shape).astype(np.uint16)) is None
    assert estimate_shift(before, hidden) is None
    assert estimate_shift(before, np.full_like(before, NODATA)) is None


def test_farther_than_two_pixels_is_not_claimed(drawn: np.ndarray) -> None:
    assert estimate_shift(seen(drawn), seen(drawn, 14, 0)) is None


def test_a_series_is_told_against_the_first_period_of_which_half_was_seen(drawn: np.ndarray) -> None:
    series = ShiftSeries()
    for cells in (None, (0, 0), (2, 0), None, (-2, 4)):
        planes = np.full((len(PLANE_NAMES), 512, 512), NODATA, np.uint16)
        if cells is not None:
            planes[:6] = seen(drawn, *cells, noise=10)
        series.add(Composite.from_planes(TILE.geobox, planes))
    assert [s is None for s in series.found] == [True, False, False, True, False]
    assert series.found[1] == Shift(0.0, 0.0, 0.0, 0)
    told = [(s.down, s.right) for s in series.found if s]
    assert np.allclose(told, [(0, 0), (0.5, 0), (-0.5, 1.0)], atol=0.03)
