import numpy as np
import pytest
import torch
from export_nets import Toy
from nets import CPU, deblurrer, save_weights, tiny_swift

import unblur
from unblur.errors import InputError, UnsupportedError
from unblur.export import compiled
from unblur.export.compiled import CompiledNet
from unblur.io.optional import optional
from unblur.restore.machine import CACHE_VARIABLE
from unblur.restore.precision import Setup
from unblur.restore.threads import Threads

ONNX = Setup(CPU, torch.float32, threads=Threads(1), runtime="onnx")
needs_onnx = pytest.mark.skipif(not all(map(optional, ("onnx", "onnxscript", "onnxruntime"))), reason="the extra `export` is not installed")
needs_openvino = pytest.mark.skipif(optional("openvino") is None, reason="the extra `export` is not installed")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def toy():
    torch.manual_seed(0)
    return Toy().eval()


@pytest.fixture
def counted(monkeypatch):
    """The sizes for which networks are exported."""
    sizes = []
    export = compiled.to_onnx

    def to_onnx(net, *, size):
        sizes.append(size)
        return export(net, size=size)

    monkeypatch.setattr(compiled, "to_onnx", to_onnx)
    return sizes


@needs_onnx
def test_computes_what_torch_does_and_exports_once(toy, counted, folder):
    for sha256 in ("1", "1"):
        net = CompiledNet(toy, setup=ONNX, sha256=sha256)
        for shape in ((1, 3, 8, 12), (2, 3, 6, 4)):
            blurry = torch.rand(shape)
            torch.testing.assert_close(ONNX.run(net, blurry), toy(blurry).detach(), atol=1e-5, rtol=0)
    assert counted == [None]
    assert [path.suffix for path in (folder / "exports").iterdir()] == [".onnx"]


@needs_onnx
def test_one_that_cannot_be_exported_for_any_size_is_exported_for_each(toy, counted, folder, monkeypatch):
    export = compiled.to_onnx

    def one_size(net, *, size):
        if size is None:
            raise UnsupportedError("not so")
        return export(net, size=size)

    monkeypatch.setattr(compiled, "to_onnx", one_size)
    for _ in range(2):
        net = CompiledNet(toy, setup=ONNX, sha256="1")
        for height in (8, 10, 8):
            net(torch.rand(1, 3, height, 8))
    assert counted == [(8, 8), (10, 8)]
    assert {path.stem.partition("-")[2] for path in (folder / "exports").iterdir()} == {"8x8", "10x8"}


def test_has_the_facts_of_the_network(toy):
    toy.receptive_radius, toy.scale_step = 17, 3.0
    net = CompiledNet(toy, setup=ONNX, sha256="1")
    assert (net.receptive_radius, net.scale_step, net.size_multiple, net.tile_multiple) == (17, 3.0, 2, 2)
    assert net.fit_size(7, 8) == (8, 8)
    assert net.in_torch is toy
    with pytest.raises(InputError, match="`torch` is no runtime"):
        CompiledNet(toy, setup=Setup(CPU, torch.float32), sha256="1")


@needs_onnx
@needs_openvino
def test_pictures_are_restored_as_by_torch(tmp_path):
    weights = save_weights(tmp_path / "tiny.safetensors", tiny_swift())
    picture = np.random.default_rng(0).integers(0, 256, (90, 75, 3), np.uint8)
    exact = deblurrer(tiny_swift()).photo(picture)
    for runtime in ("onnx", "openvino"):
        report = unblur.restore(picture, model=weights, device="cpu", precision="fp32", runtime=runtime, tile=64, single_scale=False)
        assert int(np.abs(report.picture.astype(int) - exact).max()) <= 1
