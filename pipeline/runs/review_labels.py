"""Reviewed changes as labels to train with, kept apart from the probability samples that judge a model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from pipeline.disturbance.drawing import BLOCK_PX
from pipeline.errors import BadInput
from pipeline.footprint.design import Design
from pipeline.hashing import sha256_of_input
from pipeline.runs.inspect import read_manifest
from pipeline.runs.reviewing import CHANGES, REVIEWS
from pipeline.runs.store import write_whole

# Training takes whole blocks of 480 m, of which a place may lie at one corner and a point of a sample at the other.
_APART_DEG = BLOCK_PX * 10 * 1.5 / 110_500


@dataclass(frozen=True)
class ReviewLabels:
    """How many changes became labels of each class, and how many did not, by reason."""

    file: Path
    labels: dict[str, int]
    left_out: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {"file": self.file.as_posix(), "labels": self.labels, "left_out": self.left_out}


def export_labels(run_dir: Path, out: Path, samples: Sequence[Path], reviews: Path | None = None) -> ReviewLabels:
    """Write polygons that `placerwatch train` reads, from changes that reviewers agree on.

    Rejected ground is "other"; confirmed ground is "bare" where the map has no pond in it, "pond" where the reviewers
    call it so. Changes near a point of one of the `samples` (.design.json) are left out: a model that learnt there
    could not be judged by them. Raises BadInput.
    """
    report, kinds = _reviewed(run_dir, reviews)
    points = [Design.read(path).lonlat() for path in samples]
    apart = [shapely.Point(place) for place in np.concatenate(points).tolist()] if points else []
    tree = shapely.STRtree(apart)
    features: list[dict[str, Any]] = []
    labels: dict[str, int] = {}
    left_out: dict[str, int] = {}
    for feature in report["features"]:
        properties = feature["properties"]
        name, why = _class_of(properties, kinds.get(feature["id"], set()))
        if name and len(tree.query(shapely.box(*_around(feature["geometry"])))):
            name, why = "", "near a point of a sample"
        if not name:
            left_out[why] = left_out.get(why, 0) + 1
            continue
        labels[name] = labels.get(name, 0) + 1
        note = f"{properties['review']['state']} by {properties['review']['reviewer']}: {feature['id']}"
        told = {"class": name, "date": properties["last_observed"], "note": note[:200]}
        features.append({"type": "Feature", "geometry": feature["geometry"], "properties": told})
    if not features:
        reasons = "; ".join(f"{count} {why}" for why, count in sorted(left_out.items()))
        raise BadInput(f"{run_dir}: no reviewed change can serve as a label ({reasons})")
    collection = {"type": "FeatureCollection", "features": features}
    write_whole(out, (json.dumps(collection, ensure_ascii=False) + "\n").encode())
    return ReviewLabels(out, dict(sorted(labels.items())), dict(sorted(left_out.items())))


def _class_of(properties: dict[str, Any], kinds: set[str]) -> tuple[str, str]:
    """The class of a change's ground, or "" and why it has none."""
    state = properties["review"]["state"]
    if state not in ("confirmed", "rejected"):
        return "", state
    if properties["state"] == "recovered" or not properties["last_observed"]:
        return "", "recovered, or of unknown day"
    if state == "rejected":
        return "other", ""
    if kinds == {"pond"}:
        return "pond", ""
    if kinds <= {"workings"} and not properties["pond_ha"]:
        return "bare", ""
    return "", "confirmed, but bare ground and ponds are not told apart"


def _around(geometry: dict[str, Any]) -> tuple[float, float, float, float]:
    west, south, east, north = shapely.from_geojson(json.dumps(geometry)).bounds
    return west - _APART_DEG, south - _APART_DEG, east + _APART_DEG, north + _APART_DEG


def _reviewed(run_dir: Path, folder: Path | None) -> tuple[dict[str, Any], dict[str, set[str]]]:
    """The reviewed change report of a run, and what reviewers call each change; raises BadInput if altered."""
    manifest = read_manifest(run_dir)
    folder = folder or run_dir.resolve().parents[1] / "reviews" / str(manifest["run_id"])
    if not (folder / REVIEWS).is_file():
        raise BadInput(f"{folder}: holds no reviews; placerwatch review import comes first")
    try:
        record = json.loads((folder / REVIEWS).read_text("utf-8"))
        report: dict[str, Any] = json.loads((folder / CHANGES).read_text("utf-8"))
        sealed = record["outputs"][CHANGES], record["changes_sha256"]
        kinds: dict[str, set[str]] = {}
        for row in record["decisions"]:
            kinds.setdefault(row["change_id"], set()).update({row["class"]} - {""})
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadInput(f"{folder}: reviews cannot be read ({type(error).__name__}); import them again") from error
    if sealed != (sha256_of_input(folder / CHANGES), manifest["outputs"].get(CHANGES)):
        raise BadInput(f"{folder}: altered since the reviews were imported, or of another run; import them again")
    return report, kinds
