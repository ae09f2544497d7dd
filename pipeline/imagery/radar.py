"""Sentinel-1 of one period on one tile: minimum, mean and 5th percentile of backscatter, track by track."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from math import comb

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from pipeline.areas.lattice import PIXEL_M
from pipeline.config import Radar
from pipeline.errors import SceneRejected
from pipeline.imagery.parallel import each
from pipeline.imagery.radar_items import ORBITS, POLARISATIONS, RadarFinder, RadarScene
from pipeline.imagery.radar_raster import RADAR_NODATA, from_power, to_power
from pipeline.imagery.scene import Skipped

STATISTICS = ("minimum", "mean", "5th percentile")
LINE_PLANES = (*(f"{pol} {what}" for pol in ("VV", "VH") for what in STATISTICS), "minimum around", "looks")
VV_MINIMUM, VH_MINIMUM, AROUND, LOOKS = 0, 3, 6, 7
# Tracks, and their planes (line, 8, …) over a tile or over some of its pixels.
LinePlanes = tuple[tuple[str, ...], NDArray[np.int16]]
_ONE_OVERPASS = timedelta(minutes=30)  # slices of one pass follow each other by 25 seconds
# Of the square around a pixel, before its mean counts: at a corner of the imagery a quarter is there.
_AROUND_SHARE = 0.25


@dataclass(frozen=True)
class RadarComposite:
    """Backscatter of one period, track by track.

    lines   tracks with their direction ("ascending 029"), sorted
    planes  int16 (line, 8, y, x), in the order of LINE_PLANES: dB x 100, -32768 where unknown; last the looks

    The minimum is that of `min_looks` looks: see `order_weights`. "minimum around" is its mean over the square of
    `surroundings_m` to each side, VV and VH together.
    """

    geobox: GeoBox
    lines: tuple[str, ...]
    planes: NDArray[np.int16]

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each plane, lines first."""
        return tuple(f"{line} {name}" for line in self.lines for name in LINE_PLANES)

    def to_planes(self) -> NDArray[np.int16]:
        """All planes in one array (plane, y, x), in the order of `names`."""
        return self.planes.reshape(-1, *self.planes.shape[2:])

    @classmethod
    def from_planes(cls, geobox: GeoBox, lines: Sequence[str], planes: NDArray[np.int16]) -> RadarComposite:
        """The composite of an array that `to_planes` made; raises ValueError if it is not of that shape and type."""
        if planes.shape != (len(lines) * len(LINE_PLANES), *geobox.shape) or planes.dtype != np.int16:
            raise ValueError(f"planes are {planes.dtype} {planes.shape}, not those of tracks {lines} on {geobox.shape}")
        return cls(geobox, tuple(lines), planes.reshape(len(lines), len(LINE_PLANES), *geobox.shape))

    @classmethod
    def empty(cls, geobox: GeoBox) -> RadarComposite:
        """A period without looks."""
        return cls(geobox, (), np.empty((0, len(LINE_PLANES), *geobox.shape), np.int16))

    def cropped(self, halo: int) -> RadarComposite:
        """Without the outer `halo` pixels on each side."""
        return RadarComposite(self.geobox.pad(-halo), self.lines, self.planes[..., halo:-halo, halo:-halo])

    def minima(self) -> NDArray[np.int16]:
        """The minimum of each track, (line, y, x): the mean of those in VV and VH."""
        return _both(self.planes[:, VV_MINIMUM], self.planes[:, VH_MINIMUM])

    def at(self, row: NDArray[np.intp], col: NDArray[np.intp]) -> LinePlanes:
        """Planes (line, 8, n) of some pixels, by row and column of the array."""
        return self.lines, self.planes[..., row, col]


