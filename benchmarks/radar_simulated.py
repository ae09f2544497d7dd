"""What Sentinel-1 says of simulated workings, and what it would claim with no optical look at all.

`python -m benchmarks.radar_simulated ARCHIVE` prints the tables of docs/radar.md that tell of an archive of
`placerwatch simulate`. Each pair of consecutive dry seasons is held against the truth beside the archive: no map and no
classifier has a part in it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import shapely
import yaml
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import geometry_mask
from scipy import ndimage

from benchmarks.accuracy_simulated import SIZES, truth_plane
from benchmarks.tables import per_100, table
from pipeline.areas import Tile, cell_area_m2, zone_index
from pipeline.areas.lattice import PIXEL_M, project
from pipeline.change.radar import agrees, mean_rise_db
from pipeline.change.radar_claims import HALO_PX, radar_claims, risen_ground
from pipeline.config import Change, Radar
from pipeline.config_file import read_config
from pipeline.imagery import RadarComposite, RadarFinder, build_radar
from pipeline.imagery.radar import by_orbit
from pipeline.runs.plan import Plan, make_plan, open_programme_source
from pipeline.runs.progress import Silent
from pipeline.simulation import scenario_area, scenario_periods

_UPPER_HA = (0.1, 0.5, 2.0)
_STILL_PX = 5  # side of the squares of undug ground that stand for false openings
_EIGHT = np.ones((3, 3), bool)


@dataclass
class Score:
    """One pair of seasons: openings that radar agrees to by size, still squares, and what it claims alone.

    `kinds` are those of 0.1 ha or more by whether they were complete before the later season, and whether the whole
    complex, ponds included, was drawn to rise by the threshold.
    """

    pair: str
    watched_km2: float = 0.0
    openings: Counter[int] = field(default_factory=Counter)
    agreed: Counter[int] = field(default_factory=Counter)
    kinds: Counter[tuple[bool, bool]] = field(default_factory=Counter)
    kinds_agreed: Counter[tuple[bool, bool]] = field(default_factory=Counter)
    still: int = 0
    still_agreed: int = 0
    covered: Counter[int] = field(default_factory=Counter)
    claims: int = 0
    false_claims: int = 0
    false_ha: float = 0.0
    false_on: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class _Pair:
    """A tile in two seasons: backscatter, the watch, and the truth, on the tile."""

    tile: Tile
    radar: tuple[RadarComposite, RadarComposite]
    zone: NDArray[np.int16]
    dug: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    cause: NDArray[np.uint8]


def study(archive: Path) -> list[Score]:
    """Every pair of consecutive seasons of an archive."""
    record = json.loads((archive / "scenario.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        plan = _plan(record["name"], archive, Path(folder))
    complexes = json.loads((archive / "truth" / "complexes.geojson").read_text(encoding="utf-8"))["features"]
    seasons = [_season(plan, number) for number in range(len(plan.periods))]
    scores = []
    for number in range(1, len(plan.periods)):
        before, after = (plan.periods[k].name for k in (number - 1, number))
        pairs = [
            _Pair(
                tile,
                (seasons[number - 1][tile], seasons[number][tile]),
                zone_index(tile, plan.file.areas),
                (_truth(archive, "disturbed", tile, before), _truth(archive, "disturbed", tile, after)),
                _truth(archive, "cause", tile, after),
            )
            for tile in plan.tiles
        ]
        score = Score(f"{record['name']}: {before} → {after}")
        opened = [c for c in complexes if _ha(c, before) == 0 and _ha(c, after) > 0]
        _witness(score, plan, pairs, opened, after, number)
        _alone(score, plan, pairs, opened, number, {int(c): n for c, n in record["truth"]["causes"].items()})
        scores.append(score)
    return scores


def _plan(scenario: str, archive: Path, folder: Path) -> Plan:
    (folder / "area.geojson").write_text(json.dumps(scenario_area(scenario)), encoding="utf-8")
    periods = scenario_periods(scenario)
    config = {
        "programme": scenario,
        "areas": ["area.geojson"],
        "periods": [period.model_dump(mode="json") for period in periods],
        "source": {"kind": "folder", "path": archive.resolve().as_posix()},
    }
    path = folder / "programme.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    file = read_config(path)
    return make_plan(file, open_programme_source(file, folder, Silent()), periods[-1].end)


def _season(plan: Plan, number: int) -> dict[Tile, RadarComposite]:
    """Backscatter of every tile in one season, with its halo."""
    found = {}
    assert isinstance(plan.source, RadarFinder)
    for item, scenes in zip(plan.work, plan.radar.work, strict=True):
        if item.period == plan.periods[number]:
            found[item.tile], lost = build_radar(plan.source, scenes, item.tile.padded(HALO_PX), plan.file.config.radar)
            if lost:
                raise SystemExit(f"{lost[0].scene_id}: {lost[0].reason}")
    return found


def _truth(archive: Path, kind: str, tile: Tile, period: str) -> NDArray[np.uint8]:
    return truth_plane(archive, kind, tile.epsg, period, tile.geobox.shape, tile.geobox.affine)


def _ha(feature: dict[str, dict[str, dict[str, float]]], period: str) -> float:
    properties = feature["properties"]
    return float(properties["bare_ha"][period] + properties["pond_ha"][period])


def _size(area_ha: float) -> int:
    return sum(area_ha >= upper for upper in _UPPER_HA)


def _inside(feature: dict[str, object], tile: Tile) -> NDArray[np.bool_]:
    shape = project(shapely.geometry.shape(feature["geometry"]), tile.epsg)
    transform = Affine(*tuple(tile.geobox.affine)[:6])
    return geometry_mask([shape], tile.geobox.shape, transform, all_touched=True, invert=True)


def _minima(pair: _Pair) -> NDArray[np.int16]:
    """Ground and surroundings of both seasons from each orbit, (period, orbit, 2, y, x)."""
    return by_orbit([part.cropped(HALO_PX).at(*np.indices((512, 512))) for part in pair.radar])


def _agrees(own: NDArray[np.int16]) -> bool:
    """The rule of docs/change.md for the pixels (period, orbit, 2, n) of an object."""
    area = np.ones(own.shape[-1])
    return agrees([mean_rise_db(own[0, orbit], own[1, orbit], area) for orbit in (0, 1)], Radar().rise_db)


def _witness(
    score: Score, plan: Plan, pairs: Sequence[_Pair], opened: Sequence[dict[str, dict]], after: str, number: int
) -> None:
    minima = [_minima(pair) for pair in pairs]
    for feature in opened:
        ground = [
            _inside(feature, pair.tile) & (pair.dug[1] >= 50) & (pair.dug[0] == 0) & (pair.zone >= 0) for pair in pairs
        ]
        if not any(mask.any() for mask in ground):
            continue
        own = np.concatenate([part[..., mask] for part, mask in zip(minima, ground, strict=True)], axis=-1)
        size, agreed = _size(_ha(feature, after)), _agrees(own)
        score.openings[size] += 1
        score.agreed[size] += agreed
        if size:
            properties = feature["properties"]
            whole_season = date.fromisoformat(properties["complete"]) < plan.periods[number].start
            kind = whole_season, properties["radar_rise_db"] >= Radar().rise_db
            score.kinds[kind] += 1
            score.kinds_agreed[kind] += agreed
    for pair, part in zip(pairs, minima, strict=True):
        still = (pair.zone >= 0) & ~ndimage.binary_dilation((pair.dug[0] > 0) | (pair.dug[1] > 0), _EIGHT, 3)
        for row in range(0, 512 - _STILL_PX, 2 * _STILL_PX):
            for col in range(0, 512 - _STILL_PX, 2 * _STILL_PX):
                window = np.s_[row : row + _STILL_PX, col : col + _STILL_PX]
                if still[window].all():
                    score.still += 1
                    score.still_agreed += _agrees(part[..., *window].reshape(2, 2, 2, -1))


def _alone(
    score: Score,
    plan: Plan,
    pairs: Sequence[_Pair],
    opened: Sequence[dict[str, dict]],
    number: int,
    causes: dict[int, str],
) -> None:
    after = plan.periods[number].name
    settings = plan.file.config.radar
    everywhere, none = np.ones((512, 512), bool), np.zeros((512, 512), np.uint16)
    parts = [risen_ground(p.tile, *p.radar, everywhere, none, p.zone, cell_area_m2(p.tile), settings) for p in pairs]
    claims = radar_claims(parts, (), (), plan.periods, Change(), settings, number - 1, number)
    told = [np.zeros((512, 512), bool) for _ in pairs]
    for claim in claims:
        real, lies_on = False, Counter[int]()
        for own, pair in zip(told, pairs, strict=True):
            if pair.tile in claim.tiles:
                ground = _inside({"geometry": claim.geometry}, pair.tile)
                own |= ground
                real |= bool((ground & (pair.dug[1] > pair.dug[0])).any())
                lies_on.update(pair.cause[ground].tolist())
        score.claims += 1
        score.false_claims += not real
        if not real:
            score.false_ha += claim.area_ha
            score.false_on[causes[min(lies_on, key=lambda code: (-lies_on[code], code))]] += 1
    score.watched_km2 = sum(int((pair.zone >= 0).sum()) for pair in pairs) * PIXEL_M**2 / 1e6
    for feature in opened:
        ground = [_inside(feature, pair.tile) & (pair.dug[1] > 0) & (pair.zone >= 0) for pair in pairs]
        whole = sum(int(mask.sum()) for mask in ground)
        if whole:
            hit = sum(int((mask & own).sum()) for mask, own in zip(ground, told, strict=True))
            score.covered[_size(_ha(feature, after))] += hit >= whole / 4


def tables(scores: Sequence[Score]) -> str:
    """Markdown for docs/radar.md."""
    sizes = range(len(SIZES))
    head = ["seasons", *(f"{name} ha" for name in SIZES), "still squares of 0.25 ha"]
    rows = [
        [
            score.pair,
            *(f"{score.agreed[size]} of {score.openings[size]}" for size in sizes),
            f"{score.still_agreed} of {score.still:,}",
        ]
        for score in scores
    ]
    out = [f"Openings whose ground radar agrees to, by size.\n\n{table(head, rows)}"]
    kinds, agreed = sum((s.kinds for s in scores), Counter()), sum((s.kinds_agreed for s in scores), Counter())
    head = ["of 0.1 ha or more", f"drawn to rise by {Radar().rise_db} dB or more", "drawn to rise by less"]
    rows = [
        [name, *(f"{agreed[whole, strong]} of {kinds[whole, strong]}" for strong in (True, False))]
        for name, whole in (("complete before the later season", True), ("still growing in it", False))
    ]
    out.append(f"The same, all seasons together, by when they were dug and what they return.\n\n{table(head, rows)}")
    head = ["seasons", *(f"{name} ha" for name in SIZES), "claims", "false", "per 100 km²", "false, ha", "they lie on"]
    rows = [
        [
            score.pair,
            *(f"{score.covered[size]} of {score.openings[size]}" for size in sizes),
            f"{score.claims}",
            f"{score.false_claims}",
            per_100(score.false_claims, score.watched_km2),
            f"{score.false_ha:.1f}",
            ", ".join(f"{name} {count}" for name, count in sorted(score.false_on.items())) or "–",
        ]
        for score in scores
    ]
    out.append(
        f"Radar alone, as if optics had seen nothing: openings of which it claims a quarter.\n\n{table(head, rows)}"
    )
    return "\n\n".join(out)


def main() -> None:
    """Print the tables of one or more archives."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archives", type=Path, nargs="+", help="folders that `placerwatch simulate` made")
    scores = [score for archive in parser.parse_args().archives for score in study(archive)]
    print(tables(scores))


if __name__ == "__main__":
    main()
