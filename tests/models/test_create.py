import subprocess
import sys

import pytest

from unblur.errors import InputError
from unblur.models import create, create_flow, flow_names, is_import_path, names
from unblur.models.mscnn import MSCNN
from unblur.models.pwcnet import PWCNet


def test_names_are_sorted_and_hold_the_networks():
    assert names() == sorted(names())
    assert {"deblurgan", "deepdeblur", "dmphn", "mscnn", "pssnsc", "srn", "svrnn", "swift"} <= set(names())
    assert {"mdcn", "astcn", "ppnet", "dbn", "stfan", "edvr", "ovd", "ifirnn", "cdvdtsp", "pvdnet", "gsta"} <= set(names())


def test_create_hands_the_arguments_on():
    net = create("mscnn", num_codecs=1, widths=(4, 4, 4), num_blocks=1)
    assert isinstance(net, MSCNN)
    assert len(net.encoders) == 1


def test_networks_that_estimate_flow_have_their_own_factory():
    assert flow_names() == ["pwcnet"]
    assert not set(flow_names()) & set(names())
    net = create_flow("pwcnet", widths=(4, 6, 8), decoder_widths=(8, 6), context_widths=(6, 6, 6, 6, 6, 4))
    assert isinstance(net, PWCNet)
    assert net.num_frames == 2
    with pytest.raises(InputError, match="'pwcnet' estimates flow"):
        create("pwcnet")
    with pytest.raises(InputError, match=r"no network 'mscnn'; choose one of pwcnet"):
        create_flow("mscnn")
    with pytest.raises(InputError, match=r"did you mean 'widths'\?"):
        create_flow("pwcnet", width=4)


def test_unknown_network_names_the_nearest():
    with pytest.raises(InputError, match=r"no network 'mcsnn'; did you mean 'mscnn'\?"):
        create("mcsnn")


def test_unknown_argument_names_the_nearest():
    with pytest.raises(InputError, match=r"'deepdeblur' has no argument 'num_scale'; did you mean 'num_scales'\?"):
        create("deepdeblur", num_scale=2)


def test_a_word_like_nothing_lists_the_choice():
    with pytest.raises(InputError, match=r"choose one of .*mscnn"):
        create("qqqq")


def test_importing_the_package_loads_no_torch():
    code = "import sys, unblur.models; unblur.models.names(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


OWN = """
from unblur.models import create
from unblur.models.base import Net

class Bare(Net):
    size_multiple = 1
    def __init__(self, *, width):
        super().__init__()
        self.width = width
    def forward(self, blurry):
        return blurry

class Whole(Bare):
    receptive_radius = 0

def any_arguments(**arguments):
    return Whole(**arguments)

def build(*, width=3):
    return Whole(width=width)

def dictionary():
    return {}

number = 3
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of networks of someone else, `own.networks`, importable."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "networks.py").write_text(OWN)
    (tmp_path / "own" / "broken.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "own"]:
        del sys.modules[name]


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize(
    ("path", "arguments", "width"),
    [("Whole", {"width": 5}, 5), ("build", {}, 3), ("build", {"width": 4}, 4), ("any_arguments", {"width": 2}, 2)],
)
def test_an_import_path_names_a_network_of_ones_own(path, arguments, width):
    net = create(f"own.networks:{path}", **arguments)
    assert (type(net).__name__, net.width) == ("Whole", width)
    assert is_import_path(f"own.networks:{path}")
    assert not any(map(is_import_path, names()))


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize(
    ("path", "arguments", "words"),
    [
        ("nowhere.networks:Whole", {}, r"module `nowhere\.networks` cannot be imported \(ModuleNotFoundError.*PYTHONPATH"),
        ("own.broken:Whole", {}, r"module `own\.broken` cannot be imported \(ZeroDivisionError"),
        ("own.networks:Other", {}, "has no class or function `Other`"),
        ("own.networks:number", {}, "has no class or function `number`"),
        ("own.networks:Whole.forward", {}, "is no import path; write it as"),
        ("own/networks.py:Whole", {}, "is no import path"),
        (".networks:Whole", {}, "is no import path"),
        ("own.networks:", {}, "is no import path"),
        ("own.networks:dictionary", {}, r"gives a `dict`, not a `unblur\.models\.base\.Net`"),
        ("own.networks:Bare", {"width": 1}, "its attribute `receptive_radius` must be an integer"),
        ("own.networks:Whole", {}, "cannot be built with the arguments .*: missing a required argument: 'width'"),
        ("own.networks:build", {"with": 4}, "has no argument 'with'; did you mean 'width'"),
    ],
)
def test_what_is_wrong_with_an_import_path_is_said(path, arguments, words):
    with pytest.raises(InputError, match=words):
        create(path, **arguments)


@pytest.mark.usefixtures("module")
def test_a_network_that_restores_is_none_for_flow():
    with pytest.raises(InputError, match=r"not a `unblur\.models\.flow\.FlowNet`; `create`"):
        create_flow("own.networks:build")
