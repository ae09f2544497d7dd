"""An independent STAC API on loopback, and servers for the files of an archive: open, signed, or with S3 keys."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import requests

RUSTAC = Path(sys.executable).with_name("rustac")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Files(BaseHTTPRequestHandler):
    """Serves the archive: whole files, or the byte range that was asked for."""

    root: Path
    asked: list[str]

    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def answer(self, *, with_body: bool):
        path = (self.root / self.path.lstrip("/")).resolve()
        self.asked.append(f"{self.path} {self.headers.get('Range', 'whole')}")
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start, end = (
            (int(span[1]), min(int(span[2] or len(content)), len(content) - 1)) if span else (0, len(content) - 1)
        )
        self.send_response(206 if span else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(end + 1 - start))
        if span:
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(content)}")
        self.end_headers()
        if with_body:
            self.wfile.write(content[start : end + 1])

    def log_message(self, *_):
        pass


class SignedFiles(Files):
    """Files as the Planetary Computer keeps them: /token/<account>/<container> gives a token, without one nothing.

    `lives` are seconds for which tokens are good, as told; `valid` those that open files.
    """

    lives: list[float]
    valid: set[str]

    def answer(self, *, with_body: bool):
        parts = urlsplit(self.path)
        if parts.path.startswith("/token/"):
            token = f"SECRET{len(self.asked)}"
            self.asked.append(parts.path)
            self.valid.add(token)
            expiry = datetime.now(UTC) + timedelta(seconds=self.lives[0])
            body = json.dumps({"msft:expiry": expiry.isoformat(), "token": f"se=later&sig={token}"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        elif parse_qs(parts.query).get("sig", [""])[0] not in self.valid:
            self.asked.append("refused")
            self.send_error(403)
        else:
            self.path = parts.path.replace("/container/", "/", 1)
            super().answer(with_body=with_body)


class KeyedFiles(Files):
    """Files as an S3 service keeps them in a bucket: only requests signed with a key are answered."""

    signed_by: str

    def answer(self, *, with_body: bool):
        told = self.headers.get("Authorization", "")
        if not told.startswith(f"AWS4-HMAC-SHA256 Credential={self.signed_by}/") or "?" in self.path:
            self.send_error(403)
            return
        self.path = self.path.replace("/bucket/", "/", 1)
        super().answer(with_body=with_body)


@contextmanager
def serving_files(kind: type[Files], **settings: object) -> Iterator[tuple[str, type[Files]]]:
    """A file server's address, and its handler with what it was asked."""
    handler = type("Handler", (kind,), settings)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    server.server_close()


def items_of(archive: Path, place: str) -> list[dict]:
    """The items of an archive, their assets moved to another place."""
    items = [json.loads(path.read_text()) for path in sorted((archive / "items").glob("*.json"))]
    for item in items:
        for asset in item["assets"].values():
            asset["href"] = asset["href"].replace("..", place)
    return items


@contextmanager
def serving_items(items: list[dict], folder: Path) -> Iterator[str]:
    """Root of a STAC API (rustac) over some items."""
    listing = folder / "items.json"
    listing.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    address = f"127.0.0.1:{free_port()}"
    server = subprocess.Popen([RUSTAC, "serve", listing, "--addr", address, "--create-collections"])
    try:
        for _ in range(200):
            try:
                requests.get(f"http://{address}", timeout=5).raise_for_status()
                break
            except requests.RequestException:
                time.sleep(0.05)
        yield f"http://{address}"
    finally:
        server.terminate()
        server.wait()
