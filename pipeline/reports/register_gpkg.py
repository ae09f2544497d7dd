"""The register as a GeoPackage: read with care, written whole."""

from __future__ import annotations

import base64
import os
import sqlite3
import tempfile
import zlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd
import pyogrio
from geopandas.geodataframe import GeoDataFrame

from pipeline.change.observations import RunRecord
from pipeline.change.register import Entry, Register
from pipeline.change.register_tables import Row, register_tables
from pipeline.errors import BadInput, StoreError
from pipeline.footprint import FootprintRow
from pipeline.reports import qgis

_APPLICATION_ID = 0x47504B47  # "GPKG", by the standard
_RECORD_BYTES = 2**30  # of one run, unpacked
_RUNS = 2**53
_TEXT, _NUMBER, _COUNT, _FLAG = "object", "float64", "int64", "bool"

# Columns of every table with their types; reviews are the users', and are carried over as they are.
COLUMNS: dict[str, dict[str, str]] = {
    "sites": {
        **dict.fromkeys(("site_id", "aliases", "state", "status", "confidence", "first_seen"), _TEXT),
        **dict.fromkeys(("bare_ha", "pond_ha", "observed_share"), _NUMBER),
        **dict.fromkeys(("last_clear_undisturbed", "first_clear_disturbed", "dated_by", "last_observed"), _TEXT),
        "sites_within_1km": _COUNT,
        **dict.fromkeys(("parent", "merged_into", "zone_id", "zone_name", "programme", "run_id"), _TEXT),
    },
    "points": {
        "site_id": _TEXT,
        "activity_type": _TEXT,
        "several_within_1km": _FLAG,
        "sites_within_1km": _COUNT,
        **dict.fromkeys(("longitude", "latitude"), _NUMBER),
        **dict.fromkeys(("state", "confidence", "first_clear_disturbed", "zone_id"), _TEXT),
    },
    "events": {
        **dict.fromkeys(("event_id", "site_id", "event", "period_before", "period_after"), _TEXT),
        **dict.fromkeys(("earliest", "latest"), _TEXT),
        **dict.fromkeys(("before_m2", "after_m2", "gain_m2", "loss_m2"), _NUMBER),
        **dict.fromkeys(("programme", "run_id"), _TEXT),
    },
    "lineage": {**dict.fromkeys(("event_id", "event", "from_site", "to_site"), _TEXT), "ground_m2": _NUMBER},
    "observations": {
        **dict.fromkeys(("site_id", "period", "start", "end"), _TEXT),
        **dict.fromkeys(("bare_ha", "pond_ha", "observed_share", "probability"), _NUMBER),
        "clear_looks": _COUNT,
        **dict.fromkeys(("last_observed", "programme", "run_id"), _TEXT),
    },
    "footprint": {
        **dict.fromkeys(("programme", "run_id"), _TEXT),
        **{field.name: _TEXT if field.type == "str" else _NUMBER for field in fields(FootprintRow)},
    },
    "runs": {
        **dict.fromkeys(("run_id", "programme", "title", "as_of"), _TEXT),
        "newest": _FLAG,
        **dict.fromkeys(("number", "sites"), _COUNT),
        **dict.fromkeys(("periods", "model", "generated_by", "key", "sha256"), _TEXT),
    },
    "reviews": dict.fromkeys(("site_id", "change_id", "decision", "reviewer", "date", "note", "class"), _TEXT),
}
_SHAPES = {"sites": "MultiPolygon", "points": "Point", "events": "Point"}
_RECORDS = "run_records"
_VERSION = "1.2"


def read_register(path: Path) -> Register:
    """The register of a GeoPackage, an empty one if there is no such file.

    Raises BadInput if the file is none, is damaged or holds a run that is not what its hash says.
    """
    if not path.exists():
        return Register()
    with closing(_open(path)) as database:
        try:
            rows = database.execute("SELECT sha256, number, record FROM run_records").fetchall()
        except sqlite3.Error as error:
            raise _damaged(path, str(error)) from error
    return Register.of(_entry(path, *row) for row in rows)


def _open(path: Path) -> sqlite3.Connection:
    try:
        database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    except sqlite3.Error as error:
        raise BadInput(f"{path}: cannot be opened ({error}); it must be a register.gpkg") from error
    try:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        (application,) = database.execute("PRAGMA application_id").fetchone()
        sound = [text for (text,) in database.execute("PRAGMA integrity_check(3)")]
    except sqlite3.Error as error:
        database.close()
        raise _damaged(path, str(error)) from error
    if application != _APPLICATION_ID or _RECORDS not in tables:
        database.close()
        raise BadInput(
            f"{path}: not a register (a GeoPackage with a table {_RECORDS}); it is left as it is: move it away, or "
            "name another file with `run: {register_file: ...}` in the config"
        )
    if sound != ["ok"]:
        database.close()
        raise _damaged(path, "; ".join(sound))
    return database


def _damaged(path: Path, why: str) -> BadInput:
    return BadInput(
        f"{path}: damaged, or not a register ({why}); it is left as it is: restore a copy, or move it away and make it "
        "anew from the runs: placerwatch register merge outputs/*/runs/* --out register.gpkg"
    )


