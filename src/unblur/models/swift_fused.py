"""`swift_fused`: the restorations of two networks, fused place by place according to how much each changes the picture.

`swift_best` estimates blur kernels and wins on camera shake; `maxim`, trained on averages of real frames, wins where things move by themselves. Each
changes little where it does not know the blur, so the stronger change counts more, and none counts alone. Where the blur field says that nothing is
blurred by motion, both networks would enhance noise and texture, and nothing is changed; nor where the two changes have nothing in common, since two networks
that were trained apart agree on what they know of the blur and are wrong each in its own way.

    blurry ──┬── motion U-Net of swift_best ── blur field ──────┐
             ├── maxim ──────── change ──┐                      │
             ├── swift_best ─── change ──┤                      │
             + ◄── gates · changes · agreement · share of blurred ◄─┘
             │
          restored

Decided here, no paper's: the gates are proportional to the root mean square of each change around a place and have no parameters
(`unblur.layers.gate.power_gates`). A gating network that learnt corrections to them from pictures, changes, blur field and confidence restored worse
on pictures of other blur than it was trained on (`docs/lab/2026-11-29-fusing-two-networks.md`). The same log has the lengths between which pictures count as sharp and as blurred, and
`docs/lab/2026-11-30-agreement.md` the correlations between which changes count as apart and as agreed.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

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

TOTAL = 1.1
"""Sum of both gates: above 1, since either network leaves some of the blur."""

SHARP, BLURRED = 1.0, 2.0
"""Mean length of the motion blur around a place, pixels, up to which nothing is restored, and from which on everything is."""

_AROUND = 65
"""Side of the square over which that mean is taken, in vectors of the blur field, each 4 pixels from the next."""

APART, AGREED = 0.28, 0.36
"""Correlation of the two changes around a place, from -1 to 1, up to which neither is applied, and from which on they are whole."""

_CELL, _CELLS = 16, 33
"""Side of a cell in pixels, and of the square over which that correlation is taken in cells."""

_LEAST_SQUARE = 1e-12
"""Added to a mean square of changes, so that of changes of zero the correlation is zero."""


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
        if not self.training and not is_traced(blurry) and not self.blurred(blur_field, size=blurry.shape[2:]).any():
            return blurry  # as it would be, without the work of both networks
        changes = self.changes(blurry, blur_field)  # (B, 2, 3, H, W)
        gates = self.gates(changes)  # (B, 2, H, W)
        if not self.training:  # no gradient comes from where nothing is restored
            gates = gates * self.restored_share(blur_field, changes)
        return self.fuse(blurry, changes, gates)  # (B, 3, H, W)

    def changes(self, blurry: Tensor, blur_field: Tensor) -> Tensor:
        """What each network alone would change, (B, 3, H, W), (B, 3, H/4, W/4) -> (B, 2, 3, H, W)."""
        both = self.maxim(blurry), self.swift_best.restore(blurry, blur_field)
        return torch.stack([restored.float() - blurry for restored in both], dim=1)

    def restored_share(self, blur_field: Tensor, changes: Tensor) -> Tensor:
        """How much is restored at all, from 0 to 1: (B, 3, H/4, W/4), (B, 2, 3, H, W) -> (B, 1, H, W)."""
        return self.blurred(blur_field, size=changes.shape[-2:]) * self.agreement(changes)

    def blurred(self, blur_field: Tensor, *, size: Sequence[int]) -> Tensor:
        """Whether a place is blurred by motion, from 0 to 1: (B, 3, H/4, W/4) -> (B, 1, H, W) for H and W in `size`."""
        length = avg_pool2d(blur_field[:, 2:], _AROUND, stride=1, padding=_AROUND // 2, count_include_pad=False)  # (B, 1, H/4, W/4)
        share = ((length - SHARP) / (BLURRED - SHARP)).clamp(0, 1)
        return interpolate(share, size=list(size), mode="bilinear", align_corners=False)

    def agreement(self, changes: Tensor) -> Tensor:
        """Whether both networks see the same blur around a place, from 0 to 1: (B, 2, 3, H, W) -> (B, 1, H, W)."""
        maxim, swift_best = changes.unbind(1)  # (B, 3, H, W) each
        products = torch.stack(
            [(a * b).mean(dim=1) for a, b in ((maxim, swift_best), (maxim, maxim), (swift_best, swift_best))], dim=1
        )  # (B, 3, H, W)
        means = avg_pool2d(
            avg_pool2d(products, _CELL), _CELLS, stride=1, padding=_CELLS // 2, count_include_pad=False
        )  # (B, 3, H/16, W/16)
        correlation = means[:, :1] / ((means[:, 1:2] + _LEAST_SQUARE) * (means[:, 2:] + _LEAST_SQUARE)).sqrt()  # (B, 1, H/16, W/16)
        agreed = ((correlation - APART) / (AGREED - APART)).clamp(0, 1)
        return interpolate(agreed, size=changes.shape[-2:], mode="bilinear", align_corners=False)

    def gates(self, changes: Tensor) -> Tensor:
        """How much of each change to apply, (B, 2, 3, H, W) -> (B, 2, H, W)."""
        return power_gates(torch.cat([luma(change) for change in changes.unbind(1)], dim=1), total=TOTAL)

    def fuse(self, blurry: Tensor, changes: Tensor, gates: Tensor) -> Tensor:
        """The picture with the gated changes: (B, 3, H, W), (B, 2, 3, H, W), (B, 2, H, W) -> (B, 3, H, W)."""
        return blurry + (gates[:, :, None] * changes).sum(dim=1)

    def diagnostics(self, blurry: Tensor) -> list[Diagnostic]:
        """The blur field, what each network alone restores, the gates of their changes, and the restored picture."""
        blur_field = self.swift_best.blur_field(blurry)
        changes = self.changes(blurry, blur_field)
        gates = self.gates(changes) * self.restored_share(blur_field, changes)
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
