"""Which of several scenes counts: versions, parts and namesakes, from one catalogue or from several."""

from __future__ import annotations

import copy
import json
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Imagery, Period
from pipeline.errors import SceneRejected
from pipeline.imagery import BANDS, SCL, FolderSource, StacSource
from pipeline.imagery.items import scene_from_item
from pipeline.imagery.scene import Scene, SceneList, namesakes, newest_versions
from pipeline.imagery.stack import overpasses, read_stack
from pipeline.runs.plan import _Found
from pipeline.runs.searches import joined_boxes, joined_spans
from tests.imagery_archive import TILE, item_of, write_scene

WHOLE = (15.0, 4.0, 16.0, 5.0)
WEST, EAST = (15.0, 4.0, 15.6, 5.0), (15.5, 4.0, 16.0, 5.0)
START = datetime(2021, 1, 5, 9, 34, 1, tzinfo=UTC)
STRIP = "20210105T093500"


def scene(name: str, *, minutes: float = 0, tile="33NUG", strip="", bbox=WHOLE, **told) -> Scene:
    told = {"platform": "sentinel-2a", "version": "v", **told}
    when = START + timedelta(minutes=minutes)
    return Scene(name, acquired=when, granule=f"{tile} {strip}".strip(), bbox=bbox, **told)


def kept(*scenes: Scene) -> list[str]:
    return sorted(s.id for s in newest_versions(scenes).scenes)


def catalogued(name: str, when: str, hrefs=dict, **properties) -> Scene:
    """The scene of an item as one of the catalogues words it: nothing but what is given."""
    item = item_of(name, datetime.fromisoformat(when), WHOLE)
    item["properties"] = {"datetime": when, **properties}
    return scene_from_item(item, str)


OLD = "S2A_MSIL2A_20210105T093401_N0214_R136_T33NUG_20210105T115802"
NEW = "S2A_MSIL2A_20210105T093401_N0500_R136_T33NUG_20230601T101010"
YEAR_END = date(2021, 12, 31)
MGRS = {"mgrs:utm_zone": 33, "mgrs:latitude_band": "N", "mgrs:grid_square": "UG"}


def strip_of(made: str, baseline: str) -> str:
    return f"S2A_OPER_MSI_L2A_DS_VGS2_{made}_S{STRIP}_N{baseline}"


def catalogues() -> list[Scene]:
    """One acquisition as Earth Search (twice), its Collection 1, the Planetary Computer and Copernicus tell it."""
    old = {
        "platform": "sentinel-2a",
        **MGRS,
        "s2:product_uri": f"{OLD}.SAFE",
        "s2:generation_time": "2021-01-05T11:58:02.000000Z",
        "s2:datastrip_id": strip_of("20210105T115802", "02.14"),
        "s2:processing_baseline": "02.14",
        "earthsearch:boa_offset_applied": False,
        "updated": "2024-02-02T00:00:00Z",
    }
    new = {
        "s2:product_uri": f"{NEW}.SAFE",
        "s2:generation_time": "2023-06-01T10:10:10Z",
        "s2:datastrip_id": strip_of("20230601T101010", "05.00"),
        "s2:processing_baseline": "05.00",
        "updated": "2023-07-01T00:00:00Z",
    }
    return [
        catalogued("S2A_33NUG_20210105_0_L2A", "2021-01-05T09:43:18Z", **old),
        catalogued("S2A_33NUG_20210105_1_L2A", "2021-01-05T09:43:18Z", **{**old, **new}),
        catalogued("S2A_T33NUG_20210105T094318_L2A", "2021-01-05T09:43:18.5Z", **MGRS, **new),
        catalogued(
            "S2A_MSIL2A_20210105T093401_R136_T33NUG_20210105T115802",
            "2021-01-05T09:34:01.024Z",
            **{**old, "platform": "Sentinel-2A", "s2:mgrs_tile": "33NUG"},
        ),
        catalogued(
            NEW,
            "2021-01-05T09:34:01.024Z",
            **{
                "platform": "sentinel-2a",
                "grid:code": "MGRS-33NUG",
                "processing:version": "05.00",
                "processing:datetime": "2023-06-01T10:10:10Z",
                "eopf:datastrip_id": strip_of("20230601T101010", "05.00"),
            },
        ),
    ]


