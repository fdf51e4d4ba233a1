"""Weights of a TensorFlow.js graph model that was made from a Flax module, without TensorFlow.

A graph model is a folder with `model.json`, which holds the graph and a list of constants, and the binary shards of these constants. Its
constants have no useful names once the converter has folded the graph; the operation that reads a constant has: its name begins with the
path of the Flax module, and its kind says which parameter of the module the constant is.
"""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from unblur.errors import WeightsError

__all__ = ["read_graph_model"]

_ROOT = "backbone/"
_READERS = re.compile(r"(?P<module>.+)/(?P<operation>Conv2D|conv2d_transpose|einsum/Einsum|jit_fn_/AddV2(_1)?|jit_fn_/Mul_[24])")
_PARAMETERS = {"Conv2D": "kernel", "conv2d_transpose": "kernel", "einsum/Einsum": "kernel"}


def read_graph_model(folder: Path) -> dict[str, Tensor]:
    """Parameters of the Flax module, `module/path/kernel`, `bias` or `scale` -> tensor in fp32, laid out as the graph has them.

    Args:
        folder: holds `model.json` and the shards that it names.

    Raises:
        WeightsError: if a file is missing or damaged, or the constants are not in fp32 and int32.
    """
    graph = _graph_of(folder / "model.json")
    try:
        parameters = _parameters_of(graph, folder)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise WeightsError(f"`{folder / 'model.json'}` is damaged: {error!r}") from error
    if not parameters:
        raise WeightsError(f"`{folder}` holds no parameters of a Flax module")
    return parameters


def _parameters_of(graph: dict[str, Any], folder: Path) -> dict[str, Tensor]:
    readers: dict[str, list[str]] = {}
    for node in graph["modelTopology"]["node"]:
        for source in node.get("input", ()):
            readers.setdefault(source.partition(":")[0], []).append(node["name"].rpartition(_ROOT)[2])
    parameters: dict[str, Tensor] = {}
    for name, tensor in _constants(graph, folder):
        for reader in readers.get(name, ()):
            place = _READERS.fullmatch(reader)
            if place is not None and tensor.ndim > 0 and "jit__resize_" not in reader:
                end = "scale" if "Mul" in place["operation"] else _PARAMETERS.get(place["operation"], "bias")
                parameters[f"{place['module']}/{end}"] = tensor
    return parameters


def _graph_of(path: Path) -> dict[str, Any]:
    try:
        graph = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise WeightsError(f"`{path.parent}` is no TensorFlow.js graph model: it has no `{path.name}`") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise WeightsError(f"`{path}` cannot be read: {error}") from error
    try:
        if graph["format"] == "graph-model" and graph["modelTopology"]["node"] and graph["weightsManifest"]:
            return dict(graph)
    except (KeyError, TypeError):
        pass
    raise WeightsError(f"`{path}` is no TensorFlow.js graph model")


def _constants(graph: dict[str, Any], folder: Path) -> Iterator[tuple[str, Tensor]]:
    """Name and value of every fp32 constant, in the order of the shards."""
    import torch

    for group in graph["weightsManifest"]:
        shards = [_inside(folder, shard) for shard in group["paths"]]
        try:
            data = bytearray(b"".join(shard.read_bytes() for shard in shards))
        except OSError as error:
            raise WeightsError(f"cannot read `{error.filename}`: {error.strerror}; a part of the model is missing") from error
        start = 0
        for constant in group["weights"]:
            count = math.prod(constant["shape"])
            if constant["dtype"] not in ("float32", "int32") or "quantization" in constant:
                raise WeightsError(
                    f"the constant `{constant['name']}` in `{folder}` is not in plain fp32 or int32, so that it was not read"
                )
            if min(constant["shape"], default=0) < 0 or start + 4 * count > len(data):
                raise WeightsError(f"`{folder}` is damaged: its files end before the constant `{constant['name']}`")
            if constant["dtype"] == "float32" and count:
                yield constant["name"], torch.frombuffer(data, dtype=torch.float32, count=count, offset=start).view(constant["shape"])
            start += 4 * count


def _inside(folder: Path, shard: str) -> Path:
    """The file of a shard, which lies in the folder itself."""
    if Path(shard).name != shard:
        raise WeightsError(f"`{folder}` names a part outside itself, `{shard}`; it was not opened")
    return folder / shard
