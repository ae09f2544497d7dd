"""Reads of whole scenes: their bands, each from its own file or several from one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from pipeline.errors import SceneRejected
from pipeline.imagery.ranges import RangeClient
from pipeline.imagery.raster import read_thinned, read_window
from pipeline.imagery.scene import SCL, Asset, Scene


def read_assets(
    scene: Scene, bands: Sequence[str], geobox: GeoBox, client: RangeClient | None = None
) -> NDArray[np.uint16]:
    """Stored numbers (band, y, x) of a scene on a lattice geobox; see Source.read."""
    out = np.empty((len(bands), *geobox.shape), dtype=np.uint16)
    by_file: dict[tuple[str, float, bool], list[int]] = {}
    for k, band in enumerate(bands):
        asset = _asset(scene, band)
        by_file.setdefault((asset.href, asset.scale, band == SCL), []).append(k)
    for (href, scale, is_class), places in by_file.items():
        indexes = [scene.assets[bands[k]].index for k in places]
        layers = out[places[0] : places[-1] + 1]
        if len(layers) == len(places):
            read_window(href, indexes, scale, geobox, layers, is_class=is_class, client=client)
        else:
            layers = np.empty((len(places), *geobox.shape), dtype=np.uint16)
            read_window(href, indexes, scale, geobox, layers, is_class=is_class, client=client)
            out[places] = layers
    return out


def overview_assets(
    scene: Scene, bands: Sequence[str], side_px: int, client: RangeClient | None = None
) -> NDArray[np.uint16]:
    """Bands of a whole scene, thinned to one shape (band, y, x); see Source.overview."""
    layers: list[NDArray[np.uint16]] = []
    for band in bands:
        asset = _asset(scene, band)
        layer = read_thinned(asset.href, asset.index, asset.scale, side_px, is_class=band == SCL, client=client)
        layers.append(layer if not layers else _laid_on(layer, layers[0].shape))
    return np.stack(layers)


def _asset(scene: Scene, band: str) -> Asset:
    if band not in scene.assets:
        raise SceneRejected(f"lacks {band}; it has {', '.join(sorted(scene.assets))}")
    return scene.assets[band]


def _laid_on(layer: NDArray[np.uint16], shape: tuple[int, ...]) -> NDArray[np.uint16]:
    """A thinned band on the shape of another, nearest; the two cover the same ground."""
    rows, cols = (np.arange(n) * have // n for n, have in zip(shape, layer.shape, strict=True))
    return layer[np.ix_(rows, cols)]
