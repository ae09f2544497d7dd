from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path

import geopandas
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from shapely.geometry import shape

from pipeline.reports import changes_geojson, sites_geojson
from pipeline.reports.geojson import geometry_json
from tests.reports_run import AFTER, make_result

DOCS = Path(__file__).resolve().parents[1] / "docs"
WRITERS = {"changes": changes_geojson, "sites": sites_geojson}


def _validator(name: str) -> Draft202012Validator:
    schema = json.loads((DOCS / f"{name}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


@pytest.mark.parametrize("name", WRITERS)
def test_a_report_obeys_its_schema(name: str) -> None:
    _validator(name).validate(json.loads(WRITERS[name](make_result())))


@pytest.mark.parametrize("name", WRITERS)
def test_nothing_found_is_an_empty_collection_that_obeys_the_schema(name: str) -> None:
    report = json.loads(WRITERS[name](make_result(changes=(), sites=())))
    assert report["features"] == []
    _validator(name).validate(report)


def test_a_run_of_one_period_has_no_period_before() -> None:
    report = json.loads(changes_geojson(make_result(periods=(AFTER,), changes=())))
    assert report["period_before"] is None
    _validator("changes").validate(report)


@pytest.mark.parametrize("name", WRITERS)
def test_the_schema_refuses_a_property_it_does_not_know(name: str) -> None:
    report = json.loads(WRITERS[name](make_result()))
    report["features"][0]["properties"]["grade_ct_m3"] = 0.2
    assert not _validator(name).is_valid(report)


@pytest.mark.parametrize("name", WRITERS)
def test_the_order_of_what_is_given_does_not_reach_the_text(name: str) -> None:
    result = make_result()
    turned = replace(result, changes=result.changes[::-1], sites=result.sites[::-1])
    assert WRITERS[name](turned) == WRITERS[name](result)


@pytest.mark.parametrize("name", WRITERS)
def test_geopandas_reads_a_report_without_a_warning(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.geojson"
    path.write_text(WRITERS[name](make_result()), encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = geopandas.read_file(path)
    assert len(table) == 5
    assert table.crs == "EPSG:4326"
    assert table.is_valid.all()
    assert str(table["first_clear_disturbed"].dtype).startswith("datetime")


def test_a_feature_tells_its_zone_with_the_status_of_the_as_of_date() -> None:
    features = {f["id"]: f["properties"] for f in json.loads(changes_geojson(make_result()))["features"]}
    carnot, nowhere = features["chg-0001"], features["chg-0003"]
    place = ("zone_id", "zone_name", "zone_status", "boundary_vintage")
    assert [carnot[key] for key in place] == ["caf-carnot", "Carnot", "compliant", "2020"]
    assert [nowhere[key] for key in place] == [None, "unassigned", None, None]


def test_before_the_zone_was_listed_its_status_is_the_older_one() -> None:
    early = make_result(as_of=make_result().areas[0].statuses[0].since)
    assert json.loads(changes_geojson(early))["features"][0]["properties"]["zone_status"] == "suspended"


def test_a_feature_names_the_scenes_of_its_tiles_and_both_periods() -> None:
    first = json.loads(changes_geojson(make_result()))["features"][0]["properties"]
    assert first["scenes"] == ["S2A_33NUE_20210105_0_L2A", "S2B_33NUE_20200201_0_L2A"]


def test_nothing_is_claimed_of_commodity_and_review() -> None:
    for feature in json.loads(changes_geojson(make_result()))["features"]:
        assert feature["properties"]["commodity"] == "unknown"
        assert feature["properties"]["review"] == {"state": "unreviewed", "reviewer": None, "date": None}


def test_a_site_that_was_not_observed_has_no_area_rather_than_zero() -> None:
    site = make_result().sites[0]
    unseen = replace(
        site.periods[1], bare_ha=0.0, pond_ha=0.0, observed_share=0.0, probability=None, last_observed=None
    )
    result = make_result(sites=(replace(site, state="not observed", periods=(site.periods[0], unseen)),))
    properties = json.loads(sites_geojson(result))["features"][0]["properties"]
    assert properties["area_ha"] is None
    assert properties["periods"][1]["bare_ha"] is None
    assert properties["last_observed"] == "2020-03-14"


def test_a_number_that_is_none_of_json_is_refused() -> None:
    change = replace(make_result().changes[0], probability=float("nan"))
    with pytest.raises(ValueError, match="JSON"):
        changes_geojson(make_result(changes=(change,)))


def test_totals_are_sums_by_state_beside_what_the_run_counted() -> None:
    totals = json.loads(changes_geojson(make_result()))["totals"]
    assert totals["observed_share"] == 0.9421
    assert totals["by_state"]["new"] == {"sites": 1, "area_ha": 3.81, "area_gain_ha": 3.81, "area_loss_ha": 0.0}


def test_a_clockwise_square_comes_out_counter_clockwise_and_its_hole_clockwise() -> None:
    square = shapely.Polygon([(0, 0), (0, 4), (4, 4), (4, 0)], [[(1, 1), (2, 1), (2, 2), (1, 2)]])
    outer, hole = geometry_json(square)["coordinates"]
    assert shapely.is_ccw(shapely.LinearRing(outer))
    assert not shapely.is_ccw(shapely.LinearRing(hole))


def test_ground_on_both_sides_of_the_antimeridian_is_cut_there() -> None:
    # One pixel whose corners lie at 179.9999 E and 179.9999 W: taken as it stands it would span the globe.
    pixel = shapely.Polygon([(179.9999, 10), (-179.9999, 10), (-179.9999, 10.0001), (179.9999, 10.0001)])
    cut = shape(geometry_json(pixel))
    assert cut.geom_type == "MultiPolygon"
    assert sorted(part.bounds[::2] for part in cut.geoms) == [(-180.0, -179.9999), (179.9999, 180.0)]


def test_ground_smaller_than_the_rounding_has_no_geometry() -> None:
    assert geometry_json(shapely.box(10, 10, 10 + 1e-8, 10 + 1e-8)) is None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=14, unique=True),
    st.floats(-179, 179),
    st.floats(-55, 80),
    st.randoms(use_true_random=False),
)
def test_pixels_stay_valid_and_keep_their_area_and_their_text_in_any_order(pixels, lon, lat, random) -> None:
    step = 9e-5
    boxes = [shapely.box(lon + c * step, lat + r * step, lon + (c + 1) * step, lat + (r + 1) * step) for c, r in pixels]
    first = geometry_json(shapely.union_all(boxes))
    random.shuffle(boxes)
    again = geometry_json(shapely.union_all(boxes))
    assert json.dumps(first) == json.dumps(again)
    ground = shape(first)
    assert ground.is_valid
    assert ground.area == pytest.approx(len(pixels) * step**2, rel=0.05)
    for part in shapely.get_parts(ground):
        assert part.exterior.is_ccw
