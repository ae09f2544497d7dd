"""Commands about models: train, evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.console import JsonOption, err, out, print_json
from pipeline.errors import BadInput

if TYPE_CHECKING:
    from pipeline.disturbance.labels import Labels
    from pipeline.runs.progress import Reporter

app = typer.Typer()

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
        print_json(card)
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
        print_json(figures)
    else:
        out.print(evaluation_text(figures), markup=False)
