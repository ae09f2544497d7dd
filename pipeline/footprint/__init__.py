"""Footprint: areas by zone and period, with what was not observed."""

from pipeline.footprint.area_estimates import read_area_estimates
from pipeline.footprint.areas_by_zone import Footprint, FootprintRow, build_footprint, footprint_of
from pipeline.footprint.counting import (
    CommonGround,
    LayerSums,
    TileAreas,
    common_ground,
    sum_common,
    sum_layers,
    tile_areas,
)
from pipeline.footprint.delve import Provenance, delve_csv
from pipeline.footprint.growth import build_trends, entering_periods
from pipeline.footprint.layer_files import read_layers
from pipeline.footprint.layers import Layer, UnitsNear
from pipeline.footprint.trends import Trends

__all__ = [
    "CommonGround",
    "Footprint",
    "FootprintRow",
    "Layer",
    "LayerSums",
    "Provenance",
    "TileAreas",
    "Trends",
    "UnitsNear",
    "build_footprint",
    "build_trends",
    "common_ground",
    "delve_csv",
    "entering_periods",
    "footprint_of",
    "read_area_estimates",
    "read_layers",
    "sum_common",
    "sum_layers",
    "tile_areas",
]
