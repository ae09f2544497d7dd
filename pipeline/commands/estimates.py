"""The command that estimates areas from the labels of a probability sample."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.console import JsonOption, RunArgument, out, print_json
from pipeline.errors import BadInput

app = typer.Typer()

ModelOption = Annotated[
    str | None, typer.Option(help="Where the run's model lies, if its name no longer leads there: models/mine.")
]


@app.command("estimate")
def estimate_area(
    run_dir: RunArgument,
    reference: Annotated[
        list[Path],
        typer.Option(help="The labels that came back: CSV, or JSON of the sample's page; repeatable, one a reviewer."),
    ],
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
    from pipeline.footprint.reference import read_references
    from pipeline.footprint.training_ground import TrainingGround
    from pipeline.hashing import sha256_of_input
    from pipeline.runs import read_manifest
    from pipeline.runs.store import write_whole

    path = out_file or sample.with_name("estimate.json")
    if path.suffix != ".json":
        raise BadInput(f"--out {path}: give a name that ends in .json; the table beside it ends in .csv")
    given = {file.resolve() for file in (*reference, sample)}
    for written in (path, path.with_suffix(".csv")):
        if written.resolve() in given:
            raise BadInput(f"{written}: would be overwritten, and holds the labels or the design; give another --out")
    manifest, design = read_manifest(run_dir), Design.read(sample)
    hashes = {name: sha256_of_input(run_dir / name) for name in design.run.hashes if (run_dir / name).is_file()}
    require_same_run(design, hashes)
    first = (design.run.before or design.run.after).start
    require_untrained(design, TrainingGround.of_run(manifest, first, design.run.after.end, model))
    ids = [point.sample_id for point in design.points]
    result = estimate(design, read_references(reference, ids, design.has_change))
    write_whole(path, estimates_json(result).encode())
    write_whole(path.with_suffix(".csv"), estimates_csv(result).encode())
    if as_json:
        print_json(result)
    else:
        out.print(
            f"{estimates_text(result)}\n\nwrote {path} and {path.with_suffix('.csv').name} beside it", markup=False
        )
