"""A stand-in for Sentinel Hub: OAuth tokens, Catalog search and Process, as the public API documents them, on loopback.

It serves a folder of scenes (STAC items and GeoTIFFs, as tests/scenes.py, tests/radar_scenes.py and `placerwatch
simulate` write them; `dem.tif` is the elevation) and shares no code with the source that asks it. It runs no
JavaScript: three forms of script are understood and every other is refused. It breaks on demand and counts.

    with SentinelHub(archive, Faults.seeded(7)) as hub:
        source = SentinelHubSource(hub.settings(), Fetch(longest_wait_s=0))

`hub.asked` counts requests by identity: method, path and hash of the body; `hub.served` those answered in full.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import secrets
import socket
import struct
import tarfile
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from urllib.parse import parse_qs

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.io import MemoryFile
from rasterio.transform import from_bounds
from rasterio.warp import reproject
from rasterio.windows import Window

from pipeline.config import SentinelHubSource

CLIENT_ID, CLIENT_SECRET = "test-client-4f1c", "Zq8-stand-in-secret-71"
KINDS = ("429", "500", "503", "truncated", "expired", "slow", "dribble", "reset", "quota", "forbidden")
# Those that pass and cost no time: "slow" and "dribble" wait for the asker's timeout; a quota does not pass, nor does a
# second "expired" in a row, so seeded schedules have one at the most of a request.
PASSING = ("429", "500", "503", "truncated", "expired", "reset")
TOKEN, SEARCH, PROCESS = "/token", "/api/v1/catalog/1.0.0/search", "/api/v1/process"
_BANDS = ("B02", "B03", "B04", "B08", "B11", "B12", "SCL")
_COMMON = dict(zip(_BANDS, ("blue", "green", "red", "nir", "swir16", "swir22", "scl"), strict=True))
_QUOTA = {
    "status": 403,
    "reason": "Forbidden",
    "message": "Insufficient processing units or requests available in your account.",
    "code": "ACCESS_INSUFFICIENT_PROCESSING_UNITS",
}
_THROTTLED = {
    "status": 429,
    "reason": "Too Many Requests",
    "message": "You have exceeded your rate limit",
    "code": "RATE_LIMIT_EXCEEDED",
}


class Faults:
    """What goes wrong with which request.

    `lists` has a path and what befalls its requests, in the order in which they come: a kind, or "" for none.
    A seeded schedule draws for every request by its identity and how often it came, so that it does not depend on the
    order in which threads ask; no request is hurt more than `most` times.
    """

    def __init__(self, lists: Mapping[str, Sequence[str]] | None = None) -> None:
        self._lists = {path: list(kinds) for path, kinds in (lists or {}).items()}
        self._draw: tuple[int, float, tuple[str, ...], int] | None = None
        self._whenever: tuple[str, Callable[[str, bytes], bool]] | None = None
        self._lock = threading.Lock()

    @classmethod
    def seeded(cls, seed: int, share: float = 0.3, kinds: Sequence[str] = PASSING, most: int = 2) -> Faults:
        faults = cls()
        faults._draw = seed, share, tuple(kinds), most
        return faults

    @classmethod
    def whenever(cls, kind: str, told: Callable[[str, bytes], bool]) -> Faults:
        """The same for every request of which `told` (path, body) is true."""
        faults = cls()
        faults._whenever = kind, told
        return faults

    def next(self, path: str, identity: str, times: int, body: bytes) -> str:
        if self._whenever and self._whenever[1](path, body):
            return self._whenever[0]
        with self._lock:
            if self._lists.get(path):
                return self._lists[path].pop(0)
        if self._draw is None:
            return ""
        seed, share, kinds, most = self._draw
        drawn: list[str] = []
        for n in range(times):
            random = Random(f"{seed} {identity} {n}")
            kind = random.choice(kinds) if random.random() < share else ""
            is_spent = sum(map(bool, drawn)) >= most or (kind == "expired" and kind in drawn)
            drawn.append("" if is_spent else kind)
        return drawn[-1]


class SentinelHub:
    """The server; use it as a context.

    `page` is the largest page of the Catalog, whatever is asked for. `together` Process requests must be under way at
    once before any is answered.
    """

    def __init__(
        self,
        archive: Path,
        faults: Faults | None = None,
        *,
        page: int = 100,
        retry_after_ms: int = 0,
        token_s: int = 3600,
        secret: str = CLIENT_SECRET,
        together: int = 0,
    ) -> None:
        self.archive, self.faults = archive, faults or Faults()
        self.page, self.retry_after_ms, self.token_s, self.secret = page, retry_after_ms, token_s, secret
        self.asked: Counter[tuple[str, str, str]] = Counter()
        self.served: Counter[str] = Counter()
        self.struck: Counter[str] = Counter()
        self.bodies: list[tuple[str, dict]] = []
        self.meeting = threading.Barrier(together, timeout=10) if together else None
        self.tokens: set[str] = set()
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.items = [json.loads(path.read_text()) for path in sorted((archive / "items").glob("*.json"))]
        handler = type("Handler", (_Handler,), {"hub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> SentinelHub:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def settings(self, **more: object) -> SentinelHubSource:
        """The config of a source that asks this server."""
        return SentinelHubSource(kind="sentinelhub", base_url=self.url, token_url=f"{self.url}{TOKEN}", **more)

    def expire_tokens(self) -> None:
        with self.lock:
            self.tokens.clear()

    def processed(self) -> list[dict]:
        """The bodies of Process requests, as they came."""
        return [body for path, body in self.bodies if path == PROCESS]


class Refused(Exception):
    """What the API answers with 400."""


class _Handler(BaseHTTPRequestHandler):
    hub: SentinelHub
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        hub, body = self.hub, self.rfile.read(int(self.headers.get("Content-Length", 0)))
        identity = self.command, self.path, hashlib.sha256(body).hexdigest()
        with hub.lock:
            hub.asked[identity] += 1
            times = hub.asked[identity]
        try:
            fault = hub.faults.next(self.path, " ".join(identity), times, body)
            with hub.lock:
                hub.struck[fault] += bool(fault)
            self.answer(fault, body)
        except Refused as error:
            self.error(
                400, {"status": 400, "reason": "Bad Request", "message": str(error), "code": "COMMON_BAD_PAYLOAD"}
            )

    def answer(self, fault: str, body: bytes) -> None:
        if fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            self.rfile.close()
        elif fault == "429":
            self.error(429, _THROTTLED, {"Retry-After": str(self.hub.retry_after_ms)})
        elif fault == "quota":
            self.error(403, _QUOTA)
        elif fault == "forbidden":
            self.error(
                403,
                {
                    "status": 403,
                    "reason": "Forbidden",
                    "message": "No access to the collection",
                    "code": "COMMON_INSUFFICIENT_PERMISSIONS",
                },
            )
        elif fault in ("500", "503"):
            self.error(int(fault), {"status": int(fault), "reason": "Error", "message": "overloaded"})
        elif self.path == TOKEN:
            self.token(fault, parse_qs(body.decode()))
        elif fault == "expired" or self.headers.get("Authorization", "").removeprefix("Bearer ") not in self.hub.tokens:
            self.error(401, {"status": 401, "reason": "Unauthorized", "message": "You are not authorized", "code": "x"})
        elif self.path == SEARCH:
            self.search(fault, json.loads(body))
        elif self.path == PROCESS:
            self.process(fault, json.loads(body))
        else:
            self.error(404, {"status": 404, "reason": "Not Found", "message": self.path})

    def error(self, status: int, told: dict, headers: Mapping[str, str] | None = None) -> None:
        self.send(status, json.dumps({"error": told}).encode(), "application/json", headers or {})

    def token(self, fault: str, form: Mapping[str, list[str]]) -> None:
        given = [form.get(key, [""])[0] for key in ("grant_type", "client_id", "client_secret")]
        if given != ["client_credentials", CLIENT_ID, self.hub.secret]:
            told = {"error": "invalid_client", "error_description": f"Invalid client {given[1]} or secret {given[2]}"}
            self.send(401, json.dumps(told).encode(), "application/json")
            return
        value = secrets.token_urlsafe(24)
        with self.hub.lock:
            self.hub.tokens.add(value)
        told = {"access_token": value, "expires_in": self.hub.token_s, "token_type": "Bearer"}
        self.whole(fault, json.dumps(told).encode(), "application/json")

    def search(self, fault: str, body: dict) -> None:
        self.hub.bodies.append((SEARCH, body))
        (collection,), start = body["collections"], body.get("next", 0)
        limit = min(body.get("limit", 10), self.hub.page)
        first, last = (datetime.fromisoformat(text) for text in body["datetime"].split("/"))
        found = [
            item
            for item in (_catalogued(item) for item in self.hub.items)
            if item["collection"] == collection
            and first <= datetime.fromisoformat(item["properties"]["datetime"]) <= last
            and _meet(item["bbox"], body["bbox"])
        ]
        found.sort(key=lambda item: item["properties"]["datetime"], reverse=True)
        page = found[start : start + limit]
        context = {"limit": limit, "returned": len(page)}
        if start + limit < len(found):
            context["next"] = start + limit
        answer = {"type": "FeatureCollection", "features": page, "links": [], "context": context}
        self.whole(fault, json.dumps(answer).encode(), "application/geo+json")

    def process(self, fault: str, body: dict) -> None:
        self.hub.bodies.append((PROCESS, body))
        if self.hub.meeting:
            self.hub.meeting.wait()
        responses = body["output"]["responses"]
        # The documentation writes application/tar, and sentinelhub-py application/x-tar.
        kinds = ("image/tiff",) if len(responses) == 1 else ("application/tar", "application/x-tar")
        kind = self.headers.get("Accept", kinds[0])
        if kind not in kinds:
            raise Refused(f"{len(responses)} responses come as {kinds[0]}, and {kind} is asked for")
        self.whole(fault, processed(self.hub.archive, self.hub.items, body), kind)

    def whole(self, fault: str, content: bytes, kind: str) -> None:
        """An answer of 200, or what a fault leaves of it; half of the broken ones say how long they should be."""
        if fault == "truncated":
            half = content[: len(content) // 2]
            if len(content) % 2:
                self.send(200, half, kind)
            else:
                self.send(200, half, kind, length=len(content))
                self.close_connection = True
        elif fault == "slow":
            self.send(200, content[: len(content) // 2], kind, length=len(content))
            self.hub.closing.wait(5)
            self.close_connection = True
        elif fault == "dribble":
            self.send(200, content[:1], kind, length=len(content))
            for byte in content[1:]:
                if self.hub.closing.wait(0.02):
                    break
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
            self.close_connection = True
        else:
            with self.hub.lock:
                self.hub.served[self.path] += 1
            self.send(200, content, kind)

    def send(
        self,
        status: int,
        content: bytes,
        kind: str,
        headers: Mapping[str, str] | None = None,
        length: int | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, ValueError):  # the asker has gone, or the connection was reset on purpose
            self.close_connection = True

    def finish(self) -> None:
        with contextlib.suppress(ConnectionError, ValueError):
            super().finish()

    def log_message(self, *_: object) -> None:
        pass


def _meet(a: Sequence[float], b: Sequence[float]) -> bool:
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]


def _is_radar(item: dict) -> bool:
    return any(key.startswith("sar:") for key in item["properties"])


def _catalogued(item: dict) -> dict:
    """An item as the Catalog tells it: the product's name, and the few properties that it has."""
    told = item["properties"]
    shared = {key: told[key] for key in ("datetime", "platform") if key in told}
    if _is_radar(item):
        shared |= {
            "sar:instrument_mode": told["sar:instrument_mode"],
            "sat:orbit_state": told["sat:orbit_state"],
            "s1:polarization": "DV" if told["sar:polarizations"] == ["VV", "VH"] else "SV",
            "s1:resolution": "HIGH",
            "s1:timeliness": "NRT3h",
        }
        name, collection = item["id"].removesuffix("_rtc"), "sentinel-1-grd"
    else:
        code = told.get("proj:epsg") or int(told["proj:code"].split(":")[1])
        shared |= {"proj:epsg": code, "gsd": 10, "instruments": ["msi"], "constellation": "sentinel-2"}
        if "eo:cloud_cover" in told:
            shared["eo:cloud_cover"] = told["eo:cloud_cover"]
        name, collection = told.get("s2:product_uri", item["id"]), "sentinel-2-l2a"
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": collection,
        "bbox": item["bbox"],
        "geometry": item["geometry"],
        "properties": {**shared, "datetime": datetime.fromisoformat(told["datetime"]).strftime("%Y-%m-%dT%H:%M:%SZ")},
        "links": [],
        "assets": {"data": {"href": "s3://somewhere/else", "title": "s3"}},
    }


