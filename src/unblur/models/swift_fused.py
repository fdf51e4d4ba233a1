"""`swift_fused`: the restorations of two networks, fused by a gating network.

`swift_best` estimates blur kernels and wins on camera shake; `maxim`, trained on averages of real frames, wins where things move by themselves. Where
both change a picture alike, both are mostly right; where one changes grain, falling water or an object's edge and the other does not, it is mostly
wrong. So a gating network compares the two changes in each place, beside what `swift_best` knows of its kernels, and decides how much of each to apply.

    blurry ──┬── maxim ───────────────────────── change ──┐
             ├── swift_best ──────────────────── change ──┤
             │       └── blur field, confidence ──────────┤
             │                                          gate
             + ◄──────── gates · changes ─────────────────┘
             │
          restored

Decided here, no paper's. The gates are least-squares weights of candidate corrections, predicted without the truth (`unblur.layers.gate`). Both
networks are trained beforehand, and fused by `power_gates` before the gate is; they are held while the gate learns (`only: [gate]` in a recipe), so that a step costs little more than restoring.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from unblur.layers.check import check_multiple, check_shape
from unblur.layers.gate import GATE_STRIDE, GatingNet, power_gates
from unblur.layers.light import luma
from unblur.models.arguments import DEFAULTS, build
from unblur.models.base import Net
from unblur.models.diagnostic import Diagnostic, restored_diagnostic
from unblur.models.maxim import MAXIM
from unblur.models.swift_best import SIDE_CHANNELS, SwiftBest, gate_side
from unblur.models.swift_best import swift_best as build_swift_best

__all__ = ["SwiftFused", "swift_fused"]

TOTAL = 1.1
"""Sum of both gates before training: above 1, since either network leaves some of the blur."""


def swift_fused(
    *,
    maxim: Mapping[str, object] = DEFAULTS,
    swift_best: Mapping[str, object] = DEFAULTS,
    gate_widths: Sequence[int] = (48, 64, 96),
    gate_blocks: Sequence[int] = (1, 1, 2),
) -> "SwiftFused":
    """Build `SwiftFused` from plain values.

    Args:
        maxim: arguments of `MAXIM`; one stage by default.
        swift_best: arguments of `unblur.models.swift_best.swift_best`.
        gate_widths: features of the gating network at 1/8, 1/16, ... resolution.
        gate_blocks: its residual blocks there.

    Raises:
        InputError: if `maxim` or `swift_best` is no mapping, or names an argument that there is not.
    """
    return SwiftFused(
        maxim=build(MAXIM, {"num_stages": 1, **maxim}, called="the network's `maxim`"),
        swift_best=build(build_swift_best, swift_best, called="the network's `swift_best`"),
        gate=GatingNet(changes=2, side_channels=SIDE_CHANNELS, untrained=(0.0, 0.0), widths=tuple(gate_widths), blocks=tuple(gate_blocks)),
    )


class SwiftFused(Net):
    """A `maxim` and a `swift_best`, and a gating network that decides how much of each one's change to apply, place by place.

    Args:
        maxim: any network that restores photos; that of MAXIM's paper here.
        swift_best: of scale 1; gives blur field and confidence as well.
        gate: what is added to the gates by power (`power_gates`) of the change of `maxim` and of that of `swift_best`; 0 before training.
    """

    def __init__(self, *, maxim: Net, swift_best: SwiftBest, gate: GatingNet) -> None:
        if swift_best.scale != 1:
            raise ValueError(f"`swift_best` must have a scale of 1, got {swift_best.scale}")
        super().__init__()
        self.maxim, self.swift_best, self.gate = maxim, swift_best, gate
        self.size_multiple = max(maxim.size_multiple, swift_best.size_multiple)  # powers of two
        self.size_minimum = max(maxim.size_minimum, swift_best.size_minimum)
        self.receptive_radius = max(maxim.receptive_radius, swift_best.receptive_radius)
        self.receptive_radius += GATE_STRIDE * (gate.unet.receptive_radius + 1)
        self.global_context = True  # the gates see the power of each change over the whole picture
        self.preferred_tile = maxim.preferred_tile
        self.precisions = tuple(name for name in maxim.precisions if name in swift_best.precisions)

    def forward(self, blurry: Tensor) -> Tensor:
        check_shape(blurry, ("B", 3, "H", "W"), name="blurry")
        check_multiple(blurry, self.size_multiple, name="blurry")
        changes, side = self.candidates(blurry)  # (B, 2, 3, H, W), (B, 16, H/8, W/8)
        return self.fuse(blurry, changes, self.gates(blurry, changes, side))  # (B, 3, H, W)

    def candidates(self, blurry: Tensor) -> tuple[Tensor, Tensor]:
        """What each network would change, and what `swift_best` knows of the blur in each cell.

        Shape:
            (B, 3, H, W) -> (B, 2, 3, H, W), (B, 16, H/8, W/8)
        """
        inputs = self.swift_best.restore_inputs(blurry, self.swift_best.blur_field(blurry))
        restored = self.maxim(blurry), self.swift_best.restore_from_inputs(*inputs)
        _, blur_field, _, confidence = inputs
        return torch.stack([each.float() - blurry for each in restored], dim=1), gate_side(blur_field, confidence)

    def gates(self, blurry: Tensor, changes: Tensor, side: Tensor) -> Tensor:
        """How much of each change to apply: (B, 3, H, W), (B, 2, 3, H, W), (B, 16, H/8, W/8) -> (B, 2, H, W)."""
        change_luma = torch.cat([luma(change) for change in changes.unbind(1)], dim=1)  # (B, 2, H, W)
        return power_gates(change_luma, total=TOTAL) + self.gate(luma(blurry), change_luma, side)

    def fuse(self, blurry: Tensor, changes: Tensor, gates: Tensor) -> Tensor:
        """The picture with the gated changes: (B, 3, H, W), (B, 2, 3, H, W), (B, 2, H, W) -> (B, 3, H, W)."""
        return blurry + (gates[:, :, None] * changes).sum(dim=1)

    def diagnostics(self, blurry: Tensor) -> list[Diagnostic]:
        """What each network alone restores, the gates of their changes, and the restored picture."""
        changes, side = self.candidates(blurry)
        gates = self.gates(blurry, changes, side)
        titles = ("maxim", "swift_best")
        least, most = float(gates.min()), float(gates.max())
        alone = ((blurry + change).clamp(0, 1) for change in changes.unbind(1))
        return [
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
