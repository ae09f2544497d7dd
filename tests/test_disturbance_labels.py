"""Labels are checked before anything is learnt from them."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.disturbance.labels import Labels
from pipeline.errors import BadInput

PATCHES = "sample_id,longitude,latitude\na,10.5,-3.2\nb,11.5,-3.2\n"
MASKS = """sample_id,time,patch,interpreters,note
b,t1,mining,1,Pits beside a ROAD
a,t0,no_mining,2,"wide river, sand bar"
"""


@pytest.fixture
def folder(tmp_path):
    write(tmp_path)
    return tmp_path


def write(folder, t0=None, mask=None, time=("t1", "t0"), patches=PATCHES, masks=MASKS):
    t0 = np.arange(2 * 2 * 3 * 6, dtype=np.int16).reshape(2, 2, 3, 6) if t0 is None else t0
    mask = np.array([[[0, 1, 2], [255, 0, 0]]] * 2, np.uint8) if mask is None else mask
    np.savez(folder / "patches.npz", sample_id=np.array(["a", "b"]), t0=t0, t1=t0 + 100)
    np.savez(folder / "masks.npz", sample_id=np.array(["b", "a"]), time=np.array(time), mask=mask)
    (folder / "patches.csv").write_text(patches)
    (folder / "masks.csv").write_text(masks)


def test_each_mask_meets_the_pixels_of_its_place_and_time(folder):
    labels = Labels.read(folder)
    assert labels.reflectance.shape == (2, 6, 2, 3)
    assert labels.reflectance.dtype == np.uint16
    # Place b at t1: bands of its first pixel, then the last pixel of place a at t0.
    assert labels.reflectance[0, :, 0, 0].tolist() == [136, 137, 138, 139, 140, 141]
    assert labels.reflectance[1, :, 1, 2].tolist() == [30, 31, 32, 33, 34, 35]
    assert labels.verdict.tolist() == ["mining", "no_mining"]


def test_places_in_other_degrees_are_other_cells(folder):
    assert len(set(Labels.read(folder).cell.tolist())) == 2


def test_kinds_are_read_from_the_notes(folder):
    kinds = Labels.read(folder).kinds
    assert kinds["roads"].tolist() == [True, False]
    assert kinds["river bars"].tolist() == [False, True]
    assert not kinds["towns"].any()


def test_a_missing_file_is_named(folder):
    (folder / "masks.csv").unlink()
    with pytest.raises(BadInput, match=r"no masks\.csv"):
        Labels.read(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"t0": np.zeros((2, 2, 3, 5), np.int16)}, "expected int16"),
        ({"t0": np.full((2, 2, 3, 6), -200, np.int16)}, "negative reflectance"),
        ({"mask": np.full((2, 2, 3), 7, np.uint8)}, "other classes"),
        ({"mask": np.zeros((2, 3, 2), np.uint8)}, "mask is uint8"),
        ({"time": ("t0", "t1")}, "same order"),
        ({"masks": MASKS.replace("b,t1", "c,t1")}, "cannot be read"),
        ({"patches": PATCHES.replace("10.5", "east")}, "cannot be read"),
    ],
)
def test_files_that_contradict_each_other_are_refused(tmp_path, changes, message):
    write(tmp_path, **changes)
    with pytest.raises(BadInput, match=message):
        Labels.read(tmp_path)


def test_a_broken_archive_is_refused(folder):
    (folder / "masks.npz").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(BadInput, match="cannot be read"):
        Labels.read(folder)
