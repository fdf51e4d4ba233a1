"""The objective of networks that estimate a blur field and restore with it.

Teacher forcing: at first the restoration is given the true blur field, then an ever larger fraction of the crops gets the estimate. The estimate is trained by its own error alone: the
gradient of the restoration does not reach it.
"""

from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from unblur.errors import InputError
from unblur.models.base import Net
from unblur.models.flow import FlowNet
from unblur.models.supervised import EstimatesBlurField
from unblur.training.batch import Batch
from unblur.training.content import Objective, StepOutput, compare
from unblur.training.recipe import BlurFieldKeys, FlowAndBlurFieldKeys, Recipe

__all__ = ["UNIT", "BlurFieldObjective", "teacher_forced"]

UNIT = 8.0
"""Length of blur that counts as 1 in the loss, pixels."""


def teacher_forced(step: int, *, recipe: Recipe) -> Tensor:
    """Which crops of a step's whole batch get the true blur field: all at first, none from step `teacher_forcing_until` on."""
    assert isinstance(recipe.objective, BlurFieldKeys | FlowAndBlurFieldKeys)
    fraction = max(0.0, 1 - step / max(recipe.objective.teacher_forcing_until, 1))
    generator = torch.Generator().manual_seed(recipe.seed + step)
    return torch.rand(recipe.batch, generator=generator) < fraction


class BlurFieldObjective(Objective):
    """Content losses, and the mean absolute error of the estimated blur field.

    Raises:
        InputError: if the network does not estimate a blur field.
    """

    def __init__(self, net: Net | FlowNet, *, recipe: Recipe) -> None:
        super().__init__(net, recipe=recipe)
        if not isinstance(net, EstimatesBlurField):
            raise InputError(f"`objective.kind: blur_field` is for networks that estimate a blur field; `{recipe.model}` does not")

    def forward(self, batch: Batch, step: int) -> StepOutput:
        net, recipe, keys = cast(EstimatesBlurField, self.net), self.recipe, self.recipe.objective
        assert isinstance(keys, BlurFieldKeys)
        assert batch.blur_field is not None
        small = net.downscaled(batch.blurry)
        seen = net.blur_field(small)
        truth = batch.blur_field
        if seen.shape != truth.shape:
            truth = interpolate(truth, size=seen.shape[-2:], mode="bilinear", align_corners=False) * (
                small.shape[-1] / batch.blurry.shape[-1]
            )
        forced = teacher_forced(step, recipe=recipe)[batch.slots].to(seen.device)[:, None, None, None]
        restored = net.apply_change(net.restore(small, torch.where(forced, truth, seen.detach())), small=small, blurry=batch.blurry)
        error = (seen - truth).abs().mean()
        content = compare([restored], batch.truth, weights=keys.loss)
        return StepOutput(
            content + keys.blur_field_weight * error / UNIT, restored, {"motion": error.detach(), "content": content.detach()}
        )

    def compile_net(self) -> None:
        """Compile the parts, since the network itself is not called."""
        for part in self.net.children():
            part.compile()
