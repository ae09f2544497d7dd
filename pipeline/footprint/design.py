"""The design of a sample: all that must be known to estimate from it, and the blind file that reviewers see."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from datetime import date
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.areas import utm_name
from pipeline.areas.reading import MAX_FILE_BYTES
from pipeline.disturbance.drawing import REFERENCE_ROLE
from pipeline.errors import BadInput, Problems
from pipeline.footprint.estimation import Sample
from pipeline.footprint.frame import Span
from pipeline.footprint.strata import NAMES
from pipeline.footprint.training_ground import centres

FORMAT = "placerwatch sample design 1"
StatusName = Literal["workings", "other"]
WORKINGS: StatusName = "workings"
OTHER: StatusName = "other"
COLUMNS = ("sample_id", "interpreter", "before", "after", "confidence", "comment")


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
        if self.sha256 != seal(self):
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


def seal(design: Design) -> str:
    """SHA-256 over all of a design but this: a slip of the hand in it shows."""
    told = design.model_dump(mode="json", exclude={"sha256"})
    return hashlib.sha256(json.dumps(told, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
