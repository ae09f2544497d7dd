"""Labels of interpreters: what is refused, which label counts, and how agreement is told."""

from __future__ import annotations

import json

import pytest

from pipeline.errors import BadInput, Problems
from pipeline.footprint.reference import Label, Reference, agreement, final_label, final_labels, read_reference

IDS = ("a-1", "a-2", "a-3", "a-4")
HEADER = "sample_id,interpreter,before,after,confidence,comment\n"


def read(tmp_path, text, has_before=True, name="labels.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_reference(path, IDS, has_before)


def reference(*rows):
    return Reference("labels.csv", "", tuple(Label(*row) for row in rows))


def test_labels_are_read_as_filled_in(tmp_path):
    text = HEADER + 'a-1,KM,other,workings,high,"bare, sharp edges"\na-2,,,,,\na-1,jd, Other ,WORKINGS,,\n'
    found = read(tmp_path, text)
    assert found.labels == (
        Label("a-1", "KM", "other", "workings", "high", "bare, sharp edges"),
        Label("a-1", "jd", "other", "workings"),
    )
    assert found.interpreters == ("KM", "jd")
    assert len(found.sha256) == 64


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_semicolons_byte_marks_and_other_line_ends_are_read(tmp_path, newline, mark):
    text = mark + HEADER.replace(",", ";").replace("\n", newline) + f"a-1;KM;other;workings;;peu net, à revoir{newline}"
    path = tmp_path / "labels.csv"
    path.write_bytes(text.encode())
    assert read_reference(path, IDS, True).labels[0].comment == "peu net, à revoir"


def test_labels_may_come_as_json(tmp_path):
    rows = [{"sample_id": "a-3", "interpreter": "KM", "before": "unsure", "after": "other"}]
    for document in (rows, {"labels": rows}):
        found = read(tmp_path, json.dumps(document), name="labels.json")
        assert found.labels == (Label("a-3", "KM", "unsure", "other"),)


def test_a_sample_of_one_period_needs_no_label_before(tmp_path):
    found = read(tmp_path, "sample_id,interpreter,after\na-1,KM,workings\n", has_before=False)
    assert found.labels == (Label("a-1", "KM", "", "workings"),)


def test_every_fault_is_told_with_its_line_and_remedy(tmp_path):
    rows = [
        "a-1,KM,other,workings,,",
        "zz-9,KM,other,workings,,",
        "a-2,,other,workings,,",
        "a-2,KM,mine,,,",
        "a-3,KM,other,workings,sure,",
        "a-1,km,other,other,,",
        f"a-4,KM,other,other,,{'x' * 501}",
        "a-4,K\x1bM,other,other,,",
    ]
    with pytest.raises(Problems) as told:
        read(tmp_path, HEADER + "\n".join(rows) + "\n")
    problems = told.value.problems
    assert [problem.split(":")[0] for problem in problems] == [f"line {n}" for n in (3, 4, 5, 5, 6, 7, 8, 9)]
    for problem, word in zip(
        problems,
        ("'zz-9' is not of this sample", "interpreter", "before 'mine'", "after ''", "low, medium or high",
         "on line 2 already", "500 characters", "interpreter"),
        strict=True,
    ):  # fmt: skip
        assert word in problem


@pytest.mark.parametrize(
    ("text", "name", "says"),
    [
        ("", "labels.csv", "holds no label"),
        (HEADER, "labels.csv", "holds no label"),
        (HEADER + "a-1,,,,,\n", "labels.csv", "holds no label"),
        ("id,who\n1,2\n", "labels.csv", "no column sample_id, interpreter, before, after"),
        (HEADER + "b-1,KM,other,other,,\nb-2,KM,other,other,,\n", "labels.csv", "none of its 2 points"),
        ('a"b\n"' + "x" * 200_000, "labels.csv", "is not CSV"),
        ("{", "labels.json", "is not JSON"),
        ("[1]", "labels.json", "not a list of labels"),
        ("[" * 100_000, "labels.json", "is not JSON"),
    ],
)
def test_a_file_that_holds_no_labels_of_the_sample_is_refused(tmp_path, text, name, says):
    with pytest.raises(BadInput, match=says):
        read(tmp_path, text, name=name)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sample_id,interpreter,before,after,After\na-1,KM,other,workings,other\n", "'after' twice"),
        (HEADER + 'a-1,KM,other,workings,,"unclear\na-2,KM,other,other,,\n', "unexpected end of data"),
    ],
)
def test_a_table_that_would_lose_labels_in_silence_is_refused(tmp_path, text, says):
    with pytest.raises(BadInput, match=says):
        read(tmp_path, text)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "labels.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="UTF-8"):
        read_reference(tmp_path / "labels.csv", IDS, True)
    with pytest.raises(BadInput, match="cannot be read"):
        read_reference(tmp_path / "none.csv", IDS, True)


def test_many_faults_are_cut_short(tmp_path):
    rows = "".join(f"a-1,who{n},mine,other,,\n" for n in range(80))
    with pytest.raises(Problems) as told:
        read(tmp_path, HEADER + rows)
    assert told.value.problems[-1] == "and 30 more"


@pytest.mark.parametrize(
    ("votes", "counts"),
    [
        ([], "not returned"),
        (["unsure", "unsure"], "unsure"),
        (["new"], "new"),
        (["new", "unsure"], "new"),
        (["new", "none"], "tie"),
        (["new", "none", "new"], "new"),
        (["new", "none", "stable", "new"], "tie"),
        (["none", "new", "new", "new", "stable"], "new"),
    ],
)
def test_the_label_that_counts_is_that_of_more_than_half_of_the_sure(votes, counts):
    assert final_label(votes) == counts
    assert final_label(votes[::-1]) == counts


def test_status_may_be_sure_where_change_is_not():
    labels = reference(("a-1", "KM", "unsure", "workings"), ("a-2", "KM", "workings", "other"))
    assert final_labels(labels, IDS, "status") == ("workings", "other", "not returned", "not returned")
    assert final_labels(labels, IDS, "change") == ("unsure", "recovered", "not returned", "not returned")


def test_agreement_counts_points_with_two_sure_labels_and_lists_disputes():
    labels = reference(
        ("a-1", "KM", "other", "workings"),
        ("a-1", "JD", "other", "workings"),
        ("a-2", "KM", "other", "workings"),
        ("a-2", "JD", "workings", "workings"),
        ("a-3", "KM", "other", "other"),
        ("a-3", "JD", "other", "unsure"),
        ("a-4", "KM", "other", "other"),
    )
    found = agreement(labels, IDS, "change", ("new", "stable", "recovered", "none"))
    assert (found.points, found.agreed) == (2, 1)
    assert found.by_class == {"new": (2, 1), "stable": (1, 0), "recovered": (0, 0), "none": (0, 0)}
    assert found.disputes == {"a-2": {"JD": "stable", "KM": "new"}}
    status = agreement(labels, IDS, "status", ("workings", "other"))
    assert (status.points, status.agreed, dict(status.disputes)) == (2, 2, {})
