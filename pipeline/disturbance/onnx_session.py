"""Opens an ONNX file that may be hostile, and checks that its ends are what its sidecar says."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from pipeline.disturbance.sidecar import Sidecar
from pipeline.errors import ModelError

FILE = "network.onnx"


def open_session(onnx: bytes) -> Any:
    """A session on one processor thread that reads no other file and knows no operator but the runtime's own."""
    import onnxruntime  # here, not above: a run with trees need not load it

    runtime: Any = onnxruntime

    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Else an .ort file would pass, and tensors named as external data would be read from the working directory.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    try:
        return runtime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime has no error class of its own
        raise ModelError(
            f"{FILE}: cannot be run by onnxruntime {runtime.__version__}: {first_line(error)}; "
            "export it as one self-contained file, of standard operators only"
        ) from error


def check_ends(session: Any, says: Sidecar) -> None:
    """Raises ModelError unless input and output have the names, types and shapes that the sidecar says."""
    given, told = _ends(session.get_inputs()), _ends(session.get_outputs())
    problems = []
    if list(given) != [says.input]:
        names = ", ".join(given)
        problems.append(f"its inputs are {names}; the sidecar says {says.input}, and one is all it gets")
    elif trouble := _wrong_end(given[says.input], says.layout, len(says.bands), "bands"):
        problems.append(trouble)
    if says.output not in told:
        problems.append(f"its outputs are {', '.join(told)}; the sidecar says {says.output}")
    elif trouble := _wrong_end(told[says.output], says.layout, len(says.classes), "classes"):
        problems.append(trouble)
    if problems:
        raise ModelError(f"{FILE}: " + "; ".join(problems))


class _End(NamedTuple):
    """An input or an output; a side that is free has a name or none."""

    name: str
    type: str
    shape: tuple[int | str | None, ...]


def _ends(args: Any) -> dict[str, _End]:
    try:
        return {arg.name: _End(arg.name, arg.type, tuple(arg.shape)) for arg in args}
    except UnicodeDecodeError as error:
        raise ModelError(f"{FILE}: the name of an input or output is not UTF-8 text; export it again") from error


def _wrong_end(end: _End, layout: str, count: int, what: str) -> str | None:
    axes = ("n", what, "y", "x") if layout == "patch" else ("n", what)
    # A name stands for a length that is free; a batch of one patch is all that is asked.
    fixed = [side if isinstance(side, int) else None for side in end.shape]
    right = len(fixed) == len(axes) and fixed[1] in (count, None) and not any(fixed[2:])
    if end.type == "tensor(float)" and right and fixed[0] in ((1, None) if layout == "patch" else (None,)):
        return None
    return (
        f"{end.name} is {end.type} of shape ({', '.join(map(str, end.shape))}); the sidecar says layout {layout}, "
        f"{count} {what}: tensor(float) of shape ({', '.join(axes).replace(what, str(count))}) with free {axes[0]}"
        + (", y and x" if layout == "patch" else "")
    )


def first_line(error: Exception) -> str:
    """What an error of the runtime says, without what it adds below."""
    return str(error).strip().split("\n", 1)[0][:300]
