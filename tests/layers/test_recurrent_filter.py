import pytest
import torch

from unblur.errors import ShapeError
from unblur.layers.recurrent_filter import DIRECTIONS, four_way_filter, recurrent_filter


def random(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def gates(*shape, seed=1):
    return torch.tanh(random(*shape, seed=seed))


def loop(feat, weight, direction):
    """The definition, position by position: each takes from the one before it on the way."""
    dy, dx = {"right": (0, -1), "left": (0, 1), "down": (-1, 0), "up": (1, 0)}[direction]  # where the one before lies
    _, _, height, width = feat.shape
    out = torch.zeros_like(feat)
    for y in range(height) if dy <= 0 else reversed(range(height)):
        for x in range(width) if dx <= 0 else reversed(range(width)):
            before = (y + dy, x + dx)
            inside = 0 <= before[0] < height and 0 <= before[1] < width
            state = out[:, :, *before] if inside else feat[:, :, y, x]
            out[:, :, y, x] = (1 - weight[:, :, y, x]) * feat[:, :, y, x] + weight[:, :, y, x] * state
    return out


@pytest.mark.parametrize("size", [(4, 6), (1, 5), (5, 1), (1, 1)])
def test_is_the_recurrence_in_every_direction(size):
    feat, weights = random(2, 3, *size), gates(2, 12, *size)
    expected = [loop(feat, weight, direction) for weight, direction in zip(weights.chunk(4, dim=1), DIRECTIONS, strict=True)]
    torch.testing.assert_close(four_way_filter(feat, weights), torch.cat(expected, dim=1))
    torch.testing.assert_close(recurrent_filter(feat, weights[:, :3], dim=3), expected[0])
    torch.testing.assert_close(recurrent_filter(feat, weights[:, 6:9], dim=2), expected[2])


def test_an_output_is_the_mean_of_all_inputs_before_it_with_decaying_weights():
    """The impulse response: position j counts (1 - p_j) p_{j+1} ... p_k in output k, the first position without its first factor."""
    weight = gates(1, 1, 1, 6)
    responses = recurrent_filter(torch.eye(6, dtype=torch.float64).view(6, 1, 1, 6), weight.expand(6, 1, 1, 6), dim=3)[:, 0, 0]
    for j in range(6):
        for k in range(6):
            p = weight[0, 0, 0]
            expected = (1 if j == 0 else 1 - p[j]) * p[j + 1 : k + 1].prod() if j <= k else torch.zeros((), dtype=p.dtype)
            torch.testing.assert_close(responses[j, k], expected)
    torch.testing.assert_close(responses.sum(dim=0), torch.ones(6, dtype=torch.float64))  # a constant stays


def test_no_weight_is_no_filter():
    feat = random(1, 2, 3, 4)
    assert torch.equal(four_way_filter(feat, torch.zeros(1, 8, 3, 4, dtype=feat.dtype)), feat.repeat(1, 4, 1, 1))


def test_a_deconvolution_undoes_a_blur_longer_than_any_kernel_would_be():
    """x[k] = (1 - p) y[k] + p x[k-1] with p = -a undoes y[k] = (x[k] + a x[k-1]) / (1 + a), over the whole row."""
    sharp, a = random(1, 1, 3, 40), 0.9
    before = torch.cat([sharp[..., :1], sharp[..., :-1]], dim=3)
    blurry = (sharp + a * before) / (1 + a)
    torch.testing.assert_close(recurrent_filter(blurry, torch.full_like(blurry, -a), dim=3), sharp)


def test_turning_the_picture_turns_the_directions():
    feat, weights = random(1, 2, 4, 5), gates(1, 8, 4, 5)
    right, left, down, up = four_way_filter(feat, weights).chunk(4, dim=1)
    w_right, w_left, w_down, w_up = weights.flip(3).chunk(4, dim=1)
    mirrored = four_way_filter(feat.flip(3), torch.cat([w_left, w_right, w_down, w_up], dim=1)).flip(3)
    torch.testing.assert_close(mirrored, torch.cat([left, right, down, up], dim=1))
    w_right, w_left, w_down, w_up = weights.transpose(2, 3).chunk(4, dim=1)
    turned = four_way_filter(feat.transpose(2, 3), torch.cat([w_down, w_up, w_right, w_left], dim=1)).transpose(2, 3)
    torch.testing.assert_close(turned, torch.cat([down, up, right, left], dim=1))


def test_derivatives():
    feat, weights = random(1, 2, 3, 4).requires_grad_(), gates(1, 8, 3, 4).requires_grad_()
    assert torch.autograd.gradcheck(four_way_filter, (feat, weights), fast_mode=True)


def test_bf16_is_computed_in_single_precision():
    """Over 400 positions errors would add up to more than the last digit; what is left is the rounding of input and output."""
    feat, weights = random(1, 2, 2, 400).bfloat16(), gates(1, 8, 2, 400).bfloat16()
    filtered = four_way_filter(feat, weights)
    assert filtered.dtype == torch.bfloat16
    assert torch.equal(filtered, four_way_filter(feat.float(), weights.float()).bfloat16())


def test_inputs_are_checked():
    with pytest.raises(ShapeError, match="weights"):
        four_way_filter(torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4))
    with pytest.raises(ShapeError, match="feat"):
        four_way_filter(torch.zeros(2, 4, 4), torch.zeros(1, 8, 4, 4))
    with pytest.raises(ShapeError, match="weight"):
        recurrent_filter(torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 5), dim=2)
