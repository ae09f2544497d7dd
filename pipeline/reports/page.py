"""What the pages have in common: their parts as text, their content policy, and how they are written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from pipeline.reports.language import Language
from pipeline.reports.leaflet import asset

# A page beyond this keeps its pictures in a folder beside it.
MAX_PAGE_BYTES = 60 * 2**20


def policy(*images: str) -> str:
    """The element that lets a page ask for nothing but what it holds, and for pictures of these sources."""
    sources = " ".join(("data:", *images))
    return (
        f'<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src {sources}; '
        "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">"
    )


def json_block(name: str, value: Any) -> str:
    """Data for the page's scripts, as an element that no browser reads as markup."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>'


def scripts(*names: str) -> str:
    """Scripts of this package, one element each."""
    return "\n".join(f"<script>{asset(name)}</script>" for name in names)


def render(name: str, language: Language, **values: Any) -> str:
    """A template of this package with values as text; `_` and `plural` are the language's."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.globals.update(_=language.text, plural=language.plural, language=language)
    return environment.from_string(asset(name)).render(**values)


def write_page(path: Path, page: str, pictures: Mapping[str, bytes]) -> None:
    """Write a page and the pictures beside it, by name; each file appears under its name when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for name, data in pictures.items():
        write_bytes(path.parent / name, data)
    write_bytes(path, page.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file, which appears under its name when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
