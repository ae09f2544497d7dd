"""Simulated Sentinel-1 and -2 archives with known truth, for tests and the demonstration; no model learns from them."""

from pipeline.simulation.archive import write_archive
from pipeline.simulation.scenario import scenario_area, scenario_names, scenario_periods

__all__ = ["scenario_area", "scenario_names", "scenario_periods", "write_archive"]
