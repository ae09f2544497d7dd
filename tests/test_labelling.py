"""Drawn ground becomes labels: on the right pixels, of the right day, and every mistake told."""

from __future__ import annotations

import hashlib
import json
from datetime import date

import numpy as np
import pytest
import shapely
from pyproj import Transformer

from pipeline.config import Imagery, Period
from pipeline.disturbance.drawing import BLOCK_PX, draw, read_ground
from pipeline.disturbance.labelling import build_labels
from pipeline.disturbance.labels import BARE, OTHER, POND, UNSURE
from pipeline.disturbance.regions import Region
from pipeline.errors import BadInput, Problems
from pipeline.imagery import NODATA, FolderSource, build_composite, choose_looks
from tests.scenes import dig, ground, write_scene

EPSG = 32633
SIDE = BLOCK_PX * 10
# A block's south-west corner, UTM metres, in the west of the Central African Republic.
WEST, SOUTH = 850 * SIDE, 1080 * SIDE
HALO = 32
TO_LONLAT = Transformer.from_crs(EPSG, 4326, always_xy=True)


def box(west, south, east, north, epsg=EPSG):
    """A polygon around UTM metres from the block's corner, whose edges stay straight enough."""
    back = Transformer.from_crs(epsg, 4326, always_xy=True)
    corners = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    return {"type": "Polygon", "coordinates": [[list(back.transform(WEST + x, SOUTH + y)) for x, y in corners]]}


def point(x, y):
    return {"type": "Point", "coordinates": list(TO_LONLAT.transform(WEST + x, SOUTH + y))}


def drawn(geometry, label="bare", day="2021-01-15", **properties):
    return {"type": "Feature", "properties": {"class": label, "date": day, **properties}, "geometry": geometry}


def save(folder, *features):
    path = folder / "labels.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def lay(folder, *features):
    return draw(read_ground(save(folder, *features)))


def test_a_polygon_labels_the_pixels_whose_centres_it_holds(tmp_path):
    # 14 to 41 m east, 4 to 26 m north: centres at 15, 25, 35 and at 5, 15, 25.
    (one,), without = lay(tmp_path, drawn(box(14, 4, 41, 26)))
    expected = np.full((BLOCK_PX, BLOCK_PX), UNSURE)
    expected[-3:, 1:4] = BARE
    assert (one.mask == expected).all()
    assert one.block.geobox.affine.c == WEST
    assert one.block.geobox.boundingbox.bottom == SOUTH
    assert without == []


def test_a_point_labels_its_pixel(tmp_path):
    (one,), _ = lay(tmp_path, drawn(point(39, 471), "pond"))
    assert np.argwhere(one.mask != UNSURE).tolist() == [[0, 3]]
    assert one.mask[0, 3] == POND


def test_ground_that_lies_on_several_blocks_is_cut_and_nothing_is_lost(tmp_path):
    parts, _ = lay(tmp_path, drawn(box(-100, 100, 700, 900)))
    assert sum(int((part.mask == BARE).sum()) for part in parts) == 80 * 80
    assert len(parts) == 6
    assert len({part.block for part in parts}) == 6


def test_ground_on_either_side_of_a_zone_meridian_belongs_to_its_own_zone(tmp_path):
    ring = [[17.999, 4.0], [18.001, 4.0], [18.001, 4.001], [17.999, 4.001], [17.999, 4.0]]
    parts, _ = lay(tmp_path, drawn({"type": "Polygon", "coordinates": [ring]}))
    assert {part.block.epsg for part in parts} == {32633, 32634}
    # 222 x 111 m in all, each pixel once.
    assert sum(int((part.mask == BARE).sum()) for part in parts) == pytest.approx(22.2 * 11.1, rel=0.04)


def test_days_are_kept_apart(tmp_path):
    parts, _ = lay(tmp_path, drawn(box(0, 0, 50, 50)), drawn(box(0, 0, 50, 50), "other", "2021-02-15"))
    assert [(part.day.month, set(np.unique(part.mask).tolist())) for part in parts] == [
        (1, {BARE, UNSURE}),
        (2, {OTHER, UNSURE}),
    ]


