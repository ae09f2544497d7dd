"""Footprint: areas by zone and period, with what was not observed."""

from pipeline.footprint.areas_by_zone import Footprint, FootprintRow, TileAreas, build_footprint, tile_areas

__all__ = ["Footprint", "FootprintRow", "TileAreas", "build_footprint", "tile_areas"]
