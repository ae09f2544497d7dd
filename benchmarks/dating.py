"""Dates of openings against simulated truth: `python -m benchmarks.dating` prints the table of docs/change.md.

The whole command runs on every season of an archive, once with dates from looks and once with those from periods. A
site is judged by the complexes that opened under it between the two periods: is the first opening in the interval?
`--seeds` adds that many to a scenario's own: 0 is the shipped archive, others are other ground under other skies.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import shapely
import yaml
from numpy.typing import NDArray
from rasterio.features import geometry_mask

from benchmarks.tables import table
from pipeline.areas import TILE_PX, Tile, project
from pipeline.change.dating import SEEN_SHARE
from pipeline.config import Imagery, Period
from pipeline.imagery import NODATA
from pipeline.runs import RunOptions, run_programme
from pipeline.runs.store import Store
from pipeline.runs.windows import LOOKS
from pipeline.simulation import scenario_area
from pipeline.simulation.archive import make_archive
from pipeline.simulation.scenario import scenario_of
from pipeline.simulation.truth import middle

_EPOCH = date(1970, 1, 1)
SCENARIOS = ("carnot", "tortiya")


@dataclass(frozen=True)
class Dated:
    """A site over complexes that opened between two periods: the first opening and the interval told of it.

    `limit_days` is the gap between the two looks about the opening that show half of the ground or more.
    """

    site_id: str
    opened: date
    last: date
    first: date
    by: str
    limit_days: int | None

    @property
    def right(self) -> bool:
        """Whether the opening lies in the interval."""
        return self.last <= self.opened <= self.first

    @property
    def width_days(self) -> int:
        """Width of the interval."""
        return (self.first - self.last).days


@dataclass
class Score:
    """The sites of one run; `mixed` stand on older workings too, and have no one opening."""

    name: str
    dated: list[Dated] = field(default_factory=list)
    mixed: int = 0
    seconds: float = 0.0
    windows: int = 0
    scenes: int = 0


def study(scenario: str, seed: int, dating: str, work: Path) -> Score:
    """Run every season of an archive and hold the sites' opening dates against its truth."""
    chosen = scenario_of(scenario)
    archive = make_archive(replace(chosen, seed=chosen.seed + seed), work / "archives" / f"{scenario}-{seed}")
    periods = chosen.periods()
    config = _programme(scenario, seed, dating, archive, periods, work)
    as_of = periods[-1].end + timedelta(days=Imagery().season_days)
    finished = run_programme(config, RunOptions(as_of, work / "runs", executor="serial"))
    if finished.exit_code:
        raise SystemExit(f"{config}: the run is not complete, so it is not scored:\n{finished.text}")
    score = Score(f"{scenario}, seed +{seed}", seconds=finished.manifest["timings_s"].get("dating", 0.0))
    rows = finished.manifest["dating"]["windows"]
    score.windows, score.scenes = len(rows), sum(len(row["scenes"]) for row in rows)
    judge_dates(score, finished.folder, archive, periods, rows)
    return score


def _programme(scenario: str, seed: int, dating: str, archive: Path, periods: Sequence[Period], work: Path) -> Path:
    folder = work / f"{scenario}-{seed}-{dating}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "area.geojson").write_text(json.dumps(scenario_area(scenario)), encoding="utf-8")
    config = {
        "programme": f"{scenario}-{seed}",
        "areas": ["area.geojson"],
        "periods": [period.model_dump(mode="json") for period in periods],
        "source": {"kind": "folder", "path": archive.resolve().as_posix()},
        "change": {"dating": dating},
    }
    path = folder / "programme.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return path


def judge_dates(
    score: Score, run: Path, archive: Path, periods: Sequence[Period], rows: Sequence[dict[str, Any]]
) -> None:
    """Add the sites of a run to a score; `rows` are the windows that its manifest names."""
    names = [period.name for period in periods]
    complexes = [
        (feature["properties"], shapely.from_geojson(json.dumps(feature["geometry"])))
        for feature in json.loads((archive / "truth" / "complexes.geojson").read_text("utf-8"))["features"]
    ]
    store = Store(run.resolve().parents[1] / "store")
    for feature in json.loads((run / "sites.geojson").read_text("utf-8"))["features"]:
        site, ground = feature["properties"], shapely.from_geojson(json.dumps(feature["geometry"]))
        index = names.index(site["first_seen"])
        last, first = site["last_clear_undisturbed"], site["first_clear_disturbed"]
        if not index or last is None or first is None:
            continue
        before, after = periods[index - 1], periods[index]
        under = [properties for properties, place in complexes if place.intersects(ground)]
        opened = [day for properties in under for day in _openings(properties, before, after)]
        if any(_ha(properties, before.name) > 0 for properties in under):
            score.mixed += bool(opened)
            continue
        if opened:
            own = [row for row in rows if site["site_id"] in row["sites"] and row["between"][1] == after.name]
            limit = _limit(store, own, ground, min(opened))
            days = date.fromisoformat(last), date.fromisoformat(first)
            score.dated.append(Dated(site["site_id"], min(opened), *days, site["dated_by"], limit))


