import pytest
import torch

from unblur.errors import ShapeError
from unblur.layers.warp import flow_inside, flow_resize, flow_warp


def constant_flow(dx, dy, size, batch=1):
    return torch.tensor([dx, dy]).view(1, 2, 1, 1).expand(batch, 2, *size).contiguous()


@pytest.mark.parametrize("channels", [3, 32])
def test_zero_flow_changes_nothing(channels):
    feat = torch.randn(2, channels, 37, 31, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(flow_warp(feat, torch.zeros(2, 2, 37, 31)), feat, atol=2e-5, rtol=0)


@pytest.mark.parametrize("channels", [3, 32])
def test_a_whole_number_of_pixels_is_a_shift_with_zeros_behind(channels):
    feat = torch.randn(1, channels, 9, 11, generator=torch.Generator().manual_seed(0))
    expected = torch.zeros_like(feat)
    expected[:, :, 2:, :-3] = feat[:, :, :-2, 3:]  # out(p) = feat(p + (3, -2))
    torch.testing.assert_close(flow_warp(feat, constant_flow(3.0, -2.0, (9, 11))), expected, atol=2e-5, rtol=0)


def test_the_flow_from_reference_to_neighbour_brings_a_moved_square_back():
    reference, neighbour = torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 16, 16)
    reference[..., 4:7, 5:8] = 1
    neighbour[..., 6:9, 9:12] = 1  # moved by dx = 4, dy = 2
    torch.testing.assert_close(flow_warp(neighbour, constant_flow(4.0, 2.0, (16, 16))), reference)


def test_half_a_pixel_is_the_mean_of_two():
    row = torch.tensor([0.0, 2.0, 6.0]).view(1, 1, 1, 3)
    torch.testing.assert_close(flow_warp(row, constant_flow(0.5, 0.0, (1, 3))).flatten(), torch.tensor([1.0, 4.0, 3.0]))


def test_warping_is_linear_in_the_features():
    generator = torch.Generator().manual_seed(3)
    one, two = torch.randn(2, 1, 32, 6, 7, generator=generator)
    flow = torch.randn(1, 2, 6, 7, generator=generator) * 3
    torch.testing.assert_close(flow_warp(2 * one - two, flow), 2 * flow_warp(one, flow) - flow_warp(two, flow))


@pytest.mark.parametrize("channels", [2, 26])
def test_derivatives(channels):
    generator = torch.Generator().manual_seed(4)
    feat = torch.randn(1, channels, 3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    flow = (torch.rand(1, 2, 3, 4, generator=generator, dtype=torch.float64) * 3).requires_grad_()
    assert torch.autograd.gradcheck(flow_warp, (feat, flow), fast_mode=True)


@pytest.mark.parametrize("channels", [3, 32])
@pytest.mark.parametrize("autocast", [False, True])
def test_bf16_features_with_a_large_flow_agree_with_single_precision(channels, autocast):
    generator = torch.Generator().manual_seed(5)
    feat = torch.randn(1, channels, 40, 700, generator=generator).bfloat16()
    flow = torch.randn(1, 2, 40, 700, generator=generator) * torch.tensor([200.0, 10.0]).view(1, 2, 1, 1)
    expected = flow_warp(feat.float(), flow)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        warped = flow_warp(feat, flow)
    assert warped.dtype == torch.bfloat16
    torch.testing.assert_close(warped.float(), expected, atol=1e-6, rtol=2**-8)


def test_inside_is_where_nothing_outside_is_read():
    flow = torch.randn(1, 2, 12, 12, generator=torch.Generator().manual_seed(6)) * 4
    whole = flow_warp(torch.ones(1, 1, 12, 12, dtype=torch.float64), flow) > 1 - 1e-9
    assert torch.equal(flow_inside(flow), whole)
    assert 0 < whole.sum() < whole.numel()


def test_resizing_keeps_what_the_flow_points_at():
    flow = constant_flow(8.0, -4.0, (16, 32))
    small = flow_resize(flow, size=(4, 16))
    torch.testing.assert_close(small, constant_flow(4.0, -1.0, (4, 16)))
    torch.testing.assert_close(flow_resize(small, size=(16, 32)), flow)
    # Positions stay: a ramp of the column stays one, at the pixel centres of the new resolution.
    ramp = torch.arange(32.0).expand(1, 2, 16, 32)
    torch.testing.assert_close(flow_resize(ramp, size=(8, 16))[0, 0, 0], (torch.arange(16.0) * 2 + 0.5) / 2)


def test_a_bf16_flow_is_resized_in_single_precision():
    assert flow_resize(torch.zeros(1, 2, 4, 4, dtype=torch.bfloat16), size=(8, 8)).dtype == torch.float32


def test_shapes_are_checked():
    with pytest.raises(ShapeError, match="flow"):
        flow_warp(torch.zeros(1, 3, 4, 4), torch.zeros(1, 2, 4, 5))
    with pytest.raises(ShapeError, match="flow"):
        flow_inside(torch.zeros(1, 3, 4, 4))
    with pytest.raises(ShapeError, match="0x4"):
        flow_resize(torch.zeros(1, 2, 4, 4), size=(0, 4))


def test_warping_can_be_exported():
    class Warp(torch.nn.Module):
        def forward(self, feat, flow):
            return flow_warp(feat, flow)

    feat, flow = torch.randn(1, 32, 5, 6), torch.randn(1, 2, 5, 6)
    exported = torch.export.export(Warp(), (feat, flow)).module()
    torch.testing.assert_close(exported(feat, flow), flow_warp(feat, flow))
