"""What a run reports of a simulated archive, held against the truth written beside it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import geometry_mask
from rasterio.windows import from_bounds
from scipy import ndimage

from pipeline.areas.lattice import PIXEL_M, project
from pipeline.change import STATE_OUTSIDE
from pipeline.change.states import BARE, NEW, NOT_OBSERVED, OUTSIDE, POND, SEASONAL
from pipeline.config import Change
from pipeline.imagery.scene import NODATA

OPENED = ("new", "expanded", "reopened")
SIZES = ("< 0.1", "0.1–0.5", "0.5–2", "> 2")
REASONS = (
    "not observed",
    "on the earlier map already",
    "called seasonal",
    "probability below the weak threshold",
    "below the strong threshold, too small or alone",
)
REGISTRATION, REMNANT = "registration", "cloud remnant or haze"
CAUSES = ("burn", "field", "road", "river", "village", "pond", "rock", "orchard", "regrowth", REGISTRATION, REMNANT)
_UPPER_HA = (0.1, 0.5, 2.0)
_CELL_HA = PIXEL_M**2 / 1e4
_COVERED = 0.25
_EIGHT = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Found:
    """A complex opened between two periods: its disturbed ground then, what was reported of it, and if not, why."""

    name: str
    area_ha: float
    reported_ha: float | None
    reason: str = ""

    @property
    def size(self) -> int:
        """Index in SIZES."""
        return sum(self.area_ha >= upper for upper in _UPPER_HA)

    @property
    def covered(self) -> bool:
        """Whether a quarter of it or more is reported."""
        return self.reported_ha is not None and self.reported_ha >= _COVERED * self.area_ha


@dataclass(frozen=True)
class FalseAlarm:
    """A reported change that touches no workings of its time; `cause` is what lies there."""

    change_id: str
    cause: str
    gain_ha: float
    confidence: str


@dataclass
class PairScore:
    """One pair of periods. `old` counts changes on workings that neither opened nor grew since."""

    scenario: str
    before: str
    after: str
    watched_km2: float
    found: list[Found] = field(default_factory=list)
    false_alarms: list[FalseAlarm] = field(default_factory=list)
    reported: int = 0
    right: int = 0
    old: int = 0
    dated: int = 0
    dated_right: int = 0
    widths_days: list[int] = field(default_factory=list)
    reported_gain_ha: float = 0.0
    true_gain_ha: float = 0.0

    @property
    def median_width_days(self) -> float | None:
        """Median width of the reported opening intervals."""
        return float(median(self.widths_days)) if self.widths_days else None


@dataclass(frozen=True)
class MapScore:
    """The map of one period in hectares: drawn, true (shares of pixels), and both by pixels at least half dug.

    `near_ha` is drawn ground with workings in the pixel or beside it; `wrong_ha` drawn ground without any in the
    pixel, by what lies there.
    """

    scenario: str
    period: str
    mapped_ha: float
    true_ha: float
    truth_pixels_ha: float
    both_ha: float
    near_ha: float
    observed_share: float
    wrong_ha: dict[str, float]


@dataclass(frozen=True)
class _Ground:
    """Rasters of one UTM zone on the grid of the run, (y, x)."""

    epsg: int
    transform: Affine
    state: NDArray[np.uint8]
    classes: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    probability: NDArray[np.uint16]
    dug: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    cause: NDArray[np.uint8]

    def pixels(self, geometry: shapely.Geometry, *, touched: bool = False) -> NDArray[np.bool_]:
        """Watched pixels whose centre lies in a lon/lat geometry, or which it touches."""
        local = project(geometry, self.epsg)
        inside = geometry_mask([local], self.state.shape, self.transform, all_touched=touched, invert=True)
        return inside & (self.state != STATE_OUTSIDE)


def score_pair(run: Path, archive: Path, before: str, after: str) -> PairScore:
    """Hits, misses, false alarms and dates of a run whose last two periods are `before` and `after`."""
    record = json.loads((archive / "scenario.json").read_text(encoding="utf-8"))
    causes = {int(code): name for code, name in record["truth"]["causes"].items()}
    complexes = json.loads((archive / "truth" / "complexes.geojson").read_text(encoding="utf-8"))["features"]
    grounds = _grounds(run, archive, before, after)
    watched = sum(int((g.state != STATE_OUTSIDE).sum()) for g in grounds)
    score = PairScore(record["name"], before, after, watched * PIXEL_M**2 / 1e6)
    changes = [
        (feature["properties"], shapely.geometry.shape(feature["geometry"]))
        for feature in json.loads((run / "changes.geojson").read_text(encoding="utf-8"))["features"]
        if feature["properties"]["state"] in OPENED
    ]
    gains = [[g.pixels(geometry) & (g.state == NEW) for g in grounds] for _, geometry in changes]
    opened = _opened(complexes, before, after)
    places = [[g.pixels(shapely.geometry.shape(c["geometry"]), touched=True) for g in grounds] for c in opened]
    told = [[np.zeros(g.state.shape, bool) for g in grounds], *gains]
    anywhere = [np.logical_or.reduce(layers) for layers in zip(*told, strict=True)]
    for complex_, place in zip(opened, places, strict=True):
        if any(p.any() for p in place):
            score.found.append(_found(complex_, after, place, anywhere, grounds))
    for (properties, _), gain in zip(changes, gains, strict=True):
        _judge(score, properties, gain, grounds, causes, opened, places)
    score.reported = len(changes)
    score.reported_gain_ha = round(sum(p["area_gain_ha"] for p, _ in changes), 2)
    for ground in grounds:
        more = ground.dug[1].astype(np.int64) - ground.dug[0]
        score.true_gain_ha += float(more[(ground.state != STATE_OUTSIDE) & (more > 0)].sum()) / 100 * _CELL_HA
    return score


def score_map(run: Path, archive: Path, period: str) -> MapScore:
    """The map of one period against the truth of its middle day."""
    total = Counter[str]()
    wrong = Counter[str]()
    record = json.loads((archive / "scenario.json").read_text(encoding="utf-8"))
    for path in sorted((run / "rasters").glob(f"class_{period}_*.tif")):
        classes, transform, epsg = _raster(path)
        dug = truth_plane(archive, "disturbed", epsg, period, classes.shape, transform)
        watched = classes != OUTSIDE
        mapped = _is_mapped(classes)
        half = watched & (dug >= 50)
        total["watched"] += int(watched.sum())
        total["observed"] += int((watched & (classes != NOT_OBSERVED)).sum())
        total["mapped"] += int(mapped.sum())
        total["true"] += int(dug[watched].sum(dtype=np.int64))
        total["half"] += int(half.sum())
        total["both"] += int((mapped & half).sum())
        total["near"] += int((mapped & ndimage.binary_dilation(dug > 0, _EIGHT)).sum())
        cause = truth_plane(archive, "cause", epsg, period, classes.shape, transform)
        for code, name in record["truth"]["causes"].items():
            wrong[name] += int((mapped & (dug == 0) & (cause == int(code))).sum())
    return MapScore(
        scenario=record["name"],
        period=period,
        mapped_ha=total["mapped"] * _CELL_HA,
        true_ha=total["true"] / 100 * _CELL_HA,
        truth_pixels_ha=total["half"] * _CELL_HA,
        both_ha=total["both"] * _CELL_HA,
        near_ha=total["near"] * _CELL_HA,
        observed_share=total["observed"] / max(total["watched"], 1),
        wrong_ha={name: count * _CELL_HA for name, count in wrong.items()},
    )


def _grounds(run: Path, archive: Path, before: str, after: str) -> list[_Ground]:
    grounds = []
    for path in sorted((run / "rasters").glob(f"change_{before}_{after}_*.tif")):
        state, transform, epsg = _raster(path)
        zone = path.name.removeprefix(f"change_{before}_{after}_")
        classes = tuple(_raster(path.with_name(f"class_{p}_{zone}"))[0] for p in (before, after))
        dug = tuple(truth_plane(archive, "disturbed", epsg, p, state.shape, transform) for p in (before, after))
        cause = truth_plane(archive, "cause", epsg, after, state.shape, transform)
        probability = _raster(path.with_name(f"probability_{after}_{zone}"))[0]
        grounds.append(_Ground(epsg, transform, state, classes, probability, dug, cause))
    return grounds


def _raster(path: Path) -> tuple[NDArray[Any], Affine, int]:
    with rasterio.open(path) as raster:
        return raster.read(1), raster.transform, raster.crs.to_epsg()


def truth_plane(
    archive: Path, kind: str, epsg: int, period: str, shape: tuple[int, ...], transform: Affine
) -> NDArray[np.uint8]:
    """A truth raster on the run's grid, 0 where nothing was simulated."""
    rows, cols = shape
    left, top = transform.c, transform.f
    with rasterio.open(archive / "truth" / f"{kind}_{epsg}_{period}.tif") as raster:
        window = from_bounds(left, top - rows * PIXEL_M, left + cols * PIXEL_M, top, raster.transform)
        plane: NDArray[np.uint8] = raster.read(1, window=window.round_offsets(), boundless=True, fill_value=0)
    assert plane.shape == (rows, cols)
    return plane