def _ha(properties: dict[str, Any], period: str) -> float:
    return float(properties["bare_ha"][period] + properties["pond_ha"][period])


def _openings(properties: dict[str, Any], before: Period, after: Period) -> Iterator[date]:
    """The day on which a complex without disturbed ground in one period opened, if it has some in the next."""
    if _ha(properties, before.name) == 0 and _ha(properties, after.name) > 0:
        days = [date.fromisoformat(day) for name in ("opened", "reopened") if (day := properties.get(name))]
        yield from [day for day in days if middle(before) < day <= middle(after)][:1]


def _limit(store: Store, rows: Sequence[dict[str, Any]], ground: shapely.Geometry, opened: date) -> int | None:
    """Days between the last clear look before an opening and the first from it on; None if none was read."""
    clear: dict[int, int] = {}
    pixels = 0
    for row in rows:
        tile = Tile.from_id(row["tile"])
        top, bottom, left, right = row["window"]
        mask = geometry_mask(
            [project(ground, tile.epsg)], (TILE_PX, TILE_PX), tile.geobox.transform, invert=True, all_touched=False
        )[top:bottom, left:right]
        pixels += int(mask.sum())
        for day, plane in zip(_days(store, row["looks"]), store.get_planes(LOOKS, row["looks"]), strict=True):
            clear[day] = clear.get(day, 0) + int((plane[mask] != NODATA).sum())
    days = np.array(sorted(day for day, count in clear.items() if count >= SEEN_SHARE * pixels), int)
    at = (opened - _EPOCH).days
    earlier, later = days[days < at], days[days >= at]
    return int(later.min() - earlier.max()) if earlier.size and later.size else None


def _days(store: Store, key: str) -> NDArray[np.int_]:
    seal = store.seal(LOOKS, key)
    assert seal is not None
    return np.array(seal["days"])


def score_row(score: Score, plain: Score) -> list[str]:
    """One line of the table; `plain` is the same run with dates from periods."""
    by_looks = [site for site in score.dated if site.by == "looks"]
    limits = [site.limit_days for site in by_looks if site.limit_days is not None]
    early = sum(site.opened > site.first for site in score.dated)
    late = sum(site.opened < site.last for site in score.dated)
    other = {site.site_id: site for site in plain.dated}
    return [
        score.name,
        f"{len(score.dated)} ({score.mixed})",
        str(len(by_looks)),
        f"{sum(site.right for site in score.dated)} / {len(score.dated)}",
        f"{early} / {late}",
        f"{sum(site.right for site in plain.dated)} / {len(plain.dated)}",
        f"{median(site.width_days for site in by_looks):.0f} / {mean(site.width_days for site in by_looks):.0f}",
        f"{median(limits):.0f} / {mean(limits):.0f}",
        f"{median(other[site.site_id].width_days for site in by_looks):.0f}",
        f"{score.windows} / {score.scenes} / {score.seconds:.0f}",
    ]


HEAD = (
    "archive",
    "sites dated (mixed, not judged)",
    "by looks",
    "opening in the interval",
    "opened after / before it",
    "by periods: in the interval",
    "width by looks, days, median / mean",
    "between the two clear looks about the opening",
    "width by periods, median",
    "windows / scene windows / seconds",
)


def main() -> None:
    """Print the table, and each site that was dated wrongly."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dating", description=__doc__)
    parser.add_argument("--scenarios", nargs="+", default=list(SCENARIOS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--work", type=Path, help="folder for archives and runs (default: a temporary one)")
    arguments = parser.parse_args()
    rows = []
    with TemporaryDirectory() as temporary:
        work = arguments.work or Path(temporary)
        for seed in arguments.seeds:
            for scenario in arguments.scenarios:
                score = study(scenario, seed, "looks", work)
                rows.append(score_row(score, study(scenario, seed, "periods", work)))
                for site in score.dated:
                    if not site.right:
                        print(f"{score.name}: {site.site_id} opened {site.opened}: {site.last} to {site.first}")
    print(table(HEAD, rows))


if __name__ == "__main__":
    main()
