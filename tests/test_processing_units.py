"""Processing units, by the examples of the published rule."""

from __future__ import annotations

import pytest

from pipeline.imagery import RequestCost
from pipeline.imagery.processing_units import processing_units


def test_the_unit_is_512_by_512_pixels_of_three_bands_in_16_bits():
    assert processing_units(512, 512, 3, "UINT16") == 1


def test_the_documented_change_detection_with_sentinel_1_costs_42_667_units():
    cost = processing_units(1024, 1024, 4, "FLOAT32", samples=2, orthorectified=True)
    assert cost == pytest.approx(42.667, abs=0.0005)


def test_the_documented_ndvi_of_a_parcel_costs_0_0067_units():
    assert processing_units(20, 20, 2, "UINT16") == pytest.approx(0.0067, abs=0.00005)


@pytest.mark.parametrize(
    ("asked", "units"),
    [
        ((1, 1, 1, "UINT8"), 0.005),
        ((256, 1024, 3, "UINT16"), 1),
        ((512, 512, 7, "UINT16"), 7 / 3),
        ((512, 512, 3, "FLOAT32"), 2),
    ],
)
def test_each_factor_counts_and_the_least_is_0_005(asked, units):
    assert processing_units(*asked) == pytest.approx(units)


def test_radiometric_terrain_correction_costs_two_and_a_half_and_holds_orthorectification():
    plain = processing_units(512, 512, 2, "UINT16")
    assert processing_units(512, 512, 2, "UINT16", terrain_corrected=True) == pytest.approx(2.5 * plain)
    both = processing_units(512, 512, 2, "UINT16", orthorectified=True, terrain_corrected=True)
    assert both == pytest.approx(2.5 * plain)


def test_costs_add_up():
    assert RequestCost(1, 0.5, 10) + RequestCost(2, 0.25, 5) == RequestCost(3, 0.75, 15)
