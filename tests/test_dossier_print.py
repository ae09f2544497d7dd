"""The dossier on paper: a real browser prints it to A4, with no network."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import date, timedelta
from pathlib import Path

import pytest

from pipeline.disturbance import limits_of
from pipeline.reports import SceneRead
from pipeline.reports.dossier import write_dossier
from pipeline.reports.language import Language
from tests.browser import launched, needs_browser, serious
from tests.reports_dossier import five_zones

pytestmark = [
    needs_browser,
    pytest.mark.skipif(shutil.which("pdfinfo") is None, reason="needs pdfinfo (poppler-utils)"),
]


@pytest.fixture(scope="module", params=["en", "fr"])
def pdf(request, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    days = [date(2018, 1, 1) + timedelta(7 * n) for n in range(170)]
    scenes = tuple(SceneRead(f"S2A_MSIL2A_{day:%Y%m%d}T094309_{n}", day, "05.00") for day in days for n in range(6))
    result = five_zones(scene_list=scenes, limits=limits_of(Path(__file__).parents[1] / "models" / "default"))
    write_dossier(result, folder / "report.html", Language.of(request.param))
    with launched() as browser:
        page = browser.new_page()
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto((folder / "report.html").as_uri())
        page.pdf(path=str(folder / "report.pdf"), prefer_css_page_size=True, print_background=True)
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    return folder / "report.pdf"


def told(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_five_zones_fill_less_than_ten_pages_of_a4(pdf):
    facts = told("pdfinfo", str(pdf))
    assert 7 <= int(re.search(r"Pages: +(\d+)", facts)[1]) < 10
    width, height = map(float, re.search(r"Page size: +([\d.]+) x ([\d.]+)", facts).groups())
    assert (round(width), round(height)) == (595, 842)


def test_each_zone_begins_a_page_of_its_own(pdf):
    if shutil.which("pdftotext") is None:
        pytest.skip("needs pdftotext (poppler-utils)")
    pages = told("pdftotext", str(pdf), "-").split("\f")
    heads = [page.strip().splitlines()[0] for page in pages if page.strip()]
    for zone in five_zones().areas:
        assert sum(head.startswith(zone.name) for head in heads) == 1


def test_on_a_phone_only_the_tables_move_sideways(tmp_path):
    write_dossier(five_zones(), tmp_path / "report.html", Language.of("fr"))
    with launched() as browser:
        page = browser.new_page(viewport={"width": 360, "height": 740})
        page.goto((tmp_path / "report.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert serious(page) == []
