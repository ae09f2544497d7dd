"""Review in a real browser: decisions that last, files that come back, and the page of a sample."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.areas.lattice import Tile
from pipeline.disturbance.drawing import read_ground
from pipeline.errors import BadInput
from pipeline.footprint.reference import read_references
from pipeline.imagery.scene import NODATA
from pipeline.reports.language import Language
from pipeline.reports.sample_page import SIDE_PX, window, write_sample_page
from pipeline.runs.reviewing import import_reviews
from tests.browser import launched, needs_browser, saved, serious, visit, wait_until
from tests.reports_run import TILE, composite, make_result, write_run
from tests.sample_design import made_up_design

pytestmark = needs_browser
HOSTILE = "</script><script>window.hacked=1</script> \u202eמשה 💎 ' \" <img src=x onerror=window.hacked=1>\n"
HOSTILE += "é" * (5000 - len(HOSTILE.encode("utf-16-le")) // 2)  # as a browser counts
NO_STORAGE = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('', 'SecurityError'); }})"


@pytest.fixture(scope="module")
def browser():
    with launched() as one:
        yield one


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory) -> Path:
    return write_run(tmp_path_factory.mktemp("reviewed") / "carnot", make_result())


def start(page, initials: str) -> None:
    page.click("#pw-review")
    page.fill("#pw-initials", initials)
    page.keyboard.press("Tab")


def test_decisions_by_key_outlive_a_reload_and_come_back_through_import(browser, run_dir, tmp_path):
    with visit(browser, run_dir / "map.html", accept_downloads=True) as found:
        page = found.page
        start(page, "KM")
        page.keyboard.press("n")
        page.keyboard.press("1")
        page.select_option("#pw-class", label="river bar")
        page.fill("#pw-comment", HOSTILE)
        page.focus("#pw-detail h2")
        page.keyboard.press("n")
        page.keyboard.press("2")
        assert "2 of 5 decided" in page.inner_text("#pw-reviewbar")
        page.reload()
        page.wait_for_selector("body[data-placerwatch]")
        start(page, "KM")
        assert "2 of 5 decided" in page.inner_text("#pw-reviewbar")
        page.keyboard.press("n")
        assert page.is_checked("[name=pw-decision][value=confirmed]")
        assert page.input_value("#pw-class") == "river bar"
        assert page.input_value("#pw-comment") == HOSTILE
        path = saved(page, tmp_path)
        assert path.name == f"review-carnot-{run_dir.name}-KM.geojson"
    told = import_reviews(run_dir, [path], tmp_path / "told")
    assert told.states == {"confirmed": 1, "rejected": 1, "unreviewed": 3}
    kept = json.loads((told.folder / "reviews.json").read_text("utf-8"))["decisions"]
    assert [(row["change_id"], row["decision"], row["class"]) for row in kept] == [
        ("chg-0001", "rejected", ""),
        ("chg-0002", "confirmed", "river bar"),
    ]
    assert kept[1]["comment"] == HOSTILE.strip()
    with visit(browser, told.folder / "map.html") as found:
        page = found.page
        page.keyboard.press("n")
        assert "confirmed: KM" in page.inner_text("#pw-detail")
        assert page.inner_text("#pw-detail q") == HOSTILE.strip()
        assert page.evaluate("window.hacked") is None
        assert "No one has checked it yet" not in page.inner_text("#pw-detail")


def test_two_reviewers_on_one_machine_keep_apart_and_are_told_where_they_differ(browser, run_dir, tmp_path):
    paths = []
    with visit(browser, run_dir / "map.html", accept_downloads=True) as found:
        for name, key in (("KM", "1"), ("JD", "2")):
            if name == "KM":
                start(found.page, name)
            else:
                found.page.fill("#pw-initials", name)
                found.page.keyboard.press("Tab")
                assert "0 of 5 decided" in found.page.inner_text("#pw-reviewbar")
            found.page.keyboard.press("n")
            found.page.keyboard.press("p" if name == "JD" else "n")
            if name == "KM":
                found.page.keyboard.press("p")
            assert found.page.get_attribute("body", "data-chosen") == "chg-0002"
            found.page.keyboard.press(key)
            paths.append(saved(found.page, tmp_path))
    told = import_reviews(run_dir, paths, tmp_path / "told")
    assert [line.split(":")[0] for line in told.differ] == ["chg-0002"]
    with visit(browser, told.folder / "map.html") as found:
        found.page.click("text=More filters")
        found.page.select_option("#pw-decided", label="disputed")
        assert found.page.inner_text("#pw-count") == "1 of 5 places"
        found.page.keyboard.press("Escape")
        found.page.click("#pw-list button")
        assert "JD: rejected" in found.page.inner_text("#pw-detail")
        assert "KM: confirmed" in found.page.inner_text("#pw-detail")


def test_nothing_is_decided_without_initials(browser, run_dir):
    with visit(browser, run_dir / "map.html") as found:
        found.page.click("#pw-review")
        found.page.click("#pw-list button")
        found.page.keyboard.press("1")
        assert "Write your initials first." in found.page.inner_text(".pw-form")
        assert found.page.evaluate("document.activeElement.id") == "pw-initials"
        assert not found.page.is_checked("[name=pw-decision][value=confirmed]")


def test_a_browser_that_keeps_nothing_says_so_and_the_file_is_saved_and_opened_again(browser, run_dir, tmp_path):
    with visit(browser, run_dir / "map.html", script=NO_STORAGE, accept_downloads=True) as found:
        page = found.page
        start(page, "KM")
        page.keyboard.press("n")
        page.keyboard.press("3")
        assert "save the file before you close" in page.inner_text(".pw-warning")
        for _ in range(10):
            page.keyboard.press("2")
            page.keyboard.press("1")
        assert "decisions are not saved. Save the file now." in page.inner_text(".pw-warning")
        path = saved(page, tmp_path)
        assert "decisions are not saved" not in page.inner_text(".pw-warning")
    with visit(browser, run_dir / "map.html", accept_downloads=True) as found:
        found.page.click("#pw-review")
        found.page.set_input_files("input[type=file]", path)
        found.page.wait_for_selector("text=1 decision taken from the file.")
        assert "1 of 5 decided" in found.page.inner_text("#pw-reviewbar")
        other = json.loads(path.read_text()) | {"changes_sha256": "0" * 64, "run_id": "2020-<b>other"}
        (tmp_path / "other.geojson").write_text(json.dumps(other))
        found.page.set_input_files("input[type=file]", tmp_path / "other.geojson")
        found.page.wait_for_selector("text=This file is of another run (2020-<b>other)")
        (tmp_path / "bad.geojson").write_text('{"format": "placerwatch review 1"')
        found.page.set_input_files("input[type=file]", tmp_path / "bad.geojson")
        found.page.wait_for_selector("text=This is not a file that this page saved.")
        found.page.fill("#pw-initials", " K\u202e\u00a0M ")
        assert found.page.evaluate("JSON.stringify(notes.clean({comment: 'cut \\ud83d'}))") == '{"comment":"cut "}'
        found.page.keyboard.press("Tab")
        assert saved(found.page, tmp_path).name.endswith("-K-M.geojson")


# ---- the page of a sample


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    for code in ("en", "fr"):
        assert write_sample_page(made_up_design(), folder / f"{code}.html", composite, Language.of(code)) == 3
    return folder


def test_a_sample_is_labelled_from_the_keyboard_and_its_files_feed_the_estimate(browser, sample, tmp_path):
    design = made_up_design()
    ids = [point.sample_id for point in design.points]
    paths = []
    for name, keys in (("KM", "25n14n26"), ("JD", "25n24")):
        with visit(browser, sample / "en.html", accept_downloads=True) as found:
            page = found.page
            assert page.inner_text("#pw-number") == "1 of 3"
            assert page.locator("#pw-pictures figure").count() == 4
            loaded = "[...document.querySelectorAll('#pw-pictures img')].filter((one) => one.naturalWidth).length === 4"
            wait_until(page, loaded)
            page.focus("#pw-initials")
            page.keyboard.type(name)
            page.keyboard.press("Tab")
            for key in keys:
                page.keyboard.press(key)
            if name == "KM":
                page.keyboard.press("c")
                page.keyboard.type("1 haze")
                page.keyboard.press("Escape")
                page.reload()
                page.wait_for_selector("body[data-placerwatch]")
                assert "3 of 3 decided" in page.inner_text("#pw-reviewbar")
            else:
                page.keyboard.press("u")
                assert page.inner_text("#pw-number") == "3 of 3"
            paths.append(saved(page, tmp_path))
    reference = read_references(paths, ids, True)
    assert [(label.sample_id[-1], label.interpreter, label.before, label.after) for label in reference.labels] == [
        ("1", "KM", "other", "other"),
        ("2", "KM", "workings", "workings"),
        ("3", "KM", "other", "unsure"),
        ("1", "JD", "other", "other"),
        ("2", "JD", "other", "workings"),
    ]
    assert reference.labels[2].comment == "1 haze"
    with pytest.raises(BadInput):
        read_ground(paths[0])


def test_the_page_of_a_sample_tells_nothing_of_the_map_or_the_strata(sample):
    page = (sample / "en.html").read_text("utf-8")
    data = json.loads(page.split('id="pw-data">')[1].split("</script>")[0])
    assert data["points"] == [[p.sample_id, p.lon, p.lat] for p in made_up_design().points]
    for word in ("stratum", "strata", "mapped as", "all other ground", "inclusion"):
        assert word not in json.dumps(data)


def test_pictures_of_a_point_have_its_pixel_in_the_middle_across_tiles() -> None:
    east = Tile(TILE.epsg, TILE.col + 1, TILE.row)
    planes = {tile: np.full((6, 512, 512), value, np.uint16) for tile, value in ((TILE, 1), (east, 2))}
    planes[TILE][:, 100, 509] = 7
    point = made_up_design().points[0]
    moved = point.model_copy(update={"row": TILE.origin_px[0] + 100, "col": TILE.origin_px[1] + 509})
    found = window(moved, "p", lambda tile, period: planes.get(tile))
    middle = SIDE_PX // 2
    assert np.argwhere(found[0] == 7).tolist() == [[middle, middle]]
    assert (found[0, :, middle + 3 :] == 2).all()
    north = window(moved.model_copy(update={"row": TILE.origin_px[0]}), "p", lambda tile, period: planes.get(tile))
    assert (north[:, :middle] == NODATA).all()
    assert (north[:, middle:] != NODATA).all()


@pytest.mark.parametrize("code", ["en", "fr"])
def test_axe_finds_nothing_serious_on_the_page_of_a_sample_and_a_phone_is_wide_enough(browser, sample, code):
    with visit(browser, sample / f"{code}.html") as found:
        assert serious(found.page) == []
        found.page.set_viewport_size({"width": 360, "height": 740})
        assert found.page.evaluate("document.documentElement.scrollWidth") <= 360
        assert serious(found.page) == []


def test_a_sample_without_pictures_says_so_and_can_still_be_labelled(browser, tmp_path):
    count = write_sample_page(made_up_design(), tmp_path / "s.html", lambda tile, period: None, Language.of("en"))
    assert count == 0
    with visit(browser, tmp_path / "s.html") as found:
        assert found.page.inner_text("#pw-pictures").count("no picture") == 4
