"""Validation: a data set restored by the averaged network and measured by a named protocol."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from unblur.data.layouts import Sample
from unblur.metrics import from_uint8, protocols
from unblur.models.base import Net
from unblur.pixels import to_tensor
from unblur.synth.sources import read_photo
from unblur.training.sources import read_samples

__all__ = ["Row", "choose", "measure", "restore_whole", "summarise"]

Row = tuple[str, dict[str, float]]
"""Name of the sequence, and measures of a picture of it."""


def choose(
    layout: str, folders: Sequence[Path], *, choice: dict[str, str], num_frames: int, protocol: str, count: int
) -> list[list[Sample]]:
    """The windows that are measured: of the frames that the protocol counts, `count` evenly chosen ones, or all if it is 0."""
    found = read_samples(layout, folders, choice=choice, num_frames=num_frames, edges="repeat")
    only = protocols.get(protocol).frames.only
    counted = [window for window in found if only is None or window[num_frames // 2].frame in only] or found
    if not count or count >= len(counted):
        return counted
    return [counted[place] for place in np.linspace(0, len(counted) - 1, count).round().astype(int)]


@torch.no_grad()
def measure(
    net: Net | None, windows: Sequence[Sequence[Sample]], *, protocol: str, device: torch.device, autocast: torch.autocast
) -> list[Row]:
    """Restore the middle frame of each window and measure it.

    Args:
        net: the network, on `device`; None measures the blurry frames as they are.
        windows: see `choose`.
        protocol: its name.
        device: where to restore.
        autocast: precision of the network's arithmetic.
    """
    rows: list[Row] = []
    rule = protocols.get(protocol)
    for window in windows:
        middle = window[len(window) // 2]
        shown = window if net is not None else [middle]
        frames = [to_tensor(read_photo(sample.reference))[0] for sample in shown]
        if net is None:
            restored = frames[0][None]
        else:
            blurry = (torch.stack(frames) if net.num_frames > 1 else frames[0])[None].to(device)
            with autocast:
                restored = restore_whole(net, blurry)
        truths = (from_uint8(read_photo(path)) for path in (middle.sharp if rule.several_truths else middle.sharp[:1]))
        rows.append((middle.sequence, rule.measure(restored.double().clamp(0, 1).cpu(), truths)))
    return rows


def summarise(rows: Sequence[Row], *, protocol: str) -> dict[str, float]:
    """Means over pictures or sequences, as the protocol says."""
    return protocols.get(protocol).average([row for _, row in rows], sequences=[name for name, _ in rows]).means


def restore_whole(net: Net, blurry: Tensor) -> Tensor:
    """Restore pictures of any size: what lacks to a multiple of the network's is filled up with the last row and column.

    Shape:
        (B, 3, H, W) or (B, N, 3, H, W) -> (B, 3, H, W)
    """
    height, width = blurry.shape[-2:]
    below, right = -height % net.size_multiple, -width % net.size_multiple
    flat = blurry.reshape(-1, 3, height, width)
    padded = pad(flat, (0, right, 0, below), mode="replicate")
    restored = net(padded.view(*blurry.shape[:-2], *padded.shape[-2:]))
    return restored[..., :height, :width]
