"""The command `placerwatch`: it parses, calls one function and prints."""

from __future__ import annotations

import json
import sys
import warnings
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rasterio.errors import NotGeoreferencedWarning
from rich.console import Console

import pipeline
from pipeline.errors import BadInput, PlacerwatchError

if TYPE_CHECKING:
    from pipeline.disturbance.labels import Labels
    from pipeline.runs.progress import Reporter

app = typer.Typer(
    name="placerwatch",
    help="Watch artisanal alluvial mining from Sentinel-2: disturbed ground and site clusters, never pits.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
areas_app = typer.Typer(help="Declared areas.", no_args_is_help=True)
app.add_typer(areas_app, name="areas")

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

ConfigArgument = Annotated[Path, typer.Argument(help="The programme's YAML file.", metavar="CONFIG")]
RunArgument = Annotated[Path, typer.Argument(help="A run's folder, or outputs/<programme>/latest.", metavar="RUN_DIR")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object, for scripts.")]
OutOption = Annotated[Path, typer.Option("--out", help="Folder that holds every programme's outputs.")]
AsOfOption = Annotated[str | None, typer.Option("--as-of", help="Last day that counts, YYYY-MM-DD; default: today.")]
SourceOption = Annotated[
    str | None, typer.Option("--source", help="Another source of imagery: earth-search, or a folder's path.")
]


def _day(text: str | None) -> date:
    if text is None:
        return datetime.now(UTC).date()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput(f"--as-of {text!r}: expected a day such as 2026-03-31") from None


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


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

    file = read_config(config)
    for warning in overlaps(file.areas):
        out.print(f"note: {warning}", markup=False)
    zones = ", ".join(area.name for area in file.areas)
    periods = ", ".join(period.name for period in file.config.periods)
    out.print(f"{config}: fine\n  areas: {zones}\n  periods: {periods}", markup=False)


@app.command()
def plan(
    config: ConfigArgument,
    as_of: AsOfOption = None,
    out_dir: OutOption = Path("outputs"),
    source: SourceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell tiles, scenes and what is left out, without reading a pixel."""
    from pipeline.runs import RunOptions, describe_plan, open_reporter, plan_programme, plan_summary

    options = RunOptions(_day(as_of), out_dir, source=source)
    made = plan_programme(config, options, open_reporter(err, quiet=as_json))
    if as_json:
        _print_json(plan_summary(made))
    else:
        out.print(describe_plan(made), markup=False)


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

    options = RunOptions(_day(as_of), out_dir, executor, workers, scheduler, source)
    finished = run_programme(config, options, open_reporter(err, quiet=as_json))
    if as_json:
        _print_json(finished.as_json())
    else:
        out.print(finished.text, markup=False)
    raise typer.Exit(finished.exit_code)


@app.command()
def status(run_dir: RunArgument, as_json: JsonOption = False) -> None:
    """Tell what a run did, left out and could not do."""
    from pipeline.runs import describe_run, read_manifest

    manifest = read_manifest(run_dir)
    if as_json:
        _print_json(manifest)
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
    scenario: Annotated[str, typer.Argument(help="carnot, tortiya or demo.")],
    directory: Annotated[Path, typer.Argument(help="Folder to write the archive to.", metavar="DIR")],
) -> None:
    """Write a simulated archive of Sentinel-2 scenes with its truth."""
    from pipeline.runs import open_reporter, simulate

    out.print(str(simulate(scenario, directory, open_reporter(err))), markup=False)


LabelsArgument = Annotated[
    Path,
    typer.Argument(
        help="Folder of arrays (patches.npz, patches.csv, masks.npz, masks.csv), or a GeoJSON file of drawn ground.",
        metavar="LABELS",
    ),
]
RegionsOption = Annotated[Path | None, typer.Option("--regions", help="GeoJSON file of polygons with a `name`.")]
ImageryOption = Annotated[
    Path | None, typer.Option("--config", help="Programme whose source and imagery settings serve drawn ground.")
]
WindowOption = Annotated[int, typer.Option(help="Days before and after the day drawn whose looks are composed.")]
WorkersOption = Annotated[int, typer.Option(help="Models fitted side by side.")]


def _read_labels(
    path: Path, config: Path | None, regions_file: Path | None, window_days: int, reporter: Reporter
) -> Labels:
    """Labels of a folder of arrays, or of drawn ground on the imagery of a programme."""
    from pipeline.config_file import read_config
    from pipeline.disturbance.labelling import build_labels, holds_features
    from pipeline.disturbance.labels import Labels
    from pipeline.disturbance.regions import read_regions
    from pipeline.runs.plan import open_programme_source

    regions = read_regions(regions_file) if regions_file else ()
    if not holds_features(path):
        labels = Labels.read(path)
        return labels.with_regions(regions) if regions else labels
    if config is None:
        raise BadInput(f"{path}: drawn ground needs imagery; name a programme with --config CONFIG")
    file = read_config(config)
    source = open_programme_source(file, Path("outputs") / file.config.programme, reporter)
    return build_labels(path, source, file.config.imagery, window_days=window_days, regions=regions, progress=reporter)


@app.command()
def train(
    labels: LabelsArgument,
    out_folder: Annotated[Path, typer.Option("--out", help="The model's folder, such as models/mine.")],
    kind: Annotated[str, typer.Option(help="trees; or network, or a blend of both (need PyTorch).")] = "trees",
    config: ImageryOption = None,
    regions: RegionsOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of sampling and fitting.")] = 0,
    workers: WorkersOption = 2,
    window_days: WindowOption = 60,
    held_out: Annotated[Path | None, typer.Option(help="Keep what was said of each patch unseen (.npz).")] = None,
    gallery: Annotated[Path | None, typer.Option(help="Folder for the pictures; default: in the model's.")] = None,
    pictures: Annotated[
        str | None, typer.Option(help="imagery or maps; default: as the labels' origin allows.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Fit a model to labelled imagery, judge it on ground held out, and write it with its card."""
    from pipeline.disturbance import train as fit
    from pipeline.disturbance.card_page import card_text
    from pipeline.disturbance.training import learner_of, spectra_beside
    from pipeline.runs import open_reporter

    learner, reporter = learner_of(kind), open_reporter(err, quiet=as_json)
    card = fit(
        _read_labels(labels, config, regions, window_days, reporter),
        learner,
        out_folder,
        seed,
        workers,
        held_out,
        gallery=gallery,
        pictures=pictures,
        africa=spectra_beside(labels),
        progress=reporter,
    )
    if as_json:
        _print_json(card)
    else:
        out.print(card_text(card, out_folder.as_posix()), markup=False)


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="A name in models/, or a path.", metavar="MODEL")],
    data: Annotated[Path, typer.Option(help="Folder of arrays, or a GeoJSON file of drawn ground.")],
    config: ImageryOption = None,
    regions: RegionsOption = None,
    hold_out: Annotated[
        list[str], typer.Option("--hold-out", help="Also refit the model's recipe without this region; repeatable.")
    ] = [],  # noqa: B006
    workers: WorkersOption = 2,
    window_days: WindowOption = 60,
    as_json: JsonOption = False,
) -> None:
    """Judge a model on labelled imagery: overall, by region, and with regions held out by name."""
    from pipeline.disturbance.card_page import evaluation_text
    from pipeline.disturbance.training import evaluate_named
    from pipeline.runs import open_reporter

    reporter = open_reporter(err, quiet=as_json)
    labels = _read_labels(data, config, regions, window_days, reporter)
    figures = evaluate_named(model, labels, hold_out, workers, reporter)
    if as_json:
        _print_json(figures)
    else:
        out.print(evaluation_text(figures), markup=False)


