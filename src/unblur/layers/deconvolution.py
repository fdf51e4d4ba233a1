"""Undoing a known blur: Richardson-Lucy, in windows of one kernel each."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.fft import irfft2, rfft2

__all__ = ["richardson_lucy"]

_DARK = 1e-3  # light that is added to all, so that nothing is divided by nothing
_FASTEST = 0.95


@torch.no_grad()
def richardson_lucy(light: Tensor, kernel: Tensor, *, turns: Sequence[int]) -> list[Tensor]:
    """What `light` was before it was blurred, as the method has it after so many turns.

    Borders meet: what a kernel reaches beyond one is taken from the other.

    Args:
        light: windows in linear light.
        kernel: Fourier transform of each window's kernel.
        turns: numbers of turns after which the result is given; rising.

    Shape:
        light (N, C, H, W), kernel (N, H, W//2 + 1), complex -> as many (N, C, H, W)

    Source:
        Richardson (1972) and Lucy (1974), in the accelerated form of Biggs and Andrews (Applied Optics 1997): each turn begins
        further along the way that the last two went.
    """
    shape = light.shape[-2:]
    forward, back = kernel[:, None], kernel.conj()[:, None]
    light = light + _DARK
    now = before = light
    step = earlier = torch.zeros((), device=light.device)
    results = []
    for turn in range(1, max(turns) + 1):
        ahead = now
        if turn > 2:
            share = (step * earlier).sum((1, 2, 3), keepdim=True) / earlier.square().sum((1, 2, 3), keepdim=True).clamp_min(1e-12)
            ahead = (now + share.clamp(0, _FASTEST) * (now - before)).clamp_min(1e-4)
        blurred = irfft2(rfft2(ahead) * forward, s=shape).clamp_min(_DARK)
        restored = (ahead * irfft2(rfft2((light / blurred).clamp(0, 10)) * back, s=shape)).clamp(1e-4, 2)
        step, earlier = restored - ahead, step
        now, before = restored, now
        if turn in turns:
            results.append((now - _DARK).clamp_min(0))
    return results
