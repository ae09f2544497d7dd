"""How often still ground passes the rules for Sentinel-1: real series of fields without mining.

`python -m benchmarks.radar` prints the tables of docs/radar.md. Patches of 640 m with pixels of 20 m are read as a run
reads such files, each pixel repeated on the 10 m lattice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import netCDF4
import numpy as np
from numpy.typing import NDArray

from benchmarks.tables import share, table
from pipeline.areas.lattice import Tile
from pipeline.change.radar import agrees, mean_rise_db, rise
from pipeline.change.radar_claims import HALO_PX, radar_claims, risen_ground
from pipeline.config import Change, Period, Radar
from pipeline.imagery.radar import LINE_PLANES, RadarComposite, multilooked, order_statistics, surroundings
from pipeline.imagery.radar_raster import RADAR_NODATA

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "tanzania_belgium"
SETTINGS = Radar()
SIDES = (5, 7, 10)  # of the squares that stand for objects: 0.25, 0.49 and 1 ha
_THRESHOLD = round(SETTINGS.rise_db * 100)
_HALF = SETTINGS.multilook_px // 2


@dataclass(frozen=True)
class Series:
    """Looks of one track: days, and backscatter (time, 2, y, x) in dB x 100 on the 10 m lattice."""

    name: str
    days: NDArray[np.datetime64]
    looks: NDArray[np.int16]

    def between(self, first: date, last: date) -> NDArray[np.int16]:
        """Looks from one day to another, both included."""
        return self.looks[(self.days >= np.datetime64(first)) & (self.days <= np.datetime64(last))]


@dataclass(frozen=True)
class Pair:
    """Two periods of one series, of the same season or of different ones."""

    series: Series
    first: tuple[date, date]
    second: tuple[date, date]
    same_season: bool

    @property
    def name(self) -> str:
        """Where and when."""
        return f"{self.series.name}: {_span(self.first)} → {_span(self.second)}"


@dataclass(frozen=True)
class Figures:
    """Shares of pixels or squares that pass, and hectares that radar alone would claim."""

    looks: tuple[int, int]
    shift_db: float
    pixels: dict[str, float]
    squares: dict[int, float]
    claimed_ha: float
    ground_ha: float


def series() -> list[Series]:
    """Tanzania from its one track, Belgium from each of its two."""
    days, times, looks = _read("tanzania")
    found = [Series("Tanzania", days, looks)]
    days, times, looks = _read("belgium")
    # The two tracks pass eight minutes apart.
    early = np.array([time.hour * 60 + time.minute < 17 * 60 + 36 for time in times])
    found += [Series(f"Belgium, track {n}", days[own], looks[own]) for n, own in ((1, early), (2, ~early))]
    return found


def _read(place: str) -> tuple[NDArray[np.datetime64], list[datetime], NDArray[np.int16]]:
    (path,) = DATA.glob(f"{place}*/S1_GRD*.nc")
    with netCDF4.Dataset(path) as data:
        data.set_auto_maskandscale(False)
        start = datetime.fromisoformat(data["timestamp"].units.split("since ")[1])
        times = [start + timedelta(seconds=int(s)) for s in data["timestamp"][:]]
        stored = np.stack([data["VV"][:], data["VH"][:]], axis=1)
    decibels = np.where(stored == 0, RADAR_NODATA, np.rint(stored / 100)).astype(np.int16)
    days = np.array([np.datetime64(time.date()) for time in times])
    return days, times, decibels.repeat(2, axis=2).repeat(2, axis=3)


def pairs() -> Iterator[Pair]:
    """Periods of four months: a year apart, and one after the other."""
    tanzania, *belgium = series()
    june = [(date(y, 6, 1), date(y, 9, 30)) for y in (2020, 2021)]
    october = [(date(y, 10, 1), date(y + 1, 1, 31)) for y in (2019, 2020)]
    february = [(date(y, 2, 1), date(y, 5, 31)) for y in (2020, 2021)]
    for first, second in (june, october, february):
        yield Pair(tanzania, first, second, True)
    for one in belgium:
        yield Pair(one, (date(2017, 8, 1), date(2017, 11, 30)), (date(2018, 8, 1), date(2018, 11, 30)), True)
    row = sorted([*june, *october, *february])
    for first, second in pairwise(row):
        yield Pair(tanzania, first, second, False)
    thirds = [(date(2017, 8, 1), date(2017, 11, 30)), (date(2017, 12, 1), date(2018, 3, 31))]
    thirds += [(date(2018, 4, 1), date(2018, 7, 31)), (date(2018, 8, 1), date(2018, 11, 30))]
    for one in belgium:
        for first, second in pairwise(thirds):
            yield Pair(one, first, second, False)


def measure(pair: Pair) -> Figures:
    """What passes between two periods in which nothing was dug."""
    looks = [pair.series.between(*span) for span in (pair.first, pair.second)]
    averaged = [multilooked(np.pad(own, _EDGES, constant_values=RADAR_NODATA), _HALF) for own in looks]
    statistics = [order_statistics(own, SETTINGS.min_looks)[0].astype(np.int32) for own in averaged]
    single = [own.min(axis=0).astype(np.int32).mean(axis=0) for own in looks]
    plain = [own.min(axis=0).astype(np.int32).mean(axis=0) for own in averaged]
    ground = [np.rint(own[0].mean(axis=0)).astype(np.int16) for own in statistics]
    reach = SETTINGS.surroundings_m // 10
    around = [surroundings(np.pad(own, reach, constant_values=RADAR_NODATA), reach) for own in ground]
    rises, known = rise(*(np.stack(both) for both in zip(ground, around, strict=True)))
    if not known.all():
        raise ValueError(f"{pair.name}: not measured everywhere")
    pixels = {
        "lowest of single pixels": single[1] - single[0],
        "lowest of averaged looks": plain[1] - plain[0],
        "5th percentile": statistics[1][2].mean(axis=0) - statistics[0][2].mean(axis=0),
        "minimum of 5 looks": ground[1].astype(np.int32) - ground[0],
        "less the surroundings": rises,
    }
    return Figures(
        looks=(len(looks[0]), len(looks[1])),
        shift_db=float(np.median(pixels["minimum of 5 looks"])) / 100,
        pixels={name: float((values >= _THRESHOLD).mean()) for name, values in pixels.items()},
        squares={side: _squares(ground, around, side) for side in SIDES},
        claimed_ha=_claimed_ha(ground, around),
        ground_ha=rises.size / 100,
    )


_EDGES = ((0, 0), (0, 0), (_HALF, _HALF), (_HALF, _HALF))


def _squares(ground: list[NDArray[np.int16]], around: list[NDArray[np.int16]], side: int) -> float:
    """Share of squares, side by side, that pass as objects: how often a false one would be agreed to by chance."""
    earlier, later = (np.stack(both) for both in zip(ground, around, strict=True))
    area, passed = np.ones(side * side), []
    for row in range(0, earlier.shape[1] - side + 1, side):
        for col in range(0, earlier.shape[2] - side + 1, side):
            square = np.s_[:, row : row + side, col : col + side]
            found = mean_rise_db(earlier[square].reshape(2, -1), later[square].reshape(2, -1), area)
            passed.append(agrees([found], SETTINGS.rise_db))
    return float(np.mean(passed))


def _claimed_ha(ground: list[NDArray[np.int16]], around: list[NDArray[np.int16]]) -> float:
    """Hectares that radar alone would claim if optics had seen nothing of it."""
    tile = Tile(32637, 50, 50)
    parts = []
    for own, near in zip(ground, around, strict=True):
        planes = np.full((1, len(LINE_PLANES), 512 + 2 * HALO_PX, 512 + 2 * HALO_PX), RADAR_NODATA, np.int16)
        height, width = own.shape
        planes[0, [0, 3, 6], HALO_PX : HALO_PX + height, HALO_PX : HALO_PX + width] = np.stack([own, own, near])
        planes[0, 7] = SETTINGS.min_looks
        parts.append(RadarComposite(tile.padded(HALO_PX), ("ascending 000",), planes))
    side = (512, 512)
    risen = risen_ground(
        tile,
        *parts,
        np.ones(side, bool),
        np.zeros(side, np.uint16),
        np.zeros(side, np.int16),
        np.full(side, 100.0),
        SETTINGS,
    )
    span = tuple(Period(name=name, start=date(2020, 1, 1), end=date(2020, 1, 2)) for name in ("a", "b"))
    claims = radar_claims([risen], (), (), span, Change(), SETTINGS, 0, 1)
    return sum(claim.area_ha for claim in claims)


def fewer_looks() -> tuple[float, float]:
    """What half the looks of a Belgian autumn do to the lowest look and to the minimum of five; mean in dB."""
    (one,) = (one for one in series() if one.name.endswith("track 1"))
    looks = multilooked(one.between(date(2018, 8, 1), date(2018, 11, 30)), _HALF)
    plain, ours = [], []
    for part in (looks, looks[::2], looks[1::2]):
        plain.append(part.min(axis=0).mean(dtype=np.float64))
        ours.append(order_statistics(part, SETTINGS.min_looks)[0][0].mean(dtype=np.float64))
    return tuple((sum(rule[1:]) / 2 - rule[0]) / 100 for rule in (plain, ours))  # type: ignore[return-value]


def tables() -> str:
    """The tables of docs/radar.md."""
    measured = [(pair, measure(pair)) for pair in pairs()]
    rules = list(measured[0][1].pixels)
    head = ["periods", "looks", "median rise, dB", *rules]
    out = []
    for title, same in (("The same season a year later", True), ("The next season", False)):
        rows = [
            [
                pair.name,
                f"{found.looks[0]}, {found.looks[1]}",
                f"{found.shift_db:+.2f}",
                *(share(found.pixels[rule], 1, 1) for rule in rules),
            ]
            for pair, found in measured
            if pair.same_season == same
        ]
        out.append(f"{title}: pixels that rise by {SETTINGS.rise_db} dB.\n\n{table(head, rows)}")
    head = ["periods", *(f"squares of {side * side / 100:.2f} ha" for side in SIDES), "claimed by radar alone"]
    rows = [
        [
            pair.name,
            *(share(found.squares[side], 1, 1) for side in SIDES),
            f"{found.claimed_ha:.1f} of {found.ground_ha:.0f} ha",
        ]
        for pair, found in measured
    ]
    out.append(f"Ground as a whole, under the rule of a run.\n\n{table(head, rows)}")
    plain, ours = fewer_looks()
    out.append(
        f"With ten of the twenty looks of a Belgian autumn the lowest look lies {plain:+.2f} dB off, the minimum of "
        f"{SETTINGS.min_looks} looks {ours:+.2f} dB."
    )
    return "\n\n".join(out)


def _span(span: tuple[date, date]) -> str:
    return f"{span[0]:%b %Y}–{span[1]:%b %Y}"


if __name__ == "__main__":
    print(tables())
