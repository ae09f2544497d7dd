import numpy as np
import pytest

from pipeline.change.season import seasonal_ground
from tests.change_ground import BARREN, GREEN, SETTINGS, UNSEEN, ground

WORKINGS, SEASONAL, CAPPED = (False, False), (True, False), (False, True)


def test_one_dry_look_after_the_period_is_no_evidence_that_ground_stays_bare():
    fields = ground([[90]], [[90]], greenest=(GREEN, BARREN), season_looks=(3, 1))
    seasonal, capped = seasonal_ground(fields, SETTINGS)
    assert seasonal[1, 0]
    assert capped[0, 0]


def test_one_green_look_after_the_period_is_evidence_enough():
    seasonal, _ = seasonal_ground(ground([[90]], greenest=(None, GREEN), season_looks=(0, 1)), SETTINGS)
    assert seasonal.all()


@pytest.mark.parametrize(
    ("earlier", "before", "after", "expected"),
    [
        (10, None, GREEN, SEASONAL),
        (10, BARREN, GREEN, SEASONAL),
        (10, None, BARREN, WORKINGS),
        (10, GREEN, BARREN, WORKINGS),
        (10, BARREN, None, WORKINGS),
        (10, GREEN, None, CAPPED),
        (10, None, None, CAPPED),
        (60, GREEN, None, SEASONAL),
        (60, BARREN, None, WORKINGS),
        (60, None, None, CAPPED),
        (UNSEEN, GREEN, None, CAPPED),
    ],
)
def test_the_greenest_looks_decide_about_disturbed_looking_ground(earlier, before, after, expected):
    seasonal, capped = seasonal_ground(
        ground([[earlier]], [[90]], greenest=[(None, BARREN), (before, after)]), SETTINGS
    )
    assert (seasonal[1, 0], capped[1, 0]) == expected


def test_ground_that_does_not_look_disturbed_is_neither():
    seasonal, capped = seasonal_ground(ground([[49, 90, UNSEEN]], [[90, 90, 90]], greenest=(None, None)), SETTINGS)
    assert np.array_equal(capped, [[False, True, False], [True, True, True]])
    assert not seasonal.any()


def test_the_threshold_itself_is_green():
    for ndvi, expected in ((0.4499, False), (0.45, True)):
        assert seasonal_ground(ground([[90]], greenest=(None, ndvi)), SETTINGS)[0][0, 0] == expected
