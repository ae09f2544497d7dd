"""A run's result as a file beside its outputs, so that its reports can be told again, in another language or release.

The footprint and the trends lie in files of their own, and the composites in the store under the keys that stand here.
Nothing in it is code, and it is checked when it is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import date
from typing import Annotated, Any, get_type_hints

import numpy as np
import shapely
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    create_model,
)
from shapely.geometry.base import BaseGeometry

from pipeline.areas.area import Area, Status
from pipeline.areas.lattice import Tile
from pipeline.change.site import Site, SiteChange, SitePeriod
from pipeline.config import Period
from pipeline.errors import BadInput
from pipeline.footprint import Footprint, Trends
from pipeline.reports.result import RunResult, SceneRead

Composites = dict[tuple[Tile, str], str]


def _surface(text: Any) -> BaseGeometry:
    shape = shapely.from_wkb(text, on_invalid="ignore") if isinstance(text, str) else None
    if shape is None or shape.is_empty or shape.has_z or shape.geom_type not in ("Polygon", "MultiPolygon"):
        raise ValueError("an outline is a polygon, as WKB in hexadecimal")
    west, south, east, north = shape.bounds
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise ValueError("an outline lies outside of the earth: it needs lon/lat")
    return shape


def _hex(shape: BaseGeometry) -> str:
    return shapely.to_wkb(shape, hex=True, byte_order=1)


_Geometry = Annotated[BaseGeometry, PlainValidator(_surface), PlainSerializer(_hex)]
_Tile = Annotated[
    Tile,
    BeforeValidator(lambda value: Tile.from_id(value) if isinstance(value, str) else value),
    PlainSerializer(lambda tile: tile.id),
]


def _model(kind: type, **replaced: Any) -> Any:
    """A checked model with the fields of a dataclass; geometries and tiles as text."""
    hints = get_type_hints(kind)
    named = {BaseGeometry: _Geometry, BaseGeometry | None: _Geometry | None, tuple[Tile, ...]: tuple[_Tile, ...]}
    columns: dict[str, Any] = {f.name: (named.get(hints[f.name], hints[f.name]), ...) for f in fields(kind)}
    columns |= replaced
    config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, allow_inf_nan=False)
    return create_model(kind.__name__, __config__=config, **columns)


_Area: Any = _model(Area, statuses=(tuple[Status, ...], ()), properties=(dict[str, Any], {}))
_Site: Any = _model(Site, periods=(tuple[SitePeriod, ...], ...))
_Change: Any = _model(SiteChange)


class _Scenes(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    tile: _Tile
    period: str
    scenes: tuple[str, ...]
    composite: str = ""


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = 1
    programme: str
    title: str
    run_id: str
    key: str
    as_of: date
    generated_by: str
    model: dict[str, str]
    periods: tuple[Period, ...]
    limits: tuple[str, ...]
    totals: dict[str, float | None]
    areas: tuple[_Area, ...]
    scene_list: tuple[SceneRead, ...]
    scenes: tuple[_Scenes, ...]
    radar_scenes: tuple[_Scenes, ...]
    sites: tuple[_Site, ...]
    changes: tuple[_Change, ...]


_PLAIN = ("programme", "title", "run_id", "key", "as_of", "generated_by", "model", "periods", "limits", "scene_list")


def result_json(result: RunResult, composites: Composites) -> str:
    """A result as JSON; `composites` are the keys of the stored composites by tile and period."""
    stored = _Stored(
        **{name: getattr(result, name) for name in _PLAIN},
        totals=dict(sorted(result.totals.items())),
        areas=tuple(_copy(_Area, area, properties={}) for area in result.areas),
        scenes=tuple(
            _Scenes(tile=tile, period=period, scenes=ids, composite=composites.get((tile, period), ""))
            for tile, periods in sorted(result.scenes.items())
            for period, ids in sorted(periods.items())
        ),
        radar_scenes=tuple(
            _Scenes(tile=tile, period="", scenes=ids) for tile, ids in sorted(result.radar_scenes.items())
        ),
        sites=tuple(_copy(_Site, site) for site in result.sites),
        changes=tuple(_copy(_Change, change) for change in result.changes),
    )
    return stored.model_dump_json(indent=1) + "\n"


def _copy(model: Any, value: Any, **replaced: Any) -> Any:
    return model.model_construct(**{field.name: getattr(value, field.name) for field in fields(value)} | replaced)


def read_result(
    text: str,
    footprint: Footprint,
    trends: Trends,
    composite_of: Callable[[str, Tile], NDArray[np.uint16] | None],
    source: str,
) -> RunResult:
    """The result that `result_json` wrote; `composite_of` reads a stored composite by its key.

    Raises BadInput, naming where it came from.
    """
    try:
        stored = _Stored.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadInput(
            f"{source}: not the result of a run ({place}: {first['msg']}); run the programme again"
        ) from error
    keys = {(part.tile, part.period): part.composite for part in stored.scenes if part.composite}
    scenes: dict[Tile, dict[str, tuple[str, ...]]] = {}
    for part in stored.scenes:
        scenes.setdefault(part.tile, {})[part.period] = part.scenes

    def composite(tile: Tile, period: str) -> NDArray[np.uint16] | None:
        key = keys.get((tile, period))
        return None if key is None else composite_of(key, tile)

    return RunResult(
        **{name: getattr(stored, name) for name in _PLAIN},
        totals=stored.totals,
        areas=tuple(Area(**_plain(part)) for part in stored.areas),
        scenes=scenes,
        radar_scenes={part.tile: part.scenes for part in stored.radar_scenes},
        sites=tuple(Site(**_plain(part)) for part in stored.sites),
        changes=tuple(SiteChange(**_plain(part)) for part in stored.changes),
        footprint=footprint,
        trends=trends,
        composite_of=composite,
    )


def _plain(part: BaseModel) -> dict[str, Any]:
    return {name: getattr(part, name) for name in type(part).model_fields}
