"""What the commands share: arguments and options, and how they print."""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from pipeline.errors import BadInput

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

ConfigArgument = Annotated[Path, typer.Argument(help="The programme's YAML file.", metavar="CONFIG")]
RunArgument = Annotated[Path, typer.Argument(help="A run's folder, or outputs/<programme>/latest.", metavar="RUN_DIR")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object, for scripts.")]
OutOption = Annotated[Path, typer.Option("--out", help="Folder that holds every programme's outputs.")]
AsOfOption = Annotated[str | None, typer.Option("--as-of", help="Last day that counts, YYYY-MM-DD; default: today.")]
SourceOption = Annotated[
    str | None,
    typer.Option("--source", help="Another source of imagery: a name such as earth-search, or a folder's path."),
]


def day_of(text: str | None, option: str = "--as-of") -> date:
    """The day that an option names, today in UTC without one."""
    if text is None:
        return datetime.now(UTC).date()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{option} {text!r}: expected a day such as 2026-03-31") from None


def print_json(value: Any) -> None:
    """Print one JSON value, for scripts."""
    sys.stdout.write(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
