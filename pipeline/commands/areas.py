"""Commands about declared areas."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.console import day_of, out
from pipeline.errors import BadInput

app = typer.Typer(help="Declared areas.", no_args_is_help=True)


@app.command("list")
def areas_list(
    files: Annotated[list[Path], typer.Argument(help="Areas files; default: all in aoi/.", metavar="FILE")] = [],  # noqa: B006
) -> None:
    """List declared areas with their size, status and boundary vintage."""
    from pipeline.areas import list_areas

    paths = files or sorted(Path("aoi").glob("*.geojson"))
    if not paths:
        raise BadInput("no areas file given, and there is no aoi/*.geojson here")
    for row in list_areas(paths, day_of(None)):
        out.print(str(row), markup=False)


@app.command("import")
def areas_import(
    name: Annotated[str, typer.Argument(help="Name of the unit, for example Carnot.", metavar="NAME")],
    out_file: Annotated[Path, typer.Option("--out", help="Areas file to write, or to add to.")],
    country: Annotated[str | None, typer.Option(help="ISO 3166-1 code, CAF or CF.")] = None,
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
        raise BadInput("--country is missing: give an ISO 3166-1 code such as CAF, or a --file on disk")
    else:
        area = import_boundary(
            name, source, country, out_file, base_url, level=level, zone_id=zone_id, expected_sha256=sha256
        )
    out.print(f"wrote {out_file}: {area.name} ({area.boundary_source}, vintage {area.boundary_vintage})", markup=False)
