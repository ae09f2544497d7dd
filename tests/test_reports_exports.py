"""What others' tools read of a run: GeoParquet, KMZ, a feed, points and a summary."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from dataclasses import replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree as ET

import geopandas
import pyarrow.parquet as pq
import pytest
import shapely
from shapely.geometry import shape

from pipeline.reports import changes_geojson, sites_geojson
from pipeline.reports.atom import changes_atom
from pipeline.reports.files import name_in, write_pages, write_tables
from pipeline.reports.kmz import changes_kmz
from pipeline.reports.language import Language
from pipeline.reports.map_data import STATE_COLOURS
from pipeline.reports.message import summary_json
from pipeline.reports.parquet import changes_parquet, sites_parquet
from pipeline.reports.points import sites_csv
from tests.reports_run import composite, make_result

ENGLISH, FRENCH = Language.of("en"), Language.of("fr")
KML = {"k": "http://www.opengis.net/kml/2.2"}
ATOM = {"a": "http://www.w3.org/2005/Atom", "g": "http://www.georss.org/georss"}
HOSTILE = "<b>&\"'\x00\x0b]]>=1+1"


def hostile_result():
    result = make_result(title=HOSTILE, programme="west")
    areas = (replace(result.areas[0], name=HOSTILE), result.areas[1])
    return replace(result, areas=areas, limits=(HOSTILE,))


@pytest.mark.parametrize(("write", "other"), [(changes_parquet, changes_geojson), (sites_parquet, sites_geojson)])
def test_geoparquet_holds_what_geojson_holds_with_days_as_days(write, other):
    result = make_result()
    frame = geopandas.read_parquet(io.BytesIO(write(result)))
    features = json.loads(other(result))["features"]
    assert frame.crs == "OGC:CRS84"
    assert set(frame.columns) - {"geometry"} == set(features[0]["properties"])
    for row, feature in zip(frame.to_dict("records"), features, strict=True):
        assert row["geometry"].equals(shape(feature["geometry"]))
        p = feature["properties"]
        assert row["site_id"] == p["site_id"]
        assert row["observed_share"] == p["observed_share"]
        assert list(row["scenes"]) == p["scenes"]
        if p["first_clear_disturbed"]:
            assert row["first_clear_disturbed"] == date.fromisoformat(p["first_clear_disturbed"])


def test_geoparquet_says_of_itself_what_the_standard_asks_and_where_it_is_from():
    told = pq.read_schema(io.BytesIO(changes_parquet(make_result()))).metadata
    geo = json.loads(told[b"geo"])
    assert (geo["version"], geo["primary_column"]) == ("1.1.0", "geometry")
    assert geo["columns"]["geometry"]["encoding"] == "WKB"
    assert geo["columns"]["geometry"]["orientation"] == "counterclockwise"
    west, south, east, north = geo["columns"]["geometry"]["bbox"]
    assert 15 < west < east < 16
    assert 4 < south < north < 5
    assert json.loads(told[b"placerwatch"])["run_id"] == "2021-04-15-0a1b2c3d"


def test_a_run_that_found_nothing_has_the_same_columns_and_no_rows():
    full, empty = (pq.read_table(io.BytesIO(changes_parquet(r))) for r in (make_result(), make_result(changes=())))
    assert empty.schema.equals(full.schema)
    assert empty.num_rows == 0


def document(data: bytes) -> ET.Element:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["doc.kml"]
        assert archive.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)
        return ET.fromstring(archive.read("doc.kml"))


def test_the_kmz_has_every_change_in_the_colour_of_its_state_and_asks_for_no_icon():
    root = document(changes_kmz(make_result(), FRENCH))
    marks = root.findall(".//k:Placemark", KML)
    assert len(marks) == 5
    assert not root.findall(".//k:href", KML)
    styles = {
        style.get("id"): style.findtext("k:LineStyle/k:color", namespaces=KML)
        for style in root.iter(f"{{{KML['k']}}}Style")
    }
    for state, colour in STATE_COLOURS.items():
        red, green, blue = colour[1:3], colour[3:5], colour[5:7]
        assert styles[state] == f"ff{blue}{green}{red}".lower()
    assert {mark.findtext("k:styleUrl", namespaces=KML) for mark in marks} == {f"#{state}" for state in STATE_COLOURS}
    first = next(mark for mark in marks if mark.findtext("k:name", namespaces=KML) == "site-0001")
    assert first.findtext("k:TimeSpan/k:begin", namespaces=KML) == "2020-12-09"
    assert "nouveau, provisoire" in first.findtext("k:description", namespaces=KML)
    lon, lat = map(float, first.find(".//k:coordinates", KML).text.split()[0].split(","))
    assert make_result().changes[0].geometry.buffer(1e-5).intersects(shapely.Point(lon, lat))


def test_the_feed_is_atom_with_places_and_ids_that_stay():
    result = make_result()
    root = ET.fromstring(changes_atom(result, ENGLISH, "map.html"))
    for part in (root, *root.findall("a:entry", ATOM)):
        for name in ("id", "title", "updated"):
            assert len(part.findall(f"a:{name}", ATOM)) == 1
        assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", part.findtext("a:id", namespaces=ATOM))
        assert part.findtext("a:updated", namespaces=ATOM) == "2021-04-15T00:00:00Z"
    assert root.find("a:author/a:name", ATOM) is not None
    entries = {e.findtext("a:title", namespaces=ATOM): e for e in root.findall("a:entry", ATOM)}
    entry = entries["new, 3.81\u00a0ha: Carnot"]
    lat, lon = map(float, entry.findtext("g:point", namespaces=ATOM).split())
    assert result.changes[0].geometry.contains(shapely.Point(lon, lat))
    ring = list(map(float, entry.findtext("g:polygon", namespaces=ATOM).split()))
    assert ring[:2] == ring[-2:]
    assert entry.find("a:link", ATOM).get("href") == f"map.html#{result.changes[0].change_id}"
    later = ET.fromstring(changes_atom(replace(result, as_of=date(2022, 1, 1), run_id="x"), FRENCH, "map.html"))
    ids = [[e.findtext("a:id", namespaces=ATOM) for e in feed.findall("a:entry", ATOM)] for feed in (root, later)]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 5


def test_a_colon_stands_as_french_spaces_it():
    result = make_result()
    feed = ET.fromstring(changes_atom(result, FRENCH, "map.html"))
    assert "nouveau, 3,81\u00a0ha\u00a0: Carnot" in {e.text for e in feed.findall("a:entry/a:title", ATOM)}
    folders = document(changes_kmz(result, FRENCH)).findall(".//k:Folder/k:name", KML)
    assert "nouveau\u00a0: perturbé maintenant, pas avant" in {folder.text for folder in folders}
    assert "\u00a0: Sols alluviaux perturbés" in json.loads(summary_json(result, FRENCH, {}))["subject"]


def test_hostile_names_are_text_in_every_export():
    result = hostile_result()
    plain = HOSTILE.replace("\x00", "").replace("\x0b", "")
    feed = ET.fromstring(changes_atom(result, ENGLISH, "map.html"))
    assert feed.findtext("a:title", namespaces=ATOM) == plain
    assert document(changes_kmz(result, ENGLISH)).findtext("k:Document/k:description", namespaces=KML) == plain
    rows = list(csv.DictReader(io.StringIO(sites_csv(replace(result, areas=(replace(result.areas[0], name="=1+1"),))))))
    assert rows[0]["zone_name"] == "'=1+1"
    assert json.loads(summary_json(result, ENGLISH, {}))["title"] == HOSTILE


def test_points_lie_on_their_sites():
    result = make_result()
    rows = {row["site_id"]: row for row in csv.DictReader(io.StringIO(sites_csv(result)))}
    assert list(rows) == sorted(site.site_id for site in result.sites)
    for site in result.sites:
        row = rows[site.site_id]
        assert site.geometry.contains(shapely.Point(float(row["longitude"]), float(row["latitude"])))


def test_the_summary_has_counts_the_largest_changes_links_and_a_text_in_its_language():
    told = json.loads(summary_json(make_result(), FRENCH, {"map": "map.fr.html"}))
    assert (told["language"], told["counts"]["new"]["sites"]) == ("fr", 1)
    assert told["top_changes"][0]["change_id"] == "chg-0002"
    assert told["links"] == {"map": "map.fr.html"}
    assert "92,9\u202f% du terrain surveillé" in told["text"]
    assert "Sols alluviaux perturbés" in told["subject"]


def test_the_first_language_has_the_plain_names_and_links_lead_to_files_that_are_there(tmp_path: Path):
    assert name_in("map.html", "fr", "fr") == "map.html"
    result = make_result(composite_of=lambda tile, period: None)
    write_tables(tmp_path, result)
    write_pages(tmp_path, result, ["fr", "en"], "fr", 0)
    pages = {"changes.kmz", "changes.atom", "summary.json", "map.html", "report.html"}
    expected = pages | {name_in(name, "en", "fr") for name in pages}
    expected |= {"changes.geojson", "sites.geojson", "changes.parquet", "sites.parquet", "sites.csv"}
    assert {path.name for path in tmp_path.iterdir()} == expected
    for name in ("summary.json", "summary.en.json"):
        links = json.loads((tmp_path / name).read_text())["links"]
        assert all((tmp_path / link).is_file() for link in links.values())
    assert '<html lang="fr">' in (tmp_path / "report.html").read_text()
    assert '<html lang="en">' in (tmp_path / "map.en.html").read_text()


def test_written_twice_every_file_has_the_same_bytes(tmp_path: Path):
    for name in ("a", "b"):
        result = make_result(composite_of=lru_cache(composite))
        write_tables(tmp_path / name, result)
        write_pages(tmp_path / name, result, ["fr"], "en", 1)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(names) == 10
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
