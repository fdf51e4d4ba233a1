"""A network as an ONNX model.

What is exported is `forward` of the network in single precision: one picture, or one window of frames, of a size that it takes (`Net.fit_size`). Padding,
tiles, windows of a clip, several scales and temporal fusion stay outside. Operators that ONNX has no good counterpart for are replaced by
others that compute the same (`unblur.layers.portable`).
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from unblur.errors import InputError, UnsupportedError
from unblur.io.optional import library
from unblur.layers.portable import portable_operators
from unblur.models.base import Net
from unblur.restore.noise import like_pictures

__all__ = ["INPUT", "LEAST_OPSET", "OPSET", "OUTPUT", "Size", "examples", "to_onnx"]

Size = tuple[int, int]
"""Height and width, pixels."""

INPUT = "blurry"
"""Name of the input in the exported model."""

OUTPUT = "restored"
"""Name of the output in the exported model."""

OPSET = 20
"""Version of ONNX's operators that is written by default."""

LEAST_OPSET = 18
"""The oldest that torch's exporter writes."""

_TRACE = "pkg.torch.onnx.stack_trace"  # key under which torch notes where an operator came from

_LARGEST = 1 << 14  # pixels of a side, with `size` None


def to_onnx(net: Net, *, size: Size | None, opset: int = OPSET) -> Any:  # noqa: ANN401 - an onnx.ModelProto
    """The network as an ONNX model (`onnx.ModelProto`) of batch 1, with input `blurry` and output `restored`.

    Args:
        net: on the processor, with its weights.
        size: of the pictures; None for any that the network takes.
        opset: version of ONNX's operators.

    Raises:
        InputError: if the network does not take pictures of that size, or `opset` is too old.
        UnsupportedError: if the exporter is not installed, or the network has operators that ONNX does not have, or with `size` None does not
            compute all sizes by the same operators.
    """
    library("onnx", extra="export", purpose="exporting a network")
    library("onnxscript", extra="export", purpose="exporting a network")
    if opset < LEAST_OPSET:
        raise InputError(f"operators are exported from ONNX's opset {LEAST_OPSET} on, not {opset}")
    check_size(net, size)
    example, _ = examples(net, size=size)
    net.eval()
    try:
        with _quiet(), torch.no_grad(), portable_operators():
            program = torch.onnx.export(
                net,
                (example,),
                dynamo=True,
                opset_version=opset,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=None if size is not None else ({example.ndim - 2 + axis: side for axis, side in enumerate(_sides(net))},),
                verbose=False,
                optimize=False,
            )
            assert program is not None
            _simplify(program.model)
    except Exception as error:
        hint = "; try one size, `--size HEIGHTxWIDTH`" if size is None else ""
        raise UnsupportedError(f"this network cannot be exported to ONNX{hint}: {_first_cause(error)}") from error
    return _without_traces(program.model_proto)


def _simplify(model: Any) -> None:  # noqa: ANN401 - an onnx_ir.Model
    """Fold constants and drop what is computed twice or not used, in place.

    The exporter's own optimiser does so too, and then tries rules of rewriting at each operator, some of which go through the whole graph: the time rises with the
    square of the number of operators, to hours for a kernel search. What these rules gain, the runtimes do themselves when they load a model.
    """
    import onnxscript.optimizer
    from onnx_ir.passes import common

    common.InlinePass()(model)
    for _ in range(2):  # what is folded leaves more that is the same
        common.RemoveUnusedNodesPass()(model)
        common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
        common.DeduplicateInitializersPass()(model)
        common.CommonSubexpressionEliminationPass()(model)
        onnxscript.optimizer.fold_constants(model)
    for last in (common.RemoveUnusedNodesPass, common.RemoveUnusedFunctionsPass, common.RemoveUnusedOpsetsPass):
        last()(model)


def _without_traces(model: Any) -> Any:  # noqa: ANN401 - an onnx.ModelProto
    """The model without the lines of code that each operator came of, which name folders of this machine."""
    for graph in (model.graph, *model.functions):
        for node in graph.node:
            kept = [note for note in node.metadata_props if note.key != _TRACE]
            del node.metadata_props[:]
            node.metadata_props.extend(kept)
    return model


def check_size(net: Net, size: Size | None) -> None:
    """Raise an `InputError` unless the network takes pictures of a size as they are."""
    if size is not None and net.fit_size(*size) != size:
        height, width = net.fit_size(*size)
        raise InputError(
            f"this network does not take pictures of {size[0]}x{size[1]} as they are; the next size that it takes is {height}x{width}"
        )


def examples(net: Net, *, size: Size | None) -> tuple[Tensor, Tensor]:
    """Two inputs of a network, random and like pictures; of two sizes where any may be given.

    Shape:
        each (1, 3, H, W), or (1, N, 3, H, W) for a video network
    """
    step = net.size_multiple
    least = net.fit_size(3 * step, 2 * step) if step >= 32 else net.fit_size(64, 96)
    made = []
    for number, (height, width) in enumerate((size, size) if size else (least, net.fit_size(least[0] + step, least[1] + 2 * step))):
        generator = torch.Generator().manual_seed(number)
        if number:
            picture = like_pictures(net.num_frames, height, width, generator=generator)
        else:
            picture = torch.rand(net.num_frames, 3, height, width, generator=generator)
        made.append(picture if net.num_frames == 1 else picture[None])
    return made[0], made[1]


def _sides(net: Net) -> tuple[Any, Any]:
    """Height and width as the exporter takes them: multiples of a number that may vary."""
    step = net.size_multiple
    least = max(-(-net.size_minimum // step), 2)
    height = torch.export.Dim("height", min=least, max=_LARGEST // step)
    width = height if net.size_square else torch.export.Dim("width", min=least, max=_LARGEST // step)
    return (height, width) if step == 1 else (step * height, step * width)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says of itself: that torchvision is missing, and its own outdated calls."""
    talkative = (
        "torch.onnx",
        "torch.onnx._internal.exporter._registration",
        "torch.utils._sympy.interp",
        "onnx_ir",
        "onnxscript.optimizer._constant_folding",
    )
    loggers = [logging.getLogger(name) for name in talkative]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _first_cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no reason is given'}"