def test_what_is_drawn_as_unsure_wins_in_whatever_order(tmp_path):
    sure, unsure = drawn(box(0, 0, 50, 50)), drawn(box(0, 0, 20, 50), "unsure")
    masks = [lay(tmp_path, *features)[0][0].mask for features in ((sure, unsure), (unsure, sure))]
    assert (masks[0] == masks[1]).all()
    assert (masks[0] == BARE).sum() == 15


def test_contradicting_ground_is_an_error_that_names_both(tmp_path):
    first, second = drawn(box(0, 0, 50, 50)), drawn(box(40, 0, 90, 50), "other")
    with pytest.raises(Problems, match=r"feature 1 \(bare, 2021-01-15\) and feature 3 \(other, .* overlap on 5 pixels"):
        lay(tmp_path, first, drawn(box(200, 200, 250, 250), "pond"), second)


def test_ground_without_a_pixels_centre_is_named(tmp_path):
    parts, without = lay(tmp_path, drawn(box(0, 0, 50, 50)), drawn(box(106, 6, 124, 13)))
    assert len(parts) == 1
    assert [item.number for item in without] == [2]


@pytest.mark.parametrize(
    ("label", "value"), [("Bare workings", BARE), ("pond_in_workings", POND), ("OTHER", OTHER), ("no mining", OTHER)]
)
def test_classes_are_read_as_people_write_them(tmp_path, label, value):
    (item,) = read_ground(save(tmp_path, drawn(point(5, 5), label, "2021/01/15")))
    assert (item.value, item.day) == (value, date(2021, 1, 15))


def test_every_mistake_is_told_at_once_with_its_feature(tmp_path):
    square = box(0, 0, 50, 50)
    path = save(
        tmp_path,
        drawn(square),
        drawn(square, "gold"),
        drawn(square, day="last spring"),
        drawn(square, day="2014-01-01"),
        drawn({"type": "LineString", "coordinates": [[16, 4], [17, 4]]}),
        drawn({"type": "Point", "coordinates": [4.0, 160.0]}),
        drawn(None, 7, None, note=3),
        "not a feature",
    )
    with pytest.raises(Problems) as caught:
        read_ground(path)
    told = [problem.split(":")[0] for problem in caught.value.problems]
    assert told == [*(f"feature {n}" for n in (2, 3, 4, 5, 6)), *["feature 7"] * 4, "feature 8"]
    assert "'gold' is not known; write one of other, bare, pond, unsure" in caught.value.problems[0]


@pytest.mark.parametrize(
    "text", ["", "[1", '{"type": "FeatureCollection"}', '{"type": "FeatureCollection", "features": []}']
)
def test_a_file_that_holds_no_features_is_refused(tmp_path, text):
    path = tmp_path / "labels.geojson"
    path.write_text(text)
    with pytest.raises(BadInput, match=r"labels\.geojson"):
        read_ground(path)


