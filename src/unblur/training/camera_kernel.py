"""The objective of networks that estimate the blur kernel of camera shake, on pairs whose kernel is known exactly."""

from typing import cast

import torch

from unblur.errors import InputError
from unblur.losses import log_kernel
from unblur.models.base import Net
from unblur.models.flow import FlowNet
from unblur.models.supervised import EstimatesCameraKernel
from unblur.training.batch import Batch
from unblur.training.content import Objective, StepOutput
from unblur.training.recipe import Recipe

__all__ = ["CameraKernelObjective"]


class CameraKernelObjective(Objective):
    """The error of the kernel, see `unblur.losses.log_kernel`; nothing else of the network is called.

    What is shown as restored is the picture deconvolved with the kernel.

    Raises:
        InputError: if the network finds no kernels, or crops do not fit in one of its windows.
    """

    def __init__(self, net: Net | FlowNet, *, recipe: Recipe) -> None:
        super().__init__(net, recipe=recipe)
        if not isinstance(net, EstimatesCameraKernel):
            raise InputError(
                f"`objective.kind: camera_kernel` is for networks that find the kernel of the camera; `{recipe.model}` does not"
            )
        self.kernel_size = net.camera_kernel_size
        if recipe.crop > net.largest_crop:
            raise InputError(f"`crop` must be {net.largest_crop} or less with `objective.kind: camera_kernel`: each crop has one kernel")

    def forward(self, batch: Batch, step: int) -> StepOutput:  # noqa: ARG002 (others depend on the step)
        assert batch.kernel is not None
        with torch.autocast(batch.blurry.device.type, enabled=False):
            kernel, restored = cast(EstimatesCameraKernel, self.net).camera_kernel(batch.blurry)
        return StepOutput(log_kernel(kernel, batch.kernel), restored)

    def compile_net(self) -> None:
        """Compile the estimate of the kernel alone, since nothing else is called."""
        cast(EstimatesCameraKernel, self.net).compile_camera_kernel()
