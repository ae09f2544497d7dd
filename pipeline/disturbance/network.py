"""A network as an ONNX file, run by onnxruntime: the shipped one, or one that somebody brings.

The network is asked in windows of one size, laid on a grid that begins where the answer begins. A tile of the lattice
and the mosaic around it thus ask with the same numbers in arrays of the same shape, and get the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.disturbance.features import HALO_PX, observed
from pipeline.disturbance.learning import Evidence
from pipeline.disturbance.onnx_session import FILE, check_ends, first_line, open_session
from pipeline.disturbance.planes import check_reflectance, probability_planes
from pipeline.disturbance.sidecar import Sidecar
from pipeline.disturbance.windows import Cut
from pipeline.errors import ModelError
from pipeline.imagery.parallel import each
from pipeline.imagery.scene import BANDS, NODATA

BLOCK_PX = (256, 512)  # rows and columns answered at once; a tile of 512 pixels makes two, one for each thread
ROUNDING = 1e-3  # a probability may lie this far outside 0 to 1


@dataclass(frozen=True)
class NetworkClassifier:
    """A network and what its file does not say of itself."""

    sidecar: Sidecar
    onnx: bytes
    kind = "network"
    evidence = ()  # it reads bands alone

    @classmethod
    def from_files(cls, metadata: Mapping[str, Any], files: Mapping[str, bytes]) -> NetworkClassifier:
        """The network of a model's folder, opened and tried.

        Raises ModelError if the file cannot be run, has other inputs, outputs or shapes than `metadata` say, or sees
        further than they say.
        """
        network = cls(Sidecar.of(metadata), files[FILE])
        check_ends(network._session, network.sidecar)
        _check_context(network)
        return network

    def metadata(self) -> dict[str, Any]:
        """The sidecar."""
        return self.sidecar.model_dump(mode="json")

    def files(self) -> dict[str, bytes]:
        """The ONNX file as it came."""
        return {FILE: self.onnx}

    def predict(
        self, reflectance: NDArray[np.uint16], halo: int, evidence: Evidence | None = None, threads: int = 2
    ) -> NDArray[np.uint16]:
        """Probabilities x 10 000 (2, y - 2 halo, x - 2 halo); see Classifier. They do not depend on `threads`.

        Beyond the array nothing is observed; but an array that fits into one window is given as it is, and at its
        border the network does what it did in training. Raises BadInput if the array is not six uint16 bands larger
        than its halo, and ModelError if the network answers with what is no probability.
        """
        check_reflectance(reflectance, halo)
        sides = reflectance.shape[1:]
        says = self.sidecar
        rows, columns = (
            Cut.of(side, halo, block, says.reach_px, says.multiple_px)
            for side, block in zip(sides, BLOCK_PX, strict=True)
        )
        padded = np.pad(reflectance, ((0, 0), rows.pad, columns.pad), constant_values=NODATA)
        out = np.full((2, rows.inner, columns.inner), NODATA, np.uint16)

        def answer(i: int) -> None:
            row, column = divmod(i, columns.count)
            window = padded[:, rows.window(row), columns.window(column)]
            core = rows.core(row), columns.core(column)
            asked = np.zeros(window.shape[1:], np.bool_)
            asked[core] = observed(window[:, *core])
            if asked.any():
                disturbed, pond = _probabilities(self._values(window), asked, says)
                planes = probability_planes(disturbed, pond, asked)
                out[:, rows.place(row), columns.place(column)] = planes[:, *core]

        each(answer, rows.count * columns.count, threads)
        return out

    def __reduce__(self) -> tuple[Any, ...]:
        # A session does not travel; another process opens its own.
        return NetworkClassifier, (self.sidecar, self.onnx)

    @cached_property
    def _session(self) -> Any:
        return open_session(self.onnx)

    def _values(self, window: NDArray[np.uint16]) -> NDArray[np.float32]:
        """What the network says (class, y, x) of reflectance x 10 000 (6, y, x)."""
        says = self.sidecar
        scale, offset = (np.array(numbers, np.float32)[:, None, None] for numbers in (says.scale, says.offset))
        given = window[says.band_numbers].astype(np.float32) * scale + offset
        given[:, ~observed(window)] = says.nodata
        height, width = window.shape[1:]
        shape: tuple[int, ...] = 1, len(says.classes), height, width
        if says.layout == "patch":
            given = given[None]
        else:
            given, shape = np.ascontiguousarray(given.reshape(len(given), -1).T), (height * width, len(says.classes))
        try:
            (values,) = self._session.run([says.output], {says.input: given})
        except Exception as error:  # the runtime has no error class of its own
            raise ModelError(f"{FILE}: failed on an array of shape {given.shape}: {first_line(error)}") from error
        if values.shape != shape:
            raise ModelError(f"{FILE}: answered {values.shape} to an array of shape {given.shape}, expected {shape}")
        planes: NDArray[np.float32] = values[0] if says.layout == "patch" else values.T.reshape(-1, height, width)
        return planes


def _probabilities(
    values: NDArray[np.float32], asked: NDArray[np.bool_], says: Sidecar
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities (y, x) of disturbed ground and of pond, 0 where not asked, from a network's values."""
    if not np.isfinite(values[:, asked]).all():
        raise ModelError(f"{FILE}: answered with numbers that are not finite; the network or its scale is wrong")
    exact = np.where(asked, values, 0).astype(np.float64)
    if says.activation == "softmax":
        exact = np.exp(exact - exact.max(axis=0))
        exact /= exact.sum(axis=0)
    elif says.activation == "sigmoid":
        exact = 1 / (1 + np.exp(-np.clip(exact, -700, 700)))
    elif exact.min() < -ROUNDING or exact.max() > 1 + ROUNDING:
        raise ModelError(
            f"{FILE}: answered {exact.min():.3g} to {exact.max():.3g}, which are no probabilities; "
            "write activation softmax or sigmoid, or fix the network"
        )
    by_class = dict(zip(says.classes, np.clip(exact, 0, 1), strict=True))
    if "disturbed" in by_class:
        return by_class["disturbed"], np.zeros_like(exact[0])
    # Two classes that do not exclude each other may add up to more than 1.
    both = by_class["bare"] + by_class["pond"]
    return np.minimum(both, 1), by_class["pond"] / np.maximum(both, 1)


def _check_context(network: NetworkClassifier) -> None:
    """Raises ModelError if an answer changes with ground further away than the sidecar says, at a trial."""
    says = network.sidecar
    if says.layout == "patch":
        # The pixels of one cell of pooling, and around them more than any tile brings.
        side, begin = 2 * (2 * HALO_PX) + says.multiple_px, 2 * HALO_PX
        shape, end = (side, side), begin + says.multiple_px
        near = slice(begin - says.context_px, end + says.context_px)
        core, kept = (slice(begin, end), slice(begin, end)), (near, near)
    else:
        shape, core, kept = (1, 8), (slice(None), slice(0, 3)), (slice(None), slice(0, 3))
    rng = np.random.default_rng(0)
    ground = rng.integers(1, 6000, (len(BANDS), *shape)).astype(np.uint16)
    answer = network._values(ground)[:, *core]
    for beyond in (rng.integers(1, 6000, ground.shape).astype(np.uint16), np.full_like(ground, NODATA)):
        beyond[:, *kept] = ground[:, *kept]
        if not np.array_equal(network._values(beyond)[:, *core], answer, equal_nan=True):
            raise ModelError(
                f"{FILE}: its answer at a pixel changes with pixels more than {says.context_px} away, so maps would "
                f"show seams; raise context_px, at most {HALO_PX}, or use a network that looks less far"
            )