def test_a_continent_is_not_a_label(tmp_path):
    ring = [[14.0, 2.0], [16.5, 2.0], [16.5, 4.5], [14.0, 4.5], [14.0, 2.0]]
    with pytest.raises(BadInput, match="cut it into smaller ones"):
        lay(tmp_path, drawn({"type": "Polygon", "coordinates": [ring]}))
    far = [box(0, 0, 50, 50)["coordinates"], [[[16.0, 70.0], [16.1, 70.0], [16.1, 70.1], [16.0, 70.0]]]]
    with pytest.raises(BadInput, match="cut it into smaller ones"):
        lay(tmp_path, drawn({"type": "MultiPolygon", "coordinates": far}))


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Three blocks of ground a side; workings are opened between the third look and the fourth."""
    folder = tmp_path_factory.mktemp("archive")
    shape = (3 * BLOCK_PX + 2 * HALO, 3 * BLOCK_PX + 2 * HALO)
    for number, day in enumerate(("2020-12-20", "2021-01-10", "2021-02-02", "2021-12-20")):
        bands = ground(shape, seed=number)
        if day > "2021-06":
            dig(bands, slice(90, 120), slice(90, 130))
        write_scene(folder, f"S2A_{day}", day, bands, west=WEST - SIDE - 10 * HALO, north=SOUTH + 2 * SIDE + 10 * HALO)
    return folder


def build(archive, path, **options):
    return build_labels(path, FolderSource(archive), Imagery(), **options)


def test_labels_lie_on_the_composite_that_a_map_of_that_time_would_be_made_of(archive, tmp_path):
    path = save(
        tmp_path, drawn(box(0, 0, 480, 480), "other", note="forest"), drawn(box(90, 90, 200, 200), "bare", "2021-12-20")
    )
    labels = build(archive, path)
    assert labels.reflectance.shape == (2, 6, 112, 112)
    assert labels.time.tolist() == ["2021-01-15", "2021-12-20"]
    assert labels.place[0] == labels.place[1]
    assert labels.windows.astype(str).tolist() == [["2020-12-20", "2021-02-02"], ["2021-12-20", "2021-12-20"]]
    assert labels.verdict.tolist() == ["no_mining", "mining"]
    assert labels.note == ("forest", "")
    # The very pixels of a composite made for the block and its surroundings.
    (one, _), _ = draw(read_ground(path))
    period = Period(name="p", start=date(2020, 11, 16), end=date(2021, 3, 16))
    settings = Imagery(season_days=0)
    looks, _ = choose_looks(FolderSource(archive), one.block.box, period, period.end, settings, EPSG)
    made, _ = build_composite(FolderSource(archive), one.block.geobox.pad(HALO), looks, settings)
    assert (labels.reflectance[0] == made.reflectance).all()
    # Nothing is labelled in the surroundings, all of the block is.
    assert (labels.mask[0, HALO:-HALO, HALO:-HALO] == OTHER).all()
    assert (labels.mask[0] != UNSURE).sum() == BLOCK_PX**2


def test_what_lies_beyond_the_imagery_is_not_labelled(archive, tmp_path):
    path = save(tmp_path, drawn(box(-480 - 400, 0, -400, 100)))
    labels = build(archive, path)
    assert (labels.reflectance[labels.mask.nonzero()[0], 0] == NODATA).any()
    assert not ((labels.reflectance[:, 0] == NODATA) & (labels.mask != UNSURE)).any()


def test_ground_without_a_clear_look_is_left_out_and_named(archive, tmp_path):
    path = save(tmp_path, drawn(box(0, 0, 50, 50)), drawn(box(0, 0, 50, 50), day="2021-07-01"))
    labels = build(archive, path)
    assert labels.time.tolist() == ["2021-01-15"]
    (left,) = labels.provenance.left_out
    assert "features 2" in left
    assert "2021-07-01" in left


def test_a_wider_window_sees_more(archive, tmp_path):
    path = save(tmp_path, drawn(box(0, 0, 50, 50), day="2021-07-01"))
    with pytest.raises(Problems, match="nothing to learn from"):
        build(archive, path)
    assert len(build(archive, path, window_days=180).mask) == 1


@pytest.mark.parametrize("days", [-1, 400])
def test_a_window_that_is_none_is_refused(archive, tmp_path, days):
    with pytest.raises(BadInput, match="expected 0 to 366"):
        build(archive, save(tmp_path, drawn(point(5, 5))), window_days=days)


def test_a_region_comes_from_the_file_of_regions_before_the_feature(archive, tmp_path):
    path = save(tmp_path, drawn(point(5, 5), region="mine"))
    assert build(archive, path).region.tolist() == ["mine"]
    regions = (Region("theirs", shapely.box(10, 0, 20, 10)),)
    assert build(archive, path, regions=regions).region.tolist() == ["theirs"]


def test_the_labels_know_their_file_and_its_hash(archive, tmp_path):
    path = save(tmp_path, drawn(point(5, 5)))
    provenance = build(archive, path).provenance
    assert provenance.labels_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert provenance.files == {"labels.geojson": provenance.labels_sha256}
    assert not provenance.simulated
    assert "source: folder" in provenance.origin


def test_labels_on_a_simulated_archive_say_so(archive, tmp_path):
    path = save(tmp_path, drawn(point(5, 5)))
    assert build_labels(path, FolderSource(archive, name="simulation"), Imagery()).provenance.simulated
