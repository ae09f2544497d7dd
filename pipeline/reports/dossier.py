"""The dossier: one page of HTML that prints to A4, with findings, footprint, a page a zone, limits and method."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

from markupsafe import Markup

from pipeline.areas.area import Area, zones_of
from pipeline.change.site import SiteChange
from pipeline.footprint import FootprintRow
from pipeline.footprint.areas_by_zone import TOTAL, UNASSIGNED
from pipeline.footprint.trends import TrendPoint
from pipeline.reports.charts import Bar, Point, bars, series
from pipeline.reports.chips import TRUE_COLOUR, Chip, Gallery, most_changed
from pipeline.reports.findings import findings
from pipeline.reports.geojson import state_totals
from pipeline.reports.language import Language
from pipeline.reports.leaflet import asset
from pipeline.reports.page import render, write_page
from pipeline.reports.result import RunResult
from pipeline.reports.wording import began, limits, meaning, of_public_release
from pipeline.reports.zone_map import Mark, zone_map

TABLE_ROWS = 12
PAIRS = 3
# The last page has room for so many signs of scene ids, or else for so many days; run.json has each scene.
ANNEX_SIGNS, ANNEX_DAYS = 2400, 90
_SERIES = 12


def write_dossier(result: RunResult, path: Path, language: Language, gallery: Gallery | None = None) -> None:
    """Write the dossier of a run as one page that asks nothing of the network; the bytes depend on the arguments."""
    write_page(path, dossier_html(result, language, gallery), {})


def dossier_html(result: RunResult, language: Language, gallery: Gallery | None = None) -> str:
    """The page that `write_dossier` writes."""
    gallery = gallery or Gallery(result)
    totals = state_totals(result.changes)
    rows = {row.zone_id: row for row in result.footprint.of() if row.period == result.after.name}
    zones = zones_of(result.areas)
    return render(
        "dossier.html",
        language,
        style=Markup(asset("dossier.css")),  # noqa: S704 -- this package's own file
        result=result,
        word=language.word,
        findings=findings(result, language),
        totals=totals,
        meaning={state: meaning(language, state) for state in totals},
        overview=_drawn(
            zone_map(
                [(zone.name, zone.geometry) for zone in zones or result.areas],
                [Mark(change.geometry, change.state) for change in result.changes],
                language,
                480,
                360,
                named=len(zones) <= 12,
            )
        ),
        footprint=[_footprint_row(result, language, zone_id, name, rows) for zone_id, name in _units(result, language)],
        bars=_drawn(bars([_bar(result, rows, *unit) for unit in _units(result, language)[:-1]], language)),
        series=_series(result, language),
        estimated=any(point.estimated_ha is not None for _, point in _last_points(result)),
        zones=[_zone_page(gallery, language, number, zone, rows) for number, zone in enumerate(zones, start=1)],
        outside=_outside(gallery, language),
        public_release=of_public_release(language),
        limits=limits(language, result.limits),
        scenes=_scenes(result),
        scene_count=len(result.scene_list),
        radar_count=len({scene for scenes in result.radar_scenes.values() for scene in scenes}),
    )


def _drawn(svg: str) -> Markup:
    return Markup(svg)  # noqa: S704 -- pipeline.reports.svg escapes every text


def _units(result: RunResult, language: Language) -> list[tuple[str, str]]:
    """Id and name of each row of the footprint: zones, ground in none, and all of it."""
    named = [(zone.zone_id, zone.name) for zone in zones_of(result.areas)]
    return [*named, (UNASSIGNED, language.word("unassigned")), (TOTAL, language.text("all watched ground"))]


def _points(result: RunResult, zone_id: str) -> tuple[TrendPoint, ...]:
    units = result.trends.zones if result.trends else ()
    # The first unit is the programme itself.
    return next((unit.series for unit in units if unit.zone_id == zone_id), ())


def _last_points(result: RunResult) -> list[tuple[str, TrendPoint]]:
    units = result.trends.zones if result.trends else ()
    return [(unit.zone_id, unit.series[-1]) for unit in units if unit.series]


def _estimate(point: TrendPoint | None) -> tuple[float, float, float] | None:
    if point is None or point.estimated_ha is None or point.low_ha is None or point.high_ha is None:
        return None
    return point.estimated_ha, point.low_ha, point.high_ha


def _bar(result: RunResult, rows: Mapping[str, FootprintRow], zone_id: str, name: str) -> Bar:
    row = rows.get(zone_id)
    estimate = _estimate(dict(_last_points(result)).get(zone_id))
    return Bar(name, row.disturbed_ha if row else None, estimate, row.observed_share if row else None)


def _footprint_row(
    result: RunResult, language: Language, zone_id: str, name: str, rows: Mapping[str, FootprintRow]
) -> dict[str, str]:
    row = rows.get(zone_id)
    if row is None or not row.watched_ha:
        nothing = dict.fromkeys(("disturbed", "gain", "loss", "estimate"), "–")
        return {"name": name, "kind": zone_id, "watched": language.number(0), "observed": "–", **nothing}
    estimate = _estimate(dict(_last_points(result)).get(zone_id))
    told = ""
    if estimate:
        middle, low, high = (language.number(figure, 1) for figure in estimate)
        told = language.text("{area} ({low} to {high})", area=middle, low=low, high=high)
    unseen = language.word("not observed")
    return {
        "name": name,
        "kind": zone_id,
        "watched": language.number(row.watched_ha),
        "observed": language.share(row.observed_share or 0.0),
        "disturbed": unseen if row.disturbed_ha is None else language.number(row.disturbed_ha, 1),
        "gain": _moved(language, "+", row.gain_ha),
        "loss": _moved(language, "−", row.loss_ha),
        "estimate": told or language.text("mapped only"),
    }


def _moved(language: Language, sign: str, hectares: float | None) -> str:
    if hectares is None:
        return "–"
    return (sign if round(hectares, 1) else "") + language.number(hectares, 1)


def _series(result: RunResult, language: Language) -> list[dict[str, Any]]:
    told = []
    for zone_id, name in _units(result, language)[:-2][:_SERIES] + _units(result, language)[-1:]:
        points = [
            Point(p.period, (_ordinal(p.start) + _ordinal(p.end)) / 2, p.disturbed_ha, p.enters, _estimate(p))
            for p in _points(result, zone_id)
        ]
        if len(points) > 1:
            told.append({"name": name, "drawing": _drawn(series(points, language))})
    return told


def _ordinal(day: str) -> int:
    return date.fromisoformat(day).toordinal()


def _zone_page(
    gallery: Gallery, language: Language, number: int, zone: Area, rows: Mapping[str, FootprintRow]
) -> dict[str, Any]:
    result = gallery.result
    changes = most_changed(change for change in result.changes if change.zone == number)
    row = rows.get(zone.zone_id)
    return {
        "name": zone.name,
        "status": language.word(zone.status_at(result.as_of)),
        "vintage": zone.boundary_vintage,
        "source": zone.boundary_source,
        "drawing": _drawn(_numbered_map([(zone.name, zone.geometry)], changes, language)),
        "row": row and _footprint_row(result, language, zone.zone_id, zone.name, rows),
        "counts": _counts(changes),
        **_table(gallery, language, changes, PAIRS),
    }


def _numbered_map(outlines: Sequence[tuple[str, Any]], changes: Sequence[SiteChange], language: Language) -> str:
    marks = [Mark(c.geometry, c.state, i if i <= TABLE_ROWS else None) for i, c in enumerate(changes, start=1)]
    return zone_map(outlines, marks, language)


def _counts(changes: Sequence[SiteChange]) -> list[tuple[str, int]]:
    return [(state, int(total["sites"])) for state, total in state_totals(changes).items() if total["sites"]]


def _outside(gallery: Gallery, language: Language) -> dict[str, Any] | None:
    changes = most_changed(change for change in gallery.result.changes if change.zone == 0)
    return _table(gallery, language, changes, 0) if changes else None


def _table(gallery: Gallery, language: Language, changes: Sequence[SiteChange], pairs: int) -> dict[str, Any]:
    result = gallery.result
    shown = changes[:TABLE_ROWS]
    pictured = [change for change in changes if result.release == "restricted"][:pairs]
    periods = [period.name for period in (result.before, result.after) if period is not None]
    numbers = {change.change_id: number for number, change in enumerate(changes, start=1)}
    return {
        "sites": [_site(result, language, numbers[change.change_id], change) for change in shown],
        "more": len(changes) - len(shown),
        "pairs": [_pair(chip, numbers[chip.change_id], periods) for chip in gallery.chips(pictured, periods)],
    }


def _site(result: RunResult, language: Language, number: int, change: SiteChange) -> dict[str, Any]:
    place, review = change.geometry.centroid, result.reviews.get(change.change_id)
    moved = [
        sign + language.number(ha, 2)
        for sign, ha in (("+", change.area_gain_ha), ("−", change.area_loss_ha))
        if round(ha, 2)
    ]
    return {
        "number": number,
        "site_id": change.site_id,
        "state": change.state,
        "area": language.number(change.area_ha, 2),
        "change": " ".join(moved) or "–",
        "began": began(language, change),
        "evidence": f"{language.word(change.status)}, {language.word(change.confidence)}",
        "observed": language.share(change.observed_share),
        "place": f"{place.y:.4f}, {place.x:.4f}",
        "by_radar": change.by_radar_alone,
        "review": language.text("review: {state}", state=language.word(review.state)) if review else "",
    }


def _pair(chip: Chip, number: int, periods: Sequence[str]) -> dict[str, Any]:
    pictures = [
        (period, "data:image/png;base64," + b64encode(chip.pictures[period, TRUE_COLOUR.name]).decode())
        for period in periods
    ]
    return {"number": number, "pictures": pictures, "side_m": round(chip.side_m)}


def _scenes(result: RunResult) -> dict[str, Any]:
    """Scenes by day with their baseline; where ids do not fit, each day, or else month, with its number of scenes."""
    scenes = sorted(result.scene_list, key=lambda scene: (scene.acquired, scene.scene_id))
    dense = sum(len(scene.scene_id) + 20 for scene in scenes) > ANNEX_SIGNS
    signs = len("2021-01" if len({scene.acquired for scene in scenes}) > ANNEX_DAYS and dense else "2021-01-05")
    told = []
    for span, group in groupby(scenes, lambda scene: scene.acquired.isoformat()[:signs]):
        members = list(group)
        if dense:
            baselines = ", ".join(sorted({scene.baseline for scene in members if scene.baseline}))
            told.append((span, f"{len(members)}" + (f" ({baselines})" if baselines else "")))
        else:
            names = [scene.scene_id + (f" ({scene.baseline})" if scene.baseline else "") for scene in members]
            told.append((span, ", ".join(names)))
    return {"dense": dense, "spans": told}
