"""The whole command on real pixels: labelled pairs of the Amazon basin, and a Belgian patch on which nobody mines.

The Amazon pairs trained the shipped model: what is reported there shows that real input runs through the whole path,
not how accurate the map is elsewhere.
"""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

from benchmarks.accuracy_real import score_amazon, score_belgium
from benchmarks.real_input import (
    AMAZON_AS_OF,
    BELGIUM_AS_OF,
    amazon_places,
    amazon_programme,
    belgium_programme,
    stratified,
)
from pipeline.imagery.scene import BANDS
from pipeline.runs import RunOptions, run_programme

PLACES = 40
COUNTED = "counted"  # shown at the end of the test run


@pytest.fixture(scope="module")
def places(shared_data):
    return stratified(amazon_places(shared_data), PLACES)


@pytest.fixture(scope="module")
def amazon_folder(shared_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("amazon")
    amazon_programme(shared_data, folder, PLACES)
    return folder


@pytest.fixture(scope="module")
def amazon(amazon_folder):
    return run_programme(amazon_folder / "amazon-pairs.yaml", RunOptions(AMAZON_AS_OF, amazon_folder / "out"))


@pytest.fixture(scope="module")
def belgium(shared_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("belgium")
    return run_programme(belgium_programme(shared_data, folder), RunOptions(BELGIUM_AS_OF, folder / "out"))


def test_a_place_lies_on_the_lattice_around_its_longitude_and_latitude(places, amazon_folder):
    place = places[0]
    (start, end) = place.windows[0]
    with rasterio.open(amazon_folder / "imagery" / f"{place.name}_{start}_{end}.tif") as raster:
        assert raster.crs.to_epsg() == place.epsg
        assert raster.transform.c % 10 == raster.transform.f % 10 == 0
        assert raster.descriptions == BANDS
        assert raster.shape == (48, 48)


def test_half_of_the_places_are_clear_new_workings_and_half_have_no_mining(places):
    assert sum(place.is_new for place in places) == sum(place.is_free for place in places) == PLACES // 2


def test_composites_without_scene_classification_run_to_the_end(amazon):
    assert amazon.exit_code == 0, amazon.text
    assert amazon.manifest["counts"]["scenes"]["used"] == 2 * PLACES


def test_clear_new_workings_of_the_training_ground_are_reported(amazon, places, record_property):
    score = score_amazon(places, amazon.folder)
    record_property(
        COUNTED,
        f"Amazon (training ground): {score.new_reported} of {score.new} clear new workings reported; "
        f"{score.opened_between_reported} of {score.opened_between} that Amazon Mining Watch saw open",
    )
    assert score.new_reported / score.new >= 0.8
    assert score.opened_between_reported > score.opened_between / 2


def test_reports_on_places_without_mining_are_counted_as_false_alarms(amazon, places, record_property):
    score = score_amazon(places, amazon.folder)
    record_property(
        COUNTED,
        f"Amazon (training ground): {score.free_reported} of {score.free} places without mining reported: "
        f"false alarms; {score.free_mapped} mapped in some period",
    )
    assert score.free_reported / score.free < 0.2


def test_the_belgian_patch_is_observed_in_both_autumns(belgium):
    assert belgium.exit_code == 0, belgium.text
    assert all(share > 0.9 for share in score_belgium(belgium.folder).observed_share.values())


def test_whatever_is_reported_in_belgium_is_counted_as_a_false_alarm(belgium, record_property):
    score = score_belgium(belgium.folder)
    record_property(
        COUNTED,
        f"Belgium (no mining): {score.opened} false alarms ({score.opened_ha:.2f} ha) on {score.watched_ha:.1f} ha, "
        f"autumn 2017 to autumn 2018; mapped {score.mapped_ha}",
    )
    assert score.mapped_ha.keys() == {"autumn-2017", "autumn-2018"}
    assert score.opened_ha <= score.watched_ha


def test_the_belgian_clouds_leave_only_clear_ground_in_the_composite(belgium):
    (path,) = (belgium.folder / "rasters").glob("clear-looks_autumn-2018_*.tif")
    with rasterio.open(path) as raster:
        looks = raster.read(1)
    seen = looks[(looks > 0) & (looks != raster.nodata)]
    # 64 x 64 pixels; clouds hid every one of them on some of the dates.
    assert seen.size == 64 * 64
    assert seen.max() < belgium.manifest["counts"]["scenes"]["used"]
    assert np.unique(seen).size > 1
