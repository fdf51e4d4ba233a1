import copy

import pytest
import torch

from unblur.models import create
from unblur.training.guard import Guard, OutsideWatch, fraction_outside

GOOD = {"loss": 1.0, "norm": 1.0, "error": 0.001, "outside": 0.0}


def settled(**limits) -> Guard:
    guard = Guard(**limits)
    for _ in range(30):
        assert guard.judge(**GOOD) == ""
    return guard


@pytest.mark.parametrize("key", ["loss", "norm", "error"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_a_fault(key, value):
    assert "finite" in Guard().judge(**(GOOD | {key: value}))


def test_an_explosion_is_a_fault_once_the_mean_has_settled():
    assert settled().judge(**(GOOD | {"error": 0.05})).startswith("the error exploded to 0.05, from 0.001")
    assert settled().judge(**(GOOD | {"error": 0.015})) == ""  # only 15 times
    assert settled().judge(**(GOOD | {"error": 0.0099})) == ""
    assert Guard().judge(**(GOOD | {"error": 0.5})) == ""  # the beginning of any training


def test_points_outside_are_a_fault_beyond_the_limit_only():
    assert "offset overflow: 40%" in Guard(largest_outside=0.3).judge(**(GOOD | {"outside": 0.4}))
    assert Guard(largest_outside=0.5).judge(**(GOOD | {"outside": 0.4})) == ""
    assert Guard().judge(**(GOOD | {"outside": 1.0})) == ""


def test_each_time_back_halves_the_rate_until_a_sound_checkpoint():
    guard = settled()
    for count in (1, 2):
        before = copy.copy(guard)
        guard = settled()
        guard.gone_back(before)
        assert (guard.order, guard.rate) == (count, 0.5**count)
    guard.sound()
    assert (guard.order, guard.rate) == (2, 1.0)
    other = Guard(largest_outside=0.1)
    other.load_state_dict(guard.state_dict())
    assert other == Guard(0.1, guard.order, guard.rollbacks, guard.error, guard.seen)


def test_share_outside_counts_what_offsets_move_out():
    zero = torch.zeros(2, 9, 4, 5)
    assert fraction_outside(zero, zero, taps=9) == 0  # what a plain convolution reads beyond the border does not count
    assert fraction_outside(zero + 1000, zero, taps=9) == pytest.approx(1 - _plain(4, 5))
    assert fraction_outside(zero, zero - 1000, taps=9) == pytest.approx(1 - _plain(4, 5))
    half = torch.zeros(1, 1, 1, 4)
    assert fraction_outside(half, half + 0.999, taps=1) == 0  # between the last pixel and the border a part is read
    assert fraction_outside(half, half + 1, taps=1) == 0.25


def _plain(height: int, width: int) -> float:
    """Share of the taps of a 3x3 convolution that lie outside a picture."""
    inside = sum(
        0 <= y + i < height and 0 <= x + j < width for y in range(height) for x in range(width) for i in (-1, 0, 1) for j in (-1, 0, 1)
    )
    return 1 - inside / (9 * height * width)


@pytest.mark.parametrize(
    ("name", "arguments", "place"),
    [
        ("mdcn", {"widths": (4, 6, 8), "num_blocks": 1}, "alignment.aligners.1.offset"),
        ("edvr", {"width": 8, "groups": 2, "num_extract_blocks": 1, "num_blocks": 1, "head_width": 4}, None),
    ],
)
def test_the_watch_sees_offsets_of_a_network_while_it_is_active(name, arguments, place):
    torch.manual_seed(0)
    net = create(name, **arguments)
    watch = OutsideWatch(net)
    clip = torch.rand(1, 5, 3, 32, 32)
    with torch.no_grad():
        net(clip)
        assert watch.take() == 0
        watch.active = True
        net(clip)
        assert watch.take() < 0.01
        if place is None:
            offset = next(module.offset for module in net.modules() if type(module).__name__ == "ModulatedDeformConv")
        else:
            offset = net.get_submodule(place)
        offset.bias.fill_(1e4)
        net(clip)
        assert watch.take() > 0.8
        assert watch.take() == 0
