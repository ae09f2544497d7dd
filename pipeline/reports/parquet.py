"""Changes and sites as GeoParquet 1.1: outlines as WKB in longitude and latitude, days as days, lists as lists."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from pipeline.reports.geojson import SCHEMA_VERSION, change_features, site_features
from pipeline.reports.result import RunResult

_TEXT, _NUMBER, _COUNT, _DAY = pa.string(), pa.float64(), pa.int32(), pa.date32()
_NAMES = pa.list_(_TEXT)
_REVIEW = pa.struct([("state", _TEXT), ("reviewer", _TEXT), ("date", _DAY)])
_PERIODS = pa.list_(
    pa.struct(
        [
            *(("period", _TEXT), ("bare_ha", _NUMBER), ("pond_ha", _NUMBER), ("observed_share", _NUMBER)),
            *(("probability", _NUMBER), ("clear_looks", _COUNT), ("last_observed", _DAY)),
        ]
    )
)
# All other properties are text.
_KINDS = {
    **dict.fromkeys(("probability", "area_ha", "area_gain_ha", "area_loss_ha", "bare_ha", "pond_ha"), _NUMBER),
    "observed_share": _NUMBER,
    **dict.fromkeys(("clear_looks_before", "clear_looks_after", "sites_within_1km", "sites"), _COUNT),
    **dict.fromkeys(("last_clear_undisturbed", "first_clear_disturbed", "last_observed", "date"), _DAY),
    **dict.fromkeys(("sensors", "scenes"), _NAMES),
    "review": _REVIEW,
    "periods": _PERIODS,
}
CHANGE_COLUMNS = (
    *("change_id", "site_id", "state", "status", "confidence", "probability", "area_ha", "area_gain_ha"),
    *("area_loss_ha", "bare_ha", "pond_ha", "last_clear_undisturbed", "first_clear_disturbed", "dated_by"),
    *("last_observed", "clear_looks_before", "clear_looks_after", "observed_share", "sensors", "scenes", "zone_id"),
    *("zone_name", "zone_status", "boundary_vintage", "sites_within_1km", "commodity", "review", "release"),
)
SITE_COLUMNS = (
    *("site_id", "state", "status", "confidence", "first_seen", "area_ha", "bare_ha", "pond_ha", "observed_share"),
    *("last_clear_undisturbed", "first_clear_disturbed", "dated_by", "last_observed", "periods", "scenes", "parent"),
    *("merged_into", "zone_id", "zone_name", "zone_status", "boundary_vintage", "sites_within_1km", "commodity"),
    *("review", "release"),
)


def changes_parquet(result: RunResult) -> bytes:
    """The change report as GeoParquet; the bytes depend on the result and on the version of the library alone."""
    return _written(result, change_features(result), CHANGE_COLUMNS)


def sites_parquet(result: RunResult) -> bytes:
    """The site list as GeoParquet, with each site's figures of all periods as a list."""
    return _written(result, site_features(result), SITE_COLUMNS)


def _written(result: RunResult, features: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> bytes:
    columns = [*columns, "sites"] if result.release == "public" else columns
    shapes = [None if feature["geometry"] is None else shape(feature["geometry"]) for feature in features]
    schema = pa.schema([*((name, _KINDS.get(name, _TEXT)) for name in columns), ("geometry", pa.binary())])
    values = {
        name: [_value(feature["properties"][name], schema.field(name).type) for feature in features] for name in columns
    }
    outlines = [None if outline is None else shapely.to_wkb(outline, byte_order=1) for outline in shapes]
    table = pa.table({**values, "geometry": outlines}, schema=schema)
    about = {
        **{name: getattr(result, name) for name in ("programme", "run_id", "generated_by", "release")},
        "schema_version": SCHEMA_VERSION,
        "as_of": result.as_of.isoformat(),
        "limits": list(result.limits),
    }
    told = {"geo": _geo([outline for outline in shapes if outline is not None]), "placerwatch": about}
    table = table.replace_schema_metadata({name: json.dumps(value, ensure_ascii=False) for name, value in told.items()})
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, compression="zstd", version="2.6")
    data: bytes = buffer.getvalue().to_pybytes()
    return data


def _geo(shapes: Sequence[BaseGeometry]) -> dict[str, Any]:
    """The `geo` metadata of GeoParquet 1.1; without a `crs` coordinates are OGC:CRS84."""
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": sorted({outline.geom_type for outline in shapes}),
        "orientation": "counterclockwise",
    }
    if shapes:
        column["bbox"] = [float(edge) for edge in shapely.total_bounds(shapes)]
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}


def _value(value: Any, kind: Any) -> Any:
    if kind == _DAY and isinstance(value, str):
        return date.fromisoformat(value)
    if kind == _REVIEW:
        return value | {"date": _value(value["date"], _DAY)}
    if kind == _PERIODS:
        return [period | {"last_observed": _value(period["last_observed"], _DAY)} for period in value]
    return value
