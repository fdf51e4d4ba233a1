"""Fourier transforms of real pictures: by torch, or as products of matrices where operators must be portable.

Under `unblur.layers.portable.portable_operators`, spectra are pairs of real tensors, `SpectrumPair`, in place of complex ones. It has the operations that the
layers use on complex tensors, by the same names, so that their code is the same for both; in-place ones give a new pair.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from unblur.layers.portable import is_portable

__all__ = ["SpectrumPair", "irfft2", "phasors", "rfft2"]


class SpectrumPair:
    """A complex tensor as its real and imaginary part, with the operations that layers use on spectra.

    Args:
        real: part.
        imag: of the same shape.
    """

    def __init__(self, real: Tensor, imag: Tensor) -> None:
        self.real, self.imag = real, imag

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:  # noqa: ANN401
        del types
        if func is torch.add:
            return args[0] + args[1] * (kwargs or {}).get("alpha", 1)
        if func is torch.stack:
            parts = args[0]
            return cls(torch.stack([each.real for each in parts]), torch.stack([each.imag for each in parts]))
        if func in (torch.Tensor.__matmul__, torch.Tensor.matmul, torch.matmul, torch.Tensor.__rmatmul__):
            return args[0] @ args[1]
        return NotImplemented

    @property
    def shape(self) -> torch.Size:
        return self.real.shape

    def is_complex(self) -> bool:
        """True, as of a complex tensor."""
        return True

    def conj(self) -> "SpectrumPair":
        """The complex conjugate."""
        return SpectrumPair(self.real, -self.imag)

    def __iter__(self) -> Iterator["SpectrumPair"]:
        return (SpectrumPair(real, imag) for real, imag in zip(self.real, self.imag, strict=True))

    def __getitem__(self, place: Any) -> "SpectrumPair":  # noqa: ANN401
        return SpectrumPair(self.real[place], self.imag[place])

    def __add__(self, other: "SpectrumPair") -> "SpectrumPair":
        return SpectrumPair(self.real + other.real, self.imag + other.imag)

    def __mul__(self, other: "SpectrumPair | Tensor | float") -> "SpectrumPair":
        if not isinstance(other, SpectrumPair):
            return SpectrumPair(self.real * other, self.imag * other)
        return SpectrumPair(self.real * other.real - self.imag * other.imag, self.real * other.imag + self.imag * other.real)

    __rmul__ = mul_ = __mul__

    def addcmul_(self, one: "SpectrumPair", other: "SpectrumPair") -> "SpectrumPair":
        """This one plus the product of the others; a new pair."""
        return self + one * other

    def __matmul__(self, other: "SpectrumPair") -> "SpectrumPair":
        return SpectrumPair(self.real @ other.real - self.imag @ other.imag, self.real @ other.imag + self.imag @ other.real)


def rfft2(picture: Tensor) -> Tensor:
    """The transform of real pictures over both axes, as `torch.fft.rfft2`: (..., H, W) to (..., H, W//2 + 1), complex."""
    if not is_portable():
        return torch.fft.rfft2(picture)
    height, width = picture.shape[-2:]
    across = phasors_of_dft(width, width // 2 + 1, like=picture)  # (W//2 + 1, W)
    down = phasors_of_dft(height, height, like=picture)  # (H, H)
    rows = SpectrumPair(picture @ across.real.mT, picture @ across.imag.mT)
    return cast("Tensor", down @ rows)


def irfft2(spectrum: Tensor, *, s: Sequence[int]) -> Tensor:
    """The inverse of `rfft2` for pictures of the shape `s`, as `torch.fft.irfft2`."""
    if not is_portable():
        return torch.fft.irfft2(spectrum, s=s)
    height, width = s
    half = width // 2 + 1
    across = phasors_of_dft(width, half, like=spectrum.real)  # (W//2 + 1, W)
    down = phasors_of_dft(height, height, like=spectrum.real).conj()
    rows = down @ cast("SpectrumPair", spectrum)  # (..., H, W//2 + 1)
    weight = torch.full((half, 1), 2.0, dtype=spectrum.real.dtype, device=spectrum.real.device)
    ends = torch.arange(half, device=weight.device)[:, None] * 2
    weight = torch.where((ends == 0) | (ends == width), weight / 2, weight) / (
        height * width
    )  # the mirror image of the other columns is left out
    return rows.real @ (across.real * weight) + rows.imag @ (across.imag * weight)


def phasors(phase: Tensor) -> Tensor:
    """Complex numbers of magnitude 1 with this phase in radians."""
    if is_portable():
        return cast("Tensor", SpectrumPair(torch.cos(phase), torch.sin(phase)))
    return torch.polar(torch.ones_like(phase), phase)


def phasors_of_dft(length: int, count: int, *, like: Tensor) -> SpectrumPair:
    """The first rows of the matrix of the discrete Fourier transform, exp(-2πi·jk/N): (count, length)."""
    places = torch.arange(length, device=like.device)
    turns = (places[:count, None] * places) % length  # whole numbers, so that the angle is not rounded
    angle = turns.to(like.dtype) * (2 * math.pi / length)
    return SpectrumPair(torch.cos(angle), -torch.sin(angle))
