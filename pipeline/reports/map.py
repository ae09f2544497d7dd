"""The map: one HTML file that opens offline, with declared areas, changes, pictures, totals and limits."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import folium
import jinja2
from branca.element import Element, Figure, MacroElement
from folium.map import Layer
from folium.template import Template
from folium.utilities import JsCode

from pipeline.reports.chips import RENDERINGS, Chip, make_chips
from pipeline.reports.geojson import change_features, geometry_json, state_totals
from pipeline.reports.language import ENGLISH, Language
from pipeline.reports.leaflet import asset, leaflet
from pipeline.reports.result import STATES, RunResult
from pipeline.reports.wording import MEANINGS, without_changes

# Okabe and Ito (2008): told apart by people with any of the common colour deficiencies.
STATE_COLOURS = {
    "new": "#D55E00",
    "expanded": "#E69F00",
    "reopened": "#CC79A7",
    "continuing": "#0072B2",
    "recovered": "#009E73",
}
_OSM = "https://tile.openstreetmap.org/{z}/{x}/{y}.png"
# Only the optional background may be asked of the network.
_POLICY = (
    "default-src 'none'; img-src data: https://tile.openstreetmap.org; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'"
)


def write_map(result: RunResult, path: Path, max_chips: int = 60) -> None:
    """Write the map of a run as one self-contained page, with pictures of the `max_chips` most changed places.

    The bytes depend on the arguments alone. The file appears under its name when it is whole.
    """
    page = map_html(result, max_chips)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    try:
        draft.write_text(page, encoding="utf-8", newline="\n")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def map_html(result: RunResult, max_chips: int = 60) -> str:
    """The page that `write_map` writes."""
    chips = make_chips(result, max_chips)
    features = change_features(result)
    fmap = folium.Map(
        location=[0, 0],
        tiles=None,
        prefer_canvas=True,
        control_scale=False,
        # folium writes code as it is, though its types know only values.
        renderer=JsCode("L.canvas({tolerance: 6, padding: 0.3})"),  # type: ignore[arg-type]
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
    _head(figure)
    figure.html.add_child(_Text(_panel(result, features, chips)), name="panel")
    figure.html.add_child(_Text(_data(result, features, chips)), name="data")
    _Plain().add_to(fmap)
    folium.TileLayer(
        _OSM,
        name="OpenStreetMap (needs a network)",
        attr="© OpenStreetMap contributors",
        show=False,
        max_native_zoom=19,
    ).add_to(fmap)
    for pane, z_index in (("ground", 330), ("edges", 390)):
        folium.map.CustomPane(pane, z_index=z_index, pointer_events=False).add_to(fmap)
    _areas(result).add_to(fmap)
    layers = _changes(result, features)
    for layer in layers.values():
        layer.add_to(fmap)
    folium.LayerControl(collapsed=True).add_to(fmap)
    fmap.add_child(_Start(layers))
    _number(figure)
    page: str = figure.render()
    return page


class _Text(Element):
    """Text that goes into the page as it is; it is never read as a template."""

    _template = Template("{{ this.text }}")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class _Plain(Layer):
    """The plain background: a base layer that draws nothing."""

    _template = Template("{% macro script(this, kwargs) %}var {{ this.get_name() }} = L.layerGroup();{% endmacro %}")

    def __init__(self) -> None:
        super().__init__(name="Plain background", overlay=False)
        self._name = "Plain"


class _Start(MacroElement):
    """Hands the map and its layers to the page's own script."""

    _template = Template(
        "{% macro script(this, kwargs) %}"
        "placerwatch.start({{ this._parent.get_name() }}, { "
        "{% for state, layer in this.layers.items() %}{{ state|tojson }}: {{ layer.get_name() }}, {% endfor %}"
        "} );{% endmacro %}"
    )

    def __init__(self, layers: Mapping[str, Layer]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._name = "Start"
        self.layers = layers


def _number(figure: Figure) -> None:
    """Give every element a number for its id: folium draws ids at random, and two runs would differ."""
    queue: list[Element] = [figure, figure.header, figure.html, figure.script]
    for count, element in enumerate(queue):
        element._id = f"{count:04d}"
        queue.extend(element._children.values())


def _head(figure: Figure) -> None:
    figure.header.add_child(_Text(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'), index=0)
    notice = asset("leaflet-licence.txt")
    for name, text in (
        ("leaflet_js", f"<!-- Leaflet 1.9.3\n{notice}-->\n<script>{leaflet('leaflet.js')}</script>"),
        ("leaflet_css", f"<style>{_without_images(leaflet('leaflet.css'))}</style>"),
        ("map_css", f"<style>{asset('map.css')}</style>"),
        ("map_js", f"<script>{asset('map.js')}</script>"),
    ):
        figure.header.add_child(_Text(text), name=name)


def _without_images(css: str) -> str:
    """Leaflet's style without its pictures, which lie in other files; the page draws its own."""
    return re.sub(r"url\([^)]*\)", "none", css)


def _areas(result: RunResult) -> folium.GeoJson:
    rows = {row.zone_id: row for row in result.footprint.of() if row.period == result.after.name}
    features = []
    for area in result.areas:
        row = rows.get(area.zone_id)
        properties = {
            "name": area.name,
            "zone_id": area.zone_id,
            "role": area.role,
            "status": area.status_at(result.as_of) if area.role == "zone" else "",
            "vintage": area.boundary_vintage,
            "source": area.boundary_source,
            "disturbed_ha": row.disturbed_ha if row else None,
            "watched_ha": row.watched_ha if row else None,
            "observed_share": row.observed_share if row else None,
        }
        features.append(
            {
                "type": "Feature",
                "id": area.zone_id,
                "geometry": geometry_json(area.geometry),
                "properties": properties,
            }
        )
    return folium.GeoJson(
        {"type": "FeatureCollection", "features": features},
        name="Declared areas",
        style_function=_area_style,
        on_each_feature=JsCode("placerwatch.area"),
    )


def _area_style(feature: Mapping[str, Any]) -> dict[str, Any]:
    zone = feature["properties"]["role"] == "zone"
    return {
        "color": "#37474f" if zone else "#78909c",
        "weight": 1.8 if zone else 1.2,
        "dashArray": "" if zone else "2 5",
        "fillOpacity": 0,
    }


def _changes(result: RunResult, features: Sequence[dict[str, Any]]) -> dict[str, folium.GeoJson]:
    gains = {
        change.change_id: geometry_json(change.gain_geometry)
        for change in result.changes
        if change.state == "expanded" and change.gain_geometry is not None
    }
    layers: dict[str, folium.GeoJson] = {}
    for state in STATES:
        members: list[dict[str, Any]] = []
        for feature in features:
            if feature["properties"]["state"] != state or feature["geometry"] is None:
                continue
            shown = {key: value for key, value in feature["properties"].items() if key != "scenes"}
            members.append({**feature, "properties": {**shown, "part": "site"}})
            if gain := gains.get(feature["id"]):
                part = {"change_id": feature["id"], "state": state, "part": "gain"}
                members.append({"type": "Feature", "id": f"{feature['id']}-gain", "geometry": gain, "properties": part})
        swatch = f'<i class="pw-swatch pw-{state}"></i>'
        count = sum(member["properties"]["part"] == "site" for member in members)
        layers[state] = folium.GeoJson(
            {"type": "FeatureCollection", "features": members},
            name=f"{swatch} {state} ({count})",
            style_function=_change_style,
            on_each_feature=JsCode("placerwatch.change"),
            smooth_factor=0.5,
        )
    return layers


def _change_style(feature: Mapping[str, Any]) -> dict[str, Any]:
    properties = feature["properties"]
    state, gain = properties["state"], properties["part"] == "gain"
    return {
        "color": STATE_COLOURS[state],
        "weight": 1 if gain else 2,
        "dashArray": "5 4" if state == "recovered" else "",
        "fillColor": STATE_COLOURS[state],
        "fillOpacity": 0.4 if gain else 0.12,
    }


def _panel(result: RunResult, features: Sequence[Mapping[str, Any]], chips: Sequence[Chip]) -> str:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(asset("panel.html")).render(
        result=result,
        totals=state_totals(result.changes),
        meaning=MEANINGS,
        without_changes=without_changes(Language.of(ENGLISH), result),
        pictured=len(chips),
        changed=len(features),
    )


def _data(result: RunResult, features: Sequence[Mapping[str, Any]], chips: Sequence[Chip]) -> str:
    pictures = {}
    for chip in chips:
        west, south, east, north = (round(degrees, 7) for degrees in chip.bounds)
        images = {
            key: {
                rendering.name: "data:image/png;base64,"
                + b64encode(chip.pictures[period.name, rendering.name]).decode()
                for rendering in RENDERINGS
            }
            for key, period in (("before", result.before), ("after", result.after))
            if period is not None
        }
        pictures[chip.change_id] = {"bounds": [[south, west], [north, east]], "side_m": round(chip.side_m), **images}
    periods = {
        key: {"name": period.name, "start": period.start.isoformat(), "end": period.end.isoformat()}
        for key, period in (("before", result.before), ("after", result.after))
        if period is not None
    }
    data = {
        "as_of": result.as_of.isoformat(),
        "periods": periods,
        "colours": STATE_COLOURS,
        "order": [chip.change_id for chip in chips],
        "pictures": pictures,
        "bounds": _bounds(result),
        "changes": len(features),
    }
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="pw-data">{text}</script>'


def _bounds(result: RunResult) -> list[list[float]]:
    """South-west and north-east corner of what is shown first: the changes, or the areas where there are none."""
    shapes = [change.geometry for change in result.changes] or [area.geometry for area in result.areas]
    west, south, east, north = zip(*(shape.bounds for shape in shapes), strict=True)
    return [[min(south), min(west)], [max(north), max(east)]]
