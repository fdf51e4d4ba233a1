import copy
from types import SimpleNamespace

import pytest
import torch

from unblur.training.adversarial import Adversary
from unblur.training.recipe import AdversarialKeys

KINDS = {"deepdeblur": ({"width": 2}, 256), "deblurgan": ({"width": 4}, 32), "dbgan": ({"width": 4}, 32)}


def adversary(kind: str, **changes) -> tuple[Adversary, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    arguments, side = KINDS[kind]
    values = {"adversary": kind, "adversary_arguments": arguments, "adversary_lr": 1e-3, "adversarial_weight": 0.5, "adversary_steps": 2}
    keys = {key: changes.pop(key) for key in values.keys() & changes.keys()}
    objective = AdversarialKeys(kind="adversarial", loss={"mse": 1.0}, **(values | keys))
    recipe = SimpleNamespace(**({"objective": objective, "betas": (0.5, 0.9), "seed": 1} | changes))
    made = Adversary(recipe, device=torch.device("cpu"), mean=lambda tensor: tensor)
    sharp = torch.rand(2, 3, side, side)
    return made, sharp, torch.nn.functional.avg_pool2d(sharp, 5, stride=1, padding=2).requires_grad_()


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_to_tell_them_apart_and_passes_its_verdict_on(kind):
    made, sharp, restored = adversary(kind, adversary_steps=4)
    losses = [float(made.learn(restored, sharp, step=step, part=0, share=1.0)) for step in range(4)]
    assert losses[-1] < losses[0]
    assert restored.grad is None
    for parameter in made.net.parameters():
        parameter.grad = None
    made.fool(restored, sharp).backward()
    assert restored.grad.abs().max() > 0
    assert all(parameter.grad is None and parameter.requires_grad for parameter in made.net.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_arguments_matter(kind):
    def after(*, step=0, part=0, share=1.0, **changes):
        made, sharp, restored = adversary(kind, **changes)
        made.learn(restored, sharp, step=step, part=part, share=share)
        return torch.cat([parameter.detach().flatten() for parameter in made.net.parameters()])

    plain = after()
    assert torch.equal(plain, after())
    for changes in ({"share": 0.5}, {"adversary_steps": 1}, {"adversary_lr": 1e-4}, {"betas": (0.1, 0.2)}):
        assert not torch.equal(plain, after(**changes)), changes
    for changes in ({"step": 1}, {"part": 1}, {"seed": 2}):  # they draw the places of the penalty
        assert torch.equal(plain, after(**changes)) == (kind != "deblurgan"), changes
    made, sharp, restored = adversary(kind)
    doubled, _, _ = adversary(kind, adversarial_weight=1.0)
    torch.testing.assert_close(doubled.fool(restored, sharp), 2 * made.fool(restored, sharp))


def test_its_state_says_all():
    made, sharp, restored = adversary("deblurgan")
    made.learn(restored, sharp, step=0, part=0, share=1.0)
    other, _, _ = adversary("deblurgan", adversary_lr=5e-3)
    other.load_state_dict(copy.deepcopy(made.state_dict()))
    made.learn(restored, sharp, step=1, part=0, share=1.0)
    other._lr = made._lr
    other.learn(restored, sharp, step=1, part=0, share=1.0)
    assert all(torch.equal(one, two) for one, two in zip(made.net.parameters(), other.net.parameters(), strict=True))


def test_gradients_are_averaged_over_processes():
    made, sharp, restored = adversary("deepdeblur", adversary_steps=1)
    silent, _, _ = adversary("deepdeblur", adversary_steps=1)
    silent._mean = torch.zeros_like  # the other process's gradient was the opposite
    before = [parameter.clone() for parameter in silent.net.parameters()]
    for each in (made, silent):
        each.learn(restored, sharp, step=0, part=0, share=1.0)
    assert all(torch.equal(one, two) for one, two in zip(before, silent.net.parameters(), strict=True))
    assert not torch.equal(before[0], next(made.net.parameters()))
