"""The second player of an adversarial training: a discriminator that learns in turn with the network.

In each step the discriminator first learns to tell what the network has just restored from what is sharp; then the network
learns from its content loss and from the improved discriminator. Source: Nah et al. (CVPR 2017), section 3.3; Kupyn et al.
(CVPR 2018), where the discriminator takes five steps for one of the network; Zhang et al. (CVPR 2020), where it tells whether what is sharp looks sharper than what was
restored does on average.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from unblur import losses
from unblur.models import create_discriminator
from unblur.training.recipe import AdversarialKeys, Recipe

__all__ = ["Adversary", "Mean", "take_step"]

Mean = Callable[[Tensor], Tensor]
"""Averages a tensor over all processes."""


class Adversary:
    """A discriminator with its optimiser.

    Args:
        recipe: an adversarial one.
        device: where it works.
        mean: averages a tensor over all processes.
    """

    def __init__(self, recipe: Recipe, *, device: torch.device, mean: Mean) -> None:
        keys = recipe.objective
        assert isinstance(keys, AdversarialKeys)
        self.net = create_discriminator(keys.adversary, **keys.adversary_arguments).to(device)
        self.optimiser = torch.optim.Adam(self.net.parameters(), lr=keys.adversary_lr, betas=recipe.betas)
        self._steps, self._seed = keys.adversary_steps, recipe.seed
        self._lr, self._weight = keys.adversary_lr, keys.adversarial_weight
        self._mean = mean

    def learn(self, restored: Tensor, sharp: Tensor, *, step: int, part: int, share: float) -> Tensor:
        """Take the discriminator's steps on one batch, in fp32; gives its mean loss.

        Args:
            restored: by the network; no gradient reaches it.
            sharp: the truth.
            step: of the training.
            part: number of this process.
            share: of the full learning rate.
        """
        generator = torch.Generator().manual_seed(hash((self._seed, 2, step, part)))
        fake, total = restored.detach().float(), torch.zeros((), device=sharp.device)
        for _ in range(self._steps):
            loss = self._loss(fake, sharp, generator=generator)
            take_step(self.net, self.optimiser, loss, lr=self._lr * share, mean=self._mean)
            total = total + loss.detach() / self._steps
        return total

    def _loss(self, fake: Tensor, sharp: Tensor, *, generator: torch.Generator) -> Tensor:
        if self.net.adversarial_loss == "wasserstein":
            loss = losses.wasserstein_critic(self.net(sharp), self.net(fake))
            return loss + losses.gradient_penalty(self.net, sharp, fake, generator=generator)
        if self.net.adversarial_loss == "relativistic":
            return losses.relativistic_average(self.net(sharp), self.net(fake))
        return losses.adversarial_discriminator(self.net(sharp), self.net(fake))

    def fool(self, restored: Tensor, sharp: Tensor) -> Tensor:
        """The weighted term that the network minimises; the discriminator gets no gradient."""
        self.net.requires_grad_(requires_grad=False)
        verdict = self.net(restored.float())
        if self.net.adversarial_loss == "wasserstein":
            term = losses.wasserstein_generator(verdict)
        elif self.net.adversarial_loss == "relativistic":
            term = losses.relativistic_average(verdict, self.net(sharp))
        else:
            term = losses.adversarial_generator(verdict)
        self.net.requires_grad_(requires_grad=True)
        return self._weight * term

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on."""
        return {"net": self.net.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.net.load_state_dict(state["net"])
        self.optimiser.load_state_dict(state["optimiser"])


def take_step(net: nn.Module, optimiser: torch.optim.Optimizer, loss: Tensor, *, lr: float, mean: Mean) -> None:
    """One step of a network that is trained beside the one of the recipe, with the mean gradients of all processes."""
    for group in optimiser.param_groups:
        group["lr"] = lr
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    _average_gradients(net, mean=mean)
    optimiser.step()


def _average_gradients(net: nn.Module, *, mean: Mean) -> None:
    """Average the gradients of a network over all processes by hand: a penalty on gradients cannot go through the wrapper that averages those of the trained network."""
    parameters = [parameter for parameter in net.parameters() if parameter.grad is not None]
    whole = mean(torch.cat([parameter.grad.flatten() for parameter in parameters if parameter.grad is not None]))
    for parameter, part in zip(parameters, torch.split(whole, [parameter.numel() for parameter in parameters]), strict=True):
        parameter.grad = part.view_as(parameter)
