import json
import sys

import pytest
import torch
from export_nets import Deciding, Halving, Searching, Toy, small
from nets import save_weights, tiny_swift
from typer.testing import CliRunner

from unblur.app.cli import app
from unblur.errors import InputError, OutputError, UnsupportedError, VerifyError
from unblur.export import files
from unblur.export.convert import examples, to_onnx
from unblur.export.files import LARGEST_DIFFERENCE, compare_nearby, export_network, largest_difference
from unblur.export.runtimes import OnnxSession, OpenVinoSession, open_session
from unblur.io.optional import optional

HAS_ONNX = all(map(optional, ("onnx", "onnxscript", "onnxruntime")))
needs_onnx = pytest.mark.skipif(not HAS_ONNX, reason="the extra `export` is not installed")
needs_openvino = pytest.mark.skipif(not (HAS_ONNX and optional("openvino")), reason="the extra `export` is not installed")

WITH_ANY_SIZE = ["swift"]
WITH_ONE_SIZE = ["deepdeblur", "mscnn", "mdcn", "astcn", "ppnet", "swift_video", "swift_best"]


@pytest.fixture
def toy():
    torch.manual_seed(0)
    return Toy().eval()


@needs_onnx
def test_an_onnx_file_computes_what_torch_does_at_any_size(toy, tmp_path):
    done = export_network(toy, tmp_path / "toy.onnx", about={"licence": "free"})
    assert done.path == tmp_path / "toy.onnx"
    assert done.difference < 1e-5
    assert done.megabytes == pytest.approx(done.path.stat().st_size / 1e6)
    session = OnnxSession(done.path)
    for height, width in ((64, 96), (10, 6), (30, 44)):
        blurry = torch.rand(1, 3, height, width)
        torch.testing.assert_close(session(blurry), toy(blurry).detach(), atol=1e-5, rtol=0)
    model = optional("onnx").load(str(done.path))
    assert {note.key: note.value for note in model.metadata_props}["licence"] == "free"
    assert ([node.name for node in model.graph.input], [node.name for node in model.graph.output]) == (["blurry"], ["restored"])
    assert model.opset_import[0].version == 20
    assert [path.name for path in tmp_path.iterdir()] == ["toy.onnx"]


@needs_onnx
def test_a_file_does_not_say_where_its_code_lay(toy):
    assert b".py" not in to_onnx(toy, size=(8, 8)).SerializeToString()


@needs_openvino
def test_openvino_writes_two_files(toy, tmp_path):
    done = export_network(toy, tmp_path / "toy.xml", size=(10, 12))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["toy.bin", "toy.xml"]
    blurry = torch.rand(1, 3, 10, 12)
    session = OpenVinoSession(done.path)
    first = session(blurry)
    session(1 - blurry)
    torch.testing.assert_close(first, toy(blurry).detach(), atol=1e-5, rtol=0)
    lower = open_session(done.path, runtime="openvino", precision="bf16")(blurry)
    torch.testing.assert_close(lower, toy(blurry).detach(), atol=0.05, rtol=0)


@needs_onnx
def test_what_differs_from_torch_is_not_written(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LARGEST_DIFFERENCE", -1.0)
    with pytest.raises(VerifyError, match=r"differs from torch's by .* nothing was written"):
        export_network(toy, tmp_path / "toy.onnx", size=(8, 8))
    assert not list(tmp_path.iterdir())


def off_by(change, *, net, size, everywhere=False):
    """A runtime that is off by a number for the inputs on which exports are compared, and by nothing, or everywhere, for others."""
    compared = examples(net, size=size)
    return lambda blurry: net(blurry) + change * (everywhere or any(torch.equal(blurry, each) for each in compared))


def test_a_network_that_rounding_leads_elsewhere_is_compared_on_inputs_nearby(toy):
    net, size = Deciding(), (8, 12)
    own_change, least = compare_nearby(net, off_by(0.07, net=net, size=size), size=size)
    assert own_change == pytest.approx(0.1, rel=0.1)
    assert least == 0
    assert compare_nearby(net, off_by(0.07, net=net, size=size, everywhere=True), size=size)[1] > 0.05
    assert compare_nearby(toy, toy, size=size) == (pytest.approx(0, abs=1e-4), 0)


@needs_onnx
@pytest.mark.parametrize(("change", "everywhere", "written"), [(0.07, False, True), (0.07, True, False), (0.3, False, False)])
def test_what_rounding_does_not_explain_is_not_written(tmp_path, monkeypatch, change, everywhere, written):
    net, size, target = Deciding(), (8, 12), tmp_path / "net.onnx"
    runtime = off_by(change, net=net, size=size, everywhere=everywhere)
    monkeypatch.setattr(files, "open_session", lambda *_, **__: runtime)
    if written:
        done = export_network(net, target, size=size)
        assert done.own_change > done.difference > 0.05
    else:
        with pytest.raises(VerifyError):
            export_network(net, target, size=size)
    assert target.exists() == written


@needs_onnx
def test_what_onnx_does_not_have_is_refused(tmp_path):
    with pytest.raises(UnsupportedError, match=r"cannot be exported to ONNX: .*inverse_search"):
        export_network(Searching(), tmp_path / "net.onnx", size=(16, 16))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["onnx", "xml"])
