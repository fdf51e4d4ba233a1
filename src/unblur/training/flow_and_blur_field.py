"""The objective of video networks that estimate flow and a blur field and restore with them.

Teacher forcing as in `unblur.training.blur_field`, of flow and blur field together; the estimates are trained by their own errors alone.
"""

import torch
from torch import Tensor

from unblur.errors import InputError
from unblur.losses import multiscale_epe
from unblur.models.base import Net
from unblur.models.flow import FlowNet
from unblur.models.supervised import EstimatesFlowAndBlurField, estimate_exposure_ratio
from unblur.models.video import VideoNet
from unblur.training.batch import Batch
from unblur.training.blur_field import UNIT, teacher_forced
from unblur.training.content import Objective, StepOutput, compare
from unblur.training.recipe import FlowAndBlurFieldKeys, Recipe

__all__ = ["FlowAndBlurFieldObjective", "shot_ends"]

_HALF_WEIGHT_SPEED = 4.0  # pixels a frame: crops that move slower say little about the exposure
_SINGLE_FRAME = 0.1  # fraction of the crops at an end of a shot that are shots of one frame


def _exposure_ratio_error(exposure_ratio: Tensor, batch: Batch, *, stride: int) -> Tensor:
    """Mean absolute error of the exposure ratio, weighted by the motion of each crop. At an end of a shot, velocity is constant."""
    assert batch.blur_field is not None
    assert batch.flow is not None
    assert batch.flow_next is not None
    sides = torch.stack([flow.flatten(1).any(dim=1) for flow in (batch.flow, batch.flow_next)]).sum(dim=0).clamp(min=1)
    velocity = torch.nn.functional.avg_pool2d((batch.flow_next - batch.flow) / sides[:, None, None, None], stride)
    moved = velocity.norm(dim=1).mean((1, 2))
    weight = moved / (moved + _HALF_WEIGHT_SPEED)
    error = (exposure_ratio - estimate_exposure_ratio(batch.blur_field, velocity)).abs().flatten()
    return (weight * error).sum() / weight.sum().clamp_min(1e-3)


def shot_ends(step: int, *, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """Which crops of a step's whole batch are at the beginning of a shot, and which at its end; a tenth of them at both."""
    assert isinstance(recipe.objective, FlowAndBlurFieldKeys)
    generator = torch.Generator().manual_seed(recipe.seed + step)
    chance, side = torch.rand(2, recipe.batch, generator=generator)
    chosen = chance < recipe.objective.end_probability
    return chosen & (side < _SINGLE_FRAME + (1 - _SINGLE_FRAME) / 2), chosen & (
        (side < _SINGLE_FRAME) | (side >= _SINGLE_FRAME + (1 - _SINGLE_FRAME) / 2)
    )


class FlowAndBlurFieldObjective(Objective):
    """Content losses, the error of the estimated blur field, the multi-scale end-point error of both flows, and that of the exposure ratio.

    Raises:
        InputError: if the network does not estimate both.
    """

    def __init__(self, net: Net | FlowNet, *, recipe: Recipe) -> None:
        super().__init__(net, recipe=recipe)
        if not (isinstance(net, VideoNet) and isinstance(net, EstimatesFlowAndBlurField)):
            raise InputError(
                f"`objective.kind: flow_and_blur_field` is for networks that estimate flow and a blur field; `{recipe.model}` does not"
            )

    def forward(self, batch: Batch, step: int) -> StepOutput:
        net, recipe, keys = self.net, self.recipe, self.recipe.objective
        assert isinstance(net, VideoNet)
        assert isinstance(net, EstimatesFlowAndBlurField)
        assert isinstance(keys, FlowAndBlurFieldKeys)
        batch = batch.at_ends(*(where[batch.slots].to(batch.blurry.device) for where in shot_ends(step, recipe=recipe)))
        assert batch.blur_field is not None
        assert batch.flow is not None
        assert batch.flow_next is not None
        forced = teacher_forced(step, recipe=recipe)[batch.slots].to(batch.blurry.device)[:, None, None, None]
        feats = [net.features(frame.contiguous()) for frame in batch.blurry.unbind(dim=1)]
        half, stride = len(feats) // 2, net.estimate_stride
        middle = feats[half]
        aligned, epe, flow_loss = [], torch.zeros((), device=forced.device), torch.zeros((), device=forced.device)
        for place, flow in ((half - 1, batch.flow), (half + 1, batch.flow_next)):
            flows = net.flows(middle, feats[place])
            truth = torch.nn.functional.avg_pool2d(flow, stride) / stride  # (B, 2, H/4, W/4), in pixels there
            motion = net.motion(batch.reference, batch.blurry[:, place])
            assert motion is not None
            aligned.append(net.aligned(middle, feats[place], motion, flow=torch.where(forced, truth, flows[0].detach())))
            flow_loss = flow_loss + multiscale_epe(flows, flow, weights=keys.level_weights) / 2
            epe = epe + stride * (flows[0].detach() - truth).norm(dim=1).mean() / 2
        fused = window, seen, *known = net.fuse([aligned[0], net.align(middle, middle, None), aligned[1]])
        restored = net.reconstruct((window, torch.where(forced, batch.blur_field, seen.detach()), *known), batch.reference)
        error = (seen - batch.blur_field).abs().mean()
        content = compare([restored], batch.truth, weights=keys.loss)
        loss = content + keys.blur_field_weight * error / UNIT + flow_loss
        shown = {"motion": error.detach(), "epe": epe, "still": batch.flow.norm(dim=1).mean(), "content": content.detach()}
        exposure_ratio = net.exposure_ratio_of(fused)
        if exposure_ratio is not None:
            exposure_ratio_error = _exposure_ratio_error(exposure_ratio, batch, stride=stride)
            loss = loss + keys.blur_field_weight * exposure_ratio_error
            shown["exposure_ratio"] = exposure_ratio_error.detach()
        return StepOutput(loss, restored, shown)

    def compile_net(self) -> None:
        """Compile the parts, since the network itself is not called."""
        for part in self.net.children():
            part.compile()
