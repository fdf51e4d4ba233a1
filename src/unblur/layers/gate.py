"""How far to trust each of several changes that could be made to a picture, by how they agree with each other."""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, pad

from unblur.layers.box_mean import box_mean
from unblur.layers.unet import UNet

__all__ = ["GATE_STRIDE", "GatingNet", "gate_features"]

GATE_STRIDE = 8
"""Side of the squares of pixels over which changes are compared."""

_LEAST = 1e-7  # power of a change in a square that is none
_USUAL = 1e-3  # power whose logarithm is 0 for the network


class GatingNet(nn.Module):
    """Says of every place how much of each change to make.

    If the truth were known, the best shares would follow from the products of the changes with each other and with what is missing, by
    least squares. The first are measured, over squares of 8x8 pixels and over the whole picture; what they and the picture's detail tell of the second is learnt.

    Args:
        changes: their number.
        beside: channels of what else is known of each square.
        widths: features at an eighth of the resolution, at a sixteenth, ...
        blocks: residual blocks there, see `UNet`.
    """

    def __init__(self, *, changes: int, beside: int, widths: tuple[int, ...] = (48, 64, 96), blocks: tuple[int, ...] = (1, 1, 2)) -> None:
        super().__init__()
        signals = changes + 2
        self.unet = UNet(in_channels=signals * (signals + 3) // 2 + 1 + beside, out_channels=changes, widths=widths, blocks=blocks)

    def forward(self, picture: Tensor, changes: Tensor, beside: Tensor) -> Tensor:
        """Untrained, it trusts all that comes first, and nothing else.

        Args:
            picture: that would be changed.
            changes: in luma.
            beside: of each square.

        Shape:
            (B, 1, H, W), (B, changes, H, W), (B, beside, H/8, W/8) -> (B, changes, H, W)
        """
        seen = torch.cat([gate_features(picture, changes), beside], dim=1)  # (B, C, h, w)
        height, width = seen.shape[-2:]
        multiple = self.unet.size_multiple
        said = self.unet(pad(seen, (0, -width % multiple, 0, -height % multiple), mode="replicate"))[..., :height, :width]
        shares = interpolate(said.float(), size=picture.shape[-2:], mode="bilinear", align_corners=False)  # (B, changes, H, W)
        return torch.cat([1 + shares[:, :1], shares[:, 1:]], dim=1)


@torch.no_grad()
def gate_features(picture: Tensor, changes: Tensor) -> Tensor:
    """How strong changes are, and how alike to each other and to the picture's fine detail, in squares of 8x8 pixels; no gradient flows.

    Returns:
        for the changes and two kinds of detail, the finer last: the logarithms of their power; correlations, each with all before it;
        the logarithms of their power over the whole picture; at last how bright each square is, from -0.5 to 0.5.

    Shape:
        (B, 1, H, W), (B, n, H, W) -> (B, (n+2)·(n+5)/2 + 1, H/8, W/8)
    """
    fine = picture - box_mean(picture)
    signals = torch.cat([changes, fine, fine - box_mean(fine)], dim=1)  # (B, n+2, H, W)
    power = avg_pool2d(signals.square(), GATE_STRIDE) + _LEAST
    alike = [
        avg_pool2d(signals[:, one] * signals[:, other], GATE_STRIDE) / (power[:, one] * power[:, other]).sqrt()
        for one in range(signals.shape[1])
        for other in range(one)
    ]
    here, everywhere = (torch.log10(each / _USUAL) for each in (power, power.mean((2, 3), keepdim=True)))
    return torch.cat([here, torch.stack(alike, dim=1), everywhere.expand_as(here), avg_pool2d(picture, GATE_STRIDE) - 0.5], dim=1)
