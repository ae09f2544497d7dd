"""Objects: which disturbed-looking pixels stand on the map of each period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.change.candidates import PROBABILITY_SCALE, Candidates
from pipeline.change.components import Pixels, connect
from pipeline.change.season import seasonal_ground
from pipeline.change.states import BARE, NOT_OBSERVED, OTHER, POND, SEASONAL, is_disturbed
from pipeline.config import Change


@dataclass(frozen=True)
class Classified:
    """Candidates of one UTM zone with the class of each pixel and period.

    classes  uint8 (T, n)  0 other, 1 bare workings, 2 pond in workings, 3 seasonal, 4 water's edge, 255 not observed
    capped   bool (T, n)   workings whose wet season was not seen
    """

    candidates: Candidates
    classes: NDArray[np.uint8]
    capped: NDArray[np.bool_]

    @property
    def epsg(self) -> int:
        """EPSG code of the UTM zone."""
        return self.candidates.epsg

    @property
    def disturbed(self) -> NDArray[np.bool_]:
        """Pixels on the map as workings, (T, n)."""
        return is_disturbed(self.classes)


def classify(zones: Sequence[Candidates], settings: Change) -> tuple[Classified, ...]:
    """Classes of all candidates of a programme, one entry a UTM zone, sorted by EPSG code.

    Seasonal ground is set aside; then each period is mapped by itself (`mapped_objects`), and pixels that
    stay in the doubtful band from one period to the next are held steady (`hold_steady`).
    """
    ordered = sorted(zones, key=lambda zone: zone.epsg)
    seasons = [seasonal_ground(zone, settings) for zone in ordered]
    probabilities = [zone.probability for zone in ordered]
    weak = round(settings.weak * PROBABILITY_SCALE)
    workings = [(p >= weak) & ~season[0] for p, season in zip(probabilities, seasons, strict=True)]
    mapped = [np.zeros_like(w) for w in workings]
    for period in range(ordered[0].periods if ordered else 0):
        found = mapped_objects(ordered, [p[period] for p in probabilities], [w[period] for w in workings], settings)
        for own, kept in zip(mapped, found, strict=True):
            own[period] = kept
    result = []
    for zone, p, w, m, (seasonal, capped) in zip(ordered, probabilities, workings, mapped, seasons, strict=True):
        steady = hold_steady(m, w, p, settings)
        classes = np.full(p.shape, OTHER, np.uint8)
        classes[p < 0] = NOT_OBSERVED
        classes[seasonal] = SEASONAL
        classes[steady] = np.where(zone.pond > zone.bare, POND, BARE)[steady]
        result.append(Classified(zone, classes, capped & steady))
    return tuple(result)


def mapping_unit_m2(settings: Change) -> float:
    """Smallest area of an object, less a square centimetre, so that the order of a sum of cells decides nothing."""
    return settings.minimum_mapping_unit_ha * 10_000 - 1e-4


def mapped_objects(
    zones: Sequence[Candidates],
    probability: Sequence[NDArray[np.int16]],
    workings: Sequence[NDArray[np.bool_]],
    settings: Change,
) -> list[NDArray[np.bool_]]:
    """Pixels on the map of one period, (n,) a UTM zone; `workings` are those that reach `weak` out of season.

    An object is a set of workings connected through eight neighbours, across UTM zones too. It needs one pixel
    of `strong` and the minimum mapping unit in true area. Objects closer than `isolation_m` form a group, and
    a group stays if one of its pixels reaches `isolated`: so a lone object needs such a pixel itself, and two
    doubtful ones do not vouch for each other.
    """
    strong, isolated = round(settings.strong * PROBABILITY_SCALE), round(settings.isolated * PROBABILITY_SCALE)
    index = [np.flatnonzero(w) for w in workings]
    groups, count = connect(_at(zones, index), 0.0)
    area, seeded = np.zeros(count), np.zeros(count, bool)
    for zone, p, at, group in zip(zones, probability, index, groups, strict=True):
        area += np.bincount(group, zone.area_m2[at], count)
        seeded[group[p[at] >= strong]] = True
    stands = seeded & (area >= mapping_unit_m2(settings))
    index = [at[stands[group]] for at, group in zip(index, groups, strict=True)]
    groups, count = connect(_at(zones, index), settings.isolation_m)
    vouched = np.zeros(count, bool)
    for p, at, group in zip(probability, index, groups, strict=True):
        vouched[group[p[at] >= isolated]] = True
    kept = [np.zeros_like(w) for w in workings]
    for own, at, group in zip(kept, index, groups, strict=True):
        own[at[vouched[group]]] = True
    return kept


def _at(zones: Sequence[Candidates], index: Sequence[NDArray[np.int64]]) -> list[Pixels]:
    return [Pixels(zone.epsg, zone.row[at], zone.col[at]) for zone, at in zip(zones, index, strict=True)]


def hold_steady(
    mapped: NDArray[np.bool_], workings: NDArray[np.bool_], probability: NDArray[np.int16], settings: Change
) -> NDArray[np.bool_]:
    """`mapped` (T, n) and the doubtful workings beside it in time, so that hovering about a threshold is no change.

    Ground once mapped stays until it falls below `weak`: recovery is claimed on clear evidence only. Ground
    mapped later counts as mapped already in a doubtful period before it unless its probability rose by the
    whole width of the band, `strong` - `weak`. Periods in which a pixel was not observed are passed over.
    """
    band = round((settings.strong - settings.weak) * PROBABILITY_SCALE)
    steady = mapped.copy()
    observed = probability >= 0
    known, level = np.zeros(mapped.shape[1:], bool), np.zeros(mapped.shape[1:], np.int16)
    for period in range(len(mapped) - 1, -1, -1):
        p, seen = probability[period], observed[period]
        steady[period] |= known & workings[period] & (level - p < band)
        known = np.where(seen, steady[period], known)
        level = np.where(seen, p, level)
    known = np.zeros(mapped.shape[1:], bool)
    for period in range(len(mapped)):
        steady[period] |= known & workings[period]
        known = np.where(observed[period], steady[period], known)
    return steady
