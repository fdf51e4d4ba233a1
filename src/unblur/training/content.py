"""Objectives that compare what was restored with the truth."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from unblur import losses
from unblur.errors import InputError
from unblur.models.base import Net
from unblur.models.flow import FlowNet
from unblur.models.recurrent import RecurrentNet
from unblur.training.batch import Batch
from unblur.training.recipe import AdversarialKeys, ContentKeys, Recipe

__all__ = ["ContentObjective", "Objective", "StepOutput", "compare"]

_PICTURES = {
    "mse": losses.mse,
    "l1": losses.l1,
    "charbonnier": losses.charbonnier,
    "shifted_charbonnier": losses.shifted_charbonnier,
    "log_mse": losses.log_mse,
    "edge": losses.edge,
    "frequency": losses.frequency,
}
_SCALES = {"multiscale_content": losses.multiscale_content, "multiscale_mse": losses.multiscale_mse}


@dataclass(frozen=True, eq=False)
class StepOutput:
    """What a network made of a batch.

    Attributes:
        loss: what is minimised, with its gradient.
        restored: the middle frames, with their gradient.
        shown: further numbers for the log, without gradients.
        before: what `restored` was made of, if that is not the blurry middle frames.
        aim: what it should be, if that is not their truth.
    """

    loss: Tensor
    restored: Tensor
    shown: dict[str, Tensor] = field(default_factory=dict)
    before: Tensor | None = None
    aim: Tensor | None = None


class Objective(nn.Module, ABC):
    """What a training minimises: a module around the network, so that one call of it is one pass, also over many processes.

    Args:
        net: the network, which it may call as it likes.
        recipe: of the training.

    Attributes:
        kernel_size: side of the camera's blur kernels that samples must have with them, pixels; None if none are needed.
    """

    kernel_size: int | None = None

    def __init__(self, net: Net | FlowNet, *, recipe: Recipe) -> None:
        super().__init__()
        self.net = net
        self.recipe = recipe

    @abstractmethod
    def forward(self, batch: Batch, step: int) -> StepOutput: ...

    def compile_net(self) -> None:
        """Let torch compile what is called of the network: `forward`, and `forward_scales`, which it does not compile with it."""
        self.net.compile()
        self.net.forward_scales = torch.compile(self.net.forward_scales)  # type: ignore[method-assign]


class ContentObjective(Objective):
    """A weighted sum of the losses that the recipe names.

    With `truths: all`, a recurrent network restores every frame of the clip that has the frames around it which it needs, and
    all of them are compared.

    Raises:
        InputError: if `truths: all` is asked of a network that is not recurrent, or the network restores nothing.
    """

    def __init__(self, net: Net | FlowNet, *, recipe: Recipe) -> None:
        super().__init__(net, recipe=recipe)
        if isinstance(net, FlowNet):
            raise InputError(f"`{recipe.model}` estimates flow and restores nothing; train it with `objective: {{kind: flow}}`")
        assert isinstance(recipe.objective, ContentKeys | AdversarialKeys)
        self._weights = recipe.objective.loss
        if recipe.all_truths and not isinstance(net, RecurrentNet):
            raise InputError(
                f"`objective.truths: all` is for networks that go through a clip with a state; `{recipe.model}` restores the middle frame"
            )

    def forward(self, batch: Batch, step: int) -> StepOutput:  # noqa: ARG002 (others depend on the step)
        if self.recipe.all_truths:
            return self._unrolled(batch)
        if any(name in _SCALES for name in self._weights):
            assert isinstance(self.net, Net)
            scales = self.net.forward_scales(batch.blurry)
            return StepOutput(compare(scales, batch.truth, weights=self._weights), scales[0])
        restored = self.net(batch.blurry)
        return StepOutput(compare([restored], batch.truth, weights=self._weights), restored)

    def _unrolled(self, batch: Batch) -> StepOutput:
        assert isinstance(self.net, RecurrentNet)
        context = self.net.context
        restored = self.net.unroll(batch.blurry)  # (B, N - 2 context, 3, H, W)
        sharp = batch.sharp[:, context : batch.sharp.shape[1] - context]
        loss = compare([restored.flatten(0, 1)], sharp.flatten(0, 1), weights=self._weights)
        return StepOutput(loss, restored[:, restored.shape[1] // 2])


def compare(scales: list[Tensor], sharp: Tensor, *, weights: dict[str, float]) -> Tensor:
    """Weighted sum of the losses called so; those that compare one picture take the finest scale.

    Example:
        >>> compare([torch.zeros(1, 3, 4, 4)], torch.ones(1, 3, 4, 4), weights={"mse": 2.0, "l1": 0.5})
        tensor(2.5000)
    """
    total = torch.zeros((), device=sharp.device)
    for name, weight in weights.items():
        loss = _SCALES[name](scales, sharp) if name in _SCALES else _PICTURES[name](scales[0], sharp)
        total = total + weight * loss
    return total
