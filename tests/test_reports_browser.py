"""The map in a real browser, from a file, with no network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.reports import write_map
from pipeline.reports.map import STATE_COLOURS
from tests.reports_run import make_result

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs chromium, which is not on this machine")


def _open(page: Path, *options: str) -> tuple[str, str]:
    """What the browser prints of the page, and what its console says."""
    command = [
        BROWSER,
        "--headless",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--virtual-time-budget=3000",
        "--enable-logging=stderr",
        f"--user-data-dir={page.parent / 'profile'}",
        *options,
    ]
    if os.geteuid() == 0:
        command.append("--no-sandbox")
    done = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


def _with_script(page: Path, script: str) -> None:
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace("</html>", f"<script>{script}</script></html>"), encoding="utf-8")


@pytest.fixture
def page(tmp_path: Path) -> Path:
    write_map(make_result(), tmp_path / "map.html")
    return tmp_path / "map.html"


def test_the_map_opens_offline_without_an_error_and_draws_every_change(page: Path) -> None:
    dom, console = _open(page, "--dump-dom")
    assert console == ""
    assert 'data-placerwatch="5 of 5 changes on the map"' in dom
    assert dom.count("pw-picture") >= 5
    assert dom.count('<li><button type="button">') == 5


def test_every_state_shows_in_its_colour(page: Path) -> None:
    _with_script(page, "document.querySelector('.pw-views button:last-child').click();")
    picture = page.with_suffix(".png")
    _open(page, f"--screenshot={picture}", "--window-size=1200,800", "--hide-scrollbars")
    ground = np.asarray(Image.open(picture).convert("RGB"))[:, 400:].reshape(-1, 3)
    for state, colour in STATE_COLOURS.items():
        wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
        assert (np.abs(ground.astype(int) - wanted).max(axis=1) <= 2).sum() >= 10, state


def test_a_place_chosen_from_the_list_opens_its_card_with_both_dates(page: Path) -> None:
    _with_script(page, "document.querySelector('#pw-list button').click();")
    dom, console = _open(page, "--dump-dom")
    assert console == ""
    card = dom[dom.index("leaflet-popup-content") :]
    for text in ("before: 2020-dry", "after: 2021-dry", "9.17 ha", "after 14 Mar 2020, not later than 9 Dec 2020"):
        assert text in card
    assert "No one has checked it yet" in card


def test_a_zone_opens_its_card_with_its_status_and_footprint(page: Path) -> None:
    _with_script(
        page,
        "const name = Object.keys(window).find((key) => key.startsWith('map_'));"
        "for (const layer of Object.values(window[name]._layers))"
        "  if (layer.feature && layer.feature.properties.role === 'zone') layer.openPopup();",
    )
    dom, console = _open(page, "--dump-dom")
    assert console == ""
    assert "declared zone · compliant on 15 Apr 2021" in dom
    assert "15.2 ha of 2,127 ha watched, 2021-dry" in dom


def test_a_script_in_a_name_does_not_run(tmp_path: Path) -> None:
    hostile = (
        "<img src=x onerror=\"document.body.dataset.hacked='yes'\"><script>document.body.dataset.hacked='yes'</script>"
    )
    result = make_result()
    area = replace(result.areas[0], name=hostile, boundary_source=hostile)
    change = replace(result.changes[0], site_id=hostile, sensors=(hostile,))
    write_map(replace(result, title=hostile, areas=(area,), changes=(change,)), tmp_path / "map.html")
    _with_script(tmp_path / "map.html", "document.querySelector('#pw-list button').click();")
    dom, console = _open(tmp_path / "map.html", "--dump-dom")
    assert console == ""
    assert "data-hacked" not in re.search("<body[^>]*>", dom)[0]
    assert "&lt;img src=x" in dom


def test_a_map_of_nothing_opens_without_an_error(tmp_path: Path) -> None:
    write_map(make_result(changes=(), sites=()), tmp_path / "map.html")
    dom, console = _open(tmp_path / "map.html", "--dump-dom")
    assert console == ""
    assert "0 of 0 changes" in dom
