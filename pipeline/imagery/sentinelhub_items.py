"""From an item of Sentinel Hub's Catalog to a scene. Its items name no files: pixels come from the Process API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from pipeline.imagery.items import acquired_at, object_of, scene_from_item, scene_id, text_of
from pipeline.imagery.radar_items import POLARISATIONS, RadarScene, radar_from_item
from pipeline.imagery.scene import BANDS, SCL, Scene

RADAR_COLLECTION = "sentinel-1-grd"
_S2 = re.compile(r"(S2[A-Z])_MSIL2A_(\d{8}T\d{6})_N\d{4}_R(\d{3})_T\w{5}_")
_S1 = re.compile(r"S1([A-Z])_[A-Z]{2}_GRD\w_1S\w{2}_\d{8}T\d{6}_\d{8}T\d{6}_(\d{6})_")
_HARMONISED = "Sentinel Hub took the offset out (harmonizeValues)"
_BYOC = "a collection of one's own is read as reflectance x 10 000"
# Absolute orbit minus this, modulo 175, plus 1 is the relative one. S1-C was moved in June 2026.
_FIRST_ORBIT = {"A": 73, "B": 27, "D": 42}
_S1C_MOVED, _S1C_BACK = date(2026, 6, 9), date(2026, 6, 24)


def scene_of(item: Mapping[str, Any], collection: str) -> Scene:
    """The optical scene of an item; raises SceneRejected if it cannot be understood."""
    assets = {band: {"href": collection} for band in (*BANDS, SCL)}
    scene = scene_from_item({**item, "assets": assets}, str, offset=0)
    reason = _BYOC if collection.startswith("byoc-") else _HARMONISED
    return replace(scene, offset_reason=reason, version=f"{scene.version} {collection}")


def radar_scene_of(item: Mapping[str, Any]) -> RadarScene:
    """The radar scene of an item that is not `unwanted_radar`; raises SceneRejected if it cannot be understood."""
    properties = object_of(item, "properties")
    track = relative_orbit(scene_id(item), acquired_at(properties).date())
    assets = {band: {"href": RADAR_COLLECTION} for band in POLARISATIONS}
    return radar_from_item({**item, "assets": assets, "properties": {"sat:relative_orbit": track, **properties}}, str)


def unwanted_radar(item: Mapping[str, Any]) -> str | None:
    """Why a sound item is of no use, None if it is: another mode, polarisation or pixel spacing."""
    properties = object_of(item, "properties")
    for key, wanted, what in (
        ("sar:instrument_mode", "IW", "instrument mode"),
        ("s1:polarization", "DV", "polarisation"),
        ("s1:resolution", "HIGH", "resolution"),
    ):
        found = text_of(properties, key) or wanted
        if found != wanted:
            return f"{what} {found[:20]!r}; {wanted} is read"
    return None


def relative_orbit(product: str, day: date) -> int:
    """Relative orbit (1 to 175) of a Sentinel-1 product by the absolute one in its name; 0 where it cannot be told.

    S1-A and S1-B: P. Meadows, Sentinel-1 Mission Performance Centre; S1-C, before and after it was moved to another
    track, and S1-D as in the public processors that read their annotations.
    """
    match = _S1.match(product)
    if match is None:
        return 0
    first = _FIRST_ORBIT.get(match[1])
    if match[1] == "C" and not _S1C_MOVED <= day < _S1C_BACK:
        first = 172 if day < _S1C_MOVED else 99
    return 0 if first is None else (int(match[2]) - first) % 175 + 1


def overpass_of(scene: Scene | RadarScene) -> str:
    """What granules or slices of one overpass have in common; the scene's own id where its name does not tell."""
    if match := _S2.match(scene.id):
        return " ".join(match.groups()) + f" {getattr(scene, 'epsg', None)}"
    if match := _S1.match(scene.id):
        return " ".join(match.groups())
    return scene.id
