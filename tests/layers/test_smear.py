import pytest
import torch

from unblur.layers.smear import sample_along, spread_axis


def spread_of(dx: float, dy: float, *, height: int = 12, width: int = 17) -> torch.Tensor:
    dx, dy = torch.tensor(float(dx)), torch.tensor(float(dy))
    length, angle = torch.hypot(dx, dy), 2 * torch.atan2(dy, dx)
    return torch.stack([length * angle.cos(), length * angle.sin(), length])[None, :, None, None].expand(1, 3, height, width).contiguous()


@pytest.mark.parametrize(("dx", "dy"), [(8, 0), (0, 8), (3, 4), (3, -4), (5, 12)])
def test_axis_is_the_motion_up_to_its_sign(dx, dy):
    for sign in (1, -1):
        axis = spread_axis(spread_of(sign * dx, sign * dy))[0, :, 0, 0]
        assert (axis * (1 if axis @ axis.new_tensor([dx, dy]) > 0 else -1)).tolist() == pytest.approx([dx, dy], abs=1e-3)


def test_no_motion_reads_the_picture_itself():
    picture = torch.rand(1, 3, 12, 17)
    read = sample_along(picture, spread_of(0, 0), shares=(-0.5, 0.5))
    assert torch.allclose(read, picture.repeat(1, 2, 1, 1), atol=1e-5)


def test_whole_pixels_are_shifts_in_order():
    picture = torch.rand(1, 3, 12, 17)
    back, ahead = sample_along(picture, spread_of(4, 0), shares=(-0.5, 0.5)).split(3, dim=1)
    assert torch.allclose(ahead[..., :-2], picture[..., 2:], atol=1e-5)
    assert torch.allclose(back[..., 2:], picture[..., :-2], atol=1e-5)
    assert torch.allclose(ahead[..., -2:], picture[..., -1:].expand(-1, -1, -1, 2), atol=1e-5)  # beyond the border


def test_coarse_spread_is_brought_up():
    picture = torch.rand(1, 3, 12, 16)
    fine = sample_along(picture, spread_of(2, 2, height=12, width=16), shares=(0.5,))
    coarse = sample_along(picture, spread_of(2, 2, height=3, width=4), shares=(0.5,))
    assert torch.allclose(fine, coarse, atol=1e-5)


def test_positions_stay_in_fp32_under_autocast():
    picture, spread = torch.rand(1, 3, 40, 600), spread_of(5, 3, height=40, width=600)
    exact = sample_along(picture, spread, shares=(0.25,))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(sample_along(picture, spread, shares=(0.25,)), exact)


def test_no_gradient_flows_into_the_spread():
    picture, spread = torch.rand(1, 3, 12, 17, requires_grad=True), spread_of(3, 2).requires_grad_()
    sample_along(picture, spread, shares=(0.5,)).sum().backward()
    assert spread.grad is None
    assert picture.grad is not None


def test_single_pixel():
    assert sample_along(torch.rand(1, 3, 1, 1), spread_of(9, 9, height=1, width=1), shares=(0.5,)).shape == (1, 3, 1, 1)
