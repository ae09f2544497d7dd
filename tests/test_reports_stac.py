"""The STAC catalogue of a run's rasters."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pystac
import pytest
import rasterio
from shapely.geometry import box, shape

from pipeline.areas.lattice import Tile, to_lonlat
from pipeline.reports import RasterFile, write_cog, write_stac
from tests.reports_run import make_result

TILE = Tile(32633, 117, 105)


@pytest.fixture
def catalogue(tmp_path):
    (path,) = write_cog(
        tmp_path / "rasters" / "class_2021-dry.tif",
        {TILE: np.eye(512, dtype=np.uint8)},
        nodata=255,
        description="0 other",
    )
    write_stac(
        tmp_path / "stac", make_result(), [RasterFile(path, date(2020, 12, 1), date(2021, 3, 31), "class 2021-dry")]
    )
    return tmp_path / "stac" / "catalog.json"


def test_it_is_valid_stac_and_every_link_leads_to_a_file_beside_it(catalogue):
    whole = pystac.Catalog.from_file(str(catalogue))
    assert len(list(whole.get_items())) == 1
    for path in catalogue.parent.iterdir():
        document = json.loads(path.read_text())
        # The schemas of extensions are not on this machine; what they ask is checked below.
        core = document | ({"stac_extensions": []} if "stac_extensions" in document else {})
        pystac.validation.validate_dict(core)
        hrefs = [link["href"] for link in document["links"]]
        hrefs += [asset["href"] for asset in document.get("assets", {}).values()]
        for href in hrefs:
            assert not href.startswith(("/", "http", "file"))
            assert (path.parent / href).is_file()


def test_an_item_says_where_and_when_its_raster_is_as_the_projection_extension_asks(catalogue):
    item = json.loads((catalogue.parent / "class_2021-dry_33N.json").read_text())
    p = item["properties"]
    with rasterio.open(catalogue.parent / item["assets"]["data"]["href"]) as file:
        assert p["proj:code"] == "EPSG:32633" == file.crs.to_string()
        assert p["proj:shape"] == list(file.shape)
        assert p["proj:transform"] == list(file.transform)[:6]
        (band,) = item["assets"]["data"]["bands"]
        assert (band["data_type"], band["nodata"], band["description"]) == (file.dtypes[0], 255, "0 other")
        lon, lat = to_lonlat(32633).transform(file.bounds.left + 100, file.bounds.top - 100)
    assert (p["datetime"], p["start_datetime"], p["end_datetime"]) == (
        None,
        "2020-12-01T00:00:00Z",
        "2021-03-31T23:59:59Z",
    )
    assert shape(item["geometry"]).buffer(1e-6).contains(box(lon, lat, lon, lat))
    assert shape(item["geometry"]).within(box(*item["bbox"]).buffer(1e-6))


def test_the_same_rasters_give_the_same_bytes(catalogue, tmp_path):
    before = {path.name: path.read_bytes() for path in catalogue.parent.iterdir()}
    path = tmp_path / "rasters" / "class_2021-dry_33N.tif"
    write_stac(
        tmp_path / "stac", make_result(), [RasterFile(path, date(2020, 12, 1), date(2021, 3, 31), "class 2021-dry")]
    )
    assert {path.name: path.read_bytes() for path in catalogue.parent.iterdir()} == before
