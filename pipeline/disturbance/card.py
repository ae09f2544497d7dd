"""The card of a model: what it was trained on, how it did on ground it had not seen, and what it cannot do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.errors import ModelError

# What is known of label sets beyond their pixels, by the SHA-256 of masks.npz.
ORIGINS = {
    "c467de302d6b92680744729989b57099a009ddb4a4606c4ac3489c0b13f4fa3c": (
        "Places in the Amazon basin south of the equator, each at two times; masks drawn for this project by visual "
        "interpretation, CC0; pixels contain modified Copernicus Sentinel data 2016-2023. The model holds thresholds "
        "and no pixels. Industrial sites stay in the training: in cross-validation, trees that never saw them did "
        "worse on the other patches, too (IoU 0.690 against 0.695)."
    )
}
UNKNOWN_ORIGIN = "Origin and licence of the labels: as their owner states."
ALWAYS = (
    "At 10 m the map shows disturbed ground and clusters of sites, never single pits.",
    "Commodity (gold, diamond), legality and production cannot be read off pixels.",
    "No detection is not no mining.",
)


def limits_of(model: Path) -> tuple[str, ...]:
    """Sentences on what a model cannot do, from the card in its folder; the general ones where there is no card.

    Raises ModelError if the card is there and cannot be read.
    """
    path = model / "card.json"
    if not path.exists():
        return (*ALWAYS, "This model has no card: its accuracy is not known.")
    try:
        limits = json.loads(path.read_text(encoding="utf-8"))["limits"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: not a model card ({error!r}); train the model again or remove the card") from error
    if not isinstance(limits, list) or not all(isinstance(line, str) for line in limits):
        raise ModelError(f"{path}: limits are not a list of sentences; train the model again or remove the card")
    return tuple(limits)


def make_limits(card: dict[str, Any]) -> list[str]:
    """Sentences for map and report, with the card's own figures."""
    figures = card["cross_validation"]
    disturbed, patches = figures["pixels"]["disturbed"], figures["patches"]
    limits = [
        *ALWAYS,
        f"Trained on {card['data']['patches']} labelled patches; on 1 degree cells held out, disturbed ground is "
        f"mapped with IoU {_two(disturbed['iou'])} and F1 {_two(disturbed['f1'])}; of patches of 480 m, "
        f"{_percent(patches['sensitivity'])} of those with mining and {_percent(patches['specificity'])} of those "
        "without are told rightly.",
        f"Its labels lie {_box(card['data']['bounds'])}; on other ground it is not validated.",
    ]
    if card["africa"]:
        shares = "; ".join(
            f"{region} {_percent(row['half_year_1'])} and {_percent(row['half_year_2'])}, both {_percent(row['both'])}"
            for region, row in card["africa"].items()
        )
        limits.append(
            "Of African fields and rangeland without mining, judged from the spectrum alone, it calls disturbed in the "
            f"first and second half-year: {shares}."
        )
    return limits


def to_markdown(card: dict[str, Any]) -> str:
    """The card as a page."""
    data, method, figures = card["data"], card["method"], card["cross_validation"]
    parts = [
        f"# Model `{card['name']}`",
        "Written by `placerwatch train` together with the model; the same figures stand in `card.json` beside it.",
        f"SHA-256 `{card['sha256']}`",
        "## Limits",
        "\n".join(f"- {line}" for line in card["limits"]),
        "## Data",
        f"{data['patches']} patches in {data['cells']} cells of 1 degree, {_box(data['bounds'])}; surface reflectance "
        f"at 10 m, six bands. Labelled pixels: {_counts(data['pixels'])}; unsure pixels are not used. {data['origin']}",
        "## Method",
        f"{method['features']} features: {len(method['channels'])} normalised differences, their means, deviations and "
        f"shares of water and bare ground in windows of {', '.join(map(str, method['windows_px']))} pixels. "
        f"Gradient-boosted trees (scikit-learn): {method['disturbed']['max_iter']} for disturbed against other, "
        f"{method['pond_if_disturbed']['max_iter']} for pond against bare within disturbed ground. "
        f"{method['pixels_per_image']} pixels of each patch and of {method['variants']['of_each_patch']} variants "
        f"of it each, under other light (factor up to {method['variants']['light']}) and haze; each weighs the same.",
        _table(("channel", "source"), [[name, source] for name, source in method["channels"].items()]),
        "## Regions held out",
        f"{figures['folds']}-fold cross-validation by {figures['groups']}, threshold {figures['threshold']}. A patch "
        "is called mining where more than 5 % of it is disturbed.",
        _pixel_table({"all patches": figures, "without industrial": figures["without_industrial"]}),
        "### By what the interpreters noted",
        _kind_table({"all": figures, **figures["kinds"]}),
        "### Reliability",
        f"Expected calibration error {figures['reliability']['expected_calibration_error']}.",
        _table(
            ("predicted from", "pixels", "mean predicted", "truly disturbed"),
            [[b["from"], b["pixels"], b["predicted"], b["observed"]] for b in figures["reliability"]["bins"]],
        ),
    ]
    if card["africa"]:
        parts += [
            "## African ground without mining",
            "Share called disturbed of half-yearly geomedians (2019) of labelled fields and rangeland. Each spectrum "
            "is judged as if uniform ground of its kind surrounded it: the context that tells workings from dry fields "
            "is missing. `both` is what remains when both half-years must look disturbed.",
            _table(
                ("region", "samples", "January-June", "July-December", "both"),
                [[region, *row.values()] for region, row in card["africa"].items()],
            ),
        ]
    return "\n\n".join(parts) + "\n"


def _pixel_table(rows: dict[str, dict[str, Any]]) -> str:
    return _table(
        ("patches", "class", "IoU", "F1", "precision", "recall"),
        [
            [title, name, *(row["pixels"][name][key] for key in ("iou", "f1", "precision", "recall"))]
            for title, row in rows.items()
            for name in ("disturbed", "bare", "pond")
        ],
    )


def _kind_table(rows: dict[str, dict[str, Any]]) -> str:
    return _table(
        ("kind", "mining", "no mining", "sensitivity", "specificity", "disturbed IoU", "other called disturbed"),
        [
            [
                kind,
                *row["patches"].values(),
                row["pixels"]["disturbed"]["iou"],
                row["pixels"]["disturbed"]["false_alarm_share"],
            ]
            for kind, row in rows.items()
        ],
    )


def _table(head: tuple[str, ...], rows: list[list[Any]]) -> str:
    lines = [head, ["---"] * len(head), *([("" if cell is None else cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _box(bounds: list[float]) -> str:
    west, south, east, north = bounds
    return f"between longitudes {west:.1f} and {east:.1f} and latitudes {south:.1f} and {north:.1f}"


def _counts(pixels: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in pixels.items())


def _two(value: float | None) -> str:
    return "not known" if value is None else f"{value:.2f}"


def _percent(share: float | None) -> str:
    return "not known" if share is None else f"{100 * share:.1f} %"
