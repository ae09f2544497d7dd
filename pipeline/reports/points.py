"""Sites as points in a CSV, for spreadsheets and for tools that draw points."""

from __future__ import annotations

from typing import Any

from shapely.geometry import shape

from pipeline.footprint.tables import write_table
from pipeline.reports.geojson import DECIMALS, site_features
from pipeline.reports.result import RunResult

COLUMNS = (
    *("site_id", "longitude", "latitude", "state", "status", "confidence", "first_seen", "area_ha", "bare_ha"),
    *("pond_ha", "observed_share", "last_clear_undisturbed", "first_clear_disturbed", "last_observed"),
    *("sites_within_1km", "zone_id", "zone_name", "zone_status", "parent", "merged_into"),
)


def sites_csv(result: RunResult) -> str:
    """A line a site, ordered by id, with a point on its ground in degrees (WGS 84, six decimals)."""
    rows: list[dict[str, Any]] = []
    for feature in site_features(result):
        if feature["geometry"] is not None:
            point = shape(feature["geometry"]).point_on_surface()
            place = {"longitude": round(point.x, DECIMALS), "latitude": round(point.y, DECIMALS)}
            rows.append(feature["properties"] | place)
    return write_table(COLUMNS, rows)
