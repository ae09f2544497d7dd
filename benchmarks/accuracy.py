"""Accuracy of the shipped models with default settings: `python -m benchmarks.accuracy` writes docs/accuracy.md.

Figures of the classifiers come from their cards; two simulated scenarios are run against their truth, then real pixels
where ../shared/data is there. Archives and runs go to a temporary folder, or to `--work DIR`, where they are found
again. The page depends on code, models and data alone.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from rich.console import Console

from benchmarks.accuracy_areas import SampleScore, score_samples
from benchmarks.accuracy_models import Models, read_models
from benchmarks.accuracy_page import Study, page
from benchmarks.accuracy_pictures import picture_failures
from benchmarks.accuracy_real import AmazonScore, BelgiumScore, score_amazon, score_belgium
from benchmarks.accuracy_simulated import PairScore, score_map, score_pair
from benchmarks.accuracy_simulated_page import Simulated
from benchmarks.dating import Score as DateScore
from benchmarks.dating import judge_dates
from benchmarks.lineage import score_lineage
from benchmarks.lineage_perfect import score_perfect
from benchmarks.real_input import AMAZON_AS_OF, BELGIUM_AS_OF, amazon_places, amazon_programme, belgium_programme
from benchmarks.season import study_season
from benchmarks.series import study_series
from pipeline.config import Imagery
from pipeline.runs import RunOptions, read_manifest, run_programme
from pipeline.runs.progress import Reporter, open_reporter
from pipeline.simulation import scenario_area, scenario_periods, write_archive

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
SCENARIOS = ("carnot", "tortiya")
SAMPLES, DRAWS = (600, 5000), 20
# Of this variant only the maps are scored. Its sites go to a register of its own: it must not name those of others.
NO_SEASON = {"change": {"green_ndvi": 0.999, "dating": "periods"}, "run": {"register_file": "register.gpkg"}}


def study_scenario(scenario: str, work: Path, pictures: Path, reporter: Reporter) -> Simulated:
    """All pairs of consecutive dry seasons, each as a run would have told it once the rains after it were over.

    Then what the last run tells of all seasons: maps with the season rule and without, dates and names of sites, and
    pictures of what failed in the last pair.
    """
    periods = scenario_periods(scenario)
    reporter.say(f"{scenario}: archive")
    archive = write_archive(scenario, work / "archives" / scenario)
    season = timedelta(days=Imagery().season_days)
    runs: list[Path] = []
    pairs: list[PairScore] = []
    samples: list[SampleScore] = []
    for count in range(2, len(periods) + 1):
        before, after = periods[count - 2 : count]
        config = _programme(scenario, archive, work / f"{scenario}-{after.name}", count)
        run = _run(config, after.end + season, work / "runs", reporter)
        runs.append(run)
        pairs.append(score_pair(run, archive, before.name, after.name))
        # The same seed draws the same places on the same ground: each pair has seeds of its own.
        seeds = range(DRAWS * (count - 2), DRAWS * (count - 1))
        samples += [score for size in SAMPLES for score in score_samples(run, archive, size, seeds)]
    config = _programme(scenario, archive, work / f"{scenario}-without-season", len(periods), NO_SEASON)
    without = _run(config, periods[-1].end + season, work / "runs", reporter)
    dates = DateScore(scenario)
    judge_dates(dates, run, archive, periods, read_manifest(run)["dating"]["windows"])
    return Simulated(
        pairs=tuple(pairs),
        maps=tuple(score_map(run, archive, period.name) for period in periods),
        maps_without_season=tuple(score_map(without, archive, period.name) for period in periods),
        samples=tuple(samples),
        dates=(dates,),
        lineages=(score_lineage(runs, archive),),
        perfect=(score_perfect(archive),),
        pictures=tuple(picture_failures(run, archive, pairs[-1], pictures)),
    )


def _programme(scenario: str, archive: Path, folder: Path, count: int, rules: dict[str, Any] | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "area.geojson").write_text(json.dumps(scenario_area(scenario)), encoding="utf-8")
    config = {
        "programme": scenario,
        "areas": ["area.geojson"],
        "periods": [period.model_dump(mode="json") for period in scenario_periods(scenario)[:count]],
        "source": {"kind": "folder", "path": archive.resolve().as_posix()},
        **(rules or {}),
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


def study(work: Path, pictures: Path, models: Models, reporter: Reporter) -> Study:
    """Run and score everything; without ../shared/data the real figures are None. Pictures go to their folder."""
    simulated = Simulated()
    for scenario in SCENARIOS:
        simulated += study_scenario(scenario, work, pictures, reporter)
    found = Study(models, simulated)
    if not (DATA / "README.md").is_file():
        return found
    # A model of two names is asked once.
    names = [model.names[0] for model in models.shipped]
    reporter.say("real series and African spectra")
    return replace(
        found,
        amazon=study_amazon(work, reporter),
        belgium=study_belgium(work, reporter),
        season=study_season(DATA, names),
        series=study_series(DATA, work, names),
    )


def main() -> None:
    """Write the page and its pictures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument("--work", type=Path, help="folder for archives and runs (default: a temporary one)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "accuracy.md", help="the page")
    arguments = parser.parse_args()
    reporter = open_reporter(Console())
    with TemporaryDirectory() as temporary:
        work = arguments.work or Path(temporary)
        done = study(work, arguments.out.with_suffix(""), read_models(), reporter)
    arguments.out.write_text(page(done), encoding="utf-8")
    reporter.say(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
