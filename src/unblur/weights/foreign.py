"""Weights of third-party networks, as they are published: a checkpoint whose architecture the library spandrel recognises.

CHECKPOINT ─ torch's safe loader ─ spandrel: architecture by names and shapes, weights loaded strictly ─ `ForeignNet`

spandrel comes with the extra `peers`, and torchvision with it. Neither is imported before it is asked for: where torchvision was built for
another torch, importing it raises a RuntimeError. The architectures of `spandrel_extra_arches`, whose licences are restrictive, are known as
well if that is installed.
"""

import importlib
import warnings
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from unblur.errors import WeightsError
from unblur.models.foreign import ForeignNet
from unblur.weights.pickled import read_pickle

__all__ = ["SUFFIXES", "known_architectures", "read_foreign"]

SUFFIXES = (".pth", ".pt", ".ckpt", ".safetensors")
"""Of files that can be read."""

_MORE = "spandrel_extra_arches"
_INSTALL = "run `pip install spandrel` (the extra `peers`)"


def read_foreign(path: str | Path) -> ForeignNet:
    """The network that a checkpoint was made of, with its weights, on the processor.

    Args:
        path: a file as torch or safetensors saves it, of a state dict, by itself or in a checkpoint with other plain values. The state dict may
            be found under the usual keys (`params`, `state_dict`, `model` and others, see `spandrel.canonicalize_state_dict`).

    Raises:
        WeightsError: if spandrel is not installed or does not work here; if the file is missing or damaged, or holds more than tensors and plain
            values; if no architecture is recognised, or the tensors do not fit it; if the network cannot be used (`ForeignNet`).
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise WeightsError(
            f"weights of third-party networks are {', '.join(f'`{suffix}`' for suffix in SUFFIXES)} files, not `{path.name}`"
        )
    if not path.is_file():
        raise WeightsError(f"there is no file `{path}`")
    spandrel = _spandrel()  # before the file is read, which may take long
    state = _read_safetensors(path) if path.suffix.lower() == ".safetensors" else read_pickle(path)
    if not isinstance(state, Mapping) or not state:
        raise WeightsError(f"`{path}` holds no state dict, from names to tensors")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what builders call
            descriptor = spandrel.ModelLoader(device="cpu", registry=_registry(spandrel)).load_from_state_dict(dict(state))
    except spandrel.UnsupportedModelError as error:
        raise WeightsError(
            f"`{path}` is of no network that spandrel {spandrel.__version__} knows; it knows {', '.join(known_architectures())}. Of these, "
            f"restoration networks can be used{_hints(path)}"
        ) from error
    except Exception as error:
        raise WeightsError(
            f"`{path}` looks like a network that spandrel knows, but does not fit it: {type(error).__name__}: {error}"
        ) from error
    return ForeignNet(descriptor, source=path.name)


def known_architectures() -> list[str]:
    """Names of the architectures that can be recognised, sorted; some of them enlarge pictures and are refused when they are read.

    Raises:
        WeightsError: if spandrel is not installed or does not work here.
    """
    return sorted({support.architecture.name for support in _registry(_spandrel())}, key=str.lower)


def _spandrel() -> Any:  # noqa: ANN401 - a library that may not be there
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what its architectures import
            return importlib.import_module("spandrel")
    except ImportError as error:
        if error.name == "spandrel":
            text = f"weights of third-party networks are read by the library spandrel, which is not installed; {_INSTALL}"
        else:
            text = f"the library spandrel, which reads weights of third-party networks, cannot be imported: {error}; {_INSTALL}"
        raise WeightsError(text) from error
    except Exception as error:
        raise WeightsError(
            "the library spandrel, which reads weights of third-party networks, cannot be imported, as it needs torchvision, and "
            f"torchvision{_version('torchvision')} does not match torch{_version('torch')}: {error}; install builds of the two that belong "
            "together, from one index: see https://pytorch.org/get-started/locally"
        ) from error


def _registry(spandrel: Any) -> Any:  # noqa: ANN401 - of a library that may not be there
    """The architectures of spandrel, and those of its companion if that is installed; spandrel's own registry stays as it is."""
    registry = spandrel.MAIN_REGISTRY.copy()
    more = _companion()
    if more is not None:
        registry.add(*more.EXTRA_REGISTRY, ignore_duplicates=True)
    return registry


def _companion() -> Any:  # noqa: ANN401 - a library that may not be there
    """The library with more architectures, or None if it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(_MORE)
    except ModuleNotFoundError as error:
        if error.name == _MORE:
            return None
        problem: Exception = error
    except Exception as error:  # noqa: BLE001 - whatever it meets in its architectures
        problem = error
    raise WeightsError(f"the library {_MORE} is installed, but cannot be imported: {problem}; run `pip uninstall {_MORE}`") from problem


def _hints(path: Path) -> str:
    """What else may help, as the end of a sentence."""
    hints = []
    if _companion() is None:
        hints.append(f"`pip install {_MORE}` adds Restormer, MPRNet and others, under licences of their own")
    if path.suffix == ".safetensors" and path.with_suffix(".json").is_file():
        hints.append(f"weights of `unblur`'s own networks, with a card, are given as `--model {path}`")
    return "".join(f"; {hint}" for hint in hints)


def _read_safetensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path, device="cpu")
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"`{path}` cannot be read as a checkpoint: {error}") from error


def _version(package: str) -> str:
    """The version of a package after a space; empty if unknown."""
    try:
        return f" {version(package)}"
    except PackageNotFoundError:
        return ""
