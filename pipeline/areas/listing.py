"""What areas files declare, as rows for people and scripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipeline.areas.lattice import tiles_of, utm_name
from pipeline.areas.reading import read_areas


@dataclass(frozen=True)
class AreaRow:
    """One declared area on a day; `area_km2` is true area on the ellipsoid, `tiles` what it touches in all zones."""

    zone_id: str
    name: str
    role: str
    status: str
    area_km2: float
    tiles: int
    utm_zones: tuple[str, ...]
    boundary_vintage: str
    boundary_source: str

    def __str__(self) -> str:
        """One line for people."""
        where = "+".join(self.utm_zones)
        size = f"{self.area_km2:,.1f} km2, {self.tiles} tiles in {where}"
        return (
            f"{self.zone_id}: {self.name}, {self.role}, {self.status}, {size}; boundary: {self.boundary_vintage or '?'}"
        )


def list_areas(paths: Sequence[Path], day: date = date.max) -> tuple[AreaRow, ...]:
    """Areas of some files with their status on a day (default: the last declared), in declared order.

    Raises Problems as `read_areas`.
    """
    rows = []
    for area in read_areas(paths):
        tiles = tiles_of(area.geometry)
        rows.append(
            AreaRow(
                zone_id=area.zone_id,
                name=area.name,
                role=area.role,
                status=area.status_at(day),
                area_km2=round(area.area_km2, 1),
                tiles=len(tiles),
                utm_zones=tuple(utm_name(epsg) for epsg in sorted({tile.epsg for tile in tiles})),
                boundary_vintage=area.boundary_vintage,
                boundary_source=area.boundary_source,
            )
        )
    return tuple(rows)
