"""Measures of other libraries, with stand-ins for the libraries."""

import sys
from types import ModuleType
from urllib.error import URLError

import pytest
import torch

from unblur.bench.contender import open_contender
from unblur.bench.datasets import open_data
from unblur.bench.extras import open_extra
from unblur.bench.rows import PictureRow
from unblur.bench.run import run_bench
from unblur.bench.table import summarise
from unblur.errors import InputError
from unblur.metrics import protocols


@pytest.fixture
def pyiqa(monkeypatch):
    """A library in the form of `pyiqa`: NIQE is the mean of the picture, LPIPS the mean difference."""
    module = ModuleType("pyiqa")
    module.create_metric = lambda name: (lambda restored: restored.mean()) if name == "niqe" else lambda a, b: (a - b).abs().mean()
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


def test_weights_that_cannot_be_fetched_are_an_error(monkeypatch):
    def unreachable(**_):
        raise URLError("Name or service not known")

    module = ModuleType("lpips")
    module.LPIPS = unreachable
    monkeypatch.setitem(sys.modules, "lpips", module)
    with pytest.raises(InputError, match=r"lpips.* cannot fetch the weights.*Name or service not known.*connection"):
        open_extra("lpips")


def test_unknown_measure_is_an_error():
    with pytest.raises(InputError, match="choose from lpips, niqe"):
        open_extra("musiq")


@pytest.mark.usefixtures("pyiqa")
def test_the_library_that_is_there_is_taken_and_named():
    black, white = torch.zeros(1, 3, 4, 4, dtype=torch.float64), torch.ones(1, 3, 4, 4, dtype=torch.float64)
    label, measure = open_extra("lpips")
    assert label == "lpips (pyiqa)"
    assert measure(black, white) == 1
    _, niqe = open_extra("niqe")
    assert niqe(black, white) == 0


def test_the_library_made_for_it_comes_first(monkeypatch):
    class Network:
        def __init__(self, *, net, verbose):
            assert (net, verbose) == ("alex", False)

        def eval(self):
            return lambda restored, sharp, *, normalize: (restored - sharp).square().mean() * normalize

    module = ModuleType("lpips")
    module.LPIPS = Network
    monkeypatch.setitem(sys.modules, "lpips", module)
    assert open_extra("lpips")[1](torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.5)) == 0.25


@pytest.mark.usefixtures("pyiqa")
def test_extras_go_into_rows_and_averages_and_only_missing_ones_are_made(pairs, tmp_path):
    def run(*extras):
        contender = open_contender("blurry")
        return run_bench([contender], [open_data(str(pairs))], [protocols.get("gopro-skimage")], run=tmp_path / "run", extras=extras)

    assert len(run()) == 1 + 6
    rows = run("niqe")
    assert len(rows) == 1 + 12
    assert run("niqe") == rows
    (summary,) = summarise(rows)
    assert summary.pictures == 6
    values = [row.extras["niqe (pyiqa)"] for row in rows if isinstance(row, PictureRow) and row.extras]
    assert summary.means["niqe (pyiqa)"] == pytest.approx(sum(values) / 6)
