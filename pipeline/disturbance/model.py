"""A trained model: a folder of data named by one hash, loaded without running code.

    models/trees/
      model.json    {"format": "placerwatch-model-1", "name": "trees", "kind": "trees", "bands": ["B02", ...],
                     "files": {"trees.npz": "<SHA-256>"}, ...}
      trees.npz     or network.onnx, or both
      card.json, card.md, gallery/    for people; prediction does not need them

The model's SHA-256 is that of model.json, which holds the hashes of the other files. `models/index.json` names the
folders: {"models": {"trees": {"folder": "trees", "sha256": "..."}}}. An ONNX file with its sidecar is a model, too,
and has the hash of the folder that it would be saved as.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.disturbance import onnx_session, tree_classifier
from pipeline.disturbance.blend import BlendClassifier
from pipeline.disturbance.learning import Classifier, Evidence
from pipeline.disturbance.network import NetworkClassifier
from pipeline.disturbance.planes import PROBABILITY_SCALE
from pipeline.disturbance.sidecar import Sidecar
from pipeline.disturbance.tree_classifier import TreeClassifier
from pipeline.errors import BadInput, ModelError

__all__ = [
    "INDEX",
    "METADATA",
    "MODELS_DIR",
    "PROBABILITY_SCALE",
    "Model",
    "find_model",
    "load_model",
    "read_index",
    "write_atomically",
    "write_index",
]

FORMAT = "placerwatch-model-1"
METADATA = "model.json"
INDEX = "index.json"
# The package is installed in place: models/ lies beside pipeline/.
MODELS_DIR = Path(__file__).resolve().parents[2] / "models"
MAX_METADATA_BYTES = 1_000_000
MAX_BYTES = 256_000_000
ONNX = ".onnx"
# Keys of model.json that are not the classifier's.
_OURS = ("format", "name", "kind", "files")
# What model.json of each kind must name under "files".
_FILES = {
    "trees": (tree_classifier.FILE,),
    "network": (onnx_session.FILE,),
    "blend": (tree_classifier.FILE, onnx_session.FILE),
}


@dataclass(frozen=True)
class Model:
    """A classifier with its name and the SHA-256 of the model.json that describes it."""

    name: str
    sha256: str
    classifier: Classifier

    @classmethod
    def of(cls, name: str, classifier: Classifier) -> Model:
        """A freshly trained model; its hash is that of the model.json that `save` writes."""
        return cls(name, hashlib.sha256(_describe(name, classifier)).hexdigest(), classifier)

    @classmethod
    def load(cls, path: Path, sha256: str | None = None) -> Model:
        """Read a model's folder, or an ONNX file with its sidecar beside it; nothing in them is executed.

        Raises ModelError if a file is missing, too large or not the one that model.json names, if the model is of an
        unknown format or kind or made for other bands or features, or if its SHA-256 is not the one asked for.
        """
        try:
            model = cls._of_onnx(path) if path.suffix == ONNX else cls._of_folder(path, sha256)
        except ModelError as error:
            raise ModelError(f"model {path}: {error}") from error
        if sha256 is not None and model.sha256 != sha256:
            raise ModelError(f"model {path}: expected SHA-256 {sha256}, found {model.sha256}; it was altered meanwhile")
        return model

    @classmethod
    def _of_onnx(cls, path: Path) -> Model:
        onnx, sidecar = _read(path, MAX_BYTES), path.with_suffix(".json")
        if not sidecar.is_file():
            raise ModelError(f"no sidecar {sidecar.name} beside it; docs/models.md says what to write there")
        text = _read(sidecar, MAX_METADATA_BYTES)
        try:
            metadata = Sidecar.read(text).model_dump(mode="json")
        except ModelError as error:
            raise ModelError(f"its sidecar {sidecar.name}: {error}") from error
        return cls.of(path.stem, NetworkClassifier.from_files(metadata, {onnx_session.FILE: onnx}))

    @classmethod
    def _of_folder(cls, folder: Path, sha256: str | None) -> Model:
        text = _read(folder / METADATA, MAX_METADATA_BYTES)
        found = hashlib.sha256(text).hexdigest()
        if sha256 is not None and found != sha256:
            raise ModelError(
                f"expected SHA-256 {sha256}, found {found}; {METADATA} was altered: restore it, "
                f"or enter the new hash in {INDEX} if you trained it"
            )
        metadata = _parse(text)
        files = {file: _read(folder / file, MAX_BYTES) for file in _FILES[metadata["kind"]]}
        for file, content in files.items():
            if hashlib.sha256(content).hexdigest() != metadata["files"][file]:
                raise ModelError(f"{file} is not the file that {METADATA} names (its SHA-256 differs); restore it")
        model = cls.of(metadata["name"], _classifier(metadata, files))
        if model.sha256 != found:
            raise ModelError(f"{METADATA} is not as placerwatch writes it: keys or their order differ; restore it")
        return model

    def save(self, folder: Path) -> None:
        """Write the model's folder; the same model gives the same bytes. Raises BadInput if that cannot be done."""
        for name, content in self.classifier.files().items():
            write_atomically(folder / name, content)
        write_atomically(folder / METADATA, _describe(self.name, self.classifier))

    @property
    def kind(self) -> str:
        """What it is: "trees", "network" or "blend" of both."""
        return self.classifier.kind

    @property
    def evidence(self) -> tuple[str, ...]:
        """Names of the planes of evidence that it was trained with; see Classifier."""
        return self.classifier.evidence

    def predict(
        self, reflectance: NDArray[np.uint16], halo: int, evidence: Evidence | None = None
    ) -> NDArray[np.uint16]:
        """Probabilities x 10 000 of bare workings and of pond in workings, (2, y - 2 halo, x - 2 halo).

        See Classifier. Raises BadInput if the array is not six uint16 bands larger than its halo.
        """
        return self.classifier.predict(reflectance, halo, evidence)


