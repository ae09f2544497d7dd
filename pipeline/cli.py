"""The command `placerwatch`: its groups of commands, and how errors end."""

from __future__ import annotations

import sys
import warnings

import typer
from rasterio.errors import NotGeoreferencedWarning

from pipeline.commands import areas, cache, estimates, models, production, programme, register, report, reviews, trends
from pipeline.commands.console import err
from pipeline.errors import PlacerwatchError

app = typer.Typer(
    name="placerwatch",
    help="Watch artisanal alluvial mining from Sentinel-2 and -1: disturbed ground and site clusters, never pits.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for group in (programme, models, production, estimates, trends, report):
    app.add_typer(group.app)
app.add_typer(reviews.app, name="review")
app.add_typer(areas.app, name="areas")
app.add_typer(cache.app, name="cache")
app.add_typer(register.app, name="register")


def main() -> None:
    """Run the command; errors that are meant end in one plain message and their exit code."""
    # rasterio warns of in-memory rasters of its own when threads meet; it says nothing of the user's files.
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    try:
        app()
    except PlacerwatchError as error:
        err.print(f"placerwatch: {error}", markup=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        err.print("placerwatch: stopped; what was finished is kept and a new run goes on from there")
        sys.exit(130)
