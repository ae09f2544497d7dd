"""Footprint: hectares by zone or unit of a layer, period and class, with the ground that was not observed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from pipeline.areas.lattice import Tile
from pipeline.change.states import CONTINUING, NEW, RECOVERED
from pipeline.config import Period
from pipeline.errors import BadInput
from pipeline.footprint.counting import M2_PER_HA, MM2_PER_M2, SEEN_IN_BOTH, STATES, LayerSums, TileAreas, sum_layers
from pipeline.footprint.layers import TOTAL as TOTAL
from pipeline.footprint.layers import UNASSIGNED as UNASSIGNED
from pipeline.footprint.layers import ZONES, Layer


@dataclass(frozen=True)
class FootprintRow:
    """One zone, or unit of another layer, in one period, hectares in steps of 0.0001; None, never 0, where unseen.

    `layer` is "zones" for declared zones. `zone_id` is "unassigned" for watched ground in no unit of the layer and
    "total" for all watched ground. `gain_ha`, `loss_ha` and `stable_ha` compare with the period before, on ground
    observed in both: `both_observed_share`. They are None where that is none, and classes are None where the period
    observed none of the ground.
    """

    layer: str
    zone_id: str
    zone_name: str
    period: str
    bare_ha: float | None
    pond_ha: float | None
    disturbed_ha: float | None
    seasonal_ha: float | None
    waters_edge_ha: float | None
    other_ha: float | None
    not_observed_ha: float
    watched_ha: float
    observed_share: float | None
    gain_ha: float | None
    loss_ha: float | None
    stable_ha: float | None
    both_observed_share: float | None


@dataclass(frozen=True)
class Footprint:
    """Rows by layer, zones first, then by period, then units as declared, unassigned, total.

    Ground of each unit, period and class is rounded to the square metre once; every other figure of the table is
    a sum of those, so printed units and unassigned add up to the printed total of their layer to the last digit.
    """

    rows: tuple[FootprintRow, ...]

    def of(self, layer: str = ZONES) -> tuple[FootprintRow, ...]:
        """The rows of one layer; those of the declared zones if none is named."""
        return tuple(row for row in self.rows if row.layer == layer)

    def to_csv(self) -> str:
        """The table as CSV (RFC 4180, LF line ends): hectares with four decimals, shares with six."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([field.name for field in fields(FootprintRow)])
        for row in self.rows:
            writer.writerow([_printed(name, value) for name, value in asdict(row).items()])
        return text.getvalue()

    def to_json(self) -> str:
        """The table as a JSON list of objects, keys as the columns of the CSV."""
        return json.dumps([asdict(row) for row in self.rows], indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Footprint:
        """The table that `to_json` wrote; raises BadInput if it is none."""
        try:
            return cls(_ROWS.validate_json(text))
        except ValidationError as error:
            raise BadInput(f"footprint.json is not as a run writes it ({error.error_count()} faults)") from error


_ROWS = TypeAdapter(tuple[FootprintRow, ...])


def _printed(name: str, value: str | float | None) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return f"{value:.6f}" if name.endswith("_share") else f"{value:.4f}"


def build_footprint(
    per_tile: Mapping[Tile, TileAreas], layers: Sequence[Layer], periods: Sequence[Period]
) -> Footprint:
    """Footprint of all tiles by the units of each layer; raises AreaBalanceError as `sum_layers`."""
    return footprint_of(sum_layers(per_tile, layers, periods), periods)


def footprint_of(sums: Sequence[LayerSums], periods: Sequence[Period]) -> Footprint:
    """The table of some layers' sums. Declared zones have rows whether watched or not, units of others if watched."""
    return Footprint(tuple(row for part in sums for row in _rows(part, periods)))


def _rows(sums: LayerSums, periods: Sequence[Period]) -> list[FootprintRow]:
    layer, rows = sums.layer.name, []
    told = [i for i, ground in enumerate(sums.watched) if i and (layer == ZONES or ground)]
    for t, period in enumerate(periods):
        # From here on whole square metres.
        ground = _rounded(sums.classes[t])
        moved = _rounded(sums.states[t - 1]) if t else None
        for i in told:
            unit = sums.layer.units[i - 1]
            rows.append(
                _row(layer, unit.zone_id, unit.name, period.name, ground[i], None if moved is None else moved[i])
            )
        rows.append(_row(layer, UNASSIGNED, "", period.name, ground[0], None if moved is None else moved[0]))
        whole = None if moved is None else moved.sum(axis=0)
        rows.append(_row(layer, TOTAL, "", period.name, ground.sum(axis=0), whole))
    return rows


def _rounded(mm2: NDArray[np.int64]) -> NDArray[np.int64]:
    return (mm2 + MM2_PER_M2 // 2) // MM2_PER_M2


def _row(
    layer: str, unit_id: str, name: str, period: str, ground: NDArray[np.int64], moved: NDArray[np.int64] | None
) -> FootprintRow:
    other, bare, pond, seasonal, edge, unseen = (int(m2) for m2 in ground)
    watched = other + bare + pond + seasonal + edge + unseen
    seen = watched - unseen
    classes: dict[str, Any] = {
        "bare_ha": bare,
        "pond_ha": pond,
        "disturbed_ha": bare + pond,
        "seasonal_ha": seasonal,
        "waters_edge_ha": edge,
        "other_ha": other,
    }
    change: dict[str, Any] = dict.fromkeys(("gain_ha", "loss_ha", "stable_ha"), 0)
    both, compared = 0, 0
    if moved is not None:
        by_state = dict(zip(STATES, (int(m2) for m2 in moved), strict=True))
        compared = sum(by_state.values())
        both = sum(by_state[state] for state in SEEN_IN_BOTH)
        change = {"gain_ha": by_state[NEW], "loss_ha": by_state[RECOVERED], "stable_ha": by_state[CONTINUING]}
    return FootprintRow(
        layer=layer,
        zone_id=unit_id,
        zone_name=name,
        period=period,
        **{name: m2 / M2_PER_HA if seen else None for name, m2 in classes.items()},
        not_observed_ha=unseen / M2_PER_HA,
        watched_ha=watched / M2_PER_HA,
        observed_share=share(seen, watched),
        **{name: m2 / M2_PER_HA if both else None for name, m2 in change.items()},
        both_observed_share=share(both, compared),
    )


def share(part: int, whole: int) -> float | None:
    """A share in millionths; None of nothing."""
    return round(part / whole, 6) if whole else None
