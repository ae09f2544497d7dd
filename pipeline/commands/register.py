"""Commands about the register of sites."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.console import JsonOption, out, print_json
from pipeline.errors import BadInput

app = typer.Typer(help="The register of sites.", no_args_is_help=True)


@app.command("show")
def register_show(
    register: Annotated[Path, typer.Argument(help="A register.gpkg.", metavar="REGISTER")],
    site: Annotated[str | None, typer.Option(help="Tell of one site, by its id or any name it ever had.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what a register holds, or the life of one site."""
    from pipeline.change.register_text import describe_register, describe_site, register_summary, site_summary
    from pipeline.reports import read_register

    if not register.is_file():
        raise BadInput(f"{register}: there is no such file; a run writes outputs/<programme>/register.gpkg")
    known = read_register(register)
    told = register_summary(known) if site is None else site_summary(known, site)
    if as_json:
        print_json(told)
    else:
        out.print(describe_register(told) if site is None else describe_site(told), markup=False)


@app.command("merge")
def register_merge(
    inputs: Annotated[
        list[Path],
        typer.Argument(help="Registers (register.gpkg) and folders of runs, in any order.", metavar="INPUT"),
    ],
    out_file: Annotated[Path, typer.Option("--out", help="Register to write, or to add to.")],
    as_json: JsonOption = False,
) -> None:
    """Make one register of several, or anew from the folders of runs; nothing is ever entered twice."""
    from pipeline.change.register_text import describe_register, register_summary
    from pipeline.runs.registering import merge_registers

    told = register_summary(merge_registers(inputs, out_file))
    if as_json:
        print_json(told)
    else:
        out.print(f"wrote {out_file}\n{describe_register(told)}", markup=False)
