"""Fit a model to labels, judge it on ground held out, and write the model with its card; judge any model on labels."""

from __future__ import annotations

import io
import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.disturbance.card import describe_data, describe_method, on_training_ground, read_card, write_card
from pipeline.disturbance.gallery import write_gallery, write_reliability
from pipeline.disturbance.holdout import FOLDS, Fit, Judged, cells_of, fit_all, folds_of, regions_held_out
from pipeline.disturbance.importance import importance, predict, shares
from pipeline.disturbance.labels import BARE, OTHER, POND, Labels
from pipeline.disturbance.learning import Learner
from pipeline.disturbance.model import INDEX, Model, find_model, read_index, write_atomically, write_index
from pipeline.disturbance.progress import Progress, Quiet
from pipeline.disturbance.scores import THRESHOLD, score
from pipeline.disturbance.spectra import false_alarms
from pipeline.errors import BadInput
from pipeline.imagery.scene import NODATA

KINDS = ("trees", "network", "blend")
GALLERY = "gallery"
SPECTRA = "africa_spectra"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}")


def learner_of(kind: str) -> Learner:
    """The learner of a kind of model; raises BadInput for an unknown kind, or where its packages are missing."""
    if kind not in KINDS:
        raise BadInput(f"--kind {kind!r}: expected {', '.join(KINDS[:-1])} or {KINDS[-1]}")
    if kind == "trees":
        from pipeline.disturbance.tree_learner import TreeLearner

        return TreeLearner()
    if find_spec("torch") is None:
        raise BadInput(
            f"--kind {kind}: needs PyTorch, which is not installed; install the extra `network` of placerwatch "
            "(`make .venv/network.ok`), or train --kind trees"
        )
    from pipeline.disturbance.blend_learner import BlendLearner
    from pipeline.disturbance.network_learner import NetworkLearner

    return NetworkLearner() if kind == "network" else BlendLearner()


