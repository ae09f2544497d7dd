"""The styles that lie in register.gpkg, which QGIS takes when it opens the file."""

from __future__ import annotations

import sqlite3
from xml.etree import ElementTree as ET

import pandas as pd

from pipeline.change.events import KINDS
from pipeline.change.register import Register
from pipeline.reports.qgis import layer_styles
from pipeline.reports.register_gpkg import write_register


def styles(path) -> list[dict]:
    with sqlite3.connect(path) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute("SELECT * FROM layer_styles")]


def test_each_drawn_layer_has_a_default_style_with_a_symbol_for_every_value(tmp_path):
    write_register(tmp_path / "register.gpkg", Register())
    with sqlite3.connect(tmp_path / "register.gpkg") as database:
        drawn = dict(database.execute("SELECT table_name, column_name FROM gpkg_geometry_columns"))
    found = {row["f_table_name"]: row for row in styles(tmp_path / "register.gpkg")}
    assert {name: row["f_geometry_column"] for name, row in found.items()} == drawn
    for name, row in found.items():
        assert row["useAsDefault"] == 1
        assert row["f_table_schema"] == ""
        root = ET.fromstring(row["styleQML"])
        values = {category.get("value"): category.get("symbol") for category in root.iter("category")}
        assert set(values) == set(
            KINDS
            if name == "events"
            else {
                *("active", "recovered", "not observed", "merged", "withdrawn"),
            }
        )
        assert {symbol.get("name") for symbol in root.iter("symbol")} == set(values.values())


def test_a_style_that_a_person_made_stays_and_stays_the_default(tmp_path):
    path = tmp_path / "register.gpkg"
    write_register(path, Register())
    with sqlite3.connect(path) as database:
        columns = (
            "f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, styleQML, useAsDefault, owner"
        )
        database.execute(
            f"INSERT INTO layer_styles ({columns}) VALUES ('', '', 'sites', 'geom', 'mine', '<qgis/>', 1, 'amina')"
        )
    for _ in range(2):
        write_register(path, Register())
    rows = {(row["f_table_name"], row["styleName"]): row["useAsDefault"] for row in styles(path)}
    assert rows == {
        ("sites", "placerwatch"): 0,
        ("points", "placerwatch"): 1,
        ("events", "placerwatch"): 1,
        ("sites", "mine"): 1,
    }


def test_a_table_of_that_name_and_another_making_is_left_alone():
    strange = pd.DataFrame({"a": [1]})
    assert layer_styles(strange, "2021-01-01") is strange


def test_the_same_register_is_the_same_file_with_its_styles(tmp_path):
    for name in ("a.gpkg", "b.gpkg"):
        write_register(tmp_path / name, Register())
    assert (tmp_path / "a.gpkg").read_bytes() == (tmp_path / "b.gpkg").read_bytes()
    write_register(tmp_path / "a.gpkg", Register())
    assert (tmp_path / "a.gpkg").read_bytes() == (tmp_path / "b.gpkg").read_bytes()


def test_the_file_is_of_a_version_and_has_times_that_old_readers_know(tmp_path):
    path = tmp_path / "register.gpkg"
    for _ in range(2):
        write_register(path, Register())
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (10200,)
    assert {row["update_time"] for row in styles(path)} == {"1970-01-01T00:00:00.000Z"}
