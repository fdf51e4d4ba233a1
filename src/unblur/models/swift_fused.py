"""`swift_fused`: the restorations of two networks, fused place by place according to how much each changes the picture.

`swift_best` estimates blur kernels, `maxim` was trained on averages of real frames and is right more often. Each changes little where it does not know the
blur, so half of the change is that of `maxim`, and of the other half the stronger change gets more. What is not blurred by motion would only have its noise and
texture enhanced. So nothing is changed where the blur field is short, where the two changes have nothing in common, since two networks that were trained
apart agree on what they know of the blur and are wrong each in its own way, or where there is much detail already, unless both agree well.

    blurry ──┬── motion U-Net of swift_best ── blur field ────────────┐
             ├── maxim ──────── change ──┐                            │
             ├── swift_best ─── change ──┤                            │
             + ◄── gates · changes · correlation · detail · blurred ◄─┘
             │
          restored

Decided here, no paper's: half of the gates goes to `maxim`, half is proportional to the root mean square of each change around a place
(`unblur.layers.gate.power_gates`), and they have no parameters (`docs/lab/2026-11-30-positions.md`). A gating network that learnt corrections to them from pictures,
changes, blur field and confidence restored worse on pictures of other blur than it was trained on (`docs/lab/2026-11-29-fusing-two-networks.md`). The
same log has the lengths between which pictures count as sharp and as blurred, and `docs/lab/2026-11-30-agreement.md` the correlations between which
changes count as apart and as agreed, and the ratios between which detail counts as there and as lacking.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from unblur.layers.box_mean import box_mean
from unblur.layers.check import check_multiple, check_shape
from unblur.layers.gate import GATE_RADIUS, power_gates
from unblur.layers.light import luma
from unblur.layers.traced import is_traced
from unblur.models.arguments import DEFAULTS, build
from unblur.models.base import Net
from unblur.models.diagnostic import Diagnostic, restored_diagnostic
from unblur.models.maxim import MAXIM
from unblur.models.swift import blur_field_diagnostic
from unblur.models.swift_best import SwiftBest
from unblur.models.swift_best import swift_best as build_swift_best

__all__ = ["SwiftFused", "swift_fused"]

TOTAL = 1.05
"""Sum of both gates: above 1, since either network leaves some of the blur."""

BY_POWER = 0.5
"""The part of that sum that is shared out by the power of the changes; the rest is the gate of `maxim`, which is right more often."""

SHARP, BLURRED = 1.0, 2.0
"""Mean length of the motion blur around a place, pixels, up to which nothing is restored, and from which on everything is."""

_MEAN_SIDE = 65
"""Side of the square over which that mean is taken, in vectors of the blur field, each 4 pixels from the next."""

APART, AGREED = 0.28, 0.36
"""Correlation of the two changes around a place, from -1 to 1, up to which neither is applied, and from which on they are whole, where detail is lacking."""

DETAILED, LACKING = 0.25, 0.31
"""Detail that `maxim` adds around a place, over the detail that is there, up to which it is not lacking, and from which on it is."""

LIKELY, CERTAIN = 0.7, 0.78
"""Correlation of the two changes up to which detail has to be lacking, and from which on it need not be."""

_CELL, _CELLS = 16, 33
"""Side of a cell in pixels, and of the square over which both are taken in cells."""

_LEAST_SQUARE = 1e-12
"""Added to a mean square, so that of changes of zero the correlation is zero, and of a picture without detail the ratio is finite."""


def swift_fused(*, maxim: Mapping[str, object] = DEFAULTS, swift_best: Mapping[str, object] = DEFAULTS) -> "SwiftFused":
    """Build `SwiftFused` from plain values.

    Args:
        maxim: arguments of `MAXIM`; one stage by default.
        swift_best: arguments of `unblur.models.swift_best.swift_best`.

    Raises:
        InputError: if `maxim` or `swift_best` is no mapping, or names an argument that there is not.
    """
    return SwiftFused(
        maxim=build(MAXIM, {"num_stages": 1, **maxim}, called="the network's `maxim`"),
        swift_best=build(build_swift_best, swift_best, called="the network's `swift_best`"),
    )


class SwiftFused(Net):
    """A `maxim` and a `swift_best`, whose changes are added to the picture, each weighted by how strong it is around a place.

    Args:
        maxim: any network that restores photos; that of MAXIM's paper here.
        swift_best: of scale 1.
    """

    def __init__(self, *, maxim: Net, swift_best: SwiftBest) -> None:
        if swift_best.scale != 1:
            raise ValueError(f"`swift_best` must have a scale of 1, got {swift_best.scale}")
        super().__init__()
        self.maxim, self.swift_best = maxim, swift_best
        self.size_multiple = max(maxim.size_multiple, swift_best.size_multiple)  # powers of two
        self.size_minimum = max(maxim.size_minimum, swift_best.size_minimum)
        self.receptive_radius = max(maxim.receptive_radius, swift_best.receptive_radius) + GATE_RADIUS
        self.global_context = True  # the grid of `maxim` and the windows of `swift_best` depend on the size of the picture
        self.preferred_tile, self.scale_step = maxim.preferred_tile, swift_best.scale_step
        self.precisions = tuple(name for name in maxim.precisions if name in swift_best.precisions)

    def forward(self, blurry: Tensor) -> Tensor:
        check_shape(blurry, ("B", 3, "H", "W"), name="blurry")
        check_multiple(blurry, self.size_multiple, name="blurry")
        blur_field = self.swift_best.blur_field(blurry)  # (B, 3, H/4, W/4)
        blurred = self.blurred(blur_field, size=blurry.shape[-2:])  # (B, 1, H, W)
        if not self.training and not is_traced(blurry) and not blurred.any():
            return blurry  # as it would be, without the work of both networks
        changes = self.changes(blurry, blur_field)  # (B, 2, 3, H, W)
        gates = self.gates(changes)  # (B, 2, H, W)
        if not self.training:  # no gradient comes from where nothing is restored
            gates = gates * blurred * self.restored_share(blurry, changes)
        return self.fuse(blurry, changes, gates)  # (B, 3, H, W)

    def changes(self, blurry: Tensor, blur_field: Tensor) -> Tensor:
        """What each network alone would change, (B, 3, H, W), (B, 3, H/4, W/4) -> (B, 2, 3, H, W)."""
        both = self.maxim(blurry), self.swift_best.restore(blurry, blur_field)
        return torch.stack([restored.float() - blurry for restored in both], dim=1)

    def restored_share(self, blurry: Tensor, changes: Tensor) -> Tensor:
        """How much of what is blurred is restored, from 0 to 1: (B, 3, H, W), (B, 2, 3, H, W) -> (B, 1, H, W)."""
        correlation, ratio = self.correlation(changes), self.detail_ratio(blurry, changes)  # (B, 1, H/16, W/16) each
        share = _ramp(correlation, APART, AGREED) * torch.maximum(_ramp(ratio, DETAILED, LACKING), _ramp(correlation, LIKELY, CERTAIN))
        return interpolate(share, size=blurry.shape[-2:], mode="bilinear", align_corners=False)

    def blurred(self, blur_field: Tensor, *, size: Sequence[int]) -> Tensor:
        """Whether a place is blurred by motion, from 0 to 1: (B, 3, H/4, W/4) -> (B, 1, H, W) for H and W in `size`."""
        length = avg_pool2d(blur_field[:, 2:], _MEAN_SIDE, stride=1, padding=_MEAN_SIDE // 2, count_include_pad=False)  # (B, 1, H/4, W/4)
        return interpolate(_ramp(length, SHARP, BLURRED), size=list(size), mode="bilinear", align_corners=False)

    def correlation(self, changes: Tensor) -> Tensor:
        """That of both changes around a place, from -1 to 1: (B, 2, 3, H, W) -> (B, 1, H/16, W/16)."""
        maxim, swift_best = changes.unbind(1)  # (B, 3, H, W) each
        products = torch.stack(
            [(a * b).mean(dim=1) for a, b in ((maxim, swift_best), (maxim, maxim), (swift_best, swift_best))], dim=1
        )  # (B, 3, H, W)
        means = _around(avg_pool2d(products, _CELL))  # (B, 3, H/16, W/16)
        return means[:, :1] / ((means[:, 1:2] + _LEAST_SQUARE) * (means[:, 2:] + _LEAST_SQUARE)).sqrt()

    def detail_ratio(self, blurry: Tensor, changes: Tensor) -> Tensor:
        """Detail that `maxim` adds over the detail that is there, at half the resolution, root mean squares: (B, 3, H, W), (B, 2, 3, H, W) -> (B, 1, H/16, W/16)."""
        halved = [avg_pool2d(luma(each), 2) for each in (changes[:, 0], blurry)]  # (B, 1, H/2, W/2) each
        added, present = (_around(avg_pool2d((each - box_mean(each)).square(), _CELL // 2)) for each in halved)
        return ((added + _LEAST_SQUARE) / (present + _LEAST_SQUARE)).sqrt()

    def gates(self, changes: Tensor) -> Tensor:
        """How much of each change to apply, (B, 2, 3, H, W) -> (B, 2, H, W)."""
        shared = power_gates(torch.cat([luma(change) for change in changes.unbind(1)], dim=1), total=BY_POWER * TOTAL)
        return shared + (1 - BY_POWER) * TOTAL * shared.new_tensor([1.0, 0.0]).view(1, 2, 1, 1)

    def fuse(self, blurry: Tensor, changes: Tensor, gates: Tensor) -> Tensor:
        """The picture with the gated changes: (B, 3, H, W), (B, 2, 3, H, W), (B, 2, H, W) -> (B, 3, H, W)."""
        return blurry + (gates[:, :, None] * changes).sum(dim=1)

    def diagnostics(self, blurry: Tensor) -> list[Diagnostic]:
        """The blur field, what each network alone restores, the gates of their changes, and the restored picture."""
        blur_field = self.swift_best.blur_field(blurry)
        changes = self.changes(blurry, blur_field)
        gates = self.gates(changes) * self.blurred(blur_field, size=blurry.shape[-2:]) * self.restored_share(blurry, changes)
        titles = ("maxim", "swift_best")
        least, most = float(gates.min()), float(gates.max())
        alone = ((blurry + change).clamp(0, 1) for change in changes.unbind(1))
        return [
            blur_field_diagnostic(blur_field, picture=blurry),
            Diagnostic(
                name="restorations",
                kind="picture",
                caption="t as each network alone restores it",
                rows=(dict(zip(titles, alone, strict=True)),),
            ),
            Diagnostic(
                name="gates",
                kind="map",
                caption=f"how much of each network's change is applied: {least:.2f} violet to {most:.2f} yellow",
                rows=(dict(zip(titles, gates.chunk(2, dim=1), strict=True)),),
                value_range=(least, most),
            ),
            restored_diagnostic(self.fuse(blurry, changes, gates)),
        ]


def _around(cells: Tensor) -> Tensor:
    """The mean over `_CELLS` in a square around each cell, fewer at the border: (B, C, h, w) -> (B, C, h, w)."""
    return avg_pool2d(cells, _CELLS, stride=1, padding=_CELLS // 2, count_include_pad=False)


def _ramp(values: Tensor, low: float, high: float) -> Tensor:
    """0 up to `low`, 1 from `high` on, and in proportion between."""
    return ((values - low) / (high - low)).clamp(0, 1)
