"""The objective of networks that refine the blur kernel of camera shake: `swift_best`, on pairs whose kernel is known exactly."""

from typing import cast

import torch

from unblur.errors import InputError
from unblur.layers.blind_deconvolution import BORDER, add_border, deconvolve_windows, remove_border
from unblur.layers.light import GAMMA
from unblur.losses import log_kernel
from unblur.models.base import Net
from unblur.models.flow import FlowNet
from unblur.models.swift_best import SwiftBest
from unblur.training.batch import Batch
from unblur.training.content import Objective, StepOutput
from unblur.training.recipe import Recipe

__all__ = ["CameraKernelObjective"]

_SHOWN_ITERATIONS = ((2, 3),)  # of accelerated Richardson-Lucy, for the restored picture in the log


class CameraKernelObjective(Objective):
    """The error of the kernel, see `unblur.losses.log_kernel`; nothing else of the network is called.

    What is shown as restored is the picture deconvolved with the kernel, by five iterations of Richardson-Lucy, in two steps.

    Raises:
        InputError: if the network finds no kernels, or crops do not fit in one of its windows.
    """

    def __init__(self, net: Net | FlowNet, *, recipe: Recipe) -> None:
        super().__init__(net, recipe=recipe)
        if not isinstance(net, SwiftBest):
            raise InputError(
                f"`objective.kind: camera_kernel` is for networks that find the kernel of the camera; `{recipe.model}` does not"
            )
        self.kernel_size = net.deconvolution.kernel_estimator.size
        max_window = net.deconvolution.layout.side - 2 * BORDER
        if recipe.crop > max_window:
            raise InputError(f"`crop` must be {max_window} or less with `objective.kind: camera_kernel`: each crop has one kernel")

    def forward(self, batch: Batch, step: int) -> StepOutput:  # noqa: ARG002 (others depend on the step)
        assert batch.kernel is not None
        deconvolution = cast(SwiftBest, self.net).deconvolution
        with torch.autocast(batch.blurry.device.type, enabled=False):
            light, down, across = add_border(batch.blurry)
            windows = remove_border(deconvolution.search_input(light), down, across)  # (B, 2, H, W)
            kernel, _ = deconvolution.kernel_estimator(*windows.unbind(1))  # (B, K, K)
            with torch.no_grad():
                (deconvolved,) = deconvolve_windows(light, kernel, iterations=_SHOWN_ITERATIONS)
            restored = remove_border(deconvolved, down, across).clamp(0, 1) ** (1 / GAMMA)
        return StepOutput(log_kernel(kernel, batch.kernel), restored)

    def compile_net(self) -> None:
        """Compile the refinement alone, since nothing else is called."""
        cast(SwiftBest, self.net).deconvolution.kernel_estimator.refiner.compile()
