"""Hand-made networks: ONNX files small enough to work out, and their sidecars."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.disturbance.network import NetworkClassifier
from pipeline.disturbance.onnx_session import FILE

BANDS = ["B02", "B03", "B04", "B08", "B11", "B12"]
FREE = {"patch": ("n", "y", "x"), "pixel": ("n",)}
FLOAT = TensorProto.FLOAT


def shape_of(layout: str, channels: Any) -> list[Any]:
    first, *rest = FREE[layout]
    return [first, channels, *rest]


def graph(
    nodes: list[Any],
    weights: dict[str, np.ndarray] | None = None,
    *,
    layout: str = "patch",
    bands: Any = 6,
    classes: Any = 3,
    inputs: list[Any] | None = None,
    outputs: list[Any] | None = None,
    tensors: list[Any] | None = None,
    domains: tuple[str, ...] = (),
) -> bytes:
    """The bytes of an ONNX file that takes "reflectance" and gives "classes"."""
    given = inputs or [helper.make_tensor_value_info("reflectance", FLOAT, shape_of(layout, bands))]
    told = outputs or [helper.make_tensor_value_info("classes", FLOAT, shape_of(layout, classes))]
    stored = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
    opsets = [helper.make_opsetid("", 17), *(helper.make_opsetid(domain, 1) for domain in domains)]
    made = helper.make_graph(nodes, "g", given, told, stored + (tensors or []))
    return helper.make_model(made, opset_imports=opsets, ir_version=8).SerializeToString()


def linear(weights: Any, bias: Any, layout: str = "patch") -> bytes:
    """weights (class, band) x bands + bias at each pixel; or in windows, with weights (class, band, y, x)."""
    w, b = np.array(weights, np.float32), np.array(bias, np.float32)
    size = {"bands": w.shape[1], "classes": w.shape[0], "layout": layout}
    if layout == "pixel":
        nodes = [helper.make_node("Gemm", ["reflectance", "w", "b"], ["classes"], transB=1)]
        return graph(nodes, {"w": w, "b": b}, **size)
    w = w if w.ndim == 4 else w[:, :, None, None]
    return graph([conv("reflectance", "classes", "w", w, bias="b")], {"w": w, "b": b}, **size)


def conv(given: str, told: str, weights: str, array: np.ndarray, bias: str | None = None) -> Any:
    side = array.shape[-1] // 2
    return helper.make_node("Conv", [given, weights, *([bias] if bias else [])], [told], pads=[side] * 4)


def unet(seed: int = 0, channels: int = 8, pool: int = 2) -> bytes:
    """Three convolutions of 3 x 3, the middle one on cells of `pool` pixels: it looks 2 pool + 1 pixels far."""
    rng = np.random.default_rng(seed)
    sizes = {"w1": (channels, 6), "w2": (channels, channels), "w3": (3, 2 * channels)}
    weights = {name: rng.normal(0, 0.4, (*size, 3, 3)).astype(np.float32) for name, size in sizes.items()}
    weights["scale"] = np.array(1 / 3000, np.float32)
    nodes = [
        helper.make_node("Mul", ["reflectance", "scale"], ["x0"]),
        conv("x0", "c1", "w1", weights["w1"]),
        helper.make_node("Relu", ["c1"], ["x1"]),
        helper.make_node("MaxPool", ["x1"], ["cells"], kernel_shape=[pool] * 2, strides=[pool] * 2),
        conv("cells", "c2", "w2", weights["w2"]),
        helper.make_node("Relu", ["c2"], ["x2"]),
        helper.make_node("Resize", ["x2", "", "wider"], ["up"], mode="nearest", nearest_mode="floor"),
        helper.make_node("Concat", ["up", "x1"], ["both"], axis=1),
        conv("both", "classes", "w3", weights["w3"]),
    ]
    return graph(nodes, {**weights, "wider": np.array([1, 1, pool, pool], np.float32)})


UNET = {"context_px": 5, "multiple_px": 2}


def sidecar(**changes: Any) -> dict[str, Any]:
    """A sidecar of a patch network with three classes; None takes a field out."""
    fields = {
        "bands": BANDS,
        "layout": "patch",
        "classes": ["other", "bare", "pond"],
        "activation": "softmax",
        **changes,
    }
    return {key: value for key, value in fields.items() if value is not None}


def classifier(data: bytes, **changes: Any) -> NetworkClassifier:
    return NetworkClassifier.from_files(sidecar(**changes), {FILE: data})


def write_network(path: Path, data: bytes, **changes: Any) -> Path:
    """An ONNX file with its sidecar beside it."""
    path.write_bytes(data)
    path.with_suffix(".json").write_text(json.dumps(sidecar(**changes)))
    return path


def external(location: str, *, constant: bool = False) -> bytes:
    """A network whose weights are named as bytes of another file."""
    tensor = TensorProto(name="w", data_type=FLOAT, dims=[3, 6, 1, 1], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", "72")):
        tensor.external_data.add(key=key, value=value)
    last = helper.make_node("Conv", ["reflectance", "w"], ["classes"])
    if not constant:
        return graph([last], tensors=[tensor])
    node = helper.make_node("Constant", [], ["w"])
    node.attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t.CopyFrom(tensor)
    return graph([node, last])
