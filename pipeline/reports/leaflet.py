"""Leaflet, laid into the page, so that a map opens with no network."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files

from pipeline.errors import PlacerwatchError

# Leaflet 1.9.3, the version that folium is written for; SHA-256 of the files as their authors released them.
_PACKAGE = "XStatic-Leaflet"
_FOLDER = "xstatic/pkg/leaflet/data"
_SHA256 = {
    "leaflet.js": "5819285cec137b229c94e1ee5ad73e8b6b84345a4367d60f75fe477fe0fb7b03",
    "leaflet.css": "90b693d86392a4779c861b28cf307e7e59c3fb35328c4d8b95f58f814d38c722",
}


def leaflet(name: str) -> str:
    """Text of `leaflet.js` or `leaflet.css`; raises PlacerwatchError unless it is the released file."""
    try:
        data = distribution(_PACKAGE).locate_file(f"{_FOLDER}/{name}").read_bytes()  # type: ignore[attr-defined]
    except (PackageNotFoundError, FileNotFoundError):
        raise PlacerwatchError(f"{name} is not installed; install {_PACKAGE} as requirements/run.txt pins it") from None
    found = hashlib.sha256(data).hexdigest()
    if found != _SHA256[name]:
        raise PlacerwatchError(
            f"{name} is not the file of Leaflet 1.9.3: SHA-256 {found} instead of {_SHA256[name]}; "
            f"reinstall {_PACKAGE} as requirements/run.txt pins it"
        )
    text: str = data.decode()
    # The source map lies in another file, which the page does not have.
    return text.replace("//# sourceMappingURL=leaflet.js.map", "")


def asset(name: str) -> str:
    """Text of one of this package's own page assets."""
    return files("pipeline.reports").joinpath("assets", name).read_text(encoding="utf-8")
