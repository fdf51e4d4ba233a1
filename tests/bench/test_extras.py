"""Measures beside those of a protocol; of other libraries, with stand-ins for the libraries."""

import socket
import sys
import urllib.request
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from unblur.bench.contender import open_contender
from unblur.bench.datasets import open_data
from unblur.bench.extras import MEANINGS, open_extra
from unblur.bench.rows import PictureRow, read_rows
from unblur.bench.run import run_bench
from unblur.bench.table import summarise
from unblur.errors import InputError
from unblur.metrics import detail, from_uint8, gmsd, protocols, shifted_psnr


@pytest.fixture
def pyiqa(monkeypatch):
    """A library in the form of `pyiqa`: NIQE is the mean of the picture, LPIPS the mean difference."""
    module = ModuleType("pyiqa")
    module.create_metric = lambda name: (
        (lambda restored: restored.mean()) if name in ("niqe", "musiq") else lambda a, b: (a - b).abs().mean()
    )
    monkeypatch.setitem(sys.modules, "pyiqa", module)
    monkeypatch.setitem(sys.modules, "lpips", None)


@pytest.fixture
def nothing(monkeypatch):
    for library in ("lpips", "pyiqa"):
        monkeypatch.setitem(sys.modules, library, None)


@pytest.mark.usefixtures("nothing")
def test_missing_library_says_what_to_install():
    with pytest.raises(InputError, match=r"pip install lpips.*pip install pyiqa"):
        open_extra("lpips")


