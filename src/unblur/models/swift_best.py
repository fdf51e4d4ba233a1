"""`swift_best`: `swift`, which is also shown what blind deconvolution makes of the picture.

`swift` describes the smear of a pixel by a line. A hand draws curves and halts, and a picture that is blurred so can be
undone only by who knows the path. It can be sought (`unblur.layers.kernel`), and what was found made the path that a hand would draw (`unblur.layers.path`), but not everywhere: in a flat or
noisy place, or where two things move, the path is wrong and what it makes of the picture useless. To see which it is and to put
it in order is for the network, which is told how sure a path is.

    blurry ──┬── swift's motion network ── spread ── read along the smear ──┐
             │                                                              ├── concatenate ── restoration: U-Net at 1/4
             ├── windows ── kernel ── path ── Richardson-Lucy ── joined ──┬─┘                      │
             │                         └── how sure it is ── joined ──┐   │                        │
             │                                                        └───┴── trust ◄── unfold 4: residual, and how much of each view
             + ◄──────────────────────────────────────────────────────────────────┘
             │
          restored

All that is known of a picture is looked at twice, as it is and turned by half, and the mean is made of both. That takes a quarter more time, where
a second view of the picture takes as much again, since neither the smear nor the paths need be found anew. Training looks once.

It begins as a `swift`: the weights for the new views are zero, and so is what is taken of them.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad, pixel_shuffle

from unblur.layers.deconvolution import by_transform, richardson_lucy, tapered
from unblur.layers.fold import fold
from unblur.layers.join import join
from unblur.layers.kernel import blur_kernel, evidence, levelled, path_middle, placed, transfer, unclipped
from unblur.layers.path import CERTAINTY, PathNet, certainty
from unblur.layers.smear import sample_along
from unblur.layers.trust import CELL, Trust
from unblur.layers.unet import UNet
from unblur.layers.windows import from_numbers, from_windows, to_windows
from unblur.models.base import CENTRE
from unblur.models.swift import FOLD, LENGTH_UNIT, LONGEST, SHARES, SmearNet

__all__ = ["BORDER", "FULL", "GAMMA", "SwiftBest", "bordered", "luma", "unbordered", "unsmeared"]

GAMMA = 2.2
"""Exponent that makes linear light of a picture's values."""

CHANGE_UNIT = 0.1
"""Change by deconvolution that is 1 inside the network."""

LUMA = (0.299, 0.587, 0.114)

DARKEST = 1e-6
"""Light below which nothing is told apart: the slope of the curve to a picture's values has no bound there."""

BORDER = 16
"""Pixels that are mirrored around a picture, so that deconvolution finds something beyond its border."""

FULL = 0.985
"""Light from which on a picture may have been brighter than its file can say; noise and compression leave such places a little below 1."""

AT_ONCE = 8
"""Windows of which the transforms are in memory at a time: more of them leave a processor's cache."""

AT_ONCE_ON_GPU = 128
"""The same on a GPU, which fewer leave idle."""


