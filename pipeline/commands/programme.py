"""Commands about a monitoring programme: from a first config to a verified run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import pipeline
from pipeline.commands.console import (
    AsOfOption,
    ConfigArgument,
    JsonOption,
    OutOption,
    RunArgument,
    SourceOption,
    day_of,
    err,
    out,
    print_json,
)

app = typer.Typer()


@app.command()
def init(directory: Annotated[Path, typer.Argument(help="Folder to create.", metavar="DIR")]) -> None:
    """Write a commented config and an area to start from."""
    from pipeline.runs import write_starter

    config = write_starter(directory)
    out.print(f"wrote {config} and an area beside it; edit both, then: placerwatch validate {config}")


@app.command()
def validate(config: ConfigArgument) -> None:
    """Check a config and its areas; prints every problem at once, with line and remedy."""
    from pipeline.areas import overlaps
    from pipeline.config_file import read_config
    from pipeline.periods import describe_periods

    file = read_config(config)
    for warning in overlaps(file.areas):
        out.print(f"note: {warning}", markup=False)
    zones = ", ".join(area.name for area in file.areas)
    out.print(f"{config}: fine\n  areas: {zones}\n  periods:", markup=False)
    for line in describe_periods(file.config.periods, day_of(None)):
        out.print(f"    {line}", markup=False)


@app.command()
def plan(
    config: ConfigArgument,
    as_of: AsOfOption = None,
    out_dir: OutOption = Path("outputs"),
    source: SourceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell tiles, scenes, what is left out, and what fetching them would cost, without reading a pixel."""
    from pipeline.runs import RunOptions, describe_plan, estimate_run, open_reporter, plan_programme, plan_summary

    options = RunOptions(day_of(as_of), out_dir, source=source)
    made = plan_programme(config, options, open_reporter(err, quiet=as_json))
    estimate = estimate_run(made, out_dir / made.file.config.programme)
    if as_json:
        print_json({**plan_summary(made), "estimate": estimate.as_json()})
    else:
        out.print("\n".join((describe_plan(made), *estimate.describe())), markup=False)


@app.command()
def run(
    config: ConfigArgument,
    as_of: AsOfOption = None,
    out_dir: OutOption = Path("outputs"),
    workers: Annotated[int | None, typer.Option(help="Number of workers; default: the config's.")] = None,
    executor: Annotated[str | None, typer.Option(help="serial, threads or processes; default: the config's.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler, tcp://host:port.")] = None,
    source: SourceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a programme: maps, change report, footprint table and manifest."""
    from pipeline.runs import RunOptions, open_reporter, run_programme

    options = RunOptions(day_of(as_of), out_dir, executor, workers, scheduler, source)
    finished = run_programme(config, options, open_reporter(err, quiet=as_json))
    if as_json:
        print_json(finished.as_json())
    else:
        out.print(finished.text, markup=False)
    raise typer.Exit(finished.exit_code)


@app.command()
def status(run_dir: RunArgument, as_json: JsonOption = False) -> None:
    """Tell what a run did, left out and could not do."""
    from pipeline.runs import describe_run, read_manifest

    manifest = read_manifest(run_dir)
    if as_json:
        print_json(manifest)
    else:
        out.print(describe_run(manifest), markup=False)


@app.command()
def verify(run_dir: RunArgument) -> None:
    """Hash a run's outputs and the stored results behind them again, and tell what differs."""
    from pipeline.runs import verify_run

    problems = verify_run(run_dir)
    for problem in problems:
        err.print(problem, markup=False)
    if problems:
        raise typer.Exit(1)
    out.print(f"{run_dir}: every output and stored result is as the manifest says")


@app.command()
def schedule(config: ConfigArgument, out_dir: OutOption = Path("outputs")) -> None:
    """Print crontab and systemd lines for an unattended run."""
    from pipeline.config_file import read_config
    from pipeline.runs import schedule_lines

    out.print(schedule_lines(read_config(config), out_dir), markup=False)


@app.command("simulate")
def simulate_archive(
    scenario: Annotated[str, typer.Argument(help="carnot, tortiya or demo.", metavar="NAME")],
    directory: Annotated[Path, typer.Argument(help="Folder to write the archive to.", metavar="DIR")],
) -> None:
    """Write a simulated archive of Sentinel-2 and Sentinel-1 scenes with its truth."""
    from pipeline.runs import open_reporter, simulate

    out.print(str(simulate(scenario, directory, open_reporter(err))), markup=False)


@app.command()
def version() -> None:
    """Print the version."""
    out.print(pipeline.__version__)
