"""The files of a run for people and for others' tools: which there are, and what each is called in which language."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.reports.atom import changes_atom
from pipeline.reports.chips import Gallery
from pipeline.reports.dossier import write_dossier
from pipeline.reports.geojson import changes_geojson, sites_geojson
from pipeline.reports.kmz import changes_kmz
from pipeline.reports.language import Language
from pipeline.reports.map import write_map
from pipeline.reports.message import summary_json
from pipeline.reports.page import write_bytes
from pipeline.reports.parquet import changes_parquet, sites_parquet
from pipeline.reports.points import sites_csv
from pipeline.reports.result import RunResult

MAP, DOSSIER = "map.html", "report.html"


def name_in(name: str, code: str, first: str) -> str:
    """What a file is called in a language: plain in the programme's first, `map.fr.html` in another."""
    stem, _, suffix = name.rpartition(".")
    return name if code == first else f"{stem}.{code}.{suffix}"


def write_tables(folder: Path, result: RunResult) -> None:
    """Write what is the same in every language: GeoJSON, GeoParquet and points."""
    files = {
        "changes.geojson": changes_geojson(result).encode(),
        "sites.geojson": sites_geojson(result).encode(),
        "changes.parquet": changes_parquet(result),
        "sites.parquet": sites_parquet(result),
        "sites.csv": sites_csv(result).encode(),
    }
    for name, data in files.items():
        write_bytes(folder / name, data)


def write_pages(folder: Path, result: RunResult, codes: Sequence[str], first: str, max_chips: int) -> None:
    """Write what people read, in some languages: map, dossier, feed, summary and KMZ.

    `first` is the programme's first language, in which they have their plain names.
    """
    gallery = Gallery(result)
    for code in codes:
        language = Language.of(code)

        def named(name: str, code: str = code) -> str:
            return name_in(name, code, first)

        links = {
            "map": named(MAP),
            "report": named(DOSSIER),
            "changes": "changes.geojson",
            "feed": named("changes.atom"),
        }
        write_map(result, folder / named(MAP), max_chips, language, gallery)
        write_dossier(result, folder / named(DOSSIER), language, gallery)
        write_bytes(folder / named("changes.kmz"), changes_kmz(result, language))
        write_bytes(folder / named("changes.atom"), changes_atom(result, language, links["map"]).encode())
        write_bytes(folder / named("summary.json"), summary_json(result, language, links).encode())
