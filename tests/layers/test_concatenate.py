import pytest
import torch
from torch import nn

from unblur.layers.concatenate import compute_dtype, concatenate


def parts() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    long = torch.randn(2, 6, 5, 7, generator=generator).contiguous(memory_format=torch.channels_last)
    return [long, torch.randn(2, 1, 5, 7, generator=generator), torch.randn(2, 2, 5, 7, generator=generator).bfloat16()]


def test_values_are_those_of_a_concatenation():
    joined = concatenate(*parts())
    assert joined.dtype == torch.float32
    assert joined.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(joined, torch.cat([part.float() for part in parts()], dim=1), rtol=0, atol=0)


def test_one_short_part_does_not_say_the_layout_of_all():
    assert not torch.cat([part.float() for part in parts()], dim=1).is_contiguous(memory_format=torch.channels_last)
    assert concatenate(*parts()).is_contiguous(memory_format=torch.channels_last)


def test_a_convolution_under_autocast_finds_the_same_values():
    conv = nn.Conv2d(9, 4, 3)
    with torch.autocast("cpu", torch.bfloat16):
        joined = concatenate(*parts())
        assert joined.dtype == torch.bfloat16
        torch.testing.assert_close(conv(joined), conv(torch.cat([part.float() for part in parts()], dim=1)), rtol=0, atol=0)


def test_gradients_reach_every_part_in_its_own_precision():
    given = [part.requires_grad_() for part in parts()]
    with torch.autocast("cpu", torch.bfloat16):
        concatenate(*given).float().sum().backward()
    for part in given:
        torch.testing.assert_close(part.grad, torch.ones_like(part))


@pytest.mark.parametrize(("dtype", "lower"), [(torch.float32, torch.bfloat16), (torch.float64, torch.float64)])
def test_precision_of_the_convolution_that_follows(dtype, lower):
    x = torch.zeros(1, dtype=dtype)
    assert compute_dtype(x) == dtype
    with torch.autocast("cpu", torch.bfloat16):
        assert compute_dtype(x) == lower
        assert compute_dtype(x) == nn.functional.conv1d(x[None, None], x.view(1, 1, 1)).dtype
