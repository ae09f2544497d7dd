"""One 512 x 512 tile, 24 dates, 6 bands: the pipeline against the same map written plainly, side by side.

Both read one archive on local disk (COGs in 512 blocks, Zstandard with predictor), mask by the same rule, take the
same median, compute the same features and ask the same trees; the two maps are compared before any time is printed.
Each runs in processes of its own, in turns, twice in each; the second time counts. Before that, the speed of every
shipped model: features and inference of such a tile with its halo, from reflectance in memory to probabilities.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from time import perf_counter

import dask
import joblib
import numpy as np
import pystac
import rasterio
from rasterio.transform import from_origin
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks import plain
from pipeline.areas import Tile
from pipeline.config import Imagery, Period
from pipeline.disturbance import HALO_PX, MODELS_DIR, Model, features, find_model, load_model
from pipeline.disturbance.model import read_index
from pipeline.disturbance.tree_classifier import TreeClassifier
from pipeline.disturbance.trees import Forest
from pipeline.imagery import BANDS, FolderSource, choose_looks
from pipeline.runs.store import Store
from pipeline.runs.tasks import TileTask, run_tile
from tests.scenes import item_of

TILE = Tile(32633, 120, 102)
DATES = 24
MARGIN_PX = 64
SETTINGS = Imagery(season_days=0)
OURS = "pipeline"
PLAIN: dict[str, plain.Focal] = {"plain": plain.focal_xarray, "plain-with-scipy": plain.focal_scipy}
PERIOD = Period(name="bench", start=date(2021, 1, 1), end=date(2021, 12, 31))


def make_archive(folder: Path) -> None:
    """24 scenes of noisy ground, a third of it under cloud, as Earth Search lays them out."""
    side = 2 * ((512 + 2 * HALO_PX) // 2 + MARGIN_PX)
    left, _, _, top = TILE.padded((side - 512) // 2).boundingbox
    rng = np.random.default_rng(7)
    smooth = np.kron(rng.random((side // 32 + 1, side // 32 + 1)), np.ones((32, 32)))[:side, :side]
    base = np.array([500, 750, 800, 2400, 2200, 1400])[:, None, None] * (0.6 + 0.8 * smooth)
    for number in range(DATES):
        name = f"S2A_{number:02d}"
        cloud = np.kron(rng.random((side // 64 + 1, side // 64 + 1)) < 0.3, np.ones((64, 64)))[:side, :side] > 0
        bands = (base * rng.normal(1, 0.05, base.shape)).clip(1, 9000)
        bands[:, cloud] = 5000 + 300 * rng.standard_normal((6, int(cloud.sum())))
        scl = np.where(cloud[::2, ::2], 9, 4).astype(np.uint8)
        planes = dict(zip(BANDS, bands.astype(np.uint16), strict=True)) | {"SCL": scl}
        (folder / name).mkdir(parents=True)
        for band, plane in planes.items():
            coarse = band in ("B11", "B12")
            data = plane[::2, ::2] if coarse else plane
            pixel = 20 if coarse or band == "SCL" else 10
            profile = {"driver": "COG", "dtype": data.dtype.name, "count": 1, "nodata": 0, "blocksize": 512}
            profile |= {"height": data.shape[0], "width": data.shape[1], "crs": f"EPSG:{TILE.epsg}"}
            profile |= {"transform": from_origin(left, top, pixel, pixel), "compress": "zstd", "predictor": "yes"}
            with rasterio.open(folder / name / f"{band}.tif", "w", **profile) as raster:
                raster.write(np.ascontiguousarray(data), 1)
        box = tuple(TILE.padded(side // 2).geographic_extent.boundingbox)
        day = date.fromordinal(PERIOD.start.toordinal() + 15 * number).isoformat()
        item = item_of(name, day, box, {band: str(folder / name / f"{band}.tif") for band in planes})
        item["properties"] |= {"proj:epsg": TILE.epsg, "s2:processing_baseline": "03.01", "eo:cloud_cover": 30.0}
        (folder / "items").mkdir(exist_ok=True)
        (folder / "items" / f"{name}.json").write_text(json.dumps(item))


def fit(seed: int = 0) -> list[HistGradientBoostingClassifier]:
    """Two boosted classifiers of the shipped model's size on made-up labels: how fast they answer is the question."""
    rng = np.random.default_rng(seed)
    table = rng.integers(-9000, 9000, (20_000, features.N_FEATURES)).astype(np.float32)
    boosters = []
    for column, trees in ((0, 120), (1, 50)):
        labels = (table[:, column : column + 20].sum(axis=1) + rng.normal(0, 9000, len(table))) > 0
        booster = HistGradientBoostingClassifier(
            max_iter=trees, max_leaf_nodes=31, early_stopping=False, random_state=seed
        )
        boosters.append(booster.fit(table, labels))
    return boosters


def plan_pipeline(archive: Path) -> Callable[[Path], np.ndarray]:
    """Find the scenes; the returned task of a run reads, masks, composes, stores, classifies, stores."""
    source = FolderSource(archive)
    box = tuple(TILE.padded(HALO_PX).geographic_extent.boundingbox)
    looks, _ = choose_looks(source, box, PERIOD, date(2022, 1, 1), SETTINGS, TILE.epsg)
    assert len(looks.period) == DATES
    model, sha256 = find_model("./model", archive)

    def task(out: Path) -> np.ndarray:
        store = Store(out)
        outcome = run_tile(TileTask(TILE, PERIOD.name, looks, SETTINGS, source, model, sha256, store))
        assert outcome.state == "computed"
        return store.get_planes("map", outcome.map_key).astype(float)

    return task


