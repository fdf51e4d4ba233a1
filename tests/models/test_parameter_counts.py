"""Parameter counts against the papers, on the meta device: nothing is allocated."""

import re
from pathlib import Path

import pytest
import torch

from unblur.models import create
from unblur.models.dbgan import BGAN, DBGANDiscriminator
from unblur.models.deblurgan import DeblurGANCritic
from unblur.models.deepdeblur import DeepDeblurDiscriminator

PAGES = Path(__file__).parents[2] / "docs" / "explanation"


def millions(net):
    return sum(parameter.numel() for parameter in net.parameters()) / 1e6


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("deepdeblur", {}, 11.7),
        ("mscnn", {}, 8.50),
        ("mscnn", {"attention": False}, 7.75),
        ("srn", {}, 8.1),
        ("srn", {"lstm_kernel_size": 5}, 10.2),
        ("srn", {"recurrent": False}, 6.9),
        ("srn", {"shared_scales": False}, 24.2),
        ("dmphn", {}, 7.2),
        ("dmphn", {"num_levels": 3}, 5.42),
        ("dmphn", {"num_levels": 3, "num_stacks": 4}, 21.7),
        ("deblurgan", {}, 11.4),
        ("pssnsc", {}, 3.88),
        ("svrnn", {}, 9.27),  # 37.1 MB
        ("dbn", {"flow": None}, 15.3),
        ("stfan", {}, 5.37),
        ("edvr", {}, 23.6),
        ("ovd", {}, 0.93),
        ("ifirnn", {}, 1.64),
        ("pvdnet", {"flow": None}, 10.5 - 5.4),  # LiteFlowNet apart
    ],
)
def test_as_published(name, arguments, expected):
    with torch.device("meta"):
        net = create(name, **arguments)
    assert millions(net) == pytest.approx(expected, abs=0.06 if expected > 8.6 else 0.045)


@pytest.mark.parametrize(
    ("page", "arguments", "said"),
    [
        ("deepdeblur", {}, "11.72 M parameters at K = 3"),
        ("deepdeblur", {"num_scales": 2}, "7.81 M at K = 2"),
        ("deepdeblur", {"num_scales": 1}, "3.90 M at K = 1"),
        ("mscnn", {"num_codecs": 1}, "| 1 | 2.94 |"),
        ("mscnn", {"num_codecs": 2}, "| 2 | 5.75 |"),
        ("mscnn", {}, "| **3** | **8.50** |"),
        ("mscnn", {"num_codecs": 4}, "| 4 | 11.25 |"),
        ("mscnn", {"num_codecs": 5}, "| 5 | 13.99 |"),
        ("mscnn", {"attention": False}, "| 3, no attention | 7.75 |"),
        ("srn", {"recurrent": False}, "has 6.88 M parameters"),
        ("srn", {}, "together **8.06 M**"),
        ("srn", {"lstm_kernel_size": 5}, "together **10.16 M**"),
        ("srn", {"shared_scales": False}, "make 24.2 M"),
        ("dmphn", {}, "7.23 M parameters with four levels"),
        ("dmphn", {"num_levels": 3}, "5.42 M with three"),
        ("dmphn", {"num_levels": 3, "num_stacks": 4}, "21.70 M as Stack(4)"),
        ("deblurgan", {}, "11.37 M parameters in the generator"),
        ("dbgan", {}, "2.99 M parameters in DBGAN"),
        ("pssnsc", {}, "| selective | **3.88 M** |"),
        ("pssnsc", {"sharing": "all"}, "| all | 3.36 M |"),
        ("pssnsc", {"sharing": "none"}, "| none | 10.08 M |"),
        ("pssnsc", {"reuse_modules": False}, "| 6.98 M |"),
        ("pssnsc", {"sharing": "all", "reuse_modules": False}, "| 6.46 M |"),
        ("pssnsc", {"sharing": "none", "reuse_modules": False}, "| 19.38 M |"),
        ("svrnn", {}, "parameters, 9.23 M"),
        ("mdcn", {}, "0.60 M parameters"),
        ("mdcn", {"alignment": "none"}, '`mdcn(alignment="none")`, 0.43 M'),
        ("mdcn", {"alignment": "pictures", "flow": None}, "`features` or `pictures`, 0.43 M"),
        ("astcn", {"flow": None}, "1.51 M parameters and"),
        ("ppnet", {"flow": None}, "(14.58 M against"),
        ("ppnet", {"flow": None, "pooling": False}, "against 6.98 M"),
        ("dbn", {"flow": None}, "15.30 M parameters"),
        ("stfan", {}, "5.37 M parameters"),
        ("edvr", {}, "23.60 M parameters"),
        ("edvr", {"predeblur": False}, "20.93 M without predeblurring"),
        ("ovd", {}, "here there are 0.92 M"),
        ("ifirnn", {}, "1.64 M parameters as C2H3"),
        ("ifirnn", {"dual_cell": False}, "0.84 M with one cell"),
        ("xiang", {"flow": None}, "36.60 M parameters"),
        ("cdvdtsp", {}, "16.26 M parameters with PWC-Net"),
        ("gsta", {}, "7.01 M parameters"),
        ("pvdnet", {"flow": None}, "5.13 M parameters without"),
        ("pvdnet", {}, "14.51 M parameters with PWC-Net"),
    ],
)
def test_pages_say_what_is_built(page, arguments, said):
    assert said in (PAGES / f"{page}.md").read_text(encoding="utf-8")
    figure = max(re.findall(r"\d+\.\d+", said), key=len)
    with torch.device("meta"):
        assert f"{millions(create(page, **arguments)):.{len(figure.partition('.')[2])}f}" == figure


def test_cdvdtsp_differs_from_the_published_count_by_its_deconvolutions():
    """Quoted 16.2 M; the authors' two deconvolutions are 3x3, those of the shared decoder 4x4."""
    with torch.device("meta"):
        net = create("cdvdtsp")
    assert millions(net) - 7e-6 * (128 * 64 + 64 * 32) == pytest.approx(16.19, abs=0.005)
    assert millions(net) == pytest.approx(16.26, abs=0.005)


def test_deepdeblur_has_forty_convolutions_a_level():
    with torch.device("meta"):
        net = create("deepdeblur")
    assert sum(isinstance(module, torch.nn.Conv2d) for module in net.modules()) == 120


def test_critics():
    with torch.device("meta"):
        assert millions(DeepDeblurDiscriminator()) == pytest.approx(10.70, abs=0.005)
        assert millions(DeblurGANCritic()) == pytest.approx(2.76, abs=0.005)
        assert millions(DBGANDiscriminator()) == pytest.approx(5.21, abs=0.005)


def test_the_network_that_learns_to_blur():
    with torch.device("meta"):
        assert millions(BGAN()) == pytest.approx(1.70, abs=0.005)
