"""The command that puts estimated areas beside the mapped ones of a run's trends."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.console import JsonOption, RunArgument, out, print_json

app = typer.Typer()


@app.command()
def trends(
    run_dir: RunArgument,
    estimate: Annotated[
        list[Path], typer.Option("--estimate", help="estimate.json of a period; repeatable, one for each period.")
    ],
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="Folder to write to; default: trends/<run> beside the runs.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell a run's trends and its table for Delve again, with the intervals of estimated areas."""
    from pipeline.runs.retelling import retell

    found = retell(run_dir, estimate, out_dir)
    if as_json:
        print_json(found.as_json())
    else:
        for note in found.notes:
            out.print(f"note: {note}", markup=False)
        out.print(f"{found.estimates} estimated areas; wrote {', '.join(found.files)} to {found.folder}", markup=False)
