"""Boosted trees on the features as a classifier, and the arrays that they are stored as.

`trees.npz` is an uncompressed .npz of the arrays of `Forest`; what is read of it is checked before it is believed.
"""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.disturbance.features import compute, feature_names, observed
from pipeline.disturbance.learning import Evidence
from pipeline.disturbance.planes import EVIDENCE, probability_planes
from pipeline.disturbance.trees import ARRAYS, Forest, sigmoid
from pipeline.errors import ModelError
from pipeline.imagery.scene import BANDS

FILE = "trees.npz"
OUTPUTS = ("disturbed", "pond_if_disturbed")
# What zipfile and numpy's reader of headers raise on bytes that are not theirs.
_UNREADABLE = (
    zipfile.BadZipFile,
    ValueError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OSError,
    SyntaxError,
    MemoryError,
    tokenize.TokenError,
)


@dataclass(frozen=True)
class TreeClassifier:
    """Two scores: that ground is disturbed, and that disturbed ground is a pond."""

    forest: Forest
    kind = "trees"

    @classmethod
    def from_files(cls, metadata: Mapping[str, Any], files: Mapping[str, bytes]) -> TreeClassifier:
        """The trees of a model's folder; raises ModelError if they were made for other bands or features."""
        for key, value in _metadata().items():
            if metadata.get(key) != value:
                raise ModelError(f"model: made with other {key} than this version reads; train it again")
        return cls(Forest.from_arrays(_decode(files[FILE]), len(feature_names()), len(OUTPUTS)))

    @property
    def evidence(self) -> tuple[str, ...]:
        """Planes of evidence that some tree asks for; without any in training none does."""
        names = feature_names()
        return tuple(name for name in EVIDENCE if names.index(name) in self.forest.feature)

    def metadata(self) -> dict[str, Any]:
        """Bands, features and scores, in their order."""
        return _metadata()

    def files(self) -> dict[str, bytes]:
        """The arrays; the same trees give the same bytes."""
        return {FILE: _encode(self.forest)}

    def predict(
        self, reflectance: NDArray[np.uint16], halo: int, evidence: Evidence | None = None
    ) -> NDArray[np.uint16]:
        """Probabilities x 10 000 (2, y - 2 halo, x - 2 halo); see Classifier.

        Raises BadInput if the array is not six uint16 bands larger than its halo.
        """
        features = compute(reflectance, halo, evidence=evidence)
        shape = features.shape[1:]
        disturbed, pond = sigmoid(self.forest.scores(features.reshape(len(features), -1))).reshape(2, *shape)
        seen = observed(reflectance[:, halo : halo + shape[0], halo : halo + shape[1]])
        return probability_planes(disturbed, disturbed * pond, seen)


def _metadata() -> dict[str, Any]:
    return {"bands": list(BANDS), "features": list(feature_names()), "outputs": list(OUTPUTS)}


def _encode(forest: Forest) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for key, array in forest.arrays().items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)
            # A ZipInfo of its own: the date stays at 1980.
            info = zipfile.ZipInfo(f"{key}.npy")
            info.create_system = 3
            archive.writestr(info, member.getvalue())
    return buffer.getvalue()


def _decode(data: bytes) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if sorted(m.filename for m in members) != sorted(f"{key}.npy" for key in ARRAYS):
                raise ModelError(f"{FILE}: expected the arrays {', '.join(ARRAYS)}; not the trees of placerwatch")
            if any(m.compress_type != zipfile.ZIP_STORED for m in members):
                raise ModelError(f"{FILE}: expected uncompressed arrays; save it with placerwatch train")
            return {m.filename.removesuffix(".npy"): _read_array(archive.read(m)) for m in members}
    except _UNREADABLE as error:
        raise ModelError(f"{FILE}: not the arrays of trees ({error})") from error


def _read_array(data: bytes) -> NDArray[Any]:
    stream = io.BytesIO(data)
    np.lib.format.read_magic(stream)
    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    # The header is believed only where the bytes are there: a false shape must not ask for memory.
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(data) - stream.tell():
        raise ModelError(f"{FILE}: an array does not have the size its header claims; the file is damaged")
    return np.frombuffer(data, dtype, offset=stream.tell()).reshape(shape)
