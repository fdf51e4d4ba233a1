"""The objective of video networks that first ask how the frames move and how the picture was smeared: `swift_video`.

As in `told_motion`, the restoration is told the truth at first, then ever more crops get the estimates, and these are taught by
their own errors alone.
"""

import torch

from unblur.errors import InputError
from unblur.losses import multiscale_epe
from unblur.models.base import Net
from unblur.models.flow import FlowNet
from unblur.models.swift import FOLD
from unblur.models.swift_video import SwiftVideo
from unblur.training.batch import Batch
from unblur.training.content import Judged, Objective, compare
from unblur.training.recipe import Recipe
from unblur.training.told_motion import UNIT, told

__all__ = ["ToldFlowObjective"]


class ToldFlowObjective(Objective):
    """Content losses, the error of the estimated spread, and the multi-scale end-point error of both flows.

    Raises:
        InputError: if the network is another than `swift_video`.
    """

    def __init__(self, net: Net | FlowNet, *, recipe: Recipe) -> None:
        super().__init__(net, recipe=recipe)
        if not isinstance(net, SwiftVideo):
            raise InputError(f"`objective: told_flow` is for `swift_video`, whose stages it teaches; `{recipe.model}` is another network")

    def forward(self, batch: Batch, step: int) -> Judged:
        net, recipe = self.net, self.recipe
        assert isinstance(net, SwiftVideo)
        assert batch.spread is not None
        assert batch.flow is not None
        assert batch.flow_next is not None
        assert recipe.motion_weight is not None
        assert recipe.level_weights is not None
        knows = told(step, recipe=recipe)[batch.slots].to(batch.blurry.device)[:, None, None, None]
        feats = [net.features(frame.contiguous()) for frame in batch.blurry.unbind(dim=1)]
        previous, middle, following = feats[len(feats) // 2 - 1 : len(feats) // 2 + 2]
        aligned, epe, flow_loss = [], torch.zeros((), device=knows.device), torch.zeros((), device=knows.device)
        for neighbour, flow in ((previous, batch.flow), (following, batch.flow_next)):
            flows = net.flow(middle[2:], neighbour[2:])
            truth = torch.nn.functional.avg_pool2d(flow, FOLD) / FOLD  # (B, 2, H/4, W/4), in pixels there
            aligned.append(net.warped(neighbour[0], torch.where(knows, truth, flows[0].detach())))
            flow_loss = flow_loss + multiscale_epe(flows, flow, weights=recipe.level_weights) / 2
            epe = epe + FOLD * (flows[0].detach() - truth).norm(dim=1).mean() / 2
        window, seen = net.fuse([aligned[0], net.align(middle, middle, None), aligned[1]])
        restored = net.reconstruct((window, torch.where(knows, batch.spread, seen.detach())), batch.reference)
        error = (seen - batch.spread).abs().mean()
        content = compare([restored], batch.truth, weights=recipe.loss)
        shown = {"motion": error.detach(), "epe": epe, "still": batch.flow.norm(dim=1).mean(), "content": content.detach()}
        return Judged(content + recipe.motion_weight * error / UNIT + flow_loss, restored, shown)

    def compile_net(self) -> None:
        """The network itself is not called, its parts are."""
        for part in self.net.children():
            part.compile()
