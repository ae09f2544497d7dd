"""From a STAC item to a Scene: asset names of the known catalogues, grid, version and offset."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from pipeline.errors import SceneRejected
from pipeline.imagery.radiometry import OffsetDecision, baseline_of, decide_offset
from pipeline.imagery.safe import SafeMetadata
from pipeline.imagery.scene import BANDS, SCL, Asset, Bbox, Scene

# Keys of one band, best first: SAFE names (Planetary Computer, Earth Search v0, the simulation), Earth Search v1 and
# stactools, Copernicus Data Space. JPEG 2000 twins come last: a window of them costs a whole file.
_KEYS: dict[str, tuple[str, ...]] = {
    "B02": ("B02", "blue", "B02_10m", "blue-jp2"),
    "B03": ("B03", "green", "B03_10m", "green-jp2"),
    "B04": ("B04", "red", "B04_10m", "red-jp2"),
    "B08": ("B08", "nir", "B08_10m", "nir-jp2"),
    "B11": ("B11", "swir16", "B11_20m", "swir16-jp2"),
    "B12": ("B12", "swir22", "B12_20m", "swir22-jp2"),
    SCL: (SCL, "scl", "SCL_20m", "scl-jp2"),
}
_LAUNCH, _RETIRED = datetime(2015, 6, 23, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
# Product names; the Planetary Computer's ids leave out the baseline.
_SENSING = re.compile(r"_(\d{8}T\d{6})_(?:N\d{4}_)?R\d{3}_T(\d{2}[A-Z]{3})_(\d{8}T\d{6})")
# Earth Search: S2A_33NUG_20210105_0_L2A, and S2A_T33NUG_20210105T093411_L2A in Collection 1.
_SHORT_ID = re.compile(r"S2[A-Z]_T?(\d{1,2}[C-HJ-NP-X][A-HJ-NP-Z]{2})_\d{8}(?![0-9])")
_SATELLITE = re.compile(r"S2([A-Z])_")
_DATASTRIP = re.compile(r"_S(\d{8}T\d{6})_")
_MGRS = re.compile(r"(?:MGRS-|T)?(\d{1,2})([C-HJ-NP-X])([A-HJ-NP-Z]{2})")


def is_item(document: object) -> bool:
    """Whether a JSON document is a STAC item."""
    return isinstance(document, Mapping) and document.get("type") == "Feature" and "stac_version" in document


def has_bands(item: Mapping[str, Any], keys: Mapping[str, str] | None = None) -> bool:
    """Whether an item holds at least one of the six bands; if not, it is of another sensor and no concern of ours."""
    assets = object_of(item, "assets")
    return any(_key(assets, band, keys or {}) for band in BANDS)


def scene_from_item(
    item: Mapping[str, Any],
    resolve: Callable[[str], str],
    *,
    keys: Mapping[str, str] | None = None,
    offset: int | None = None,
    safe: SafeMetadata | None = None,
) -> Scene:
    """The scene that a STAC item describes.

    `resolve` turns an href into a place that may be opened, or raises SceneRejected; `keys` maps band names to
    asset keys where they are not known ones; `offset` overrides the metadata. Raises SceneRejected, with the
    reason, if the item lacks a band or cannot be understood.
    """
    try:
        return _scene(item, resolve, keys or {}, offset, safe)
    except (ValueError, OverflowError) as error:
        # A number without a float, an address that is none: what a hostile item can hold has no end.
        raise SceneRejected(f"the item cannot be understood ({str(error)[:120]})") from error


def _scene(
    item: Mapping[str, Any],
    resolve: Callable[[str], str],
    keys: Mapping[str, str],
    offset: int | None,
    safe: SafeMetadata | None,
) -> Scene:
    name = scene_id(item)
    assets, properties = object_of(item, "assets"), object_of(item, "properties")
    found = {band: key for band in (*BANDS, SCL) if (key := _key(assets, band, keys))}
    missing = [band for band in BANDS if band not in found]
    if missing:
        raise SceneRejected(f"lacks {', '.join(missing)}; its assets are {sorted(assets)[:40]}")
    chosen = {band: object_of(assets, key) for band, key in found.items()}
    product = text_of(properties, "s2:product_uri", "sentinel:product_id") or name
    _require_l2a(properties, product)
    decision = decide_offset(item, chosen, safe) if offset is None else OffsetDecision(offset, "the config states it")
    return Scene(
        id=name,
        version=_version(properties, product, keys),
        acquired=in_flight(acquired_at(properties)),
        assets={band: Asset(resolve(href_of(asset, band))) for band, asset in chosen.items()},
        offset=decision.offset,
        offset_reason=decision.reason,
        baseline=safe.baseline if safe else baseline_of(item),
        platform=text_of(properties, "platform").lower() or _platform(product, name),
        granule=_granule(properties, product, name),
        processed=_processed(properties, product),
        epsg=_epsg(properties, chosen["B02"]),
        cloud_cover=_percent(properties.get("eo:cloud_cover")),
        bbox=bbox_of(item),
    )


def scene_id(item: Mapping[str, Any]) -> str:
    """The id of an item; raises SceneRejected if it is not a short printable text."""
    name = item.get("id")
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= 200:
        raise SceneRejected("the item's id is not a short printable text")
    return name


def printable_id(item: Mapping[str, Any]) -> str:
    """The id of an item that may be broken, fit for a manifest."""
    return "".join(c if c.isprintable() else "?" for c in str(item.get("id"))[:200])


def when_and_where(item: Mapping[str, Any]) -> tuple[datetime | None, Bbox | None]:
    """Time and lon/lat box of an item that may be broken; None for what cannot be read."""
    try:
        return acquired_at(object_of(item, "properties")), bbox_of(item)
    except SceneRejected:
        return None, bbox_of(item)


def parse_time(text: str) -> datetime:
    """An RFC 3339 time as UTC; raises ValueError."""
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _key(assets: Mapping[str, Any], band: str, keys: Mapping[str, str]) -> str | None:
    names = (keys[band],) if band in keys else _KEYS[band]
    return next((name for name in names if name in assets), None)


def object_of(owner: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A member that is an object; raises SceneRejected."""
    value = owner.get(key)
    if not isinstance(value, Mapping):
        raise SceneRejected(f"{key!r} of the item is not an object")
    return value


