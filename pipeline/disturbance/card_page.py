"""The figures of a model in words: the page of its card, and the tables that the commands print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.disturbance.scores import PATCH_SHARE

Figures = Mapping[str, Any]


def to_markdown(card: Figures) -> str:
    """The card as a page."""
    data, figures = card["data"], card["cross_validation"]
    parts = [
        f"# Model `{card['name']}`",
        "Written by `placerwatch train` together with the model; the same figures stand in `card.json` beside it.",
        f"SHA-256 `{card['sha256']}`",
        "## Limits",
        "\n".join(f"- {line}" for line in card["limits"]),
        "## Data",
        f"{data['patches']} patches in {data['cells']} cells of 1 degree, {box(data['bounds'])}; surface reflectance "
        f"at 10 m, six bands. Labelled pixels: {_counts(data['pixels'])}; unsure pixels are not used. "
        f"Patches by region: {_counts(data['regions'])}. {data['origin']}",
        *_left_out(data["left_out"]),
        "## Method",
        "\n".join(_outline(card["method"])),
        "## Ground held out",
        f"{figures['folds']}-fold cross-validation by {figures['groups']}, threshold {figures['threshold']}; 95 % "
        f"intervals from draws of these cells. A patch is called mining where more than {PATCH_SHARE:.0%} of it is "
        "disturbed.",
        _pixel_table({"all patches": figures, "without industrial": figures["without_industrial"]}),
        "### By region",
        "Cross-validated: ground of the same region helped to train.",
        _row_table("region", figures["regions"]),
    ]
    if card["held_out"]:
        parts += [
            "Left out as a whole: no ground of the region helped to train.",
            _row_table("region", card["held_out"]),
        ]
    parts += [
        "### By what the interpreters noted",
        _row_table("kind", {"all": figures, **figures["kinds"]}),
        "### By size of the workings",
        "Objects of touching pixels, cut at the edge of their patch. Found: at least half of it is called. False: none "
        "of it is disturbed in the reference.",
        _size_table(figures["sizes"]),
        "### Reliability",
        f"Expected calibration error {figures['reliability']['expected_calibration_error']}.",
        f"![Predicted probability against the share truly disturbed]({card['gallery_folder']}/reliability.png)",
        table(
            ("predicted from", "pixels", "mean predicted", "truly disturbed"),
            [[b["from"], b["pixels"], b["predicted"], b["observed"]] for b in figures["reliability"]["bins"]],
        ),
        "### What it looks at",
        "IoU of disturbed ground on the folds with one input spoilt: a band taken from another patch, or the pixels of "
        "a patch moved about so that each loses its surroundings.",
        table(("input", "IoU", "loss"), [list(row.values()) for row in card["importance"]]),
    ]
    if card.get("comparison"):
        choice = [card["choice"]] if "choice" in card else []
        parts += ["### Beside other methods", *choice, _comparison(card["comparison"])]
    if card["gallery"]:
        parts += ["## Where it fails", *_gallery(card)]
    if card["africa"]:
        parts += [
            "## African ground without mining",
            "Share called disturbed of half-yearly geomedians (2019) of labelled fields and rangeland. Each spectrum "
            "is judged as if uniform ground of its kind surrounded it: the context that tells workings from dry fields "
            "is missing. `both` is what remains when both half-years must look disturbed.",
            table(
                ("region", "samples", "January-June", "July-December", "both"),
                [[region, *row.values()] for region, row in card["africa"].items()],
            ),
        ]
    return "\n\n".join(parts) + "\n"


def _left_out(lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    return [f"Left out ({len(lines)}):", "\n".join(f"- {line}" for line in lines)]


def _outline(value: Figures, depth: int = 0) -> list[str]:
    """Nested settings as a list."""
    lines = []
    for key, item in value.items():
        name = f"{'  ' * depth}- {str(key).replace('_', ' ')}"
        if isinstance(item, Mapping):
            lines += [f"{name}:", *_outline(item, depth + 1)]
        else:
            text = ", ".join(map(str, item)) if isinstance(item, list | tuple) else str(item)
            lines.append(f"{name}: {text}")
    return lines


def _pixel_table(rows: Mapping[str, Figures]) -> str:
    return table(
        ("patches", "class", "IoU", "95 %", "F1", "95 %", "precision", "recall"),
        [
            [title, name, of["iou"], span(of["iou_95"]), of["f1"], span(of["f1_95"]), of["precision"], of["recall"]]
            for title, row in rows.items()
            for name, of in row["pixels"].items()
        ],
    )


def _row_table(what: str, rows: Mapping[str, Figures]) -> str:
    head = ("mining", "no mining", "sensitivity", "95 %", "specificity", "95 %")
    return table(
        (what, *head, "disturbed IoU", "95 %", "other called disturbed"),
        [
            [
                name,
                *[span(cell) if isinstance(cell, list) else cell for cell in row["patches"].values()],
                row["pixels"]["disturbed"]["iou"],
                span(row["pixels"]["disturbed"]["iou_95"]),
                row["pixels"]["disturbed"]["false_alarm_share"],
            ]
            for name, row in rows.items()
        ],
    )


def _size_table(sizes: Mapping[str, Figures]) -> str:
    return table(
        ("size", "objects", "found", "95 %", "of their pixels", "called objects", "of these false"),
        [[name, *[span(v) if isinstance(v, list) else v for v in row.values()]] for name, row in sizes.items()],
    )


def _comparison(rows: Mapping[str, Any]) -> str:
    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    return table(("method", *columns), [[name, *(row.get(key) for key in columns)] for name, row in rows.items()])


def _gallery(card: Figures) -> list[str]:
    shown = {
        "imagery": "Left to right: true colour, false colour (B12 B08 B04), reference, probability.",
        "maps": "Left: reference. Right: probability.",
    }[card["pictures"]]
    parts = [
        f"Ground held out, each picture 480 m wide. {shown} Reference: workings orange, ponds blue, other green, "
        "unsure grey. Probability: dark is low, yellow high."
    ]
    for row in card["gallery"]:
        lon, lat = row["lonlat"]
        days = " to ".join(day for day in row["window"] if day)
        where = ", ".join(part for part in (f"{lon:.2f} {lat:.2f}", row["region"], days) if part)
        note = f" Interpreter: {row['note']}." if row["note"] else ""
        parts.append(
            f"![{row['error']}]({card['gallery_folder']}/{row['file']})\n\n{row['error'].capitalize()}: "
            f"{row['wrong_ha']:.1f} of {row['judged_ha']:.1f} ha. {where}.{note}"
        )
    return parts


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table of Markdown."""
    lines = [head, ["---"] * len(head), *([("" if cell is None else cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def text_table(rows: Mapping[str, Figures]) -> str:
    """Figures of several groups of patches in aligned columns, for a terminal."""
    head = ["", "patches", "disturbed IoU", "F1", "bare IoU", "pond IoU", "sensitivity", "specificity"]
    lines = [head]
    for name, row in rows.items():
        pixels, patches = row["pixels"], row["patches"]
        lines.append(
            [
                name,
                f"{patches['mining']}+{patches['no_mining']}",
                _with_span(pixels["disturbed"], "iou"),
                _with_span(pixels["disturbed"], "f1"),
                _three(pixels["bare"]["iou"]),
                _three(pixels["pond"]["iou"]),
                _with_span(patches, "sensitivity"),
                _with_span(patches, "specificity"),
            ]
        )
    widths = [max(len(line[k]) for line in lines) for k in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def card_text(card: Figures, folder: str) -> str:
    """What `placerwatch train` prints of a card."""
    figures = card["cross_validation"]
    groups = {"all": figures, **figures["regions"]} if len(figures["regions"]) > 1 else {"all": figures}
    left = card["data"]["left_out"]
    parts = [
        f"{folder}: model {card['name']} ({card['method']['kind']}), SHA-256 {card['sha256']}",
        f"trained on {card['data']['patches']} patches; judged on {figures['groups']} held out, "
        f"expected calibration error {_three(figures['reliability']['expected_calibration_error'])}",
        text_table(groups),
    ]
    if card["held_out"]:
        parts += ["whole regions left out of the training:", text_table(card["held_out"])]
    if left:
        parts += [f"left out, {len(left)}:", *(f"  {line}" for line in left)]
    return "\n".join(parts)


def evaluation_text(figures: Figures) -> str:
    """What `placerwatch evaluate` prints."""
    parts = [
        f"model {figures['model']} ({figures['kind']}), SHA-256 {figures['sha256']}, "
        f"on {figures['patches_judged']} patches"
    ]
    seen = figures["seen"]
    if seen is None:
        parts.append("note: the model has no card, so it is not known whether it was trained on this ground")
    elif seen["same_labels"]:
        parts.append("warning: the model was trained on these very labels; its card and --hold-out say how good it is")
    elif seen["patches"]:
        parts.append(f"warning: {seen['patches']} of these patches lie on ground that the model was trained on")
    groups = {"all": figures, **figures["regions"]} if len(figures["regions"]) > 1 else {"all": figures}
    parts += [text_table(groups)]
    if figures.get("held_out"):
        parts += ["the same recipe, fitted without the region it is judged on:", text_table(figures["held_out"])]
    error = _three(figures["reliability"]["expected_calibration_error"])
    parts.append(f"expected calibration error {error}; in brackets 95 % intervals by 1 degree cells")
    return "\n".join(parts)


def span(interval: Sequence[float] | None) -> str:
    """An interval in few signs."""
    return "" if interval is None else f"{interval[0]:.2f}-{interval[1]:.2f}"


def _with_span(row: Figures, key: str) -> str:
    interval = row[f"{key}_95"]
    return _three(row[key]) + (f" ({span(interval)})" if interval else "")


def _three(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def box(bounds: Sequence[float]) -> str:
    """Bounds in degrees, in words."""
    west, south, east, north = bounds
    return f"between longitudes {west:.1f} and {east:.1f} and latitudes {south:.1f} and {north:.1f}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def two(value: float | None) -> str:
    """A figure with two decimals."""
    return "not known" if value is None else f"{value:.2f}"


def percent(share: float | None) -> str:
    """A share in per cent."""
    return "not known" if share is None else f"{100 * share:.1f} %"
