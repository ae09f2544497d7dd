import csv
import io
from datetime import date

import numpy as np
import pytest
from shapely import box

from pipeline.areas.area import Area
from pipeline.areas.lattice import Tile
from pipeline.config import Period
from pipeline.footprint import Layer, Provenance, build_footprint, delve_csv, tile_areas

HERE = Tile(32633, 80, 90)
DRY = tuple(Period(name=f"{y}-{y - 1999}", start=date(y, 12, 1), end=date(y + 1, 3, 31)) for y in (2020, 2021))
PROVENANCE = Provenance("placerwatch, programme x, run r, Sentinel-2", "CC BY 4.0")
# Three zones and a pixel of none; workings are 1 and 2, 255 was not observed.
ZONE = np.array([[1, 1, 2, 2, 3, 3, 0]], np.int16)
BEFORE = np.array([[1, 0, 0, 2, 0, 255, 0]], np.uint8)
AFTER = np.array([[1, 1, 0, 0, 255, 255, 1]], np.uint8)


def zone(name, country="", admin1=""):
    return Area(name, name.title(), box(15, 4, 16, 5), country=country, admin1=admin1)


def table(areas, estimates=None, periods=DRY):
    tile = tile_areas(HERE, np.stack([BEFORE, AFTER]), [ZONE], np.full(ZONE.shape, 100.0), [3])
    layer = Layer.of_zones(areas)
    footprint = build_footprint({HERE: tile}, [layer], periods)
    places = {unit.zone_id: (unit.country, unit.admin1) for unit in layer.units} | {"unassigned": layer.elsewhere}
    return list(csv.DictReader(io.StringIO(delve_csv(footprint, places, periods, PROVENANCE, estimates))))


def figures(lines, indicator, **where):
    return [
        (line["country"], line["admin1"], line["year"], line["value"], line["low"], line["high"])
        for line in lines
        if line["indicator"] == indicator and all(line[key] == value for key, value in where.items())
    ]


PLACED = (
    zone("a", "CAF", "Mambéré"),
    zone("b", "CAF", "Mambéré"),
    zone("c", "CIV", "Woroba"),
    Area("fringe", "Fringe", box(15, 3, 17, 5), role="extent", country="CIV"),
)


def test_the_columns_are_those_of_the_table():
    header = "country,admin1,year,indicator,value,low,high,unit,method,source,licence"
    assert ",".join(table(PLACED)[0]) == header


def test_zones_of_one_place_are_one_figure_and_the_year_is_that_of_the_end():
    assert figures(table(PLACED), "disturbed ground, mapped") == [
        ("CAF", "Mambéré", "2021", "0.02", "", ""),
        ("CAF", "Mambéré", "2022", "0.02", "", ""),
        ("CIV", "", "2021", "0", "", ""),
        ("CIV", "", "2022", "0.01", "", ""),
        ("CIV", "Woroba", "2021", "0", "", ""),
    ]


def test_ground_not_seen_has_no_line_but_its_share():
    lines = table(PLACED)
    assert figures(lines, "disturbed ground, mapped", admin1="Woroba", year="2022") == []
    shares = figures(lines, "share of watched ground observed", admin1="Woroba")
    assert [share[3] for share in shares] == ["50", "0"]


def test_gain_and_loss_compare_with_the_period_before():
    lines = table(PLACED)
    gain, loss = ("newly disturbed", "recovered")
    gains = figures(lines, f"{gain} ground since the period before, mapped", admin1="Mambéré")
    losses = figures(lines, f"{loss} ground since the period before, mapped", admin1="Mambéré")
    assert (gains, losses) == (
        [("CAF", "Mambéré", "2022", "0.01", "", "")],
        [("CAF", "Mambéré", "2022", "0.01", "", "")],
    )


def test_every_hectare_of_the_programme_stands_in_one_place():
    watched = figures(table(PLACED), "watched ground", year="2022")
    assert sum(float(line[3]) for line in watched) == pytest.approx(0.07)


def test_places_that_are_not_declared_are_empty():
    areas = (zone("a"), zone("b"), zone("c"))
    assert {(line["country"], line["admin1"]) for line in table(areas)} == {("", "")}


def test_intervals_stand_where_an_estimate_covers_the_place_and_nowhere_else():
    lines = table(PLACED, {("c", DRY[0].name): (0.5, 0.2, 0.9), ("a", DRY[0].name): (1, 0, 2)})
    assert figures(lines, "disturbed ground, estimated") == [("CIV", "Woroba", "2021", "0.5", "0.2", "0.9")]
    assert all(not line["low"] and not line["high"] for line in lines if not line["indicator"].endswith("estimated"))


def test_the_estimate_of_a_programme_stands_where_all_of_it_is_one_place():
    estimates = {("total", DRY[1].name): (3.0, 2.0, 4.0)}
    alone = tuple(zone(name, "CAF") for name in "abc")
    everywhere = (*alone, Area("e", "E", box(15, 3, 17, 5), role="extent", country="CAF"))
    assert figures(table(everywhere, estimates), "disturbed ground, estimated") == [("CAF", "", "2022", "3", "2", "4")]
    assert figures(table(PLACED, estimates), "disturbed ground, estimated") == []


def test_periods_of_one_year_are_told_apart_by_their_method():
    months = tuple(Period(name=f"m{m}", start=date(2021, m, 1), end=date(2021, m, 28)) for m in (1, 2))
    lines = table(PLACED, periods=months)
    keys = [tuple(line[k] for k in ("country", "admin1", "year", "indicator", "method")) for line in lines]
    assert len(set(keys)) == len(keys)
    assert {line["year"] for line in lines} == {"2021"}


def test_extents_of_several_countries_leave_unassigned_ground_without_one():
    areas = (*PLACED, Area("other", "Other", box(20, 3, 21, 5), role="extent", country="GIN"))
    assert ("", "", "2022", "0.01", "", "") in figures(table(areas), "disturbed ground, mapped")


def test_provenance_names_the_imagery_and_never_claims_copernicus_for_a_simulation():
    real = Provenance.of_run("car-west", "r1", "earth-search", "CC BY 4.0")
    assert real.source == "placerwatch, programme car-west, run r1, Sentinel-2"
    assert real.licence == "CC BY 4.0; contains modified Copernicus Sentinel data"
    simulated = Provenance.of_run("demo", "r2", "simulation", "")
    assert simulated.source.endswith("simulated imagery")
    assert simulated.licence == "terms not stated by the programme"


def test_a_name_that_a_spreadsheet_would_compute_is_only_shown():
    areas = (zone("a", "CAF", "=1+1"), zone("b", "CAF", "=1+1"), zone("c", "CAF", "=1+1"))
    assert {line["admin1"] for line in table(areas)} == {"'=1+1", ""}
