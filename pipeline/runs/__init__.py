"""Runs: plan, execute, store, assemble, write and verify."""

from pipeline.runs.estimate import estimate_run
from pipeline.runs.inspect import describe_plan, describe_run, plan_summary, read_manifest, verify_run
from pipeline.runs.progress import open_reporter
from pipeline.runs.run import RunOptions, plan_programme, run_programme
from pipeline.runs.run_folder import Finished
from pipeline.runs.schedule import schedule_lines
from pipeline.runs.simulated import simulate
from pipeline.runs.starter import write_starter

__all__ = [
    "Finished",
    "RunOptions",
    "describe_plan",
    "describe_run",
    "estimate_run",
    "open_reporter",
    "plan_programme",
    "plan_summary",
    "read_manifest",
    "run_programme",
    "schedule_lines",
    "simulate",
    "verify_run",
    "write_starter",
]
