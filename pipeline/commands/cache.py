"""Commands about what is stored: how much it is, and taking out what is no longer used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.console import JsonOption, out, print_json

app = typer.Typer(no_args_is_help=True, help="What the store holds: scenes and results kept between runs.")

_Folder = Annotated[Path, typer.Argument(help="Outputs, or one programme's folder in it.", metavar="FOLDER")]


@app.command()
def size(folder: _Folder = Path("outputs"), as_json: JsonOption = False) -> None:
    """Tell what the store holds, in bytes by stage."""
    from pipeline.runs.pruning import sizes, stored, stores_below

    total = sizes(stored(stores_below(folder)))
    if as_json:
        print_json({"stages": dict(total), "bytes": total.total()})
    else:
        out.print(f"{folder}: {total.total() / 1e9:,.3f} GB" + _lines(total), markup=False)


@app.command()
def prune(
    folder: _Folder = Path("outputs"),
    older_than: Annotated[float | None, typer.Option(help="Days unused, then a result goes.", min=0)] = None,
    max_gb: Annotated[float | None, typer.Option(help="The longest unused go until so much is left.", min=0)] = None,
    also_named: Annotated[
        bool, typer.Option("--all", help="Results of the newest runs, too; they can no longer be verified.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete what is longest unused. Not while a run is going on: it would have to do things again."""
    from pipeline.runs.pruning import prune, stores_below

    went = prune(
        stores_below(folder),
        older_than_days=older_than,
        max_bytes=None if max_gb is None else int(max_gb * 1e9),
        also_named=also_named,
    )
    if as_json:
        print_json(went.as_json())
        return
    gone, left = sum(went.gone.values()), sum(went.left.values())
    out.print(f"deleted {went.results} results, {gone / 1e9:,.3f} GB" + _lines(went.gone), markup=False)
    out.print(f"left {left / 1e9:,.3f} GB" + _lines(went.left), markup=False)
    if went.named:
        out.print(f"{went.named} results of the newest runs were kept; --all deletes them, too", markup=False)


def _lines(stages: Mapping[str, int]) -> str:
    return "".join(f"\n  {stage:<10} {size / 1e6:>12,.1f} MB" for stage, size in stages.items())
