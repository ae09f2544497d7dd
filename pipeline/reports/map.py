"""The map: one HTML file that opens offline, with declared areas, changes, pictures, totals and limits."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import folium
from branca.element import Element, Figure, MacroElement
from folium.map import Layer
from folium.template import Template

from pipeline.errors import BadInput
from pipeline.reports.chips import RENDERINGS, Chip, Gallery
from pipeline.reports.geojson import change_features, state_totals
from pipeline.reports.language import ENGLISH, Language
from pipeline.reports.leaflet import asset, leaflet
from pipeline.reports.map_data import CHIP_FOLDER, chip_files, map_data
from pipeline.reports.page import MAX_PAGE_BYTES, json_block, policy, render, scripts, write_page
from pipeline.reports.result import RunResult
from pipeline.reports.reviews import Review
from pipeline.reports.wording import limits, meaning, of_public_release, without_changes

_OSM = "https://tile.openstreetmap.org/{z}/{x}/{y}.png"
_OSM_HOST = "https://tile.openstreetmap.org"
# The figures of a model card's sentence (wording.LIMITS) that say most in least words.
_MEASURED = re.compile(r"of patches of 480 m, ([\d.]+) % of those with mining and ([\d.]+) % of those without")


def write_map(
    result: RunResult,
    path: Path,
    max_chips: int = 300,
    language: Language | None = None,
    gallery: Gallery | None = None,
) -> None:
    """Write the map of a run as one page, with pictures of the `max_chips` most changed places.

    Where that page would be larger than 60 MiB, its pictures lie in `map_chips` beside it. The bytes depend on the
    arguments alone. Each file appears under its name when it is whole.
    """
    write_page(path, *map_page(result, max_chips, language or Language.of(ENGLISH), gallery=gallery))


def map_html(result: RunResult, max_chips: int = 300, language: Language | None = None) -> str:
    """The page that `write_map` writes."""
    return map_page(result, max_chips, language or Language.of(ENGLISH))[0]


def map_page(
    result: RunResult,
    max_chips: int,
    language: Language,
    max_bytes: int = MAX_PAGE_BYTES,
    gallery: Gallery | None = None,
) -> tuple[str, dict[str, bytes]]:
    """The page, and the pictures that lie beside it where it would be larger than `max_bytes` with them."""
    gallery = gallery or Gallery(result)
    chips = gallery.most_changed(max_chips)
    data = map_data(gallery, change_features(result), chips, language)
    pictures, page = _inside(result, chips), _page(result, data, language)
    if len(page) + len(pictures) > max_bytes:
        data["chips"]["folder"] = CHIP_FOLDER
        return _page(result, data, language), chip_files(result, chips)
    # At the end of the page: the map is on the screen before its pictures are read.
    head, end, tail = page.rpartition("</html>")
    return head + pictures + end + tail, {}


def _inside(result: RunResult, chips: Sequence[Chip]) -> str:
    blocks = []
    for number, chip in enumerate(chips):
        images = [
            {r.name: b64encode(chip.pictures[period.name, r.name]).decode() for r in RENDERINGS}
            for period in result.periods
        ]
        blocks.append(json_block(f"pw-chip-{number}", images))
    return "\n".join(blocks)


def _page(result: RunResult, data: dict[str, Any], language: Language) -> str:
    fmap = folium.Map(
        location=[0, 0],
        tiles=None,
        prefer_canvas=True,
        control_scale=False,
        max_zoom=18,
        zoom_snap=0.5,
        font_size="14px",
        fade_animation=False,
    )
    # Only Leaflet itself, laid into the page: none of folium's links to the network is needed here.
    fmap.default_js, fmap.default_css = [], []
    figure = fmap.get_root()
    assert isinstance(figure, Figure)
    figure.title = escape(f"{result.heading}, {result.as_of}")
    _head(figure, language, folder=bool(data["chips"]["folder"]))
    figure.html.add_child(_Text(_panel(result, data, language)), name="panel")
    figure.html.add_child(_Text(json_block("pw-data", data)), name="data")
    figure.html.add_child(_Text(_reviews(result.reviews)), name="reviews")
    plain = _Own("plain", language.text("Plain background"), overlay=False)
    plain.add_to(fmap)
    tiles = folium.TileLayer(
        _OSM,
        name=language.text("OpenStreetMap (needs a network)"),
        attr="© OpenStreetMap contributors",
        show=False,
        max_native_zoom=19,
    )
    tiles.add_to(fmap)
    for pane, z_index in (("ground", 330), ("unseen", 340), ("pictures", 350), ("changes", 420)):
        folium.map.CustomPane(pane, z_index=z_index, pointer_events=False).add_to(fmap)
    for name, title in (
        ("areas", language.text("Declared areas")),
        ("unseen", language.text("Ground not observed")),
        ("pictures", language.text("Pictures of the period")),
        ("grid", language.text("Meridians and parallels")),
    ):
        _Own(name, title).add_to(fmap)
    folium.LayerControl(collapsed=True).add_to(fmap)
    fmap.add_child(_Start(plain, tiles))
    _number(figure)
    page: str = figure.render()
    return page.replace("<html>", f'<html lang="{language.code}">', 1)


class _Text(Element):
    """Text that goes into the page as it is; it is never read as a template."""

    _template = Template("{{ this.text }}")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class _Own(Layer):
    """A layer that the page's own script draws, so that folium lists it with the others."""

    _template = Template(
        "{% macro script(this, kwargs) %}"
        "var {{ this.get_name() }} = placerwatch.layer({{ this.key|tojson }});{% endmacro %}"
    )

    def __init__(self, key: str, title: str, overlay: bool = True) -> None:
        super().__init__(name=title, overlay=overlay)
        self._name = "Own"
        self.key = key


