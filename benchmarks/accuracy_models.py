"""The classifiers by themselves, from the cards that training wrote: figures on ground held out, beside references."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.tables import table
from pipeline.disturbance import MODELS_DIR
from pipeline.disturbance.model import read_index

COMPARISON = "comparison.json"
PICTURES = 3  # of false alarms of a model, and of what it missed


@dataclass(frozen=True)
class Goal:
    """What this project asks of a figure: at least, or at most where `most`; a model without a bound has no goal."""

    title: str
    path: tuple[str, ...]
    bounds: Mapping[str, float]
    most: bool = False


_PIXELS = ("cross_validation", "pixels", "disturbed")
_PATCHES = ("cross_validation", "patches")
GOALS = (
    Goal("IoU of disturbed ground, cells held out", (*_PIXELS, "iou"), {"default": 0.80, "trees": 0.76}),
    Goal("F1 of disturbed ground, cells held out", (*_PIXELS, "f1"), {"default": 0.885, "trees": 0.865}),
    Goal("patches with mining told rightly (sensitivity)", (*_PATCHES, "sensitivity"), {"default": 0.93}),
    Goal("patches without mining told rightly (specificity)", (*_PATCHES, "specificity"), {"default": 0.92}),
    Goal("IoU of the worst block of countries held out", ("worst_block",), {"default": 0.72, "trees": 0.72}),
    Goal(
        "expected calibration error",
        ("cross_validation", "reliability", "expected_calibration_error"),
        {"default": 0.03, "trees": 0.03},
        most=True,
    ),
)

# Published beside the masks, on the same masks or on a region that was never shared; not measured here.
GIVEN_HEAD = ("given reference", "774 masks: IoU", "F1", "sens. / spec.", "unseen region: IoU", "F1", "sens. / spec.")
GIVEN = (
    ("NDVI < 0.3", "–", "–", "–", "0.576", "0.731", "0.944 / 0.156"),
    ("plain gradient boosting, 45 features", "0.736", "0.848", "–", "0.772", "0.871", "0.917 / 0.933"),
    ("plain U-Net, 16 channels", "0.743", "0.853", "0.871 / 0.822", "0.813", "0.897", "0.917 / 0.978"),
    ("plain U-Net, without the industrial patches", "0.693", "0.818", "–", "–", "–", "–"),
    ("plain U-Net, trained on the first 397 masks", "–", "–", "–", "0.829", "0.907", "0.931 / 0.978"),
    ("one interpreter against the other", "0.96 (22 patches)", "–", "–", "0.875", "0.933", "–"),
)
_KINDS = ("towns", "fish ponds", "river bars", "cobble plains")


@dataclass(frozen=True)
class Shipped:
    """A shipped model: the names it goes by, its folder in models/, and its card."""

    names: tuple[str, ...]
    folder: str
    kind: str
    card: Mapping[str, Any]

    @property
    def title(self) -> str:
        """Its names."""
        return ", ".join(f"`{name}`" for name in self.names)

    def figure(self, path: Sequence[str]) -> Any:
        """What the card says at a path, None where it says nothing; `worst_block` is the least IoU of a block."""
        if tuple(path) == ("worst_block",):
            found = [row["pixels"]["disturbed"]["iou"] for row in self.card.get("held_out", {}).values()]
            return min((iou for iou in found if iou is not None), default=None)
        return figure(self.card, path)


@dataclass(frozen=True)
class Models:
    """The shipped models, and the figures of others measured in the same way, by name."""

    shipped: tuple[Shipped, ...]
    others: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def figure(card: Mapping[str, Any], path: Sequence[str]) -> Any:
    """What nested mappings hold at a path; None where they end before."""
    found: Any = card
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def read_models(models_dir: Path = MODELS_DIR) -> Models:
    """Cards of the models that the index names; one model of two names is told once.

    `comparison.json` beside the index holds {"models": {name: figures}}: figures as a card's `cross_validation`, or
    plain values by title. Without it, what the cards compare with is told.
    """
    names: dict[str, list[str]] = {}
    folders: dict[str, str] = {}
    for name, (folder, sha256) in read_index(models_dir).items():
        names.setdefault(sha256, []).append(name)
        folders[sha256] = folder
    shipped = []
    for sha256, own in names.items():
        folder = models_dir / folders[sha256]
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        kind = str(json.loads((folder / "model.json").read_text(encoding="utf-8"))["kind"])
        shipped.append(Shipped(tuple(sorted(own)), folders[sha256], kind, card))
    path = models_dir / COMPARISON
    others: dict[str, Any] = {}
    for model in shipped:
        others |= model.card.get("comparison") or {}
    if path.is_file():
        others = json.loads(path.read_text(encoding="utf-8"))["models"]
    return Models(tuple(sorted(shipped, key=lambda model: model.names)), others)


def goal_rows(models: Models) -> Iterator[list[str]]:
    """Each goal that a card answers, with the figure of each model and whether it is reached."""
    for goal in GOALS:
        for model in models.shipped:
            for name in model.names:
                if name in goal.bounds:
                    yield goal_row(f"`{name}`: {goal.title}", model.figure(goal.path), goal.bounds[name], goal.most)


def goal_row(title: str, value: float | None, bound: float, most: bool = False, percent: bool = False) -> list[str]:
    """One goal: what is asked, what was found, and plainly whether it is reached; not rounded in its favour."""

    def told(number: float) -> str:
        return f"{100 * number:.4g} %" if percent else f"{number:.4g}"

    asked = f"{'≤' if most else '≥'} {told(bound)}"
    if value is None:
        return [title, asked, "not measured", "–"]
    return [title, asked, told(value), "reached" if (value <= bound if most else value >= bound) else "**missed**"]


def model_parts(models: Models, link: str) -> list[str]:
    """The section on the classifiers as Markdown; `link` leads from the page to the models' folder."""
    parts = [
        "## Classifiers alone, ground held out",
        "All figures of this section were written by `placerwatch train`, each patch judged by a model that never saw "
        "its cell of one degree; intervals are 95 %, by drawing cells with replacement. Disturbed ground is "
        "bare workings or pond; a patch counts as mining where more than 5 % of it is called disturbed.",
        table(_HEAD, [row for m in models.shipped for row in _rows(m.title, m.card["cross_validation"])]),
    ]
    if models.others:
        parts += ["Measured in the same way, on the same masks and folds:", _others(models.others)]
    parts += ["Given references, not measured here:", table(GIVEN_HEAD, GIVEN)]
    for model in models.shipped:
        parts += _model(model, link)
    return parts


