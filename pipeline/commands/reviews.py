"""Commands about reviews: review sample, review import, review labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.console import JsonOption, RunArgument, out, print_json
from pipeline.commands.estimates import ModelOption
from pipeline.errors import BadInput

app = typer.Typer(help="Places for reviewers, and what they decide.", no_args_is_help=True)


@app.command("sample")
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
    language: Annotated[str, typer.Option(help="Of the page on which points are labelled: en or fr.")] = "en",
    as_json: JsonOption = False,
) -> None:
    """Draw a stratified probability sample of a run's ground for reviewers to label."""
    from pipeline.footprint.review_sample import Request, describe_design, draw_sample
    from pipeline.footprint.strata import Drainage
    from pipeline.reports.language import Language
    from pipeline.runs import read_manifest
    from pipeline.runs.sample_pictures import write_review_page
    from pipeline.runs.store import write_whole

    page_language = Language.of(language)
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
        "page": out_file.with_suffix(".review.html"),
    }
    there = [path.as_posix() for path in files.values() if path.exists()]
    if there:
        raise BadInput(f"{', '.join(there)}: already there, and may hold labels; choose another --out or remove them")
    layer = Drainage.read(drainage, drainage_width) if drainage else None
    manifest = read_manifest(run_dir)
    design = draw_sample(run_dir, manifest, request, layer, model, out_file.name, drainage_width)
    texts = {"sample": design.sample_geojson(), "labels": design.template_csv(), "design": design.to_json()}
    for name, text in texts.items():
        write_whole(files[name], text.encode())
    pictured = write_review_page(run_dir, manifest, design, files["page"], page_language)
    if as_json:
        told = design.model_dump(mode="json", exclude={"points"})
        told["pictured"] = pictured
        print_json({**told, "files": {name: path.as_posix() for name, path in files.items()}})
    else:
        out.print(describe_design(design, files, run_dir), markup=False)
        if pictured < len(design.points):
            left = len(design.points) - pictured
            out.print(f"note: {left} points lack a picture of a date: the store does not hold it", markup=False)


@app.command("import")
def review_import(
    run_dir: RunArgument,
    files: Annotated[
        list[Path],
        typer.Argument(help="Files that the map's page saved, one of each reviewer or more.", metavar="FILE"),
    ],
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="Folder to write to; default: reviews/<run> beside the runs.")
    ] = None,
    register: Annotated[
        Path | None, typer.Option(help="register.gpkg of the programme, where its config names one.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Take decisions back: change report, sites, map and register with what reviewers say, and where they differ."""
    from pipeline.runs.reviewing import import_reviews

    found = import_reviews(run_dir, files, out_dir, register)
    if as_json:
        print_json(found.as_json())
    else:
        out.print(found.text, markup=False)


@app.command("labels")
def review_labels(
    run_dir: RunArgument,
    out_file: Annotated[Path, typer.Option("--out", help="GeoJSON file of labels for placerwatch train.")],
    sample: Annotated[
        list[Path], typer.Option(help="A sample's .design.json, to keep away from its points; repeatable.")
    ] = [],  # noqa: B006
    reviews: Annotated[
        Path | None, typer.Option(help="Folder of the imported reviews; default: reviews/<run> beside the runs.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write changes that reviewers agree on as labels to train with."""
    from pipeline.runs.review_labels import export_labels

    found = export_labels(run_dir, out_file, sample, reviews)
    if as_json:
        print_json(found.as_json())
        return
    told = [f"{count} labels of class {name}" for name, count in found.labels.items()]
    told += [f"left out: {count}, {why}" for why, count in found.left_out.items()]
    out.print("\n".join([*told, f"wrote {found.file}"]), markup=False)
