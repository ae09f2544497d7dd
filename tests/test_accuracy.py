"""Scores of the accuracy study on ground small enough to reason about."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from benchmarks.accuracy_page import page
from benchmarks.accuracy_simulated import REGISTRATION, REMNANT, Found, score_map, score_pair
from benchmarks.tables import wilson
from pipeline.areas.lattice import to_lonlat

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


def write(path: Path, plane: np.ndarray, left: int = LEFT) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {
        "driver": "GTiff",
        "dtype": plane.dtype.name,
        "count": 1,
        "height": plane.shape[0],
        "width": plane.shape[1],
        "crs": f"EPSG:{EPSG}",
        "transform": from_origin(left, TOP, 10, 10),
    }
    with rasterio.open(path, "w", **profile) as raster:
        raster.write(plane, 1)


def plane(*blocks: tuple[tuple[slice, slice], int], dtype: str = "uint8") -> np.ndarray:
    out = np.zeros(SHAPE, dtype)
    for at, value in blocks:
        out[at] = value
    return out


def complex_(name: str, at: tuple[slice, slice], before_ha: float, after_ha: float, opened: str) -> dict:
    properties = {
        "id": name,
        "opened": opened,
        "bare_ha": {"before": before_ha, "after": after_ha},
        "pond_ha": {"before": 0.0, "after": 0.0},
    }
    return {"type": "Feature", "properties": properties, "geometry": ring(*at)}


def change(name: str, at: tuple[slice, slice], state: str = "new") -> dict:
    properties = {
        "change_id": name,
        "state": state,
        "confidence": "low",
        "area_gain_ha": 0.42,
        "last_clear_undisturbed": "2021-02-01",
        "first_clear_disturbed": "2022-01-15",
    }
    return {"type": "Feature", "properties": properties, "geometry": ring(*at)}


@pytest.fixture
def archive(tmp_path):
    root = tmp_path / "archive"
    complexes = [
        complex_("opened", OPENED, 0.0, 0.42, "2021-06-01"),
        complex_("old", OLD, 0.24, 0.24, "2018-06-01"),
    ]
    (root / "truth").mkdir(parents=True)
    (root / "truth" / "complexes.geojson").write_text(json.dumps({"features": complexes}))
    causes = {str(code): name for code, name in enumerate(CAUSES)}
    (root / "scenario.json").write_text(json.dumps({"name": "tiny", "truth": {"causes": causes}}))
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
    assert (score.reported, score.right, score.old, score.false_alarms) == (1, 1, 0, [])
    assert (score.dated, score.dated_right, score.widths_days) == (1, 1, [348])
    assert score.watched_km2 == pytest.approx(0.12)
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
    assert (score.old, score.right, score.false_alarms) == (1, 0, [])


def test_a_continuing_site_is_not_counted_as_reported(tmp_path, archive):
    run = run_with(tmp_path / "run", [], [change("a", OLD, "continuing")])
    assert score_pair(run, archive, "before", "after").reported == 0


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


def test_the_page_says_when_real_data_were_not_there(tmp_path, archive):
    run = run_with(tmp_path / "run", [OPENED], [change("a", OPENED)])
    pixels = {"iou": 0.5, "f1": 0.6, "precision": 0.7, "recall": 0.8}
    card = {
        "name": "tiny",
        "cross_validation": {
            "folds": 5,
            "groups": "cells",
            "pixels": {"disturbed": pixels, "bare": pixels, "pond": pixels},
            "patches": {"sensitivity": 0.9, "specificity": 0.9, "mining": 3, "no_mining": 4},
        },
    }
    pairs = [score_pair(run, archive, "before", "after")]
    maps = [score_map(run, archive, "after")]
    text = page(pairs, maps, None, None, card, "ab" * 32)
    assert "was not there" in text
    assert "of 0 complexes of 0.5 ha or more" in text
    assert text == page(pairs, maps, None, None, card, "ab" * 32)
