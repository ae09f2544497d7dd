"""The dossier: what it says, in which words, and that it needs nothing beside itself."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from html import unescape

import pytest
import shapely

from pipeline.reports.dossier import TABLE_ROWS, dossier_html
from pipeline.reports.language import Language
from pipeline.reports.map import map_html
from pipeline.reports.result import STATES, SceneRead
from pipeline.reports.reviews import Decision, Signed, reviews_of
from pipeline.reports.wording import meaning
from tests.reports_dossier import five_zones
from tests.reports_run import make_result
from tests.test_language import ENGLISH_WORDS

ENGLISH, FRENCH = Language.of("en"), Language.of("fr")


def words_of(page: str) -> str:
    """What a reader sees of a page."""
    shown = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", shown)).replace("\u00a0", " ").split())


@pytest.fixture(scope="module")
def page() -> str:
    return dossier_html(five_zones(), ENGLISH)


def test_it_names_the_programme_the_day_the_run_and_its_hash(page):
    words = words_of(page)
    for text in ("Western fields", "as of 15 Apr 2021", "2021-04-15-0a1b2c3d", "0a1b2c3d" * 8, "restricted"):
        assert text in words


def test_findings_are_sentences_with_numbers(page):
    words = words_of(page)
    assert "8 sites are new: 144.0 ha that were not disturbed before." in words
    assert "92.9 % of the watched ground was observed in 2021-dry, 91.0 % in both periods; the rest is unknown" in words


def test_an_estimate_stands_with_its_interval_and_where_there_is_none_it_says_mapped_only(page):
    rows = re.findall(r"<tr class=\"(?:total)?\"><td>(.*?)</td>.*?<td class=\"r\">([^<]*)</td></tr>", page)
    assert dict(rows)["Boda"] == "23.0 (15.4 to 30.7)"
    assert {told for name, told in rows if name != "Boda"} == {"mapped only"}
    assert "No reference sample has been labelled" not in page
    assert "No reference sample has been labelled" in dossier_html(make_result(), ENGLISH)


def test_every_zone_has_a_map_a_table_and_pictures_of_both_periods():
    page = dossier_html(make_result(), ENGLISH)
    (zone,) = re.findall(r'<section class="sheet zone">.*?</section>', page, re.DOTALL)
    assert zone.count("<svg") == 1
    assert len(re.findall(r'<td class="n">\d', zone)) == 4
    assert zone.count('src="data:image/png;base64,') == 6
    assert "Outside the zones" in page


def test_what_reviewers_decided_stands_beside_the_evidence():
    result = make_result()
    decision = Decision(change_id="chg-0001", decision="rejected", date="2021-05-01T08:00:00Z", comment="a sand bar")
    told = dossier_html(replace(result, reviews=reviews_of([Signed("amina", decision)])), ENGLISH)
    assert told.count("review: rejected") == 1
    assert "review:" not in dossier_html(result, ENGLISH)


def test_a_long_table_is_cut_and_says_how_much_is_left_out():
    result = make_result()
    many = tuple(
        replace(result.changes[0], change_id=f"c{n}", site_id=f"s{n}", area_gain_ha=float(n))
        for n in range(TABLE_ROWS + 3)
    )
    page = dossier_html(replace(result, changes=many), ENGLISH)
    assert "3 more sites are in sites.geojson." in page
    assert f'<td class="id">s{TABLE_ROWS + 2}</td>' in page
    assert '<td class="id">s2</td>' not in page


def test_states_and_limits_have_the_same_words_as_on_the_map():
    result = make_result()
    page, other = words_of(dossier_html(result, FRENCH)), words_of(map_html(result, 0, FRENCH))
    for state in STATES:
        for text in (FRENCH.word(state), meaning(FRENCH, state)):
            assert text in page
            assert text in other
    for limit in result.limits:
        assert limit in page
        assert limit in other


def test_the_french_dossier_has_no_english_left():
    words = words_of(dossier_html(five_zones(limits=(), title="Champs", sites=()), FRENCH))
    assert "8 sites sont nouveaux" in words
    assert "23,0 (15,4 à 30,7)" in words
    # The boundaries' own source is the data's.
    assert not ENGLISH_WORDS.findall(words.replace("declared monitoring extent", ""))


def test_it_asks_nothing_of_the_network_and_runs_no_script(page):
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in page
    assert not re.search(r"https?://|<script|<link|@import|url\((?!#)", page)
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []


def test_names_are_shown_as_text_never_as_markup():
    hostile = "<script>alert(1)</script>\"'&<svg onload=x>"
    result = five_zones(title=hostile)
    period = result.periods[-1].model_copy(update={"name": hostile})
    areas = tuple(
        replace(area, name=hostile, boundary_source=hostile, boundary_vintage=hostile) for area in result.areas
    )
    changes = tuple(
        replace(change, site_id=hostile, change_id=f"{hostile}{n}") for n, change in enumerate(result.changes)
    )
    rows = tuple(
        replace(row, period=hostile if row.period == "2021-dry" else row.period) for row in result.footprint.rows
    )
    result = replace(
        result,
        areas=areas,
        changes=changes,
        periods=(*result.periods[:-1], period),
        footprint=replace(result.footprint, rows=rows),
        model={"name": hostile, "sha256": hostile},
        scene_list=(SceneRead(hostile, date(2021, 1, 1), hostile),),
        limits=(hostile,),
        key=hostile,
    )
    page = dossier_html(result, FRENCH)
    assert "<script" not in page
    assert "<svg onload" not in page
    assert page.count("&lt;script&gt;") > 20


def test_many_scenes_are_told_by_day_and_more_by_month():
    def page(count: int, days: int) -> str:
        scenes = (SceneRead(f"scene-{n:04d}", date(2019, 1, 1) + timedelta(n % days), "05.00") for n in range(count))
        return dossier_html(make_result(scene_list=tuple(scenes)), ENGLISH)

    assert "<li><b>2019-01-02</b> scene-0001 (05.00), scene-0005 (05.00)</li>" in page(8, 4)
    assert "<li><b>2019-01-01</b> 60 (05.00)</li>" in page(300, 5)
    by_month = page(300, 100)
    assert "<li><b>2019-01</b> 93 (05.00)</li>" in by_month
    assert "scene-0001" not in by_month


def test_a_run_that_found_nothing_says_so_and_has_its_zones():
    page = words_of(dossier_html(five_zones(changes=(), sites=()), ENGLISH))
    assert "No change was found where the ground was seen in both periods" in page
    assert page.count("No change is reported in this zone where the ground was seen.") == 5


def test_one_period_without_trends_and_zones_is_a_dossier_too():
    result = make_result()
    extent = result.areas[1]
    rows = tuple(row for row in result.footprint.rows if row.zone_id in ("unassigned", "total"))
    lone = replace(
        result, periods=(result.after,), areas=(extent,), changes=(), footprint=replace(result.footprint, rows=rows)
    )
    page = words_of(dossier_html(lone, ENGLISH))
    assert "with one period there is nothing to compare it with" in page
    assert "Over time" not in page


def test_the_same_result_gives_the_same_bytes(page):
    assert dossier_html(five_zones(), ENGLISH) == page


def test_an_interval_of_dates_is_open_where_no_look_bounds_it():
    result = make_result()
    change = replace(result.changes[0], last_clear_undisturbed=None, first_clear_disturbed=None)
    late = replace(result.changes[1], first_clear_disturbed=None)
    page = dossier_html(replace(result, changes=(change, late)), FRENCH)
    assert f"<td>{FRENCH.word('not known')}</td>" in page
    assert "<td>après le 14 mars 2020</td>" in page


def test_a_zone_far_larger_than_its_sites_shows_them_as_dots_and_a_small_one_as_ground():
    result = make_result()
    page = dossier_html(result, ENGLISH)
    (zone,) = re.findall(r'<section class="sheet zone">.*?</section>', page, re.DOTALL)
    assert zone.count("<circle") == 4
    ground = result.changes[1].geometry
    small = replace(result.areas[0], geometry=shapely.box(*ground.buffer(0.002).bounds))
    close = replace(result, areas=(small,), changes=(result.changes[1],))
    (zone,) = re.findall(r'<section class="sheet zone">.*?</section>', dossier_html(close, ENGLISH), re.DOTALL)
    assert "<circle" not in zone