def train(
    labels: Labels,
    learner: Learner,
    out: Path,
    seed: int = 0,
    workers: int = 2,
    held_out: Path | None = None,
    *,
    gallery: Path | None = None,
    pictures: str | None = None,
    africa: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Fit a model to labels; write its folder `out` with the card, and the index beside it. Returns the card.

    FOLDS fits by cells and one without each region judge ground they never saw; the model itself is fitted to all.
    The same labels, learner and seed give the same files, whatever the number of `workers`. `held_out` (.npz) keeps
    what was said of each patch by a fit without its cell (`probability`, uint16 x 10 000) and by one without its
    region (`by_region`). Pictures of the worst patches go to `gallery` (default: in `out`) and show the
    imagery only where its origin allows (`pictures` decides otherwise). The card tells the share of `africa` (folder
    of spectra without mining) that the model calls disturbed. Raises BadInput where the labels are too few.
    """
    progress = progress or Quiet()
    if pictures not in (None, "imagery", "maps"):
        raise BadInput(f"--pictures {pictures!r}: expected imagery or maps")
    if not _NAME.fullmatch(out.name) or out.suffix in (".npz", ".onnx") or out.is_file():
        raise BadInput(f"--out {out}: a model is a folder; give it a name of letters, digits and '-', as models/mine")
    if out.with_name(INDEX).exists():
        read_index(out.parent)  # a wrong one is told before the work, not after
    side, cell = cells_of(labels)
    folds, regions = folds_of(cell), regions_held_out(labels)
    everything = np.arange(len(labels.mask))
    _check_classes(labels, folds)
    with tempfile.TemporaryDirectory() as folder:
        whole = Fit("all patches", everything, everything[:0], folder=Path(folder) / out.name)
        _, *judged = fit_all([whole, *folds, *regions], learner, labels, seed, workers, progress)
        model = Model.load(Path(folder) / out.name)
    probability = _gather(folds, judged[:FOLDS], labels)
    told = shares(probability)
    show = pictures or labels.provenance.pictures
    progress.say("drawing the card's pictures")
    gallery = gallery or out / GALLERY
    figures = score(told, labels, cell)
    card: dict[str, Any] = {
        "name": model.name,
        "sha256": model.sha256,
        "kind": model.kind,
        "data": describe_data(labels),
        "method": describe_method(learner.describe(), learner.kind, seed),
        "cross_validation": {
            "folds": FOLDS,
            "groups": f"{side:g} degree cells",
            "threshold": THRESHOLD,
            **figures,
        },
        "held_out": {
            fit.title.removeprefix("without "): _region_figures(one, labels.subset(fit.unseen), cell[fit.unseen])
            for fit, one in zip(regions, judged[FOLDS:], strict=True)
        },
        "importance": importance([one.spoilt for one in judged[:FOLDS]]),
        "africa": false_alarms(model, africa) if africa else None,
        "pictures": show,
        "gallery_folder": Path(os.path.relpath(gallery, out)).as_posix(),
    }
    card["gallery"] = write_gallery(gallery, told, labels, show)
    write_reliability(gallery / "reliability.png", figures["reliability"]["bins"])
    if held_out:
        arrays: dict[str, NDArray[Any]] = {
            "probability": probability,
            "fold": _numbers(folds, labels),
            "by_region": _gather(regions, judged[FOLDS:], labels),
            "place": labels.place,
            "time": labels.time,
        }
        _write_held_out(held_out, arrays)
    model.save(out)
    write_card(out, card)
    write_index(out.parent, model.name, out.name, model.sha256)
    return card


def _check_classes(labels: Labels, fits: Sequence[Fit]) -> None:
    names = {OTHER: "other", BARE: "bare workings", POND: "pond in workings"}
    for fit in (None, *fits):
        there = np.unique(labels.mask if fit is None else labels.mask[fit.known])
        missing = [name for value, name in names.items() if value not in there]
        if missing:
            where = "" if fit is None else f" outside the cells of {fit.title}; label it in more places"
            raise BadInput(f"labels: training needs pixels of all three classes; there is no {missing[0]}{where}")


def _gather(fits: Sequence[Fit], judged: Sequence[Judged], labels: Labels) -> NDArray[np.uint16]:
    """What fits said of their unseen patches, (patch, 2, y, x); NODATA where none judged the patch."""
    out = np.full((len(labels.mask), 2, *labels.mask.shape[1:]), NODATA, np.uint16)
    for fit, one in zip(fits, judged, strict=True):
        out[fit.unseen] = one.probability
    return out


def _numbers(folds: Sequence[Fit], labels: Labels) -> NDArray[np.int64]:
    fold = np.zeros(len(labels.mask), np.int64)
    for number, fit in enumerate(folds):
        fold[fit.unseen] = number
    return fold


def _region_figures(judged: Judged, unseen: Labels, cell: NDArray[np.int64]) -> dict[str, Any]:
    figures = score(shares(judged.probability), unseen, cell)
    return {key: value for key, value in figures.items() if key != "regions"}


def _write_held_out(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_atomically(path, buffer.getvalue())


def evaluate(model: Model, labels: Labels, card: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Figures of a model on labels, overall and by region, with intervals by cells of one degree.

    With its `card`, `seen` tells how far the figures flatter: whether the model learnt from these very labels, and
    how many of the patches lie on ground it learnt from.
    """
    seen = None
    if card is not None:
        same = labels.provenance.labels_sha256
        seen = {
            "same_labels": bool(same) and card.get("data", {}).get("labels_sha256") == same,
            "patches": int(on_training_ground(card, labels.lonlat).sum()),
        }
    return {
        "model": model.name,
        "sha256": model.sha256,
        "kind": model.kind,
        "threshold": THRESHOLD,
        "patches_judged": len(labels.mask),
        "seen": seen,
        **score(shares(predict(model, labels)), labels),
    }


def hold_out(
    learner: Learner,
    labels: Labels,
    names: Sequence[str],
    seed: int = 0,
    workers: int = 2,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Figures on each region of these names by a model of the same recipe that was fitted without it.

    Raises BadInput where a name is no region of the labels, or where the rest cannot train.
    """
    fits = regions_held_out(labels, names)
    judged = fit_all(fits, learner, labels, seed, workers, progress or Quiet())
    return {
        name: _region_figures(one, labels.subset(fit.unseen), labels.cell[fit.unseen])
        for name, fit, one in zip(names, fits, judged, strict=True)
    }


def evaluate_named(
    name_or_path: str, labels: Labels, names: Sequence[str], workers: int = 2, progress: Progress | None = None
) -> dict[str, Any]:
    """Figures of the model of a name or path, told from its card what it has seen; see evaluate.

    `held_out` are the figures of its recipe refitted without each region of `names`, from the seed in its card.
    Raises BadInput where names are given and the card does not say that this recipe made the model.
    """
    folder, sha256 = find_model(name_or_path, Path())
    model, card = Model.load(folder, sha256), read_card(folder)
    figures = evaluate(model, labels, card)
    if names:
        learner, method = learner_of(model.kind), (card or {}).get("method")
        seed = method.get("seed") if isinstance(method, dict) else None
        recipe = describe_method(learner.describe(), learner.kind, seed) if isinstance(seed, int) else None
        if not isinstance(seed, int) or json.loads(json.dumps(recipe)) != method:
            raise BadInput(
                f"--hold-out: {name_or_path} was not made by this version's recipe for {model.kind}, or has no card "
                "that says so; train it again, or leave --hold-out away"
            )
        figures["held_out"] = hold_out(learner, labels, names, seed, workers, progress)
    return figures


def spectra_beside(labels: Path) -> Path | None:
    """The folder of African spectra beside a folder of labels, where there is one."""
    folder = labels.parent / SPECTRA
    return folder if folder.is_dir() else None
