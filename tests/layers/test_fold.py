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


@pytest.mark.parametrize("side", [2, 4])
@pytest.mark.parametrize("grad", [False, True])
def test_under_autocast_a_convolution_finds_the_same_values(side, grad):
    x = torch.randn(2, 3, 2 * side, 5 * side, generator=torch.Generator().manual_seed(0), requires_grad=grad)
    with torch.autocast("cpu", torch.bfloat16):
        folded = fold(x, side=side)
    assert folded.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(folded, pixel_unshuffle(x, side).bfloat16(), rtol=0, atol=0)


def test_one_picture_of_a_batch_is_folded_where_it_lies():
    x = torch.randn(3, 1, 4, 12, generator=torch.Generator().manual_seed(0)).bfloat16()
    torch.testing.assert_close(fold(x[1:2], side=4), fold(x, side=4)[1:2], rtol=0, atol=0)