def _entry(path: Path, sha256: Any, number: Any, packed: Any) -> Entry:
    try:
        unpack = zlib.decompressobj()
        text = unpack.decompress(base64.b64decode(str(packed), validate=True), _RECORD_BYTES)
    except (ValueError, zlib.error) as error:
        raise _damaged(path, f"run {str(sha256)[:12]} cannot be unpacked") from error
    if unpack.unconsumed_tail or not (isinstance(number, int) and 0 <= number < _RUNS):
        raise _damaged(path, f"run {str(sha256)[:12]} is not as this programme writes it")
    record = RunRecord.from_json(text, f"{path}, run {str(sha256)[:12]}")
    if record.sha256 != sha256:
        raise _damaged(path, f"run {record.run_id} is not what its hash says")
    return Entry(record, number)


def write_register(path: Path, register: Register, reviews: Sequence[Row] = ()) -> None:
    """Write a register under a temporary name, read it back, then give it its name.

    Tables of others in the file that is replaced, reviews and QGIS styles among them, are carried over; `reviews` take
    the place of what the same reviewers said of the same changes. Raises BadInput if that file is no register,
    StoreError if it is open elsewhere or the new one cannot be written.
    """
    path = path.resolve()  # a link to a shared register stays one
    kept = _kept(path)
    if reviews:
        kept["reviews"] = _with_reviews(kept.get("reviews"), reviews)
    for name in sorted(kept.keys() & COLUMNS.keys() - {"reviews"}):
        del kept[name]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=path.parent) as folder:
            draft = Path(folder) / "register.gpkg"
            _write(draft, register, kept)
            if read_register(draft) != register:
                raise StoreError(f"{path}: what was written reads back differently; try another disk")
            with draft.open("rb+") as stream:
                os.fsync(stream.fileno())
            draft.chmod(0o644)
            draft.replace(path)
    except (OSError, pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise StoreError(f"{path}: cannot be written ({error}); free space or fix access") from error


def _kept(path: Path) -> dict[str, pd.DataFrame]:
    """Tables of a register that are not this programme's, by name."""
    if not path.exists():
        return {}
    _open(path).close()
    _settle(path)
    own = COLUMNS.keys() - {"reviews"} | {_RECORDS}
    names = sorted(str(name) for name, _ in pyogrio.list_layers(path) if name not in own)
    tables = {name: pyogrio.read_dataframe(path, layer=name) for name in names}
    return {name: table for name, table in tables.items() if len(table.columns)}


def _with_reviews(known: pd.DataFrame | None, rows: Sequence[Row]) -> pd.DataFrame:
    """The table of reviews with rows added; those of a reviewer that are told anew are left out."""
    new = _frame(list(rows), COLUMNS["reviews"], shapes=False)
    if known is None or known.empty:
        return new
    told = {(row["change_id"], str(row["reviewer"]).casefold()) for row in rows}
    stays = [
        (change, str(reviewer).casefold()) not in told
        for change, reviewer in zip(known["change_id"], known["reviewer"], strict=True)
    ]
    return pd.concat([known[stays], new], ignore_index=True)


def _settle(path: Path) -> None:
    """Fold the log of a programme that edits the file, as QGIS does, into it.

    SQLite finds that log by name: left there, its pages would be read as those of the file that takes this one's place.
    """
    if not path.with_name(f"{path.name}-wal").exists():
        return
    try:
        with closing(sqlite3.connect(path, timeout=1)) as database:
            database.execute("PRAGMA journal_mode = DELETE").fetchone()
    except sqlite3.Error as error:
        raise StoreError(
            f"{path}: open in another programme, such as QGIS ({error}); it is left as it is: close it there and run "
            "the same command again, which enters what was made"
        ) from error


def _write(path: Path, register: Register, kept: dict[str, pd.DataFrame]) -> None:
    as_of = max((entry.record.as_of.isoformat() for entry in register.entries), default="1970-01-01")
    tables = {"reviews": [], **register_tables(register)}
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    # What GDAL would write is the time of day, and equal registers would differ.
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": f"{as_of}T00:00:00.000Z"})
    try:
        for name, columns in COLUMNS.items():
            if name not in kept:
                _write_table(path, name, _frame(tables[name], columns, shapes=name in _SHAPES))
        for name, table in sorted(kept.items()):
            if name != qgis.TABLE:
                _write_table(path, name, table)
        _write_table(path, qgis.TABLE, qgis.layer_styles(kept.get(qgis.TABLE), as_of))
        records = [{"sha256": e.record.sha256, "number": e.number, "record": _pack(e.record)} for e in register.entries]
        columns = {"sha256": _TEXT, "number": _COUNT, "record": _TEXT}
        _write_table(path, _RECORDS, _frame(records, columns, shapes=False))
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})


def _pack(record: RunRecord) -> str:
    return base64.b64encode(zlib.compress(record.to_json().encode(), 6)).decode()


def _frame(rows: list[Row], columns: dict[str, str], *, shapes: bool) -> pd.DataFrame:
    table = pd.DataFrame(
        {name: pd.Series([row.get(name) for row in rows], dtype=kind) for name, kind in columns.items()}
    )
    if not shapes:
        return table
    return GeoDataFrame(table, geometry=[row["geometry"] for row in rows], crs="EPSG:4326")


def _write_table(path: Path, name: str, table: pd.DataFrame) -> None:
    shape = {"geometry_type": _SHAPES[name]} if name in _SHAPES else {}
    # The version that QGIS and GDAL of past years read without a warning; it is set when the file begins.
    version = {} if path.exists() else {"dataset_options": {"VERSION": _VERSION}}
    pyogrio.write_dataframe(table, path, layer=name, driver="GPKG", **shape, **version)