class SwiftBest(SmearNet):
    """`Swift` with deconvolved views beside those read along the smear.

    Args:
        widths: see `Swift`.
        blocks: see `Swift`.
        motion_widths: see `Swift`.
        motion_blocks: see `Swift`.
        kernel_size: side of the kernels that are sought, pixels, odd.
        window: side of the windows that have a kernel each, pixels.
        stride: from one window to the next at most, pixels.
        turns: of Richardson-Lucy after which its result is shown.
        path_widths: features of what makes a path of each kernel, see `PathNet`.
        path_blocks: its residual blocks.
        trust_widths: features of what says how much of each change to make, at 1/8, 1/16, ... resolution.
        trust_blocks: its residual blocks there.

    Attributes:
        views: deconvolved views that the network sees.
    """

    size_step = math.sqrt(3)

    def __init__(
        self,
        *,
        widths: tuple[int, ...] = (64, 96, 128),
        blocks: tuple[int, ...] = (2, 2, 4),
        motion_widths: tuple[int, ...] = (32, 64, 128),
        motion_blocks: tuple[int, ...] = (1, 2, 3),
        kernel_size: int = 31,
        window: int = 288,
        stride: int = 232,
        turns: tuple[int, ...] = (2, 5, 10),
        path_widths: tuple[int, ...] = (64, 128, 192),
        path_blocks: tuple[int, ...] = (1, 2, 2),
        trust_widths: tuple[int, ...] = (48, 64, 96),
        trust_blocks: tuple[int, ...] = (1, 1, 2),
    ) -> None:
        if kernel_size % 2 == 0 or kernel_size < 3:
            raise ValueError(f"a kernel has a middle: `kernel_size` is odd and at least 3, got {kernel_size}")
        if window < 3 * BORDER or not 0 < stride <= window:
            raise ValueError(f"windows are at least {3 * BORDER} pixels wide and overlap, got {window} every {stride}")
        if not turns or min(turns) < 1:
            raise ValueError(f"`turns` names one turn or more, from 1 on, got {turns}")
        views = len(turns)
        pixels = 3 * FOLD**2
        seen, given = pixels * (1 + len(SHARES) + views) + 3, pixels + views * FOLD**2
        motion = UNet(in_channels=pixels, out_channels=3, widths=tuple(motion_widths), blocks=tuple(motion_blocks))
        restoration = UNet(in_channels=seen, out_channels=given, widths=tuple(widths), blocks=tuple(blocks))
        super().__init__(motion=motion, restoration=restoration, shares=SHARES, longest=LONGEST)
        self.path = PathNet(widths=tuple(path_widths), blocks=tuple(path_blocks))
        self.trust = Trust(changes=1 + views, beside=3 + CERTAINTY, widths=tuple(trust_widths), blocks=tuple(trust_blocks))
        self.kernel_size, self.window, self.stride, self.turns, self.views = kernel_size, window, stride, tuple(turns), views
        self.receptive_radius = max(self.receptive_radius, window) + CELL * (self.trust.unet.receptive_radius + 1)
        self.size_multiple = max(self.size_multiple, CELL)
        self.global_context = True  # where windows lie depends on the size of the picture

    def restore(self, blurry: Tensor, spread: Tensor) -> Tensor:
        deconvolved, sure = self.deconvolved(blurry)  # (B, 3·views, H, W), (B, 13, H/8, W/8)
        changes = deconvolved - blurry.repeat(1, self.views, 1, 1)  # (B, 3·views, H, W)
        known = [blurry, spread.clamp(-self.longest, self.longest), changes, sure]
        made = self.changed(*known)  # (B, 3, H, W)
        if self.training:
            return made
        turned = self.changed(*(each.flip(-2, -1) for each in known))  # a line that is turned by half is the same line
        return (made + turned.flip(-2, -1)) / 2

    def changed(self, blurry: Tensor, spread: Tensor, changes: Tensor, sure: Tensor) -> Tensor:
        """The picture, changed by what is made of all that is known of it.

        Shape:
            (B, 3, H, W), (B, 3, H/4, W/4), (B, 3·views, H, W), (B, 13, H/8, W/8) -> (B, 3, H, W)
        """
        views = [blurry - CENTRE, sample_along(blurry, spread, shares=self.shares) - CENTRE, changes / CHANGE_UNIT]
        seen, along, undone = (fold(view, side=FOLD) for view in views)  # (B, 48·1, 48·shares, 48·views, H/4, W/4)
        given = self.restoration(join(seen, along, spread / LENGTH_UNIT, undone))  # (B, 48 + 16·views, H/4, W/4)
        residual, takes = pixel_shuffle(given, FOLD).float().tensor_split([3], dim=1)  # (B, 3, H, W), (B, views, H, W)
        changes = changes.view(-1, self.views, *blurry.shape[1:])  # (B, views, 3, H, W)
        own = residual + (takes[:, :, None] * changes).sum(1)  # (B, 3, H, W)
        return blurry + self.trusted(blurry, torch.cat([own[:, None], changes], dim=1), spread, sure)  # (B, 3, H, W)

    def trusted(self, blurry: Tensor, changes: Tensor, spread: Tensor, sure: Tensor) -> Tensor:
        """The network's own change and those of the views, each as far as it is trusted.

        Shape:
            (B, 3, H, W), (B, 1 + views, 3, H, W), (B, 3, H/4, W/4), (B, 13, H/8, W/8) -> (B, 3, H, W)
        """
        bright = luma(changes.flatten(0, 1)).view(-1, 1 + self.views, *blurry.shape[-2:])
        beside = torch.cat([avg_pool2d(spread, CELL // FOLD) / LENGTH_UNIT, sure], dim=1)  # (B, 16, H/8, W/8)
        shares = self.trust(luma(blurry), bright, beside)  # (B, 1 + views, H, W)
        return (shares[:, :, None] * changes).sum(1)

    def deconvolved(self, blurry: Tensor) -> tuple[Tensor, Tensor]:
        """The picture with the blur of each window undone, after `turns`, and how sure the path is there, see `certainty`.

        Shape:
            (B, 3, H, W) -> (B, views·3, H, W) in [0, 1], (B, 13, H/8, W/8)
        """
        with torch.autocast(blurry.device.type, enabled=False):
            light, down, across = bordered(blurry)
            windows = to_windows(light, side=self.window, stride=self.stride)  # (n·B, 3, h, w)
            at_once = AT_ONCE if windows.device.type == "cpu" else AT_ONCE_ON_GPU
            parts = [self._undone(some, down, across) for some in windows.tensor_split(math.ceil(len(windows) / at_once))]
            undone, sure = (torch.cat(each) for each in zip(*parts, strict=True))  # (n·B, 3·views, h, w), (n·B, 13)
            shape = light.shape[-2:]
            whole = from_windows(undone, shape, side=self.window, stride=self.stride)
            inside = unbordered(whole, down, across)
            sure = from_numbers(sure, shape, side=self.window, stride=self.stride, border=(down, across), cell=CELL)
            return inside.clamp(DARKEST, 1) ** (1 / GAMMA), sure  # (B, 3·views, H, W), (B, 13, H/8, W/8)

    def _undone(self, windows: Tensor, down: int, across: int) -> tuple[Tensor, Tensor]:
        """Windows without their blur, and how sure their paths are; kernels are sought within the border, as a mirrored path is another one."""
        light = unbordered(windows, down, across)
        path, told = self.sought(light)
        undone = torch.cat(unsmeared(windows, path, turns=self.turns), dim=1)  # (n, 3·views, h, w)
        return undone, certainty(path, told, luma(light)[:, 0])  # (n, 13)

    def sought(self, light: Tensor) -> tuple[Tensor, Tensor]:
        """The path of each window in linear light, and the evidence of which it was made.

        Shape:
            (n, 3, H, W) -> (n, K, K) of sum 1, (n, 8, K, K)
        """
        seen = unclipped(light, full=FULL, reach=self.kernel_size // 2)  # (n, H, W)
        bright = levelled(luma(light)[:, 0], seen=seen)  # (n, H, W)
        kernel = blur_kernel(bright, size=self.kernel_size, seen=seen)  # (n, K, K)
        told = evidence(bright, placed(kernel, path_middle(kernel)), seen=seen)  # (n, 8, K, K)
        return self.path(told), told


def unsmeared(windows: Tensor, path: Tensor, *, turns: Sequence[int]) -> list[Tensor]:
    """Windows in linear light with the blur along a path each undone, after so many turns.

    Shape:
        (n, 3, h, w), (n, K, K) -> as many of (n, 3, h, w) as there are turns
    """
    blur, adjoint = by_transform(transfer(path, windows.shape[-2:]))
    return richardson_lucy(tapered(windows, blur=blur, edge=BORDER), blur=blur, adjoint=adjoint, turns=turns, full=FULL)


def bordered(blurry: Tensor) -> tuple[Tensor, int, int]:
    """A picture's linear light with a border that mirrors it, and how wide that is above and below, and at the sides.

    Shape:
        (B, 3, H, W) -> (B, 3, H + 2·down, W + 2·across), down, across
    """
    down, across = (min(BORDER, side - 1) for side in blurry.shape[-2:])
    return pad(blurry.float().clamp(0, 1), (across, across, down, down), mode="reflect") ** GAMMA, down, across


def unbordered(picture: Tensor, down: int, across: int) -> Tensor:
    """What is within the border that `bordered` put on, (..., H + 2·down, W + 2·across) to (..., H, W)."""
    height, width = picture.shape[-2:]
    return picture[..., down : height - down, across : width - across]


def luma(picture: Tensor) -> Tensor:
    """How bright each pixel is, (B, 3, H, W) to (B, 1, H, W)."""
    return (picture * picture.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)
