import pytest
import torch

from unblur.errors import ShapeError
from unblur.layers.double_attention import distribute, gather


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_gathers_by_the_definition():
    values, keys = random(2, 3, 2, 4), random(2, 5, 2, 4, seed=1)
    expected = torch.zeros(2, 3, 5, dtype=torch.float64)
    for m in range(5):
        weights = keys[:, m].exp() / keys[:, m].exp().sum(dim=(1, 2), keepdim=True)
        for y in range(2):
            for x in range(4):
                expected[:, :, m] += weights[:, None, y, x] * values[:, :, y, x]
    torch.testing.assert_close(gather(values, keys), expected)


def test_distributes_by_the_definition():
    descriptors, queries = random(2, 3, 5), random(2, 5, 2, 4, seed=1)
    expected = torch.zeros(2, 3, 2, 4, dtype=torch.float64)
    for y in range(2):
        for x in range(4):
            weights = queries[:, :, y, x].exp() / queries[:, :, y, x].exp().sum(dim=1, keepdim=True)
            expected[:, :, y, x] = (descriptors * weights[:, None]).sum(dim=2)
    torch.testing.assert_close(distribute(descriptors, queries), expected)


def test_descriptors_do_not_depend_on_where_things_are():
    """What need not be aligned: any shuffling of the positions leaves them as they are."""
    values, keys = random(1, 3, 4, 6), random(1, 5, 4, 6, seed=1)
    order = torch.randperm(24, generator=torch.Generator().manual_seed(2))
    shuffled = [tensor.flatten(2)[..., order].unflatten(2, (4, 6)) for tensor in (values, keys)]
    torch.testing.assert_close(gather(*shuffled), gather(values, keys))


def test_what_is_the_same_everywhere_stays_the_same_everywhere():
    flat = torch.tensor([1.0, -2.0], dtype=torch.float64).view(1, 2, 1, 1).expand(1, 2, 3, 4)
    torch.testing.assert_close(distribute(gather(flat, random(1, 5, 3, 4)), random(1, 5, 3, 4, seed=1)), flat.contiguous())


def test_sharp_weights_read_and_write_single_positions():
    values, keys = random(1, 2, 2, 3), torch.full((1, 6, 2, 3), -1e3, dtype=torch.float64)
    keys.view(1, 6, 6).diagonal(dim1=1, dim2=2).fill_(1e3)
    torch.testing.assert_close(gather(values, keys), values.flatten(2))
    torch.testing.assert_close(distribute(gather(values, keys), keys), values)


def test_derivatives():
    inputs = [random(1, 2, 2, 3).requires_grad_(), random(1, 4, 2, 3, seed=1).requires_grad_(), random(1, 4, 2, 3, seed=2).requires_grad_()]
    assert torch.autograd.gradcheck(lambda v, k, q: distribute(gather(v, k), q), inputs, fast_mode=True)


def test_inputs_are_checked():
    with pytest.raises(ShapeError, match="keys"):
        gather(torch.zeros(1, 2, 3, 4), torch.zeros(1, 2, 3, 5))
    with pytest.raises(ShapeError, match="descriptors"):
        distribute(torch.zeros(1, 2, 4), torch.zeros(1, 5, 3, 3))
