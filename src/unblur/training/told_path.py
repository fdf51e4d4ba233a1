"""The objective of networks that find the path of the camera in a photo: `swift_best`, from pairs whose path is known exactly."""

from typing import cast

import torch

from unblur.errors import InputError
from unblur.losses import log_kernel
from unblur.models.base import Net
from unblur.models.flow import FlowNet
from unblur.models.swift_best import BORDER, GAMMA, SwiftBest, bordered, unbordered, unsmeared
from unblur.training.batch import Batch
from unblur.training.content import Judged, Objective
from unblur.training.recipe import Recipe

__all__ = ["ToldPathObjective"]

_TURNS = ((2, 3),)  # of Richardson-Lucy, for which the leaps stand after which the log shows what the paths are good for


class ToldPathObjective(Objective):
    """The error of the path, see `unblur.losses.log_kernel`; nothing else of the network is called.

    What is shown as restored is the picture with the blur along the path undone, by five turns of Richardson-Lucy, in two leaps.

    Raises:
        InputError: if the network finds no paths, or crops do not fit in one of its windows.
    """

    def __init__(self, net: Net | FlowNet, *, recipe: Recipe) -> None:
        super().__init__(net, recipe=recipe)
        if not isinstance(net, SwiftBest):
            raise InputError(f"`objective: told_path` is for networks that find the path of the camera; `{recipe.model}` does not")
        widest = net.window - 2 * BORDER
        if recipe.crop > widest:
            raise InputError(f"`crop` must be {widest} or less with `objective: told_path`: each crop has one path")

    def forward(self, batch: Batch, step: int) -> Judged:  # noqa: ARG002 (others depend on the step)
        assert batch.path is not None
        net = cast(SwiftBest, self.net)
        with torch.autocast(batch.blurry.device.type, enabled=False):
            light, down, across = bordered(batch.blurry)
            path, _ = net.sought(unbordered(net.sight(light), down, across))  # (B, K, K)
            with torch.no_grad():
                (undone,) = unsmeared(light, path, turns=_TURNS)
            restored = unbordered(undone, down, across).clamp(0, 1) ** (1 / GAMMA)
        return Judged(log_kernel(path, batch.path), restored)

    def compile_net(self) -> None:
        """The network itself is not called, what makes the path is."""
        cast(SwiftBest, self.net).path.compile()
