"""A plain way to train a row of an ablation: crops of a data set, Adam, one loss; the same for every row.

It serves small budgets and the comparison of rows, not records: no schedule but a falling rate, no moving average of the weights, one
device. Weights are not saved.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from unblur import losses
from unblur.bench.ablate import Loss, TrainRow
from unblur.bench.datasets import DataSet
from unblur.bench.run import read_picture
from unblur.data.layouts import Sample, windows
from unblur.errors import InputError
from unblur.models import create
from unblur.models.base import Net

__all__ = ["plain_training"]

Told = Callable[[int, float], None]
"""Told the step and its loss."""

_CLIP = 1.0


def plain_training(
    data: DataSet,
    *,
    loss: Loss,
    seed: int = 0,
    batch: int = 2,
    crop: int = 64,
    lr: float = 2e-4,
    device: str = "cpu",
    told: Told | None = None,
) -> TrainRow:
    """A way to train on a data set.

    Args:
        data: what to train on. Its pictures are read when they are needed.
        loss: on all scales, where the network has several.
        seed: of the weights and of the crops: rows of one seed see the same crops, as far as their windows are equal.
        batch: crops a step.
        crop: side of a crop, pixels; rounded up to the multiple that a network takes.
        lr: of Adam at the beginning; it falls to 0 along half a cosine.
        device: where to train.
        told: called after each step.

    Raises:
        InputError: by the function that is returned, if pictures are smaller than the crop, or a network of several frames meets data
            without clips, or the loss is not finite.
    """

    def train_row(name: str, arguments: Mapping[str, Any], steps: int) -> Net:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            net = create(name, **arguments)
        net.to(device).train()
        if net.num_frames > 1 and not data.clips:
            raise InputError(f"{name} looks at {net.num_frames} frames, but `{data.name}` has no clips")
        samples = windows(data.samples, num_frames=net.num_frames, edges="repeat")
        side = -(-crop // net.size_multiple) * net.size_multiple
        generator = np.random.default_rng([seed, 1])
        optimiser = torch.optim.Adam(net.parameters(), lr=lr)
        for step in range(steps):
            blurry, sharp = _batch(samples, generator, batch=batch, side=side, video=net.num_frames > 1)
            for group in optimiser.param_groups:
                group["lr"] = lr * 0.5 * (1 + np.cos(np.pi * step / steps))
            optimiser.zero_grad(set_to_none=True)
            value = _LOSSES[loss](net(blurry.to(device), all_scales=True), sharp.to(device))
            if not torch.isfinite(value):
                raise InputError(f"{name}: the loss is {value.item()} at step {step}; try a smaller learning rate")
            value.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(net.parameters(), _CLIP)
            optimiser.step()
            if told is not None:
                told(step, value.item())
        return net.eval()

    return train_row


_LOSSES: dict[Loss, Callable[[list[Tensor], Tensor], Tensor]] = {
    "multiscale_content": losses.multiscale_content,
    "multiscale_mse": losses.multiscale_mse,
    "mse": lambda restored, sharp: losses.mse(restored[0], sharp),
    "l1": lambda restored, sharp: losses.l1(restored[0], sharp),
}


def _batch(samples: Sequence[Sample], generator: np.random.Generator, *, batch: int, side: int, video: bool) -> tuple[Tensor, Tensor]:
    """Crops with flips: (B, 3, side, side), or (B, N, 3, side, side) and their truths (B, 3, side, side)."""
    blurry, sharp = [], []
    for _ in range(batch):
        sample = samples[int(generator.integers(len(samples)))]
        shown = np.stack([read_picture(path) for path in (*sample.blurry, sample.sharp[len(sample.sharp) // 2])])
        height, width = shown.shape[1:3]
        if min(height, width) < side:
            raise InputError(f"`{sample.reference}` is smaller than the crop of {side} pixels; choose a smaller one with --crop")
        top, left = int(generator.integers(height - side + 1)), int(generator.integers(width - side + 1))
        cut = shown[:, top : top + side, left : left + side]
        for axis in (1, 2):
            cut = np.flip(cut, axis) if generator.random() < 0.5 else cut
        tensor = torch.from_numpy(np.ascontiguousarray(cut)).permute(0, 3, 1, 2)
        blurry.append(tensor[:-1] if video else tensor[0])
        sharp.append(tensor[-1])
    return torch.stack(blurry), torch.stack(sharp)