@pytest.fixture
def lpips(monkeypatch, tmp_path):
    """A library in the form of `lpips`: it downloads its weights as torchvision does, into the cache of torch."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))

    def network(**_):
        weight = torch.hub.load_state_dict_from_url("https://models.example/some/net-abc.pth", progress=False)["weight"]
        return SimpleNamespace(eval=lambda: lambda restored, sharp, *, normalize: (restored - sharp).abs().mean() * weight * normalize)

    module = ModuleType("lpips")
    module.LPIPS = network
    monkeypatch.setitem(sys.modules, "lpips", module)


@pytest.mark.usefixtures("lpips")
def test_weights_are_taken_from_the_disk_and_never_downloaded(tmp_path):
    (tmp_path / "weights/lpips").mkdir(parents=True)
    address = r"needs `net-abc.pth` \(published at https://models.example/some/net-abc.pth\)"
    with pytest.raises(InputError, match=rf"^lpips \(lpips\) {address}, which is not in .*nothing is downloaded.*--metric-weights"):
        open_extra("lpips")
    with pytest.raises(InputError, match=f"{address}, which is neither in `.*weights` nor in"):
        open_extra("lpips", weights=tmp_path / "weights")
    with pytest.raises(InputError, match="is not a folder"):
        open_extra("lpips", weights=tmp_path / "nowhere")
    torch.save({"weight": torch.tensor(3.0)}, tmp_path / "weights/lpips/net-abc.pth")
    black, white = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    assert open_extra("lpips", weights=tmp_path / "weights").measure(black, white) == (3,)
    assert open_extra("lpips").measure(black, white) == (3,)  # the library has kept them


def test_other_downloads_are_refused_as_well_and_only_while_a_measure_is_loaded(monkeypatch):
    module = ModuleType("pyiqa")
    module.create_metric = lambda _: urllib.request.urlopen("https://models.example/net.pth")
    monkeypatch.setitem(sys.modules, "pyiqa", module)
    before = socket.getaddrinfo, torch.hub.urlopen
    with pytest.raises(InputError, match=r"^musiq \(pyiqa\) needs a file of models.example.*nothing is downloaded"):
        open_extra("musiq")
    assert (socket.getaddrinfo, torch.hub.urlopen) == before


def test_a_library_that_does_not_fit_is_named(monkeypatch):
    def broken(_):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr("unblur.bench.extras.importlib.import_module", broken)
    with pytest.raises(InputError, match=r"cannot be imported here.*`pyiqa` is installed, but RuntimeError: operator torchvision::nms"):
        open_extra("dists")


def test_damaged_weights_are_an_error(monkeypatch):
    def damaged(name):
        raise ValueError(f"{name}: invalid hash" + 1000 * ', "block.weight"')  # torch lists all tensors that do not fit

    module = ModuleType("pyiqa")
    module.create_metric = damaged
    monkeypatch.setitem(sys.modules, "pyiqa", module)
    with pytest.raises(InputError, match=r"dists \(pyiqa\) cannot be loaded: ValueError: dists: invalid hash") as caught:
        open_extra("dists")
    assert len(str(caught.value)) < 400


def test_unknown_measure_is_an_error():
    with pytest.raises(InputError, match="choose from detail, dists, gmsd, lpips, musiq, niqe, shifted"):
        open_extra("beauty")


@pytest.mark.usefixtures("pyiqa")
def test_the_library_that_is_there_is_taken_and_named():
    black, white = torch.zeros(1, 3, 4, 4, dtype=torch.float64), torch.ones(1, 3, 4, 4, dtype=torch.float64)
    extra = open_extra("lpips")
    assert extra.names == ("lpips (pyiqa)",)
    assert extra.measure(black, white) == (1,)
    assert open_extra("niqe").measure(black, white) == open_extra("musiq").measure(black, white) == (0,)
    assert open_extra("dists").measure(black, white) == (1,)


@pytest.mark.usefixtures("pyiqa")
def test_nothing_is_printed_of_downloads_that_do_not_happen(monkeypatch, capsys):
    make = sys.modules["pyiqa"].create_metric
    chatty = lambda name: sys.stdout.write("Downloading") and make(name)  # as pyiqa 0.1.16 says before it begins  # noqa: E731
    monkeypatch.setattr(sys.modules["pyiqa"], "create_metric", chatty)
    open_extra("niqe")
    assert capsys.readouterr().out == ""


def test_the_library_made_for_it_comes_first(monkeypatch):
    class Network:
        def __init__(self, *, net, verbose):
            assert (net, verbose) == ("alex", False)

        def eval(self):
            return lambda restored, sharp, *, normalize: (restored - sharp).square().mean() * normalize

    module = ModuleType("lpips")
    module.LPIPS = Network
    monkeypatch.setitem(sys.modules, "lpips", module)
    assert open_extra("lpips").measure(torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.499)) == pytest.approx(((127 / 255) ** 2,))


@pytest.mark.usefixtures("pyiqa")
def test_extras_go_into_rows_and_averages_and_only_missing_ones_are_made(pairs, tmp_path):
    def run(*extras):
        contender = open_contender("blurry")
        return run_bench([contender], [open_data(str(pairs))], [protocols.get("gopro-skimage")], run=tmp_path / "run", extras=extras)

    assert len(run()) == 1 + 6
    rows = run("niqe")
    assert len(rows) == 1 + 12
    assert run("niqe") == rows
    more = run("gmsd")
    assert len(more) == 1 + 18
    assert run("niqe", "gmsd") == more
    assert summarise(more)[0].means["niqe (pyiqa)"] == summarise(rows)[0].means["niqe (pyiqa)"]
    (summary,) = summarise(rows)
    assert summary.pictures == 6
    values = [row.extras["niqe (pyiqa)"] for row in rows if isinstance(row, PictureRow) and row.extras]
    assert summary.means["niqe (pyiqa)"] == pytest.approx(sum(values) / 6)


@pytest.mark.usefixtures("nothing")
def test_own_measures_need_no_library_and_leave_those_of_the_protocol_alone(pairs, tmp_path):
    def run(name, *extras):
        found = [open_contender("blurry")], [open_data(str(pairs))], [protocols.get("gopro-skimage"), protocols.get("gopro-matlab")]
        return [row for row in run_bench(*found, run=tmp_path / name, extras=extras) if isinstance(row, PictureRow)]

    plain, rows = run("plain"), run("beside", "shifted", "gmsd", "detail")
    assert [row.measures for row in rows] == [row.measures for row in plain]
    assert all(tuple(row.extras) == tuple(MEANINGS) for row in rows)
    blurry, sharp = (from_uint8(np.array(Image.open(pairs / kind / rows[-1].sequence / rows[-1].name))) for kind in ("blurry", "sharp"))
    shifted, fine = shifted_psnr(blurry, sharp), detail(blurry, sharp)
    expected = [shifted.psnr, shifted.shift.norm(), gmsd(blurry, sharp), fine.ratio, fine.coherent]
    assert list(rows[-1].extras.values()) == pytest.approx([each.item() for each in expected], abs=1e-6)


def test_what_is_infinite_or_unknown_is_left_out_of_the_mean(pairs, tmp_path):
    for kind in ("blurry", "sharp"):
        Image.fromarray(np.full((40, 48, 3), 90, np.uint8)).save(pairs / kind / "clip0/000.png")
    data = [open_data(str(pairs))], [protocols.get("gopro-skimage")]
    rows = run_bench([open_contender("blurry")], *data, run=tmp_path / "run", extras=["shifted", "detail"])
    extras = [row.extras for row in rows if isinstance(row, PictureRow)]
    assert [np.isinf(extras[0]["shifted psnr"]), np.isnan(extras[0]["detail"])] == [True, True]
    (summary,) = summarise(read_rows(tmp_path / "run"))
    for name in ("shifted psnr", "detail"):
        assert summary.means[name] == pytest.approx(np.mean([each[name] for each in extras[1:]]))