_HEAD = ("model", "patches", "IoU (95 %)", "F1 (95 %)", "sensitivity (95 %)", "specificity (95 %)", "calibration error")


def _rows(title: str, figures: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for which, own in (("all", figures), ("without industrial", figures.get("without_industrial"))):
        if own:
            cells = [*_with_interval(own, "pixels", "disturbed", keys=("iou", "f1"))]
            cells += _with_interval(own, "patches", keys=("sensitivity", "specificity"))
            rows.append([title, which, *cells, _told(figure(own, ("reliability", "expected_calibration_error")))])
    return rows


def _others(rows: Mapping[str, Mapping[str, Any]]) -> str:
    if all("pixels" in own for own in rows.values()):
        return table(_HEAD, [row for name, own in rows.items() for row in _rows(name, own)])
    columns = list(dict.fromkeys(key for own in rows.values() for key in own))
    told = [[name, *("–" if own.get(c) is None else str(own[c]) for c in columns)] for name, own in rows.items()]
    return table(("model", *columns), told)


def _model(model: Shipped, link: str) -> list[str]:
    figures = model.card["cross_validation"]
    held_out, regions = model.card.get("held_out") or {}, figures.get("regions") or {}
    parts = [f"### {model.title} ({model.kind})", f"SHA-256 `{model.card['sha256']}`."]
    classes = {name: {"pixels": {"disturbed": own}} for name, own in figures["pixels"].items()}
    parts.append(
        table(
            ("class", "IoU (95 %)", "F1 (95 %)", "precision", "recall"),
            [
                [
                    name,
                    *_with_interval(own, "pixels", "disturbed", keys=("iou", "f1")),
                    *(_told(figure(own, ("pixels", "disturbed", key))) for key in ("precision", "recall")),
                ]
                for name, own in classes.items()
            ],
        )
    )
    if held_out:
        parts += ["A whole block of countries held out, trained on the others:", _blocks(held_out)]
    if regions:
        parts += ["Cells held out, by block:", _blocks(regions)]
    kinds = {name: own for name, own in figures["kinds"].items() if name in _KINDS}
    kinds |= {name: own for name, own in figures["kinds"].items() if name not in _KINDS}
    parts += ["Kinds of ground that interpreters named, each alone (few patches each):", _blocks(kinds)]
    if figures.get("sizes"):
        parts += ["By size of the object, cut at the edge of its patch (480 m):", _sizes(figures["sizes"])]
    bins = figures["reliability"]["bins"]
    parts += [
        "Reliability: of the pixels given a probability, the share that is disturbed.",
        table(
            ("probability from", *(f"{b['from']:.1f}" for b in bins)),
            [
                ["mean predicted", *(f"{b['predicted']:.2f}" for b in bins)],
                ["truly disturbed", *(f"{b['observed']:.2f}" for b in bins)],
                ["pixels", *(f"{b['pixels']:,}" for b in bins)],
            ],
        ),
    ]
    return [*parts, *_pictures(model, f"{link}/{model.folder}/{model.card.get('gallery_folder', 'gallery')}")]


def _pictures(model: Shipped, link: str) -> list[str]:
    rows = model.card.get("gallery") or []
    shown = [row for error in ("false alarm", "missed") for row in [r for r in rows if r["error"] == error][:PICTURES]]
    if not shown:
        return []
    words = (
        "Where it fails worst, ground held out, 480 m wide: on the left the reference (workings orange, ponds blue, "
    )
    words += "other green, unsure grey), on the right the probability from dark to yellow. No imagery is shown."
    told = [[f"![{r['error']}]({link}/{r['file']})", r["error"], f"{r['wrong_ha']:.1f}", r["note"]] for r in shown]
    return [words, table(("", "error", "wrong, ha", "the interpreter's note"), told)]


def _blocks(rows: Mapping[str, Mapping[str, Any]]) -> str:
    head = ("ground", "with / without mining", "IoU (95 %)", "F1 (95 %)", "sensitivity", "specificity", "false alarms")
    return table(
        head,
        [
            [
                name,
                f"{figure(own, ('patches', 'mining'))} / {figure(own, ('patches', 'no_mining'))}",
                *_with_interval(own, "pixels", "disturbed", keys=("iou", "f1")),
                *(_told(figure(own, ("patches", key))) for key in ("sensitivity", "specificity")),
                _told(figure(own, ("pixels", "disturbed", "false_alarm_share"))),
            ]
            for name, own in rows.items()
        ],
    )


def _sizes(sizes: Mapping[str, Mapping[str, Any]]) -> str:
    head = ("size", "objects", "half of it found (95 %)", "of their pixels", "called objects", "of these wholly false")
    return table(
        head,
        [
            [
                name,
                str(own["objects"]),
                *_with_interval(own, keys=("found",)),
                _told(own["pixel_recall"]),
                str(own["called_objects"]),
                str(own["false_objects"]),
            ]
            for name, own in sizes.items()
        ],
    )


def _with_interval(own: Mapping[str, Any], *path: str, keys: Sequence[str]) -> list[str]:
    found = []
    for key in keys:
        bounds = figure(own, (*path, f"{key}_95"))
        spread = f" ({bounds[0]:.3f} to {bounds[1]:.3f})" if bounds else ""
        found.append(_told(figure(own, (*path, key))) + spread)
    return found


def _told(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
