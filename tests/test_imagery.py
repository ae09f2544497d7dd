"""The composite of a period on a tile, and which looks it is made of."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from pipeline.config import Imagery, Period
from pipeline.errors import SceneRejected
from pipeline.imagery import (
    BANDS,
    NODATA,
    PLANE_NAMES,
    SCL,
    Asset,
    Composite,
    FolderSource,
    LookPlan,
    Scene,
    SceneList,
    Skipped,
    build_composite,
    choose_looks,
)
from tests.imagery_archive import TILE, write_scene

EVERYWHERE = (-180.0, -90.0, 180.0, 90.0)
EXACT = Imagery(cloud_dilation_m=0, shadow_dilation_m=0)
PERIOD = Period(name="p", start=date(2021, 1, 1), end=date(2021, 3, 31))
HERE = TILE.geobox[:2, :3]


def scene(name: str, day: str = "2021-01-01", *, scl: bool = True, **fields) -> Scene:
    assets = {band: Asset(f"{name}/{band}.tif") for band in (*BANDS, SCL) if scl or band != SCL}
    when = datetime.fromisoformat(day).replace(tzinfo=UTC)
    defaults = {"epsg": TILE.epsg, "platform": "sentinel-2a", "offset_reason": "given"}
    return Scene(name, "v1", when, assets, **(defaults | fields))


class Given:
    """A source of given arrays (band, y, x) with SCL last, laid on the lattice from the corner of HERE."""

    name = "given"

    def __init__(self, arrays: dict[str, np.ndarray]):
        self.arrays = arrays

    def find(self, bbox, start, end):
        pytest.fail("a composite is made of the scenes it is given; it searches for none")

    def read(self, wanted, bands, geobox: GeoBox):
        array = self.arrays[wanted.id]
        if array is None:
            raise SceneRejected("B04.tif cannot be read (cut short); fetch the file again")
        out = np.zeros((len(bands), *geobox.shape), np.uint16)
        left = round((HERE.affine.c - geobox.affine.c) / 10)
        top = round((geobox.affine.f - HERE.affine.f) / 10)
        picked = array[[(*BANDS, SCL).index(band) for band in bands]]
        height, width = array.shape[1:]
        rows = slice(max(top, 0), min(top + height, geobox.shape[0]))
        cols = slice(max(left, 0), min(left + width, geobox.shape[1]))
        if rows.start < rows.stop and cols.start < cols.stop:
            part = picked[:, rows.start - top : rows.stop - top, cols.start - left : cols.stop - left]
            out[:, rows, cols] = part
        return out

    def overview(self, wanted, bands, side_px):
        pytest.fail("a composite is made of pixels; it asks for no overview")


def look(blue, scl=4) -> np.ndarray:
    """Seven layers (2, 3): B02 as given, the others 100 apart, then the classification."""
    first = np.broadcast_to(np.array(blue), (2, 3))
    layers = [np.where(first == 0, 0, first + 100 * k) for k in range(6)]
    return np.stack([*layers, np.broadcast_to(np.array(scl), (2, 3))]).astype(np.uint16)


def composed(arrays: dict[str, np.ndarray | None], scenes, plan=None, given=EXACT, geobox=HERE):
    return build_composite(Given(arrays), geobox, plan or LookPlan(tuple(scenes)), given)


# --- the composite


def test_the_composite_is_the_median_of_the_clear_looks_rounded_to_even():
    arrays = {
        "a": look([[100, 200, 300], [400, 500, 600]]),
        "b": look([[103, 201, 900], [0, 510, 700]], [[4, 4, 9], [4, 4, 4]]),
        "c": look([[110, 0, 0], [0, 521, 800]]),
    }
    scenes = [scene(name, day) for name, day in zip("abc", ("2021-01-01", "2021-01-11", "2021-02-05"), strict=True)]
    made, lost = composed(arrays, scenes)
    assert lost == ()
    assert made.reflectance[0].tolist() == [[103, 200, 300], [400, 510, 700]]
    assert (made.reflectance[5] == made.reflectance[0] + 500).all()
    assert made.looks.tolist() == [[3, 2, 1], [1, 3, 3]]
    first, lower, upper, last = (made.days - (date(2021, 1, 1) - date(1970, 1, 1)).days).astype(int)
    assert first.tolist() == [[0, 0, 0], [0, 0, 0]]
    assert lower.tolist() == [[10, 0, 0], [0, 10, 10]]
    assert upper.tolist() == [[10, 10, 0], [0, 10, 10]]
    assert last.tolist() == [[35, 10, 0], [0, 35, 35]]


def test_scenes_of_both_baselines_give_one_reflectance():
    arrays = {"old": look(350), "new": look(1350)}
    scenes = [scene("old"), scene("new", "2021-01-06", offset=-1000)]
    made, _ = composed(arrays, scenes)
    assert (made.reflectance[0] == 350).all()
    assert (made.reflectance[5] == 850).all()


def test_reflectance_below_zero_is_dark_and_not_unseen():
    made, _ = composed({"new": look(900)}, [scene("new", offset=-1000)])
    assert (made.reflectance[0] == 1).all()
    assert made.observed.all()


def test_a_pixel_that_is_always_cloudy_is_not_observed():
    arrays = {name: look(300, [[9, 4, 4], [4, 4, 8]]) for name in "ab"}
    made, _ = composed(arrays, [scene("a"), scene("b", "2021-01-06")], given=EXACT)
    assert made.observed.tolist() == [[False, True, True], [True, True, False]]
    assert (made.reflectance[:, 0, 0] == NODATA).all()
    assert (made.days[:, 0, 0] == NODATA).all()
    assert made.looks[0, 0] == 0


def test_fewer_clear_looks_than_asked_for_are_not_observed():
    arrays = {"a": look(300), "b": look([[300, 0, 300], [300, 300, 300]])}
    scenes = [scene("a"), scene("b", "2021-01-06")]
    made, _ = composed(arrays, scenes, given=EXACT.model_copy(update={"min_clear_looks": 2}))
    assert made.observed.tolist() == [[True, False, True], [True, True, True]]
    assert made.looks[0, 1] == 1


def test_no_scenes_make_an_empty_composite():
    made, lost = composed({}, [])
    assert lost == ()
    assert not made.observed.any()
    assert made.looks.sum() == 0
    assert (made.greenest == NODATA).all()


def test_a_composite_without_classification_is_masked_by_nodata_alone():
    made, _ = composed({"a": look([[300, 0, 5000], [300, 300, 300]], 9)}, [scene("a", scl=False)])
    assert made.observed.tolist() == [[True, False, True], [True, True, True]]


def test_a_saturated_pixel_is_not_observed():
    array = look(300)
    array[2, 1, 1] = 65535
    made, _ = composed({"a": array}, [scene("a")])
    assert made.observed.tolist() == [[True, True, True], [True, False, True]]


def test_a_scene_that_breaks_is_named_and_the_others_are_used():
    made, lost = composed({"a": look(300), "b": None}, [scene("a"), scene("b", "2021-01-06")])
    assert [(s.scene_id, s.failed) for s in lost] == [("b", True)]
    assert "cut short" in lost[0].reason
    assert (made.looks == 1).all()


def test_a_scene_of_another_zone_is_left_to_that_zone():
    made, lost = composed({"a": look(300)}, [scene("a"), scene("b", epsg=32634), scene("c", epsg=4326)])
    assert [(s.scene_id, s.failed) for s in lost] == [("b", False), ("c", True)]
    assert "own zone" in lost[0].reason
    assert "reproject it to EPSG:32633" in lost[1].reason
    assert (made.looks == 1).all()


def test_granules_of_one_overpass_are_one_look():
    left, right = look([[300, 300, 0], [300, 300, 0]]), look([[0, 900, 900], [0, 900, 900]])
    scenes = [scene("a", "2021-01-01T09:30:00"), scene("b", "2021-01-01T09:30:15")]
    made, _ = composed({"a": left, "b": right}, scenes)
    assert (made.looks == 1).all()
    assert made.reflectance[0].tolist() == [[300, 300, 900]] * 2


def test_two_satellites_on_one_day_are_two_looks():
    scenes = [scene("a"), replace(scene("b"), platform="sentinel-2b")]
    made, _ = composed({"a": look(300), "b": look(500)}, scenes)
    assert (made.looks == 2).all()
    assert (made.reflectance[0] == 400).all()


def test_cloud_of_one_granule_reaches_into_its_neighbour():
    left = look([[300, 300, 0], [300, 300, 0]], [[4, 9, 0], [4, 9, 0]])
    right = look([[0, 0, 900], [0, 0, 900]], [[0, 0, 4], [0, 0, 4]])
    scenes = [scene("a", "2021-01-01T09:30:00"), scene("b", "2021-01-01T09:30:15")]
    made, _ = composed({"a": left, "b": right}, scenes, given=Imagery(cloud_dilation_m=10, shadow_dilation_m=0))
    assert made.looks.sum() == 0


def test_cloud_too_bright_to_measure_still_casts_its_dilation():
    array = look([[300, 300, 65535], [300, 300, 65535]], [[4, 4, 9], [4, 4, 9]])
    made, _ = composed({"a": array}, [scene("a")], given=Imagery(cloud_dilation_m=10, shadow_dilation_m=0))
    assert made.looks.tolist() == [[1, 0, 0]] * 2


def test_cloud_beyond_the_edge_of_the_tile_is_dilated_into_it():
    array = look(300, [[4, 4, 9], [4, 4, 9]])
    given = Imagery(cloud_dilation_m=10, shadow_dilation_m=0)
    made, _ = composed({"a": array}, [scene("a")], given=given, geobox=HERE[:, :2])
    assert made.looks.tolist() == [[1, 0]] * 2


def green(red, nir, scl=4) -> np.ndarray:
    array = look(500, scl)
    array[2], array[3] = red, nir
    return array


def test_the_greenest_clear_look_of_each_side_is_kept():
    arrays = {
        "p": look(300),
        "b1": green(900, 2700),
        "b2": green([[300, 900, 900]] * 2, [[2700, 2700, 2700]] * 2, [[4, 4, 4], [9, 4, 4]]),
        "a1": green(1000, 1000, 9),
    }
    plan = LookPlan((scene("p"),), (scene("b1", "2020-06-01"), scene("b2", "2020-07-01")), (scene("a1", "2021-06-01"),))
    made, _ = composed(arrays, (), plan)
    assert made.greenest[0].tolist() == [[18000, 15000, 15000], [15000, 15000, 15000]]
    assert (made.greenest[1] == NODATA).all()
    assert (made.looks == 1).all()


def test_only_looks_far_from_the_period_show_another_season():
    after = {"near": green(900, 2700), "far": green(900, 2700, [[4, 9, 4]] * 2), "farther": green(900, 2700)}
    days = {"near": "2021-03-20", "far": "2021-05-20", "farther": "2021-06-20"}
    plan = LookPlan((scene("p", "2021-02-01"),), (), tuple(scene(name, day) for name, day in days.items()))
    made, _ = composed({"p": look(300), **after}, (), plan)
    assert made.season_looks[1].tolist() == [[2, 1, 2]] * 2
    assert not made.season_looks[0].any()


def test_dark_water_is_seen_and_never_green():
    made, _ = composed({"b": green([[1, 1, 200]] * 2, [[30, 1000, 999]] * 2)}, (), LookPlan((), (scene("b"),)))
    assert made.greenest[0, 0].tolist() == [10000, 19980, 10000]


def test_greenness_is_that_of_reflectance_and_not_of_stored_numbers():
    plan = LookPlan((), (scene("b", "2020-06-01", offset=-1000),))
    made, _ = composed({"b": green(1300, 3700)}, (), plan)
    assert (made.greenest[0] == 18000).all()


def test_a_season_look_that_breaks_is_named():
    made, lost = composed({"p": look(300), "b": None}, (), LookPlan((scene("p"),), (scene("b", "2020-06-01"),)))
    assert [(s.scene_id, s.failed) for s in lost] == [("b", True)]
    assert made.observed.all()


# --- tiles, threads and planes


def random_arrays(seed: int, count: int, shape=(14, 17)):
    rng = np.random.default_rng(seed)
    arrays = {}
    for k in range(count):
        layers = rng.integers(0, 6000, (7, *shape))
        layers[:, rng.random(shape) < 0.1] = 0
        layers[6] = rng.choice([2, 4, 5, 6, 7, 3, 8, 9, 10], shape, p=[0.1, 0.3, 0.2, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05])
        arrays[f"s{k}"] = layers.astype(np.uint16)
    scenes = [scene(f"s{k}", f"2021-01-{k + 1:02d}") for k in range(count)]
    seasons = [scene(f"s{k}", f"2020-06-{k + 1:02d}") for k in range(count)]
    return arrays, LookPlan(tuple(scenes), tuple(seasons))


@given(st.integers(0, 1000), st.integers(1, 6), st.integers(1, 13), st.integers(1, 16), st.integers(0, 40))
@settings(max_examples=25, deadline=None)
def test_a_pixel_is_the_same_whichever_tile_it_is_computed_in(seed, count, row, col, reach):
    arrays, plan = random_arrays(seed, count)
    given = Imagery(cloud_dilation_m=reach, shadow_dilation_m=reach // 2, rescue_share=0.3)
    whole_box = TILE.geobox[:14, :17]
    whole = composed(arrays, (), plan, given, whole_box)[0].to_planes()
    for rows, cols in ((slice(0, row), slice(0, col)), (slice(row, 14), slice(col, 17))):
        part = composed(arrays, (), plan, given, whole_box[rows, cols])[0].to_planes()
        assert (part == whole[:, rows, cols]).all()


def test_threads_do_not_change_the_result():
    arrays, plan = random_arrays(5, 7)
    made = [
        build_composite(Given(arrays), TILE.geobox[:14, :17], plan, Imagery(), threads=n)[0].to_planes()
        for n in (1, 2, 3)
    ]
    assert (made[0] == made[1]).all()
    assert (made[0] == made[2]).all()


def test_the_order_of_the_scenes_does_not_change_the_result():
    arrays, plan = random_arrays(6, 5)
    turned = LookPlan(plan.period[::-1], plan.before[::-1])
    first, second = (composed(arrays, (), p, geobox=TILE.geobox[:14, :17])[0].to_planes() for p in (plan, turned))
    assert (first == second).all()


def test_planes_go_and_come_back():
    arrays, plan = random_arrays(7, 3)
    made, _ = composed(arrays, (), plan, geobox=TILE.geobox[:14, :17])
    planes = made.to_planes()
    assert planes.shape == (len(PLANE_NAMES), 14, 17)
    assert planes.dtype == np.uint16
    back = Composite.from_planes(made.geobox, planes)
    assert (back.to_planes() == planes).all()
    assert (planes[PLANE_NAMES.index("looks")] == made.looks).all()
    assert (planes[PLANE_NAMES.index("day_upper_median")] == made.days[2]).all()
    assert (planes[PLANE_NAMES.index("greenest_before")] == made.greenest[0]).all()


def test_planes_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="not uint16"):
        Composite.from_planes(HERE, np.zeros((13, 2, 3), np.uint16))


def test_cropping_takes_the_halo_off_pixels_and_grid_alike():
    arrays, plan = random_arrays(8, 2)
    made, _ = composed(arrays, (), plan, geobox=TILE.geobox[:14, :17])
    inner = made.cropped(3)
    assert inner.geobox == TILE.geobox[3:11, 3:14]
    assert (inner.to_planes() == made.to_planes()[:, 3:11, 3:14]).all()
    assert made.cropped(0) is made


# --- which looks are chosen


class Listed:
    """A source that lists given scenes."""

    name = "listed"

    def __init__(self, *scenes: Scene, skipped: tuple[Skipped, ...] = ()):
        self.scenes, self.skipped = scenes, skipped

    def find(self, bbox, start, end):
        hit = (s for s in self.scenes if start <= s.acquired.date() <= end)
        return SceneList(tuple(sorted(hit, key=lambda s: (s.acquired, s.id))), self.skipped)


def chosen(*scenes, as_of=date(2030, 1, 1), given=None, epsg=None, skipped=()):
    plan, left_out = choose_looks(
        Listed(*scenes, skipped=skipped), EVERYWHERE, PERIOD, as_of, given or Imagery(season_days=100), epsg
    )
    return [[s.id for s in part] for part in (plan.period, plan.before, plan.after)], left_out


def test_scenes_go_to_the_period_and_the_seasons_beside_it():
    days = (
        "2020-09-22",
        "2020-09-23",
        "2020-12-31",
        "2021-01-01",
        "2021-03-31",
        "2021-04-01",
        "2021-07-09",
        "2021-07-10",
    )
    ids, left_out = chosen(*(scene(day, day) for day in days))
    assert ids == [["2021-01-01", "2021-03-31"], ["2020-09-23", "2020-12-31"], ["2021-04-01", "2021-07-09"]]
    assert left_out == ()


def test_nothing_after_the_day_of_the_run_is_used():
    scenes = [scene(day, day) for day in ("2021-01-01", "2021-02-01", "2021-02-02", "2021-05-01")]
    assert chosen(*scenes, as_of=date(2021, 2, 1))[0] == [["2021-01-01", "2021-02-01"], [], []]
    assert chosen(*scenes, as_of=date(2020, 1, 1))[0] == [[], [], []]


def test_no_season_days_read_no_seasons():
    scenes = [scene(day, day) for day in ("2020-12-31", "2021-01-01", "2021-04-01")]
    assert chosen(*scenes, given=Imagery(season_days=0))[0] == [["2021-01-01"], [], []]


def test_cloudy_scenes_are_left_out_with_the_reason():
    ids, left_out = chosen(
        scene("a", "2021-01-01", cloud_cover=80.0), scene("b", "2021-01-02", cloud_cover=80.4), scene("c", "2021-01-03")
    )
    assert ids[0] == ["a", "c"]
    assert left_out == (Skipped("b", "cloud cover 80.4 % is above 80 %"),)


def test_the_least_cloudy_scenes_are_kept_in_order_of_time():
    clouds = {"a": 30.0, "b": 10.0, "c": 50.0, "d": 20.0}
    scenes = [scene(name, f"2021-01-0{k + 1}", cloud_cover=cloud) for k, (name, cloud) in enumerate(clouds.items())]
    ids, left_out = chosen(*scenes, given=Imagery(max_scenes=2))
    assert ids[0] == ["b", "d"]
    assert [(s.scene_id, s.failed) for s in left_out] == [("a", False), ("c", False)]
    assert left_out[0].reason == "2 other scenes were enough"


def test_a_season_is_read_from_end_to_end_and_not_only_in_its_clearest_weeks():
    days = ("2021-04-02", "2021-04-05", "2021-04-08", "2021-07-20", "2021-10-01")
    scenes = [scene(f"s{k}", day, cloud_cover=5.0 + 20 * (k > 2)) for k, day in enumerate(days)]
    ids, _ = chosen(*scenes, given=Imagery(max_season_scenes=3))
    assert ids[2] == ["s0", "s3", "s4"]


def test_seasons_have_their_own_limit():
    scenes = [scene(f"s{k}", f"2021-04-0{k + 1}", cloud_cover=10.0 * (3 - k)) for k in range(3)]
    ids, left_out = chosen(*scenes, given=Imagery(max_season_scenes=1))
    assert ids[2] == ["s2"]
    assert len(left_out) == 2


def test_scenes_of_another_zone_do_not_use_up_the_limit():
    scenes = [scene("a", "2021-01-01", cloud_cover=5.0, epsg=32634), scene("b", "2021-01-02", cloud_cover=50.0)]
    ids, left_out = chosen(*scenes, given=Imagery(max_scenes=1), epsg=TILE.epsg)
    assert ids[0] == ["b"]
    assert [(s.scene_id, s.failed) for s in left_out] == [("a", False)]


def test_what_the_source_could_not_use_is_passed_on_once():
    broken = Skipped("x", "lacks B11", failed=True)
    assert chosen(skipped=(broken,))[1] == (broken,)


# --- from files on disk


def test_from_files_to_a_composite_with_faults_on_the_way(tmp_path):
    write_scene(tmp_path, "good", "2021-01-05T09:30:00", {"B02": 300, "B11": 1500}, side=16)
    write_scene(tmp_path, "shifted", "2021-01-10T09:30:00", {"B02": 1340, "B11": 2700}, side=16, baseline="05.09")
    write_scene(tmp_path, "cloudy", "2021-01-15T09:30:00", {"B02": 7000, "SCL": 9}, side=16)
    write_scene(tmp_path, "corrupt", "2021-01-20T09:30:00", {}, side=16)
    (tmp_path / "corrupt" / "B12.tif").write_bytes(b"II*\0 not a tiff any more")
    source = FolderSource(tmp_path)
    plan, left_out = choose_looks(source, EVERYWHERE, PERIOD, date(2022, 1, 1), EXACT, TILE.epsg)
    assert (len(plan.period), left_out) == (4, ())
    made, lost = build_composite(source, TILE.geobox[:18, :18], plan, EXACT)
    assert [(s.scene_id, s.failed) for s in lost] == [("corrupt", True)]
    assert made.looks[:16, :16].min() == made.looks.max() == 2
    assert made.looks[16:].sum() == 0
    assert made.reflectance[:, 15, 15].tolist() == [320, 500, 500, 500, 1600, 500]
