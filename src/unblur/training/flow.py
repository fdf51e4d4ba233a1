"""The objective of networks that estimate flow: `pwcnet`, from sequences whose flow is known exactly.

The flow leads from the middle frame to the one before it, and both are blurry, as they are where a video network will ask. The
exact flow is that between the middles of the two exposures.
"""

from unblur.errors import InputError
from unblur.layers.warp import flow_warp
from unblur.losses import multiscale_epe
from unblur.models.base import Net
from unblur.models.flow import FlowNet
from unblur.training.batch import Batch
from unblur.training.content import Objective, StepOutput
from unblur.training.recipe import FlowKeys, Recipe

__all__ = ["FlowObjective"]


class FlowObjective(Objective):
    """Multi-scale end-point error, see `unblur.losses.multiscale_epe`.

    What is shown as restored is the frame before, brought onto the middle one by the estimated flow; so the log's `gain` says by
    how many dB warping makes the two alike. `epe` is the mean end-point error in pixels, and `still` what it would be of no motion.

    Raises:
        InputError: if the network restores pictures.
    """

    def __init__(self, net: Net | FlowNet, *, recipe: Recipe) -> None:
        super().__init__(net, recipe=recipe)
        if not isinstance(net, FlowNet):
            raise InputError(f"`objective.kind: flow` is for networks that estimate flow; `{recipe.model}` restores pictures")

    def forward(self, batch: Batch, step: int) -> StepOutput:  # noqa: ARG002 (others depend on the step)
        assert batch.flow is not None
        assert isinstance(self.recipe.objective, FlowKeys)
        reference, neighbour = batch.reference.contiguous(), batch.previous.contiguous()
        assert isinstance(self.net, FlowNet)
        full, *levels = self.net.forward_scales(reference, neighbour)
        loss = multiscale_epe(levels, batch.flow, weights=self.recipe.objective.level_weights)
        full = full.detach()
        shown = {"epe": (full - batch.flow).norm(dim=1).mean(), "still": batch.flow.norm(dim=1).mean()}
        return StepOutput(loss, flow_warp(neighbour, full), shown, before=neighbour, aim=reference)