def _is_mapped(classes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return (classes == BARE) | (classes == POND)


def _ha(properties: dict[str, Any], period: str) -> float:
    return float(properties["bare_ha"][period] + properties["pond_ha"][period])


def _opened(complexes: Sequence[dict[str, Any]], before: str, after: str) -> list[dict[str, Any]]:
    """Complexes without disturbed ground on the middle day of `before` and with some on that of `after`."""
    return [c for c in complexes if _ha(c["properties"], before) == 0 and _ha(c["properties"], after) > 0]


def _found(
    complex_: dict[str, Any],
    after: str,
    place: Sequence[NDArray[np.bool_]],
    anywhere: Sequence[NDArray[np.bool_]],
    grounds: Sequence[_Ground],
) -> Found:
    properties = complex_["properties"]
    pixels = sum(int((p & told).sum()) for p, told in zip(place, anywhere, strict=True))
    if pixels:
        return Found(properties["id"], _ha(properties, after), pixels * _CELL_HA)
    return Found(properties["id"], _ha(properties, after), None, _why_missed(place, grounds))


def _why_missed(place: Sequence[NDArray[np.bool_]], grounds: Sequence[_Ground]) -> str:
    """The rule that lost most of the dug pixels of a complex; REASONS in the order of the flow."""
    lost: Counter[str] = Counter()
    weak = round(Change().weak * 10_000)
    for own, ground in zip(place, grounds, strict=True):
        then, now = ground.classes
        at = own & (ground.dug[1] >= 50)
        at = at if at.any() else own & (ground.dug[1] > 0)
        unseen = at & ((then == NOT_OBSERVED) | (now == NOT_OBSERVED))
        already = at & ~unseen & _is_mapped(then)
        seasonal = at & ~unseen & ~already & (now == SEASONAL)
        rest = at & ~unseen & ~already & ~seasonal
        doubtful = rest & (ground.probability >= weak) & (ground.probability != NODATA)
        for reason, mask in zip(REASONS, (unseen, already, seasonal, rest & ~doubtful, doubtful), strict=True):
            lost[reason] += int(mask.sum())
    return max(REASONS, key=lambda reason: lost[reason])


def _judge(
    score: PairScore,
    properties: dict[str, Any],
    gain: Sequence[NDArray[np.bool_]],
    grounds: Sequence[_Ground],
    causes: dict[int, str],
    opened: Sequence[dict[str, Any]],
    places: Sequence[Sequence[NDArray[np.bool_]]],
) -> None:
    near = [ndimage.binary_dilation(mask, _EIGHT) for mask in gain]
    if not any((mask & (g.dug[1] > 0)).any() for mask, g in zip(near, grounds, strict=True)):
        cause = _cause(gain, near, grounds, causes)
        score.false_alarms.append(
            FalseAlarm(properties["change_id"], cause, properties["area_gain_ha"], properties["confidence"])
        )
        return
    if not any((mask & (g.dug[1] > g.dug[0])).any() for mask, g in zip(near, grounds, strict=True)):
        score.old += 1
        return
    score.right += 1
    touched = [
        date.fromisoformat(c["properties"]["opened"])
        for c, place in zip(opened, places, strict=True)
        if any((mask & p).any() for mask, p in zip(gain, place, strict=True))
    ]
    last, first = properties["last_clear_undisturbed"], properties["first_clear_disturbed"]
    if properties["state"] == "new" and touched and last and first:
        last, first = date.fromisoformat(last), date.fromisoformat(first)
        score.dated += 1
        score.dated_right += last <= min(touched) <= first
        score.widths_days.append((first - last).days)


def _cause(
    gain: Sequence[NDArray[np.bool_]],
    near: Sequence[NDArray[np.bool_]],
    grounds: Sequence[_Ground],
    causes: dict[int, str],
) -> str:
    """What most of the named ground under a false alarm is; else what it borders on, else a fault of the picture."""
    for masks, is_own in ((gain, True), (near, False)):
        count = Counter[int]()
        for mask, ground in zip(masks, grounds, strict=True):
            count.update(ground.cause[mask & (ground.cause > 0)].tolist())
        if count:
            return causes[min(count, key=lambda code: (-count[code], code))] if is_own else REGISTRATION
    return REMNANT
