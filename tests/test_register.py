"""Sites of several runs: one id for life, whatever the order in which the runs come."""

from __future__ import annotations

import sqlite3
import warnings
from datetime import date
from pathlib import Path

import geopandas
import numpy as np
import pyogrio
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.areas.lattice import from_lonlat
from pipeline.change import build_events, build_sites, classify, clusters, encode_ground, record_run
from pipeline.change.identity import paired_periods
from pipeline.change.observations import RunRecord, SeenPeriod
from pipeline.change.register import Entry, Register, renamed
from pipeline.change.register_tables import register_tables
from pipeline.config import Period
from pipeline.errors import BadInput, StoreError
from pipeline.reports import read_register, write_register
from tests.change_ground import SETTINGS, UNSEEN, ground, periods

WIDTH = 14


def line(text):
    return [[{"#": 90, ".": 0, "?": UNSEEN, "%": 99}[c] for c in text.ljust(WIDTH, ".")]]


def saw(*maps, day=date(2024, 6, 1), programme="west", key="0", with_settings=SETTINGS, times=None, **more):
    """The record of a run, published under its own names, of maps (percent, or text: # dug, % dug most, ? unseen)."""
    grounds = [ground(*[line(m) if isinstance(m, str) else m for m in maps], **more)]
    zones = classify(grounds, with_settings)
    times = times or periods(len(maps))
    sites = build_sites(zones, times, with_settings)
    return record_run(
        sites,
        {cluster.site_id: encode_ground(cluster) for cluster in clusters(zones, with_settings)},
        build_events(zones, times, with_settings),
        times,
        [(None, "unassigned"), ("field", "Field")],
        [],
        key=(key * 64)[:64],
        run_id=f"{day}-{(key * 8)[:8]}",
        programme=programme,
        title="",
        as_of=day,
        generated_by="test",
        model="none",
    )


def enter(register, *records):
    """Publish each run against the register as it is, and enter it."""
    for record in records:
        register = register.with_run(renamed(record, register.publish(record)))
    return register


def sites_of(register):
    return {row["site_id"]: row for row in register_tables(register)["sites"]}


def partition(register):
    """Which sites of which runs are one: a set of sets, without any name of the register."""
    found = register.identities
    return {
        frozenset((found.runs[s.run].key, found.runs[s.run].sites[s.site].name) for s in entity.sightings)
        for entity in found.entities
    }


A, B = "PW-33N-50000-039999", "PW-33N-50006-039999"


def test_a_site_keeps_its_id_when_a_later_run_finds_another_pixel_strongest():
    first, later = saw("##....##"), saw("#%....##", "##....##", day=date(2025, 6, 1), key="1")
    assert {site.name for site in later.sites} == {"PW-33N-50001-039999", B}
    register = enter(Register(), first, later)
    assert set(sites_of(register)) == {A, B}
    assert {site.site_id for site in register.current()["west"].sites} == {A, B}


def test_runs_that_never_knew_of_each_other_keep_the_earlier_name_and_the_other_as_an_alias():
    first, later = saw("##"), saw("#%", day=date(2025, 6, 1), key="1")
    register = Register().with_run(later).with_run(first)
    assert {name: row["aliases"] for name, row in sites_of(register).items()} == {A: "PW-33N-50001-039999"}
    assert register.find("PW-33N-50001-039999").site_id == A


def test_an_alias_is_never_given_to_another_site():
    alias = "PW-33N-50001-039999"
    register = Register().with_run(saw("##")).with_run(saw("#%", day=date(2025, 6, 1), key="1"))
    assert [entity.names for entity in register.identities.entities] == [(A, alias)]
    other = on_row(saw("##", left=50001, day=date(2026, 6, 1), key="2"), -39000)
    assert register.publish(other) == {alias: f"{alias}-2"}


def on_row(record, row):
    """The record with all its ground on another row: named as before, and nowhere near."""
    sites = [
        {**site, "ground": [row if n % 5 == 1 else value for n, value in enumerate(site["ground"])]}
        for site in record.model_dump()["sites"]
    ]
    return RunRecord.model_validate({**record.model_dump(), "sites": sites})


