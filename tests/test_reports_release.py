"""A public release: no byte of it tells a place, an id, a scene or what is withheld, and each figure is coarse."""

from __future__ import annotations

import io
import json
import math
import re
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from shapely.geometry import shape

from pipeline.config import Release
from pipeline.errors import BadInput
from pipeline.reports import RunResult, changes_geojson, publish, sites_geojson
from pipeline.reports.dossier import dossier_html
from pipeline.reports.files import write_pages, write_tables
from pipeline.reports.grid import Grid
from pipeline.reports.language import Language
from pipeline.reports.reviews import Decision, Signed, reviews_of
from pipeline.runs.reporting import ReportOptions, report_run
from tests.reports_dossier import PERIODS, five_zones
from tests.reports_folder import make_run_dir

DOCS = Path(__file__).resolve().parents[1] / "docs"
ON = date(2021, 10, 1)
SECRET_ZONE = "boda"


def secret_result() -> RunResult:
    """Five zones of which one is withheld, and an extent drawn about a field."""
    result = five_zones()
    field = shapely.box(15.4123456, 4.7123456, 15.4323456, 4.7323456)
    extent = replace(
        result.areas[0],
        zone_id="field",
        name="Watched field",
        geometry=field,
        role="extent",
        boundary_source="a source",
    )
    return replace(result, areas=(*result.areas, extent))


def secrets(result: RunResult) -> list[bytes]:
    """Every text and number by which a place, an id or a scene of the run could be known."""
    words = {c.site_id for c in result.changes} | {c.change_id for c in result.changes}
    words |= {site.site_id for site in result.sites} | {scene.scene_id for scene in result.scene_list}
    words |= {scene for periods in result.scenes.values() for ids in periods.values() for scene in ids}
    words |= {tile.id for tile in result.scenes} | {SECRET_ZONE, "Boda", "a source", "15.41234", "4.71234", "15412346"}
    found = [word.encode() for word in sorted(words)]
    for number, change in enumerate(result.changes):
        for x, y in shapely.get_coordinates(change.geometry)[:: 29 + number % 5]:
            for degrees in (float(x), float(y)):
                # Six decimals end in rounding, so five are looked for; the map writes whole microdegrees.
                found += [
                    f"{degrees:.7f}"[:-2].encode(),
                    str(round(degrees * 1e6)).encode(),
                    struct.pack("<d", degrees),
                ]
        found.append(f"{change.geometry.centroid.y:.4f}, {change.geometry.centroid.x:.4f}".encode())
    return found


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """All that is written, and all that is packed within it, by name."""
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            continue
        data = path.read_bytes()
        yield path.name, path.name.encode() + b"\n" + data
        if zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for entry in archive.infolist():
                    yield f"{path.name}/{entry.filename}", entry.filename.encode() + archive.read(entry) + entry.extra
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            packed = [value for column in table.to_pydict().values() for value in column]
            yield f"{path.name}: columns", b"\n".join(v if isinstance(v, bytes) else str(v).encode() for v in packed)
            yield f"{path.name}: metadata", str(table.schema.metadata).encode()


def leaks(folder: Path, wanted: list[bytes]) -> set[str]:
    return {f"{name}: {secret!r}" for name, data in contents(folder) for secret in wanted if secret in data}


@pytest.fixture(scope="module")
def released(tmp_path_factory) -> Path:
    settings = {"reports": {"languages": ["en", "fr"]}, "release": {"withhold": [SECRET_ZONE]}}
    run_dir = make_run_dir(tmp_path_factory.mktemp("home"), secret_result(), **settings)
    return report_run(run_dir, ReportOptions(release="public", on=ON)).folder


def test_no_restricted_value_is_in_any_byte_of_a_public_release(released):
    assert leaks(released, secrets(secret_result())) == set()


def test_the_same_search_finds_them_in_the_restricted_reports(tmp_path):
    run_dir = make_run_dir(tmp_path, secret_result())
    folder = report_run(run_dir, ReportOptions()).folder
    found = leaks(folder, secrets(secret_result()))
    for name in ("map.html", "report.html", "changes.geojson", "sites.csv", "changes.kmz/doc.kml", "changes.atom"):
        assert any(leak.startswith(f"{name}: ") for leak in found), name
    assert any(leak.startswith("sites.parquet: columns") for leak in found)


def test_no_word_of_a_reviewer_is_in_a_public_release(tmp_path):
    source = secret_result()
    votes = [
        Signed(
            "Amina K.",
            Decision(
                change_id=change.change_id, decision="confirmed", comment="camp by ford", date="2021-05-01T08:00:00Z"
            ),
        )
        for change in source.changes
    ]
    reviewed = replace(source, reviews=reviews_of(votes))
    words = [b"Amina", b"ford", b"2021-05-01"]
    for name, result in (("public", publish(reviewed, Release(), ON)), ("restricted", reviewed)):
        write_tables(tmp_path / name, result)
        write_pages(tmp_path / name, result, ["en"], "en", 0)
    assert leaks(tmp_path / "public", words) == set()
    assert any(leak.startswith("map.html: b'ford") for leak in leaks(tmp_path / "restricted", words))


def test_it_has_no_picture_no_raster_and_no_scene(released):
    names = {path.name for path in released.rglob("*")}
    assert {Path(name).suffix for name in names} <= {
        ".html",
        ".geojson",
        ".parquet",
        ".csv",
        ".kmz",
        ".atom",
        ".json",
        "",
    }
    for name, data in contents(released):
        # A PNG, as it is and in base64.
        assert b"\x89PNG" not in data, name
        assert b"iVBORw0KGgo" not in data, name
        assert not re.search(rb"S[12][AB]_", data), name


