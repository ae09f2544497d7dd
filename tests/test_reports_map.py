from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.metadata import PackageNotFoundError
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import PlacerwatchError
from pipeline.imagery.scene import NODATA
from pipeline.reports import leaflet as leaflet_module
from pipeline.reports import write_map
from pipeline.reports.chips import INFRARED, TRUE_COLOUR, make_chips, png
from pipeline.reports.map import map_html
from tests.reports_run import AFTER, BEFORE, make_result

HOSTILE = "<script>alert('zone')</script>{{ 7 * 7 }}${alert(1)}</style>`"


class _Page(HTMLParser):
    """Collects what a browser would fetch, and the scripts it would run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.scripts = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.fetched += [value or "" for key, value in attrs if key in ("src", "href")]


def _facts(page: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="pw-data">(.*?)</script>', page)[1])


def test_two_maps_of_one_result_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        write_map(make_result(), tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "b.html"]


def test_the_page_asks_the_network_for_nothing() -> None:
    page = map_html(make_result())
    assert _Page(page).fetched == []
    assert "cdn" not in page
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page.replace('url("data:', ""))


def test_hostile_names_stay_text() -> None:
    result = make_result()
    area = replace(result.areas[0], name=HOSTILE, zone_id=HOSTILE, boundary_source=HOSTILE)
    changes = (replace(result.changes[0], site_id=HOSTILE), *result.changes[1:])
    hostile = map_html(
        replace(result, title=HOSTILE, areas=(area, result.areas[1]), changes=changes, limits=(HOSTILE,))
    )
    assert "<script>alert" not in hostile
    assert _Page(hostile).scripts == _Page(map_html(result)).scripts
    assert "{{ 7 * 7 }}" in hostile, "the name was read as a template"


def test_the_page_tells_periods_totals_limits_and_what_was_not_seen() -> None:
    page = map_html(make_result())
    for text in (
        "2019-12-01",
        "2021-03-31",
        "94.2 %",
        "the rest is unknown, not undisturbed",
        "never single pits",
        "9.2",
    ):
        assert text in page


def test_a_restricted_page_says_so_and_a_public_one_does_not() -> None:
    assert "<b>restricted</b>" in map_html(make_result())
    assert "<b>restricted</b>" not in map_html(make_result(release="public"))


def test_a_run_without_changes_shows_its_areas() -> None:
    page = map_html(make_result(changes=(), sites=()))
    assert "No change was found where the ground was seen in both periods" in page
    assert _facts(page)["bounds"] == [[4.6, 15.3], [5.15, 16.0]]


def test_a_run_of_one_period_has_no_before() -> None:
    facts = _facts(map_html(make_result(periods=(AFTER,))))
    assert list(facts["periods"]) == ["after"]
    assert all("before" not in pictures for pictures in facts["pictures"].values())


def test_pictures_go_to_the_largest_changes_first_and_no_further_than_asked() -> None:
    chips = make_chips(make_result(), 2)
    assert [chip.change_id for chip in chips] == ["chg-0002", "chg-0001"]
    assert len(_facts(map_html(make_result(), max_chips=0))["pictures"]) == 0


def test_a_picture_has_its_place_in_the_middle_and_the_cloud_transparent() -> None:
    result = make_result()
    chip = make_chips(result, 2)[1]
    west, south, east, north = chip.bounds
    centre = result.changes[0].geometry.envelope.centroid
    assert (west + east) / 2 == pytest.approx(centre.x, abs=1e-6)
    assert (south + north) / 2 == pytest.approx(centre.y, abs=1e-5)
    before, after = (
        np.asarray(Image.open(BytesIO(chip.pictures[period.name, "true"])).convert("RGBA"))
        for period in (BEFORE, AFTER)
    )
    assert (before[..., 3] == 255).all()
    assert 0 < (after[..., 3] == 0).mean() < 0.2
    middle = slice(before.shape[0] // 2 - 2, before.shape[0] // 2 + 2)
    assert after[middle, middle, 0].mean() > before[middle, middle, 0].mean() + 40


def test_a_place_without_any_composite_is_not_observed_everywhere() -> None:
    chip = make_chips(make_result(composite_of=lambda tile, period: None), 1)[0]
    for data in chip.pictures.values():
        assert not np.asarray(Image.open(BytesIO(data)).convert("RGBA"))[..., 3].any()


def test_one_reflectance_has_one_colour_whatever_lies_beside_it() -> None:
    dark, bright = np.full((6, 4, 5), 700, np.uint16), np.full((6, 4, 5), 700, np.uint16)
    bright[:, 2:] = 5000
    for rendering in (TRUE_COLOUR, INFRARED):
        alone, beside = (np.asarray(Image.open(BytesIO(png(p, rendering))).convert("RGB")) for p in (dark, bright))
        np.testing.assert_array_equal(alone[0], beside[0])


def test_a_pixel_missing_in_one_band_is_transparent() -> None:
    planes = np.full((6, 3, 4), 900, np.uint16)
    planes[2, 1, 3] = NODATA
    alpha = np.asarray(Image.open(BytesIO(png(planes, TRUE_COLOUR))).convert("RGBA"))[..., 3]
    assert np.argwhere(alpha == 0).tolist() == [[1, 3]]


def test_leaflet_that_is_not_the_released_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(leaflet_module._SHA256, "leaflet.js", "0" * 64)
    with pytest.raises(PlacerwatchError, match="reinstall XStatic-Leaflet"):
        leaflet_module.leaflet("leaflet.js")


def test_missing_leaflet_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(leaflet_module, "distribution", absent)
    with pytest.raises(PlacerwatchError, match="install XStatic-Leaflet"):
        leaflet_module.leaflet("leaflet.js")