def plan_plain(archive: Path, focal: plain.Focal) -> Callable[[Path], np.ndarray]:
    """Open the same items and the same trees; the returned function does the same work."""
    models = joblib.load(archive / "boosters.joblib")
    items = [pystac.Item.from_file(path) for path in sorted((archive / "items").glob("*.json"))]
    return partial(run_plain, models, items, focal)


def run_plain(
    models: list[HistGradientBoostingClassifier], items: list[pystac.Item], focal: plain.Focal, out: Path
) -> np.ndarray:
    """Compose, store, classify and store one tile."""
    geobox = TILE.padded(HALO_PX)
    with dask.config.set(scheduler="threads", num_workers=2):
        found = plain.composite(items, geobox, SETTINGS.rescue_share)
    out.mkdir(parents=True)
    counts = np.stack([found.looks, found.rescued])
    plain.write(out / "composite.tif", np.concatenate([found["median"], counts, found.days]), geobox)
    disturbed, pond = plain.classify(plain.feature_stack(found["median"], HALO_PX, focal), models)
    planes = np.round(10_000 * np.stack([disturbed * (1 - pond), disturbed * pond]))
    plain.write(out / "map.tif", planes, TILE.geobox)
    return planes


def model_speeds(runs: int) -> list[str]:
    """A line for each shipped model: megapixels of the tile a second, median of `runs` after a first that warms up."""
    side = 512 + 2 * HALO_PX
    rng = np.random.default_rng(3)
    ground = np.array([500, 750, 800, 2400, 2200, 1400])[:, None, None] * rng.lognormal(
        0, 0.3, (len(BANDS), side, side)
    )
    reflectance = ground.clip(1, 9000).astype(np.uint16)
    lines = []
    for name in read_index(MODELS_DIR):
        model = load_model(name)
        model.predict(reflectance, HALO_PX)
        seconds = []
        for _ in range(runs):
            start = perf_counter()
            model.predict(reflectance, HALO_PX)
            seconds.append(perf_counter() - start)
        rates = sorted(512 * 512 / 1e6 / s for s in seconds)
        lines.append(f"  {name:<18} {statistics.median(rates):7.2f} Mpx/s (of {rates[0]:.2f} to {rates[-1]:.2f})")
    return lines


def once(which: str, archive: Path) -> None:
    """Run twice in this process and print the seconds of the second run and the peak memory as JSON.

    The first compiles or loads what a worker needs once in its life, for the one as for the other. Finding the
    scenes is done once for all tiles of a run and does not count.
    """
    run = plan_pipeline(archive) if which == OURS else plan_plain(archive, PLAIN[which])
    with tempfile.TemporaryDirectory() as out:
        run(Path(out) / "first")
        start = perf_counter()
        result = run(Path(out) / "second")
        seconds = perf_counter() - start
    np.save(archive / f"{which}.npy", result)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak_mb}))


def agreement(archive: Path) -> str:
    """How far the maps agree."""
    ours = np.load(archive / f"{OURS}.npy").astype(float)
    lines = []
    for name in PLAIN:
        difference = np.abs(ours - np.load(archive / f"{name}.npy")).max(axis=0) / 10_000
        share = (difference <= 0.01).mean()
        lines.append(f"{name}: within 0.01 of the pipeline's map on {100 * share:.2f} % of pixels")
    return "\n".join(lines)


def main() -> None:
    """Make the archive, run both in turns, print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--once", choices=[OURS, *PLAIN])
    parser.add_argument("--archive", type=Path)
    arguments = parser.parse_args()
    if arguments.once:
        once(arguments.once, arguments.archive)
        return
    print(f"features and inference, 512 x 512 pixels with a halo of {HALO_PX}, two cores")
    print("\n".join(model_speeds(2 * arguments.runs + 1)))
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder)
        make_archive(archive)
        boosters = fit()
        joblib.dump(boosters, archive / "boosters.joblib")
        Model.of("bench", TreeClassifier(Forest.from_sklearn(boosters))).save(archive / "model")
        figures: dict[str, list[dict[str, float]]] = {OURS: [], **{name: [] for name in PLAIN}}
        for _ in range(arguments.runs):
            for which, rows in figures.items():
                command = [sys.executable, "-m", "benchmarks.tile", "--once", which, "--archive", folder]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(f"one tile of 512 x 512 pixels, {DATES} dates, {len(BANDS)} bands, two cores, {arguments.runs} runs each")
        print(agreement(archive))
        median = {}
        for which, rows in figures.items():
            seconds = [row["seconds"] for row in rows]
            median[which] = statistics.median(seconds)
            spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
            peak = max(row["peak_mb"] for row in rows)
            ratio = median[which] / median[OURS]
            print(f"  {which:<18} {median[which]:7.2f} s (of {spread}), {ratio:5.1f} x, peak memory {peak:,.0f} MB")


if __name__ == "__main__":
    main()