# --- Process

_OPTICAL = re.compile(
    r'//VERSION=3 function setup\(\) \{ return \{ input: \[\{bands: \[([^\]]*)\], units: "DN"\}\], '
    r'output: \{bands: (\d+), sampleType: "UINT16"\} \}; \} '
    r"function evaluatePixel\(s\) \{ return \[([^\]]*)\]; \}"
)
_RADAR = re.compile(
    r'//VERSION=3 function setup\(\) \{ return \{ input: \[\{bands: \["VV", "VH", "dataMask"\]\}\], '
    r'output: \{bands: 2, sampleType: "UINT16"\} \}; \} function stored\(power, mask\) \{ '
    r"return mask > 0 && power > 1e-9 \? 1000 \* Math.log10\(power\) \+ 10000 : 0; \} "
    r"function evaluatePixel\(s\) \{ return \[stored\(s.VV, s.dataMask\), stored\(s.VH, s.dataMask\)\]; \}"
)
_ELEVATION = re.compile(
    r'//VERSION=3 function setup\(\) \{ return \{ input: \[\{bands: \["DEM", "dataMask"\], units: "METERS"\}\], '
    r'output: \{bands: 2, sampleType: "FLOAT32"\} \}; \} '
    r"function evaluatePixel\(s\) \{ return \[s.DEM, s.dataMask\]; \}"
)


