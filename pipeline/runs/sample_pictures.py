"""The page of a sample with pictures from the store of its run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.areas import Tile
from pipeline.errors import StoreError
from pipeline.footprint.design import Design
from pipeline.reports.language import Language
from pipeline.reports.sample_page import write_sample_page
from pipeline.runs.store import Store
from pipeline.runs.tasks import COMPOSITE, load_composite


def write_review_page(
    run_dir: Path, manifest: Mapping[str, Any], design: Design, path: Path, language: Language
) -> int:
    """Write the page on which a sample is labelled; returns how many points have a picture of every date.

    A composite that is no longer in the store leaves its points without a picture. Raises StoreError if the page
    cannot be written.
    """
    store = Store(run_dir.resolve().parents[1] / "store")
    keys = {(row["tile"], row["period"]): row[COMPOSITE] for row in manifest["tasks"] if COMPOSITE in row}

    def composite_of(tile: Tile, period: str) -> NDArray[np.uint16] | None:
        key = keys.get((tile.id, period))
        try:
            return None if key is None else load_composite(store, key, tile).reflectance
        except StoreError:
            return None

    try:
        return write_sample_page(design, path, composite_of, language)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror}); free space or fix access") from error
