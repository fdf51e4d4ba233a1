"""Graph models are read by the names of the operations; what is missing or damaged is refused with the reason."""

import json
import re

import pytest
import torch
from graphs import published_maxim, write_graph_model, write_maxim

from unblur.errors import WeightsError
from unblur.weights.tfjs import read_graph_model

CONV = torch.arange(24.0).view(2, 2, 2, 3)
BIAS = torch.arange(3.0).view(1, 1, 1, 3)
SMALL = {"conv/Conv2D": CONV, "conv/jit_fn_/AddV2": BIAS}


def change(folder, edit):
    """Rewrite `model.json`."""
    graph = json.loads((folder / "model.json").read_text())
    edit(graph)
    (folder / "model.json").write_text(json.dumps(graph))


def test_the_operation_names_the_parameter(tmp_path):
    scale = torch.tensor([0.5, 2.0]).view(1, 1, 1, 2)
    folder = write_graph_model(
        tmp_path / "models",
        SMALL
        | {
            "up/conv2d_transpose": CONV + 100,
            "block/dense/einsum/Einsum": torch.eye(2),
            "block/dense/jit_fn_/AddV2": torch.tensor([1.0]),
            "block/norm/jit_fn_/AddV2": torch.tensor(1e-6),  # a scalar is no parameter
            "block/norm/jit_fn_/Mul_4": scale,
            "block/norm/jit_fn_/AddV2_1": scale + 1,
            "other/norm/jit_fn_/Mul_2": scale + 2,
            "other/norm/jit_fn_/Mul_3": scale + 3,
            "UpSampleRatio_0/jit__resize_/jit_fn_/AddV2": scale,  # a table of the resizing
            "block/Reshape": [4, 4],
        },
    )
    read = read_graph_model(folder)
    wanted = {
        "conv/kernel": CONV,
        "conv/bias": BIAS,
        "up/kernel": CONV + 100,
        "block/dense/kernel": torch.eye(2),
        "block/dense/bias": torch.tensor([1.0]),
        "block/norm/scale": scale,
        "block/norm/bias": scale + 1,
        "other/norm/scale": scale + 2,
    }
    assert read.keys() == wanted.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in wanted.items())


@pytest.mark.parametrize("shards", [1, 2, 5])
def test_a_constant_may_lie_in_several_shards(tmp_path, shards):
    read = read_graph_model(write_graph_model(tmp_path / "models", SMALL, shards=shards))
    assert torch.equal(read["conv/kernel"], CONV)
    assert torch.equal(read["conv/bias"], BIAS)


def test_every_parameter_of_a_network_comes_back(tmp_path):
    read, wanted = read_graph_model(write_maxim(tmp_path / "models")), published_maxim()
    assert read.keys() == wanted.keys()
    assert all(torch.equal(read[name].flatten(), tensor.flatten()) for name, tensor in wanted.items())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is no TensorFlow.js graph model: it has no `model.json`"),
        (b"{", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"[]", "is no TensorFlow.js graph model"),
        (b'{"format": "layers-model", "modelTopology": {"node": [1]}, "weightsManifest": [1]}', "is no TensorFlow.js graph model"),
        (b'{"format": "graph-model", "modelTopology": {}, "weightsManifest": []}', "is no TensorFlow.js graph model"),
    ],
)
def test_other_folders_are_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "model.json").write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        read_graph_model(tmp_path)


def test_a_missing_shard_is_named(tmp_path):
    folder = write_graph_model(tmp_path / "models", SMALL)
    (folder / "group1-shard2of2.bin").unlink()
    with pytest.raises(WeightsError, match=r"group1-shard2of2\.bin.*a part of the model is missing"):
        read_graph_model(folder)


@pytest.mark.parametrize("shard", ["../secret.bin", "sub/secret.bin", "{tmp}/secret.bin"])
def test_shards_outside_the_folder_are_not_opened(tmp_path, shard):
    folder = write_graph_model(tmp_path / "models", SMALL, shards=1)
    (folder / "sub").mkdir()
    for place in (tmp_path, folder / "sub"):
        (place / "secret.bin").write_bytes((folder / "group1-shard1of1.bin").read_bytes())
    change(folder, lambda graph: graph["weightsManifest"][0].update(paths=[shard.format(tmp=tmp_path)]))
    with pytest.raises(WeightsError, match="outside itself"):
        read_graph_model(folder)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"quantization": {"dtype": "uint8", "scale": 0.1, "min": 0}}, "not in plain fp32"),
        ({"dtype": "float16"}, "not in plain fp32"),
        ({"dtype": "bool"}, "not in plain fp32"),
        ({"shape": [2, 2, 2, 4]}, "damaged: its files end before"),
        ({"shape": [-1]}, "damaged"),
        ({"shape": [-2, -12]}, "damaged"),
        ({"shape": ["two"]}, "damaged"),
        ({"shape": None}, "damaged"),
        ({"name": None}, "holds no parameters"),
    ],
)
def test_constants_that_cannot_be_read_are_refused(tmp_path, edit, message):
    folder = write_graph_model(tmp_path / "models", SMALL)
    change(folder, lambda graph: [constant.update(edit) for constant in graph["weightsManifest"][0]["weights"]])
    with pytest.raises(WeightsError, match=message):
        read_graph_model(folder)


def test_data_that_is_cut_short_is_refused(tmp_path):
    folder = write_graph_model(tmp_path / "models", SMALL)
    last = folder / "group1-shard2of2.bin"
    last.write_bytes(last.read_bytes()[:-1])
    with pytest.raises(WeightsError, match="its files end before the constant `StatefulPartitionedCall/Const_1`"):
        read_graph_model(folder)


def test_a_graph_without_parameters_is_refused(tmp_path):
    folder = write_graph_model(tmp_path / "models", {"conv/Relu": CONV})
    with pytest.raises(WeightsError, match=f"{re.escape(str(folder))}.*no parameters of a Flax module"):
        read_graph_model(folder)
    folder = write_graph_model(tmp_path / "nameless", SMALL)
    change(folder, lambda graph: graph["modelTopology"]["node"][1].pop("name"))
    with pytest.raises(WeightsError, match=r"model\.json` is damaged"):
        read_graph_model(folder)