def processed(archive: Path, items: Sequence[dict], body: dict) -> bytes:
    """What a Process request is answered with, a TIFF, or a tar file of it and `userdata.json`; raises Refused."""
    bounds, output = body["input"]["bounds"], body["output"]
    code = re.fullmatch(r"http://www.opengis.net/def/crs/EPSG/0/(\d+)", bounds["properties"]["crs"])
    width, height = output["width"], output["height"]
    if code is None or not all(isinstance(n, int) and 1 <= n <= 2500 for n in (width, height)):
        raise Refused("width and height must be between 1 and 2500, crs an EPSG code")
    responses = {told["identifier"]: told["format"]["type"] for told in output["responses"]}
    if responses not in ({"default": "image/tiff"}, {"default": "image/tiff", "userdata": "application/json"}):
        raise Refused("responses are default, image/tiff, and perhaps userdata, application/json")
    west, south, east, north = bounds["bbox"]
    if not (west < east and south < north):
        raise Refused("bbox is empty")
    place = {
        "crs": f"EPSG:{code[1]}",
        "transform": from_bounds(west, south, east, north, width, height),
        "width": width,
        "height": height,
    }
    (data,) = body["input"]["data"]
    script = " ".join(body["evalscript"].split())
    if data["type"] == "sentinel-2-l2a" and (match := _OPTICAL.fullmatch(script)):
        planes = _optical(archive, _seen(items, data, place, radar=False), data, match, place)
    elif data["type"] == "sentinel-1-grd" and _RADAR.fullmatch(script):
        planes = _radar(archive, _seen(items, data, place, radar=True), data, place)
    elif data["type"] == "dem" and _ELEVATION.fullmatch(script):
        planes = _elevation(archive, data, place)
    else:
        raise Refused(f"the script is not one that is understood for {data['type']}")
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", count=len(planes), dtype=planes.dtype, compress="deflate", **place) as raster:
            raster.write(planes)
        tiff = memory.read()
    # No script that is understood sets userdata, so it is empty.
    return tiff if len(responses) == 1 else _tar({"default.tif": tiff, "userdata.json": b"{}"})


