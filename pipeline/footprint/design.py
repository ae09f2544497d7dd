"""The design of a sample: all that must be known to estimate from it, and the blind file that reviewers see."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.areas import utm_name
from pipeline.areas.reading import MAX_FILE_BYTES
from pipeline.change.states import CONTINUING, NEW, RECOVERED
from pipeline.disturbance.drawing import REFERENCE_ROLE
from pipeline.errors import BadInput, Problems
from pipeline.footprint.estimation import Sample
from pipeline.footprint.frame import Frame, Span
from pipeline.footprint.sampling import PIXEL, Drawn, Scan, closest_m, priority
from pipeline.footprint.strata import NAMES, STRATA
from pipeline.footprint.training_ground import centres

FORMAT = "placerwatch sample design 1"
StatusName = Literal["workings", "other"]
WORKINGS: StatusName = "workings"
OTHER: StatusName = "other"
COLUMNS = ("sample_id", "interpreter", "before", "after", "confidence", "comment")
_WORKINGS_BEFORE, _WORKINGS_AFTER = (CONTINUING, RECOVERED), (CONTINUING, NEW)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Period(_Part):
    """A period of the run."""

    name: str
    start: date
    end: date

    @classmethod
    def of(cls, span: Span) -> Self:
        """The same as a part of the design."""
        return cls(name=span.name, start=span.start, end=span.end)


class Run(_Part):
    """The run whose map is judged; `hashes` are SHA-256 of run.json and of each raster used."""

    programme: str
    run_id: str
    as_of: str
    hashes: dict[str, str]
    before: Period | None
    after: Period


class DrainageLayer(_Part):
    """The layer that the drainage corridor follows."""

    file: str
    sha256: str
    width_m: float


class Settings(_Part):
    """What was asked for."""

    seed: int
    buffer_m: float
    min_distance_m: float
    drainage: DrainageLayer | None
    allocation: str
    size: int | None
    floor: int
    target: str
    target_se_ha: float | None
    expected_shares: dict[str, float]


class Stratum(_Part):
    """One stratum: its ground and how it was sampled.

    `pool` pixels, `spacing_m` apart, are what its points are a simple random sample of; `zones_ha` is its ground in
    each zone, unassigned first; None where the run does not say.
    """

    name: str
    title: str
    pixels: int = Field(gt=0)
    area_ha: float = Field(gt=0)
    weight: float
    cell_m2: tuple[float, float]
    points: int = Field(gt=0)
    pool: int = Field(gt=0)
    spacing_m: int
    inclusion_probability: float
    zones_ha: tuple[float, ...] | None

    @model_validator(mode="after")
    def _holds(self) -> Self:
        if self.name not in NAMES or self.points > self.pixels:
            raise ValueError(f"stratum {self.name[:40]!r} is not known, or has more points than pixels")
        return self


class Point(_Part):
    """One point: its stratum, what the map says of it at each date, and its place."""

    sample_id: str
    stratum: str
    before: StatusName | None
    after: StatusName
    zone: int | None
    epsg: int
    row: int
    col: int
    lon: float
    lat: float


class Training(_Part):
    """Ground that the run's model learnt from; `known` is false where the model has no card."""

    model: str
    known: bool
    places: int


