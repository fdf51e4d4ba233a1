import pytest
import torch

from unblur.errors import ShapeError
from unblur.layers.correlation import cost_volume


def loop_cost(reference, neighbour, radius):
    batch, channels, height, width = reference.shape
    side = 2 * radius + 1
    out = torch.zeros(batch, side * side, height, width, dtype=reference.dtype)
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            for i in range(height):
                for j in range(width):
                    if 0 <= i + dy < height and 0 <= j + dx < width:
                        product = reference[:, :, i, j] * neighbour[:, :, i + dy, j + dx]
                        out[:, (dy + radius) * side + dx + radius, i, j] = product.sum(1) / channels
    return out


@pytest.mark.parametrize("radius", [0, 1, 2, 5])
@pytest.mark.parametrize("size", [(3, 4), (2, 17), (1, 1)])
def test_is_the_mean_product_at_every_displacement(radius, size):
    generator = torch.Generator().manual_seed(0)
    reference, neighbour = torch.randn(2, 2, 3, *size, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(cost_volume(reference, neighbour, radius=radius), loop_cost(reference, neighbour, radius))


def test_the_cost_is_highest_at_the_true_displacement():
    generator = torch.Generator().manual_seed(1)
    neighbour = torch.nn.functional.normalize(torch.randn(1, 64, 12, 14, generator=generator), dim=1)
    reference = neighbour.roll((-2, 1), dims=(2, 3))  # reference(p) = neighbour(p + (dy 2, dx -1))
    best = cost_volume(reference, neighbour, radius=3).argmax(dim=1)[:, 4:-4, 4:-4]
    assert (best == (2 + 3) * 7 + (-1 + 3)).all()


def test_derivatives():
    generator = torch.Generator().manual_seed(2)
    pair = torch.randn(2, 1, 2, 3, 9, generator=generator, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda a, b: cost_volume(a, b, radius=2), (pair[0].requires_grad_(), pair[1].requires_grad_()), fast_mode=True
    )


def test_bf16_keeps_its_precision():
    generator = torch.Generator().manual_seed(3)
    reference, neighbour = torch.randn(2, 1, 64, 6, 20, generator=generator).bfloat16()
    cost = cost_volume(reference, neighbour, radius=4)
    assert cost.dtype == torch.bfloat16
    torch.testing.assert_close(cost.float(), cost_volume(reference.float(), neighbour.float(), radius=4), atol=1e-2, rtol=2**-7)


def test_inputs_are_checked():
    with pytest.raises(ShapeError, match="same shape"):
        cost_volume(torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 5), radius=1)
    with pytest.raises(ShapeError, match="reference"):
        cost_volume(torch.zeros(2, 4, 4), torch.zeros(2, 4, 4), radius=1)
    with pytest.raises(ValueError, match="radius"):
        cost_volume(torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4), radius=-1)
