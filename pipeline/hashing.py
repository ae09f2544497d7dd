"""Hashes that name files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pipeline.errors import BadInput


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file; raises OSError if it cannot be read."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_of_input(path: Path) -> str:
    """SHA-256 (hex) of a file that a user named; raises BadInput if it cannot be read."""
    try:
        return sha256_of(path)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror})") from error
