"""The objective of video networks that first ask how the frames move and how the picture was smeared: `swift_video`.

As in `told_motion`, the restoration is told the truth at first, then ever more crops get the estimates, and these are taught by
their own errors alone.
"""

import torch
from torch import Tensor

from unblur.errors import InputError
from unblur.losses import multiscale_epe
from unblur.models.base import Net
from unblur.models.flow import FlowNet
from unblur.models.swift import FOLD
from unblur.models.swift_video import SwiftVideo
from unblur.models.swift_video_best import SwiftVideoBest, share_of
from unblur.training.batch import Batch
from unblur.training.content import Judged, Objective, compare
from unblur.training.recipe import Recipe
from unblur.training.told_motion import UNIT, told

__all__ = ["ToldFlowObjective", "ends"]

_SLOW = 4.0  # pixels a frame: what moves slower tells little of the exposure
_BOTH = 0.1  # of the crops at an end: shots of one frame


def _share_error(share: Tensor, batch: Batch) -> Tensor:
    """Mean absolute error of the share of the time in which the shutter was open; the more a crop moves, the more it counts. At an end of a shot, motion goes on evenly."""
    assert batch.spread is not None
    assert batch.flow is not None
    assert batch.flow_next is not None
    sides = torch.stack([flow.flatten(1).any(dim=1) for flow in (batch.flow, batch.flow_next)]).sum(dim=0).clamp(min=1)
    velocity = torch.nn.functional.avg_pool2d((batch.flow_next - batch.flow) / sides[:, None, None, None], FOLD)
    moved = velocity.norm(dim=1).mean((1, 2))
    weight = moved / (moved + _SLOW)
    error = (share - share_of(batch.spread, velocity)).abs().flatten()
    return (weight * error).sum() / weight.sum().clamp_min(1e-3)


def ends(step: int, *, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """Which crops of a step's whole batch are at the beginning of a shot, and which at its end; a tenth of them at both."""
    generator = torch.Generator().manual_seed(recipe.seed + step)
    chance, side = torch.rand(2, recipe.batch, generator=generator)
    chosen = chance < (recipe.end_share or 0.0)
    return chosen & (side < _BOTH + (1 - _BOTH) / 2), chosen & ((side < _BOTH) | (side >= _BOTH + (1 - _BOTH) / 2))


class ToldFlowObjective(Objective):
    """Content losses, the error of the estimated spread, the multi-scale end-point error of both flows, and that of the share of the exposure.

    Raises:
        InputError: if the network is none of `swift_video` and `swift_video_best`.
    """

    def __init__(self, net: Net | FlowNet, *, recipe: Recipe) -> None:
        super().__init__(net, recipe=recipe)
        if not isinstance(net, SwiftVideo):
            raise InputError(
                f"`objective: told_flow` is for `swift_video` and `swift_video_best`, whose stages it teaches; `{recipe.model}` is another network"
            )

    def forward(self, batch: Batch, step: int) -> Judged:
        net, recipe = self.net, self.recipe
        assert isinstance(net, SwiftVideo)
        batch = batch.at_ends(*(where[batch.slots].to(batch.blurry.device) for where in ends(step, recipe=recipe)))
        assert batch.spread is not None
        assert batch.flow is not None
        assert batch.flow_next is not None
        assert recipe.motion_weight is not None
        assert recipe.level_weights is not None
        knows = told(step, recipe=recipe)[batch.slots].to(batch.blurry.device)[:, None, None, None]
        feats = [net.features(frame.contiguous()) for frame in batch.blurry.unbind(dim=1)]
        half = len(feats) // 2
        middle = feats[half]
        aligned, epe, flow_loss = [], torch.zeros((), device=knows.device), torch.zeros((), device=knows.device)
        for place, flow in ((half - 1, batch.flow), (half + 1, batch.flow_next)):
            flows = net.flow(middle[2:], feats[place][2:])
            truth = torch.nn.functional.avg_pool2d(flow, FOLD) / FOLD  # (B, 2, H/4, W/4), in pixels there
            motion = net.motion(batch.reference, batch.blurry[:, place])
            aligned.append(net.aligned(middle, feats[place], motion, flow=torch.where(knows, truth, flows[0].detach())))
            flow_loss = flow_loss + multiscale_epe(flows, flow, weights=recipe.level_weights) / 2
            epe = epe + FOLD * (flows[0].detach() - truth).norm(dim=1).mean() / 2
        window, seen, *known = net.fuse([aligned[0], net.align(middle, middle, None), aligned[1]])
        restored = net.reconstruct((window, torch.where(knows, batch.spread, seen.detach()), *known), batch.reference)
        error = (seen - batch.spread).abs().mean()
        content = compare([restored], batch.truth, weights=recipe.loss)
        loss = content + recipe.motion_weight * error / UNIT + flow_loss
        shown = {"motion": error.detach(), "epe": epe, "still": batch.flow.norm(dim=1).mean(), "content": content.detach()}
        if isinstance(net, SwiftVideoBest):
            share_error = _share_error(known[1], batch)
            loss = loss + recipe.motion_weight * share_error
            shown["share"] = share_error.detach()
        return Judged(loss, restored, shown)

    def compile_net(self) -> None:
        """The network itself is not called, its parts are."""
        for part in self.net.children():
            part.compile()