def build_radar(
    source: RadarFinder, scenes: Sequence[RadarScene], geobox: GeoBox, settings: Radar, threads: int = 2
) -> tuple[RadarComposite, tuple[Skipped, ...]]:
    """Read the looks of one period on a lattice geobox and take their statistics; and the scenes that dropped out.

    Every look is averaged in linear power over `multilook_px` squared before anything is compared: the minimum of
    single pixels would be a minimum of speckle. Tracks are never mixed, for each sees the ground under its own angle.
    What comes out for a pixel depends neither on the tile nor on `threads`.
    """
    around = round(settings.surroundings_m / PIXEL_M)
    half = settings.multilook_px // 2
    wide = geobox.pad(around + half)
    lines = tuple(sorted({scene.line for scene in scenes}))
    planes = np.full((len(lines), len(LINE_PLANES), *geobox.shape), RADAR_NODATA, np.int16)
    lost: list[Skipped] = []
    for number, line in enumerate(lines):
        passes = overpasses([scene for scene in scenes if scene.line == line])
        looks = np.empty((len(passes), 2, *(n - 2 * half for n in wide.shape)), np.int16)

        def fill(k: int, passes: list[list[RadarScene]] = passes, looks: NDArray[np.int16] = looks) -> list[Skipped]:
            stored, skipped = _read_pass(source, passes[k], wide)
            looks[k] = multilooked(stored, half)
            return skipped

        for skipped in each(fill, len(passes), threads):
            lost += skipped
        planes[number] = _line_planes(looks, around, settings.min_looks)
    broken = {skipped.scene_id for skipped in lost}
    read = [any(scene.line == line and scene.id not in broken for scene in scenes) for line in lines]
    kept = tuple(line for line, good in zip(lines, read, strict=True) if good)
    return RadarComposite(geobox, kept, planes[read]), tuple(sorted(lost, key=lambda s: s.scene_id))


def overpasses(scenes: Sequence[RadarScene]) -> list[list[RadarScene]]:
    """Scenes of one track in groups by overpass of one satellite, by time."""
    groups: list[list[RadarScene]] = []
    latest: dict[str, list[RadarScene]] = {}
    for scene in sorted(scenes, key=lambda s: (s.acquired, s.id)):
        group = latest.get(scene.platform)
        if group is None or scene.acquired - group[0].acquired > _ONE_OVERPASS:
            group = latest[scene.platform] = []
            groups.append(group)
        group.append(scene)
    return groups


def multilooked(looks: NDArray[np.int16], half: int) -> NDArray[np.int16]:
    """Mean in linear power over squares of 2 half + 1 pixels, dB x 100; (…, y, x) loses `half` on each side.

    Neighbours without data are left out; a pixel without data stays without.
    """
    if half == 0:
        return looks
    power, known = to_power(looks), (looks != RADAR_NODATA).astype(np.float64)
    total, count = _box(power, half), _box(known, half)
    inner = looks[..., half:-half, half:-half]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = from_power(total / count)
    return np.where(inner == RADAR_NODATA, np.int16(RADAR_NODATA), mean)


@lru_cache(maxsize=256)
def order_weights(count: int, draw: int) -> NDArray[np.float64]:
    """Weights (3, count) of sorted looks that give their minimum, mean and 5th percentile.

    The minimum of more looks is lower for no other reason than that they are more. So the minimum is the mean of the
    minima of all choices of `draw` of the looks, of which C(count - i, draw - 1) have the i-th lowest as
    their minimum: an unbiased estimate of the minimum of `draw` looks whatever the count (Hoeffding 1948). The
    percentile is interpolated between looks as numpy does; with few looks it is biased as a minimum is.
    """
    weights = np.zeros((3, count))
    if count >= draw:
        weights[0] = [comb(count - 1 - i, draw - 1) / comb(count, draw) for i in range(count)]
    weights[1] = 1 / count
    place = 0.05 * (count - 1)
    below = int(place)
    weights[2, below] = 1 - (place - below)
    if below + 1 < count:
        weights[2, below + 1] = place - below
    return weights