def test_one_acquisition_of_five_catalogues_is_one_scene_and_each_other_is_named_with_the_rule():
    chosen = newest_versions(catalogues())
    assert [s.id for s in chosen.scenes] == ["S2A_T33NUG_20210105T094318_L2A"]
    assert {s.scene_id: s.reason for s in chosen.skipped} == {
        "S2A_33NUG_20210105_0_L2A": "an earlier version of S2A_T33NUG_20210105T094318_L2A (baseline 02.14 of "
        "2021-01-05T11:58:02; that is baseline 05.00 of 2023-06-01T10:10:10)",
        "S2A_33NUG_20210105_1_L2A": "the same version as S2A_T33NUG_20210105T094318_L2A, whose id comes later in the "
        "alphabet",
        "S2A_MSIL2A_20210105T093401_R136_T33NUG_20210105T115802": "an earlier version of "
        "S2A_T33NUG_20210105T094318_L2A (baseline 02.14 of 2021-01-05T11:58:02; that is baseline 05.00 of "
        "2023-06-01T10:10:10)",
        NEW: "the same version as S2A_T33NUG_20210105T094318_L2A, whose id comes later in the alphabet",
    }


def test_an_item_that_says_little_is_known_by_its_id():
    bare = [
        catalogued(name, "2021-01-05T09:43:18Z", **{"s2:processing_baseline": "02.14"})
        for name in ("S2A_33NUG_20210105_0_L2A", "S2A_T33NUG_20210105T094318_L2A", OLD)
    ]
    assert {(s.platform, s.granule) for s in bare} == {("sentinel-2a", "33NUG")}
    assert bare[2].processed == "2021-01-05T11:58:02+00:00"
    assert kept(*bare) == [OLD]


def test_single_digit_zones_are_the_same_granule_with_and_without_the_nought():
    names = ("S2B_6VVN_20190629_0_L2A", "S2B_T06VVN_20190629T212530_L2A")
    granules = {catalogued(n, "2019-06-29T21:25:29Z", **{"s2:processing_baseline": "02.12"}).granule for n in names}
    assert granules == {"06VVN"}


@pytest.mark.parametrize("told", [{"s2:product_type": "S2MSI1C"}, {"processing:level": "L1C"}])
def test_top_of_atmosphere_is_refused(told):
    with pytest.raises(SceneRejected, match="top-of-atmosphere"):
        catalogued("S2A_33NUG_20210105_0_L1C", "2021-01-05T09:43:18Z", **{"s2:processing_baseline": "02.14"}, **told)


@pytest.mark.parametrize(
    ("a", "b", "winner"),
    [
        ({"baseline": "02.14", "processed": "2024"}, {"baseline": "05.00", "processed": "2023"}, "b"),
        ({"baseline": "05.00", "processed": "2024"}, {"baseline": "05.00", "processed": "2023"}, "a"),
        ({"baseline": "02.14"}, {"baseline": "99.99", "processed": "2024"}, "a"),
        ({"processed": "2020"}, {}, "a"),
        ({"baseline": "02.08"}, {}, "a"),
        ({}, {}, "b"),
        ({"platform": ""}, {"baseline": "02.14"}, "b"),
        ({"minutes": 25, "baseline": "05.00"}, {}, "a"),
        ({"strip": "20210105T093500", "baseline": "05.00"}, {"strip": "20210105T093504"}, "a"),
        ({"strip": "20210105T093500", "baseline": "05.00"}, {"strip": ""}, "a"),
        ({"bbox": None, "baseline": "05.00"}, {"bbox": WEST}, "a"),
        ({"bbox": (15.0, 4.0, 15.98, 4.97), "baseline": "05.00"}, {}, "a"),
    ],
)
def test_of_two_versions_one_is_kept(a, b, winner):
    assert kept(scene("a", **a), scene("b", **b)) == [winner]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ({"strip": "20210105T093500", "baseline": "05.00"}, {"strip": "20210105T093611"}),
        ({"bbox": WEST, "baseline": "05.00"}, {"bbox": EAST}),
        ({"bbox": WEST, "baseline": "05.00"}, {"bbox": WHOLE}),
        ({"tile": "33NUH"}, {}),
        ({"platform": "sentinel-2b"}, {}),
        ({"minutes": 100}, {}),
        ({"tile": ""}, {"tile": ""}),
    ],
)
def test_parts_and_other_acquisitions_are_all_kept(a, b):
    assert kept(scene("a", **a), scene("b", **b)) == ["a", "b"]


def test_parts_of_one_overpass_are_one_look_in_which_the_later_baseline_goes_first():
    parts = [scene("a", bbox=WHOLE, baseline="02.14"), scene("b", minutes=1, bbox=WEST, baseline="05.00")]
    groups, _ = overpasses(newest_versions(parts).scenes, 32633)
    assert [[s.id for s in group] for group in groups] == [["a", "b"]]