def late_period():
    return Period(name="late", start=date(2026, 1, 1), end=date(2026, 3, 31))


def test_a_published_name_is_not_given_to_a_site_elsewhere():
    register = enter(Register(), saw("%#"))
    assert register.publish(on_row(saw("%#", programme="east", key="1"), -39000)) == {A: f"{A}-2"}


def test_the_same_run_twice_is_one():
    record = saw("##....##")
    register = enter(Register(), record)
    again = register.with_run(renamed(record, register.publish(record)))
    assert again is register
    assert register.merged(register) == register


def test_a_run_made_again_with_other_settings_speaks_of_the_same_sites():
    maps = ("##....##", "##....##")
    wide = SETTINGS.model_copy(update={"link_m": 60.0})
    register = enter(Register(), saw(*maps), saw(*maps, key="1", with_settings=wide))
    (site,) = register.current()["west"].sites
    assert site.site_id == A
    rows = sites_of(register)
    assert {name: row["state"] for name, row in rows.items()} == {A: "active", B: "withdrawn"}
    assert rows[B]["merged_into"] == A
    # Back with the settings as they were, both are there again under their names.
    back = enter(register, saw(*maps, key="2"))
    assert {name: row["state"] for name, row in sites_of(back).items()} == {A: "active", B: "active"}


def test_what_a_changed_model_does_not_find_any_more_is_withdrawn_and_stays_known():
    register = enter(Register(), saw("##....##"), saw("##......", key="1"))
    row = sites_of(register)[B]
    assert (row["state"], row["merged_into"], row["bare_ha"]) == ("withdrawn", None, None)
    assert B not in {point["site_id"] for point in register_tables(register)["points"]}


def test_overlapping_programmes_share_their_sites():
    west = saw("##....##......")
    east = saw("##......##", left=50006, programme="east", key="1", day=date(2024, 7, 1))
    register = enter(Register(), west, east)
    assert set(sites_of(register)) == {A, B, "PW-33N-50014-039999"}


def test_programmes_of_other_periods_share_the_sites_of_the_nearest():
    later = saw("#%", programme="east", key="1", day=date(2026, 7, 1), times=(late_period(),))
    register = enter(Register(), saw("##", "##"), later)
    assert [row["period"] for row in register_tables(register)["observations"]] == ["p0", "p1", "late"]
    assert set(sites_of(register)) == {A}


