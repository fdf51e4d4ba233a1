"""Multi-axis mixing, gates and channel blocks: what each does where that can be said without running it."""

import pytest
import torch
from torch.nn.functional import conv2d, gelu

from unblur.layers.multi_axis import (
    RCAB,
    RDCAB,
    ChannelAttention,
    ChannelLinear,
    ChannelNorm,
    CrossGating,
    GatedMLP,
    MultiAxisGatedMLP,
    SpatialMix,
)


def features(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=torch.channels_last)


def silence(layer):
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)


def test_channel_linear_is_a_1x1_convolution():
    torch.manual_seed(0)
    layer, x = ChannelLinear(6, 4), features(2, 6, 5, 7)
    expected = conv2d(x, layer.weight[:, :, None, None], layer.bias)
    torch.testing.assert_close(layer(x), expected)
    torch.testing.assert_close(torch.cat(layer.halves(x), dim=1), expected)
    torch.testing.assert_close(layer.of_parts(x[:, :1], x[:, 1:3], x[:, 3:]), expected)


def test_channel_norm_makes_each_position_of_mean_0_and_variance_1():
    y = ChannelNorm(8)(100 * features(2, 8, 3, 4))
    torch.testing.assert_close(y.mean(1), torch.zeros(2, 3, 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var(1, correction=0), torch.ones(2, 3, 4), atol=1e-4, rtol=0)


@pytest.mark.parametrize("axis", ["block", "grid"])
def test_mixing_with_the_identity_changes_nothing(axis):
    mix, x = SpatialMix(side=2, axis=axis), features(2, 3, 6, 8)
    silence(mix.linear)
    torch.nn.init.eye_(mix.linear.weight)
    assert torch.equal(mix(x), x)


@pytest.mark.parametrize(("axis", "expected"), [("block", [[2, 1, 4, 3], [6, 5, 8, 7]]), ("grid", [[3, 4, 1, 2], [7, 8, 5, 6]])])
def test_mixing_that_swaps_columns(axis, expected):
    """Positions of a block, or parts of a grid, are counted row by row; the matrix swaps 0 with 1 and 2 with 3."""
    mix = SpatialMix(side=2, axis=axis)
    silence(mix.linear)
    mix.linear.weight.data = torch.eye(4)[[1, 0, 3, 2]]
    x = torch.arange(1.0, 9).view(1, 1, 2, 4)
    assert mix(x)[0, 0].tolist() == expected


def reached(mix, *, height, width):
    """The positions that change when position (0, 0) does."""
    x = torch.zeros(1, 1, height, width)
    before = mix(x)
    x[..., 0, 0] = 1
    return {tuple(place) for place in (mix(x) != before)[0, 0].nonzero().tolist()}


def test_blocks_reach_near_and_grids_far():
    torch.manual_seed(0)
    assert reached(SpatialMix(side=2, axis="block"), height=4, width=6) == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert reached(SpatialMix(side=2, axis="grid"), height=4, width=6) == {(0, 0), (0, 3), (2, 0), (2, 3)}


def test_gated_mlp_with_a_gate_of_1_is_an_mlp():
    torch.manual_seed(0)
    mlp, x = GatedMLP(width=4, side=2, axis="block"), features(1, 4, 4, 4)
    silence(mlp.mix.linear)
    u = gelu(mlp.expand(mlp.norm(x)), approximate="tanh")[:, :4]
    torch.testing.assert_close(mlp(x), x + mlp.project(u))


def test_multi_axis_block_keeps_its_input_where_the_projection_is_0():
    block, x = MultiAxisGatedMLP(width=4, block=2, grid=2), features(1, 4, 4, 4)
    silence(block.project)
    assert torch.equal(block(x), x)


def test_cross_gating_is_symmetric_but_for_the_sum():
    torch.manual_seed(0)
    one = CrossGating(widths=(4, 4), width=4, block=2, grid=2)
    other = CrossGating(widths=(4, 4), width=4, block=2, grid=2)
    swapped = {name.replace("_x", "_#").replace("_y", "_x").replace("_#", "_y"): tensor for name, tensor in one.state_dict().items()}
    other.load_state_dict(swapped)
    x, y = features(2, 4, 4, 4), features(2, 4, 4, 4).flip(0)
    sum_of_both, second = one(x, y)
    sum_swapped, second_swapped = other(y, x)
    torch.testing.assert_close(sum_of_both - second, second_swapped)
    torch.testing.assert_close(sum_swapped - second_swapped, second)


def test_cross_gating_takes_its_first_input_in_parts():
    torch.manual_seed(0)
    block, x, y = CrossGating(widths=(6, 4), width=4, block=2, grid=2), features(1, 6, 4, 4), features(1, 4, 4, 4)
    torch.testing.assert_close(block((x[:, :2], x[:, 2:]), y), block(x, y))


def test_channel_attention_halves_what_it_knows_nothing_of():
    attention, x = ChannelAttention(width=4, reduction=2), features(1, 4, 3, 3)
    silence(attention.excite)
    assert torch.equal(attention(x), x / 2)


@pytest.mark.parametrize(("block", "last"), [(RCAB, "conv2"), (RDCAB, "project")])
def test_channel_attention_blocks_keep_their_input_where_the_last_layer_is_0(block, last):
    module, x = block(width=4, reduction=2), features(1, 4, 3, 3)
    silence(getattr(module, last))
    assert torch.equal(module(x), x)
