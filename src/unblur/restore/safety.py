"""The fail-safe: where a network's result cannot be right, the input stays.

Deblurring moves light by some pixels; it does not change how much of it there is in a neighbourhood, nor its colour. A
cell of the picture whose mean brightness or colour has drifted, or which is not finite, keeps its input; it fades into
its neighbours over a cell, so that no edge shows.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d, pad

__all__ = ["CELL", "Guarded", "guard"]

CELL = 64
"""Side of a cell, pixels."""

# Largest drift of the mean brightness, and of a channel's mean against it. An edge with a contrast of 0.8 that moves by 20
# pixels drifts a single cell by 0.25 and a block of 3x3 cells by 0.08 in the worst case, so the block is judged strictly.
_CELL_BRIGHTNESS, _CELL_COLOUR = 0.30, 0.15
_BLOCK_BRIGHTNESS, _BLOCK_COLOUR = 0.10, 0.05


@dataclass(frozen=True)
class Guarded:
    """A restored picture after the fail-safe, and the share of its area that kept its input."""

    restored: Tensor
    kept: float


def guard(blurry: Tensor, restored: Tensor) -> Guarded:
    """Put the input back where the result is not finite or its brightness or colour has drifted.

    Args:
        blurry: what went into the network.
        restored: what came out.

    Shape:
        both (C, H, W), in [0, 1]
    """
    finite = torch.isfinite(restored)
    bounded = restored.clamp(-1, 2)  # so that one wild value neither hides a drift nor shines through where it fades
    change = torch.where(finite, bounded - blurry, torch.full_like(restored, torch.inf))
    cells, blocks = _means(change)
    wrong = _drifted(cells, _CELL_BRIGHTNESS, _CELL_COLOUR) | _drifted(blocks, _BLOCK_BRIGHTNESS, _BLOCK_COLOUR)  # (h, w)
    if not bool(wrong.any()):
        return Guarded(restored, 0.0)
    keep = max_pool2d(wrong[None].float(), 3, stride=1, padding=1)[None]  # (1, 1, h, w): neighbours fade
    height, width = blurry.shape[1:]
    whole = interpolate(keep, scale_factor=CELL, mode="bilinear", align_corners=False)[0, 0, :height, :width]
    mixed = torch.where(whole >= 1, blurry, torch.lerp(torch.where(finite, bounded, blurry), blurry, whole))
    return Guarded(mixed, float((whole > 0).float().mean()))


def _drifted(drift: Tensor, most_brightness: float, most_colour: float) -> Tensor:
    brightness = drift.mean(dim=0)
    colour = (drift - brightness).abs().amax(dim=0)
    return ~((brightness.abs() <= most_brightness) & (colour <= most_colour))  # what is not a number is wrong, too


def _means(change: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of `change` over each cell and over each block of a cell and its neighbours, (C, h, w) each."""
    height, width = change.shape[1:]
    padded = pad(torch.cat([change, torch.ones_like(change[:1])]), (0, -width % CELL, 0, -height % CELL))
    sums = avg_pool2d(padded[None], CELL)  # the last channel counts, since cells at the border may be part cells
    near = avg_pool2d(pad(sums, (1, 1, 1, 1)), 3, stride=1)
    return sums[0, :-1] / sums[0, -1:], near[0, :-1] / near[0, -1:]
