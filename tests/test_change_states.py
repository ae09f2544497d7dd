import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.areas.lattice import Tile
from pipeline.change import CLASS_NAMES, STATE_NAMES, class_raster, classify, state_raster
from tests.change_ground import SETTINGS, UNSEEN, ground

# Other, bare, pond, seasonal, water's edge, unseen, outside.
O, B, P, S, W, U, X = 0, 1, 2, 3, 4, 255, 254  # noqa: E741


@pytest.mark.parametrize(
    ("before", "after", "state"),
    [
        *[(before, after, "undisturbed") for before in (O, S, W) for after in (O, S, W)],
        *[(before, after, "continuing") for before in (B, P) for after in (B, P)],
        *[(before, after, "new") for before in (O, S) for after in (B, P)],
        *[(before, after, "recovered") for before in (B, P) for after in (O, S)],
        *[(before, W, "water level") for before in (B, P)],
        *[(W, after, "water level") for after in (B, P)],
        *[(U, after, "not observed before") for after in (O, B, P, S, W)],
        *[(before, U, "not observed after") for before in (O, B, P, S, W)],
        (U, U, "not observed in both"),
        *[(X, X, "outside the watch"), (X, U, "outside the watch"), (B, X, "outside the watch")],
    ],
)
def test_two_classes_make_one_state(before, after, state):
    raster = state_raster(np.array([[before]], np.uint8), np.array([[after]], np.uint8))
    assert STATE_NAMES[int(raster[0, 0])] == state


codes = arrays(np.uint8, (3, 4), elements=st.sampled_from(sorted(CLASS_NAMES)))


@given(codes, codes)
def test_ground_not_observed_never_becomes_a_change(before, after):
    state = state_raster(before, after)
    unseen = (before == U) | (after == U)
    assert not np.isin(state[unseen], (0, 1, 2, 3)).any()


def test_classes_of_candidates_are_laid_on_their_tile():
    tile = Tile(32633, 97, 78)
    top, left = tile.origin_px
    raster = np.zeros((3, 4), int)
    raster[0, 1:3], raster[2, 3] = 90, 60
    later = np.where(raster, 90, 0)
    later[0, 1] = UNSEEN
    found = classify([ground(raster, later, top=top + 100, left=left + 510)], SETTINGS)[0]
    observed = np.ones((2, 512, 512), bool)
    observed[1, 100, 511] = observed[0, 7, 8] = False
    zone = np.zeros((512, 512), np.int16)
    zone[:50] = -1
    classes = class_raster(tile, 2, observed, zone, found.candidates, found.classes)
    # Of four columns only two lie on this tile.
    assert np.argwhere(classes[0] == 1).tolist() == [[100, 511]]
    assert np.argwhere(classes[1] == 255).tolist() == [[100, 511]]
    assert (classes[:, :50] == 254).all()
    assert (classes[0, 50:] != 254).all()

    right = class_raster(Tile(32633, 98, 78), 2, observed, zone, found.candidates, found.classes)
    assert np.argwhere(right[0] == 1).tolist() == [[100, 0]]