def test_every_outline_is_a_cell_a_zone_or_a_box_of_cells(released):
    result, grid = secret_result(), Grid(5.0)
    cells = set()
    for name in ("changes.geojson", "sites.geojson"):
        for feature in json.loads((released / name).read_text())["features"]:
            outline = shape(feature["geometry"])
            cell = grid.cell(outline.centroid.x, outline.centroid.y)
            assert outline.symmetric_difference(grid.outline(cell)).area < 2e-7
            cells.add(cell)
            assert feature["properties"]["release"] == "public"
            assert feature["properties"]["scenes"] == []
    assert len(cells) < len(result.changes)
    (extent,) = [area for area in publish(result, Release(), ON).areas if area.role == "extent"]
    for x, y in shapely.get_coordinates(extent.geometry):
        corner = grid.outline(grid.cell(x + 1e-7, y + 1e-7))
        assert abs(corner.bounds[0] - x) < 1e-6
        assert abs(corner.bounds[1] - y) < 1e-6


def test_a_public_release_follows_the_same_schemas(released):
    for name in ("changes", "sites"):
        schema = json.loads((DOCS / f"{name}.schema.json").read_text(encoding="utf-8"))
        Draft202012Validator(schema).validate(json.loads((released / f"{name}.geojson").read_text()))


def test_hectares_are_whole_and_the_total_is_that_of_what_is_shown():
    shown = publish(secret_result(), Release(withhold=(SECRET_ZONE,)), ON)
    for change in shown.changes:
        assert all(value == round(value) for value in (change.area_ha, change.area_gain_ha, change.bare_ha))
        assert change.area_ha >= 1
    rows = [row for row in shown.footprint.rows if row.period == PERIODS[-1].name]
    *parts, total = rows
    assert SECRET_ZONE not in {row.zone_id for row in rows}
    assert total.disturbed_ha == sum(row.disturbed_ha for row in parts)
    # Its own series would tell by a difference what the withheld zone holds.
    assert "total" not in {unit.zone_id for unit in shown.trends.units}


def test_sites_of_a_cell_are_told_together_and_counted_each():
    source = secret_result()
    shown = publish(source, Release(grid_km=100), ON)
    assert sum(change.sites for change in shown.changes) == len(source.changes)
    assert sum(change.area_ha for change in shown.changes) == pytest.approx(
        sum(c.area_ha for c in source.changes), abs=5
    )
    told = json.loads(changes_geojson(shown))
    assert sum(state["sites"] for state in told["totals"]["by_state"].values()) == len(source.changes)


def test_the_dossier_counts_provisional_sites_not_cells_and_says_what_a_zone_without_cells_is():
    source = secret_result()
    shown = publish(source, Release(grid_km=100), ON)
    provisional = sum(change.sites for change in shown.changes if change.status == "provisional")
    assert provisional > sum(change.status == "provisional" for change in shown.changes)
    page = dossier_html(shown, Language.of("en"))
    assert f"{provisional} of these sites are provisional" in page
    assert "No cell with its middle in this zone has a change." in page
    assert "No change is reported in this zone" not in page


def test_what_a_later_period_confirmed_is_kept_back_with_it():
    source = secret_result()
    site = next(site for site in source.sites if site.status == "confirmed")
    first, *others = site.periods
    dug = replace(first, bare_ha=1.0, observed_share=1.0)
    bare = [replace(part, bare_ha=0.0, pond_ha=0.0) for part in others[:-1]]
    late = replace(
        site, confidence="high", first_seen=first.period, periods=(dug, *bare, replace(others[-1], bare_ha=1.0))
    )
    (told,) = publish(replace(source, sites=(late,)), Release(), date(2021, 4, 15)).sites
    assert (told.status, told.confidence) == ("provisional", "low")
    (told,) = publish(replace(source, sites=(late,)), Release(), ON).sites
    assert (told.status, told.confidence) == ("confirmed", "high")


def test_what_was_observed_too_lately_is_kept_back():
    shown = publish(secret_result(), Release(delay_days=180), date(2021, 4, 15))
    assert [period.name for period in shown.periods] == ["2018-dry", "2019-dry", "2020-dry"]
    assert shown.changes == ()
    until = date(2020, 10, 17)
    for name in ("2021", "2020-12-09"):
        assert name not in sites_geojson(shown).replace("2021-04-15", "")
    assert all(part.last_observed <= until for site in shown.sites for part in site.periods if part.last_observed)
    assert {row.period for row in shown.footprint.rows} == {"2018-dry", "2019-dry", "2020-dry"}


def test_a_run_of_which_nothing_is_old_enough_is_refused_with_the_day_on_which_it_may_be_shown():
    with pytest.raises(BadInput, match="--on 2018-09-27 or later"):
        publish(secret_result(), Release(delay_days=180), date(2018, 5, 1))


def test_withheld_sites_and_changes_are_not_shown():
    source = secret_result()
    first, second = source.changes[0], source.changes[1]
    shown = publish(source, Release(withhold=(first.site_id, second.change_id)), ON)
    assert sum(change.sites for change in shown.changes) == len(source.changes) - 2


@given(st.floats(-180, 180), st.floats(-90, 90), st.sampled_from([1.0, 5.0, 37.5, 100.0]))
def test_a_place_lies_in_its_cell_and_no_cell_is_narrower_than_asked(lon, lat, side):
    grid = Grid(side)
    west, south, east, north = grid.outline(grid.cell(lon, lat)).bounds
    assert west - 1e-9 <= lon <= east + 1e-9
    assert south - 1e-9 <= lat <= north + 1e-9
    assert (north - south) * 111.195 >= side - 1e-6
    if max(abs(south), abs(north)) < 80:
        narrow = max(abs(south), abs(north))
        assert (east - west) * 111.195 * math.cos(math.radians(narrow)) >= side - 1e-6
