"""A STAC API and its files on loopback, with range requests, latency, and faults on demand; counts what it is asked."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# What is asked (path and range), and how often it was asked before: the fault to answer with, None for none.
Faults = Callable[[str, int], str | None]
STATUS = ("429", "500", "502", "503")
BROKEN = ("truncated", "slow", "reset")
_CONFORMS = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/item-search",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
]


def schedule(seed: int, share: float, stubborn: float = 0.0, kinds: tuple[str, ...] = (*STATUS, *BROKEN)) -> Faults:
    """Faults drawn by a seed, the same whatever order requests come in.

    Of a `share` of all requests to files; a part `stubborn` of all files fails for ever. A search breaks twice at most.
    """

    def draw(*what: object) -> float:
        return int.from_bytes(hashlib.sha256(repr((seed, *what)).encode()).digest()[:8], "big") / 2**64

    def fault(asked: str, before: int) -> str | None:
        path = asked.split()[0]
        is_file = path.endswith(".tif")
        broken = draw("stubborn", path) < stubborn if is_file else False
        if not broken and (draw(asked, before) >= share or (not is_file and before >= 2)):
            return None
        choice = kinds if is_file else tuple(kind for kind in kinds if kind in STATUS) or (None,)
        return choice[int(draw("kind", asked, before) * len(choice))]

    return fault


@dataclass
class FaultyServer:
    """A running server: its address, what it was asked, and how many requests it had in hand over time."""

    root: Path
    faults: Faults
    latency_s: float = 0.0
    slow_s: float = 1.0
    retry_after: str | None = "0"
    url: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    in_hand: list[tuple[float, int]] = field(default_factory=list)
    _busy: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, what: str) -> int:
        """Enter a request; how often the same was asked before."""
        with self._lock:
            before = self.asked[what]
            self.asked[what] += 1
            self._busy += 1
            self.in_hand.append((time.perf_counter(), self._busy))
        return before

    def end(self) -> None:
        """Enter that a request was answered."""
        with self._lock:
            self._busy -= 1
            self.in_hand.append((time.perf_counter(), self._busy))

    @property
    def files_asked(self) -> Counter[str]:
        """Requests of pixels, by path and range."""
        return Counter({what: n for what, n in self.asked.items() if ".tif" in what})

    @property
    def most_in_hand(self) -> int:
        """Requests in flight at once, at the most."""
        return max((n for _, n in self.in_hand), default=0)

    def items(self, collections: list[str]) -> list[dict]:
        """Items of some collections, their assets at this server; optical ones if an item names none."""
        found = []
        for path in sorted((self.root / "items").glob("*.json")):
            item = json.loads(path.read_text())
            item.setdefault("collection", "sentinel-2-l2a")
            if item["collection"] in collections:
                for asset in item["assets"].values():
                    asset["href"] = asset["href"].replace("..", self.url)
                found.append(item)
        return found


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._serve(b"")

    def do_HEAD(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _serve(self, asked: bytes) -> None:
        told = self.server.told
        what = f"{self.path} {self.headers.get('Range', self.command)}"
        before = told.begin(what)
        try:
            time.sleep(told.latency_s)
            self._answer(told, told.faults(what, before), asked)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            told.end()

    def _answer(self, told: FaultyServer, fault: str | None, asked: bytes) -> None:
        if fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return
        if fault is not None and fault.isdigit():
            headers = {} if told.retry_after is None else {"Retry-After": told.retry_after}
            self._send(int(fault), headers, b"not now")
            return
        if self.path == "/":
            links = [{"rel": rel, "href": f"{told.url}/"} for rel in ("self", "root")]
            links.append(
                {"rel": "search", "type": "application/geo+json", "href": f"{told.url}/search", "method": "POST"}
            )
            page = {"type": "Catalog", "id": "c", "stac_version": "1.0.0", "description": "", "links": links}
            self._send(200, {}, json.dumps({**page, "conformsTo": _CONFORMS}).encode())
        elif self.path == "/search":
            found = told.items(json.loads(asked)["collections"])
            self._send(200, {}, json.dumps({"type": "FeatureCollection", "features": found}).encode())
        else:
            self._file(told, fault)

    def _file(self, told: FaultyServer, fault: str | None) -> None:
        path = (told.root / self.path.partition("?")[0].lstrip("/")).resolve()
        if not path.is_file():
            self._send(404, {}, b"none")
            return
        content = path.read_bytes()
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if span is None:
            self._send(200, {}, content, fault)
            return
        start, end = int(span[1]), min(int(span[2] or len(content)), len(content) - 1)
        self._send(206, {"Content-Range": f"bytes {start}-{end}/{len(content)}"}, content[start : end + 1], fault)

    def _send(self, status: int, headers: dict[str, str], body: bytes, fault: str | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        half = len(body) // 2
        if fault == "truncated":
            self.wfile.write(body[:half])
            self.close_connection = True
        elif fault == "slow":
            self.wfile.write(body[:half])
            self.wfile.flush()
            time.sleep(self.server.told.slow_s)
            self.wfile.write(body[half:])
        elif fault == "drip":
            for k in range(0, len(body), 100):
                self.wfile.write(body[k : k + 100])
                self.wfile.flush()
                time.sleep(0.05)
        else:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    told: FaultyServer

    def handle_error(self, *_: object) -> None:
        pass


@contextmanager
def serving(root: Path, faults: Faults = lambda *_: None, **settings) -> Iterator[FaultyServer]:
    """A server over an archive of scenes (tests/scenes.py, tests/radar_scenes.py) for as long as the block lasts."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.told = FaultyServer(root, faults, url=f"http://127.0.0.1:{server.server_port}", **settings)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.told
    finally:
        server.shutdown()
        server.server_close()
