"""One simulated archive through every source: the same programme must tell the same changes.

The archive is read as a folder, through an independent STAC API (rustac) with files over HTTP, through a stand-in for
Sentinel Hub, and as L2A products in JPEG 2000. A source names scenes in its own way, so the scenes of a change are
compared by their day. Products hold no Sentinel-1: theirs is held against the folder without it. Part of `make soak`.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import rasterio

from benchmarks.tables import table
from pipeline.runs import Finished, RunOptions, run_programme
from pipeline.runs.progress import Silent
from pipeline.runs.simulated import simulate
from tests import sentinelhub_server
from tests.safe_products import TILE_NAME, granule_xml, product_xml, write_jp2
from tests.stac_api import Files, items_of, serving_files, serving_items

AS_OF = date(2023, 12, 31)
CONFIG = """programme: {programme}
areas: [{area}]
periods: [Dec-Mar every year from 2020 until 2023]
source: {source}
radar: {{use: '{radar}'}}
reports: {{max_chips: 0}}
fetch: {{longest_wait_s: 0}}
"""
BANDS = ("B02", "B03", "B04", "B08", "B11", "B12", "SCL")


@contextmanager
def folder(archive: Path, _: Path) -> Iterator[str]:
    """The archive as it lies on disk."""
    yield f"{{kind: folder, path: {json.dumps(str(archive))}}}"


@contextmanager
def stac(archive: Path, work: Path) -> Iterator[str]:
    """The archive behind a STAC API that is not ours, its files read by ranges."""
    with serving_files(Files, root=archive, asked=[]) as (files, _):
        items = items_of(archive, files)
        for item in items:
            item["collection"] = "sentinel-1-rtc" if item["id"].startswith("S1") else "sentinel-2-l2a"
        with serving_items(items, work) as api:
            yield f"{{kind: stac, url: '{api}'}}"


@contextmanager
def sentinelhub(archive: Path, _: Path) -> Iterator[str]:
    """The archive behind OAuth, Catalog and Process."""
    os.environ |= {"SH_CLIENT_ID": sentinelhub_server.CLIENT_ID, "SH_CLIENT_SECRET": sentinelhub_server.CLIENT_SECRET}
    with sentinelhub_server.SentinelHub(archive) as hub:
        yield f"{{kind: sentinelhub, base_url: '{hub.url}', token_url: '{hub.url}{sentinelhub_server.TOKEN}'}}"


@contextmanager
def safe(archive: Path, work: Path) -> Iterator[str]:
    """The archive as products, with the metadata that Copernicus writes."""
    for path in sorted((archive / "items").glob("S2*.json")):
        _product(json.loads(path.read_text()), path.parent, work / "products")
    yield f"{{kind: safe, path: {json.dumps(str(work / 'products'))}}}"


def _product(item: dict[str, Any], base: Path, root: Path) -> None:
    properties = item["properties"]
    name = properties["s2:product_uri"].removesuffix(".SAFE")
    when, baseline = datetime.fromisoformat(properties["datetime"]), properties["s2:processing_baseline"]
    names = {**sentinelhub_server._COMMON, **{band: band for band in BANDS if band in item["assets"]}}
    tile = name.split("_")[5]
    granule = root / f"{name}.SAFE" / "GRANULE" / f"L2A_{tile}_A000000_{when:%Y%m%dT%H%M%S}"
    for band in BANDS:
        with rasterio.open(base / item["assets"][names[band]]["href"]) as src:
            plane, step, place, epsg = src.read(1), round(src.res[0]), src.transform, src.crs.to_epsg()
        raster = granule / f"IMG_DATA/R{step}m/{tile}_{when:%Y%m%dT%H%M%S}_{band}_{step}m.jp2"
        write_jp2(raster, plane, step, place.c, place.f, epsg)
        if band == "B02":
            corner, shape = (int(place.c), int(place.f)), plane.shape
    shift = 1000 if baseline >= "04.00" else 0
    (root / f"{name}.SAFE" / "MTD_MSIL2A.xml").write_text(product_xml(name, baseline, when, tuple(item["bbox"]), shift))
    cloud = float(properties["eo:cloud_cover"])
    metadata = granule_xml(when, baseline, corner, shape, epsg, cloud).replace(f"T{TILE_NAME}", tile)
    (granule / "MTD_TL.xml").write_text(metadata)


RUNS = (("folder", "auto"), ("stac", "auto"), ("sentinelhub", "auto"), ("folder", "off"), ("safe", "off"))
ROUTES = {"folder": folder, "stac": stac, "sentinelhub": sentinelhub, "safe": safe}


def told(finished: Finished) -> list[dict[str, Any]]:
    """The changes of a run, each with the days of its scenes in place of their names."""
    inputs = finished.manifest["inputs"]
    days = {scene["id"]: scene["acquired"][:10] for scene in (*inputs["scenes"], *inputs["radar_scenes"])}
    features: list[dict[str, Any]] = json.loads((finished.folder / "changes.geojson").read_text())["features"]
    for feature in features:
        feature["properties"]["scenes"] = sorted(days[name] for name in feature["properties"]["scenes"])
    return features


def main() -> None:
    """Run the demonstration's archive through all sources and print a line for each."""
    rows: list[list[str]] = []
    first: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        archive = simulate("demo", work / "archive", Silent()).resolve()
        for route, radar in RUNS:
            with ROUTES[route](archive, work) as source:
                path = work / f"{route}-{radar}.yaml"
                area = Path("aoi/demo.geojson").resolve()
                path.write_text(CONFIG.format(programme=f"{route}-{radar}", area=area, source=source, radar=radar))
                begun = perf_counter()
                finished = run_programme(path, RunOptions(AS_OF, work / "out"))
                seconds = perf_counter() - begun
            changes = told(finished)
            same = changes == first.setdefault(radar, changes)
            fetch = finished.manifest.get("fetch", {})
            rows.append(
                [
                    route,
                    "with" if radar == "auto" else "without",
                    str(finished.exit_code),
                    str(len(changes)),
                    "yes" if same else "no",
                    str(fetch.get("requests", 0)),
                    f"{seconds:.1f}",
                ]
            )
    print(table(["source", "Sentinel-1", "exit code", "changes", "as the folder's", "requests", "seconds"], rows))
    if any(row[4] == "no" for row in rows):
        raise SystemExit("sources differ")


if __name__ == "__main__":
    main()
