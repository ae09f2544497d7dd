"""A config and an area to start from."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from pipeline.errors import BadInput


def write_starter(directory: Path) -> Path:
    """Write `programme.yaml` and `area.geojson` to a folder and return the config's path; never overwrites."""
    pairs = {"programme.yaml": "starter.yaml", "area.geojson": "starter.geojson"}
    for name in pairs:
        if (directory / name).exists():
            raise BadInput(f"{directory / name} exists already; give another folder")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, template in pairs.items():
            text = files("pipeline.runs").joinpath(template).read_text("utf-8")
            (directory / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{directory}: cannot be written ({error.strerror})") from error
    return directory / "programme.yaml"
