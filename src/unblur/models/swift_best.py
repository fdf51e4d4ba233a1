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

All that is known of a picture is looked at twice (`looks`), as it is and turned by half, and the mean is made of both. That takes a quarter more time, where
a second view of the picture takes as much again, since neither the smear nor the paths need be found anew. Training looks once.

The blur is undone in leaps (`unblur.layers.deconvolution.leaps`), and the restoration sees what comes of it in luma; it is taken in colour.

`swift_quick` has other arguments: one look at a picture that is made a little smaller first (`share`), since strong blur leaves nothing of the
finest resolution that could be told from noise, and all costs go with the pixels. The change is enlarged. Its search goes on from what it has found (`afresh`), and what it reads
along the smear is luma (`colours`).

It begins as a `swift`: the weights for the new views are zero, and so is what is taken of them.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad, pixel_shuffle

from unblur.layers.around import around
from unblur.layers.check import check_multiple, check_shape
from unblur.layers.deconvolution import closed, leaps
from unblur.layers.fold import fold
from unblur.layers.join import join
from unblur.layers.kernel import TURNS, blur_kernel, evidence, levelled, path_middle, placed, transfer, transformed, unclipped
from unblur.layers.path import CERTAINTY, PathNet, certainty
from unblur.layers.smear import sample_along
from unblur.layers.trust import CELL, Trust
from unblur.layers.unet import UNet
from unblur.layers.windows import Layout, from_numbers, from_windows, to_windows
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

BORDER = 8
"""Pixels that are mirrored around a picture, so that deconvolution finds something beyond its border."""

FULL = 0.985
"""Light from which on a picture may have been brighter than its file can say; noise and compression leave such places a little below 1."""

RESIZED = 5
"""Pixels that making a picture smaller, and its change as large again, may reach beyond what is theirs."""

RAISED = 1.3
"""How many times the finest detail of a change counts, of which making the picture smaller and the change larger takes some away."""

AT_ONCE = 16
"""Windows of which the transforms are in memory at a time."""

UNDONE_AT_ONCE = 2
"""The same of windows in colour whose blur is undone: more of them leave a processor's cache."""

