"""The store: present and whole, or absent."""

from __future__ import annotations

import errno
from datetime import date

import numpy as np
import pytest

from pipeline.areas import Tile
from pipeline.errors import StoreError
from pipeline.runs import store as store_module
from pipeline.runs.store import Store, canonical_json, code_version, content_key

PLANES = np.arange(2 * 3 * 5, dtype=np.uint16).reshape(2, 3, 5)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def put(store, key="ab" * 32):
    geobox = Tile(32633, 81, 102).geobox[:3, :5]
    store.put_planes("map", key, PLANES, geobox, ("one", "two"), {"share": 0.25})
    return key


def test_planes_come_back_as_they_went_in(store):
    key = put(store)
    assert np.array_equal(store.get_planes("map", key), PLANES)
    assert store.seal("map", key)["share"] == 0.25


def test_nothing_is_there_before_it_is_put(store):
    assert store.seal("map", "cd" * 32) is None
    with pytest.raises(StoreError, match="missing"):
        store.get("map", "cd" * 32, ".tif")


def test_a_damaged_result_counts_as_absent(store, tmp_path):
    key = put(store)
    path = next(tmp_path.rglob("*.tif"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert store.seal("map", key) is None
    with pytest.raises(StoreError, match="damaged"):
        store.get_planes("map", key)


def test_data_without_its_seal_counts_as_absent(store, tmp_path):
    key = put(store)
    next(tmp_path.rglob("*.json")).unlink()
    assert store.seal("map", key) is None


def test_the_same_planes_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        put(Store(tmp_path / name))
    a, b = (next((tmp_path / name).rglob("*.tif")).read_bytes() for name in ("a", "b"))
    assert a == b


def test_a_full_disk_leaves_no_half_written_file(store, tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store_module.os, "fsync", full)
    with pytest.raises(StoreError, match="No space left on device; free space"):
        put(store)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_key_depends_on_values_and_not_on_their_order():
    assert content_key(a=1, b=date(2021, 1, 2)) == content_key(b=date(2021, 1, 2), a=1)
    assert content_key(a=1) != content_key(a=2)
    assert canonical_json({"b": [1, "é"], "a": None}) == '{"a":null,"b":[1,"é"]}'


def test_each_room_has_its_own_code_version():
    assert code_version("areas") != code_version("imagery")
    assert code_version("areas", "imagery") == code_version("imagery", "areas")