def test_sites_across_a_zone_meridian_are_the_same_in_every_run():
    def both(day, key, value):
        maps, records = [[[value, 90]], [[90, 90]]], []
        for epsg, side in ((32629, -1), (32630, 1)):
            x, y = from_lonlat(epsg).transform(-6 + side * 5 / 110_000, 8.2)
            records.append(ground(maps[0], maps[1], epsg=epsg, top=int(-y // 10), left=int(x // 10) - (side < 0)))
        zones = classify(records, SETTINGS)
        sites = build_sites(zones, periods(2), SETTINGS)
        assert len(sites) == 1
        grounds = {c.site_id: encode_ground(c) for c in clusters(zones, SETTINGS)}
        return replace_record(saw("##", "##", day=day, key=key), sites, grounds)

    first, second = both(date(2024, 6, 1), "0", 90), both(date(2025, 6, 1), "1", 99)
    assert len(enter(Register(), first, second).identities.entities) == 1
    assert set(first.sites[0].ground[::5]) == {32629, 32630}


def replace_record(record, sites, grounds):
    return record_run(
        sites,
        grounds,
        [],
        periods(2),
        [(None, "unassigned")],
        [],
        **{name: getattr(record, name) for name in HEAD},
    )


HEAD = ("key", "run_id", "programme", "title", "as_of", "generated_by", "model")


def test_periods_are_compared_with_those_of_the_same_dates_or_most_days_in_common():
    def seen(*dates):
        return [SeenPeriod(name=str(i), start=a, end=b) for i, (a, b) in enumerate(dates)]

    year = [(date(y, 1, 1), date(y, 12, 31)) for y in (2020, 2021)]
    june = (date(2021, 6, 1), date(2021, 6, 30))
    assert paired_periods(seen(*year), seen(*year)) == [(0, 0), (1, 1)]
    assert paired_periods(seen(*year), seen(june)) == [(1, 0)]
    assert paired_periods(seen(june), seen(*year)) == [(0, 1)]
    assert paired_periods(seen(year[0]), seen(june, (date(2022, 1, 1), date(2022, 2, 1)))) == [(0, 0)]


# A life: two sites merge and part again, while a third recovers and reopens.
LIFE = ("##....##....##", "########......", "##....##......", "##....##....##")


def test_merge_then_split_gives_the_names_back_and_tells_the_areas():
    register = enter(Register(), saw(*LIFE))
    tables = register_tables(register)
    told = [(row["event"], row["site_id"], row["period_after"]) for row in tables["events"]]
    assert ("merged", B, "p1") in told
    assert ("split", A, "p2") in told
    passed = {(row["event"], row["from_site"], row["to_site"]): row["ground_m2"] for row in tables["lineage"]}
    assert passed == {("merged", B, A): 200.0, ("split", A, A): 200.0, ("split", A, B): 200.0}
    assert {name: row["state"] for name, row in sites_of(register).items()} == dict.fromkeys(
        (A, B, "PW-33N-50012-039999"), "active"
    )


@settings(deadline=None, max_examples=30)
@given(st.permutations(range(4)))
def test_a_growing_stack_has_the_same_sites_in_whatever_order_its_runs_are_made(order):
    runs = [saw(*LIFE[: n + 1], day=date(2021 + n, 6, 1), key=str(n)) for n in range(4)]
    inorder = enter(Register(), *runs)
    shuffled = enter(Register(), *(runs[n] for n in order))
    assert partition(shuffled) == partition(inorder)
    assert sites_of(shuffled).keys() == sites_of(inorder).keys()
    assert [len(e.sightings) for e in sorted(inorder.identities.entities, key=lambda e: e.site_id)] == [4, 4, 4]


percent_maps = arrays(np.int32, (3, 4, 12), elements=st.sampled_from([UNSEEN, 0, 0, 0, 60, 90, 95]))


@settings(deadline=None, max_examples=60)
@given(st.lists(percent_maps, min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_a_register_is_a_function_of_the_set_of_its_runs(stacks, random):
    records = [
        saw(*maps, day=date(2024, 1 + n % 2, 1), key=f"{n:x}", programme=("west", "east")[n // 2])
        for n, maps in enumerate(stacks)
    ]
    entries = [Entry(record, n) for n, record in enumerate(records)]
    whole = Register.of(entries)
    random.shuffle(entries)
    cut = random.randrange(len(entries) + 1)
    parts = Register.of(entries[:cut]).merged(Register.of(entries[cut:])).merged(Register.of(entries[:1]))
    assert parts == whole
    assert register_tables(parts) == register_tables(whole)


@settings(deadline=None, max_examples=60)
@given(st.lists(percent_maps, min_size=1, max_size=4))
def test_ids_are_unique_and_stay_what_was_published(stacks):
    register, published = Register(), {}
    for n, maps in enumerate(stacks):
        record = saw(*maps, day=date(2020 + n, 6, 1), key=f"{n:x}")
        ids = register.publish(record)
        assert len(set(ids.values())) == len(ids)
        register = register.with_run(renamed(record, ids))
        published[n] = set(ids.values())
        names = [name for entity in register.identities.entities for name in entity.names]
        assert len(set(names)) == len(names)
        for earlier in published.values():
            # One register never renames: whatever it published is an id still, not only an alias.
            assert earlier <= {entity.site_id for entity in register.identities.entities}


@settings(deadline=None, max_examples=40)
@given(percent_maps)
def test_the_same_maps_again_make_no_site(maps):
    first, again = saw(*maps), saw(*maps, key="1", day=date(2025, 6, 1))
    register = enter(Register(), first, again)
    assert len(register.identities.entities) == len(first.sites)
    assert {site.name: site.site_id for site in again.sites} == register.publish(again)


def test_a_record_says_what_is_wrong_with_it():
    record = saw("##")
    good = record.model_dump(mode="json")
    with pytest.raises(BadInput, match="not the record of a run"):
        RunRecord.from_json("{}", "x")
    for change in (
        {"ground": [32633, -40000, 50000, 0, 0]},
        {"ground": [32633, -40000, 50000, 2**40, 0]},
        {"ground": [32633, -40000, 50000, 2]},
        {"ground": [4326, -40000, 50000, 2, 0]},
        {"ground": [32633, -40000, 50000, 2, 9]},
        {"ground": [10**30, -40000, 50000, 2, 0]},
        {"patterns": ["11"]},
        {"parent": "nobody"},
        {"geometry": "00"},
        {"geometry": shapely.Point(15, 4).wkb_hex},
        {"geometry": shapely.Polygon().wkb_hex},
        {"geometry": shapely.box(15, 4, 500_000, 400_000).wkb_hex},
        {"sites_within_1km": 2**70},
    ):
        bad = {**good, "sites": [{**good["sites"][0], **change}]}
        with pytest.raises(BadInput, match="not the record of a run"):
            RunRecord.from_json(RunRecord.model_construct(**bad).model_dump_json(warnings=False), "x")
    assert RunRecord.from_json(record.to_json(), "x") == record


@pytest.fixture
def register():
    return enter(Register(), saw(*LIFE[:2]), saw(*LIFE, day=date(2025, 6, 1), key="1"))


def test_a_register_is_a_geopackage_that_others_read(register, tmp_path):
    path = tmp_path / "register.gpkg"
    write_register(path, register)
    assert read_register(path) == register
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layers = dict(pyogrio.list_layers(path))
        tables = {name: geopandas.read_file(path, layer=name) for name in layers}
    assert layers["sites"] == "MultiPolygon"
    assert (layers["points"], layers["events"]) == ("Point", "Point")
    assert {"lineage", "observations", "footprint", "runs", "reviews", "run_records"} <= layers.keys()
    assert tables["sites"].crs == "EPSG:4326"
    assert tables["sites"].is_valid.all()
    joined = tables["points"].merge(tables["sites"].drop(columns="geometry"), on="site_id", validate="one_to_one")
    assert len(joined) == 3
    assert set(joined["activity_type"]) == {"generic"}
    assert joined["several_within_1km"].all()
    outlines = tables["sites"].set_index("site_id").geometry
    assert all(outlines[row.site_id].contains(row.geometry) for row in tables["points"].itertuples())
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("PRAGMA application_id").fetchone() == (0x47504B47,)


def test_an_empty_register_has_every_table(tmp_path):
    path = tmp_path / "register.gpkg"
    write_register(path, Register())
    assert read_register(path) == Register()
    reviews = pyogrio.read_dataframe(path, layer="reviews")
    columns = ["site_id", "change_id", "decision", "reviewer", "date", "note", "class"]
    assert (len(reviews), list(reviews)) == (0, columns)


def test_a_recovered_site_was_previously_active(tmp_path):
    (point,) = register_tables(enter(Register(), saw("##", "..")))["points"]
    assert (point["activity_type"], point["several_within_1km"]) == ("previously active", False)


def test_equal_registers_are_equal_files(register, tmp_path):
    for name in ("a", "b"):
        write_register(tmp_path / name / "register.gpkg", register)
    assert (tmp_path / "a/register.gpkg").read_bytes() == (tmp_path / "b/register.gpkg").read_bytes()


def test_reviews_and_tables_of_others_are_carried_over(register, tmp_path):
    path = tmp_path / "register.gpkg"
    write_register(path, register)
    reviews = pyogrio.read_dataframe(path, layer="reviews")
    reviews.loc[0] = [A, "", "confirmed", "M. K.", "2025-07-01", "pits", ""]
    pyogrio.write_dataframe(reviews, path, layer="reviews")
    own = geopandas.read_file(path, layer="points")[["site_id", "geometry"]]
    own.to_file(path, layer="notes")
    write_register(path, enter(register, saw(*LIFE, day=date(2026, 6, 1), key="2")))
    assert pyogrio.read_dataframe(path, layer="reviews").loc[0, "note"] == "pits"
    assert len(geopandas.read_file(path, layer="notes")) == 3
    assert len(pyogrio.read_dataframe(path, layer="runs")) == 3


def test_a_table_without_any_field_does_not_stand_in_the_way(register, tmp_path):
    path = tmp_path / "register.gpkg"
    write_register(path, register)
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE draft (fid INTEGER PRIMARY KEY)")
        database.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES ('draft', 'attributes', 'd')"
        )
    grown = enter(register, saw(*LIFE, day=date(2026, 6, 1), key="2"))
    write_register(path, grown)
    assert read_register(path) == grown


def test_a_register_that_is_open_for_editing_is_left_as_it_is_and_taken_up_with_the_edits_when_closed(
    register, tmp_path
):
    path = tmp_path / "register.gpkg"
    write_register(path, register)
    grown = enter(register, saw(*LIFE, day=date(2026, 6, 1), key="2"))
    editor = sqlite3.connect(path)
    assert editor.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)  # as QGIS does
    editor.execute("INSERT INTO reviews (site_id, decision) VALUES (?, 'confirmed')", (A,))
    editor.commit()
    with pytest.raises(StoreError, match="close it there"):
        write_register(path, grown)
    editor.execute("UPDATE reviews SET note = 'pits'")
    editor.commit()
    assert read_register(path) == register
    editor.close()
    write_register(path, grown)
    assert read_register(path) == grown
    assert pyogrio.read_dataframe(path, layer="reviews")["note"].tolist() == ["pits"]
    assert [p.name for p in tmp_path.iterdir()] == ["register.gpkg"]


def test_a_link_to_a_shared_register_stays_a_link(register, tmp_path):
    link, shared = tmp_path / "register.gpkg", tmp_path / "shared.gpkg"
    write_register(shared, Register())
    link.symlink_to(shared)
    write_register(link, register)
    assert link.is_symlink()
    assert read_register(shared) == register


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwrite(path: Path) -> None:
    path.write_text("not a database")


def foreign(path: Path) -> None:
    path.unlink()
    geopandas.GeoDataFrame({"a": [1]}, geometry=geopandas.points_from_xy([15], [4]), crs=4326).to_file(path)


def altered(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("UPDATE run_records SET sha256 = replace(sha256, substr(sha256, 1, 4), '0000')")


def unpackable(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("UPDATE run_records SET record = 'AAAA'")


def numberless(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("UPDATE run_records SET number = 9223372036854775807")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (cut, "damaged"),
        (overwrite, "damaged, or not a register"),
        (foreign, "not a register"),
        (altered, "not what its hash says"),
        (unpackable, "cannot be unpacked"),
        (numberless, "not as this programme writes it"),
    ],
)
def test_a_damaged_or_foreign_file_is_refused_with_what_to_do_and_left_as_it_is(register, tmp_path, harm, said):
    path = tmp_path / "register.gpkg"
    write_register(path, register)
    harm(path)
    before = path.read_bytes()
    with pytest.raises(BadInput, match=said):
        read_register(path)
    if harm in (cut, overwrite, foreign):
        with pytest.raises(BadInput, match="move it away"):
            write_register(path, register)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["register.gpkg"]


def test_a_full_disk_leaves_the_old_register(register, tmp_path, monkeypatch):
    from pipeline.reports import register_gpkg

    path = tmp_path / "register.gpkg"
    write_register(path, register)
    before = path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(register_gpkg.os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        write_register(path, Register())
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["register.gpkg"]
