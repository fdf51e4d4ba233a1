"""Measures that other libraries make: perceptual (LPIPS) and without a truth (NIQE). They belong to no protocol.

The libraries are imported when they are asked for, and their version is part of the measure's name, since their numbers differ.
"""

import importlib
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from torch import Tensor

from unblur.errors import InputError

__all__ = ["EXTRAS", "Extra", "open_extra"]

Extra = Callable[[Tensor, Tensor], float]
"""Takes the restored picture and its truth, (1, 3, H, W) in [0, 1]; a measure without truth does not look at the second."""

EXTRAS = {"lpips": ("lpips", "pyiqa"), "niqe": ("pyiqa",)}
"""Measures, and the libraries that make them, the one to take first."""


def open_extra(name: str) -> tuple[str, Extra]:
    """Load a measure; lower is better for both.

    Returns:
        Its name with library and version, such as `lpips (lpips 0.1.4)`, and the measure.

    Raises:
        InputError: if there is no such measure, no library that makes it is installed, or the library cannot fetch its weights.
    """
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
            return label, _lpips(module) if library == "lpips" else _pyiqa(module, name)
        except OSError as error:  # URLError is one: both libraries fetch weights when they are first used
            raise InputError(f"{label} cannot fetch the weights that it needs ({error}); try again with a connection") from None
    wanted = " or ".join(f"`pip install {library}`" for library in EXTRAS[name])
    text = f"`{name}` needs a library that is not installed or cannot be imported here; {wanted}, or `unblur[perceptual]` for all"
    raise InputError(text)


def _lpips(module: Any) -> Extra:  # noqa: ANN401 - a library without types
    network = module.LPIPS(net="alex", verbose=False).eval()
    return lambda restored, sharp: float(network(restored.float(), sharp.float(), normalize=True).item())


def _pyiqa(module: Any, name: str) -> Extra:  # noqa: ANN401 - a library without types
    metric = module.create_metric(name)
    if name == "niqe":
        return lambda restored, sharp: float(metric(restored.float()).item())  # noqa: ARG005 - it needs no truth
    return lambda restored, sharp: float(metric(restored.float(), sharp.float()).item())
