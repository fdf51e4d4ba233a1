import numpy as np
import pytest
import torch
from moving_shapes import shapes
from torch import nn

import unblur
from unblur.layers.attention import HMPCA
from unblur.models.mscnn import MSCNN


class Times(nn.Module):
    """The first three channels times a number; remembers what it read."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor
        self.seen = []

    def forward(self, x):
        self.seen.append(x)
        return x[:, :3] * self.factor


def linear_net(encoders, decoders, **arguments):
    net = MSCNN(num_codecs=len(encoders), widths=(1, 1, 1), num_blocks=0, **arguments)
    net.encoders = nn.ModuleList(Times(factor) for factor in encoders)
    net.decoders = nn.ModuleList(Times(factor) for factor in decoders)
    return net


def test_equations_of_three_codecs_by_hand():
    """EN_j = times 1, 2, 3 and DE_j = times 1, 10, 100 at one scale, on a constant B - 0.5 = 0.01.

    EN_O1 = .01; DE_O1 = .01; EN_I2 = .02, EN_O2 = .04; DE_I2 = .04 + .01 = .05, DE_O2 = .5;
    EN_I3 = .51, EN_O3 = 1.53; DE_I3 = 1.53 + .04 + .01 = 1.58, DE_O3 = 158; S = 158 + .01.
    """
    net = linear_net([1, 2, 3], [1, 10, 100], num_scales=1)
    restored = net(torch.full((1, 3, 4, 4), 0.51))
    torch.testing.assert_close(restored, torch.full((1, 3, 4, 4), 158.01 + 0.5), rtol=1e-4, atol=0)
    read = [float(decoder.seen[0].mean()) for decoder in net.decoders]
    assert read == pytest.approx([0.01, 0.05, 1.58], rel=1e-4)
    net.last_codec_adds_input = False
    torch.testing.assert_close(net(torch.full((1, 3, 4, 4), 0.51)), restored - 0.01, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_a_decoder_reads_the_sum_of_the_encoders_so_far(count):
    """With decoders that give nothing, every EN_O[j] is a_j * B (B_i ⊕ ... and 0 + B_i), so DE_I[j] = (a_1+...+a_j) B."""
    factors = [1.0, 2.0, 4.0, 8.0, 16.0][:count]
    net = linear_net(factors, [0.0] * count, num_scales=1)
    blurry = torch.rand(1, 3, 4, 4)
    restored = net(blurry)
    for j, decoder in enumerate(net.decoders):
        torch.testing.assert_close(decoder.seen[0], (blurry - 0.5) * sum(factors[: j + 1]))
    torch.testing.assert_close(restored, blurry)


def test_scales_share_weights_and_hand_their_result_down():
    net = linear_net([1.0], [3.0], num_scales=3)
    restored = net.forward_scales(torch.full((1, 3, 16, 16), 0.6))
    assert [tuple(image.shape[-2:]) for image in restored] == [(16, 16), (8, 8), (4, 4)]
    first, second, third = net.encoders[0].seen  # coarsest first
    torch.testing.assert_close(first[:, 3:], first[:, :3])  # S_4 = B_3
    torch.testing.assert_close(second[:, 3:], torch.full((1, 3, 8, 8), 0.1 * 3 + 0.1))
    assert third.shape == (1, 6, 16, 16)


def test_first_codec_sees_quadrants_second_halves_later_ones_the_whole():
    with torch.device("meta"):
        net = MSCNN(num_codecs=5)
    for part in (net.encoders, net.decoders):
        patches = [{module.patches for module in codec.modules() if isinstance(module, HMPCA)} for codec in part]
        assert patches == [{4}, {2}, {1}, {1}, {1}]
    assert sum(isinstance(module, HMPCA) for module in net.modules()) == 5 * 2 * 9


def test_attention_reaches_across_the_picture_and_says_so():
    for attention in (True, False):
        torch.manual_seed(0)
        net = MSCNN(num_codecs=1, num_scales=1, widths=(4, 4, 4), num_blocks=1, attention=attention)
        blurry = torch.rand(1, 3, 4, 16 * (net.receptive_radius // 16 + 2), requires_grad=True)
        (gradient,) = torch.autograd.grad(net(blurry)[0, 0, 0, 0], blurry)
        assert net.global_context == attention
        assert (gradient[..., net.receptive_radius + 1 :].abs().sum() > 0) == attention


def test_without_attention_has_the_same_names_less_the_gates():
    with torch.device("meta"):
        plain, attentive = (set(MSCNN(attention=attention).state_dict()) for attention in (False, True))
    assert plain < attentive
    assert all(".gate." in key for key in attentive - plain)


def test_needs_a_codec_and_a_scale():
    for arguments in ({"num_codecs": 0}, {"num_scales": 0}):
        with pytest.raises(ValueError, match="at least 1"):
            MSCNN(**arguments)


@pytest.mark.parametrize("length", [9, 13])
def test_the_built_in_weights_sharpen_what_has_moved(length):
    sharp = shapes(width=192)
    light = np.mean([np.roll(sharp**2.2, shift - length // 2, axis=1) for shift in range(length)], axis=0)
    blurry = np.round(255 * light ** (1 / 2.2)).astype(np.uint8)
    restored = unblur.load("mscnn", device="cpu", precision="fp32").photo(blurry)
    before, after = (np.square(picture[16:-16, 16:-16] / 255 - sharp[16:-16, 16:-16]).mean() for picture in (blurry, restored))
    assert 10 * np.log10(before / after) > 0.5
