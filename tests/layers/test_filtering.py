import pytest
import torch

from unblur.errors import ShapeError
from unblur.layers.filtering import adaptive_filter, dynamic_local_filter


def loop_filter(feats, masks, kernel_size):
    batch, frames, channels, height, width = feats.shape
    r = kernel_size // 2
    out = torch.zeros(batch, channels, height, width, dtype=feats.dtype)
    for y in range(height):
        for x in range(width):
            for d in range(frames):
                for n in range(max(y - r, 0), min(y + r + 1, height)):
                    for m in range(max(x - r, 0), min(x + r + 1, width)):
                        out[:, :, y, x] += feats[:, d, :, n, m] * masks[:, d, :, n, m]
    return out


@pytest.mark.parametrize("kernel_size", [1, 3, 5, 7])
def test_is_equation_4_9(kernel_size):
    generator = torch.Generator().manual_seed(0)
    feats = torch.randn(2, 3, 2, 4, 5, generator=generator, dtype=torch.float64)
    masks = torch.rand(2, 3, 1, 4, 5, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(dynamic_local_filter(feats, masks, kernel_size=kernel_size), loop_filter(feats, masks, kernel_size))


def test_one_frame_seen_sharply_passes_unchanged():
    feats = torch.randn(1, 3, 4, 5, 6, generator=torch.Generator().manual_seed(1))
    masks = torch.zeros(1, 3, 1, 5, 6)
    masks[:, 1] = 1
    torch.testing.assert_close(dynamic_local_filter(feats, masks, kernel_size=1), feats[:, 1])


def test_derivatives():
    generator = torch.Generator().manual_seed(2)
    feats = torch.randn(1, 2, 2, 3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    masks = torch.rand(1, 2, 1, 3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda f, m: dynamic_local_filter(f, m, kernel_size=3), (feats, masks), fast_mode=True)


def test_bf16_keeps_its_precision():
    generator = torch.Generator().manual_seed(3)
    feats = torch.randn(1, 5, 8, 9, 9, generator=generator)
    masks = torch.rand(1, 5, 1, 9, 9, generator=generator)
    half = dynamic_local_filter(feats.bfloat16(), masks.bfloat16(), kernel_size=3)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), dynamic_local_filter(feats, masks, kernel_size=3), atol=0.15, rtol=2**-6)


def test_inputs_are_checked():
    with pytest.raises(ShapeError, match="masks"):
        dynamic_local_filter(torch.zeros(1, 2, 3, 4, 4), torch.zeros(1, 3, 1, 4, 4), kernel_size=3)
    with pytest.raises(ShapeError, match="frames_features"):
        dynamic_local_filter(torch.zeros(2, 3, 4, 4), torch.zeros(2, 1, 4, 4), kernel_size=3)
    with pytest.raises(ValueError, match="odd"):
        dynamic_local_filter(torch.zeros(1, 2, 3, 4, 4), torch.zeros(1, 2, 1, 4, 4), kernel_size=2)


def loop_adaptive(feat, filters, kernel_size):
    channels, height, width = feat.shape[1:]
    r = kernel_size // 2
    out = torch.zeros_like(feat)
    for c in range(channels):
        for y in range(height):
            for x in range(width):
                for n in range(-r, r + 1):
                    for m in range(-r, r + 1):
                        tap = c * kernel_size**2 + (n + r) * kernel_size + m + r
                        read = feat[:, c, min(max(y + n, 0), height - 1), min(max(x + m, 0), width - 1)]
                        out[:, c, y, x] += read * filters[:, tap, y, x]
    return out


def adaptive_example(kernel_size):
    generator = torch.Generator().manual_seed(4)
    feat = torch.randn(2, 3, 4, 5, generator=generator, dtype=torch.float64)
    return feat, torch.randn(2, 3 * kernel_size**2, 4, 5, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_adaptive_filter_is_its_equation(kernel_size):
    feat, filters = adaptive_example(kernel_size)
    torch.testing.assert_close(adaptive_filter(feat, filters, kernel_size=kernel_size), loop_adaptive(feat, filters, kernel_size))


def test_the_same_filter_everywhere_is_a_depthwise_convolution_inside():
    feat, filters = adaptive_example(3)
    kernels = filters[:1, :, :1, :1]
    expected = torch.nn.functional.conv2d(feat, kernels.view(3, 1, 3, 3), groups=3)
    filtered = adaptive_filter(feat, kernels.expand_as(filters), kernel_size=3)
    torch.testing.assert_close(filtered[..., 1:-1, 1:-1], expected)


def test_derivatives_of_the_adaptive_filter():
    feat, filters = (tensor.requires_grad_() for tensor in adaptive_example(3))
    assert torch.autograd.gradcheck(lambda f, k: adaptive_filter(f, k, kernel_size=3), (feat, filters), fast_mode=True)


def test_inputs_of_the_adaptive_filter_are_checked():
    with pytest.raises(ShapeError, match="filters"):
        adaptive_filter(torch.zeros(1, 2, 4, 4), torch.zeros(1, 9, 4, 4), kernel_size=3)
    with pytest.raises(ShapeError, match="feat"):
        adaptive_filter(torch.zeros(2, 4, 4), torch.zeros(1, 18, 4, 4), kernel_size=3)
    with pytest.raises(ValueError, match="odd"):
        adaptive_filter(torch.zeros(1, 2, 4, 4), torch.zeros(1, 8, 4, 4), kernel_size=2)
