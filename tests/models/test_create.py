import subprocess
import sys

import pytest

from unblur.errors import InputError
from unblur.models import create, names
from unblur.models.mscnn import MSCNN


def test_names_are_sorted_and_hold_the_networks():
    assert names() == sorted(names())
    assert {"deblurgan", "deepdeblur", "dmphn", "mscnn", "pssnsc", "srn", "swift"} <= set(names())
    assert {"mdcn", "astcn", "ppnet", "dbn", "stfan", "edvr", "ovd", "ifirnn", "cdvdtsp"} <= set(names())


def test_create_hands_the_arguments_on():
    net = create("mscnn", num_codecs=1, widths=(4, 4, 4), num_blocks=1)
    assert isinstance(net, MSCNN)
    assert len(net.encoders) == 1


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
