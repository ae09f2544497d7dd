"""Reading layers: GeoJSON, GeoPackage and Shapefiles of units, checked before any of them is used."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from geopandas import GeoDataFrame, list_layers  # type: ignore[attr-defined]
from pyproj.exceptions import ProjError
from shapely.geometry.base import BaseGeometry

from pipeline.areas.area import Area
from pipeline.areas.geometry import BadGeometry, polygon_of
from pipeline.areas.reading import load_features
from pipeline.config import LayerConfig
from pipeline.errors import BadInput, Problems
from pipeline.footprint.layers import TOTAL, UNASSIGNED, Layer

MAX_FILE_BYTES = 512 * 2**20
MAX_UNITS = 20_000
MAX_UNIT_KM2 = 3_000_000.0  # larger than any country that is watched
_SIDECARS = (".dbf", ".shx", ".prj", ".cpg")
_ID = re.compile(r"\w[^\x00-\x1f\x7f\"]{0,79}")
# A cell that begins so is computed by a spreadsheet, not shown.
_NAME = re.compile(r"[^\x00-\x1f\x7f=+@][^\x00-\x1f\x7f]{0,199}")


def read_layers(settings: Sequence[LayerConfig], base: Path, areas: Sequence[Area]) -> tuple[Layer, ...]:
    """Layers that a config names, each with the units that meet the declared areas, in the order of its file.

    Paths start from `base`. Raises Problems that lists every problem of every layer.
    """
    watch = shapely.union_all([area.geometry for area in areas])
    layers: list[Layer] = []
    problems: list[str] = []
    for setting in settings:
        try:
            layers.append(_read_layer(setting, base / setting.path, watch))
        except Problems as error:
            problems += error.problems
        except BadInput as error:
            problems.append(f"layer {setting.name!r}: {error}")
    if problems:
        raise Problems("layers", problems)
    return tuple(layers)


def _read_layer(setting: LayerConfig, path: Path, watch: BaseGeometry) -> Layer:
    files = _hashes(path)
    columns = (setting.id_field, setting.name_field or setting.id_field)
    rows = _geojson_rows(path, columns) if path.suffix.lower() in (".geojson", ".json") else _table_rows(setting, path)
    shapely.prepare(watch)
    near = shapely.box(*watch.bounds)
    units: list[Area] = []
    problems: list[str] = []
    seen: set[str] = set()
    for number, (properties, geometry) in enumerate(rows, start=1):
        label = f"layer {setting.name!r}: {path.name}, feature {number}"
        if number > MAX_UNITS:
            raise BadInput(f"{path}: has more than {MAX_UNITS} features; cut it to the ground that is watched")
        try:
            unit = _unit(properties, geometry, columns, near)
        except BadInput as error:
            problems.append(f"{label}: {error}")
            continue
        if unit.zone_id in seen:
            problems.append(
                f"{label}: {unit.zone_id!r} is given twice; choose a field that names each unit, or dissolve"
            )
        seen.add(unit.zone_id)
        if not unit.geometry.is_empty and shapely.intersects(watch, unit.geometry):
            units.append(unit)
    if not units and not problems:
        problems.append(
            f"layer {setting.name!r}: none of the {len(seen)} units of {path.name} meets the declared areas; "
            "check the file, its coordinate system and the order of its coordinates"
        )
    if len(problems) > 20:
        problems = [*problems[:20], f"layer {setting.name!r}: {len(problems) - 20} more features cannot be used"]
    if problems:
        raise Problems("layers", problems)
    return Layer(setting.name, tuple(units), setting.kind, setting.source, setting.vintage, setting.licence, files)


def _hashes(path: Path) -> dict[str, str]:
    """SHA-256 of a layer's file, and of those that belong to a Shapefile; raises BadInput unless it is what it says."""
    kind = path.suffix.lower()
    if kind not in (".geojson", ".json", ".gpkg", ".shp"):
        raise BadInput(f"{path}: is no .geojson, .gpkg or .shp; export the layer as one of these")
    beside = [path.with_suffix(end) for end in _SIDECARS] if kind == ".shp" else []
    found = {}
    try:
        for file in [path, *(file for file in beside if file.is_file())]:
            if file.stat().st_size > MAX_FILE_BYTES:
                raise BadInput(f"{file}: is larger than {MAX_FILE_BYTES // 2**20} MiB; cut it to the watched ground")
            with file.open("rb") as stream:
                head = stream.read(72)
            # GDAL opens a file by what is in it: a .gpkg that is a virtual dataset would make it read other files.
            if (kind == ".gpkg" and not (head.startswith(b"SQLite format 3\0") and head[68:70] == b"GP")) or (
                file.suffix.lower() == ".shp" and not head.startswith(b"\x00\x00\x27\x0a")
            ):
                raise BadInput(f"{file}: is not what its ending says; export the layer anew")
            found[file.name] = sha256(file.read_bytes()).hexdigest()
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file; check 'layers' in the config") from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror})") from error
    missing = [file.name for file in beside if file.suffix in (".dbf", ".shx") and file.name not in found]
    if missing:
        raise BadInput(f"{path}: {', '.join(missing)} is not beside it; copy every file of the Shapefile")
    return found


