"""Commands about production: capacity ranges, and declared figures beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.console import JsonOption, RunArgument, out, print_json

app = typer.Typer()


@app.command()
def capacity(
    run_dir: RunArgument,
    inputs: Annotated[Path | None, typer.Option("--inputs", help="The analyst's inputs, CSV.")] = None,
    declared: Annotated[Path | None, typer.Option("--declared", help="Declared production or exports, CSV.")] = None,
    estimate: Annotated[
        Path | None, typer.Option("--estimate", help="estimate.json of this run: areas with their standard errors.")
    ] = None,
    areas: Annotated[
        list[Path], typer.Option("--areas", help="Areas file whose `country` places zones in countries; repeatable.")
    ] = [],  # noqa: B006
    seed: Annotated[int, typer.Option(help="Seed of the random numbers.")] = 0,
    draws: Annotated[int, typer.Option(help="Number of random draws.")] = 100_000,
    min_observed: Annotated[
        float, typer.Option(help="Share of ground observed below which nothing is told from imagery.")
    ] = 0.5,
    min_disturbed_ha: Annotated[float, typer.Option(help="Disturbed hectares that count as seen, for flags.")] = 1.0,
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="Folder to write to; default: capacity/<run> beside the runs.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Capacity ranges from your inputs, never production; declared figures are compared with them."""
    from pipeline.runs.production import ProductionOptions, production

    options = ProductionOptions(inputs, declared, estimate, tuple(areas), seed, draws, min_observed, min_disturbed_ha)
    found = production(run_dir, options, out_dir)
    if as_json:
        print_json(found.as_json())
    else:
        out.print(found.text, markup=False)
