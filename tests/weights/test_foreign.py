"""Reading published checkpoints, with a stand-in for spandrel; and what is said where spandrel is missing or broken."""

import builtins
import pickle
import re
import sys
import warnings
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from spandrels import Failing, FakeDescriptor, tiny_net

from unblur.errors import UnblurError, WeightsError
from unblur.weights.foreign import known_architectures, read_foreign


class Hostile:
    """Makes a file when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.fixture
def importing(monkeypatch):
    """Lets the import of a module raise an error."""

    def raising(module, error):
        monkeypatch.delitem(sys.modules, module, raising=False)

        class Finder:
            def find_spec(self, name, *_):
                if name == module:
                    raise error

        monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])

    return raising


@pytest.mark.usefixtures("spandrel")
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt", ".PTH"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_the_network_of_a_checkpoint_is_the_one_that_was_saved(tmp_path, suffix, wrapped):
    path, state = tmp_path / f"a{suffix}", tiny_net(seed=2).state_dict()
    torch.save({"params": state, "epoch": 1} if wrapped else state, path)
    net = read_foreign(path)
    assert net.system == "TinyNet"
    torch.testing.assert_close(dict(net.network.state_dict()), dict(state), rtol=0, atol=0)


@pytest.mark.usefixtures("spandrel")
def test_safetensors_are_read(tmp_path):
    save_file(tiny_net(seed=2).state_dict(), tmp_path / "a.safetensors")
    torch.testing.assert_close(
        dict(read_foreign(str(tmp_path / "a.safetensors")).network.state_dict()), dict(tiny_net(seed=2).state_dict())
    )


@pytest.mark.usefixtures("spandrel")
def test_half_precision_is_widened(tmp_path):
    torch.save(tiny_net().half().state_dict(), tmp_path / "a.pth")
    assert {weight.dtype for weight in read_foreign(tmp_path / "a.pth").parameters()} == {torch.float32}


@pytest.mark.usefixtures("spandrel")
@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt"])
def test_a_hostile_pickle_is_refused_and_not_run(tmp_path, zipped, suffix):
    mark, path = tmp_path / "mark", tmp_path / f"a{suffix}"
    content = {"params": tiny_net().state_dict(), "note": Hostile(mark)}
    if zipped:
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))
    with pytest.raises(WeightsError, match="holds more than tensors, which could run code"):
        read_foreign(path)
    assert not mark.exists()
    torch.load(path, weights_only=False) if zipped else pickle.loads(path.read_bytes())
    assert mark.exists()  # it would have


@pytest.mark.usefixtures("spandrel")
def test_an_unknown_network_is_refused_with_a_list_of_those_that_are_known(tmp_path):
    torch.save({"somewhere.weight": torch.zeros(3)}, tmp_path / "a.pth")
    with pytest.raises(
        WeightsError,
        match=r"a\.pth` is of no network that spandrel 0\.4\.9 knows; it knows BiggerNet, FailingNet, TinyNet\..*pip install spandrel_extra_arches",
    ) as caught:
        read_foreign(tmp_path / "a.pth")
    assert "--model" not in str(caught.value)


@pytest.mark.usefixtures("spandrel")
def test_weights_of_our_own_are_sent_to_the_other_option(tmp_path):
    save_file({"somewhere.weight": torch.zeros(3)}, tmp_path / "a.safetensors")
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(WeightsError, match=r"given as `--model .*a\.safetensors`"):
        read_foreign(tmp_path / "a.safetensors")


@pytest.mark.usefixtures("spandrel")
def test_a_missing_tensor_is_not_made_up(tmp_path):
    state = tiny_net().state_dict()
    del state["middle.bias"]
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"(?s)does not fit it.*middle\.bias"):
        read_foreign(tmp_path / "a.pth")


@pytest.mark.usefixtures("spandrel")
def test_a_network_for_something_else_is_refused(tmp_path):
    torch.save({"enlarge.weight": torch.zeros(3)}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"`a\.pth` holds a BiggerNet, a super-resolution network"):
        read_foreign(tmp_path / "a.pth")


@pytest.mark.usefixtures("spandrel")
@pytest.mark.parametrize(("name", "content"), [("a.pth", b""), ("a.pth", b"PK\3\4oh"), ("a.ckpt", b"\x80\2."), ("a.safetensors", b"{}")])
def test_a_damaged_file_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=re.escape(name)):
        read_foreign(tmp_path / name)


@pytest.mark.usefixtures("spandrel")
def test_a_torchscript_archive_is_refused_without_advice_to_load_it_unsafely(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated
        torch.jit.script(torch.nn.Conv2d(3, 3, 1)).save(str(tmp_path / "a.pt"))
    with pytest.raises(WeightsError, match="is a TorchScript archive, which holds code") as caught:
        read_foreign(tmp_path / "a.pt")
    assert "weights_only" not in str(caught.value)


@pytest.mark.usefixtures("spandrel")
@pytest.mark.parametrize("content", [[], {}, torch.zeros(3), 3])
def test_what_is_no_state_dict_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="holds no state dict"):
        read_foreign(tmp_path / "a.pth")


@pytest.mark.usefixtures("spandrel")
def test_names_of_other_files_are_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"`\.pth`, `\.pt`, `\.ckpt`, `\.safetensors` files, not `a\.bin`"):
        read_foreign(tmp_path / "a.bin")
    with pytest.raises(WeightsError, match=r"there is no file .*a\.pth"):
        read_foreign(tmp_path / "a.pth")


def test_the_companion_adds_its_architectures_and_leaves_the_library_as_it_is(spandrel, monkeypatch, tmp_path):
    more = ModuleType("spandrel_extra_arches")
    support = SimpleNamespace(
        architecture=SimpleNamespace(name="ExtraNet"),
        build=lambda state: FakeDescriptor(Failing(), name="ExtraNet") if "extra" in state else None,
    )
    more.EXTRA_REGISTRY = [support]
    monkeypatch.setitem(sys.modules, "spandrel_extra_arches", more)
    assert known_architectures() == ["BiggerNet", "ExtraNet", "FailingNet", "TinyNet"]
    assert "ExtraNet" not in spandrel.MAIN_REGISTRY.builders
    torch.save({"extra": torch.zeros(1)}, tmp_path / "a.pth")
    assert read_foreign(tmp_path / "a.pth").system == "ExtraNet"


@pytest.mark.usefixtures("spandrel")
def test_a_broken_companion_is_named(importing):
    importing("spandrel_extra_arches", RuntimeError("numpy has no attribute float"))
    with pytest.raises(WeightsError, match="spandrel_extra_arches is installed, but cannot be imported: numpy has no attribute float"):
        known_architectures()


def test_a_missing_library_says_what_to_install(published, monkeypatch, importing):
    importing("spandrel", ModuleNotFoundError("No module named 'spandrel'", name="spandrel"))
    with pytest.raises(UnblurError, match=r"spandrel, which is not installed; run `pip install spandrel`.*peers"):
        read_foreign(published)
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(UnblurError, match="not installed"):
        read_foreign(published)


def test_a_library_that_lacks_another_one_names_it(published, importing):
    importing("spandrel", ModuleNotFoundError("No module named 'torchvision'", name="torchvision"))
    with pytest.raises(UnblurError, match=r"cannot be imported: No module named 'torchvision'; run `pip install spandrel`"):
        read_foreign(published)


@pytest.mark.parametrize("kind", [RuntimeError, AttributeError])
def test_a_torchvision_that_does_not_match_is_said(published, importing, kind):
    importing("spandrel", kind("operator torchvision::nms does not exist"))
    with pytest.raises(UnblurError, match=r"does not match torch \d.*operator torchvision::nms does not exist; install builds of the two"):
        read_foreign(published)


def test_nothing_is_imported_before_it_is_asked_for(monkeypatch):
    asked = []
    whole = builtins.__import__

    def noting(name, *rest):
        asked.append(name.split(".")[0])
        return whole(name, *rest)

    monkeypatch.setattr(builtins, "__import__", noting)
    for module in ("unblur.weights.foreign", "unblur.models.foreign", "unblur.restore.load"):
        monkeypatch.delitem(sys.modules, module)
        __import__(module)
    assert "torch" in asked
    assert not {"spandrel", "torchvision"} & set(asked)
