"""False change from registration and from water level: what the rules hold back, and what true workings they cost.

`python -m benchmarks.false_change registration RUN` takes the stored composites of a run's first period, moves them by
known shifts, classifies them anew and compares: nothing changed, so every change is false.
`python -m benchmarks.false_change water HELD_OUT.npz` holds the rules of water's edge against the masks of the labelled
Amazon pairs (the file is what `placerwatch train --held-out` writes).
`python -m benchmarks.false_change simulated RUN ARCHIVE` does so on a simulated run against its truth.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.accuracy_simulated import truth_plane
from benchmarks.real_input import Place, amazon_places
from benchmarks.tables import table
from pipeline.areas import Tile
from pipeline.change import (
    Candidates,
    Classified,
    Frame,
    build_changes,
    build_sites,
    candidates_of_tile,
    classify,
    hold_margins,
    merge,
    set_water_apart,
)
from pipeline.change.states import BARE, POND, WATERS_EDGE
from pipeline.change.water import wide_water
from pipeline.config import Change, Period
from pipeline.disturbance import HALO_PX, Model, find_model
from pipeline.imagery import NODATA, estimate_shift
from pipeline.imagery.radar_raster import RADAR_NODATA
from pipeline.imagery.registration import BAND
from pipeline.runs import read_manifest
from pipeline.runs.store import Store
from pipeline.runs.tasks import MAP, load_padded

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SHIFTS = ((0.0, 0.25), (0.5, 0.0), (0.0, 0.75), (0.0, 1.0), (1.0, -1.0), (-1.5, 0.5))
APART_PX = 1000
_MAPPED = (BARE, POND)
_TWO = tuple(
    Period(name=name, start=f"{year}-01-01", end=f"{year}-03-31") for name, year in (("before", 2021), ("after", 2022))
)


def stored(run: Path) -> Iterator[tuple[Tile, list[dict[str, Any]]]]:
    """The tiles of a run, each with its rows of the manifest by period."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in read_manifest(run)["tasks"]:
        rows.setdefault(row["tile"], []).append(row)
    for name, own in rows.items():
        zone, col, row_number = name.split("-")
        yield Tile(32600 + int(zone[:2]), int(col), int(row_number)), own


def moved(reflectance: NDArray[np.uint16], shift: tuple[float, float]) -> NDArray[np.uint16]:
    """Bands (6, y, x) whose ground lies some pixels farther down and right, by cubic splines."""
    seen = reflectance[0] != NODATA
    whole = ndimage.shift(seen.astype(float), shift, order=1, mode="nearest") > 0.99
    bands = [ndimage.shift(np.where(seen, b, 0).astype(float), shift, order=3, mode="nearest") for b in reflectance]
    return np.where(whole, np.clip(np.rint(bands), 0, NODATA - 1), NODATA).astype(np.uint16)


def registration(run: Path) -> str:
    """A table of false change by shift, without the rule and with it."""
    store = Store(run.resolve().parents[1] / "store")
    model = Model.load(*find_model("default", run))
    settings = Change()
    tiles = [
        (tile, load_padded(store, rows[0]["composite"], tile), store.get_planes(MAP, rows[0]["map"]))
        for tile, rows in stored(run)
    ]
    area, zone = np.full((512, 512), 100.0), np.zeros((512, 512), np.int16)
    lines = []
    for shift in SHIFTS:
        parts: dict[int, list[Candidates]] = {}
        frames: dict[Tile, Frame] = {}
        errors = []
        for tile, composite, before in tiles:
            later = replace(composite, reflectance=moved(composite.reflectance, shift))
            found = estimate_shift(composite.reflectance[BAND], later.reflectance[BAND])
            zero = estimate_shift(composite.reflectance[BAND], composite.reflectance[BAND])
            frames[tile] = Frame.of([zero, found])
            if found is not None:
                errors.append(max(abs(found.down - shift[0]), abs(found.right - shift[1])))
            after = model.predict(later.reflectance, HALO_PX)
            parts.setdefault(tile.epsg, []).append(
                candidates_of_tile(tile, [before, after], [composite, later], zone, area, settings)
            )
        plain = classify([merge(own) for own in parts.values()], settings)
        held, _ = hold_margins(plain, frames, settings)
        cells = [f"{shift[0]:g}, {shift[1]:g}", f"{len(errors)} of {len(tiles)}", f"{max(errors, default=0):.2f}"]
        for zones in (plain, held):
            cells += _false_change(zones, settings)
        lines.append(cells)
    head = ("shift, px", "tiles determined", "largest error, px")
    more = [f"{name}, {how}" for how in ("plain", "held") for name in ("gain ha", "loss ha", "new", "expanded")]
    return table((*head, *more), lines)


def _false_change(zones: Sequence[Classified], settings: Change) -> list[str]:
    gain = sum(int((z.disturbed[1] & ~z.disturbed[0] & (z.classes[0] != 255)).sum()) for z in zones)
    loss = sum(int((z.disturbed[0] & ~z.disturbed[1] & (z.classes[1] != 255)).sum()) for z in zones)
    sites = build_sites(zones, _TWO, settings)
    states = Counter(change.state for change in build_changes(zones, sites, _TWO, settings, 0, 1))
    return [f"{gain / 100:.1f}", f"{loss / 100:.1f}", str(states["new"]), str(states["expanded"])]


