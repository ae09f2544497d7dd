"""What a run reports of a simulated archive, held against the truth written beside it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import geometry_mask
from scipy import ndimage

from benchmarks.accuracy_areas import block_interval, block_sums
from benchmarks.accuracy_truth import (
    CELL_HA,
    HALF_DUG,
    Opening,
    Truth,
    raster_of,
    read_truth,
    truth_plane,
)
from pipeline.areas.lattice import PIXEL_M, project
from pipeline.change import STATE_OUTSIDE
from pipeline.change.states import BARE, NEW, NOT_OBSERVED, OUTSIDE, POND, SEASONAL
from pipeline.config import Change
from pipeline.imagery.scene import NODATA

Verdict = Literal["right", "old workings", "false"]
VERDICTS: tuple[Verdict, ...] = ("right", "old workings", "false")
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
_COVERED = 0.25
_EIGHT = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Found:
    """A complex dug for the first time, or again, between two seasons: new ground, and what was reported or why not."""

    name: str
    area_ha: float
    reported_ha: float | None
    reason: str = ""
    again: bool = False

    @property
    def size(self) -> int:
        """Index in SIZES."""
        return sum(self.area_ha >= upper for upper in _UPPER_HA)

    @property
    def covered(self) -> bool:
        """Whether a quarter of it or more is reported."""
        return self.reported_ha is not None and self.reported_ha >= _COVERED * self.area_ha


@dataclass(frozen=True)
class Told:
    """A reported change and whether there is ground for it; `cause` is what lies under a false one."""

    change_id: str
    verdict: Verdict
    cause: str
    gain_ha: float
    confidence: str
    sensors: tuple[str, ...]


@dataclass(frozen=True)
class DateTold:
    """The opening dates of a right change: whether the opening lies between them, days from one to the other."""

    right: bool
    width_days: int
    by: str


@dataclass
class PairScore:
    """One pair of seasons: what opened between them, and what was reported."""

    scenario: str
    before: str
    after: str
    watched_km2: float
    years: float
    found: list[Found] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    dates: list[DateTold] = field(default_factory=list)
    true_gain_ha: float = 0.0

    @property
    def false_alarms(self) -> list[Told]:
        """Changes that touch no workings of their time."""
        return self.of("false")

    @property
    def km2_years(self) -> float:
        """Watched ground times the years between the seasons."""
        return self.watched_km2 * self.years

    @property
    def reported_gain_ha(self) -> float:
        """Newly mapped ground of all changes."""
        return sum(told.gain_ha for told in self.told)

    def of(self, verdict: Verdict) -> list[Told]:
        """Changes of one verdict: right, on workings that neither opened nor grew, or false."""
        return [told for told in self.told if told.verdict == verdict]


@dataclass(frozen=True)
class MapScore:
    """The map of one season in hectares: drawn, true (shares of pixels), and both by pixels at least half dug.

    `bias_95` bounds drawn less true ground, by drawing blocks of 1 km anew. `near_ha` is drawn ground with workings in
    the pixel or beside it; `wrong_ha` drawn ground without any in the pixel, by what lies there.
    """

    scenario: str
    period: str
    mapped_ha: float
    true_ha: float
    bias_95: tuple[float, float]
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
    truth = read_truth(archive)
    grounds = _grounds(run, archive, before, after)
    watched = sum(int((g.state != STATE_OUTSIDE).sum()) for g in grounds)
    score = PairScore(truth.name, before, after, watched * PIXEL_M**2 / 1e6, truth.years(before, after))
    changes = [
        (feature["properties"], shapely.geometry.shape(feature["geometry"]))
        for feature in json.loads((run / "changes.geojson").read_text(encoding="utf-8"))["features"]
        if feature["properties"]["state"] in OPENED
    ]
    gains = [[_gain(properties, geometry, ground) for ground in grounds] for properties, geometry in changes]
    openings = truth.openings(before, after)
    places = [[g.pixels(opening.complex.geometry, touched=True) for g in grounds] for opening in openings]
    told = [[np.zeros(g.state.shape, bool) for g in grounds], *gains]
    anywhere = [np.logical_or.reduce(layers) for layers in zip(*told, strict=True)]
    for opening, place in zip(openings, places, strict=True):
        if any(p.any() for p in place):
            score.found.append(_found(opening, place, anywhere, grounds))
    for (properties, _), gain in zip(changes, gains, strict=True):
        _judge(score, properties, gain, grounds, truth, openings, places)
    for ground in grounds:
        more = ground.dug[1].astype(np.int64) - ground.dug[0]
        score.true_gain_ha += float(more[(ground.state != STATE_OUTSIDE) & (more > 0)].sum()) / 100 * CELL_HA
    return score


def score_map(run: Path, archive: Path, season: str) -> MapScore:
    """The map of one season against the truth of its middle day."""
    truth = read_truth(archive)
    total = Counter[str]()
    wrong = Counter[str]()
    blocks = []
    for path in sorted((run / "rasters").glob(f"class_{season}_*.tif")):
        classes, transform, epsg = raster_of(path)
        dug = truth_plane(archive, "disturbed", epsg, season, classes.shape, transform)
        watched = classes != OUTSIDE
        mapped = _is_mapped(classes)
        half = watched & (dug >= HALF_DUG)
        blocks.append(block_sums(100 * mapped.astype(np.int64) - dug, watched) / 100 * CELL_HA)
        total["watched"] += int(watched.sum())
        total["observed"] += int((watched & (classes != NOT_OBSERVED)).sum())
        total["mapped"] += int(mapped.sum())
        total["true"] += int(dug[watched].sum(dtype=np.int64))
        total["half"] += int(half.sum())
        total["both"] += int((mapped & half).sum())
        total["near"] += int((mapped & ndimage.binary_dilation(dug > 0, _EIGHT)).sum())
        cause = truth_plane(archive, "cause", epsg, season, classes.shape, transform)
        for code, name in truth.causes.items():
            wrong[name] += int((mapped & (dug == 0) & (cause == code)).sum())
    return MapScore(
        scenario=truth.name,
        period=season,
        mapped_ha=total["mapped"] * CELL_HA,
        true_ha=total["true"] / 100 * CELL_HA,
        bias_95=block_interval(np.concatenate(blocks)),
        truth_pixels_ha=total["half"] * CELL_HA,
        both_ha=total["both"] * CELL_HA,
        near_ha=total["near"] * CELL_HA,
        observed_share=total["observed"] / max(total["watched"], 1),
        wrong_ha={name: count * CELL_HA for name, count in wrong.items()},
    )


def _grounds(run: Path, archive: Path, before: str, after: str) -> list[_Ground]:
    grounds = []
    for path in sorted((run / "rasters").glob(f"change_{before}_{after}_*.tif")):
        state, transform, epsg = raster_of(path)
        zone = path.name.removeprefix(f"change_{before}_{after}_")
        classes = tuple(raster_of(path.with_name(f"class_{p}_{zone}"))[0] for p in (before, after))
        dug = tuple(truth_plane(archive, "disturbed", epsg, p, state.shape, transform) for p in (before, after))
        cause = truth_plane(archive, "cause", epsg, after, state.shape, transform)
        probability = raster_of(path.with_name(f"probability_{after}_{zone}"))[0]
        grounds.append(_Ground(epsg, transform, state, classes, probability, dug, cause))
    return grounds


def _is_mapped(classes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return (classes == BARE) | (classes == POND)


def _gain(properties: dict[str, Any], geometry: shapely.Geometry, ground: _Ground) -> NDArray[np.bool_]:
    """Ground that a change tells of as newly dug: new on the map, or all that radar alone claims."""
    pixels = ground.pixels(geometry)
    return pixels if properties["sensors"] == ["S1"] else pixels & (ground.state == NEW)


def _found(
    opening: Opening,
    place: Sequence[NDArray[np.bool_]],
    anywhere: Sequence[NDArray[np.bool_]],
    grounds: Sequence[_Ground],
) -> Found:
    pixels = sum(int((p & told).sum()) for p, told in zip(place, anywhere, strict=True))
    reported, reason = (pixels * CELL_HA, "") if pixels else (None, _why_missed(place, grounds))
    return Found(opening.complex.name, opening.gained_ha, reported, reason, opening.again)


def _why_missed(place: Sequence[NDArray[np.bool_]], grounds: Sequence[_Ground]) -> str:
    """The rule that lost most of the newly dug pixels of a complex; REASONS in the order of the flow."""
    lost: Counter[str] = Counter()
    weak = round(Change().weak * 10_000)
    for own, ground in zip(place, grounds, strict=True):
        then, now = ground.classes
        more = own & (ground.dug[1] > ground.dug[0])
        at = more & (ground.dug[1] >= HALF_DUG)
        at = at if at.any() else more
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
    truth: Truth,
    openings: Sequence[Opening],
    places: Sequence[Sequence[NDArray[np.bool_]]],
) -> None:
    near = [ndimage.binary_dilation(mask, _EIGHT) for mask in gain]
    verdict: Verdict = "right"
    cause = ""
    if not any((mask & (g.dug[1] > 0)).any() for mask, g in zip(near, grounds, strict=True)):
        verdict, cause = "false", _cause(gain, near, grounds, truth)
    elif not any((mask & (g.dug[1] > g.dug[0])).any() for mask, g in zip(near, grounds, strict=True)):
        verdict = "old workings"
    ha, confidence, sensors = (properties[name] for name in ("area_gain_ha", "confidence", "sensors"))
    score.told.append(Told(properties["change_id"], verdict, cause, ha, confidence, tuple(sensors)))
    if verdict != "right":
        return
    touched = [
        opening.day
        for opening, place in zip(openings, places, strict=True)
        if any((mask & p).any() for mask, p in zip(gain, place, strict=True))
    ]
    last, first = properties["last_clear_undisturbed"], properties["first_clear_disturbed"]
    if properties["state"] in ("new", "reopened") and touched and last and first:
        last, first = date.fromisoformat(last), date.fromisoformat(first)
        right = last <= min(touched) <= first
        score.dates.append(DateTold(right, (first - last).days, properties["dated_by"]))


def _cause(
    gain: Sequence[NDArray[np.bool_]],
    near: Sequence[NDArray[np.bool_]],
    grounds: Sequence[_Ground],
    truth: Truth,
) -> str:
    """What most of the named ground under a false alarm is; else what it borders on, else a fault of the picture."""
    for masks, is_own in ((gain, True), (near, False)):
        count = Counter[int]()
        for mask, ground in zip(masks, grounds, strict=True):
            count.update(ground.cause[mask & (ground.cause > 0)].tolist())
        if count:
            return truth.causes[min(count, key=lambda code: (-count[code], code))] if is_own else REGISTRATION
    return REMNANT
