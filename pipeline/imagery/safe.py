"""The product metadata (MTD_MSIL2A.xml) that lie beside the files of a Sentinel-2 L2A product."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

from pipeline.errors import SceneRejected
from pipeline.imagery.scene import Bbox

# band_id of the SAFE metadata, which counts B01 as 0 and has B8A as 8.
_SAFE_BAND_ID = {"B02": 1, "B03": 2, "B04": 3, "B08": 7, "B11": 11, "B12": 12}
_DEEPEST = 100
_WANTED = (
    "PROCESSING_BASELINE",
    "PRODUCT_URI",
    "GENERATION_TIME",
    "BOA_QUANTIFICATION_VALUE",
    "BOA_ADD_OFFSET",
    "EXT_POS_LIST",
)


@dataclass(frozen=True)
class SafeMetadata:
    """What MTD_MSIL2A.xml says; `offset` is that of the six bands, None where the file has none.

    `bbox` is the lon/lat box of the ground that was seen, None where the file does not tell.
    """

    baseline: str
    product_uri: str
    generation_time: str
    offset: int | None
    bbox: Bbox | None = None


class Element(NamedTuple):
    """The text of an XML element with its attributes, and the names of the elements around it, outermost first."""

    text: str
    attributes: dict[str, str]
    around: tuple[str, ...]


def read_safe(path: Path) -> SafeMetadata:
    """Read a product's MTD_MSIL2A.xml; raises SceneRejected if it is not one, or declares a document type."""
    try:
        return parse_safe(path.name, path.read_bytes())
    except OSError as error:
        raise SceneRejected(f"{path.name} is not readable product metadata ({error.strerror})") from error


def parse_safe(name: str, content: bytes) -> SafeMetadata:
    """The same from the bytes of a file."""
    found = elements(name, content, _WANTED)
    try:
        baseline, product, made, quantum = (found[key][0].text for key in _WANTED[:4])
        by_band = {int(one.attributes["band_id"]): int(one.text) for one in found.get("BOA_ADD_OFFSET", [])}
        quantified = float(quantum)
    except (KeyError, ValueError) as error:
        raise SceneRejected(f"{name} is not readable product metadata ({error})") from error
    if not re.fullmatch(r"\d{2}\.\d{2}", baseline):
        raise SceneRejected(f"{name} names no processing baseline such as 05.09 (found {baseline[:20]!r})")
    if quantified != 10000:
        raise SceneRejected(f"{name} declares a quantification value of {quantified:g}; 10000 is expected")
    offsets = {by_band.get(band_id) for band_id in _SAFE_BAND_ID.values()} if by_band else {None}
    if len(offsets) > 1 or not offsets <= {None, 0, -1000}:
        raise SceneRejected(f"{name} declares offsets {sorted(map(str, offsets))}; one of 0 or -1000 is expected")
    corners = found.get("EXT_POS_LIST", [])
    return SafeMetadata(baseline, product, made, offsets.pop(), _box(corners[0].text) if corners else None)


def elements(name: str, content: bytes, wanted: Collection[str]) -> dict[str, list[Element]]:
    """The elements of some names in an XML file; raises SceneRejected where it is none or declares a document type."""
    found: dict[str, list[Element]] = {}
    text: list[str] = []
    open_tags: list[tuple[str, dict[str, str]]] = []

    def refuse(*_: object) -> None:
        raise SceneRejected(f"{name} declares a document type, which product metadata never do")

    def start(tag: str, attributes: dict[str, str]) -> None:
        if len(open_tags) == _DEEPEST:
            raise SceneRejected(f"{name} is nested deeper than product metadata ever are")
        open_tags.append((tag.rpartition(":")[2], attributes))
        text.clear()

    def end(_: str) -> None:
        tag, attributes = open_tags.pop()
        if tag in wanted:
            one = Element("".join(text).strip(), attributes, tuple(outer for outer, _ in open_tags))
            found.setdefault(tag, []).append(one)
        text.clear()

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text.append
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise SceneRejected(f"{name} is not readable product metadata ({error})") from error
    return found


def _box(corners: str) -> Bbox | None:
    """The box of a list of latitudes and longitudes in turn; one that is wider than half the globe crosses 180°."""
    try:
        values = [float(value) for value in corners.split()]
    except ValueError:
        return None
    lats, lons = values[::2], values[1::2]
    if len(lats) != len(lons) or len(lats) < 3 or not all(-90 <= v <= 90 for v in lats):
        return None
    if not all(-180 <= v <= 180 for v in lons):
        return None
    west, east = min(lons), max(lons)
    if east - west > 180:
        west, east = min(v for v in lons if v > 0), max(v for v in lons if v <= 0)
    return west, min(lats), east, max(lats)
