from __future__ import annotations

import bz2
import hashlib
import json
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import shapely
from shapely.geometry import Point, box

from pipeline.areas import geodesic_area_km2, import_boundary, import_from_file, read_areas
from pipeline.areas.download import fetch
from pipeline.areas.naming import choose, plain
from pipeline.errors import BadInput, Problems, SourceUnavailable

CARNOT, NOLA = box(15.4, 4.2, 16.8, 5.2), box(15.3, 2.7, 16.6, 4.0)


class Server:
    """A real HTTP server on this machine; `pages` maps a path to its bytes, or to an int (redirect or status)."""

    def __init__(self):
        self.pages: dict[str, bytes | tuple[int, str]] = {}
        pages = self.pages

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                page = pages.get(self.path, (404, ""))
                if isinstance(page, tuple):
                    self.send_response(page[0])
                    self.send_header("Location", page[1])
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(200)
                length = len(page) + (1000 if self.path == "/short" else 0)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def server():
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()


def feature(geometry, **properties):
    return {"type": "Feature", "properties": properties, "geometry": json.loads(shapely.to_geojson(geometry))}


def collection(*features):
    return json.dumps({"type": "FeatureCollection", "features": list(features)}).encode()


def wof_database(tmp_path, *records):
    """A country database as Geocode Earth distributes it: (id, name, placetype, is_current, geometry)."""
    path = tmp_path / "wof.db"
    with sqlite3.connect(path) as db:
        db.execute(
            "CREATE TABLE spr (id TEXT NOT NULL, parent_id INTEGER, name TEXT, placetype TEXT, country TEXT, "
            "is_current INTEGER, is_deprecated INTEGER, lastmodified INTEGER)"
        )
        db.execute("CREATE TABLE geojson (id INTEGER NOT NULL, body TEXT, source TEXT, alt_label TEXT, is_alt BOOLEAN)")
        for number, name, placetype, current, geometry in records:
            db.execute("INSERT INTO spr VALUES (?, 1, ?, ?, 'CF', ?, 0, 0)", (str(number), name, placetype, current))
            keys = {"wof:id": number, "wof:name": name, "wof:placetype": placetype, "wof:lastmodified": 1566587700}
            body = json.dumps(feature(geometry, **keys))
            db.execute("INSERT INTO geojson VALUES (?, ?, 'alt', 'quattroshapes', 1)", (number, "{}"))
            db.execute("INSERT INTO geojson VALUES (?, ?, 'whosonfirst', '', 0)", (number, body))
    db.close()
    return bz2.compress(path.read_bytes())


@pytest.fixture
def wof(server, tmp_path):
    content = wof_database(
        tmp_path,
        (11, "Berbérati", "county", -1, box(15.3, 3.9, 16.6, 4.7)),
        (12, "Carnot", "county", 1, CARNOT),
        (13, "Carnot", "locality", 1, Point(15.87, 4.94)),
        (14, "Nola", "county", 1, NOLA),
        (15, "Nola", "region", 1, NOLA),
        (16, "Gadzi", "county", 0, CARNOT),
    )
    server.pages["/whosonfirst-data-admin-cf-latest.db.bz2"] = content
    server.sha256 = hashlib.sha256(content).hexdigest()
    return server


@pytest.fixture
def geoboundaries(server):
    shapes = {"shapeISO": "", "shapeGroup": "CAF", "shapeType": "ADM2"}
    content = collection(
        feature(CARNOT, shapeName="Carnot", shapeID="55746128B1", **shapes),
        feature(NOLA, shapeName="Nola", shapeID="55746128B2", **shapes),
    )
    server.pages["/raw/geoBoundaries-CAF-ADM2.geojson"] = (302, "/media/geoBoundaries-CAF-ADM2.geojson")
    server.pages["/media/geoBoundaries-CAF-ADM2.geojson"] = content
    server.pages["/api/current/gbOpen/CAF/ADM2/"] = json.dumps(
        {
            "boundaryID": "CAF-ADM2-55746128",
            "boundaryISO": "CAF",
            "boundaryYearRepresented": "2016",
            "boundaryType": "ADM2",
            "boundarySource": "OCHA",
            "boundaryLicense": "Creative Commons Attribution 4.0 International (CC BY 4.0)",
            "gjDownloadURL": f"{server.url}/raw/geoBoundaries-CAF-ADM2.geojson",
        }
    ).encode()
    server.sha256 = hashlib.sha256(content).hexdigest()
    return server


