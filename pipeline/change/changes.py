"""Changes: what happened at each site between two periods."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.change.candidates import PROBABILITY_SCALE
from pipeline.change.clusters import Cluster, Followed, clusters_at, day_of
from pipeline.change.confidence import OPTICAL, RADAR, confidence, mean_probability
from pipeline.change.objects import Classified, mapping_unit_m2
from pipeline.change.parts import has_broad_part
from pipeline.change.radar import speaks_for
from pipeline.change.site import Site, SiteChange, State, Status
from pipeline.change.sites import (
    OBSERVED_SHARE,
    is_gone,
    periods_gone,
)
from pipeline.change.states import BARE, POND
from pipeline.config import Change, Period, Radar


def build_changes(
    zones: Sequence[Classified],
    sites: Sequence[Site],
    periods: Sequence[Period],
    settings: Change,
    before: int,
    after: int,
    radar: Radar | None = None,
    followed: Followed | None = None,
) -> tuple[SiteChange, ...]:
    """What happened at each site between periods `before` and `after` (indices), sorted by id.

    `sites` are those that `build_sites` made of the same zones. A site with nothing to tell, or of which
    nothing can be told because its ground was not observed, has no entry; rules in docs/change.md.
    `radar` says from which rise of backscatter Sentinel-1 speaks for newly disturbed ground.
    With one period there is nothing to compare with: a `before` below 0 gives no changes.
    """
    if before < 0:
        return ()
    known = {site.site_id: site for site in sites}
    told = (
        _change(cluster, known[cluster.site_id], periods, settings, radar or Radar(), before, after)
        for cluster in clusters_at(zones, settings, after, followed)
    )
    return tuple(change for change in told if change is not None)


def _change(
    cluster: Cluster,
    site: Site,
    periods: Sequence[Period],
    settings: Change,
    radar: Radar,
    before: int,
    after: int,
) -> SiteChange | None:
    disturbed, observed = cluster.disturbed, cluster.observed
    earlier, later = disturbed[before], disturbed[after]
    gain = later & observed[before] & ~earlier
    loss = earlier & observed[after] & ~later
    state = _state(cluster, gain, settings, before, after)
    if state is None:
        return None
    opened = state in ("new", "expanded", "reopened")
    shown = before if state == "recovered" else after
    # Of recovered ground only what was seen gone: a place without a look is not recovered.
    ground = loss if state == "recovered" else later
    evidence = gain if opened else ground
    status = _status(cluster, state, gain, before, after)
    second = opened and speaks_for(cluster, gain, periods, before, after, radar.rise_db)
    sensors = (OPTICAL, RADAR) if second else (OPTICAL,)
    dates = (
        (day_of(cluster.days[before, 1, gain]), day_of(cluster.days[after, 2, gain]))
        if opened
        else (site.last_clear_undisturbed, site.first_clear_disturbed)
    )
    both = earlier | later
    other = {"continuing": (), "recovered": (after,)}.get(state, (before,))
    return SiteChange(
        change_id=f"{site.site_id}-{periods[before].name}-{periods[after].name}",
        site_id=site.site_id,
        state=state,
        status=status,
        confidence=confidence(cluster, shown, evidence, status, settings, *other, sensors=sensors),
        probability=mean_probability(cluster, shown, evidence),
        area_ha=cluster.hectares(ground),
        area_gain_ha=cluster.hectares(gain),
        area_loss_ha=cluster.hectares(loss),
        bare_ha=cluster.hectares(ground & (cluster.classes[shown] == BARE)),
        pond_ha=cluster.hectares(ground & (cluster.classes[shown] == POND)),
        last_clear_undisturbed=dates[0],
        first_clear_disturbed=dates[1],
        last_observed=day_of(cluster.days[after, 3, both], latest=True),
        clear_looks_before=cluster.median_looks(before, both),
        clear_looks_after=cluster.median_looks(after, both),
        observed_share=cluster.share(observed[before] & observed[after], both),
        sensors=sensors,
        zone=site.zone,
        sites_within_1km=site.sites_within_1km,
        geometry=cluster.geometry(ground),
        gain_geometry=cluster.geometry(gain) if gain.any() else None,
        tiles=cluster.tiles(both),
    )


def _state(cluster: Cluster, gain: NDArray[np.bool_], settings: Change, before: int, after: int) -> State | None:
    disturbed = cluster.disturbed
    earlier, later = disturbed[before], disturbed[after]
    if not later.any():
        return "recovered" if earlier.any() and is_gone(cluster, before, after) else None
    mostly_gain = cluster.share(gain, later) >= OBSERVED_SHARE
    if cluster.stands[before] or (earlier.any() and not mostly_gain):
        return "expanded" if _has_new_part(cluster, gain, settings, after) else "continuing"
    if not mostly_gain:
        return None
    return "reopened" if cluster.stands[:before].any() else "new"


def _has_new_part(cluster: Cluster, gain: NDArray[np.bool_], settings: Change, after: int) -> bool:
    """Whether newly disturbed ground of a continuing site holds a broad part with a strong pixel."""
    return has_broad_part(
        cluster.epsg[gain],
        cluster.row[gain],
        cluster.col[gain],
        cluster.area_m2[gain],
        mapping_unit_m2(settings),
        cluster.probability[after, gain] >= round(settings.strong * PROBABILITY_SCALE),
    )


def _status(cluster: Cluster, state: State, gain: NDArray[np.bool_], before: int, after: int) -> Status:
    if state == "continuing":
        return "confirmed"
    if state == "recovered":
        return "confirmed" if periods_gone(cluster, before, after) >= 2 else "provisional"
    for period in range(after + 1, len(cluster.classes)):
        seen = gain & cluster.observed[period]
        if cluster.share(seen, gain) >= OBSERVED_SHARE and cluster.share(cluster.disturbed[period], seen) >= 0.5:
            return "confirmed"
    return "provisional"
