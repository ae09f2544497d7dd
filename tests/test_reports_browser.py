"""The map in a real browser, from a file, with no network."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from babel.messages.pofile import read_po
from PIL import Image
from pyproj import Geod, Transformer

import pipeline.reports
from pipeline.config import Release
from pipeline.disturbance import limits_of
from pipeline.reports import publish, write_map
from pipeline.reports.dossier import write_dossier
from pipeline.reports.language import Language
from pipeline.reports.map import map_page
from pipeline.reports.map_data import STATE_COLOURS
from pipeline.reports.page import write_page
from tests.browser import launched, needs_browser, serious, visit, wait_until
from tests.reports_run import make_result, make_three_periods

pytestmark = needs_browser
HOSTILE = (
    '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>\u202eמשה 💎 {{ 7 * 7 }} `${alert(1)}` \'"'
)


@pytest.fixture(scope="module")
def browser():
    with launched() as one:
        yield one


@pytest.fixture(scope="module")
def maps(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("maps")
    for code in ("en", "fr"):
        write_map(make_three_periods(), folder / f"{code}.html", language=Language.of(code))
    return folder


@pytest.fixture
def page(browser, maps):
    with visit(browser, maps / "en.html") as found:
        yield found.page


def listed(page: Any) -> list[str]:
    return page.eval_on_selector_all("#pw-list b", "all => all.map((one) => one.textContent)")


def test_the_map_opens_offline_asks_for_nothing_and_lists_every_change(page):
    assert page.get_attribute("body", "data-placerwatch") == "5 changes"
    assert page.inner_text("#pw-count") == "5 places"
    assert listed(page) == ["+6.39\u00a0ha", "+3.81\u00a0ha", "−1.71\u00a0ha", "+1.18\u00a0ha", "2.30\u00a0ha"]
    assert "41 % were missed in testing" in page.inner_text("#pw-strip")
    assert "BSD 2-Clause" in page.inner_text("footer")


def test_every_state_shows_in_its_colour(page):
    page.hover(".leaflet-control-layers")
    page.uncheck("text=Pictures of the period")
    page.mouse.move(700, 700)
    ground = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))[:760, 430:].reshape(-1, 3).astype(int)
    for state, colour in STATE_COLOURS.items():
        wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
        assert (np.abs(ground - wanted).max(axis=1) <= 2).sum() >= 10, state


def test_the_line_between_the_pictures_moves_by_key_and_both_have_their_dates(page):
    page.click("#pw-list button")
    assert page.inner_text(".pw-left") == "2020-dry\n1 Dec 2019 – 31 Mar 2020\n9 clear looks"
    assert page.inner_text(".pw-right") == "2021-dry\n1 Dec 2020 – 31 Mar 2021\n7 clear looks"
    where = "getComputedStyle(document.querySelector('.pw-over')).clipPath"
    assert page.evaluate(where) == "inset(0px 0px 0px 50%)"
    page.focus(".pw-handle")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert page.evaluate(where) == "inset(0px 0px 0px 60%)"
    assert page.get_attribute(".pw-handle", "aria-valuetext") == "60.0\u00a0% earlier picture"
    assert page.eval_on_selector_all(".pw-stage img", "all => all.map((one) => one.naturalWidth > 0)") == [True, True]


def test_colours_and_periods_of_the_pictures_are_chosen(page):
    page.click("#pw-list button")
    sources = lambda: page.eval_on_selector_all(".pw-stage img", "all => all.map((one) => one.src)")  # noqa: E731
    true = sources()
    page.click("text=infrared")
    infrared = sources()
    assert len({*true, *infrared}) == 4
    page.select_option("select[aria-label='Period of the picture on the left']", label="2019-dry")
    assert sources()[0] not in (true[0], infrared[0])
    assert sources()[1] == infrared[1]
    assert page.inner_text(".pw-left").startswith("2019-dry\n1 Dec 2018 – 31 Mar 2019")


def test_filters_by_state_confidence_size_and_zone_count_what_is_left(page):
    page.uncheck("[data-state=new]")
    assert page.inner_text("#pw-count") == "4 of 5 places"
    page.uncheck("[data-confidence=highest]")
    assert listed(page) == ["+1.18\u00a0ha", "2.30\u00a0ha"]
    page.check("[data-confidence=highest]")
    page.check("[data-state=new]")
    page.click("text=More filters")
    page.fill("#pw-size", "2")
    assert page.inner_text("#pw-count") == "3 of 5 places"
    page.fill("#pw-size", "0")
    page.select_option("#pw-zone", label="unassigned")
    assert listed(page) == ["+1.18\u00a0ha"]


def test_search_finds_sites_and_zones_without_regard_to_accents(page):
    page.fill("#pw-search", "SITE-0004")
    assert page.inner_text("#pw-count") == "1 of 5 places"
    page.keyboard.press("Enter")
    assert page.get_attribute("body", "data-chosen") == "chg-0004"
    page.keyboard.press("Escape")
    page.fill("#pw-search", "cârnot")
    assert page.inner_text("#pw-count") == "4 of 5 places"
    page.click("#pw-zones button")
    card = page.inner_text("#pw-detail")
    assert "declared zone · compliant on 15 Apr 2021" in card
    assert "15.2\u00a0ha of 2,127.2\u00a0ha watched, 2021-dry" in card


@pytest.mark.parametrize("width", [800, 1360, 1800])
def test_no_part_of_what_cannot_be_seen_is_cut_off(browser, tmp_path, width):
    model = Path(pipeline.__file__).parents[1] / "models" / "default"
    write_map(make_result(limits=limits_of(model)), tmp_path / "map.html", language=Language.of("fr"))
    with visit(browser, tmp_path / "map.html", viewport={"width": 1000, "height": 850}) as found:
        found.page.set_viewport_size({"width": width, "height": 850})
        wait_until(found.page, "window.innerWidth === " + str(width))
        line = "document.querySelector('#pw-strip')"
        assert found.page.evaluate(f"{line}.scrollHeight <= {line}.clientHeight")
        top = found.page.evaluate(f"{line}.getBoundingClientRect().top")
        assert found.page.evaluate("document.querySelector('.folium-map').getBoundingClientRect().bottom") < top


def test_a_public_map_says_what_its_cells_are_and_nothing_of_pictures_and_reviews(browser, tmp_path):
    shown = publish(make_result(), Release(grid_km=100), date(2022, 4, 15))
    write_map(shown, tmp_path / "map.html", language=Language.of("en"))
    with visit(browser, tmp_path / "map.html") as found:
        assert "the cells of a set grid stand for the places" in found.page.inner_text("body")
        found.page.click("#pw-list button")
        card = found.page.inner_text(".pw-card")
        assert re.search(r"sites\s+1\b", card)
        seen = found.page.inner_text("body")
        for word in ("review", "checked", "pictures of this place", "confirm, reject"):
            assert word not in seen.lower().replace("pictures, scenes and what is kept back", "")
        found.page.keyboard.press("Escape")
        found.page.focus("#pw-period")
        found.page.keyboard.press("ArrowLeft")
        assert "sites seen" not in found.page.inner_text("#pw-time")


def test_places_are_stepped_through_and_left_from_the_keyboard(page):
    chosen = []
    for key in ("n", "n", "p", "p", "p"):
        page.keyboard.press(key)
        chosen.append(page.get_attribute("body", "data-chosen"))
    assert chosen == ["chg-0002", "chg-0001", "chg-0002", "chg-0004", "chg-0003"]
    assert page.evaluate("document.activeElement.tagName") == "H2"
    page.keyboard.press("Escape")
    assert page.is_visible("#pw-home")
    page.keyboard.press("/")
    page.keyboard.type("n")
    assert page.input_value("#pw-search").endswith("n"), "a letter in a field is no command"
    assert page.is_visible("#pw-home")


def test_a_link_to_a_change_opens_it(browser, maps):
    with visit(browser, maps / "en.html", mark="#chg-0004") as found:
        assert found.page.get_attribute("body", "data-chosen") == "chg-0004"
    with visit(browser, maps / "en.html", mark="#%E0%A4%A") as found:
        assert found.page.is_visible("#pw-home")


def test_a_click_on_the_map_opens_the_change_under_it(page):
    page.keyboard.press("n")
    page.keyboard.press("Escape")
    box = page.locator(".folium-map").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert page.inner_text("#pw-detail h2").strip() == "expanded, 9.17\u00a0ha"
    assert "after 14 Mar 2020, not later than 9 Dec 2020" in page.inner_text("#pw-detail")


def test_utm_coordinates_are_those_of_proj(page):
    places = [(4.72, 16.1), (8.2, -6.6), (-19.5, 32.4), (0.0, -5.99), (60.3, -178.2), (-0.001, 179.99)]
    for (lat, lon), found in zip(
        places, page.evaluate("(all) => all.map((p) => earth.utm(...p))", places), strict=True
    ):
        code = (32600 if lat >= 0 else 32700) + int(found["zone"][:2])
        assert found["zone"][2] == ("N" if lat >= 0 else "S")
        east, north = Transformer.from_crs(4326, code, always_xy=True).transform(lon, lat)
        assert (found["easting"], found["northing"]) == pytest.approx((east, north), abs=1e-6)


def test_the_place_under_the_cursor_is_told_in_degrees_and_utm(page):
    box = page.locator(".folium-map").bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 200)
    lat, lon, zone, east, north = re.fullmatch(
        r"(-?\d+\.\d+), (-?\d+\.\d+) · UTM (\d+)N (\d+) (\d+)", page.inner_text("#pw-place")
    ).groups()
    told = Transformer.from_crs(4326, 32600 + int(zone), always_xy=True).transform(float(lon), float(lat))
    assert (int(east), int(north)) == pytest.approx(told, abs=1.5)
    at = page.evaluate(
        "([x, y]) => { const p = placerwatch.map().containerPointToLatLng([x, y]); return [p.lat, p.lng]; }", [300, 200]
    )
    assert (float(lat), float(lon)) == pytest.approx(tuple(at), abs=1e-5)


def test_lengths_and_areas_are_those_of_the_ellipsoid(page):
    geod = Geod(ellps="WGS84")
    ring = [(4.70, 16.10), (4.71, 16.13), (4.69, 16.15), (4.68, 16.11)]
    lats, lons = zip(*ring, strict=True)
    assert page.evaluate("(p) => earth.length(p)", ring) == pytest.approx(geod.line_length(lons, lats), rel=1e-5)
    area = abs(geod.polygon_area_perimeter(lons, lats)[0])
    assert page.evaluate("(p) => earth.area(p)", ring) == pytest.approx(area, rel=1e-5)
    assert page.evaluate("(p) => earth.length(p)", [ring[0], ring[0]]) == 0


def test_measuring_needs_no_mouse(page):
    page.click("#pw-measure")
    assert page.evaluate("document.activeElement.id") == "pw-centre"
    page.keyboard.press("Enter")
    page.focus(".folium-map")
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(400)
    page.click("#pw-centre")
    assert re.fullmatch(r"\d[\d,]* m|\d+\.\d\d km", page.inner_text("#pw-length"))
    box = page.locator(".folium-map").bounding_box()
    page.mouse.click(box["x"] + 400, box["y"] + 500)
    assert re.search(r"; area [\d,.]+\u00a0ha", page.inner_text("#pw-length"))
    page.click("#pw-measureend")
    assert page.is_hidden("#pw-measured")


def test_an_earlier_period_shows_its_pictures_and_what_its_sites_were(page):
    page.focus("#pw-period")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert page.get_attribute("body", "data-period") == "2019-dry"
    assert page.inner_text("#pw-when") == "2019-dry 1 Dec 2018 – 31 Mar 2019"
    assert page.inner_text("#pw-then").endswith("1 of 4 sites seen were disturbed")
    page.keyboard.press("n")
    assert page.inner_text(".pw-history tr:nth-child(1)").split() == ["2019-dry", "0.00", "ha"]


def test_a_background_that_does_not_answer_is_put_away(browser, maps):
    with visit(browser, maps / "en.html", quiet=False) as found:
        found.page.hover(".leaflet-control-layers")
        found.page.click("text=OpenStreetMap (needs a network)")
        found.page.wait_for_selector("#pw-note:not(:empty)")
        assert "did not answer" in found.page.inner_text("#pw-note")
        assert found.page.locator(".leaflet-tile").count() == 0
        asked = [url for url in found.asked if url.startswith("http")]
        assert asked
        assert all(url.startswith("https://tile.openstreetmap.org/") for url in asked)


def test_hostile_names_are_shown_as_text_and_run_nothing(browser, tmp_path):
    result = make_result()
    area = replace(result.areas[0], name=HOSTILE, boundary_source=HOSTILE, boundary_vintage=HOSTILE)
    change = replace(result.changes[0], site_id=HOSTILE, sensors=(HOSTILE,))
    hostile = replace(result, title=HOSTILE, areas=(area,), changes=(change,), limits=(HOSTILE,))
    write_map(hostile, tmp_path / "map.html")
    with visit(browser, tmp_path / "map.html") as found:
        page = found.page
        page.fill("#pw-search", "img")
        page.click("#pw-zones button")
        assert page.inner_text("#pw-detail h2") == HOSTILE
        page.keyboard.press("n")
        assert HOSTILE in page.inner_text("#pw-detail")
        assert HOSTILE in page.inner_text("h1")
        assert page.evaluate("window.hacked") is None
        assert page.locator("img[src=x]").count() == 0


def test_a_map_of_nothing_and_one_of_one_period_open_without_an_error(browser, tmp_path):
    write_map(make_result(changes=(), sites=()), tmp_path / "none.html")
    with visit(browser, tmp_path / "none.html") as found:
        assert found.page.inner_text("#pw-count") == "0 places"
        found.page.keyboard.press("n")
    result = make_result()
    write_map(replace(result, periods=result.periods[1:]), tmp_path / "one.html")
    with visit(browser, tmp_path / "one.html") as found:
        found.page.click("#pw-list button")
        assert found.page.is_disabled("#pw-period")


def test_pictures_beside_a_large_page_are_found_from_a_file(browser, tmp_path):
    page, files = map_page(make_result(), 5, Language.of("en"), max_bytes=100_000)
    assert len(files) == 5 * 2 * 2
    write_page(tmp_path / "map.html", page, files)
    with visit(browser, tmp_path / "map.html") as found:
        found.page.click("#pw-list button")
        wait_until(found.page, "[...document.querySelectorAll('.pw-stage img')].every((one) => one.naturalWidth > 0)")
        assert found.page.locator(".pw-stage img").first.get_attribute("src").startswith("map_chips/0000-")


def test_a_french_page_has_no_english_word_of_the_catalogue(browser, maps):
    catalogue = (Path(pipeline.reports.__file__).parent / "locale" / "fr.po").read_bytes()
    english = set()
    for message in read_po(io.BytesIO(catalogue), locale="fr"):
        forms = [message.id] if isinstance(message.id, str) else message.id
        english |= {form for form in forms if form and "{" not in form and form not in message.string}
    with visit(browser, maps / "fr.html", locale="fr-FR") as found:
        page = found.page
        assert page.get_attribute("html", "lang") == "fr"
        seen = [page.inner_text("body")]
        page.click("#pw-review")
        page.click("#pw-list button")
        page.click("#pw-measure")
        seen.append(page.inner_text("body"))
        lines = {line.strip() for text in seen for line in re.split(r"[\n\t]| · ", text)}
        # What the run itself says stays in the words of its programme.
        assert lines & english == set()
        assert "6,39\u00a0ha" in seen[0].replace("+", "")
        names = page.eval_on_selector_all("[aria-label], [title]", "all => all.flatMap((e) => [e.ariaLabel, e.title])")
        assert {name for name in names if name} & english == set()


def test_a_state_without_a_site_is_dim_and_yet_read_with_ease(browser, tmp_path):
    result = make_result()
    few = replace(result, changes=tuple(change for change in result.changes if change.state == "new"))
    write_map(few, tmp_path / "map.html", language=Language.of("en"))
    write_dossier(few, tmp_path / "report.html", Language.of("en"))
    with visit(browser, tmp_path / "map.html") as found:
        assert found.page.locator(".pw-none").count() == 4
        assert serious(found.page) == []
        found.page.goto((tmp_path / "report.html").as_uri())
        assert serious(found.page) == []


@pytest.mark.parametrize("code", ["en", "fr"])
def test_axe_finds_nothing_serious_and_a_phone_is_wide_enough(browser, maps, code):
    with visit(browser, maps / f"{code}.html") as found:
        assert serious(found.page) == []
        found.page.click("#pw-review")
        found.page.click("#pw-list button")
        found.page.click("#pw-measure")
        assert serious(found.page) == []
        found.page.set_viewport_size({"width": 360, "height": 740})
        assert found.page.evaluate("document.documentElement.scrollWidth") <= 360
        assert serious(found.page) == []
        found.page.keyboard.press("Escape")
        assert found.page.evaluate("document.documentElement.scrollWidth") <= 360