def test_two_datastrips_of_a_granule_are_one_look_of_all_its_ground_and_the_newer_version_is_seen_first(tmp_path):
    """Two products split a granule at column 30; an older one of the first strip covers all with other numbers."""
    cols = np.arange(64)[None, :]
    for name, made, value, seen in (
        ("first", "2023-01-01T00:00:00Z", 1000, cols < 30),
        ("second", "2023-01-01T00:00:00Z", 2000, cols >= 28),
        ("older", "2021-01-02T00:00:00Z", 3000, cols < 40),
    ):
        begin = "20210105T093611" if name == "second" else STRIP
        plane = np.where(np.broadcast_to(seen, (64, 64)), value, 0)
        bands = {b: plane if b in ("B02", "B03", "B04", "B08") else plane[::2, ::2] for b in BANDS}
        path = write_scene(tmp_path, name, "2021-01-05T09:43:00", bands, **{"s2:generation_time": made})
        item = json.loads(path.read_text())
        item["properties"]["s2:datastrip_id"] = f"S2A_OPER_MSI_L2A_DS_X_{made[:4]}_S{begin}_N02.14"
        if name == "first":
            item["bbox"][2] -= 0.5 * (item["bbox"][2] - item["bbox"][0])
        path.write_text(json.dumps(item))
    source = FolderSource(tmp_path)
    found = source.find((-180.0, -90.0, 180.0, 90.0), date(2021, 1, 1), date(2021, 1, 31))
    assert [s.id for s in found.scenes] == ["first", "older", "second"]
    stack, lost = read_stack(source, found.scenes, TILE.geobox[:4, :64], 1)
    assert lost == ()
    assert stack.reflectance.shape[0] == 1
    assert stack.reflectance[0, 0, 0].tolist() == [1000] * 30 + [2000] * 34


def test_a_scene_told_twice_is_one_scene_and_no_loser():
    one = scene("a")
    chosen = newest_versions([one, copy.deepcopy(one)])
    assert (chosen.scenes, chosen.skipped) == ((one,), ())


def test_of_two_collections_with_one_id_the_reason_says_so():
    chosen = newest_versions([scene("a", baseline="02.14"), scene("a", baseline="05.00", version="w")])
    assert [s.baseline for s in chosen.scenes] == ["05.00"]
    assert [s.reason for s in chosen.skipped] == ["another collection has a too, and that one is read"]


SCENES = st.builds(
    scene,
    st.sampled_from("abcdef"),
    minutes=st.sampled_from((0, 0.2, 8, 29, 45, 99)),
    tile=st.sampled_from(("33NUG", "33NUG", "33NUH", "")),
    strip=st.sampled_from(("", "20210105T093500", "20210105T093503", "20210105T093900", "nonsense")),
    bbox=st.sampled_from((None, WHOLE, WEST, EAST, (179.5, 4.0, -179.5, 5.0), (15.0, 4.0, 15.0, 4.0))),
    platform=st.sampled_from(("sentinel-2a", "sentinel-2a", "sentinel-2b", "")),
    baseline=st.sampled_from((None, "02.14", "05.00", "99.99")),
    processed=st.sampled_from(("", "2021-01-05T11:58:02+00:00", "2023-06-01T10:10:10+00:00")),
    version=st.sampled_from("vw"),
)


@given(st.lists(SCENES, max_size=8), st.randoms(use_true_random=False))
@settings(max_examples=400, deadline=None)
def test_what_is_chosen_does_not_depend_on_the_order_and_loses_nothing_without_a_word(scenes, random):
    def chosen(them):
        good, bad = namesakes(them)
        found = newest_versions(good)
        return found, sorted((s.id, s.acquired) for s, _ in bad)

    shuffled = list(scenes)
    random.shuffle(shuffled)
    result, named = chosen(scenes)
    assert (result, named) == chosen(shuffled)
    ids = {s.id for s in result.scenes}
    assert ids | {s.scene_id for s in result.skipped} | {name for name, _ in named} == {s.id for s in scenes}
    for skipped in result.skipped:
        assert any(f" {name}" in skipped.reason for name in ids)
    assert newest_versions(result.scenes).scenes == result.scenes


