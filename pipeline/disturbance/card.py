"""The card of a model: what it was trained on, how it did on ground it had not seen, and what it cannot do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.disturbance.card_page import box, percent, to_markdown, two
from pipeline.disturbance.labels import CLASSES, Labels
from pipeline.disturbance.model import write_atomically
from pipeline.errors import ModelError
from pipeline.imagery.scene import BANDS

CARD, PAGE = "card.json", "card.md"
ALWAYS = (
    "At 10 m the map shows disturbed ground and clusters of sites, never single pits.",
    "Commodity (gold, diamond), legality and production cannot be read off pixels.",
    "No detection is not no mining.",
)
SIMULATED = "Trained on simulated imagery: it serves tests and says nothing of real ground."
_DEG_PER_M = 1 / 111_320


def limits_of(model: Path) -> tuple[str, ...]:
    """Sentences on what a model cannot do, from the card in its folder; the general ones where there is no card.

    Raises ModelError if the card is there and cannot be read.
    """
    card = read_card(model)
    if card is None:
        return (*ALWAYS, "This model has no card: its accuracy is not known.")
    limits = card.get("limits")
    if not isinstance(limits, list) or not all(isinstance(line, str) for line in limits):
        raise ModelError(
            f"{model / CARD}: limits are not a list of sentences; train the model again or remove the card"
        )
    return tuple(limits)


def read_card(model: Path) -> dict[str, Any] | None:
    """The card in a model's folder, None where there is none; raises ModelError if it cannot be read."""
    path = model / CARD
    if not path.exists():
        return None
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not a model card ({error!r}); train the model again or remove the card") from error
    if not isinstance(card, dict):
        raise ModelError(f"{path}: not a model card; train the model again or remove the card")
    return card


def write_card(folder: Path, card: dict[str, Any]) -> None:
    """Write card.json and card.md of a model's folder; `limits` are made anew from the card's figures."""
    card["limits"] = make_limits(card)
    write_atomically(folder / CARD, (json.dumps(card, indent=1, ensure_ascii=False) + "\n").encode())
    write_atomically(folder / PAGE, to_markdown(card).encode())


def describe_data(labels: Labels) -> dict[str, Any]:
    """The card's word on its labels: files, counts, where they lie, and the ground that was learnt from."""
    regions, counts = np.unique(labels.region, return_counts=True)
    provenance = labels.provenance
    return {
        "files": dict(provenance.files),
        "labels_sha256": provenance.labels_sha256,
        "patches": len(labels.mask),
        "cells": len(np.unique(labels.cell)),
        "regions": dict(zip(regions.tolist(), counts.tolist(), strict=True)),
        "pixels": {name: int((labels.mask == value).sum()) for name, value in CLASSES.items()},
        "bounds": list(labels.bounds),
        "origin": provenance.origin,
        "simulated": provenance.simulated,
        "left_out": list(provenance.left_out),
        "training_ground": training_ground(labels),
    }


def training_ground(labels: Labels) -> list[str]:
    """One line for each place: west, south, east, north in degrees, then the spans of days its imagery is from.

    A sample of the map that is to tell its area must not lie there: the model has seen the answer.
    """
    lines = []
    half_m = 5 * (np.array(labels.mask.shape[2:0:-1]) - 2 * labels.halo_px)
    for place in dict.fromkeys(labels.place.tolist()):
        which = np.flatnonzero(labels.place == place)
        lon, lat = labels.lonlat[which[0]]
        across, along = half_m * _DEG_PER_M / np.array([max(np.cos(np.radians(lat)), 0.01), 1.0])
        edges = ",".join(f"{edge:.4f}" for edge in (lon - across, lat - along, lon + across, lat + along))
        spans = {f"{first}/{last}" for first, last in labels.windows[which] if not np.isnat(first)}
        lines.append(" ".join([edges, *sorted(spans)]))
    return lines


def on_training_ground(card: Mapping[str, Any], lonlat: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which places (place, 2), in degrees, lie on ground that the model learnt from; raises ModelError."""
    try:
        lines = card["data"]["training_ground"]
        boxes = np.array([[float(edge) for edge in line.split()[0].split(",")] for line in lines]).reshape(-1, 4)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ModelError(f"{CARD}: the training ground cannot be read ({error!r}); train the model again") from error
    inside = (lonlat[:, None] >= boxes[:, :2]) & (lonlat[:, None] <= boxes[:, 2:])
    found: NDArray[np.bool_] = np.any(np.all(inside, axis=2), axis=1)
    return found


def describe_method(learner: Mapping[str, Any], kind: str, seed: int) -> dict[str, Any]:
    """The card's word on the method: kind, bands, what the learner says of itself, and the seed."""
    return {"kind": kind, "bands": list(BANDS), **learner, "seed": seed}


def make_limits(card: Mapping[str, Any]) -> list[str]:
    """Sentences for map and report, with the card's own figures."""
    data, figures = card["data"], card["cross_validation"]
    disturbed, patches = figures["pixels"]["disturbed"], figures["patches"]
    limits = [
        *ALWAYS,
        *([SIMULATED] if data["simulated"] else []),
        f"Trained on {data['patches']} labelled patches; on {figures['groups']} held out, disturbed ground is mapped "
        f"with IoU {two(disturbed['iou'])} and F1 {two(disturbed['f1'])}; of patches of 480 m, "
        f"{percent(patches['sensitivity'])} of those with mining and {percent(patches['specificity'])} of those "
        "without are told rightly.",
    ]
    if card["held_out"]:
        each = ", ".join(f"{name} {two(row['pixels']['disturbed']['iou'])}" for name, row in card["held_out"].items())
        limits.append(f"Trained without a whole region, it maps that region with IoU: {each}.")
    limits.append(f"Its labels lie {box(data['bounds'])}; on other ground it is not validated.")
    if card["africa"]:
        each = "; ".join(
            f"{region} {percent(row['half_year_1'])} and {percent(row['half_year_2'])}, both {percent(row['both'])}"
            for region, row in card["africa"].items()
        )
        limits.append(
            "Of African fields and rangeland without mining, judged from the spectrum alone, it calls disturbed in the "
            f"first and second half-year: {each}."
        )
    return limits
