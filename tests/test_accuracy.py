"""Scores of the accuracy study on ground small enough to reason about."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from rasterio.transform import from_origin

from benchmarks import accuracy_pictures
from benchmarks.accuracy_areas import block_interval, block_sums, score_samples
from benchmarks.accuracy_models import goal_row, goal_rows, model_parts, read_models
from benchmarks.accuracy_page import Study, page
from benchmarks.accuracy_pictures import GAP_PX, SIDE_PX, strip
from benchmarks.accuracy_simulated import REGISTRATION, REMNANT, Found, score_map, score_pair
from benchmarks.accuracy_simulated_page import Simulated, simulated_goals, simulated_parts
from benchmarks.accuracy_simulated_tables import alarm_table, claim_table, hit_table, season_hits_table, season_table
from benchmarks.dating import Dated, Score
from benchmarks.lineage import LineageScore
from benchmarks.tables import wilson
from pipeline.areas.lattice import Tile, to_lonlat
from pipeline.imagery.scene import NODATA
from tests.estimated import AFTER, BEFORE, TILE, states, write_run
from tests.rasters import write_plane

LEFT, TOP, EPSG = 620_000, 520_000, 32633
SHAPE = (30, 40)
CAUSES = ("vegetation", "burn", "field")
# Rows and columns: an opened complex, an old one, and ground that only looks like workings.
OPENED = (slice(2, 8), slice(3, 10))
OLD = (slice(20, 24), slice(30, 36))
FIELD = (slice(2, 8), slice(25, 32))


def ring(rows: slice, cols: slice) -> dict:
    corners = [(cols.start, rows.start), (cols.start, rows.stop), (cols.stop, rows.stop), (cols.stop, rows.start)]
    points = [to_lonlat(EPSG).transform(LEFT + 10 * x, TOP - 10 * y) for x, y in (*corners, corners[0])]
    return {"type": "Polygon", "coordinates": [[list(point) for point in points]]}


def write(path: Path, plane: np.ndarray, left: int = LEFT, top: int = TOP) -> None:
    write_plane(path, plane, from_origin(left, top, 10, 10), EPSG)


def plane(*blocks: tuple[tuple[slice, slice], int], dtype: str = "uint8") -> np.ndarray:
    out = np.zeros(SHAPE, dtype)
    for at, value in blocks:
        out[at] = value
    return out


def complex_(
    name: str, at: tuple[slice, slice], before_ha: float, after_ha: float, opened: str, reopened: str | None = None
) -> dict:
    properties = {
        "id": name,
        "opened": opened,
        "reopened": reopened,
        "parts": {"before": 1, "after": 1},
        "joins": [],
        "splits": [],
        "bare_ha": {"before": before_ha, "after": after_ha},
        "pond_ha": {"before": 0.0, "after": 0.0},
    }
    return {"type": "Feature", "properties": properties, "geometry": ring(*at)}


def change(
    name: str, at: tuple[slice, slice], state: str = "new", confidence: str = "low", sensors: tuple[str, ...] = ("S2",)
) -> dict:
    properties = {
        "change_id": name,
        "state": state,
        "confidence": confidence,
        "sensors": list(sensors),
        "area_gain_ha": 0.42,
        "dated_by": "looks",
        "last_clear_undisturbed": "2021-02-01",
        "first_clear_disturbed": "2022-01-15",
    }
    return {"type": "Feature", "properties": properties, "geometry": ring(*at)}


@pytest.fixture
def archive(tmp_path):
    return archive_of(
        tmp_path / "archive",
        [complex_("opened", OPENED, 0.0, 0.42, "2021-06-01"), complex_("old", OLD, 0.24, 0.24, "2018-06-01")],
    )


def archive_of(root: Path, complexes: list[dict]) -> Path:
    """The days that stand for its seasons are 366 days apart."""
    (root / "truth").mkdir(parents=True)
    (root / "truth" / "complexes.geojson").write_text(json.dumps({"features": complexes}))
    truth = {
        "causes": {str(code): name for code, name in enumerate(CAUSES)},
        "days": {"before": "2021-01-30", "after": "2022-01-31"},
    }
    (root / "scenario.json").write_text(json.dumps({"name": "tiny", "truth": truth}))
    # The truth reaches ten pixels further west than the run's grid.
    wide = {
        "disturbed_32633_before": plane((OLD, 100)),
        "disturbed_32633_after": plane((OLD, 100), (OPENED, 100)),
        "cause_32633_after": plane((FIELD, 2)),
    }
    for name, inner in wide.items():
        write(root / "truth" / f"{name}.tif", np.hstack([np.zeros((SHAPE[0], 10), np.uint8), inner]), LEFT - 100)
    return root


def run_with(folder: Path, mapped: list[tuple[slice, slice]], changes: list[dict], *, seasonal=()) -> Path:
    new = plane(*((at, 2) for at in mapped), (OLD, 1))
    write(folder / "rasters" / "change_before_after_33N.tif", new)
    write(folder / "rasters" / "class_before_33N.tif", plane((OLD, 1)))
    after = plane(*((at, 1) for at in mapped), (OLD, 1), *((at, 3) for at in seasonal))
    write(folder / "rasters" / "class_after_33N.tif", after)
    write(folder / "rasters" / "probability_after_33N.tif", plane(*((at, 9000) for at in mapped), dtype="uint16"))
    (folder / "changes.geojson").write_text(json.dumps({"features": changes}))
    return folder


def test_a_reported_opening_is_found_covered_and_dated(tmp_path, archive):
    run = run_with(tmp_path / "run", [OPENED], [change("a", OPENED)])
    score = score_pair(run, archive, "before", "after")
    assert [(f.name, f.size, f.covered) for f in score.found] == [("opened", 1, True)]
    assert [(t.change_id, t.verdict, t.confidence, t.sensors) for t in score.told] == [("a", "right", "low", ("S2",))]
    assert [(d.right, d.width_days, d.by) for d in score.dates] == [(True, 348, "looks")]
    assert score.watched_km2 == pytest.approx(0.12)
    assert score.km2_years == pytest.approx(0.12 * 366 / 365.25)
    assert score.true_gain_ha == pytest.approx(0.42)


def test_a_corner_of_a_complex_is_reported_but_not_covered(tmp_path, archive):
    corner = (slice(2, 4), slice(3, 5))
    run = run_with(tmp_path / "run", [corner], [change("a", corner)])
    (found,) = score_pair(run, archive, "before", "after").found
    assert found.reported_ha == pytest.approx(0.04)
    assert not found.covered


def test_a_missed_complex_names_the_rule_that_lost_it(tmp_path, archive):
    run = run_with(tmp_path / "run", [], [], seasonal=[OPENED])
    (found,) = score_pair(run, archive, "before", "after").found
    assert (found.reported_ha, found.reason) == (None, "called seasonal")


@pytest.mark.parametrize(
    ("at", "cause"),
    [
        (FIELD, "field"),
        ((slice(2, 8), slice(22, 25)), REGISTRATION),
        ((slice(14, 18), slice(14, 18)), REMNANT),
    ],
)
def test_a_false_alarm_is_told_by_what_lies_there(tmp_path, archive, at, cause):
    run = run_with(tmp_path / "run", [at], [change("a", at)])
    score = score_pair(run, archive, "before", "after")
    assert [alarm.cause for alarm in score.false_alarms] == [cause]
    assert score.found[0].reported_ha is None


def test_a_change_beside_workings_that_did_not_grow_is_no_false_alarm_and_no_hit(tmp_path, archive):
    rim = (slice(20, 24), slice(36, 37))
    run = run_with(tmp_path / "run", [rim], [change("a", rim, "expanded")])
    score = score_pair(run, archive, "before", "after")
    assert [t.verdict for t in score.told] == ["old workings"]


def test_a_continuing_site_is_not_counted_as_reported(tmp_path, archive):
    run = run_with(tmp_path / "run", [], [change("a", OLD, "continuing")])
    assert score_pair(run, archive, "before", "after").told == []


def test_ground_dug_again_is_no_opening_but_told_apart_whether_ponds_were_left_or_not(tmp_path):
    again = complex_("again", OPENED, 0.1, 0.42, "2016-06-01", "2021-06-01")
    archive = archive_of(tmp_path / "archive", [again, complex_("old", OLD, 0.24, 0.24, "2018-06-01")])
    run = run_with(tmp_path / "run", [OPENED], [change("a", OPENED, "expanded")])
    score = score_pair(run, archive, "before", "after")
    assert [(f.name, f.again, f.area_ha, f.reported_ha) for f in score.found] == [
        ("again", True, pytest.approx(0.32), pytest.approx(0.42))
    ]
    assert "| dug again, all sizes | 1 | 1 |" in hit_table("all", score.found)
    assert "| tiny, before to after | 0 / 0 | 0 / 0 | 0 / 0 | 0 / 0 | 1 / 1 |" in season_hits_table([score])


@pytest.mark.parametrize(
    ("opened", "reopened", "after_ha"),
    [
        ("2021-01-30", None, 0.42),  # on the earlier day itself: there already
        ("2022-02-01", None, 0.42),  # after the later day
        ("2021-06-01", None, 0.0),  # nothing left to see
        ("2016-06-01", "2020-06-01", 0.42),  # dug again a season ago
    ],
)
def test_what_did_not_open_between_the_two_days_is_not_asked_for(tmp_path, opened, reopened, after_ha):
    archive = archive_of(tmp_path / "archive", [complex_("c", OPENED, 0.0, after_ha, opened, reopened)])
    assert score_pair(run_with(tmp_path / "run", [], []), archive, "before", "after").found == []


def test_what_radar_alone_claims_is_judged_on_all_its_ground(tmp_path, archive):
    # Optics saw neither place: no pixel is new on the map.
    claims = [change("S1-a", OPENED, sensors=("S1",)), change("S1-b", FIELD, sensors=("S1",))]
    score = score_pair(run_with(tmp_path / "run", [], claims), archive, "before", "after")
    assert [(t.change_id, t.verdict, t.cause) for t in score.told] == [
        ("S1-a", "right", ""),
        ("S1-b", "false", "field"),
    ]
    assert score.found[0].reported_ha == pytest.approx(0.42)


def test_false_alarms_are_counted_by_year_confidence_and_sensors(tmp_path, archive):
    changes = [
        change("a", OPENED, confidence="highest", sensors=("S1", "S2")),
        change("b", FIELD, confidence="high"),
    ]
    score = score_pair(run_with(tmp_path / "run", [OPENED, FIELD], changes), archive, "before", "after")
    # 100 km2 / 0.12 km2 in 366 of 365.25 days.
    assert "| tiny, before to after | 0.1 | 2 | 1 | 0 | 1 | 831.6 | 0.4 |" in alarm_table([score])
    told = claim_table([score])
    assert "| tiny, highest | 1 | 1 | 0 | 0 | 0.0 |" in told
    assert "| tiny, high | 1 | 0 | 0 | 1 | 831.6 |" in told
    assert "| tiny, S1 and S2 | 1 | 1 | 0 | 0 | 0.0 |" in told
    assert "| tiny, S1 alone | 0 | 0 | 0 | 0 | 0.0 |" in told


def test_blocks_hold_watched_ground_only_and_add_up_to_it():
    values = np.arange(150 * 210, dtype=np.int64).reshape(150, 210)
    watched = np.ones(values.shape, bool)
    watched[:100, 100:200] = False  # a whole block
    watched[120, 5] = False
    sums = block_sums(values, watched)
    assert len(sums) == 2 * 3 - 1
    assert sums[0] == values[:100, :100].sum()
    assert sums.sum() == values[watched].sum()


def test_blocks_that_are_alike_leave_nothing_to_chance_and_others_do():
    assert block_interval(np.full(7, 2.5)) == (17.5, 17.5)
    low, high = block_interval(np.array([0.0, 0.0, 0.0, 0.0, 10.0]))
    assert low == 0.0
    assert high > 10.0


def test_points_are_labelled_by_the_truth_and_the_estimate_is_of_the_ground_sampled_from(tmp_path):
    top, left = TILE.origin_px
    dug_after = np.zeros((512, 512), np.uint8)
    dug_after[0:60, 0:100] = 60
    dug_after[200:240, 0:100] = 49  # less than half: no workings
    dug_before = np.zeros((512, 512), np.uint8)
    dug_before[0:60, 0:20] = 100
    archive = tmp_path / "archive"
    seasons = {BEFORE["name"]: dug_before, AFTER["name"]: dug_after}
    for season, dug in seasons.items():
        write(archive / "truth" / f"disturbed_{TILE.epsg}_{season}.tif", dug, left * 10, -top * 10)
    (archive / "truth" / "complexes.geojson").write_text(json.dumps({"features": []}))
    truth = {"causes": {}, "days": {BEFORE["name"]: "2021-01-30", AFTER["name"]: "2022-01-30"}}
    (archive / "scenario.json").write_text(json.dumps({"name": "tiny", "truth": truth}))
    # The map finds half of what is new and calls as much false; its last rows were not observed.
    found = states(
        0, s1=(slice(0, 60), slice(0, 20)), s2=(slice(0, 60), slice(20, 60)), s2_=(slice(300, 340), slice(0, 60))
    )
    found[400:] = 5
    write_run(tmp_path / "run", {TILE: found})
    workings, new = score_samples(tmp_path / "run", archive, 2000, range(3, 6))
    assert (workings.kind, new.kind) == ("workings", "new")
    # Pixels of this place hold 100.06 square metres.
    assert workings.true_ha == pytest.approx(60.04, abs=0.01)
    assert new.true_ha == pytest.approx(48.03, abs=0.01)
    assert new.mapped_ha == pytest.approx(48.03, abs=0.01)
    assert (new.points, new.draws) == (2000, 3)
    assert abs(new.estimate_ha - new.true_ha) < 3 * (new.high_ha - new.estimate_ha) / 1.96
    assert new.low_ha < new.estimate_ha < new.high_ha
    assert abs(new.mean_ha - new.true_ha) < 3 * (new.high_ha - new.estimate_ha) / 1.96
    assert 0 <= new.few_held <= min(new.few, new.held) <= 3


def test_a_map_is_held_against_the_truth_of_its_season(tmp_path, archive):
    run = run_with(tmp_path / "run", [FIELD], [])
    score = score_map(run, archive, "after")
    assert score.mapped_ha == pytest.approx(0.42 + 0.24)
    assert score.true_ha == pytest.approx(0.42 + 0.24)
    assert score.both_ha == score.near_ha == pytest.approx(0.24)
    assert score.observed_share == 1
    assert score.wrong_ha == {"vegetation": 0, "burn": 0, "field": pytest.approx(0.42)}


def test_size_classes_begin_at_their_lower_bound():
    assert [Found("", ha, None).size for ha in (0.099, 0.1, 0.5, 1.999, 2.0)] == [0, 1, 2, 2, 3]


def test_wilson_gives_the_published_interval():
    # Newcombe 1998, table I: 81 of 263.
    low, high = wilson(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert wilson(0, 0) is None
    assert wilson(0, 5)[0] == 0


def card_of(iou: float, blocks: tuple[float, ...] = ()) -> dict:
    pixels = {"iou": iou, "f1": 0.6, "precision": 0.7, "recall": 0.8, "iou_95": [0.4, 0.6]}
    figures = {
        "pixels": {"disturbed": pixels, "bare": pixels, "pond": pixels},
        "patches": {"sensitivity": 0.93, "specificity": 0.9, "mining": 3, "no_mining": 4},
    }
    bins = [{"from": k / 10, "pixels": 10, "predicted": k / 10, "observed": k / 10} for k in range(10)]
    reliability = {"bins": bins, "expected_calibration_error": 0.03}
    return {
        "sha256": "ab" * 32,
        "cross_validation": {**figures, "without_industrial": figures, "kinds": {}, "reliability": reliability},
        "gallery": [{"file": f"{e[0]}.png", "error": e, "wrong_ha": 2.0, "note": "bars"} for e in ("missed",)],
        "held_out": {str(i): {"pixels": {"disturbed": {"iou": block}}} for i, block in enumerate(blocks)},
    }


def models_dir(folder: Path, cards: dict[str, dict], index: dict[str, tuple[str, str]]) -> Path:
    for name, card in cards.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "card.json").write_text(json.dumps(card))
        (folder / name / "model.json").write_text(json.dumps({"kind": "trees"}))
    named = {name: {"folder": own, "sha256": sha256} for name, (own, sha256) in index.items()}
    (folder / "index.json").write_text(json.dumps({"models": named}))
    return folder


def test_a_model_of_two_names_is_told_once_and_asked_for_both(tmp_path):
    index = {"default": ("trees", "aa"), "trees": ("trees", "aa")}
    models = read_models(models_dir(tmp_path, {"trees": card_of(0.78)}, index))
    assert [model.names for model in models.shipped] == [("default", "trees")]
    told = {row[0]: row[1:] for row in goal_rows(models)}
    assert told["`default`: IoU of disturbed ground, cells held out"] == ["≥ 0.8", "0.78", "**missed**"]
    assert told["`trees`: IoU of disturbed ground, cells held out"] == ["≥ 0.76", "0.78", "reached"]


def test_the_worst_block_counts_and_a_card_without_blocks_is_not_measured(tmp_path):
    cards = {"net": card_of(0.8, (0.75, 0.719, 0.8)), "trees": card_of(0.8)}
    models = read_models(models_dir(tmp_path, cards, {"default": ("net", "aa"), "trees": ("trees", "bb")}))
    assert [model.figure(("worst_block",)) for model in models.shipped] == [0.719, None]
    rows = [row for row in goal_rows(models) if "worst block" in row[0]]
    title = "IoU of the worst block of countries held out"
    assert rows == [
        [f"`default`: {title}", "≥ 0.72", "0.719", "**missed**"],
        [f"`trees`: {title}", "≥ 0.72", "not measured", "–"],
    ]


@pytest.mark.parametrize(
    ("value", "bound", "most", "expected"),
    [
        (0.8, 0.8, False, "reached"),
        (0.79999, 0.8, False, "**missed**"),
        (0.03, 0.03, True, "reached"),
        (0.0301, 0.03, True, "**missed**"),
        (None, 0.8, False, "–"),
    ],
)
def test_a_goal_is_reached_at_its_bound_and_never_by_rounding(value, bound, most, expected):
    assert goal_row("", value, bound, most)[-1] == expected


def test_others_measured_alike_stand_beside_the_shipped_models(tmp_path):
    folder = models_dir(tmp_path, {"trees": card_of(0.8)}, {"trees": ("trees", "aa")})
    (folder / "comparison.json").write_text(json.dumps({"models": {"extra trees": card_of(0.7)["cross_validation"]}}))
    text = "\n".join(model_parts(read_models(folder), "../models"))
    assert "| extra trees | all | 0.700 (0.400 to 0.600) |" in text
    assert "| ![missed](../models/trees/gallery/m.png) | missed | 2.0 | bars |" in text


def test_a_card_tells_what_it_was_compared_with(tmp_path):
    card = card_of(0.8) | {"comparison": {"logistic": {"IoU": 0.61, "F1": None}}}
    folder = models_dir(tmp_path, {"trees": card}, {"trees": ("trees", "aa")})
    assert "| logistic | 0.61 | – |" in "\n".join(model_parts(read_models(folder), ""))


def test_the_page_says_when_real_data_were_not_there(tmp_path, archive):
    run = run_with(tmp_path / "run", [OPENED], [change("a", OPENED)])
    models = read_models(models_dir(tmp_path / "models", {"trees": card_of(0.8)}, {"trees": ("trees", "aa")}))
    maps = (score_map(run, archive, "after"),)
    pairs = (score_pair(run, archive, "before", "after"),)
    study = Study(models, Simulated(pairs=pairs, maps=maps, maps_without_season=maps))
    text = page(study)
    assert text.count("was not there") == 2
    assert "| simulated: complexes of 0.5 ha or more reported | ≥ 80 % | not measured | – |" in text
    assert text == page(study)


def test_goals_of_dates_and_names_are_told_by_their_own_figures(tmp_path):
    day = date(2021, 6, 1)
    dates = [
        Dated(f"PW-{n}", day, day, day + timedelta(n), by, 10) for n, by in enumerate(("looks",) * 18 + ("periods",))
    ]
    late = Dated("PW-19", date(2021, 5, 1), day, day, "looks", None)
    simulated = Simulated(
        dates=(Score("tiny", [*dates, late]),),
        lineages=(LineageScore("tiny", complexes=9, seen=8, strict=5, sites=20, sites_right=18),),
        perfect=(LineageScore("tiny", complexes=9, seen=9, strict=9, sites=21, sites_right=20),),
    )
    goals = {row[0]: row[1:] for row in simulated_goals(simulated)}
    assert goals["simulated: openings of sites in their interval"] == ["≥ 95 %", "95 %", "reached"]
    assert goals["simulated `tiny`: sites one-to-one with complexes"] == ["≥ 95 %", "90 %", "**missed**"]
    told = "\n".join(simulated_parts(simulated))
    assert "| tiny, by looks | 19 | 18 | 95 % (75 % to 99 %) | 0 / 1 | 8 | 10 |" in told
    assert "| **sites on them that are one-to-one** | 18 of 20: 90 % (70 % to 97 %) |" in told
    assert "| sites one-to-one had the map no fault | 20 of 21: 95 % (77 % to 99 %) |" in told


def test_the_season_rule_is_told_by_what_it_leaves(tmp_path, archive):
    with_rule = score_map(run_with(tmp_path / "a", [], [], seasonal=[FIELD]), archive, "after")
    without = score_map(run_with(tmp_path / "b", [FIELD], []), archive, "after")
    text = season_table([with_rule], [without])
    assert "| field | 0.4 | 0.0 | 0 % |" in text
    assert "| workings | 0.2 | 0.2 | 100 % |" in text


def test_chips_stand_side_by_side_with_a_gap(tmp_path):
    red, blue = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8)
    red[..., 0], blue[..., 2] = 255, 255
    strip([red, blue], tmp_path / "strip.png")
    picture = np.asarray(Image.open(tmp_path / "strip.png").convert("RGB"))
    assert picture.shape == (8, 8 + GAP_PX + 8, 3)
    assert picture[0, 0].tolist() == [255, 0, 0]
    assert picture[0, -1].tolist() == [0, 0, 255]


def test_a_picture_across_tiles_takes_each_pixel_from_its_own(tmp_path, monkeypatch):
    west, east = Tile(EPSG, 120, 102), Tile(EPSG, 121, 102)
    numbered = np.arange(512 * 512, dtype=np.uint32).reshape(512, 512) % 10_000

    def stored(_store: object, key: str, _tile: Tile) -> SimpleNamespace:
        plane = numbered + {"west": 0, "east": 20_000}[key]
        return SimpleNamespace(reflectance=np.repeat(plane[np.newaxis], 6, axis=0).astype(np.uint16))

    monkeypatch.setattr(accuracy_pictures, "load_composite", stored)
    run = tmp_path / "home" / "runs" / "one"
    run.mkdir(parents=True)
    tasks = [
        {"tile": tile.id, "period": period, "composite": key}
        for tile, key in ((west, "west"), (east, "east"))
        for period in ("before", "after")
    ]
    (run / "run.json").write_text(json.dumps({"tasks": tasks}))
    row, col = west.origin_px
    square = accuracy_pictures.reflectance_of(run, "after", EPSG, row - 5, col + 500)
    assert (square[:, :5] == NODATA).all()  # north of both
    assert (square[2, 5:, :12] == numbered[: SIDE_PX - 5, 500:]).all()
    assert (square[2, 5:, 12:] == numbered[: SIDE_PX - 5, : SIDE_PX - 12] + 20_000).all()
