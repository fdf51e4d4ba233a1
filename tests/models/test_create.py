import subprocess
import sys

import pytest

from unblur.errors import InputError
from unblur.models import create, create_flow, flow_names, names
from unblur.models.mscnn import MSCNN
from unblur.models.pwcnet import PWCNet


def test_names_are_sorted_and_hold_the_networks():
    assert names() == sorted(names())
    assert {"deblurgan", "deepdeblur", "dmphn", "mscnn", "pssnsc", "srn", "swift"} <= set(names())
    assert {"mdcn", "astcn", "ppnet", "dbn", "stfan", "edvr", "ovd", "ifirnn", "cdvdtsp"} <= set(names())


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
