import pytest
import torch

from unblur.layers.pixel_unshuffle import pixel_unshuffle


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_values_are_those_of_pixel_unshuffle(factor, layout):
    x = torch.randn(2, 3, 2 * factor, 5 * factor, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=layout)
    folded = pixel_unshuffle(x, factor=factor)
    torch.testing.assert_close(folded, torch.nn.functional.pixel_unshuffle(x, factor), rtol=0, atol=0)
    assert folded.is_contiguous(memory_format=torch.channels_last)


def test_gradient_goes_back_to_its_pixel():
    x = torch.randn(1, 2, 4, 8, requires_grad=True)
    weight = torch.randn(1, 32, 1, 2)
    gradients = [
        torch.autograd.grad((folded * weight).sum(), x)[0]
        for folded in (pixel_unshuffle(x, factor=4), torch.nn.functional.pixel_unshuffle(x, 4))
    ]
    torch.testing.assert_close(*gradients, rtol=0, atol=0)


def test_hand_worked_square():
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert pixel_unshuffle(x, factor=2)[0, :, 0, 1].tolist() == [2, 3, 6, 7]


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("grad", [False, True])
def test_under_autocast_a_convolution_finds_the_same_values(factor, grad):
    x = torch.randn(2, 3, 2 * factor, 5 * factor, generator=torch.Generator().manual_seed(0), requires_grad=grad)
    with torch.autocast("cpu", torch.bfloat16):
        folded = pixel_unshuffle(x, factor=factor)
    assert folded.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(folded, torch.nn.functional.pixel_unshuffle(x, factor).bfloat16(), rtol=0, atol=0)


def test_one_picture_of_a_batch_is_folded_where_it_lies():
    x = torch.randn(3, 1, 4, 12, generator=torch.Generator().manual_seed(0)).bfloat16()
    torch.testing.assert_close(pixel_unshuffle(x[1:2], factor=4), pixel_unshuffle(x, factor=4)[1:2], rtol=0, atol=0)
