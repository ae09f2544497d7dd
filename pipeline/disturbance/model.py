"""A trained model: arrays in a file named by its hash, loaded without running code, and what it says of a tile.

The file is an uncompressed .npz of the arrays of `Forest` and `meta`, UTF-8 JSON as bytes:

    {"format": "placerwatch-trees-1", "name": "default", "bands": ["B02", ...], "features": ["ndvi", ...],
     "outputs": ["disturbed", "pond_if_disturbed"]}

`models/index.json` names the files: {"models": {"default": {"file": "default.npz", "sha256": "..."}}}.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import tokenize
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.disturbance.features import compute, feature_names, observed
from pipeline.disturbance.trees import ARRAYS, Forest, sigmoid
from pipeline.errors import BadInput, ModelError
from pipeline.imagery.scene import BANDS, NODATA

FORMAT = "placerwatch-trees-1"
OUTPUTS = ("disturbed", "pond_if_disturbed")
PROBABILITY_SCALE = 10_000
INDEX = "index.json"
# The package is installed in place: models/ lies beside pipeline/.
MODELS_DIR = Path(__file__).resolve().parents[2] / "models"
_MAX_BYTES = 64_000_000
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
class Model:
    """Two scores: that ground is disturbed, and that disturbed ground is a pond. `sha256` is that of the file."""

    name: str
    sha256: str
    forest: Forest

    @classmethod
    def from_forest(cls, name: str, forest: Forest) -> Model:
        """A freshly trained model; its hash is that of the bytes `save` writes."""
        return cls(name, hashlib.sha256(_encode(name, forest)).hexdigest(), forest)

    @classmethod
    def load(cls, path: Path, sha256: str | None = None) -> Model:
        """Read a model file; nothing in it is executed.

        Raises ModelError if the file is missing, too large, not of this format, made for other bands or features, or
        if its SHA-256 is not the one asked for.
        """
        try:
            with path.open("rb") as file:
                data = file.read(_MAX_BYTES + 1)
        except OSError as error:
            raise ModelError(f"model {path}: cannot be read ({error.strerror}); check disturbance.model") from error
        if len(data) > _MAX_BYTES:
            raise ModelError(f"model {path}: larger than {_MAX_BYTES} bytes; this is not a placerwatch model")
        found = hashlib.sha256(data).hexdigest()
        if sha256 is not None and found != sha256:
            raise ModelError(
                f"model {path}: expected SHA-256 {sha256}, found {found}; the file was altered: restore it, "
                f"or enter the new hash in {INDEX} if you trained it"
            )
        try:
            arrays = _decode(data)
            name = _check_meta(arrays)
            forest = Forest.from_arrays(arrays, len(feature_names()), len(OUTPUTS))
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from error
        return cls(name, found, forest)

    def save(self, path: Path) -> None:
        """Write the model file; the same model gives the same bytes."""
        write_atomically(path, _encode(self.name, self.forest))

    def predict(self, reflectance: NDArray[np.uint16], halo: int) -> NDArray[np.uint16]:
        """Probabilities x 10 000 of bare workings and of pond in workings, (2, y - 2 halo, x - 2 halo).

        `reflectance` is x 10 000, (6, y, x), NODATA where not observed; so is the answer. The outer `halo` pixels
        are read as surroundings only; with HALO_PX of them the answer does not depend on the tile.
        Raises BadInput if the array is not six uint16 bands larger than its halo.
        """
        features = compute(reflectance, halo)
        shape = features.shape[1:]
        disturbed, pond = sigmoid(self.forest.scores(features.reshape(len(features), -1)))
        # Rounded so that the two add up to the rounded probability of disturbance.
        either = np.rint(disturbed * PROBABILITY_SCALE).astype(np.uint16)
        water = np.rint(disturbed * pond * PROBABILITY_SCALE).astype(np.uint16)
        out = np.stack([either - water, water]).reshape(2, *shape)
        out[:, ~observed(reflectance[:, halo : halo + shape[0], halo : halo + shape[1]])] = NODATA
        return out


def find_model(name_or_path: str, base: Path, models_dir: Path = MODELS_DIR) -> tuple[Path, str]:
    """File and SHA-256 of a model: a name in `models_dir`/index.json, or a .npz path relative to `base`.

    The hash is the one the index promises, or, of a path, the one the file has. Raises ModelError if there is no such
    model, naming those there are.
    """
    if name_or_path.endswith(".npz"):
        path = base / name_or_path
        return path, Model.load(path).sha256
    known = read_index(models_dir)
    if name_or_path not in known:
        there = ", ".join(sorted(known)) or "none"
        raise ModelError(f"model {name_or_path!r}: not in {models_dir / INDEX}; there: {there}. Or give a .npz path")
    file, sha256 = known[name_or_path]
    return models_dir / file, sha256


def load_model(name_or_path: str, models_dir: Path = MODELS_DIR) -> Model:
    """The model of a name in `models_dir`/index.json or of a .npz path, its hash checked; raises ModelError."""
    return Model.load(*find_model(name_or_path, Path(), models_dir))


def read_index(models_dir: Path) -> dict[str, tuple[str, str]]:
    """File and SHA-256 of each model that `models_dir` names; raises ModelError if the index is missing or wrong."""
    path = models_dir / INDEX
    try:
        models = json.loads(path.read_text(encoding="utf-8"))["models"]
        known = {str(name): (str(entry["file"]), str(entry["sha256"])) for name, entry in models.items()}
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); give the path of a .npz file instead") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: expected {{'models': {{name: {{'file', 'sha256'}}}}}}, found {error!r}") from error
    outside = [file for file, _ in known.values() if Path(file).name != file]
    if outside:
        raise ModelError(f"{path}: {outside[0]!r} is not the name of a file in that folder")
    return known


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file under a temporary name in its folder, then rename it; raises BadInput if that cannot be done."""
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise BadInput(f"{path}: cannot be written ({os.strerror(error.errno or 0)}); choose another folder") from error