def test_a_whosonfirst_boundary_is_added_with_hash_and_licence(wof, tmp_path):
    out = tmp_path / "aoi" / "car.geojson"
    area = import_boundary("berberati", "whosonfirst", "CF", out, wof.url)
    assert (area.zone_id, area.name) == ("berberati", "Berbérati")
    assert area.boundary_source == "Who's On First, record 11"
    assert area.boundary_vintage == "record of 2019-08-23"
    assert area.properties["licence"] == "CC0 1.0"
    assert area.properties["source_sha256"] == wof.sha256
    assert area.properties["source_url"] == f"{wof.url}/whosonfirst-data-admin-cf-latest.db.bz2"
    assert [found.zone_id for found in read_areas([out])] == ["berberati"]
    assert [path.name for path in out.parent.iterdir()] == ["car.geojson"]


def test_a_geoboundaries_boundary_is_added_with_hash_licence_and_attribution(geoboundaries, tmp_path):
    area = import_boundary("CARNOT", "geoboundaries", "caf", tmp_path / "car.geojson", geoboundaries.url)
    assert area.name == "Carnot"
    assert area.geometry.equals(CARNOT)
    assert area.boundary_source == "geoBoundaries gbOpen, record 55746128B1"
    assert area.boundary_vintage == "2016"
    assert area.properties["licence"].endswith("(CC BY 4.0)")
    assert "geoBoundaries" in area.properties["attribution"]
    assert "OCHA" in area.properties["attribution"]
    assert area.properties["source_sha256"] == geoboundaries.sha256


def test_boundaries_gather_in_one_file(geoboundaries, tmp_path):
    out = tmp_path / "car.geojson"
    import_boundary("Carnot", "geoboundaries", "CAF", out, geoboundaries.url)
    import_boundary("Nola", "geoboundaries", "CAF", out, geoboundaries.url, zone_id="nola-2016")
    assert [area.zone_id for area in read_areas([out])] == ["carnot", "nola-2016"]


def test_a_boundary_that_is_there_already_leaves_the_file_as_it_was(geoboundaries, tmp_path):
    out = tmp_path / "car.geojson"
    import_boundary("Carnot", "geoboundaries", "CAF", out, geoboundaries.url)
    before = out.read_bytes()
    with pytest.raises(Problems, match=r"car\.geojson: feature 2 \(carnot\): zone_id 'carnot' was already given"):
        import_boundary("Carnot", "geoboundaries", "CAF", out, geoboundaries.url)
    assert out.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["car.geojson"]


def test_the_same_answer_writes_the_same_bytes(geoboundaries, tmp_path):
    for name in ("a.geojson", "b.geojson"):
        import_boundary("Nola", "geoboundaries", "CAF", tmp_path / name, geoboundaries.url)
    assert (tmp_path / "a.geojson").read_bytes() == (tmp_path / "b.geojson").read_bytes()


def test_an_ambiguous_name_lists_its_candidates_and_an_id_or_level_chooses(wof, tmp_path):
    out = tmp_path / "car.geojson"
    with pytest.raises(BadInput, match=r"2 places are named 'nola'.*Nola \(county, 14\); Nola \(region, 15\)"):
        import_boundary("nola", "whosonfirst", "CF", out, wof.url)
    assert import_boundary("15", "whosonfirst", "CF", out, wof.url, zone_id="by-id").boundary_source.endswith("15")
    by_level = import_boundary("nola", "whosonfirst", "CF", out, wof.url, zone_id="by-level", level="county")
    assert by_level.boundary_source.endswith("14")


def test_a_place_with_a_polygon_is_preferred_to_a_point_of_the_same_name(wof, tmp_path):
    area = import_boundary("Carnot", "whosonfirst", "CF", tmp_path / "car.geojson", wof.url)
    assert area.boundary_source.endswith("12")


def test_a_record_that_is_no_longer_current_is_not_found(wof, tmp_path):
    with pytest.raises(BadInput, match="no place is named 'Gadzi'"):
        import_boundary("Gadzi", "whosonfirst", "CF", tmp_path / "car.geojson", wof.url)


