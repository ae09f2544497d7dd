"""What a finished run says of the ground: its footprint by zone and period, and the countries its zones lie in."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pipeline.areas import Area
from pipeline.errors import BadInput
from pipeline.footprint.areas_by_zone import TOTAL, UNASSIGNED

FOOTPRINT = "footprint.csv"
ZONES_LAYER = "zones"
COUNTRY = re.compile(r"[A-Z]{3}")
DAYS_PER_YEAR = 365.25
_COLUMNS = {
    "zone_id",
    "zone_name",
    "period",
    "disturbed_ha",
    "not_observed_ha",
    "watched_ha",
    "gain_ha",
    "both_observed_share",
}


class Place(NamedTuple):
    """What a figure is of: a zone by its id, a country by its ISO 3166-1 alpha-3 code, or all zones of a run."""

    kind: Literal["zone", "country", "all"]
    id: str

    def __str__(self) -> str:
        return "all zones" if self.kind == "all" else self.id


ALL = Place("all", "all")


@dataclass(frozen=True)
class Window:
    """A period of a run and the days its map tells of: those after the period before, if there is one.

    `years` is the time from the end of the period before to the end of this one; None for the first.
    """

    name: str
    first: date
    last: date
    years: float | None


@dataclass(frozen=True)
class Ground:
    """A zone in a period, hectares; None where nothing was seen, or there is no period before."""

    disturbed_ha: float | None
    gain_ha: float | None
    both_observed_share: float | None
    observed_ha: float
    watched_ha: float


@dataclass(frozen=True)
class RunGround:
    """A run's zones (id to name) as declared, its windows in time order, ground by zone and window, countries of zones.

    `countries` gives zones their ISO 3166-1 alpha-3 code, where it is known.
    """

    run_id: str
    zones: Mapping[str, str]
    windows: tuple[Window, ...]
    ground: Mapping[tuple[str, str], Ground]
    countries: Mapping[str, str]

    def zones_of(self, place: Place) -> tuple[str, ...]:
        """Zones that make up a place, as declared; none where no zone is known to lie in a country."""
        if place.kind == "zone":
            return (place.id,)
        return tuple(z for z in self.zones if place.kind == "all" or self.countries.get(z) == place.id)

    def name_of(self, place: Place) -> str:
        """The name of a zone; the place itself otherwise."""
        return self.zones.get(place.id, "") if place.kind == "zone" else str(place)

    def window_of(self, first: date, last: date) -> Window | None:
        """The window that shares most days with a span, if they are half of the shorter of the two; else None."""
        shared = [(min(last, w.last) - max(first, w.first)).days + 1 for w in self.windows]
        days, window = max(zip(shared, self.windows, strict=True), key=lambda pair: pair[0])
        shorter = min((last - first).days, (window.last - window.first).days) + 1
        return window if 2 * days >= shorter else None


def read_ground(run_dir: Path, manifest: Mapping[str, Any], countries: Mapping[str, str] | None = None) -> RunGround:
    """The footprint in a run's folder, with the periods of its manifest; raises BadInput."""
    path = run_dir / FOOTPRINT
    try:
        spans = _spans(manifest)
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if missing := _COLUMNS - set(reader.fieldnames or ()):
                raise BadInput(f"{path}: has no column {', '.join(sorted(missing))}; run the programme again")
            rows = [row for row in reader if row.get("layer", ZONES_LAYER) == ZONES_LAYER]
        ground = {(row["zone_id"], row["period"]): _ground(row) for row in rows}
        zones = {row["zone_id"]: row["zone_name"] for row in rows if row["zone_id"] not in (UNASSIGNED, TOTAL)}
        windows = _windows([span for span in spans if any(row["period"] == span[0] for row in rows)])
        if len(ground) < len(rows) or not {period for _, period in ground} <= {window.name for window in windows}:
            raise ValueError("a zone is there twice, or in a period that run.json does not name")
        if any((zone, window.name) not in ground for zone in zones for window in windows):
            raise ValueError("a zone lacks a period")
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); give the folder of a finished run") from error
    except (ValueError, TypeError, KeyError, csv.Error) as error:
        raise BadInput(f"{path}: not as a run writes it ({error}); it was altered, run the programme again") from error
    if not zones or not windows:
        raise BadInput(f"{path}: has no zone; capacity and declared figures are told by zone: declare one in the areas")
    return RunGround(str(manifest["run_id"]), zones, windows, ground, dict(countries or {}))


def _spans(manifest: Mapping[str, Any]) -> list[tuple[str, date, date]]:
    """Names and days of the periods of a run, in time order."""
    config = manifest["config"]["validated"]
    listed = manifest["periods"] if "periods" in manifest else config["periods"]
    spans = [(str(p["name"]), date.fromisoformat(p["start"]), date.fromisoformat(p["end"])) for p in listed]
    return sorted(spans, key=lambda span: span[1])


def _windows(spans: Sequence[tuple[str, date, date]]) -> tuple[Window, ...]:
    windows = []
    before: date | None = None
    for name, start, end in spans:
        first = start if before is None else before + timedelta(days=1)
        windows.append(Window(name, first, end, None if before is None else (end - before).days / DAYS_PER_YEAR))
        before = end
    return tuple(windows)


def _ground(row: Mapping[str, str]) -> Ground:
    watched, unseen = _number(row["watched_ha"]), _number(row["not_observed_ha"])
    if watched is None or unseen is None:
        raise ValueError(f"no watched ground told for {row['zone_id']}")
    return Ground(
        _number(row["disturbed_ha"]),
        _number(row["gain_ha"]),
        _number(row["both_observed_share"]),
        max(watched - unseen, 0.0),
        watched,
    )


def _number(text: str) -> float | None:
    value = float(text) if text else None
    if value is not None and not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{text!r} is no area")
    return value


def countries_of(areas: Iterable[Area]) -> dict[str, str]:
    """Zones whose areas file declares their `country` by its ISO 3166-1 alpha-3 code."""
    declared = {area.zone_id: area.properties.get("country") for area in areas}
    return {zone: code for zone, code in declared.items() if isinstance(code, str) and COUNTRY.fullmatch(code)}
