"""Real series of ground without mining: how periods are cut, and what is counted on the rasters of a run."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest
import rasterio

from benchmarks.real_input import belgium_periods, togo_periods, togo_programme
from benchmarks.series import score_stack
from pipeline.config_file import read_config
from pipeline.imagery.scene import BANDS, NODATA

UNSEEN, SEASONAL, BARE, OTHER = 255, 3, 1, 0


def test_periods_follow_each_other_and_only_whole_ones_are_kept():
    for months, count in ((1, 16), (3, 5), (6, 2)):
        periods = belgium_periods(months)
        assert len(periods) == count
        assert periods[0][1] == "2017-08-01"
        for (_, _, end), (_, start, _) in pairwise(periods):
            assert date.fromisoformat(start) - date.fromisoformat(end) == timedelta(days=1)
    assert belgium_periods(6)[-1][2] == "2018-07-31"
    assert [len(togo_periods(steps)) for steps in (1, 3, 6)] == [12, 4, 2]
    assert togo_periods(6)[0][1:] == ("2019-02-06", "2019-08-04")


def test_shares_are_of_observed_ground_and_told_rule_by_rule():
    # Three periods of four pixels: called and mapped twice; called but seasonal; unseen once; never called.
    probability = np.array([[9000, 9000, NODATA, 100], [9000, 9000, 9000, 100], [0, 100, 9000, 4999]], np.uint16)
    classes = np.array([[BARE, SEASONAL, UNSEEN, OTHER], [BARE, SEASONAL, BARE, OTHER], [OTHER, OTHER, BARE, OTHER]])
    score = score_stack(probability, classes.astype(np.uint8))
    assert score.observed == pytest.approx(11 / 12)
    assert score.called == pytest.approx(6 / 11)
    assert score.worst == pytest.approx(3 / 4)
    assert score.unseasonal == pytest.approx(4 / 11)
    assert score.mapped == pytest.approx(4 / 11)
    # Seven pairs of looks in a row: both called in pixel 0 (1), pixel 1 (1) and pixel 2 (1).
    assert score.twice_called == pytest.approx(3 / 7)
    assert score.twice_unseasonal == pytest.approx(2 / 7)
    assert score.twice == pytest.approx(2 / 7)


def test_a_period_without_a_look_does_not_break_a_row():
    probability = np.array([[9000], [NODATA], [9000]], np.uint16)
    score = score_stack(probability, np.array([[BARE], [UNSEEN], [BARE]], np.uint8))
    assert (score.periods, score.twice) == (3, 1)


def test_ground_seen_once_has_no_row():
    score = score_stack(np.array([[9000], [NODATA]], np.uint16), np.array([[BARE], [UNSEEN]], np.uint8))
    assert (score.mapped, score.twice) == (1, 0)


def test_the_togolese_steps_become_dated_looks_in_the_order_of_the_bands(shared_data, tmp_path):
    config = read_config(togo_programme(shared_data, tmp_path)).config
    assert len(config.periods) == 12
    looks = sorted((tmp_path / "imagery").glob("*.tif"))
    assert [path.stem for path in looks[:2]] == ["togo_2019-02-21", "togo_2019-03-23"]
    (source,) = (shared_data / "west_africa").glob("togo_*.tif")
    with rasterio.open(source) as delivered, rasterio.open(looks[1]) as written:
        assert written.crs.to_epsg() == 32631
        assert written.descriptions == BANDS
        expected = delivered.read(delivered.descriptions.index("B11_1") + 1)
        assert np.array_equal(written.read(5), np.rint(expected).astype(np.uint16))