def _geojson_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[Mapping[str, Any], Any]]:
    for feature in load_features(path):
        if not isinstance(feature, dict):
            raise BadInput(
                f"{path}: holds something that is no GeoJSON Feature; export the layer as GeoJSON (RFC 7946)"
            )
        properties = feature.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        missing = [column for column in columns if column not in properties]
        if missing:
            raise BadInput(f"{path}: has no field {missing[0]!r}; it has: {', '.join(map(str, properties)) or 'none'}")
        yield properties, feature.get("geometry")


def _table_rows(setting: LayerConfig, path: Path) -> Iterator[tuple[Mapping[str, Any], Any]]:
    columns = sorted({setting.id_field, setting.name_field or setting.id_field})
    try:
        listed = list_layers(path)
        tables = listed["name"][listed["geometry_type"].notna()].astype(str).tolist()
        table = setting.table or (tables[0] if len(tables) == 1 else None)
        if table not in tables:
            asked = f"no table {setting.table!r}" if setting.table else f"{len(tables)} tables of shapes"
            raise BadInput(f"{path}: has {asked}; set 'table' to one of: {', '.join(tables) or 'none'}")
        frame = GeoDataFrame.from_file(path, layer=table, force_2d=True, rows=MAX_UNITS + 1)
        fields = [str(name) for name in frame.columns if name != frame.geometry.name]
        missing = [column for column in columns if column not in fields]
        if missing:
            raise BadInput(f"{path}: has no field {missing[0]!r}; it has: {', '.join(fields) or 'none'}")
        if frame.crs is None:
            raise BadInput(f"{path}: does not say in which coordinate system it is; set that and export it anew")
        frame = frame.to_crs(4326)
    except (ProjError, ValueError, RuntimeError, AttributeError) as error:
        raise BadInput(f"{path}: cannot be read ({str(error)[:120]}); export the layer anew") from None
    for record, geometry in zip(frame[columns].to_dict("records"), frame.geometry, strict=True):
        yield record, None if geometry is None else json.loads(shapely.to_geojson(geometry))


def _unit(properties: Mapping[str, Any], member: Any, columns: Sequence[str], near: BaseGeometry) -> Area:
    """A unit of a layer; one far from the watch comes with an empty geometry, whatever is wrong with its outline."""
    identifier, name = (_text(properties[column]) for column in columns)
    if not _ID.fullmatch(identifier):
        raise BadInput(
            f"{columns[0]} {identifier[:60]!r} names no unit; write up to 80 characters that start with a letter"
        )
    if identifier in (UNASSIGNED, TOTAL):
        raise BadInput(f"{columns[0]} {identifier!r} names a sum in the footprint table; choose another field")
    if name and not _NAME.fullmatch(name):
        raise BadInput(
            f"{columns[1]} {name[:60]!r} is no name; write up to 200 characters, none of '=', '+', '@' first"
        )
    unit = Area(identifier, name or identifier, shapely.Polygon())
    try:
        if _far(member, near):
            return unit
        return replace(unit, geometry=polygon_of(member, MAX_UNIT_KM2, 0.0))
    except BadGeometry as error:
        raise BadInput(f"({identifier}) {error}") from None


def _far(member: Any, near: BaseGeometry) -> bool:
    """Whether a geometry lies beside the box around the watch; raises BadGeometry if it says no place."""
    try:
        outline = shapely.from_geojson(json.dumps(member))
    except (shapely.errors.GEOSException, ValueError, TypeError, RecursionError):
        return False  # polygon_of tells what is wrong with it
    return outline is not None and not outline.is_empty and not shapely.box(*outline.bounds).intersects(near)


def _text(value: Any) -> str:
    """A field as text: whole numbers without a point, nothing for null."""
    if value is None or isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, float | np.floating) and value == int(value):
        return str(int(value))
    return str(value).strip() if isinstance(value, str | int | float | np.integer) else ""
