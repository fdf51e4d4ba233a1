"""Fourier transforms of real pictures: by torch, or as products of matrices where operators must be portable.

Under `unblur.layers.portable.portable_operators`, spectra are pairs of real tensors, `SpectrumPair`, in place of complex ones. It has the operations that the
layers use on complex tensors, by the same names, so that their code is the same for both; in-place ones give a new pair.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from unblur.layers.portable import constant, is_portable

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
    across = _matrix(_across, width, like=picture)  # (W, W//2 + 1)
    down = _matrix(_down, height, like=picture)  # (H, H)
    return cast("Tensor", down @ SpectrumPair(picture @ across.real, picture @ across.imag))


def irfft2(spectrum: Tensor, *, s: Sequence[int]) -> Tensor:
    """The inverse of `rfft2` for pictures of the shape `s`, as `torch.fft.irfft2`."""
    if not is_portable():
        return torch.fft.irfft2(spectrum, s=s)
    height, width = s
    up = _matrix(_up, height, like=spectrum.real)  # (H, H)
    back = _matrix(_back, width, like=spectrum.real)  # (W//2 + 1, W)
    rows = up @ cast("SpectrumPair", spectrum)  # (..., H, W//2 + 1)
    return rows.real @ back.real + rows.imag @ back.imag


def phasors(phase: Tensor) -> Tensor:
    """Complex numbers of magnitude 1 with this phase in radians."""
    if is_portable():
        return cast("Tensor", SpectrumPair(torch.cos(phase), torch.sin(phase)))
    return torch.polar(torch.ones_like(phase), phase)


def _matrix(make: Callable[..., SpectrumPair], length: int, *, like: Tensor) -> SpectrumPair:
    """A matrix of the transform along a side of that length, which all transforms of that length share."""
    if type(length) is not int:  # a symbol, of a size that may vary
        return make(length, like=like)
    return constant(lambda: make(length, like=like), key=(make, length, like.dtype, like.device))


def _down(length: int, *, like: Tensor) -> SpectrumPair:
    """The discrete Fourier transform exp(-2πi·jk/N) over columns, (N, N)."""
    places = torch.arange(length, device=like.device)
    steps = (places[:, None] * places) % length  # whole numbers, so that the angle is not rounded
    angle = steps.to(like.dtype) * (2 * math.pi / length)
    return SpectrumPair(torch.cos(angle), -torch.sin(angle))


def _up(length: int, *, like: Tensor) -> SpectrumPair:
    """Its inverse, (N, N)."""
    return _down(length, like=like).conj() * (1 / length)


def _across(length: int, *, like: Tensor) -> SpectrumPair:
    """The transform of real rows to frequencies that are not negative, (N, N//2 + 1)."""
    return _down(length, like=like)[:, : length // 2 + 1]


def _back(length: int, *, like: Tensor) -> SpectrumPair:
    """Its inverse, (N//2 + 1, N): what is added of the real and of the imaginary parts of these frequencies to each pixel of a row."""
    half = length // 2 + 1
    doubled = torch.arange(half, device=like.device)[:, None] * 2
    share = torch.where((doubled == 0) | (doubled == length), 1.0, 2.0) / length  # the others' mirror images are left out
    return _down(length, like=like)[:half] * share.to(like.dtype)
