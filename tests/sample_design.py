"""A small made-up design of a sample, on the ground of the made-up run."""

from __future__ import annotations

import numpy as np

from pipeline.footprint.design import Design, Period, Point, Run, Settings, Stratum, Training, seal
from pipeline.footprint.training_ground import centres
from tests.reports_run import AFTER, BEFORE, TILE


def made_up_design() -> Design:
    """Three points on the tile of the made-up run, the first in its north-west corner."""
    top, left = TILE.origin_px
    places = [(top, left), (top + 260, left + 255), (top + 400, left + 330)]
    points = []
    for number, (row, col) in enumerate(places, start=1):
        lon, lat = centres(TILE.epsg, np.array([row]), np.array([col]))[0].tolist()
        stratum = "new" if number == 2 else "rest"
        points.append(
            Point(
                sample_id=f"abcdef-{number:04d}",
                stratum=stratum,
                before="other",
                after="workings" if stratum == "new" else "other",
                zone=0,
                epsg=TILE.epsg,
                row=row,
                col=col,
                lon=round(lon, 6),
                lat=round(lat, 6),
            )
        )
    strata = [
        Stratum(
            name=name,
            title=title,
            pixels=1000,
            area_ha=10.0,
            weight=0.5,
            cell_m2=(100.0, 100.0),
            points=count,
            pool=1000,
            spacing_m=10,
            inclusion_probability=0.001,
            zones_ha=None,
        )
        for name, title, count in (("new", "mapped as new workings", 1), ("rest", "all other ground", 2))
    ]
    spans = [Period(name=p.name, start=p.start, end=p.end) for p in (BEFORE, AFTER)]
    run = Run(programme="carnot", run_id="r1", as_of="2021-04-15", hashes={}, before=spans[0], after=spans[1])
    settings = Settings(
        seed=0,
        buffer_m=100.0,
        min_distance_m=0.0,
        drainage=None,
        allocation="neyman",
        size=3,
        floor=1,
        target="new",
        target_se_ha=None,
        expected_shares={},
    )
    parts = {
        "format": "placerwatch sample design 1",
        "sample_file": "s.geojson",
        "run": run,
        "settings": settings,
        "training": Training(model="default", known=True, places=0),
        "area_ha": 20.0,
        "left_out_ha": {},
        "zones": None,
        "closest_m": None,
        "expected_se_ha": 0.0,
        "notes": (),
        "strata": tuple(strata),
        "points": tuple(points),
        "sha256": "",
    }
    return Design(**parts | {"sha256": seal(Design.model_construct(**parts))})
