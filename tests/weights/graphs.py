"""TensorFlow.js graph models as the tests write them, and a small published MAXIM in the authors' names."""

import json
import math
import zlib
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "maxim.json").read_text())
"""A small MAXIM of two stages, run by the authors' program (google-research/maxim at 2023, Flax 0.12): `names` are its parameters and their
shapes, `stages` the values of what each stage restores at `places` (row, column, colour), `means` its mean. Parameters are those of
`published_maxim`."""
SMALL_MAXIM = {"width": 4, "num_groups": 1, "num_bottlenecks": 1}
ROOT = "StatefulPartitionedCall/jax2tf_apply_/Wrapper/backbone/"


@cache
def published_maxim():
    """Parameters under the authors' names, made by a formula of the name, laid out as in the graph."""
    made = {}
    for name, shape in GOLDEN["names"].items():
        values = np.sin(0.7 * np.arange(math.prod(shape)) + zlib.crc32(name.encode()) % 1000)
        values *= 0.3 / (math.sqrt(math.prod(shape[:-1])) if len(shape) > 1 else 1)
        made[name] = torch.from_numpy((values + name.endswith("scale")).reshape(shape).astype(np.float32))
        if name.endswith("ConvTranspose_0/kernel"):  # Flax has (kh, kw, in, out); in the graph it is (kh, kw, out, in), turned by half
            made[name] = made[name].flip(0, 1).transpose(2, 3)
    return made


def operation(name, shape):
    """The operation that reads a parameter in the graph."""
    module, _, end = name.rpartition("/")
    normalised = f"{module}/scale" in GOLDEN["names"]
    if end == "scale":
        return f"{module}/jit_fn_/{'Mul_2' if 'global_block' in module else 'Mul_4'}"
    if end == "bias":
        return f"{module}/jit_fn_/{'AddV2_1' if normalised else 'AddV2'}"
    if "ConvTranspose" in module:
        return f"{module}/conv2d_transpose"
    return f"{module}/{'Conv2D' if len(shape) == 4 else 'einsum/Einsum'}"


def write_graph_model(folder, constants, *, shards=2, **changes):
    """Write a graph model.

    Args:
        folder: to be made.
        constants: operation, below the module's root -> tensor that it reads, or a list of numbers for one of integers.
        shards: number of files for the constants.
        changes: replace keys of `model.json`.
    """
    folder.mkdir(parents=True)
    nodes, weights, data = [], [], b""
    for number, (reader, value) in enumerate(constants.items()):
        name, tensor = f"StatefulPartitionedCall/Const_{number}", torch.as_tensor(value)
        nodes += [{"name": name, "op": "Const"}, {"name": ROOT + reader, "op": "Any", "input": ["xs_0", f"{name}:0"]}]
        weights.append({"name": name, "shape": list(tensor.shape), "dtype": "float32" if tensor.is_floating_point() else "int32"})
        data += (tensor.float() if tensor.is_floating_point() else tensor.int()).contiguous().numpy().tobytes()
    paths = [f"group1-shard{shard + 1}of{shards}.bin" for shard in range(shards)]
    for path, (start, end) in zip(paths, pairwise(len(data) * shard // shards for shard in range(shards + 1)), strict=True):
        (folder / path).write_bytes(data[start:end])
    graph = {"format": "graph-model", "modelTopology": {"node": nodes}, "weightsManifest": [{"paths": paths, "weights": weights}]}
    (folder / "model.json").write_text(json.dumps(graph | changes))
    return folder


def write_maxim(folder, *, without=None):
    """Write `published_maxim` as a graph model, without the parameters whose names begin with `without`."""
    return write_graph_model(
        folder,
        {
            operation(name, tensor.shape): tensor.view(1, 1, 1, -1) if tensor.ndim == 1 else tensor
            for name, tensor in published_maxim().items()
            if without is None or not name.startswith(without)
        },
    )