class _Start(MacroElement):
    """Hands the map and its background layers to the page's own script."""

    _template = Template(
        "{% macro script(this, kwargs) %}"
        "placerwatch.background({{ this.tiles.get_name() }}, {{ this.plain.get_name() }});"
        "placerwatch.start({{ this._parent.get_name() }});{% endmacro %}"
    )

    def __init__(self, plain: Layer, tiles: Layer) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._name = "Start"
        self.plain, self.tiles = plain, tiles


def _number(figure: Figure) -> None:
    """Give every element a number for its id: folium draws ids at random, and two runs would differ."""
    queue: list[Element] = [figure, figure.header, figure.html, figure.script]
    for count, element in enumerate(queue):
        element._id = f"{count:04d}"
        queue.extend(element._children.values())


def _head(figure: Figure, language: Language, folder: bool) -> None:
    # Pictures beside the page are files of the same folder, or of the server that hands the page out.
    beside = ("'self'", "file:") if folder else ()
    figure.header.add_child(_Text(policy(*beside, _OSM_HOST)), index=0)
    notice = asset("leaflet-licence.txt")
    for name, text in (
        ("leaflet_js", f"<!-- Leaflet 1.9.3\n{notice}-->\n<script>{leaflet('leaflet.js')}</script>"),
        ("leaflet_css", f"<style>{_without_images(leaflet('leaflet.css'))}</style>"),
        ("map_css", f"<style>{asset('page.css')}{asset('map.css')}</style>"),
        ("language_js", language.script()),
        ("map_js", scripts("parts.js", "earth.js", "notes.js", "shapes.js", "drawing.js", "tools.js", "map.js")),
    ):
        figure.header.add_child(_Text(text), name=name)


def _without_images(css: str) -> str:
    """Leaflet's style without its pictures, which lie in other files; the page draws its own."""
    return re.sub(r"url\([^)]*\)", "none", css)


def _panel(result: RunResult, data: dict[str, Any], language: Language) -> str:
    return render(
        "panel.html",
        language,
        result=result,
        totals=state_totals(result.changes),
        meaning={state: meaning(language, state) for state in data["colours"]},
        without_changes=without_changes(language, result),
        public_release=of_public_release(language),
        limits=limits(language, result.limits),
        measured=_measured(language, result.limits),
        zones=[(number, zone["name"]) for number, zone in enumerate(data["zones"]) if zone["role"] == "zone"],
        last=len(result.periods) - 1,
    )


def _measured(language: Language, sentences: Sequence[str]) -> str:
    """What of the limits was measured, short enough for the line that is always in view."""
    for sentence in sentences:
        if found := _MEASURED.search(sentence):
            hit, right = (language.share(float(figure) / 100) for figure in found.groups())
            return language.text(
                "On ground held out, {hit} of patches with mining and {right} of those without are told rightly.",
                hit=hit,
                right=right,
            )
    return next((line for line in limits(language, sentences) if "%" in line), "")


def with_reviews(page: str, reviews: Mapping[str, Review]) -> str:
    """A page of `write_map` with what reviewers decided; raises BadInput if it has no place for it."""
    if page.count(_reviews({})) != 1:
        raise BadInput("the run's map has no place for reviews: it is of an older version; run the programme again")
    return page.replace(_reviews({}), _reviews(reviews))


def _reviews(reviews: Mapping[str, Review]) -> str:
    by_change = {review.change_id: review.as_json() for review in reviews.values()}
    return json_block("pw-reviews", dict(sorted(by_change.items())))
