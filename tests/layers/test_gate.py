"""Gates of candidate changes: before training, and learnt."""

import pytest
import torch

from unblur.layers.gate import GATE_RADIUS, GATE_STRIDE, GatingNet, gate_features, power_gates


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def small(changes=2, side_channels=3):
    return GatingNet(changes=changes, side_channels=side_channels, widths=(8, 8), blocks=(1, 1))


def test_before_training_the_first_change_is_applied():
    gates = small()(noise(2, 1, 32, 48), noise(2, 2, 32, 48, seed=1), noise(2, 3, 4, 6, seed=2))
    assert torch.equal(gates, torch.tensor([1.0, 0.0])[None, :, None, None].expand(2, 2, 32, 48))


@pytest.mark.parametrize("shape", [(16, 16), (24, 40), (8, 64)])
def test_there_is_a_gate_for_every_pixel(shape):
    net = small()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    gates = net(noise(1, 1, *shape), noise(1, 2, *shape, seed=1), noise(1, 3, shape[0] // GATE_STRIDE, shape[1] // GATE_STRIDE, seed=2))
    assert gates.shape == (1, 2, *shape)
    assert gates.isfinite().all()


def test_learns_what_least_squares_says():
    """One change is what is missing and noise, by another mixture in each picture: the gate to choose is in its power."""
    torch.manual_seed(0)
    net = GatingNet(changes=1, side_channels=1, widths=(16,), blocks=(1,))
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(1)

    def error():
        missing = 0.03 * torch.randn(16, 1, 32, 32, generator=generator)
        change = missing + 0.12 * torch.rand(16, 1, 1, 1, generator=generator) * torch.randn(16, 1, 32, 32, generator=generator)
        made = net(torch.zeros_like(change), change, torch.zeros(16, 1, 4, 4)) * change
        power = change.square().mean((1, 2, 3), keepdim=True)
        best = (missing * change).mean((1, 2, 3), keepdim=True) / power * change
        return (made - missing).square().mean(), (best - missing).square().mean()

    with torch.no_grad():
        first, least = error()
    assert float(first) > 2 * float(least)
    for _ in range(150):
        optimiser.zero_grad()
        error()[0].backward()
        optimiser.step()
    with torch.no_grad():
        last, least = error()
    assert float(last) < 1.3 * float(least)


def test_agreement_is_that_of_each_square():
    picture, change = torch.zeros(1, 1, 16, 16), noise(1, 1, 16, 16)
    other = torch.cat([2 * change[..., :8], -change[..., 8:]], dim=-1)
    told = gate_features(picture, torch.cat([change, other], dim=1))[0]
    assert told.shape == (4 * 7 // 2 + 1, 2, 2)
    power, alike = told[:4], told[4]
    torch.testing.assert_close(alike, torch.tensor([[1.0, -1.0], [1.0, -1.0]]), rtol=0, atol=1e-4)
    torch.testing.assert_close(power[1] - power[0], torch.log10(torch.tensor([[4.0, 1.0], [4.0, 1.0]])), rtol=0, atol=1e-4)
    torch.testing.assert_close(told[-1], torch.full((2, 2), -0.5))


def test_agreement_does_not_see_the_sign_of_all_changes():
    picture, changes = noise(1, 1, 32, 32), noise(1, 2, 32, 32, seed=1)
    torch.testing.assert_close(gate_features(picture, changes)[:, 4], gate_features(picture, -changes)[:, 4])


def test_no_gradient_flows_through_the_comparison():
    changes = noise(1, 2, 16, 16).requires_grad_()
    assert not gate_features(noise(1, 1, 16, 16, seed=1), changes).requires_grad


def test_gates_by_power_add_up_to_the_total():
    torch.testing.assert_close(power_gates(noise(2, 3, 24, 40), total=1.5).sum(1), torch.full((2, 24, 40), 1.5))


@pytest.mark.parametrize(("changes", "gates"), [((0.3, 0.1), (0.75, 0.25)), ((0.2, -0.2), (0.5, 0.5)), ((0.1, 0.0), (1.0, 0.0))])
def test_the_stronger_change_has_the_larger_gate_by_power(changes, gates):
    constant = torch.tensor(changes).view(1, 2, 1, 1).expand(1, 2, 16, 24)
    torch.testing.assert_close(
        power_gates(constant, total=1.0), torch.tensor(gates).view(1, 2, 1, 1).expand(1, 2, 16, 24), atol=5e-3, rtol=0
    )


def test_gates_by_power_see_no_farther_than_their_radius():
    changes = noise(1, 2, 16, 160)
    before = power_gates(changes, total=1.0)
    changes[:, 0, :, 80] += 1
    reached = (power_gates(changes, total=1.0) - before)[0, 0, 0].abs() > 1e-6
    assert reached.nonzero().min() >= 80 - GATE_RADIUS
    assert reached.nonzero().max() <= 80 + GATE_RADIUS
    assert reached[80 - GATE_RADIUS + 2 * GATE_STRIDE : 80 + GATE_RADIUS - 2 * GATE_STRIDE].all()


def test_gates_by_power_do_not_depend_on_the_scale_of_all_changes():
    changes = noise(1, 2, 32, 32)
    torch.testing.assert_close(power_gates(changes, total=1.0), power_gates(3 * changes, total=1.0), atol=1e-4, rtol=1e-4)
