"""A real browser without a network, for the tests of the pages that are opened from a file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium, which is not on this machine")


@contextmanager
def launched() -> Iterator[Any]:
    """A headless browser of this machine."""
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright, see requirements/dev.txt")
    options = ["--host-resolver-rules=MAP * ~NOTFOUND", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@dataclass
class Visit:
    """A page that is open, what it asked the network for and what its console said."""

    page: Any
    asked: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


@contextmanager
def visit(
    browser: Any, path: Path, *, quiet: bool = True, script: str = "", mark: str = "", **context: Any
) -> Iterator[Visit]:
    """Open a file in a fresh profile; at the end nothing may have been asked or said, unless it is not `quiet`."""
    profile = browser.new_context(**{"viewport": {"width": 1280, "height": 850}, "offline": True, **context})
    if script:
        profile.add_init_script(script)
    page = profile.new_page()
    page.set_default_timeout(10_000)
    found = Visit(page)
    page.on("request", lambda request: found.asked.append(request.url))
    page.on("console", lambda message: found.said.append(message.text))
    page.on("pageerror", lambda error: found.said.append(str(error)))
    page.goto(path.as_uri() + mark)
    page.wait_for_selector("body[data-placerwatch]")
    yield found
    if quiet:
        assert not found.said, found.said
        outside = [url for url in found.asked if not url.startswith(("file:", "data:", "blob:"))]
        assert not outside, outside
    profile.close()


def wait_until(page: Any, expression: str) -> None:
    """Wait until a JavaScript expression is true; the page's content policy forbids the driver's own way."""
    for _ in range(200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never true: {expression}")


def serious(page: Any) -> list[str]:
    """What axe-core holds to be serious or critical, one line each."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="see requirements/dev.txt").Axe()
    found = axe.run(page).response["violations"]
    return [
        f"{fault['id']}: {fault['help']}: {[node['html'][:120] for node in fault['nodes'][:3]]}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]


def saved(page: Any, folder: Path) -> Path:
    """The file that the page's save button hands out."""
    with page.expect_download() as download:
        page.click("#pw-save")
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path
