"""The runtimes that compute exported networks: ONNX Runtime and OpenVINO, on the processor."""

from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from unblur.errors import DeviceError, UnsupportedError
from unblur.io.optional import library

__all__ = ["ExportRuntime", "OnnxSession", "OpenVinoSession", "open_session"]

ExportRuntime = Literal["onnx", "openvino"]
"""Which runtime computes an exported network."""


class OnnxSession:
    """A model of ONNX Runtime, called with a tensor (fp32, on the processor).

    Args:
        path: of the `.onnx` file.
        threads: that it may use.

    Raises:
        UnsupportedError: if ONNX Runtime is not installed, or cannot compute the model.
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        runtime = library("onnxruntime", extra="export", purpose="computing an ONNX model")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors only
        try:
            self._session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # of several classes, all the runtime's own
            raise UnsupportedError(f"ONNX Runtime cannot load `{path}`: {error}") from error
        self._name = self._session.get_inputs()[0].name

    def __call__(self, blurry: Tensor) -> Tensor:
        try:
            (restored,) = self._session.run(None, {self._name: blurry.contiguous().numpy()})
        except Exception as error:
            raise DeviceError(f"ONNX Runtime cannot compute this network: {error}") from error
        return torch.from_numpy(restored)


class OpenVinoSession:
    """A model of OpenVINO, called with a tensor (fp32, on the processor).

    Args:
        path: of the `.xml` or `.onnx` file.
        threads: that it may use.
        precision: of its arithmetic, `fp32` or `bf16`.

    Raises:
        UnsupportedError: if OpenVINO is not installed, or cannot compute the model.
    """

    def __init__(self, path: Path, *, threads: int = 1, precision: Literal["fp32", "bf16"] = "fp32") -> None:
        openvino = library("openvino", extra="export", purpose="computing an OpenVINO model")
        settings = {
            "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
        }
        try:
            core = openvino.Core()
            self._model: Any = core.compile_model(core.read_model(str(path)), "CPU", settings)
        except Exception as error:
            raise UnsupportedError(f"OpenVINO cannot load `{path}`: {error}") from error

    def __call__(self, blurry: Tensor) -> Tensor:
        try:
            restored = self._model([blurry.contiguous().numpy()])[0]
        except Exception as error:
            raise DeviceError(f"OpenVINO cannot compute this network: {error}") from error
        return torch.from_numpy(restored.copy())  # whose memory the next call writes to


def open_session(
    path: Path, *, runtime: ExportRuntime, threads: int = 1, precision: Literal["fp32", "bf16"] = "fp32"
) -> OnnxSession | OpenVinoSession:
    """The model in a file, ready to be computed by a runtime."""
    if runtime == "onnx":
        return OnnxSession(path, threads=threads)
    return OpenVinoSession(path, threads=threads, precision=precision)
