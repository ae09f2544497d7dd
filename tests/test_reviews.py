"""Reviewers' files taken back: what is refused, how several make one, and what is told again."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pyogrio
import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.disturbance.drawing import read_ground
from pipeline.errors import BadInput, Problems
from pipeline.footprint.reference import read_reference
from pipeline.hashing import sha256_of
from pipeline.reports import write_map, write_tables
from pipeline.reports.reviews import Decision, ReviewFile, Signed, disagreements, reviews_of
from pipeline.runs import verify_run
from pipeline.runs.manifest import hash_outputs
from pipeline.runs.reporting import ReportOptions, report_run
from pipeline.runs.review_labels import export_labels
from pipeline.runs.reviewing import import_reviews
from tests.reports_dossier import five_zones
from tests.reports_folder import make_run_dir
from tests.reports_run import make_result, write_run
from tests.sample_design import made_up_design

DOCS = Path(__file__).resolve().parents[1] / "docs"
MORNING, NOON = "2021-04-20T09:00:00Z", "2021-04-20T12:00:00Z"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("written") / "carnot", make_result())


@pytest.fixture
def run_dir(written, tmp_path):
    shutil.copytree(written.parents[1], tmp_path / "carnot")
    return tmp_path / "carnot" / "runs" / written.name


def decision(change: str, state: str = "confirmed", kind: str = "", comment: str = "", date: str = MORNING) -> dict:
    return {"change_id": change, "decision": state, "class": kind, "comment": comment, "date": date}


def review(run_dir: Path, reviewer: str, /, *decisions: dict, **changed: Any) -> Path:
    features = [{"type": "Feature", "geometry": None, "properties": row} for row in decisions]
    head = {"type": "FeatureCollection", "format": "placerwatch review 1", "programme": "carnot"}
    head |= {"run_id": run_dir.name, "changes_sha256": sha256_of(run_dir / "changes.geojson"), "reviewer": reviewer}
    path = run_dir.parents[1] / f"{reviewer[:8]}-{len(list(run_dir.parents[1].iterdir()))}.geojson"
    path.write_text(json.dumps(head | {"features": features} | changed), encoding="utf-8")
    return path


def states(folder: Path, name: str) -> dict[str, dict]:
    report = json.loads((folder / name).read_text("utf-8"))
    return {feature["id"]: feature["properties"]["review"] for feature in report["features"]}


def test_the_schema_in_the_docs_is_what_is_checked(run_dir):
    schema = json.loads((DOCS / "review.schema.json").read_text("utf-8"))
    assert schema == ReviewFile.model_json_schema(by_alias=True)
    jsonschema.validate(json.loads(review(run_dir, "KM", decision("chg-0001")).read_text()), schema)


def test_decisions_stand_in_reports_map_and_register_and_the_run_stays_sealed(run_dir):
    path = review(
        run_dir, "KM", decision("chg-0001", kind="workings"), decision("chg-0004", "rejected", "field", "cotton")
    )
    found = import_reviews(run_dir, [path])
    home = run_dir.parents[1]
    assert found.folder == home / "reviews" / run_dir.name
    assert found.states == {"confirmed": 1, "rejected": 1, "unreviewed": 3}
    told = states(found.folder, "changes.geojson")
    assert told["chg-0001"] == {"state": "confirmed", "reviewer": "KM", "date": "2021-04-20"}
    assert told["chg-0002"]["state"] == "unreviewed"
    assert states(found.folder, "sites.geojson")["site-0004"]["state"] == "rejected"
    for name in ("changes", "sites"):
        schema = json.loads((DOCS / f"{name}.schema.json").read_text())
        jsonschema.validate(json.loads((found.folder / f"{name}.geojson").read_text()), schema)
    assert '"chg-0004":{"state":"rejected"' in (found.folder / "map.html").read_text("utf-8")
    rows = pyogrio.read_dataframe(home / "register.gpkg", layer="reviews").to_dict("records")
    assert [
        (r["site_id"], r["change_id"], r["decision"], r["reviewer"], r["date"], r["note"], r["class"]) for r in rows
    ] == [
        ("site-0001", "chg-0001", "confirmed", "KM", "2021-04-20", "", "workings"),
        ("site-0004", "chg-0004", "rejected", "KM", "2021-04-20", "cotton", "field"),
    ]
    assert verify_run(run_dir) == []
    record = json.loads((found.folder / "reviews.json").read_text())
    assert record["run_json_sha256"] == sha256_of(run_dir / "run.json")
    assert record["outputs"] == {name: sha256_of(found.folder / name) for name in found.files[:-1]}


def test_only_the_review_of_a_report_is_told_anew(run_dir):
    found = import_reviews(run_dir, [review(run_dir, "KM", decision("chg-0002"))])
    before = (run_dir / "changes.geojson").read_text("utf-8").splitlines()
    after = (found.folder / "changes.geojson").read_text("utf-8").splitlines()
    differ = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert len(differ) == 1
    assert '"change_id":"chg-0002"' in differ[0][0]


def test_two_reviewers_agree_or_are_told_where_they_differ(run_dir):
    one = review(
        run_dir,
        "KM",
        decision("chg-0001"),
        decision("chg-0002", "rejected"),
        decision("chg-0003", "unsure"),
        decision("chg-0005", kind="workings"),
    )
    two = review(
        run_dir,
        "JD",
        decision("chg-0001"),
        decision("chg-0002"),
        decision("chg-0003", "rejected"),
        decision("chg-0005", kind="road", date=NOON),
    )
    found = import_reviews(run_dir, [one, two])
    told = states(found.folder, "changes.geojson")
    assert {name: row["state"] for name, row in told.items()} == {
        "chg-0001": "confirmed",
        "chg-0002": "disputed",
        "chg-0003": "rejected",  # who is sure decides
        "chg-0004": "unreviewed",
        "chg-0005": "confirmed",
    }
    assert told["chg-0002"]["reviewer"] == "JD, KM"
    assert len(found.differ) == 2
    assert found.differ[0] == "chg-0002: decision differs: JD confirmed, class not said; KM rejected, class not said"
    assert found.differ[1].startswith("chg-0005: class differs: JD confirmed, road; KM confirmed, workings")


def test_a_later_word_of_the_same_reviewer_replaces_the_earlier_and_others_stay(run_dir):
    import_reviews(run_dir, [review(run_dir, "KM", decision("chg-0001"), decision("chg-0002"))])
    found = import_reviews(run_dir, [review(run_dir, "km", decision("chg-0001", "rejected", date=NOON))])
    assert {
        n: s["state"] for n, s in states(found.folder, "changes.geojson").items() if s["state"] != "unreviewed"
    } == {
        "chg-0001": "rejected",
        "chg-0002": "confirmed",
    }
    again = import_reviews(run_dir, [review(run_dir, "KM", decision("chg-0001", "unsure"))])
    assert states(again.folder, "changes.geojson")["chg-0001"]["state"] == "rejected", (
        "an older file was taken as newer"
    )
    rows = pyogrio.read_dataframe(run_dir.parents[1] / "register.gpkg", layer="reviews")
    assert sorted(rows["change_id"]) == ["chg-0001", "chg-0002"]


def test_the_order_of_files_does_not_matter(run_dir):
    paths = [
        review(run_dir, name, decision("chg-0001", state)) for name, state in (("A", "confirmed"), ("B", "rejected"))
    ]
    texts = []
    for number, order in enumerate((paths, paths[::-1])):
        folder = import_reviews(run_dir, order, run_dir.parents[1] / f"out{number}").folder
        texts.append([(folder / name).read_bytes() for name in ("changes.geojson", "map.html", "reviews.json")])
    assert texts[0] == texts[1]


def test_a_file_of_another_run_is_refused_and_both_are_named(run_dir):
    path = review(run_dir, "KM", decision("chg-0001"), run_id="2020-01-01-ffffffff", changes_sha256="f" * 64)
    with pytest.raises(BadInput, match=r"is about run 2020-01-01-ffffffff of carnot .* not about 2021-04-15-0a1b2c3d"):
        import_reviews(run_dir, [path])
    assert not (run_dir.parents[1] / "reviews").exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"reviewer": ""}, "reviewer: String should have at least 1 character"),
        ({"reviewer": "K\u202eM"}, "printable initials"),
        ({"format": "placerwatch review 9"}, "format: Input should be"),
        ({"extra": 1}, "extra: Extra inputs are not permitted"),
        ({"features": {}}, "features"),
        ({"features": [{"type": "Feature", "geometry": None, "properties": decision("x", date="yesterday")}]}, "date"),
        ({"features": [{"type": "Feature", "geometry": None, "properties": decision("x", "fine")}]}, "decision"),
        ({"features": [{"type": "Feature", "geometry": None, "properties": decision("x", kind="ufo")}]}, "class"),
        (
            {"features": [{"type": "Feature", "geometry": None, "properties": decision("x", comment="a" * 5001)}]},
            "at most 5000 characters",
        ),
        (
            {"features": [{"type": "Feature", "geometry": None, "properties": decision("chg-9999")}]},
            "'chg-9999' is no change of this run",
        ),
        (
            {"features": [{"type": "Feature", "geometry": None, "properties": decision("chg-0001")}] * 2},
            "'chg-0001' is decided twice",
        ),
    ],
)
def test_what_is_not_as_the_page_writes_it_is_refused_with_its_place(run_dir, changed, message):
    good = review(run_dir, "JD", decision("chg-0001"))
    with pytest.raises(Problems, match=message):
        import_reviews(run_dir, [good, review(run_dir, "KM", **changed)])
    assert not (run_dir.parents[1] / "reviews").exists(), "half of the files were taken"


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "[]", '{"features": 1e999}', '"\\ud800"', "\ufeff\x00"])
def test_text_that_is_no_such_file_is_refused_without_a_traceback(run_dir, tmp_path, text):
    path = tmp_path / "bad.geojson"
    path.write_text(text, encoding="utf-8")
    told = CliRunner().invoke(app, ["review", "import", str(run_dir), str(path)])
    assert isinstance(told.exception, Problems)


def test_control_characters_leave_a_comment_and_all_other_signs_stay(run_dir):
    comment = "a\x00b\x1b[31m \u202eאב 💎 'quoted' \"too\"\n<script>"
    found = import_reviews(run_dir, [review(run_dir, "KM", decision("chg-0001", comment=comment))])
    kept = json.loads((found.folder / "reviews.json").read_text())["decisions"][0]["comment"]
    assert kept == "ab[31m \u202eאב 💎 'quoted' \"too\"\n<script>"
    assert (
        "<script>"
        not in (found.folder / "map.html").read_text("utf-8").split('id="pw-reviews">')[1].split("</script>")[0]
    )


def test_an_altered_run_its_own_folder_and_altered_reviews_are_refused(run_dir):
    path = review(run_dir, "KM", decision("chg-0001"))
    with pytest.raises(BadInput, match="lies in the run, which is sealed"):
        import_reviews(run_dir, [path], run_dir / "reviews")
    folder = import_reviews(run_dir, [path]).folder
    kept = json.loads((folder / "reviews.json").read_text())
    kept["decisions"][0]["decision"] = "certainly"
    (folder / "reviews.json").write_text(json.dumps(kept))
    with pytest.raises(BadInput, match="not as `review import` wrote it"):
        import_reviews(run_dir, [path])
    (run_dir / "changes.geojson").write_text("{}")
    with pytest.raises(BadInput, match=r"changes\.geojson: altered since the run"):
        import_reviews(run_dir, [path])


def test_the_command_tells_what_it_wrote_and_where_reviewers_differ(run_dir):
    paths = [review(run_dir, n, decision("chg-0001", s)) for n, s in (("KM", "confirmed"), ("JD", "rejected"))]
    told = CliRunner().invoke(app, ["review", "import", str(run_dir), *map(str, paths)])
    assert told.exit_code == 0, told.output
    assert "decisions of JD, KM: 1 disputed, 4 unreviewed" in told.stdout
    assert "chg-0001: decision differs" in told.stdout
    as_json = CliRunner().invoke(app, ["review", "import", str(run_dir), str(paths[0]), "--json"])
    assert json.loads(as_json.stdout)["states"] == {"disputed": 1, "unreviewed": 4}


def test_a_register_that_the_config_names_must_be_named_again(run_dir):
    manifest = json.loads((run_dir / "run.json").read_text())
    manifest["config"] = {"validated": {"run": {"register_file": "../shared.gpkg"}}}
    (run_dir / "run.json").write_text(json.dumps(manifest))
    path = review(run_dir, "KM", decision("chg-0001"))
    with pytest.raises(BadInput, match="--register"):
        import_reviews(run_dir, [path])
    shared = run_dir.parents[1] / "shared.gpkg"
    import_reviews(run_dir, [path], register=shared)
    assert list(pyogrio.read_dataframe(shared, layer="reviews")["change_id"]) == ["chg-0001"]


def test_reviews_written_by_hand_in_the_register_stay(run_dir):
    first = import_reviews(run_dir, [review(run_dir, "KM", decision("chg-0001"))])
    table = pyogrio.read_dataframe(first.register, layer="reviews")
    by_hand = table.assign(change_id="chg-0005", reviewer="in QGIS", note="seen on the ground")
    pyogrio.write_dataframe(by_hand, first.register, layer="reviews", append=True)
    import_reviews(run_dir, [review(run_dir, "KM", decision("chg-0001", "rejected", date=NOON))])
    rows = pyogrio.read_dataframe(first.register, layer="reviews")
    assert sorted(zip(rows["change_id"], rows["reviewer"], rows["decision"], strict=True)) == [
        ("chg-0001", "KM", "rejected"),
        ("chg-0005", "in QGIS", "confirmed"),
    ]


def test_reports_told_again_carry_the_reviews_and_a_public_release_names_no_reviewer(tmp_path):
    result = five_zones()
    folder = make_run_dir(tmp_path / "home", result)
    manifest = json.loads((folder / "run.json").read_text())
    write_tables(folder, result)
    write_map(result, folder / "map.html", 0)
    outputs = hash_outputs(folder)
    (folder / "run.json").write_text(json.dumps(manifest | {"outputs": outputs}))
    name = result.changes[0].change_id
    path = review(folder, "Zoé", decision(name, comment="seen from the road"), programme=result.programme)
    import_reviews(folder, [path])
    told = report_run(folder, ReportOptions()).folder
    assert states(told, "changes.geojson")[name] == {"state": "confirmed", "reviewer": "Zoé", "date": "2021-04-20"}
    assert states(told, "sites.geojson")[result.changes[0].site_id]["state"] == "confirmed"
    page = (told / "map.html").read_text("utf-8")
    assert "seen from the road" in page
    assert f'"changes_sha256":"{outputs["changes.geojson"]}"' in page, "its decisions could not be taken back"
    public = report_run(folder, ReportOptions(release="public", on=date(2022, 1, 1))).folder
    for file in public.rglob("*.*"):
        assert "Zoé".encode() not in file.read_bytes(), file.name
    assert 'class="pw-mode" hidden' in (public / "map.html").read_text("utf-8")


def test_agreement_needs_one_sure_voice_and_no_other() -> None:
    def state(*votes: str) -> str:
        signed = [Signed(f"r{n}", Decision.model_validate(decision("c", vote))) for n, vote in enumerate(votes)]
        reviews = reviews_of(signed)
        assert (reviews["c"].state == "disputed") == bool(disagreements(reviews))
        return reviews["c"].state

    assert state("confirmed") == state("confirmed", "unsure") == state("confirmed", "confirmed") == "confirmed"
    assert state("unsure") == state("unsure", "unsure") == "unsure"
    assert state("confirmed", "rejected", "unsure") == state("confirmed", "confirmed", "rejected") == "disputed"


# ---- decisions train, samples judge, and neither does the other's work


LABELS = {"format": "placerwatch labels 1", "role": "reference sample", "labels": [{"sample_id": "a-0001"}]}


def test_labels_of_a_sample_are_no_review_and_never_train(run_dir, tmp_path):
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(LABELS))
    with pytest.raises(BadInput, match="labels of a probability sample"):
        import_reviews(run_dir, [path])
    with pytest.raises(BadInput):
        read_ground(path)
    feature = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [16, 4]}}
    feature["properties"] = {"class": "bare", "date": "2021-03-24"}
    for head in ({"role": "reference sample"}, {"format": "placerwatch labels 1"}):
        path.write_text(json.dumps({"type": "FeatureCollection", **head, "features": [feature]}))
        with pytest.raises(BadInput, match="reference sample"):
            read_ground(path)


def test_decisions_on_changes_are_no_reference_of_a_sample(run_dir):
    path = review(run_dir, "KM", decision("chg-0001"))
    for name in (path, path.rename(path.with_suffix(".json"))):
        if name.exists():
            with pytest.raises(BadInput):
                read_reference(name, ["chg-0001"], True)


def test_agreed_changes_become_labels_that_train_reads(run_dir, tmp_path):
    paths = [
        review(
            run_dir,
            "KM",
            decision("chg-0001", "rejected", "field"),
            decision("chg-0002", kind="pond"),
            decision("chg-0003"),
        ),
        review(run_dir, "JD", decision("chg-0004"), decision("chg-0005", "rejected")),
    ]
    import_reviews(run_dir, paths)
    found = export_labels(run_dir, tmp_path / "labels.geojson", [])
    assert found.labels == {"other": 1, "pond": 1}
    assert found.left_out == {
        "confirmed, but bare ground and ponds are not told apart": 2,
        "recovered, or of unknown day": 1,
    }
    ground = read_ground(tmp_path / "labels.geojson")
    assert [(item.value, item.day.isoformat(), item.note) for item in ground] == [
        (0, "2021-03-24", "rejected by KM: chg-0001"),
        (2, "2021-03-24", "confirmed by KM: chg-0002"),
    ]


def test_labels_keep_away_from_the_points_of_a_sample(run_dir, tmp_path):
    rejected = [decision(f"chg-000{number}", "rejected") for number in (1, 2, 3, 4)]
    import_reviews(run_dir, [review(run_dir, "KM", *rejected)])
    (tmp_path / "s.design.json").write_text(made_up_design().to_json())
    found = export_labels(run_dir, tmp_path / "labels.geojson", [tmp_path / "s.design.json"])
    # Two of the points lie on sites 2 and 4; site 3 begins less than 700 m from the latter, site 1 a kilometre off.
    assert found.left_out == {"near a point of a sample": 3, "unreviewed": 1}
    assert [item.note for item in read_ground(tmp_path / "labels.geojson")] == ["rejected by KM: chg-0001"]
    told = CliRunner().invoke(app, ["review", "labels", str(run_dir), "--out", str(tmp_path / "all.geojson")])
    assert "4 labels of class other" in told.stdout


def test_labels_from_altered_or_absent_reviews_are_refused(run_dir, tmp_path):
    with pytest.raises(BadInput, match="review import comes first"):
        export_labels(run_dir, tmp_path / "labels.geojson", [])
    folder = import_reviews(run_dir, [review(run_dir, "KM", decision("chg-0001", "rejected"))]).folder
    (folder / "changes.geojson").write_text((folder / "changes.geojson").read_text().replace("rejected", "confirmed"))
    with pytest.raises(BadInput, match="altered since"):
        export_labels(run_dir, tmp_path / "labels.geojson", [])
