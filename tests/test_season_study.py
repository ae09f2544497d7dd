"""The study of seasonal evidence: African ground without mining, and workings, by what the year's greenest tells."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.season import (
    GREEN,
    greens_up,
    judged_alone,
    ndvi,
    plainly_bare,
    read_spectra,
    rises_by,
    season_tables,
    study_season,
    workings_of,
)
from pipeline.disturbance.labels import Labels

# B02 B03 B04 B08 B11 B12, reflectance x 10 000.
DRY_SOIL = [800, 1100, 1500, 2100, 3200, 2700]  # NDVI 0.17, BSI 0.24
GREEN_FIELD = [400, 700, 500, 3500, 2000, 1000]  # NDVI 0.75
MUDDY_WATER = [900, 1300, 1500, 1700, 300, 200]  # NDVI 0.06, BSI negative


def spectra(*halves: tuple[list[int], list[int]]) -> np.ndarray:
    return np.array(halves, np.uint16)


class Surroundings:
    """A model whose answer at a pixel is the mean of B04 over all that it may look at."""

    def predict(self, reflectance: np.ndarray, halo: int) -> np.ndarray:
        red = reflectance[2].astype(float)
        windows = np.lib.stride_tricks.sliding_window_view(red, (2 * halo + 1, 2 * halo + 1))
        mean = np.rint(windows.mean(axis=(2, 3))).astype(np.uint16)
        return np.stack([mean, np.zeros_like(mean)])


def test_the_plain_rule_wants_little_green_and_much_short_wave():
    assert plainly_bare(np.array([DRY_SOIL, GREEN_FIELD, MUDDY_WATER], np.uint16)).tolist() == [True, False, False]


def test_a_spectrum_is_judged_as_if_nothing_else_were_near():
    # 70 spectra: more than are judged at once. Every third is redder than the threshold of 5000 by one.
    red = np.where(np.arange(70) % 3 == 0, 5000, 4999)
    ground = np.tile(np.array(DRY_SOIL, np.uint16), (70, 1))
    ground[:, 2] = red
    assert np.array_equal(judged_alone(Surroundings(), ground), red == 5000)


def test_the_greener_half_year_decides_and_the_threshold_itself_is_green():
    ground = spectra((DRY_SOIL, GREEN_FIELD), (GREEN_FIELD, DRY_SOIL), (DRY_SOIL, DRY_SOIL))
    assert greens_up(ground, float(ndvi(ground)[0, 1])).tolist() == [True, True, False]
    assert rises_by(ground, 0.5).tolist() == [True, True, False]


def test_workings_are_seen_twice_where_both_times_show_them():
    mask = np.zeros((4, 5, 5), np.uint8)
    mask[0, 1:5, 1:5], mask[1, 1, 1], mask[2, 2, 2] = 1, 2, 1
    reflectance = np.empty((4, 6, 5, 5), np.uint16)
    reflectance[:] = np.array(DRY_SOIL, np.uint16)[:, None, None]
    reflectance[1] = np.array(GREEN_FIELD, np.uint16)[:, None, None]
    labels = Labels.of(reflectance, mask, np.zeros((4, 2)), place=["a", "a", "b", "c"], time=["t0", "t1", "t0", "t0"])
    found = workings_of(labels)
    assert found.once.shape == (18,)
    assert found.twice == pytest.approx(np.array([[600 / 3600, 3000 / 4000]]), abs=1e-3)
    # The block of 4 x 4 at the patch's corner has inner pixels; the two single pixels have none and are narrow.
    assert found.inner[-2:].tolist() == [False, False]
    assert found.narrow[-2:].tolist() == [True, True]
    assert found.inner[:16].sum() == 9


def test_the_plain_rule_leaves_what_others_counted(shared_data):
    left = {
        region: plainly_bare(own).all(axis=1).mean()
        for region, own in read_spectra(shared_data / "africa_spectra").items()
    }
    assert {region: round(100 * share) for region, share in left.items()} == {"western": 11, "sahel": 64, "eastern": 17}


def test_a_higher_threshold_sets_less_aside_and_loses_less(shared_data):
    study = study_season(shared_data, ())
    for region in study.samples:
        left = [study.green[green][region] for green in GREEN]
        assert left == sorted(left)
        assert left[-1] <= study.one_half[region]
    for which in ("all", "inner", "narrow", "twice"):
        lost = [study.lost[green][which] for green in GREEN]
        assert lost == sorted(lost, reverse=True)
    assert "bare in both half-years | 10.6 %" in season_tables(study)
