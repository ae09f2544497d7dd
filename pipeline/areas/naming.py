"""Finding one feature among many by its name or id, as boundary collections spell them."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from pipeline.errors import BadInput

NAME_KEYS = ("name", "wof:name", "shapeName", "NAME")
ID_KEYS = ("wof_id", "wof:id", "shapeID")
LEVEL_KEYS = ("wof:placetype", "placetype_local", "placetype", "shapeType")


def choose(features: Sequence[Any], name: str, level: str | None, where: str) -> dict[str, Any]:
    """The one feature of a name (or id); raises BadInput that lists the candidates otherwise."""
    usable = [f for f in features if isinstance(f, dict) and isinstance(f.get("properties"), dict)]
    at_level = [f for f in usable if level is None or level in (f["properties"].get(key) for key in LEVEL_KEYS)]
    wanted = plain(name)
    found = [f for f in at_level if name == text_of(f, ID_KEYS)]
    found = found or [f for f in at_level if plain(text_of(f, NAME_KEYS)) == wanted]
    # A record without a polygon cannot be meant while another of the same name has one.
    found = [f for f in found if _is_polygon(f)] or found
    if len(found) == 1:
        return found[0]
    if found:
        raise BadInput(f"{where}: {len(found)} places are named {name!r}; give the id of one: {_listing(found)}")
    names = {plain(text_of(f, NAME_KEYS)): f for f in at_level}
    close = [names[key] for key in difflib.get_close_matches(wanted, [*names], n=5, cutoff=0.6)]
    levels = sorted({text_of(f, LEVEL_KEYS) for f in usable} - {""})
    hint = f"did you mean {_listing(close)}?" if close else f"levels there: {', '.join(levels) or 'none'}"
    raise BadInput(f"{where}: no place is named {name!r}{f' at level {level!r}' if level else ''}; {hint}")


def plain(text: str) -> str:
    """A name without case, accents and punctuation, as names are compared."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return " ".join(re.findall(r"[^\W_]+", bare))


def text_of(feature: dict[str, Any], keys: Sequence[str]) -> str:
    """The first property of these keys that says something, as text."""
    properties = feature["properties"]
    return next((str(properties[key]) for key in keys if properties.get(key)), "")


def _is_polygon(feature: dict[str, Any]) -> bool:
    geometry = feature.get("geometry")
    return isinstance(geometry, dict) and geometry.get("type") in ("Polygon", "MultiPolygon")


def _listing(features: Sequence[dict[str, Any]]) -> str:
    def label(feature: dict[str, Any]) -> str:
        details = [text for text in (text_of(feature, LEVEL_KEYS), text_of(feature, ID_KEYS)) if text]
        return f"{text_of(feature, NAME_KEYS)} ({', '.join(details)})"

    return "; ".join(label(feature) for feature in features)
