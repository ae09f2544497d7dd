"""The design of a sample that was drawn: its strata, its points in an order that tells nothing, its notes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.change.states import CONTINUING, NEW, RECOVERED
from pipeline.footprint.design import (
    FORMAT,
    OTHER,
    WORKINGS,
    Design,
    Period,
    Point,
    Run,
    Settings,
    Stratum,
    Training,
    seal,
)
from pipeline.footprint.frame import Frame
from pipeline.footprint.sampling import PIXEL, Drawn, Scan, closest_m, priority
from pipeline.footprint.strata import NAMES, STRATA
from pipeline.footprint.training_ground import centres

_WORKINGS_BEFORE, _WORKINGS_AFTER = (CONTINUING, RECOVERED), (CONTINUING, NEW)


def make_design(
    frame: Frame, found: Scan, drawn: Sequence[Drawn], settings: Settings, expected_se_ha: float, sample_file: str
) -> Design:
    """The design of a sample that was drawn; strata without ground are left out, and it says so."""
    there = [h for h in range(len(NAMES)) if found.cells[h]]
    whole = int(found.area_mm2.sum())
    strata = tuple(_stratum(h, found, drawn[h], whole, frame.zones is not None) for h in there)
    run = Run(
        programme=str(frame.manifest["programme"]),
        run_id=str(frame.manifest["run_id"]),
        as_of=str(frame.manifest["as_of"]),
        hashes=frame.hashes,
        before=Period.of(frame.before) if frame.before else None,
        after=Period.of(frame.after),
    )
    tag = hashlib.sha256((run.model_dump_json() + settings.model_dump_json()).encode()).hexdigest()[:6]
    points = _points(found, drawn, frame, tag)
    parts: dict[str, Any] = {
        "format": FORMAT,
        "sample_file": sample_file,
        "run": run,
        "settings": settings,
        "training": Training(model=frame.training.model, known=frame.training.known, places=len(frame.training.boxes)),
        "area_ha": _ha(whole),
        "left_out_ha": {reason: _ha(mm2) for reason, mm2 in found.left_out_mm2.items()},
        "zones": frame.zones,
        "closest_m": closest_m(np.concatenate([d.pixels for d in drawn])),
        "expected_se_ha": round(expected_se_ha, 4),
        "notes": _notes(frame, found, drawn, settings),
        "strata": strata,
        "points": points,
        "sha256": "",
    }
    return Design(**parts | {"sha256": seal(Design.model_construct(**parts))})


def _stratum(h: int, found: Scan, drawn: Drawn, whole: int, zoned: bool) -> Stratum:
    return Stratum(
        name=NAMES[h],
        title=STRATA[NAMES[h]],
        pixels=int(found.cells[h]),
        area_ha=_ha(int(found.area_mm2[h])),
        weight=round(int(found.area_mm2[h]) / whole, 9),
        cell_m2=(round(float(found.cell_m2[h, 0]), 4), round(float(found.cell_m2[h, 1]), 4)),
        points=len(drawn.pixels),
        pool=drawn.pool,
        spacing_m=drawn.spacing_m,
        inclusion_probability=float(f"{drawn.inclusion_probability:.9g}"),
        zones_ha=tuple(_ha(mm2) for mm2 in found.zones_mm2[h].tolist()) if zoned else None,
    )


def _ha(mm2: int) -> float:
    return round(mm2 / 1e10, 4)


def _points(found: Scan, drawn: Sequence[Drawn], frame: Frame, tag: str) -> tuple[Point, ...]:
    """Points of all strata mixed: neither their order nor their ids tell the stratum."""
    pixels = np.concatenate([d.pixels for d in drawn]).astype(PIXEL)
    stratum = np.repeat(np.arange(len(drawn)), [len(d.pixels) for d in drawn])
    mixed = np.array(
        [
            int(priority(found.seed, "order", int(p["epsg"]), np.array([p["row"]]), np.array([p["col"]]))[0])
            for p in pixels
        ],
        np.uint64,
    )
    points = []
    for number, i in enumerate(np.argsort(mixed, kind="stable").tolist(), start=1):
        p = pixels[i]
        state = int(p["state"])
        lon, lat = centres(int(p["epsg"]), p["row"].astype(np.int64), p["col"].astype(np.int64)).tolist()
        points.append(
            Point(
                sample_id=f"{tag}-{number:04d}",
                stratum=NAMES[stratum[i]],
                before=(WORKINGS if state in _WORKINGS_BEFORE else OTHER) if frame.before else None,
                after=WORKINGS if state in _WORKINGS_AFTER else OTHER,
                zone=max(int(p["zone"]), 0) if frame.zones is not None else None,
                epsg=int(p["epsg"]),
                row=int(p["row"]),
                col=int(p["col"]),
                lon=round(lon, 6),
                lat=round(lat, 6),
            )
        )
    return tuple(points)


def _notes(frame: Frame, found: Scan, drawn: Sequence[Drawn], settings: Settings) -> tuple[str, ...]:
    notes = []
    empty = [name for h, name in enumerate(NAMES) if not found.cells[h] and name != "drainage"]
    if empty:
        notes.append(f"Strata without ground, left out: {', '.join(empty)}.")
    if settings.drainage is None:
        notes.append(
            "No drainage layer was given, and the run had no elevation to tell one: there is no drainage corridor; "
            "its ground is in 'rest'."
        )
    elif not found.cells[NAMES.index("drainage")]:
        notes.append("No ground of the frame lies in the drainage corridor.")
    tight = [
        f"{NAMES[h]} ({d.spacing_m} m)"
        for h, d in enumerate(drawn)
        if len(d.pixels) and d.spacing_m < settings.min_distance_m
    ]
    if tight:
        notes.append(
            f"The minimum distance of {settings.min_distance_m:g} m cannot be met everywhere: too little ground for "
            f"that many points in {', '.join(tight)}. Their points may also lie nearer to those of other strata."
        )
    if not frame.training.known:
        notes.append("The run's model has no card: whether it learnt from ground in this sample cannot be told.")
    if frame.zones is None:
        notes.append("The run wrote no zone rasters: no estimate by zone. Run the programme again for one.")
    return tuple(notes)
