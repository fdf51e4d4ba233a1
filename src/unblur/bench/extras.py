"""Measures beside those of a protocol: shifted PSNR, GMSD and detail; and of other libraries, perceptual (LPIPS, DISTS) and without a truth (NIQE, MUSIQ).

They belong to no protocol, and change none. The libraries are imported when they are asked for, and their version is part of the measure's
name, since their numbers differ. Weights that they need are taken from the disk and never downloaded.
"""

import importlib
import io
import socket
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from textwrap import shorten
from typing import Any, NoReturn
from urllib.parse import urlsplit

import torch
from torch import Tensor

from unblur.errors import InputError
from unblur.metrics import detail, gmsd, shifted_psnr, to_8_bit

__all__ = ["EXTRAS", "MEANINGS", "Extra", "open_extra"]

EXTRAS: dict[str, tuple[str, ...]] = {"shifted": (), "gmsd": (), "detail": (), "lpips": ("lpips", "pyiqa")}
EXTRAS |= dict.fromkeys(("dists", "niqe", "musiq"), ("pyiqa",))
"""Measures, and the libraries that make them, the one to take first; none for those of `unblur.metrics`."""

_WITHOUT_TRUTH = ("niqe", "musiq")

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


class _MissingWeightsError(OSError):
    """A library wanted to download a file."""


def open_extra(name: str, *, weights: Path | None = None) -> Extra:
    """Load a measure. All are of both pictures clamped and rounded to 8 bit, without the alignment or border of a protocol.

    Args:
        name: one of `EXTRAS`.
        weights: folder with the files that measures of other libraries need, by the names under which they are published; looked for in what the
            libraries keep themselves as well.

    Raises:
        InputError: if there is no such measure or folder, no library that makes it can be imported, or weights that it needs are not on the disk; the
            message names the file and where it is published.
    """
    if weights is not None and not weights.is_dir():
        raise InputError(f"`{weights}` is not a folder; name the one that holds the weights of measures")
    match name:
        case "shifted":
            return Extra(("shifted psnr", "shift"), _shifted)
        case "gmsd":
            return Extra(("gmsd",), lambda restored, sharp: (gmsd(to_8_bit(restored), to_8_bit(sharp)).item(),))
        case "detail":
            return Extra(("detail", "coherent detail"), _detail)
        case _:
            return _of_library(name, weights=weights)


def _shifted(restored: Tensor, sharp: Tensor) -> tuple[float, ...]:
    found = shifted_psnr(to_8_bit(restored), to_8_bit(sharp))
    return found.psnr.item(), found.shift.norm().item()


def _detail(restored: Tensor, sharp: Tensor) -> tuple[float, ...]:
    found = detail(to_8_bit(restored), to_8_bit(sharp))
    return found.ratio.item(), found.coherent.item()


def _of_library(name: str, *, weights: Path | None) -> Extra:
    if name not in EXTRAS:
        raise InputError(f"there is no extra measure `{name}`; choose from {', '.join(sorted(EXTRAS))}")
    broken: list[str] = []
    for library in EXTRAS[name]:
        try:
            module = importlib.import_module(library)
        except ImportError:
            continue
        except Exception as error:  # noqa: BLE001 - a torchvision that does not fit torch raises RuntimeError
            broken.append(f"; `{library}` is installed, but {type(error).__name__}: {error}")
            continue
        try:
            label = f"{name} ({library} {version(library)})"
        except PackageNotFoundError:
            label = f"{name} ({library})"
        try:
            with _without_downloads(weights), redirect_stdout(io.StringIO()):  # pyiqa prints that it downloads, before it does
                measure = _lpips(module) if library == "lpips" else _pyiqa(module, name)
        except Exception as error:
            missing = getattr(error, "reason", error)  # urllib wraps what stops it
            if not isinstance(missing, _MissingWeightsError):
                raise InputError(
                    f"{label} cannot be loaded: {type(error).__name__}: {shorten(str(error), 300)}"
                ) from error  # torch lists all tensors
            where = f"neither in `{weights}` nor" if weights is not None else "not"
            raise InputError(
                f"{label} needs {missing}, which is {where} in what its library keeps; nothing is downloaded: fetch the file yourself into a folder, "
                "and name that folder by `--metric-weights`"
            ) from error
        return Extra((label,), measure)
    wanted = " or ".join(f"`pip install {library}`" for library in EXTRAS[name])
    text = f"`{name}` needs a library that is not installed or cannot be imported here; {wanted}, or `unblur[perceptual]` for all"
    raise InputError(text + "".join(broken))


@contextmanager
def _without_downloads(weights: Path | None) -> Iterator[None]:
    """Have libraries find files in a folder that they would download with torch, and keep them from downloading any other.

    torch and torchvision download by `torch.hub.urlopen`; whatever else asks for an address finds none.
    """

    def urlopen(request: Any, *_: object, **__: object) -> Any:  # noqa: ANN401 - a stand-in for that of urllib
        address = request if isinstance(request, str) else request.full_url
        name = PurePosixPath(urlsplit(address).path).name
        found = next((path for path in sorted(weights.rglob("*")) if path.name == name and path.is_file()), None) if weights else None
        if found is None:
            raise _MissingWeightsError(f"`{name}` (published at {address})")
        return urllib.request.urlopen(found.resolve().as_uri())  # noqa: S310 - a file

    def no_address(host: object, *_: object, **__: object) -> NoReturn:
        raise _MissingWeightsError(f"a file of {host}")

    hub: Any = torch.hub
    before = hub.urlopen, socket.getaddrinfo
    hub.urlopen, socket.getaddrinfo = urlopen, no_address
    try:
        yield
    finally:
        hub.urlopen, socket.getaddrinfo = before


def _lpips(module: Any) -> Callable[[Tensor, Tensor], tuple[float, ...]]:  # noqa: ANN401 - a library without types
    network = module.LPIPS(net="alex", verbose=False).eval()

    @torch.no_grad()
    def measure(restored: Tensor, sharp: Tensor) -> tuple[float, ...]:
        return (float(network(to_8_bit(restored).float(), to_8_bit(sharp).float(), normalize=True).item()),)

    return measure


def _pyiqa(module: Any, name: str) -> Callable[[Tensor, Tensor], tuple[float, ...]]:  # noqa: ANN401 - a library without types
    metric = module.create_metric(name)

    @torch.no_grad()
    def measure(restored: Tensor, sharp: Tensor) -> tuple[float, ...]:
        shown = (restored,) if name in _WITHOUT_TRUTH else (restored, sharp)
        return (float(metric(*(to_8_bit(picture).float() for picture in shown)).item()),)

    return measure
