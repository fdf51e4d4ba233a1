import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from unblur.errors import ShapeError
from unblur.flow import quick_flow
from unblur.layers.inverse_search import inverse_search


def scene(height=96, width=128):
    """Soft blots, larger than they move."""
    coarse = torch.rand(2, 3, height // 8, width // 8, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=False).clamp(0, 1)


def test_finds_how_far_each_picture_of_a_batch_moved():
    pictures = scene()
    moved = torch.stack([pictures[0].roll((2, 5), (1, 2)), pictures[1].roll(-4, 2)])
    flow = inverse_search(pictures, moved)[..., 24:-24, 24:-24]
    assert flow.mean((2, 3)) == pytest.approx(np.array([[5, 2], [-4, 0]]), abs=0.3)


def test_a_copy_has_not_moved():
    assert not inverse_search(scene(), scene()).any()


def test_pictures_too_small_to_see_motion_in_do_not_move():
    assert inverse_search(torch.rand(1, 3, 8, 40), torch.rand(1, 3, 8, 40)).tolist() == torch.zeros(1, 2, 8, 40).tolist()


def test_is_that_of_the_bytes():
    one, other = scene()[:1], scene()[1:]
    given = [(each[0] * 255).round().byte().permute(1, 2, 0).numpy() for each in (one, other)]
    assert np.array_equal(inverse_search(one, other)[0].permute(1, 2, 0).numpy(), quick_flow(*given))


def test_torch_knows_its_shape_without_running_it():
    """So that costs are counted, and networks compiled, around it."""
    with FakeTensorMode():
        flow = inverse_search(torch.rand(2, 3, 40, 64), torch.rand(2, 3, 40, 64))
    assert (flow.shape, flow.dtype) == ((2, 2, 40, 64), torch.float32)


def test_no_gradient_flows():
    assert not inverse_search(scene().requires_grad_(), scene()).requires_grad


def test_pictures_must_be_of_one_size():
    with pytest.raises(ShapeError):
        inverse_search(torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 20))
