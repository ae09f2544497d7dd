"""Accuracy of the shipped model with default settings: `python -m benchmarks.accuracy` writes docs/accuracy.md.

Two simulated scenarios against their truth, then real pixels where ../shared/data is there. Archives and runs go to a
temporary folder, or to `--work DIR`, where they are found again. The page depends on code, model and data alone.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from rich.console import Console

from benchmarks.accuracy_page import page
from benchmarks.accuracy_real import AmazonScore, BelgiumScore, score_amazon, score_belgium
from benchmarks.accuracy_simulated import MapScore, PairScore, score_map, score_pair
from benchmarks.real_input import AMAZON_AS_OF, BELGIUM_AS_OF, amazon_places, amazon_programme, belgium_programme
from pipeline.config import Imagery
from pipeline.disturbance import find_model
from pipeline.runs import RunOptions, run_programme
from pipeline.runs.progress import Reporter, open_reporter
from pipeline.simulation import scenario_area, scenario_periods, write_archive

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
SCENARIOS = ("carnot", "tortiya")


@dataclass(frozen=True)
class Study:
    """All figures of the page."""

    pairs: tuple[PairScore, ...]
    maps: tuple[MapScore, ...]
    amazon: AmazonScore | None
    belgium: BelgiumScore | None


def study_scenario(scenario: str, work: Path, reporter: Reporter) -> tuple[list[PairScore], list[MapScore]]:
    """Both pairs of consecutive dry seasons, each as a run would have told it once the rains after it were over."""
    periods = scenario_periods(scenario)
    archive = write_archive(scenario, work / "archives" / scenario)
    season = timedelta(days=Imagery().season_days)
    pairs: list[PairScore] = []
    maps: list[MapScore] = []
    for count in range(2, len(periods) + 1):
        before, after = periods[count - 2 : count]
        config = _programme(scenario, archive, work / f"{scenario}-{after.name}", count)
        run = _run(config, after.end + season, work / "runs", reporter)
        pairs.append(score_pair(run, archive, before.name, after.name))
    maps.extend(score_map(run, archive, period.name) for period in periods)
    return pairs, maps


def _programme(scenario: str, archive: Path, folder: Path, count: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "area.geojson").write_text(json.dumps(scenario_area(scenario)), encoding="utf-8")
    config = {
        "programme": scenario,
        "areas": ["area.geojson"],
        "periods": [period.model_dump(mode="json") for period in scenario_periods(scenario)[:count]],
        "source": {"kind": "folder", "path": archive.resolve().as_posix()},
    }
    path = folder / "programme.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return path


def study_amazon(work: Path, reporter: Reporter) -> AmazonScore:
    """All labelled pairs."""
    config = work / "amazon" / "amazon-pairs.yaml"
    if not config.is_file():
        amazon_programme(DATA, config.parent)
    return score_amazon(amazon_places(DATA), _run(config, AMAZON_AS_OF, work / "runs", reporter))


def study_belgium(work: Path, reporter: Reporter) -> BelgiumScore:
    """Two autumns of the Belgian patch."""
    config = work / "belgium" / "belgium.yaml"
    if not config.is_file():
        belgium_programme(DATA, config.parent)
    return score_belgium(_run(config, BELGIUM_AS_OF, work / "runs", reporter))


def _run(config: Path, as_of: date, out: Path, reporter: Reporter) -> Path:
    finished = run_programme(config, RunOptions(as_of, out), reporter)
    if finished.exit_code:
        raise SystemExit(f"{config}: the run is not complete, so it is not scored:\n{finished.text}")
    return finished.folder


def study(work: Path, reporter: Reporter) -> Study:
    """Run and score everything; without ../shared/data the real figures are None."""
    pairs: list[PairScore] = []
    maps: list[MapScore] = []
    for scenario in SCENARIOS:
        more_pairs, more_maps = study_scenario(scenario, work, reporter)
        pairs += more_pairs
        maps += more_maps
    here = (DATA / "README.md").is_file()
    return Study(
        tuple(pairs),
        tuple(maps),
        study_amazon(work, reporter) if here else None,
        study_belgium(work, reporter) if here else None,
    )


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument("--work", type=Path, help="folder for archives and runs (default: a temporary one)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "accuracy.md", help="the page")
    arguments = parser.parse_args()
    reporter = open_reporter(Console())
    with TemporaryDirectory() as temporary:
        done = study(arguments.work or Path(temporary), reporter)
    model, sha256 = find_model("default", ROOT)
    card = json.loads((model / "card.json").read_text(encoding="utf-8"))
    text = page(done.pairs, done.maps, done.amazon, done.belgium, card, sha256)
    arguments.out.write_text(text, encoding="utf-8")
    reporter.say(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
