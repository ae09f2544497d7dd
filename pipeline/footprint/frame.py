"""The frame: what of a finished run's ground can be sampled, read tile by tile from the run's rasters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.windows import Window

from pipeline.areas import PIXEL_M, TILE_PX, Tile, cell_area_m2, from_lonlat, lonlat_bounds
from pipeline.areas.lattice import TILE_M, strip_bounds
from pipeline.change.states import (
    CONTINUING,
    NOT_OBSERVED,
    NOT_OBSERVED_AFTER,
    NOT_OBSERVED_BEFORE,
    NOT_OBSERVED_BOTH,
    OUTSIDE,
    STATE_OUTSIDE,
    UNDISTURBED,
    is_disturbed,
)
from pipeline.errors import BadInput
from pipeline.footprint.strata import (
    MAX_BUFFER_M,
    NOT_IN_FRAME,
    Corridor,
    halo_px,
    is_mapped,
    strata_of,
    window_around,
    within,
)
from pipeline.footprint.training_ground import TrainingGround, centres
from pipeline.hashing import sha256_of_input

_PART = r"\d{2}[NS](?:-\d{3}-\d{4})?"
_UNSEEN = {
    "not observed before": NOT_OBSERVED_BEFORE,
    "not observed after": NOT_OBSERVED_AFTER,
    "not observed in both": NOT_OBSERVED_BOTH,
}
TRAINING = "training ground"
LEFT_OUT = (*_UNSEEN, TRAINING)
NOT_WATCHED = -1


@dataclass(frozen=True)
class Span:
    """A period of the run: its name, first and last day."""

    name: str
    start: date
    end: date


class Mosaic:
    """Rasters of one kind on the lattice, one or more files a UTM zone, read by tile; files may come in any order."""

    def __init__(self, paths: Sequence[Path], nodata: int, dtype: str) -> None:
        self.nodata, self.dtype = nodata, np.dtype(dtype)
        self._files = ExitStack()
        self._parts: list[tuple[int, int, int, Any]] = []
        for path in sorted(paths):
            try:
                self._add(path)
            except RasterioError as error:
                raise BadInput(f"{path}: cannot be read as a raster ({error}); run the programme again") from error

    def _add(self, path: Path) -> None:
        file = self._files.enter_context(rasterio.open(path))
        epsg = file.crs.to_epsg() if file.crs else None
        a = file.transform
        whole = all(edge % TILE_M == 0 for edge in (a.c, a.f)) and file.width % TILE_PX == file.height % TILE_PX == 0
        square = (a.a, a.b, a.d, a.e) == (PIXEL_M, 0, 0, -PIXEL_M)
        if (
            epsg is None
            or epsg // 100 not in (326, 327)
            or not whole
            or not square
            or file.dtypes != (self.dtype.name,)
        ):
            raise BadInput(f"{path}: is not a raster of this lattice as a run writes it; run the programme again")
        self._parts.append((epsg, -round(a.f / PIXEL_M), round(a.c / PIXEL_M), file))

    def tiles(self) -> list[Tile]:
        """Tiles under any of the files, once, sorted; some may hold no data."""
        found = set()
        for epsg, top, left, file in self._parts:
            for row in range(top, top + file.height, TILE_PX):
                for col in range(left, left + file.width, TILE_PX):
                    found.add(Tile(epsg, col // TILE_PX, -row // TILE_PX - 1))
        return sorted(found)

    def read(self, tile: Tile, halo: int = 0) -> NDArray[Any]:
        """A tile with `halo` pixels around, (512 + 2 halo, 512 + 2 halo); nodata where no file has any."""
        side = TILE_PX + 2 * halo
        out = np.full((side, side), self.nodata, self.dtype)
        top, left = tile.origin_px[0] - halo, tile.origin_px[1] - halo
        for epsg, file_top, file_left, file in self._parts:
            rows = max(top, file_top), min(top + side, file_top + file.height)
            cols = max(left, file_left), min(left + side, file_left + file.width)
            if epsg != tile.epsg or rows[0] >= rows[1] or cols[0] >= cols[1]:
                continue
            window = Window(cols[0] - file_left, rows[0] - file_top, cols[1] - cols[0], rows[1] - rows[0])
            try:
                part = file.read(1, window=window)
            except RasterioError as error:
                raise BadInput(f"{file.name}: is damaged ({error}); run the programme again") from error
            # The box of one part may reach over another's; each pixel has data in one of them.
            place = out[rows[0] - top : rows[1] - top, cols[0] - left : cols[1] - left]
            np.copyto(place, part, where=part != self.nodata)
        return out

    def close(self) -> None:
        """Close every file."""
        self._files.close()


@dataclass(frozen=True)
class TileFrame:
    """What can be sampled of one tile, arrays (512, 512).

    stratum   index into strata.NAMES, NOT_IN_FRAME elsewhere
    state     change state
    zone      zone index, 0 unassigned, -1 not watched
    area_mm2  true area of each pixel in whole square millimetres
    trained   observed ground that was left out for having been trained on
    """

    tile: Tile
    stratum: NDArray[np.uint8]
    state: NDArray[np.uint8]
    zone: NDArray[np.int16]
    area_mm2: NDArray[np.int64]
    trained: NDArray[np.bool_]


class Frame:
    """The ground of a finished run from which a sample is drawn; iterate for its tiles, in sorted order.

    before, after  the periods compared; `before` is None where the run has one period only
    zones          ids and names of the declared zones, index 1 first; None where the run did not write zone rasters
    hashes         SHA-256 of run.json and of each raster used
    """

    def __init__(
        self,
        run_dir: Path,
        manifest: Mapping[str, Any],
        buffer_m: float = 100,
        drainage: Corridor | None = None,
        model: str | None = None,
    ) -> None:
        if not 0 <= buffer_m <= MAX_BUFFER_M:
            raise BadInput(f"--buffer {buffer_m:g}: expected 0 to {MAX_BUFFER_M} m")
        self.manifest, self.buffer_m, self.drainage = manifest, buffer_m, drainage
        self.before, self.after = periods_of(run_dir, manifest)
        self.training = TrainingGround.of_run(manifest, (self.before or self.after).start, self.after.end, model)
        kind = f"change_{self.before.name}_{self.after.name}" if self.before else f"class_{self.after.name}"
        paths, zones = rasters(run_dir, manifest, kind), rasters(run_dir, manifest, "zone")
        if not paths:
            raise BadInput(f"{run_dir}: the run wrote no raster {kind}_*.tif; run the programme again")
        self.hashes = {"run.json": sha256_of_input(run_dir / "run.json")}
        self.hashes |= {path.relative_to(run_dir).as_posix(): sha256 for path, sha256 in (paths | zones).items()}
        self._maps = Mosaic(list(paths), STATE_OUTSIDE if self.before else OUTSIDE, "uint8")
        self._zones = Mosaic(list(zones), NOT_WATCHED, "int16") if zones else None
        self.zones = zone_legend(next(iter(zones))) if zones else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._maps.close()
        if self._zones is not None:
            self._zones.close()

    def __iter__(self) -> Iterator[TileFrame]:
        for tile in self._tiles:
            state = self._state(tile, 0)
            if (state != STATE_OUTSIDE).any():
                yield self._tile(tile, state)

    @cached_property
    def _tiles(self) -> list[Tile]:
        return self._maps.tiles()

    def _tile(self, tile: Tile, state: NDArray[np.uint8]) -> TileFrame:
        none = np.zeros(state.shape, np.bool_)
        corridor = self.drainage.corridor(tile) if self.drainage else none
        stratum = strata_of(state, self._near_mapped(tile), corridor)
        trained = self.training.on_tile(tile) & (stratum != NOT_IN_FRAME)
        stratum[trained] = NOT_IN_FRAME
        zone = self._zones.read(tile) if self._zones else np.where(state == STATE_OUTSIDE, NOT_WATCHED, 0)
        area = np.rint(cell_area_m2(tile) * 1e6).astype(np.int64)
        return TileFrame(tile, stratum, state, zone.astype(np.int16), area, trained)

    def _state(self, tile: Tile, halo: int) -> NDArray[np.uint8]:
        """Change states; of a run of one period, mapped ground is "continuing" and all other "undisturbed"."""
        codes = self._maps.read(tile, halo)
        if self.before is not None:
            return codes
        state = np.where(is_disturbed(codes), CONTINUING, UNDISTURBED).astype(np.uint8)
        state[codes == NOT_OBSERVED], state[codes == OUTSIDE] = NOT_OBSERVED_AFTER, STATE_OUTSIDE
        return state

    def _near_mapped(self, tile: Tile) -> NDArray[np.bool_]:
        halo = halo_px(self.buffer_m)
        mapped = is_mapped(self._state(tile, halo))
        for other in self._across(tile):
            rows, cols = np.nonzero(is_mapped(self._state(other, 0)))
            if len(rows):
                lonlat = centres(other.epsg, rows + other.origin_px[0], cols + other.origin_px[1])
                x, y = from_lonlat(tile.epsg).transform(lonlat[:, 0], lonlat[:, 1])
                row = np.floor(-np.asarray(y) / PIXEL_M).astype(np.int64) - tile.origin_px[0] + halo
                col = np.floor(np.asarray(x) / PIXEL_M).astype(np.int64) - tile.origin_px[1] + halo
                here = (row >= 0) & (row < len(mapped)) & (col >= 0) & (col < len(mapped))
                mapped[row[here], col[here]] = True
        near = within(mapped, self.buffer_m)
        return near[halo : halo + TILE_PX, halo : halo + TILE_PX]

    def _across(self, tile: Tile) -> list[Tile]:
        """Tiles of other UTM zones within the buffer of a tile: mapped ground does not end where two zones meet."""
        west, south, east, north = window_around(tile, self.buffer_m).bounds
        left, bottom, right, top = strip_bounds(tile.epsg)
        if west >= left and east < right and south >= bottom and north < top:
            return []
        hits = self._boxes.query(shapely.box(west, south, east, north), "intersects")
        return [other for other in (self._tiles[hit] for hit in sorted(hits.tolist())) if other.epsg != tile.epsg]

    @cached_property
    def _boxes(self) -> shapely.STRtree:
        return shapely.STRtree([shapely.box(*lonlat_bounds(t.epsg, t.geobox)) for t in self._tiles])


def left_out_mm2(part: TileFrame) -> dict[str, int]:
    """Watched ground of a tile that cannot be sampled, square millimetres by reason, in the order of LEFT_OUT."""
    told = {name: int(part.area_mm2[part.state == code].sum()) for name, code in _UNSEEN.items()}
    return told | {TRAINING: int(part.area_mm2[part.trained].sum())}


def rasters(run_dir: Path, manifest: Mapping[str, Any], kind: str) -> dict[Path, str]:
    """Rasters of one kind that a run wrote, with their SHA-256; raises BadInput if one is not as the manifest says."""
    name = re.compile(rf"rasters/{re.escape(kind)}_{_PART}\.tif")
    found = {run_dir / key: sha256 for key, sha256 in sorted(manifest["outputs"].items()) if name.fullmatch(key)}
    for path, sha256 in found.items():
        _require_unaltered(path, sha256, run_dir)
    return found


def _require_unaltered(path: Path, sha256: str | None, run_dir: Path) -> None:
    if sha256_of_input(path) != sha256:
        raise BadInput(f"{path}: is not as the run wrote it; placerwatch verify {run_dir} tells what was altered")


def periods_of(run_dir: Path, manifest: Mapping[str, Any]) -> tuple[Span | None, Span]:
    """The two periods that a run compares, from its change report; the first is None where it has one period only."""
    path = run_dir / "changes.geojson"
    _require_unaltered(path, manifest["outputs"].get(path.name), run_dir)
    try:
        report = json.loads(path.read_text("utf-8"))
        before, after = (report[key] and _span(report[key]) for key in ("period_before", "period_after"))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadInput(f"{path}: the periods compared cannot be read ({error!r}); run the programme again") from error
    return before or None, after


def _span(value: Mapping[str, str]) -> Span:
    return Span(str(value["name"]), date.fromisoformat(value["start"]), date.fromisoformat(value["end"]))


def zone_legend(path: Path) -> tuple[tuple[str, str], ...]:
    """Ids and names of the zones, index 1 first, from the tag that a run writes into its zone rasters."""
    try:
        with rasterio.open(path) as file:
            rows = json.loads(file.tags()["zones"])
        return tuple((str(zone_id), str(name)) for zone_id, name in rows)
    except (RasterioError, KeyError, ValueError, TypeError) as error:
        raise BadInput(f"{path}: has no legend of its zones ({error!r}); run the programme again") from error
