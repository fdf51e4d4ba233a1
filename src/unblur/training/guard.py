"""Watches a training for signs that it has gone wrong, in which case it goes back to its last checkpoint.

Three things are signs: a number that is not finite, an error of restoration that explodes, and deformable convolutions that
read outside the frame (Duan 2022, section 3.5.3: offsets are learned without supervision and may run away; every sample
then reads 0 and the network restores from one frame alone. The thesis goes back to the last epoch's checkpoint).

Decided: after going back, the training meets its samples in another order, and until the next sound checkpoint at half the
rate, a quarter after the second time, and so on; after `MOST_ROLLBACKS` times from one checkpoint it gives up.
"""

import math
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from unblur.layers.deform import DeformConv, ModulatedDeformConv

__all__ = ["LOOK_EVERY", "MOST_ROLLBACKS", "Guard", "OutsideWatch", "fraction_outside"]

LOOK_EVERY = 10
"""Steps between two looks: what a GPU has calculated is waited for only then."""

MOST_ROLLBACKS = 3

_EXPLOSION = 20.0  # times the running mean of the squared error
_HARMLESS = 0.01  # squared errors below this, 20 dB, are no explosion
_MEMORY = 0.98  # of the running mean, a step
_SETTLED = 20  # steps before the mean says anything


@dataclass
class Guard:
    """What a training remembers for its safety; saved with every checkpoint.

    Attributes:
        largest_outside: share of points read outside the frame that is borne; None does not look.
        order: how often the training has gone back in all: the number of the order of its samples.
        rollbacks: how often since the last sound checkpoint.
        error: running mean of the logarithm of the squared error.
        seen: steps that are in it.
    """

    largest_outside: float | None = None
    order: int = 0
    rollbacks: int = 0
    error: float = 0.0
    seen: int = 0

    @property
    def rate(self) -> float:
        """Share of the learning rate until the next sound checkpoint."""
        return 0.5**self.rollbacks

    def judge(self, *, loss: float, norm: float, error: float, outside: float) -> str:
        """Say what is wrong with a step, or nothing.

        Args:
            loss: of the step.
            norm: of its gradient; infinite values are left to the scaler where fp16 is used, which then gives 0.
            error: mean squared error of the restored pictures.
            outside: share of points read outside the frame; 0 where nobody looked.
        """
        if not math.isfinite(loss) or not math.isfinite(error):
            return "the loss is no longer a finite number"
        if not math.isfinite(norm):
            return "the gradient is no longer finite"
        if self.largest_outside is not None and outside > self.largest_outside:
            return (
                f"offset overflow: {outside:.0%} of the points that deformable convolutions read lie outside the frame, "
                f"more than the {self.largest_outside:.0%} allowed"
            )
        usual = math.exp(self.error)
        if self.seen >= _SETTLED and error > _HARMLESS and error > _EXPLOSION * usual:
            return f"the error exploded to {error:.3g}, from {usual:.3g} usually"
        keep = min(_MEMORY, self.seen / (self.seen + 1))
        self.error = keep * self.error + (1 - keep) * math.log(max(error, 1e-12))
        self.seen += 1
        return ""

    def sound(self) -> None:
        """A checkpoint is about to be written that nothing speaks against."""
        self.rollbacks = 0

    def gone_back(self, before: "Guard") -> None:
        """The state of a checkpoint was taken up; `before` is what was remembered until then."""
        self.order, self.rollbacks = before.order + 1, before.rollbacks + 1

    def lowered(self) -> None:
        """The learning rate was lowered by hand: what went wrong with the higher one counts no more, and the samples come in another order."""
        self.order, self.rollbacks = self.order + 1, 0

    def state_dict(self) -> dict[str, Any]:
        """All but the limit, which is the recipe's."""
        return {key: value for key, value in asdict(self).items() if key != "largest_outside"}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        for key, value in state.items():
            setattr(self, key, value)


class OutsideWatch:
    """Measures how many points a network's deformable convolutions read outside the frame, while it is `active`.

    Args:
        net: a network; one without deformable convolutions gives 0.
    """

    def __init__(self, net: nn.Module) -> None:
        self.active = False
        self._shares: list[Tensor] = []
        for module in net.modules():
            if isinstance(module, DeformConv):
                module.register_forward_hook(self._see_deform)
            elif isinstance(module, ModulatedDeformConv):
                module.offset.register_forward_hook(partial(self._see_modulated, module.weight.shape[-1] ** 2))

    def take(self) -> Tensor:
        """The largest share of any convolution since the last call."""
        shares, self._shares = self._shares, []
        return torch.stack(shares).amax() if shares else torch.zeros(())

    @torch.no_grad()
    def _see_deform(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:  # noqa: ARG002 (a hook's signature)
        if self.active:
            assert isinstance(module, DeformConv)
            self._shares.append(fraction_outside(inputs[1][:, 0::2], inputs[1][:, 1::2], taps=module.taps))

    @torch.no_grad()
    def _see_modulated(self, taps: int, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:  # noqa: ARG002
        if self.active:
            offset, _ = ModulatedDeformConv.taps_of(output)
            self._shares.append(fraction_outside(offset[:, 0::2], offset[:, 1::2], taps=taps))


def fraction_outside(y: Tensor, x: Tensor, *, taps: int) -> Tensor:
    """Share of points whose bilinear reading has no part in the frame; those that a plain convolution reads there do not count.

    Args:
        y: rows of the offsets, pixels.
        x: columns of the offsets.
        taps: of the square kernel.

    Shape:
        two of (B, G * taps, H, W) -> ()

    Example:
        >>> right = torch.full((1, 1, 1, 4), 2.0)  # of four points in a row, the last two leave the frame
        >>> fraction_outside(torch.zeros(1, 1, 1, 4), right, taps=1)
        tensor(0.5000)
    """
    side = math.isqrt(taps)
    height, width = y.shape[-2:]
    reach = torch.arange(side, device=y.device) - side // 2
    tap_y, tap_x = reach.repeat_interleave(side).view(-1, 1, 1), reach.repeat(side).view(-1, 1, 1)
    rows, columns = torch.arange(height, device=y.device).view(-1, 1) + tap_y, torch.arange(width, device=y.device) + tap_x

    def outside(at_y: Tensor, at_x: Tensor) -> Tensor:
        return (at_y <= -1) | (at_y >= height) | (at_x <= -1) | (at_x >= width)

    plain = outside(rows, columns)  # (taps, H, W)
    grouped = (y.shape[0], -1, taps, height, width)
    read = outside(y.reshape(grouped) + rows, x.reshape(grouped) + columns)  # (B, G, taps, H, W)
    return (read & ~plain).float().mean()
