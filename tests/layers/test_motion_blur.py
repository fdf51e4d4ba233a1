import pytest
import torch

from unblur.layers.motion_blur import blur_axis, line_blur, sample_along


def blur_field_of(dx: float, dy: float, *, height: int = 12, width: int = 17) -> torch.Tensor:
    dx, dy = torch.tensor(float(dx)), torch.tensor(float(dy))
    length, angle = torch.hypot(dx, dy), 2 * torch.atan2(dy, dx)
    return torch.stack([length * angle.cos(), length * angle.sin(), length])[None, :, None, None].expand(1, 3, height, width).contiguous()


@pytest.mark.parametrize(("dx", "dy"), [(8, 0), (0, 8), (3, 4), (3, -4), (5, 12)])
def test_axis_is_the_motion_up_to_its_sign(dx, dy):
    for sign in (1, -1):
        axis = blur_axis(blur_field_of(sign * dx, sign * dy))[0, :, 0, 0]
        assert (axis * (1 if axis @ axis.new_tensor([dx, dy]) > 0 else -1)).tolist() == pytest.approx([dx, dy], abs=1e-3)


def test_no_motion_reads_the_picture_itself():
    picture = torch.rand(1, 3, 12, 17)
    read = sample_along(picture, blur_field_of(0, 0), positions=(-0.5, 0.5))
    assert torch.allclose(read, picture.repeat(1, 2, 1, 1), atol=1e-5)


def test_whole_pixels_are_shifts_in_order():
    picture = torch.rand(1, 3, 12, 17)
    back, ahead = sample_along(picture, blur_field_of(4, 0), positions=(-0.5, 0.5)).split(3, dim=1)
    assert torch.allclose(ahead[..., :-2], picture[..., 2:], atol=1e-5)
    assert torch.allclose(back[..., 2:], picture[..., :-2], atol=1e-5)
    assert torch.allclose(ahead[..., -2:], picture[..., -1:].expand(-1, -1, -1, 2), atol=1e-5)  # beyond the border


def test_coarse_spread_is_brought_up():
    picture = torch.rand(1, 3, 12, 16)
    fine = sample_along(picture, blur_field_of(2, 2, height=12, width=16), positions=(0.5,))
    coarse = sample_along(picture, blur_field_of(2, 2, height=3, width=4), positions=(0.5,))
    assert torch.allclose(fine, coarse, atol=1e-5)


def test_positions_stay_in_fp32_under_autocast():
    picture, blur_field = torch.rand(1, 3, 40, 600), blur_field_of(5, 3, height=40, width=600)
    exact = sample_along(picture, blur_field, positions=(0.25,))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(sample_along(picture, blur_field, positions=(0.25,)), exact)


def test_no_gradient_flows_into_the_spread():
    picture, blur_field = torch.rand(1, 3, 12, 17, requires_grad=True), blur_field_of(3, 2).requires_grad_()
    sample_along(picture, blur_field, positions=(0.5,)).sum().backward()
    assert blur_field.grad is None
    assert picture.grad is not None


def test_single_pixel():
    assert sample_along(torch.rand(1, 3, 1, 1), blur_field_of(9, 9, height=1, width=1), positions=(0.5,)).shape == (1, 3, 1, 1)


# The blur itself


def line_of(dx: float, dy: float, *, height: int = 24, width: int = 30) -> torch.Tensor:
    return torch.tensor([float(dx), float(dy)])[None, :, None, None].expand(1, 2, height, width)


def test_what_does_not_move_is_not_smeared():
    picture = torch.rand(1, 2, 24, 30)
    assert torch.allclose(line_blur(line_of(0, 0), samples=5)(picture), picture, atol=1e-5)


def test_a_point_becomes_an_even_line():
    point = torch.zeros(1, 1, 24, 30)
    point[..., 12, 15] = 1
    smeared = line_blur(line_of(5, 0), samples=5)(point)
    assert torch.allclose(smeared[0, 0, 12, 13:18], torch.full((5,), 0.2), atol=1e-5)
    assert float(smeared.sum()) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(("dx", "dy"), [(4, 0), (3, -5), (0, 7.5)])
def test_a_line_is_the_same_from_both_ends(dx, dy):
    picture = torch.rand(1, 2, 24, 30)
    assert torch.allclose(*(line_blur(line_of(s * dx, s * dy), samples=7)(picture) for s in (1, -1)), atol=1e-5)


def test_an_even_blur_is_its_own_adjoint():
    one, other = torch.zeros(2, 1, 1, 24, 30)
    one[..., 8:16, 10:20], other[..., 6:18, 8:22] = torch.rand(8, 10), torch.rand(12, 14)
    blur = line_blur(line_of(4, 3), samples=9)
    torch.testing.assert_close((blur(one) * other).sum(), (one * blur(other)).sum(), rtol=1e-4, atol=0)


def test_each_picture_has_a_line_of_its_own():
    pictures, lines = torch.rand(2, 1, 24, 30), torch.cat([line_of(6, 0), line_of(0, 6)])
    together = line_blur(lines, samples=4)(pictures)
    alone = [line_blur(lines[i : i + 1], samples=4)(pictures[i : i + 1]) for i in range(2)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-6)
