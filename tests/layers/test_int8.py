import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from unblur.layers.blocks import ResBlock
from unblur.layers.int8 import Int8Conv2d, float_blocks, int8_blocks, quantised, suits_int8, supports_int8

needs_int8 = pytest.mark.skipif(not supports_int8(), reason="this processor has no fast arithmetic of 8-bit integers")


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def dequantised(x: Tensor) -> Tensor:
    levels, scale, zero = quantised(x)
    return scale * (levels.float() - zero)


@pytest.mark.parametrize("shift", [0.0, 3.0, -7.0])
@pytest.mark.parametrize("size", [1e-3, 1.0, 500.0])
def test_nothing_is_off_by_more_than_half_a_step(shift, size):
    x = size * (noise(2, 5, 6, 7) + shift)
    levels, scale, _ = quantised(x)
    assert levels.dtype == torch.uint8
    assert levels.is_contiguous(memory_format=torch.channels_last)
    assert scale == pytest.approx((max(float(x.max()), 0) - min(float(x.min()), 0)) / 254, rel=1e-5)
    assert float((dequantised(x) - x).abs().max()) <= 0.501 * scale


def test_zero_is_exact():
    x = noise(1, 3, 8, 8) + 0.3
    x[:, 1] = 0
    assert not dequantised(x)[:, 1].any()


@pytest.mark.parametrize("value", [0.0, 0.25, -4.0])
def test_a_constant_stays_what_it_is(value):
    x = torch.full((1, 2, 3, 3), value)
    torch.testing.assert_close(dequantised(x), x)


def test_what_comes_in_bf16_is_quantised_as_it_is():
    x = noise(1, 4, 5, 5).bfloat16()
    torch.testing.assert_close(dequantised(x), dequantised(x.float()), rtol=0, atol=0)


@needs_int8
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (5, 2), (1, 1)])
def test_it_is_the_convolution_of_what_was_quantised(kernel, stride, bias):
    conv = nn.Conv2d(7, 9, kernel, stride=stride, padding=kernel // 2, bias=bias)
    x = noise(2, 7, 12, 10) + 0.4
    step = conv.weight.detach().abs().amax(dim=(1, 2, 3), keepdim=True) / 127
    weight = (conv.weight.detach() / step).round() * step
    expected = conv2d(dequantised(x), weight, conv.bias, stride=stride, padding=kernel // 2)
    with torch.no_grad():
        found = Int8Conv2d(conv)(x)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@needs_int8
def test_a_kernel_of_one_moves_the_picture():
    conv = nn.Conv2d(2, 2, 3, padding=1, bias=False)
    conv.weight.data.zero_()
    conv.weight.data[0, 0, 1, 0] = conv.weight.data[1, 1, 1, 0] = 2.0
    x = noise(1, 2, 6, 8)
    with torch.no_grad():
        moved = Int8Conv2d(conv)(x)
    torch.testing.assert_close(moved[..., 1:], 2 * dequantised(x)[..., :-1], rtol=1e-5, atol=1e-6)
    assert not moved[..., 0].any()  # padded with what means 0


@needs_int8
def test_blocks_go_there_and_back():
    net = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), ResBlock(width=32, kernel_size=3), ResBlock(width=16, kernel_size=3))
    convs = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    names, x = list(net.state_dict()), 3 * noise(1, 32, 16, 16)
    assert suits_int8(net)
    with torch.no_grad():
        exact = net[1](x)
        int8_blocks(net)
        near = net[1](x)
    assert sum(isinstance(module, Int8Conv2d) for module in net.modules()) == 2  # not those of 16 features
    assert list(net.state_dict()) == names
    assert not suits_int8(net)  # any more
    error = float((near - exact).square().mean().sqrt() / (exact - x).square().mean().sqrt())
    assert 0 < error < 0.02
    float_blocks(net)
    assert [module for module in net.modules() if isinstance(module, nn.Conv2d)] == convs


def test_what_has_no_block_does_not_suit():
    assert not suits_int8(nn.Sequential(nn.Conv2d(64, 64, 3), ResBlock(width=16)))


@pytest.mark.parametrize(("has", "answer"), [({"avx512_vnni": True}, True), ({"avx_vnni": True}, True), ({"avx2": True}, False)])
def test_torch_is_asked_about_the_processor(monkeypatch, has, answer):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has, raising=False)
    assert supports_int8() == answer
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert not supports_int8()
