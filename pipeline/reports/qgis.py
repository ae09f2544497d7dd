"""How QGIS draws the layers of the register: styles that lie in the file itself and are taken when it is opened."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from pipeline.reports.map_data import STATE_COLOURS
from pipeline.reports.xml import attribute

TABLE = "layer_styles"
_OWNER = "placerwatch"
_SITES = {
    "active": STATE_COLOURS["new"],
    "recovered": STATE_COLOURS["recovered"],
    "not observed": "#999999",
    "merged": "#56B4E9",
    "withdrawn": "#D9D9D9",
}
_EVENTS = {
    "opened": STATE_COLOURS["new"],
    "expanded": STATE_COLOURS["expanded"],
    "reopened": STATE_COLOURS["reopened"],
    "recovered": STATE_COLOURS["recovered"],
    "shrunk": "#8FD1BC",
    "went quiet": "#999999",
    "merged": "#56B4E9",
    "split": "#F0E442",
}
# Layer: field that colours it, its colours, its kind of geometry in QGIS.
_LAYERS: Mapping[str, tuple[str, Mapping[str, str], str]] = {
    "sites": ("state", _SITES, "fill"),
    "points": ("state", _SITES, "marker"),
    "events": ("event", _EVENTS, "marker"),
}
_GEOMETRY = {"marker": 0, "fill": 2}
# What is less sure is paler.
_ALPHA = "CASE WHEN \"confidence\" = 'low' THEN 45 WHEN \"confidence\" = 'high' THEN 75 ELSE 100 END"


def layer_styles(kept: pd.DataFrame | None, day: str) -> pd.DataFrame:
    """The table `layer_styles` as QGIS keeps it; `kept` is the one of the file before, whose other rows stay.

    A layer for which a person set a default keeps that default. `day` is written as the time of change.
    """
    if kept is not None and not {"owner", "useAsDefault", "f_table_name"} <= set(kept.columns):
        return kept  # not a table of QGIS's making; it is left as it is
    others = pd.DataFrame() if kept is None else kept[kept["owner"] != _OWNER]
    chosen = set() if others.empty else set(others.loc[others["useAsDefault"].astype(bool), "f_table_name"])
    own = pd.DataFrame(
        [
            {
                "f_table_catalog": "",
                "f_table_schema": "",
                "f_table_name": layer,
                "f_geometry_column": "geom",
                "styleName": "placerwatch",
                "styleQML": _qml(*how, pale=layer != "events"),
                "styleSLD": "",
                "useAsDefault": layer not in chosen,
                "description": f"by {how[0]}, colours of Okabe and Ito (2008)",
                "owner": _OWNER,
                "ui": "",
                "update_time": pd.Timestamp(day, tz="UTC"),
            }
            for layer, how in _LAYERS.items()
        ]
    )
    if others.empty:
        return own
    styles = pd.concat([own, others], ignore_index=True)
    # Earlier files told the time without its zone, which GeoPackage does not know.
    return styles.assign(update_time=pd.to_datetime(styles["update_time"], utc=True))


def _qml(field: str, colours: Mapping[str, str], kind: str, *, pale: bool) -> str:
    categories = "".join(
        f'<category type="string" value={attribute(value)} label={attribute(value)} symbol="{number}" render="true"/>'
        for number, value in enumerate(colours)
    )
    symbols = "".join(_symbol(number, colour, kind, pale) for number, colour in enumerate(colours.values()))
    return (
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
        '<qgis version="3.28.0" styleCategories="Symbology">'
        f'<renderer-v2 type="categorizedSymbol" attr="{field}" enableorderby="0" forceraster="0" symbollevels="0">'
        f"<categories>{categories}</categories><symbols>{symbols}</symbols></renderer-v2>"
        f"<layerGeometryType>{_GEOMETRY[kind]}</layerGeometryType></qgis>"
    )


def _symbol(number: int, colour: str, kind: str, pale: bool) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    if kind == "fill":
        look = {
            "color": f"{red},{green},{blue},110",
            "outline_color": f"{red},{green},{blue},255",
            "outline_width": "0.5",
            "outline_width_unit": "MM",
            "outline_style": "solid",
            "style": "solid",
        }
        shape = "SimpleFill"
    else:
        look = {
            "color": f"{red},{green},{blue},255",
            "outline_color": "255,255,255,255",
            "outline_width": "0.2",
            "name": "circle",
            "size": "2.6",
            "size_unit": "MM",
        }
        shape = "SimpleMarker"
    options = "".join(f'<Option type="QString" name="{name}" value="{value}"/>' for name, value in look.items())
    return (
        f'<symbol type="{kind}" name="{number}" alpha="1" clip_to_extent="1" force_rhr="0">'
        + (_by_confidence() if pale else "")
        + f'<layer class="{shape}" enabled="1" locked="0" pass="0"><Option type="Map">{options}</Option></layer>'
        + "</symbol>"
    )


def _by_confidence() -> str:
    return (
        '<data_defined_properties><Option type="Map"><Option type="QString" name="name" value=""/>'
        '<Option type="Map" name="properties"><Option type="Map" name="alpha">'
        '<Option type="bool" name="active" value="true"/>'
        f'<Option type="QString" name="expression" value={attribute(_ALPHA)}/>'
        '<Option type="int" name="type" value="3"/></Option></Option>'
        '<Option type="QString" name="type" value="collection"/></Option></data_defined_properties>'
    )
