"""The patches where a model fails most, and its reliability, as small pictures."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pipeline.disturbance.labels import BARE, OTHER, POND, UNSURE, Labels
from pipeline.disturbance.model import write_atomically
from pipeline.disturbance.scores import classify
from pipeline.imagery.scene import NODATA

WORST = 6  # of each kind
_ZOOM = 3
_GAP_PX = 6
_PAPER = (255, 255, 255)
# Colours of the map: other, bare workings, pond; unsure ground is grey.
_CLASSES = {OTHER: (222, 232, 213), BARE: (214, 96, 30), POND: (40, 110, 190), UNSURE: (150, 150, 150)}
# Dark to light, told apart by those who do not see colour, too: anchors of viridis (van der Walt and Smith 2015).
_RAMP = np.array([(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)], np.float64)

Image8 = NDArray[np.uint8]


def write_gallery(
    folder: Path, probability: NDArray[np.float32], labels: Labels, pictures: str
) -> list[dict[str, Any]]:
    """Write pictures of the worst false alarms and the worst misses, each place once; what the card says of them.

    `probability` (patch, 2, y, x) is of models that never saw the patch. With pictures "imagery" each shows true
    colour, SWIR false colour (B12 B08 B04), reference and probability; with "maps" the last two, no pixel of imagery.
    Those of an earlier training go.
    """
    halo = labels.halo_px
    inner = (..., slice(halo, labels.mask.shape[1] - halo), slice(halo, labels.mask.shape[2] - halo))
    seen, mask, reflectance = probability[inner], labels.mask[inner], labels.reflectance[inner]
    called = classify(seen) != OTHER
    sure = (mask != UNSURE) & ~np.isnan(seen[:, 0])
    rows = []
    for kind in ("false-alarm", "missed"):
        for stale in folder.glob(f"{kind}-[0-9].png"):
            stale.unlink()
    for error, wrong in (
        ("false alarm", called & sure & (mask == OTHER)),
        ("missed", ~called & sure & (mask != OTHER)),
    ):
        for rank, patch in enumerate(_worst(wrong.sum(axis=(1, 2)), labels.place), start=1):
            name = f"{error.replace(' ', '-')}-{rank}.png"
            disturbed = seen[patch].sum(axis=0)
            panels = [_reference(mask[patch]), _probability(disturbed)]
            if pictures == "imagery":
                panels = [
                    _colour(reflectance[patch], (2, 1, 0), 3000),
                    _colour(reflectance[patch], (5, 3, 2), 5000),
                    *panels,
                ]
            write_atomically(folder / name, _png(_side_by_side(panels)))
            rows.append(_caption(name, error, int(patch), int(wrong[patch].sum()), int(sure[patch].sum()), labels))
    return rows


def _worst(wrong: NDArray[np.int64], place: NDArray[np.str_]) -> Iterator[int]:
    shown: set[str] = set()
    for patch in np.argsort(-wrong, kind="stable"):
        if wrong[patch] == 0 or len(shown) == WORST:
            return
        if str(place[patch]) not in shown:
            shown.add(str(place[patch]))
            yield int(patch)


def _caption(name: str, error: str, patch: int, wrong: int, judged: int, labels: Labels) -> dict[str, Any]:
    lon, lat = labels.lonlat[patch].tolist()
    return {
        "file": name,
        "error": error,
        "wrong_ha": wrong / 100,
        "judged_ha": judged / 100,
        "lonlat": [round(lon, 2), round(lat, 2)],
        "window": [None if np.isnat(day) else str(day) for day in labels.windows[patch]],
        "region": str(labels.region[patch]),
        "note": labels.note[patch],
    }


def _colour(reflectance: NDArray[np.uint16], bands: tuple[int, int, int], white: int) -> Image8:
    light = np.clip(reflectance[list(bands)] / white, 0, 1) ** 0.7
    rgb = np.rint(255 * light).astype(np.uint8).transpose(1, 2, 0)
    rgb[reflectance[0] == NODATA] = _CLASSES[UNSURE]
    return rgb


def _reference(mask: NDArray[np.uint8]) -> Image8:
    table = np.zeros((256, 3), np.uint8)
    for value, colour in _CLASSES.items():
        table[value] = colour
    return table[mask]


def _probability(disturbed: NDArray[np.float32]) -> Image8:
    at = np.nan_to_num(np.clip(disturbed, 0, 1)) * (len(_RAMP) - 1)
    rgb = np.stack([np.interp(at, np.arange(len(_RAMP)), _RAMP[:, k]) for k in range(3)], axis=-1)
    rgb[np.isnan(disturbed)] = _CLASSES[UNSURE]
    return np.rint(rgb).astype(np.uint8)


def _side_by_side(panels: list[Image8]) -> Image.Image:
    height, width = (side * _ZOOM for side in panels[0].shape[:2])
    sheet = Image.new("RGB", (len(panels) * (width + _GAP_PX) - _GAP_PX, height), _PAPER)
    for number, panel in enumerate(panels):
        picture = Image.fromarray(panel).resize((width, height), Image.Resampling.NEAREST)
        sheet.paste(picture, (number * (width + _GAP_PX), 0))
    return sheet


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def write_reliability(path: Path, bins: list[dict[str, Any]]) -> None:
    """Draw predicted probability against the share truly disturbed; the diagonal is a calibrated model."""
    side, margin = 220, 34
    sheet = Image.new("RGB", (side + margin + 12, side + margin + 12), _PAPER)
    pen = ImageDraw.Draw(sheet)

    def at(x: float, y: float) -> tuple[float, float]:
        return margin + x * side, 6 + (1 - y) * side

    pen.rectangle((*at(0, 1), *at(1, 0)), outline=(90, 90, 90))
    pen.line((at(0, 0), at(1, 1)), fill=(170, 170, 170))
    for tick in (0.0, 0.5, 1.0):
        pen.text((at(tick, 0)[0] - 8, side + 10), f"{tick:g}", fill=(60, 60, 60))
        pen.text((8, at(0, tick)[1] - 5), f"{tick:g}", fill=(60, 60, 60))
    pen.text((margin + side / 2 - 30, side + 24), "predicted", fill=(60, 60, 60))
    pen.text((margin + 6, 10), "truly disturbed", fill=(60, 60, 60))
    points = [at(row["predicted"], row["observed"]) for row in bins if row["pixels"]]
    pen.line(points, fill=(214, 96, 30), width=2)
    for x, y in points:
        pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill=(214, 96, 30))
    write_atomically(path, _png(sheet))