class Design(_Part):
    """A sample and how it came about, as it is kept beside the sample."""

    format: Literal["placerwatch sample design 1"]
    sample_file: str
    run: Run
    settings: Settings
    training: Training
    area_ha: float
    left_out_ha: dict[str, float]
    zones: tuple[tuple[str, str], ...] | None
    closest_m: float | None
    expected_se_ha: float
    notes: tuple[str, ...]
    strata: tuple[Stratum, ...] = Field(min_length=1)
    points: tuple[Point, ...] = Field(min_length=1)
    sha256: str

    @model_validator(mode="after")
    def _whole(self) -> Self:
        ids, names = {point.sample_id for point in self.points}, [stratum.name for stratum in self.strata]
        if len(ids) < len(self.points) or len(set(names)) < len(names):
            raise ValueError("two points, or two strata, have the same name")
        for stratum in self.strata:
            if sum(point.stratum == stratum.name for point in self.points) != stratum.points:
                raise ValueError(f"stratum {stratum.name} does not have the {stratum.points} points it tells of")
            if stratum.zones_ha is not None and len(stratum.zones_ha) != len(self.zones or ()) + 1:
                raise ValueError(f"stratum {stratum.name} tells of other zones than the design")
        if any(point.stratum not in names for point in self.points):
            raise ValueError("a point lies in a stratum that is not told of")
        if self.sha256 != _seal(self):
            raise ValueError("what it says is not what was written: it was altered since the sample was drawn")
        return self

    @classmethod
    def read(cls, path: Path) -> Self:
        """The design in a file; raises BadInput if it is not one, or was altered."""
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise BadInput(f"{path}: is larger than {MAX_FILE_BYTES // 2**20} MiB; that is no design of a sample")
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise BadInput(f"{path}: cannot be read ({error.strerror}); give the .design.json of the sample") from error
        except ValidationError as error:
            faults = [
                ".".join(str(part) for part in fault["loc"]) + ": " + fault["msg"] if fault["loc"] else fault["msg"]
                for fault in error.errors(include_url=False, include_input=False)[:10]
            ]
            raise Problems(f"{path} (expected the .design.json that `review sample` wrote)", faults) from error

    def to_json(self) -> str:
        """The design as indented JSON."""
        return json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"

    @property
    def has_change(self) -> bool:
        """Whether the sample is of change between two periods, or of the status of one."""
        return self.run.before is not None

    def sample(self) -> Sample:
        """The points by stratum, areas in hectares."""
        number = {stratum.name: h for h, stratum in enumerate(self.strata)}
        return Sample(
            np.array([number[point.stratum] for point in self.points], np.intp),
            np.array([stratum.area_ha for stratum in self.strata]),
            np.array([float(stratum.pixels) for stratum in self.strata]),
        )

    def lonlat(self) -> NDArray[np.float64]:
        """Longitude and latitude of the centre of each point's pixel, (n, 2); those in the file are rounded."""
        epsg, row, col = np.array([(point.epsg, point.row, point.col) for point in self.points], np.int64).T
        out = np.zeros((len(self.points), 2))
        for code in np.unique(epsg).tolist():
            own = epsg == code
            out[own] = centres(code, row[own], col[own])
        return out

    def sample_geojson(self) -> str:
        """The blind file for reviewers: places and ids in random order, and nothing of what the map says there."""
        head = {
            "type": "FeatureCollection",
            "role": REFERENCE_ROLE,
            "title": f"Places to look at: {self.run.programme}. For an estimate of area; never to train a model with.",
            "period_before": _plain(self.run.before),
            "period_after": _plain(self.run.after),
        }
        lines = [json.dumps(self._feature(point), ensure_ascii=False) for point in self.points]
        opening = json.dumps(head, indent=1, ensure_ascii=False).removesuffix("\n}")
        return opening + ',\n "features": [\n' + ",\n".join(lines) + "\n ]\n}\n"

    def _feature(self, point: Point) -> dict[str, object]:
        return {
            "type": "Feature",
            "id": point.sample_id,
            "properties": {
                "sample_id": point.sample_id,
                "role": REFERENCE_ROLE,
                "utm_zone": utm_name(point.epsg),
                "pixel_row": point.row,
                "pixel_col": point.col,
                "easting_m": point.col * 10 + 5,
                "northing_m": -point.row * 10 - 5,
            },
            "geometry": {"type": "Point", "coordinates": [point.lon, point.lat]},
        }

    def template_csv(self) -> str:
        """A table for an interpreter to fill in: a line for each point, in the order of the blind file."""
        columns = [name for name in COLUMNS if name != "before" or self.has_change]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([point.sample_id, *[""] * (len(columns) - 1)] for point in self.points)
        return text.getvalue()


def _plain(period: Period | None) -> dict[str, str] | None:
    return None if period is None else period.model_dump(mode="json")


