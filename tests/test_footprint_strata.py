"""Strata of hand-made ground: what is in which, what is outside, and that nothing is in two."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.areas import Tile, cell_area_m2, from_lonlat, to_lonlat
from pipeline.errors import BadInput, ModelError, Problems
from pipeline.footprint import training_ground
from pipeline.footprint.frame import Frame, Mosaic, left_out_mm2
from pipeline.footprint.mapped_drainage import mapped_drainage
from pipeline.footprint.review_sample import Request, draw_sample
from pipeline.footprint.sampling import scan
from pipeline.footprint.strata import NAMES, NOT_IN_FRAME, Drainage, strata_of, within
from pipeline.footprint.training_ground import TrainingGround
from pipeline.reports import write_cog
from tests.estimated import AFTER, EAST, TILE, states, write_manifest, write_run

NEW, RECOVERED, STABLE, BUFFER, DRAINAGE, REST = range(6)


def frame_of(folder, **options):
    return Frame(folder, json.loads((folder / "run.json").read_text()), **options)


def strata(folder, **options):
    with frame_of(folder, **options) as frame:
        return {part.tile: part.stratum for part in frame}


def test_each_pixel_goes_to_the_first_stratum_that_claims_it():
    state = np.array([[2, 3, 1], [0, 7, 0], [0, 4, 255]], np.uint8)
    near_mapped = np.array([[1, 1, 1], [1, 0, 1], [0, 1, 1]], bool)
    near_drainage = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1]], bool)
    found = strata_of(state, near_mapped, near_drainage)
    assert found.tolist() == [
        [NEW, RECOVERED, STABLE],
        [BUFFER, DRAINAGE, BUFFER],
        [REST, NOT_IN_FRAME, NOT_IN_FRAME],
    ]


planes = arrays(np.uint8, (4, 7), elements=st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7, 255]))
masks = arrays(np.bool_, (4, 7))


@given(planes, masks, masks)
def test_strata_part_the_ground_observed_in_both_periods(state, near_mapped, near_drainage):
    found = strata_of(state, near_mapped, near_drainage)
    assert ((found != NOT_IN_FRAME) == np.isin(state, [0, 1, 2, 3, 7])).all()
    assert ((found <= STABLE) == np.isin(state, [1, 2, 3])).all()


def test_a_distance_is_between_centres_and_included():
    mapped = np.zeros((7, 9), bool)
    mapped[1, 1] = True
    near = within(mapped, 50)
    assert near[4, 5]
    assert near[1, 6]
    assert not near[5, 5]
    assert not near[1, 7]
    assert not within(mapped, 0).any()


def test_a_buffer_goes_on_into_the_next_tile(tmp_path):
    write_run(tmp_path, {TILE: states(0, s2=(slice(100, 103), slice(509, 512))), EAST: states(0)})
    found = strata(tmp_path, buffer_m=30)
    assert (found[EAST][101] == BUFFER).nonzero()[0].tolist() == [0, 1, 2]
    assert found[EAST][96].tolist() == [REST] * 512
    assert found[TILE][101, 505:].tolist() == [REST, BUFFER, BUFFER, BUFFER, NEW, NEW, NEW]


def test_a_buffer_goes_on_where_two_utm_zones_meet(tmp_path):
    lon, lat = 18.0, 4.5
    x, y = from_lonlat(32633).transform(lon - 0.0003, lat)
    west = Tile(32633, int(x // 5120), int(y // 5120))
    row, col = int((west.row + 1) * 512 - y // 10 - 1), int(x // 10 - west.col * 512)
    x, y = from_lonlat(32634).transform(lon + 0.0003, lat)
    east = Tile(32634, int(x // 5120), int(y // 5120))
    there = int((east.row + 1) * 512 - y // 10 - 1), int(x // 10 - east.col * 512)
    place = slice(row, row + 1), slice(col, col + 1)
    write_run(tmp_path, {west: states(0, s1=place), east: states(0)})
    # 0.0006 degrees are 67 m.
    assert strata(tmp_path, buffer_m=100)[east][there] == BUFFER
    assert strata(tmp_path, buffer_m=50)[east][there] == REST


def test_a_drainage_corridor_follows_lines_and_holds_polygons(tmp_path):
    def place(col, row):
        return list(to_lonlat(TILE.epsg).transform(TILE.col * 5120 + col * 10, (TILE.row + 1) * 5120 - row * 10))

    line = {"type": "LineString", "coordinates": [place(200.5, -300), place(200.5, 900)]}
    ring = [place(*corner) for corner in ((400, 100), (410, 100), (410, 120), (400, 120), (400, 100))]
    polygon = {"type": "Polygon", "coordinates": [ring]}
    features = [{"type": "Feature", "properties": {}, "geometry": geometry} for geometry in (line, polygon)]
    path = tmp_path / "rivers.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    write_run(tmp_path / "run", {TILE: states(0, s2=(slice(300, 301), slice(202, 203)))})
    found = strata(tmp_path / "run", buffer_m=10, drainage=Drainage.read(path, 42))[TILE]
    assert np.flatnonzero(found[50] == DRAINAGE).tolist() == list(range(196, 205))
    assert np.flatnonzero(found[110] == DRAINAGE).tolist() == [*range(196, 205), *range(396, 414)]
    # Mapped ground and its buffer come first.
    assert found[300, 200:205].tolist() == [DRAINAGE, BUFFER, NEW, BUFFER, DRAINAGE]


def test_without_a_layer_the_corridor_is_that_of_the_terrain_of_the_run(tmp_path):
    distance = np.full((512, 512), 65535, np.uint16)  # nothing is known
    distance[:, 100:140] = np.arange(40) * 10
    write_run(tmp_path, {TILE: states(0, s2=(slice(300, 301), slice(102, 103)))})
    manifest = write_manifest(tmp_path)
    with mapped_drainage(tmp_path, manifest, 42) as corridor:
        assert corridor is None
    write_cog(tmp_path / "rasters" / "distance-to-drainage.tif", {TILE: distance}, nodata=65535)
    manifest = write_manifest(tmp_path)
    with mapped_drainage(tmp_path, manifest, 42) as corridor:
        found = strata(tmp_path, buffer_m=10, drainage=corridor)[TILE]
        assert (corridor.file, corridor.width_m) == ("rasters/distance-to-drainage_*.tif", 42)
    assert np.flatnonzero(found[50] == DRAINAGE).tolist() == list(range(100, 105))
    assert found[300, 100:105].tolist() == [DRAINAGE, BUFFER, NEW, BUFFER, DRAINAGE]
    design = draw_sample(tmp_path, manifest, Request(size=60, floor=5), width_m=42)
    assert design.settings.drainage.file == "rasters/distance-to-drainage_*.tif"
    assert "drainage" in {row.name for row in design.strata}
    with pytest.raises(BadInput, match="--drainage-width 0"):
        draw_sample(tmp_path, manifest, Request(size=60, floor=5), width_m=0)


def test_a_drainage_layer_tells_every_feature_at_fault(tmp_path):
    geometries = [
        None,
        {"type": "Point", "coordinates": [1, 1]},
        {"type": "LineString", "coordinates": [[1, 1]]},
        {"type": "LineString", "coordinates": [[600000, 500000], [600010, 500000]]},
        {"type": "MultiLineString", "coordinates": [[[1, 1], [1, "x"]]]},
    ]
    path = tmp_path / "rivers.geojson"
    features = [{"type": "Feature", "properties": {}, "geometry": geometry} for geometry in geometries]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    with pytest.raises(Problems) as told:
        Drainage.read(path, 100)
    assert [problem.split(":")[0] for problem in told.value.problems] == [f"feature {n}" for n in range(1, 6)]
    with pytest.raises(BadInput, match="--drainage-width"):
        Drainage.read(path, 0)


def test_ground_not_observed_in_both_periods_is_outside_and_its_area_is_told(tmp_path):
    plane = states(
        255, s0=(slice(0, 10), slice(0, 10)), s4=(slice(20, 22), slice(0, 5)), s6=(slice(30, 31), slice(0, 3))
    )
    write_run(tmp_path, {TILE: plane})
    with frame_of(tmp_path) as frame:
        (part,) = frame
    area = np.rint(cell_area_m2(TILE) * 1e6)
    assert (part.stratum != NOT_IN_FRAME).sum() == 100
    assert left_out_mm2(part) == {
        "not observed before": area[20:22, :5].sum(),
        "not observed after": 0,
        "not observed in both": area[30:31, :3].sum(),
        "training ground": 0,
    }


def test_strata_and_what_is_left_out_add_up_to_the_watched_ground(tmp_path):
    rng = np.random.default_rng(4)
    plane = rng.choice(np.array([0, 0, 0, 1, 2, 3, 4, 5, 6, 255], np.uint8), (512, 512))
    write_run(tmp_path, {TILE: plane}, {TILE: np.where(plane == 255, -1, plane % 3).astype(np.int16)})
    with frame_of(tmp_path, buffer_m=10) as frame:
        found = scan(frame, 0, 0, 10, 2)
    area = np.rint(cell_area_m2(TILE) * 1e6).astype(np.int64)
    assert found.area_mm2.sum() + sum(found.left_out_mm2.values()) == area[plane != 255].sum()
    assert found.zones_mm2.sum(axis=0).tolist() == [area[(plane <= 3) & (plane % 3 == z)].sum() for z in range(3)]
    assert found.cells.sum() == (plane <= 3).sum()


def test_a_run_of_one_period_is_sampled_for_its_status(tmp_path):
    plane = states(254, s0=(slice(0, 20), slice(0, 20)))
    plane[5, 5], plane[5, 6], plane[6, 5], plane[19, 19] = 1, 2, 3, 255
    write_run(tmp_path, {TILE: plane}, before=None)
    found = strata(tmp_path, buffer_m=10)[TILE]
    assert found[5, 4:8].tolist() == [BUFFER, STABLE, STABLE, BUFFER]
    assert found[6, 5] == BUFFER
    assert found[19, 18:20].tolist() == [REST, NOT_IN_FRAME]


def card(*lines):
    return {"sha256": training_ground.find_model("default", Path())[1], "data": {"training_ground": list(lines)}}


@pytest.mark.parametrize(
    ("days", "is_left_out"),
    [
        ("2019-01-01/2019-12-31", False),
        ("2020-11-01/2020-11-30", False),
        ("2020-11-01/2020-12-01", True),
        ("2021-07-01/2021-07-31", True),
        ("2019-01-01/2019-12-31 2022-03-31/2022-06-01", True),
        ("2022-04-01/2022-06-01", False),
        ("", True),
    ],
)
def test_ground_trained_on_in_the_days_of_the_sample_is_outside(tmp_path, monkeypatch, days, is_left_out):
    west, south = to_lonlat(TILE.epsg).transform(TILE.col * 5120 + 1000, (TILE.row + 1) * 5120 - 2000)
    east, north = to_lonlat(TILE.epsg).transform(TILE.col * 5120 + 1480, (TILE.row + 1) * 5120 - 1520)
    line = f"{west:.4f},{south:.4f},{east:.4f},{north:.4f} {days}"
    monkeypatch.setattr(training_ground, "read_card", lambda _: card(line))
    write_run(tmp_path, {TILE: states(0)})
    with frame_of(tmp_path) as frame:
        (part,) = frame
    block = np.zeros((512, 512), bool)
    block[152:200, 100:148] = True
    assert (part.stratum[block] == (NOT_IN_FRAME if is_left_out else REST)).all()
    # Edges are rounded in the card: one or two pixels around may go too, no more.
    assert part.trained.sum() <= is_left_out * 54 * 54
    assert left_out_mm2(part)["training ground"] == part.area_mm2[part.trained].sum()


def test_a_model_that_is_not_the_runs_is_refused(tmp_path):
    manifest = write_run(tmp_path, {TILE: states(0)})
    span = date(2020, 1, 1), date(2021, 1, 1)
    with pytest.raises(BadInput, match="is another model"):
        TrainingGround.of_run(manifest, *span, "trees")
    with pytest.raises(BadInput, match="--model"):
        TrainingGround.of_run(manifest, *span, "nosuch")
    with pytest.raises(BadInput, match="does not name the model"):
        TrainingGround.of_run({}, *span)


@pytest.mark.parametrize("lines", [["1,2,3 2020-01-01/2020-02-01"], ["1,2,3,4 then"], [7], None])
def test_a_card_whose_training_ground_cannot_be_read_stops_the_sample(tmp_path, monkeypatch, lines):
    told = card() if lines is None else card(*lines)
    if lines is None:
        del told["data"]["training_ground"]
    monkeypatch.setattr(training_ground, "read_card", lambda _: told)
    manifest = write_run(tmp_path, {TILE: states(0)})
    with pytest.raises(ModelError, match="training ground cannot be read"):
        Frame(tmp_path, manifest)


def test_a_model_without_a_card_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(training_ground, "read_card", lambda _: None)
    manifest = write_run(tmp_path, {TILE: states(0)})
    with Frame(tmp_path, manifest) as frame:
        assert not frame.training.known


def test_an_altered_run_is_refused(tmp_path):
    manifest = write_run(tmp_path, {TILE: states(0)})
    (raster,) = (tmp_path / "rasters").glob("*.tif")
    raster.write_bytes(raster.read_bytes() + b"\0")
    with pytest.raises(BadInput, match="not as the run wrote it"):
        Frame(tmp_path, manifest)
    write_run(tmp_path, {TILE: states(0)})
    (tmp_path / "changes.geojson").write_text(json.dumps({"period_before": None, "period_after": AFTER}))
    with pytest.raises(BadInput, match="not as the run wrote it"):
        Frame(tmp_path, manifest)
    with pytest.raises(BadInput, match=r"no raster class_2021-22_\*.tif"):
        Frame(tmp_path, write_manifest(tmp_path))


def test_rasters_in_several_files_are_read_as_one(tmp_path):
    far = Tile(TILE.epsg, TILE.col + 40, TILE.row + 3)
    whole = {TILE: states(0), EAST: states(1), far: states(2)}
    write_run(tmp_path, whole)
    paths = sorted((tmp_path / "rasters").glob("*.tif"))
    assert len(paths) == 2
    for order in (paths, paths[::-1]):
        mosaic = Mosaic(order, 255, "uint8")
        assert [int(mosaic.read(tile).max()) for tile in (TILE, EAST, far)] == [0, 1, 2]
        assert mosaic.read(TILE, 2)[3, -3:].tolist() == [0, 1, 1]
        assert mosaic.read(TILE, 2)[0, 0] == 255
        assert set(mosaic.tiles()) == set(whole)
        mosaic.close()


def test_a_raster_of_another_grid_is_refused(tmp_path):
    write_run(tmp_path, {TILE: states(0)})
    with pytest.raises(BadInput, match="not a raster of this lattice"):
        Mosaic(list((tmp_path / "rasters").glob("*.tif")), -1, "int16")
    (tmp_path / "bad.tif").write_bytes(b"no raster")
    with pytest.raises(BadInput, match="cannot be read as a raster"):
        Mosaic([tmp_path / "bad.tif"], -1, "int16")


def test_the_strata_have_names():
    assert NAMES == ("new", "recovered", "stable", "buffer", "drainage", "rest")
