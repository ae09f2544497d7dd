"""Pictures of the map and of review for the docs: `python -m benchmarks.screenshots [RUN_DIR]`.

Of the demonstration, unless the folder of a run is given. The pages are opened by a headless browser from files.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from pipeline.footprint.review_sample import Request, draw_sample
from pipeline.reports.language import Language
from pipeline.runs import read_manifest
from pipeline.runs.reporting import ReportOptions, report_run
from pipeline.runs.run import RunOptions, run_programme
from pipeline.runs.sample_pictures import write_review_page

DOCS = Path(__file__).resolve().parents[1] / "docs"
WIDE, PHONE = {"width": 1360, "height": 850}, {"width": 360, "height": 740}
SHEET = {"width": 760, "height": 1500}


def shoot(browser: Any, page_file: Path, picture: str, size: dict[str, int], *steps: tuple[str, str]) -> None:
    """One picture of a page after some steps."""
    page: Page = browser.new_page(viewport=size, device_scale_factor=1)
    page.goto(page_file.as_uri())
    if not page_file.name.startswith("report"):  # the dossier has no script, and is ready as it is read
        page.wait_for_selector("body[data-placerwatch]")
    for action, on in steps:
        if action == "fill":
            page.fill(*on.split("=", 1))
        elif action == "press":
            page.keyboard.press(on)
        else:
            page.click(on)
        page.wait_for_timeout(150)
    page.wait_for_timeout(500)
    page.screenshot(path=DOCS / picture)
    page.close()


def main() -> None:
    """Write docs/map.png, map-fr.png, map-phone.png, review.png, sample.png, dossier.png and dossier-fr.png."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        if len(sys.argv) > 1:
            run_dir = Path(sys.argv[1])
        else:
            options = RunOptions(datetime.now(UTC).date(), home)
            run_dir = run_programme(DOCS.parent / "configs/demo.yaml", options).folder
        pages = report_run(run_dir, ReportOptions(languages=("en", "fr"), out=home / "pages")).folder
        manifest = read_manifest(run_dir)
        design = draw_sample(run_dir, manifest, Request(size=300))
        write_review_page(run_dir, manifest, design, home / "sample.html", Language.of("en"))
        sign = (("fill", "#pw-initials=KM"), ("press", "Tab"))
        decide = (("click", "#pw-review"), *sign, *(("press", key) for key in "n1nn2"))
        with sync_playwright() as playwright:
            root = ["--no-sandbox"] if os.geteuid() == 0 else []
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=root)
            shoot(browser, pages / "map.html", "map.png", WIDE, ("press", "n"))
            shoot(browser, pages / "map.fr.html", "map-fr.png", WIDE)
            shoot(browser, pages / "map.html", "map-phone.png", PHONE)
            shoot(browser, pages / "map.html", "review.png", WIDE, *decide)
            for name, picture in (("report.html", "dossier.png"), ("report.fr.html", "dossier-fr.png")):
                shoot(browser, pages / name, picture, SHEET)
            shoot(browser, home / "sample.html", "sample.png", WIDE, *sign, ("press", "2"), ("press", "4"))
            browser.close()


if __name__ == "__main__":
    main()