def test_a_search_of_two_collections_gives_each_acquisition_once(monkeypatch):
    items = []
    for collection, name, baseline in (
        ("sentinel-2-l2a", "S2A_33NUG_20210105_0_L2A", "02.14"),
        ("sentinel-2-c1-l2a", "S2A_T33NUG_20210105T094318_L2A", "05.00"),
    ):
        item = item_of(name, START, WHOLE, baseline=baseline)
        item["collection"] = collection
        for band in (*BANDS, SCL):
            item["assets"][band]["href"] = f"https://example.org/{name}/{band}.tif"
        items.append(item)
    source = StacSource("https://example.org", ["sentinel-2-l2a", "sentinel-2-c1-l2a"])
    for answer in (items, items[::-1], items * 2):
        monkeypatch.setattr(source, "_search", lambda *_, answer=answer: answer)
        result = source.find(WHOLE, date(2021, 1, 1), date(2021, 1, 31))
        assert [(s.id, s.offset) for s in result.scenes] == [("S2A_T33NUG_20210105T094318_L2A", -1000)]
        assert [s.scene_id for s in result.skipped] == ["S2A_33NUG_20210105_0_L2A"]


def test_real_items_of_one_granule_and_day_count_once_and_all_others_are_kept(shared_data):
    """25 real items, among them one acquisition in two collections and one item in two versions of its metadata."""
    items = []
    for path in sorted((shared_data / "stac").iterdir()):
        document = json.loads(path.read_text())
        items += document.get("features", [document])
    scenes = [scene_from_item(item, str) for item in items]
    chosen = newest_versions(scenes)
    assert len(scenes) == 25
    assert len(chosen.scenes) + len(chosen.skipped) == len({(s.id, s.version) for s in scenes})
    assert len({(s.granule, s.acquired) for s in scenes}) == len(chosen.scenes) == 23
    assert newest_versions(scenes[::-1]) == chosen


class TwoBoxes:
    """A source that tells the west an old version and the east a new one of the same scene."""

    def __init__(self):
        self.asked = 0

    def find(self, bbox, start, end):
        self.asked += 1
        told = scene("old", baseline="02.14") if bbox[0] < 15.5 else scene("new", baseline="05.00")
        return SceneList((told,))


def test_what_two_searches_find_is_chosen_from_once_more():
    source = TwoBoxes()
    boxes = [(15.0, 4.0, 15.1, 4.1), (15.8, 4.8, 15.9, 4.9)]
    file = SimpleNamespace(
        config=SimpleNamespace(imagery=Imagery(season_days=0)),
        areas=[SimpleNamespace(geometry=shapely.box(*box)) for box in boxes],
    )
    found = _Found.search(source, file, [Period(name="p", start=date(2021, 1, 1), end=date(2021, 1, 31))], YEAR_END)
    assert source.asked == 2
    assert [s.id for s in found.scenes] == ["new"]
    assert [s.scene_id for s in found.skipped] == ["old"]


# --- how often a source is asked


def test_areas_side_by_side_are_one_search_and_far_ones_are_their_own():
    side_by_side = [(15.0 + k / 10, 4.0, 15.1 + k / 10, 4.1) for k in range(8)]
    far = (24.0, 6.0, 24.2, 6.2)
    (near, other) = joined_boxes([*side_by_side, far], 0.06)
    assert near == pytest.approx((14.94, 3.94, 15.86, 4.16))
    assert other == pytest.approx((23.94, 5.94, 24.26, 6.26))


def test_a_thin_line_of_areas_that_turns_is_not_one_huge_box():
    corner = [(15.0, 4.0, 19.0, 4.1), (19.0, 4.0, 19.1, 8.0)]
    assert len(joined_boxes(corner, 0.06)) == 2


BOXES = st.tuples(st.integers(-1790, 1780), st.integers(-890, 880), st.integers(1, 10), st.integers(1, 10)).map(
    lambda b: (b[0] / 10, b[1] / 10, (b[0] + b[2]) / 10, (b[1] + b[3]) / 10)
)


@given(st.lists(BOXES, min_size=1, max_size=12), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_every_area_lies_in_a_box_that_is_asked_for_in_whatever_order(areas, random):
    boxes = joined_boxes(areas, 0.06)
    shuffled = list(areas)
    random.shuffle(shuffled)
    assert joined_boxes(shuffled, 0.06) == boxes
    assert len(boxes) <= len(areas)
    for west, south, east, north in areas:
        assert any(b[0] < west and b[1] < south and b[2] > east and b[3] > north for b in boxes)


def test_periods_that_meet_are_one_search():
    first, second, third = (date(2021, 1, 1), date(2021, 3, 31)), (date(2021, 4, 1), date(2021, 5, 1)), None
    third = (date(2022, 1, 1), date(2022, 2, 1))
    assert joined_spans([third, second, first]) == [(date(2021, 1, 1), date(2021, 5, 1)), third]
