import time

import pytest
import torch
from nets import CPU, Darker, Windowed, save_weights, tiny_swift

import unblur
from unblur.errors import DeviceError, InputError
from unblur.restore import runtimes
from unblur.restore.machine import CACHE_VARIABLE
from unblur.restore.networks import Request
from unblur.restore.precision import Setup
from unblur.restore.runtimes import by_runtime

FP32 = Setup(CPU, torch.float32)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(runtimes, "_SIDE", 16)


@pytest.fixture
def compiled(monkeypatch):
    """Stands in for exported networks; the delays of the runtimes, and what they add to each value."""
    delays = {"onnx": 0.0, "openvino": 0.0, "torch": 0.0}
    errors = {"onnx": 0.0, "openvino": 0.0}
    made = []

    class Compiled(Darker):
        def __init__(self, net, *, setup, sha256):
            del net
            super().__init__()
            self.runtime = setup.runtime
            made.append((setup.runtime, sha256))

        def change(self, blurry):
            time.sleep(delays[self.runtime])
            return super().change(blurry) + errors[self.runtime]

    monkeypatch.setattr("unblur.export.compiled.CompiledNet", Compiled)
    return delays, errors, made


class Slow(Darker):
    """Takes two hundredths of a second."""

    def change(self, blurry):
        time.sleep(0.02)
        return super().change(blurry)


def chosen(net, setup=FP32, *, runtime="auto", sha256="0"):
    return by_runtime(net, setup, runtime=runtime, sha256=sha256)[1].runtime


def test_torch_is_left_as_it_is(compiled):
    net = Darker()
    assert by_runtime(net, FP32, runtime="torch", sha256="0") == (net, FP32)
    assert not compiled[2]


def test_a_runtime_that_is_asked_for_is_tested(compiled):
    _, errors, made = compiled
    net, setup = by_runtime(Darker(), FP32, runtime="onnx", sha256="17")
    assert (setup.runtime, setup.precision, net.runtime, made) == ("onnx", "fp32", "onnx", [("onnx", "17")])
    errors["onnx"] = 0.1
    with pytest.raises(DeviceError, match=r"onnx agrees with torch to 20 dB only .* use `--runtime torch`"):
        by_runtime(Darker(), FP32, runtime="onnx", sha256="17")


def test_openvino_computes_in_bf16_where_torch_does_and_onnx_in_fp32(compiled):
    del compiled
    lower = Setup(CPU, torch.bfloat16)
    assert by_runtime(Darker(), lower, runtime="openvino", sha256="0")[1].precision == "bf16"
    assert by_runtime(Darker(), lower, runtime="onnx", sha256="0")[1].precision == "fp32"


def test_auto_takes_the_fastest(compiled):
    delays, _, _ = compiled
    delays.update(onnx=0.01, openvino=0.0)
    assert chosen(Slow()) == "openvino"


def test_auto_takes_torch_where_that_is_the_fastest(compiled):
    delays, _, _ = compiled
    delays.update(onnx=0.02, openvino=0.02)
    assert chosen(Darker()) == "torch"


def test_auto_passes_over_what_fails_its_self_test(compiled):
    delays, errors, _ = compiled
    delays.update(onnx=0.01)
    errors["openvino"] = 0.1
    assert chosen(Slow()) == "onnx"


def test_auto_times_once_a_machine_and_weights(compiled):
    delays, _, made = compiled
    delays.update(onnx=0.01)
    assert chosen(Slow()) == "openvino"
    delays.update(onnx=0.0, openvino=0.02)
    assert chosen(Slow()) == "openvino"
    timed = len(made)
    assert chosen(Slow(), sha256="1") == "onnx"
    assert len(made) > timed + 1


def test_integers_are_there_again_where_torch_is_taken(compiled, monkeypatch):
    delays, _, _ = compiled
    delays.update(onnx=0.02, openvino=0.02)
    done = []
    monkeypatch.setattr(runtimes, "float_blocks", lambda _: done.append("float"))
    monkeypatch.setattr(runtimes, "int8_blocks", lambda _: done.append("int8"))
    assert chosen(Darker(), Setup(CPU, torch.float32, int8=True)) == "torch"
    assert done[-2:] == ["float", "int8"]


def test_video_networks_and_gpus_are_computed_by_torch(compiled):
    elsewhere = Setup(torch.device("meta"), torch.float32)
    assert chosen(Windowed()) == chosen(Darker(), elsewhere) == "torch"
    with pytest.raises(DeviceError, match="video networks are computed by torch"):
        chosen(Windowed(), runtime="onnx")
    with pytest.raises(DeviceError, match="computes on the processor"):
        chosen(Darker(), elsewhere, runtime="onnx")
    assert not compiled[2]


def test_what_cannot_be_is_refused(tmp_path):
    weights = save_weights(tmp_path / "tiny.safetensors", tiny_swift())
    with pytest.raises(InputError, match="there is no runtime `tensorrt`"):
        unblur.load(weights, runtime="tensorrt")
    with pytest.raises(InputError, match="name it by `model`"):
        Request(runtime="onnx")
