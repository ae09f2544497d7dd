"""What must be added to stored numbers, decided from metadata and then held against the pixels.

From processing baseline 04.00 on, Sentinel-2 L2A numbers carry +1000 (ESA, Level-2A product specification,
BOA_ADD_OFFSET). The acquisition date says nothing: old dates are reprocessed, and providers take the offset out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.errors import SceneRejected
from pipeline.imagery.raster import is_jpeg2000
from pipeline.imagery.safe import SafeMetadata
from pipeline.imagery.scene import BANDS, NODATA, SCL, Bbox, Scene, Source

OFFSET = -1000
_FIRST_WITH_OFFSET = (4, 0)
_UNKNOWN_BASELINE = "99.99"
_APPLIED = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
_BASELINES = ("s2:processing_baseline", "sentinel:processing_baseline", "processing:version")
_NAMES = ("s2:product_uri", "sentinel:product_id")
_NAME_BASELINE = re.compile(r"_N(\d{2})(\d{2})_R\d{3}_")

OVERVIEW_PX = 512
_FLOOR_PERCENT = 2
# The 2nd percentile of blue over real African ground lies from 0.03 to 0.05 (12,710 spectra, digitalearthafrica),
# over dark forest near 0, and atmospheric correction errs to -0.01. So raw numbers below 900 cannot hold +1000, and
# a floor above 1100 cannot lack it, unless the ground is little and all of it bright.
_HOLDS_OFFSET_FROM = 900
_LACKS_OFFSET_TO = 1100
_FEWEST_KM2, _FEWEST_BRIGHT_KM2 = 1.0, 25.0
_FEWEST_PX = 200
_LAND = (4, 5)


@dataclass(frozen=True)
class OffsetDecision:
    """What to add to stored numbers (0 or -1000), and the metadata that decided it."""

    offset: int
    reason: str


@dataclass(frozen=True)
class DarkFloor:
    """The dark floor of a scene: 2nd percentile of raw B02 over clear land; `conclusive` False: too little of it."""

    scene_id: str
    floor: float | None
    clear_px: int
    conclusive: bool
    reason: str


def baseline_of(item: Mapping[str, Any]) -> str | None:
    """Processing baseline such as "05.09" of a STAC item: from the product name, else from a property; or None."""
    properties = item.get("properties") or {}
    for name in [*(properties.get(key) for key in _NAMES), item.get("id")]:
        match = _NAME_BASELINE.search(name) if isinstance(name, str) else None
        if match:
            return f"{match[1]}.{match[2]}"
    for key in _BASELINES:
        match = re.fullmatch(r"0?(\d{1,2})\.(\d{1,2})", str(properties.get(key, "")))
        if match:
            return f"{int(match[1]):02d}.{int(match[2]):02d}"
    return None


def decide_offset(
    item: Mapping[str, Any], assets: Mapping[str, Mapping[str, Any]], safe: SafeMetadata | None = None
) -> OffsetDecision:
    """Offset of a STAC item whose six bands are the asset dictionaries `assets` (by band name).

    What speaks of the files themselves goes before what speaks of the product they were made from:
    1. a flag that the offset was taken out already: 0, whatever else is declared, unless the files are the provider's
       JPEG 2000, from which nobody took it;
    2. SAFE metadata beside the files: BOA_ADD_OFFSET, or 0 without one;
    3. the `offset` that the assets declare, except a 0 beside a flag that the offset was not taken out;
    4. the processing baseline: -1000 from 04.00 on; 99.99 (Sen2Cor at home) tells nothing.
    Contradictions are named in the reason; `check_scene` holds the decision against the pixels.
    Raises SceneRejected if nothing decides, or the assets disagree among themselves.
    """
    properties = item.get("properties") or {}
    baseline = safe.baseline if safe else baseline_of(item)
    by_baseline = None if baseline in (None, _UNKNOWN_BASELINE) else _offset_of_baseline(baseline)
    declared = _declared(assets)
    # Earth Search offers the products' own files beside those that it wrote, and flags the latter.
    originals = {is_jpeg2000(str(assets[band].get("href"))) for band in BANDS if band in assets}
    flag = next((key for key in _APPLIED if isinstance(properties.get(key), bool)), None)
    if flag and properties[flag] and by_baseline and originals == {True, False}:
        raise SceneRejected(f"{flag} is true, but some of its bands are JPEG 2000, from which nobody took the offset")
    if originals == {True}:
        flag = None

    if flag and properties[flag]:
        return _decided(0, f"{flag} is true", declared=declared)
    if safe:
        stated = f"BOA_ADD_OFFSET {safe.offset}" if safe.offset is not None else "no BOA_ADD_OFFSET"
        return _decided(safe.offset or 0, f"{stated} in the product metadata", declared=declared, baseline=baseline)
    if declared is not None and not (flag and declared == 0 and by_baseline):
        return _decided(declared, f"the assets declare offset {declared / 10000:g}", baseline=baseline)
    if by_baseline is not None:
        said = f", and {flag} is false" if flag else ""
        return _decided(by_baseline, f"processing baseline {baseline}{said}", declared=declared)
    raise SceneRejected(
        "no metadata state whether the -1000 offset is in the pixels (no flag, asset offset or processing baseline); "
        "state it in the config: source.offset"
    )


def _decided(offset: int, reason: str, *, declared: int | None = None, baseline: str | None = None) -> OffsetDecision:
    if declared is not None and declared != offset:
        reason += f", although the assets declare offset {declared / 10000:g}"
    if baseline not in (None, _UNKNOWN_BASELINE) and _offset_of_baseline(baseline) != offset:
        reason += f", although the processing baseline is {baseline}"
    return OffsetDecision(offset, reason)


def _offset_of_baseline(baseline: str) -> int:
    major, minor = baseline.split(".")
    return OFFSET if (int(major), int(minor)) >= _FIRST_WITH_OFFSET else 0


def _declared(assets: Mapping[str, Mapping[str, Any]]) -> int | None:
    """Offset x 10 000 that the assets declare (`raster:bands`, or `bands` of STAC 1.1); None where none does."""
    offsets: set[int] = set()
    for band in BANDS:
        asset = assets.get(band, {})
        listed = asset.get("raster:bands") or asset.get("bands") or [{}]
        first = listed[0] if isinstance(listed, list) and isinstance(listed[0], Mapping) else {}
        scale = first.get("scale", first.get("raster:scale", asset.get("raster:scale")))
        offset = first.get("offset", first.get("raster:offset", asset.get("raster:offset")))
        if isinstance(scale, int | float) and not abs(scale - 1e-4) <= 1e-9:
            raise SceneRejected(f"{band} declares scale {scale:g}; reflectance x 10 000 (scale 0.0001) is expected")
        if isinstance(offset, int | float):
            offsets.add(round(offset * 10000) if math.isfinite(offset) else 1)
    if len(offsets) > 1 or not offsets <= {0, OFFSET}:
        raise SceneRejected(
            f"the assets declare offsets {sorted(offsets)} (x 10 000); one of 0 or {OFFSET} is expected"
        )
    return offsets.pop() if offsets else None


def calibrate(
    stored: NDArray[np.uint16], offset: int, out: NDArray[np.uint16], valid: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Write reflectance x 10 000 of stored numbers (band, y, x) into `out` where `valid` (y, x) is not set yet.

    0 is no data and 65535 saturation; a pixel counts where all bands measured it. Reflectance at or below zero
    becomes 1. Sets `valid`, and returns the pixels that were written (y, x).
    """
    fresh = np.empty_like(valid)
    _calibrate(stored, np.uint16(-offset), out, valid, fresh)
    return fresh


