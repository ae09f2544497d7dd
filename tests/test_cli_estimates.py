"""`placerwatch review sample` and `estimate` as a person meets them, on runs whose truth is known."""

from __future__ import annotations

import csv
import json
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from pipeline.areas import Tile, from_lonlat
from pipeline.cli import main
from pipeline.disturbance.drawing import read_ground
from pipeline.errors import BadInput, Problems
from pipeline.footprint.design import Design
from pipeline.footprint.estimate_tables import estimates_csv, estimates_text
from pipeline.footprint.estimates import estimate, require_same_run, require_untrained
from pipeline.footprint.reference import Label, Reference
from pipeline.footprint.review_sample import Request, draw_sample
from pipeline.footprint.training_ground import TrainingGround
from pipeline.hashing import sha256_of
from tests.estimated import TILE, states, write_run
from tests.test_cli import placerwatch
from tests.test_run import NORTH, OLD, OPENING, WEST, make_archive, make_programme

DRAW = ("--size", "260", "--floor", "40", "--seed", "7")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("estimates")
    make_archive(folder)
    make_programme(folder)
    done = placerwatch("run", "seam.yaml", "--as-of", "2022-06-01", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def drawn(folder):
    return placerwatch("review", "sample", "outputs/seam/latest", "--out", "review/s.geojson", *DRAW, cwd=folder)


def dug(at, ground):
    return any(rows.start <= at[0] < rows.stop and cols.start <= at[1] < cols.stop for rows, cols in ground)


@pytest.fixture(scope="module")
def labelled(folder, drawn):
    """The truth of the hand-made scenes as two interpreters see it; the second is unsure of every tenth point."""
    rows = list(csv.DictReader((folder / "review/s.labels.csv").open()))
    for name, place in (("KM", 0), ("JD", 1)):
        for number, feature in enumerate(json.loads((folder / "review/s.geojson").read_text())["features"]):
            properties = feature["properties"]
            at = (NORTH - properties["northing_m"]) // 10, (properties["easting_m"] - WEST) // 10
            before, after = (
                "workings"
                if any(r.start <= at[0] < r.stop and c.start <= at[1] < c.stop for r, c in ground)
                else "other"
                for ground in ((OLD,), (OLD, OPENING))
            )
            row = dict(rows[number], interpreter=name, before=before, after=after)
            if place and number % 10 == 0:
                row["after"] = "unsure"
            rows.append(row)
    with (folder / "review/labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return folder / "review/labels.csv"


def test_a_sample_says_what_was_drawn_and_what_comes_next(folder, drawn):
    assert drawn.returncode == 0, drawn.stderr
    assert "260 points drawn" in drawn.stdout
    assert "there is no drainage corridor" in drawn.stdout
    assert (
        "placerwatch estimate outputs/seam/latest --reference LABELS.json --sample review/s.design.json" in drawn.stdout
    )
    assert {path.name for path in (folder / "review").iterdir()} >= {
        "s.geojson",
        "s.labels.csv",
        "s.design.json",
        "s.review.html",
    }


def test_a_sample_is_never_overwritten_and_the_same_elsewhere(folder, drawn):
    again = placerwatch("review", "sample", "outputs/seam/latest", "--out", "review/s.geojson", *DRAW, cwd=folder)
    assert again.returncode == 2
    assert "already there" in again.stderr
    elsewhere = placerwatch(
        "review", "sample", "outputs/seam/latest", "--out", "twin/s.geojson", *DRAW, "--json", cwd=folder
    )
    assert json.loads(elsewhere.stdout)["files"]["design"] == "twin/s.design.json"
    for name in ("s.geojson", "s.labels.csv", "s.design.json", "s.review.html"):
        assert (folder / "twin" / name).read_bytes() == (folder / "review" / name).read_bytes()


def test_an_estimate_tells_areas_that_hold_the_truth(folder, labelled):
    arguments = ("--reference", "review/labels.csv", "--sample", "review/s.design.json")
    done = placerwatch("estimate", "outputs/seam/latest", *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "new workings" in done.stdout
    assert "Intervals tell the error of sampling alone" in done.stdout
    assert "kappa" not in done.stdout
    result = json.loads((folder / "review/estimate.json").read_text())
    new = next(row for row in result["change"]["classes"] if row["class"] == "new")
    assert new["estimate_ha"] == pytest.approx(24, rel=2e-3)  # the map is right there; pixels have 100.06 m2
    workings = next(row for row in result["status"]["classes"] if row["class"] == "workings")
    assert workings["estimate_ha"] == pytest.approx(30, rel=2e-3)
    assert result["status"]["response"]["new"]["unsure"] == 0  # one interpreter was sure
    assert result["change"]["agreement"]["share"] == 1
    with (folder / "review/estimate.csv").open() as file:
        table = {(row["kind"], row["zone_id"], row["class"]): row for row in csv.DictReader(file)}
    assert float(table["change", "total", "new"]["estimate_ha"]) == new["estimate_ha"]
    # The zone is all that is watched, so its estimate is that of the whole.
    assert float(table["change", "valley", "new"]["estimate_ha"]) == pytest.approx(new["estimate_ha"], abs=2e-4)
    as_json = placerwatch("estimate", "outputs/seam/latest", *arguments, "--json", cwd=folder)
    assert json.loads(as_json.stdout) == result


INPUTS = """zone_id,country,commodity,route,input,low,mode,high,source,year
all,,gold,footprint,dug_fraction,0.5,0.5,0.5,invented,2021
all,,gold,footprint,gravel_thickness_m,2,2,2,invented,2021
all,,gold,footprint,g_per_m3,0.1,0.1,0.1,invented,2021
all,,gold,footprint,recovery,0.5,0.5,0.5,invented,2021
"""


def test_what_estimate_writes_is_what_capacity_and_trends_read(folder, labelled):
    (folder / "inputs.csv").write_text(INPUTS)
    latest, path = "outputs/seam/latest", folder / "handed_on.json"
    asked = ("--reference", "review/labels.csv", "--sample", "review/s.design.json", "--out", path.name)
    assert placerwatch("estimate", latest, *asked, cwd=folder).returncode == 0
    result = json.loads(path.read_text())
    zone = next(row for row in result["change"]["zones"] if (row["zone_id"], row["class"]) == ("valley", "new"))
    status = next(row for row in result["status"]["zones"] if row["zone_id"] == "valley")
    # No hit in the rest: too good to be true.
    assert (zone["rests_on_few_points"], status["rests_on_few_points"]) == (True, True)

    def told(command, *more):
        done = placerwatch(command, latest, "--estimate", path.name, "--out", f"{command}_out", *more, cwd=folder)
        assert done.returncode == 0, done.stderr
        return done.stdout

    shown = json.loads(told("capacity", "--inputs", "inputs.csv", "--json"))
    item = next(row for row in shown["capacity"]["ranges"] if row["place"] == "valley")
    days = (date.fromisoformat(result["period_after"]["end"]) - date.fromisoformat(result["period_before"]["end"])).days
    assert item["area_basis"] == ["estimate"]
    grams = zone["estimate_ha"] * 10_000 * 0.5 * 2 * 0.1 * 0.5 / (days / 365.25)
    assert item["p50"] == pytest.approx(grams, rel=1e-3)
    assert any("too few points in valley" in note for note in shown["notes"])
    assert not any("unassigned" in note for note in shown["notes"])

    assert "valley in" in told("trends")  # left out, and named
    for kind in ("classes", "zones"):
        for row in result["status"][kind]:
            row["rests_on_few_points"] = False
    path.write_text(json.dumps(result))
    assert "2 estimated areas" in told("trends")
    units = json.loads((folder / "trends_out/trends.json").read_text())["units"]
    valley = next(unit for unit in units if unit["zone_id"] == "valley")["series"][-1]
    assert (valley["estimated_ha"], valley["low_ha"]) == (status["estimate_ha"], status["low_ha"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("review sample nowhere --out x.geojson", "run.json"),
        ("review sample outputs/seam/latest --out x.geojson --size 9", "--floor"),
        ("review sample outputs/seam/latest --out x.geojson --buffer 9000", "--buffer"),
        ("review sample outputs/seam/latest --out x.geojson --drainage none.geojson", "none.geojson"),
        ("review sample outputs/seam/latest --out x.geojson --model trees", "another model"),
        ("estimate outputs/seam/latest --reference none.csv --sample review/s.design.json", "none.csv"),
        ("estimate outputs/seam/latest --reference foreign.csv --sample review/s.design.json", "of this sample"),
        ("estimate outputs/seam/latest --reference review/labels.csv --sample foreign.csv", "design.json"),
        ("estimate outputs/seam/latest --reference x.csv --sample review/s.design.json --out e.txt", ".json"),
        (
            "estimate outputs/seam/latest --reference review/labels.csv --sample review/s.design.json "
            "--out review/labels.json",
            "review/labels.csv: would be overwritten",
        ),
        (
            "estimate outputs/seam/latest --reference review/labels.csv --sample review/s.design.json "
            "--out review/s.design.json",
            "review/s.design.json: would be overwritten",
        ),
        ("train review/s.geojson --config seam.yaml --out m", "reference sample"),
    ],
)
def test_a_wrong_argument_ends_with_exit_code_2_and_what_to_do(folder, labelled, monkeypatch, capsys, arguments, says):
    (folder / "foreign.csv").write_text("sample_id,interpreter,before,after\nx-1,KM,other,other\n")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["placerwatch", *arguments.split()])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert says in capsys.readouterr().err
    assert not (folder / "x.geojson").exists()


PLANE = states(0, s2=(slice(100, 120), slice(100, 140)), s1=(slice(200, 220), slice(60, 90)))
ZONE = np.where(np.arange(512) < 300, 1, 2)[:, None].repeat(512, 1).astype(np.int16)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    run = tmp_path_factory.mktemp("small")
    manifest = write_run(run, {TILE: PLANE}, {TILE: ZONE})
    return run, manifest, draw_sample(run, manifest, Request(size=200, floor=40))


def by_map(design: Design, **other: tuple[str, str]) -> Reference:
    """Labels that repeat the map, but for points of a stratum given as `rest=("other", "workings")`."""
    labels = [Label(p.sample_id, "KM", *other.get(p.stratum, (p.before, p.after))) for p in design.points]
    return Reference("labels.csv", "0" * 64, tuple(labels))


def test_labels_that_repeat_the_map_give_the_mapped_area(small):
    result = estimate(small[2], by_map(small[2]))
    assert result["change"]["overall_accuracy"]["estimate"] == 1
    assert "An accuracy of 1 ± 0 says that no error was found among the points" in estimates_text(result)
    for kind in ("status", "change"):
        for row in result[kind]["classes"]:
            assert row["estimate_ha"] == pytest.approx(row["mapped_ha"], abs=1e-3)
    new = result["change"]["classes"][0]
    assert new["estimate_ha"] == pytest.approx(8.0, rel=2e-3)
    # None found beside the map: not a proof that there is none.
    assert new["without_hit_up_to_ha"].keys() == {"stable", "buffer", "rest"}
    rest = next(row for row in small[2].strata if row.name == "rest")
    assert new["without_hit_up_to_ha"]["rest"] == pytest.approx(3 / rest.points * rest.area_ha, abs=1e-3)


def test_zones_are_told_with_bounds_where_nothing_was_hit(small):
    result = estimate(small[2], by_map(small[2]))
    rows = {(row["zone_id"], row["class"]): row for row in result["change"]["zones"]}
    assert rows["north", "new"]["estimate_ha"] == pytest.approx(8, abs=1.5)
    south = rows["south", "new"]
    assert (south["estimate_ha"], south["hits"]) == (None, 0)
    assert south["without_hit_up_to_ha"] == pytest.approx(3 / south["points"] * south["target_ha"], rel=1e-3)
    assert ("unassigned", "new") not in rows
    text = estimates_text(result)
    assert "zone south, new workings: no point" in text
    assert "change,south,new" in estimates_csv(result)
    # Nothing was hit beside the map in the north either, where 3/n of the rest is far more than the interval is wide.
    assert (rows["north", "new"]["rests_on_few_points"], south["rests_on_few_points"]) == (True, None)
    assert "too few: ± is too short)" in text
    told = {(r["kind"], r["zone_id"], r["class"]): r for r in csv.DictReader(estimates_csv(result).splitlines())}
    assert told["change", "north", "new"]["rests_on_few_points"] == "True"


def test_points_without_a_label_are_counted_and_bounded(small):
    design = small[2]
    labels = by_map(design).labels
    rest = [
        label for label in labels if next(p for p in design.points if p.sample_id == label.sample_id).stratum == "rest"
    ]
    dropped, unsure = {rest[0].sample_id}, rest[1].sample_id
    kept = [
        Label(one.sample_id, "KM", one.before, "unsure") if one.sample_id == unsure else one
        for one in labels
        if one.sample_id not in dropped
    ]
    result = estimate(design, Reference("labels.csv", "", tuple(kept)))
    stratum = next(row for row in design.strata if row.name == "rest")
    told = result["change"]["response"]["rest"]
    assert told == {"drawn": stratum.points, "used": stratum.points - 2, "not_returned": 1, "unsure": 1, "tie": 0}
    new = result["change"]["classes"][0]
    assert new["if_none_without_label_ha"] == pytest.approx(new["estimate_ha"], abs=1e-3)
    more = 2 / stratum.points * stratum.area_ha
    assert new["if_all_without_label_ha"] == pytest.approx(new["estimate_ha"] + more, abs=1e-3)
    overall = result["change"]["overall_accuracy"]
    assert overall["if_all_without_label_wrong"] == pytest.approx(1 - more / design.area_ha, abs=1e-4)
    assert overall["if_all_without_label_right"] == 1
    assert "2 of 200 points without a label (1 not returned, 1 unsure)" in estimates_text(result)


def test_a_stratum_without_labels_is_no_estimate(small):
    kept = tuple(label for label in by_map(small[2]).labels if label.after == "other")
    with pytest.raises(BadInput, match=r"status, new \(0\), status, stable \(0\)"):
        estimate(small[2], Reference("labels.csv", "", kept))


def test_disputes_are_listed(small):
    labels = by_map(small[2]).labels
    other = Label(labels[0].sample_id, "JD", "other", "other" if labels[0].after == "workings" else "workings")
    result = estimate(small[2], Reference("labels.csv", "", (*labels, other)))
    assert result["status"]["agreement"]["disputes"].keys() == {labels[0].sample_id}
    assert result["status"]["agreement"]["share"] == 0
    assert f"in dispute: {labels[0].sample_id}: JD" in estimates_text(result)
    flipped = [
        Label(one.sample_id, "JD", one.before, "other" if one.after == "workings" else "workings") for one in labels
    ]
    few = [*labels, *flipped[:-100]]  # of 200 points, 100 in dispute about either
    result = estimate(small[2], Reference("labels.csv", "", tuple(few)))
    assert len(result["status"]["agreement"]["disputes"]) == 100
    assert estimates_text(result).count("    in dispute: ") == 40
    assert estimates_text(result).count("and 80 more in dispute") == 2


def test_change_is_read_off_the_change_sample_and_never_the_difference_of_two_maps(small):
    # Both dates wrong in the same way: status is far off the map, change is not.
    result = estimate(small[2], by_map(small[2], rest=("workings", "workings")))
    new, stable = result["change"]["classes"][:2]
    assert new["estimate_ha"] == pytest.approx(new["mapped_ha"], abs=1e-3)
    assert stable["estimate_ha"] > 2000


def test_a_run_of_one_period_is_estimated_for_its_status_alone(tmp_path):
    plane = states(0, s1=(slice(100, 120), slice(100, 140)))
    manifest = write_run(tmp_path, {TILE: plane}, before=None)
    design = draw_sample(tmp_path, manifest, Request(size=150))
    assert design.template_csv().splitlines()[0] == "sample_id,interpreter,after,confidence,comment"
    labels = tuple(Label(p.sample_id, "KM", "", p.after) for p in design.points)
    result = estimate(design, Reference("labels.csv", "", labels))
    assert "change" not in result
    assert result["status"]["zones"] == []
    assert result["status"]["classes"][0]["estimate_ha"] == pytest.approx(8, rel=2e-3)
    with pytest.raises(BadInput, match="one period only"):
        draw_sample(tmp_path, manifest, Request(target="new"))


def test_a_sample_of_another_run_is_refused(small, tmp_path):
    run, _, design = small
    hashes = {name: sha256_of(run / name) for name in design.run.hashes}
    require_same_run(design, hashes)
    write_run(tmp_path, {TILE: PLANE.T.copy()}, {TILE: ZONE})
    with pytest.raises(Problems, match="not that run") as told:
        require_same_run(design, {name: sha256_of(tmp_path / name) for name in hashes})
    assert [problem.split(":")[0] for problem in told.value.problems] == [
        "run.json",
        "rasters/change_2020-21_2021-22_33N.tif",
    ]
    unnamed = design.model_copy(update={"run": design.run.model_copy(update={"hashes": {}})})
    with pytest.raises(Problems, match="does not name the run"):
        require_same_run(unnamed, {})


def test_ground_that_the_shipped_model_learnt_from_is_kept_out_and_refused_if_it_comes_back(tmp_path):
    card = json.loads((Path(__file__).parents[1] / "models/default/card.json").read_text())
    days = ["2018-01-01/2018-12-31", "2020-12-31/2023-12-31"]
    line = next(line for line in card["data"]["training_ground"] if line.split()[1:] == days)
    west, south, east, north = (float(edge) for edge in line.split()[0].split(","))
    lon, lat = (west + east) / 2, (south + north) / 2
    epsg = 32700 + int((lon + 180) // 6) + 1
    x, y = from_lonlat(epsg).transform(lon, lat)
    tile = Tile(epsg, int(x // 5120), int(y // 5120))
    manifest = write_run(tmp_path, {tile: states(0)})
    request = Request(allocation="rest=2000")
    design = draw_sample(tmp_path, manifest, request)
    assert design.left_out_ha["training ground"] >= 23  # 480 m by 480 m
    places = TrainingGround.of_run(manifest, design.run.before.start, design.run.after.end)
    assert not places.holds(design.lonlat()).any()
    require_untrained(design, places)
    moved = design.points[0].model_copy(update={"row": int(-y // 10), "col": int(x // 10)})
    smuggled = design.model_copy(update={"points": (moved, *design.points[1:])})
    with pytest.raises(BadInput, match=f"1 points .*{moved.sample_id}"):
        require_untrained(smuggled, places)


def test_a_sample_is_no_set_of_labels(small, tmp_path):
    collection = json.loads(small[2].sample_geojson())
    for feature in collection["features"]:
        feature["properties"] |= {"class": "bare", "date": "2022-01-01"}
    del collection["role"]
    path = tmp_path / "labels.geojson"
    path.write_text(json.dumps(collection))
    with pytest.raises(BadInput, match="reference sample"):
        read_ground(path)
    for feature in collection["features"]:
        del feature["properties"]["role"]
    path.write_text(json.dumps(collection))
    assert len(read_ground(path)) == 200
