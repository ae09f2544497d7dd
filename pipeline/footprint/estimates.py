"""What a sample and its reference labels tell of a run's map: areas and accuracies with intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadInput, Problems
from pipeline.footprint.design import Design, Point
from pipeline.footprint.estimation import (
    RULE_OF_THREE,
    Accuracy,
    Estimate,
    Sample,
    all_wrong_either_way,
    in_domain,
    judge,
)
from pipeline.footprint.reference import (
    CHANGE,
    CHANGE_CLASSES,
    NO_LABEL,
    STATUS_CLASSES,
    Reference,
    agreement,
    final_labels,
)
from pipeline.footprint.training_ground import TrainingGround

SCHEMA_VERSION = "1.0"
_MAX_NAMED = 20


def require_untrained(design: Design, training: TrainingGround) -> None:
    """Raise BadInput that names the points of a sample which the run's model learnt from."""
    trained = training.holds(design.lonlat())
    names = [point.sample_id for point, seen in zip(design.points, trained.tolist(), strict=True) if seen]
    if names:
        more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
        raise BadInput(
            f"{len(names)} points of the sample lie on ground that the model {training.model} learnt from, of the same "
            f"days: {', '.join(names[:_MAX_NAMED])}{more}. No estimate is made from what the model has seen; draw "
            "another sample, or run the programme with a model that was trained elsewhere"
        )


def require_same_run(design: Design, hashes: Mapping[str, str]) -> None:
    """Raise Problems unless a design was drawn from the run whose files have these SHA-256."""
    problems = [] if "run.json" in design.run.hashes else ["run.json: the design does not name the run it is of"]
    problems += [
        f"{name}: {'is another file than that the sample was drawn from' if name in hashes else 'missing'}"
        for name, sha256 in design.run.hashes.items()
        if hashes.get(name) != sha256
    ]
    if problems:
        raise Problems(
            f"the sample was drawn from run {design.run.run_id} of {design.run.programme}; this is not that run, "
            "give its folder or draw a sample from this one",
            problems,
        )


def estimate(design: Design, reference: Reference) -> dict[str, Any]:
    """Estimates of status and, where the run compares two periods, of change, as plain values; areas in hectares.

    Raises BadInput where a stratum has too few usable labels.
    """
    result: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "title": "Estimated area from a probability sample and reference labels",
        "programme": design.run.programme,
        "run_id": design.run.run_id,
        "period_before": design.run.before.model_dump(mode="json") if design.run.before else None,
        "period_after": design.run.after.model_dump(mode="json"),
        "sample": {"file": design.sample_file, "design_sha256": design.sha256, "points": len(design.points)},
        "reference": {
            "file": reference.file,
            "sha256": reference.sha256,
            "labels": len(reference.labels),
            "interpreters": list(reference.interpreters),
        },
        "target_ha": design.area_ha,
        "left_out_ha": dict(design.left_out_ha),
        "limits": _limits(design, reference),
    }
    for kind in ("status", *(("change",) if design.has_change else ())):
        result[kind] = _judged(design, reference, kind)
    if any(_without_error(result[kind]) for kind in ("status", "change") if kind in result):
        result["limits"].append(
            "An accuracy of 1 ± 0 says that no error was found among the points, not that the map has none."
        )
    return result


def _without_error(part: Mapping[str, Any]) -> bool:
    figures = [part["overall_accuracy"]]
    figures += [row[name] for row in part["classes"] for name in ("users_accuracy", "producers_accuracy") if row[name]]
    return any(told["estimate"] == 1 for told in figures)


def _limits(design: Design, reference: Reference) -> list[str]:
    limits = [
        "Intervals tell the error of sampling alone. They do not tell the error of the interpreters: what all of them "
        "took for workings counts as workings.",
        "Areas are of the ground that was observed in "
        + (f"{design.run.before.name} and in " if design.run.before else "")
        + f"{design.run.after.name} and was not trained on; nothing is said of the rest.",
        "Workings are disturbed alluvial ground. Commodity, legality and production are not told.",
    ]
    if len(reference.interpreters) < 2:
        limits.append("One interpreter labelled the sample: how far another would agree is not known.")
    return [*limits, *design.notes]


