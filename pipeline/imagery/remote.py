"""A file on the internet as GDAL opens it: its header at once, the rest where it is looked at."""

from __future__ import annotations

import io
from collections.abc import Sequence

from pipeline.errors import AccessRefused, SceneRejected
from pipeline.imagery.ranges import RangeClient, plain_address

# Of a tiled file of 10 980 pixels a side with its overviews, the header takes less.
HEADER_BYTES = 1 << 15
_READ_AHEAD = 1 << 16
_NEAR = 1 << 16  # ranges closer than this are one request: the gap costs less than another round trip
_MOST_BYTES = 1 << 28


class RemoteFile:
    """A file at an address: its header is read at once, the rest where it is looked at. Not for several threads."""

    def __init__(self, client: RangeClient, href: str) -> None:
        self.client = client
        self.href = href
        header, self.length = client.get(href, 0, HEADER_BYTES)
        self._segments = [(0, header)]
        self.error: SceneRejected | AccessRefused | None = None

    def prefetch(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Read some ranges (offset, size) in as few requests as serve; raises as RangeClient.get."""
        merged: list[list[int]] = []
        for start, size in sorted(ranges):
            if start < 0 or size <= 0 or start + size > self.length:
                raise SceneRejected(f"{plain_address(self.href)} points beyond its own end; fetch the file again")
            if merged and start <= merged[-1][1] + _NEAR:
                merged[-1][1] = max(merged[-1][1], start + size)
            else:
                merged.append([start, start + size])
        if sum(end - start for start, end in merged) > _MOST_BYTES:
            raise SceneRejected(f"{plain_address(self.href)} needs more than {_MOST_BYTES >> 20} MB for one window")
        for start, end in merged:
            if self._held(start, end - start) is None:
                self._segments.append((start, self._get(start, end)))

    def bytes_at(self, start: int, size: int) -> bytes:
        """Some bytes, fewer at the end of the file; raises as RangeClient.get."""
        size = min(size, self.length - start)
        if size <= 0:
            return b""
        held = self._held(start, size)
        if held is None:
            end = min(max(start + size, start + _READ_AHEAD), self.length)
            self._segments.append((start, self._get(start, end)))
            held = self._segments[-1][1][:size]
        return held

    def _get(self, start: int, end: int) -> bytes:
        body, length = self.client.get(self.href, start, end)
        if length != self.length:
            raise SceneRejected(f"{plain_address(self.href)} changed while it was read; run again")
        return body

    def _held(self, start: int, size: int) -> bytes | None:
        for begin, data in reversed(self._segments):
            if begin <= start and start + size <= begin + len(data):
                return data[start - begin : start - begin + size]
        return None

    def cursor(self) -> io.BufferedIOBase:
        """The file as GDAL opens it, perhaps several times."""
        return _Cursor(self)


class _Cursor(io.BufferedIOBase):
    """Reads of a RemoteFile. GDAL only learns that a read failed; what was wrong stays in `RemoteFile.error`."""

    def __init__(self, file: RemoteFile) -> None:
        self.file = file
        self.place = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.place = offset + (0, self.place, self.file.length)[whence]
        return self.place

    def tell(self) -> int:
        return self.place

    def read(self, size: int | None = -1) -> bytes:
        wanted = self.file.length - self.place if size is None or size < 0 else size
        try:
            data = self.file.bytes_at(self.place, wanted)
        except (SceneRejected, AccessRefused) as error:
            self.file.error = error
            return b""
        self.place += len(data)
        return data