def test_refusals_come_before_the_work(toy, tmp_path, suffix):
    with pytest.raises(InputError, match="does not take pictures of 7x8 as they are; the next size that it takes is 8x8"):
        export_network(toy, tmp_path / f"a.{suffix}", size=(7, 8))
    with pytest.raises(InputError, match=r"exported to `.onnx`, or `.xml` for OpenVINO, not to `a.pt`"):
        export_network(toy, tmp_path / "a.pt")
    (tmp_path / ("a.bin" if suffix == "xml" else "a.onnx")).write_text("mine")
    with pytest.raises(OutputError, match="exists; add `--overwrite`"):
        export_network(toy, tmp_path / f"a.{suffix}")


@needs_onnx
def test_an_old_opset_is_refused(toy):
    with pytest.raises(InputError, match="from ONNX's opset 18 on, not 17"):
        to_onnx(toy, size=None, opset=17)


@pytest.mark.parametrize("name", ["onnx", "onnxscript"])
def test_without_the_extra_it_says_what_to_install(toy, tmp_path, monkeypatch, name):
    for each in ("onnx", "onnxscript"):
        monkeypatch.setitem(sys.modules, each, None if each == name else sys)
    with pytest.raises(UnsupportedError, match=rf"needs the library {name}: `pip install 'unblur\[export\]'`"):
        export_network(toy, tmp_path / "toy.onnx")


def test_the_largest_difference_is_that_of_the_worst_value(toy):
    def off(blurry):
        restored = toy(blurry).detach().clone()
        restored[0, 1, 3, 5] += 0.25 * restored.abs().max().clamp_min(1)
        return restored

    assert largest_difference(toy, toy, size=None) == 0
    assert largest_difference(toy, off, size=(8, 8)) == pytest.approx(0.25, rel=1e-5)
    assert largest_difference(toy, lambda blurry: blurry / 0, size=(8, 8)) == float("inf")
    assert largest_difference(toy, Halving(), size=(8, 8)) == float("inf")


def test_examples_are_of_sizes_that_the_network_takes(toy):
    one, other = examples(toy, size=None)
    assert one.shape != other.shape
    for example in (one, other):
        assert toy.fit_size(*example.shape[-2:]) == tuple(example.shape[-2:])
        assert 0 <= float(example.min()) < float(example.max()) <= 1
    assert [tuple(each.shape) for each in examples(small("swift_video"), size=(16, 24))] == [(1, 3, 3, 16, 24)] * 2


@needs_onnx
@pytest.mark.parametrize("name", ["swift"])
def test_a_network_of_the_package(name, tmp_path):
    done = export_network(small(name), tmp_path / "net.onnx")
    assert done.difference < LARGEST_DIFFERENCE


@needs_openvino
@pytest.mark.slow
@pytest.mark.parametrize("name", [*WITH_ANY_SIZE, *WITH_ONE_SIZE])
def test_networks_that_can_be_exported(name, tmp_path):
    net = small(name)
    size = None if name in WITH_ANY_SIZE else net.fit_size(32, 48)
    onnx = export_network(net, tmp_path / "net.onnx", size=size)
    openvino = export_network(net, tmp_path / "net.xml", size=size)
    assert max(onnx.difference, openvino.difference) < LARGEST_DIFFERENCE


@needs_onnx
def test_the_command(tmp_path):
    tiny_weights = save_weights(tmp_path / "tiny.safetensors", tiny_swift())
    target = tmp_path / "tiny.onnx"
    result = CliRunner().invoke(app, ["export", str(tiny_weights), "-o", str(target), "--size", "16x24"])
    assert result.exit_code == 0, result.output
    assert "largest difference from torch" in result.output
    notes = {note.key: note.value for note in optional("onnx").load(str(target)).metadata_props}
    assert notes["sha256"] == json.loads(tiny_weights.with_suffix(".json").read_text())["sha256"]
    result = CliRunner().invoke(app, ["export", str(tiny_weights), "-o", str(target), "--size", "16"])
    assert result.exit_code == 2
    assert "neither `dynamic` nor a height and width" in " ".join(result.output.split())
