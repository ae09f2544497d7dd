from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.metadata import PackageNotFoundError
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from PIL import Image

from pipeline.areas.lattice import to_lonlat
from pipeline.disturbance import limits_of
from pipeline.errors import PlacerwatchError
from pipeline.imagery.scene import NODATA
from pipeline.reports import leaflet as leaflet_module
from pipeline.reports import write_map, write_pages
from pipeline.reports.chips import INFRARED, TRUE_COLOUR, Gallery, png
from pipeline.reports.geojson import change_features
from pipeline.reports.language import Language
from pipeline.reports.map import map_html, map_page
from pipeline.reports.unseen import rectangles, unseen_ground
from tests.reports_run import AFTER, BEFORE, TILE, make_result

ROOT = Path(__file__).resolve().parents[1]
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


def _block(page: str, name: str) -> Any:
    return json.loads(re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page)[1])


def _facts(page: str) -> dict:
    return _block(page, "pw-data")


def test_two_maps_of_one_result_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        write_map(make_result(), tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "b.html"]


def test_the_page_asks_the_network_for_nothing() -> None:
    page = map_html(make_result())
    assert [place for place in _Page(page).fetched if not place.startswith("#")] == []
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
        "Changes from 2020-dry to 2021-dry; as of 15 Apr 2021.",
        '"start":"2020-12-01","end":"2021-03-31"',
        "94.2\u00a0% of the watched ground was observed in 2021-dry, 91.0\u00a0% in both periods.",
        "The rest is unknown, not undisturbed.",
        "never single pits",
        "9.2",
    ):
        assert text in page


def test_a_restricted_page_says_so_and_a_public_one_does_not() -> None:
    assert "<b>restricted</b>" in map_html(make_result())
    assert "<b>restricted</b>" not in map_html(make_result(release="public"))


@pytest.mark.parametrize("code", ["en", "fr"])
def test_the_line_in_view_has_what_the_model_was_measured_to_do(code: str) -> None:
    model = ROOT / "models" / "default"
    page = map_html(make_result(limits=limits_of(model)), 0, Language.of(code))
    line = page.split('id="pw-strip">')[1].split("</p>")[0]
    card = json.loads((model / "card.json").read_text())["cross_validation"]["patches"]
    for share in (card["sensitivity"], card["specificity"]):
        assert Language.of(code).share(round(share, 3)) in line


def test_outlines_are_steps_of_whole_microdegrees_that_lead_back_to_the_geometry() -> None:
    result = make_result()
    features = {feature["id"]: feature["geometry"] for feature in change_features(result)}
    changes = _facts(map_html(result))["changes"]
    for name, rings in zip(changes["change_id"], changes["rings"], strict=True):
        geometry = features[name]
        polygons = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
        wanted = [ring[:-1] for polygon in polygons for ring in polygon]
        found = [np.cumsum(np.reshape(ring, (-1, 2)), axis=0) / 1e6 for ring in rings]
        assert [len(ring) for ring in found] == [len(ring) for ring in wanted]
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-9)


def test_a_page_that_would_be_too_large_keeps_its_pictures_beside_it() -> None:
    whole, none = map_page(make_result(), 2, Language.of("en"))
    page, beside = map_page(make_result(), 2, Language.of("en"), max_bytes=len(whole) - 1)
    assert none == {}
    assert len(beside) == 2 * 2 * 2
    assert all(name.startswith("map_chips/000") and data.startswith(b"\x89PNG") for name, data in beside.items())
    assert "pw-chip-0" not in page
    assert "img-src data: 'self' file:" in page
    assert "file:" not in re.search(r"img-src [^;]*", whole)[0]


def test_ground_is_unseen_where_it_is_watched_and_most_of_a_cell_has_no_look() -> None:
    planes = np.full((6, 512, 512), 900, np.uint16)
    planes[2, :16, :48] = NODATA  # one band is enough; three cells
    planes[:, 16:23, :16] = NODATA  # less than half of a cell
    half = shapely.box(*to_lonlat(TILE.epsg).transform_bounds(*TILE.geobox.boundingbox.bbox))
    west, south, east, north = half.bounds
    area = replace(make_result().areas[1], geometry=shapely.box((west + east) / 2, south, east, north))
    whole = replace(area, geometry=half)
    seen = {BEFORE.name: planes, AFTER.name: None}

    def told(*areas):
        result = make_result(
            areas=areas, composite_of=lambda tile, period: seen[period] if tile == TILE else planes * 0
        )
        return [row["periods"] for row in unseen_ground(result)]

    assert told(whole) == [{"0": [0, 0, 1, 3], "1": [0, 0, 32, 32]}]
    assert told(area) == [{"1": [0, 16, 32, 32]}], "what is not watched is not hatched, and the cloud lay there"


@pytest.mark.parametrize("seed", range(5))
def test_rectangles_cover_each_cell_once_and_no_other(seed: int) -> None:
    mask = np.random.default_rng(seed).random((7, 5)) < 0.6
    count = np.zeros(mask.shape, int)
    for top, left, bottom, right in rectangles(mask):
        count[top:bottom, left:right] += 1
    np.testing.assert_array_equal(count, mask.astype(int))


def test_a_run_without_changes_shows_its_areas() -> None:
    page = map_html(make_result(changes=(), sites=()))
    assert "No change was found where the ground was seen in both periods" in page
    assert _facts(page)["bounds"] == [[4.6, 15.3], [5.15, 16.0]]


def test_a_run_of_one_period_has_no_before() -> None:
    page = map_html(make_result(periods=(AFTER,)))
    assert [period["name"] for period in _facts(page)["periods"]] == ["2021-dry"]
    assert [len(_block(page, f"pw-chip-{number}")) for number in range(5)] == [1] * 5
    assert "Disturbed ground in 2021-dry; as of 15 Apr 2021." in page


def test_pictures_go_to_the_largest_changes_first_and_no_further_than_asked() -> None:
    chips = Gallery(make_result()).most_changed(2)
    assert [chip.change_id for chip in chips] == ["chg-0002", "chg-0001"]
    assert "pw-chip-0" not in map_html(make_result(), max_chips=0)
    facts = _facts(map_html(make_result(), max_chips=2))
    pictured = dict(zip(facts["changes"]["change_id"], facts["chips"]["numbers"], strict=True))
    assert pictured == {"chg-0001": 1, "chg-0002": 0, "chg-0003": -1, "chg-0004": -1, "chg-0005": -1}


def test_a_picture_has_its_place_in_the_middle_and_the_cloud_transparent() -> None:
    result = make_result()
    chip = Gallery(result).most_changed(2)[1]
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
    chip = Gallery(make_result(composite_of=lambda tile, period: None)).most_changed(1)[0]
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


def test_pages_in_two_languages_share_their_pictures(tmp_path):
    asked = []

    def composite_of(tile, period):
        asked.append((tile, period))

    write_pages(tmp_path, make_result(composite_of=composite_of), ["en"], "en", 5)
    once = len(asked)
    asked.clear()
    write_pages(tmp_path, make_result(composite_of=composite_of), ["en", "fr"], "en", 5)
    assert len(asked) == once > 0
