"""The sample that `placerwatch review sample` draws from a run: from what is asked for to its design."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadInput
from pipeline.footprint.allocation import (
    FLOOR,
    MAX_POINTS,
    METHODS,
    expected_se,
    expected_shares,
    fixed_sizes,
    for_standard_error,
    share_out,
    weights_of,
)
from pipeline.footprint.design import Design, DrainageLayer, Settings
from pipeline.footprint.drawn_design import make_design
from pipeline.footprint.frame import Frame
from pipeline.footprint.mapped_drainage import mapped_drainage
from pipeline.footprint.sampling import Scan, draw, scan
from pipeline.footprint.strata import NAMES, Corridor

SIZE = 600


@dataclass(frozen=True)
class Request:
    """What a sample is to be: sizes, distances in metres and the seed.

    `allocation` is a method, or the points of each stratum (`new=75,rest=300`). `size` points in all, or as many as
    bring the standard error of the target's area down to `target_se_ha`; 600 without either.
    """

    size: int | None = None
    target_se_ha: float | None = None
    target: str | None = None
    expect: tuple[str, ...] = ()
    allocation: str = "neyman"
    floor: int = FLOOR
    min_distance_m: float = 0
    seed: int = 0
    buffer_m: float = 100

    def __post_init__(self) -> None:
        if self.size is not None and self.target_se_ha is not None:
            raise BadInput("--size and --target-se exclude each other; give one of them")
        if self.is_fixed and (self.size is not None or self.target_se_ha is not None):
            raise BadInput("--allocation with sizes of its own needs neither --size nor --target-se; leave them away")
        if not self.is_fixed and self.allocation not in METHODS:
            raise BadInput(
                f"--allocation {self.allocation!r}: expected {' or '.join(METHODS)}, or sizes such as new=75,rest=300"
            )
        if self.target_se_ha is not None and self.allocation != "neyman":
            raise BadInput("--target-se shares points out by Neyman; leave --allocation away")
        if self.size is not None and not 0 < self.size <= MAX_POINTS:
            raise BadInput(f"--size {self.size}: expected 1 to {MAX_POINTS} points")

    @property
    def is_fixed(self) -> bool:
        """Whether the points of each stratum are given."""
        return "=" in self.allocation

    def settings(self, has_change: bool, drainage: Corridor | None) -> Settings:
        """The same as the design keeps it; the target is new workings, or workings where there is one period."""
        target = self.target or ("new" if has_change else "workings")
        if target == "new" and not has_change:
            raise BadInput("--target new: the run has one period only, so nothing is known to be new; use workings")
        layer = (
            DrainageLayer(file=drainage.file, sha256=drainage.sha256, width_m=drainage.width_m) if drainage else None
        )
        return Settings(
            seed=self.seed,
            buffer_m=self.buffer_m,
            min_distance_m=self.min_distance_m,
            drainage=layer,
            allocation=self.allocation,
            size=self.size if self.is_fixed or self.target_se_ha is not None else self.size or SIZE,
            floor=self.floor,
            target=target,
            target_se_ha=self.target_se_ha,
            expected_shares=expected_shares(target, self.expect),
        )


def draw_sample(
    run_dir: Path,
    manifest: Mapping[str, Any],
    request: Request,
    drainage: Corridor | None = None,
    model: str | None = None,
    sample_file: str = "sample.geojson",
    width_m: float = 250,
) -> Design:
    """Draw a sample from a finished run. Raises BadInput where the run cannot be used or the request not be met.

    Without a layer of `drainage` the corridor is that of the run's terrain, `width_m` on all sides, where it has any.
    """
    with (
        mapped_drainage(run_dir, manifest, width_m) as mapped,
        Frame(run_dir, manifest, request.buffer_m, drainage or mapped, model) as frame,
    ):
        settings = request.settings(frame.before is not None, frame.drainage)
        keep = settings.size or MAX_POINTS
        found = scan(frame, request.seed, request.min_distance_m, keep, len(frame.zones or ()))
        if not found.cells.any():
            raise BadInput(f"{run_dir}: no ground was observed that can be sampled; look at the run's footprint.csv")
        sizes = _sizes(found, settings, request.is_fixed)
        expected = np.array([settings.expected_shares[name] for name in NAMES])
        se = expected_se(found.area_ha, expected, sizes, found.cells)
        return make_design(frame, found, draw(found, sizes.tolist()), settings, se, sample_file)


def _sizes(found: Scan, settings: Settings, is_fixed: bool) -> NDArray[np.int64]:
    if is_fixed:
        return fixed_sizes(settings.allocation, found.cells)
    expected = np.array([settings.expected_shares[name] for name in NAMES])
    if settings.target_se_ha is not None:
        return for_standard_error(settings.target_se_ha, found.area_ha, expected, found.cells, settings.floor)
    weight = weights_of(settings.allocation, found.area_ha, expected)
    return share_out(weight, settings.size or SIZE, found.cells, settings.floor)


def describe_design(design: Design, files: Mapping[str, Path], run_dir: Path) -> str:
    """A design in words, and what to do with its files."""
    run, settings = design.run, design.settings
    span = f"{run.before.name} and {run.after.name}" if run.before else run.after.name
    lines = [
        f"{len(design.points)} points drawn from {design.area_ha:,.1f} ha observed in {span} ({run.run_id}), "
        f"seed {settings.seed}",
        f"  {'stratum':<42}{'area ha':>14}{'weight':>10}{'points':>8}{'at least apart':>16}",
    ]
    lines += [
        f"  {row.name + ': ' + row.title:<42}{row.area_ha:>14,.1f}{row.weight:>10.6f}{row.points:>8}"
        f"{f'{row.spacing_m} m':>16}"
        for row in design.strata
    ]
    lines += [f"  outside: {reason}, {ha:,.1f} ha" for reason, ha in design.left_out_ha.items() if ha]
    if design.closest_m is not None:
        lines.append(f"  closest two points: {design.closest_m:,.0f} m")
    lines.append(
        f"  expected standard error of the area of {settings.target}: {design.expected_se_ha:,.1f} ha, if the shares "
        "expected of the strata hold"
    )
    lines += [f"  note: {note}" for note in design.notes]
    before = "before, " if run.before else ""
    lines += [
        "",
        f"wrote {files['sample']}: for reviewers; it does not tell what the map says",
        f"      {files['labels']}: a copy for each interpreter to fill in ({before}after: workings, other or unsure)",
        f"      {files['page']}: a page for each interpreter, with pictures; it opens in a browser without a network",
        f"      {files['design']}: strata and map classes; keep it from those who label",
        "next: with the interpreters' files, of the page or the table,",
        f"      placerwatch estimate {run_dir} --reference LABELS.json --sample {files['design']}",
    ]
    return "\n".join(lines)
