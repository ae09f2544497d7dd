import csv
import dataclasses
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from shapely import box

from pipeline.areas.area import Area
from pipeline.areas.lattice import Tile
from pipeline.errors import AreaBalanceError
from pipeline.footprint import Layer, build_footprint, tile_areas
from tests.change_ground import periods

HERE, EAST = Tile(32633, 80, 90), Tile(32633, 81, 90)
AREAS = (
    Area("north", "North", box(15, 4, 16, 5)),
    Area("all", "All", box(15, 3, 17, 5), role="extent"),
    Area("south", "South", box(15, 3, 16, 4)),
)

# Two periods of 3 x 3 pixels; zones 1 (north) and 2 (south), one pixel unassigned, one not watched.
BEFORE = np.array([[0, 1, 2], [3, 255, 0], [1, 1, 254]], np.uint8)
AFTER = np.array([[1, 1, 0], [3, 0, 255], [2, 255, 254]], np.uint8)
ZONE = np.array([[1, 1, 1], [2, 2, 0], [2, 2, -1]], np.int16)
CELL = np.full((3, 3), 100.0)


LAYERS = (Layer.of_zones(AREAS),)


def small(after=AFTER, before=BEFORE, zone=ZONE, cell=CELL, tile=HERE):
    return tile_areas(tile, np.stack([before, after]), [zone], cell, [2])


def rows(footprint):
    return {(row.zone_id, row.period): row for row in footprint.rows}


def test_hectares_of_each_zone_and_class():
    found = rows(build_footprint({HERE: small()}, LAYERS, periods(2)))
    north = found["north", "p0"]
    assert (north.bare_ha, north.pond_ha, north.disturbed_ha, north.other_ha) == (0.01, 0.01, 0.02, 0.01)
    south = found["south", "p0"]
    assert (south.bare_ha, south.seasonal_ha, south.not_observed_ha, south.watched_ha) == (0.02, 0.01, 0.01, 0.04)
    assert south.observed_share == 0.75
    total = found["total", "p0"]
    assert (total.disturbed_ha, total.watched_ha, total.observed_share) == (0.04, 0.08, 0.875)


def test_a_zone_that_was_not_observed_has_no_hectares_rather_than_zero():
    footprint = build_footprint({HERE: small()}, LAYERS, periods(2))
    unseen = rows(footprint)["unassigned", "p1"]
    assert (unseen.observed_share, unseen.not_observed_ha, unseen.watched_ha) == (0, 0.01, 0.01)
    assert (unseen.disturbed_ha, unseen.bare_ha, unseen.other_ha) == (None, None, None)
    assert (unseen.gain_ha, unseen.loss_ha, unseen.stable_ha, unseen.both_observed_share) == (None, None, None, 0)
    line = next(line for line in footprint.to_csv().splitlines() if line.startswith("zones,unassigned,,p1,"))
    assert line == "zones,unassigned,,p1,,,,,,,0.0100,0.0100,0.000000,,,,0.000000"


def test_gain_loss_and_stable_are_counted_where_both_periods_were_observed():
    found = rows(build_footprint({HERE: small()}, LAYERS, periods(2)))
    north, south, unassigned = (found[zone, "p1"] for zone in ("north", "south", "unassigned"))
    assert (north.gain_ha, north.loss_ha, north.stable_ha, north.both_observed_share) == (0.01, 0.01, 0.01, 1)
    assert (south.gain_ha, south.loss_ha, south.stable_ha, south.both_observed_share) == (0, 0, 0.01, 0.5)
    assert unassigned.both_observed_share == 0
    first = found["north", "p0"]
    assert (first.gain_ha, first.loss_ha, first.stable_ha, first.both_observed_share) == (None,) * 4


def test_rows_come_by_period_then_zones_as_declared_then_unassigned_and_total():
    found = [(row.period, row.zone_id) for row in build_footprint({HERE: small()}, LAYERS, periods(2)).rows]
    order = ["north", "south", "unassigned", "total"]
    assert found == [("p0", zone) for zone in order] + [("p1", zone) for zone in order]


def test_a_zone_without_ground_has_no_observed_share():
    areas = (*AREAS, Area("far", "Far", box(20, 4, 21, 5)))
    found = rows(
        build_footprint(
            {HERE: tile_areas(HERE, np.stack([BEFORE, AFTER]), [ZONE], CELL, [3])}, [Layer.of_zones(areas)], periods(2)
        )
    )
    far = found["far", "p1"]
    assert (far.watched_ha, far.observed_share, far.both_observed_share) == (0, None, None)


def test_one_period_has_a_footprint():
    found = build_footprint({HERE: tile_areas(HERE, BEFORE[np.newaxis], [ZONE], CELL, [2])}, LAYERS, periods(1))
    assert rows(found)["total", "p0"].gain_ha is None


def test_the_tables_in_csv_and_json_say_the_same():
    footprint = build_footprint({HERE: small()}, LAYERS, periods(2))
    table = list(csv.DictReader(io.StringIO(footprint.to_csv())))
    objects = json.loads(footprint.to_json())
    assert [list(line) for line in table] == [list(entry) for entry in objects]
    assert table[0]["bare_ha"] == "0.0100"
    assert table[0]["gain_ha"] == ""
    assert table[5]["both_observed_share"] == "0.500000"
    assert objects[5]["both_observed_share"] == 0.5
    assert "\r" not in footprint.to_csv()


