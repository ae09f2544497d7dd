"""Areas of workings that `placerwatch estimate` wrote, as trends and tables take them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import BadInput
from pipeline.footprint.layers import TOTAL
from pipeline.footprint.tables import MAX_BYTES
from pipeline.footprint.trends import Estimates, Interval, Trends

_CLASS = "workings"


class AreaEstimates(NamedTuple):
    """Estimated areas with their intervals, and what was left out and why."""

    figures: Estimates
    notes: tuple[str, ...]


def read_area_estimates(paths: Sequence[Path], programme: str, trends: Trends) -> AreaEstimates:
    """Estimated area of workings by zone and period in some estimate.json files, "total" for the programme.

    Each tells one period, so several tell a series; they may come from earlier runs of the programme. A zone in which
    no point hit has no estimate. One whose interval is known to be too short, or that is of less ground than a period
    must see to enter a trend, is left out with a note.

    Raises BadInput where a file cannot be read, is altered, is of another programme, of a period that the run does
    not have, or of one that another file tells too.
    """
    spans = {point.period: (point.start, point.end) for point in trends.units[0].series}
    watched = {unit.zone_id: unit.watched_ha for unit in trends.zones}
    found: dict[tuple[str, str], Interval] = {}
    told: dict[str, Path] = {}
    notes = []
    for path in paths:
        try:
            if path.stat().st_size > MAX_BYTES:
                raise BadInput(f"{path}: larger than {MAX_BYTES // 2**20} MiB; this is no estimate.json")
            result = json.loads(path.read_bytes())
            period = result["period_after"]
            name, span = str(period["name"]), (period["start"], period["end"])
            rows = list(_rows(result))
            owner = result["programme"]
        except OSError as error:
            raise BadInput(f"{path}: cannot be read ({error.strerror}); `placerwatch estimate` writes one") from error
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise BadInput(
                f"{path}: not as `placerwatch estimate` writes it ({str(error)[:80]}); write it anew"
            ) from error
        if owner != programme:
            raise BadInput(f"{path}: is of programme {str(owner)[:60]!r}, the run is of {programme!r}")
        if spans.get(name) != span:
            raise BadInput(f"{path}: tells {name[:60]!r}, {span[0]} to {span[1]}, which is no period of the run")
        if name in told:
            raise BadInput(f"{path}: tells {name!r}, and so does {told[name]}; give one estimate of each period")
        told[name] = path
        for zone, target_ha, figures, few in rows:
            # A zone of the same name with more ground than the run watches is another zone.
            if zone not in watched or target_ha > watched[zone] * 1.001 + 0.01:
                raise BadInput(
                    f"{path}: {zone[:60]!r} of {target_ha:.1f} ha is no zone of the run, or was redrawn since"
                )
            if few:
                notes.append(f"{zone} in {name}: left out, its interval rests on too few points; label more of them")
            elif target_ha < trends.min_observed_share * watched[zone]:
                notes.append(f"{zone} in {name}: left out, it is of {target_ha:.1f} of {watched[zone]:.1f} ha watched")
            else:
                found[zone, name] = figures
    return AreaEstimates(found, tuple(notes))


def _rows(result: dict[str, Any]) -> Iterator[tuple[str, float, Interval, bool]]:
    whole = [{**row, "zone_id": TOTAL, "target_ha": result["target_ha"]} for row in result["status"]["classes"]]
    for row in [*whole, *result["status"]["zones"]]:
        if row["class"] == _CLASS and row["estimate_ha"] is not None:
            figures = (float(row["estimate_ha"]), float(row["low_ha"]), float(row["high_ha"]))
            target = float(row["target_ha"])
            if not all(map(math.isfinite, (*figures, target))):
                raise ValueError(f"{row['zone_id']}: a figure is not finite")
            yield str(row["zone_id"]), target, figures, bool(row["rests_on_few_points"])