@njit(cache=True, nogil=True)
def _calibrate(stored, less, out, valid, fresh):  # type: ignore[no-untyped-def]
    bands, height, width = stored.shape
    least = np.uint16(less + 1)
    for y in range(height):
        new, old = fresh[y], valid[y]
        for x in range(width):
            new[x] = not old[x]
        for b in range(bands):
            row = stored[b, y]
            for x in range(width):
                new[x] &= (row[x] != 0) & (row[x] != NODATA)
        for b in range(bands):
            row, target = stored[b, y], out[b, y]
            for x in range(width):
                target[x] = np.uint16(max(row[x], least) - less) if new[x] else target[x]
        for x in range(width):
            old[x] |= new[x]


def floor_bands(scene: Scene) -> tuple[str, ...]:
    """What `check_scene` looks at."""
    return ("B02", SCL) if scene.has_scl else ("B02",)


def check_scene(source: Source, scene: Scene) -> DarkFloor:
    """Hold a scene's offset against its dark floor, seen on a thinned look of the whole scene.

    Raises SceneRejected where the pixels contradict the offset, or where B02 or SCL cannot be read.
    """
    seen = source.overview(scene, floor_bands(scene), OVERVIEW_PX)
    blue = seen[0]
    # A thinned look averages, in JPEG 2000 for one, and at the edge of the imagery with what is no data.
    seen_around = ndimage.binary_erosion(blue > 0, np.ones((3, 3)), border_value=1)  # type: ignore[attr-defined]
    clear = seen_around & (blue < NODATA)
    if scene.has_scl:
        clear &= np.isin(seen[1], _LAND)
    return judge_floor(scene, blue[clear], _km2(scene.bbox) * float(clear.mean()))


def _km2(bbox: Bbox | None) -> float:
    """Rough ground area of a lon/lat box; infinite where there is none."""
    if bbox is None:
        return math.inf
    west, south, east, north = bbox
    return (east - west) % 360 * (north - south) * 111.2**2 * math.cos(math.radians((south + north) / 2))


def judge_floor(scene: Scene, blue: NDArray[np.uint16], area_km2: float = math.inf) -> DarkFloor:
    """The judgement of `check_scene` on raw B02 of clear land; raises SceneRejected on contradiction.

    Fewer than 200 numbers or less than 1 km2 tell nothing, nor do less than 25 km2 of bright ground.
    """
    if len(blue) < _FEWEST_PX or area_km2 < _FEWEST_KM2:
        return DarkFloor(scene.id, None, len(blue), False, "too little clear land to tell")
    floor = float(np.percentile(blue, _FLOOR_PERCENT))
    if scene.offset == OFFSET and floor < _HOLDS_OFFSET_FROM:
        fault = f"too dark to hold the +1000 that the metadata state (below {_HOLDS_OFFSET_FROM})"
    elif scene.offset == 0 and floor > _LACKS_OFFSET_TO:
        if area_km2 < _FEWEST_BRIGHT_KM2:
            return DarkFloor(scene.id, floor, len(blue), False, "bright, but on too little land to tell")
        fault = (
            f"too bright for numbers without +1000 (above {_LACKS_OFFSET_TO}): the offset was not taken out, "
            "or haze covers all of the scene"
        )
    else:
        return DarkFloor(scene.id, floor, len(blue), True, "the dark floor agrees with the metadata")
    raise SceneRejected(
        f"its dark floor contradicts its metadata: 2nd percentile of raw B02 over clear land is {floor:.0f}, {fault}; "
        f"offset {scene.offset} was decided because {scene.offset_reason}"
    )