def _encode(name: str, forest: Forest) -> bytes:
    meta = {"format": FORMAT, "name": name, "bands": BANDS, "features": feature_names(), "outputs": OUTPUTS}
    text = json.dumps(meta, sort_keys=True).encode()
    arrays = {"meta": np.frombuffer(text, np.uint8), **forest.arrays()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for key, array in arrays.items():
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
            if sorted(m.filename for m in members) != sorted(f"{key}.npy" for key in ("meta", *ARRAYS)):
                raise ModelError(f"model: expected the arrays {', '.join(('meta', *ARRAYS))}; not a placerwatch model")
            if any(m.compress_type != zipfile.ZIP_STORED for m in members):
                raise ModelError("model: expected uncompressed arrays; save it with placerwatch train")
            return {m.filename.removesuffix(".npy"): _read_array(archive.read(m)) for m in members}
    except _UNREADABLE as error:
        raise ModelError(f"model: not a placerwatch model file ({error})") from error


def _read_array(data: bytes) -> NDArray[Any]:
    stream = io.BytesIO(data)
    np.lib.format.read_magic(stream)
    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    # The header is believed only where the bytes are there: a false shape must not ask for memory.
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(data) - stream.tell():
        raise ModelError("model: an array does not have the size its header claims; the file is damaged")
    return np.frombuffer(data, dtype, offset=stream.tell()).reshape(shape)


def _check_meta(arrays: dict[str, NDArray[Any]]) -> str:
    if arrays["meta"].dtype != np.uint8:
        raise ModelError("model: metadata are not bytes of JSON; the file is damaged")
    try:
        meta = json.loads(arrays["meta"].tobytes())
    except (ValueError, RecursionError) as error:
        raise ModelError(f"model: metadata are not JSON ({error})") from error
    if not isinstance(meta, dict) or not isinstance(meta.get("name"), str):
        raise ModelError("model: metadata without a name; the file is damaged")
    expected = {"format": FORMAT, "bands": list(BANDS), "features": list(feature_names()), "outputs": list(OUTPUTS)}
    for key, value in expected.items():
        if meta.get(key) != value:
            raise ModelError(f"model: made with other {key} than this version reads; train it again")
    return str(meta["name"])