def find_model(name_or_path: str, base: Path, models_dir: Path = MODELS_DIR) -> tuple[Path, str]:
    """Path and SHA-256 of a model: a name in `models_dir`/index.json, or a path relative to `base`.

    What has a slash or ends in .onnx is a path: of a model's folder, or of an ONNX file with its sidecar. The hash is
    the one the index promises, or, of a path, the one that is there. Raises ModelError if there is no such model,
    naming those there are.
    """
    if "/" in name_or_path or name_or_path.endswith(ONNX):
        path = base / name_or_path
        return path, Model.load(path).sha256
    known = read_index(models_dir)
    if name_or_path not in known:
        there = ", ".join(sorted(known)) or "none"
        raise ModelError(
            f"model {name_or_path!r}: not in {models_dir / INDEX}; there: {there}. "
            "Or give a path: of a folder, such as ./my-model, or of an .onnx file"
        )
    folder, sha256 = known[name_or_path]
    return models_dir / folder, sha256


def load_model(name_or_path: str, models_dir: Path = MODELS_DIR) -> Model:
    """The model of a name in `models_dir`/index.json or of a path, its hash checked; raises ModelError."""
    return Model.load(*find_model(name_or_path, Path(), models_dir))


def read_index(models_dir: Path) -> dict[str, tuple[str, str]]:
    """Folder and SHA-256 of each model that `models_dir` names; raises ModelError if the index is missing or wrong."""
    path = models_dir / INDEX
    try:
        models = json.loads(path.read_text(encoding="utf-8"))["models"]
        known = {str(name): (str(entry["folder"]), str(entry["sha256"])) for name, entry in models.items()}
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); give the path of a model's folder") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path}: expected {{'models': {{name: {{'folder', 'sha256'}}}}}}, found {error!r}") from error
    outside = [folder for folder, _ in known.values() if Path(folder).name != folder or folder in ("", "..")]
    if outside:
        raise ModelError(f"{path}: {outside[0]!r} is not the name of a folder beside it")
    return known


def write_index(models_dir: Path, name: str, folder: str, sha256: str) -> None:
    """Enter a model into `models_dir`/index.json, which is made if it is not there; raises ModelError or BadInput."""
    known = read_index(models_dir) if (models_dir / INDEX).exists() else {}
    known[name] = folder, sha256
    models = {key: {"folder": where, "sha256": digest} for key, (where, digest) in sorted(known.items())}
    write_atomically(models_dir / INDEX, _json({"models": models}))


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file under a temporary name in its folder, then rename it; raises BadInput if that cannot be done."""
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise BadInput(f"{path}: cannot be written ({os.strerror(error.errno or 0)}); choose another folder") from error


def _describe(name: str, classifier: Classifier) -> bytes:
    files = {file: hashlib.sha256(content).hexdigest() for file, content in classifier.files().items()}
    return _json({"format": FORMAT, "name": name, "kind": classifier.kind, "files": files, **classifier.metadata()})


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise ModelError(f"{path.name} cannot be read ({error.strerror}); check disturbance.model") from error
    if len(data) > limit:
        raise ModelError(f"{path.name} is larger than {limit} bytes; this is not a placerwatch model")
    return data


def _parse(text: bytes) -> dict[str, Any]:
    """Metadata of which format, name, kind and files are as they should be."""
    try:
        metadata = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{METADATA} is not JSON ({error}); restore it") from error
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        found = metadata.get("format") if isinstance(metadata, dict) else metadata
        raise ModelError(f"{METADATA}: format {str(found)[:60]!r}; this version reads {FORMAT!r}")
    kind = metadata.get("kind")
    if not isinstance(kind, str) or kind not in _FILES:
        raise ModelError(f"{METADATA}: kind {str(kind)[:60]!r}; this version reads {', '.join(_FILES)}")
    if not isinstance(metadata.get("name"), str):
        raise ModelError(f"{METADATA}: has no name; restore it")
    files = metadata.get("files")
    if not isinstance(files, dict) or set(files) != set(_FILES[kind]):
        expected = " and ".join(map(repr, _FILES[kind]))
        raise ModelError(f"{METADATA}: a model of kind {kind!r} has the file {expected} and no other")
    return metadata


def _classifier(metadata: Mapping[str, Any], files: Mapping[str, bytes]) -> Classifier:
    if metadata["kind"] == "trees":
        return TreeClassifier.from_files(metadata, files)
    if metadata["kind"] == "blend":
        return BlendClassifier.from_files(metadata, files)
    sidecar = {key: value for key, value in metadata.items() if key not in _OURS}
    return NetworkClassifier.from_files(sidecar, files)
