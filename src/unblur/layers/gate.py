"""A gating network: how much of each of several candidate changes to apply to a picture, by how they agree with each other."""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, pad

from unblur.layers.box_mean import box_mean
from unblur.layers.unet import UNet

__all__ = ["GATE_RADIUS", "GATE_STRIDE", "GatingNet", "gate_features", "power_gates"]

GATE_STRIDE = 8
"""Side of the cells over which changes are compared, pixels."""

_REACH = 4  # cells on each side over which `power_gates` takes the power of a change

GATE_RADIUS = (_REACH + 2) * GATE_STRIDE
"""Pixels on each side that reach a gate of `power_gates`: those cells, the rest of the own one, and half a cell by resizing."""

_EPSILON = 1e-7  # power of a change that is 0
_UNIT_POWER = 1e-3  # power whose logarithm is 0 for the network


class GatingNet(nn.Module):
    """Predicts a gate for each change in each place.

    If the truth were known, the best gates would follow by least squares from the products of the changes with each other and with the residual. The
    products among changes are measured, over cells of 8x8 pixels and over the whole picture; a U-Net learns what they and the picture's detail say of the others.
    Decided here, no paper's; gates as in Ren et al., "Gated Fusion Network for Single Image Dehazing" (CVPR 2018).

    Args:
        changes: number of changes.
        side_channels: number of further input channels.
        widths: features at 1/8 of the resolution, at 1/16, ...
        blocks: residual blocks there, see `UNet`.
    """

    def __init__(
        self,
        *,
        changes: int,
        side_channels: int,
        widths: tuple[int, ...] = (48, 64, 96),
        blocks: tuple[int, ...] = (1, 1, 0),
    ) -> None:
        super().__init__()
        signals = changes + 2
        in_channels = signals * (signals + 3) // 2 + 1 + side_channels
        self.unet = UNet(in_channels=in_channels, out_channels=changes, widths=widths, blocks=blocks)

    def forward(self, picture: Tensor, changes: Tensor, side: Tensor) -> Tensor:
        """Gates at full resolution; before training, 1 for the first change and 0 for the others.

        Args:
            picture: luma, in [0, 1].
            changes: candidate changes of the luma.
            side: further inputs for each cell.

        Shape:
            (B, 1, H, W), (B, changes, H, W), (B, side_channels, H/8, W/8) -> (B, changes, H, W)
        """
        inputs = torch.cat([gate_features(picture, changes), side], dim=1)  # (B, C, h, w)
        height, width = inputs.shape[-2:]
        multiple = self.unet.size_multiple
        padded = pad(inputs, (0, -width % multiple, 0, -height % multiple), mode="replicate")
        gates = self.unet(padded)[..., :height, :width].float()
        gates = interpolate(gates, size=picture.shape[-2:], mode="bilinear", align_corners=False)  # (B, changes, H, W)
        return torch.cat([1 + gates[:, :1], gates[:, 1:]], dim=1)


@torch.no_grad()
def gate_features(picture: Tensor, changes: Tensor) -> Tensor:
    """Powers and correlations of changes and of the picture's two finest detail bands, in cells of 8x8 pixels; no gradient flows.

    Returns:
        Channels, for the n changes and then the two bands, finest last: the logarithm of the power in the cell; the correlation with each signal before it; the logarithm
        of the power over the whole picture; at last the mean brightness of the cell, from -0.5 to 0.5.

    Shape:
        (B, 1, H, W), (B, n, H, W) -> (B, (n+2)·(n+5)/2 + 1, H/8, W/8)
    """
    fine = picture - box_mean(picture)
    signals = torch.cat([changes, fine, fine - box_mean(fine)], dim=1)  # (B, n+2, H, W)
    power = avg_pool2d(signals.square(), GATE_STRIDE) + _EPSILON
    correlations = [
        avg_pool2d(signals[:, one] * signals[:, other], GATE_STRIDE) / (power[:, one] * power[:, other]).sqrt()
        for one in range(signals.shape[1])
        for other in range(one)
    ]
    local, whole = (torch.log10(each / _UNIT_POWER) for each in (power, power.mean((2, 3), keepdim=True)))
    return torch.cat([local, torch.stack(correlations, dim=1), whole.expand_as(local), avg_pool2d(picture, GATE_STRIDE) - 0.5], dim=1)


def power_gates(changes: Tensor, *, total: float) -> Tensor:
    """Gates in proportion to the root mean square of each change over 9x9 cells of 8x8 pixels: without any training, the stronger change counts more.

    For the mean x̂ of all sharp pictures that a blurry picture y can have come from, the expected gain of the change x̂ - y is its mean square.
    Networks know that mean only roughly, and err towards y where they see no blur.

    Args:
        changes: candidate changes of the luma.
        total: sum of the gates of a place.

    Shape:
        (B, n, H, W) -> (B, n, H, W), H and W multiples of 8
    """
    power = avg_pool2d(changes.square(), GATE_STRIDE)  # (B, n, H/8, W/8)
    smooth = avg_pool2d(pad(power, (_REACH,) * 4, mode="replicate"), 2 * _REACH + 1, stride=1) + _EPSILON
    root = smooth.sqrt()
    return interpolate(total * root / root.sum(1, keepdim=True), size=changes.shape[-2:], mode="bilinear", align_corners=False)
