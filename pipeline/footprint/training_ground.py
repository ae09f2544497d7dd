"""Ground that a model learnt from: a sample of its map that is to tell an area must not lie there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.areas import PIXEL_M, TILE_PX, Tile, to_lonlat
from pipeline.disturbance.card import read_card
from pipeline.disturbance.model import find_model
from pipeline.errors import BadInput, ModelError
from pipeline.footprint.strata import window_around

_ROUNDED_DEG = 0.0002  # cards give edges to 0.0001 degrees; a pixel more, so that none of theirs is left in


@dataclass(frozen=True)
class TrainingGround:
    """Places that the run's model learnt from: boxes (place, 4) of west, south, east, north in degrees.

    Only places whose imagery is of days that the sample is about. `known` is False where the model has no card.
    """

    model: str
    known: bool
    boxes: NDArray[np.float64]

    @classmethod
    def of_run(cls, manifest: Mapping[str, Any], first: date, last: date, name: str | None = None) -> TrainingGround:
        """The training ground that the card of a run's model names, of the days from `first` to `last`.

        `name` is where the model lies, if the name in the manifest no longer leads there. Raises BadInput where the
        model cannot be found or is not the run's, ModelError where its card cannot be read.
        """
        try:
            told, sha256 = manifest["inputs"]["model"]["name"], manifest["inputs"]["model"]["sha256"]
        except (KeyError, TypeError):
            raise BadInput("run.json: does not name the model; run the programme again") from None
        given = name or str(told)
        remedy = "give its folder with --model, so that ground it was trained on can be kept out of the sample"
        try:
            path, found = find_model(given, Path())
        except ModelError as error:
            raise BadInput(f"the run's model {given!r} is not found ({error}); {remedy}") from error
        if found != sha256:
            raise BadInput(
                f"{path}: is another model (SHA-256 {found[:12]}) than the run's ({str(sha256)[:12]}); {remedy}"
            )
        card = read_card(path)
        if card is None:
            return cls(given, False, np.zeros((0, 4)))
        if card.get("sha256") != sha256:
            raise BadInput(f"{path}: its card is of another model; train the model again, or restore the card")
        return cls(given, True, _boxes(card, first, last))

    def holds(self, lonlat: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which places (n, 2), in degrees, lie on training ground, (n,)."""
        inside = np.zeros(len(lonlat), np.bool_)
        for box in self.boxes:
            inside |= np.all((lonlat >= box[:2]) & (lonlat <= box[2:]), axis=1)
        return inside

    def on_tile(self, tile: Tile) -> NDArray[np.bool_]:
        """Pixels of a tile (512, 512) whose centre lies on training ground."""
        west, south, east, north = window_around(tile, PIXEL_M).bounds
        b = self.boxes
        near = (b[:, 0] <= east) & (b[:, 2] >= west) & (b[:, 1] <= north) & (b[:, 3] >= south)
        if not near.any():
            return np.zeros((TILE_PX, TILE_PX), np.bool_)
        lonlat = centres(tile.epsg, *(np.indices((TILE_PX, TILE_PX)) + np.array(tile.origin_px)[:, None, None]))
        part = TrainingGround(self.model, self.known, b[near])
        return part.holds(lonlat.reshape(-1, 2)).reshape(TILE_PX, TILE_PX)


def _boxes(card: Mapping[str, Any], first: date, last: date) -> NDArray[np.float64]:
    kept = []
    try:
        for line in card["data"]["training_ground"]:
            edges, *spans = line.split()
            west, south, east, north = (float(edge) for edge in edges.split(","))
            days = [tuple(date.fromisoformat(day) for day in span.split("/")) for span in spans]
            # Of unknown days: it may be these.
            if not days or any(start <= last and end >= first for start, end in days):
                kept.append((west - _ROUNDED_DEG, south - _ROUNDED_DEG, east + _ROUNDED_DEG, north + _ROUNDED_DEG))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"the model's card: its training ground cannot be read ({error!r}); train the model again"
        ) from error
    return np.array(kept, np.float64).reshape(-1, 4)


def centres(epsg: int, row: NDArray[np.int64], col: NDArray[np.int64]) -> NDArray[np.float64]:
    """Longitude and latitude (..., 2) of the centres of pixels of a UTM zone's lattice."""
    lon, lat = to_lonlat(epsg).transform((col + 0.5) * PIXEL_M, -(row + 0.5) * PIXEL_M)
    return np.stack([lon, lat], axis=-1)
