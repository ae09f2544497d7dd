"""Programmes on real pixels: the labelled Amazon pairs, and Belgian and Togolese patches on which nobody mines.

All are folders that the command reads like anyone's: GeoTIFFs and STAC items beside a config and an areas file. The
data lie outside the project; `data` is their folder (see its README for licences).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import rasterio
import shapely
import yaml
from numpy.typing import NDArray
from rasterio.transform import from_origin

from pipeline.areas.lattice import PIXEL_M, from_lonlat, strip_bounds, to_lonlat, utm_epsg
from pipeline.imagery.scene import BANDS, SCL

AMAZON_AS_OF = date(2024, 12, 31)
# The windows of the first looks lie in 2018 and 2019, those of the second from 2020-12-31 to 2023-12-31.
AMAZON_PERIODS = (("t0", "2018-01-01", "2019-12-31"), ("t1", "2020-12-31", "2023-12-31"))
BELGIUM_AS_OF = date(2018, 11, 30)
# September to November of both years: all of the second autumn that was delivered.
BELGIUM_PERIODS = (("autumn-2017", "2017-09-01", "2017-11-30"), ("autumn-2018", "2018-09-01", "2018-11-30"))
TOGO_AS_OF = date(2020, 2, 1)
# Twelve steps of thirty days from here on; a step is written as one look on its middle day.
TOGO_START, TOGO_STEPS, TOGO_STEP_DAYS = date(2019, 2, 6), 12, 30
_TOGO_BANDS = ("B2", "B3", "B4", "B8", "B11", "B12")
_PIXEL_HA = PIXEL_M**2 / 1e4
_DISTURBED = (1, 2)
_CLOUDY = (3, 8, 9, 10)
_NEW_HA = 0.5

Span = tuple[str, str, str]  # name, first and last day of a period


@dataclass(frozen=True)
class Place:
    """One Amazon place: `index` in patches.npz, UTM corner (m) of its square, windows and masks of both times."""

    name: str
    index: int
    epsg: int
    left: int
    top: int
    side: int
    windows: tuple[tuple[date, date], tuple[date, date]]
    verdicts: tuple[str, str]
    masks: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    first_year: int | None

    @property
    def disturbed_ha(self) -> tuple[float, float]:
        """Ground drawn as bare workings or pond at t0 and t1 (nominal cells)."""
        before, after = (float(np.isin(mask, _DISTURBED).sum()) * _PIXEL_HA for mask in self.masks)
        return before, after

    @property
    def gain_ha(self) -> float:
        """Ground drawn as workings at t1 and as other ground at t0."""
        before, after = self.masks
        return float((np.isin(after, _DISTURBED) & (before == 0)).sum()) * _PIXEL_HA

    @property
    def is_new(self) -> bool:
        """No workings drawn at t0, and at least 0.5 ha gained at t1."""
        return self.disturbed_ha[0] == 0 and self.gain_ha >= _NEW_HA

    @property
    def is_free(self) -> bool:
        """Judged to be without mining at both times."""
        return self.verdicts == ("no_mining", "no_mining")

    @property
    def opened_between(self) -> bool:
        """Amazon Mining Watch first covers it after the year of t0, and by the end of t1's window."""
        return self.first_year is not None and self.windows[0][1].year < self.first_year <= self.windows[1][1].year

    def ring(self) -> list[list[float]]:
        """Its square in longitude and latitude, cut at the meridian of its UTM zone, counterclockwise."""
        left, top, size = self.left, self.top, self.side * PIXEL_M
        return _ring(self.epsg, left, top - size, left + size, top)


def amazon_places(data: Path) -> list[Place]:
    """All places of the data set, in its order."""
    folder = data / "amazon_mining"
    with (folder / "masks.csv").open(encoding="utf-8", newline="") as file:
        drawn = {(row["sample_id"], row["time"]): (i, row["patch"]) for i, row in enumerate(csv.DictReader(file))}
    with np.load(folder / "masks.npz", allow_pickle=False) as archive:
        masks = archive["mask"]
    with np.load(folder / "patches.npz", allow_pickle=False) as archive:
        position = {str(name): i for i, name in enumerate(archive["sample_id"])}
    with (folder / "patches.csv").open(encoding="utf-8", newline="") as file:
        return [_place(row, position[row["sample_id"]], drawn, masks) for row in csv.DictReader(file)]


