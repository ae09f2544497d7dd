"""L2A products as downloaded: folders and zip files, both radiometries, and whatever a zip file may hide."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.warp import transform_bounds

from pipeline import config
from pipeline.config_file import read_config
from pipeline.errors import BadInput, SceneRejected, SourceUnavailable
from pipeline.imagery import BANDS, SCL, FolderSource, SafeSource, check_scene, open_source, product
from pipeline.imagery.granule import parse_granule
from pipeline.imagery.product import open_product
from pipeline.imagery.raster import read_thinned
from pipeline.imagery.safe import parse_safe, read_safe
from pipeline.imagery.safe_source import products_in, read_product
from pipeline.runs import RunOptions, run_programme
from pipeline.runs.plan import NAMED_SOURCES, with_source
from tests.imagery_archive import LEFT, TILE, TOP
from tests.safe_products import at_20_m, write_jp2, write_product, zipped
from tests.scenes import dig, ground, write_area, write_scene

EVERYWHERE = (-180.0, -90.0, 180.0, 90.0)
YEARS = (date(2015, 1, 1), date(2030, 1, 1))
SIDE = 48
BOX = TILE.padded(8)[:64, :64]


def bands_of(seed: int) -> np.ndarray:
    return at_20_m(ground((SIDE, SIDE), seed=seed))


def make(root: Path, day: str = "2021-01-05", seed: int = 0, **settings) -> Path:
    root.mkdir(exist_ok=True)
    return write_product(root, day, bands_of(seed), west=int(LEFT), north=int(TOP), **settings)


def found(root: Path):
    return SafeSource(root).find(EVERYWHERE, *YEARS)


def reasons(root: Path) -> list[tuple[str, bool]]:
    result = found(root)
    assert result.scenes == ()
    return [(item.reason, item.failed) for item in result.skipped]


def test_a_product_is_a_scene_as_its_metadata_say(tmp_path):
    make(tmp_path, cloud=12.25)
    (scene,) = found(tmp_path).scenes
    name = "S2A_MSIL2A_20210105T093000_N0214_R093_T33NUG_20210105T133000"
    assert scene.id == name
    assert scene.version == f"{name}.SAFE 2021-01-05T13:30:00.000000Z"
    assert scene.acquired.isoformat() == "2021-01-05T09:39:00.123456+00:00"
    assert (scene.platform, scene.granule) == ("sentinel-2a", "33NUG 20210105T093000")
    assert (scene.epsg, scene.cloud_cover, scene.baseline) == (32633, 12.25, "02.14")
    assert scene.processed == "2021-01-05T13:30:00+00:00"
    assert set(scene.assets) == {*BANDS, SCL}
    assert scene.bbox == transform_bounds("EPSG:32633", "EPSG:4326", LEFT, TOP - 480, LEFT + 480, TOP)


@pytest.mark.parametrize(("baseline", "offset"), [("02.14", 0), ("05.09", -1000)])
@pytest.mark.parametrize("in_zip", [False, True])
def test_pixels_equal_those_of_the_folder_route_before_and_after_the_offset(tmp_path, baseline, offset, in_zip):
    folder = make(tmp_path / "products", baseline=baseline)
    if in_zip:
        zipped(folder)
    write_scene(tmp_path / "plain", "a", "2021-01-05", bands_of(0), west=int(LEFT), north=int(TOP))
    products, plain = SafeSource(tmp_path / "products"), FolderSource(tmp_path / "plain")
    (ours,), (theirs,) = (s.find(EVERYWHERE, *YEARS).scenes for s in (products, plain))
    assert ours.offset == offset
    got = products.read(ours, (*BANDS, SCL), BOX).astype(int)
    want = plain.read(theirs, (*BANDS, SCL), BOX).astype(int)
    assert (got[:, :8] == 0).all()
    assert (got[-1] == want[-1]).all()
    seen = want[0] > 0
    assert seen.sum() == SIDE * SIDE
    assert (np.where(seen, got[:-1] + offset, 0) == np.where(seen, want[:-1], 0)).all()


def test_nothing_of_a_zip_file_is_unpacked(tmp_path):
    zipped(make(tmp_path))
    source = SafeSource(tmp_path)
    (scene,) = source.find(EVERYWHERE, *YEARS).scenes
    source.read(scene, BANDS, BOX)
    assert [path.suffix for path in tmp_path.rglob("*")] == [".zip"]


def test_products_lie_in_the_folder_or_one_level_below_or_are_the_folder(tmp_path):
    folder = make(tmp_path / "2021")
    zipped(make(tmp_path, "2021-02-04"))
    make(tmp_path / "2021" / "deeper", "2021-03-06")
    (tmp_path / "notes.txt").write_text("x")
    assert [s.acquired.month for s in found(tmp_path).scenes] == [1, 2]
    assert [s.acquired.month for s in found(folder).scenes] == [1]
    assert list(products_in(folder)) == [folder]


def test_only_the_asked_days_and_place_are_found(tmp_path):
    for day in ("2021-01-05", "2021-02-04"):
        make(tmp_path, day)
    source = SafeSource(tmp_path)
    assert [s.acquired.month for s in source.find(EVERYWHERE, date(2021, 2, 1), date(2021, 2, 28)).scenes] == [2]
    assert source.find((20.0, 4.0, 21.0, 5.0), *YEARS).scenes == ()


def test_of_two_baselines_of_one_acquisition_the_later_is_kept_and_the_other_named(tmp_path):
    for baseline in ("05.00", "02.14"):
        make(tmp_path, baseline=baseline)
    result = found(tmp_path)
    assert [s.baseline for s in result.scenes] == ["05.00"]
    (skipped,) = result.skipped
    assert "_N0214_" in skipped.scene_id
    assert f"an earlier version of {result.scenes[0].id} (baseline 02.14 of 2021" in skipped.reason
    assert not skipped.failed


def test_a_product_that_is_there_twice_is_read_once(tmp_path):
    zipped(make(tmp_path))
    folder = make(tmp_path)
    result = found(tmp_path)
    assert len(result.scenes) == 1
    (skipped,) = result.skipped
    assert skipped.scene_id == f"{folder.stem}.zip"
    assert skipped.reason == f"holds the product that {folder.name} holds too, and that one is read"


def test_a_thinned_look_invents_no_classes(tmp_path):
    scl = np.random.default_rng(0).choice([4, 9], (600, 600)).astype(np.uint8)
    write_jp2(tmp_path / "scl.jp2", scl, 20, int(LEFT), int(TOP), 32633)
    thinned = read_thinned(str(tmp_path / "scl.jp2"), 1, 1.0, 150, is_class=True)
    assert thinned.shape == (150, 150)
    assert np.unique(thinned).tolist() == [4, 9]


def test_the_dark_floor_of_a_product_is_seen(tmp_path):
    for day, baseline in (("2021-01-05", "02.14"), ("2021-02-04", "05.09")):
        write_product(tmp_path, day, at_20_m(ground((160, 160))), west=int(LEFT), north=int(TOP), baseline=baseline)
    source = SafeSource(tmp_path)
    old, new = (check_scene(source, scene).floor for scene in source.find(EVERYWHERE, *YEARS).scenes)
    assert 150 < old < 250
    assert 1150 < new < 1250


def test_a_source_travels_to_workers_with_its_listing(tmp_path):
    make(tmp_path)
    source = SafeSource(tmp_path)
    listed = source.find(EVERYWHERE, *YEARS)
    assert pickle.loads(pickle.dumps(source)).find(EVERYWHERE, *YEARS) == listed


# --- what is refused


def test_a_missing_band_fails_the_product_by_name(tmp_path):
    make(tmp_path, leave_out=("B11", "SCL"))
    ((reason, failed),) = reasons(tmp_path)
    assert failed
    assert "lacks B11 in GRANULE/L2A_T33NUG_A036000_20210105T093000/IMG_DATA" in reason


def test_without_classes_a_product_is_read_all_the_same(tmp_path):
    make(tmp_path, leave_out=("SCL",))
    assert not found(tmp_path).scenes[0].has_scl


def test_what_never_was_an_l2a_product_is_left_aside_and_does_not_fail(tmp_path):
    (tmp_path / "S1A_IW_GRDH_1SDV_20210105.SAFE").mkdir()
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("a.jpg", b"x")
    assert [failed for _, failed in reasons(tmp_path)] == [False, False]
    (tmp_path / "S2A_MSIL2A_20210105T093000_N0214_R093_T33NUG_20210105T133000.SAFE").mkdir()
    assert [failed for _, failed in reasons(tmp_path)] == [False, True, False]


@pytest.mark.parametrize(
    ("file", "edit", "says"),
    [
        ("MTD_MSIL2A.xml", ("<PRODUCT_URI>S2A_MSIL2A", "<PRODUCT_URI>S2A_MSIL1C"), "names no L2A product"),
        ("MTD_MSIL2A.xml", ("<PRODUCT_URI>", "<PRODUCT_URI>../"), "names no L2A product"),
        ("MTD_MSIL2A.xml", ("<n1:General_Info>", "<n1:General_Info"), "not readable product metadata"),
        ("MTD_MSIL2A.xml", ("<n1:Lev", '<!DOCTYPE a [<!ENTITY b "c">]><n1:Lev'), "document type"),
        ("MTD_TL.xml", ("<n1:Lev", '<!DOCTYPE a [<!ENTITY b "c">]><n1:Lev'), "document type"),
        ("MTD_TL.xml", ("EPSG:32633", "EPSG:4326"), "not readable granule metadata"),
        ("MTD_TL.xml", ("<NROWS>48", "<NROWS>10981"), "not readable granule metadata"),
        ("MTD_TL.xml", ("<NROWS>48", "<NROWS>" + "9" * 5000), "not readable granule metadata"),
        ("MTD_TL.xml", ("<ULX>", "<ULX>nan"), "not readable granule metadata"),
        ("MTD_TL.xml", ("<ULX>", "<ULX>9e999"), "not readable granule metadata"),
        ("MTD_TL.xml", ("_S2021", "_X2021"), "not readable granule metadata"),
        ("MTD_TL.xml", ("<SENSING_TIME>2021", "<SENSING_TIME>1921"), "has flown since"),
        ("MTD_TL.xml", ("<SENSING_TIME>", "<SENSING>"), "not readable"),
    ],
)
def test_metadata_that_make_no_sense_are_refused_with_the_reason(tmp_path, file, edit, says):
    (path,) = make(tmp_path).rglob(file)
    text = path.read_text()
    assert edit[0] in text
    path.write_text(text.replace(*edit))
    ((reason, failed),) = reasons(tmp_path)
    assert failed
    assert says in reason


def rewritten(root: Path, edit) -> Path:
    """A zip file of a product whose entries (name, content) an edit has changed."""
    path = zipped(make(root))
    with zipfile.ZipFile(path) as archive:
        entries = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in edit(entries):
            archive.writestr(name, content)
    return path


def second_head(entries):
    head = next(pair for pair in entries if pair[0].endswith("MTD_MSIL2A.xml"))
    return [*entries, ("other.SAFE/MTD_MSIL2A.xml", head[1])]


def second_granule(entries):
    name, content = next(pair for pair in entries if pair[0].endswith("MTD_TL.xml"))
    return [*entries, (name.replace("/L2A_T", "/L2B_T"), content)]


def second_blue(entries):
    name, content = next(pair for pair in entries if pair[0].endswith("B02_10m.jp2"))
    return [*entries, (name.replace("/T33", "/U33"), content)]


def huge_metadata(entries):
    return [(name, content + b" " * 60_000_000 if name.endswith("TL.xml") else content) for name, content in entries]


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda entries: [*entries, ("../outside.txt", b"x")], "'../outside.txt' that leads out of it"),
        (lambda entries: [*entries, ("/etc/cron.d/x", b"x")], "leads out of it"),
        (lambda entries: [*entries, ("C:/x", b"x")], "leads out of it"),
        (lambda entries: [*entries, ("a/../../x", b"x")], "leads out of it"),
        (lambda entries: [*entries, *((f"x/{k}", b"") for k in range(10_000))], "entries; a product has a few hundred"),
        (second_head, "holds MTD_MSIL2A.xml 2 times"),
        (second_granule, "metadata of 2 granules"),
        (second_blue, "holds 2 files of B02 at 10 m"),
        (huge_metadata, "larger than 50 MB"),
        (lambda entries: entries[1:], "B02"),
    ],
)
def test_zip_files_that_hide_something_are_refused(tmp_path, edit, says):
    rewritten(tmp_path, edit)
    ((reason, failed),) = reasons(tmp_path)
    assert failed
    assert says in reason


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_entry_that_is_there_twice_is_refused(tmp_path):
    rewritten(tmp_path, lambda entries: [*entries, entries[-1]])
    assert "2 times" in reasons(tmp_path)[0][0]


def test_a_band_that_claims_absurd_size_is_refused(tmp_path, monkeypatch):
    zipped(make(tmp_path))
    monkeypatch.setattr(product, "_MOST_RASTER", 100)
    assert "which no band of a product is" in reasons(tmp_path)[0][0]


def test_a_list_of_entries_without_an_end_is_not_read(tmp_path, monkeypatch):
    zipped(make(tmp_path))
    monkeypatch.setattr(product, "_MOST_LISTING", 600)
    assert "no zip file that can be read" in reasons(tmp_path)[0][0]


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip file", b"PK\x05\x06" + b"\xff" * 18])
def test_a_file_that_is_no_zip_is_named(tmp_path, content):
    name = "S2A_MSIL2A_20210105T093000_N0214_R093_T33NUG_20210105T133000.zip"
    (tmp_path / name).write_bytes(content)
    assert [failed for _, failed in reasons(tmp_path)] == [True]


def test_a_download_cut_short_is_named(tmp_path):
    path = zipped(make(tmp_path))
    path.write_bytes(path.read_bytes()[:-200])
    assert "fetch it again" in reasons(tmp_path)[0][0]


def test_a_zip_file_damaged_inside_fails_by_name(tmp_path):
    path = zipped(make(tmp_path), method=zipfile.ZIP_STORED)
    content = path.read_bytes()
    place = content.index(b"<n1:Level-2A_User_Product")
    path.write_bytes(content[:place] + b"XXXX" + content[place + 4 :])
    assert "cannot be read" in reasons(tmp_path)[0][0]


def test_links_that_lead_out_of_the_folder_are_refused(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    folder = make(inside)
    (moved,) = folder.rglob("*B02_10m.jp2")
    outside.mkdir()
    moved.rename(outside / "B02.jp2")
    moved.symlink_to(outside / "B02.jp2")
    assert "leads out of the imagery folder" in reasons(inside)[0][0]
    whole = make(outside, "2021-02-04")
    (inside / whole.name).symlink_to(whole)
    assert "leads out of the imagery folder" in reasons(inside)[1][0]


def test_a_folder_that_is_not_there_is_unavailable(tmp_path):
    with pytest.raises(SourceUnavailable, match=r"nowhere does not exist; check source\.path"):
        found(tmp_path / "nowhere")


def without_rasters(root: Path) -> Path:
    """A zip file of the metadata of a product and of empty files for its bands."""
    folder = make(root)
    for path in folder.rglob("*.jp2"):
        path.write_bytes(b"x")
    return zipped(folder)


@pytest.fixture(scope="module")
def small_zip(tmp_path_factory):
    return without_rasters(tmp_path_factory.mktemp("small")).read_bytes()


def why_not(read) -> str:
    """The reason why something is rejected, empty if it is not; any other error breaks the test."""
    try:
        read()
    except SceneRejected as error:
        return str(error)
    return ""


EDITS = st.lists(st.tuples(st.floats(0, 0.9999), st.binary(min_size=1, max_size=6)), min_size=1, max_size=3)


@given(edits=EDITS, cut=st.floats(0.2, 1))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_bytes_a_zip_file_holds_it_is_a_scene_or_rejected(tmp_path, small_zip, edits, cut):
    content = bytearray(small_zip)
    for place, patch in edits:
        start = int(place * len(content))
        content[start : start + len(patch)] = patch
    path = tmp_path / "a.zip"
    path.write_bytes(content[: int(cut * len(content))] if cut < 0.9 else content)
    assert why_not(lambda: read_product(open_product(path, tmp_path))).isprintable()


@given(edits=EDITS, which=st.sampled_from(("MTD_MSIL2A.xml", "MTD_TL.xml")))
@settings(max_examples=150, deadline=None)
def test_whatever_metadata_say_they_are_understood_or_rejected(small_zip, edits, which):
    with zipfile.ZipFile(io.BytesIO(small_zip)) as archive:
        (name,) = (entry for entry in archive.namelist() if entry.endswith(which))
        content = bytearray(archive.read(name))
    for place, patch in edits:
        start = int(place * len(content))
        content[start : start + len(patch)] = patch
    parse = parse_safe if which == "MTD_MSIL2A.xml" else parse_granule
    reason = why_not(lambda: parse(which, bytes(content)))
    assert reason == "" or which in reason or "flown since" in reason


def test_metadata_nested_without_an_end_are_refused():
    with pytest.raises(SceneRejected, match="nested deeper"):
        parse_safe("MTD_MSIL2A.xml", b"<a>" * 200)


# --- real metadata


def test_every_real_product_says_grid_time_cloud_and_offset_as_its_item_does(shared_data):
    for folder in sorted((shared_data / "safe_metadata").glob("*.SAFE")):
        item = json.loads((folder / "expected_output.json").read_text())
        (path,) = folder.glob("GRANULE/*/MTD_TL.xml")
        granule, safe = parse_granule(path.name, path.read_bytes()), read_safe(folder / "MTD_MSIL2A.xml")
        told = item["properties"]
        assert granule.granule.split()[0] in folder.name.replace("_T", " ").replace("_", " ")
        assert granule.platform == told["platform"].lower()
        assert granule.cloud_cover == pytest.approx(told["eo:cloud_cover"])
        assert f"EPSG:{granule.epsg}" in (told.get("proj:code"), f"EPSG:{told.get('proj:epsg')}")
        assert granule.granule.split()[1] in told["s2:datastrip_id"]
        assert safe.generation_time[:19] == told["s2:generation_time"][:19]
        west, south, east, north = safe.bbox
        assert (south, north) == pytest.approx((item["bbox"][1], item["bbox"][3]), abs=0.02)
        assert (east - west) % 360 == pytest.approx((item["bbox"][2] - item["bbox"][0]) % 360, abs=0.05)
        assert granule.bbox[1] - 0.02 <= south <= north <= granule.bbox[3] + 0.02
        with pytest.raises(SceneRejected, match="lacks B02"):
            read_product(open_product(folder.resolve(), shared_data.resolve()))


# --- the whole command


WEST, NORTH, SHAPE = 330_000, 520_000, (60, 80)
DAYS = ("2020-12-10", "2021-01-14", "2021-12-05", "2022-01-09")


def programme(folder: Path, source: str) -> Path:
    path = folder / f"{source.split()[1].strip(',')}.yaml"
    path.write_text(
        "programme: valley\nareas: [area.geojson]\nperiods:\n"
        "  - {name: '2020-21', start: 2020-12-01, end: 2021-03-31}\n"
        "  - {name: '2021-22', start: 2021-12-01, end: 2022-03-31}\n"
        f"source: {source}\nrun: {{executor: serial}}\n"
    )
    return path


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """The same ground as products, two of them zipped and two of baseline 05.09, and as plain scenes with items."""
    root = tmp_path_factory.mktemp("archives")
    for k, day in enumerate(DAYS):
        bands = ground(SHAPE, seed=k)
        if k >= 2:
            dig(bands, slice(20, 40), slice(30, 50), seed=k)
        bands = at_20_m(bands)
        write_scene(root / "plain", f"S2A_{day}", day, bands, west=WEST, north=NORTH)
        (root / "products").mkdir(exist_ok=True)
        made = write_product(
            root / "products", day, bands, west=WEST, north=NORTH, baseline="05.09" if k % 2 else "02.14", cloud=0
        )
        if k in (1, 2):
            zipped(made)
        if k == 1:  # the same acquisition under an older baseline, with all of its ground bare
            bare = np.full((6, *SHAPE), 2500, np.uint16)
            write_product(root / "products", day, bare, west=WEST, north=NORTH, baseline="02.14", cloud=0)
    write_area(root / "area.geojson", WEST + 50, NORTH - 550, WEST + 750, NORTH - 50)
    return root


def test_a_run_over_products_tells_the_changes_of_the_run_over_the_folder(archives):
    told = []
    for kind, place in (("folder", "plain"), ("safe", "products")):
        path = programme(archives, f"{{kind: {kind}, path: {place}}}")
        done = run_programme(path, RunOptions(date(2022, 6, 1), archives / kind))
        assert done.exit_code == 0, done.manifest["failed"]
        changes = json.loads((done.folder / "changes.geojson").read_text())["features"]
        for change in changes:
            assert len(change["properties"].pop("scenes")) > 0
        told.append((changes, [s["offset"] for s in done.manifest["inputs"]["scenes"]]))
    assert [change["properties"]["state"] for change in told[0][0]] == ["new"]
    assert told[0][0] == told[1][0]
    assert (told[0][1], told[1][1]) == ([0, 0, 0, 0], [0, -1000, 0, -1000])
    old, new = (f"S2A_MSIL2A_20210114T093000_{n}_R093_T33NUG_20210114T133000" for n in ("N0214", "N0509"))
    made = "2021-01-14T13:30:00"
    reason = f"an earlier version of {new} (baseline 02.14 of {made}; that is baseline 05.09 of {made})"
    assert done.manifest["skipped"] == {reason: [old]}
    assert done.manifest["counts"]["scenes"] == {"used": 4, "skipped": 1, "rejected": 0, "failed": 0}


def test_the_command_line_knows_a_folder_of_products_from_one_of_scenes(archives):
    file = read_config(programme(archives, "{kind: folder, path: plain}"))
    assert isinstance(with_source(file, str(archives / "products")).config.source, config.SafeSource)
    assert isinstance(with_source(file, str(archives / "plain")).config.source, config.FolderSource)
    assert isinstance(
        open_source(with_source(file, str(archives / "products")).config.source, archives, config.Fetch()), SafeSource
    )
    for name, source in NAMED_SOURCES.items():
        assert with_source(file, name).config.source == source
    with pytest.raises(BadInput, match=r"expected .*earth-search, planetary-computer, copernicus-stac, or a folder"):
        with_source(file, "landsat")


def test_a_folder_of_products_that_is_not_there_is_told_with_its_line(archives):
    with pytest.raises(BadInput, match=r"line 6: source\.path: no folder 'nowhere'"):
        read_config(programme(archives, "{kind: safe, path: nowhere}"))
