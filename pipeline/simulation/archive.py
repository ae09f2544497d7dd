"""Archives: a scenario written to disk once, whole, and recognised by its key."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadInput, StoreError
from pipeline.simulation import truth
from pipeline.simulation.atmosphere import Sky, make_sky, observe
from pipeline.simulation.backscatter import workings_db
from pipeline.simulation.classification import classify
from pipeline.simulation.landcover import make_landscape
from pipeline.simulation.look import Look, plan_looks
from pipeline.simulation.radar import Pass, observe_radar, plan_passes
from pipeline.simulation.radar_writer import radar_id, write_collection, write_radar
from pipeline.simulation.rendering import Ground, cell_index, cut, render
from pipeline.simulation.scenario import Scenario, scenario_of
from pipeline.simulation.scene_writer import scene_id, write_json, write_scene
from pipeline.simulation.terrain import Extent, extent_of
from pipeline.simulation.workings import make_workings

RECORD = "scenario.json"  # written last: an archive with it is whole
_FORMAT = "placerwatch simulated archive"


def write_archive(scenario: str, root: Path, on_progress: Callable[[int, int], None] | None = None) -> Path:
    """Make the archive of a scenario in the folder `root` and return it; a whole one of the same key is left alone.

    Bytes do not depend on the machine, the threads or the order of work. `on_progress` gets looks done and in all.
    Raises BadInput for an unknown scenario, or if `root` holds anything but an archive; StoreError if it cannot be
    written.
    """
    return make_archive(scenario_of(scenario), root, on_progress)


def make_archive(scenario: Scenario, root: Path, on_progress: Callable[[int, int], None] | None = None) -> Path:
    """`write_archive` for a scenario of any making."""
    key = content_key(scenario)
    found = _key_of(root)
    if found == key:
        return root
    if found is None and root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise BadInput(f"{root}: holds something other than a simulated archive; name a new or an empty folder")
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{root.name}-", dir=root.parent) as work:
            whole = Path(work) / "archive"
            _fill(scenario, key, whole, on_progress)
            # Another process may have made the same archive meanwhile: the bytes are the same.
            if _key_of(root) != key:
                if root.exists():
                    shutil.rmtree(root)
                whole.rename(root)
    except OSError as error:
        raise StoreError(
            f"{root}: the simulated archive cannot be written ({error}); free space or name another folder"
        ) from error
    return root


def content_key(scenario: Scenario) -> str:
    """SHA-256 over the scenario's parameters and the source of this room."""
    digest = hashlib.sha256(json.dumps(scenario.parameters(), sort_keys=True).encode())
    for module in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(module.name.encode() + b"\0" + module.read_bytes())
    return digest.hexdigest()


def _key_of(root: Path) -> str | None:
    try:
        record = json.loads((root / RECORD).read_bytes())
    except (OSError, ValueError):
        return None
    known = isinstance(record, dict) and record.get("format") == _FORMAT
    return str(record.get("key")) if known else None


def _fill(scenario: Scenario, key: str, root: Path, on_progress: Callable[[int, int], None] | None) -> None:
    extent = extent_of(scenario)
    landscape = make_landscape(scenario, extent)
    workings = make_workings(scenario, landscape)
    looks, passes = plan_looks(scenario), plan_passes(scenario)
    truth.write_polygons(root, scenario, landscape, workings)
    grounds = [cut(landscape, workings, granule) for granule in scenario.granules]
    bare_db = workings_db(landscape, workings)
    del landscape, workings
    for ground in grounds:
        truth.write_rasters(root, scenario, ground)
    if passes:
        write_collection(root, scenario)
    work: list[Callable[[], None]] = [partial(_write_look, scenario, root, extent, grounds, look) for look in looks]
    work += [partial(_write_pass, scenario, root, grounds, bare_db, one) for one in passes]
    if on_progress:
        on_progress(0, len(work))
    with ThreadPoolExecutor(max_workers=2) as pool:
        for done, _ in enumerate(pool.map(lambda task: task(), work), start=1):
            if on_progress:
                on_progress(done, len(work))
    write_json(root / RECORD, _record(scenario, key, looks, passes))


def _write_look(scenario: Scenario, root: Path, extent: Extent, grounds: list[Ground], look: Look) -> None:
    sky = make_sky(scenario.seed, look, (extent.rows // 4, extent.cols // 4))
    for ground in grounds:
        granule = ground.granule
        above: Sky = sky.on(*cell_index(extent, granule, 10.0, 0))
        surface = render(ground, look.day, look.greenness, look.shift)
        observed = observe(surface, above, look, scenario.seed + granule.epsg)
        scl = classify(observed, above, look, scenario.seed + granule.epsg)
        write_scene(root, scenario, granule, look, observed, scl)


def _write_pass(scenario: Scenario, root: Path, grounds: list[Ground], bare_db: NDArray[np.float64], one: Pass) -> None:
    for ground in grounds:
        write_radar(root, scenario, ground.granule, one, observe_radar(scenario, ground, one, bare_db))


def _record(scenario: Scenario, key: str, looks: tuple[Look, ...], passes: tuple[Pass, ...]) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "key": key,
        "name": scenario.name,
        "title": scenario.title,
        "note": "Every scene in this archive is simulated.",
        "parameters": scenario.parameters(),
        "periods": [period.model_dump(mode="json") for period in scenario.periods()],
        "truth": {
            "classes": dict(enumerate(truth.CLASSES)),
            "causes": dict(enumerate(truth.CAUSES)),
            "days": {period.name: truth.middle(period).isoformat() for period in scenario.periods()},
        },
        "scenes": [
            {
                "id": scene_id(look, granule),
                "date": look.day.isoformat(),
                "offset": look.offset,
                "shift_cells": list(look.shift),
                "cloud_share": look.cloud_share,
                "gain": look.gain,
            }
            for look in looks
            for granule in scenario.granules
        ],
        "radar_scenes": [
            {
                "id": radar_id(one, granule),
                "date": one.day.isoformat(),
                "orbit": one.orbit.state,
                "wetness": one.wetness,
                "gain_db": one.gain_db,
            }
            for one in passes
            for granule in scenario.granules
        ],
    }
