"""Libraries that are installed with an extra, such as those for formats that the others do not know."""

import importlib
from pathlib import Path
from types import ModuleType

from unblur.errors import UnsupportedError

__all__ = ["INSTALL", "library", "needed", "optional"]

INSTALL = {
    "codecs": "`pip install 'unblur[codecs]'`",
    "exr": "`pip install 'unblur[exr]'`",
    "heif": "`pip install 'unblur[heif]'` (its wheels carry x265, which is under the GPL)",
    "jxl": "`pip install 'unblur[jxl]'` (in which pillow-jxl-plugin is under the GPL)",
    "raw": "`pip install 'unblur[raw]'`",
    "vp9": "`pip install 'unblur[vp9]'` (whose wheels carry FFmpeg, which is under the GPL)",
}
"""How to install the libraries of an extra, and what to know of them."""


def optional(name: str) -> ModuleType | None:
    """A library, None if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def needed(name: str, path: Path, what: str, *, extra: str) -> ModuleType:
    """A library without which a file cannot be read.

    Args:
        name: of the module.
        path: of the file.
        what: the file is, in words.
        extra: with which the library is installed.

    Raises:
        UnsupportedError: if it is not installed; the message says how to install it.
    """
    library = optional(name)
    if library is None:
        raise UnsupportedError(
            f"`{path}` is {what}, which needs the library {name}: {INSTALL[extra]}; or convert it to a 16-bit TIFF first"
        )
    return library


def library(name: str, *, extra: str, purpose: str) -> ModuleType:
    """A library that something else than a file needs.

    Args:
        name: of the module.
        extra: with which it is installed.
        purpose: what it is needed for.

    Raises:
        UnsupportedError: if it is not installed; the message says how to install it.
    """
    found = optional(name)
    if found is None:
        raise UnsupportedError(f"{purpose} needs the library {name}: `pip install 'unblur[{extra}]'`")
    return found
