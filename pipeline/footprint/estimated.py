"""Areas of new workings that `placerwatch estimate` wrote, as capacity ranges take them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from pipeline.errors import BadInput
from pipeline.footprint.capacity import AreaEstimate
from pipeline.footprint.ground import RunGround
from pipeline.footprint.tables import MAX_BYTES

_CLASS = "new"


@dataclass(frozen=True)
class Estimated:
    """Estimated area of new workings by zone and period, notes on zones without one, and the file's SHA-256."""

    areas: Mapping[tuple[str, str], AreaEstimate] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    sha256: str = ""


def read_estimate(path: Path, run: RunGround) -> Estimated:
    """The zones' estimates in an estimate.json of this run.

    A zone in which no point was new has no estimate, and that of another may rest on too few points: notes say so.
    Raises BadInput where the file cannot be read, is altered, or is of another run.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadInput(f"{path}: larger than {MAX_BYTES // 2**20} MiB; this is no estimate.json")
        content = path.read_bytes()
        result = json.loads(content)
        run_id, change = result["run_id"], result.get("change")
        span = (result.get("period_before") or {}).get("name"), result["period_after"]["name"]
        found = [row for row in change["zones"] if row["class"] == _CLASS] if change else []
        rows = [row for row in found if row["zone_id"] in run.zones]
        told = {row["zone_id"]: _area(row) for row in rows}
        few = [row["zone_id"] for row in rows if row["rests_on_few_points"]]
        missed = [f"{row['zone_id']} (0 of {int(row['points'])} points)" for row in rows if _area(row) is None]
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); `placerwatch estimate` writes one") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadInput(f"{path}: not as `placerwatch estimate` writes it ({str(error)[:80]}); write it anew") from error
    if run_id != run.run_id:
        raise BadInput(
            f"{path}: is of run {str(run_id)[:60]!r}, this is {run.run_id!r}; estimate from this run's sample"
        )
    if span not in list(pairwise(window.name for window in run.windows)):
        raise BadInput(
            f"{path}: compares no two periods of the run that follow each other; estimate change, not status"
        )
    notes = []
    if missed:
        notes.append(
            f"estimate: no point was new in {', '.join(missed)}; the mapped gain is taken there, see docs/production.md"
        )
    if few:
        notes.append(f"estimate: rests on too few points in {', '.join(few)}; ranges by footprint are too narrow there")
    areas = {(zone, span[1]): area for zone, area in told.items() if area is not None}
    return Estimated(areas, tuple(notes), hashlib.sha256(content).hexdigest())


def _area(row: Mapping[str, Any]) -> AreaEstimate | None:
    value, se = row["estimate_ha"], row["se_ha"]
    if value is None or se is None:
        return None
    found = AreaEstimate(float(value), float(se))
    if not (math.isfinite(found.area_ha) and math.isfinite(found.se_ha) and found.area_ha >= 0 and found.se_ha >= 0):
        raise ValueError(f"{value} ± {se} ha is no area")
    return found
