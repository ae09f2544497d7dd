"""What a run reports of real pixels: the Amazon pairs against their masks, and Belgium, where nobody mines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import shapely

from benchmarks.accuracy_simulated import OPENED
from benchmarks.real_input import Place


@dataclass(frozen=True)
class AmazonScore:
    """Places by what their masks say, and of these the ones with a new, expanded or reopened change."""

    places: int
    new: int
    new_reported: int
    opened_between: int
    opened_between_reported: int
    free: int
    free_reported: int
    free_mapped: int
    missed: tuple[str, ...]
    false_alarms: tuple[str, ...]


@dataclass(frozen=True)
class BelgiumScore:
    """Everything that was reported is a false alarm; hectares and observed share by period."""

    changes: dict[str, int]
    opened: int
    opened_ha: float
    mapped_ha: dict[str, float]
    observed_share: dict[str, float]
    watched_ha: float


def score_amazon(places: Sequence[Place], run: Path) -> AmazonScore:
    """Hits and false alarms by place: a change belongs to every place whose square it meets."""
    changes = json.loads((run / "changes.geojson").read_text(encoding="utf-8"))["features"]
    sites = json.loads((run / "sites.geojson").read_text(encoding="utf-8"))["features"]
    squares = [shapely.Polygon(place.ring()) for place in places]
    reported = _met(squares, [c["geometry"] for c in changes if c["properties"]["state"] in OPENED])
    mapped = _met(squares, [site["geometry"] for site in sites])
    new = [i for i, place in enumerate(places) if place.is_new]
    free = [i for i, place in enumerate(places) if place.is_free]
    dated = [i for i, place in enumerate(places) if place.opened_between]
    return AmazonScore(
        places=len(places),
        new=len(new),
        new_reported=len(reported.intersection(new)),
        opened_between=len(dated),
        opened_between_reported=len(reported.intersection(dated)),
        free=len(free),
        free_reported=len(reported.intersection(free)),
        free_mapped=len(mapped.intersection(free)),
        missed=tuple(places[i].name for i in new if i not in reported),
        false_alarms=tuple(places[i].name for i in free if i in reported),
    )


def _met(squares: Sequence[shapely.Polygon], geometries: Sequence[dict]) -> set[int]:
    tree = shapely.STRtree([shapely.geometry.shape(geometry) for geometry in geometries])
    return set(tree.query(squares, predicate="intersects")[0].tolist()) if geometries else set()


def score_belgium(run: Path) -> BelgiumScore:
    """What a run on ground without mining claims."""
    changes = json.loads((run / "changes.geojson").read_text(encoding="utf-8"))["features"]
    footprint = json.loads((run / "footprint.json").read_text(encoding="utf-8"))
    rows = [row for row in footprint if row["zone_id"] == "total"]
    opened = [c["properties"] for c in changes if c["properties"]["state"] in OPENED]
    return BelgiumScore(
        changes=dict(sorted(Counter(c["properties"]["state"] for c in changes).items())),
        opened=len(opened),
        opened_ha=round(sum(c["area_gain_ha"] for c in opened), 2),
        mapped_ha={row["period"]: row["disturbed_ha"] for row in rows},
        observed_share={row["period"]: row["observed_share"] for row in rows},
        watched_ha=rows[-1]["watched_ha"],
    )