@areas_app.command("list")
def areas_list(
    files: Annotated[list[Path], typer.Argument(help="Areas files; default: all in aoi/.")] = [],  # noqa: B006
) -> None:
    """List declared areas with their size, status and boundary vintage."""
    from pipeline.areas import list_areas

    paths = files or sorted(Path("aoi").glob("*.geojson"))
    if not paths:
        raise BadInput("no areas file given, and there is no aoi/*.geojson here")
    for row in list_areas(paths, _day(None)):
        out.print(str(row), markup=False)


@areas_app.command("import")
def areas_import(
    name: Annotated[str, typer.Argument(help="Name of the unit, for example Carnot.")],
    out_file: Annotated[Path, typer.Option("--out", help="Areas file to write, or to add to.")],
    country: Annotated[str | None, typer.Option(help="ISO 3166-1 alpha-3 code, for example CAF.")] = None,
    source: Annotated[str, typer.Option(help="whosonfirst or geoboundaries.")] = "geoboundaries",
    level: Annotated[str | None, typer.Option(help="Level of the unit, for example ADM3 or county.")] = None,
    zone_id: Annotated[str | None, typer.Option(help="Zone id to give it; default: from its name.")] = None,
    sha256: Annotated[str | None, typer.Option(help="Refuse bytes that do not have this hash.")] = None,
    base_url: Annotated[str | None, typer.Option(help="Another server that answers in the same way.")] = None,
    file: Annotated[Path | None, typer.Option(help="Take it from a boundary file on disk instead.")] = None,
    licence: Annotated[str, typer.Option(help="Licence of that file.")] = "not stated",
    vintage: Annotated[str, typer.Option(help="Vintage of that file.")] = "",
) -> None:
    """Fetch an official boundary by name; its hash and licence are recorded."""
    from pipeline.areas import import_boundary, import_from_file

    if file is not None:
        area = import_from_file(name, file, out_file, level=level, zone_id=zone_id, licence=licence, vintage=vintage)
    elif country is None:
        raise BadInput("--country is missing: give the ISO 3166-1 alpha-3 code, for example CAF, or a --file on disk")
    else:
        area = import_boundary(
            name, source, country, out_file, base_url, level=level, zone_id=zone_id, expected_sha256=sha256
        )
    out.print(f"wrote {out_file}: {area.name} ({area.boundary_source}, vintage {area.boundary_vintage})", markup=False)


@app.command()
def version() -> None:
    """Print the version."""
    out.print(pipeline.__version__)


def main() -> None:
    """Run the command; errors that are meant end in one plain message and their exit code."""
    # rasterio warns of in-memory rasters of its own when threads meet; it says nothing of the user's files.
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    try:
        app()
    except PlacerwatchError as error:
        err.print(f"placerwatch: {error}", markup=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        err.print("placerwatch: stopped; what was finished is kept and a new run goes on from there")
        sys.exit(130)