def order_statistics(looks: NDArray[np.int16], draw: int) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Minimum of `draw` looks, mean and 5th percentile over time, (3, …), of (time, …) dB x 100; and the count (…).

    Unknown looks are left out. Fewer looks than `draw` have no minimum; none has no statistics.
    """
    known = looks != RADAR_NODATA
    count = known.sum(axis=0, dtype=np.int16)
    ordered = np.sort(np.where(known, looks, np.int16(32767)), axis=0)
    table = np.zeros((3, len(looks) + 1, len(looks)))
    for n in range(1, len(looks) + 1):
        table[:, n, :n] = order_weights(n, draw)
    total = np.zeros((3, *count.shape))
    for k in range(len(looks)):
        total += table[:, count, k] * ordered[k]
    out = np.where(count > 0, np.rint(total), RADAR_NODATA).astype(np.int16)
    out[0][count < draw] = RADAR_NODATA
    return out, count


def by_orbit(parts: Sequence[LinePlanes]) -> NDArray[np.int16]:
    """The minima of several periods, int16 (period, orbit, 2, …): of the ground, and of its surroundings.

    Ascending comes first. Where several tracks of a direction see a pixel, one speaks for it in all periods: the one
    with a minimum in most of them, then with most looks, then the lowest number.
    """
    shape = parts[0][1].shape[2:]
    out = np.full((len(parts), len(ORBITS), 2, *shape), RADAR_NODATA, np.int16)
    for orbit, direction in enumerate(ORBITS):
        best = np.full(shape, -1, np.int64)
        for line in sorted({line for lines, _ in parts for line in lines if line.startswith(direction)}):
            own = [planes[lines.index(line)] if line in lines else None for lines, planes in parts]
            minima = [None if p is None else np.stack([_both(p[VV_MINIMUM], p[VH_MINIMUM]), p[AROUND]]) for p in own]
            rank = np.zeros(shape, np.int64)
            for planes, pair in zip(own, minima, strict=True):
                if planes is not None and pair is not None:
                    rank += (pair != RADAR_NODATA).all(axis=0) * (1 << 32) + planes[LOOKS]
            better = rank > best
            best = np.where(better, rank, best)
            for period, pair in enumerate(minima):
                out[period, orbit] = np.where(better, RADAR_NODATA if pair is None else pair, out[period, orbit])
    return out


def _read_pass(
    source: RadarFinder, scenes: Sequence[RadarScene], geobox: GeoBox
) -> tuple[NDArray[np.int16], list[Skipped]]:
    """One look, (2, y, x) in VV and VH, known where both are; of overlapping slices the earlier goes first."""
    out = np.full((len(POLARISATIONS), *geobox.shape), RADAR_NODATA, np.int16)
    lost = []
    for scene in scenes:
        try:
            fresh = source.read_radar(scene, geobox)
        except SceneRejected as error:
            lost.append(Skipped(scene.id, str(error), failed=True))
            continue
        take = (out[0] == RADAR_NODATA) & (fresh != RADAR_NODATA).all(axis=0)
        out = np.where(take, fresh, out)
    return out, lost


def _line_planes(looks: NDArray[np.int16], around: int, draw: int) -> NDArray[np.int16]:
    """The planes of one track from its looks (time, 2, y, x), which reach `around` pixels farther than they."""
    statistics, count = order_statistics(looks, draw)
    inner = np.s_[..., around:-around, around:-around]
    planes = [statistics[what, pol][inner] for pol in (0, 1) for what in range(len(STATISTICS))]
    ground = _both(statistics[0, 0], statistics[0, 1])
    return np.stack([*planes, surroundings(ground, around), count[0][inner]])


def surroundings(ground: NDArray[np.int16], around: int) -> NDArray[np.int16]:
    """Mean of known dB x 100 over squares that reach `around` pixels to each side; loses as many at each edge.

    Sums are of whole numbers, so that where a tile begins cannot matter. -32768 where less than a quarter is known.
    """
    known = ground != RADAR_NODATA
    side = 2 * around + 1
    total, count = (_windows(plane, side) for plane in (np.where(known, ground, 0), known))
    enough = count >= _AROUND_SHARE * side * side
    mean = np.rint(total / np.where(enough, count, 1))
    return np.where(enough, mean, RADAR_NODATA).astype(np.int16)


def _windows(plane: NDArray[np.generic], side: int) -> NDArray[np.int64]:
    """Sums over all squares of a side, by a summed-area table."""
    table = np.zeros((plane.shape[0] + 1, plane.shape[1] + 1), np.int64)
    table[1:, 1:] = plane.astype(np.int64).cumsum(axis=0).cumsum(axis=1)
    return table[side:, side:] - table[:-side, side:] - table[side:, :-side] + table[:-side, :-side]


def _box(values: NDArray[np.float64], half: int) -> NDArray[np.float64]:
    """Sums over squares, added in the same order for every pixel: running sums would round by the tile's edge."""
    side, height, width = 2 * half + 1, *values.shape[-2:]
    rows = values[..., : height - 2 * half, :].copy()
    for k in range(1, side):
        rows += values[..., k : height - 2 * half + k, :]
    total = rows[..., : width - 2 * half].copy()
    for k in range(1, side):
        total += rows[..., k : width - 2 * half + k]
    return total


def _both(vv: NDArray[np.int16], vh: NDArray[np.int16]) -> NDArray[np.int16]:
    known = (vv != RADAR_NODATA) & (vh != RADAR_NODATA)
    mean = np.rint((vv.astype(np.int32) + vh) / 2)
    return np.where(known, mean, RADAR_NODATA).astype(np.int16)