def test_an_unknown_name_suggests_near_ones(geoboundaries, tmp_path):
    with pytest.raises(BadInput, match=r"no place is named 'Carnott'; did you mean Carnot \(ADM2, 55746128B1\)"):
        import_boundary("Carnott", "geoboundaries", "CAF", tmp_path / "car.geojson", geoboundaries.url)


@pytest.mark.parametrize(("source", "wanted"), [("whosonfirst", "CF"), ("geoboundaries", "CAF")])
def test_a_country_code_that_the_source_does_not_know_is_told(tmp_path, source, wanted):
    for code in ("Central Africa", "C", "XXXX"):
        with pytest.raises(BadInput, match=f"letters, such as {wanted}"):
            import_boundary("Carnot", source, code, tmp_path / "car.geojson")


def test_either_code_of_a_mining_country_will_do(wof, geoboundaries, tmp_path):
    import_boundary("Carnot", "whosonfirst", "caf", tmp_path / "a.geojson", wof.url)
    import_boundary("Carnot", "geoboundaries", "cf", tmp_path / "b.geojson", wof.url)


def test_an_unknown_source_lists_the_known(tmp_path):
    with pytest.raises(BadInput, match="use one of: whosonfirst, geoboundaries"):
        import_boundary("Carnot", "gadm", "CAF", tmp_path / "car.geojson")


