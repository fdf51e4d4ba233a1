"""Exported networks as files: `.onnx`, or `.xml` with `.bin` beside it for OpenVINO. What is written is computed first, and compared with torch.

A network that searches for something, such as the blur kernels of `swift_best`, decides by thresholds. Where a value lies at a threshold, rounding decides, and two computations of
the same network, even two by torch of inputs that differ by a ten-millionth, go different ways. Such a network is compared on several inputs nearly the same: some of
them have to agree as closely as those of any other network, and none may differ by more than torch's own results differ from each other.
"""

import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unblur.errors import InputError, OutputError, UnsupportedError, VerifyError
from unblur.export.convert import OPSET, Size, check_size, examples, to_onnx
from unblur.export.runtimes import open_session
from unblur.io.optional import library
from unblur.io.whole import written_whole
from unblur.models.base import Net

__all__ = ["LARGEST_DIFFERENCE", "Exported", "compare_nearby", "export_network", "largest_difference"]

LARGEST_DIFFERENCE = 1e-3
"""Between an exported network and torch, of values in [0, 1]: a quarter of a level of 8 bits. A file that differs by more is not written."""

_SUFFIXES = (".onnx", ".xml")

_NEAR = 0.5 / 65535  # by which inputs nearly the same differ at most: half a level of 16 bits
_DRAWS = 20  # inputs nearly the same, of each kind


@dataclass(frozen=True)
class Exported:
    """A network in a file.

    Attributes:
        path: of the file.
        difference: the largest from torch, see `largest_difference`.
        own_change: by how much torch's own result changes between inputs nearly the same, see `compare_nearby`; 0 where the difference is within `LARGEST_DIFFERENCE`.
        megabytes: of the file, for OpenVINO with that of its weights.
    """

    path: Path
    difference: float
    own_change: float
    megabytes: float


def export_network(
    net: Net, path: Path, *, size: Size | None = None, opset: int = OPSET, about: dict[str, str] | None = None, overwrite: bool = False
) -> Exported:
    """Write a network as a file of ONNX or OpenVINO, after it was computed by that runtime and compared with torch.

    Args:
        net: on the processor, with its weights.
        path: `.onnx`, or `.xml` for OpenVINO, whose weights are written beside it as `.bin`.
        size: as for `to_onnx`.
        opset: as for `to_onnx`.
        about: what is said in the file of where the weights come from, by name.
        overwrite: replace files that exist.

    Raises:
        InputError: as `to_onnx`, or if `path` has another suffix.
        UnsupportedError: as `to_onnx`, or if the runtime cannot compute the network.
        VerifyError: if the result differs from torch's by more than `LARGEST_DIFFERENCE`, unless torch's own results for inputs nearly the same
            differ by as much and the runtime's agree with torch's for some of them (`compare_nearby`).
        OutputError: if the file cannot be written, or exists.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise InputError(f"a network is exported to `.onnx`, or `.xml` for OpenVINO, not to `{path.name}`")
    check_size(net, size)
    is_onnx = path.suffix.lower() == ".onnx"
    for each in [path] if is_onnx else [path, path.with_suffix(".bin")]:
        if each.exists() and not overwrite:
            raise OutputError(f"`{each}` exists; add `--overwrite` to replace it, or choose another place with `--output`")
    with tempfile.TemporaryDirectory(prefix="unblur-export-") as scratch:
        whole = Path(scratch) / "network.onnx"
        whole.write_bytes(_with_notes(to_onnx(net, size=size, opset=opset), about or {}).SerializeToString())
        whole = whole if is_onnx else _as_openvino(whole)
        session = open_session(whole, runtime="onnx" if is_onnx else "openvino", threads=torch.get_num_threads())
        difference = largest_difference(net, session, size=size)
        own_change, least = (0.0, difference) if difference <= LARGEST_DIFFERENCE else compare_nearby(net, session, size=size)
        if not difference <= max(LARGEST_DIFFERENCE, own_change) or not least <= LARGEST_DIFFERENCE:
            raise VerifyError(
                f"the exported network differs from torch's by {difference:.2g} of the range of values, where {LARGEST_DIFFERENCE:g} is allowed; "
                "nothing was written"
            )
        files = [whole] if is_onnx else [whole, whole.with_suffix(".bin")]
        megabytes = sum(file.stat().st_size for file in files) / 1e6
        with ExitStack() as stack:
            for file in reversed(files):
                shutil.copyfile(
                    file,
                    stack.enter_context(written_whole(path.with_suffix(path.suffix if file is whole else ".bin"), overwrite=overwrite)),
                )
    return Exported(path, difference, own_change, megabytes)


def largest_difference(net: Net, run: Callable[[Tensor], Tensor], *, size: Size | None) -> float:
    """The largest difference of a runtime's result from torch's in fp32, on a random input and on one like pictures.

    It is given as a fraction of the range of values: of 1, or of the largest value where that is more. Infinity if the result has another shape, or values
    that are not finite.

    Args:
        net: on the processor.
        run: the same network in the runtime.
        size: of the inputs; None for two sizes.
    """
    return max(_difference(_computed(run, blurry), _computed(net, blurry)) for blurry in examples(net, size=size))


def compare_nearby(net: Net, run: Callable[[Tensor], Tensor], *, size: Size | None) -> tuple[float, float]:
    """How far rounding leads torch's own results apart, and how near a runtime's come to them.

    Each input of `examples` is changed 20 times by random numbers of up to half a level of 16 bits.

    Returns:
        The largest difference of torch's results for changed inputs from those for the inputs themselves; and of the runtime's results from torch's for the same changed input the
        least, of the kind of input for which that is more. Both as for `largest_difference`.
    """
    generator = torch.Generator().manual_seed(0)
    own_change = least = 0.0
    for blurry in examples(net, size=size):
        exact, differences = _computed(net, blurry), []
        for _ in range(_DRAWS):
            near = blurry + _NEAR * (2 * torch.rand(blurry.shape, generator=generator) - 1)
            there = _computed(net, near)
            own_change = max(own_change, _difference(there, exact))
            differences.append(_difference(_computed(run, near), there))
        least = max(least, min(differences))
    return own_change, least


def _computed(run: Callable[[Tensor], Tensor], blurry: Tensor) -> Tensor:
    with torch.inference_mode():
        return run(blurry).float()


def _difference(found: Tensor, exact: Tensor) -> float:
    if found.shape != exact.shape or not bool(torch.isfinite(found).all()):
        return float("inf")
    return float((found - exact).abs().max() / exact.abs().max().clamp_min(1))


def _with_notes(model: Any, about: dict[str, str]) -> Any:  # noqa: ANN401 - an onnx.ModelProto
    model.producer_name = "unblur"
    for name, text in about.items():
        note = model.metadata_props.add()
        note.key, note.value = name, text
    return model


def _as_openvino(onnx: Path) -> Path:
    """The model in an `.onnx` file as `.xml` and `.bin` beside it, in single precision."""
    openvino = library("openvino", extra="export", purpose="exporting to OpenVINO")
    target = onnx.with_suffix(".xml")
    try:
        openvino.save_model(openvino.Core().read_model(str(onnx)), str(target), compress_to_fp16=False)
    except Exception as error:
        raise UnsupportedError(f"OpenVINO cannot read this network: {error}") from error
    return target
