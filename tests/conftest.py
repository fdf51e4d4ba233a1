"""Settings for all tests, and the helpers that tests of several folders share."""

import atexit
import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

if "UNBLUR_CACHE_DIR" not in os.environ:  # what users have measured is theirs
    os.environ["UNBLUR_CACHE_DIR"] = tempfile.mkdtemp(prefix="unblur-tests-")
    atexit.register(shutil.rmtree, os.environ["UNBLUR_CACHE_DIR"], ignore_errors=True)
os.environ["UNBLUR_WEIGHTS"] = str(Path(os.environ["UNBLUR_CACHE_DIR"]) / "no-weights")  # nor do tests see what users have pulled
torch.set_num_threads(1)  # the pictures are tiny: more threads only wait for each other
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault of the code
settings.load_profile("patient")

_HERE = Path(__file__).parent
_SHARED = {
    "backwards": "cluster/backwards.py",
    "blurred_pictures": "layers/blurred_pictures.py",
    "clips": "io/clips.py",
    "nets": "restore/nets.py",
    "engines": "app/web/engines.py",
    "moving_shapes": "models/moving_shapes.py",
    "small": "models/small.py",
    "trees": "data/trees.py",
    "graphs": "weights/graphs.py",
    "spandrels": "weights/spandrels.py",
    "changes": "training/changes.py",
    "export_nets": "export/nets.py",
    "shrunk": "training/shrunk.py",
}
for name, path in _SHARED.items():
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, _HERE / path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])


@pytest.fixture
def symlinks(tmp_path_factory):
    """Skips the test where this user may not make symbolic links, as on Windows without the developer mode."""
    try:
        (tmp_path_factory.mktemp("links") / "link").symlink_to("nowhere")
    except OSError as error:
        pytest.skip(f"symbolic links cannot be made here: {error}")


@pytest.fixture
def spandrel(monkeypatch):
    """A stand-in for the library spandrel, without its companion."""
    module = sys.modules["spandrels"].fake_spandrel()
    monkeypatch.setitem(sys.modules, "spandrel", module)
    monkeypatch.setitem(sys.modules, "spandrel_extra_arches", None)
    return module


@pytest.fixture
def published(spandrel, tmp_path):
    """A published checkpoint of a small third-party network that the stand-in recognises."""
    del spandrel
    path = tmp_path / "published.pth"
    torch.save({"params": sys.modules["spandrels"].tiny_net().state_dict(), "epoch": 3}, path)
    return path


@pytest.fixture
def quick_costs(monkeypatch):
    """Networks of which parameters are counted alone: multiply-adds of a frame of 1280x720 take longer than all else, and tests/bench/test_cost.py is about them."""
    from unblur.bench import contender
    from unblur.bench.cost import Cost
    from unblur.models import create

    def cost_of(name, arguments):
        with torch.device("meta"):
            net = create(name, **arguments)
        return Cost(sum(parameter.numel() for parameter in net.parameters()), 1, net.num_frames)

    monkeypatch.setattr(contender, "cost_of", cost_of)