def href_of(asset: Mapping[str, Any], band: str) -> str:
    """The address of an asset; raises SceneRejected."""
    href = asset.get("href")
    if not isinstance(href, str) or not href:
        raise SceneRejected(f"asset {band} has no href")
    return href


def text_of(properties: Mapping[str, Any], *keys: str) -> str:
    """The first of some properties that is a text with something in it, else an empty text."""
    return next((value for key in keys if isinstance(value := properties.get(key), str) and value), "")


def acquired_at(properties: Mapping[str, Any]) -> datetime:
    """Time of acquisition, or the middle of its span, in UTC; raises SceneRejected."""
    try:
        if properties.get("datetime"):
            return parse_time(properties["datetime"])
        start, end = (parse_time(properties[key]) for key in ("start_datetime", "end_datetime"))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise SceneRejected("the item has no readable datetime") from error
    return start + (end - start) / 2


def in_flight(time: datetime) -> datetime:
    """A time at which Sentinel-2 can have looked; raises SceneRejected for any other."""
    if not _LAUNCH <= time < _RETIRED:
        raise SceneRejected(f"it is dated {time:%Y-%m-%d}, and Sentinel-2 has flown since {_LAUNCH:%Y-%m-%d}")
    return time


def _version(properties: Mapping[str, Any], product: str, keys: Mapping[str, str]) -> str:
    # Which file is which band is part of what is read: other keys never meet an old composite.
    named = (f"{band}={key}" for band, key in sorted(keys.items()))
    parts = (product, text_of(properties, "s2:generation_time"), text_of(properties, "updated", "created"), *named)
    return " ".join(part for part in parts if part)


def _require_l2a(properties: Mapping[str, Any], product: str) -> None:
    level = text_of(properties, "processing:level", "s2:product_type")
    if "MSIL1C" in product or level.upper().endswith("1C"):
        raise SceneRejected("is top-of-atmosphere (L1C); give a collection of surface reflectance (L2A)")


def _processed(properties: Mapping[str, Any], product: str) -> str:
    """When the product was made, ISO in UTC; when its item was written only where nothing tells more."""
    for key in ("s2:generation_time", "processing:datetime"):
        if made := iso_time(text_of(properties, key)):
            return made
    match = _SENSING.search(product)
    if match:
        return datetime.strptime(match[3], "%Y%m%dT%H%M%S").replace(tzinfo=UTC).isoformat()
    return iso_time(text_of(properties, "updated", "created"))


def iso_time(text: str) -> str:
    """An RFC 3339 time as ISO in UTC, so that times compare as texts; empty for anything else."""
    try:
        return parse_time(text).isoformat()
    except (ValueError, OverflowError):
        return ""


def _platform(*names: str) -> str:
    match = next((found for name in names if (found := _SATELLITE.match(name))), None)
    return f"sentinel-2{match[1].lower()}" if match else ""


def _granule(properties: Mapping[str, Any], product: str, name: str) -> str:
    match, short = _SENSING.search(product), _SHORT_ID.match(name)
    tile = match[2] if match else _mgrs(properties) or (short[1].zfill(5) if short else "")
    strip = _DATASTRIP.search(text_of(properties, "s2:datastrip_id", "eopf:datastrip_id"))
    return f"{tile} {strip[1]}" if tile and strip else tile


def _mgrs(properties: Mapping[str, Any]) -> str:
    whole = text_of(properties, "grid:code", "s2:mgrs_tile")
    parts = (
        "".join(str(properties.get(f"{p}{part}", "")) for part in ("utm_zone", "latitude_band", "grid_square"))
        for p in ("mgrs:", "sentinel:")
    )
    named = next((match for name in (whole, *parts) if (match := _MGRS.fullmatch(name))), None)
    return f"{int(named[1]):02d}{named[2]}{named[3]}" if named else ""


def _epsg(properties: Mapping[str, Any], asset: Mapping[str, Any]) -> int | None:
    for owner in (asset, properties):
        code = owner.get("proj:epsg") or owner.get("proj:code")
        match = re.fullmatch(r"(?:EPSG:)?(\d{4,6})", str(code))
        if match:
            return int(match[1])
    tile = _mgrs(properties)
    if not tile:
        return None
    return (32600 if tile[2] >= "N" else 32700) + int(tile[:2])


def _percent(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 <= value <= 100 else None


def bbox_of(item: Mapping[str, Any]) -> Bbox | None:
    """West, south, east, north in degrees, None where the item does not say."""
    box = item.get("bbox")
    if not isinstance(box, list) or len(box) not in (4, 6) or not all(isinstance(v, int | float) for v in box):
        return None
    half = len(box) // 2
    west, south, east, north = (*box[:2], *box[half : half + 2])
    # Compared before conversion: a huge integer has no float.
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
        return None
    return float(west), float(south), float(east), float(north)
