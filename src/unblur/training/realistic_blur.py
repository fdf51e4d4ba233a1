"""A network that learns to blur as the blurry pictures of the data are blurred, and makes some of the samples of an adversarial training.

    sharp + noise ── BGAN ── blurred ──┬── discriminator ── real blurry pictures, of other scenes
                                       └── takes the place of the blurry picture in some of the samples

Source: Zhang et al., "Deblurring by Realistic Blurring" (CVPR 2020), whose pictures are unpaired: the discriminator compares what BGAN made with blurry pictures of
others. Decided: BGAN and DBGAN learn at the same time, where the source trains one after the other; the real blurry pictures are those of the same batch, each moved on to the next sharp one;
the mean absolute difference between a sharp picture and its blurred version takes the place of the perceptual loss by which BGAN keeps what is seen in a picture.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from unblur import losses
from unblur.models import create_blurrer
from unblur.training.adversarial import Adversary, Mean, take_step
from unblur.training.batch import Batch
from unblur.training.recipe import RealisticBlurKeys, Recipe

__all__ = ["RealisticBlur"]


class RealisticBlur:
    """BGAN with its optimiser and its discriminator, which is of the kind of that of the trained network.

    Args:
        recipe: one with `objective.kind: realistic_blur`.
        device: where it works.
        mean: averages a tensor over all processes.
    """

    def __init__(self, recipe: Recipe, *, device: torch.device, mean: Mean) -> None:
        keys = recipe.objective
        assert isinstance(keys, RealisticBlurKeys)
        self.net = create_blurrer(keys.blurrer, **keys.blurrer_arguments).to(device)
        self.optimiser = torch.optim.Adam(self.net.parameters(), lr=keys.blurrer_lr, betas=recipe.betas)
        own = keys.model_copy(update={"adversarial_weight": keys.blurrer_weight, "adversary_lr": keys.blurrer_lr})
        self.adversary = Adversary(recipe.model_copy(update={"objective": own}), device=device, mean=mean)
        self._keys, self._seed, self._mean = keys, recipe.seed, mean

    def blur(self, batch: Batch, *, step: int, part: int, share: float) -> tuple[Batch, dict[str, Tensor]]:
        """Take one step of BGAN and of its discriminator, in fp32; gives the batch with some blurry pictures of BGAN's, and numbers for the log.

        Args:
            batch: of pairs.
            step: of the training.
            part: number of this process.
            share: of the full learning rate.
        """
        generator = torch.Generator().manual_seed(hash((self._seed, 4, step, part)))
        sharp, real = batch.truth, batch.blurry.roll(1, 0)  # unpaired
        blurred = self.net(sharp, generator=generator)
        shown = {"blurrer_adversary": self.adversary.learn(blurred, real, step=step, part=part, share=share)}
        loss = self._keys.blurrer_content_weight * losses.l1(blurred, sharp) + self.adversary.fool(blurred, real)
        take_step(self.net, self.optimiser, loss, lr=self._keys.blurrer_lr * share, mean=self._mean)
        chosen = torch.rand(len(sharp), generator=generator).to(sharp.device) < self._keys.blurred_share
        blurry = torch.where(chosen[:, None, None, None], blurred.detach().clamp(0, 1), batch.blurry)
        return replace(batch, blurry=blurry), shown | {"blurrer": loss.detach()}

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on."""
        return {"net": self.net.state_dict(), "optimiser": self.optimiser.state_dict(), "adversary": self.adversary.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.net.load_state_dict(state["net"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.adversary.load_state_dict(state["adversary"])
