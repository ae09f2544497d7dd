"""The composite of one period on one tile: masked median, clear looks, their dates, greenest looks around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from pipeline.config import Imagery
from pipeline.imagery.looks import LookPlan
from pipeline.imagery.masks import clear_looks, dilation_px
from pipeline.imagery.median import look_days, masked_median, midpoint
from pipeline.imagery.scene import NODATA, Skipped, Source
from pipeline.imagery.stack import greenest_look, read_stack

PLANE_NAMES = (
    *(f"reflectance_{band}" for band in ("B02", "B03", "B04", "B08", "B11", "B12")),
    "looks",
    "rescued",
    *(f"day_{which}" for which in ("first", "lower_median", "upper_median", "last")),
    *(f"greenest_{when}" for when in ("before", "after")),
    *(f"season_looks_{when}" for when in ("before", "after")),
)


@dataclass(frozen=True)
class Composite:
    """All planes are uint16 on one geobox; 65535 means not observed (days, greenness, reflectance).

    reflectance   (6, y, x)  median of the clear looks, x 10 000, bands in the order of BANDS
    looks         (y, x)     number of clear looks
    rescued       (y, x)     looks that the scene classification called cloud and the safeguard gave back
    days          (4, y, x)  days since 1970-01-01 of the first, lower-median, upper-median and last clear look
    greenest      (2, y, x)  (NDVI + 1) x 10 000 of the greenest clear look before and after the period
    season_looks  (2, y, x)  number of those clear looks that are far enough from the period to show another season
    """

    geobox: GeoBox
    reflectance: NDArray[np.uint16]
    looks: NDArray[np.uint16]
    rescued: NDArray[np.uint16]
    days: NDArray[np.uint16]
    greenest: NDArray[np.uint16]
    season_looks: NDArray[np.uint16]

    @property
    def observed(self) -> NDArray[np.bool_]:
        """Pixels (y, x) with enough clear looks."""
        seen: NDArray[np.bool_] = self.reflectance[0] != NODATA
        return seen

    def to_planes(self) -> NDArray[np.uint16]:
        """All planes in one array (16, y, x), in the order of PLANE_NAMES."""
        return np.concatenate(
            [
                self.reflectance,
                self.looks[np.newaxis],
                self.rescued[np.newaxis],
                self.days,
                self.greenest,
                self.season_looks,
            ]
        )

    @classmethod
    def from_planes(cls, geobox: GeoBox, planes: NDArray[np.uint16]) -> Composite:
        """The composite of an array that `to_planes` made; raises ValueError if it is not of that shape and type."""
        if planes.shape != (len(PLANE_NAMES), *geobox.shape) or planes.dtype != np.uint16:
            raise ValueError(f"planes are {planes.dtype} {planes.shape}, not uint16 (16, {geobox.shape})")
        return cls(geobox, planes[:6], planes[6], planes[7], planes[8:12], planes[12:14], planes[14:])

    def cropped(self, halo: int) -> Composite:
        """Without the outer `halo` pixels on each side."""
        if halo == 0:
            return self
        planes = np.ascontiguousarray(self.to_planes()[:, halo:-halo, halo:-halo])
        return Composite.from_planes(self.geobox.pad(-halo), planes)


def build_composite(
    source: Source, geobox: GeoBox, plan: LookPlan, settings: Imagery, threads: int = 2
) -> tuple[Composite, tuple[Skipped, ...]]:
    """Read, mask and compose the looks of one period on a lattice geobox; the scenes that dropped out, with reasons.

    Granules of one overpass make one look. Each look is read as far beyond the geobox as its masks reach, so a
    pixel comes out the same whichever tile it is computed in. The result does not depend on `threads`.
    """
    margin = dilation_px(settings)
    wide = geobox.pad(margin)
    stack, skipped = read_stack(source, plan.period, wide, threads)
    clear, rescued = clear_looks(stack.reflectance, stack.valid, stack.scl, settings, threads)
    lower, upper = masked_median(stack.reflectance, clear, threads)
    looks, days = look_days(clear, stack.days)
    reflectance = midpoint(lower, upper)
    unseen = looks < settings.min_clear_looks
    reflectance[:, unseen] = NODATA
    days[:, unseen] = NODATA
    greenest, season_looks = [], []
    for season in (plan.before, plan.after):
        best, count, lost = greenest_look(source, season, plan.period, wide, settings, threads)
        greenest.append(best)
        season_looks.append(count)
        skipped += lost
    composite = Composite(wide, reflectance, looks, rescued, days, np.stack(greenest), np.stack(season_looks))
    return composite.cropped(margin), skipped
