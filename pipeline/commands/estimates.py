"""Commands about estimated area: review sample, estimate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.console import JsonOption, RunArgument, out, print_json
from pipeline.errors import BadInput

app = typer.Typer()
review = typer.Typer(help="The probability sample that reviewers label.", no_args_is_help=True)
app.add_typer(review, name="review")

ModelOption = Annotated[
    str | None, typer.Option(help="Where the run's model lies, if its name no longer leads there: models/mine.")
]


@review.callback()
def _review() -> None:
    """The probability sample that reviewers label."""


@review.command("sample")
def review_sample(
    run_dir: RunArgument,
    out_file: Annotated[Path, typer.Option("--out", help="GeoJSON file for the reviewers; more is written beside it.")],
    size: Annotated[int | None, typer.Option(help="Points in all; default: 600.")] = None,
    target_se: Annotated[float | None, typer.Option(help="Or: the standard error wanted, hectares.")] = None,
    target: Annotated[str | None, typer.Option(help="Of the area of what: new (default) or workings.")] = None,
    expect: Annotated[
        list[str], typer.Option(help="Share of a stratum expected to be the target, such as rest=0.002; repeatable.")
    ] = [],  # noqa: B006
    allocation: Annotated[
        str, typer.Option(help="neyman, proportional, or the points of each stratum: new=75,stable=75,rest=300.")
    ] = "neyman",
    floor: Annotated[int, typer.Option(help="Points that each stratum gets at least.")] = 50,
    min_distance: Annotated[float, typer.Option(help="Metres between any two points.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0,
    buffer: Annotated[float, typer.Option(help="Metres around mapped ground that are a stratum of their own.")] = 100,
    drainage: Annotated[
        Path | None, typer.Option(help="GeoJSON of rivers, lines or polygons; default: that of the run's elevation.")
    ] = None,
    drainage_width: Annotated[float, typer.Option(help="Metres on all sides of them.")] = 250,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw a stratified probability sample of a run's ground for reviewers to label."""
    from pipeline.footprint.review_sample import Request, describe_design, draw_sample
    from pipeline.footprint.strata import Drainage
    from pipeline.runs import read_manifest
    from pipeline.runs.store import write_whole

    request = Request(
        size=size,
        target_se_ha=target_se,
        target=target,
        expect=tuple(expect),
        allocation=allocation,
        floor=floor,
        min_distance_m=min_distance,
        seed=seed,
        buffer_m=buffer,
    )
    files = {
        "sample": out_file,
        "labels": out_file.with_suffix(".labels.csv"),
        "design": out_file.with_suffix(".design.json"),
    }
    there = [path.as_posix() for path in files.values() if path.exists()]
    if there:
        raise BadInput(f"{', '.join(there)}: already there, and may hold labels; choose another --out or remove them")
    layer = Drainage.read(drainage, drainage_width) if drainage else None
    design = draw_sample(run_dir, read_manifest(run_dir), request, layer, model, out_file.name, drainage_width)
    texts = {"sample": design.sample_geojson(), "labels": design.template_csv(), "design": design.to_json()}
    for name, path in files.items():
        write_whole(path, texts[name].encode())
    if as_json:
        told = design.model_dump(mode="json", exclude={"points"})
        print_json({**told, "files": {name: path.as_posix() for name, path in files.items()}})
    else:
        out.print(describe_design(design, files, run_dir), markup=False)


@app.command("estimate")
def estimate_area(
    run_dir: RunArgument,
    reference: Annotated[Path, typer.Option(help="The labels that came back: CSV, or JSON of the review page.")],
    sample: Annotated[Path, typer.Option(help="The sample's .design.json.")],
    out_file: Annotated[
        Path | None, typer.Option("--out", help="JSON file; a CSV is written beside it. Default: estimate.json there.")
    ] = None,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Estimate areas with 95 % intervals, and the map's accuracy, from labels of a probability sample."""
    from pipeline.footprint.design import Design
    from pipeline.footprint.estimate_tables import estimates_csv, estimates_json, estimates_text
    from pipeline.footprint.estimates import estimate, require_same_run, require_untrained
    from pipeline.footprint.reference import read_reference
    from pipeline.footprint.training_ground import TrainingGround
    from pipeline.hashing import sha256_of_input
    from pipeline.runs import read_manifest
    from pipeline.runs.store import write_whole

    path = out_file or sample.with_name("estimate.json")
    if path.suffix != ".json":
        raise BadInput(f"--out {path}: give a name that ends in .json; the table beside it ends in .csv")
    given = {file.resolve() for file in (reference, sample)}
    for written in (path, path.with_suffix(".csv")):
        if written.resolve() in given:
            raise BadInput(f"{written}: would be overwritten, and holds the labels or the design; give another --out")
    manifest, design = read_manifest(run_dir), Design.read(sample)
    hashes = {name: sha256_of_input(run_dir / name) for name in design.run.hashes if (run_dir / name).is_file()}
    require_same_run(design, hashes)
    first = (design.run.before or design.run.after).start
    require_untrained(design, TrainingGround.of_run(manifest, first, design.run.after.end, model))
    ids = [point.sample_id for point in design.points]
    result = estimate(design, read_reference(reference, ids, design.has_change))
    write_whole(path, estimates_json(result).encode())
    write_whole(path.with_suffix(".csv"), estimates_csv(result).encode())
    if as_json:
        print_json(result)
    else:
        out.print(
            f"{estimates_text(result)}\n\nwrote {path} and {path.with_suffix('.csv').name} beside it", markup=False
        )