def _judged(design: Design, reference: Reference, kind: str) -> dict[str, Any]:
    classes: Sequence[str] = STATUS_CLASSES if kind == "status" else CHANGE_CLASSES
    ids = [point.sample_id for point in design.points]
    final = final_labels(reference, ids, kind)
    known = np.array([label in classes for label in final])
    whole = design.sample()
    sample, names = whole.keep(known), [stratum.name for stratum in design.strata]
    sample.require_two([f"{kind}, {name}" for name in names])
    true = np.array([classes.index(label) if label in classes else -1 for label in final], np.intp)
    mapped = np.array([classes.index(_on_map(point, kind)) for point in design.points], np.intp)
    accuracy = judge(sample, mapped[known], true[known], classes)
    agreed = agreement(reference, ids, kind, classes)
    wrong, right = (ha / whole.whole for ha in all_wrong_either_way(whole, (mapped == true) * 1.0, known))
    return {
        "classes": [_class_row(accuracy, i, whole, mapped, true, known, names) for i in range(len(classes))],
        "overall_accuracy": {
            **_figures(accuracy.overall, 1.0, 4),
            "if_all_without_label_wrong": round(wrong, 4),
            "if_all_without_label_right": round(right, 4),
        },
        "matrix": {
            "rows": "map",
            "columns": "reference",
            "classes": list(classes),
            "area_shares": [[round(share, 6) for share in row] for row in accuracy.matrix.tolist()],
            "points": accuracy.counts.tolist(),
        },
        "response": _response(design, final),
        "agreement": {
            "points_with_two_sure_labels": agreed.points,
            "agreed": agreed.agreed,
            "share": round(agreed.agreed / agreed.points, 4) if agreed.points else None,
            "by_class": {
                name: {"named": named, "agreed": all_of, "share": round(all_of / named, 4) if named else None}
                for name, (named, all_of) in agreed.by_class.items()
            },
            "disputes": {name: dict(votes) for name, votes in agreed.disputes.items()},
        },
        "zones": _zones(design, sample, true, known, classes),
    }


def _on_map(point: Point, kind: str) -> str:
    return point.after if kind == "status" else CHANGE[str(point.before), point.after]


def _class_row(
    accuracy: Accuracy,
    number: int,
    whole: Sample,
    mapped: NDArray[np.intp],
    true: NDArray[np.intp],
    known: NDArray[np.bool_],
    names: Sequence[str],
) -> dict[str, Any]:
    found = accuracy.classes[number]
    low, high = all_wrong_either_way(whole, (true == number) * 1.0, known)
    # Mapped classes are known of every point drawn: their area needs no labels.
    on_map = whole.total((mapped == number) * 1.0).value
    return {
        "class": found.name,
        "mapped_ha": round(on_map, 4),
        **{f"{key}_ha": value for key, value in _figures(found.area, whole.whole, 4).items()},
        "users_accuracy": _figures(found.users, 1.0, 4) if found.users else None,
        "producers_accuracy": _figures(found.producers, 1.0, 4) if found.producers else None,
        "if_none_without_label_ha": round(low, 4),
        "if_all_without_label_ha": round(high, 4),
        "rests_on_few_points": found.rests_on_few,
        "without_hit_up_to_ha": {
            name: round(bound, 4) for name, bound in zip(names, found.bounds.tolist(), strict=True) if bound > 0
        },
    }


def _figures(estimate: Estimate, most: float, digits: int) -> dict[str, float]:
    low, high = estimate.interval(0.0, most)
    told = {"estimate": estimate.value, "se": estimate.se, "low": low, "high": high}
    return {name: round(value, digits) for name, value in told.items()}


def _response(design: Design, final: Sequence[str]) -> dict[str, dict[str, int]]:
    """Points drawn and used, and those without a label by reason, of each stratum."""
    rows = {}
    for stratum in design.strata:
        labels = [label for point, label in zip(design.points, final, strict=True) if point.stratum == stratum.name]
        count = Counter(labels)
        missing = {reason.replace(" ", "_"): count[reason] for reason in NO_LABEL}
        rows[stratum.name] = {"drawn": len(labels), "used": len(labels) - sum(missing.values()), **missing}
    return rows


def _zones(
    design: Design, sample: Sample, true: NDArray[np.intp], known: NDArray[np.bool_], classes: Sequence[str]
) -> list[dict[str, Any]]:
    """Estimates of each class but the last in each zone; the zone's ground by stratum is known from the rasters."""
    if design.zones is None:
        return []
    zone = np.array([point.zone for point in design.points])[known]
    rows = []
    for number, (zone_id, name) in enumerate((("unassigned", ""), *design.zones)):
        ground = np.array([(stratum.zones_ha or ())[number] for stratum in design.strata])
        if ground.sum() == 0:
            continue
        inside = zone == number
        points = np.bincount(sample.stratum[inside], minlength=len(ground))
        for value, label in enumerate(classes[:-1]):
            holds = (true[known] == value) * 1.0
            found, hits = in_domain(sample, holds, inside, float(ground.sum())), int(holds[inside].sum())
            figures = (
                _figures(found, float(ground.sum()), 4)
                if found and hits
                else dict.fromkeys(("estimate", "se", "low", "high"))
            )
            # Without any hit 0 ± 0 would be too good to be true.
            bound = (np.minimum(RULE_OF_THREE / np.maximum(points, 1), 1) * ground).sum() if not hits else None
            few = sample.within(inside, ground).rests_on_few(holds[inside]) if hits else None
            rows.append(
                {
                    "zone_id": zone_id,
                    "zone_name": name,
                    "class": label,
                    "target_ha": round(float(ground.sum()), 4),
                    "points": int(inside.sum()),
                    "hits": hits,
                    **{f"{key}_ha": value for key, value in figures.items()},
                    "rests_on_few_points": few,
                    "without_hit_up_to_ha": None if bound is None else round(float(bound), 4),
                }
            )
    return rows