AT_ONCE_ON_GPU = 128
"""The same of both on a GPU, which fewer leave idle."""


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
        widest: side of windows where fewer of them will do then, pixels, see `Layout`.
        overlap: by which windows overlap at most when their blur is undone, pixels, for which they need not be as wide as to find it; 0 for as wide.
        search: turns of the search for kernels at full size, at the next smaller one, ..., see `blur_kernel`.
        floor: of that search.
        afresh: of that search.
        turns: of Richardson-Lucy for which each leap stands, on the way to the first view, from there to the second, ..., see `leaps`.
        path_widths: features of what makes a path of each kernel, see `PathNet`.
        path_blocks: its residual blocks.
        trust_widths: features of what says how much of each change to make, at 1/8, 1/16, ... resolution.
        trust_blocks: its residual blocks there.
        colours: whether the restoration sees three colours along the smear, or their luma.
        looks: how often it looks at what is known of a picture, 1 or 2.
        share: how many times a picture's sides those are at which it is restored, such that a multiple of the picture's pixels is the multiple that the
            network needs there: 0.8 of 20 is 16. All that is said of pixels above holds there.
        scale_step: see `Net`.

    Attributes:
        views: deconvolved views that the network sees.
    """

    def __init__(
        self,
        *,
        widths: tuple[int, ...] = (64, 96, 128),
        blocks: tuple[int, ...] = (2, 0, 0),
        motion_widths: tuple[int, ...] = (32, 64, 128),
        motion_blocks: tuple[int, ...] = (1, 2, 3),
        kernel_size: int = 31,
        window: int = 272,
        stride: int = 232,
        widest: int = 0,
        overlap: int = 0,
        search: tuple[int, ...] = TURNS,
        floor: float = 0.1,
        afresh: bool = True,
        turns: tuple[tuple[int, ...], ...] = ((3,), (3, 3), (5, 6, 7)),
        path_widths: tuple[int, ...] = (64, 128, 192),
        path_blocks: tuple[int, ...] = (1, 2, 2),
        trust_widths: tuple[int, ...] = (48, 64, 96),
        trust_blocks: tuple[int, ...] = (1, 1, 0),
        colours: bool = True,
        looks: int = 2,
        share: float = 1.0,
        scale_step: float = math.sqrt(3),
    ) -> None:
        if kernel_size % 2 == 0 or kernel_size < 3:
            raise ValueError(f"a kernel has a middle: `kernel_size` is odd and at least 3, got {kernel_size}")
        if window < 3 * BORDER or not 0 < stride <= window:
            raise ValueError(f"windows are at least {3 * BORDER} pixels wide and overlap, got {window} every {stride}")
        if widest and widest < window:
            raise ValueError(f"`widest` is no less than `window`, which is {window}, or 0, got {widest}")
        if not turns or min(min(way, default=0) for way in turns) < 1:
            raise ValueError(f"`turns` names one leap or more to each view, of 1 turn or more, got {turns}")
        if not search or min(search) < 0 or not any(search):
            raise ValueError(f"`search` names turns at each size, some of them above 0, got {search}")
        if looks not in (1, 2):
            raise ValueError(f"`looks` is 1 or 2, got {looks}")
        views = len(turns)
        pixels = 3 * FOLD**2
        along = len(SHARES) * (pixels if colours else FOLD**2)
        seen, given = pixels + along + 3 + views * FOLD**2, pixels + views * FOLD**2
        motion = UNet(in_channels=pixels, out_channels=3, widths=tuple(motion_widths), blocks=tuple(motion_blocks))
        restoration = UNet(in_channels=seen, out_channels=given, widths=tuple(widths), blocks=tuple(blocks))
        super().__init__(motion=motion, restoration=restoration, shares=SHARES, longest=LONGEST)
        self.path = PathNet(widths=tuple(path_widths), blocks=tuple(path_blocks))
        self.trust = Trust(changes=1 + views, beside=3 + CERTAINTY, widths=tuple(trust_widths), blocks=tuple(trust_blocks))
        self.kernel_size, self.window, self.views = kernel_size, window, views
        self.layout = Layout(side=window, stride=stride, widest=widest)
        self.narrower = replace(self.layout, overlap=overlap)
        self.search, self.floor, self.afresh = tuple(search), floor, afresh
        self.turns = tuple(map(tuple, turns))
        self.colours, self.looks, self.share, self.scale_step = colours, looks, share, scale_step
        self.receptive_radius = max(self.receptive_radius, window, widest) + CELL * (self.trust.unet.receptive_radius + 1)
        self.inner_multiple = max(self.inner_multiple, CELL)
        if not 0.5 <= share <= 1 or not math.isclose(round(self.inner_multiple / share) * share, self.inner_multiple):
            raise ValueError(f"`share` is from a half to 1, and {self.inner_multiple} divided by it a whole number, got {share}")
        self.size_multiple = round(self.inner_multiple / share)
        if share < 1:
            self.receptive_radius = math.ceil(self.receptive_radius / share) + RESIZED
        self.global_context = True  # where windows lie depends on the size of the picture

    def smaller(self, blurry: Tensor) -> Tensor:
        """The picture at the size at which it is restored, see `share`.

        Shape:
            (B, 3, H, W) -> (B, 3, h, w)

        Raises:
            ShapeError: if the sides are not multiples of `size_multiple`.
        """
        check_shape(blurry, ("B", 3, "H", "W"), name="blurry")
        check_multiple(blurry, self.size_multiple, name="blurry")
        if self.share == 1:
            return blurry
        shape = [side // self.size_multiple * self.inner_multiple for side in blurry.shape[-2:]]
        return interpolate(blurry.contiguous(), size=shape, mode="bicubic", align_corners=False, antialias=True)

    def larger(self, restored: Tensor, *, small: Tensor, blurry: Tensor) -> Tensor:
        """The picture with the change that was made to it at the size of `small`: (B, 3, h, w) to (B, 3, H, W)."""
        if self.share == 1:
            return restored
        change = (restored - small).contiguous()
        change = torch.lerp(around(change), change, RAISED)
        return blurry + interpolate(change, size=blurry.shape[-2:], mode="bicubic", align_corners=False, antialias=True)  # (B, 3, H, W)

    def restore(self, blurry: Tensor, spread: Tensor) -> Tensor:
        undone, sure = self.deconvolved(blurry)  # (B, 3·views, H, W), (B, 13, H/8, W/8)
        changes = undone.view(-1, self.views, *blurry.shape[1:]) - blurry[:, None]  # (B, views, 3, H, W)
        del undone  # the largest of all
        known = [blurry, spread.clamp(-self.longest, self.longest), changes, sure]
        made = self.changed(*known)  # (B, 3, H, W)
        if self.training or self.looks == 1:
            return made
        turned = self.changed(*(each.flip(-2, -1) for each in known))  # a line that is turned by half is the same line
        return (made + turned.flip(-2, -1)) / 2

    def changed(self, blurry: Tensor, spread: Tensor, changes: Tensor, sure: Tensor) -> Tensor:
        """The picture, changed by what is made of all that is known of it.

        Shape:
            (B, 3, H, W), (B, 3, H/4, W/4), (B, views, 3, H, W), (B, 13, H/8, W/8) -> (B, 3, H, W)
        """
        bright = luma(changes.flatten(0, 1)).view(-1, self.views, *blurry.shape[2:])  # (B, views, H, W)
        given = self.restoration(self.seen(blurry, spread, bright))  # (B, 48 + 16·views, H/4, W/4)
        residual, takes = pixel_shuffle(given, FOLD).float().tensor_split([3], dim=1)  # (B, 3, H, W), (B, views, H, W)
        own = luma(residual) + (takes * bright).sum(1, keepdim=True)  # (B, 1, H, W), the luma of its own change: residual + takes · changes
        shares = self.trusted(blurry, torch.cat([own, bright], dim=1), spread, sure)  # (B, 1 + views, H, W)
        restored = blurry + shares[:, :1] * residual  # (B, 3, H, W)
        for view, take in enumerate((shares[:, :1] * takes + shares[:, 1:]).unbind(1)):
            restored = torch.addcmul(restored, take[:, None], changes[:, view])
        return restored

    def seen(self, blurry: Tensor, spread: Tensor, bright: Tensor) -> Tensor:
        """What the restoration sees: the picture, read along the smear, its spread, and what the views change in luma.

        Shape:
            (B, 3, H, W), (B, 3, H/4, W/4), (B, views, H, W) -> (B, 48·(1 + shares) + 3 + 16·views, H/4, W/4); 16·shares where colours are not seen
        """
        read = blurry if self.colours else luma(blurry)
        views = (blurry - CENTRE, sample_along(read, spread, shares=self.shares) - CENTRE, bright / CHANGE_UNIT)
        own, along, undone = (fold(view, side=FOLD) for view in views)  # (B, 48·1, 48·shares, 16·views, H/4, W/4)
        return join(own, along, spread / LENGTH_UNIT, undone)

    def trusted(self, blurry: Tensor, changes: Tensor, spread: Tensor, sure: Tensor) -> Tensor:
        """How far the network's own change and those of the views, in luma, are trusted.

        Shape:
            (B, 3, H, W), (B, 1 + views, H, W), (B, 3, H/4, W/4), (B, 13, H/8, W/8) -> (B, 1 + views, H, W)
        """
        beside = torch.cat([avg_pool2d(spread, CELL // FOLD) / LENGTH_UNIT, sure], dim=1)  # (B, 16, H/8, W/8)
        return self.trust(luma(blurry), changes, beside)

    def deconvolved(self, blurry: Tensor) -> tuple[Tensor, Tensor]:
        """The picture with the blur of each window undone, and how sure the path is there, see `certainty`.

        Shape:
            (B, 3, H, W) -> (B, views·3, H, W) in [0, 1], (B, 13, H/8, W/8)
        """
        with torch.autocast(blurry.device.type, enabled=False):
            light, down, across = bordered(blurry)
            shape = light.shape[-2:]
            # Kernels are sought within the border, as a mirrored path is another one.
            windows = unbordered(to_windows(self.sight(light), layout=self.layout), down, across)  # (n·B, 2, h, w)
            narrower = to_windows(light, layout=self.narrower)  # (n·B, 3, h, w)
            parts = math.ceil(len(windows) / (AT_ONCE if windows.device.type == "cpu" else AT_ONCE_ON_GPU))
            pairs = zip(windows.tensor_split(parts), narrower.tensor_split(parts), strict=True)
            undone, sure = zip(*(self._undone(*pair) for pair in pairs), strict=True)
            whole = from_windows(torch.cat(list(chain.from_iterable(undone))), shape, layout=self.narrower)  # of (n·B, 3·views, h, w)
            inside = unbordered(whole, down, across)
            certain = from_numbers(torch.cat(sure), shape, layout=self.layout, border=(down, across), cell=CELL)
            return inside.clamp(DARKEST, 1).pow_(1 / GAMMA), certain  # (B, 3·views, H, W), (B, 13, H/8, W/8)

    def _undone(self, windows: Tensor, narrower: Tensor) -> tuple[list[Tensor], Tensor]:
        """Narrower windows without their blur, some at a time, and how sure all their paths are; windows are those of `sight`."""
        path, told = self.sought(windows)
        parts = math.ceil(len(windows) / (UNDONE_AT_ONCE if windows.device.type == "cpu" else AT_ONCE_ON_GPU))
        pairs = zip(narrower.tensor_split(parts), path.tensor_split(parts), strict=True)
        undone = [torch.cat(unsmeared(some, along, turns=self.turns), dim=1) for some, along in pairs]  # (some, 3·views, h, w)
        return undone, certainty(path, told, windows[:, 0])  # (n, 13)

    def sight(self, light: Tensor) -> Tensor:
        """What of linear light is looked at to find paths: its luma, and how much each place counts.

        Shape:
            (B, 3, H, W) -> (B, 2, H, W)
        """
        return torch.cat([luma(light), unclipped(light, full=FULL, reach=self.kernel_size // 2)[:, None]], dim=1)

    def sought(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """The path of each window, and the evidence of which it was made.

        Args:
            windows: of `sight`.

        Shape:
            (n, 2, H, W) -> (n, K, K) of sum 1, (n, 8, K, K)
        """
        bright, seen = windows.unbind(1)  # (n, H, W)
        ready = transformed(levelled(bright, seen=seen), size=self.kernel_size, seen=seen)
        kernel = blur_kernel(ready, turns=self.search, floor=self.floor, afresh=self.afresh)  # (n, K, K)
        told = evidence(ready, placed(kernel, path_middle(kernel)))  # (n, 8, K, K)
        return self.path(told), told


def unsmeared(windows: Tensor, path: Tensor, *, turns: Sequence[Sequence[int]]) -> list[Tensor]:
    """Windows in linear light with the blur along a path each undone by `leaps`.

    Shape:
        (n, 3, h, w), (n, K, K) -> as many of (n, 3, h, w) as there are ways
    """
    return leaps(closed(windows, edge=BORDER), kernel=transfer(path, windows.shape[-2:]), turns=turns, full=FULL)


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
    red, green, blue = picture[:, :1], picture[:, 1:2], picture[:, 2:]
    return torch.add(LUMA[0] * red, green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])
