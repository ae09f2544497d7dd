"""A made-up run of five zones over four dry seasons, for the tests of the dossier and of what others read."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import shapely

from pipeline.areas.area import Area, Status
from pipeline.config import Period
from pipeline.footprint import Footprint, FootprintRow, Trends
from pipeline.footprint.trends import Trend, TrendPoint
from pipeline.reports.result import STATES, RunResult, SceneRead
from tests.reports_run import make_change, make_result, make_site

PERIODS = tuple(
    Period(name=f"{year}-dry", start=date(year - 1, 12, 1), end=date(year, 3, 31)) for year in (2018, 2019, 2020, 2021)
)
_ZONES = ("Berbérati", "Boda", "Carnot", "Nola", "Gadzi")
_ESTIMATED = "boda"


def _zone(number: int, name: str) -> Area:
    west = 15.28 + 0.16 * number
    ring = [(west, 4.6), (west + 0.13, 4.62), (west + 0.155, 4.85), (west + 0.12, 5.1), (west - 0.01, 5.08)]
    return Area(
        zone_id=name.lower().replace("é", "e"),
        name=name,
        geometry=shapely.Polygon(ring),
        statuses=(Status("compliant", date(2016, 9, 19), "Kimberley Process"),) if number != 1 else (),
        boundary_vintage="2020",
        boundary_source="declared monitoring extent",
    )


def _trend(zone_id: str, name: str, first: float) -> Trend:
    figures = dict.fromkeys(
        (
            *("common_share", "first_ha", "last_ha", "slope_ha_per_year", "slope_low", "slope_high", "kendall_s"),
            *("slope_percent_per_year", "p_value", "gain_latest_ha", "gain_latest_share", "rank_latest"),
            *("opened_ha", "opened_share", "rank_opened"),
        )
    )
    points = []
    for number, period in enumerate(PERIODS):
        ha = round(first * 1.4**number, 1)
        estimate = (ha * 1.2, ha * 0.8, ha * 1.6) if zone_id == _ESTIMATED and number == 3 else (None, None, None)
        span = (period.name, period.start.isoformat(), period.end.isoformat())
        points.append(TrendPoint(*span, 0.4 if number == 1 else 0.93, number != 1, ha, ha, *estimate))
    words = dict.fromkeys(("trend", "test", "onset", "onset_after", "onset_note", "country", "admin1"), "")
    return Trend(
        layer="zones",
        zone_id=zone_id,
        zone_name=name,
        watched_ha=2000.0,
        periods=4,
        first_period=PERIODS[0].name,
        last_period=PERIODS[-1].name,
        left_out=(PERIODS[1].name,),
        series=tuple(points),
        **words,
        **figures,
    )


def _row(zone_id: str, name: str, period: str, disturbed_ha: float) -> FootprintRow:
    ground = (disturbed_ha - 0.4, 0.4, disturbed_ha, 12.0, 0.0, 1950.0, 150.0, 2112.0 + disturbed_ha, 0.929)
    return FootprintRow("zones", zone_id, name, period, *ground, 11.0, 1.7, 5.0, 0.91)


def five_zones(**changed: object) -> RunResult:
    """Five zones side by side; seven sites in each, two outside; one zone has an estimate."""
    zones = tuple(_zone(number, name) for number, name in enumerate(_ZONES))
    changes = []
    mask = np.zeros((512, 512), bool)
    mask[250:262, 250:270] = True
    half = mask.copy()
    half[:, :258] = False
    grounds = {"new": (~mask & mask, mask), "recovered": (mask, ~mask & mask), "continuing": (mask, mask)}
    for number in range(37):
        state = STATES[number % 5]
        change = make_change(number + 1, state, *grounds.get(state, (half, mask)))
        zone = number % 5 + 1 if number < 35 else 0
        x, y = change.geometry.centroid.coords[0]
        place = (15.33 + 0.16 * (zone - 1), 4.66 + 0.055 * (number // 5)) if zone else (15.25, 4.7 + number / 500)
        size = 1 + number % 4
        moved = shapely.transform(
            change.geometry, lambda xy, o=(x, y), p=place, s=size: (xy - np.array(o)) * s + np.array(p)
        )
        site_id = f"PW-33N-{number:04d}-0105"
        changes.append(
            replace(
                change,
                change_id=f"{site_id}-2021",
                site_id=site_id,
                zone=zone,
                observed_share=0.9,
                probability=0.9,
                geometry=moved,
                area_ha=change.area_ha * size**2,
                area_gain_ha=change.area_gain_ha * size,
            )
        )
    units = [*((zone.zone_id, zone.name) for zone in zones), ("unassigned", ""), ("total", "")]
    rows = tuple(
        _row(zone_id, name, period.name, 10.0 * (number + 1) * 1.3**t)
        for t, period in enumerate(PERIODS)
        for number, (zone_id, name) in enumerate(units)
    )
    trends = [_trend("total", "", 70.0)] + [_trend(i, n, 6.0 + k) for k, (i, n) in enumerate(units[:-2])]
    scenes = tuple(
        SceneRead(f"S2A_33NUE_{day:%Y%m%d}_0_L2A", day, "05.11")
        for day in sorted({date(2018 + n % 4, 1 + n % 3, 1 + n % 27) for n in range(60)})
    )
    result = make_result(
        title="Western fields",
        periods=PERIODS,
        areas=zones,
        changes=tuple(changes),
        sites=tuple(make_site(change) for change in changes),
        footprint=Footprint(rows),
        trends=Trends(tuple(trends), 0.5),
        scene_list=scenes,
        key="0a1b2c3d" * 8,
    )
    return replace(result, **changed)