def _tar(files: Mapping[str, bytes]) -> bytes:
    parts = io.BytesIO()
    with tarfile.open(fileobj=parts, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return parts.getvalue()


def _seen(items: Sequence[dict], data: dict, place: dict, *, radar: bool) -> list[dict]:
    """Items of a time range, the most recent first, as they are mosaicked."""
    span = data["dataFilter"]["timeRange"]
    first, last = (datetime.fromisoformat(span[key]) for key in ("from", "to"))
    times = {item["id"]: datetime.fromisoformat(item["properties"]["datetime"]).astimezone(UTC) for item in items}
    found = [item for item in items if _is_radar(item) is radar and first <= times[item["id"]] <= last]
    return sorted(found, key=lambda item: times[item["id"]], reverse=True)


def _laid(path: Path, place: dict, *, bilinear: bool = False) -> np.ndarray:
    """The first band of a file where it was asked for, as real numbers; NaN without data."""
    out = np.full((place["height"], place["width"]), np.nan)
    with rasterio.open(path) as src:
        if bilinear or src.crs != rasterio.crs.CRS.from_string(place["crs"]):
            reproject(
                rasterio.band(src, 1),
                out,
                dst_transform=place["transform"],
                dst_crs=place["crs"],
                dst_nodata=np.nan,
                resampling=Resampling.bilinear if bilinear else Resampling.nearest,
                tolerance=0,
            )
            return out
        to_source = ~src.transform * place["transform"]
        col = np.floor(to_source.a * (np.arange(place["width"]) + 0.5) + to_source.c).astype(int)
        row = np.floor(to_source.e * (np.arange(place["height"]) + 0.5) + to_source.f).astype(int)
        rows, cols = (row >= 0) & (row < src.height), (col >= 0) & (col < src.width)
        if rows.any() and cols.any():
            row, col = row[rows], col[cols]
            values = src.read(1, window=Window(col[0], row[0], col[-1] - col[0] + 1, row[-1] - row[0] + 1))
            values = np.where(values == src.nodata, np.nan, values.astype(float))
            out[np.ix_(rows, cols)] = values[np.ix_(row - row[0], col - col[0])]
    return out


def _optical(archive: Path, items: Sequence[dict], data: dict, match: re.Match[str], place: dict) -> np.ndarray:
    bands = re.findall(r'"(\w+)"', match[1])
    values = [part.removeprefix("s.") for part in match[3].split(", ")]
    if bands[-1] != "dataMask" or values != bands or int(match[2]) != len(bands) or not set(bands[:-1]) <= set(_BANDS):
        raise Refused("bands, output and values of the script do not agree")
    if data["processing"] != {"upsampling": "NEAREST", "downsampling": "NEAREST", "harmonizeValues": True}:
        raise Refused("numbers would be interpolated or carry an offset")
    out = np.zeros((len(bands), place["height"], place["width"]))
    for item in items:
        planes = []
        for band in bands[:-1]:
            asset = item["assets"].get(band) or item["assets"][_COMMON[band]]
            planes.append(_laid((archive / "items" / asset["href"]).resolve(), place))
        mask = ~np.isnan([plane for plane, band in zip(planes, bands, strict=False) if band != "SCL"]).any(axis=0)
        baseline = item["properties"].get("s2:processing_baseline", "02.14")
        added = 1000 if tuple(map(int, baseline.split("."))) >= (4, 0) else 0
        # What is harmonised is clamped at zero.
        planes = [
            np.nan_to_num(plane if band == "SCL" else np.maximum(plane - added, 0))
            for plane, band in zip(planes, bands, strict=False)
        ]
        fresh = out[-1] == 0
        out[:, fresh] = np.stack([*planes, mask.astype(float)])[:, fresh]
    return out.astype(np.uint16)


def _radar(archive: Path, items: Sequence[dict], data: dict, place: dict) -> np.ndarray:
    wanted = {
        "backCoeff": "GAMMA0_TERRAIN",
        "orthorectify": True,
        "demInstance": "COPERNICUS_30",
        "speckleFilter": {"type": "NONE"},
        "upsampling": "BILINEAR",
    }
    kept = data["dataFilter"]
    if data["processing"] != wanted or (kept["acquisitionMode"], kept["polarization"]) != ("IW", "DV"):
        raise Refused("backscatter must be gamma0, terrain-corrected, IW, VV and VH")
    out = np.zeros((2, place["height"], place["width"]))
    for item in items:
        if item["properties"]["sat:orbit_state"].upper() != kept["orbitDirection"]:
            continue
        planes = []
        for band in ("vv", "vh"):
            asset = item["assets"][band]
            scale = asset["raster:bands"][0]["scale"]
            power = 10 ** (_laid((archive / "items" / asset["href"]).resolve(), place) * scale / 10)
            planes.append(np.where(power > 1e-9, 1000 * np.log10(power) + 10000, 0))
        fresh = (out == 0).all(axis=0)
        out[:, fresh] = np.rint(planes)[:, fresh]
    return out.astype(np.uint16)


def _elevation(archive: Path, data: dict, place: dict) -> np.ndarray:
    if data["dataFilter"]["demInstance"] not in ("COPERNICUS_30", "COPERNICUS_90"):
        raise Refused("no such elevation model")
    heights = _laid(archive / "dem.tif", place, bilinear=True)
    return np.stack([np.nan_to_num(heights), ~np.isnan(heights)]).astype(np.float32)
