import math

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d

from unblur.errors import ShapeError
from unblur.layers.deform import DeformConv, ModulatedDeformConv, deform_sample, modulated_deform_sample, recorded_taps
from unblur.layers.sampling import FEW_CHANNELS

SMALL, LARGE = 2, FEW_CHANNELS + 2  # channels; the two orders of weighing and reading


def read(plane, y, x):
    """Bilinear value of (C, H, W) at one position, 0 outside."""
    _, height, width = plane.shape
    value = torch.zeros(plane.shape[0], dtype=plane.dtype)
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < height and 0 <= column < width:
                value += plane[:, row, column] * (1 - abs(y - row)) * (1 - abs(x - column))
    return value


def loop_deform(feat, offset, weight, *, mask=None, modulation=None):
    """Eq. (4-1) and, with `modulation`, eq. (2-13), read off the page."""
    batch, _, height, width = feat.shape
    out_channels, _, kh, kw = weight.shape
    out = torch.zeros(batch, out_channels, height, width, dtype=feat.dtype)
    for b in range(batch):
        for i in range(height):
            for j in range(width):
                for k in range(kh * kw):
                    y = i + k // kw - kh // 2 + offset[b, 2 * k, i, j].item()
                    x = j + k % kw - kw // 2 + offset[b, 2 * k + 1, i, j].item()
                    value = weight[:, :, k // kw, k % kw] @ read(feat[b], y, x)
                    if mask is not None:
                        value = value * read(mask[b], y, x)
                    if modulation is not None:
                        value = value * modulation[b, k, i, j]
                    out[b, :, i, j] += value
    return out


def example(channels, out_channels, kernel=(3, 3), size=(3, 4), batch=2, spread=2.0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(channels + kernel[0])
    taps = kernel[0] * kernel[1]
    feat = torch.randn(batch, channels, *size, generator=generator, dtype=dtype)
    offset = torch.randn(batch, 2 * taps, *size, generator=generator, dtype=dtype) * spread
    weight = torch.randn(out_channels, channels, *kernel, generator=generator, dtype=dtype)
    mask = torch.rand(batch, 1, *size, generator=generator, dtype=dtype)
    modulation = torch.rand(batch, taps, *size, generator=generator, dtype=dtype)
    return feat, offset, weight, mask, modulation


@pytest.mark.parametrize("kernel", [(3, 3), (1, 1), (1, 3), (5, 3)])
@pytest.mark.parametrize("channels", [(SMALL, 3), (LARGE, 3), (SMALL, LARGE)])
def test_is_equation_4_1_read_off_the_page(kernel, channels):
    feat, offset, weight, mask, modulation = example(*channels, kernel)
    torch.testing.assert_close(deform_sample(feat, offset, weight), loop_deform(feat, offset, weight))
    torch.testing.assert_close(deform_sample(feat, offset, weight, mask=mask), loop_deform(feat, offset, weight, mask=mask))
    modulated = modulated_deform_sample(feat, offset, weight, modulation=modulation)
    torch.testing.assert_close(modulated, loop_deform(feat, offset, weight, modulation=modulation))


@pytest.mark.parametrize("channels", [SMALL, LARGE])
def test_without_offset_and_with_a_mask_of_one_it_is_a_convolution(channels):
    feat, offset, weight, mask, _ = example(channels, 4, size=(7, 9))
    sampled = deform_sample(feat, torch.zeros_like(offset), weight, mask=torch.ones_like(mask))
    torch.testing.assert_close(sampled, conv2d(feat, weight, padding=1))


@pytest.mark.parametrize("channels", [SMALL, LARGE])
def test_the_same_whole_offset_at_every_tap_is_a_shifted_convolution(channels):
    feat, offset, weight, _, _ = example(channels, 4, size=(8, 9))
    offset = torch.tensor([2.0, -1.0], dtype=offset.dtype).repeat(9).view(1, 18, 1, 1).expand_as(offset)  # dy = 2, dx = -1
    sampled = deform_sample(feat, offset, weight)[:, :, :-3, 2:]
    torch.testing.assert_close(sampled, conv2d(feat, weight, padding=1)[:, :, 2:-1, 1:-1])


@pytest.mark.parametrize("channels", [SMALL, LARGE])
def test_the_mask_belongs_to_the_position_and_not_to_the_tap(channels):
    feat, offset, weight, mask, _ = example(channels, 4, size=(6, 6))
    # With whole offsets the mask at the position is a factor of the feature there, ...
    whole = offset.round()
    expected = deform_sample(feat * mask, whole, weight)
    torch.testing.assert_close(deform_sample(feat, whole, weight, mask=mask), expected)
    # ... and not the mask of the output position, which is what a modulation would say.
    at_output = modulated_deform_sample(feat, whole, weight, modulation=mask.expand(-1, 9, -1, -1))
    assert (at_output - expected).abs().max() > 0.1
    # Between pixels, feature and mask are read apart: a product of two means, not a mean of products.
    assert (deform_sample(feat, offset, weight, mask=mask) - deform_sample(feat * mask, offset, weight)).abs().max() > 0.01


@pytest.mark.parametrize("channels", [SMALL, LARGE])
def test_samples_outside_the_frame_are_zero(channels):
    feat, offset, weight, mask, _ = example(channels, 4)
    assert deform_sample(feat, torch.full_like(offset, 1e6), weight, mask=mask).abs().max() == 0
    assert deform_sample(feat, torch.full_like(offset, -50), weight).abs().max() == 0


@pytest.mark.parametrize("channels", [SMALL, LARGE])
def test_derivatives_by_every_input(channels):
    feat, offset, weight, mask, modulation = example(channels, 2, kernel=(1, 3), size=(2, 3), batch=1)
    inputs = [tensor.requires_grad_() for tensor in (feat, offset, weight, mask, modulation)]
    feat, offset, weight, mask, modulation = inputs
    assert torch.autograd.gradcheck(lambda f, o, w, m: deform_sample(f, o, w, mask=m), (feat, offset, weight, mask), fast_mode=True)
    assert torch.autograd.gradcheck(
        lambda f, o, w, m: modulated_deform_sample(f, o, w, modulation=m), (feat, offset, weight, modulation), fast_mode=True
    )


@pytest.mark.parametrize("channels", [4, 32])
@pytest.mark.parametrize("autocast", [False, True])
def test_bf16_features_at_a_large_size_and_large_offsets_agree_with_single_precision(channels, autocast):
    feat, offset, weight, mask, _ = example(channels, channels, size=(10, 400), batch=1, spread=120.0, dtype=torch.float32)
    feat, weight = feat.bfloat16(), weight.bfloat16()
    expected = deform_sample(feat.float(), offset, weight.float(), mask=mask)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        sampled = deform_sample(feat, offset, weight, mask=mask)
    assert sampled.dtype == torch.bfloat16
    scale = expected.square().mean().sqrt().item()
    torch.testing.assert_close(sampled.float(), expected, atol=2**-5 * scale, rtol=2**-7)
    assert (sampled.float() - expected).square().mean().sqrt() < 2**-8 * scale
    rounded = deform_sample(feat, offset.bfloat16(), weight, mask=mask)  # what the test is there to tell apart
    assert (rounded.float() - expected).square().mean().sqrt() > 2**-5 * scale


def test_single_precision_features_under_autocast():
    feat, offset, weight, mask, _ = example(32, 32, size=(8, 300), batch=1, spread=60.0, dtype=torch.float32)
    expected = deform_sample(feat, offset, weight, mask=mask)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        sampled = deform_sample(feat, offset, weight, mask=mask)
    assert (sampled - expected).square().mean().sqrt() < 2**-7 * expected.square().mean().sqrt()


def test_module_adds_a_bias_and_its_arguments_count():
    feat, offset, _, mask, _ = example(3, 5, dtype=torch.float32)
    layer = DeformConv(in_channels=3, out_channels=5)
    assert layer.taps == 9
    with torch.no_grad():
        layer.bias.fill_(2)
    torch.testing.assert_close(layer(feat, offset, mask=mask), deform_sample(feat, offset, layer.weight, mask=mask) + 2)
    assert DeformConv(in_channels=3, out_channels=5, kernel_size=5).taps == 25
    assert not torch.equal(layer(feat, offset), layer(feat, offset, mask=mask))


def test_shapes_are_checked():
    feat, offset, weight, mask, modulation = example(3, 2)
    for wrong in (
        lambda: deform_sample(feat[0], offset, weight),
        lambda: deform_sample(feat, offset[:, :-1], weight),
        lambda: deform_sample(feat, offset[..., :-1], weight),
        lambda: deform_sample(feat, offset, weight[:, :2]),
        lambda: deform_sample(feat, offset, weight[..., :2]),
        lambda: deform_sample(feat, offset, weight, mask=mask.expand(-1, 9, -1, -1)),
        lambda: modulated_deform_sample(feat, offset, weight, modulation=modulation[:, :8]),
    ):
        with pytest.raises(ShapeError, match="must have"):
            wrong()


@pytest.mark.parametrize("channels", [SMALL, LARGE])
def test_can_be_exported(channels):
    class Sample(torch.nn.Module):
        def forward(self, feat, offset, weight, mask):
            return deform_sample(feat, offset, weight, mask=mask)

    inputs = example(channels, channels, dtype=torch.float32)[:4]
    exported = torch.export.export(Sample(), inputs).module()
    torch.testing.assert_close(exported(*inputs), Sample()(*inputs))


def grouped_example(groups=2, channels=4):
    generator = torch.Generator().manual_seed(groups)
    feat = torch.randn(2, channels, 3, 4, generator=generator, dtype=torch.float64)
    weight = torch.randn(3, channels, 3, 3, generator=generator, dtype=torch.float64)
    offset = torch.randn(2, 18 * groups, 3, 4, generator=generator, dtype=torch.float64) * 2
    modulation = torch.rand(2, 9 * groups, 3, 4, generator=generator, dtype=torch.float64)
    return feat, offset, weight, modulation


def test_groups_are_the_sum_of_parts_with_offsets_of_their_own():
    feat, offset, weight, modulation = grouped_example()
    expected = sum(
        modulated_deform_sample(
            feat[:, 2 * g : 2 * g + 2],
            offset[:, 18 * g : 18 * g + 18],
            weight[:, 2 * g : 2 * g + 2],
            modulation=modulation[:, 9 * g : 9 * g + 9],
        )
        for g in range(2)
    )
    torch.testing.assert_close(modulated_deform_sample(feat, offset, weight, modulation=modulation, groups=2), expected)


def test_groups_are_checked():
    feat, offset, weight, modulation = grouped_example()
    with pytest.raises(ShapeError, match="offset"):
        modulated_deform_sample(feat, offset, weight, modulation=modulation, groups=4)
    with pytest.raises(ShapeError, match="modulation"):
        modulated_deform_sample(feat, offset, weight, modulation=modulation[:, 1:], groups=2)
    with pytest.raises(ShapeError, match="multiple of 3"):
        modulated_deform_sample(feat, offset, weight, modulation=modulation, groups=3)


@pytest.mark.parametrize("groups", [1, 2])
def test_modulated_module_starts_as_half_a_convolution_and_then_follows_its_guide(groups):
    torch.manual_seed(0)
    layer = ModulatedDeformConv(width=4, groups=groups)
    feat, guide = torch.randn(2, 1, 4, 5, 6).unbind()
    torch.nn.init.ones_(layer.bias)
    torch.testing.assert_close(layer(feat, guide), conv2d(feat, layer.weight, padding=1) / 2 + 1)
    # Rows, then columns, then modulation; all taps of the first group move one row down.
    layer.offset.bias.data[:9] = 1
    moved = torch.zeros_like(feat)
    moved[:, :, :-1] = feat[:, :, 1:]
    moved[:, 4 // groups :] = feat[:, 4 // groups :]
    expected = conv2d(moved, layer.weight, padding=1) / 2 + 1
    torch.testing.assert_close(layer(feat, guide)[:, :, 1:-1], expected[:, :, 1:-1])
    torch.nn.init.normal_(layer.offset.weight)
    assert not torch.allclose(layer(feat, guide), layer(feat, guide + 1))


def test_taps_are_recorded_as_flow_in_the_order_of_the_calls():
    plain, modulated = DeformConv(in_channels=2, out_channels=2), ModulatedDeformConv(width=2)
    modulated.offset.bias.data[:9], modulated.offset.bias.data[9:18] = 3, -2  # rows, then columns
    modulated.offset.bias.data[18:] = math.log(0.25 / 0.75)
    both = nn.ModuleList([modulated, plain])
    feat, offset = torch.randn(1, 2, 5, 6), torch.tensor([1.0, -0.5]).repeat(9).view(1, 18, 1, 1).expand(1, 18, 5, 6)  # (dy, dx)
    with recorded_taps(both) as taps:
        plain(feat, offset)
        modulated(feat, feat)
    plain(feat, offset)
    assert len(taps) == 2
    torch.testing.assert_close(taps[0].offset, torch.tensor([-0.5, 1.0]).view(1, 1, 2, 1, 1).expand(1, 9, 2, 5, 6))
    assert taps[0].modulation is None
    torch.testing.assert_close(taps[1].offset, torch.tensor([-2.0, 3.0]).view(1, 1, 2, 1, 1).expand(1, 9, 2, 5, 6))
    torch.testing.assert_close(taps[1].modulation, torch.full((1, 9, 5, 6), 0.25))
    assert not any(module._forward_hooks for module in both.modules())
