"""Measures beside those of a protocol: shifted PSNR, GMSD and detail; and of other libraries, perceptual (LPIPS) and without a truth (NIQE).

They belong to no protocol, and change none. The libraries are imported when they are asked for, and their version is part of the measure's
name, since their numbers differ.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from torch import Tensor

from unblur.errors import InputError
from unblur.metrics import detail, gmsd, shifted_psnr, to_8_bit

__all__ = ["EXTRAS", "MEANINGS", "Extra", "open_extra"]

EXTRAS: dict[str, tuple[str, ...]] = {"shifted": (), "gmsd": (), "detail": (), "lpips": ("lpips", "pyiqa"), "niqe": ("pyiqa",)}
"""Measures, and the libraries that make them, the one to take first; none for those of `unblur.metrics`."""

MEANINGS = {
    "shifted psnr": "PSNR after the best shift of the whole picture by up to 3 pixels, to a quarter of a pixel, without 4 pixels at each side.",
    "shift": "Length of that shift, pixels.",
    "gmsd": "Gradient magnitude similarity deviation (Xue et al. 2014); lower is better.",
    "detail": "Contrast of the finest two octaves over that of the sharp picture: below 1 soft, above 1 noisy or ringing.",
    "coherent detail": "The part of the sharp picture's finest two octaves that is there, of 1; noise, ringing and invented texture do not count.",
}
"""What the measures of `unblur.metrics` say, by the names under which rows carry them."""


@dataclass(frozen=True)
class Extra:
    """A measure, which may give several numbers.

    Attributes:
        names: of its numbers, with library and version if it is of one, such as `lpips (lpips 0.1.4)`.
        measure: takes the restored picture and its truth, (1, 3, H, W) in [0, 1], and gives the numbers in that order; a measure
            without truth does not look at the second.
    """

    names: tuple[str, ...]
    measure: Callable[[Tensor, Tensor], tuple[float, ...]]


def open_extra(name: str) -> Extra:
    """Load a measure. Those of `unblur.metrics` are of both pictures clamped and rounded to 8 bit, without the alignment or border of a protocol.

    Raises:
        InputError: if there is no such measure, no library that makes it is installed, or the library cannot fetch its weights.
    """
    match name:
        case "shifted":
            return Extra(("shifted psnr", "shift"), _shifted)
        case "gmsd":
            return Extra(("gmsd",), lambda restored, sharp: (gmsd(to_8_bit(restored), to_8_bit(sharp)).item(),))
        case "detail":
            return Extra(("detail", "coherent detail"), _detail)
        case _:
            return _of_library(name)


def _shifted(restored: Tensor, sharp: Tensor) -> tuple[float, ...]:
    found = shifted_psnr(to_8_bit(restored), to_8_bit(sharp))
    return found.psnr.item(), found.shift.norm().item()


def _detail(restored: Tensor, sharp: Tensor) -> tuple[float, ...]:
    found = detail(to_8_bit(restored), to_8_bit(sharp))
    return found.ratio.item(), found.coherent.item()


def _of_library(name: str) -> Extra:
    if name not in EXTRAS:
        raise InputError(f"there is no extra measure `{name}`; choose from {', '.join(sorted(EXTRAS))}")
    for library in EXTRAS[name]:
        try:
            module = importlib.import_module(library)
        except ImportError:
            continue
        try:
            label = f"{name} ({library} {version(library)})"
        except PackageNotFoundError:
            label = f"{name} ({library})"
        try:
            measure = _lpips(module) if library == "lpips" else _pyiqa(module, name)
        except OSError as error:  # URLError is one: both libraries fetch weights when they are first used
            raise InputError(f"{label} cannot fetch the weights that it needs ({error}); try again with a connection") from None
        return Extra((label,), measure)
    wanted = " or ".join(f"`pip install {library}`" for library in EXTRAS[name])
    text = f"`{name}` needs a library that is not installed or cannot be imported here; {wanted}, or `unblur[perceptual]` for all"
    raise InputError(text)


def _lpips(module: Any) -> Callable[[Tensor, Tensor], tuple[float, ...]]:  # noqa: ANN401 - a library without types
    network = module.LPIPS(net="alex", verbose=False).eval()
    return lambda restored, sharp: (float(network(restored.float(), sharp.float(), normalize=True).item()),)


def _pyiqa(module: Any, name: str) -> Callable[[Tensor, Tensor], tuple[float, ...]]:  # noqa: ANN401 - a library without types
    metric = module.create_metric(name)
    if name == "niqe":
        return lambda restored, sharp: (float(metric(restored.float()).item()),)  # noqa: ARG005 - it needs no truth
    return lambda restored, sharp: (float(metric(restored.float(), sharp.float()).item()),)
