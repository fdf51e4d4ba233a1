"""The objective of networks that first ask how every pixel was smeared, then restore: `swift`.

At first the restoration is told the true spread, so that it learns to use one; then ever more crops get the estimate. The
estimate is taught by its own error alone: the restoration's gradient does not reach it.
"""

from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from unblur.errors import InputError
from unblur.models.base import Net
from unblur.models.flow import FlowNet
from unblur.models.swift import SmearNet
from unblur.training.batch import Batch
from unblur.training.content import Judged, Objective, compare
from unblur.training.recipe import Recipe

__all__ = ["UNIT", "ToldMotionObjective", "told"]

UNIT = 8.0
"""Pixels of smear that count as one in the loss."""


def told(step: int, *, recipe: Recipe) -> Tensor:
    """Which crops of a step's whole batch get the true motion: all at first, none from `told_until` on."""
    share = max(0.0, 1 - step / max(recipe.told_until or 0, 1))
    generator = torch.Generator().manual_seed(recipe.seed + step)
    return torch.rand(recipe.batch, generator=generator) < share


class ToldMotionObjective(Objective):
    """Content losses, and the mean absolute error of the estimated spread.

    Raises:
        InputError: if the network does not estimate a spread.
    """

    def __init__(self, net: Net | FlowNet, *, recipe: Recipe) -> None:
        super().__init__(net, recipe=recipe)
        if not isinstance(net, SmearNet):
            raise InputError(f"`objective: told_motion` is for networks that estimate how pixels are smeared; `{recipe.model}` does not")

    def forward(self, batch: Batch, step: int) -> Judged:
        net, recipe = cast(SmearNet, self.net), self.recipe
        assert batch.spread is not None
        assert recipe.motion_weight is not None
        small = net.smaller(batch.blurry)
        seen = net.spread(small)
        truth = batch.spread
        if seen.shape != truth.shape:
            truth = interpolate(truth, size=seen.shape[-2:], mode="bilinear", align_corners=False) * (
                small.shape[-1] / batch.blurry.shape[-1]
            )
        knows = told(step, recipe=recipe)[batch.slots].to(seen.device)[:, None, None, None]
        restored = net.larger(net.restore(small, torch.where(knows, truth, seen.detach())), small=small, blurry=batch.blurry)
        error = (seen - truth).abs().mean()
        content = compare([restored], batch.truth, weights=recipe.loss)
        return Judged(content + recipe.motion_weight * error / UNIT, restored, {"motion": error.detach(), "content": content.detach()})

    def compile_net(self) -> None:
        """The network itself is not called, its parts are."""
        for part in self.net.children():
            part.compile()