def amazon_classes(
    places: Sequence[Place], probability: NDArray[np.uint16], pictures: NDArray[np.uint16], settings: Change
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Classes (2, place, y, x) without and with water's edge; `probability` (2, place, 2, y, x), pictures (…, 6, …)."""
    total = np.where(probability[:, :, 0] == NODATA, 0, probability.sum(axis=2, dtype=np.int64))
    at = np.nonzero((total >= round(settings.weak * 10_000)).any(axis=0))
    n = at[0].size
    none = np.full((2, n), NODATA, np.uint16)
    water = np.zeros((2, n), bool)
    for time in range(2):
        for place in range(len(places)):
            own = np.flatnonzero(at[0] == place)
            water[time, own] = wide_water(pictures[time, place], (at[1][own], at[2][own]), settings)
    candidates = Candidates(
        epsg=32721,
        row=(at[0] * APART_PX + at[1]).astype(np.int32),
        col=at[2].astype(np.int32),
        bare=probability[:, :, 0][:, *at],
        pond=probability[:, :, 1][:, *at],
        looks=none,
        days=np.repeat(none[:, np.newaxis], 4, axis=1),
        greenest=np.repeat(none[:, np.newaxis], 2, axis=1),
        season_looks=np.zeros((2, 2, n), np.uint16),
        radar=np.full((2, 2, 2, n), RADAR_NODATA, np.int16),
        water=water,
        zone=np.zeros(n, np.int16),
        area_m2=np.full(n, 100.0),
    )
    plain = classify([candidates], settings)
    result = []
    for zones in (plain, set_water_apart(plain, settings)):
        classes = np.zeros((2, *probability.shape[1:2], *probability.shape[3:]), np.uint8)
        classes[:, *at] = zones[0].classes
        result.append(classes)
    return result[0], result[1]


def water(held_out: Path) -> str:
    """A table of gain and loss on the labelled pairs, by whether the masks call the ground workings."""
    places = amazon_places(DATA)
    with np.load(held_out, allow_pickle=False) as archive:
        position = {(str(p), str(t)): i for i, (p, t) in enumerate(zip(archive["place"], archive["time"], strict=True))}
        stack = archive["probability"]
    probability = np.stack([stack[[position[p.name, t] for p in places]] for t in ("t0", "t1")])
    with np.load(DATA / "amazon_mining" / "patches.npz", allow_pickle=False) as archive:
        index = [place.index for place in places]
        pictures = np.stack([archive[t][index].transpose(0, 3, 1, 2).astype(np.uint16) for t in ("t0", "t1")])
    masks = np.stack([[place.masks[t] for place in places] for t in range(2)])
    lines = []
    for wide_ha in (0.5, 1.0, 2.0, 3.0):
        plain, moved_by_water = amazon_classes(places, probability, pictures, Change(wide_water_ha=wide_ha))
        gain = np.isin(plain[1], _MAPPED) & ~np.isin(plain[0], _MAPPED)
        loss = np.isin(plain[0], _MAPPED) & ~np.isin(plain[1], _MAPPED)
        edge = moved_by_water[1] == WATERS_EDGE
        cells = [f"{wide_ha:g}"]
        for change, mask in ((gain, masks[1]), (loss, masks[0])):
            for true in (True, False):
                part = change & (np.isin(mask, (1, 2)) if true else mask == 0)
                own = part & edge
                cells.append(f"{int(own.sum())} of {int(part.sum())} ({int(own.any(axis=(1, 2)).sum())})")
        lines.append(cells)
    head = ("wide from, ha", "gain, workings", "gain, other ground", "loss, were workings", "loss, other ground")
    return table(head, lines)


def simulated(run: Path, archive: Path) -> str:
    """A table of mapped ground that a run sets apart, by what truly lies there."""
    store = Store(run.resolve().parents[1] / "store")
    record = json.loads((archive / "scenario.json").read_text(encoding="utf-8"))
    causes = {int(code): name for code, name in record["truth"]["causes"].items()}
    names = [period["name"] for period in read_manifest(run)["config"]["validated"]["periods"]]
    area, zone = np.full((512, 512), 100.0), np.zeros((512, 512), np.int16)
    settings = Change()
    parts: dict[int, list[Candidates]] = {}
    tiles = list(stored(run))
    for tile, rows in tiles:
        maps = [store.get_planes(MAP, row["map"]) for row in rows]
        composites = [load_padded(store, row["composite"], tile) for row in rows]
        parts.setdefault(tile.epsg, []).append(candidates_of_tile(tile, maps, composites, zone, area, settings))
    plain = classify([merge(own) for own in parts.values()], settings)
    lines = []
    for before, after in zip(plain, set_water_apart(plain, settings), strict=True):
        for number, name in enumerate(names):
            apart = np.flatnonzero(after.classes[number] == WATERS_EDGE)
            mapped = int(before.disturbed[number].sum())
            found = Counter[str]()
            for tile in (tile for tile, _ in tiles if tile.epsg == before.epsg):
                top, left = tile.origin_px
                row, col = before.candidates.row[apart] - top, before.candidates.col[apart] - left
                inside = (row >= 0) & (row < 512) & (col >= 0) & (col < 512)
                args = (archive, "cause", tile.epsg, name, (512, 512), tile.geobox.transform)
                found.update(causes.get(int(c), "none") for c in truth_plane(*args)[row[inside], col[inside]])
            told = ", ".join(f"{cause} {count}" for cause, count in sorted(found.items()))
            lines.append([f"{before.epsg} {name}", str(mapped), str(apart.size), told or "–"])
    return table(("zone and period", "mapped px", "water's edge px", "what lies there, px"), lines)


def main() -> None:
    """Print one of the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.false_change", description=__doc__)
    parser.add_argument("study", choices=("registration", "water", "simulated"))
    parser.add_argument("paths", nargs="+", type=Path)
    arguments = parser.parse_args()
    studies = {"registration": registration, "water": water, "simulated": simulated}
    print(studies[arguments.study](*arguments.paths))


if __name__ == "__main__":
    main()
