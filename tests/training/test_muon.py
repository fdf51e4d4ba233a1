import pytest
import torch

from unblur.training.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(6, 40), (40, 6), (16, 16)])
def test_singular_values_come_near_one(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonal(matrix))
    assert values.min() > 0.5
    assert values.max() < 1.3


def test_directions_are_kept():
    left, _, right = torch.linalg.svd(torch.randn(5, 9, generator=torch.Generator().manual_seed(1)), full_matrices=False)
    matrix = left @ torch.diag(torch.tensor([1.0, 0.8, 0.6, 0.4, 0.3])) @ right
    inner = left.T @ orthogonal(matrix) @ right.T
    assert (inner - torch.diag(inner.diagonal())).abs().max() < 0.05


def test_scale_of_the_gradient_does_not_matter():
    matrix = torch.randn(4, 8, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(orthogonal(matrix), orthogonal(1024 * matrix), atol=1e-3)


def run(steps=1, **arguments) -> torch.Tensor:
    weight = torch.nn.Parameter(torch.ones(4, 2, 3, 3))
    optimiser = Muon([weight], **({"lr": 0.1} | arguments))
    for seed in range(steps):
        weight.grad = torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(seed))
        optimiser.step()
    return weight.detach()


def test_step_has_the_size_of_adamw():
    change = run() - 1
    assert change.square().mean().sqrt() == pytest.approx(0.1 * 0.2, rel=0.35)


def test_each_argument_matters():
    assert not torch.equal(run(), run(lr=0.2))
    assert not torch.equal(run(), run(weight_decay=0.5))
    assert not torch.equal(run(steps=2), run(steps=2, momentum=0.5))


def test_finds_the_minimum_of_a_bowl():
    target = torch.randn(6, 10, generator=torch.Generator().manual_seed(3))
    weight = torch.nn.Parameter(torch.zeros(6, 10))
    optimiser = Muon([weight], lr=0.1)
    for step in range(200):
        optimiser.param_groups[0]["lr"] = 0.1 * (1 - step / 200)
        optimiser.zero_grad()
        (weight - target).square().mean().backward()
        optimiser.step()
    assert (weight - target).square().mean() < 0.02 * target.square().mean()
