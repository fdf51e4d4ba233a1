import pytest
import torch
from torch.nn.functional import pixel_unshuffle

from unblur.layers.fold import fold


@pytest.mark.parametrize("side", [2, 4])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_values_are_those_of_pixel_unshuffle(side, layout):
    x = torch.randn(2, 3, 2 * side, 5 * side, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=layout)
    folded = fold(x, side=side)
    torch.testing.assert_close(folded, pixel_unshuffle(x, side), rtol=0, atol=0)
    assert folded.is_contiguous(memory_format=torch.channels_last)


def test_gradient_goes_back_to_its_pixel():
    x = torch.randn(1, 2, 4, 8, requires_grad=True)
    weight = torch.randn(1, 32, 1, 2)
    gradients = [torch.autograd.grad((folded * weight).sum(), x)[0] for folded in (fold(x, side=4), pixel_unshuffle(x, 4))]
    torch.testing.assert_close(*gradients, rtol=0, atol=0)


def test_hand_worked_square():
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert fold(x, side=2)[0, :, 0, 1].tolist() == [2, 3, 6, 7]
