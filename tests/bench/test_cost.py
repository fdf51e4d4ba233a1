"""What a network costs, against counts by hand and the numbers of the papers."""

import re
from pathlib import Path

import pytest
from spandrels import FakeDescriptor, SizeRequirements, tiny_net

from unblur.bench.cost import cost_of, cost_of_network
from unblur.models import create, names
from unblur.models.foreign import ForeignNet

PAGE = Path(__file__).parents[2] / "docs/explanation/cost.md"
TINY = {"num_scales": 1, "width": 4, "num_blocks": 1}


def test_multiply_adds_of_known_convolutions():
    """Per pixel: 3·4, two of 4·4 and 4·3 products for each of 5·5 taps."""
    found = cost_of("deepdeblur", TINY, width=20, height=10)
    assert found.multiply_adds == 200 * 25 * (12 + 2 * 16 + 12)
    assert found.parameters == sum(each.numel() for each in create("deepdeblur", **TINY).parameters())
    assert found.frames == 1


def test_size_is_rounded_up_to_what_the_network_takes():
    arguments = TINY | {"num_scales": 2}
    assert cost_of("deepdeblur", arguments, width=19, height=9) == cost_of("deepdeblur", arguments, width=20, height=10)
    assert cost_of("deepdeblur", arguments, width=22, height=10) != cost_of("deepdeblur", arguments, width=20, height=10)


def test_a_network_far_too_large_for_this_machine_is_counted():
    found = cost_of("deepdeblur", {})
    assert found.parameters == pytest.approx(11.7e6, rel=0.01)  # as published
    assert found.multiply_adds == pytest.approx(4724e9, rel=0.001)


def test_a_window_is_counted_whole():
    found = cost_of("ifirnn", {"width": 16, "hidden": 4, "num_blocks": 1}, width=16, height=16)
    assert found.frames == create("ifirnn", width=16, hidden=4, num_blocks=1).num_frames > 1
    assert found.multiply_adds > 0


@pytest.mark.parametrize("name", names())
def test_every_network_is_counted(name):
    cost = cost_of(name, {}, width=256, height=128)
    assert (cost.parameters > 0) is (name != "l0")  # which has none
    assert cost.parameters < cost.multiply_adds


def test_the_page_has_every_network_and_its_size():
    """But the two that no row can have: nothing of `l0` is learnt, and the time of `swift_fused` depends on the picture; MAXIM is measured elsewhere."""
    rows = dict(re.findall(r"^\| (\w+) \| \d \| ([\d.]+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert {*names()} - set(rows) == {"l0", "maxim", "swift_fused"}
    for name in ("dbgan", "gsta", "pvdnet", "svrnn", "xiang"):
        assert float(rows[name]) == pytest.approx(cost_of(name, {}, width=256, height=128).parameters / 1e6, abs=0.005)


def test_a_third_party_network_is_counted_as_it_is():
    """Folding and unfolding take 3·6 products for each pixel, the middle 6·6·9 for each square of 16x16."""
    net = ForeignNet(FakeDescriptor(tiny_net(), size_requirements=SizeRequirements(multiple_of=16)), source="a.pth")
    found = cost_of_network(net, width=60, height=32)
    assert found.multiply_adds == 64 * 32 * (2 * 3 * 6) + 4 * 2 * (6 * 6 * 9)
    assert (found.frames, found.parameters) == (1, sum(each.numel() for each in tiny_net().parameters()))
