"""The command that writes the reports of a finished run anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.console import JsonOption, RunArgument, day_of, out, print_json

app = typer.Typer()


@app.command()
def report(
    run_dir: RunArgument,
    language: Annotated[
        list[str] | None, typer.Option("--language", help="en or fr; repeatable; default: those of the config.")
    ] = None,
    release: Annotated[
        str, typer.Option("--release", help="restricted, or public: by cells of a grid, late, without pictures.")
    ] = "restricted",
    estimate: Annotated[
        list[Path] | None, typer.Option("--estimate", help="estimate.json of a period; repeatable, one for each.")
    ] = None,
    on: Annotated[
        str | None, typer.Option("--on", help="Day of a public release, YYYY-MM-DD; default: the as-of date.")
    ] = None,
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="Folder to write; default: reports/<run> or public/<run>.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write map, dossier and tables of a run again: in a language, with estimated areas, or for everybody."""
    from pipeline.runs.reporting import ReportOptions, report_run

    day = None if on is None else day_of(on, "--on")
    found = report_run(run_dir, ReportOptions(tuple(language or ()), release, tuple(estimate or ()), out_dir, day))
    if as_json:
        print_json(found.as_json())
    else:
        for note in found.notes:
            out.print(f"note: {note}", markup=False)
        out.print(f"wrote {', '.join(found.files)} to {found.folder}", markup=False)