def _seal(design: Design) -> str:
    """SHA-256 over all of a design but this: a slip of the hand in it shows."""
    told = design.model_dump(mode="json", exclude={"sha256"})
    return hashlib.sha256(json.dumps(told, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def make_design(
    frame: Frame, found: Scan, drawn: Sequence[Drawn], settings: Settings, expected_se_ha: float, sample_file: str
) -> Design:
    """The design of a sample that was drawn; strata without ground are left out, and it says so."""
    there = [h for h in range(len(NAMES)) if found.cells[h]]
    whole = int(found.area_mm2.sum())
    strata = tuple(_stratum(h, found, drawn[h], whole, frame.zones is not None) for h in there)
    run = Run(
        programme=str(frame.manifest["programme"]),
        run_id=str(frame.manifest["run_id"]),
        as_of=str(frame.manifest["as_of"]),
        hashes=frame.hashes,
        before=Period.of(frame.before) if frame.before else None,
        after=Period.of(frame.after),
    )
    tag = hashlib.sha256((run.model_dump_json() + settings.model_dump_json()).encode()).hexdigest()[:6]
    points = _points(found, drawn, frame, tag)
    parts: dict[str, Any] = {
        "format": FORMAT,
        "sample_file": sample_file,
        "run": run,
        "settings": settings,
        "training": Training(model=frame.training.model, known=frame.training.known, places=len(frame.training.boxes)),
        "area_ha": _ha(whole),
        "left_out_ha": {reason: _ha(mm2) for reason, mm2 in found.left_out_mm2.items()},
        "zones": frame.zones,
        "closest_m": closest_m(np.concatenate([d.pixels for d in drawn])),
        "expected_se_ha": round(expected_se_ha, 4),
        "notes": _notes(frame, found, drawn, settings),
        "strata": strata,
        "points": points,
        "sha256": "",
    }
    return Design(**parts | {"sha256": _seal(Design.model_construct(**parts))})


def _stratum(h: int, found: Scan, drawn: Drawn, whole: int, zoned: bool) -> Stratum:
    return Stratum(
        name=NAMES[h],
        title=STRATA[NAMES[h]],
        pixels=int(found.cells[h]),
        area_ha=_ha(int(found.area_mm2[h])),
        weight=round(int(found.area_mm2[h]) / whole, 9),
        cell_m2=(round(float(found.cell_m2[h, 0]), 4), round(float(found.cell_m2[h, 1]), 4)),
        points=len(drawn.pixels),
        pool=drawn.pool,
        spacing_m=drawn.spacing_m,
        inclusion_probability=float(f"{drawn.inclusion_probability:.9g}"),
        zones_ha=tuple(_ha(mm2) for mm2 in found.zones_mm2[h].tolist()) if zoned else None,
    )


def _ha(mm2: int) -> float:
    return round(mm2 / 1e10, 4)


def _points(found: Scan, drawn: Sequence[Drawn], frame: Frame, tag: str) -> tuple[Point, ...]:
    """Points of all strata mixed: neither their order nor their ids tell the stratum."""
    pixels = np.concatenate([d.pixels for d in drawn]).astype(PIXEL)
    stratum = np.repeat(np.arange(len(drawn)), [len(d.pixels) for d in drawn])
    mixed = np.array(
        [
            int(priority(found.seed, "order", int(p["epsg"]), np.array([p["row"]]), np.array([p["col"]]))[0])
            for p in pixels
        ],
        np.uint64,
    )
    points = []
    for number, i in enumerate(np.argsort(mixed, kind="stable").tolist(), start=1):
        p = pixels[i]
        state = int(p["state"])
        lon, lat = centres(int(p["epsg"]), p["row"].astype(np.int64), p["col"].astype(np.int64)).tolist()
        points.append(
            Point(
                sample_id=f"{tag}-{number:04d}",
                stratum=NAMES[stratum[i]],
                before=(WORKINGS if state in _WORKINGS_BEFORE else OTHER) if frame.before else None,
                after=WORKINGS if state in _WORKINGS_AFTER else OTHER,
                zone=max(int(p["zone"]), 0) if frame.zones is not None else None,
                epsg=int(p["epsg"]),
                row=int(p["row"]),
                col=int(p["col"]),
                lon=round(lon, 6),
                lat=round(lat, 6),
            )
        )
    return tuple(points)


def _notes(frame: Frame, found: Scan, drawn: Sequence[Drawn], settings: Settings) -> tuple[str, ...]:
    notes = []
    empty = [name for h, name in enumerate(NAMES) if not found.cells[h] and name != "drainage"]
    if empty:
        notes.append(f"Strata without ground, left out: {', '.join(empty)}.")
    if settings.drainage is None:
        notes.append(
            "No drainage layer was given, and the run's rasters do not tell water: there is no drainage corridor; its "
            "ground is in 'rest'."
        )
    elif not found.cells[NAMES.index("drainage")]:
        notes.append("No ground of the frame lies in the drainage corridor.")
    tight = [
        f"{NAMES[h]} ({d.spacing_m} m)"
        for h, d in enumerate(drawn)
        if len(d.pixels) and d.spacing_m < settings.min_distance_m
    ]
    if tight:
        notes.append(
            f"The minimum distance of {settings.min_distance_m:g} m cannot be met everywhere: too little ground for "
            f"that many points in {', '.join(tight)}. Their points may also lie nearer to those of other strata."
        )
    if not frame.training.known:
        notes.append("The run's model has no card: whether it learnt from ground in this sample cannot be told.")
    if frame.zones is None:
        notes.append("The run wrote no zone rasters: no estimate by zone. Run the programme again for one.")
    return tuple(notes)
