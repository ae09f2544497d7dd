"""The product metadata (MTD_MSIL2A.xml) that lie beside the files of a Sentinel-2 L2A product."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat

from pipeline.errors import SceneRejected

# band_id of the SAFE metadata, which counts B01 as 0 and has B8A as 8.
_SAFE_BAND_ID = {"B02": 1, "B03": 2, "B04": 3, "B08": 7, "B11": 11, "B12": 12}


@dataclass(frozen=True)
class SafeMetadata:
    """What MTD_MSIL2A.xml says; `offset` is that of the six bands, None where the file has none."""

    baseline: str
    product_uri: str
    generation_time: str
    offset: int | None


def read_safe(path: Path) -> SafeMetadata:
    """Read a product's MTD_MSIL2A.xml; raises SceneRejected if it is not one, or declares a document type."""
    wanted = {"PROCESSING_BASELINE", "PRODUCT_URI", "GENERATION_TIME", "BOA_QUANTIFICATION_VALUE", "BOA_ADD_OFFSET"}
    found: dict[str, list[tuple[str, str]]] = {}
    text: list[str] = []
    band_id = ""

    def refuse(*_: object) -> None:
        raise SceneRejected(f"{path.name} declares a document type, which product metadata never do")

    def start(_: str, attributes: dict[str, str]) -> None:
        nonlocal band_id
        band_id = attributes.get("band_id", "")
        text.clear()

    def end(tag: str) -> None:
        name = tag.rsplit(":", 1)[-1]
        if name in wanted:
            found.setdefault(name, []).append((band_id, "".join(text).strip()))
        text.clear()

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text.append
    try:
        parser.Parse(path.read_bytes(), True)
        baseline = found["PROCESSING_BASELINE"][0][1]
        product, made = found["PRODUCT_URI"][0][1], found["GENERATION_TIME"][0][1]
        quantum = float(found["BOA_QUANTIFICATION_VALUE"][0][1])
        by_band = {int(band): int(value) for band, value in found.get("BOA_ADD_OFFSET", [])}
    except (expat.ExpatError, OSError, KeyError, ValueError) as error:
        raise SceneRejected(f"{path.name} is not readable product metadata ({error})") from error
    if not re.fullmatch(r"\d{2}\.\d{2}", baseline):
        raise SceneRejected(f"{path.name} names no processing baseline such as 05.09 (found {baseline[:20]!r})")
    if quantum != 10000:
        raise SceneRejected(f"{path.name} declares a quantification value of {quantum:g}; 10000 is expected")
    offsets = {by_band.get(band_id) for band_id in _SAFE_BAND_ID.values()} if by_band else {None}
    if len(offsets) > 1 or not offsets <= {None, 0, -1000}:
        raise SceneRejected(f"{path.name} declares offsets {sorted(map(str, offsets))}; one of 0 or -1000 is expected")
    return SafeMetadata(baseline, product, made, offsets.pop())
