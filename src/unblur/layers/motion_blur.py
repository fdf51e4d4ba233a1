"""Motion blur as the line along which each pixel is smeared, and the picture read along that line.

A *blur field* is the field of `unblur.synth.scene.blur_field`: channels (l1 − l2)·cos 2θ, (l1 − l2)·sin 2θ and l1 in pixels, for a
pixel smeared over length l1 along the angle θ and l2 across it. It is the same for a motion and its reverse, as the
blurry picture is.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

__all__ = ["blur_axis", "line_blur", "sample_along"]


def blur_axis(blur_field: Tensor) -> Tensor:
    """The line of a blur field as a displacement of length l1 − l2, pointing right (or straight down).

    Shape:
        (B, 3, H, W) -> (B, 2, H, W), (dx, dy) in pixels
    """
    across, slant = blur_field[:, 0], blur_field[:, 1]
    length = torch.sqrt(across.square() + slant.square() + 1e-12)
    # Half of the angle 2θ: cos θ = √((1 + cos 2θ)/2), |sin θ| = √((1 − cos 2θ)/2).
    dx = torch.sqrt(((length + across) * length / 2).clamp_min(0))
    dy = torch.sqrt(((length - across) * length / 2).clamp_min(0))
    return torch.stack([dx, torch.where(slant < 0, -dy, dy)], dim=1)


def sample_along(picture: Tensor, blur_field: Tensor, *, positions: Sequence[float]) -> Tensor:
    """Read `picture` at shares of the way along the line of `blur_field`; ½ is the end of the smear, −½ its beginning.

    Positions are computed and read in fp32, whatever the precision around. Beyond the border, the border is read.
    No gradient flows into `blur_field`.

    Args:
        picture: what to read.
        blur_field: at the resolution of `picture`, or at a whole fraction of it; brought up bilinearly.
        positions: where to read.

    Shape:
        picture (B, C, H, W), blur field (B, 3, H/s, W/s) -> (B, len(shares)·C, H, W)
    """
    height, width = picture.shape[-2:]
    with torch.autocast(picture.device.type, enabled=False):
        picture, blur_field = picture.float(), blur_field.detach().float()
        if blur_field.shape[-2:] != picture.shape[-2:]:
            blur_field = interpolate(blur_field, size=(height, width), mode="bilinear", align_corners=False)
        read = _read(picture, _places(blur_axis(blur_field), positions=positions))
    return read.flatten(1, 2)


def line_blur(line: Tensor, *, samples: int) -> Callable[[Tensor], Tensor]:
    """The blur by which each pixel is smeared evenly along a line around it: the mean of so many places along it.

    A line is the same from both its ends, so that the blur is its own adjoint where neighbours have the same line. Positions are computed and
    read in fp32. Beyond the border, the border is read.

    Args:
        line: displacement from one end of the smear to the other.
        samples: more of them than the line has pixels make no difference.

    Shape:
        line (B, 2, H, W), (dx, dy) in pixels; what is returned takes (B, C, H, W) to (B, C, H, W)
    """
    places = _places(line.detach().float(), positions=[(2 * place + 1) / (2 * samples) - 0.5 for place in range(samples)])
    return lambda picture: _read(picture.float(), places).mean(dim=1)


def _places(line: Tensor, *, positions: Sequence[float]) -> Tensor:
    """(B, S, H, W, 2) where to read, as `grid_sample` counts: from -1 at the first pixel's middle to 1 at the last one's."""
    height, width = line.shape[-2:]
    step = line * line.new_tensor([2 / max(width - 1, 1), 2 / max(height - 1, 1)]).view(2, 1, 1)
    x = torch.linspace(-1, 1, width, device=line.device)
    y = torch.linspace(-1, 1, height, device=line.device)
    # x and y apart, as in the line: to add two layouts takes longer than to read.
    at_rest = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1])  # (2, H, W)
    places = at_rest + step.new_tensor(tuple(positions)).view(-1, 1, 1, 1) * step[:, None]  # (B, S, 2, H, W)
    return places.permute(0, 1, 3, 4, 2)


def _read(picture: Tensor, places: Tensor) -> Tensor:
    """(B, C, H, W) at (B, S, H, W, 2): (B, S, C, H, W)."""
    # In one call: torch shares out pictures among threads, and not the rows of one.
    many = picture[:, None].expand(-1, places.shape[1], -1, -1, -1).flatten(0, 1)  # (B·S, C, H, W)
    read = grid_sample(many, places.flatten(0, 1), padding_mode="border", align_corners=True)
    return read.view(*places.shape[:2], *read.shape[1:])