def damaged(name, at):
    part = small()
    lost = getattr(part.layers[0], name).copy()
    lost[at] -= 1
    return dataclasses.replace(part, layers=(dataclasses.replace(part.layers[0], **{name: lost}),))


def test_zones_that_do_not_add_up_to_the_rasters_stop_the_run():
    with pytest.raises(AreaBalanceError, match="period p1: units and unassigned ground add up"):
        build_footprint({HERE: damaged("classes", (1, 2, 1))}, LAYERS, periods(2))


def test_states_that_do_not_cover_the_ground_stop_the_run():
    with pytest.raises(AreaBalanceError, match="change states"):
        build_footprint({HERE: damaged("states", (0, 1, 0))}, LAYERS, periods(2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"zone": np.where(ZONE == 2, 3, ZONE)}, "unit 3 on the raster, 2 declared"),
        ({"after": np.where(AFTER == 3, 9, AFTER)}, r"codes \[9\]"),
        ({"after": np.where(AFTER == 3, 254, AFTER)}, r"codes \[254\]"),
    ],
)
def test_rasters_that_contradict_each_other_are_refused(change, message):
    with pytest.raises(AreaBalanceError, match=message):
        small(**change)


def test_tiles_counted_for_other_periods_are_refused():
    with pytest.raises(AreaBalanceError, match="counted for 2 periods and 1 layers, asked for 3 and 1"):
        build_footprint({HERE: small()}, LAYERS, periods(3))


classes = arrays(np.uint8, (2, 5, 4), elements=st.sampled_from([0, 1, 2, 3, 4, 255]))
zones = arrays(np.int16, (5, 4), elements=st.integers(-1, 2))
cells = arrays(np.float64, (5, 4), elements=st.floats(98, 101))


def m2_of(printed: str) -> int:
    """Square metres of printed hectares; nothing is printed where nothing was seen."""
    return round(float(printed or 0) * 10_000)


@given(classes, zones, cells)
def test_printed_zones_and_unassigned_add_up_to_the_printed_total(raster, zone, cell):
    footprint = build_footprint({HERE: tile_areas(HERE, raster, [zone], cell, [2])}, LAYERS, periods(2))
    table = list(csv.DictReader(io.StringIO(footprint.to_csv())))
    for period in ("p0", "p1"):
        *parts, total = [line for line in table if line["period"] == period]
        for name in (name for name in total if name.endswith("_ha") and total[name]):
            assert sum(m2_of(part[name]) for part in parts) == m2_of(total[name])
        for line in (*parts, total):
            bare, pond, disturbed = (m2_of(line[f"{c}_ha"]) for c in ("bare", "pond", "disturbed"))
            assert bare + pond == disturbed
    watched = cell[zone >= 0].sum() / 10_000
    assert float(table[3]["watched_ha"]) == pytest.approx(watched, abs=20 * 0.00005)


@settings(deadline=None)
@given(classes, zones, cells, st.integers(1, 3), st.booleans())
def test_the_cut_into_tiles_and_their_order_do_not_matter(raster, zone, cell, cut, turned):
    whole = {HERE: tile_areas(HERE, raster, [zone], cell, [2])}
    parts = {
        tile: tile_areas(tile, raster[:, :, part], [zone[:, part]], cell[:, part], [2])
        for tile, part in ((HERE, slice(0, cut)), (EAST, slice(cut, None)))
    }
    if turned:
        parts = dict(reversed(parts.items()))
    one, other = (build_footprint(per_tile, LAYERS, periods(2)) for per_tile in (whole, parts))
    assert one.to_csv() == other.to_csv()
    assert one.to_json() == other.to_json()


@given(classes, zones, cells)
def test_renaming_the_zones_only_moves_their_rows(raster, zone, cell):
    swapped = np.choose(zone + 1, [-1, 0, 2, 1]).astype(np.int16)
    one, other = (
        rows(build_footprint({HERE: tile_areas(HERE, raster, [z], cell, [2])}, LAYERS, periods(2)))
        for z in (zone, swapped)
    )
    for name, twin in (("north", "south"), ("south", "north"), ("unassigned", "unassigned"), ("total", "total")):
        row = dataclasses.replace(other[twin, "p1"], zone_id=name, zone_name=one[name, "p1"].zone_name)
        assert row == one[name, "p1"]


@given(classes, zones, cells)
def test_ground_not_observed_enters_no_gain_and_no_loss(raster, zone, cell):
    raster[0] = 255
    found = rows(build_footprint({HERE: tile_areas(HERE, raster, [zone], cell, [2])}, LAYERS, periods(2)))
    for zone_id in ("north", "south", "unassigned", "total"):
        row = found[zone_id, "p1"]
        assert (row.gain_ha, row.loss_ha, row.stable_ha) == (None, None, None)
        assert not row.both_observed_share
