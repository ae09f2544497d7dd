"""Labels are checked before anything is learnt from them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pipeline.disturbance.labels import Labels
from pipeline.disturbance.regions import ELSEWHERE, block_of, read_regions, regions_of
from pipeline.errors import BadInput, Problems

PATCHES = "sample_id,longitude,latitude\na,10.5,-3.2\nb,11.5,-3.2\n"
MASKS = """sample_id,time,patch,interpreters,note
b,t1,mining,1,Pits beside a ROAD
a,t0,no_mining,2,"wide river, sand bar"
"""


@pytest.fixture
def folder(tmp_path):
    write(tmp_path)
    return tmp_path


def write(folder, t0=None, mask=None, time=("t1", "t0"), patches=PATCHES, masks=MASKS, evidence=None):
    t0 = np.arange(2 * 2 * 3 * 6, dtype=np.int16).reshape(2, 2, 3, 6) if t0 is None else t0
    mask = np.array([[[0, 1, 2], [255, 0, 0]]] * 2, np.uint8) if mask is None else mask
    np.savez(folder / "patches.npz", sample_id=np.array(["a", "b"]), t0=t0, t1=t0 + 100)
    np.savez(folder / "masks.npz", sample_id=np.array(["b", "a"]), time=np.array(time), mask=mask)
    (folder / "patches.csv").write_text(patches)
    (folder / "masks.csv").write_text(masks)
    if evidence is not None:
        np.savez(folder / "evidence.npz", **evidence)


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
        ({"patches": PATCHES.replace("10.5", "190")}, "not a place in degrees"),
        ({"evidence": {"slope_deg": np.zeros((2, 3, 2), np.float32)}}, "slope_deg is float32"),
        ({"evidence": {"rain": np.zeros((2, 2, 3), np.float32)}}, "'rain' is not known"),
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


WINDOWS = """sample_id,longitude,latitude,t0_start,t0_end,t1_start,t1_end,amw_first_year,region
a,10.5,-3.2,2019-01-01,2019-12-31,2021-02-01,2022-01-31,2020.0,west
b,11.5,-3.2,,,2021-02-01,2022-01-31,,
"""


def test_time_place_and_region_come_with_each_patch(tmp_path):
    write(tmp_path, patches=WINDOWS)
    labels = Labels.read(tmp_path)
    assert labels.place.tolist() == ["b", "a"]
    assert labels.time.tolist() == ["t1", "t0"]
    assert labels.years.tolist() == [[2021, 2022], [2019, 2019]]
    assert labels.amw_first_year.tolist() == [0, 2020]
    assert labels.region.tolist() == [ELSEWHERE, "west"]


def test_where_no_window_is_given_no_year_is_known(folder):
    assert Labels.read(folder).years.tolist() == [[0, 0], [0, 0]]


def test_evidence_keeps_to_its_patch(tmp_path):
    slope = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    write(tmp_path, evidence={"slope_deg": slope})
    labels = Labels.read(tmp_path)
    assert (labels.subset(np.array([1])).evidence["slope_deg"] == slope[1:]).all()
    assert "evidence.npz" in labels.provenance.files


def test_a_subset_keeps_every_field_together(folder):
    labels = Labels.read(folder)
    one = labels.subset(labels.place == "a")
    assert one.note == ("wide river, sand bar",)
    assert one.lonlat.tolist() == [[10.5, -3.2]]
    assert (one.reflectance == labels.reflectance[1:]).all()
    assert [len(getattr(one, name)) for name in ("mask", "verdict", "region", "time", "windows", "cell")] == [1] * 6


@pytest.mark.parametrize(
    ("place", "block"),
    [
        ((-69.9, -12.8), "peru"),  # Madre de Dios
        ((-68.7, -2.2), "western-brazil"),
        ((-58.5, -9.1), "tapajos-east"),  # Juruena
        ((-59.0, -3.0), "tapajos-east"),  # an edge belongs to the block east of it
        ((-62.0, 6.5), ELSEWHERE),  # Venezuela
        ((16.0, 4.0), ELSEWHERE),
    ],
)
def test_blocks_follow_longitude_south_of_the_equator(place, block):
    assert block_of(*place) == block


def feature(name, west, east):
    ring = [[west, 0], [east, 0], [east, 2], [west, 2], [west, 0]]
    return {"type": "Feature", "properties": {"name": name}, "geometry": {"type": "Polygon", "coordinates": [ring]}}


def collection(path, *features):
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_a_place_belongs_to_the_first_region_that_holds_it(tmp_path):
    regions = read_regions(collection(tmp_path / "r.geojson", feature("near", 0, 2), feature("far", 1, 5)))
    places = np.array([[0.5, 1.0], [1.5, 1.0], [4.0, 1.0], [9.0, 1.0]])
    assert regions_of(places, regions) == ["near", "near", "far", ELSEWHERE]


def test_every_fault_of_a_regions_file_is_told_at_once(tmp_path):
    bow = feature("bow", 0, 2)
    bow["geometry"]["coordinates"] = [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]
    point = {"type": "Feature", "properties": {"name": "p"}, "geometry": {"type": "Point", "coordinates": [1, 2]}}
    nothing = {"type": "Feature", "properties": {"name": "n"}, "geometry": None}
    path = collection(tmp_path / "r.geojson", feature("", 0, 1), bow, point, feature("far", 0, 400), nothing, 7)
    with pytest.raises(Problems) as caught:
        read_regions(path)
    assert [problem.split(" ")[1].strip("():") for problem in caught.value.problems] == ["1", "2", "3", "4", "5", "6"]
