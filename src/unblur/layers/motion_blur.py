"""Locally linear motion blur: the axis along which each pixel is blurred, and pictures sampled or blurred along it.

A *blur field* is what `unblur.synth.scene.blur_field` gives: channels (l1 - l2)·cos 2θ, (l1 - l2)·sin 2θ and l1 in pixels, for a pixel blurred over the
length l1 along the angle θ and l2 across it. It is the same for a motion and its reverse, as the blurry picture is.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

from unblur.layers.portable import is_portable

__all__ = ["blur_axis", "line_blur", "sample_along"]


def blur_axis(blur_field: Tensor) -> Tensor:
    """The axis of a blur field as a displacement of length l1 - l2 that points right (or straight down).

    Shape:
        (B, 3, H, W) -> (B, 2, H, W), (dx, dy) in pixels
    """
    cosine, sine = blur_field[:, 0], blur_field[:, 1]  # of 2θ, times the length
    length = torch.sqrt(cosine.square() + sine.square() + 1e-12)
    # Half-angle formulas: cos θ = √((1 + cos 2θ)/2), |sin θ| = √((1 - cos 2θ)/2).
    dx = torch.sqrt(((length + cosine) * length / 2).clamp_min(0))
    dy = torch.sqrt(((length - cosine) * length / 2).clamp_min(0))
    return torch.stack([dx, torch.where(sine < 0, -dy, dy)], dim=1)


def sample_along(picture: Tensor, blur_field: Tensor, *, positions: Sequence[float]) -> Tensor:
    """Sample `picture` bilinearly along the axis of its blur field; position 1/2 is one end of the blur, -1/2 the other.

    Coordinates are computed and sampled in fp32, whatever autocast says. Beyond the border, the border is repeated. No gradient flows into `blur_field`.

    Args:
        picture: what is sampled.
        blur_field: at the resolution of `picture`, or at a whole fraction of it, from which it is upsampled bilinearly.
        positions: in units of the blur's length.

    Shape:
        picture (B, C, H, W), blur_field (B, 3, H/s, W/s) -> (B, len(positions)·C, H, W)
    """
    height, width = picture.shape[-2:]
    with torch.autocast(picture.device.type, enabled=False):
        picture, blur_field = picture.float(), blur_field.detach().float()
        if blur_field.shape[-2:] != picture.shape[-2:]:
            blur_field = interpolate(blur_field, size=(height, width), mode="bilinear", align_corners=False)
        samples = _sample(picture, _coordinates(blur_axis(blur_field), positions=positions))
    return samples.flatten(1, 2)


def line_blur(line: Tensor, *, samples: int) -> Callable[[Tensor], Tensor]:
    """The operator that averages each pixel over a line centred on it.

    Reversing a line does not change it, so where neighbouring pixels have the same line, the operator is its own adjoint. Coordinates are computed and sampled in
    fp32. Beyond the border, the border is repeated.

    Args:
        line: displacement from one end of the line to the other.
        samples: number of points in the average; more than the line has pixels make no difference.

    Shape:
        line (B, 2, H, W), (dx, dy) in pixels; the operator takes (B, C, H, W) to (B, C, H, W)
    """
    coordinates = _coordinates(line.detach().float(), positions=[(2 * i + 1) / (2 * samples) - 0.5 for i in range(samples)])
    return lambda picture: _sample(picture.float(), coordinates).mean(dim=1)


def _coordinates(line: Tensor, *, positions: Sequence[float]) -> Tensor:
    """(B, S, H, W, 2) in the units of `grid_sample`: -1 at the centre of the first pixel, 1 at that of the last."""
    height, width = line.shape[-2:]
    step = line * torch.stack([line.new_ones(1, 1) * (2 / (side - 1 if side > 1 else 1)) for side in (width, height)])
    x, y = (_from_minus_one_to_one(side, like=line) for side in (width, height))
    # x and y in separate planes, as in `line`: adding tensors of two layouts takes longer than sampling.
    identity = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1])  # (2, H, W)
    coordinates = identity + step.new_tensor(tuple(positions)).view(-1, 1, 1, 1) * step[:, None]  # (B, S, 2, H, W)
    return coordinates.permute(0, 1, 3, 4, 2)


def _from_minus_one_to_one(count: int, *, like: Tensor) -> Tensor:
    if is_portable():  # exporters take the number of steps of `linspace` as fixed
        return torch.arange(count, device=like.device, dtype=like.dtype) * (2 / (count - 1 if count > 1 else 1)) - 1
    return torch.linspace(-1, 1, count, device=like.device)


def _sample(picture: Tensor, coordinates: Tensor) -> Tensor:
    """(B, C, H, W) at (B, S, H, W, 2): (B, S, C, H, W)."""
    # In one call, since torch distributes pictures over threads, and not the rows of one.
    pictures = picture[:, None].expand(-1, coordinates.shape[1], -1, -1, -1).flatten(0, 1)  # (B·S, C, H, W)
    samples = grid_sample(pictures, coordinates.flatten(0, 1), padding_mode="border", align_corners=True)
    return samples.view(*coordinates.shape[:2], *samples.shape[1:])