def _place(
    row: dict[str, str], index: int, drawn: dict[tuple[str, str], tuple[int, str]], masks: NDArray[np.uint8]
) -> Place:
    lon, lat = float(row["longitude"]), float(row["latitude"])
    epsg = utm_epsg(lon, lat)
    x, y = from_lonlat(epsg).transform(lon, lat)
    name, side = row["sample_id"], masks.shape[1]
    (first, was), (second, became) = drawn[name, "t0"], drawn[name, "t1"]
    return Place(
        name=name,
        index=index,
        epsg=epsg,
        left=(round(x / PIXEL_M) - side // 2) * PIXEL_M,
        top=(round(y / PIXEL_M) + side // 2) * PIXEL_M,
        side=side,
        windows=tuple(tuple(date.fromisoformat(row[f"{t}_{end}"]) for end in ("start", "end")) for t in ("t0", "t1")),
        verdicts=(was, became),
        masks=(masks[first], masks[second]),
        first_year=int(float(row["amw_first_year"])) if row["amw_first_year"] else None,
    )


def stratified(places: Sequence[Place], limit: int) -> list[Place]:
    """About half of `limit` clear new workings and half places without mining, spread evenly over the data set."""
    chosen = [*_spread([p for p in places if p.is_new], limit // 2)]
    chosen += _spread([p for p in places if p.is_free], limit - len(chosen))
    return sorted(chosen, key=lambda place: place.index)


def _spread(places: Sequence[Place], count: int) -> list[Place]:
    count = min(count, len(places))
    return [places[i * len(places) // count] for i in range(count)]


def amazon_programme(data: Path, folder: Path, limit: int | None = None) -> Path:
    """Write a programme of the Amazon pairs into a folder and return its config; `limit` takes a stratified part.

    Each place and time is one GeoTIFF of six bands on the 10 m lattice, without scene classification, so nodata alone
    is the mask; each place is a zone of its own.
    """
    places = amazon_places(data)
    if limit is not None:
        places = stratified(places, limit)
    with np.load(data / "amazon_mining" / "patches.npz", allow_pickle=False) as archive:
        pixels = [archive[time] for time in ("t0", "t1")]
    imagery = folder / "imagery"
    imagery.mkdir(parents=True)
    for place in places:
        for stack, (start, end) in zip(pixels, place.windows, strict=True):
            bands = stack[place.index].transpose(2, 0, 1).astype(np.uint16)
            name = f"{place.name}_{start}_{end}.tif"
            _write(imagery / name, bands, place.epsg, place.left, place.top, PIXEL_M, BANDS)
    _write_areas(folder / "areas.geojson", {place.name: place.ring() for place in places})
    return write_config(folder, "amazon-pairs", "Labelled pairs, Amazon basin", AMAZON_PERIODS)


def belgium_programme(data: Path, folder: Path, periods: Sequence[Span] = BELGIUM_PERIODS) -> Path:
    """Write a programme of the Belgian patch into a folder and return its config: one STAC item for each date.

    Stored numbers are reflectance x 10 000 of a time before the -1000 offset. `eo:cloud_cover` is counted on the
    patch's own scene classification, since the item stands for nothing else.
    """
    planes, times, epsg, left, top = _belgium(data)
    side = planes["B02"].shape[1] * PIXEL_M
    ring = _ring(epsg, left, top - side, left + side, top)
    imagery = folder / "imagery"
    for number, time in enumerate(times):
        name = f"S2_{time:%Y%m%dT%H%M%S}"
        (imagery / name).mkdir(parents=True)
        for band, stack in planes.items():
            step = side // stack.shape[1]
            _write(imagery / name / f"{band}.tif", stack[number : number + 1], epsg, left, top, step, (band,))
        item = _item(name, time, epsg, ring, float(np.isin(planes[SCL][number], _CLOUDY).mean()) * 100, planes)
        (imagery / name / "item.json").write_text(json.dumps(item), encoding="utf-8")
    _write_areas(folder / "areas.geojson", {"belgium": ring})
    return write_config(folder, "belgium", "Belgian patch without mining", periods)


def togo_programme(data: Path, folder: Path) -> Path:
    """Write a programme of the Togolese patch into a folder and return its config: one GeoTIFF for each of 12 steps.

    17 x 17 pixels of farmland, the least cloudy look of each thirty days, top of atmosphere (with band 10, so not
    corrected to the surface) and without a cloud mask: bands and haze are not what the classifier was made for. Its
    grid in degrees is laid on the lattice pixel by pixel: it is off by 1 % in scale, and nothing is resampled.
    """
    (path,) = (data / "west_africa").glob("togo_*.tif")
    with rasterio.open(path) as raster:
        position = {name: i for i, name in enumerate(raster.descriptions)}
        planes = raster.read()
        west, north = raster.transform.c, raster.transform.f
    epsg = utm_epsg(west, north)
    left, top = (round(value / PIXEL_M) * PIXEL_M for value in from_lonlat(epsg).transform(west, north))
    side = planes.shape[1] * PIXEL_M
    imagery = folder / "imagery"
    imagery.mkdir(parents=True)
    for step in range(TOGO_STEPS):
        suffix = f"_{step}" if step else ""
        bands = np.rint(planes[[position[band + suffix] for band in _TOGO_BANDS]]).astype(np.uint16)
        day = TOGO_START + timedelta(days=TOGO_STEP_DAYS * step + TOGO_STEP_DAYS // 2)
        _write(imagery / f"togo_{day}.tif", bands, epsg, left, top, PIXEL_M, BANDS)
    _write_areas(folder / "areas.geojson", {"togo": _ring(epsg, left, top - side, left + side, top)})
    return write_config(folder, "togo", "Togolese patch without mining", togo_periods(1))


def belgium_periods(months: int) -> tuple[Span, ...]:
    """The Belgian series, August 2017 to November 2018, in periods of whole months; what is left over is dropped."""
    starts = [date(2017 + (7 + m) // 12, (7 + m) % 12 + 1, 1) for m in range(17)]
    return _spans(starts, months)


def togo_periods(steps: int) -> tuple[Span, ...]:
    """The Togolese series cut into periods of some thirty-day steps."""
    return _spans([TOGO_START + timedelta(days=TOGO_STEP_DAYS * s) for s in range(TOGO_STEPS + 1)], steps)


def _spans(starts: Sequence[date], each: int) -> tuple[Span, ...]:
    """Periods from every `each`-th start to the day before the next; as many as are whole."""
    cuts = starts[::each]
    return tuple(
        (f"p{i:02d}", start.isoformat(), (end - timedelta(days=1)).isoformat())
        for i, (start, end) in enumerate(pairwise(cuts), 1)
    )


def belgium_looks(data: Path) -> tuple[NDArray[np.uint16], NDArray[np.uint8], list[datetime]]:
    """Every look of the Belgian patch at 10 m: reflectance (time, band, y, x), scene classes (time, y, x), times."""
    planes, times, *_ = _belgium(data)
    side = planes["B02"].shape[1]
    fine = {b: p.repeat(side // p.shape[1], axis=1).repeat(side // p.shape[2], axis=2) for b, p in planes.items()}
    return np.stack([fine[b] for b in BANDS], axis=1).astype(np.uint16), fine[SCL].astype(np.uint8), times


def _belgium(data: Path) -> tuple[dict[str, NDArray[Any]], list[datetime], int, float, float]:
    """Planes (time, y, x) by band at 10 or 20 m, times, EPSG code, and the north-west corner in metres."""
    source = data / "tanzania_belgium" / "belgium_00002806639B424A"
    with _opened(source, "S2_L2A_10m") as fine, _opened(source, "S2_L2A_20m") as coarse:
        planes = {b: np.asarray(fine[b][:]) for b in ("B02", "B03", "B04", "B08")}
        planes |= {b: np.asarray(coarse[b][:]) for b in ("B11", "B12", SCL)}
        left, top = float(fine["x"][:].min()) - 5, float(fine["y"][:].max()) + 5
        epsg = int(fine.epsg)
        started = datetime.fromisoformat(fine["timestamp"].units.removeprefix("seconds since ")).replace(tzinfo=UTC)
        times = [started + timedelta(seconds=int(s)) for s in fine["timestamp"][:]]
    return planes, times, epsg, left, top


def _opened(folder: Path, prefix: str) -> netCDF4.Dataset:
    (path,) = folder.glob(f"{prefix}_*.nc")
    dataset = netCDF4.Dataset(path)
    dataset.set_auto_maskandscale(False)
    return dataset


def _ring(epsg: int, west: float, south: float, east: float, north: float) -> list[list[float]]:
    # A metre inside the outermost pixels, so that rounding never touches a tile beyond; every pixel centre stays in.
    west, south, east, north = west + 1, south + 1, east - 1, north - 1
    corners = ((west, south), (east, south), (east, north), (west, north))
    square = shapely.Polygon([to_lonlat(epsg).transform(*corner) for corner in corners])
    # Ground beyond the zone's meridian belongs to a zone of which there are no pixels.
    owned = shapely.intersection(square, shapely.box(*strip_bounds(epsg)))
    return [[round(x, 7), round(y, 7)] for x, y in shapely.orient_polygons(owned).exterior.coords]


def _write(
    path: Path, planes: NDArray[Any], epsg: int, left: float, top: float, step_m: int, names: Sequence[str]
) -> None:
    profile = {
        "driver": "GTiff",
        "dtype": planes.dtype.name,
        "count": planes.shape[0],
        "height": planes.shape[1],
        "width": planes.shape[2],
        "crs": f"EPSG:{epsg}",
        "transform": from_origin(left, top, step_m, step_m),
        "nodata": 0,
        "compress": "deflate",
    }
    with rasterio.open(path, "w", **profile) as raster:
        raster.write(planes)
        raster.descriptions = tuple(names)


def _item(
    name: str, time: datetime, epsg: int, ring: list[list[float]], cloud_percent: float, bands: Sequence[str]
) -> dict[str, Any]:
    (west, south), (east, north) = np.min(ring, axis=0).tolist(), np.max(ring, axis=0).tolist()
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "bbox": [west, south, east, north],
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {
            "datetime": time.isoformat(),
            "platform": "sentinel-2",
            "proj:epsg": epsg,
            "eo:cloud_cover": round(cloud_percent, 2),
        },
        "links": [],
        "assets": {band: {"href": f"{band}.tif", "type": "image/tiff; application=geotiff"} for band in bands},
    }


def _write_areas(path: Path, rings: dict[str, list[list[float]]]) -> None:
    features = [
        {
            "type": "Feature",
            "properties": {
                "zone_id": name,
                "name": name,
                "boundary_vintage": "2026",
                "boundary_source": "patch outline",
            },
            "geometry": {"type": "Polygon", "coordinates": [ring]},
        }
        for name, ring in rings.items()
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")


def write_config(
    folder: Path, programme: str, title: str, periods: Sequence[Span], model: str = "default", name: str = ""
) -> Path:
    """Write the config of a folder whose imagery and areas are there already; `name` is that of the file."""
    config = {
        "programme": programme,
        "title": title,
        "areas": ["areas.geojson"],
        "periods": [{"name": n, "start": s, "end": e} for n, s, e in periods],
        "source": {"kind": "folder", "path": "imagery", "offset": "0"},
        "disturbance": {"model": model},
    }
    path = folder / f"{name or programme}.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return path