def test_an_unexpected_hash_stops_the_import(geoboundaries, tmp_path):
    out = tmp_path / "car.geojson"
    with pytest.raises(SourceUnavailable, match=f"SHA-256 is {geoboundaries.sha256}, expected {'0' * 64}"):
        import_boundary("Carnot", "geoboundaries", "CAF", out, geoboundaries.url, expected_sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []
    url, digest = geoboundaries.url, geoboundaries.sha256
    assert import_boundary("Carnot", "geoboundaries", "CAF", out, url, expected_sha256=digest.upper())


@pytest.mark.parametrize(
    ("page", "told"),
    [
        ((404, ""), "answered 404"),
        ((500, ""), "answered 500"),
        (b"<html>", "no 'gjDownloadURL'"),
        (b"[]", "no 'gjDownloadURL'"),
    ],
)
def test_a_source_that_does_not_answer_as_it_should_is_told(server, tmp_path, page, told):
    server.pages["/api/current/gbOpen/CAF/ADM2/"] = page
    with pytest.raises(SourceUnavailable, match=told):
        import_boundary("Carnot", "geoboundaries", "CAF", tmp_path / "car.geojson", server.url)
    assert list(tmp_path.iterdir()) == []


def _row(body):
    def build(path):
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE spr (id TEXT, name, placetype, is_current, is_deprecated)")
            db.execute("CREATE TABLE geojson (id INTEGER, body TEXT)")
            db.execute("INSERT INTO spr VALUES (1, 'Carnot', 'county', 1, 0)")
            db.execute("INSERT INTO geojson VALUES (1, ?)", (body,))
        db.close()
        return bz2.compress(path.read_bytes())

    return build


@pytest.mark.parametrize(
    ("content", "error", "told"),
    [
        (lambda path: b"not bzip2", SourceUnavailable, "cannot be unpacked"),
        (lambda path: bz2.compress(b"x" * 5000)[:-9], SourceUnavailable, "cannot be unpacked"),
        (lambda path: bz2.compress(b"x" * 5000), SourceUnavailable, "not a Who's On First database"),
        (_row("{"), BadInput, "record 1: is not GeoJSON"),
        (
            _row('{"type": "FeatureCollection", "features": []}'),
            SourceUnavailable,
            "record 1: is not a GeoJSON feature",
        ),
        (_row('{"type": "Feature", "properties": {"wof:name": "Carnot"}}'), BadInput, "cannot be used: its geometry"),
    ],
)
def test_a_damaged_database_is_told(server, tmp_path, content, error, told):
    server.pages["/whosonfirst-data-admin-cf-latest.db.bz2"] = content(tmp_path / "made.db")
    out = tmp_path / "out" / "car.geojson"
    with pytest.raises(error, match=told):
        import_boundary("Carnot", "whosonfirst", "CF", out, server.url)
    assert list(out.parent.iterdir()) == []


# Downloads


def test_a_download_too_large_or_broken_off_is_not_kept(server, tmp_path):
    server.pages["/page"] = server.pages["/short"] = b"12345"
    target = tmp_path / "page"
    assert fetch(f"{server.url}/page", target, max_bytes=5) == hashlib.sha256(b"12345").hexdigest()
    with pytest.raises(SourceUnavailable, match="answers more than"):
        fetch(f"{server.url}/page", target, max_bytes=4)
    assert not target.exists()
    with pytest.raises(SourceUnavailable, match="broke off after 5 of 1005"):
        fetch(f"{server.url}/short", target)
    assert not target.exists()


def test_only_https_is_fetched_and_redirects_obey_the_same_rule(server, tmp_path):
    server.pages["/away"] = (302, "http://example.org/")
    server.pages["/file"] = (302, "file:///etc/hostname")
    for url in ("http://example.org/", "ftp://example.org/", "file:///etc/hostname", f"{server.url}/away"):
        with pytest.raises(BadInput, match="only fetched over https"):
            fetch(url, tmp_path / "page")
    with pytest.raises((BadInput, SourceUnavailable)):
        fetch(f"{server.url}/file", tmp_path / "page")
    assert list(tmp_path.iterdir()) == []


def test_a_git_lfs_pointer_is_not_taken_for_data(server, tmp_path):
    server.pages["/pointer"] = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"
    with pytest.raises(SourceUnavailable, match="Git LFS pointer"):
        fetch(f"{server.url}/pointer", tmp_path / "page")


def test_a_server_that_is_not_there_is_told(tmp_path):
    with pytest.raises(SourceUnavailable, match="cannot be reached"):
        fetch("http://127.0.0.1:9/", tmp_path / "page")


# Names and files


@pytest.mark.parametrize("text", ["Berbérati", "BERBERATI", "  berbe\u0301rati "])
def test_names_are_compared_without_case_and_accents(text):
    assert plain(text) == "berberati"
    assert plain("M'Baïki") == "m baiki"


def test_a_feature_without_properties_is_passed_over():
    good = feature(CARNOT, name="Carnot")
    assert choose([None, {"type": "Feature"}, {"properties": None}, good], "carnot", None, "x") is good


@pytest.mark.parametrize(
    ("name", "zone_id", "area_km2"),
    [("Berbérati", "berberati", 9070), ("m'baïki", "m-baiki", None), ("GADZI", "gadzi", 6454)],
)
def test_real_sub_prefectures_are_found_by_name_in_a_file(shared_data, tmp_path, name, zone_id, area_km2):
    file = shared_data / "admin" / "wof_caf_subprefectures.geojson"
    area = import_from_file(name, file, tmp_path / "car.geojson", licence="CC0 1.0", vintage="2019")
    assert area.zone_id == zone_id
    assert area.properties["licence"] == "CC0 1.0"
    assert area.properties["source_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    if area_km2:
        # The published figure is the area on a sphere: near the equator 0.45 % above the ellipsoid's.
        assert geodesic_area_km2(area.geometry) == pytest.approx(area_km2 / 1.0045, rel=1e-3)


def test_a_real_name_of_two_records_is_ambiguous_only_among_polygons(shared_data, tmp_path):
    file = shared_data / "admin" / "wof_civ_regions.geojson"
    assert import_from_file("yamoussoukro", file, tmp_path / "civ.geojson").geometry.area > 0
    with pytest.raises(BadInput, match="cannot be used: its geometry is of type 'Point'"):
        import_from_file("Tanda", file, tmp_path / "civ.geojson")


def test_every_real_boundary_with_a_polygon_can_be_imported(shared_data, tmp_path):
    out = tmp_path / "all.geojson"
    file = shared_data / "admin" / "wof_caf_subprefectures.geojson"
    names = [f["properties"]["wof_id"] for f in json.loads(file.read_bytes())["features"]][::12]
    for number, identifier in enumerate(names):
        import_from_file(str(identifier), file, out, zone_id=f"z{number}")
    assert len(read_areas([out])) == len(names) == 6
